"""Collect: which files a run reads, decided once and committed as the run's plan.

Files that arrive later wait for the next run. A restart follows the plan that was committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tollbook.run import requests
from tollbook.run.catalogue import Catalogue, InputFile
from tollbook.run.requests import Request
from tollbook.sources import Source
from tollbook.workspace import Workspace

# Names under which transfer programs write files that are still growing.
UNFINISHED: Final = (".tmp", ".part", ".filepart", ".crdownload", ".swp", "~")


@dataclass(frozen=True)
class Waiting:
    """A file that lies in the inbox unread."""

    source: str
    name: str
    since_utc_s: int


@dataclass
class Collected:
    """What lies in the inbox, sorted out.

    new: files to read, in the order of (source, name, sha256), numbered.
    refused: copies and changed files, with why; told once and then remembered.
    unmatched: files that are passed over this time, with why: names that fit no pattern of their
        source, copies of files that this very run reads.
    unfinished: files that are still written.
    """

    new: list[InputFile] = field(default_factory=list)
    refused: list[tuple[InputFile, str]] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    unfinished: list[Waiting] = field(default_factory=list)


@dataclass(frozen=True)
class _Known:
    """What the catalogue knows of the inbox.

    by_hash: files that gave records; a header without any is the same in every quiet hour.
    asked: requests for files that are open.
    """

    by_name: dict[tuple[str, str], InputFile]
    by_hash: dict[str, InputFile]
    refusals: dict[tuple[str, str], tuple[int, int, str]]
    asked: list[Request]

    def was_told(self, file: InputFile, why: str) -> bool:
        """Whether a file was refused as it lies here, and for the same reason."""
        return self.refusals.get((file.source, file.name)) == (
            file.size_bytes, file.modified_ns, why
        )  # fmt: skip


def collect(
    catalogue: Catalogue, workspace: Workspace, digest_of: Callable[[Path], str], run_number: int
) -> Collected:
    """Look through the inbox of every source. Nothing is written."""
    files = catalogue.files()
    known = _Known(
        {(file.source, file.name): file for file in files},
        {file.sha256: file for file in files if file.rows},
        catalogue.refusals(),
        requests.read(catalogue, requests.OPEN),
    )
    found = Collected()
    found.unmatched.extend(_strangers(workspace))
    candidates: list[InputFile] = []
    for source in workspace.sources:
        folder = workspace.inbox(source)
        if not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            file = _candidate(path, source, known, found, digest_of, run_number)
            if file is not None:
                candidates.append(file)
    number = catalogue.next_file_number()
    planned: dict[str, InputFile] = {}
    for file in sorted(candidates, key=lambda f: (f.source, f.name, f.sha256)):
        twin = known.by_hash.get(file.sha256)
        if twin is not None:
            why = f"the same bytes were already processed as F{twin.file_number} "
            why += f"({twin.source}/{twin.name})"
            if file.request_number and not _is_same(file, twin):
                why += f"; request {file.request_number} still waits for its own"
                file = replace(file, request_number=0)
            found.refused.append((file, why))
            continue
        twin = planned.get(file.sha256)
        if twin is not None:  # whether it is a copy shows when its twin has given records
            found.unmatched.append(
                f"{file.source}/{file.name}: the same bytes as {twin.source}/{twin.name}, "
                "which this run reads; looked at again at the next start"
            )
            continue
        file = replace(file, file_number=number)
        if file.size_bytes:  # empty files are alike and no copies of each other
            planned[file.sha256] = file
        found.new.append(file)
        number += 1
    found.refused = [(file, why) for file, why in found.refused if not known.was_told(file, why)]
    return found


def _is_same(copy: InputFile, twin: InputFile) -> bool:
    """Whether a copy is the file that it repeats: one of its name, or of its number."""
    if copy.source != twin.source:
        return False
    return copy.name == twin.name or (copy.sequence >= 0 and copy.sequence == twin.sequence)


def _strangers(workspace: Workspace) -> Iterator[str]:
    """What lies in the inbox outside of every source's folder, with why it is passed over."""
    inbox = workspace.root / "inbox"
    sources = sorted(source.name for source in workspace.sources)
    for path in sorted(inbox.iterdir()) if inbox.is_dir() else ():
        if path.name not in sources and not path.name.startswith("."):
            yield f"{path.name}: not the folder of a source; sources are {', '.join(sources)}"


def _candidate(
    path: Path,
    source: Source,
    known: _Known,
    found: Collected,
    digest_of: Callable[[Path], str],
    run_number: int,
) -> InputFile | None:
    """The file as a candidate; None if it is known, unfinished or of no pattern.

    A file that was refused is looked at again where a request has come that covers it.
    """
    name = path.name
    if not path.is_file() or name.startswith("."):
        return None
    if name.endswith(UNFINISHED):
        changed_utc_s = path.stat().st_mtime_ns // 10**9
        found.unfinished.append(Waiting(source.name, name, changed_utc_s))
        return None
    matched = source.match(name)
    if matched is None:
        found.unmatched.append(f"{source.name}/{name}: does not fit the pattern {source.files}")
        return None
    stat = path.stat()
    state = (stat.st_size, stat.st_mtime_ns)
    before = known.by_name.get((source.name, name))
    refusal = known.refusals.get((source.name, name))
    is_released = before is not None and before.released != ""
    if before is not None and state == (before.size_bytes, before.modified_ns) and not is_released:
        return None
    file = InputFile(
        0, run_number, source.name, name, "", *state,
        sequence=-1 if matched.sequence is None else matched.sequence,
        file_utc_s=source.file_utc_s(matched, stat.st_mtime_ns),
    )  # fmt: skip
    asked_for = requests.covering(known.asked, file)
    if refusal is not None and state == refusal[:2] and not asked_for:
        return None
    file = replace(file, sha256=digest_of(path), request_number=asked_for)
    if before is None or before.refused:
        return replace(file, release_of=before.file_number) if before and is_released else file
    if before.sha256 != file.sha256:
        if file.request_number:
            return file
        why = f"its content changed after it was processed as F{before.file_number}"
        found.refused.append((file, why))
    elif file.request_number:
        why = f"it was asked for again, and is what was processed as F{before.file_number}"
        found.refused.append((file, why))
    return None  # otherwise only its time changed
