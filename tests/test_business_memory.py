"""Business cases of what a price remembers: books in text, records night by night, by hand."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from datetime import date, datetime
from fractions import Fraction
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import reference_memory
from made_memory import KINDS, MAXIMA, Rig, World
from reference_slots import Event

from rating.memory import State
from rating.trace import Facts
from tariffs import book as books
from tariffs.compiler import compile_book
from tariffs.model import Book
from tollbook.text import Problems

FOLDER = Path(__file__).parent / "business" / "memory"
ZONE = "Asia/Shanghai"
ZONES, RELATIONS = ("010",), ("local", "toll", "abroad", "other", "fair", "home")
UNITS = {"s": 1, "KiB": 1024}
Cells = Mapping[str, str]


def lines(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


@cache
def opened() -> tuple[Book, Rig]:
    problems = Problems()
    known = books.Known(ZONES, RELATIONS, (), currency="CNY", time_zone=ZONE)
    book = books.load(FOLDER / "book", problems, known)
    problems.refuse_if_any()
    assert book is not None
    plans = [plan.plan_id for plan in book.plans]
    compiled = compile_book(book, ZONES, RELATIONS, (), plans, MAXIMA)
    rows = tuple(
        (row["subscription"], row["account"], row["plan"], date.fromisoformat(row["from"]),
         date.fromisoformat(row["to"])) for row in lines("rows.csv")
    )  # fmt: skip
    groups = {row["account"]: row["group"] for row in lines("rows.csv")}
    return book, Rig(compiled, World(rows, groups))


def event_of(number: int, cells: Cells, rig: Rig) -> Event:
    start = datetime.fromisoformat(cells["start"]).replace(tzinfo=ZoneInfo(ZONE))
    row = next(row for row in rig.world.rows if row[0] == cells["subscription"]
               and row[3] <= start.date() < row[4])  # fmt: skip
    size, unit = re.fullmatch(r"(\d+)(\w+)", cells["used"]).groups()
    quantity = int(size) * UNITS[unit]
    more = dict(part.split("=") for part in cells["more"].split())
    facts = Facts(
        "voice" if unit == "s" else "data", "out", int(start.timestamp()),
        relation=more.get("relation", ""), on_net="on_net" in more,
        duration_s=quantity * (unit == "s"), up_bytes=quantity * (unit != "s"),
    )  # fmt: skip
    owners = dict(zip(KINDS, (row[0], row[1], rig.world.group_of[row[1]]), strict=True))
    return Event(number, 7, row[2], owners, start.date().replace(day=1), facts)


def used_of(told: tuple[object, ...]) -> str:
    return ";".join(f"{item.split('/')[2]} {before}+{taken}" for item, _, before, taken in told[2])


def test_records_come_to_what_was_worked_out_by_hand() -> None:
    """Night by night, with the state of the night before; the last line of a night comes first."""
    book, rig = opened()
    cases = lines("records.csv")
    state, wrong = State.empty(), []
    twin = reference_memory.Twin(book, MAXIMA, rig.world.terms())
    for night in sorted({cells["night"] for cells in cases}):
        events = {
            number: event_of(number, cells, rig) for number, cells in enumerate(cases)
            if cells["night"] == night
        }  # fmt: skip
        found, state = rig.rate([*events.values()][::-1], state)
        naive = twin.rate([*events.values()])
        for number in events:
            cells, told = cases[number], found[number]
            charge = Fraction(sum(told[1].values()), 10**6)
            if told[0] or charge != Fraction(cells["expect"]) or used_of(told) != cells["uses"]:
                wrong.append(f"{cells['subscription']} {cells['start']}: {told[0]} {float(charge)} "
                             f"{used_of(told)}, expected {cells['expect']} {cells['uses']}")
            assert (naive[number].reason, naive[number].used) == (told[0], told[2])
            assert sum(naive[number].charges.values()) == sum(told[1].values())
    assert not wrong, "\n" + "\n".join(wrong)


def test_every_case_says_how_its_figure_was_obtained() -> None:
    assert all(cells["arithmetic"] for cells in lines("records.csv"))
