"""What ``tollbook explain`` prints: a record, step by step, in words and sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from rating.guide_trace import Guidance, Place
from rating.trace import Trace
from tariffs.compiler import DISCOUNT_ITEM
from tollbook import clock, codes, money
from tollbook.cli.balance_text import balance_text, measure_of
from tollbook.cli.common import count
from tollbook.cli.steps_screen import (
    Line,
    Step,
    aligned,
    at_text,
    component_steps,
    line,
    price_steps,
    rule_lines,
)
from tollbook.columns import OPEN_FROM, OPEN_TO
from tollbook.numbering import masked
from tollbook.run.data import is_native
from tollbook.run.explaining import Explanation, Leg
from tollbook.run.records import record_text
from tollbook.run.standing import TRIES_MAX

_LESS: Final = ("more", "less")
_NO_FORWARD: Final = codes.FORWARDS[0]
_AT: Final = {"home": "at home", "national": "roaming in the country",
              "international": "roaming abroad", "visitor": "visitor"}  # fmt: skip


def screen(one: Explanation, is_masked: bool = False, with_rules: bool = False) -> str:
    """The whole explanation. with_rules: also why the rules before the one that held did not."""
    number: Callable[[Any], str] = masked if is_masked else str
    lines = [f"{record_text(one.record_id)}  {_fate(one)}"]
    lines += [line(*each) for each in _what(one, number)]
    if one.guidance and one.trace:
        lines += [line(*each) for each in _guided(one, one.guidance, number, is_masked)]
        lines += [line(*each) for each in _rule(one, one.trace, with_rules)]
        lines += [line(*each) for each in _used(one, one.trace)]
    elif one.reason:
        lines += [line(*each) for each in _why(one, number, is_masked)]
    lines += [line(*each) for each in _history(one, is_masked)]
    steps = [*_charge_steps(one), *_leg_steps(one)]
    lines += aligned(steps)
    lines += [line(*each) for each in _corrected(one)]
    for difference in one.differences:
        lines.append(f"NOT AS STORED  {difference.what}: run {one.run.run_number} stored "
                     f"{_worth(difference.what, difference.stored)}, its snapshot gives "
                     f"{_worth(difference.what, difference.explained)}")  # fmt: skip
    if one.differences:
        lines.append("    do: `tollbook audit` tells whether files were changed after their run; "
                     "nothing was changed here")  # fmt: skip
    return "\n".join(lines)


def _worth(what: str, value: str | int) -> str:
    if what.endswith("_micro") and isinstance(value, int):
        return money.format_micro(value)
    return repr(value) if isinstance(value, str) else str(value)


def _fate(one: Explanation) -> str:
    run = f"run {one.run.run_number} ({one.run.kind}, as of {clock.utc_text(one.run.as_of_utc_s)})"
    if one.reason is None:
        return f"{one.fate} by {run}"
    word = one.fate.replace("_", " ")
    return f"{word}: {one.reason.name}, by {run}"


# ---- what the record says


def _unit(one: Explanation) -> str:
    """What a record's number in its file counts."""
    return "record" if is_native(one.data.workspace, one.file.source) else "line"


def _what(one: Explanation, number: Callable[[Any], str]) -> Iterator[Line]:
    row = one.row
    line = one.record_id & 0xFFFFFFFF
    yield "record", (f"{one.file.source}/{one.file.name}, {_unit(one)} {line}, "
                     f"byte {row['byte_offset']:,} (+{row['byte_length']})")  # fmt: skip
    if one.file.request_number:
        yield "", f"of a file that was asked for again (request {one.file.request_number})"
    other = _dialled(row, number)
    third = f", third party {number(row['third_raw'])}" if row["third_raw"] else ""
    if row.get("forward", _NO_FORWARD) != _NO_FORWARD:
        third += f", forwarded: {row['forward'].replace('_', ' ')}"
    if row.get("routing_raw"):
        third += f", routed to {number(row['routing_raw'])}"
    yield "what", (f"{row['service']} {row['direction']}, {number(row['served_raw']) or '?'}"
                   f"{_arrow(row['direction'], other)}{third}")  # fmt: skip
    if row["start_utc_s"]:
        zone = one.data.workspace.operator.time_zone
        if one.trace and one.trace.version:
            zone = one.trace.version.time_zone
        start = clock.local_text(row["start_utc_s"], zone)
        yield "when", f"{start} {zone}; {quantity_of(row)}"
        yield from _parts(one, zone)


def _parts(one: Explanation, zone: str) -> Iterator[Line]:
    """What a call was made of, and whether all of it has come."""
    if one.parts:
        yield "parts", f"{record_text(one.record_id)} and {count(len(one.parts), 'part')} behind it"
    for part in one.parts:
        start = clock.local_text(part["start_utc_s"], zone)
        yield "", f"{record_text(part['record_id'])}: {start}; {quantity_of(part)}"
    if one.row["flags"] & codes.FLAG_PARTIAL:
        yield "partial", "other parts of the call never came"


def _arrow(direction: str, other: str) -> str:
    if not other:
        return ""
    return f" <- {other}" if direction == codes.DIRECTIONS[codes.IN] else f" -> {other}"


def _dialled(row: Mapping[str, Any], number: Callable[[Any], str]) -> str:
    """The other party as dialled; special numbers are nobody's."""
    if not row["other_raw"] or row.get("special_number"):
        return str(row["other_raw"])
    return number(row["other_raw"])


def quantity_of(row: Mapping[str, Any]) -> str:
    """How much was used, as the record counts it."""
    service = codes.SERVICE_CODE[row["service"]]
    unit = codes.QUANTITY_UNIT.get(service, codes.SECONDS)
    if unit == codes.BYTES:
        return (f"{row['up_bytes']:,} B up, {row['down_bytes']:,} B down "
                f"in {row['duration_s']:,} s")  # fmt: skip
    return (count(row["event_count"], "event") if unit == codes.EVENTS
            else f"{row['duration_s']:,} s")  # fmt: skip


def _why(one: Explanation, number: Callable[[Any], str], is_masked: bool) -> Iterator[Line]:
    """Why a record is not rated, and what would cure it."""
    row, reason = one.row, one.reason
    if reason is None:
        return
    field = f" in the field {row['field']}" if row.get("field") else ""
    yield "why", f"{reason.name.replace('_', ' ')}, found by the stage {reason.stage}{field}"
    if row.get("mediation_rule"):
        yield "rule", f"{row['mediation_rule']} (operator.yaml, mediation)"
    for heading, name in (("found", "raw_value"), ("row", "raw_record")):
        if row.get(name):
            shown = row[name].decode("utf-8", "backslashreplace")
            yield heading, f"({len(row[name])} bytes, masked)" if is_masked else repr(shown[:300])
    if one.first:
        first, currency = one.first, one.data.workspace.operator.currency
        charged = f": {_micro(first.row['charge_micro'])} {currency}" if first.trace else ""
        heading = "call" if reason.name == "part_merged" else "first"
        yield heading, f"{record_text(first.record_id)}, {_fate(first)}{charged}"
        yield "", (f"{first.file.source}/{first.file.name}, {_unit(first)} "
                   f"{first.record_id & 0xFFFFFFFF}")  # fmt: skip
    if "tries" in row:
        waits = clock.utc_text(row["suspended_utc_s"])
        yield "waits", f"since {waits}, tried again {count(row['tries'], 'time')}"
    if "due_utc_s" in row:
        yield "waits", f"at most until {clock.utc_text(row['due_utc_s'])}"
    yield "do", reason.advice
    if reason.retryable:
        record = record_text(one.record_id)
        if row.get("tries", 0) >= TRIES_MAX:
            yield "", (f"`tollbook suspense correct {record} --note WHY`: it was tried {TRIES_MAX} "
                       "times, and gets as many once more")  # fmt: skip
        yield "", f"`tollbook suspense retry {record}`"


def _history(one: Explanation, is_masked: bool) -> Iterator[Line]:
    """What was done about the record while it was suspended."""
    for row in one.history:
        who = f" by {row['who']}" if row["who"] else ""
        what = f", waiting for {row['reason']}"
        if row["field"]:
            old, new = ("***", "***") if is_masked else (row["old"], row["new"])
            what = f", {row['field']} '{old}' -> '{new}'"
        note = f": {row['note']}" if row["note"] else ""
        yield row["action"], f"run {row['run_number']}{who}{what}{note}"


# ---- how it was guided, and which rule held


def _guided(
    one: Explanation, found: Guidance, number: Callable[[Any], str], is_masked: bool
) -> Iterator[Line]:
    row, zone = one.row, one.data.workspace.operator.time_zone
    paying = found.subscription
    if paying:
        by = f" (IMSI {number(row['imsi'])})" if not row["served_raw"] else ""
        if paying.imsi_prefix:
            by = f" (IMSI {number(row['imsi'])}, which begins with {paying.imsi_prefix})"
        who = number(row["served_e164"]) if row["served_e164"] else "nobody's number"
        yield "who", (f"{who}{by}: subscription {paying.subscription_id} "
                      f"of account {paying.account_id}, {paying.status}"
                      f"{_span(paying.valid_from_utc_s, paying.valid_to_utc_s, zone)}")  # fmt: skip
    home = ""
    if row["roaming"] == codes.ROAMINGS[codes.NATIONAL]:
        home = f" (at home in {found.home.name})"
    yield "served", f"{_place(found.served, is_masked)}; {_AT[row['roaming']]}{home}"
    if found.real.zone:
        yield "", f"really in {_place(found.real, is_masked)}"
    if row["other_zone"]:
        of = f"{number(row['other_e164'])}: " if row["other_e164"] else ""
        code = f"; access code {row['access_code']}" if row["access_code"] else ""
        held = f"; held by {found.carrier}" if found.carrier else ""
        held += ", as portability.csv says" if found.carrier_by == "portability" else ""
        friend = "; a friend" if found.flags & codes.FLAG_FRIEND else ""
        friend += "; of one closed user group" if found.flags & codes.FLAG_GROUP else ""
        yield "other", f"{of}{_place(found.other, is_masked)}{held}{code}{friend}"
    if found.called.zone:
        yield "called", f"as if to {_place(found.called, is_masked)}"
    if row["relation"]:
        yield "relation", _relation(found, row["direction"])


def _relation(found: Guidance, direction: str) -> str:
    """How the two places relate, and how home and the served place do where they are two."""
    if found.served.zone == found.home.zone or not found.home_relation:
        return found.relation
    onward = ", from home" if direction == codes.DIRECTIONS[codes.FORWARD] else ""
    return f"{found.relation}{onward}; from home to {found.served.name} {found.home_relation}"


def _span(since_utc_s: int, until_utc_s: int, zone: str) -> str:
    since = "" if since_utc_s == OPEN_FROM else f" from {_moment(since_utc_s, zone)}"
    return since + ("" if until_utc_s == OPEN_TO else f" until {_moment(until_utc_s, zone)}")


def _moment(utc_s: int, zone: str) -> str:
    """A local day, with its time where that is not midnight."""
    return clock.local_stamp(utc_s, zone).removesuffix(" 00:00:00")


def _place(place: Place, is_masked: bool) -> str:
    if not place.zone:
        return "nowhere"
    key = "" if not place.key or (is_masked and place.is_by_digits) else f" {place.key}"
    return f"{place.name} ({place.zone}), by {place.by}{key}"


def _rule(one: Explanation, found: Trace, with_rules: bool) -> Iterator[Line]:
    if found.plan is None or found.version is None or one.facts is None:
        yield "plan", f"{one.row['plan']}: no version in force"
        return
    yield from rule_lines(found, one.facts, with_rules)


def _used(one: Explanation, found: Trace) -> Iterator[Line]:
    """What was taken from balances, in the order in which they were asked."""
    remembered = [use for use in found.used if not use.item.startswith(DISCOUNT_ITEM)]
    for place, use in enumerate(remembered):
        def worth(value: int, item: str = use.item) -> str:
            return balance_text(value, measure_of(one.data.book, item), _currency(one))

        left = "" if use.granted is None else (
            f", {worth(use.granted - use.before)} left before, "
            f"{worth(use.granted - use.before - use.taken)} after")  # fmt: skip
        yield ("used" if not place else ""), (
            f"{use.item} from {use.since}: {worth(use.before)} + {worth(use.taken)}{left}")
    for place, allowance in enumerate(found.empty):
        yield ("used" if not place and not remembered else ""), (
            f"{one.row['plan']}/allowance/{allowance.name}: nothing was left of it")


def _currency(one: Explanation) -> str:
    return one.data.workspace.operator.currency


# ---- sums


def _charge_steps(one: Explanation) -> Iterator[Step]:
    found = one.trace
    if found is not None:
        stored = one.row["charge_micro"] == found.charge_micro
        yield from price_steps(found, _compared(one, stored))


def _compared(one: Explanation, is_as_stored: bool) -> str:
    found = f"as stored by run {one.run.run_number}" if is_as_stored else "NOT AS STORED"
    return f"{one.data.workspace.operator.currency}, {found}"


def _corrected(one: Explanation) -> Iterator[Line]:
    """What re-ratings have found since its month was billed: money, and uses of balances."""
    before = 0
    for row in one.corrections:
        heading = "" if before else "corrected"
        by = f"by run {row['run_number']}: " if row["run_number"] != before else ""
        before = row["run_number"]
        if "item" in row:
            books = one.books[row["run_number"]], one.data.book
            measure = next(filter(None, (measure_of(book, row["item"]) for book in books)), "")
            taken = balance_text(abs(row["taken"]), measure, _currency(one))
            what = f"{row['item']} from {row['since']}: {taken} {_LESS[row['taken'] < 0]} taken"
        else:
            what = (f"{row['component']} {_micro(row['old_micro'])} -> {_micro(row['new_micro'])} "
                    f"{_currency(one)}, on the bill of {row['bill_period']}")  # fmt: skip
            if row["account_id"] != one.row["account_id"]:
                what += f" for account {row['account_id']}"
        yield heading, by + what


def _leg_steps(one: Explanation) -> Iterator[Step]:
    for leg in one.legs:
        yield from _leg(one, leg)


def _leg(one: Explanation, leg: Leg) -> Iterator[Step]:
    found, stored = leg.explained, leg.stored
    if found is None or found.agreement is None or found.component is None:
        yield _words(f"{leg.direction}: it is stored, but nothing in the snapshot makes it")
        return
    agreement = found.agreement
    pays = f"we pay {found.carrier}" if leg.direction == "out" else f"{found.carrier} pays us"
    group = f"settlement group {found.group}" if found.group else "no settlement group"
    yield _words(f"{pays}, over trunk {found.trunk}; it ends in {group}")
    month = f", statement of {stored['settle_period']}" if stored else ""
    where = f"{at_text(agreement.at)}, by the {agreement.clock} of the call{month}"
    yield "", where, "", "", "", ""
    zone = one.data.workspace.operator.time_zone
    *steps, last = component_steps(found.component, agreement.agreement, zone)
    yield from steps
    is_as_stored = stored is not None and stored["charge_micro"] == found.component.charge_micro
    yield (*last[:5], _compared(one, is_as_stored))


def _words(text: str) -> Step:
    return "leg", text, "", "", "", ""


def _micro(amount_micro: int) -> str:
    return money.format_micro(amount_micro)
