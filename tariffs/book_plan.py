"""One plan file of the tariff book as it is written, before it is joined with what it extends."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tariffs.book_memory import MemoryText, read_memory
from tariffs.book_rates import Rates, Rounding, parse_rates, read_rounding
from tariffs.book_rules import parse_rules
from tariffs.book_taxes import Span, read_span
from tariffs.book_tiers import NAME, NAME_ALLOWED, is_mapping, read_price, read_quantity
from tariffs.grammar import KEYS
from tariffs.known import Known
from tariffs.model import FALLBACKS_MAX, VERSION_CHANGES, PriceRange, Recurring, Rule
from tariffs.units import PER_ALLOWED, parse_quantity
from tariffs.when import Position
from tollbook.money import CHARGE_LIMIT_MICRO, MICRO
from tollbook.text import Node, Problems, Reader

STANDARD: Final = "standard"  # the tax class of what names none
COMPONENT: Final = re.compile(r"[a-z][a-z0-9_]{0,30}")
CHARGE_LIMIT_DEFAULT_MICRO: Final = 10**6 * MICRO
_RESERVED: Final = ("total", "micro")
_COMPONENT_ALLOWED: Final = "small letters, digits and _ (at most 31), not total or micro"
_FILE_ALLOWED: Final = "the name of a .yaml file of the same folder"


@dataclass(frozen=True)
class PlanText:
    """What one plan file says. None: the file does not say it, so what it extends does.

    rates_at: of the keys ``rates`` of the file. rules_are_whole: False if a rule was noted as
    faulty and is missing.
    """

    at: Position
    plan_id: str
    name: str
    extends: str
    use: tuple[str, ...]
    currency: str
    time_zone: str
    span: Span
    rates: Rates
    rules: tuple[Rule, ...] | None
    rules_first: tuple[Rule, ...]
    rules_are_whole: bool
    components: tuple[str, ...] | None
    recurring: tuple[Recurring, ...]
    version_change: str | None = None
    fallback: tuple[str, ...] | None = None
    rounding: Rounding | None = None
    price_range: tuple[PriceRange, ...] | None = None
    tax_class: tuple[tuple[str, str], ...] | None = None
    charge_limit_micro: int | None = None
    memory: MemoryText = field(default_factory=MemoryText)


def read_plan(node: Node, known: Known, problems: Problems) -> PlanText:
    """One plan file. What could not be read is left out, after its problems were noted."""
    reader = Reader(node, problems, "the plan", KEYS["plan"])
    plan_id = reader.text("plan", None, NAME_ALLOWED)
    if plan_id and not NAME.fullmatch(plan_id):
        reader.wrong("plan", f"'plan' is '{plan_id}'", NAME_ALLOWED, "choose a plain name")
    reader.name = f"plan '{plan_id}'"
    at = Position(node.file, node.key_lines.get("plan", node.line))
    extends = _file_name(reader, "extends") if "extends" in reader else ""
    _check_extending(reader)
    currency = _currency(reader, known)
    span = read_span(reader, at, timed=True)
    rates = parse_rates(reader.keys.get("rates"), problems)
    rules, whole = parse_rules(reader.sequence("rules"), problems)
    first, first_whole = parse_rules(
        reader.sequence("rules_first"), problems, "first rule", ends=False
    )
    return PlanText(
        at=at,
        plan_id=plan_id,
        name=reader.text("name", plan_id),
        extends=extends,
        use=_files(reader),
        currency=currency,
        time_zone=_time_zone(reader, known),
        span=span,
        rates=rates,
        rules=rules if "rules" in reader else None,
        rules_first=first,
        rules_are_whole=whole and first_whole and ("rules" in reader or "extends" in reader),
        components=_components(reader, (*first, *rules)),
        recurring=_recurring(reader),
        version_change=reader.choice("version_change", VERSION_CHANGES, VERSION_CHANGES[0])
        if "version_change" in reader else None,
        fallback=_fallback(reader, plan_id),
        rounding=read_rounding(reader) if "round" in reader else None,
        price_range=_price_range(reader),
        tax_class=_tax_classes(reader),
        charge_limit_micro=_charge_limit(reader),
        memory=read_memory(reader),
    )  # fmt: skip


def _check_extending(reader: Reader) -> None:
    """What a plan needs that extends no other, and what only one that does may have."""
    if "extends" in reader and "valid" not in reader:
        reader.missing("valid", "the days of this version: they are not taken over from the other")
    if "extends" not in reader and "rules" not in reader:
        reader.missing("rules", "a list of rules; the first whose conditions hold is applied")
    if "extends" not in reader and "rules_first" in reader:
        reader.wrong("rules_first", "'rules_first' without 'extends'",
                     "'rules_first' where the plan takes over the rules of another file",
                     "write all rules under `rules`")
    if "rules" in reader and "rules_first" in reader:
        reader.wrong("rules_first", "both 'rules' and 'rules_first'",
                     "'rules' (instead of the inherited ones) or 'rules_first' (before them)",
                     "leave one of the two")


def _currency(reader: Reader, known: Known) -> str:
    default = "" if "extends" in reader else known.currency or None
    currency = reader.text("currency", default, "an ISO 4217 code such as CNY")
    if currency and not re.fullmatch(r"[A-Z]{3}", currency):
        reader.wrong("currency", f"'currency' is '{currency}'", "an ISO 4217 code such as CNY",
                     "write three capital letters")
        return ""
    return currency


def _time_zone(reader: Reader, known: Known) -> str:
    if "extends" in reader and "time_zone" not in reader:
        return ""
    return reader.zone("time_zone", known.time_zone or None)


def _file_name(reader: Reader, key: str) -> str:
    name = reader.text(key, None, _FILE_ALLOWED)
    if name and ("/" in name or "\\" in name or not name.endswith(".yaml")):
        reader.wrong(key, f"'{key}' is '{name}'", _FILE_ALLOWED,
                     "name a file of the folder, without the folder")
        return ""
    return name


def _files(reader: Reader) -> tuple[str, ...]:
    names = []
    for name in reader.texts("use"):
        if "/" in name or "\\" in name or not name.endswith(".yaml"):
            reader.wrong("use", f"'use' names '{name}'", _FILE_ALLOWED,
                         "name a file of the folder, without the folder")
        else:
            names.append(name)
    return tuple(dict.fromkeys(names))


def _fallback(reader: Reader, plan_id: str) -> tuple[str, ...] | None:
    """Plans that are asked where this one has no answer; whether they exist is checked later."""
    if "fallback" not in reader:
        return None
    plans = reader.texts("fallback")
    if plan_id in plans:
        reader.wrong("fallback", f"the plan falls back to itself ({plan_id} -> {plan_id})",
                     "other plans", "remove it: only the plans that it names are asked, not theirs")
    for plan in dict.fromkeys(plans):
        if plans.count(plan) > 1:
            reader.wrong("fallback", f"'fallback' names '{plan}' twice", "every plan once",
                         "remove one")
    if not 1 <= len(plans) <= FALLBACKS_MAX:
        reader.wrong("fallback", f"'fallback' names {len(plans)} plans",
                     f"1 to {FALLBACKS_MAX} plans", "leave 'fallback' out where there is none")
    return tuple(dict.fromkeys(plans))


def _price_range(outer: Reader) -> tuple[PriceRange, ...] | None:
    if "price_range" not in outer:
        return None
    nodes = outer.keys["price_range"]
    found = []
    for node in (nodes,) if isinstance(nodes.value, dict) else outer.sequence("price_range"):
        reader = Reader(node, outer.problems, f"{outer.name}, price_range", KEYS["price_range"])
        if not is_mapping(reader):
            continue
        unit = parse_quantity(reader.text("per", None, PER_ALLOWED))
        per = read_quantity(reader, "per", "") if "per" in reader else 0
        low, high = (read_price(reader, key) if key in reader else 0 for key in ("min", "max"))
        if 0 < high < low:
            reader.wrong("max", f"'max' is '{reader.text('max')}', below 'min'",
                         "a range from the lower to the higher price", "correct one of the two")
        elif unit is not None:
            found.append(PriceRange(unit[0], per, low, high))
    return tuple(found)


def _components(reader: Reader, rules: Iterable[Rule]) -> tuple[str, ...] | None:
    """As listed; None without a list. The names in rules are looked at where there is none."""
    used = dict.fromkeys(charge.component for rule in rules for charge in rule.charges)
    names = reader.texts("components") if "components" in reader else tuple(used)
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            reader.wrong("components", f"component '{name}' stands twice", "every component once",
                         "remove one")
        if not COMPONENT.fullmatch(name) or name in _RESERVED:
            reader.wrong("components" if "components" in reader else "rules",
                         f"a component is named '{name}'", _COMPONENT_ALLOWED, "rename it")
    return tuple(dict.fromkeys(names)) if "components" in reader else None


def _recurring(outer: Reader) -> tuple[Recurring, ...]:
    found: dict[str, Recurring] = {}
    for node in outer.sequence("recurring"):
        reader = Reader(node, outer.problems, f"{outer.name}, recurring", KEYS["recurring"])
        if not is_mapping(reader):
            continue
        name = reader.text("charge", None, NAME_ALLOWED)
        if name in found:
            reader.wrong("charge", f"'{name}' stands twice", "every recurring charge once",
                         "give one another name, or add the prices")
        price = reader.amount_micro("price")
        if not 0 <= price <= CHARGE_LIMIT_MICRO:
            reader.wrong("price", f"'price' is '{reader.text('price')}'",
                         "an amount from 0 to 1000000000000", "correct the price")
        found[name] = Recurring(
            name, price,
            in_advance=reader.choice("in", ("advance", "arrears"), "advance") == "advance",
            prorate=reader.choice("prorate", ("days_of_month", "none"), "days_of_month"),
            tax_class=reader.text("tax_class", STANDARD),
            at=Position(node.file, node.line),
        )  # fmt: skip
    return tuple(found.values())


def _tax_classes(outer: Reader) -> tuple[tuple[str, str], ...] | None:
    if "tax_classes" not in outer:
        return None
    node = outer.keys["tax_classes"]
    if not isinstance(node.value, dict):
        outer.wrong("tax_classes", f"'tax_classes' is {node.kind}",
                    "a mapping of components to tax classes",
                    "write it as `component: class` lines")
        return ()
    reader = Reader(node, outer.problems, f"{outer.name}, tax_classes", node.value)
    return tuple((component, reader.text(component)) for component in reader.keys)


def _charge_limit(reader: Reader) -> int | None:
    if "charge_limit" not in reader:
        return None
    limit = reader.amount_micro("charge_limit")
    if not 0 < limit < CHARGE_LIMIT_MICRO:
        reader.wrong("charge_limit", f"'charge_limit' is '{reader.text('charge_limit')}'",
                     "more than 0 and less than 1000000000000",
                     "name the largest charge that one record may have")
        return CHARGE_LIMIT_DEFAULT_MICRO
    return limit
