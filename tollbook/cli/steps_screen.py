"""The steps of a price as lines of a screen, for ``explain`` and ``tariff price``.

A step is a heading, what, how many at which price, from when to when, an amount and a remark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import zip_longest
from typing import Final

from rating.conditions import conditions
from rating.trace import Component, Facts, Segment, Trace
from rating.trace_steps import Discounted, Effect, Settled
from tariffs.memory_model import Allowance, Cap
from tariffs.model import Rate, Version
from tariffs.when import Position
from tariffs.words import begin_text, target_text
from tariffs.words_discounts import action_text
from tollbook import clock, codes, money
from tollbook.cli.common import count

# Heading, what, how many at which price, from when to when, amount, remark. Without an amount: a
# line of words.
Step = tuple[str, str, str, str, str, str]
Line = tuple[str, str]  # heading, text

_BYTES: Final = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
_ROUNDING: Final = {mode: name for name, mode in money.ROUNDING_MODES.items()}
_HEADING_SIZE: Final = 11
_NANO_A_MICRO: Final = 1000
_REST_DIGITS: Final = 12  # decimals shown of an amount that has no end


def line(heading: str, text: str) -> str:
    """A heading in its column, and what stands under it."""
    return f"  {heading:<{_HEADING_SIZE}}{text}"


def at_text(position: Position) -> str:
    """``tariffs/standard.yaml:17``."""
    return f"{position.file}:{position.line}"


def facts_lines(found: Trace, facts: Facts) -> Iterator[Line]:
    """What was used, and when, on the clock of the version that prices it."""
    yield "what", f"{facts.service} {facts.direction}, {used_text(facts)}"
    zone = found.version.time_zone if found.version else "UTC"
    yield "when", f"{clock.local_text(facts.start_utc_s, zone)} {zone}"
    said = [f"{name} {word}" for name, word in (
        ("relation", facts.relation), ("to", facts.other_zone), ("from", facts.served_zone),
        ("home", facts.home_zone), ("home relation", facts.home_relation),
        ("carrier", facts.carrier), ("access code", facts.access_code),
        ("number", str(facts.other_e164 or "")), ("routed to", str(facts.routing_e164 or "")),
    ) if word]  # fmt: skip
    said += [f"{name} {word}" for name, word, usual in (
        ("roaming", facts.roaming, "home"), ("forward", facts.forward, "none"),
        ("boundary", facts.boundary, "none"),
    ) if word != usual]  # fmt: skip
    said += [name.replace("_", " ") for name in (
        "on_net", "special", "same_place", "friend", "group") if getattr(facts, name)]  # fmt: skip
    if said:
        yield "facts", ", ".join(said)


def used_text(facts: Facts) -> str:
    """How much was used, as the service counts it."""
    unit = codes.QUANTITY_UNIT.get(codes.SERVICE_CODE[facts.service], codes.SECONDS)
    if unit == codes.SECONDS:
        return f"{facts.duration_s:,} s"
    if unit == codes.EVENTS:
        return count(facts.event_count, "event")
    return f"{facts.up_bytes:,} B up, {facts.down_bytes:,} B down in {facts.duration_s:,} s"


def rule_lines(found: Trace, facts: Facts, with_rules: bool = False) -> Iterator[Line]:
    """Plan, version and rule. with_rules: also why the rules before the one that held did not."""
    for asked in found.asked:
        if asked.plan is not None:
            yield "asked", f"{asked.plan.plan_id} ({asked.plan.name}) has no price for it"
    plan, version, rule = found.plan, found.version, found.rule
    if plan is None or version is None:
        yield "plan", "no version in force" if plan else "none of that name"
        return
    yield "plan", (f"{plan.plan_id} ({plan.name}), version {_since(version)}, "
                   f"{at_text(version.at)}")  # fmt: skip
    for part in found.parts[1:]:
        since = clock.local_text(part.from_utc_s, version.time_zone)
        yield "", (f"from {since} on version {_since(part.version)}, "
                   f"{at_text(part.version.at)}, rule {part.rule_index + 1}")  # fmt: skip
    if rule is None:
        yield "rule", f"none of {len(version.rules)} holds"
        return
    if with_rules:
        for index, passed in enumerate(version.rules[: found.rule_index], start=1):
            failed = next(each for each in conditions(passed.when, facts) if not each.holds)
            yield ("rules" if index == 1 else ""), (
                f"{index} ({at_text(passed.at)}) does not hold: {failed.name} is "
                f"{failed.found or 'none'}, not {' or '.join(failed.allowed)}")  # fmt: skip
    held = [f"{each.name} is {each.found or 'none'}" for each in conditions(rule.when, facts)]
    yield "rule", (f"{found.rule_index + 1} of {len(version.rules)}, {at_text(rule.at)}, is the "
                   f"first that holds: {', '.join(held) or 'it has no conditions'}")  # fmt: skip
    for charge in rule.charges:
        if charge.component in found.missing:
            yield "no rate", f"{charge.component} {target_text(charge)}: nothing there fits"


def _since(version: Version) -> str:
    """The day that names a version; one without ``valid`` has none."""
    day = str(version.valid_from)
    since = begin_text(day)
    return since if since == day else f"from {since}"


def price_steps(found: Trace, remark: str) -> Iterator[Step]:
    """The components and their total, with a remark behind it."""
    if found.version is None:
        return
    for component in found.components:
        steps = list(component_steps(component, component_name(component),
                                     found.version.time_zone))  # fmt: skip
        yield (component.component, *steps[0][1:])
        yield from steps[1:]
        yield from _added(component)
    if not found.components:
        yield "free", "the rule charges nothing", "", "", "", ""
    yield from discount_steps(found.discounts)
    yield from settled_steps(found)
    yield "total", "", "", "", money.format_micro(found.charge_micro), remark


def discount_steps(discounts: Sequence[Discounted]) -> Iterator[Step]:
    """What each discount made of each component: ``1.234 x 85 % = 1.0489 -> 1.048 -> 1.05``."""
    for one in discounts:
        name = f"{one.discount.name}: {action_text(one.discount.action)}"
        why = one.why_not or ("" if one.effects else "nothing is left")
        if why:
            yield "discount", f"{name}; not taken: {why}", "", "", "", ""
        for place, part in enumerate(one.effects):
            heading, said = ("discount", name) if place == 0 else ("", "")
            yield heading, said, part.component, _sums(one, part), _micro(part.after_micro), ""


def _sums(one: Discounted, part: Effect) -> str:
    """One component's amounts on the way."""
    action, before = one.discount.action, _micro(part.before_micro)
    if action.kind == "percent":
        before = f"{before} x {money.format_nano(action.amount_nano, 0)} % = "
    elif action.kind == "off" and part.exact_micro > 0:
        before = f"{before} - {money.format_micro(action.amount_micro)} = "
    else:
        before = f"{before} -> "
    amounts: list[Fraction] = []
    for amount in (part.exact_micro, *map(Fraction, part.rounded_micro)):
        amounts += [amount] * (amount not in amounts[-1:])
    return before + " -> ".join(map(_micro, amounts))


def _micro(amount_micro: Fraction | int) -> str:
    return _nano(Fraction(amount_micro) * _NANO_A_MICRO)


def _added(component: Component) -> Iterator[Step]:
    """What allowances with a price of their own added to the price of what was left."""
    if component.added_micro:
        for what, amount in (("covered, at a price of its own", component.added_micro),
                             ("to pay", component.listed_micro)):  # fmt: skip
            yield _sum(what, Fraction(amount * _NANO_A_MICRO))


def settled_steps(found: Trace) -> Iterator[Step]:
    """What allowances of money and caps made of each component: ``0.80 -> 0.30``."""
    for one in found.settled:
        heading = "cap" if isinstance(one.item, Cap) else "allowance"
        said = f"{one.item.name}: {_what_is_left(one)}"
        if one.beyond is not None:
            rate, length = one.beyond
            price = f"{quantity_text(rate.unit, length)} by {rate.name}"
            said += f", beyond it {price}" + " would not be less" * (not one.left)
        for place, (component, before, after) in enumerate(one.left):
            yield (heading if not place else "", said if not place else "", component,
                   f"{_micro(before)} -> {_micro(after)}", _micro(after), "")  # fmt: skip
        if not one.left:
            yield heading, said, "", "", "", ""


def _what_is_left(one: Settled) -> str:
    used = one.used
    if used is None:
        return "used up"
    if used.granted is None:
        return "without end" if isinstance(one.item, Allowance) else "counts what is left to pay"
    return f"{money.format_micro(max(used.granted - used.before, 0))} were left"


def component_name(component: Component) -> str:
    """The rate, and the deck that named it if one did."""
    if component.rate is None:
        return "free"
    return f"{component.rate.name} by {component.deck}" if component.deck else component.rate.name


def component_steps(component: Component, name: str, zone: str) -> Iterator[Step]:
    """How a component came about: increments, fees, roundings on the way, bounds, the last one."""
    rate = component.rate
    if rate is None:
        yield _sum(name, Fraction(0))
        return
    if component.is_short or not component.quantity:
        most = quantity_text(rate.unit, rate.short_call)
        why = f"{most} or less cost nothing" if component.is_short else "nothing was used"
        yield _sum(f"{name}: {why}", Fraction(0))
        return
    if component.covered[1] and not component.segments:
        yield _sum(f"{name}: nothing is left to be priced", Fraction(0))
        return
    yield from _before(component, rate, name, zone)
    for segment in component.segments:
        remark = "the last one is cut short by a border" if segment.is_cut else ""
        yield ("", *_segment(segment, rate, name, zone), _nano(segment.amount_nano), remark)
        if segment.fee_nano:
            yield _sum("fee on entering it", Fraction(segment.fee_nano))
    if component.connect_nano:
        yield _sum("connection fee", Fraction(component.connect_nano))
    yield from _staged(component, rate)
    fees = sum(segment.fee_nano != 0 for segment in component.segments)
    if len(component.segments) + fees + bool(component.connect_nano) + len(component.staged) != 1:
        yield _sum("together", component.sum_nano)
    if component.bound:
        yield _sum(f"{component.bound} of {name}", component.exact_nano)
    is_named = (rate.digits, rate.mode) != (money.MICRO_DIGITS, money.ROUND_HALF_EVEN)
    rounded_nano = Fraction(component.charge_micro * _NANO_A_MICRO)
    if is_named or component.exact_nano != rounded_nano:
        yield _sum(_rounded(rate.mode, rate.digits), rounded_nano)


def _before(component: Component, rate: Rate, name: str, zone: str) -> Iterator[Step]:
    """What is counted, where that is not what was used; the moment of a price for all of it."""
    words = []
    if component.covered[0]:
        words.append(f"covered: the first {quantity_text(rate.unit, component.covered[0])}")
    if component.covered[1]:
        words.append(f"free: the last {quantity_text(rate.unit, component.covered[1])}")
    if component.tiers_from:
        words.append(f"tiers go on from {quantity_text(rate.unit, component.tiers_from)}")
    if rate.over is not None and rate.over.settle == "whole":
        words.append("the month's bill settles it at the price of the tier reached")
    if component.priced_quantity > component.quantity:
        words.append(f"counts as {quantity_text(rate.unit, component.priced_quantity)}")
    if component.free_quantity:
        words.append(f"free: the first {quantity_text(rate.unit, component.free_quantity)}")
    if component.priced_at_utc_s is not None and rate.bands:
        when = clock.local_text(component.priced_at_utc_s, zone)
        words.append(f"all of it at the price of {when} (border {rate.border_mode})")
    if words:
        yield "", f"{name}: {'; '.join(words)}", "", "", "", ""


def _staged(component: Component, rate: Rate) -> Iterator[Step]:
    """The roundings before the last, as far as they change anything."""
    digits = rate.stage_digits if rate.stage_digits >= 0 else rate.digits
    mode = rate.stage_mode if rate.stage_mode >= 0 else rate.mode
    for one in component.staged:
        if one.exact_nano == one.sum_nano:
            continue
        what = {"connect": "connection fee", "fee": "fee"}.get(one.what, "")
        if one.count > 1:
            what = "each"
        if one.once_nano is not None and one.once_nano != one.exact_nano:
            yield _sum(f"all {_rounded(mode, digits)}", Fraction(one.once_nano))
        each = f"{one.count:,} x {_nano(Fraction(one.each_nano))}" if one.count > 1 else ""
        yield ("", f"{what} {_rounded(mode, digits)}".strip(), each, "",
               _nano(Fraction(one.sum_nano)), "")  # fmt: skip


def _rounded(mode: int, digits: int) -> str:
    return f"rounded {_ROUNDING[mode]} to {count(digits, 'decimal')}"


def _sum(what: str, amount_nano: Fraction) -> Step:
    return "", what, "", "", _nano(amount_nano), ""


def _segment(segment: Segment, rate: Rate, name: str, zone: str) -> tuple[str, str, str]:
    """What, how many at which price, and from when to when where that matters."""
    tiers = rate.tiers if not segment.band else next(
        (band.tiers for band in rate.bands if band.name == segment.band), ()
    )  # fmt: skip
    words = [name] + [segment.band] * bool(segment.band)
    words += [f"tier {segment.tier}"] * (len(tiers) > 1)
    words += [f"version {segment.part + 1}"] * bool(segment.part)
    times = ""
    if rate.unit == "second" and (rate.bands or len(tiers) > 1 or segment.part):
        since, until = (clock.local_text(moment, zone)[-8:]
                        for moment in (segment.from_utc_s, segment.to_utc_s))  # fmt: skip
        times = f"{since} .. {until}"
    per = "" if segment.per == segment.increment else (
        f" per {quantity_text(rate.unit, segment.per)}")  # fmt: skip
    increment = quantity_text(rate.unit, segment.increment)
    price = money.format_nano(segment.price_nano)
    return " ".join(words), f"{segment.count:,} x {increment} at {price}{per}", times


def quantity_text(unit: str, quantity: int) -> str:
    """``60 s``, ``1 KiB``, ``2 events``."""
    if unit == "event":
        return count(quantity, "event")
    if unit == "second":
        return f"{quantity:,} s"
    for name, size in _BYTES:
        if quantity and quantity % size == 0:
            return f"{quantity // size:,} {name}"
    return f"{quantity:,} B"


def _nano(amount_nano: Fraction) -> str:
    """An exact amount; one without an end is cut, and says so."""
    digits = money.NANO_DIGITS
    while digits < money.NANO_DIGITS + _REST_DIGITS and amount_nano.denominator != 1:
        amount_nano, digits = amount_nano * 10, digits + 1
    sign = "-" * (amount_nano < 0)
    whole, rest = divmod(int(abs(amount_nano)), 10**digits)
    fraction = f"{rest:0{digits}d}"
    if amount_nano.denominator != 1:
        return f"{sign}{whole}.{fraction[:_REST_DIGITS]}..."
    return f"{sign}{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def aligned(steps: Sequence[Step]) -> list[str]:
    """The steps below each other: columns of words, amounts by their decimal points."""
    sums = [step for step in steps if step[4]]
    widths = [max((len(step[column]) for step in sums), default=0) for column in (1, 2, 3)]
    points = [step[4].partition(".") for step in steps]
    whole = max((len(units) for units, _, _ in points), default=0)
    places = max((1 + len(fraction) for _, _, fraction in points), default=0)
    lines = []
    for step, (units, point, fraction) in zip_longest(steps, points):
        heading, *words, amount, remark = step
        if not amount:
            lines.append(line(heading, words[0]))
            continue
        cells = [word.ljust(width) for word, width in zip(words, widths, strict=True)]
        value = f"{units:>{whole}}{point}{fraction}".ljust(whole + places)
        lines.append(line(heading, f"{'  '.join(cells)}  {value}  {remark}").rstrip())
    return lines
