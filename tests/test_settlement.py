"""Settlement statements: hand-checked figures, and lines that always add up to the legs."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from billing_helpers import period, texts
from hypothesis import given
from hypothesis import strategies as st

from settlement import statement
from tollbook import schemas
from tollbook.errors import TollbookError

TERMS = statement.Terms("Harbour Mobile", period("2003-06"), "CNY", 2,
                        {"beacon": "Beacon Telecom", "lotus": "=Lotus"})  # fmt: skip
WORDS = ("carrier", "direction", "service", "settlement_group", "agreement", "price")
FIGURES = ("quantity", "billed_quantity", "charge_micro")


def legs(rows: Sequence[Sequence[Any]], dictionaries: bool = False) -> pa.RecordBatch:
    """Legs as the lake gives them back: the words, then the figures."""
    columns: dict[str, pa.Array] = {
        name: texts([row[at] for row in rows]) for at, name in enumerate(WORDS)
    }
    if dictionaries:
        columns = {name: column.dictionary_encode() for name, column in columns.items()}
    columns |= {name: pa.array([row[len(WORDS) + at] for row in rows], pa.int64())
                for at, name in enumerate(FIGURES)}  # fmt: skip
    return pa.RecordBatch.from_pydict(columns)


LEGS = [
    ("beacon", "out", "voice", "local", "b-1", "0.06", 61, 120, 120_000),
    ("beacon", "out", "voice", "local", "b-1", "0.06", 20, 60, 60_000),
    ("beacon", "out", "voice", "toll", "b-1", "0.15", 10, 20, 50_005),
    ("beacon", "in", "voice", "local", "b-2", "0.06", 600, 600, 600_000),
    ("beacon", "in", "sms", "local", "b-3", "0.03", 3, 3, 95_000),
    ("lotus", "out", "voice", "local", "l-1", "0.06", 60, 60, 60_000),
    ("anchor", "in", "data", "world", "a-1", "0.01", 2048, 2048, 4_999),
]


def test_a_statement_sums_legs_by_terms() -> None:
    anchor, beacon, lotus = statement.make([legs(LEGS[:3]), legs(LEGS[3:])], TERMS)
    assert list(beacon.lines) == [
        statement.Line("out", "voice", "local", "b-1", "0.06", 2, 81, 180, 180_000),
        statement.Line("out", "voice", "toll", "b-1", "0.15", 1, 10, 20, 50_005),
        statement.Line("in", "sms", "local", "b-3", "0.03", 1, 3, 3, 95_000),
        statement.Line("in", "voice", "local", "b-2", "0.06", 1, 600, 600, 600_000),
    ]
    assert [line.billed_minutes for line in beacon.lines] == ["3", "0 1/3", "", "10"]
    assert [line.unit for line in beacon.lines] == ["second", "second", "event", "second"]
    # out 0.230005 -> 0.23; in 0.695 -> 0.70 (half up); 0.70 - 0.23 = 0.47 in our favour
    assert beacon.total("out") == statement.Total(3, 230_005, 230_000)
    assert beacon.total("out").rounding_micro == 5
    assert beacon.total("in") == statement.Total(2, 695_000, 700_000)
    assert beacon.total("in").rounding_micro == -5_000
    assert (beacon.net_micro, beacon.payer) == (470_000, "Beacon Telecom")
    assert (lotus.net_micro, lotus.payer) == (-60_000, "Harbour Mobile")
    assert (anchor.net_micro, anchor.payer, anchor.carrier_name) == (0, "", "anchor")
    assert beacon.statement_id == "S-2003-06-beacon"


def test_files_of_a_statement(tmp_path: Path) -> None:
    files = statement.write(tmp_path, statement.make([legs(LEGS)], TERMS))
    assert [path.name for path in files] == [
        "S-2003-06-anchor.csv", "S-2003-06-beacon.csv", "S-2003-06-lotus.csv", "summary.csv",
    ]  # fmt: skip
    assert files[1].read_text().splitlines()[:2] == [
        "statement_id,from_operator,to_operator,period_start,period_end,direction,payer,service,"
        "settlement_group,agreement,price,currency,calls,seconds,unit,quantity,billed_quantity,"
        "billed_minutes,amount",
        "S-2003-06-beacon,Harbour Mobile,Beacon Telecom,2003-06-01,2003-06-30,out,Harbour Mobile,"
        "voice,local,b-1,0.06,CNY,2,81,second,81,180,3,0.18",
    ]
    with files[3].open(newline="") as source:
        rows = list(csv.DictReader(source))
    assert rows[1] == {
        "statement_id": "S-2003-06-beacon", "carrier": "beacon", "carrier_name": "Beacon Telecom",
        "period": "2003-06", "currency": "CNY", "out_calls": "3", "out_exact": "0.230005",
        "out_rounding": "0.000005", "out_payable": "0.23", "in_calls": "2", "in_exact": "0.695",
        "in_rounding": "-0.005", "in_payable": "0.70", "net": "0.47", "payer": "Beacon Telecom",
    }  # fmt: skip
    assert (rows[2]["carrier_name"], rows[2]["net"]) == ("'=Lotus", "-0.06")


def test_order_and_cut_of_legs_change_no_byte(tmp_path: Path) -> None:
    contents = []
    ways = ([legs(LEGS)], [legs([leg], dictionaries=True) for leg in reversed(LEGS)])
    for name, batches in zip(("one", "two"), ways, strict=True):
        (tmp_path / name).mkdir()
        files = statement.write(tmp_path / name, statement.make(batches, TERMS))
        contents.append([path.read_bytes() for path in files])
    assert contents[0] == contents[1]


def test_legs_without_a_price_column() -> None:
    (only,) = statement.make([legs(LEGS[:1]).drop_columns(["price"])], TERMS)
    assert only.lines[0].price == ""


@pytest.mark.parametrize("seconds", [0, 1, 20, 59, 60, 740, 3600, 3601, 7 * 60 + 45])
def test_minutes_are_exact(seconds: int) -> None:
    text = statement.minutes_text(seconds)
    assert sum(map(Fraction, text.split())) * 60 == seconds


def test_words_that_no_leg_has_are_refused() -> None:
    for at, word in ((1, "sideways"), (2, "telex")):
        leg = list(LEGS[0])
        leg[at] = word
        with pytest.raises(TollbookError, match=f"legs of carrier beacon.*'{word}'"):
            statement.make([legs([leg])], TERMS)


def test_a_sum_beyond_64_bits_is_exact_and_never_stored_wrapped() -> None:
    leg = (*LEGS[0][:-1], 10**18 - 1)
    (only,) = statement.make([legs([leg] * 10)], TERMS)
    assert only.total("out").exact_micro == 10 * (10**18 - 1)
    with pytest.raises(TollbookError, match="does not fit into 64 bits"):
        statement.lines_table([only])


_legs = st.lists(
    st.tuples(
        st.sampled_from(("beacon", "lotus")), st.sampled_from(("out", "in")),
        st.sampled_from(("voice", "sms", "data")), st.sampled_from(("local", "")),
        st.sampled_from(("b-1", "b-2")), st.sampled_from(("0.06", "0.15")),
        st.integers(0, 10**9), st.integers(0, 10**9), st.integers(-(10**12), 10**15),
    ),
    max_size=40,
)  # fmt: skip


@given(_legs, st.integers(1, 15), st.booleans())
def test_statements_equal_the_legs(
    rows: list[tuple[Any, ...]], size: int, dictionaries: bool
) -> None:
    batches = [legs(rows[at : at + size], dictionaries) for at in range(0, len(rows), size)]
    made = statement.make(batches, TERMS)
    table = statement.lines_table(made)
    assert table.schema.equals(schemas.STATEMENT_LINE)
    found = {
        tuple(line[name] for name in WORDS): [
            line["call_count"], *(line[name] for name in FIGURES)
        ]
        for line in table.to_pylist()
    }  # fmt: skip
    assert found == _naive(rows)
    for one in made:
        for direction in statement.DIRECTIONS:
            total = one.total(direction)
            assert total.payable_micro + total.rounding_micro == total.exact_micro
            assert total.payable_micro % 10_000 == 0
            assert abs(total.rounding_micro) <= 5_000
        assert one.net_micro % 10_000 == 0
    exact = {"out": 0, "in": 0}
    for one in made:
        for direction in exact:
            exact[direction] += one.total(direction).exact_micro
    assert sum(exact.values()) == sum(row[-1] for row in rows)


def _naive(rows: Sequence[tuple[Any, ...]]) -> Mapping[tuple[str, ...], list[int]]:
    """Legs summed one by one: count, quantity, billed quantity, micro."""
    sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in rows:
        for at, figure in enumerate((1, *row[len(WORDS) :])):
            sums[row[: len(WORDS)]][at] += figure
    return dict(sums)
