"""What explains a record after months were rated again: its own run, and its corrections."""

from __future__ import annotations

import json
import re
from pathlib import Path

import calls
import pytest
from calls import ANN, BOB
from rerating_helpers import JUNE, billed, edit, rerated
from test_rerate_pools import at, rows
from test_rerate_pools import root as root  # a fixture

from tollbook.cli.explain_json import document
from tollbook.cli.explain_screen import screen
from tollbook.run import session
from tollbook.run.explaining import Explainer, Explanation

GUANGZHOU = "+862087654321"
AS_OF = "2003-07-05T00:00:00"


def explained(root: Path) -> dict[int, Explanation]:
    """Every rated record; what its run has stored is what its snapshot gives."""
    work = session.open_session(root)
    explainer = Explainer(work)
    found = {row["record_id"]: explainer.explain(row["record_id"]) for row in rows(root, "rated")}
    work.catalogue.engine.dispose()
    assert not {record: one.differences for record, one in found.items() if one.differences}
    return found


def months(root: Path) -> None:
    """June, billed, and July; local calls, toll calls and messages of two who share a pool."""
    def of(day: str) -> list[calls.Call]:
        return [
            *(at(f"{day}T{hour}", served=served, duration=40 * hour, other=other)
              for hour in (10, 11, 12, 13) for served in (ANN, BOB)
              for other in (calls.FRIEND, GUANGZHOU)),
            *(at(f"{day}T15", service="sms", events=1, duration=0) for _ in range(3)),
        ]  # fmt: skip

    calls.deliver(root, 1, *of("06-10"))
    calls.run(root)
    billed(root, JUNE, "2003-07-02T00:00:00")
    calls.deliver(root, 2, *of("07-03"))
    calls.run(root, "2003-07-04T02:00:00")


LESS = (("amount: 3min", "amount: 1min"), ("amount: 2.00", "amount: 0.50"),
        ("amount: 5min", "amount: 2min"))  # fmt: skip
NO_CAP = (("caps:\n  - {name: toll, amount: 2.00, covers: toll}\n", ""),)


@pytest.mark.parametrize("changes", [LESS, NO_CAP], ids=["less", "no_cap"])
def test_a_record_is_explained_by_the_balances_of_its_own_run(
    root: Path, changes: tuple[tuple[str, str], ...]
) -> None:
    """Rows of June stay as they were billed and rows of July that are as before stay, too: they
    were granted what their runs granted, whatever a re-rating has granted since."""
    months(root)
    before = explained(root)
    assert any(use.granted is not None for one in before.values() for use in one.trace.used)
    edit(root, *changes)
    assert rerated(root, as_of=AS_OF).changed
    after = explained(root)
    stay = [record for record, one in after.items()
            if one.run.run_number == before[record].run.run_number]  # fmt: skip
    assert 19 <= len(stay) < len(after)
    for record in stay:
        assert after[record].trace.used == before[record].trace.used
        assert after[record].trace.settled == before[record].trace.settled


def test_what_only_the_correcting_book_counts_is_told_in_its_measure(root: Path) -> None:
    """An allowance of money takes the cap's place; the cap is known to the record's own book."""
    months(root)
    edit(root, ("caps:\n  - {name: toll, amount: 2.00, covers: toll}\n",
                "  - {name: purse, amount: 2.00, covers: toll}\n"))  # fmt: skip
    rerated(root, as_of=AS_OF)
    shown = screen(explained(root)[(1 << 32) + 3])
    assert "easy/allowance/purse from 2003-06-01: 2.00 CNY more taken" in shown
    assert "easy/cap/toll from 2003-06-01: 2.00 CNY less taken" in shown


def test_what_was_corrected_since_is_told(root: Path) -> None:
    """Ann's first toll call takes all of the cap; what comes behind it costs no toll in any case.
    400 s at 10:00 are 67 x 0.07 without the cap, which is 2.00, then 0.50, then 1.25."""
    months(root)
    for amount, as_of in (("0.50", AS_OF), ("1.25", "2003-07-06T00:00:00")):
        path = root / "tariffs" / "easy.yaml"
        text = re.sub(r"(name: toll, amount: )[\d.]+", rf"\g<1>{amount}", path.read_text())
        path.write_text(text)
        rerated(root, as_of=as_of)
    found = explained(root)
    first, later = found[(1 << 32) + 3], found[(1 << 32) + 7]
    assert [one for one in screen(first).splitlines() if "run 1" not in one][-4:] == [
        "  corrected  by run 4: toll 2.00 -> 0.50 CNY, on the bill of 2003-07",
        "             easy/cap/toll from 2003-06-01: 1.50 CNY less taken",
        "             by run 5: toll 0.50 -> 1.25 CNY, on the bill of 2003-07",
        "             easy/cap/toll from 2003-06-01: 0.75 CNY more taken"]  # fmt: skip
    assert "toll" in later.stored_micro
    assert later.corrections == ()
    told = json.loads(json.dumps(document(first)))["corrections"]
    assert [(one["run_number"], one.get("delta_micro"), one.get("taken")) for one in told] == [
        (4, -1_500_000, None), (4, None, -1_500_000), (5, 750_000, None), (5, None, 750_000)]
    assert "corrections" not in document(later)
