"""Balances that the lake holds against the items of a book: a name goes on, its meaning must too.

Between two versions of a plan the book's own check sees to that. A file that is changed in place
has no version before it but what its balances were counted in.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from tariffs.compile_memory import MemoryTables
from tariffs.memory_model import OWNERS
from tollbook.run import lake
from tollbook.run.catalogue import LakeFile
from tollbook.run.session import Session
from tollbook.run.state import DATASET
from tollbook.text import Problems


def check(session: Session, memory: MemoryTables | None) -> None:
    """Raises Refused with every item that has balances in another unit, of another span or of other
    owners than it has in the book of today."""
    files = session.catalogue.lake_files(DATASET)
    if memory is None or not files:
        return
    today = {
        name: (OWNERS[owner], counts) for name, owner, counts
        in zip(memory.item_names, memory.item_owners, memory.item_counts, strict=True)
    }  # fmt: skip
    problems = Problems()
    for item, stored in sorted(_stored(session, files)):
        is_now = today.get(item, stored)
        if is_now == stored:
            continue
        plan, kind, name = item.split("/", 2)
        problems.add(
            (f"tariffs, plan {plan}", 0),
            f"{kind} '{name}' counts {_words(is_now)}; it has balances that count {_words(stored)}",
            "an item that goes on as it was begun",
            "give it another name, or put it back; or `tollbook rerate --period` of the months "
            "in which it was wrong, which draws their balances up anew",
        )
    problems.refuse_if_any("nothing was read")


def _stored(session: Session, files: list[LakeFile]) -> set[tuple[str, tuple[str, str]]]:
    """Item, owner and what it counts, of all balances in the lake."""
    return {found for file in files for found in _distinct(lake.read(
        session.root, file, ["item", "owner_kind", "counts"]
    ))}  # fmt: skip


def _distinct(rows: pa.Table) -> Iterator[tuple[str, tuple[str, str]]]:
    plain = pa.table({name: rows.column(name).cast(pa.string()) for name in rows.schema.names})
    for row in plain.group_by(rows.schema.names).aggregate([]).to_pylist():
        yield row["item"], (row["owner_kind"], row["counts"])


def _words(meaning: tuple[str, str]) -> str:
    """``seconds in a month for a subscription``."""
    owner, counts = meaning
    unit, span, *days = counts.split("/")
    shown = {"days": f"{days[0]} days" if days else "", "once": "its time"}.get(span, f"a {span}")
    return f"{unit if unit == 'money' else unit + 's'} in {shown} for each {owner}"
