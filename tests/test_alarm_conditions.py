"""Conditions of deliveries at their thresholds, and the arithmetic of sequence numbers."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook import alarm_rules
from tollbook.alarm_rules import AlarmRules, share_text
from tollbook.run import conditions, sequences
from tollbook.run.catalogue import InputFile
from tollbook.run.conditions import Read, SequenceGap
from tollbook.sources import Source, compile_pattern
from tollbook.text import Problems, Reader, parse_yaml

NOON = 1_055_203_200 + 4 * 3600  # 2003-06-10 12:00 in Shanghai
HOUR = 3600
NAME = "MSC_{sequence:03d}.csv"


def source(every_s: int = 900, **rules: int | None) -> Source:
    return Source("msc", "tollbook", NAME, "Asia/Shanghai", "", compile_pattern(NAME), every_s,
                  1000, replace(AlarmRules(), **rules))  # fmt: skip


def file(rows: int = 0, number: int = 1, **values: int | str) -> InputFile:
    known = {"file_utc_s": NOON} | values
    return InputFile(number, 1, "msc", f"MSC_{number:03d}.csv", "", 0, 0, rows=rows, **known)


def found(*files: InputFile, as_of: int = NOON, **rules: int | None) -> list[tuple[str, str]]:
    """kind and level of what is wrong with files."""
    read = [Read(one, as_of) for one in files]
    return [(one.kind, one.level) for one in conditions.of_files(source(**rules), read)]


# ---- thresholds: at the limit nothing is told, one beyond it something is


@pytest.mark.parametrize(("late_s", "is_told"), [(3 * 900, False), (3 * 900 + 1, True)])
def test_a_source_is_silent_after_three_intervals(late_s: int, is_told: bool) -> None:
    told = list(conditions.silent(source(), NOON - late_s, NOON))
    assert bool(told) == is_told
    assert not list(conditions.silent(source(every_s=0), 0, NOON))  # nothing is expected
    assert not list(conditions.silent(source(silence_times=None), 0, NOON))
    if told:
        assert told[0].level == "major"
        assert told[0].detail == "no file since 2003-06-10T03:14:59Z; one is expected every 15m"


@pytest.mark.parametrize(("age_s", "is_told"), [(1800, False), (1801, True)])
def test_a_gap_is_told_when_it_lasts(age_s: int, is_told: bool) -> None:
    gap = SequenceGap(1, "msc", "998-999 0-2", "998 1", NOON - age_s)
    told = list(conditions.missing(source(), gap, NOON))
    assert bool(told) == is_told
    if told:
        assert re.fullmatch(r"2 files missing since \S+: sequence 998 1 of 998-999 0-2",
                            told[0].detail)  # fmt: skip


ERRORS = (conditions.ERRORS, "critical"), (conditions.ERRORS, "warning")
SHARES = [  # errors, duplicates -> what is told, of 10,000 records
    (10, 0, []),  # 0.1 %
    (11, 0, [ERRORS[1]]),
    (100, 0, [ERRORS[1]]),  # 1 %
    (101, 0, [ERRORS[0]]),
    (0, 100, []),
    (0, 101, [(conditions.DUPLICATES, "major")]),
]


@pytest.mark.parametrize(("errors", "duplicates", "expected"), SHARES)
def test_errors_and_duplicates_are_shares_of_a_file(
    errors: int, duplicates: int, expected: list[tuple[str, str]]
) -> None:
    one = file(10_000, errors=errors, duplicates=duplicates)
    assert found(one, file(10_000, 2)) == expected
    off = {"errors_warning_ppm": None, "errors_critical_ppm": None, "duplicates_ppm": None}
    assert found(one, **off) == []
    again = replace(one, request_number=3)  # it was asked for: that it repeats records is no news
    assert found(again) == [pair for pair in expected if pair[0] == conditions.ERRORS]


def test_a_refused_file_is_in_error_and_the_worst_are_named() -> None:
    files = [file(100, number, errors=number) for number in range(1, 6)]
    [told] = conditions.of_files(source(), [Read(one, NOON) for one in files])
    assert told.detail == (
        "F5 (MSC_005.csv): 5 % of 100 records in suspense; F4 (MSC_004.csv): 4 % of 100 records in "
        "suspense; F3 (MSC_003.csv): 3 % of 100 records in suspense; and 2 more"
    )
    assert found(file(refused="it is no CSV")) == [ERRORS[0]]


def test_shares_are_rounded_to_the_nearest_hundredth() -> None:
    shares = {(8, 29): "27.59 %", (1, 3): "33.33 %", (1, 20_000): "0.01 %", (1, 20_001): "0 %",
              (0, 0): "0 %", (5, 5): "100 %"}  # fmt: skip
    assert {pair: conditions.share(*pair) for pair in shares} == shares


@pytest.mark.parametrize(("ahead_s", "told"), [(3600, []), (3601, [(conditions.AHEAD, "major")])])
def test_a_clock_ahead_of_the_run(ahead_s: int, told: list[tuple[str, str]]) -> None:
    assert found(file(5, last_start_utc_s=NOON + ahead_s)) == told
    assert found(file(5, last_start_utc_s=NOON + ahead_s), skew_s=None) == []


def test_the_backlog_is_as_old_as_its_oldest_file() -> None:
    waiting = [("b.csv", NOON - 3601), ("a.csv", NOON - 4000), ("c.csv", NOON - 3600)]
    [told] = conditions.backlog(source(), waiting, NOON)
    assert told.detail == "a.csv waits since 2003-06-10T02:53:20Z, and 1 more"
    assert not list(conditions.backlog(source(), waiting[2:], NOON))


@pytest.mark.parametrize(("free", "level"), [(200, ""), (199, "minor"), (100, "minor"),
                                             (99, "critical")])  # fmt: skip
def test_the_disk(free: int, level: str) -> None:
    told = list(conditions.disk(AlarmRules(), free, 1000))
    assert [one.level for one in told] == ([level] if level else [])


# 4 weeks of an hour with 100 records each, then this hour: (records, is the hour over) -> told
VOLUMES = [
    (50, True, ""), (49, True, "49 %"), (49, False, ""), (200, True, ""), (201, True, "201 %"),
    (201, False, "201 %"), (0, True, "0 %"),
]  # fmt: skip


@pytest.mark.parametrize(("now", "is_over", "told"), VOLUMES)
def test_an_hour_is_compared_with_the_same_hour_of_past_weeks(
    now: int, is_over: bool, told: str
) -> None:
    hour = conditions.local_hour(NOON, "Asia/Shanghai")
    assert conditions.hour_text(hour) == "2003-06-10 12:00"
    past = {hour - 168 * week: 100 for week in range(1, 5)}
    other = {hour - 168 * 5: 10**6, hour - 24: 10**6}  # a fifth week, another day
    moment = NOON + (HOUR if is_over else HOUR - 1)
    is_judged, unusual = conditions.volume(source(), past | other | {hour: now}, [hour], moment)
    assert is_judged
    assert [one.level for one in unusual] == (["minor"] if told else [])
    if told:
        assert unusual[0].detail == (
            f"2003-06-10 12:00: {now} records, {told} of the mean of 4 weeks"
        )


def test_an_hour_without_past_weeks_or_with_few_records_is_not_judged() -> None:
    hour = conditions.local_hour(NOON, "Asia/Shanghai")
    few = {hour - 168: 99, hour: 10**6}
    for hours in ({hour: 5}, few):
        assert conditions.volume(source(), hours, [hour], NOON + HOUR) == (False, [])
    assert conditions.volume(source(least=99), few, [hour], NOON + HOUR)[1]
    # One week of the four had no file: the mean is that of the three others.
    three = {hour - 168 * week: 300 for week in (1, 2, 4)} | {hour: 140}
    [told] = conditions.volume(source(), three, [hour], NOON + HOUR)[1]
    assert told.detail.endswith("140 records, 46.67 % of the mean of 3 weeks")


def test_the_same_hour_is_one_of_the_local_clock() -> None:
    """New York turned its clocks on 2003-04-06; 10:00 is 10:00 in both weeks."""
    march, april = 1_049_295_600, 1_049_295_600 + 7 * 86_400 - 3600  # Wed 10:00 -0500, -0400
    hours = [conditions.local_hour(at, "America/New_York") for at in (march, april)]
    assert hours[1] - hours[0] == 168


# ---- configuration


def rules_of(text: str) -> tuple[AlarmRules, list[str]]:
    problems = Problems()
    node = parse_yaml(text, problems, "operator.yaml")
    assert node is not None
    rules = alarm_rules.read(Reader(node, problems, "alarms", alarm_rules.KEYS))
    return rules, [problem.found for problem in problems.found]


def test_thresholds_are_read_as_they_are_written() -> None:
    rules, wrong = rules_of(
        "{silence: 5, gap: off, low: 12.5%, errors_warning: 0.0001%, disk_minor: off, suppress: 1h}"
    )
    assert not wrong
    assert rules == replace(
        AlarmRules(), silence_times=5, gap_s=None, low_ppm=125_000, errors_warning_ppm=1,
        disk_minor_ppm=None, suppress_s=3600,
    )  # fmt: skip
    assert [share_text(ppm) for ppm in (1, 125_000, 2_000_000)] == ["0.0001 %", "12.5 %", "200 %"]


def test_the_guide_names_every_alarm_and_the_thresholds_as_they_ship() -> None:
    guide = (Path(__file__).parents[1] / "docs" / "collection.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```yaml\nalarms:[^\n]*\n(.*?)```", guide, re.DOTALL)
    assert re.findall(r"^  (\w+):", block, re.MULTILINE) == list(alarm_rules.KEYS)
    assert rules_of(block) == (AlarmRules(), [])
    assert tuple(re.findall(r"^\| `(\w+)` \| (?:warning|minor|major)", guide, re.MULTILINE)) == (
        conditions.KINDS
    )


# ---- sequence numbers


def test_a_gap_across_the_wrap() -> None:
    followed = sequences.follow(997, [2, 997], 1000)
    assert followed.due == 3
    assert [(sequences.text(gap.numbers), gap.followed_by) for gap in followed.gaps] == [
        ("998-999 0-1", 2)
    ]
    assert followed.expected == {997: 997, 2: 998}
    assert sequences.follow(3, [0, 999], 1000).late == (0, 999)
    assert sequences.follow(5, [400], 0).gaps[0].numbers == ((5, 399),)


def test_the_first_files_begin_after_the_widest_hole() -> None:
    followed = sequences.follow(None, [0, 1, 998, 999], 1000)
    assert (followed.due, followed.gaps, followed.late) == (2, (), ())
    assert sequences.follow(None, [7], 1000).due == 8
    assert sequences.follow(None, [9, 7], 0).gaps[0].numbers == ((8, 8),)


@given(
    wrap=st.sampled_from([0, 50, 51, 1000]), start=st.integers(0, 999),
    steps=st.lists(st.integers(1, 24), min_size=1, max_size=24, unique=True),
    nights=st.lists(st.integers(0, 3), min_size=24, max_size=24),
)  # fmt: skip
def test_what_is_missing_is_what_never_came(
    wrap: int, start: int, steps: list[int], nights: list[int]
) -> None:
    """Naive twin: a set of counted numbers. The files come in four nights, in any order."""
    start = start % wrap if wrap else start

    def shown(counted: int) -> int:
        return (start + counted) % wrap if wrap else start + counted

    due: int | None = start
    missing: sequences.Ranges = ()
    counted: set[int] = set()
    for night in range(4):
        came = [one for one, when in zip(steps, nights, strict=False) if when == night]
        if not came:
            continue
        followed = sequences.follow(due, [shown(one) for one in came], wrap)
        due = followed.due
        for gap in followed.gaps:
            missing += gap.numbers
        for number in followed.late:
            assert sequences.holds(missing, number)  # all come once
            missing = sequences.without(missing, number)
        counted |= set(came)
    never = {shown(one) for one in range(max(steps)) if one not in counted}
    listed = [number for first, last in missing for number in range(first, last + 1)]
    assert sorted(listed) == sorted(never)
    assert due == shown(max(steps) + 1)
    assert sequences.size(missing) == len(never)
    assert sequences.parse(sequences.text(missing)) == missing
