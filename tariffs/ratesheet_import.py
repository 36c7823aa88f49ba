"""A sheet and a deck in, the next deck and its changes out: reading, merging and all checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tariffs.ratesheet_checks import check_changes, check_increments, check_resumed
from tariffs.ratesheet_deck import OPEN, DeckRow
from tariffs.ratesheet_mapping import ABOVE, ALWAYS, Located, SheetMapping, locate
from tariffs.ratesheet_merge import Merged, Span, Timelines, dated, merge, timelines
from tariffs.ratesheet_notes import Fault, Findings
from tariffs.ratesheet_offers import Offers, read_offers
from tariffs.ratesheet_preamble import day_above, kind_above
from tariffs.ratesheet_rows import Sheet


@dataclass(frozen=True)
class Imported:
    """What an import came to. ``effective``: the day of the sheet, if there is one."""

    located: Located
    offers: Offers
    merged: Merged
    effective: str


def import_sheet(
    sheets: Sequence[Sheet], mapping: SheetMapping, deck: Sequence[DeckRow], as_of: str,
    not_before: str, findings: Findings,
) -> Imported | None:  # fmt: skip
    """The deck with the sheet laid over it; None after an error was noted in ``findings``.

    as_of, not_before: ISO days; effective dates before ``not_before`` count as that day.
    """
    if not mapping.kind:
        findings.error(0, Fault(
            "kind", "nothing says whether the sheet is full or an amendment",
            "full (replaces the deck) or amendment (changes what it names)",
            "ask the carrier, and say `kind` in the mapping or --kind"))
    located = locate(tuple(sheets), mapping, findings)
    if located is None:
        return None
    mapping = _dated(located, mapping, findings)
    offers = read_offers(located, mapping, findings)
    if not offers.row_count and not findings.errors:
        findings.error(0, Fault("empty", "the sheet has no rates below its headings",
                                "one row or more with a code and a price",
                                "correct `columns` or `header_row` in the mapping"))
    check_increments(offers, findings)
    offered = _clipped(dated(offers, findings), not_before)
    old = timelines(deck)
    full = mapping.kind == "full"
    ends_from = _ends_from(offers, mapping, (old, offered), as_of, findings) if full else ""
    if findings.errors:
        return None
    full_from = max(ends_from, not_before) if full else None
    merged = merge(old, offered, offers.unsaid, full_from, as_of)
    check_changes(old, merged, mapping, full_from, as_of, findings)
    if not full:
        check_resumed(old, offered, merged, findings)
    return Imported(located, offers, merged, mapping.effective)


def _dated(located: Located, mapping: SheetMapping, findings: Findings) -> SheetMapping:
    """The mapping with the day of this very sheet; flags a sheet that calls itself otherwise."""
    named = kind_above(located)
    if named.value and mapping.kind and named.value != mapping.kind:
        findings.flag(0, Fault(
            "kind_differs", f"above the headings stands '{named.words}', and the sheet is read as "
            f"{mapping.kind}", "a sheet read as what it calls itself",
            "look at the sheet, and say --kind full or --kind amendment"))
    if mapping.effective != ABOVE:
        return mapping
    return replace(mapping, effective=day_above(located, mapping.date_order).value)


def _clipped(offered: dict[str, list[Span]], not_before: str) -> dict[str, list[Span]]:
    """The offers from a day on; a code of which nothing is left then stays away."""
    if not not_before:
        return offered
    clipped = {
        prefix: [one._replace(since=max(one.since, not_before)) for one in spans
                 if one.until > not_before]
        for prefix, spans in offered.items()
    }  # fmt: skip
    return {prefix: spans for prefix, spans in clipped.items() if spans}


def _ends_from(
    offers: Offers, mapping: SheetMapping, sides: tuple[Timelines, Timelines], as_of: str,
    findings: Findings,
) -> str:  # fmt: skip
    """The day of a full sheet; OPEN if it lacks no code of the deck.

    sides: the deck and what the sheet offers.
    """
    if mapping.effective not in ("", ALWAYS):
        return mapping.effective
    days = {offer.valid_from for offer in offers.rows}
    if len(days) == 1:
        return days.pop()
    deck, offered = sides
    missing = [prefix for prefix, spans in deck.items()
               if prefix not in offered and spans[-1].until > as_of]  # fmt: skip
    if missing:
        findings.error(0, Fault(
            "sheet_day", f"codes of the deck are not in this full sheet ({len(missing):,}, such as "
            f"{min(missing)}), and its rows have {len(days)} effective dates",
            "one day from which the codes end that a full sheet lacks",
            "name the day of the sheet with --effective"))
    return OPEN
