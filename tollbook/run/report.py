"""The report of a month: one HTML page that needs nothing else, made from plain figures.

What is shown are the figures that went in, to the last digit; only the sizes of shapes are rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path
from statistics import median_low
from typing import TypeVar

from tollbook import codes, reasons
from tollbook.money import MICRO
from tollbook.run import report_parts as parts
from tollbook.run import report_svg
from tollbook.run.report_svg import Bar, Flow

K = TypeVar("K")


@dataclass(frozen=True)
class NightFigures:
    """One run of the month. rows: (source, disposition) -> records; charge_micro: by service.

    A retry of suspended records is such a run, too: what it took out of suspense counts as minus.
    """

    day: date
    run_number: int
    rows: Mapping[tuple[str, str], int]
    charge_micro: Mapping[str, int]
    elapsed_ms: int

    @property
    def records(self) -> int:
        return sum(self.rows.values())

    @property
    def charged_micro(self) -> int:
        return sum(self.charge_micro.values())

    @property
    def records_per_second(self) -> int:
        """0 where no time was taken down."""
        return self.records * 1000 // self.elapsed_ms if self.elapsed_ms else 0

    def of(self, disposition: str) -> int:
        """Records of all sources that met this fate."""
        return sum(count for (_, fate), count in self.rows.items() if fate == disposition)


@dataclass(frozen=True)
class CarrierFigures:
    """What a carrier and the operator owe each other for the month."""

    carrier: str
    we_owe_micro: int
    they_owe_micro: int


@dataclass(frozen=True)
class MonthFigures:
    """Everything that the report of a month shows.

    suspense: reason -> records that still wait. bill_count 0: not billed yet; settlements empty:
    not settled yet.
    """

    operator: str
    currency: str
    currency_digits: int
    period: str  # YYYY-MM
    nights: Sequence[NightFigures]
    suspense: Mapping[str, int]
    bill_count: int = 0
    bill_total_micro: int = 0
    settlements: Sequence[CarrierFigures] = ()


def write(path: Path, figures: MonthFigures) -> None:
    """Writes the page; the file appears whole, or not at all."""
    parts.write(path, page(figures))


def page(figures: MonthFigures) -> str:
    """The whole page as text."""
    body = [_header(figures), _tiles(figures), _flow(figures), _revenue(figures)]
    body += [_suspense(figures), _speed(figures), _settlement(figures), _nights(figures)]
    return parts.document(
        f"{figures.operator}, {month_name(figures.period)}", body,
        "Made by tollbook from the control totals of the runs named above. Every record has one "
        "fate, and the fates add up to the records.",
    )  # fmt: skip


def month_name(period: str) -> str:
    """``2003-06`` -> ``June 2003``."""
    year, month = period.split("-")
    return f"{date(int(year), int(month), 1):%B} {year}"


def money(figures: MonthFigures, amount_micro: int) -> str:
    """``1234567.5`` as ``1,234,567.50``: exact, with at least the currency's digits."""
    return parts.amount(amount_micro, figures.currency_digits)


def _header(figures: MonthFigures) -> str:
    sources = {source for night in figures.nights for source, _ in night.rows}
    return (
        f"<header><h1>{escape(figures.operator)}: {month_name(figures.period)}</h1>"
        f"<p>Control report of {_count(len(figures.nights), 'night')} and "
        f"{_count(len(sources), 'source')}; amounts in {escape(figures.currency)}</p></header>"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _tiles(figures: MonthFigures) -> str:
    records = sum(night.records for night in figures.nights)
    rated = sum(night.of("rated") for night in figures.nights)
    charged = sum(night.charged_micro for night in figures.nights)
    waiting = sum(figures.suspense.values())
    tiles = [
        (f"{records:,}", "records taken in"),
        (f"{rated:,}", "records rated"),
        (money(figures, charged), f"{figures.currency} charged"),
        (f"{waiting:,}", "records waiting in suspense"),
    ]
    if figures.bill_count:
        tiles.append((money(figures, figures.bill_total_micro),
                      f"{figures.currency} on {_count(figures.bill_count, 'bill')}"))  # fmt: skip
    return parts.tiles(tiles)


def services_of(figures: MonthFigures) -> dict[str, int]:
    """Charges of the month by service, the largest first; services without charges left out."""
    sums: dict[str, int] = {}
    for night in figures.nights:
        for service, amount in night.charge_micro.items():
            sums[service] = sums.get(service, 0) + amount
    return {name: sums[name] for name in sorted(sums, key=lambda one: (-sums[one], one))
            if sums[name]}  # fmt: skip


def _flow(figures: MonthFigures) -> str:
    rows: dict[tuple[str, str], int] = {}
    for night in figures.nights:
        for names, count in night.rows.items():
            rows[names] = rows.get(names, 0) + count
    services = services_of(figures)
    picture = report_svg.flow(
        Flow(
            dict(sorted(rows.items())), codes.DISPOSITIONS, codes.DISPOSITIONS[codes.RATED],
            {name: (amount, money(figures, amount)) for name, amount in services.items()},
        )
    )  # fmt: skip
    about = ("Records by source and fate, and what the rated ones came to by service. Heights are "
             "in scale, except that nothing is drawn too thin to be seen.")  # fmt: skip
    return parts.section("From files to money", about, picture)


def _shade(index: int) -> str:
    return f"c{min(index + 1, report_svg.SHADES)}"


def _revenue(figures: MonthFigures) -> str:
    services = list(services_of(figures))
    bars = []
    for night in figures.nights:
        shares = [(night.charge_micro.get(name, 0), _shade(place))
                  for place, name in enumerate(services)]  # fmt: skip
        said = [f"{night.day}: {money(figures, night.charged_micro)} {figures.currency}"]
        said += [f"{name} {money(figures, night.charge_micro[name])}"
                 for name in services if name in night.charge_micro]  # fmt: skip
        bars.append(Bar(str(night.day.day), shares, "\n".join(said)))
    legend = "".join(f"<span>{report_svg.swatch(_shade(place))}{escape(name)}</span>"
                     for place, name in enumerate(services))  # fmt: skip
    picture = report_svg.columns(bars, MICRO, "Charges by night and service")
    about = f"{escape(figures.currency)}, by service and the day on which the night began"
    return parts.section("Charges by night", about, f'{picture}<div class="legend">{legend}</div>')


def _suspense(figures: MonthFigures) -> str:
    if not figures.suspense:
        return parts.section("Suspense by reason", "No record waits.", "")
    ordered = sorted(figures.suspense.items(), key=lambda item: (-item[1], item[0]))
    advice = {reason.name: reason.advice for reason in reasons.REASONS}
    bars = [(name.replace("_", " "), rows, advice.get(name, "").replace("`", ""))
            for name, rows in ordered]  # fmt: skip
    return parts.section("Suspense by reason", "Records that wait, and what may cure them",
                    report_svg.rows(bars, "Suspense by reason"))  # fmt: skip


def _speed(figures: MonthFigures) -> str:
    timed = [night for night in figures.nights if night.records_per_second]
    if not timed:
        return ""
    bars = [
        Bar(str(night.day.day), [(night.records_per_second, "c3")],
            f"{night.day}: {night.records:,} records in {_seconds(night)} s, "
            f"{night.records_per_second:,} a second")
        for night in timed
    ]  # fmt: skip
    usual = median_low(night.records_per_second for night in timed)
    picture = report_svg.columns(bars, 1, "Records a second by night", 130, usual)
    about = ("Records a second, from files on disk to committed results; the dashed line is the "
             f"median, {usual:,}")  # fmt: skip
    return parts.section("Throughput", about, picture)


def _seconds(night: NightFigures) -> str:
    return f"{night.elapsed_ms // 1000:,}.{night.elapsed_ms % 1000:03d}"


def _settlement(figures: MonthFigures) -> str:
    if not figures.settlements:
        return ""
    lines = [
        (one.carrier, money(figures, one.they_owe_micro), money(figures, one.we_owe_micro),
         money(figures, one.they_owe_micro - one.we_owe_micro))
        for one in figures.settlements
    ]  # fmt: skip
    they = sum(one.they_owe_micro for one in figures.settlements)
    we = sum(one.we_owe_micro for one in figures.settlements)
    foot = ("all", money(figures, they), money(figures, we), money(figures, they - we))
    header = ("carrier", "they owe us", "we owe them", "balance")
    return parts.section("Settlement", f"Statements of the month in {escape(figures.currency)}",
                    parts.table(header, lines, foot, 1))  # fmt: skip


def _nights(figures: MonthFigures) -> str:
    lines = [_night_cells(figures, night) for night in figures.nights]
    header = ("night of", "run", "records", "rated", "suspended", "duplicate", "discarded",
              "charged", "seconds", "records/s")  # fmt: skip
    total = NightFigures(
        date.min, 0, _added(night.rows for night in figures.nights),
        _added(night.charge_micro for night in figures.nights),
        sum(night.elapsed_ms for night in figures.nights),
    )  # fmt: skip
    foot = ("all", "", *_night_cells(figures, total)[2:])
    return parts.section("Every night", "The figures behind the pictures",
                    f'<div class="wide">{parts.table(header, lines, foot, 2)}</div>', "long")


def _night_cells(figures: MonthFigures, night: NightFigures) -> tuple[str, ...]:
    fates = (f"{night.of(fate):,}" for fate in ("rated", "suspended", "duplicate", "discarded"))
    return (
        f"{night.day:%a} {night.day}", str(night.run_number), f"{night.records:,}", *fates,
        money(figures, night.charged_micro), _seconds(night), f"{night.records_per_second:,}",
    )  # fmt: skip


def _added(several: Iterable[Mapping[K, int]]) -> dict[K, int]:
    sums: dict[K, int] = {}
    for one in several:
        for key, value in one.items():
            sums[key] = sums.get(key, 0) + value
    return sums
