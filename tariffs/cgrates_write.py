"""Imported plans as the text of a book: a YAML file for each version, its deck beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from tariffs import units
from tariffs.cgrates_map import DeckRow, Draft, shared
from tariffs.model import ALL_DAYS, DAY_S, Band, Dates, Rate, Tier
from tollbook import money

COMPONENT: Final = "usage"
_UNIT_MARK: Final = {"second": "s", "byte": "B", "event": ""}
_MODE_WORD: Final = {code: word for word, code in money.ROUNDING_MODES.items() if word != "none"}


def files(drafts: Sequence[Draft], currency: str, time_zone: str) -> dict[str, str]:
    """The text of every file of the book by its name; equal decks are one file."""
    found: dict[str, str] = {}
    deck_names: dict[tuple[DeckRow, ...], str] = {}
    counts: dict[str, int] = {}
    for draft in drafts:
        counts[draft.plan_id] = counts.get(draft.plan_id, 0) + 1
        stem = f"{draft.plan_id}-{counts[draft.plan_id]}"
        rates, names = shared(draft.rates)
        rows = tuple(DeckRow(r.prefix, r.destination, names[r.rate]) for r in draft.deck)
        if rows and rows not in deck_names:
            deck_names[rows] = f"{stem}.csv"
            found[deck_names[rows]] = deck_text(rows)
        target = f"{{by_prefix: {deck_names[rows]}}}" if rows else names.get(draft.direct, "")
        found[f"{stem}.yaml"] = plan_text(draft, rates, target, currency, time_zone)
    return found


def deck_text(rows: Sequence[DeckRow]) -> str:
    lines = [f"{row.prefix},{row.destination},{row.rate}" for row in rows]
    return "\n".join(["prefix,destination,rate", *lines, ""])


def plan_text(
    draft: Draft, rates: Sequence[Rate], target: str, currency: str, time_zone: str
) -> str:
    """One version; ``target``: what its one rule charges, "" if it has no price at all."""
    lines = [
        f"# Imported from {draft.at[0]}:{draft.at[1]}.",
        f"plan: {draft.plan_id}",
        f"currency: {currency}",
        f"time_zone: {time_zone}",
        *_valid(draft),
        f"components: [{COMPONENT}]",
    ]
    if draft.fallback:
        lines.append(f"fallback: [{', '.join(draft.fallback)}]")
    if target:
        lines.extend(["rates:", *(line for rate in rates for line in rate_lines(rate))])
        rule = f"  - {{when: {{service: {draft.service}}}, charge: {{{COMPONENT}: {target}}}}}"
        lines.extend(["rules:", rule])
    else:
        lines.append("rules:")
    # Without `refuse` nothing holds for other records either, but a fallback is then asked.
    lines.extend([] if draft.fallback and target else ["  - {otherwise: refuse}"])
    return "\n".join([*lines, ""])


def _valid(draft: Draft) -> Iterator[str]:
    parts = [
        f'{word}: "{_moment(wall_s)}"'
        for word, wall_s in (("from", draft.starts_s), ("to", draft.ends_s))
        if wall_s is not None
    ]
    if parts:
        yield f"valid: {{{', '.join(parts)}}}"
    if draft.ends_s is not None and draft.service in ("voice", "video"):
        yield "version_change: split"


def _moment(wall_s: int) -> str:
    moment = datetime.fromtimestamp(wall_s, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S" if wall_s % DAY_S else "%Y-%m-%d")


def rate_lines(rate: Rate) -> Iterator[str]:
    """A rate under its name, indented as an entry of ``rates``."""
    yield f"  {rate.name}:"
    for line in _schedule(rate.tiers, rate.unit):
        yield f"    {line}"
    for word, nano in (("connect", rate.connect_nano), ("minimum", rate.minimum_nano),
                       ("maximum", rate.maximum_nano)):  # fmt: skip
        if nano:
            yield f"    {word}: {_price(nano)}"
    if rate.border:
        yield f"    border: {rate.border}"
    yield f"    round: {_round(rate)}"
    if rate.bands:
        yield "    bands:"
    for band in rate.bands:
        lines = [*_band(band), *_schedule(band.tiers, rate.unit)]
        yield f"      - {lines[0]}"
        for line in lines[1:]:
            yield f"        {line}"


def _schedule(tiers: Sequence[Tier], unit: str) -> Iterator[str]:
    mark = _UNIT_MARK[unit]

    def values(tier: Tier) -> str:
        per = "event" if unit == "event" and tier.per == 1 else f"{tier.per}{mark}"
        step = f", increments: {tier.increment}{mark}" if tier.increment != tier.per else ""
        fee = f", fee: {_price(tier.fee_nano)}" if tier.fee_nano else ""
        return f"per: {per}{step}, price: {_price(tier.price_nano)}{fee}"

    if len(tiers) == 1 and not tiers[0].fee_nano:
        yield from values(tiers[0]).split(", ")
        return
    yield "tiers:"
    for place, tier in enumerate(tiers, 1):
        end = f"up_to: {tiers[place].from_quantity}{mark}, " if place < len(tiers) else ""
        yield f"  - {{{end}{values(tier)}}}"


def _band(band: Band) -> Iterator[str]:
    yield f"name: {band.name}"
    if (band.from_s, band.to_s) != (0, DAY_S):
        yield f'from: "{units.time_text(band.from_s)}"'
        yield f'to: "{units.time_text(band.to_s)}"'
    if band.days != ALL_DAYS or (band.from_s, band.to_s) == (0, DAY_S):
        yield f"days: [{', '.join(_days(band.days))}]"
    if band.dates != Dates():
        parts = [(word, values) for word, values in (
            ("months", band.dates.months), ("days", band.dates.month_days),
            ("years", band.dates.years)) if values]  # fmt: skip
        listed = (
            f"{word}: [{', '.join('last' if one == -1 else str(one) for one in values)}]"
            for word, values in parts
        )
        yield f"dates: {{{', '.join(listed)}}}"
    if band.weight:
        yield f"weight: {band.weight}"
    if band.connect_nano >= 0:
        yield f"connect: {_price(band.connect_nano)}"


def _days(days: int) -> list[str]:
    if days == ALL_DAYS:
        return ["weekday", "weekend", "holiday"]
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday")
    return [name for place, name in enumerate(names) if days >> place & 1]


def _round(rate: Rate) -> str:
    digits = f"digits: {rate.digits}, mode: {_MODE_WORD[rate.mode]}"
    if rate.stage == "component":
        return f"{{{digits}}}"
    return (f"{{{digits}, stage: {rate.stage}, stage_digits: {rate.stage_digits}, stage_mode: "
            f"{_MODE_WORD[rate.stage_mode]}}}")  # fmt: skip


def _price(nano: int) -> str:
    return money.format_nano(nano)
