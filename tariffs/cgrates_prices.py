"""Prices of CGRateS as rates of the book: tiers from Rates.csv, bands from timings and weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Final

from tariffs.cgrates_files import CHANGED, DROPPED, KNOWN, Findings, Row
from tariffs.cgrates_units import SECOND_NS, Span, duration_ns, plain
from tariffs.model import DAY_S, DAY_TYPES, Band, Dates, Rate, Tier
from tollbook import money

METHODS: Final[Mapping[str, int]] = {
    "*up": money.ROUND_UP, "*middle": money.ROUND_HALF_UP, "*down": money.ROUND_DOWN,
}  # fmt: skip
_WEEK: Final = 7


@dataclass(frozen=True)
class Rounding:
    """How the charges of an import are rounded.

    compat_digits: decimals to which CGRateS rounds every increment (its ``rounding_decimals``), or
    -1 to round nothing but the charge itself.
    """

    compat_digits: int = -1


@dataclass(frozen=True)
class Offer:
    """One price that may hold for a destination: when, and how it ranks against others.

    digits, mode: the rounding of its row; 0 digits: none. maximum_nano 0: none. order: position of
    its row, which decides where weight and start are equal.
    """

    name: str
    span: Span
    weight: Fraction
    order: int
    tiers: tuple[Tier, ...]
    connect_nano: int = 0
    digits: int = 0
    mode: int = money.ROUND_HALF_EVEN
    maximum_nano: int = 0
    minimum_nano: int = 0
    later_start_wins: bool = True

    @property
    def rank(self) -> tuple[Fraction, int, int]:
        return self.weight, self.span.from_s if self.later_start_wins else 0, self.order


@dataclass(frozen=True)
class Schedule:
    """What the rows of one tag of Rates.csv say: tiers, and the one connection fee."""

    tiers: tuple[Tier, ...]
    connect_nano: int


def price_nano(text: str) -> int | None:
    """A price of at most nine decimals; 0 where the cell is empty."""
    return money.parse_decimal(text, money.NANO_DIGITS) if text else 0


def quantity(row: Row, column: str, unit: str, findings: Findings) -> int | None:
    """A length in base units of the service; None after what makes it unusable was listed.

    A unit or increment of 0 is one second (one byte, one event), as the loader reads it.
    """
    text = row[column]
    is_start = column in ("GroupIntervalStart", "RateIntervalStart")
    found = duration_ns(text or "0") if unit == "second" else plain((text or "0").rstrip("s"))
    if found == 0:
        if not is_start:
            findings.add(row.at, CHANGED, f"{column} '{text}' counts as 1 {unit}")
        return 0 if is_start else 1
    if found is None:
        findings.add(row.at, DROPPED, f"{column} '{text}' is no length in {unit}s")
        return None
    if unit != "second":
        return found
    if found % SECOND_NS:
        hint = f"; did you mean {text}s?" if text.isdigit() else ""
        findings.add(row.at, DROPPED, f"{column} '{text}' is {_seconds_text(found)} s: a number"
                     f" without a unit counts nanoseconds, and prices are for whole seconds{hint}")
        return None
    if text.isdigit():
        findings.add(row.at, CHANGED, f"{column} '{text}' has no unit and counts nanoseconds:"
                     f" {found // SECOND_NS} s")
    return found // SECOND_NS


def _seconds_text(nanoseconds: int) -> str:
    return money.format_nano(nanoseconds, money.NANO_DIGITS).rstrip("0")


def schedule(rows: Sequence[Row], unit: str, findings: Findings) -> Schedule | None:
    """The tiers of one tag, by their start; None after what makes it unusable was listed."""
    made: list[tuple[Tier, Row]] = []
    connects = []
    for row in rows:
        start = quantity(row, "GroupIntervalStart", unit, findings)
        per = quantity(row, "RateUnit", unit, findings)
        step = quantity(row, "RateIncrement", unit, findings)
        price, connect = price_nano(row["Rate"]), price_nano(row["ConnectFee"])
        if price is None or connect is None:
            findings.add(row.at, DROPPED, f"'{row['Rate']}' or '{row['ConnectFee']}' is no price"
                         " of at most nine decimals")
        if None in (start, per, step, price, connect):
            return None
        made.append((Tier(start or 0, price or 0, per or 1, step or 1), row))
        connects.append(connect or 0)
    for connect, (_, row) in zip(connects[1:], made[1:], strict=True):
        if connect != connects[0]:
            findings.add(row.at, CHANGED, f"ConnectFee {row['ConnectFee']} counts for nothing: it"
                         f" is taken from the first row of '{row['Tag']}'")
    tiers = ascending(made, findings)
    return None if tiers is None else Schedule(tiers, connects[0])


def ascending(made: Sequence[tuple[Tier, Row]], findings: Findings) -> tuple[Tier, ...] | None:
    """Tiers by their start, the first at 0; None after what is wrong was listed."""
    ordered = sorted(made, key=lambda one: one[0].from_quantity)
    starts = [tier.from_quantity for tier, _ in ordered]
    row = ordered[0][1]
    if starts[0] != 0:
        findings.add(row.at, DROPPED, "no tier begins at 0: CGRateS prices such a call at -1")
        return None
    if len(set(starts)) < len(starts):
        findings.add(row.at, DROPPED, "two tiers begin at the same moment")
        return None
    return tuple(tier for tier, _ in ordered)


def rate(
    name: str, unit: str, offers: Sequence[Offer], row: Row, rounding: Rounding,
    findings: Findings,
) -> Rate | None:  # fmt: skip
    """One rate from all prices of a destination; None after what is missing was listed.

    The price that always holds and ranks highest is the rate's own; what ranks below it never
    holds. The others are bands by weight.
    """
    ranked = sorted(offers, key=lambda offer: offer.rank)
    _note_ties(ranked, row, findings)
    always = [place for place, offer in enumerate(ranked) if offer.span.is_always]
    base = ranked[always[-1] if always else 0]
    above = ranked[always[-1] + 1 :] if always else ranked
    if not always:
        gap = _gap(above)
        if gap:
            findings.add(row.at, DROPPED, f"'{row['Tag'] if 'Tag' in row.cells else name}' has no"
                         f" price on {gap}: a call then ends as an error in CGRateS; add a timing")
            return None
    used = above if above and not always else [base, *above]
    if len({(offer.minimum_nano, offer.maximum_nano) for offer in used}) > 1:
        findings.add(row.at, DROPPED, "prices of one destination with different limits")
        return None
    bands = tuple(
        Band(offer.span.days, offer.span.from_s, offer.span.to_s, offer.tiers, offer.name,
             dates=offer.span.dates, weight=place,
             connect_nano=-1 if offer.connect_nano == base.connect_nano else offer.connect_nano)
        for place, offer in enumerate(above, 1)
    )  # fmt: skip
    finest = max(used, key=lambda offer: offer.digits)
    return rounded(Rate(
        name, unit, base.tiers, bands, connect_nano=base.connect_nano,
        minimum_nano=base.minimum_nano, maximum_nano=base.maximum_nano,
    ), finest, rounding)  # fmt: skip


def rounded(made: Rate, finest: Offer, rounding: Rounding) -> Rate:
    """The rate with its rounding: that of the row with the most decimals, and compat's steps."""
    digits, mode = (finest.digits, finest.mode) if finest.digits else (
        money.MICRO_DIGITS, money.ROUND_HALF_EVEN)  # fmt: skip
    if rounding.compat_digits < 0:
        return replace(made, digits=digits, mode=mode)
    return replace(
        made, digits=min(digits, rounding.compat_digits), mode=mode,
        stage="cgrates" if made.unit == "second" else "increment",
        stage_digits=rounding.compat_digits, stage_mode=money.ROUND_HALF_UP,
    )  # fmt: skip


def _note_ties(ranked: Sequence[Offer], row: Row, findings: Findings) -> None:
    for one, two in pairwise(ranked):
        if one.rank[:2] == two.rank[:2] and one.span.days & two.span.days and (
            one.span.dates == two.span.dates
        ):
            findings.add(row.at, KNOWN, f"'{one.name}' and '{two.name}' hold together with one"
                         " weight and start: the later row counts here, the order of rows may"
                         " decide in CGRateS")


def _gap(offers: Iterable[Offer]) -> str:
    """The first hour of the week that no undated price covers, in words; "" if there is none."""
    undated = [offer.span for offer in offers if offer.span.dates == Dates()]
    for day in range(_WEEK):
        reached = 0
        for span in sorted(undated, key=lambda span: span.from_s):
            if span.days >> day & 1 and span.from_s <= reached:
                reached = max(reached, span.to_s)
        if reached < DAY_S:
            return f"{DAY_TYPES[day]} at {reached // 3600:02d}:{reached // 60 % 60:02d}"
    return ""
