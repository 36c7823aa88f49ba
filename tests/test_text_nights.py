"""Nights on every kind of text: the same calls cost the same, whatever their file looks like."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

import calls
import pytest
from calls import ANN, BOB, NOBODY, Call, Lake

# Plan easy: 0.60 for each minute begun, 0.15 a message.
MADE = (
    (Call(), "0.600000"),
    (Call(served=BOB, duration=61, start="2003-06-10T10:05:00+08:00"), "1.200000"),
    (Call(service="sms", events=1, duration=0, start="2003-06-10T10:06:00+08:00"), "0.150000"),
    (Call(served=NOBODY, start="2003-06-10T10:07:00+08:00"), "subscription_missing"),
    (Call(duration="1:00", start="2003-06-10T10:08:00+08:00"), "integer_malformed"),
    (Call(duration=0, start="2003-06-10T10:09:00+08:00"), "duration_zero"),
    (Call(served=ANN, start="2003-06-10T10:00:00+08:00", cause=16), "record_duplicate"),
)
WIDTH = 26
NAMES = [one.name for one in fields(Call)]
TARGETS = {"served": "served_number", "other": "other_number"}


def columns(place: str) -> str:
    """Columns of a layout that stand at ``place``, with name, first and last byte filled in."""
    lines = []
    for number, name in enumerate(NAMES):
        first, last = number * WIDTH + 1, (number + 1) * WIDTH
        form = {"start": ", format: iso8601", "duration": ", unit: s"}.get(name, "")
        where = place.format(name=name, first=first, last=last)
        lines.append(f"  - {{{where}, to: {TARGETS.get(name, name)}{form}}}\n")
    return "columns:\n" + "".join(lines)


PLACES = {
    "delimited": "header: names\n" + columns("name: {name}"),
    "json": columns("path: call.{name}"),
    "fixed": columns("at: [{first}, {last}]"),
    "blocks": f"record_bytes: {WIDTH * len(NAMES)}\n" + columns("at: [{first}, {last}]"),
}


def record(kind: str, call: Call) -> str:
    """A call as a file of the kind has it."""
    if kind == "delimited":
        return call.line + "\n"
    if kind == "json":
        return json.dumps({"call": asdict(call)}) + "\n"
    texts = [str(value) for value in asdict(call).values()]
    if kind == "fixed":
        return "".join(text.ljust(WIDTH) for text in texts) + "\r\n"
    return "".join(text.rjust(WIDTH) for text in texts)


@pytest.mark.parametrize("kind", PLACES)
def test_a_night_on_each_kind(kind: str, tmp_path: Path) -> None:
    root = calls.make(tmp_path / "harbour")
    (root / "layouts").mkdir(exist_ok=True)
    head = f"layout: tollbook\nkind: {'fixed' if kind == 'blocks' else kind}\n"
    (root / "layouts" / "tollbook.yaml").write_text(head + PLACES[kind])
    path = calls.deliver(root, 1)
    head = calls.HEADER + "\n" if kind == "delimited" else ""
    path.write_text(head + "".join(record(kind, call) for call, _ in MADE), newline="")
    outcome = calls.run(root)
    assert (outcome.rows, outcome.refused) == (len(MADE), ())
    lake = Lake(root)
    found = {record & 0xFFFFFFFF: fate for (_, record), fate in lake.fates.items()}
    found |= {record & 0xFFFFFFFF: charge for record, charge in lake.charges.items()}
    assert [found[line] for line in sorted(found)] == [fate for _, fate in MADE]
    calls.audited(root)
