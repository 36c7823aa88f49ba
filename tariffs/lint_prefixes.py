"""Decks by prefix against the plans that name them: rows that never decide, gaps, prices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from math import gcd
from typing import Final, NamedTuple

import numpy as np

from tariffs.day_kinds import FIRST_DAY
from tariffs.known import Edition
from tariffs.lint_prices import MICRO_NANO, ROUND_ADVICE, range_text
from tariffs.model import Charge, PrefixDeck, PrefixRows, Rate, Tier
from tariffs.units import moment_text, quantity_text
from tollbook.columns import LISTED_MAX, OPEN_FROM, OPEN_TO
from tollbook.money import MICRO_DIGITS, NANO, format_nano
from tollbook.text import Problems

_DAY_S: Final = 86_400
_FAR_WALL_S: Final = 4_133_980_800  # 2101-01-01: for texts about ends that do not come
_PERCENT_WHOLE: Final = 100 * NANO
_PER_MINUTE: Final = Tier(0, 0, 60, 60, percent_nano=_PERCENT_WHOLE)  # without `like`


class _Use(NamedTuple):
    """A charge that names a deck."""

    edition: Edition
    charge: Charge
    deck: PrefixDeck
    like: Rate | None


def lint_prefixes(editions: Sequence[Edition], problems: Problems) -> None:
    """All findings about the decks by prefix of a book."""
    uses = [use for edition in editions for use in _uses(edition)]
    for edition in editions:
        _check_templates(edition, problems)
    for use in uses:
        _check_like(use, problems)
    # Many versions may name one deck in one way: each way is looked at once.
    for use in {(use.deck.name, _tiers(use)): use for use in uses}.values():
        _percent_inexact(use, problems)
    for use in {(use.deck.name, _tiers(use), use.edition.version.price_range,
                 use.charge.like in use.edition.unrounded): use for use in uses}.values():
        _prices_out_of_range(use, problems)
        _never_rounded(use, problems)
    for deck in {use.deck.name: use.deck for use in uses}.values():
        _unreachable(deck, problems)
        _gaps(deck, problems)
        _never_in_force(deck, [use.edition for use in uses if use.deck is deck], problems)


def _uses(edition: Edition) -> Iterator[_Use]:
    decks = {deck.name: deck for deck in edition.version.prefix_decks}
    rates = {rate.name: rate for rate in edition.version.rates}
    for rule in edition.version.rules:
        for charge in rule.charges:
            if charge.by_prefix in decks:
                yield _Use(edition, charge, decks[charge.by_prefix], rates.get(charge.like))


def _warn_rows(
    deck: PrefixDeck, rows: np.ndarray, texts: Sequence[str], advice: tuple[str, str],
    problems: Problems,
) -> None:  # fmt: skip
    """One warning a row, of which the first LISTED_MAX are listed."""
    allowed, do = advice
    for row, found in list(zip(rows.tolist(), texts, strict=False))[:LISTED_MAX]:
        problems.warn((deck.at.file, int(deck.rows.lines[row])), found, allowed, do)
    if len(rows) > LISTED_MAX:
        line = int(deck.rows.lines[rows[LISTED_MAX]])
        problems.warn((deck.at.file, line), f"and {len(rows) - LISTED_MAX} more of this kind from "
                      "here on", allowed, do)


def _check_templates(edition: Edition, problems: Problems) -> None:
    """Rates of which the prices come from a deck, used without one."""
    templates = {rate.name for rate in edition.version.rates if rate.is_template}
    for rule in edition.version.rules:
        for charge in rule.charges:
            pairs = (*charge.by_relation, *charge.by_home_relation)
            for name in {charge.rate, *(name for _, name in pairs)} & templates:
                problems.add((charge.at.file, charge.at.line), f"rate '{name}' takes its prices "
                             "from a deck, and is used without one", f"'{name}' as `like`: "
                             f"{{by_prefix: deck.csv, like: {name}}}",
                             "name a deck, or give the rate prices of its own")
    for deck in edition.version.decks:
        for name in {name for _, name in deck.rates} & templates:
            problems.add((deck.at.file, deck.at.line), f"rate '{name}' takes its prices from a "
                         "deck by prefix, and is used by a deck by zone",
                         "rates with prices of their own", "use `by_prefix`, or another rate")


def _check_like(use: _Use, problems: Problems) -> None:
    at = use.charge.at.file, use.charge.at.line
    if use.like is not None and not use.like.is_template:
        problems.add(at, f"'like' names rate '{use.like.name}', which has prices of its own",
                     "a rate with `price: deck` or `percent`",
                     f"write `price: deck` in rate '{use.like.name}'")
    templates = {rate.name for rate in use.edition.version.rates if rate.is_template}
    for number, name in enumerate(use.deck.rate_names):
        if name in templates:
            line = int(use.deck.rows.lines[(use.deck.rows.rate == number).argmax()])
            problems.add((use.deck.at.file, line), f"rate '{name}' takes its prices from a deck, "
                         "and a row of a deck names it", "rates with prices of their own",
                         "write the price into the row, and `like` into the rule")


def _tiers(use: _Use) -> tuple[Tier, ...]:
    """The distinct tiers of the rate that gives what the rows do not say."""
    if use.like is None:
        return (_PER_MINUTE,)
    schedules = [use.like.tiers, *(band.tiers for band in use.like.bands)]
    return tuple(dict.fromkeys(t for tiers in schedules for t in tiers if t.percent_nano))


def _percent_inexact(use: _Use, problems: Problems) -> None:
    """Percentages of a row's price that are no price: finer than nine decimals."""
    rows = use.deck.rows
    for tier in _tiers(use):
        step = _PERCENT_WHOLE // gcd(_PERCENT_WHOLE, tier.percent_nano)
        for row in np.flatnonzero((rows.price_nano > 0) & (rows.price_nano % step != 0)).tolist():
            problems.add((use.deck.at.file, int(rows.lines[row])),
                         f"{format_nano(tier.percent_nano, 0)} % (rate '{use.charge.like}') of "
                         f"{format_nano(int(rows.price_nano[row]))} has more than nine decimals",
                         "percentages that give a price with at most nine decimals",
                         "round the price of the row, or the percentage")
            break


def _prices_out_of_range(use: _Use, problems: Problems) -> None:
    rows, unit = use.deck.rows, "second" if use.like is None else use.like.unit
    for declared in use.edition.version.price_range:
        for tier in _tiers(use) if unit == declared.unit else ():
            # price x percent x declared.per, against min or max x 100 % x tier.per
            whole, share = _PERCENT_WHOLE * tier.per, tier.percent_nano * declared.per
            lowest = min(-(-declared.min_nano * whole // share), OPEN_TO)
            highest = min(declared.max_nano * whole // share, OPEN_TO)
            high = (rows.price_nano > highest) if declared.max_nano else np.bool_(False)
            bad = np.flatnonzero((rows.price_nano >= 0) & ((rows.price_nano < lowest) | high))
            texts = [
                f"prefix {rows.prefix[row]} costs "
                f"{format_nano(int(rows.price_nano[row]) * tier.percent_nano // _PERCENT_WHOLE)} "
                f"for {quantity_text(tier.per, unit)}, declared is {range_text(declared)} for "
                f"{quantity_text(declared.per, unit)}" for row in bad[:LISTED_MAX].tolist()
            ]  # fmt: skip
            advice = "prices in the `price_range` of the plan", "correct the price, or the range"
            _warn_rows(use.deck, bad, texts, advice, problems)


def _never_rounded(use: _Use, problems: Problems) -> None:
    """The first row of which an amount is finer than what is kept, where nobody says `round`."""
    if use.like is None or use.like.name not in use.edition.unrounded:
        return
    rows = use.deck.rows
    for tier in _tiers(use):
        increments = np.where(rows.increment > 0, rows.increment, tier.increment)
        finest = _PERCENT_WHOLE * tier.per * MICRO_NANO
        for step in np.unique(increments).tolist():
            # An amount is kept whole if the price is a multiple of this; no price reaches OPEN_TO.
            whole = min(finest // gcd(finest, tier.percent_nano * step), OPEN_TO)
            bad = (increments == step) & (rows.price_nano > 0) & (rows.price_nano % whole != 0)
            if bad.any():
                row, unit = int(bad.argmax()), use.like.unit
                price = format_nano(int(rows.price_nano[row]))
                problems.warn((use.deck.at.file, int(rows.lines[row])),
                              f"rate '{use.like.name}': amounts have more than {MICRO_DIGITS} "
                              f"decimals ({price} per {quantity_text(tier.per, unit)}, steps of "
                              f"{quantity_text(step, unit)}), and there is no `round`",
                              "a `round` of the rate or of the plan", ROUND_ADVICE)
                return


def _unreachable(deck: PrefixDeck, problems: Problems) -> None:
    """Prefixes of which every longer one has a row that is always valid, or is hidden so itself."""
    rows = deck.rows
    always = (rows.valid_from_wall_s == OPEN_FROM) & (rows.valid_to_wall_s == OPEN_TO)
    hidden = np.zeros(0, np.int64)
    found = []
    for size in range(int(rows.size.max(initial=0)), 1, -1):
        covered = np.unique(np.concatenate([rows.prefix[always & (rows.size == size)], hidden]))
        parents, count = np.unique(covered // 10, return_counts=True)
        hidden = parents[count == 10]
        found.append(np.flatnonzero((rows.size == size - 1) & np.isin(rows.prefix, hidden)))
    bad = np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)
    texts = [f"prefix {rows.prefix[row]} never decides: all of {rows.prefix[row]}0 to "
             f"{rows.prefix[row]}9 have rows that are always valid" for row in bad.tolist()]
    _warn_rows(deck, bad, texts, ("rows that decide the price of some number", "remove the row"),
               problems)  # fmt: skip


def _gaps(deck: PrefixDeck, problems: Problems) -> None:
    """Spans of time between two rows of one prefix."""
    rows = deck.rows
    order = np.lexsort((rows.valid_from_wall_s, rows.prefix))
    one, other = order[:-1], order[1:]
    bad = (rows.prefix[one] == rows.prefix[other]) & (
        rows.valid_to_wall_s[one] < rows.valid_from_wall_s[other])  # fmt: skip
    one, other = one[bad], other[bad]
    by_line = np.argsort(rows.lines[other])
    texts = [
        f"prefix {rows.prefix[after]} has no row from {_moment(int(rows.valid_to_wall_s[before]))} "
        f"to {_moment(int(rows.valid_from_wall_s[after]))}"
        for before, after in zip(one[by_line].tolist(), other[by_line].tolist(), strict=True)
    ]
    _warn_rows(deck, other[by_line], texts,
               ("rows of a prefix that follow each other; in a gap a shorter prefix holds, or none",
                "let the earlier row end where the later one begins"), problems)  # fmt: skip


def _never_in_force(deck: PrefixDeck, editions: Sequence[Edition], problems: Problems) -> None:
    """Rows that lie after, or before, all versions that name the deck."""
    ends = [edition.ends for edition in editions]
    last = max((wall_s(end) if end else OPEN_TO for end in ends), default=OPEN_TO)
    first = min(wall_s(edition.begins) for edition in editions)
    rows: PrefixRows = deck.rows
    for bad, when in (
        (rows.valid_from_wall_s >= last,
         f"after the last version that names the deck (it ends {_moment(min(last, _FAR_WALL_S))})"),
        (rows.valid_to_wall_s <= first,
         f"before the first version that names the deck (it begins {_moment(first)})"),
    ):
        if bad.any():
            count, line = int(bad.sum()), int(rows.lines[bad.argmax()])
            subject = "this row holds" if count == 1 else f"{count} rows, this the first, hold"
            problems.warn((deck.at.file, line), f"{subject} only {when}",
                          "rows that hold while a version names them",
                          "correct the dates, or remove the rows")


def wall_s(moment: tuple[date, int]) -> int:
    """A day and its second as wall seconds since 1970."""
    return (moment[0] - FIRST_DAY).days * _DAY_S + moment[1]


def _moment(wall: int) -> str:
    return moment_text((date.fromordinal(FIRST_DAY.toordinal() + wall // _DAY_S), wall % _DAY_S))
