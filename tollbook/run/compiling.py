"""The first start on a machine: a process beside it compiles what the night comes to later.

Numba compiles one function at a time in a process, and all that a night needs takes half a minute.
The night itself begins with the decoder; meanwhile the kernels behind it are compiled here, called
on a few made-up rows of the sample operator. What one process has compiled the other finds on the
disk. Nothing depends on it: a kernel that is not there when the night comes to it, the night
compiles.
"""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from rating import duplicates, legs, normalise, rate, reference, slow_kernels
from rating.find_kernels import Rated, Usage
from rating.reference import Reference
from tariffs import compiler
from tariffs.compiler import CompiledBook
from tollbook import jit, sample, schemas
from tollbook.run import data, memory
from tollbook.run.exchange import Exchange
from tollbook.run.pool import cores
from tollbook.run.progress import Progress
from tollbook.stage import ints

ROWS: Final = 4
LINES: Final = 500  # of the sample operator
_BUDGET_BYTES: Final = 1 << 20
_AMONG: Final = "compiling"  # a file in the folder of the kernels, locked while somebody does it


def is_due() -> bool:
    """Whether this machine has none of the kernels yet."""
    return not jit.is_off() and not jit.is_compiled("price_rows")


def begin(progress: Progress) -> None:
    """Say so if this machine has none of the kernels yet, and start the process if it has a core to
    spare. It ends by itself, and is not waited for.
    """
    if not is_due():
        return
    progress.say("first run on this machine: compiling the kernels, about 20 s, once")
    if cores() < 2 or not hasattr(os, "posix_spawn"):
        return
    try:
        jit.CACHE_FOLDER.mkdir(parents=True, exist_ok=True)
        with (jit.CACHE_FOLDER / _AMONG).open("a") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _start(mark.fileno())
    except OSError:  # somebody is at it, or it cannot be
        return


def _start(mark: int) -> None:
    """A process that shares the lock on ``mark``, which is free again however that one ends."""
    quiet = [(os.POSIX_SPAWN_OPEN, handle, os.devnull, os.O_RDWR, 0) for handle in range(3)]
    arguments = [sys.executable, "-P", "-m", "tollbook.run.compiling", str(os.getpid())]
    # The modules of this process, and none that lie where it happens to work.
    where = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    os.set_inheritable(mark, True)
    os.posix_spawn(sys.executable, arguments, where, file_actions=quiet)


def main(parent: int) -> None:
    """Compile one kernel after the other, as long as the process that asked for them lives."""
    memory.set_up()
    for _ in compiled_later():
        if os.getppid() != parent:
            return


def compiled_later() -> Iterator[None]:
    """Calls what a night comes to behind its decoder, in an order in which they seldom meet."""
    facts, book, agreements = _sample()
    usage = _few(schemas.USAGE)
    with tempfile.TemporaryDirectory() as folder:
        for schema in (schemas.USAGE, schemas.DUPLICATE_KEY):
            rows = _few(schema)
            kept = Exchange(schema, ROWS, _BUDGET_BYTES, Path(folder))
            kept.add((1, 0), rows, np.arange(ROWS, dtype=np.int16))
            kept.collect(0, ROWS)
            kept.split(0, ROWS, np.zeros(1, np.int64))
            kept.close()
            yield
    normalise.normalise(_few(schemas.CDR), facts)
    yield
    rated = rate.rate(usage, book)
    yield
    _price_crossing(book, usage)
    yield
    legs.settle(rated.batch, agreements)
    yield
    keys = duplicates.keys_of(usage, facts)
    duplicates.decide(keys, None, facts)
    yield


def _sample() -> tuple[Reference, CompiledBook, legs.CompiledAgreements]:
    """What the stages need, compiled from the sample operator."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "sample"
        sample.write_sample(root, LINES)
        found = data.load(root)
    space, net, plans = found.workspace, found.network, found.customers.plan_ids
    facts = reference.build(space, net, found.customers, 0, 0, plans)
    book = compiler.compile_book(
        found.book, net.zones.ids, net.relations, space.numbering.access_codes, plans
    )
    dated = legs.compile_agreements(found.agreements, net, space.operator.time_zone)
    return facts, book, dated


def _few(schema: pa.Schema) -> pa.RecordBatch:
    """Rows that differ: numbers 0 to ROWS - 1, and texts of so many digits."""
    made: dict[str, Any] = {}
    for field in schema:
        if pa.types.is_integer(field.type):
            made[field.name] = pa.array(range(ROWS), field.type)
        else:
            made[field.name] = pa.array(["1" * row for row in range(ROWS)], field.type)
    return pa.RecordBatch.from_arrays([*made.values()], schema=schema)


def _price_crossing(book: CompiledBook, usage: pa.RecordBatch) -> None:
    """The kernel of rows that cross borders, for none."""
    index, rows = np.zeros(0, np.int32), np.zeros(0, np.int64)
    micro = np.zeros((len(book.components), 0), np.int64)
    out = Rated(np.zeros(0, np.int16), index, index.copy(), micro, rows.copy())
    columns = Usage(*(ints(usage, name) for name in Usage._fields))
    slow_kernels.price_crossing(book.tables, columns, rate.FAULTS, out, rows)


if __name__ == "__main__":
    main(int(sys.argv[1]))
