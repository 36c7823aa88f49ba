"""The exchange gives back the rows that came in, however narrowly and wherever it holds them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollbook.run import held
from tollbook.run.exchange import Exchange

SCHEMA = pa.schema([
    pa.field(name, kind, nullable=False) for name, kind in (
        ("id", pa.int64()), ("i64", pa.int64()), ("i32", pa.int32()), ("i16", pa.int16()),
        ("i8", pa.int8()), ("place", pa.string()), ("place_index", pa.int32()),
        ("name", pa.string()),
    )
])  # fmt: skip
BUCKETS = 5
# Around the borders of what fits one, two and four bytes, on both sides of zero.
EDGES = [sign * (1 << bits) + near for bits in (0, 7, 8, 15, 16, 31, 32, 62) for sign in (-1, 1)
         for near in (-1, 0, 1)]  # fmt: skip


def within(bits: int) -> st.SearchStrategy[int]:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    edges = [edge for edge in EDGES if low <= edge <= high]
    return st.sampled_from(edges) | st.integers(low, high) | st.integers(0, 3)


ROW = st.tuples(
    within(63), within(32), within(16), within(8), st.sampled_from(["", "a", "é" * 9, "x" * 300]),
    st.sampled_from([-1, 0, 7]), st.text(max_size=40), st.integers(0, BUCKETS),
)  # fmt: skip
CHUNKS = st.lists(st.lists(ROW, max_size=12), min_size=1, max_size=6)


def batch_of(chunk: int, rows: list[tuple]) -> tuple[pa.RecordBatch, np.ndarray]:
    columns = [[(chunk << 32) + number for number in range(len(rows))]]
    columns += [[row[place] for row in rows] for place in range(7)]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return (pa.RecordBatch.from_arrays(arrays, schema=SCHEMA),
            np.array([row[7] for row in rows], np.int16))  # fmt: skip


def naive(chunks: list[list[tuple]], first: int, last: int) -> list[tuple]:
    """Rows of the buckets by (chunk, bucket, row): their values, implied texts emptied."""
    found = []
    for chunk, rows in enumerate(chunks):
        for bucket in range(first, last):
            for number, row in enumerate(rows):
                if row[7] == bucket:
                    place = "" if row[5] >= 0 else row[4]
                    found.append(((chunk << 32) + number, *row[:4], place, *row[5:7]))
    return found


@settings(deadline=None, max_examples=60)
@given(CHUNKS, st.sampled_from([0, 200, 1 << 30]), st.integers(0, BUCKETS - 1), st.booleans())
def test_rows_come_back_by_bucket(
    chunks: list[list[tuple]], budget: int, first: int, backwards: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        exchange = Exchange(SCHEMA, BUCKETS, budget, Path(folder), {"place": "place_index"})
        left = {}
        for number in sorted(range(len(chunks)), reverse=backwards):  # as threads finish
            left[number] = exchange.add((1, number), *batch_of(number, chunks[number]))
        for low, high in ((first, BUCKETS), (0, first), (first, first + 1)):
            got = exchange.collect(low, high)
            rows = naive(chunks, low, high)
            assert list(zip(*got.to_pydict().values(), strict=True)) == rows
            got.validate(full=True)
            some = np.flatnonzero([row[4] % 3 == 0 for row in rows])
            for batch, places in zip(
                exchange.split(low, high, some), (np.delete(range(len(rows)), some), some),
                strict=True,
            ):
                batch.validate(full=True)
                wanted = [rows[place] for place in places]
                assert list(zip(*batch.to_pydict().values(), strict=True)) == wanted
            assert exchange.collect(low, high, ["i8", "place"]) == got.select(["i8", "place"])
        assert exchange.distinct("i16") == sorted({
            row[2] for rows in chunks for row in rows if row[7] < BUCKETS
        })  # fmt: skip
        for number, rows in enumerate(chunks):
            out = [row for row in rows if row[7] == BUCKETS]
            given_back = left[number]
            assert (0 if given_back is None else given_back.num_rows) == len(out)
            if given_back is not None:
                assert given_back["place"].to_pylist() == [row[4] for row in out]
        exchange.close()


def test_what_is_beyond_the_budget_is_read_from_a_file_without_a_name(tmp_path: Path) -> None:
    store = held.Held(64, tmp_path)
    pieces = [np.arange(size, dtype=np.uint8) for size in (40, 100, 0, 7)]
    places = []
    for piece in pieces:
        place, room = store.room(len(piece))
        room[:] = piece
        store.keep(place, room)
        places.append(place)
    assert store.memory_bytes <= 64
    assert not list(tmp_path.iterdir())
    sizes = np.array([len(piece) for piece in pieces], np.int64)
    seen = {}
    for data, which, at in store.gathered(np.array(places, np.int64), sizes):
        for piece, first in zip(which.tolist(), at.tolist(), strict=True):
            seen[piece] = data[first : first + sizes[piece]]
    for number, piece in enumerate(pieces):
        np.testing.assert_array_equal(seen[number], piece)
    store.close()


def test_a_file_that_lost_its_end_is_noticed(tmp_path: Path) -> None:
    store = held.Held(0, tmp_path)
    place, _ = store.room(100)  # never filled
    with pytest.raises(OSError, match="ended early"):
        store.gathered(np.array([place], np.int64), np.array([100], np.int64))
