"""Calls in parts over several runs: suspense, retries, kills, and what is told about them.

What is merged and when is in tests/business/partials.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import calls
import nights
import pytest
from calls import ANN, NOBODY, Call, Lake, audited
from click.testing import CliRunner
from native_files import encode

from cdr.native import FORMATS
from tollbook import codes
from tollbook.cli import main
from tollbook.run import retry, session, suspended
from tollbook.run.nightly import Outcome

SECTION = "partials: {key: [served, call_ref], gap: 5s, hold: 24h, going_on: [1]}\n"
FIRST_NIGHT, NEXT_NIGHT = "2003-06-11T02:00:00", "2003-06-12T02:00:00"
MADE = codes.FLAG_MERGED | codes.FLAG_PARTIAL


def parts(**more: Any) -> tuple[Call, Call, Call]:
    """30 minutes, 30 minutes, 5 s: each begins where the one before ended."""
    first, second, third = (
        Call(start=f"2003-06-10T{start}+08:00", duration=duration, call_ref="c1", sequence=number,
             cause=cause, **more)
        for number, start, duration, cause in (
            (1, "10:00:00", 1800, 1), (2, "10:30:00", 1800, 1), (3, "11:00:00", 5, 16))
    )  # fmt: skip
    return first, second, third


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = calls.make(tmp_path / "harbour")
    path = root / "operator.yaml"
    path.write_text(path.read_text() + SECTION)
    return root


def tried(root: Path) -> Outcome:
    work = session.open_session(root)
    try:
        return retry.run(work, suspended.Choice(), calls.moment("2003-06-11T09:00:00"))
    finally:
        work.catalogue.engine.dispose()


def rated(root: Path) -> list[tuple[str, int, int, int, str]]:
    """Record, seconds, cause, how it was made, charge."""
    rows = Lake(root).rows("rated", "record_id, duration_s, cause, flags, charge")
    return [(f"F{record >> 32}-{record & 0xFFFFFFFF}", seconds, cause, flags & MADE, str(charge))
            for record, seconds, cause, flags, charge in rows]  # fmt: skip


# 3605 s on plan easy: 61 minutes begun, 61 x 0.60 = 36.60.
WHOLE = ("F1-2", 3605, 16, codes.FLAG_MERGED, "36.600000")


def fates(outcome: Outcome) -> dict[str, int]:
    return {name: rows for name, rows in outcome.dispositions.items() if rows}


def test_parts_of_an_unknown_number_are_one_call_when_it_is_known(root: Path) -> None:
    calls.deliver(root, 1, *parts(served=NOBODY))
    assert fates(calls.run(root, FIRST_NIGHT)) == {"suspended": 3}
    calls.add_subscription(root, f"S-9,A-3,{NOBODY},,easy,active,2003-01-01,")
    assert fates(tried(root)) == {"rated": 1, "merged": 2}
    assert rated(root) == [WHOLE]
    audited(root)


def test_a_part_in_suspense_is_joined_with_those_that_wait(root: Path) -> None:
    first, second, third = parts()
    lost = Call(**{**vars(second), "location": "460-97-1000-9"})  # a cell that nobody knows
    calls.deliver(root, 1, first, lost, third)
    outcome = calls.run(root, FIRST_NIGHT)
    assert outcome.reasons == {"location_missing": 1, "part_awaited": 2}
    path = root / "network" / "locations.csv"
    path.write_text(path.read_text().rstrip("\n") + "\n460-97-1000-9,010\n")
    done = tried(root)
    assert (done.rows, done.released, fates(done)) == (1, 2, {"rated": 1, "merged": 2})
    assert rated(root) == [WHOLE]
    audited(root)


def test_a_call_that_waits_in_suspense_stays_one_call(root: Path) -> None:
    """It has no trunk's carrier to settle with; afterwards it is charged with all of its parts."""
    calls.deliver(root, 1, *parts(trunk_out="T-NEW"))
    assert fates(calls.run(root, FIRST_NIGHT)) == {"merged": 2, "suspended": 1}
    assert Lake(root).rows("suspense", "reason, duration_s, flags") == [
        ("trunk_unknown", 3605, codes.FLAG_MERGED)]  # fmt: skip
    path = root / "network" / "trunks.csv"
    path.write_text(path.read_text().rstrip("\n") + "\nT-NEW,greatriver,New,2001-01-01,\n")
    assert fates(tried(root)) == {"rated": 1}
    assert rated(root) == [WHOLE]
    audited(root)


def test_without_the_section_what_waits_is_charged_part_by_part(root: Path) -> None:
    first, second, _ = parts()
    calls.deliver(root, 1, first, second)
    assert fates(calls.run(root, FIRST_NIGHT)) == {"pending": 2}
    path = root / "operator.yaml"
    path.write_text(path.read_text().replace(SECTION, ""))
    assert fates(calls.run(root, FIRST_NIGHT)) == {"rated": 2}
    assert [row[4] for row in rated(root)] == ["18.000000", "18.000000"]  # 30 x 0.60 each
    audited(root)


def test_nothing_is_done_while_nothing_is_due(root: Path) -> None:
    calls.deliver(root, 1, *parts()[:2])
    assert calls.run(root, FIRST_NIGHT).run_number == 1
    before = nights.tree(root)
    assert calls.run(root, "2003-06-11T11:00:00").run_number == 0  # 24 h to the second
    assert nights.tree(root) == before
    flushed = calls.run(root, "2003-06-11T11:00:01")
    assert (flushed.rows, flushed.released, fates(flushed)) == (0, 2, {"rated": 1, "merged": 1})
    assert rated(root) == [("F1-2", 3600, 1, MADE, "36.000000")]
    audited(root)


def test_the_books_of_each_run_close(root: Path) -> None:
    """A part that goes on waiting has no new fate; one that is taken up leaves `pending`."""
    first, second, third = parts()
    calls.deliver(root, 1, second, Call(ANN))
    calls.deliver(root, 2, *parts(served=calls.BOB)[1:])
    calls.run(root, FIRST_NIGHT)
    calls.deliver(root, 3, first, third)
    calls.run(root, "2003-06-11T10:00:00")
    totals = nights.books(root)["totals"]
    fate_of = {(row["run_number"], row["file_number"], row["disposition"]): row["rows"]
               for row in totals}  # fmt: skip
    assert fate_of == {
        (1, 1, "pending"): 1, (1, 1, "rated"): 1, (1, 2, "pending"): 2,
        (2, 1, "pending"): -1, (2, 1, "merged"): 1, (2, 3, "rated"): 1, (2, 3, "merged"): 1,
    }  # fmt: skip
    assert Lake(root).rows("pending", "record_id >> 32, call_record_id & 255, due_utc_s") == [
        (2, 2, calls.moment("2003-06-11T11:00:05"))] * 2  # fmt: skip
    audited(root)


def test_what_is_told_of_parts(root: Path) -> None:
    first, second, third = parts()
    calls.deliver(root, 1, first, third)
    assert "part_awaited" in invoke("run", root, "--as-of", "2003-06-11T02:00:00+08:00")
    told = invoke("explain", root, "F1-3")
    assert "pending: part_awaited" in told
    assert "at most until 2003-06-11T03:00:05Z" in told
    calls.deliver(root, 2, second)
    shown = invoke("run", root, "--as-of", "2003-06-11T03:00:00+08:00")
    assert "2 partial records that waited taken up again" in shown
    call = invoke("explain", root, "F1-2")
    for text in ("3,605 s", "F1-2 and 2 parts behind it", "F2-2: Tue 2003-06-10 10:30:00",
                 "F1-3: Tue 2003-06-10 11:00:00", "61 x 60 s", "36.60"):  # fmt: skip
        assert text in call, text
    assert "NOT AS STORED" not in call
    part = invoke("explain", root, "F2-2")
    assert "merged: part_merged" in part
    assert "F1-2, rated by run 2" in part
    told = json.loads(invoke("explain", root, "F1-2", "--json"))
    assert told["parts"] == ["F2-2", "F1-3"]


def invoke(name: str, root: Path, *words: str) -> str:
    found = CliRunner().invoke(main.cli, [name, "-C", str(root), *words])
    assert found.exit_code == 0, found.output
    return found.stdout


def test_parts_of_a_switch_and_a_gateway(root: Path) -> None:
    """TS 32.298: two parts of a call in two files, and a session whose second part lay still."""
    path = root / "operator.yaml"
    path.write_text(
        path.read_text()
        .replace(SECTION, "partials: {going_on: {switch: [1, 2], gateway: [16, 17]}}\n")
        .replace("\n\nduplicates:", NATIVE + "duplicates:")
    )
    number = {"servedMSISDN": f"91 {ANN[1:]}"}
    call = number | {"recordType": 0, "calledNumber": "a1 13530000007", "callReference": b"\7"}
    session = number | {"recordType": 85, "chargingID": 9, "duration": 1800}
    put(root, "switch", "1", {"moCallRecord": call | {
        "answerTime": clock("10:00:00"), "callDuration": 1790, "sequenceNumber": 1,
        "causeForTerm": 1}})  # fmt: skip
    put(root, "switch", "2", {"moCallRecord": call | {
        "answerTime": clock("10:29:50"), "callDuration": 11, "sequenceNumber": 2,
        "causeForTerm": 0}})  # fmt: skip
    put(root, "gateway", "3", *({"pGWRecord": session | {
        "recordOpeningTime": clock(opened), "recordSequenceNumber": number,
        "causeForRecClosing": cause,
        "listOfServiceData": [{"datavolumeFBCUplink": volume, "datavolumeFBCDownlink": 0}]}}
        for number, opened, cause, volume in (
            (1, "10:00:00", 16, 1000), (2, "10:30:00", 17, 0), (3, "11:00:00", 0, 24))
    ))  # fmt: skip
    assert fates(calls.run(root, FIRST_NIGHT)) == {"rated": 2, "merged": 3}
    rows = Lake(root).rows("rated", "service, duration_s, up_bytes, cause, flags")
    assert sorted((*row[:4], row[4] & MADE) for row in rows) == [
        ("data", 5400, 1024, 0, codes.FLAG_MERGED), ("voice", 1801, 0, 0, codes.FLAG_MERGED),
    ]  # fmt: skip
    audited(root)


NATIVE = """
  - {name: switch, layout: ts32298, files: "*", time_zone: UTC}
  - {name: gateway, layout: ts32298, files: "*", time_zone: UTC}

"""


def clock(time: str) -> str:
    return f"2003-06-10 {time} +08:00"


def put(root: Path, source: str, name: str, *records: dict[str, Any]) -> None:
    path = root / "inbox" / source / name
    path.parent.mkdir(parents=True, exist_ok=True)
    types = FORMATS["ts32298"].types
    path.write_bytes(b"".join(encode(types, "CallDataRecord", one) for one in records))


# ---- killed on the way

POINTS = ("parts_assembled", "after_transaction", "superseded_hidden")


@pytest.mark.slow
def test_killed_anywhere_nothing_waits_twice_and_nothing_is_lost(
    root: Path, tmp_path: Path
) -> None:
    """One call is finished in the night that is killed, one is flushed, one goes on waiting."""
    first, second, third = parts()
    flushed = Call(**{**vars(first), "start": "2003-06-09T23:00:00+08:00", "call_ref": "c0"})
    waiting = parts(served=calls.BOB)[0]
    calls.deliver(root, 1, first, third, waiting, flushed)
    assert fates(calls.run(root, "2003-06-10T11:30:00")) == {"pending": 4}
    calls.deliver(root, 2, second, Call())
    moment = calls.moment(FIRST_NIGHT)
    other = nights.copy(root, tmp_path / "undisturbed")
    done = calls.run(other, FIRST_NIGHT)
    assert fates(done) == {"rated": 3, "merged": 2, "pending": 1}
    left = nights.tree(other), nights.books(other)
    for point in POINTS:
        killed = nights.copy(root, tmp_path / point)
        assert nights.run_apart(killed, moment, TOLLBOOK_KILL_AT=point) == -9
        calls.run(killed, FIRST_NIGHT, threads=1)
        assert (nights.tree(killed), nights.books(killed)) == left, point
        audited(killed)
