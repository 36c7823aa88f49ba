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

from rating import trace
from rating import trial_cells as cells
from rating.rate import rate
from tariffs.compile_rates import Maxima
from tariffs.compiler import CompiledBook, compile_book
from tariffs.model import UNITS, Book, Plan
from tollbook import codes, schemas
from tollbook.clock import DAY_S, EPOCH_DAY
from tollbook.columns import Table, is_empty, load_table
from tollbook.stage import int_array, ints
from tollbook.text import Problems, did_you_mean

BATCH_ROWS: Final = 131_072
# Columns of a calls file; all but `start` may be absent, and an absent or empty cell is a default.
FACTS: Final = (
    "relation", "zone", "from", "home", "home_relation", "roaming", "access_code", "on_net",
    "special", "same_place", "boundary", "forward", "friend", "group", "carrier", "number",
    "routing", "offset",
)  # fmt: skip
USED: Final = ("used", "duration", "up", "down", "events")
CARRIED: Final = ("expect", "arithmetic")
COLUMNS: Final = ("name", "plan", "service", "direction", "start", *USED, *FACTS, *CARRIED)
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
_FLAGS: Final = (
    ("on_net", codes.FLAG_ON_NET),
    ("special", codes.FLAG_SPECIAL),
    ("same_place", codes.FLAG_SAME_PLACE),
    ("friend", codes.FLAG_FRIEND),
    ("group", codes.FLAG_GROUP),
)
_BOUNDARY_FLAGS: Final = np.array(
    [0, codes.FLAG_BOUNDARY, codes.FLAG_BOUNDARY | codes.FLAG_BOUNDARY_INTER], np.int64
)
_UNIT: Final = np.array([0, *(codes.QUANTITY_UNIT[code] for code in range(1, 7))], np.int8)


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
    book, and of another one that prices the same calls.
    """

    book: Book
    compiled: CompiledBook
    words: Vocabulary
    plan: str = ""
    maxima: Maxima | None = None
    plans: tuple[Plan, ...] = ()


def read(path: Path, shown: str, problems: Problems) -> Table:
    """A calls file with all of COLUMNS; what cannot be read is noted."""
    table = load_table(path, ("start",), (*(c for c in COLUMNS if c != "start"), *ALIASES),
                       problems, shown)  # fmt: skip
    columns = {name: table[name] for name in COLUMNS}
    for alias, name in ALIASES.items():
        if cells.is_blank(table[alias]):
            continue
        if not cells.is_blank(columns[name]):
            problems.add((shown, 1), f"both '{name}' and '{alias}' are given, which are the same",
                         f"'{name}'", f"remove the column '{alias}'")
        columns[name] = table[alias]
    if not len(table) and not problems.errors:
        problems.add((shown, 0), "the file has no call", "one call a line", "add a call")
    return Table(shown, columns, table.lines)


def words_of(book: Book) -> Vocabulary:
    """The words that the book itself uses."""
    whens = [rule.when for plan in book.plans for one in plan.versions for rule in one.rules]
    charges = [charge for plan in book.plans for one in plan.versions for rule in one.rules
               for charge in rule.charges]  # fmt: skip
    decks = [zone for plan in book.plans for one in plan.versions for deck in one.decks
             for zone, _ in deck.rates]  # fmt: skip
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
    plans: Sequence[Plan] = (),
) -> Context:  # fmt: skip
    """Compile a book to price calls with; raises Refused if it could overflow."""
    plans = tuple(plans or book.plans)
    compiled = compile_book(
        book, words.zones, words.relations, words.access_codes,
        [one.plan_id for one in plans], maxima, words.carriers,
    )  # fmt: skip
    only = plans[0].plan_id if len(plans) == 1 else ""
    return Context(book, compiled, words, plan or only, maxima, plans)


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
    plans = context.plans
    default = next((i for i, one in enumerate(plans) if one.plan_id == context.plan), -1)
    plan = cells.coded(table, "plan", [one.plan_id for one in plans], default, problems)
    table.report((plan < 0) & (np.asarray(pc.binary_length(table["plan"])) == 0),
                 lambda row: "the call names no plan, and the book has several",
                 ", ".join(one.plan_id for one in plans),
                 "fill in the column 'plan', or choose one for all with --plan",
                 problems)  # fmt: skip
    service = cells.coded(table, "service", codes.SERVICES[1:], codes.VOICE, problems, 1)
    found = {
        "record_id": table.lines.astype(np.int64),
        "plan_index": plan,
        "service": service,
        "direction": cells.coded(
            table, "direction", codes.DIRECTIONS[1:4], codes.OUT, problems, 1),
        "roaming": cells.coded(table, "roaming", codes.ROAMINGS, codes.HOME, problems),
        "forward_reason": cells.coded(table, "forward", codes.FORWARDS, 0, problems),
        "other_e164": cells.numbers(table, "number", problems),
        "routing_e164": cells.numbers(table, "routing", problems),
        "reason_field": np.full(len(table), -1, np.int64),
        **{column: cells.coded(table, name, getattr(context.words, kind), -1, problems)
           for name, column, kind in _INDEXED},
        **_used(table, service, problems),
    }  # fmt: skip
    zones = tuple(dict.fromkeys(v.time_zone for one in plans for v in one.versions))
    found["start_utc_s"], found["utc_offset_s"] = cells.starts(
        table, zones, lambda wall_s: _zones_of(wall_s, plan, plans, zones), problems
    )
    found["flags"] = _flags(table, found["access_code_index"], problems)
    return batch_of(found, len(table))


def _flags(table: Table, access_code: np.ndarray, problems: Problems) -> np.ndarray:
    boundary = cells.coded(table, "boundary", codes.BOUNDARIES, 0, problems)
    flags: np.ndarray = _BOUNDARY_FLAGS[boundary] | codes.FLAG_ACCESS_CODE * (access_code >= 0)
    for name, bit in _FLAGS:
        flags |= bit * cells.yes_or_no(table, name, problems)
    return flags


def _zones_of(
    wall_s: np.ndarray, plan: np.ndarray, plans: Sequence[Plan], zones: Sequence[str]
) -> np.ndarray:
    """The time zone of each row: that of its plan's version in force, else of the plan's first."""
    place = np.zeros(len(wall_s), np.int64)
    if len(zones) == 1:
        return place
    for index, one in enumerate(plans):
        rows = np.flatnonzero(plan == index)
        for number, version in enumerate(one.versions):
            since = version.valid_from.toordinal() - EPOCH_DAY if number else 0
            place[rows[wall_s[rows] >= since * DAY_S]] = zones.index(version.time_zone)
    return place


def _used(table: Table, service: np.ndarray, problems: Problems) -> dict[str, np.ndarray]:
    """Seconds, bytes and events of each call: from ``used``, or from columns of their own."""
    unit = _UNIT[service]
    found = {
        "duration_s": cells.quantities(table, "duration", "second", problems),
        "up_bytes": cells.quantities(table, "up", "byte", problems),
        "down_bytes": cells.quantities(table, "down", "byte", problems),
        "event_count": cells.quantities(table, "events", "event", problems),
    }
    used = table["used"]
    is_given = np.asarray(pc.greater(pc.binary_length(used), 0))
    own = {codes.SECONDS: "duration_s", codes.BYTES: "up_bytes", codes.EVENTS: "event_count"}
    for code, column in own.items():
        rows = np.flatnonzero((unit == code) & is_given)
        if len(rows):
            name = UNITS[code - 1]
            table.report(
                rows[found[column][rows] != 0],
                lambda row: f"used is '{table.cell('used', row)}', and its own column is given too",
                "one of the two", "leave `used` empty", problems,
            )  # fmt: skip
            part = Table(table.shown, {"used": used.take(pa.array(rows))}, table.lines[rows])
            own_columns = ("up_bytes", "down_bytes") if code == codes.BYTES else (column,)
            values = (_volumes(part, problems) if code == codes.BYTES
                      else (cells.quantities(part, "used", name, problems),))  # fmt: skip
            for one, value in zip(own_columns, values, strict=True):
                found[one] = found[one].copy()
                found[one][rows] = value
    is_event = (unit == codes.EVENTS) & ~is_given & is_empty(table["events"])
    found["event_count"] = np.where(is_event, 1, found["event_count"])
    total = (unit == codes.SECONDS) & is_empty(table["duration"])
    total |= (unit == codes.BYTES) & is_empty(table["up"]) & is_empty(table["down"])
    table.report(total & ~is_given, lambda row: "used is empty",
                 "how much was used: seconds of a call, bytes of a session; 0 if it was nothing",
                 "fill in the column 'used'", problems)  # fmt: skip
    return found


def _volumes(table: Table, problems: Problems) -> tuple[np.ndarray, np.ndarray]:
    """``100+200`` as bytes up and down; one number alone is bytes up."""
    column = table["used"]
    if not pc.any(pc.match_substring(column, "+")).as_py():
        return cells.quantities(table, "used", "byte", problems), np.zeros(len(table), np.int64)
    ends = pc.extract_regex(column, r"^(?P<up>[^+]+)\+?(?P<down>[^+]*)$")
    up = pc.fill_null(pc.struct_field(ends, "up"), "?")  # noted below as what it is
    down = pc.fill_null(pc.struct_field(ends, "down"), "")
    read = [cells.quantities(Table(table.shown, {"used": part}, table.lines), "used", "byte",
                             problems) for part in (up, down)]  # fmt: skip
    return read[0], read[1]


def batch_of(columns: Mapping[str, np.ndarray], count: int) -> pa.RecordBatch:
    """A batch of ``schemas.USAGE``: the columns given, zeros and empty texts for the others."""
    arrays = []
    zeros = pa.py_buffer(np.zeros(count + 1, np.int64))
    for field in schemas.USAGE:
        if field.name in columns:
            values = columns[field.name].astype(field.type.to_pandas_dtype(), copy=False)
            arrays.append(int_array(np.ascontiguousarray(values)))
        elif pa.types.is_string(field.type):
            arrays.append(pa.Array.from_buffers(field.type, count, [None, zeros, zeros]))
        else:
            arrays.append(pa.Array.from_buffers(field.type, count, [None, zeros]))
    return pa.RecordBatch.from_arrays(arrays, schema=schemas.USAGE)


def priced(batches: Sequence[pa.RecordBatch], context: Context) -> Iterator[pa.RecordBatch]:
    """Each batch of usage as ``schemas.RATED``."""
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
