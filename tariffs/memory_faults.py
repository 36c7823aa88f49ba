"""What one allowance, counter or cap may not say: keys and words without a meaning together."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

from tariffs.memory_model import Allowance, Counter, Span
from tollbook.text import Reader


class Fault(NamedTuple):
    """One thing wrong with an item: the key at fault, what was found, what is allowed, advice."""

    key: str
    found: str
    allowed: str
    advice: str


def note(reader: Reader, faults: Iterable[Fault]) -> None:
    """Notes faults at the lines of their keys."""
    for fault in faults:
        reader.wrong(*fault)


def of_span(owner: str, span: Span) -> Iterator[Fault]:
    """A period that its owner does not have."""
    if owner == "group" and span.kind == "days":
        yield Fault("period", f"a period of {span.days} days of a group",
                    "month, day or once: a group has no first day to count from",
                    "use one of these, or another owner")


def of_counter(counter: Counter) -> Iterator[Fault]:
    """Faults of a counter."""
    yield from of_span(counter.owner, counter.span)
    if counter.covers and counter.measure != "money":
        yield Fault("covers", f"'covers' on a counter of {counter.measure}s",
                    "'covers' with `measure: money`", "remove it: usage is counted once, "
                    "whatever its components")


def of_allowance(one: Allowance, keys: Container[str]) -> Iterator[Fault]:
    """Faults of an allowance; keys: those that are written."""
    yield from of_span(one.owner, one.span)
    yield from _of_money(one, keys)
    yield from _of_endless(one, keys)
    yield from _of_grant(one)
    if one.name and one.draws_on == one.name:
        yield Fault("draws_on", "it draws on itself", "the name of another allowance",
                    "remove 'draws_on', or name the larger allowance")
    if one.rollover_spans and one.mode == "threshold":
        yield Fault("rollover", "'rollover' with `mode: threshold`",
                    "'rollover' with partial or overrun", "remove it: what counts up to a "
                    "threshold is nothing that could be left")
    if one.rollover_spans and one.span.kind == "once":
        yield Fault("rollover", "'rollover' with `period: once`",
                    "'rollover' with month, day or days", "remove it: there is no next period")


def _of_money(one: Allowance, keys: Container[str]) -> Iterator[Fault]:
    """Money pays charges: it has no length, no place in the call, and no price."""
    if one.measure != "money":
        return
    for key in ("increment", "rest", "price", "draws_on"):
        if key in keys:
            yield Fault(key, f"'{key}' on an allowance of money", f"'{key}' on allowances of "
                        "time, volume or events", "remove it")
    if one.mode != "partial":
        advice = "write a cap" if one.mode == "threshold" else "leave 'mode' out"
        yield Fault("mode", f"`mode: {one.mode}` on an allowance of money", "partial", advice)


def _of_endless(one: Allowance, keys: Container[str]) -> Iterator[Fault]:
    if one.amount >= 0:
        return
    if not one.draws_on:
        yield Fault("amount", "'amount' is unlimited and it draws on nothing",
                    "unlimited with `draws_on`: what it draws on ends it",
                    "name an allowance there, or write a rule for what is always free")
    for key in ("rollover", "prorate", "per_member", "mode"):
        if key in keys:
            yield Fault(key, f"'{key}' on an unlimited allowance",
                        f"'{key}' on allowances with an amount", "remove it")


def _of_grant(one: Allowance) -> Iterator[Fault]:
    """How much a slot is granted."""
    if one.per_member and one.owner == "subscription":
        yield Fault("per_member", "'per_member' with the owner subscription",
                    "'per_member' with `owner: account` or group", "remove it, or name the owner")
    by, span = one.prorate.by, one.span
    if by == "none":
        return
    if one.owner == "group":
        yield Fault("prorate", "'prorate' with the owner group",
                    "'prorate' with subscription or account: a group has no first day",
                    "remove it, or name another owner")
    elif by == "half_month" and span.kind != "month":
        yield Fault("prorate", f"'prorate' by half_month with the period {span.kind}",
                    "half_month with `period: month`", "write days, or remove it")
    elif span.kind == "day" or (span.kind == "once" and None in (span.valid_from, span.valid_to)):
        allowed = "'prorate' with month, days, or once with both ends of 'valid'"
        yield Fault("prorate", f"'prorate' with the period {span.kind}", allowed,
                    "remove it: there is no part of such a period")
