"""One file of the tariff book: a plan's version, or a list of taxes."""

from __future__ import annotations

import re
from datetime import date
from typing import Final, NamedTuple

from tariffs.book_rates import NAME, NAME_ALLOWED, is_mapping, parse_rates
from tariffs.book_rules import DeckFiles, make_deck, parse_rules
from tariffs.known import Edition, Known
from tariffs.model import Deck, Position, Recurring, Rule, TaxRate, Version
from tollbook.money import CHARGE_LIMIT_MICRO, MICRO, NANO
from tollbook.text import Node, Problems, Reader

STANDARD: Final = "standard"  # the tax class of what names none
ALWAYS: Final = date(1970, 1, 1)  # a version without `valid` holds from the first accepted day on
COMPONENT: Final = re.compile(r"[a-z][a-z0-9_]{0,30}")
_RESERVED: Final = ("total", "micro")
_COMPONENT_ALLOWED: Final = "small letters, digits and _ (at most 31), not total or micro"
_PLAN_KEYS: Final = ("plan", "name", "currency", "time_zone", "valid", "components", "recurring",
                     "tax_classes", "charge_limit", "rates", "rules")  # fmt: skip
_RECURRING_KEYS: Final = ("charge", "price", "in", "prorate", "tax_class")
_CHARGE_LIMIT_DEFAULT_MICRO: Final = 10**6 * MICRO
_PERCENT_LIMIT_NANO: Final = 1000 * NANO


class Span(NamedTuple):
    """Days [first, last) of ``valid: {from: ..., to: ...}``; ``to`` None: open."""

    first: date
    to: date | None
    at: Position


def read_plan(node: Node, decks: DeckFiles, known: Known, problems: Problems) -> Edition:
    """One plan file. What could not be read is left out, after its problems were noted."""
    reader = Reader(node, problems, "the plan", _PLAN_KEYS)
    plan_id = reader.text("plan", None, NAME_ALLOWED)
    if plan_id and not NAME.fullmatch(plan_id):
        reader.wrong("plan", f"'plan' is '{plan_id}'", NAME_ALLOWED, "choose a plain name")
    reader.name = f"plan '{plan_id}'"
    currency = reader.text("currency", known.currency or None, "an ISO 4217 code such as CNY")
    if currency and not re.fullmatch(r"[A-Z]{3}", currency):
        reader.wrong("currency", f"'currency' is '{currency}'", "an ISO 4217 code such as CNY",
                     "write three capital letters")
        currency = ""
    at = Position(node.file, node.key_lines.get("plan", node.line))
    span = read_span(reader, at)
    rates, unread = parse_rates(reader.keys.get("rates"), problems)
    if "rules" not in reader:
        reader.missing("rules", "a list of rules; the first whose conditions hold is applied")
    rules, whole = parse_rules(reader.sequence("rules"), problems)
    version = Version(
        valid_from=span.first,
        valid_to=span.to,
        time_zone=reader.zone("time_zone", known.time_zone or None),
        rates=rates,
        rules=rules,
        components=_components(reader, rules),
        decks=_decks(rules, decks, known),
        recurring=_recurring(reader),
        tax_class=_tax_classes(reader),
        charge_limit_micro=_charge_limit(reader),
        at=span.at,
    )
    name = reader.text("name", plan_id)
    return Edition(plan_id, name, currency, version, at, unread, whole and "rules" in reader)


def read_span(outer: Reader, at: Position) -> Span:
    """``valid``; without it: from 1970 on."""
    if "valid" not in outer:
        return Span(ALWAYS, None, at)
    reader = Reader(outer.keys["valid"], outer.problems, f"{outer.name}, valid", ("from", "to"))
    at = Position(outer.node.file, outer.node.key_lines["valid"])
    first, to = reader.date("from", ALWAYS) or ALWAYS, reader.date("to")
    if to is not None and to <= first:
        reader.wrong("to", f"'to' is '{to}', not after 'from' {first}",
                     "an end after the beginning; 'to' is the first day without it",
                     "correct one of the two days")
        to = None
    return Span(first, to, at)


def _components(reader: Reader, rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """As listed; without a list: as the rules first name them."""
    used = dict.fromkeys(charge.component for rule in rules for charge in rule.charges)
    names = reader.texts("components") if "components" in reader else tuple(used)
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            reader.wrong("components", f"component '{name}' stands twice", "every component once",
                         "remove one")
        if not COMPONENT.fullmatch(name) or name in _RESERVED:
            reader.wrong("components" if "components" in reader else "rules",
                         f"a component is named '{name}'", _COMPONENT_ALLOWED, "rename it")
    return tuple(dict.fromkeys(names))


def _decks(rules: tuple[Rule, ...], decks: DeckFiles, known: Known) -> tuple[Deck, ...]:
    charges = [charge for rule in rules for charge in rule.charges if charge.by_zone]
    read = {charge.by_zone: decks.rows(charge) for charge in charges}
    return tuple(make_deck(name, rows, known.zones) for name, rows in read.items() if rows)


def _recurring(outer: Reader) -> tuple[Recurring, ...]:
    found: dict[str, Recurring] = {}
    for node in outer.sequence("recurring"):
        reader = Reader(node, outer.problems, f"{outer.name}, recurring", _RECURRING_KEYS)
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


def _tax_classes(outer: Reader) -> tuple[tuple[str, str], ...]:
    if "tax_classes" not in outer:
        return ()
    node = outer.keys["tax_classes"]
    if not isinstance(node.value, dict):
        outer.wrong("tax_classes", f"'tax_classes' is {node.kind}",
                    "a mapping of components to tax classes",
                    "write it as `component: class` lines")
        return ()
    reader = Reader(node, outer.problems, f"{outer.name}, tax_classes", node.value)
    return tuple((component, reader.text(component)) for component in reader.keys)


def _charge_limit(reader: Reader) -> int:
    if "charge_limit" not in reader:
        return _CHARGE_LIMIT_DEFAULT_MICRO
    limit = reader.amount_micro("charge_limit")
    if not 0 < limit < CHARGE_LIMIT_MICRO:
        reader.wrong("charge_limit", f"'charge_limit' is '{reader.text('charge_limit')}'",
                     "more than 0 and less than 1000000000000",
                     "name the largest charge that one record may have")
        return _CHARGE_LIMIT_DEFAULT_MICRO
    return limit


def read_taxes(node: Node, problems: Problems) -> tuple[TaxRate, ...]:
    """A file with ``taxes``: a list of dated rates by tax class."""
    outer = Reader(node, problems, "the file", ("taxes",))
    taxes = []
    for child in outer.sequence("taxes"):
        reader = Reader(child, problems, "a tax", ("class", "name", "percent", "valid"))
        if not is_mapping(reader):
            continue
        before = problems.errors
        tax_class = reader.text("class", None, "a word such as standard")
        reader.name = f"tax '{tax_class}'"
        percent = reader.price_nano("percent")
        if not 0 <= percent <= _PERCENT_LIMIT_NANO:
            reader.wrong("percent", f"'percent' is '{reader.text('percent')}'", "from 0 to 1000",
                         "write 6 for six per cent")
        span = read_span(reader, Position(child.file, child.line))
        name = reader.text("name", tax_class)
        if problems.errors == before:
            at = Position(child.file, child.line)
            taxes.append(TaxRate(tax_class, name, percent, span.first, span.to, at))
    return tuple(taxes)
