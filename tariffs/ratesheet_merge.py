"""A sheet laid over a deck: history kept, validity split, one price of a code at any time.

Of each code the deck holds a line of time: spans of days with their terms. A sheet covers parts of
it. What the sheet says of days past counts only where its terms are not in force on the day of
import; else its old effective date merely repeats what was already agreed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Final, NamedTuple

from tariffs.ratesheet_deck import OPEN, DeckRow, Terms
from tariffs.ratesheet_notes import Fault, Findings, Repair
from tariffs.ratesheet_offers import Offer, Offers

CHANGE_KINDS: Final = ("new", "increased", "decreased", "changed", "ended")


class Span(NamedTuple):
    """Days [since, until) of one code with their terms; ``line`` of the sheet, 0: the deck's own.

    In a part that a sheet covers, ``terms`` None says that the code has no price.
    """

    since: str
    until: str
    terms: Terms | None
    line: int = 0
    status: str = ""


class Change(NamedTuple):
    """What happens to one code on one day. ``before`` None: it is new; ``after`` None: it ends."""

    prefix: str
    day: str
    kind: str  # of CHANGE_KINDS
    before: Terms | None
    after: Terms | None
    line: int
    status: str  # what the sheet calls it


class Merged(NamedTuple):
    """The deck after the import, and how it differs from the one before."""

    rows: tuple[DeckRow, ...]
    changes: tuple[Change, ...]
    unchanged_count: int  # codes that the sheet names and that stay as they were


Timelines = Mapping[str, list[Span]]


def timelines(deck: Iterable[DeckRow]) -> dict[str, list[Span]]:
    """The spans of each code, in order of days."""
    found: dict[str, list[Span]] = {}
    for prefix, since, until, terms in deck:
        found.setdefault(prefix, []).append(Span(since, until, terms))
    return found


def dated(offers: Offers, findings: Findings) -> dict[str, list[Span]]:
    """The offers of each code in order of days, each ending where the next begins.

    Notes codes that are offered twice on one day, and ends that overlap or leave a gap.
    """
    found: dict[str, list[Span]] = {}
    for prefix, group in groupby(sorted(offers.rows, key=_by_code), key=lambda one: one.prefix):
        rows = _without_copies(list(group), findings)
        for earlier, later in pairwise(rows):
            _check_ends(earlier, later, findings)
        ends = [min(one.valid_to, after.valid_from) for one, after in pairwise(rows)]
        ends.append(rows[-1].valid_to)
        found[prefix] = [
            Span(one.valid_from, until, one.terms, one.line, one.status)
            for one, until in zip(rows, ends, strict=True)
        ]  # fmt: skip
    return found


def _by_code(offer: Offer) -> tuple[str, str, int]:
    return offer.prefix, offer.valid_from, offer.line


def _without_copies(rows: list[Offer], findings: Findings) -> list[Offer]:
    kept = rows[:1]
    for offer in rows[1:]:
        first = kept[-1]
        if offer.valid_from != first.valid_from:
            kept.append(offer)
        elif (offer.terms, offer.valid_to) == (first.terms, first.valid_to):
            findings.repairs.append(Repair(offer.line, "row that stands twice left out",
                                           offer.prefix, f"as in line {first.line}"))
        else:
            findings.error(offer.line, Fault(
                "duplicate", f"code {offer.prefix} stands twice from {_day(offer.valid_from)}, "
                f"here and in line {first.line}, with different terms",
                "one row for each code and effective date", "ask the carrier which one holds"))
    return kept


def _check_ends(earlier: Offer, later: Offer, findings: Findings) -> None:
    if earlier.valid_to in (OPEN, later.valid_from) or earlier.terms is None:
        return
    gap = earlier.valid_to < later.valid_from
    found = f"code {later.prefix} ends on {earlier.valid_to} in line {earlier.line} and goes on " \
        f"from {_day(later.valid_from)}" + (": days without a price" if gap else ": both hold")
    findings.flag(later.line, Fault(
        "gap" if gap else "overlap", found, "rows of a code that follow on each other",
        "ask the carrier" if gap else "ask the carrier; the later row is taken from its first day"))


def _day(day: str) -> str:
    return day or "the beginning"


def merge(
    deck: Timelines, sheet: Timelines, unsaid: frozenset[str], full_from: str | None, as_of: str
) -> Merged:
    """The deck with the sheet laid over it.

    unsaid: fields of Terms that are taken from the deck, because the sheet does not name them.
    full_from: the day from which codes end that a full sheet lacks; None: an amendment.
    as_of: the day of import, ISO.
    """
    rows: list[DeckRow] = []
    changes: list[Change] = []
    unchanged_count = 0
    for prefix in sorted(deck.keys() | sheet.keys()):
        old = deck.get(prefix, [])
        cover = _cover(old, sheet.get(prefix), unsaid, full_from, as_of)
        new = _laid(old, cover)
        if _plain(new) == _plain(old):
            new = old
            unchanged_count += prefix in sheet
        else:
            changes += _changes(prefix, old, new, cover)
        rows += [DeckRow(prefix, one.since, one.until, one.terms) for one in new if one.terms]
    return Merged(tuple(rows), tuple(changes), unchanged_count)


def _cover(
    old: list[Span], offered: list[Span] | None, unsaid: frozenset[str], full_from: str | None,
    as_of: str,
) -> list[Span]:  # fmt: skip
    """What the sheet says of a code: spans in order of days; a full sheet leaves no days unsaid."""
    cover = list(offered or ())
    if full_from is not None and not offered:
        cover = [Span(full_from, OPEN, None)]
    elif full_from is not None and offered:
        following = [one.since for one in offered[1:]] + [OPEN]
        for one, since in zip(offered, following, strict=True):
            if one.until < since:
                cover.append(Span(one.until, since, None, one.line))
        cover.sort(key=_since)
    if unsaid and old:
        cover = [part for one in cover for part in _filled(one, old, unsaid)]
    return [_news(one, old, as_of) for one in cover]


def _since(span: Span) -> str:
    return span.since


def _filled(offer: Span, old: list[Span], unsaid: frozenset[str]) -> Iterable[Span]:
    """The offer in pieces, each with the deck's terms of its days where the sheet has none."""
    if offer.terms is None:
        return [offer]
    cuts = [one.since for one in old if offer.since < one.since < offer.until]
    pieces: list[Span] = []
    for since, until in pairwise([offer.since, *cuts, offer.until]):
        # Before the deck's first row, that row; in a gap, the row before it.
        base = max((one for one in old if one.since <= since), default=old[0], key=_since)
        assert base.terms is not None  # a deck's own spans have terms
        taken = {name: getattr(base.terms, name) for name in unsaid}
        terms = offer.terms._replace(**taken)
        if pieces and pieces[-1].terms == terms:
            pieces[-1] = pieces[-1]._replace(until=until)
        else:
            pieces.append(offer._replace(since=since, until=until, terms=terms))
    return pieces


def _news(offer: Span, old: list[Span], as_of: str) -> Span:
    """The offer from the day of import on, if its terms are those in force on that day."""
    if offer.since < as_of < offer.until and offer.terms == terms_at(old, as_of):
        return offer._replace(since=as_of)
    return offer


def terms_at(spans: Iterable[Span], day: str) -> Terms | None:
    """The terms in force on a day; None if there are none."""
    return next((one.terms for one in spans if one.since <= day < one.until), None)


def _laid(old: list[Span], cover: Sequence[Span]) -> list[Span]:
    """The old spans where nothing covers them, and the cover where it has terms."""
    kept = old
    for one in cover:
        kept = [part for span in kept for part in _outside(span, one)]
    spans = sorted([*kept, *(one for one in cover if one.terms)], key=_since)
    merged = spans[:1]
    for span in spans[1:]:
        last = merged[-1]
        touching = last.until == span.since and last.terms == span.terms
        # Two rows of the deck, or of the sheet, stay two rows even if they are alike.
        if touching and (last.line == 0) != (span.line == 0):
            merged[-1] = last._replace(until=span.until)
        else:
            merged.append(span)
    return merged


def _outside(span: Span, cover: Span) -> Iterable[Span]:
    if span.until <= cover.since or cover.until <= span.since:
        return [span]
    before = span._replace(until=cover.since)
    after = span._replace(since=cover.until)
    return [one for one in (before, after) if one.since < one.until]


def _plain(spans: list[Span]) -> list[tuple[str, str, Terms | None]]:
    """The spans with neighbours of the same terms joined: equal if they mean the same."""
    joined: list[tuple[str, str, Terms | None]] = []
    for since, until, terms, *_ in spans:
        if joined and joined[-1][1:] == (since, terms):
            joined[-1] = (joined[-1][0], until, terms)
        else:
            joined.append((since, until, terms))
    return joined


def _changes(
    prefix: str, old: list[Span], new: list[Span], cover: Sequence[Span]
) -> Iterable[Change]:
    """What differs, day by day; a price that merely goes on is not reported again, unless the code
    was new and the deck had a price for it later."""
    days = sorted({day for one in (*old, *new) for day in (one.since, one.until)} - {OPEN})
    previous: Terms | None = None
    compared = False  # the price that goes on was reported against one of the deck
    for day in days:
        was, now = terms_at(old, day), terms_at(new, day)
        if was != now and not (compared and now == previous):
            before = previous if previous is not None and previous != now else was
            if before is None and previous is not None:
                before = previous  # it would have ended here and goes on
            covers = (one for one in cover if one.since <= day < one.until)
            line, status = next(((one.line, one.status) for one in covers), (0, ""))
            kind = change_kind(before, now)
            yield Change(prefix, day, kind, before, now, line, status)
            compared = before is not None
        elif was == now:
            compared = False
        previous = now


def change_kind(before: Terms | None, after: Terms | None) -> str:
    """One of CHANGE_KINDS; at the same price, increments and fees decide."""
    if before is None:
        return "new"
    if after is None:
        return "ended"
    if before.price_nano != after.price_nano:
        return "increased" if after.price_nano > before.price_nano else "decreased"
    cheaper, dearer = is_dearer(after, before), is_dearer(before, after)
    if cheaper == dearer:
        return "changed"
    return "increased" if dearer else "decreased"


def is_dearer(before: Terms, after: Terms) -> bool:
    """Whether anything became dearer: the price, a fee, the least charge, or the increments."""
    fees = zip((before.connect_nano, before.minimum_nano), (after.connect_nano, after.minimum_nano),
               strict=True)  # fmt: skip
    steps = zip(_steps(before), _steps(after), strict=True)
    return (
        after.price_nano > before.price_nano
        or any((now or 0) > (was or 0) for was, now in fees)
        or (bool(before.increments) and any(now > was for was, now in steps))
    )


def _steps(terms: Terms) -> tuple[int, ...]:
    """First and following increment; (0, 0) where the deck names none."""
    return tuple(int(one) for one in (terms.increments or "0/0").split("/"))
