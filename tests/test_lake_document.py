"""docs/lake.md lists the lake's columns as they are: names, order and types of every dataset."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from rating.owners import Members
from tollbook import codes, schemas
from tollbook.run import lake, lake_columns, state
from tollbook.run.records import record_text

PAGE = (Path(__file__).parents[1] / "docs/lake.md").read_text("utf-8")
STORED_AS_THEY_ARE = {
    "duplicates": schemas.DUPLICATE_KEY, "bills": schemas.BILL, "bill_lines": schemas.BILL_LINE,
    "ledger": schemas.ENTRY, "statements": schemas.STATEMENT_LINE,
    "suspense_log": schemas.SUSPENSE_LOG, "differences": schemas.DIFFERENCE,
    "use_differences": schemas.USE_DIFFERENCE,
}  # fmt: skip
NO_TEXTS = pa.array([], pa.string())
NAMES = lake_columns.Names(
    **dict.fromkeys((field.name for field in fields(lake_columns.Names)), NO_TEXTS)
    | {"components": ("<component>",), "subscription_of_row": np.array([-1], np.int32),
       "items": ("plan/kind/name",), "owner_groups": (),
       "members": Members(*np.zeros((4, 0), np.int64))}
)

NOBODY = state.StateNames((), None, NO_TEXTS, np.zeros(3, np.int64))


def empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)


def written(dataset: str) -> pa.Schema:
    """The schema that the write stage gives a dataset's files."""
    if dataset == "rated":
        return lake_columns.rated_table(empty(schemas.RATED), NAMES).schema
    if dataset == "state":
        return state.table_of(empty(schemas.STATE), NOBODY).schema
    if dataset == "legs":
        return lake_columns.legs_table(empty(schemas.LEG), NAMES, "own").schema
    if dataset == "ratings":
        return lake_columns.ratings_table(empty(schemas.RATING), NAMES).schema
    if dataset in STORED_AS_THEY_ARE:
        return lake.micro_to_amounts(STORED_AS_THEY_ARE[dataset].empty_table()).schema
    usage, zeros = empty(schemas.USAGE), np.zeros(0, np.int64)
    if dataset == "uncharged":
        return lake_columns.uncharged_table(usage, NAMES, zeros).schema
    if dataset == "pending":
        return lake_columns.pending_table(usage, NAMES, zeros, zeros).schema
    raw = pa.Table.from_batches([empty(schemas.REJECTED)])
    return lake_columns.suspense_table(
        usage, NAMES, raw, zeros.astype(np.int8), zeros
    ).schema


def word(kind: pa.DataType) -> str:
    """A type as the page calls it."""
    if pa.types.is_decimal(kind):
        return "amount"
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        return "text"
    if pa.types.is_list(kind) or pa.types.is_date32(kind):
        return "list" if pa.types.is_list(kind) else "date32"
    return "bytes" if pa.types.is_binary(kind) else str(kind)


def documented(heading: str) -> list[tuple[str, str]]:
    """(column, type) rows of the table under a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found: list[tuple[str, str]] = []
    for name, kind in re.findall(r"^\| (`\S+`|the decoded columns) \| (\w*) ?\|", section, re.M):
        found += [(name.strip("`"), kind)] if kind else documented("The decoded columns")
    return found


DATASETS = ("rated", "state", "legs", "ratings", "suspense", "pending", "uncharged",
            *STORED_AS_THEY_ARE)  # fmt: skip


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_page_lists_the_columns(dataset: str) -> None:
    found = [(field.name, word(field.type)) for field in written(dataset)]
    assert documented(f"`{dataset}`") == found


def test_the_page_lists_the_words() -> None:
    for words in (codes.SERVICES, codes.DIRECTIONS, codes.ROAMINGS, codes.FORWARDS):
        assert f"| {', '.join(words)} |" in PAGE
    flags = [value for name, value in vars(codes).items() if name.startswith("FLAG_")]
    assert [int(bit) for bit in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)] == sorted(flags)


def test_record_ids_read_as_the_page_says() -> None:
    ((number, text),) = re.findall(r"(\d+) is\s+`(F\d+-\d+)`", PAGE)
    assert record_text(int(number)) == text
