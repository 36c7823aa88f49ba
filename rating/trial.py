"""Calls that people write down, as batches of usage: what ``tollbook tariff price`` prices.

A calls file states what guiding would find out (relation, zone, roaming ...), so that a book can be
tried without an operator. Everything works on columns; nothing is priced before all cells are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rating import trace, trial_memory
from rating import trial_cells as cells
from rating.rate import rate
from rating.trial_guided import DIALLED, Guiding, guided
from rating.trial_stated import batch_of, stated
from tariffs.compile_rates import Maxima
from tariffs.compiler import CompiledBook, compile_book
from tariffs.lint_memory import items_of
from tariffs.model import Book, Plan
from tollbook import codes
from tollbook.columns import Table, load_table, parse_table
from tollbook.stage import ints
from tollbook.text import Problems, did_you_mean

BATCH_ROWS: Final = 131_072
# Columns of a calls file; all but `start` may be absent, and an absent or empty cell is a default.
FACTS: Final = (
    "relation", "zone", "from", "home", "home_relation", "roaming", "access_code", "on_net",
    "special", "same_place", "boundary", "forward", "friend", "group", "carrier", "number",
    "routing", "offset",
)  # fmt: skip
USED: Final = ("used", "duration", "up", "down", "events")
KINDS: Final = ("sell", "buy", "reseller")  # plans of further ratings: rating/trial_kinds.py
CARRIED: Final = ("expect", "margin", "arithmetic")
COLUMNS: Final = (
    "name", "plan", "service", "direction", "start", *USED, *FACTS, *DIALLED, *KINDS,
    *trial_memory.OWNED, "discounts", *CARRIED,
)  # fmt: skip
# The same columns under the names that ``rating.trace.Facts`` has for them.
ALIASES: Final = {
    "to": "zone", "other_zone": "zone", "served_zone": "from", "home_zone": "home",
    "other_e164": "number", "routing_e164": "routing", "utc_offset_s": "offset",
    "duration_s": "duration", "up_bytes": "up", "down_bytes": "down", "event_count": "events",
}  # fmt: skip
_INDEXED: Final = (
    ("relation", "relation_index", "relations"),
    ("home_relation", "home_relation_index", "relations"),
    ("zone", "other_zone_index", "zones"),
    ("from", "served_zone_index", "zones"),
    ("home", "home_zone_index", "zones"),
    ("access_code", "access_code_index", "access_codes"),
    ("carrier", "carrier_index", "carriers"),
)
FLAGS: Final = (
    ("on_net", codes.FLAG_ON_NET),
    ("special", codes.FLAG_SPECIAL),
    ("same_place", codes.FLAG_SAME_PLACE),
    ("friend", codes.FLAG_FRIEND),
    ("group", codes.FLAG_GROUP),
)
_BOUNDARY_FLAGS: Final = np.array(
    [0, codes.FLAG_BOUNDARY, codes.FLAG_BOUNDARY | codes.FLAG_BOUNDARY_INTER], np.int64
)


@dataclass(frozen=True)
class Vocabulary:
    """The words that calls may use, in the order in which columns point at them."""

    zones: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    access_codes: tuple[str, ...] = ()
    carriers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Context:
    """A book that is ready to price calls.

    plan: of calls that name none; "": each must. plans: what ``plan_index`` points into; of the
    book, and of another one that prices the same calls. guiding: an operator's network, for calls
    that say who was served.
    """

    book: Book
    compiled: CompiledBook
    words: Vocabulary
    plan: str = ""
    maxima: Maxima | None = None
    plans: tuple[Plan, ...] = ()
    guiding: Guiding | None = None


def read(source: Path | bytes, shown: str, problems: Problems) -> Table:
    """A calls file, or its bytes, with all of COLUMNS; what cannot be read is noted."""
    optional = (*(name for name in COLUMNS if name != "start"), *ALIASES)
    read_from = parse_table if isinstance(source, bytes) else load_table
    table = read_from(source, ("start",), optional, problems, shown)  # type: ignore[arg-type]
    columns = {name: table[name] for name in COLUMNS}
    for alias, name in ALIASES.items():
        if cells.is_blank(table[alias]):
            continue
        if not cells.is_blank(columns[name]):
            problems.add((shown, 1), f"both '{name}' and '{alias}' are given, which are the same",
                         f"'{name}'", f"remove the column '{alias}'")
        columns[name] = table[alias]
    # A call that is only sold has no other plan of its own.
    columns["plan"] = pc.if_else(pc.equal(columns["plan"], ""), columns["sell"], columns["plan"])
    if not len(table) and not problems.errors:
        problems.add((shown, 0), "the file has no call", "one call a line", "add a call")
    return Table(shown, columns, table.lines)


def words_of(book: Book) -> Vocabulary:
    """The words that the book itself uses."""
    versions = [version for plan in book.plans for version in plan.versions]
    whens = [rule.when for version in versions for rule in version.rules]
    whens += [item.when for version in versions for item in items_of(version)]
    whens += [discount.when for discount in book.discounts]
    charges = [charge for version in versions for rule in version.rules for charge in rule.charges]
    decks = [zone for version in versions for deck in version.decks for zone, _ in deck.rates]
    named = [word for charge in charges
             for word, _ in (*charge.by_relation, *charge.by_home_relation)]  # fmt: skip

    def distinct(*lists: Sequence[str]) -> tuple[str, ...]:
        words = dict.fromkeys(word for words in lists for word in words)
        return tuple(word for word in words if word not in ("*", "none"))

    return Vocabulary(
        zones=distinct(*(w.to_zone + w.from_zone + w.home_zone for w in whens), decks),
        relations=distinct(*(w.relation + w.home_relation for w in whens), named),
        access_codes=distinct(*(w.access_code for w in whens)),
        carriers=distinct(*(w.carrier for w in whens)),
    )


def extended(words: Vocabulary, table: Table, problems: Problems) -> Vocabulary:
    """The words of a book without an operator, and those that only the calls use.

    Such a word is warned of where the book has others of its kind: it may be a slip.
    """
    found = {field.name: list(getattr(words, field.name)) for field in fields(words)}
    for name, _, kind in _INDEXED:
        known = getattr(words, kind)
        for word in pc.unique(table[name]).to_pylist():
            if word and word not in found[kind]:
                found[kind].append(word)
                if known and kind != "zones":
                    problems.warn((table.shown, _first_line(table, name, word)),
                                  f"{name} is '{word}', which nothing in the book names",
                                  ", ".join(known), did_you_mean(word, known, "check the word"))
    return Vocabulary(**{kind: tuple(listed) for kind, listed in found.items()})


def _first_line(table: Table, name: str, word: str) -> int:
    return int(table.lines[pc.index(table[name], word).as_py()])


def joined(*several: Vocabulary) -> Vocabulary:
    """The words of all of them."""
    return Vocabulary(**{
        field.name: tuple(dict.fromkeys(word for one in several
                                        for word in getattr(one, field.name)))
        for field in fields(Vocabulary)
    })  # fmt: skip


def prepare(
    book: Book, words: Vocabulary, plan: str = "", maxima: Maxima | None = None,
    plans: Sequence[Plan] = (), guiding: Guiding | None = None,
) -> Context:  # fmt: skip
    """Compile a book to price calls with; raises Refused if it could overflow."""
    plans = tuple(plans or book.plans)
    clocks: dict[str, str] = {}
    if guiding is not None:
        zones = guiding.network.zones
        clocks = dict(zip(zones.ids, zones.time_zones, strict=True))
    compiled = compile_book(
        book, words.zones, words.relations, words.access_codes,
        [one.plan_id for one in plans], maxima, words.carriers,
        [clocks.get(zone, "") for zone in words.zones],
    )  # fmt: skip
    only = plans[0].plan_id if len(plans) == 1 else ""
    return Context(book, compiled, words, plan or only, maxima, plans, guiding)


def usages(table: Table, context: Context, problems: Problems) -> list[pa.RecordBatch]:
    """The calls as batches of ``schemas.USAGE``; ``record_id`` is the line of the file."""
    names = [*table.columns]
    batches = []
    for low in range(0, len(table), BATCH_ROWS):
        high = min(low + BATCH_ROWS, len(table))
        part = Table(table.shown, {name: table[name].slice(low, high - low) for name in names},
                     table.lines[low:high])  # fmt: skip
        batches.append(_usage(part, context, problems))
    return batches


def _usage(table: Table, context: Context, problems: Problems) -> pa.RecordBatch:
    """One batch: guided where the calls name who was served, else by the facts that they state."""
    if context.guiding is not None and not cells.is_blank(table["served"]):
        return guided(table, context.plans, context.plan, context.guiding, problems)
    _refuse_dialled(table, context, problems)
    found = stated(table, context.plans, context.plan, problems) | {
        "roaming": cells.coded(table, "roaming", codes.ROAMINGS, codes.HOME, problems),
        "other_e164": cells.numbers(table, "number", problems),
        "routing_e164": cells.numbers(table, "routing", problems),
        **{column: cells.coded(table, name, getattr(context.words, kind), -1, problems)
           for name, column, kind in _INDEXED},
    }  # fmt: skip
    found["flags"] = _flags(table, found, problems)
    return batch_of(found, len(table))


def _refuse_dialled(table: Table, context: Context, problems: Problems) -> None:
    """Numbers as they were dialled need an operator's network, and who dialled them."""
    for name in DIALLED:
        if not cells.is_blank(table[name]):
            where = "no operator.yaml says how" if context.guiding is None else "'served' is empty"
            problems.add((table.shown, 1),
                         f"'{name}' is to be looked up in the network, and {where}",
                         "served and the other columns of guiding, in a workspace; or the facts "
                         "themselves: relation, zone, roaming ...",
                         "give the facts, or price by a workspace with the column 'served'")
            return


def _flags(
    table: Table, found: Mapping[str, np.ndarray], problems: Problems
) -> np.ndarray:
    boundary = cells.coded(table, "boundary", codes.BOUNDARIES, 0, problems)
    flags: np.ndarray = _BOUNDARY_FLAGS[boundary]
    flags = flags | codes.FLAG_ACCESS_CODE * (found["access_code_index"] >= 0)
    flags |= codes.FLAG_ROUTED * (found["routing_e164"] > 0)
    for name, bit in FLAGS:
        flags |= bit * cells.yes_or_no(table, name, problems)
    return flags


def priced(
    batches: Sequence[pa.RecordBatch], context: Context, calls: Table | None = None,
    problems: Problems | None = None,
) -> Iterator[pa.RecordBatch]:  # fmt: skip
    """Each batch of usage as ``schemas.RATED``.

    calls, problems: where they come from, for a book that remembers: calls of one customer share
    what he has. Without them each call is priced as if nothing had been used before it.
    """
    if context.compiled.memory is not None and calls is not None and problems is not None:
        yield from trial_memory.priced(batches, calls, context.compiled, problems)
        return
    for batch in batches:
        yield rate(batch, context.compiled).batch


def facts_of(batch: pa.RecordBatch, row: int, context: Context) -> tuple[str, trace.Facts]:
    """The plan of one call, "" for none, and its facts in words, for ``rating.trace``."""
    plan = int(ints(batch, "plan_index")[row])
    carrier = int(ints(batch, "carrier_index")[row])
    facts = trace.facts_of(batch, row, context.compiled)
    if carrier >= 0:
        facts = replace(facts, carrier=context.words.carriers[carrier])
    return context.plans[plan].plan_id if plan >= 0 else "", facts
