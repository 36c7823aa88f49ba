"""The figures of a month's report, from the catalogue, the bills and the statements."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from settlement.statement import IN, OUT
from tollbook import clock, codes, reasons
from tollbook.run import bills, settlements
from tollbook.run.catalogue import Run, Total
from tollbook.run.report import CarrierFigures, MonthFigures, NightFigures
from tollbook.run.session import Session

# Kinds of run that give records a fate, and so have control totals.
COUNTED_KINDS: Final = ("night", "retry", "correct", "discard", "undo", "rerate")
# A night that runs in the small hours is that of the day before.
HALF_A_DAY_S: Final = 12 * 3600


def of_month(session: Session, period: int) -> MonthFigures:
    """What the nights of a month, and actions on suspense, came to; its bills and statements.

    A run belongs to the local day on which its night began. Suspense is what waits now, of all
    months.
    """
    catalogue, operator = session.catalogue, session.workspace.operator
    published = {
        run.run_number: run
        for kind in COUNTED_KINDS for run in catalogue.runs("published", kind)
    }  # fmt: skip
    totals: dict[int, list[Total]] = {number: [] for number in published}
    waiting: Counter[str] = Counter()
    for number, total in catalogue.totals():
        if number in totals:
            totals[number].append(total)
        if total.disposition == codes.DISPOSITIONS[codes.SUSPENDED]:
            waiting[reasons.name_of(total.reason)] += total.rows
    sources = {file.file_number: file.source for file in catalogue.files()}
    nights = [
        _night(run, day, totals[number], sources)
        for number, run in sorted(published.items())
        for day in (_day(run, operator.time_zone),)
        if clock.month_index(day.year, day.month) == period
    ]  # fmt: skip
    billed, billed_micro = _billed(session, period)
    return MonthFigures(
        operator.name, operator.currency, operator.currency_digits, clock.period_text(period),
        nights, {name: rows for name, rows in sorted(waiting.items()) if rows},
        billed, billed_micro, _settled(session, period),
    )  # fmt: skip


def _day(run: Run, zone: str) -> date:
    return datetime.fromtimestamp(run.as_of_utc_s - HALF_A_DAY_S, UTC).astimezone(
        ZoneInfo(zone)
    ).date()  # fmt: skip


def _night(run: Run, day: date, totals: list[Total], sources: dict[int, str]) -> NightFigures:
    """A run's figures. Records that a retry took out of suspense count there as minus."""
    rows: Counter[tuple[str, str]] = Counter()
    charge_micro: Counter[str] = Counter()
    for total in totals:
        rows[sources[total.file_number], total.disposition] += total.rows
        if total.charge_micro:
            charge_micro[codes.SERVICES[total.service]] += total.charge_micro
    return NightFigures(day, run.run_number, dict(rows), dict(charge_micro), run.elapsed_ms)


def _billed(session: Session, period: int) -> tuple[int, int]:
    run_number = session.catalogue.closed_periods("bill").get(period)
    if run_number is None:
        return 0, 0
    billed = bills.summary(session, run_number)
    return billed.bills, billed.total_micro


def _settled(session: Session, period: int) -> tuple[CarrierFigures, ...]:
    run_number = session.catalogue.closed_periods("settle").get(period)
    if run_number is None:
        return ()
    settled = settlements.summary(session, session.catalogue.run(run_number))
    return tuple(
        CarrierFigures(one.carrier_name, one.total(OUT).payable_micro, one.total(IN).payable_micro)
        for one in settled.statements
    )
