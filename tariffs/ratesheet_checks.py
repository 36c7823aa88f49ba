"""What a person has to look at in the changes that a sheet makes: notice, past days, jumps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

from tariffs.ratesheet_deck import OPEN, Terms
from tariffs.ratesheet_mapping import SheetMapping
from tariffs.ratesheet_merge import Change, Merged, Timelines, is_dearer, terms_at, timelines
from tariffs.ratesheet_notes import Fault, Findings, shown
from tariffs.ratesheet_offers import Offers
from tollbook import money
from tollbook.money import format_nano

_ENDED_SHARE: Final = 2  # a full sheet that ends more than one code in so many is flagged
_FEW: Final = 10  # codes of a deck too small for a share to mean anything
_STATUS_FITS: Final = {
    "new": ("new",),
    "increase": ("increased", "new"),
    "decrease": ("decreased", "new"),
    "no_change": ("new", "changed"),  # not yet in the deck; or renamed
    "deleted": ("ended",),
}
PERCENT_DIGITS: Final = 1


def check_increments(offers: Offers, findings: Findings) -> None:
    """Flags destinations whose codes differ in their increments."""
    first: dict[str, tuple[str, int]] = {}
    noted: set[str] = set()
    for offer in offers.rows:
        if offer.terms is None or not offer.terms.destination or not offer.terms.increments:
            continue
        name, increments = offer.terms.destination, offer.terms.increments
        other, line = first.setdefault(name, (increments, offer.line))
        if increments != other and name not in noted:
            noted.add(name)
            findings.flag(offer.line, Fault(
                "mixed_increments", f"'{shown(name)}' has increments {increments} here and "
                f"{other} in line {line}", "the same increments for all codes of a destination",
                "ask the carrier whether this is meant"))


def check_changes(
    deck: Timelines, merged: Merged, mapping: SheetMapping, full_from: str | None, as_of: str,
    findings: Findings,
) -> None:  # fmt: skip
    """Flags changes that cost money, compared with the deck as it was. An empty deck has none."""
    after = timelines(merged.rows)
    for change in merged.changes:
        _check_status(change, findings)
        if not deck:
            continue
        _check_past(change, as_of, findings)
        was, now = _charged(change, deck, after)
        if was is not None and now is not None:
            _check_notice(change, (was, now), mapping, as_of, findings)
        _check_jump(change, mapping, findings)
    if deck and full_from is not None:
        _check_ended_share(deck, merged, full_from, findings)


def check_resumed(
    deck: Timelines, sheet: Timelines, merged: Merged, findings: Findings
) -> None:
    """Flags amendments that end while the deck goes on: then its own price holds again."""
    after = timelines(merged.rows)
    for prefix, spans in sheet.items():
        last = spans[-1]
        again = terms_at(after[prefix], last.until) if last.until != OPEN and prefix in deck \
            else None  # fmt: skip
        if last.terms is not None and again is not None and again != last.terms:
            findings.flag(last.line, Fault(
                "resumed", f"code {prefix} ends on {last.until}; then the deck's "
                f"{format_nano(again.price_nano)} holds again", "an end after which it is known "
                "what holds", "ask the carrier what holds from then on"))


def _charged(
    change: Change, deck: Timelines, after: Timelines
) -> tuple[Terms | None, Terms | None]:
    """What a call to the code costs before and after; shorter codes stand in for one that is new,
    or has ended."""
    was, now = change.before, change.after
    if was is None:
        was = _of_shorter(change, deck)
    if now is None:
        now = _of_shorter(change, after)
    return was, now


def _of_shorter(change: Change, spans: Timelines) -> Terms | None:
    for size in range(len(change.prefix) - 1, 0, -1):
        terms = terms_at(spans.get(change.prefix[:size], ()), change.day)
        if terms is not None:
            return terms
    return None


def _check_status(change: Change, findings: Findings) -> None:
    fits = _STATUS_FITS.get(change.status)
    if fits is not None and change.kind not in fits:
        was = "no price" if change.before is None else format_nano(change.before.price_nano)
        now = "no price" if change.after is None else format_nano(change.after.price_nano)
        findings.flag(change.line, Fault(
            "status_differs", f"code {change.prefix} is called '{change.status.replace('_', ' ')}'"
            f", but from {change.day or 'the beginning'} it goes from {was} to {now}",
            "a status that agrees with the deck", "compare the deck with the carrier's last sheet"))


def _check_past(change: Change, as_of: str, findings: Findings) -> None:
    if change.day < as_of:
        findings.flag(change.line, Fault(
            "retroactive", f"code {change.prefix} {_words(change)} from "
            f"{change.day or 'the beginning'}, before the day of import {as_of}",
            "changes from the day of import on", "ask the carrier, or import with --not-before "
            f"{as_of}; if it is agreed, rate the calls since then again"))


def _check_notice(
    change: Change, terms: tuple[Terms, Terms], mapping: SheetMapping, as_of: str,
    findings: Findings,
) -> None:  # fmt: skip
    was, now = terms
    if change.day < as_of or not is_dearer(was, now):
        return
    days = (date.fromisoformat(change.day) - date.fromisoformat(as_of)).days
    if days < mapping.notice_days:
        found = f"code {change.prefix} {_words(change)} on {change.day}"
        if change.before is None or change.after is None:
            found += f", and calls to it cost {format_nano(now.price_nano)} instead of " \
                f"{format_nano(was.price_nano)}"
        given = "1 day's" if days == 1 else f"{days} days'"
        findings.flag(change.line, Fault(
            "notice", f"{found}, with {given} notice", f"at least {mapping.notice_days} days for "
            "an increase (`notice_days`)", "dispute it with the carrier, or accept it"))


def _check_jump(change: Change, mapping: SheetMapping, findings: Findings) -> None:
    if change.before is None or change.after is None:
        return
    low, high = sorted((change.before.price_nano, change.after.price_nano))
    if high > low * mapping.jump_times:
        findings.flag(change.line, Fault(
            "jump", f"code {change.prefix} {_words(change)} on {change.day}",
            f"changes by at most {mapping.jump_times} times (`jump_times`)",
            "look for a point or currency that was mistaken, and ask the carrier"))


def _check_ended_share(
    deck: Timelines, merged: Merged, full_from: str, findings: Findings
) -> None:
    held = sum(terms_at(spans, full_from) is not None for spans in deck.values())
    ended = sum(change.kind == "ended" for change in merged.changes)
    if held >= _FEW and ended * _ENDED_SHARE > held:
        findings.flag(0, Fault(
            "mass_end", f"the full sheet ends {ended} of {held} codes", "a full sheet that lists "
            "every code that goes on", "import it as an amendment if it only lists changes"))


def _words(change: Change) -> str:
    if change.after is None:
        return "ends"
    now = format_nano(change.after.price_nano)
    if change.before is None:
        return f"is new at {now}"
    if change.before.price_nano == change.after.price_nano:
        return f"{change.kind} in its terms at {now}"
    return f"{change.kind} from {format_nano(change.before.price_nano)} to {now}"


def counts(merged: Merged) -> dict[str, int]:
    """How many changes of each kind there are, and how many codes stay as they were."""
    found = Counter(change.kind for change in merged.changes)
    return {
        "new": found["new"],
        "increased": found["increased"],
        "decreased": found["decreased"],
        "changed": found["changed"],
        "ended": found["ended"],
        "unchanged": merged.unchanged_count,
    }


def percent(change: Change) -> str:
    """By how much the price changed, ``+12.5 %``; ``""`` where there is nothing to compare."""
    if change.before is None or change.after is None or not change.before.price_nano:
        return ""
    difference = change.after.price_nano - change.before.price_nano
    scale = 10**PERCENT_DIGITS
    share = money.round_div(difference * 100 * scale, change.before.price_nano,
                            money.ROUND_HALF_EVEN)  # fmt: skip
    whole, rest = divmod(abs(share), scale)
    return f"{'-' if share < 0 else '+'}{whole}.{rest:0{PERCENT_DIGITS}d} %"


def greatest_increases(changes: Sequence[Change], count: int) -> list[Change]:
    """The increases of price by most per cent; those from nothing first."""
    rises = [one for one in changes if _rise(one) is not None]
    return sorted(rises, key=lambda one: (_rise(one), one.prefix, one.day))[:count]


def _rise(change: Change) -> tuple[int, int] | None:
    """Sorts by the relative rise, greatest first; None where the price did not rise."""
    if change.before is None or change.after is None:
        return None
    was, now = change.before.price_nano, change.after.price_nano
    if now <= was:
        return None
    # In parts per million: exact enough to order, and whole.
    return (0, -now) if not was else (1, -((now - was) * 10**6 // was))


def report_rows(changes: Iterable[Change]) -> Iterable[tuple[str, ...]]:
    """The changes as rows of a CSV with REPORT_COLUMNS."""
    for one in changes:
        was, now = one.before, one.after
        named = now or was
        assert named is not None  # a change has at least one side
        yield (
            one.prefix, named.destination, one.kind, one.day,
            "" if was is None else format_nano(was.price_nano),
            "" if now is None else format_nano(now.price_nano), percent(one).removesuffix(" %"),
            "" if was is None else was.increments, "" if now is None else now.increments,
            str(one.line) if one.line else "",
        )  # fmt: skip


REPORT_COLUMNS: Final = (
    "prefix", "destination", "change", "from", "old_price", "new_price", "percent",
    "old_increments", "new_increments", "sheet_row",
)  # fmt: skip
REPORT_AMOUNTS: Final = ("old_price", "new_price", "percent")
