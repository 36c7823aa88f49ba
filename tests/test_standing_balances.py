"""A plan that is changed in place: what its balances were counted in must still be what it says."""

from __future__ import annotations

from pathlib import Path

import calls
import memory_workspace
import nights
import pytest
from calls import Call

from tollbook.errors import Refused

OTHERS = {
    "minutes, amount: 3min,": ("minutes, amount: 3min, owner: account,",
                               "allowance 'minutes' counts seconds in a month for each account; "
                               "it has balances that count seconds in a month for each subscript"),
    "measure: seconds, when": ("measure: money, when",
                               "counter 'voice' counts money in its time for each account; it has "
                               "balances that count seconds in its time for each account"),
    "{name: toll, amount: 2.00,": ("{name: toll, amount: 2.00, period: 3d,",
                                   "cap 'toll' counts money in 3 days for each subscription; it "
                                   "has balances that count money in a month"),
    "period: once": ("period: day", "counts seconds in a day for each account"),
}  # fmt: skip


def kept(root: Path) -> dict[str, str]:
    """The lake, without books as arrays, which are made whenever one is wanted."""
    return {path: digest for path, digest in nights.tree(root).items() if "/compiled/" not in path}


@pytest.mark.parametrize("old", OTHERS)
def test_an_item_that_counts_otherwise_than_its_balances_is_refused(
    tmp_path: Path, old: str
) -> None:
    root = memory_workspace.remember(calls.make(tmp_path / "harbour"))
    calls.deliver(root, 1, Call(other="+862087654321", duration=200))
    calls.run(root)
    before = kept(root)
    plan = root / "tariffs" / "easy.yaml"
    text = plan.read_text()
    new, words = OTHERS[old]
    assert text.count(old) == 1
    plan.write_text(text.replace(old, new))
    calls.deliver(root, 2, Call(duration=60))
    with pytest.raises(Refused) as refused:
        calls.run(root, "2003-06-12T02:00:00")
    assert words in str(refused.value)
    assert "draws their balances up anew" in str(refused.value)
    assert kept(root) == before
    plan.write_text(text.replace("amount: 2.00", "amount: 3.00"))  # another amount may be given
    assert calls.run(root, "2003-06-12T02:00:00").dispositions["rated"] == 1
    calls.audited(root)
