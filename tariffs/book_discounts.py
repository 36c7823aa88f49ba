"""A file with ``discounts``: what single records cost less for whom, as ``memory_model.Discount``.

Lists of numbers, subscriptions and accounts may stand in CSV files beside the book.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from tariffs import units
from tariffs.book_rules import read_when
from tariffs.book_taxes import read_span
from tariffs.book_tiers import NAME, NAME_ALLOWED, is_mapping
from tariffs.grammar import KEYS
from tariffs.memory_model import EXECUTIONS, Action, Chosen, Discount, Used
from tariffs.when import Position, When
from tollbook import money
from tollbook.money import MICRO_DIGITS, NANO_DIGITS, ROUNDING_MODES
from tollbook.text import Node, Problems, Reader, load_csv

ACTIONS: Final = ("percent", "off", "fixed", "cap", "free", "price")
PRIORITY_MAX: Final = 10**6
AMOUNT_MAX_MICRO: Final = 10**12  # of one action: a million
ENDLESS: Final = 2**62  # the end of a condition on a counter that has none
LISTS: Final = {"numbers": "number", "subscriptions": "subscription_id", "accounts": "account_id"}
_STEPS_MAX: Final = 4
_WHOLE_NANO: Final = 100 * money.NANO
_NUMBER_ALLOWED: Final = (
    "beginnings such as 86138*, ranges of them such as 8613900-8613949, whole numbers, all with "
    "the country code, or a .csv file with the column number"
)


@dataclass
class ListFiles:
    """The CSV files of one book that discounts name, each read once; names: all of them."""

    folder: Path
    shown: str
    problems: Problems
    read: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted({name for name, _ in self.read}))

    def column(self, name: str, column: str, at: Node) -> tuple[str, ...]:
        """The cells of the one column of a file."""
        if (name, column) not in self.read:
            path = self.folder / name
            if Path(name).name != name or "\\" in name or not path.is_file():
                self.problems.add(at, f"there is no list '{name}'", "a .csv file of the same "
                                  f"folder, with the column {column}",
                                  "write it, or correct its name")
                self.read[name, column] = ()
                return ()
            rows = load_csv(path, (column,), ("note",), self.problems, f"{self.shown}/{name}")
            for row in rows:
                if not row[column]:
                    self.problems.add(row.at, f"{column} is empty", "a value in each row",
                                      "fill it in, or remove the row")
            self.read[name, column] = tuple(row[column] for row in rows if row[column])
        return self.read[name, column]


def read_discounts(node: Node, lists: ListFiles, problems: Problems) -> tuple[Discount, ...]:
    """A file with ``discounts``; those that could be read."""
    outer = Reader(node, problems, "the file", KEYS["discounts"])
    found = []
    for child in outer.sequence("discounts"):
        reader = Reader(child, problems, "a discount", KEYS["discount"])
        if not is_mapping(reader):
            continue
        before = problems.errors
        discount = _read_discount(reader, lists)
        if problems.errors == before:
            found.append(discount)
    return tuple(found)


def _read_discount(reader: Reader, lists: ListFiles) -> Discount:
    name = reader.text("name", None, NAME_ALLOWED)
    if name and not NAME.fullmatch(name):
        reader.wrong("name", f"'name' is '{name}'", NAME_ALLOWED, "use other characters")
    reader.name = f"discount '{name}'"
    at = Position(reader.node.file, reader.node.line)
    span = read_span(reader, at)
    return Discount(
        name=name,
        chosen=_read_chosen(reader, "for", lists) if "for" in reader else Chosen(),
        action=_read_action(reader),
        when=read_when(reader) if "when" in reader else When(),
        at=at,
        excluded=_read_chosen(reader, "except", lists) if "except" in reader else None,
        used=_read_used(reader) if "used" in reader else (),
        components=tuple(dict.fromkeys(reader.texts("components"))),
        execution=reader.choice("execution", EXECUTIONS, "joint"),
        priority=reader.integer("priority", 0, PRIORITY_MAX, 0),
        rounding=_read_steps(reader) if "round" in reader else (),
        valid_from=span.first if "valid" in reader else None,
        valid_to=span.to,
        time_zone=reader.zone("time_zone") if "time_zone" in reader else "",
    )


def _read_chosen(outer: Reader, key: str, lists: ListFiles) -> Chosen:
    reader = Reader(outer.keys[key], outer.problems, f"{outer.name}, {key}", KEYS["chosen"])
    if is_mapping(reader) and not reader.keys:
        reader.wrong(key, "names nothing", ", ".join(KEYS["chosen"]), f"leave '{key}' out")
    opened: tuple[date | None, date | None] = (None, None)
    if "opened" in reader:
        inner = Reader(reader.keys["opened"], outer.problems, f"{reader.name}, opened",
                       KEYS["valid"])  # fmt: skip
        opened = inner.date("from"), inner.date("to")
        if opened == (None, None):
            inner.wrong("from", "names no day", "from, to or both", "leave 'opened' out")
        elif opened[0] and opened[1] and opened[1] <= opened[0]:
            inner.wrong("to", f"'to' is {opened[1]}, not after 'from' {opened[0]}",
                        "an end after the beginning; 'to' is the first day that no longer counts",
                        "correct one of the two days")
    return Chosen(
        numbers=_numbers(reader, lists),
        subscriptions=_listed(reader, "subscriptions", lists),
        accounts=_listed(reader, "accounts", lists),
        groups=_listed(reader, "groups", None),
        plans=_listed(reader, "plans", None),
        opened_from=opened[0],
        opened_to=opened[1],
    )


def _listed(reader: Reader, key: str, lists: ListFiles | None) -> tuple[str, ...]:
    """Words, and the cells of the files among them."""
    found: list[str] = []
    before = reader.problems.errors
    for node in reader.sequence(key):
        if not isinstance(node.value, str) or not node.value:
            reader.problems.add(node, f"{reader.name}: '{key}' holds {node.kind}",
                                "one word an item", "write one value an item")
        elif lists is not None and node.value.endswith(".csv"):
            found += lists.column(node.value, LISTS[key], node)
        else:
            found.append(node.value)
    if key in reader and not found and reader.problems.errors == before:
        reader.wrong(key, f"'{key}' names nothing", "one word or a list", f"leave '{key}' out")
    return tuple(dict.fromkeys(found))


def _numbers(reader: Reader, lists: ListFiles) -> tuple[tuple[str, str], ...]:
    """First and last of what numbers begin with."""
    found = []
    for text in _listed(reader, "numbers", lists):
        span = parse_numbers(text)
        if span is None:
            reader.wrong("numbers", f"'numbers' names '{text}'", _NUMBER_ALLOWED,
                         "write digits; both ends of a range are alike in length")
        else:
            found.append(span)
    return tuple(dict.fromkeys(found))


def parse_numbers(text: str) -> tuple[str, str] | None:
    """``"86138*"`` -> ``("86138", "86138")``, ``"8613900-8613949"`` -> its ends; None otherwise.

    A whole number stands for itself and for what begins with it, which no other number does.
    """
    match = re.fullmatch(r"\+?([1-9]\d{0,14})(?:\*|-\+?([1-9]\d{0,14})\*?)?", text)
    if match is None:
        return None
    first, last = match[1], match[2] or match[1]
    return (first, last) if len(first) == len(last) and first <= last else None


def _read_used(outer: Reader) -> tuple[Used, ...]:
    """Counters by name, each with the span in which its total must lie."""
    node = outer.keys["used"]
    if not isinstance(node.value, dict) or not node.value:
        outer.wrong("used", f"'used' is {node.kind if node.value else 'empty'}",
                    "a mapping of counters to {from: ..., to: ...}", "name a counter of the plans")
        return ()
    found = []
    for name, child in node.value.items():
        reader = Reader(child, outer.problems, f"{outer.name}, used, {name}", KEYS["used"])
        if not is_mapping(reader):
            continue
        ends = [(key, _read_total(reader, key)) for key in ("from", "to") if key in reader]
        kinds = {total[0] for _, total in ends if total}
        if not ends or len(kinds) > 1:
            reader.wrong("from", "names no total" if not ends else "counts two different things",
                         "from, to or both, in one unit", "write it such as {from: 100min}")
        totals = {key: total[1] for key, total in ends if total}
        low, high = totals.get("from", 0), totals.get("to", ENDLESS)
        if low >= high:
            reader.wrong("to", f"'to' is '{reader.text('to')}', not above 'from'",
                         "an end above the beginning; 'to' is the first total that is too large",
                         "correct one of the two")
        found.append(Used(name, low, high, min(kinds, default="second")))
    return tuple(found)


def _read_total(reader: Reader, key: str) -> tuple[str, int] | None:
    """A quantity with its unit, or an amount of money."""
    text = reader.text(key, None, "a quantity such as 100min, or an amount such as 50.00")
    amount = money.parse_decimal(text, MICRO_DIGITS)
    if amount is not None and 0 <= amount < money.CHARGE_LIMIT_MICRO:
        return "money", amount
    found = units.parse_quantity(text)
    if found is None and text:
        reader.wrong(key, f"'{key}' is '{text}'", "a quantity such as 100min, 3 events or 1GiB, or "
                     "an amount such as 50.00", units.quantity_advice(text))
    return found


def _read_action(outer: Reader) -> Action:
    """Exactly one of ACTIONS."""
    if "action" not in outer:
        outer.missing("action", "a mapping such as {percent: 85}")
        return Action("percent")
    reader = Reader(outer.keys["action"], outer.problems, f"{outer.name}, action", KEYS["action"])
    given = [key for key in ACTIONS if key in reader]
    if not is_mapping(reader) or len(given) != 1:
        if is_mapping(reader):
            reader.wrong("percent", f"names {' and '.join(given) or 'nothing'}",
                         f"one of {', '.join(ACTIONS)}", "leave one; write two discounts for two")
        return Action("percent")
    kind = given[0]
    if kind == "percent":
        nano = reader.price_nano("percent")
        if not 0 <= nano <= _WHOLE_NANO:
            reader.wrong("percent", f"'percent' is '{reader.text('percent')}'", "from 0 to 100: "
                         "what is left to pay", "write 85 where 15 per cent are taken off")
        return Action(kind, amount_nano=nano)
    if kind == "free":
        text = reader.text("free", None, units.PER_ALLOWED)
        found = units.parse_quantity(text)
        if found is None and text:
            reader.wrong("free", f"'free' is '{text}'", units.PER_ALLOWED,
                         units.quantity_advice(text))
        unit, quantity = found or ("second", 1)
        return Action(kind, quantity=quantity, unit=unit)
    if kind == "price":
        return Action(kind, rate=reader.text("price", None, "the name of a rate of the plans"))
    amount = reader.amount_micro(kind)
    if not 0 <= amount <= AMOUNT_MAX_MICRO:
        reader.wrong(kind, f"'{kind}' is '{reader.text(kind)}'", "from 0 to 1000000",
                     "correct the amount")
    return Action(kind, amount_micro=amount)


def _read_steps(outer: Reader) -> tuple[tuple[int, int], ...]:
    """``round``: one step, or a list of them."""
    node = outer.keys["round"]
    children: Sequence[Node] = node.value if isinstance(node.value, tuple) else (node,)
    found = []
    for child in children:
        reader = Reader(child, outer.problems, f"{outer.name}, round", KEYS["step"])
        if is_mapping(reader):
            digits = reader.integer("digits", 0, NANO_DIGITS - 3)
            found.append((digits, ROUNDING_MODES.get(reader.choice("mode", tuple(ROUNDING_MODES)),
                                                     0)))  # fmt: skip
    if len(found) > _STEPS_MAX or not children:
        outer.wrong("round", f"{len(found)} steps", f"1 to {_STEPS_MAX} steps", "leave some out")
    return tuple(found)
