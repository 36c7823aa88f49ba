"""Conditions: what is wrong with a delivery, by the rules of its source.

Functions of facts alone: no clock, no catalogue, no disk. ``tollbook.run.alarms`` makes alarms of
what they find.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tollbook import clock
from tollbook.alarm_rules import PPM, AlarmRules, share_text
from tollbook.errors import printable
from tollbook.run import sequences
from tollbook.run.catalogue import InputFile
from tollbook.sources import Source

LEVELS: Final = ("warning", "minor", "major", "critical")
SILENT: Final = "source_silent"
GAP: Final = "sequence_gap"
REPEATED: Final = "file_repeated"
VOLUME: Final = "volume_unusual"
ERRORS: Final = "errors_many"
AHEAD: Final = "clock_ahead"
DUPLICATES: Final = "duplicates_many"
BACKLOG: Final = "backlog_old"
DISK: Final = "disk_low"
# Found at every look; the others when files of the source have come in since the last one.
STANDING: Final = (SILENT, GAP, BACKLOG, DISK)
KINDS: Final = (SILENT, GAP, REPEATED, VOLUME, ERRORS, AHEAD, DUPLICATES, BACKLOG, DISK)
_NAMED_MAX: Final = 3  # of files and hours; what is beyond is counted
_HOUR_S: Final = 3600
_HOURS_A_WEEK: Final = 168


@dataclass(frozen=True)
class Condition:
    """Something that should be told. ``subject``: the numbers of a gap; else empty."""

    kind: str
    source: str
    level: str
    detail: str
    subject: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same condition at the next look."""
        return self.kind, self.source, self.subject


@dataclass(frozen=True)
class SequenceGap:
    """A row of ``sequence_gaps``."""

    gap_number: int
    source: str
    numbers: str
    missing: str
    since_utc_s: int


@dataclass(frozen=True)
class Read:
    """A file that a run has gone through, and the run's only now."""

    file: InputFile
    as_of_utc_s: int


def silent(source: Source, last_utc_s: int, now_utc_s: int) -> Iterable[Condition]:
    """No file for several of the intervals in which one was expected."""
    times = source.alarms.silence_times
    if not source.every_s or times is None or now_utc_s - last_utc_s <= times * source.every_s:
        return
    yield Condition(
        SILENT, source.name, "major",
        f"no file since {clock.utc_text(last_utc_s)}; one is expected every "
        f"{span_text(source.every_s)}",
    )  # fmt: skip


def missing(source: Source, gap: SequenceGap, now_utc_s: int) -> Iterable[Condition]:
    """Sequence numbers that were passed over and have not come since."""
    limit_s = source.alarms.gap_s
    if limit_s is None or now_utc_s - gap.since_utc_s <= limit_s:
        return
    count = sequences.size(sequences.parse(gap.missing))
    files = f"{count:,} {'file' if count == 1 else 'files'}"
    of = "" if gap.missing == gap.numbers else f" of {gap.numbers}"
    yield Condition(
        GAP, source.name, "major",
        f"{files} missing since {clock.utc_text(gap.since_utc_s)}: sequence {gap.missing}{of}",
        gap.numbers,
    )  # fmt: skip


def repeated(source: Source, told: Sequence[str]) -> Iterable[Condition]:
    """Files or sequence numbers that came before; ``told``: one text each."""
    if told:
        yield Condition(REPEATED, source.name, "warning", _listed(told))


def of_files(source: Source, read: Sequence[Read]) -> Iterable[Condition]:
    """Errors, duplicates and clocks of files that have come in."""
    rules = source.alarms
    yield from _errors(source, rules, [one.file for one in read])
    if rules.duplicates_ppm is not None:
        # A file that was asked for again is expected to hold what came before.
        over = [
            f"{_named(file)}: {share(file.duplicates, file.rows)} of {file.rows:,} records came "
            "before"
            for file in (one.file for one in read)
            if not file.request_number and above(file.duplicates, file.rows, rules.duplicates_ppm)
        ]
        if over:
            yield Condition(DUPLICATES, source.name, "major", _listed(over))
    if rules.skew_s is not None:
        ahead = [
            f"{_named(one.file)}: a record starts at "
            f"{clock.utc_text(one.file.last_start_utc_s)}, read at "
            f"{clock.utc_text(one.as_of_utc_s)}"
            for one in read if one.file.last_start_utc_s > one.as_of_utc_s + rules.skew_s
        ]  # fmt: skip
        if ahead:
            yield Condition(AHEAD, source.name, "major", _listed(ahead))


def _errors(source: Source, rules: AlarmRules, files: Sequence[InputFile]) -> Iterable[Condition]:
    """A refused file counts as one that is in error from end to end."""
    limits = [one for one in (rules.errors_warning_ppm, rules.errors_critical_ppm)
              if one is not None]  # fmt: skip
    if not limits:
        return
    refused = [f"{_named(file)}: {printable(file.refused.splitlines()[0])}"
               for file in files if file.refused]  # fmt: skip
    worst_first = sorted(files, key=lambda one: -one.errors * PPM // max(one.rows, 1))
    found = [
        f"{_named(file)}: {share(file.errors, file.rows)} of {file.rows:,} records in suspense"
        for file in worst_first if above(file.errors, file.rows, min(limits))
    ]  # fmt: skip
    critical = rules.errors_critical_ppm
    is_critical = critical is not None and any(
        above(file.errors, file.rows, critical) for file in files
    )
    if refused or found:
        level = "critical" if refused or is_critical else "warning"
        yield Condition(ERRORS, source.name, level, _listed([*refused, *found]))


def volume(
    source: Source, records: Mapping[int, int], hours: Iterable[int], now_utc_s: int
) -> tuple[bool, list[Condition]]:
    """Hours with far fewer or more records than the same hours of past weeks.

    records: local hour (see ``local_hour``) -> new records of the files made in it, for every hour
    that had a file. hours: those to judge; one that is not over can only have too many. Gives
    whether any hour had past weeks to be compared with, and what was found.
    """
    rules = source.alarms
    found, is_judged = [], False
    for hour in sorted(hours):
        past = [
            records[hour - week * _HOURS_A_WEEK] for week in range(1, rules.weeks + 1)
            if hour - week * _HOURS_A_WEEK in records
        ]  # fmt: skip
        total, weeks = sum(past), len(past)
        if not weeks or total < rules.least * weeks:
            continue
        is_judged = True
        now = records.get(hour, 0)
        is_over = hour < local_hour(now_utc_s, source.time_zone)
        is_low = is_over and rules.low_ppm is not None and now * weeks * PPM < total * rules.low_ppm
        is_high = rules.high_ppm is not None and now * weeks * PPM > total * rules.high_ppm
        if is_low or is_high:
            found.append(f"{hour_text(hour)}: {now:,} records, {share(now * weeks, total)} of the "
                         f"mean of {weeks} {'week' if weeks == 1 else 'weeks'}")  # fmt: skip
    return is_judged, [Condition(VOLUME, source.name, "minor", _listed(found))] if found else []


def backlog(
    source: Source, waiting: Sequence[tuple[str, int]], now_utc_s: int
) -> Iterable[Condition]:
    """Files that lie in the inbox unread: (name, UTC second of the last change)."""
    limit_s = source.alarms.backlog_s
    old = [one for one in waiting if limit_s is not None and now_utc_s - one[1] > limit_s]
    if old:
        name, since_utc_s = min(old, key=lambda one: (one[1], one[0]))
        more = f", and {len(old) - 1} more" if len(old) > 1 else ""
        yield Condition(
            BACKLOG, source.name, "major",
            f"{printable(name)} waits since {clock.utc_text(since_utc_s)}{more}",
        )  # fmt: skip


def disk(rules: AlarmRules, free_bytes: int, total_bytes: int) -> Iterable[Condition]:
    """Too little room where the lake lies."""
    free_ppm = free_bytes * PPM // max(total_bytes, 1)
    for limit, level in ((rules.disk_critical_ppm, "critical"), (rules.disk_minor_ppm, "minor")):
        if limit is not None and free_ppm < limit:
            yield Condition(
                DISK, "", level, f"{share(free_bytes, total_bytes)} of the lake's disk is free "
                f"({free_bytes / 2**30:.1f} GiB)",
            )  # fmt: skip
            return


def local_hour(utc_s: int, zone: str) -> int:
    """Hours since 1970 on a zone's clock; the same hour a week ago is 168 less, whatever the
    clock did in between."""
    return (utc_s + clock.zone_table(zone).offset_at(utc_s)) // _HOUR_S


def hour_text(hour: int) -> str:
    """``2003-06-10 14:00``."""
    return clock.utc_text(hour * _HOUR_S)[:16].replace("T", " ")


def above(part: int, whole: int, limit_ppm: int) -> bool:
    """Whether the part is more than a share of the whole."""
    return part * PPM > whole * limit_ppm


def share(part: int, whole: int) -> str:
    """``"3.25 %"``, to the nearest hundredth; a half goes up."""
    whole = max(whole, 1)
    hundredths = (2 * part * 10_000 + whole) // (2 * whole)
    return share_text(hundredths * (PPM // 10_000))


def span_text(seconds: int) -> str:
    """``900`` -> ``"15m"``."""
    for unit, length in (("d", clock.DAY_S), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _named(file: InputFile) -> str:
    return f"F{file.file_number} ({printable(file.name)})"


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - _NAMED_MAX
    return "; ".join(texts[:_NAMED_MAX]) + (f"; and {more} more" if more > 0 else "")
