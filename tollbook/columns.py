"""Large CSV tables read column by column: text columns, line numbers, and vectorised checks.

``text.load_csv`` gives rows of Python texts and is right for small tables; a customer table of a
million rows is read here in about a second, with the same rules: a header line, comments with
``#``, outer blanks stripped, and every problem noted with its line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from tollbook import csv_faults
from tollbook.stage import text_of
from tollbook.text import Problems, check_header
from tollbook.wall_clock import local_seconds, local_to_utc_s

TABLE_LIMIT_BYTES: Final = 2**30
LISTED_MAX: Final = 50  # problems of one kind that are listed one by one
OPEN_FROM: Final = -(2**62)  # UTC seconds that stand for an empty valid_from
OPEN_TO: Final = 2**62
DIGITS_MAX: Final = 18  # digits that int64 always holds

_NEWLINE, _HASH, _SPACE, _ZERO = 10, 35, 32, 48


@dataclass(frozen=True)
class Table:
    """A CSV file as columns: utf8 without nulls (an empty cell is ""), all of one length."""

    shown: str
    columns: Mapping[str, pa.Array]
    lines: np.ndarray  # int64, the line of the file on which each row stands

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, name: str) -> pa.Array:
        return self.columns[name]

    def cell(self, name: str, row: int) -> str:
        """One cell for a message, cut where it is very long."""
        text: str = self.columns[name][row].as_py()
        return text if len(text) <= 60 else text[:60] + "..."

    def at(self, row: int) -> tuple[str, int]:
        return self.shown, int(self.lines[row])

    def report(
        self, bad: np.ndarray, found: Callable[[int], str], allowed: str, do: str,
        problems: Problems,
    ) -> None:  # fmt: skip
        """Notes one kind of problem for the rows where ``bad`` (bool, or row numbers) says so.

        At most LISTED_MAX rows are listed; one more line says how many there are beyond.
        """
        rows = np.flatnonzero(bad) if bad.dtype == np.bool_ else bad
        for row in rows[:LISTED_MAX].tolist():
            problems.add(self.at(row), found(row), allowed, do)
        if len(rows) > LISTED_MAX:
            problems.add(self.at(int(rows[LISTED_MAX])),
                         f"and {len(rows) - LISTED_MAX} more of this kind from here on",
                         allowed, do)


def load_table(
    path: Path, required: Sequence[str], optional: Sequence[str], problems: Problems, shown: str
) -> Table:
    """A CSV file as a Table with all required and optional columns; no rows if it is unreadable.

    A row with a wrong number of cells is noted and left out.
    """
    data = _read(path, shown, problems)
    if data is None:
        return _no_rows([*required, *optional], shown)
    return parse_table(data, required, optional, problems, shown)


def _no_rows(names: Sequence[str], shown: str) -> Table:
    return Table(shown, {name: pa.array([], pa.string()) for name in names}, np.zeros(0, int))


def parse_table(
    data: bytes, required: Sequence[str], optional: Sequence[str], problems: Problems, shown: str
) -> Table:
    """The same of a file's bytes."""
    names = [*required, *optional]
    nothing = _no_rows(names, shown)
    text = _plain_lines(data.removeprefix(b"\xef\xbb\xbf"), shown, problems)
    if text is None:
        return nothing
    body, lines = _without_comments(text)
    end = body.find(b"\n")
    head, body = (body, b"") if end < 0 else (body[:end], body[end + 1 :])
    if not head.strip():
        problems.add((shown, 1), "the file has no header line", ", ".join(required),
                     "write the names of the columns on the first line")
        return nothing
    cells = next(csv.reader(io.StringIO(head.decode("utf-8", "replace"))))
    header = [name.strip() for name in cells]
    if not check_header((shown, int(lines[0])), header, required, optional, problems):
        return nothing
    if not body:
        return nothing
    parsed = _parse(body, header, lines[1:], shown, problems)
    if parsed is None:
        return nothing
    columns, lines = parsed
    empty = pa.repeat(pa.scalar("", pa.string()), len(lines))
    return Table(shown, {name: columns.get(name, empty) for name in names}, lines)


def _read(path: Path, shown: str, problems: Problems) -> bytes | None:
    try:
        size = path.stat().st_size
        if size > TABLE_LIMIT_BYTES:
            problems.add((shown, 0), f"the file has {size} bytes",
                         f"at most {TABLE_LIMIT_BYTES} bytes", "remove rows that ended long ago")
            return None
        return path.read_bytes()
    except OSError as error:
        problems.add((shown, 0), f"the file cannot be read ({error.strerror})",
                     "a readable file", f"create it, or correct its name: {path.name}")
        return None


def _plain_lines(data: bytes, shown: str, problems: Problems) -> bytes | None:
    """The bytes with line feeds alone at the ends of lines."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
        if b"\r" in data:
            line = data.count(b"\n", 0, data.index(b"\r")) + 1
            problems.add((shown, line), "a carriage return without a line feed",
                         "lines that end with a line feed", "save the file with ordinary line ends")
            return None
    return data


def _without_comments(data: bytes) -> tuple[bytes, np.ndarray]:
    """The bytes without comment lines and blank lines, and the line number of each line kept."""
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw == _NEWLINE)
    if len(raw) and raw[-1] != _NEWLINE:
        ends = np.append(ends, len(raw))
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)[: len(ends)]
    if not len(ends):
        return b"", starts
    first = raw[starts]  # of an empty line: its line end
    drop = first == _HASH
    for line in np.flatnonzero(first <= _SPACE).tolist():
        text = data[starts[line] : ends[line]].strip()
        drop[line] = not text or text.startswith(b"#")
    lines = np.flatnonzero(~drop) + 1
    if not drop.any():
        return data, lines
    pieces, edges = [], np.flatnonzero(np.diff(np.concatenate([[True], drop, [True]]).astype(int)))
    for low, high in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        pieces.append(data[starts[low] : ends[high - 1] + 1])
    return b"".join(pieces), lines


def _parse(
    body: bytes, header: list[str], lines: np.ndarray, shown: str, problems: Problems
) -> tuple[dict[str, pa.Array], np.ndarray] | None:
    """The columns of the rows that have as many cells as the header, and their lines."""
    ragged: list[tuple[int, int]] = []
    try:
        table = _arrow(body, header, None)
    except pa.ArrowInvalid as error:
        if not _is_utf8(body, lines, shown, problems):
            return None
        try:
            table = _arrow(body, header, ragged)
        except pa.ArrowInvalid:
            if not _note_quote(body, lines, shown, problems):
                problems.add((shown, 0), f"this is not CSV: {error}", "CSV with a comma",
                             "look for a quote within a cell; write it twice")
            return None
    # Arrow takes the end of the file for the end of a quote.
    last = _last_line(body).decode("utf-8", "replace")
    if table.num_rows + len(ragged) != len(lines) or csv_faults.opens(last):
        if not _note_quote(body, lines, shown, problems):
            problems.add((shown, 0), f"{len(lines)} lines hold {table.num_rows + len(ragged)} rows",
                         "one row a line", "look for a quote within a cell; write it twice")
        return None
    lines = _note_ragged(ragged, len(header), lines, shown, problems)
    found = {name: _stripped(table[name].combine_chunks()) for name in header}
    blank = np.logical_and.reduce([is_empty(column) for column in found.values()])
    if blank.any():  # a row of commas, as spreadsheets leave them
        kept = np.flatnonzero(~blank)
        return {name: column.take(pa.array(kept)) for name, column in found.items()}, lines[kept]
    return found, lines


def _last_line(body: bytes) -> bytes:
    """The last line that is not empty; nothing else is copied."""
    end = len(body)
    while end and body[end - 1] == _NEWLINE:
        end -= 1
    return body[body.rfind(b"\n", 0, end) + 1 : end]


def _note_quote(body: bytes, lines: np.ndarray, shown: str, problems: Problems) -> bool:
    """Notes the first quote that does not close on its line; False if there is none."""
    texts = body.decode("utf-8", "replace").split("\n")
    first = next((row for row, text in enumerate(texts) if csv_faults.opens(text)), None)
    if first is None:
        return False
    closes = any('"' in text for text in texts[first + 1 :])
    fault = csv_faults.OTHER_LINE if closes else csv_faults.OPEN_QUOTE
    problems.add((shown, int(lines[first])), *fault)
    return True


def _stripped(column: pa.Array) -> pa.Array:
    """The texts without outer blanks."""
    text = text_of(column)
    filled = np.flatnonzero(np.diff(text.offsets))
    edges = text.data[text.offsets[filled]], text.data[text.offsets[filled + 1] - 1]
    blank = any((edge <= _SPACE).any() for edge in edges)
    return pc.utf8_trim_whitespace(column) if blank else column


def _arrow(body: bytes, header: list[str], ragged: list[tuple[int, int]] | None) -> pa.Table:
    """Text columns by Arrow's reader; with a list for ``ragged`` rows these are left out."""

    def note(row: pacsv.InvalidRow) -> str:
        assert ragged is not None
        ragged.append((row.number, row.actual_columns))
        return "skip"

    return pacsv.read_csv(
        pa.BufferReader(body),
        # The numbers of ragged rows are known to the single-threaded reader only.
        pacsv.ReadOptions(column_names=header, use_threads=ragged is None, block_size=2**22),
        pacsv.ParseOptions(invalid_row_handler=None if ragged is None else note),
        pacsv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False
        ),
    )


def _note_ragged(
    ragged: list[tuple[int, int]], wanted: int, lines: np.ndarray, shown: str, problems: Problems
) -> np.ndarray:
    rows = [number - 1 for number, _ in ragged]
    for row, (_, cells) in list(zip(rows, ragged, strict=True))[:LISTED_MAX]:
        problems.add((shown, int(lines[row])), *csv_faults.width(cells, wanted))
    if len(rows) > LISTED_MAX:
        problems.add((shown, int(lines[rows[LISTED_MAX]])),
                     f"and {len(rows) - LISTED_MAX} more rows with a wrong number of cells",
                     f"as many cells as the header names ({wanted})",
                     "write empty cells for what is missing; quote cells that contain a comma")
    return np.delete(lines, rows)


def _is_utf8(body: bytes, lines: np.ndarray, shown: str, problems: Problems) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        line = int(lines[body.count(b"\n", 0, error.start)])
        problems.add((shown, line), f"byte {body[error.start]:#04x} is not UTF-8",
                     "text in UTF-8", "save the file as UTF-8")
        return False
    return True


def lengths(column: pa.Array) -> np.ndarray:
    """Bytes of each text; int32."""
    size: np.ndarray = np.diff(text_of(column).offsets)
    return size


def is_digits(column: pa.Array) -> np.ndarray:
    """Whether each text is 1 to DIGITS_MAX decimal digits and nothing else; bool."""
    text = text_of(column)
    size = lengths(column)
    good: np.ndarray = (size > 0) & (size <= DIGITS_MAX)
    low, high = int(text.offsets[0]), int(text.offsets[-1])
    other = np.flatnonzero(text.data[low:high] - np.uint8(_ZERO) > 9) + low
    good[np.searchsorted(text.offsets, other, side="right") - 1] = False
    return good


def digits_value(column: pa.Array, good: np.ndarray) -> np.ndarray:
    """The value of texts for which ``good`` says that they are digits; int64, 0 elsewhere."""
    safe = column if good.all() else pc.if_else(pa.array(good), column, "0")
    value: np.ndarray = pc.cast(safe, pa.int64()).to_numpy(zero_copy_only=False)
    return value


def index_in(column: pa.Array, names: Sequence[str] | pa.Array) -> np.ndarray:
    """Position of each text in ``names``; int32, -1 where it is not among them."""
    names = names if isinstance(names, pa.Array) else pa.array(names, pa.string())
    found = pc.fill_null(pc.index_in(column, value_set=names), -1)
    index: np.ndarray = found.to_numpy(zero_copy_only=False).astype(np.int32)
    return index


def is_empty(column: pa.Array) -> np.ndarray:
    """Whether each text is empty; bool."""
    empty: np.ndarray = lengths(column) == 0
    return empty


def first_rows(column: pa.Array) -> np.ndarray:
    """For each row the first row with the same text; int64 (itself: the text is new)."""
    codes = column.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    # Arrow numbers the texts as they first appear, so a new one raises the highest code so far.
    first = np.flatnonzero(np.diff(np.maximum.accumulate(codes), prepend=-1))
    rows: np.ndarray = first[codes]
    return rows


def words_of(table: Table, name: str) -> tuple[tuple[str, ...], np.ndarray]:
    """The words of a column, sorted, and the position of each cell's (-1: empty)."""
    words = tuple(sorted(set(table[name].to_pylist()) - {""}))
    return words, index_in(table[name], words)


def validity(table: Table, zone: str, problems: Problems) -> tuple[np.ndarray, np.ndarray]:
    """The columns valid_from and valid_to as UTC seconds, half-open; int64.

    A local day or a local time of ``zone``; empty is open. Notes malformed times, and rows that
    end before they begin.
    """
    since = _utc_s(table, "valid_from", zone, OPEN_FROM, problems)
    until = _utc_s(table, "valid_to", zone, OPEN_TO, problems)
    table.report(
        since >= until,
        lambda row: f"valid_to '{table.cell('valid_to', row)}' is not after valid_from "
                    f"'{table.cell('valid_from', row)}'",
        "valid_from before valid_to (the first instant that is no longer valid)",
        "correct one of the two, or leave valid_to empty", problems,
    )  # fmt: skip
    return since, until


def _utc_s(table: Table, name: str, zone: str, empty: int, problems: Problems) -> np.ndarray:
    encoded = table[name].dictionary_encode()
    words = encoded.dictionary
    local, good = local_seconds(words)
    blank = is_empty(words)
    utc = np.where(blank, empty, local_to_utc_s(local, zone))
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    table.report(
        (~good & ~blank)[codes],
        lambda row: f"{name} is '{table.cell(name, row)}'",
        "YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS, years 1970 to 2100; empty: open",
        "write the local day or time so", problems,
    )  # fmt: skip
    # A malformed time must not also be reported as an end before its beginning.
    known: np.ndarray = np.where(good | blank, utc, empty)[codes]
    return known


def overlaps(
    key: np.ndarray, since: np.ndarray, until: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose validity overlaps an earlier one of the same key, and those earlier rows.

    key, since, until: int64, one entry a row; half-open. Of each key the rows are looked at in
    the order of ``since``, each against the one before it. Returns two int64 arrays.
    """
    order = np.argsort(key)
    ascending = key[order]
    repeated = np.zeros(len(key), bool)  # most keys stand alone
    repeated[1:] = ascending[1:] == ascending[:-1]
    repeated[:-1] |= repeated[1:]
    rows = order[repeated]
    rows = rows[np.lexsort((rows, since[rows], key[rows]))]
    before, after = rows[:-1], rows[1:]
    clash = (key[before] == key[after]) & (until[before] > since[after])
    return after[clash], before[clash]
