"""How deliveries, alarms and requests are shown: on the screen and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tollbook.cli.common import count
from tollbook.clock import utc_text
from tollbook.errors import printable

if TYPE_CHECKING:
    from tollbook.run.alarms import Alarm, Notice
    from tollbook.run.collection import Entry, Sums
    from tollbook.run.requests import Request


def time_text(utc_s: int) -> str:
    """A time, or nothing where there is none."""
    return utc_text(utc_s) if utc_s else ""


def notice_line(notice: Notice) -> str:
    """``alarm 3 raised: major: sequence_gap of msc-east: ...``"""
    alarm = notice.alarm
    of = f" of {alarm.source}" if alarm.source else ""
    return (f"alarm {alarm.alarm_number} {notice.what}: {alarm.level}: {alarm.kind}{of}: "
            f"{printable(alarm.detail)}")  # fmt: skip


def notice_json(notice: Notice) -> dict[str, Any]:
    """What is told, and the alarm."""
    return {"what": notice.what} | alarm_json(notice.alarm)


def alarm_json(alarm: Alarm) -> dict[str, Any]:
    """An alarm for programs; times are empty until they come."""
    return {
        "alarm": alarm.alarm_number,
        "state": alarm.state,
        "level": alarm.level,
        "kind": alarm.kind,
        "source": alarm.source,
        "subject": alarm.subject,
        "detail": alarm.detail,
        "raised": time_text(alarm.raised_utc_s),
        "seen": time_text(alarm.seen_utc_s),
        "repeats": alarm.repeats,
        "acknowledged": time_text(alarm.acknowledged_utc_s),
        "acknowledged_by": alarm.acknowledged_by,
        "note": alarm.note,
        "cleared": time_text(alarm.cleared_utc_s),
    }


def alarm_row(alarm: Alarm) -> list[object]:
    """The cells of ALARM_HEADER."""
    by = f" by {printable(alarm.acknowledged_by)}" if alarm.acknowledged_by else ""
    return [
        alarm.alarm_number, alarm.level, f"{alarm.state}{by}", alarm.kind, alarm.source or "-",
        utc_text(alarm.raised_utc_s), alarm.repeats, printable(alarm.detail),
    ]  # fmt: skip


ALARM_HEADER = ("alarm", "level", "state", "kind", "source", "raised", "repeats", "what was found")
ALARM_RIGHT = "06"


def entry_json(entry: Entry) -> dict[str, Any]:
    """The manifest of a file for programs."""
    file = entry.file
    return {
        "file": file.file_number,
        "source": file.source,
        "name": file.name,
        "status": entry.status,
        "why": file.refused,
        "released": file.released,
        "run": file.run_number,
        "at": utc_text(entry.run_utc_s),
        "made": time_text(file.file_utc_s),
        "sequence": file.sequence if file.sequence >= 0 else None,
        "expected": file.expected if file.expected >= 0 else None,
        "request": file.request_number or None,
        "records": file.rows,
        "new": entry.new,
        "duplicates": file.duplicates,
        "errors": file.errors,
        "first_start": time_text(file.first_start_utc_s),
        "last_start": time_text(file.last_start_utc_s),
        "seconds": file.seconds,
        "volume_bytes": file.volume_bytes,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
    }


def entry_row(entry: Entry) -> list[object]:
    """The cells of ENTRY_HEADER."""
    file = entry.file
    sequence = str(file.sequence) if file.sequence >= 0 else ""
    due = f" (due {file.expected})" if file.expected >= 0 else ""
    return [
        f"F{file.file_number}" if file.file_number else "-", file.source, printable(file.name),
        entry.status, sequence + due, f"{file.rows:,}", f"{file.errors:,}",
        f"{file.duplicates:,}", time_text(file.first_start_utc_s),
        time_text(file.last_start_utc_s), f"{file.seconds:,}", f"{file.volume_bytes:,}",
        file.sha256[:12],
    ]  # fmt: skip


ENTRY_HEADER = (
    "file", "source", "name", "status", "sequence", "records", "errors", "duplicates",
    "first start", "last start", "seconds", "volume", "sha256",
)  # fmt: skip
ENTRY_RIGHT = (5, 6, 7, 10, 11)


def sums_lines(sums: Sums) -> Sequence[str]:
    """The sums under a log; the balance of what was asked for again, if there is any."""
    lines = [
        f"{count(sums.files, 'file')}, {sums.refused:,} refused: {count(sums.records, 'record')}, "
        f"{count(sums.errors, 'error')}, {count(sums.duplicates, 'duplicate')}, "
        f"{count(sums.seconds, 'second')}"
    ]
    if sums.recollected:
        lines.append(
            f"recollected {sums.recollected:,} = {sums.recollected_new:,} new + "
            f"{count(sums.recollected_duplicates, 'duplicate')}"
        )
    return lines


def request_json(request: Request) -> dict[str, Any]:
    """A request and what has come of it."""
    from tollbook.run.requests import document

    return document(request) | {
        "missing": request.missing,
        "state": request.state,
        "ended": time_text(request.ended_utc_s),
        "ended_by": request.ended_by,
    }


def request_row(request: Request) -> list[object]:
    """The cells of REQUEST_HEADER."""
    return [
        request.request_number, request.state, request.source, printable(request.wanted),
        request.missing, utc_text(request.asked_utc_s), printable(request.asked_by),
        printable(request.note),
    ]  # fmt: skip


REQUEST_HEADER = ("request", "state", "source", "wanted", "missing", "asked", "by", "note")
