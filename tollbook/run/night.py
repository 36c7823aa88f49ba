"""A night's work: decode the files of the plan, rate, settle, write, commit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection

from cdr import formats
from cdr.files import sha256
from tollbook.errors import BrokenFile, HeldFile, TollbookError
from tollbook.run import commit, flow, late, manifest, requests, work
from tollbook.run.catalogue import InputFile, Run
from tollbook.run.data import Data
from tollbook.run.flow import Chunk, Flow
from tollbook.run.nightly import Outcome, outcome_of
from tollbook.run.session import INBOX, Session


def execute(session: Session, run: Run) -> Outcome:
    """Follow a night's plan, from the first byte to the published lake."""
    began = time.monotonic()
    files = session.catalogue.files(run.run_number)
    check_unchanged(session, files)
    with work.prepared(session, run) as (found, going):
        going.recollected = frozenset(file.file_number for file in files if file.request_number)
        going.hold_ppm = _limits(found, files)
        session.progress.start("decode and guide", sum(file.size_bytes for file in files))
        flow.scatter(going, chunks(session, found, files, going))
        done = work.finish(session, going)
        refused = {number: _why(error) for number, error in going.broken.items()}
        read = manifest.filled_in((
            replace(file, rows=going.decoded_rows.get(file.file_number, 0),
                    refused=refused.get(file.file_number, ""))
            for file in files
        ), going.figures, done.totals)  # fmt: skip
        decoded = {file.file_number: file.rows for file in read if not file.refused}

    def record(link: Connection) -> None:
        session.catalogue.update_files(link, read)
        requests.arrived(link, (file for file in read if not file.refused), run.as_of_utc_s)
        session.catalogue.add_totals(link, run.run_number, done.net)
        late.note(link, run.run_number, done.late, found.customers.accounts.account_id)

    elapsed_ms = round(1000 * (time.monotonic() - began))
    commit.commit(session.catalogue, session.root, run.run_number, done.files, done.superseded,
                  record, elapsed_ms)  # fmt: skip
    return outcome_of(
        session, run, done.totals, decoded, leg_count=done.leg_rows, elapsed_ms=elapsed_ms,
        warnings=found.warnings, released=done.released,
        refused=tuple((f"{f.source}/{f.name}", f.refused) for f in read if f.refused),
    )  # fmt: skip


def _why(error: BrokenFile | HeldFile) -> str:
    """Why a file is refused, without its path: it is told with source and name."""
    if isinstance(error, BrokenFile):
        return str(error).removeprefix(f"{error.path}: ")
    return str(error)


def _limits(found: Data, files: list[InputFile]) -> dict[int, int]:
    """Files that are held back where too much of them is in error; not those that were released."""
    hold = {source.name: source.alarms.hold_ppm for source in found.workspace.sources}
    return {
        file.file_number: limit for file in files
        if (limit := hold[file.source]) is not None and not file.release_of
    }  # fmt: skip


def check_unchanged(session: Session, files: list[InputFile]) -> None:
    """A plan is about bytes: a file that changed or vanished since stops the run."""
    for file in files:
        path = session.root / INBOX / file.source / file.name
        if not path.is_file():
            found = "it is gone"
        else:
            stat = path.stat()
            if (stat.st_size, stat.st_mtime_ns) == (file.size_bytes, file.modified_ns):
                continue
            if sha256(path) == file.sha256:
                continue
            found = "its content is another"
        raise TollbookError(
            f"{path}: run {file.run_number} has planned to read this file, but {found}\n"
            "    allowed: files in the inbox are never changed or removed before they are read\n"
            f"    do: put the file back, or `tollbook runs cancel {file.run_number}` to plan anew"
        )


def chunks(
    session: Session, found: Data, files: list[InputFile], going: Flow
) -> Iterator[Chunk]:
    """The files of the plan as pieces to decode; a file that proves broken is left off."""
    sources = {source.name: place for place, source in enumerate(found.workspace.sources)}
    for file in files:
        place = sources[file.source]
        layout = found.layouts[place]
        reader = formats.reader(layout.kind)
        path = session.root / INBOX / file.source / file.name
        try:
            context = reader.prepare(
                layout, reader.identify(path, layout), found.workspace.sources[place].time_zone,
                found.workspace.operator.time_zone, place, file.file_number,
            )  # fmt: skip
            for number, block in enumerate(reader.blocks(path, layout)):
                if file.file_number in going.broken:
                    break
                decode = partial(reader.decode, block, context)
                yield Chunk((file.file_number, number), block.byte_count, decode)
        except BrokenFile as error:
            going.broken[file.file_number] = error
        except HeldFile as error:
            if not file.release_of:
                going.broken[file.file_number] = error
