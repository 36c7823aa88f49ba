"""Checks that many tables need: cells that must be filled, words that must be unique or known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tollbook.columns import Table, first_rows, index_in, is_empty, load_table, overlaps
from tollbook.text import Problems, did_you_mean

WORD: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}"
WORD_IS: Final = "letters, digits, _ . and - (at most 32)"
_NAMES_SHOWN: Final = 12


def load_optional(
    path: Path, required: Sequence[str], optional: Sequence[str], problems: Problems, shown: str
) -> Table:
    """A table whose file may be absent: then it has no rows."""
    if path.exists():
        return load_table(path, required, optional, problems, shown)
    names = [*required, *optional]
    return Table(shown, {name: pa.array([], pa.string()) for name in names}, np.zeros(0, np.int64))


def check_filled(table: Table, name: str, problems: Problems) -> None:
    """No cell of the column may be empty."""
    table.report(is_empty(table[name]), lambda row: f"{name} is empty",
                 f"a value of {name} in every row", "fill it in, or remove the row", problems)


def check_shape(
    table: Table, name: str, pattern: str, allowed: str, problems: Problems
) -> None:
    """Every cell matches the expression as a whole."""
    fits = pc.match_substring_regex(table[name], pattern=f"^(?:{pattern})$")
    bad = ~fits.to_numpy(zero_copy_only=False)
    table.report(bad, lambda row: f"{name} is '{table.cell(name, row)}'", allowed, "correct it",
                 problems)


def check_unique(table: Table, name: str, problems: Problems) -> None:
    """No text stands twice in the column."""
    first = first_rows(table[name])
    table.report(
        first != np.arange(len(table)),
        lambda row: f"{name} '{table.cell(name, row)}' stands twice "
                    f"(first in line {table.lines[first[row]]})",
        f"every {name} once", "remove one of the two rows", problems,
    )  # fmt: skip


def references(
    table: Table, name: str, known: Sequence[str], where: str, problems: Problems,
    may_be_empty: bool = False,
) -> np.ndarray:  # fmt: skip
    """Position of each cell in ``known``; int32, -1 where it is empty or (noted) unknown.

    Nothing is noted while ``known`` is empty: then the table ``where`` has a problem of its own.
    """
    index = index_in(table[name], known)
    if not known:
        return index
    bad = index < 0
    if may_be_empty:
        bad &= ~is_empty(table[name])
    allowed = ", ".join(known[:_NAMES_SHOWN]) + (", ..." if len(known) > _NAMES_SHOWN else "")
    table.report(
        bad, lambda row: f"{name} '{table.cell(name, row)}' is not in {where}", allowed,
        _advice(table, name, bad, known, where), problems,
    )  # fmt: skip
    return index


def _advice(table: Table, name: str, bad: np.ndarray, known: Sequence[str], where: str) -> str:
    otherwise = f"correct it, or add it to {where}"
    rows = np.flatnonzero(bad)
    return advice(table.cell(name, int(rows[0])), known, otherwise) if len(rows) == 1 \
        else otherwise


def advice(word: str, known: Sequence[str], otherwise: str) -> str:
    """The nearest known word, if one is near; codes of digits are all near each other."""
    return otherwise if word.isdigit() else did_you_mean(word, known, otherwise)


def check_overlaps(
    table: Table, name: str, key: np.ndarray, span: tuple[np.ndarray, np.ndarray],
    problems: Problems, shown: Callable[[int], str] | None = None,
) -> None:  # fmt: skip
    """No two rows of one key (int64) are valid at once.

    span: valid_from and valid_to in UTC seconds. shown: how a row's key is put into messages.
    """
    key_of = shown or (lambda row: table.cell(name, row))
    later, earlier = overlaps(key, *span)
    before = dict(zip(later.tolist(), earlier.tolist(), strict=True))
    table.report(
        later,
        lambda row: f"{name} {key_of(row)} is valid here and in line "
                    f"{table.lines[before[row]]} at once",
        f"one row for each {name} at any time", "end the earlier row where the later one begins",
        problems,
    )  # fmt: skip


def check_one_account(
    table: Table, account_index: np.ndarray, first: np.ndarray, action: str, problems: Problems
) -> None:
    """Rows of one subscription are of one account. first: the first row of each row's subscription;
    account_index: -1 where the account is not known; action: what to do."""
    table.report(
        (account_index != account_index[first]) & (account_index >= 0),
        lambda row: f"subscription '{table.cell('subscription_id', row)}' belongs to account "
                    f"'{table.cell('account_id', row)}' here and to "
                    f"'{table.cell('account_id', int(first[row]))}' in line "
                    f"{table.lines[first[row]]}",
        "one account for all rows of a subscription", action, problems,
    )  # fmt: skip


def check_files(folder: Path, known: Sequence[str], problems: Problems, shown: str) -> None:
    """No CSV file of another name: a misspelt optional table would be passed over in silence."""
    for path in sorted(folder.glob("*.csv")):
        if path.name not in known:
            problems.add((f"{shown}/{path.name}", 0), "no table has this name", ", ".join(known),
                         did_you_mean(path.name, known, "rename it, or move it elsewhere"))
