"""Requests for files to be sent again, and the files that arrive for them.

A request names a source and either sequence numbers, or a span of time, or one file. A file that it
covers is read even if another file of its name was read before; its records carry the flag
``recollected``, and duplicates decide which of them are new. A request by sequence or by name ends
by itself when everything has arrived; one by time is closed by a person.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select, update

from tollbook import clock
from tollbook.errors import NotFound, TollbookError
from tollbook.outputs import file_name
from tollbook.run import sequences
from tollbook.run.catalogue import Catalogue, InputFile
from tollbook.run.tables import REQUESTS

OPEN: Final = "open"
FILLED: Final = "filled"
CLOSED: Final = "closed"
FOLDER: Final = "requests"  # in out/


@dataclass(frozen=True)
class Request:
    """A row of ``requests``."""

    request_number: int
    source: str
    sequences: str
    file_name: str
    from_utc_s: int
    to_utc_s: int
    missing: str
    note: str
    asked_by: str
    asked_utc_s: int
    state: str = OPEN
    ended_utc_s: int = 0
    ended_by: str = ""

    def covers(self, file: InputFile) -> bool:
        """Whether a file is one that was asked for."""
        if file.source != self.source:
            return False
        if self.file_name:
            return file.name == self.file_name
        if self.sequences:
            return sequences.holds(sequences.parse(self.sequences), file.sequence)
        return self.from_utc_s <= file.file_utc_s < self.to_utc_s

    @property
    def wanted(self) -> str:
        """What was asked for, in words."""
        if self.file_name:
            return self.file_name
        if self.sequences:
            return f"sequence {self.sequences}"
        return f"{clock.utc_text(self.from_utc_s)} to {clock.utc_text(self.to_utc_s)}"


def read(catalogue: Catalogue, state: str | None = None) -> list[Request]:
    """Requests in the order in which they were made."""
    query = select(REQUESTS).order_by(REQUESTS.c.request_number)
    query = query if state is None else query.where(REQUESTS.c.state == state)
    with catalogue.engine.connect() as link:
        return [Request(**row) for row in link.execute(query).mappings()]


def covering(asked: Sequence[Request], file: InputFile) -> int:
    """The number of the first request that a file answers; 0: none."""
    return next((one.request_number for one in asked if one.covers(file)), 0)


def add(link: Connection, request: Request) -> Request:
    """Write a request down; gives it with its number."""
    number = int(link.scalar(select(func.max(REQUESTS.c.request_number))) or 0) + 1
    numbered = Request(**(request.__dict__ | {"request_number": number}))
    link.execute(insert(REQUESTS).values(**numbered.__dict__))
    return numbered


def arrived(link: Connection, files: Iterable[InputFile], now_utc_s: int) -> None:
    """Files that answer requests are here: what they ask for is missing no longer."""
    for file in files:
        if not file.request_number:
            continue
        same = REQUESTS.c.request_number == file.request_number
        row = link.execute(select(REQUESTS).where(same)).mappings().one()
        request = Request(**row)
        if request.state != OPEN:
            continue
        missing = sequences.without(sequences.parse(request.missing), file.sequence)
        values: dict[str, Any] = {"missing": sequences.text(missing)}
        if request.file_name or (request.sequences and not missing):
            values |= {"state": FILLED, "ended_utc_s": now_utc_s}
        link.execute(update(REQUESTS).where(same).values(**values))


def close(link: Connection, request_number: int, by: str, now_utc_s: int) -> None:
    """Wait no longer for what a request asks for."""
    same = REQUESTS.c.request_number == request_number
    state = link.scalar(select(REQUESTS.c.state).where(same))
    if state is None:
        raise NotFound(f"request {request_number}: there is none; `tollbook collection request`")
    if state != OPEN:
        raise TollbookError(
            f"request {request_number} is {state}\n    allowed: requests that are open\n"
            "    do: nothing; files are no longer awaited for it"
        )
    link.execute(update(REQUESTS).where(same).values(
        state=CLOSED, ended_utc_s=now_utc_s, ended_by=by))  # fmt: skip


def write_files(out: Path, asked: Iterable[Request]) -> list[Path]:
    """``<source>-<number>.json`` for each request that has none yet, to be sent to the source."""
    written = []
    for request in asked:
        path = path_of(out, request)
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        growing = path.with_suffix(".part")
        growing.write_text(json.dumps(document(request), indent=2, ensure_ascii=False) + "\n")
        os.replace(growing, path)
        written.append(path)
    return written


def path_of(out: Path, request: Request) -> Path:
    """Where the file of a request lies."""
    return out / FOLDER / f"{file_name(request.source)}-{request.request_number}.json"


def document(request: Request) -> dict[str, Any]:
    """A request for programs, and for the source to which it is sent."""
    return {
        "request": request.request_number,
        "source": request.source,
        "sequences": [list(pair) for pair in sequences.parse(request.sequences)],
        "file": request.file_name,
        "from": clock.utc_text(request.from_utc_s) if request.to_utc_s else "",
        "to": clock.utc_text(request.to_utc_s) if request.to_utc_s else "",
        "note": request.note,
        "asked_by": request.asked_by,
        "asked": clock.utc_text(request.asked_utc_s),
    }
