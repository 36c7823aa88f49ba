"""The two legs of a forwarded call: which belong together, what one learns from the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import calls
import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from calls import ANN, BOB, FRIEND, NOBODY, Call
from click.testing import CliRunner
from guiding_world import START, records, world
from hypothesis import given

from rating import guide, normalise, pair
from tollbook import codes, reasons
from tollbook.mediation import Mediation
from tollbook.stage import ints

WORLD = world()
LIMIT_S = 30
PAIRING = replace(
    WORLD, workspace=replace(WORLD.workspace, mediation=Mediation((), LIMIT_S))
).reference()
ANNA, BERT = "13900000001", "13905000004"  # customers
CALLER, STRANGER = "13900000009", "13900000008"


def guided(*rows: dict[str, Any]) -> pa.RecordBatch:
    reference = WORLD.reference()
    return guide.guide(normalise.normalise(records(*rows), reference).batch, reference).batch


def leg(way: str, at: int, caller: str = CALLER, **more: Any) -> dict[str, Any]:
    """A leg that starts ``at`` seconds after START; a forwarded one goes on to 13900000007."""
    row = {"direction": codes.DIRECTION_CODE[way], "start_utc_s": START + at, "served_raw": ANNA}
    if way == "forward":
        return row | {"other_raw": "13900000007", "third_raw": caller} | more
    return row | {"other_raw": caller} | more


def paired(*rows: dict[str, Any]) -> list[int]:
    """Positions of the rows that found their other leg."""
    done = pair.pair(guided(*rows), PAIRING).batch
    return np.flatnonzero(ints(done, "flags") & codes.FLAG_PAIRED).tolist()


@pytest.mark.parametrize(("rows", "expected"), [
    ([leg("in", 0), leg("forward", 2)], [0, 1]),
    ([leg("forward", 0), leg("in", LIMIT_S)], [0, 1]),
    ([leg("forward", 0), leg("in", LIMIT_S + 1)], []),
    ([leg("in", 0), leg("forward", 2, served_raw=BERT)], []),  # another customer's
    ([leg("in", 0), leg("forward", 2, STRANGER)], []),  # another caller
    ([leg("in", 0), leg("in", 9), leg("forward", 10)], [1, 2]),  # the nearest
    ([leg("in", 0, ""), leg("forward", 2)], [0, 1]),  # one side need not know the caller
    ([leg("in", 0), leg("forward", 2, "")], [0, 1]),
    ([leg("in", 1, STRANGER), leg("in", 9), leg("forward", 2)], [1, 2]),  # the caller counts more
    ([leg("in", 0), leg("forward", 2, service=codes.SMS)], []),
    ([leg("in", 0, reason=reasons.CODE["time_malformed"]), leg("forward", 2)], []),
    ([leg("in", 0), leg("out", 2)], []),
])  # fmt: skip
def test_legs_that_belong_together(rows: list[dict[str, Any]], expected: list[int]) -> None:
    assert paired(*rows) == expected


def test_the_forwarded_leg_learns_who_called() -> None:
    before = guided(leg("forward", 2, ""), leg("in", 0), leg("in", 500, STRANGER),
                    leg("forward", 501, STRANGER))  # fmt: skip
    done = pair.pair(before, PAIRING)
    assert done.totals == {"paired": 2}
    assert done.batch["third_raw"].to_pylist() == [CALLER, "", "", STRANGER]
    assert ints(done.batch, "third_e164").tolist() == [8613900000009, 0, 0, 8613900000008]
    assert done.batch.drop_columns(["flags", "third_raw", "third_e164"]) == \
        before.drop_columns(["flags", "third_raw", "third_e164"])
    assert pair.pair(before, WORLD.reference()).batch is before  # where it is not asked for


def naive(rows: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Pairs by their definition: always the nearest two that are left, the earlier ones first."""
    found: list[tuple[int, int]] = []
    for knows, hidden in ((True, False), (False, False), (True, True)):
        while True:
            used = {place for both in found for place in both}
            choices = []
            for one, f in enumerate(rows):
                for two, i in enumerate(rows):
                    legs = f["direction"] == codes.FORWARD and i["direction"] == codes.IN
                    if not legs or {one, two} & used or f["served_raw"] != i["served_raw"]:
                        continue
                    if bool(f["third_raw"]) != knows or (hidden and i["other_raw"]):
                        continue
                    if knows and not hidden and f["third_raw"] != i["other_raw"]:
                        continue
                    gap = abs(f["start_utc_s"] - i["start_utc_s"])
                    if gap <= LIMIT_S:
                        first = min((f["start_utc_s"], one), (i["start_utc_s"], two))
                        last = max((f["start_utc_s"], one), (i["start_utc_s"], two))
                        choices.append((gap, first, last, (one, two)))
            if not choices:
                break
            found.append(_side_by_side(choices))
    return found


def _side_by_side(choices: list[Any]) -> tuple[int, int]:
    """Of equally near pairs the earliest; of those the one with nothing between its legs."""
    gap = min(choice[0] for choice in choices)
    _, _, _, both = min(
        (first, last, one, both) for one, first, last, both in choices if one == gap
    )
    return both


LEGS = st.builds(
    leg, st.sampled_from(("in", "forward")), st.integers(0, 80),
    st.sampled_from(("", CALLER, STRANGER)), served_raw=st.sampled_from((ANNA, BERT)),
)  # fmt: skip


@given(
    st.lists(LEGS, min_size=1, max_size=14, unique_by=lambda row: row["start_utc_s"]), st.randoms()
)
def test_the_nearest_find_each_other_whatever_the_order(
    rows: list[dict[str, Any]], random: Any
) -> None:
    expected = {place for both in naive(rows) for place in both}
    numbered = [row | {"record_id": (1 << 32) + at} for at, row in enumerate(rows)]
    random.shuffle(numbered)
    done = pair.pair(guided(*numbered), PAIRING).batch
    hit = (ints(done, "flags") & codes.FLAG_PAIRED) > 0
    assert {record & 0xFFFFFFFF for record in ints(done, "record_id")[hit].tolist()} == expected


def test_a_night_pairs_discards_and_tells_the_rule(tmp_path: Path) -> None:
    from tollbook.cli.explain import command

    root = calls.make(tmp_path)
    settings = root / "operator.yaml"
    settings.write_text(settings.read_text() + f"""
mediation:
  discard: [{{name: desk, when: {{served: ["{NOBODY}"]}}}}]
  filter: [{{name: shorts, when: {{duration_at_most: 3s, direction: [out]}}}}]
  pair_forwarded: 30s
""")
    start = "2003-06-10T10:00:{:02d}+08:00"
    calls.deliver(
        root, 1, Call(ANN, FRIEND, start.format(1), direction="in"),
        Call(ANN, BOB, start.format(5), direction="forward"), Call(NOBODY),
        Call(BOB, duration=3), Call(BOB, duration=4, start=start.format(9)),
    )
    done = calls.run(root)
    assert done.dispositions == dict.fromkeys(codes.DISPOSITIONS, 0) | {
        "rated": 3, "discarded": 1, "filtered": 1}  # fmt: skip
    calls.audited(root)
    lake = calls.Lake(root)
    assert lake.rows("rated", "third_raw, flags & 16384", where="served_raw = '" + ANN + "'") == [
        ("", 16384), (FRIEND, 16384)]  # fmt: skip
    assert lake.rows("uncharged", "reason, mediation_rule") == [
        ("discarded_by_rule", "desk"), ("filtered_by_rule", "shorts")]  # fmt: skip
    for record, words in (("F1-3", FRIEND[-4:]), ("F1-4", "desk (operator.yaml, mediation)")):
        said = CliRunner().invoke(command, ["-C", str(root), record])
        assert said.exit_code == 0, said.output
        assert words in said.output
