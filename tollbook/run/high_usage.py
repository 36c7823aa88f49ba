"""High usage: who reached which level of a rule in a day or month, told once for each level.

Who: a subscription, or of visitors the single one, by the IMSI.

``look`` is called when a night has ended. It adds up the rated records of the bill months that
runs have written since the last look, and writes what is new into the catalogue in one
transaction. Looking twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import func, insert, select, update

from rating import high_usage as arithmetic
from tollbook import clock
from tollbook.codes import ROAMINGS, VISITOR
from tollbook.errors import NotFound, TollbookError
from tollbook.high_usage import BYTES, DAY, MONEY, SDR, SECONDS, Rule
from tollbook.run import high_usage_mean, lake
from tollbook.run.high_usage_imsi import Imsis
from tollbook.run.high_usage_mean import Before
from tollbook.run.session import Session
from tollbook.run.tables import HIGH_USAGE, META

ACTIONS: Final = ("notify", "force_off", "force_open", "ignore")
DAYS_MAX: Final = 365  # of force_open
_LOOKED: Final = "high_usage_run"  # in META: the last run that was looked at
_EPOCH: Final = date(1970, 1, 1)
_WORDS: Final = ("subscription_id", "account_id", "plan", "service", "direction", "roaming")
_VISITOR: Final = ROAMINGS[VISITOR]
_COLUMNS: Final = (
    *_WORDS, "imsi", "start_utc_s", "duration_s", "up_bytes", "down_bytes", "charge_micro",
)  # fmt: skip
_SPAN: Final = ("subscription_id", "day")
_APART: Final = ("visits", "account_id", "plan", "imsi", "price_micro")
_OWNER: Final = ("subscription_id", "visitor_imsi", "day")  # imsi: 0 of all but visitors
_SUMS: Final = {"charge_micro": "sum", "seconds": "sum", "volume_bytes": "sum", "records": "sum",
                "first_start_utc_s": "min", "last_start_utc_s": "max"}  # fmt: skip
_IN_ORDER: Final = [(name, "ascending") for name in ("last_start_utc_s", "plan", "imsi")]
_SUM_OF: Final = {MONEY: "charge_micro", SDR: "charge_micro", SECONDS: "seconds",
                  BYTES: "volume_bytes"}  # fmt: skip


@dataclass(frozen=True)
class Report:
    """A row of ``high_usage``; disposed_utc_s is 0 until somebody has decided."""

    report_number: int
    rule: str
    subscription_id: str
    account_id: str
    span: str
    level: int
    imsi: int
    plan: str
    measure: str
    amount: int
    threshold: int
    charge_micro: int
    seconds: int
    volume_bytes: int
    records: int
    first_start_utc_s: int
    last_start_utc_s: int
    found_utc_s: int
    disposed_utc_s: int = 0
    action: str = ""
    days: int = 0
    disposed_by: str = ""
    note: str = ""


def read(session: Session, is_open: bool = False) -> list[Report]:
    """Reports in the order in which they were found."""
    query = select(HIGH_USAGE).order_by(HIGH_USAGE.c.report_number)
    query = query.where(HIGH_USAGE.c.disposed_utc_s == 0) if is_open else query
    with session.catalogue.engine.connect() as link:
        return [Report(**row) for row in link.execute(query).mappings()]


def look(session: Session, now_utc_s: int) -> tuple[Report, ...]:
    """Find the levels that were reached since the last look; the caller holds the right to write.
    """
    rules = session.workspace.high_usage
    if not rules.rules:
        return ()
    with session.catalogue.engine.connect() as link:
        before = link.scalar(select(META.c.value).where(META.c.name == _LOOKED))
    files = session.catalogue.lake_files("rated")
    last = max((file.run_number for file in files), default=0)
    periods = {file.period for file in files if file.run_number > (before or 0)}
    imsis = Imsis(session, last)
    found = [report for period in sorted(periods)
             for report in _of_month(session, period, before or 0, imsis)]  # fmt: skip
    known: dict[tuple[str, str, str], int] = {}
    of_visitor: dict[tuple[str, str, str, int], int] = {}
    for report in _highest(session):
        key = report.rule, report.subscription_id, report.span
        known[key] = of_visitor[*key, report.imsi] = report.level
    new = []
    for one in found:  # no subscription of customers has the id of one of visitors
        key = one["rule"], one["subscription_id"], one["span"]
        imsi = one.pop("visitor_imsi")
        level = of_visitor.get((*key, imsi), 0) if imsi else known.get(key, 0)
        if one["level"] > level:
            new.append(one)
    with session.catalogue.transaction() as link:
        if before is None:
            link.execute(insert(META).values(name=_LOOKED, value=last))
        elif last > before:
            link.execute(update(META).where(META.c.name == _LOOKED).values(value=last))
        number = int(link.scalar(select(func.max(HIGH_USAGE.c.report_number))) or 0)
        told = tuple(
            Report(report_number=at, found_utc_s=now_utc_s, **one)
            for at, one in enumerate(new, number + 1)
        )
        if told:
            link.execute(insert(HIGH_USAGE), [one.__dict__ for one in told])
    return told


def _highest(session: Session) -> Iterable[Report]:
    """Reports, of each rule, subscription and span the highest last."""
    return sorted(read(session), key=lambda one: one.level)


def _of_month(
    session: Session, period: int, before: int, imsis: Imsis
) -> Iterator[dict[str, Any]]:
    """What reached a level in a bill month, by rule, span and subscription.

    before: the last run that was looked at; days without a record of a later one are left out.
    imsis: for records without one.
    """
    rules, zone = session.workspace.high_usage, session.workspace.operator.time_zone
    files = [file for file in session.catalogue.lake_files("rated") if file.period == period]
    touched = np.unique(np.concatenate([
        _local_days(lake.read(session.root, file, ("start_utc_s",))["start_utc_s"].to_numpy(), zone)
        for file in files if file.run_number > before
    ]))  # fmt: skip
    parts: list[list[pa.Table]] = [[] for _ in rules.rules]
    for table, day in _tables(session, period):
        is_touched = np.isin(day, touched)
        for rule, sums in zip(rules.rules, parts, strict=True):
            keep = is_touched if rule.per == DAY else np.ones(len(day), np.bool_)
            sums.append(_summed(_chosen(table, day, keep, rules.sdr, rule)))
    for rule, sums in zip(rules.rules, parts, strict=True):
        whole = _summed(pa.concat_tables(sums).combine_chunks())
        visitor_imsi = pc.if_else(whole["visits"], whole["imsi"], 0)
        whole = whole.append_column("visitor_imsi", visitor_imsi)
        span = clock.period_text(period)
        past = _before(session, period, rule) if rule.mean_of else None
        yield from _reached(rule, whole, span, past, imsis)


def _before(session: Session, period: int, rule: Rule) -> Before:
    """What subscriptions have used by a rule in the months that it compares with."""
    def sums(month: int) -> pa.Table:
        parts = [_summed(_chosen(table, day, np.ones(len(day), np.bool_), (), rule), _SPAN)
                 for table, day in _tables(session, month)]  # fmt: skip
        empty = pa.table({"subscription_id": pa.array([], pa.string()),
                          "used": pa.array([], pa.int64())})  # fmt: skip
        named = [part.select(["subscription_id", _SUM_OF[rule.measure]]).rename_columns(
            ["subscription_id", "used"]) for part in parts]  # fmt: skip
        found = pa.concat_tables([empty, *named])
        found = found.group_by("subscription_id", use_threads=False).aggregate([("used", "sum")])
        return found.rename_columns(["subscription_id", "used"])

    return high_usage_mean.before(session, period, rule.mean_of, sums)


def _tables(session: Session, period: int) -> Iterator[tuple[pa.Table, np.ndarray]]:
    """The rated files of a bill month, and the local days of their records."""
    zone = session.workspace.operator.time_zone
    for file in session.catalogue.lake_files("rated", periods=[period]):
        table = lake.read(session.root, file, _COLUMNS, read_dictionary=list(_WORDS))
        yield table, _local_days(table["start_utc_s"].to_numpy(), zone)


def _local_days(utc_s: np.ndarray, zone: str) -> np.ndarray:
    """Days since 1970 of the operator's clock; int32."""
    table = clock.zone_table(zone)
    offset = table.offset_s[np.searchsorted(table.since_utc_s, utc_s, side="right") - 1]
    days: np.ndarray = ((utc_s + offset) // clock.DAY_S).astype(np.int32)
    return days


def _chosen(
    table: pa.Table, day: np.ndarray, keep: np.ndarray, sdr: Sequence[tuple[date, int]], rule: Rule
) -> pa.Table:
    """The records to keep (bool) that the rule's conditions hold for, with what is summed up."""
    for field, words in rule.when:
        keep = keep & pc.is_in(table[field], value_set=pa.array(words)).to_numpy()
    at = np.flatnonzero(keep)
    price = np.zeros(len(at), np.int64)
    if rule.measure == SDR:
        days, inverse = np.unique(day[at], return_inverse=True)
        prices = [arithmetic.sdr_price_micro(sdr, _EPOCH + timedelta(int(one)))
                  for one in days]  # fmt: skip
        price = np.array(prices, np.int64)[inverse] if len(at) else price
    taken = table.take(pa.array(at))
    start = taken["start_utc_s"]
    return pa.table({
        "subscription_id": taken["subscription_id"].cast(pa.string()),
        "visits": pc.equal(taken["roaming"], _VISITOR),
        "day": day[at] if rule.per == DAY else np.full(len(at), -1, np.int32),
        **{name: taken[name].cast(pa.string()) for name in ("account_id", "plan")},
        "imsi": taken["imsi"], "price_micro": price, "charge_micro": taken["charge_micro"],
        "seconds": taken["duration_s"],
        "volume_bytes": pc.add(taken["up_bytes"], taken["down_bytes"]),
        "records": np.ones(len(at), np.int64),
        "first_start_utc_s": start, "last_start_utc_s": start,
    })  # fmt: skip


def _summed(table: pa.Table, keys: Sequence[str] = (*_SPAN, *_APART)) -> pa.Table:
    """One row for each value of the keys."""
    found = table.group_by(list(keys), use_threads=False).aggregate(list(_SUMS.items()))
    names = {f"{name}_{how}": name for name, how in _SUMS.items()}
    return found.rename_columns([names.get(name, name) for name in found.column_names])


def _reached(
    rule: Rule, whole: pa.Table, month: str, past: Before | None, imsis: Imsis
) -> Iterator[dict[str, Any]]:
    """The owners that reached a level. Few do, so exact fractions are made for few.

    past: what they used in the months before, of a rule that compares with their mean.
    """
    owners = _summed(whole, _OWNER).rename_columns([*_OWNER, *_SUMS])
    least = arithmetic.least_of(rule)
    if past is not None:
        owners = owners.filter(pa.array(past.may_exceed(
            owners["subscription_id"].combine_chunks(), owners[_SUM_OF[rule.measure]].to_numpy(),
            least,
        )))  # fmt: skip
        least = rule.least
    if rule.measure == SDR and whole.num_rows:
        least = least * int(pc.min(whole["price_micro"]).as_py()) // 10**6
    owners = owners.filter(pc.greater_equal(owners[_SUM_OF[rule.measure]], min(least, 2**62)))
    some = whole.filter(pc.and_(*(
        pc.is_in(whole[name], value_set=owners[name]) for name in _OWNER[:2]
    )))  # fmt: skip
    rows: dict[tuple[str, int, int], list[dict[str, Any]]] = {}
    for row in some.sort_by(_IN_ORDER).to_pylist():
        rows.setdefault((row["subscription_id"], row["visitor_imsi"], row["day"]), []).append(row)
    for owner in sorted(zip(*(owners[name].to_pylist() for name in _OWNER), strict=True)):
        span = month if owner[2] < 0 else (_EPOCH + timedelta(owner[2])).isoformat()
        last = rows[owner][-1]
        last["imsi"] = last["imsi"] or imsis.of(owner[0], last["last_start_utc_s"])
        one = _judged(rule, rows[owner], past)
        if one["level"]:
            yield one | {"span": span}


def _judged(
    rule: Rule, rows: Sequence[Mapping[str, Any]], past: Before | None
) -> dict[str, Any]:
    """The level of an owner's rows; whose plan and IMSI count is the one of its last record."""
    last = rows[-1]
    sums = {name: sum(row[name] for row in rows)
            for name in ("charge_micro", "seconds", "volume_bytes", "records")}  # fmt: skip
    amount = Fraction(sums[_SUM_OF[rule.measure]])
    if rule.measure == SDR:
        amount = arithmetic.in_sdr((row["charge_micro"], row["price_micro"]) for row in rows)
    threshold = arithmetic.threshold_of(rule, last["plan"], str(last["imsi"] or ""))
    level = arithmetic.level_of(rule.levels, threshold, amount)
    if past is not None:
        mean = past.mean(last["subscription_id"]) or Fraction(0)  # only those that have one come
        level = arithmetic.level_above(rule.levels, threshold, amount, mean)
        threshold = int(mean * threshold) // 10**6
    return sums | {
        "rule": rule.name, "measure": rule.measure, "threshold": threshold,
        "level": level,
        "amount": amount.numerator // amount.denominator,
        "first_start_utc_s": min(row["first_start_utc_s"] for row in rows),
        **{name: last[name] for name in ("subscription_id", "visitor_imsi", "account_id", "plan",
                                         "imsi", "last_start_utc_s")},
    }  # fmt: skip


@dataclass(frozen=True)
class Disposition:
    """What is done about a report, by whom and why. days: of force_open; 0 for all others."""

    action: str
    days: int
    by: str
    note: str
    now_utc_s: int


def dispose(session: Session, numbers: Iterable[int], done: Disposition) -> list[Report]:
    """Write down what is done about reports; the caller holds the right to write."""
    if (done.action == "force_open") != (1 <= done.days <= DAYS_MAX):
        raise TollbookError(
            f"{done.action} for {done.days} days\n"
            f"    allowed: force_open with --days 1 to {DAYS_MAX}, all others without\n"
            "    do: correct the two"
        )
    known = {one.report_number: one for one in read(session)}
    changed = []
    with session.catalogue.transaction() as link:
        for number in numbers:
            one = known.get(number)
            if one is None:
                raise NotFound(f"report {number}: there is none; see `tollbook high-usage list`")
            if one.disposed_utc_s:
                raise TollbookError(
                    f"report {number}: {one.disposed_by} has decided: {one.action}\n"
                    "    allowed: reports that nobody has decided\n"
                    "    do: nothing; a higher level is reported again"
                )
            values = {"disposed_utc_s": done.now_utc_s, "action": done.action, "days": done.days,
                      "disposed_by": done.by, "note": done.note}  # fmt: skip
            same = HIGH_USAGE.c.report_number == number
            link.execute(update(HIGH_USAGE).where(same).values(**values))
            changed.append(Report(**(one.__dict__ | values)))
    return changed
