"""Alarms: raised when a condition is found, told again at intervals, acknowledged, cleared.

``look`` is called when a night has ended (and by ``tollbook collection alarms --look``). It goes
through the files that have come in since the last look, the sequences, the clock, the inbox and the
disk, and changes the catalogue in one transaction. Looking twice at the same moment changes
nothing, so a command that was killed in between can be started again.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select, update

from tollbook.errors import NotFound, TollbookError
from tollbook.run import conditions, deliveries
from tollbook.run.catalogue import Catalogue
from tollbook.run.conditions import LEVELS, Condition
from tollbook.run.plan import Waiting
from tollbook.run.session import Session
from tollbook.run.tables import ALARMS, GAPS

RAISED: Final = "raised"
REPEATED: Final = "still there"
CLEARED: Final = "cleared"


@dataclass(frozen=True)
class Alarm:
    """A row of ``alarms``; times are 0 until they come."""

    alarm_number: int
    kind: str
    source: str
    subject: str
    level: str
    detail: str
    raised_utc_s: int
    seen_utc_s: int
    told_utc_s: int
    repeats: int = 0
    acknowledged_utc_s: int = 0
    acknowledged_by: str = ""
    note: str = ""
    cleared_utc_s: int = 0

    @property
    def state(self) -> str:
        """raised, acknowledged or cleared."""
        if self.cleared_utc_s:
            return "cleared"
        return "acknowledged" if self.acknowledged_utc_s else "raised"


@dataclass(frozen=True)
class Notice:
    """An alarm that people are told of now, and why: RAISED, REPEATED or CLEARED."""

    what: str
    alarm: Alarm


def read(catalogue: Catalogue, is_open: bool = False) -> list[Alarm]:
    """Alarms in the order in which they were raised."""
    query = select(ALARMS).order_by(ALARMS.c.alarm_number)
    query = query.where(ALARMS.c.cleared_utc_s == 0) if is_open else query
    with catalogue.engine.connect() as link:
        return [Alarm(**row) for row in link.execute(query).mappings()]


def look(session: Session, now_utc_s: int, waiting: Collection[Waiting]) -> tuple[Notice, ...]:
    """Find what is wrong now and write it down; gives what people should be told.

    waiting: files that lie in the inbox unread. The caller holds the right to write.
    """
    found = deliveries.look(session, now_utc_s, waiting)
    rules = session.workspace.alarms
    usage = shutil.disk_usage(session.lake if session.lake.exists() else session.root)
    found.conditions.extend(conditions.disk(rules, usage.free, usage.total))
    standing = read(session.catalogue, is_open=True)
    changed = _judged(standing, found, now_utc_s, rules.suppress_s)
    if not changed and not found.changes:
        return ()
    with session.catalogue.transaction() as link:
        for change in found.changes:
            link.execute(change)
        return tuple(_written(link, changed))


@dataclass(frozen=True)
class _Change:
    """A new row (number 0) or the row as it is from now on; ``what``: "" if nobody is told."""

    alarm: Alarm
    what: str


def _judged(
    standing: Sequence[Alarm], found: deliveries.Found, now_utc_s: int, suppress_s: int
) -> list[_Change]:
    """What becomes of the standing alarms, and which are new."""
    by_key = {(alarm.kind, alarm.source, alarm.subject): alarm for alarm in standing}
    changes = []
    for one in found.conditions:
        alarm = by_key.pop(one.key, None)
        if alarm is None:
            changes.append(_Change(_new(one, now_utc_s), RAISED))
        else:
            changes.append(_seen_again(alarm, one, now_utc_s, suppress_s))
    changes += [
        _Change(replace(alarm, cleared_utc_s=now_utc_s, told_utc_s=now_utc_s), CLEARED)
        for alarm in by_key.values() if found.decides(alarm.kind, alarm.source)
    ]  # fmt: skip
    before = {alarm.alarm_number: alarm for alarm in standing}
    return [one for one in changes if before.get(one.alarm.alarm_number) != one.alarm]


def _new(one: Condition, now_utc_s: int) -> Alarm:
    return Alarm(0, one.kind, one.source, one.subject, one.level, one.detail, now_utc_s, now_utc_s,
                 now_utc_s)  # fmt: skip


def _seen_again(alarm: Alarm, one: Condition, now_utc_s: int, suppress_s: int) -> _Change:
    """The same condition: told again if it is graver now, or nobody answers for long enough."""
    is_graver = LEVELS.index(one.level) > LEVELS.index(alarm.level)
    is_later = now_utc_s > alarm.seen_utc_s
    is_due = is_later and now_utc_s - alarm.told_utc_s >= suppress_s
    seen = replace(
        alarm, level=one.level, detail=one.detail, seen_utc_s=max(now_utc_s, alarm.seen_utc_s),
        repeats=alarm.repeats + is_later,
    )  # fmt: skip
    if is_graver:  # whoever took note of less has not taken note of this
        seen = replace(seen, acknowledged_utc_s=0, acknowledged_by="")
        return _Change(replace(seen, told_utc_s=now_utc_s), RAISED)
    if is_due and not alarm.acknowledged_utc_s:
        return _Change(replace(seen, told_utc_s=now_utc_s), REPEATED)
    return _Change(seen, "")


def _written(link: Connection, changes: Iterable[_Change]) -> Iterable[Notice]:
    number = int(link.scalar(select(func.max(ALARMS.c.alarm_number))) or 0)
    for change in changes:
        alarm = change.alarm
        if alarm.alarm_number == 0:
            number += 1
            alarm = replace(alarm, alarm_number=number)
            link.execute(insert(ALARMS).values(**alarm.__dict__))
        else:
            values: dict[str, Any] = dict(alarm.__dict__)
            same = ALARMS.c.alarm_number == values.pop("alarm_number")
            link.execute(update(ALARMS).where(same).values(**values))
        if change.what:
            yield Notice(change.what, alarm)


@dataclass(frozen=True)
class Note:
    """Who takes note of an alarm, with which words, and when."""

    by: str
    text: str
    now_utc_s: int


def acknowledge(link: Connection, alarm_number: int, note: Note, never: bool = False) -> Alarm:
    """Somebody has taken note: the alarm stands, and is told no more unless it gets graver.

    never: the numbers of a gap will not come; nobody waits for them, and the alarm is cleared.
    """
    same = ALARMS.c.alarm_number == alarm_number
    row = link.execute(select(ALARMS).where(same)).mappings().first()
    if row is None:
        raise NotFound(f"alarm {alarm_number}: there is none; see `tollbook collection alarms`")
    alarm = Alarm(**row)
    if alarm.cleared_utc_s:
        raise TollbookError(
            f"alarm {alarm_number} is cleared\n    allowed: alarms that stand\n"
            "    do: nothing; its condition has ended"
        )
    alarm = replace(alarm, acknowledged_utc_s=note.now_utc_s, acknowledged_by=note.by,
                    note=note.text)  # fmt: skip
    if never:
        if alarm.kind != conditions.GAP:
            raise TollbookError(
                f"alarm {alarm_number} is a {alarm.kind}\n"
                f"    allowed: --never of a {conditions.GAP}, whose numbers can fail to exist\n"
                "    do: acknowledge it without --never; it is cleared when its condition ends"
            )
        alarm = replace(alarm, cleared_utc_s=note.now_utc_s)
        link.execute(update(GAPS).where(
            GAPS.c.source == alarm.source, GAPS.c.numbers == alarm.subject,
        ).values(missing=""))  # fmt: skip
    values = {name: value for name, value in alarm.__dict__.items() if name != "alarm_number"}
    link.execute(update(ALARMS).where(same).values(**values))
    return alarm
