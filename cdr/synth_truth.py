"""The truth beside synthesised files: which rows will not simply be rated, and why.

CSV ``file,row,disposition,reason,first_file,first_row``. ``row`` is the line of the file, from 1,
a header counted. Rows that are not listed are rated. A duplicate names the row that stays: the one
with the lowest record id, since files of a night are numbered by (source, name) and later nights
later. Totals stand beside it in a JSON file of the same name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from cdr.synth_text import Sheet
from tollbook import codes
from tollbook.reasons import BY_CODE, CODE

TRUTH_COLUMNS: Final = ("file", "row", "disposition", "reason", "first_file", "first_row")
DUPLICATE_CODE: Final = CODE["record_duplicate"]
# Only a record that reaches the stage of duplicates can be one.
REACHES_DUPLICATES: Final = (
    0, CODE["carried_for_others"], CODE["subscription_missing"], CODE["subscription_inactive"],
)  # fmt: skip


@dataclass(frozen=True)
class Copies:
    """Rows that come again in a later file: their text, and where they were first."""

    sheet: Sheet
    first_file: np.ndarray  # int64, number of the file in the order of writing
    first_row: np.ndarray  # int64


@dataclass
class Truth:
    """Collects the fate of every row that is not rated, file by file."""

    files: list[str] = field(default_factory=list)
    header_lines: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)  # behind the header, so far
    found: list[np.ndarray] = field(default_factory=list)  # int64 (5, n): the columns of add()

    def open_file(self, name: str, header_lines: int) -> int:
        """Begins a file and returns its number."""
        self.files.append(name)
        self.header_lines.append(header_lines)
        self.rows.append(0)
        return len(self.files) - 1

    def take_lines(self, file: int, count: int) -> np.ndarray:
        """Line numbers (int64) of the next ``count`` rows of a file."""
        first = self.header_lines[file] + self.rows[file] + 1
        self.rows[file] += count
        return np.arange(first, first + count, dtype=np.int64)

    def add(self, file: int, row: np.ndarray, fate: np.ndarray, first: np.ndarray) -> None:
        """Rows of ``file`` with their reasons; first: int64 (2, n), file and row, -1: none."""
        listed = fate != 0
        here = np.full(int(listed.sum()), file, np.int64)
        self.found.append(np.vstack((here, row[listed], fate[listed], first[:, listed])))

    def table(self) -> np.ndarray:
        """int64 (5, n): file, row, reason, first file, first row; by file and row."""
        if not self.found:
            return np.zeros((5, 0), np.int64)
        table = np.concatenate(self.found, axis=1)
        return table[:, np.lexsort((table[1], table[0]))]

    def write(self, path: Path, about: Mapping[str, object]) -> dict[str, int]:
        """Writes the CSV and the JSON beside it; returns the rows by disposition, over all."""
        table = self.table()
        lines = [",".join(TRUTH_COLUMNS)]
        for file, row, code, first_file, first_row in table.T.tolist():
            reason = BY_CODE[code]
            first = f"{self.files[first_file]},{first_row}" if first_file >= 0 else ","
            word = codes.DISPOSITIONS[reason.disposition]
            lines.append(f"{self.files[file]},{row},{word},{reason.name},{first}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        per_file = [self.counts(file, table) for file in range(len(self.files))]
        totals = _sum([dispositions for _, dispositions, _ in per_file])
        document = dict(about) | {
            "files": [
                {"file": name, "rows": rows, "dispositions": dispositions, "reasons": reasons}
                for name, (rows, dispositions, reasons) in zip(self.files, per_file, strict=True)
            ],
            "totals": {"rows": sum(rows for rows, _, _ in per_file), "dispositions": totals,
                       "reasons": _sum([reasons for _, _, reasons in per_file])},
        }  # fmt: skip
        path.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
        return totals

    def counts(self, file: int, table: np.ndarray) -> tuple[int, dict[str, int], dict[str, int]]:
        """Rows of a file, and how many of them by disposition and by reason."""
        low, high = np.searchsorted(table[0], [file, file + 1])
        dispositions: dict[str, int] = {}
        reasons: dict[str, int] = {}
        for code, count in zip(*np.unique(table[2, low:high], return_counts=True), strict=True):
            reason = BY_CODE[int(code)]
            word = codes.DISPOSITIONS[reason.disposition]
            dispositions[word] = dispositions.get(word, 0) + int(count)
            reasons[reason.name] = int(count)
        rated = self.rows[file] - int(high - low)
        return self.rows[file], {"rated": rated} | dispositions, reasons


def _sum(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for word, count in one.items():
            total[word] = total.get(word, 0) + count
    return total
