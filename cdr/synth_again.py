"""Files that never come or come late, and files that come a second time, as they were or cut anew.

A late file comes some nights after its own. A file that was sent again lies under another name of
its source's pattern, in the night after the first delivery. One with the same bytes is no news to
anybody. One that holds the rows of two files has the same records under other bytes: what became of
each is told in the truth once more.
"""

from __future__ import annotations

import gzip
import re
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from cdr.synth_truth import DUPLICATE_CODE, REACHES_DUPLICATES, Truth
from tollbook.errors import NotFound
from tollbook.reasons import CODE
from tollbook.sources import Source

LATE, SAME, CUT = "late", "same", "cut"
LATE_NIGHTS: Final = 2
_DATE: Final = re.compile(r"\{date:([^{}]+)\}")
_TRIES: Final = 600  # minutes that are tried for another name
# What stays in the index is a duplicate the second time; what was covered is covered once more.
_REPEATED: Final = (*REACHES_DUPLICATES, CODE["part_merged"], CODE["record_ultra_short"])


@dataclass(frozen=True)
class Again:
    """How many files of each source are left out, come late, come twice, or come cut otherwise."""

    gaps: int = 0
    late: int = 0
    same: int = 0
    cut: int = 0


@dataclass(frozen=True)
class Made:
    """A file that was written. place: night, and its number within the night."""

    number: int  # in the truth
    source: Source
    place: tuple[int, int]
    path: Path
    has_header: bool
    is_late: bool


@dataclass(frozen=True)
class Holes:
    """Places (night, file) of a source at which no file lies when the night runs: for ever, or
    until LATE_NIGHTS later."""

    never: frozenset[tuple[int, int]]
    late: frozenset[tuple[int, int]]

    @property
    def all(self) -> frozenset[tuple[int, int]]:
        return self.never | self.late


@dataclass(frozen=True)
class Resent:
    """A file that comes again in a later night. how: SAME or CUT. of: the files it repeats."""

    night: int
    source: str
    path: Path
    rows: int
    how: str
    of: list[str]


def holes(source: Source, again: Again, size: tuple[int, int], seed: int) -> Holes:
    """Which files of a source do not come in their night; never its first or its last.

    size: nights, and files of each.
    """
    nights, files = size
    rng = np.random.Generator(np.random.PCG64([seed, 3, *source.name.encode()]))
    inner = rng.permutation(np.arange(1, nights * files - 1))
    never, rest = inner[: again.gaps], inner[again.gaps :]
    late = rest[rest < (nights - LATE_NIGHTS) * files][: again.late]
    if len(never) < again.gaps or len(late) < again.late:
        raise NotFound(f"source '{source.name}': {again.gaps} gaps and {again.late} late files of "
                       f"{nights * files}\n    allowed: all but the first and the last; late ones "
                       f"have {LATE_NIGHTS} nights behind them\n"
                       "    do: ask for fewer, or for more files or days")  # fmt: skip
    return Holes(*(
        frozenset((at // files, at % files) for at in chosen.tolist()) for chosen in (never, late)
    ))


def deliver(made: list[Made], again: Again, nights: int, truth: Truth) -> list[Resent]:
    """Writes the files that come again, and enters their rows into the truth.

    Raises NotFound where a source has no other names or too few files.
    """
    if not again.same and not again.cut:
        return []
    table = truth.table()
    found: list[Resent] = []
    for source in {file.source.name: file.source for file in made}.values():
        if not _DATE.search(source.files):
            continue
        files = [file for file in made if file.source == source and not file.is_late
                 and file.place[0] < nights - 1]
        taken = {file.path.name for file in made if file.source == source}
        pairs = [(one, two) for one, two in pairwise(files)
                 if one.place[0] == two.place[0]]  # fmt: skip
        _check(source, again, (len(files), len(pairs)))
        step = max(1, len(files) // max(1, again.same))
        for one in files[::step][: again.same]:
            path = _another(one, taken)
            shutil.copyfile(one.path, path)
            found.append(Resent(one.place[0] + 1, source.name, path, truth.rows[one.number], SAME,
                                [truth.files[one.number]]))  # fmt: skip
        step = max(1, len(pairs) // max(1, again.cut))
        found += [_cut(pair, taken, (truth, table)) for pair in pairs[::step][: again.cut]]
    if not found:
        raise NotFound("no source has a pattern with {date:...}: a file that comes again needs "
                       "another name\n    do: leave the option out")  # fmt: skip
    return found


def _check(source: Source, again: Again, there: tuple[int, int]) -> None:
    for wanted, most, what in ((again.same, there[0], "files"), (again.cut, there[1], "pairs")):
        if wanted > most:
            raise NotFound(f"source '{source.name}': {wanted} {what} are to come again\n"
                           f"    allowed: at most {most}: the last night's have no night after\n"
                           "    do: ask for fewer, or for more files or days")  # fmt: skip


def _another(file: Made, taken: set[str]) -> Path:
    """A name with a later moment that the source's pattern takes and no file has."""
    name, source = file.path.name, file.source
    form = _DATE.search(source.files)
    spot = source.pattern.fullmatch(name)
    assert form is not None
    assert spot is not None
    moment = datetime.strptime(spot["date"], form[1])
    first, last = spot.span("date")
    for minutes in range(1, _TRIES):
        # A coarser form than minutes is counted on in days.
        for step in (timedelta(minutes=minutes), timedelta(days=minutes)):
            found = name[:first] + (moment + step).strftime(form[1]) + name[last:]
            if found not in taken:
                taken.add(found)
                return file.path.with_name(found)
    raise NotFound(f"source '{source.name}': no other name is left for {name}\n"
                   "    do: ask for fewer files that come again")  # fmt: skip


def _cut(pair: tuple[Made, Made], taken: set[str], about: tuple[Truth, np.ndarray]) -> Resent:
    """The rows of two files of a night in one file."""
    truth, table = about
    one, two = pair
    path = _another(one, taken)
    header, first = _split(one)
    data = header + first + _split(two)[1]
    path.write_bytes(gzip.compress(data, 3, mtime=0) if path.suffix == ".gz" else data)
    number = truth.open_file(f"{one.source.name}/{path.name}", int(one.has_header))
    for file in pair:
        rows = truth.take_lines(number, truth.rows[file.number])
        truth.add(number, rows, *_fates(file, truth, table))
    return Resent(one.place[0] + 1, one.source.name, path, truth.rows[number], CUT,
                  [truth.files[file.number] for file in pair])  # fmt: skip


def _split(file: Made) -> tuple[bytes, bytes]:
    """Header line, and the rows."""
    data = file.path.read_bytes()
    if file.path.suffix == ".gz":
        data = gzip.decompress(data)
    end = data.index(b"\n") + 1 if file.has_header else 0
    return data[:end], data[end:]


def _fates(file: Made, truth: Truth, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What becomes of a file's rows when they come once more: reasons, and what was first."""
    count, begin = truth.rows[file.number], truth.header_lines[file.number] + 1
    fate = np.zeros(count, np.int64)
    first = np.full((2, count), -1, np.int64)
    mine = table[:, table[0] == file.number]
    at = mine[1] - begin
    fate[at], first[:, at] = mine[2], mine[3:]
    again = np.isin(fate, _REPEATED)
    first[0, again], first[1, again] = file.number, begin + np.flatnonzero(again)
    fate[again] = DUPLICATE_CODE
    return fate, first

