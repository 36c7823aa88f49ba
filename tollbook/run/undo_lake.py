"""Taking records out of the lake: its files are written anew without them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa

from tollbook import clock, reasons
from tollbook.codes import SERVICE_CODE
from tollbook.run import index, lake, moves, rewriting, suspense_log, undo_state
from tollbook.run.catalogue import LakeFile, Run, Total
from tollbook.run.pool import in_order
from tollbook.run.session import Session
from tollbook.run.totals import disposition_of
from tollbook.run.undo_survey import Survey

_LOW: Final = 2**32 - 1
_REWRITTEN: Final = ("rated", "legs", "ratings", "uncharged", index.DATASET)


@dataclass
class Out:
    """Files that were written, what left (totals, as minus), rows that are rated again, and what
    rated rows had used of balances (``undo_state.used_by``)."""

    files: list[LakeFile] = field(default_factory=list)
    totals: list[Total] = field(default_factory=list)
    again: list[pa.Table] = field(default_factory=list)
    used: list[pa.Table] = field(default_factory=list)


def rewrite(session: Session, planned: Run, found: Survey) -> Out:
    """The lake's files without the records that go."""
    files = [one.file for one in found.of(*_REWRITTEN)]
    session.progress.start("withdraw", sum(file.rows for file in files))

    def one(file: LakeFile) -> tuple[LakeFile | None, Out]:
        out = Out()
        gone = partial(_gone, file.dataset, found, out)
        kept = rewriting.without(
            session.root, session.lake_prefix, planned.run_number, file, gone
        )
        return kept, out

    whole = Out()
    for file, (kept, out) in zip(files, in_order(session.threads, one, files), strict=True):
        whole.files += [] if kept is None else [kept]
        whole.totals += out.totals
        whole.again += out.again
        whole.used += out.used
        session.progress.advance(file.rows)
    return whole


def _gone(dataset: str, found: Survey, out: Out, rows: pa.Table) -> np.ndarray:
    """Which rows of a lake file go (bool); notes in ``out`` what that means."""
    ids = rows.column("record_id").to_numpy()
    if dataset == index.DATASET:
        return found.unknown.mask(ids)
    mask = found.gone.mask(ids)
    if dataset in ("rated", "uncharged") and mask.any():
        leaving = rows.filter(pa.array(mask))
        out.totals += of_rows(leaving, -1)
        out.used += [undo_state.used_by(leaving)] if dataset == "rated" else []
    if dataset == "uncharged":
        again = np.isin(ids, found.again.stored)
        if again.any():
            out.again.append(rows.filter(pa.array(again)))
    return mask


def out_of_suspense(session: Session, planned: Run, found: Survey) -> Out:
    """The same for suspense, whose log tells of it; and the totals of parts that wait."""
    taken = []
    for one in found.of("suspense"):
        table = lake.read(session.root, one.file)
        mask = found.gone.mask(table.column("record_id").to_numpy())
        taken.append(moves.take(one.file, table, mask))
    out = Out(moves.rewrite(
        session, planned.run_number, ((moves.judge_of(one.file), one.staying) for one in taken)
    ))  # fmt: skip
    out.files += suspense_log.write(session, planned.run_number, [
        suspense_log.entries(one.rows, planned, suspense_log.WITHDRAWN) for one in taken
    ])  # fmt: skip
    out.totals += [total for one in taken for total in of_rows(one.rows, -1)]
    for one in found.of("pending"):
        table = lake.read(session.root, one.file)
        mask = found.gone.mask(table.column("record_id").to_numpy())
        out.totals += of_rows(table.filter(pa.array(mask)), -1)
    return out


def of_rows(rows: pa.Table, sign: int) -> list[Total]:
    """Rows of ``rated``, ``suspense``, ``pending`` or ``uncharged`` as control totals."""
    count = rows.num_rows
    code, words = np.zeros(count, np.int64), []
    columns = [
        pa.array(rows.column("record_id").to_numpy() >> 32),
        *(rows.column(name).cast(pa.string()).combine_chunks() if name in rows.column_names
          else pa.repeat(pa.scalar(""), count) for name in ("usage_period", "reason", "service")),
    ]
    for column in columns:
        column = pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
        coded = column.dictionary_encode()
        words.append(coded.dictionary.to_pylist())
        code = code * len(words[-1]) + coded.indices.to_numpy()
    charge = np.zeros(count, np.int64)
    if "charge_micro" in rows.column_names:
        charge = rows.column("charge_micro").to_numpy()
    order = np.argsort(code, kind="stable")
    begins = np.flatnonzero(np.diff(code[order], prepend=-1))
    # Summed in two halves: a sum of many charges may exceed int64.
    high, low = (np.add.reduceat(half[order], begins) for half in (charge >> 32, charge & _LOW))
    found = []
    for at, size in enumerate(np.diff(begins, append=count).tolist()):
        rest, key = int(code[order[begins[at]]]), []
        for names in reversed(words):
            rest, place = divmod(rest, len(names))
            key.append(names[place])
        service, reason, month, file = key
        number = reasons.CODE[reason] if reason else 0
        micro = (int(high[at]) << 32) + int(low[at])
        found.append(Total(
            file, (clock.parse_period(month) or 0) if month else 0, number, SERVICE_CODE[service],
            disposition_of(number), sign * size, sign * micro,
        ))  # fmt: skip
    return found
