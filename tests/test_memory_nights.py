"""What a book remembers over nights: balances in the lake, in one run's rating and the next's."""

from __future__ import annotations

from pathlib import Path

import calls
import memory_workspace
import pytest
from calls import Call, Lake


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return memory_workspace.remember(calls.make(tmp_path / "harbour"))


def state(root: Path) -> dict[tuple[str, str, str], tuple[int, int]]:
    """(owner, item, first day) -> granted, used."""
    rows = Lake(root).rows(
        "state", "1 as record_id, owner, item, since, granted, used", where="used > 0"
    )
    return {(owner, item.removeprefix("easy/"), f"{since:%m-%d}"): (granted, used)
            for _, owner, item, since, granted, used in rows}  # fmt: skip


def test_nights_go_on_with_what_is_left(root: Path) -> None:
    later = Call(duration=130, start="2003-06-10T11:00:00+08:00")
    calls.deliver(root, 1, Call(duration=100), later)
    calls.run(root)
    # 100 s take 120 of 180 s; of 130 s the last minute, and two of the group's.
    assert state(root)["S-1", "allowance/minutes", "06-01"] == (180, 180)
    calls.audited(root)
