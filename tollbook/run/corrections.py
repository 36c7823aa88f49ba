"""Correcting suspended records: named fields get other values, and everything is written down.

A correction is a run of the kind ``correct``. It changes no fate: the record goes on waiting, with
``FLAG_CORRECTED`` and its tries counted anew, until a retry takes it through all checks. What was
there before stands in the log of suspense, and in the superseded files. A change without values
counts the tries anew, and no more.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from tollbook import clock, codes, reasons
from tollbook.errors import printable
from tollbook.run import commit, data, disk, moves, snapshots, suspended, suspense_log
from tollbook.run.catalogue import LakeFile, Run
from tollbook.run.correctable import FIELDS, RAW_RECORD, escaped, name_of
from tollbook.run.data import Data
from tollbook.run.decode_again import Decoder, Fault
from tollbook.run.records import record_text
from tollbook.run.session import Session, commit_plan, writing
from tollbook.run.totals import not_closed
from tollbook.text import Problems, did_you_mean

FOLDER: Final = "corrections"  # of the lake: what runs were asked to correct, by digest


@dataclass(frozen=True)
class Change:
    """What a person wants of a record: field -> its new value as written. at: for messages."""

    record_id: int
    values: Mapping[str, str]
    note: str
    at: tuple[str, int] = ("--set", 0)


@dataclass(frozen=True)
class Corrected:
    """What a correction has done. run_number 0: every value was so already."""

    run_number: int = 0
    records: int = 0
    fields: int = 0
    elapsed_ms: int = 0


@dataclass
class _Edited:
    """A suspense file with its corrected rows. columns: new values of the rows in ``mask``."""

    file: LakeFile
    table: pa.Table
    mask: np.ndarray
    columns: dict[str, list[Any]]
    logged: list[tuple[int, str, str, str, str]]  # row among the masked, field, old, new, note


def run(
    session: Session, ask: Callable[[Problems], Sequence[Change]], who: str,
    as_of_utc_s: int | None = None,
) -> Corrected:  # fmt: skip
    """Correct records; raises Refused, with all problems at once, before anything is written.

    ask: gives the changes, and notes what is wrong with them; called when nobody else can write.
    """
    with writing(session):
        problems, edited = Problems(), list[_Edited]()
        changes = ask(problems)

        def check(taken: snapshots.Snapshot) -> None:
            edited.extend(_edit(session, data.load(taken.folder), changes, problems))
            problems.refuse_if_any()

        snapshot = snapshots.take_checked(session.root, session.lake, check)
        if not any(one.logged for one in edited):
            return Corrected()
        now = int(time.time()) if as_of_utc_s is None else as_of_utc_s
        arguments = {"changes": _store(session, changes), "who": who}
        planned = commit_plan(session, "correct", snapshot, now, arguments=arguments)
        return _commit(session, planned, edited)


def execute(session: Session, planned: Run) -> Corrected:
    """Follow a correction's plan."""
    found = data.load(snapshots.folder_of(session.lake, planned.snapshot))
    changes = _load(session, planned.arguments["changes"])
    problems = Problems()
    edited = _edit(session, found, changes, problems)
    problems.refuse_if_any()
    return _commit(session, planned, edited)


def _commit(session: Session, planned: Run, edited: Sequence[_Edited]) -> Corrected:
    began = time.monotonic()
    before = [one.table.filter(pa.array(one.mask)) for one in edited]
    after = [_replaced(one) for one in edited]
    chosen = [table.filter(pa.array(one.mask)) for one, table in zip(edited, after, strict=True)]
    files = moves.rewrite(session, planned.run_number, [
        part for one, table, rows in zip(edited, after, chosen, strict=True)
        for part in ((0, rows), (moves.judge_of(one.file), table.filter(pa.array(~one.mask))))
    ])  # fmt: skip
    held, kept = sum(one.file.rows for one in edited), sum(one.rows for one in files)
    if held != kept:
        raise not_closed([f"{held} records waited in the files, {kept} were written again"])
    files += suspense_log.write(session, planned.run_number, [
        _logged(one, rows, planned) for one, rows in zip(edited, before, strict=True)
    ])  # fmt: skip

    def record(link: Connection) -> None:
        both = [*moves.totals_of(before, -1), *moves.totals_of(chosen)]
        session.catalogue.add_totals(link, planned.run_number, moves.net(both))

    elapsed_ms = round(1000 * (time.monotonic() - began))
    commit.commit(session.catalogue, session.root, planned.run_number, files,
                  [one.file.path for one in edited], record, elapsed_ms)  # fmt: skip
    fields = sum(len(one.logged) for one in edited)
    return Corrected(planned.run_number, sum(table.num_rows for table in before), fields,
                     elapsed_ms)  # fmt: skip


def _logged(one: _Edited, before: pa.Table, planned: Run) -> pa.Table:
    """The corrected fields of a file as rows of the log."""
    rows, *texts = zip(*one.logged, strict=True)
    more = dict(zip(("field", "old", "new", "note"), texts, strict=True))
    taken = before.take(pa.array(rows, pa.int64()))
    return suspense_log.entries(taken, planned, suspense_log.CORRECTED, more)


def _replaced(one: _Edited) -> pa.Table:
    """The file's rows with the new values in place."""
    table, mask = one.table, pa.array(one.mask)
    for name, values in one.columns.items():
        place = table.schema.get_field_index(name)
        kind = table.schema.field(place).type
        column = pc.replace_with_mask(
            pa.concat_arrays(table.column(place).chunks), mask, pa.array(values, kind)
        )
        table = table.set_column(place, name, column)
    return table


# ---- what each record becomes


def _edit(
    session: Session, found: Data, changes: Sequence[Change], problems: Problems
) -> list[_Edited]:
    """The suspense files that hold a changed record; every problem is noted."""
    wanted = {change.record_id: change for change in changes}
    decoder = Decoder(session, found)
    edited: list[_Edited] = []
    seen: set[int] = set()
    for file, table in suspended.tables(session):
        ids = table.column("record_id").to_numpy()
        mask = np.isin(ids, np.array(list(wanted), np.int64))
        if not mask.any():
            continue
        rows = table.filter(pa.array(mask)).to_pylist()
        seen.update(row["record_id"] for row in rows)
        new = [_edited_row(row, wanted[row["record_id"]], decoder, problems) for row in rows]
        changed = np.array([bool(logged) for _, logged in new])
        if changed.any():
            mask[np.flatnonzero(mask)[~changed]] = False
            edited.append(_of_file(file, table, mask, [
                (row, *one) for row, one in zip(rows, new, strict=True) if one[1]
            ]))  # fmt: skip
    for record, change in wanted.items():
        if record not in seen:
            problems.add(change.at, f"{record_text(record)} is not in suspense",
                         "records that wait: `tollbook suspense show`",
                         f"see `tollbook explain {record_text(record)}`, and leave it out")
    return edited


def _of_file(
    file: LakeFile, table: pa.Table, mask: np.ndarray,
    rows: Sequence[tuple[dict[str, Any], dict[str, Any], list[tuple[str, str, str, str]]]],
) -> _Edited:  # fmt: skip
    names = {name for _, columns, _ in rows for name in columns}
    return _Edited(
        file, table, mask,
        {name: [columns.get(name, row[name]) for row, columns, _ in rows]
         for name in table.schema.names if name in names},
        [(at, *entry) for at, (_, _, logged) in enumerate(rows) for entry in logged],
    )  # fmt: skip


def _edited_row(
    row: dict[str, Any], change: Change, decoder: Decoder, problems: Problems
) -> tuple[dict[str, Any], list[tuple[str, str, str, str]]]:
    """The columns that get another value, and the log's (field, old, new, note)."""
    given: dict[str, Any] = {}
    logged = []
    if not change.values:
        return _tries_anew(row, change, problems)
    for name, text in change.values.items():
        if name not in FIELDS:
            problems.add(change.at, f"'{printable(name)}' is no field that can be corrected",
                         ", ".join(FIELDS), did_you_mean(name, FIELDS, "name one of these"))
            continue
        field = FIELDS[name]
        values = field.read(text)
        if values is None:
            problems.add(change.at, f"{record_text(change.record_id)}: {name} '"
                         f"{printable(text[:100])}'",
                         field.allowed, "write the value so")
            continue
        was_unread = _unread(row) and name == name_of(row["field"])  # what stands there is no value
        if was_unread or any(row[column] != value for column, value in values.items()):
            given |= values
            old = escaped(row["raw_value"]) if was_unread else field.show(row)
            logged.append((name, old, field.show(row | dict(values)), change.note))
    if not logged:
        return {}, []
    _check_note(change, problems)
    columns = _decoded(row, given, change, decoder, problems)
    columns |= {"flags": columns.get("flags", row["flags"]) | codes.FLAG_CORRECTED, "tries": 0}
    start = columns.get("start_utc_s", row["start_utc_s"])
    if start != row["start_utc_s"]:
        columns["usage_period"] = _month(start, decoder.data.workspace.operator.time_zone)
    return columns, logged


def _tries_anew(
    row: dict[str, Any], change: Change, problems: Problems
) -> tuple[dict[str, Any], list[tuple[str, str, str, str]]]:
    """A change without values: the record as it is may be tried again, as often as a new one."""
    record, is_corrected = record_text(change.record_id), row["flags"] & codes.FLAG_CORRECTED
    if not (reasons.BY_CODE[reasons.CODE[row["reason"]]].retryable or is_corrected):
        problems.add(change.at, f"{record} is {row['reason']}: no number of tries cures it",
                     "a field with its right value", "name it with --set FIELD=VALUE")  # fmt: skip
    _check_note(change, problems)
    return {"tries": 0}, [("tries", str(row["tries"]), "0", change.note)]


def _check_note(change: Change, problems: Problems) -> None:
    if not suspense_log.is_note(change.note):
        problems.add(change.at, f"{record_text(change.record_id)}: the note is "
                     f"'{printable(change.note)}'", suspense_log.NOTE_RULE, "write a note")


def _decoded(
    row: dict[str, Any], given: dict[str, Any], change: Change, decoder: Decoder,
    problems: Problems,
) -> dict[str, Any]:  # fmt: skip
    """All columns that a correction gives: of a record that was never decoded, the whole record."""
    raw = given.pop(RAW_RECORD, None)
    record = record_text(change.record_id)
    if raw is not None and not row[RAW_RECORD] and not _unread(row):
        problems.add(change.at, f"{record} was decoded: it has no raw_record", "its fields",
                     "correct the field that is wrong")
    elif raw is not None or _unread(row):
        found = decoder.decode(row, row[RAW_RECORD] if raw is None else raw, given)
        if not isinstance(found, Fault):
            return found | ({} if raw is None else {RAW_RECORD: raw})
        problems.add(change.at, f"{record}: {found.found}", found.allowed, found.do)
    return given


def _unread(row: Mapping[str, Any]) -> bool:
    """Whether the record could not be decoded, and has not been decoded since."""
    is_corrected = row["flags"] & codes.FLAG_CORRECTED
    return reasons.BY_CODE[reasons.CODE[row["reason"]]].stage == "decode" and not is_corrected


def _month(start_utc_s: int, zone: str) -> str:
    moment = datetime.fromtimestamp(start_utc_s, UTC).astimezone(ZoneInfo(zone))
    return clock.period_text(clock.month_index(moment.year, moment.month))


# ---- what a plan remembers


def _store(session: Session, changes: Sequence[Change]) -> str:
    """The changes in a file of the lake, which a plan can name; gives the file's digest."""
    text = json.dumps([[one.record_id, dict(one.values), one.note] for one in changes])
    digest = hashlib.sha256(text.encode()).hexdigest()
    path = _path(session, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        disk.write_once(path, text.encode())
    return digest


def _load(session: Session, digest: str) -> list[Change]:
    rows = json.loads(_path(session, digest).read_text("utf-8"))
    return [Change(record, values, note) for record, values, note in rows]


def _path(session: Session, digest: str) -> Path:
    return session.lake / FOLDER / f"{digest}.json"
