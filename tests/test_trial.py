"""Calls files: what cells mean, what is refused, and that prices are those of a run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from rating import trace, trial, trial_result
from rating.trial import Context
from tariffs import book as books
from tollbook import money, schemas
from tollbook.cli.tariff_books import open_book
from tollbook.columns import Table
from tollbook.errors import Refused
from tollbook.stage import ints
from tollbook.text import Problems

CASES = Path(__file__).parent / "cases" / "trial"


def context_of(table: Table, problems: Problems) -> Context:
    book = books.load(CASES / "book", problems)
    problems.refuse_if_any()
    assert book is not None
    return trial.prepare(book, trial.extended(trial.words_of(book), table, problems))


def table_of(rows: str, tmp_path: Path, problems: Problems) -> Table:
    path = tmp_path / "calls.csv"
    path.write_text(rows, encoding="utf-8")
    return trial.read(path, "calls.csv", problems)


def test_hand_checked_calls() -> None:
    problems = Problems()
    calls = trial.read(CASES / "calls.csv", "calls.csv", problems)
    context = context_of(calls, problems)
    rated = list(trial.priced(trial.usages(calls, context, problems), context))
    assert trial_result.check(calls, rated, context, problems) == []
    assert problems.found == []
    for row in range(len(calls)):
        plan, facts = trial.facts_of(rated[0], row, context)
        found = trace.price(context.book, plan, facts)
        assert found.charge_micro == int(ints(rated[0], "charge_micro")[row])
    moments = ints(rated[0], "start_utc_s")[-2:].tolist()
    assert moments == [
        int(datetime.fromisoformat(f"2003-10-26T02:30:00{offset}").timestamp())
        for offset in ("+02:00", "+01:00")
    ]


def test_a_difference_is_told_in_both_words(tmp_path: Path) -> None:
    problems = Problems()
    calls = table_of(
        "name,start,used,relation,expect\n"
        "first,2003-06-10 10:00:00,61,local,airtime=0.80\n"
        "second,2003-06-10 10:00:00,61,local,airtime=0.81 rule=2\n"
        "third,2003-06-10 10:00:00,61,local,free\n"
        "unchecked,2003-06-10 10:00:00,61,local,\n", tmp_path, problems)  # fmt: skip
    context = context_of(calls, problems)
    rated = list(trial.priced(trial.usages(calls, context, problems), context))
    found = trial_result.check(calls, rated, context, problems)
    assert [(one.line, one.name, one.expected, one.found) for one in found] == [
        (3, "second", "airtime=0.81 rule=2", "airtime=0.80 rule=3"),
        (4, "third", "free", "airtime=0.80 rule=3"),
    ]
    sums = trial_result.sums_of(rated, context)
    assert (sums.calls, sums.priced, sums.charge_micro) == (4, 4, 3_200_000)


BROKEN = (
    ("start", "2003-02-30 10:00:00", "start is '2003-02-30 10:00:00'"),
    ("start", "2003-06-10 10:00:00+8", "start is '2003-06-10 10:00:00+8'"),
    ("start", "10.06.2003", "start is '10.06.2003'"),
    ("start", "2026-03-29 02:30:00",
     "start is '2026-03-29 02:30:00': 02:30 does not exist on that day"),
    ("used", "61x", "used is '61x'"),
    ("used", "1KiB", "used is '1KiB'"),
    ("used", "", "used is empty"),
    ("service", "vioce", "service is 'vioce'"),
    ("service", "unknown", "service is 'unknown'"),
    ("direction", "transit", "direction is 'transit'"),
    ("plan", "standart", "plan is 'standart'"),
    ("on_net", "true", "on_net is 'true'"),
    ("number", "0800 1", "number is '0800 1'"),
    ("offset", "8h", "offset is '8h'"),
    ("forward", "always", "forward is 'always'"),
    ("duration", "5", "used is '61', and its own column is given too"),
)


@pytest.mark.parametrize(("column", "cell", "found"), BROKEN)
def test_a_cell_that_means_nothing_is_refused_with_its_line(
    column: str, cell: str, found: str, tmp_path: Path
) -> None:
    cells = {"start": "2003-06-10 10:00:00", "used": "61", "relation": "local"} | {column: cell}
    problems = Problems()
    calls = table_of(f"{','.join(cells)}\n{','.join(cells.values())}\n", tmp_path, problems)
    trial.usages(calls, context_of(calls, problems), problems)
    assert [(one.line, one.found) for one in problems.found] == [(2, found)]
    assert problems.found[0].allowed
    assert problems.found[0].do


def test_words_that_no_rule_names_are_warned_of(tmp_path: Path) -> None:
    problems = Problems()
    calls = table_of("start,used,relation\n2003-06-10 10:00:00,1,locla\n", tmp_path, problems)
    context_of(calls, problems)
    assert [str(one) for one in problems.found] == [
        "calls.csv:2: warning: relation is 'locla', which nothing in the book names\n"
        "    allowed: toll, local\n    do: did you mean 'local'?"
    ]


def test_expectations_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    problems = Problems()
    calls = table_of("start,used,relation,expect\n2003-06-10 10:00:00,1,local,airtim=0.40\n",
                     tmp_path, problems)  # fmt: skip
    context = context_of(calls, problems)
    rated = list(trial.priced(trial.usages(calls, context, problems), context))
    assert trial_result.check(calls, rated, context, problems) == []
    with pytest.raises(Refused, match="expect is 'airtim") as refused:
        problems.refuse_if_any()
    assert "did you mean 'airtime'?" in str(refused.value)


def test_many_calls_in_several_batches_are_each_priced_as_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "BATCH_ROWS", 500)
    count = 1300
    seconds = np.arange(count) * 3
    lines = "\n".join(f"2003-06-10 10:00:00,{used},local" for used in seconds.tolist())
    problems = Problems()
    calls = table_of(f"start,used,relation\n{lines}\n", tmp_path, problems)
    context = context_of(calls, problems)
    rated = list(trial.priced(trial.usages(calls, context, problems), context))
    assert [batch.num_rows for batch in rated] == [500, 500, 300]
    assert all(batch.schema == schemas.RATED for batch in rated)
    charges = np.concatenate([ints(batch, "charge_micro") for batch in rated])
    assert np.array_equal(charges, -(-seconds // 60) * 400_000)
    written = trial_result.table_of(calls, rated, context)
    assert written["line"].to_pylist()[-1] == count + 1
    amounts = written["charge"].combine_chunks()
    assert amounts.equals(written["charge_airtime"].combine_chunks())
    assert int(pc.sum(amounts).as_py().scaleb(6)) == money.exact_sum(charges)


GUIDED = """\
name,plan,start,used,served,other,location,direction,expect
another city,standard,2003-06-10 10:00:00,61s,+861065540001,02087654321,,,airtime=0.80 toll=0.77
police,standard,2003-06-10 10:00:00,61s,01065540001,110,,,free
over IP,standard,2003-06-10 10:00:00,61s,+861065540001,1791102087654321,,,airtime=0.80 toll=0.60
the same number,easy,2003-06-10 10:00:00,61s,+861065540001,02087654321,,in,airtime=1.20
no such prefix,standard,2003-06-10 10:00:00,61s,+861065540001,00999123456,,,number_range_missing
no such cell,standard,2003-06-10 10:00:00,61s,+861065540001,02087654321,XX,,location_missing
"""


def test_calls_that_say_who_was_served_are_guided(tmp_path: Path) -> None:
    """The network finds out relation, zone and access code, and which number nobody has."""
    problems = Problems()
    opened = open_book(CASES.parents[2] / "examples" / "china", problems)
    calls = table_of(GUIDED, tmp_path, problems)
    context = trial.prepare(opened.book, opened.words, "", opened.maxima, guiding=opened.guiding)
    rated = list(trial.priced(trial.usages(calls, context, problems), context))
    assert trial_result.check(calls, rated, context, problems) == []
    assert problems.errors == 0
    plan, facts = trial.facts_of(rated[0], 2, context)
    assert (plan, facts.access_code, facts.other_zone) == ("standard", "17911", "020")


@pytest.mark.parametrize(("column", "found"), [
    ("relation", "'relation' is given beside 'served'"),
    ("served", "served is '12'"),
])  # fmt: skip
def test_what_guiding_finds_is_not_to_be_stated(column: str, found: str, tmp_path: Path) -> None:
    problems = Problems()
    opened = open_book(CASES.parents[2] / "examples" / "china", problems)
    cells = {"start": "2003-06-10 10:00:00", "used": "61", "plan": "easy", "served": "01065540001"}
    cells[column] = "local" if column == "relation" else "12"
    calls = table_of(f"{','.join(cells)}\n{','.join(cells.values())}\n", tmp_path, problems)
    context = trial.prepare(opened.book, opened.words, "", opened.maxima, guiding=opened.guiding)
    problems.found.clear()
    trial.usages(calls, context, problems)
    assert [one.found for one in problems.found] == [found]


def test_numbers_without_an_operator_are_refused(tmp_path: Path) -> None:
    problems = Problems()
    calls = table_of("start,used,served\n2003-06-10 10:00:00,1,+861\n", tmp_path, problems)
    trial.usages(calls, context_of(calls, problems), problems)
    assert [one.found for one in problems.found] == [
        "'served' is to be looked up in the network, and no operator.yaml says how"]


POOL = """\
plan: pool
currency: EUR
time_zone: Europe/Berlin
rates: {local: {per: 60s, price: 0.40}}
rules: [{when: {service: voice}, charge: {airtime: local}}, {otherwise: refuse}]
allowances:
  - {name: pool, amount: 10min, increment: 60s, owner: account, per_member: yes, prorate: days}
"""
# (account, subscription, since, start, used, charge): 10 minutes for each of them, of 30 days
POOLED = [
    ("a", "x", "", "2003-06-10 10:00:00", "15min", 0),  # of 10 + 10
    ("a", "y", "", "2003-06-11 10:00:00", "7min", 800_000),  # 5 are left: 2 x 0.40
    ("b", "x", "", "2003-06-10 10:00:00", "11min", 400_000),  # another account, alone: 10
    ("c", "x", "2003-06-16", "2003-06-20 10:00:00", "6min", 400_000),  # 15 of 30 days: 5
    ("d", "x", "", "2003-06-12 10:00:00", "9min", 3_200_000),  # later than the next: 1 is left
    ("d", "x", "", "2003-06-11 10:00:00", "9min", 0),
]


def test_calls_of_an_account_share_its_pool(tmp_path: Path) -> None:
    (tmp_path / "pool.yaml").write_text(POOL)
    problems = Problems()
    book = books.load(tmp_path, problems)
    assert book is not None
    header = "account,subscription,since,start,used\n"
    rows = [",".join(map(str, row[:-1])) for row in POOLED]
    calls = table_of(header + "\n".join(rows) + "\n", tmp_path, problems)
    context = trial.prepare(book, trial.words_of(book))
    batches = trial.usages(calls, context, problems)
    [rated] = trial.priced(batches, context, calls, problems)
    assert ints(rated, "charge_micro").tolist() == [row[-1] for row in POOLED]
    [alone] = trial.priced(batches, context)
    assert ints(alone, "charge_micro").tolist()[0] == 15 * 400_000
    calls = table_of(f"{header}a,x,16.6.2003,2003-06-10 10:00:00,1\n", tmp_path, problems)
    with pytest.raises(Refused, match=r"calls.csv:2: since is '16.6.2003'"):
        list(trial.priced(trial.usages(calls, context, problems), context, calls, problems))
