"""What changed between the decks of two versions: zone by zone, or prefixes by the number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tariffs.model import Deck, PrefixDeck, Version
from tariffs.when import Position
from tollbook import money

LISTED: Final = 6
DeckChange = tuple[str, str, str, Position]  # about what, old, new ("": none), where
Said = tuple[int, tuple[object, ...]]  # a row's price (-1: it names a rate), and all else
_COLUMNS: Final = ("first_increment", "increment", "connect_nano", "minimum_nano")


def deck_changes(old: Version, new: Version) -> Iterator[DeckChange]:
    """All decks of two versions, by name."""
    zones = {deck.name: deck for deck in old.decks}, {deck.name: deck for deck in new.decks}
    for name in dict.fromkeys((*zones[0], *zones[1])):
        yield from _zones(name, zones[0].get(name), zones[1].get(name))
    decks = ({deck.name: deck for deck in old.prefix_decks},
             {deck.name: deck for deck in new.prefix_decks})  # fmt: skip
    for name in dict.fromkeys((*decks[0], *decks[1])):
        yield from _prefixes(name, decks[0].get(name), decks[1].get(name))


def _zones(name: str, old: Deck | None, new: Deck | None) -> Iterator[DeckChange]:
    if old is None or new is None:
        one = old or new
        assert one is not None  # a name comes from one of the two
        said = f"{len(one.rates)} zones"
        yield f"deck {name}", said if old else "", said if new else "", one.at
        return
    before, after = dict(old.rates), dict(new.rates)
    moved: dict[tuple[str, str], list[str]] = {}
    for zone in dict.fromkeys((*before, *after)):
        pair = before.get(zone, ""), after.get(zone, "")
        if pair[0] != pair[1]:
            moved.setdefault(pair, []).append(zone)
    for (one_rate, other_rate), zones in moved.items():
        more = f" and {len(zones) - LISTED:,} more" if len(zones) > LISTED else ""
        about = f"deck {name}, {', '.join(zones[:LISTED])}{more}"
        yield about, one_rate, other_rate, new.at


def _prefixes(
    name: str, old: PrefixDeck | None, new: PrefixDeck | None
) -> Iterator[DeckChange]:
    if old is None or new is None:
        one = old or new
        assert one is not None  # a name comes from one of the two
        said = f"{len(one.rows.prefix):,} rows"
        yield f"deck {name}", said if old else "", said if new else "", one.at
        return
    if old is new:
        return
    said = _summary(old, new)
    if said:
        yield f"deck {name}", f"{len(old.rows.prefix):,} rows", (
            f"{len(new.rows.prefix):,} rows: {said}"), new.at  # fmt: skip


def _summary(old: PrefixDeck, new: PrefixDeck) -> str:
    """``12 prices up (+3.1 % in the mean), 3 down, 5 rows new, 1 gone``; "" if all is the same."""
    before, after = _keyed(old), _keyed(new)
    both = [(before[key], after[key]) for key in before.keys() & after.keys()]
    up = [(one, other) for one, other in both if 0 <= one[0] < other[0]]
    down = [(one, other) for one, other in both if 0 <= other[0] < one[0]]
    rest = sum(one != other and (one[0] == other[0] or min(one[0], other[0]) < 0)
               for one, other in both)  # fmt: skip
    said = [
        f"{len(pairs):,} prices {word}{_mean(pairs)}"
        for word, pairs in (("up", up), ("down", down)) if pairs
    ]  # fmt: skip
    counts = (
        (rest, "rows otherwise changed"),
        (len(after.keys() - before.keys()), "rows new"),
        (len(before.keys() - after.keys()), "rows gone"),
        (_renamed(old, new), "destinations renamed"),
    )
    return ", ".join(said + [f"{count:,} {word}" for count, word in counts if count])


def _keyed(deck: PrefixDeck) -> Mapping[tuple[int, int], Said]:
    """(prefix, first moment) -> price, and all else that the row says of it."""
    rows = deck.rows
    keys = zip(rows.prefix.tolist(), rows.valid_from_wall_s.tolist(), strict=True)
    names = [deck.rate_names[at] if at >= 0 else "" for at in rows.rate.tolist()]
    terms = (getattr(rows, name).tolist() for name in _COLUMNS)
    rest = zip(names, *terms, rows.valid_to_wall_s.tolist(), strict=True)
    values = zip(rows.price_nano.tolist(), rest, strict=True)
    return dict(zip(keys, values, strict=True))


def percent_text(difference: int, of: int) -> str:
    """``+14.3 %``: a difference as a percentage with one decimal, rounded half up.

    A change too small for a decimal keeps its sign, ``-0.0 %``; none at all is ``0.0 %``.
    """
    if difference == 0:
        return "0.0 %"
    tenths = money.round_div(difference * 1000, of, money.ROUND_HALF_UP)
    sign = "-" if (difference < 0) != (of < 0) else "+"
    return f"{sign}{abs(tenths) // 10}.{abs(tenths) % 10} %"


def _mean(pairs: list[tuple[Said, Said]]) -> str:
    """The mean of the changes in per cent, each of its own price; of prices above zero."""
    shares = [(other[0] - one[0]) * money.NANO // one[0] for one, other in pairs if one[0] > 0]
    if not shares:
        return ""
    return f" ({percent_text(sum(shares), len(shares) * money.NANO)} in the mean)"


def _renamed(old: PrefixDeck, new: PrefixDeck) -> int:
    before = dict(zip(old.rows.prefix.tolist(), old.rows.destination.to_pylist(), strict=True))
    after = dict(zip(new.rows.prefix.tolist(), new.rows.destination.to_pylist(), strict=True))
    return sum(before[prefix] != after[prefix] for prefix in before.keys() & after.keys())

