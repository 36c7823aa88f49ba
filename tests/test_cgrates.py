"""Importing CGRateS plans: their CSV format, its traps, and prices under both ways of rounding."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest
import reference_cgrates as naive
import reference_rating
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from rating_helpers import rate_facts

from rating import drift, trace
from rating.trace import Facts
from tariffs import cgrates_units as units
from tariffs.cgrates_units import Span
from tariffs.compile_rates import Maxima
from tariffs.compiler import compile_book
from tariffs.model import Book, Dates
from tollbook import money
from tollbook.cli import main
from tollbook.cli.tariff_books import open_book
from tollbook.cli.tariff_cgrates import cgrates_import
from tollbook.text import Problems

CASES = Path(__file__).parent / "cases" / "cgrates"
MODES = {
    "exact": (),
    "compat_6": ("--rounding", "cgrates_compat", "--decimals", "6"),
    "compat_5": ("--rounding", "cgrates_compat"),
}
COUNTED = {"data": "up_bytes", "sms": "event_count"}


def run_import(source: Path, out: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(cgrates_import, [str(source), "--out", str(out), *options])
    return done.exit_code, done.output


def load(folder: Path) -> Book:
    problems = Problems()
    book = open_book(folder, problems).book
    assert not problems.errors
    return book


@cache
def books() -> dict[str, Book]:
    """The plans of the retail folder under each mode."""
    import tempfile

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for mode, options in MODES.items():
            code, _ = run_import(CASES / "retail", Path(folder) / mode, *options)
            assert code == 0
            found[mode] = load(Path(folder) / mode)
    return found


def cases() -> list[dict[str, str]]:
    with (CASES / "calls.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def facts_of(case: dict[str, str]) -> Facts:
    start = datetime.fromisoformat(case["start"]).replace(tzinfo=UTC)
    service = case["plan"].partition(".")[0]
    service = service if service in COUNTED else "voice"
    quantity = {COUNTED.get(service, "duration_s"): int(case["used"])}
    return Facts(
        service, "out", int(start.timestamp()), other_e164=int(case["number"]),
        **quantity,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_calls_cost_what_was_worked_out_by_hand(mode: str) -> None:
    book = books()[mode]
    wrong = []
    for case in cases():
        plan, facts = f"op.example.{case['plan']}", facts_of(case)
        steps = trace.price(book, plan, facts)
        naive = reference_rating.rate(book, plan, facts, Maxima())
        for found in ((steps.reason, steps.charge_micro), (naive.reason, naive.total)):
            reason, micro = found
            amount = money.format_micro(micro, 6)
            wanted = case[mode] if case[mode][0].isalpha() else money.format_micro(
                int(Fraction(case[mode]) * money.MICRO), 6)  # fmt: skip
            if (reason or amount) != wanted:
                wrong.append(f"{case['name']}: {reason or micro}, not {case[mode]}")
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_loaders_traps_are_listed(tmp_path: Path) -> None:
    """Every row that is not imported as it stands, and the plans that are not written for it."""
    code, output = run_import(CASES / "broken", tmp_path)
    assert output == (CASES / "broken.txt").read_text(encoding="utf-8")
    assert (tmp_path / "import.txt").read_text(encoding="utf-8") == output
    assert code == 1
    assert [plan.plan_id for plan in load(tmp_path).plans] == ["op.call.good", "op.call.tie"]


def test_partial_writes_what_is_left_and_strict_fails_on_any_row(tmp_path: Path) -> None:
    code, output = run_import(CASES / "broken", tmp_path, "--partial", "--json")
    found = json.loads(output)
    assert code == 0
    assert "op.call.trap" in found["refused"]
    assert "op.call.trap-1.yaml" in found["files"]
    trap = [one for one in found["findings"] if one["file"] == "Rates.csv" and one["line"] == 2]
    assert all(one["kind"] == "dropped" and "did you mean" in one["text"] for one in trap)
    assert len(trap) == 2
    (tmp_path / "more").mkdir()
    for path in (CASES / "retail").iterdir():
        lines = path.read_text().splitlines(keepends=True)
        kept = "".join(line for line in lines if ",twice," not in line)
        (tmp_path / "more" / path.name).write_text(kept)
    assert run_import(tmp_path / "more", tmp_path / "strict", "--strict")[0] == 0
    (tmp_path / "more" / "Stats.csv").write_text("op,STATS_1\n")
    code, output = run_import(tmp_path / "more", tmp_path / "strict", "--strict")
    assert code == 1
    assert "Stats.csv:1: dropped: not a price: statistics" in output


def test_rows_of_a_wrong_width_and_empty_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "Rates.csv").write_text("#Tag,...\nR,0,0.1,60s,60s\n")
    done = CliRunner().invoke(cgrates_import, [str(tmp_path), "--out", str(tmp_path / "out")])
    assert "Rates.csv:2: 5 cells" in str(done.exception)
    assert not (tmp_path / "out").exists()
    (tmp_path / "Rates.csv").unlink()
    done = CliRunner().invoke(cgrates_import, [str(tmp_path), "--out", str(tmp_path / "out")])
    assert "no file of a CGRateS tariff plan" in str(done.exception)


@pytest.mark.parametrize(("text", "found"), [
    ("#Tenant,Category\n\n", "RatingProfiles.csv: only comments and empty lines"),
    ("", "RatingProfiles.csv: only comments and empty lines"),
    ("cgrates.org\n", "RatingProfiles.csv:1: 1 cell\n"),
])  # fmt: skip
def test_a_file_without_a_row_that_can_be_used(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "RatingProfiles.csv").write_text(text)
    done = CliRunner().invoke(cgrates_import, [str(tmp_path), "--out", str(tmp_path / "out")])
    assert found in str(done.exception)
    assert "no file" not in str(done.exception)
    (tmp_path / "RatingProfiles.csv").write_text("# none\n")
    (tmp_path / "Destinations.csv").write_text("D,49\n")
    done = CliRunner().invoke(cgrates_import, [str(tmp_path), "--out", str(tmp_path / "out")])
    assert "no row of a profile is here, so there is no plan" in str(done.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("text", "nanoseconds"), [
    ("60s", 60 * 10**9), ("1m30s", 90 * 10**9), ("1h", 3600 * 10**9), ("60", 60), ("0", 0),
    ("500ms", 5 * 10**8), ("", None), ("60x", None), ("s", None), ("1.5s", None), ("-1s", None),
])  # fmt: skip
def test_lengths(text: str, nanoseconds: int | None) -> None:
    assert units.duration_ns(text) == nanoseconds


@pytest.mark.parametrize(("text", "spans"), [
    ("* * * * *", (Span(),)),
    ("* 8-19 * * 1-5", (Span(0b11111, Dates(), 28_800, 72_000),)),
    ("* 0-6,22-23 * * *", (Span(from_s=0, to_s=25_200), Span(from_s=79_200, to_s=86_400))),
    ("30-59 8 * * 0", (Span(1 << 6, Dates(), 30_600, 32_400),)),
    ("* * 25 12 *", (Span(dates=Dates(months=(12,), month_days=(25,))),)),
    ("*/5 * * * *", None),
    ("* 25 * * *", None),
    ("* * 1 * 1", None),
    ("0,30 * * * *", None),
    ("* * *", None),
])  # fmt: skip
def test_cron(text: str, spans: tuple[Span, ...] | None) -> None:
    assert units.cron(text) == spans


@pytest.mark.parametrize("mode", MODES)
def test_kernels_agree_with_the_table(mode: str) -> None:
    book = books()[mode]
    listed = cases()
    plan_ids = [plan.plan_id for plan in book.plans]
    compiled = compile_book(book, (), (), (), plan_ids)
    plans = [plan_ids.index(f"op.example.{case['plan']}") for case in listed]
    found = rate_facts([facts_of(case) for case in listed], plans, compiled)
    for case, row in zip(listed, found, strict=True):
        wanted = (case[mode], 0) if case[mode][0].isalpha() else (
            "", int(Fraction(case[mode]) * money.MICRO))  # fmt: skip
        assert (case["name"], row.reason, row.total) == (case["name"], *wanted)


def test_the_command_explains_the_drift(tmp_path: Path) -> None:
    """The figures that CGRateS' users ask about: 0.3 against 0.3001."""
    for mode in ("exact", "compat_6"):
        run_import(CASES / "retail", tmp_path / mode, *MODES[mode])
    calls = tmp_path / "calls.csv"
    calls.write_text(
        "name,plan,start,used,number\n"
        "talk,op.example.call.any,2014-06-16 10:00:00,180s,493012345\n"
        "same,op.example.call.any,2014-06-16 10:00:00,60s,43100\n"
    )
    done = CliRunner().invoke(main.cli, [
        "tariff", "diff", str(tmp_path / "exact"), str(tmp_path / "compat_6"),
        "--calls", str(calls), "--explain",
    ])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "2 records compared, 2 priced by both books, 1 differ" in done.output
    assert (CASES / "drift.txt").read_text().splitlines()[0].partition(": ")[2] in done.output


def test_every_drift_is_explained() -> None:
    """Records that the two ways of rounding charge differently, and why."""
    said = []
    for case in cases():
        plan, facts = f"op.example.{case['plan']}", facts_of(case)
        exact, *others = (trace.price(books()[mode], plan, facts) for mode in MODES)
        for mode, other in zip(("compat_6", "compat_5"), others, strict=True):
            text = drift.explain(exact, other)
            assert bool(text) == (Fraction(case["exact"]) != Fraction(case[mode])
                                  if case[mode][0].isdigit() else False)  # fmt: skip
            if text:
                said.append(f"{case['name']}, {mode}: {text}\n")
    assert "".join(said) == (CASES / "drift.txt").read_text(encoding="utf-8")
    assert "x 180 = 0.30006; rounded half_up to 4 digits 0.3001; exact 0.3000" in said[0]


# Random plans: timings with weights, connection fees and tiers for one destination.

STARTS = (0, 21_600, 28_800, 68_400, 79_200)
DECIMALS = [Fraction(text) for text in ("0.1", "0.03", "0.0123", "0.000333", "0")]


def listed(values: tuple[int, ...]) -> str:
    return ";".join(map(str, values)) or "*any"


@st.composite
def plans(draw: st.DrawFn) -> tuple[naive.Price, ...]:
    """Prices that differ from each other, so that every change of timing is one of price."""
    made = []
    for number in range(draw(st.integers(1, 5))):
        timing = naive.Timing(
            draw(st.sampled_from([(), (), (1, 2, 3, 4, 5), (0, 6), (6,)])),
            draw(st.sampled_from([(), (), (), (12,), (6, 7)])),
            draw(st.sampled_from([(), (), (), (1, 16), (25,)])),
            draw(st.sampled_from(STARTS)) if number else 0,
        )  # fmt: skip
        if not number:
            timing = naive.Timing((), (), (), 0)
        ends = sorted(draw(st.sets(st.sampled_from([30, 60, 180]), max_size=2)))
        own = Fraction(number + 1, 1000)
        tiers = tuple(
            (start, own + draw(st.sampled_from(DECIMALS)), draw(st.sampled_from([1, 60])),
             draw(st.sampled_from([1, 6, 60])))
            for start in (0, *ends)
        )  # fmt: skip
        connect = Fraction(draw(st.sampled_from(["0", "0.05", "0.000142857"])))
        made.append(naive.Price(timing, Fraction(draw(st.integers(0, 2)) * 10), connect, tiers))
    return tuple(made)


def decimal(value: Fraction) -> str:
    return money.format_nano(int(value * money.NANO))


def write_plan(folder: Path, prices: tuple[naive.Price, ...]) -> None:
    clocks = [f"{one.timing.start_s // 3600:02d}:00:00" for one in prices]
    rows = {
        "Timings": [
            f"T{i},*any,{listed(one.timing.months)},{listed(one.timing.month_days)},"
            f"{listed(one.timing.weekdays)},{clocks[i]}" for i, one in enumerate(prices)
        ],
        "Destinations": ["D,49"],
        "Rates": [
            f"R{i},{decimal(one.connect)},{decimal(price)},{per}s,{step}s,{start}s"
            for i, one in enumerate(prices) for start, price, per, step in one.tiers
        ],
        "DestinationRates": [f"DR{i},D,R{i},*middle,4,0," for i in range(len(prices))],
        "RatingPlans": [f"RP,DR{i},T{i},{one.weight}" for i, one in enumerate(prices)],
        "RatingProfiles": ["op,call,x,2014-01-01T00:00:00Z,RP,"],
    }  # fmt: skip
    for name, lines in rows.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")


CALLS = st.tuples(
    st.sampled_from(["2014-06-13 23:58:00", "2014-06-14 05:59:00", "2014-06-16 07:59:00",
                     "2014-12-24 23:59:00", "2014-07-31 21:59:00", "2014-06-16 18:59:30"]),
    st.integers(0, 61), st.integers(0, 400),
)  # fmt: skip


@settings(max_examples=20)
@given(prices=plans(), calls=st.lists(CALLS, min_size=1, max_size=5))
def test_random_plans_cost_what_their_rows_say(
    tmp_path_factory: pytest.TempPathFactory, prices: tuple[naive.Price, ...],
    calls: list[tuple[str, int, int]],
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("plan")
    write_plan(folder, prices)
    for mode, compat in (("exact", None), ("compat_6", 6), ("compat_5", 5)):
        code, output = run_import(folder, folder / mode, *MODES[mode])
        assert code == 0, output
        book = load(folder / mode)
        for text, shift, duration in calls:
            start = naive.utc(text) + timedelta(seconds=shift)
            facts = Facts("voice", "out", int(start.timestamp()), duration_s=duration,
                          other_e164=4930123456)  # fmt: skip
            found = trace.price(book, "op.call.x", facts)
            wanted = naive.cost(prices, start, duration, 4, compat)
            assert (found.reason, Fraction(found.charge_micro, money.MICRO)) == ("", wanted)
