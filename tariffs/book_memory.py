"""What a plan file says that remembers: ``allowances``, ``counters``, ``caps`` and their terms.

What one item says of itself is checked here, what it refers to in ``lint_memory``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from tariffs import memory_faults
from tariffs.book_amounts import MONEY, Amount, read_amount, read_quantity_of
from tariffs.book_rules import read_when
from tariffs.book_taxes import ALWAYS, read_span
from tariffs.book_tiers import NAME, NAME_ALLOWED, is_mapping
from tariffs.grammar import KEYS
from tariffs.memory_model import (
    LATES,
    MEASURES,
    MODES,
    OWNERS,
    PRORATIONS,
    RESTS,
    SETTLES,
    Allowance,
    Cap,
    Counter,
    Over,
    Prorate,
    Span,
)
from tariffs.units import parse_quantity
from tariffs.when import Position, When
from tollbook.money import NANO, ROUNDING_MODES
from tollbook.text import Node, Reader, did_you_mean

PERIOD_DAYS_MAX: Final = 3660
PERIOD_ALLOWED: Final = f"month, day, once, or days such as 30d (at most {PERIOD_DAYS_MAX}d)"
PRIORITY_MAX: Final = 999_999
ROLLOVERS_MAX: Final = 12  # spans that what is left goes on into
COUNTED: Final = tuple(f"{one}s" if one != "money" else one for one in MEASURES)
_YES_NO: Final = ("yes", "no")
_RATE: Final = "the name of a rate"

Item = TypeVar("Item", Allowance, Counter, Cap)


@dataclass(frozen=True)
class Items(Generic[Item]):
    """The items of one kind of a file.

    read: those without a problem. unread: names of the others. dropped: inherited items that the
    file does without, and where it says so.
    """

    read: Mapping[str, Item] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()
    dropped: Mapping[str, Position] = field(default_factory=dict)


@dataclass(frozen=True)
class MemoryText:
    """What one plan file says that remembers. None: the file does not say it.

    stepped: names of allowances that say their increment.
    """

    allowances: Items[Allowance] = Items()
    counters: Items[Counter] = Items()
    caps: Items[Cap] = Items()
    not_discountable: tuple[str, ...] | None = None
    late: str | None = None
    stepped: frozenset[str] = frozenset()


def read_memory(plan: Reader) -> MemoryText:
    """All of it from the keys of a plan; what is wrong is noted and left out."""
    return MemoryText(
        _items(plan, "allowances", "allowance", _allowance),
        _items(plan, "counters", "counter", _counter),
        _items(plan, "caps", "cap", _cap),
        _names(plan, "not_discountable") if "not_discountable" in plan else None,
        plan.choice("late", LATES, LATES[0]) if "late" in plan else None,
        frozenset(
            node.value["name"].value for node in plan.sequence("allowances")
            if isinstance(node.value, dict) and {"name", "increment"} <= node.value.keys()
            and isinstance(node.value["name"].value, str)
        ),
    )  # fmt: skip


def read_over(rate: Reader) -> Over | None:
    """``tiers_over`` of a rate: a period alone, or a mapping."""
    if "tiers_over" not in rate:
        return None
    if not isinstance(rate.keys["tiers_over"].value, dict):
        return Over(span=Span(*_period(rate, "tiers_over")))
    reader = Reader(rate.keys["tiers_over"], rate.problems, f"{rate.name}, tiers_over",
                    KEYS["tiers_over"])  # fmt: skip
    owner = reader.choice("owner", OWNERS, OWNERS[0])
    span = Span(*_period(reader, "period"))
    memory_faults.note(reader, memory_faults.of_span(owner, span))
    return Over(owner, span, reader.choice("settle", SETTLES, SETTLES[0]))


def _items(
    plan: Reader, key: str, kind: str, read: Callable[[Reader, str, Position], Item]
) -> Items[Item]:
    found: dict[str, Item] = {}
    unread: set[str] = set()
    dropped: dict[str, Position] = {}
    seen: dict[str, int] = {}
    for number, node in enumerate(plan.sequence(key), 1):
        before = plan.problems.errors
        reader = Reader(node, plan.problems, f"{kind} {number}", KEYS[kind])
        if not is_mapping(reader):
            continue
        name = _name(reader, kind, seen)
        if "drop" in reader:
            if _is_dropped(reader, kind):
                dropped[name] = Position(node.file, node.line)
            continue
        item = read(reader, name, Position(node.file, node.line))
        if plan.problems.errors == before:
            found[name] = item
        else:
            unread.add(name)
    return Items(found, frozenset(unread), dropped)


def _name(reader: Reader, kind: str, seen: dict[str, int]) -> str:
    name = reader.text("name", None, NAME_ALLOWED)
    if name and not NAME.fullmatch(name):
        reader.wrong("name", f"'name' is '{name}'", NAME_ALLOWED, "choose a plain name")
    elif name:
        reader.name = f"{kind} '{name}'"
    if name in seen:
        reader.wrong("name", f"the name stands twice (first in line {seen[name]})",
                     f"every {kind} of a plan with a name of its own", "rename one of the two")
    seen.setdefault(name, reader.node.line)
    return name


def _is_dropped(reader: Reader, kind: str) -> bool:
    """``{name: x, drop: yes}`` does without what the file that is extended has."""
    others = [key for key in reader.keys if key not in ("name", "drop")]
    is_alone = reader.choice("drop", _YES_NO) == "yes" and not others
    if not is_alone:
        reader.wrong("drop", f"'drop' beside {', '.join(others)}" if others else "'drop' is 'no'",
                     f"`drop: yes` alone: the plan does without the {kind} that it takes over",
                     "leave out 'drop', or all but the name")
    return is_alone


def _allowance(reader: Reader, name: str, at: Position) -> Allowance:
    amount = read_amount(reader)
    span, owner = _span(reader), reader.choice("owner", OWNERS, OWNERS[0])
    increment, measure = 1, amount.measure
    if "increment" in reader:
        increment = read_quantity_of(reader, "increment", measure if measure != "money" else "")
        unit = parse_quantity(reader.text("increment"))
        measure = measure or (unit[0] if unit else "")
    per_member = reader.choice("per_member", _YES_NO, "no") == "yes"
    limit, spans = _rollover(reader, amount, per_member)
    item = Allowance(
        name,
        measure,
        amount.value,
        _when(reader),
        at,
        covers=_names(reader, "covers"),
        increment=increment,
        owner=owner,
        span=span,
        priority=_priority(reader),
        mode=reader.choice("mode", MODES, MODES[0]),
        rest=reader.choice("rest", RESTS, RESTS[0]),
        price=reader.text("price", None, _RATE) if "price" in reader else "",
        draws_on=reader.text("draws_on", None, "the name of another allowance")
        if "draws_on" in reader else "",
        per_member=per_member,
        prorate=_prorate(reader, amount),
        rollover_limit=limit,
        rollover_spans=spans,
    )  # fmt: skip
    memory_faults.note(reader, memory_faults.of_allowance(item, reader.keys))
    return item


def _counter(reader: Reader, name: str, at: Position) -> Counter:
    measure = reader.choice("measure", COUNTED)
    item = Counter(
        name,
        MEASURES[COUNTED.index(measure) if measure in COUNTED else 0],
        _when(reader),
        at,
        owner=reader.choice("owner", OWNERS, OWNERS[0]),
        span=_span(reader),
        covers=_names(reader, "covers"),
    )
    memory_faults.note(reader, memory_faults.of_counter(item))
    return item


def _cap(reader: Reader, name: str, at: Position) -> Cap:
    item = Cap(
        name,
        read_quantity_of(reader, "amount", MONEY),
        _when(reader),
        at,
        covers=_names(reader, "covers"),
        owner=reader.choice("owner", OWNERS, OWNERS[0]),
        span=_span(reader),
        priority=_priority(reader),
        beyond=reader.text("beyond", None, _RATE) if "beyond" in reader else "",
    )
    memory_faults.note(reader, memory_faults.of_span(item.owner, item.span))
    return item


def _when(reader: Reader) -> When:
    return read_when(reader) if "when" in reader else When()


def _names(reader: Reader, key: str) -> tuple[str, ...]:
    """Names of components, each once; whether they exist is checked later."""
    if key not in reader:
        return ()
    names = reader.texts(key)
    if not any(names):
        reader.wrong(key, f"'{key}' names nothing", "names of components",
                     f"leave '{key}' out")
    return tuple(dict.fromkeys(names))


def _priority(reader: Reader) -> int:
    return reader.integer("priority", -PRIORITY_MAX, PRIORITY_MAX, 0)


def _span(reader: Reader) -> Span:
    kind, days = _period(reader, "period")
    if "valid" not in reader:
        return Span(kind, days)
    valid = read_span(reader, Position())
    return Span(kind, days, valid.first if valid.first != ALWAYS else None, valid.to)


def _period(reader: Reader, key: str) -> tuple[str, int]:
    """A word of SPANS, and of ``days`` how many."""
    written = reader.text(key, "month", PERIOD_ALLOWED)
    if written in ("month", "day", "once"):
        return written, 0
    match = re.fullmatch(r"([1-9]\d{0,3})d", written)
    if match and int(match[1]) <= PERIOD_DAYS_MAX:
        return "days", int(match[1])
    if isinstance(reader.node_of(key).value, str):
        reader.wrong(key, f"'{key}' is '{written}'", PERIOD_ALLOWED,
                     did_you_mean(written, ("month", "day", "once"), "use these words"))
    return "month", 0


def _rollover(reader: Reader, amount: Amount, per_member: bool) -> tuple[int, int]:
    """How much goes on, into how many spans."""
    if "rollover" not in reader:
        return 0, 0
    inner = Reader(reader.keys["rollover"], reader.problems, f"{reader.name}, rollover",
                   KEYS["rollover"])  # fmt: skip
    if not is_mapping(inner):
        return 0, 0
    spans = inner.integer("periods", 1, ROLLOVERS_MAX)
    if "limit" in inner:
        return read_quantity_of(inner, "limit", amount.measure), spans
    if per_member:
        inner.missing("limit", "how much goes on for all members together")
    return amount.value * spans, spans


def _prorate(reader: Reader, amount: Amount) -> Prorate:
    """``prorate``: a word, or a mapping with how the part is rounded."""
    if "prorate" not in reader:
        return Prorate()
    node: Node = reader.keys["prorate"]
    if not isinstance(node.value, dict):
        return Prorate(reader.choice("prorate", PRORATIONS), unit_size=amount.unit_size)
    inner = Reader(node, reader.problems, f"{reader.name}, prorate", KEYS["prorate"])
    by = inner.choice("by", PRORATIONS)
    add = inner.price_nano("add", 0)
    if not 0 <= add < NANO:
        inner.wrong("add", f"'add' is '{inner.text('add')}'", "from 0 to less than 1, of a unit",
                    "write 0.9 for nine tenths of a unit")
    mode = ROUNDING_MODES[inner.choice("round", tuple(ROUNDING_MODES), "down")]
    size = amount.unit_size
    if "unit" in inner:
        size = read_quantity_of(inner, "unit", amount.measure) or size
    return Prorate(by, add, mode, size)
