"""The audit: does the lake still hold what the catalogue says, and do the books close?

Four balances are drawn up again from what is stored: records by file (what was read = what has a
fate, over all runs), lake files (bytes and rows as committed), money (the rated rows of the lake
= the control totals) and what owners have used (the state = what rated records took). The
snapshots that runs refer to must be what their names say, too.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tollbook import codes
from tollbook.money import exact_sum
from tollbook.run import audit_state, lake, snapshots
from tollbook.run.catalogue import LakeFile
from tollbook.run.session import Session


@dataclass(frozen=True)
class Audit:
    """What was found. ``findings`` is empty if everything is in order."""

    files: int
    records: int
    dispositions: dict[str, int]
    charge_micro: int
    lake_files: int
    findings: tuple[str, ...]


def audit(session: Session, checksums: bool = True) -> Audit:
    """Draw up the balances. ``checksums`` reads every byte of the lake."""
    findings: list[str] = []
    inputs = session.catalogue.files()
    by_file: Counter[int] = Counter()
    fates: Counter[str] = Counter(dict.fromkeys(codes.DISPOSITIONS, 0))
    money = 0
    for _, total in session.catalogue.totals():
        by_file[total.file_number] += total.rows
        fates[total.disposition] += total.rows
        money += total.charge_micro
    for file in inputs:
        if by_file[file.file_number] != file.rows:
            findings.append(
                f"F{file.file_number} ({file.source}/{file.name}): {file.rows} records were read, "
                f"{by_file[file.file_number]} have a fate"
            )
    files = session.catalogue.lake_files()
    session.progress.start("audit", len(files))
    stored = 0
    for one in files:
        fault = _fault(session, one, checksums)
        if fault:
            findings.append(f"{one.path}: {fault}")
        elif one.dataset == "rated":
            stored += _charge(session, one)
        session.progress.advance(1)
    if stored != money:
        findings.append(
            f"money: {money} micro by the control totals, {stored} micro in the lake's sound files"
        )
    if not findings:  # what the lake's files hold can be read
        findings += audit_state.findings(session)
    findings += _strangers(session, files)
    findings += _snapshots(session, checksums)
    return Audit(len(inputs), sum(file.rows for file in inputs), dict(fates), money, len(files),
                 tuple(findings))  # fmt: skip


def _fault(session: Session, file: LakeFile, checksums: bool) -> str:
    """What is wrong with a file that a run has committed; empty: nothing."""
    path = session.root / file.path
    if not path.exists():
        return f"committed by run {file.run_number}, but the file is gone"
    if checksums and _digest(path) != file.sha256:
        return f"the content is not what run {file.run_number} committed"
    if path.suffix != lake.SUFFIX:
        return ""
    try:
        rows = pq.read_metadata(path).num_rows
    except pa.ArrowInvalid:
        return f"committed by run {file.run_number}, but this is no Parquet file"
    return "" if rows == file.rows else f"{rows} rows, {file.rows} committed"


def _digest(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _charge(session: Session, file: LakeFile) -> int:
    column = lake.read(session.root, file, ["charge_micro"]).column("charge_micro")
    return sum(exact_sum(chunk.to_numpy()) for chunk in column.chunks)


def _strangers(session: Session, files: list[LakeFile]) -> list[str]:
    """Files that readers' globs would pick up though no run has committed them."""
    known = {session.root / file.path for file in files}
    return [
        f"{path}: no run has committed this file"
        for path in sorted(session.lake.rglob(f"*{lake.SUFFIX}"))
        if path not in known and "snapshots" not in path.parts
    ]


def _snapshots(session: Session, checksums: bool) -> list[str]:
    """Snapshots of runs that are gone or are not what their names say."""
    found = []
    for digest in sorted({run.snapshot for run in session.catalogue.runs()}):
        folder = snapshots.folder_of(session.lake, digest)
        if not folder.is_dir():
            found.append(f"{folder}: runs refer to this snapshot, but it is gone")
        elif checksums and snapshots.digest_of(folder) != digest:
            found.append(f"{folder}: the content is not what the snapshot's name says")
    return found
