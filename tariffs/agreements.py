"""Agreements between carriers: ``network/agreements.csv`` -> dated prices per settlement group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from tariffs import units
from tariffs.book_rates import PRICE_LIMIT_NANO
from tariffs.book_rules import RULED_SERVICES
from tariffs.model import Rate, Tier
from tariffs.when import Position
from tollbook import clock, money
from tollbook.codes import DIRECTIONS, IN, OUT
from tollbook.columns import OPEN_FROM, OPEN_TO
from tollbook.text import Problems, Row, did_you_mean, load_csv

ANY_GROUP: Final = "*"
CLOCKS: Final = ("start", "end")
_DIRECTIONS: Final = (DIRECTIONS[OUT], DIRECTIONS[IN])
_REQUIRED: Final = ("agreement", "carrier", "direction", "service", "group", "price", "per")
_OPTIONAL: Final = ("increments", "digits", "mode", "clock", "valid_from", "valid_to")


@dataclass(frozen=True)
class Agreement:
    """One row: what one carrier pays another for one kind of traffic over a span of time.

    direction: "out" (we pay the carrier) or "in" (the carrier pays us). group: settlement group
    of the zone where the call ends; ANY_GROUP holds where no row names the group.
    price_nano per ``per`` base units of ``unit``; quantities round up to ``increment``, the first
    one to ``first_increment`` where that is not 0. digits, mode: the one rounding of the charge.
    clock: whether the start or the end of the call decides validity and period.
    valid_from_utc_s, valid_to_utc_s: half-open; ``columns.OPEN_FROM`` and ``OPEN_TO`` where empty.
    """

    agreement: str
    carrier: str
    direction: str
    service: str
    group: str
    unit: str
    price_nano: int
    per: int
    first_increment: int
    increment: int
    digits: int
    mode: int
    clock: str
    valid_from_utc_s: int
    valid_to_utc_s: int
    at: Position

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What at most one row may be in force for at a time."""
        return self.carrier, self.direction, self.service, self.group

    def as_rate(self) -> Rate:
        """The price as a rate with one band and one tier."""
        tier = Tier(0, self.price_nano, self.per, self.increment)
        return Rate(
            name=self.agreement, unit=self.unit, tiers=(tier,),
            first_increment=self.first_increment, digits=self.digits, mode=self.mode, at=self.at,
        )  # fmt: skip


def load(
    path: Path,
    problems: Problems,
    carriers: Sequence[str],
    groups: Sequence[str],
    zone: str,
    shown: str = "network/agreements.csv",
) -> tuple[Agreement, ...]:
    """The agreements, the specific before ANY_GROUP, then by date; none if there is no such file.

    carriers, groups: the names that carriers.csv and zones.csv define. zone: the operator's time
    zone, in which the days of ``valid_from`` and ``valid_to`` begin. Rows in which a problem was
    noted are left out.
    """
    if not path.exists():
        return ()
    found = []
    for row in load_csv(path, _REQUIRED, _OPTIONAL, problems, shown):
        before = problems.errors
        agreement = _read_row(_Cells(row, problems), carriers, groups, zone)
        if problems.errors == before:
            found.append(agreement)
    found.sort(key=lambda a: (
        a.carrier, a.direction, a.service, a.group == ANY_GROUP, a.group, a.valid_from_utc_s,
        a.at.line,
    ))  # fmt: skip
    _check_overlaps(found, problems, zone)
    return tuple(found)


@dataclass(frozen=True)
class _Cells:
    """The cells of one row, read by type; problems carry the row's line."""

    row: Row
    problems: Problems

    def wrong(self, column: str, allowed: str, do: str) -> None:
        written = self.row[column]
        found = f"'{column}' is '{written}'" if written else f"'{column}' is empty"
        self.problems.add(self.row.at, found, allowed, do)

    def choice(self, column: str, options: Sequence[str], default: str = "") -> str:
        found = self.row[column] or default
        if found not in options:
            listed = ", ".join(options[:12]) + ", ..." * (len(options) > 12)
            self.wrong(column, listed or "none is defined",
                       did_you_mean(found, options, "use one of these, or define it"))
        return found

    def day_utc_s(self, column: str, zone: str, default: int) -> int:
        if not self.row[column]:
            return default
        day = clock.parse_date(self.row[column])
        if day is None:
            self.wrong(column, "a day such as 2003-06-10, or nothing where it is open",
                       "write the day as YYYY-MM-DD")
            return default
        return clock.date_utc_s(day, zone)

    def price(self) -> tuple[int, str, int]:
        """Price in nano, unit, and how many of the unit it is for."""
        price = money.parse_decimal(self.row["price"], money.NANO_DIGITS)
        if price is None or not 0 <= price <= PRICE_LIMIT_NANO:
            self.wrong("price", "a price from 0 to 1000000000 with at most 9 decimals",
                       "write the price with a point, such as 0.0123")
        quantity = units.parse_quantity(self.row["per"])
        if quantity is None:
            self.wrong("per", units.PER_ALLOWED, units.quantity_advice(self.row["per"]))
            return price or 0, "", 0
        return price or 0, *quantity

    def increments(self, unit: str, per: int) -> tuple[int, int]:
        """First increment (0 if like the others) and the following ones."""
        if not self.row["increments"] or not unit:
            return 0, per
        found = units.parse_increments(self.row["increments"], unit)
        if found is None:
            self.wrong("increments", units.INCREMENTS_ALLOWED, "write, for example, 60/6")
            return 0, per
        first, increment = found
        return (first if first != increment else 0), increment

    def rounding(self) -> tuple[int, int]:
        digits, mode = self.row["digits"], self.row["mode"]
        if not digits and not mode:
            return money.MICRO_DIGITS, money.ROUND_HALF_EVEN
        if digits not in ("0", "1", "2", "3", "4", "5", "6"):
            self.wrong("digits", "0 to 6, together with 'mode'", "name both, or neither")
            return money.MICRO_DIGITS, money.ROUND_HALF_EVEN
        name = self.choice("mode", tuple(money.ROUNDING_MODES))
        return int(digits), money.ROUNDING_MODES.get(name, money.ROUND_HALF_EVEN)


def _read_row(
    cells: _Cells, carriers: Sequence[str], groups: Sequence[str], zone: str
) -> Agreement:
    row = cells.row
    if not row["agreement"]:
        cells.wrong("agreement", "a name for the agreement", "fill it in")
    price_nano, unit, per = cells.price()
    first_increment, increment = cells.increments(unit, per)
    digits, mode = cells.rounding()
    service = cells.choice("service", RULED_SERVICES)
    if unit and service in RULED_SERVICES and not units.fits(unit, service):
        cells.wrong("per", f"the unit in which {service} is counted",
                    f"a price per {unit} cannot be applied to {service}")
    valid_from = cells.day_utc_s("valid_from", zone, OPEN_FROM)
    valid_to = cells.day_utc_s("valid_to", zone, OPEN_TO)
    if valid_to <= valid_from:
        cells.wrong("valid_to", f"a day after {row['valid_from']}; it is the first day on which "
                    "the price no longer holds", "correct one of the two days")
    return Agreement(
        row["agreement"],
        cells.choice("carrier", carriers),
        cells.choice("direction", _DIRECTIONS),
        service,
        cells.choice("group", (ANY_GROUP, *groups)),
        unit, price_nano, per, first_increment, increment, digits, mode,
        cells.choice("clock", CLOCKS, "start"),
        valid_from, valid_to, Position(row.file, row.line),
    )  # fmt: skip


def _check_overlaps(found: Sequence[Agreement], problems: Problems, zone: str) -> None:
    for one, other in pairwise(found):
        if one.key == other.key and one.valid_to_utc_s > other.valid_from_utc_s:
            since = ("the beginning" if other.valid_from_utc_s == OPEN_FROM
                     else clock.local_text(other.valid_from_utc_s, zone)[4:14])
            problems.add((other.at.file, other.at.line), f"a second price for {other.carrier}, "
                         f"{other.direction}, {other.service}, group {other.group} is in force "
                         f"from {since}; the first is in line {one.at.line}",
                         "one price at a time; valid_to is the first day without it",
                         "end the earlier row where the later one begins")
