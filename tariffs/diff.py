"""What changed between two books, in words: plans, versions, rates, rules, decks, taxes,
discounts.

A version is compared with the one of the same beginning; a new version with the one before it, so
that a reform reads as what it does to prices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Final

from tariffs import words, words_discounts, words_memory
from tariffs.diff_decks import deck_changes, percent_text
from tariffs.memory_model import Discount
from tariffs.model import Book, Plan, Rate, Recurring, Rule, TaxRate, Version
from tariffs.when import Position
from tollbook import money

NEW, GONE, CHANGED = "new", "gone", "changed"
_NOTHING: Final = "none"


@dataclass(frozen=True)
class Change:
    """One thing that differs. version: the day from which it holds, or several; "": the whole plan.

    what: new, gone or changed; about: what it is about (``rate toll, night 00:00-07:00``).
    old, new: in words, "" where there is none. at: where it stands now, or stood.
    """

    plan: str
    version: str
    what: str
    about: str
    old: str
    new: str
    at: Position

    def __str__(self) -> str:
        where = f"{self.at.file}:{self.at.line}: " if self.at.line else ""
        values = f"{self.old or _NOTHING} -> {self.new or _NOTHING}"
        said = {NEW: f"new{': ' * bool(self.new)}{self.new}",
                GONE: f"gone{': ' * bool(self.old)}{self.old}", CHANGED: values}  # fmt: skip
        return f"{where}{self.about}: {said[self.what]}"


def changes(old: Book, new: Book) -> tuple[Change, ...]:
    """Everything that differs, plan by plan; what is the same in several versions is said once."""
    found: dict[Change, list[str]] = {}
    for change in (
        *_plans(old, new), *_taxes(old.taxes, new.taxes),
        *_discounts(old.discounts, new.discounts),
    ):
        found.setdefault(replace(change, version=""), []).append(change.version)
    return tuple(replace(change, version=", ".join(filter(None, versions)))
                 for change, versions in found.items())  # fmt: skip


def _plans(old: Book, new: Book) -> Iterator[Change]:
    before = {plan.plan_id: plan for plan in old.plans}
    after = {plan.plan_id: plan for plan in new.plans}
    for plan_id in dict.fromkeys((*before, *after)):
        one, other = before.get(plan_id), after.get(plan_id)
        if one is None and other is not None:
            at = other.versions[0].at
            yield Change(plan_id, "", NEW, "the plan", "", _count(other), at)
        elif one is not None and other is None:
            yield Change(plan_id, "", GONE, "the plan", _count(one), "", one.versions[0].at)
        elif one is not None and other is not None:
            yield from _plan(one, other)


def _count(plan: Plan) -> str:
    versions = len(plan.versions)
    return f"{plan.name}, {versions} version{'s' * (versions != 1)}"


def _plan(old: Plan, new: Plan) -> Iterator[Change]:
    at = new.versions[-1].at
    named = {"name": old.name, "currency": old.currency}
    yield from _named(new.plan_id, "", named, {"name": new.name, "currency": new.currency}, at)
    before = {words.moments(version)[0]: version for version in old.versions}
    after = {words.moments(version)[0]: version for version in new.versions}
    for day in sorted({*before, *after}):
        one, other = before.get(day), after.get(day)
        if other is None and one is not None:
            yield Change(new.plan_id, day, GONE, "the version", words.span_text(one), "", one.at)
        elif one is not None and other is not None:
            yield from _version(new.plan_id, day, one, other)
        elif other is not None:
            yield from _new_version(new, day, other)


def _new_version(plan: Plan, day: str, version: Version) -> Iterator[Change]:
    """A version that was not there, and what it does other than the one before it."""
    earlier = [one for one in plan.versions if _begins(one) < _begins(version)]
    beside = f", beside that from {words.moments(earlier[-1])[0]}" if earlier else ""
    said = f"{words.span_text(version)}{beside}"
    yield Change(plan.plan_id, day, NEW, "the version", "", said, version.at)
    if earlier:
        yield from _version(plan.plan_id, day, earlier[-1], version, is_next=True)


def _begins(version: Version) -> tuple[int, int]:
    return version.valid_from.toordinal(), version.valid_from_s


def _version(
    plan: str, day: str, old: Version, new: Version, is_next: bool = False
) -> Iterator[Change]:
    """Two editions of a version; is_next: the later of two versions of one plan."""
    yield from _named(plan, day, _settings(old, is_next), _settings(new, is_next), new.at)
    yield from _lines(plan, day, old, new)
    yield from _items(plan, day, old, new)
    yield from _rates(plan, day, old, new)
    yield from _rules(plan, day, old, new)
    for about, before, after, at in deck_changes(old, new):
        what = CHANGED if before and after else NEW if after else GONE
        yield Change(plan, day, what, about, before, after, at)


def _named(
    plan: str, day: str, old: Mapping[str, str], new: Mapping[str, str], at: Position,
    prefix: str = "",
) -> Iterator[Change]:  # fmt: skip
    for name, before, after in words.differences(old, new):
        yield Change(plan, day, CHANGED, f"{prefix}{name}", before, after, at)


def _settings(version: Version, is_next: bool) -> dict[str, str]:
    """What a version says of itself, by name; its days only where they are to be compared."""
    found = {
        "clock": version.time_zone,
        "components": ", ".join(version.components),
        "usage over its end": version.version_change,
        "fallback": ", then ".join(version.fallback),
        "limit of one charge": money.format_micro(version.charge_limit_micro),
        "tax classes": ", ".join(f"{name} {tax}" for name, tax in version.tax_class),
    }
    found |= words_memory.settings(version.memory)
    return found if is_next else {"in force": words.span_text(version)} | found


def _lines(plan: str, day: str, old: Version, new: Version) -> Iterator[Change]:
    """Recurring charges."""
    before = {one.name: one for one in old.recurring}
    after = {one.name: one for one in new.recurring}
    for name in dict.fromkeys((*before, *after)):
        one, other = before.get(name), after.get(name)
        at = (other or before[name]).at
        yield from _named(plan, day, _recurring(one), _recurring(other), at, f"{name}, ")


def _recurring(one: Recurring | None) -> dict[str, str]:
    if one is None:
        return {}
    return {
        "price a month": money.format_micro(one.price_micro),
        "billed": "in advance" if one.in_advance else "in arrears",
        "prorated": one.prorate,
        "tax class": one.tax_class,
    }


def _items(plan: str, day: str, old: Version, new: Version) -> Iterator[Change]:
    """Allowances, counters and caps."""
    before = dict(words_memory.items_of(old.memory))
    after = dict(words_memory.items_of(new.memory))
    for name in dict.fromkeys((*before, *after)):
        one, other = _facts(before.get(name)), _facts(after.get(name))
        if one and other:
            for what, was, now in words.differences(one, other):
                unsaid = words_memory.UNSAID.get(what, "")
                yield Change(plan, day, CHANGED, f"{name}, {what}", was or unsaid, now or unsaid,
                             after[name].at)  # fmt: skip
            continue
        said = "; ".join(f"{what} {text}" for what, text in (one or other).items())
        said = said.removeprefix("amount ")
        at = (before if one else after)[name].at
        yield Change(plan, day, GONE if one else NEW, name, said if one else "",
                     "" if one else said, at)  # fmt: skip


def _facts(item: words_memory.Item | None) -> dict[str, str]:
    if item is None:
        return {}
    when = words.when_text(item.when) if words_memory.is_conditioned(item) else ""
    return words_memory.facts(item, when)


# ---- rates


def _rates(plan: str, day: str, old: Version, new: Version) -> Iterator[Change]:
    before = {rate.name: rate for rate in old.rates}
    after = {rate.name: rate for rate in new.rates}
    for name in dict.fromkeys((*before, *after)):
        one, other = before.get(name), after.get(name)
        if one is None and other is not None:
            yield Change(plan, day, NEW, f"rate {name}", "", rate_text(other), other.at)
        elif one is not None and other is None:
            yield Change(plan, day, GONE, f"rate {name}", rate_text(one), "", one.at)
        elif one is not None and other is not None:
            yield from _rate(plan, day, one, other)


def rate_text(rate: Rate) -> str:
    """A whole rate in one line."""
    prices = words.prices(rate)
    said = [price if time == words.ALWAYS else f"{time} {price}" for time, price in prices.items()]
    return "; ".join([*said, *filter(None, [words.terms_text(rate)])])


def _rate(plan: str, day: str, old: Rate, new: Rate) -> Iterator[Change]:
    before, after = words.prices(old), words.prices(new)
    if len(before) == 1 and len(after) > 1 and words.ALWAYS in before:
        before = {words.OTHER_TIMES: before[words.ALWAYS]}
    if len(after) == 1 and len(before) > 1 and words.ALWAYS in after:
        after = {words.OTHER_TIMES: after[words.ALWAYS]}
    for time, one, other in words.differences(before, after):
        about = f"rate {new.name}" + (f", {time}" if time != words.ALWAYS else "")
        what = CHANGED if one and other else NEW if other else GONE
        yield Change(plan, day, what, about, one, other + _percent(old, new, one, other), new.at)
    terms = words.terms(old), words.terms(new)
    yield from _named(plan, day, *terms, new.at, f"rate {new.name}, ")


def _percent(old: Rate, new: Rate, one: str, other: str) -> str:
    """`` (+14.3 %)`` where both are one price for the same quantity."""
    if not one or not other or " in steps" in one + other or ", " in one + other:
        return ""
    (old_price, old_per), (new_price, new_per) = one.split(" / "), other.split(" / ")
    before = money.parse_decimal(old_price, money.NANO_DIGITS)
    after = money.parse_decimal(new_price, money.NANO_DIGITS)
    if old_per != new_per or not before or after is None or old.unit != new.unit:
        return ""
    return f" ({percent_text(after - before, before)})"


# ---- rules


def _rules(plan: str, day: str, old: Version, new: Version) -> Iterator[Change]:
    """Rules that are new, gone, changed or moved; one that stays the same is not mentioned."""
    before, after = _rule_words(old.rules), _rule_words(new.rules)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    gone: list[int] = []
    fresh: list[int] = []
    for tag, low, high, to_low, to_high in matcher.get_opcodes():
        if tag != "equal":
            gone += range(low, high)
            fresh += range(to_low, to_high)
    for place in fresh:
        when, charge = after[place]
        about = f"rule {place + 1} ({when})"
        at = new.rules[place].at
        same = next((one for one in gone if before[one] == after[place]), None)
        alike = next((one for one in gone if before[one][0] == when), None)
        if same is not None:
            gone.remove(same)
            yield Change(plan, day, CHANGED, f"{about}, place", f"rule {same + 1}",
                         f"rule {place + 1}", at)  # fmt: skip
        elif alike is not None:
            gone.remove(alike)
            yield Change(plan, day, CHANGED, about, before[alike][1], charge, at)
        else:
            yield Change(plan, day, NEW, about, "", charge, at)
    for place in gone:
        when, charge = before[place]
        about = f"rule {place + 1} ({when})"
        yield Change(plan, day, GONE, about, charge, "", old.rules[place].at)


def _rule_words(rules: Sequence[Rule]) -> list[tuple[str, str]]:
    last = len(rules) - 1
    return [(words.when_text(rule.when, place == last), words.charge_text(rule))
            for place, rule in enumerate(rules)]  # fmt: skip


# ---- taxes


def _taxes(old: Iterable[TaxRate], new: Iterable[TaxRate]) -> Iterator[Change]:
    before, after = _tax_words(old), _tax_words(new)
    places = {name: tax.at for tax in (*old, *new) for name in _tax_words([tax])}
    for name, one, other in words.differences(before, after):
        what = CHANGED if one and other else NEW if other else GONE
        yield Change("", "", what, name, one, other, places[name])


def _tax_words(taxes: Iterable[TaxRate]) -> dict[str, str]:
    return {
        f"tax {tax.name} of class {tax.tax_class} from {tax.valid_from}":
            f"{money.format_nano(tax.percent_nano, 0)} %"
            + (f" until {tax.valid_to}" if tax.valid_to else "")
        for tax in taxes
    }  # fmt: skip


def _discounts(old: Iterable[Discount], new: Iterable[Discount]) -> Iterator[Change]:
    """Discounts by name, and what each of them says."""
    before, after = {one.name: one for one in old}, {one.name: one for one in new}
    for name in dict.fromkeys((*before, *after)):
        one, other = before.get(name), after.get(name)
        about = f"discount {name}"
        if one is None and other is not None:
            yield Change("", "", NEW, about, "", words_discounts.whole_text(other), other.at)
        elif other is None and one is not None:
            yield Change("", "", GONE, about, words_discounts.whole_text(one), "", one.at)
        elif one is not None and other is not None:
            yield from _named("", "", words_discounts.facts(one), words_discounts.facts(other),
                              other.at, f"{about}, ")  # fmt: skip
