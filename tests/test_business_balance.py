"""The balance of a night as business cases in text: tests/business/balance."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path
from typing import Final

import calls
import numpy as np
import pyarrow as pa
import pytest
from calls import ANN, BOB, NOBODY, Call

from tollbook import codes
from tollbook.errors import NotClosed
from tollbook.reasons import BY_CODE, CODE
from tollbook.run import session
from tollbook.run.totals import Tally, check_closed

PATH: Final = Path(__file__).parent / "business" / "balance" / "balance.csv"
REASON: Final = {
    "rated": 0, "err": CODE["integer_malformed"], "noowner": CODE["subscription_missing"],
    "stop": CODE["subscription_inactive"], "dup": CODE["record_duplicate"],
    "trash": CODE["discarded_by_rule"], "filtered": CODE["filtered_by_rule"],
}  # fmt: skip
STOPPED, DESK, ONLINE = "+8613010000004", "+8613010000005", "+8613010000006"
RULES: Final = f"""
mediation:
  discard: [{{name: desk, when: {{served: ["{DESK}"]}}}}]
  filter: [{{name: charged online, when: {{served: ["{ONLINE}"]}}}}]
"""
Row = dict[str, str]


def cases(how: str) -> list[Row]:
    with PATH.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return [row for row in rows if row["how"] == how]


def by_case(row: Row) -> str:
    return row["case"]


@pytest.mark.parametrize("row", cases("counted"), ids=by_case)
def test_every_record_has_one_fate_or_nothing_is_committed(row: Row) -> None:
    reason = np.repeat([*REASON.values()], [int(row[word]) for word in REASON]).astype(np.int16)
    count = len(reason)
    batch = pa.record_batch({
        "record_id": (7 << 32) + np.arange(count, dtype=np.int64),
        "usage_period": np.full(count, 2003 * 12 + 5, np.int32),
        "reason": reason,
        "service": np.full(count, codes.VOICE, np.int8),
        "charge_micro": np.where(reason == 0, 400_000, 0),
    })  # fmt: skip
    tally = Tally()
    for begin in range(0, count, 131_072):  # as the parts of a night do
        tally.add(batch.slice(begin, 131_072))
    totals, received = tally.totals(), {7: int(row["received"])}
    assert sum(total.rows for total in totals) == count
    fates = Counter[str]()
    for total in totals:
        fates[total.disposition] += total.rows
    waiting = sum(int(row[word]) for word in ("err", "noowner", "stop"))
    assert fates == +Counter({
        "rated": int(row["rated"]), "suspended": waiting, "duplicate": int(row["dup"]),
        "discarded": int(row["trash"]), "filtered": int(row["filtered"]),
    })  # fmt: skip
    money = {"the stages": 400_000 * int(row["rated"])}
    if row["expect"] == "balanced":
        check_closed(received, totals, money)
        return
    words = f"F7: {row['received']} records came in, {row['expect']} have a fate"
    with pytest.raises(NotClosed, match=words):
        check_closed(received, totals, money)


@pytest.mark.parametrize("row", cases("night"), ids=by_case)
def test_a_night_finds_what_the_case_delivers(row: Row, tmp_path: Path) -> None:
    root = calls.make(tmp_path)
    settings = root / "operator.yaml"
    settings.write_text(settings.read_text() + RULES)
    calls.add_subscription(root, f"S-4,A-1,{STOPPED},,easy,suspended,2002-01-01,")
    made: list[Call] = []
    for word in REASON:
        for at in range(int(row[word])):
            start = f"2003-06-10T1{len(REASON) - at % 3}:{at:02d}:00+08:00"
            made.append({
                "rated": Call(ANN, start=start), "err": Call(ANN, start=start, duration="1m"),
                "noowner": Call(NOBODY, start=start), "stop": Call(STOPPED, start=start),
                "dup": Call(BOB, duration=7), "trash": Call(DESK, start=start),
                "filtered": Call(ONLINE, start=start),
            }[word])  # fmt: skip
    if int(row["dup"]):  # the first of equal ones stays: it is one of those that are rated
        made[0] = Call(BOB, duration=7)
    calls.deliver(root, 1, *made)
    outcome = calls.run(root)
    assert outcome.rows == len(made) == int(row["received"])
    expected = {BY_CODE[code].name: int(row[word]) for word, code in REASON.items() if code}
    assert outcome.reasons == {name: n for name, n in sorted(expected.items()) if n}
    assert outcome.dispositions["rated"] == int(row["rated"])
    work = session.open_session(root)
    found = [total for _, total in work.catalogue.totals()]
    check_closed({1: int(row["received"])}, found, {"the rows": outcome.charge_micro})
    work.catalogue.engine.dispose()
    calls.audited(root)


def test_the_arithmetic_is_that_of_the_counts() -> None:
    for row in (*cases("counted"), *cases("night")):
        terms, _, total = row["arithmetic"].partition(" = ")
        counts = [int(row[word]) for word in REASON if int(row[word])]
        assert [int(term) for term in re.findall(r"\d+", terms)] == (counts or [0])
        assert sum(counts) == int(total)
        assert (row["expect"] == "balanced") == (int(total) == int(row["received"]))
        assert row["expect"] in ("balanced", total)
