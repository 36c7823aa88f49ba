"""The trace of suspense: a row for everything that a person did about a record that waited.

``lake/suspense_log/run-<n>/log.parquet``, written by the run that did it and never superseded, so
that what became of a record can be told after it has left suspense, and undone by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from tollbook import codes, reasons, schemas
from tollbook.run import lake, records
from tollbook.run.catalogue import LakeFile, Run
from tollbook.run.records import Found
from tollbook.run.session import Session

DATASET: Final = "suspense_log"
RETRIED, CORRECTED, DISCARDED = "retried", "corrected", "discarded"
WITHDRAWN: Final = "withdrawn"  # its whole file was
NOTE_CHARACTERS_MAX: Final = 500
NOTE_RULE: Final = f"1 to {NOTE_CHARACTERS_MAX} printable characters that say why"


def is_note(text: str) -> bool:
    """Whether a text says anything that can be kept."""
    return bool(text.strip()) and len(text) <= NOTE_CHARACTERS_MAX and text.isprintable()


def entries(
    table: pa.Table, run: Run, action: str, more: Mapping[str, Sequence[str]] | None = None
) -> pa.Table:
    """Rows of ``schemas.SUSPENSE_LOG``, one for each suspended row, as it was before the action.

    more: further text columns, beside the rows. The run's arguments name who asked, and may hold
    a note for all rows.
    """
    rows = table.num_rows
    texts = {"action": action, "who": str(run.arguments.get("who", "")),
             "note": str(run.arguments.get("note", ""))}  # fmt: skip
    columns: dict[str, Any] = {
        name: pa.repeat(pa.scalar(text), rows) for name, text in texts.items()
    }
    for name in ("field", "old", "new"):
        columns[name] = pa.repeat(pa.scalar(""), rows)
    columns |= {name: pa.array(list(texts), pa.string()) for name, texts in (more or {}).items()}
    columns["run_number"] = pa.array(np.full(rows, run.run_number, np.int32))
    columns["at_utc_s"] = pa.array(np.full(rows, run.as_of_utc_s, np.int64))
    for name in ("record_id", "reason", "tries", "raw_record"):
        columns[name] = table.column(name)
    return pa.table([columns[name] for name in schemas.SUSPENSE_LOG.names],
                    names=schemas.SUSPENSE_LOG.names).cast(schemas.SUSPENSE_LOG)  # fmt: skip


def write(session: Session, run_number: int, logged: Iterable[pa.Table]) -> list[LakeFile]:
    """The run's part of the log (pending), by record; none if nothing was done."""
    tables = [table for table in logged if table.num_rows]
    if not tables:
        return []
    whole = pa.concat_tables(tables)
    order = np.argsort(whole.column("record_id").to_numpy(), kind="stable")
    path = lake.relative_path(DATASET, "", run_number, "log")
    writer = lake.Writer(session.root, f"{session.lake_prefix}/{path}", run_number, DATASET, 0)
    writer.write(whole.take(pa.array(order)).combine_chunks())
    return [writer.close()]


@dataclass(frozen=True)
class History:
    """What became of a record: how it came, what was done about it, where it is now."""

    record_id: int
    first_reason: str  # why it was suspended first; empty: it never was
    entries: tuple[dict[str, Any], ...]  # rows of the log, oldest first
    now: Found

    @property
    def fate(self) -> str:
        """Where the record is now, in words."""
        if self.now.dataset == "rated":
            return "rated"
        reason = reasons.BY_CODE[reasons.CODE[self.now.row["reason"]]]
        return f"{codes.DISPOSITIONS[reason.disposition]}: {reason.name}"


def history(session: Session, record_id: int) -> History:
    """The trace of a record; raises NotFound if the workspace has never read it."""
    now = records.find(session, record_id)
    found = tuple(of_record(session, record_id))
    reason = str(now.row["reason"]) if now.dataset == "suspense" else ""
    return History(record_id, str(found[0]["reason"]) if found else reason, found, now)


def of_record(session: Session, record_id: int) -> list[dict[str, Any]]:
    """The log's rows about a record, oldest first."""
    first_run = session.catalogue.file(record_id >> 32).run_number
    return [
        row for file in session.catalogue.lake_files(DATASET) if file.run_number >= first_run
        for row in records.rows_in(session.root / file.path, record_id)
    ]  # fmt: skip
