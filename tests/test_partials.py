"""Partial records of long calls: merged before they are rated, across files and nights."""

from __future__ import annotations

from pathlib import Path

import calls
import pytest
from calls import ANN, Call, Lake, audited

from tollbook import codes

SECTION = "partials: {key: [served, call_ref], gap: 5s, hold: 24h, going_on: [1]}\n"
GOES_ON, ENDED = 1, 16


def part(number: int, start: str, duration: int, cause: int = GOES_ON, ref: str = "c1") -> Call:
    return Call(ANN, start=f"2003-06-10T{start}+08:00", duration=duration, call_ref=ref,
                sequence=number, cause=cause)  # fmt: skip


# 30 minutes, 30 minutes, 5 s: each begins where the one before ended.
PARTS = (
    part(1, "10:00:00", 1800), part(2, "10:30:00", 1800), part(3, "11:00:00", 5, ENDED),
)  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = calls.make(tmp_path / "harbour")
    path = root / "operator.yaml"
    path.write_text(path.read_text() + SECTION)
    return root


def test_parts_of_one_night_are_one_call(root: Path) -> None:
    calls.deliver(root, 1, PARTS[1], Call())
    calls.deliver(root, 2, PARTS[2], PARTS[0])
    outcome = calls.run(root)
    assert outcome.reasons == {"part_merged": 2}
    assert {n: k for n, k in outcome.dispositions.items() if k} == {"rated": 2, "merged": 2}
    lake = Lake(root)
    row = lake.rows("rated", "duration_s, sequence, cause, flags, charge", where="sequence > 0")
    # 3605 s are 61 minutes begun: 61 x 0.60 (apart they would be 30 + 30 + 1 minutes as well).
    assert [(*r[:3], r[3] & (codes.FLAG_MERGED | codes.FLAG_PARTIAL), str(r[4])) for r in row] == [
        (3605, 1, ENDED, codes.FLAG_MERGED, "36.600000")]  # fmt: skip
    audited(root)
