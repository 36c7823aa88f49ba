"""Which rows of a lake table are others than before, column by column, as fast as they are read."""

from __future__ import annotations

from collections.abc import Container

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_MICRO = "_micro"


def changed(old: pa.Table, new: pa.Table, left_out: Container[str] = ()) -> np.ndarray:
    """Rows (bool) that differ in a column; both tables have the same rows in the same order.

    A component's charge is 0 where one of the tables does not know it, a list is empty; any other
    column that one of them lacks is a newer tollbook's, and says nothing about the row.
    """
    found = np.zeros(old.num_rows, np.bool_)
    for name in dict.fromkeys((*old.column_names, *new.column_names)):
        if name in left_out:
            continue
        there = [table.column(name) for table in (old, new) if name in table.column_names]
        if len(there) == 2:
            found |= differing(_one(there[0]), _one(there[1]))
        elif name.endswith(_MICRO):
            found |= _one(there[0]).to_numpy() != 0
        elif pa.types.is_list(there[0].type):
            found |= _lengths(_one(there[0])) != 0
    return found


def differing(old: pa.Array, new: pa.Array) -> np.ndarray:
    """Where two columns of one length hold other values (bool)."""
    if pa.types.is_date(old.type):
        old, new = old.view(pa.int32()), new.view(pa.int32())
    if pa.types.is_integer(old.type):
        different: np.ndarray = old.to_numpy() != new.to_numpy()
        return different
    if pa.types.is_dictionary(old.type) and pa.types.is_dictionary(new.type):
        return _differing_words(old, new)
    if pa.types.is_list(old.type):
        return _differing_lists(old, new)
    return _not_equal(_plain(old), _plain(new))


def _differing_lists(old: pa.ListArray, new: pa.ListArray) -> np.ndarray:
    """Lists of structs: those of other lengths, and those of which an element is another."""
    length = _lengths(old)
    found: np.ndarray = length != _lengths(new)
    same = np.flatnonzero(~found & (length > 0))
    if len(same):
        at = pa.array(same)
        elements = [array.take(at).flatten().flatten() for array in (old, new)]
        row = np.repeat(same, length[same])
        for ours, theirs in zip(*elements, strict=True):
            found[row[differing(ours, theirs)]] = True
    return found


def _lengths(lists: pa.ListArray) -> np.ndarray:
    found: np.ndarray = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    return found


def _differing_words(old: pa.DictionaryArray, new: pa.DictionaryArray) -> np.ndarray:
    """A new code usually stands for one old code; only rows of which that is not so are read."""
    ours, theirs = (one.indices.to_numpy(zero_copy_only=False) for one in (old, new))
    if not len(ours):
        return np.zeros(0, np.bool_)
    usual = np.zeros(len(new.dictionary), ours.dtype)
    usual[theirs] = ours
    words = pc.equal(old.dictionary.take(pa.array(usual)), new.dictionary)
    same = words.to_numpy(zero_copy_only=False)
    found: np.ndarray = (usual[theirs] != ours) | ~same[theirs]
    rows = np.flatnonzero(found)
    if len(rows):
        at = pa.array(rows)
        found[rows] = _not_equal(_plain(old.take(at)), _plain(new.take(at)))
    return found


def _not_equal(old: pa.Array, new: pa.Array) -> np.ndarray:
    found: np.ndarray = pc.not_equal(old, new).to_numpy(zero_copy_only=False)
    return found


def _plain(array: pa.Array) -> pa.Array:
    return array.cast(pa.string()) if pa.types.is_dictionary(array.type) else array


def _one(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks or [pa.array([], column.type)])
