"""Rated records -> usage lines: exact sums by account, plan, charge component and tax class.

``accumulate`` takes the rated rows of a bill period batch by batch, in any order and cut, and holds
one row of sums for each line, so memory grows with the accounts and not with the records. Which
batch a row came in changes nothing: sums are integers and the lines are sorted at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from billing import accumulate_kernels as kernels
from tariffs.model import FREE, Book
from tollbook import schemas
from tollbook.codes import BYTES, EVENTS, QUANTITY_UNIT, SECONDS, SERVICES
from tollbook.errors import TollbookError
from tollbook.stage import text_of

CHUNK_ROWS: Final = 1 << 17
STANDARD: Final = "standard"
_UNIT_OF: Final = np.array([QUANTITY_UNIT.get(code, 0) for code in range(len(SERVICES))], np.int8)
_CLASS_LIMIT: Final = 1 << kernels.CLASS_BITS
_PLAN_LIMIT: Final = 1 << kernels.PLAN_BITS
_COMPONENT_AT: Final = kernels.CLASS_BITS
_PLAN_AT: Final = _COMPONENT_AT + kernels.COMPONENT_BITS
_ACCOUNT_AT: Final = _PLAN_AT + kernels.PLAN_BITS
_SUMS: Final = (
    kernels.USAGE_COUNT, kernels.DURATION_S, kernels.VOLUME_BYTES, kernels.EVENT_COUNT,
    kernels.CHARGE_MICRO,
)  # fmt: skip
_FAULTS: Final = {
    kernels.VERSION_UNKNOWN: (
        "the plan version is not in the book", "versions of the book in use",
        "bill with the book that rated the record"),
    kernels.QUANTITY_OUT_OF_RANGE: (
        "a quantity is negative, or a sum of quantities too large", "sums from 0 to 10**18",
        "look at the record with `tollbook explain`"),
    kernels.CHARGE_OUT_OF_RANGE: (
        "a charge or a sum of charges is too large", "less than 10**12 currency units",
        "look at the record with `tollbook explain`"),
    kernels.COMPONENTS_DIFFER: (
        "the components do not add up to the charge", "components whose sum is the charge",
        "name every component of the rated rows in the book"),
}  # fmt: skip


class RatedRowRefused(TollbookError):
    """A rated row that cannot be billed; nothing was billed."""

    def __init__(self, fault: int, account: str, plan: str, version: str) -> None:
        found, allowed, do = _FAULTS[fault]
        super().__init__(
            f"rated record of account {account}, plan '{plan}' version '{version}': {found}\n"
            f"    allowed: {allowed}\n    do: {do}"
        )


def accumulate(batches: Iterable[pa.RecordBatch | pa.Table], book: Book) -> pa.Table:
    """Usage lines (``schemas.USAGE_LINE``) sorted by account, plan, component, tax class.

    batches: rows of the lake's ``rated``: account_id, plan, version, service (text, dictionaries or
    not), duration_s, up_bytes, down_bytes, event_count, charge_micro (int64) and, for components of
    the book, ``charge_<component>_micro``; where such a column is missing, it charged nothing.

    A record counts in the line of each component that charged it; one that nothing charged counts
    in the line ``free``. Raises RatedRowRefused for a row that must not be billed as it is.
    """
    sums = Accumulator(book)
    for batch in batches:
        for start in range(0, batch.num_rows, CHUNK_ROWS):
            sums.add(batch.slice(start, CHUNK_ROWS))
    return sums.lines()


class Accumulator:
    """The sums so far. ``add`` rows, then ask for the ``lines``."""

    def __init__(self, book: Book) -> None:
        self._components = book.components
        self._class_of_component = {
            (plan.plan_id, version.label): dict(version.tax_class)
            for plan in book.plans
            for version in plan.versions
        }
        classes = {STANDARD}.union(
            *(found.values() for found in self._class_of_component.values())
        )
        self._classes = sorted(classes)
        if len(self._classes) > _CLASS_LIMIT or len(book.plans) >= _PLAN_LIMIT:
            raise TollbookError(
                f"the book has {len(book.plans)} plans and {len(self._classes)} tax classes\n"
                f"    allowed: {_PLAN_LIMIT - 1} plans, {_CLASS_LIMIT} tax classes\n"
                "    do: remove plans that no account is on"
            )
        self._accounts, self._plans, self._versions = _Words(), _Words(), _Words()
        self._services = _Words(SERVICES)
        self._class_of = np.full((0, 0, 0), kernels.EMPTY, np.int16)
        self._groups = _new_groups(1024)
        self._count = 0

    def add(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Add the rows of a batch of at most a few hundred thousand rows."""
        rows = self._rows(batch)
        if not len(rows.account):
            return
        self._know_versions()
        self._make_room(len(rows.account) * (len(self._components) + 1))
        status = np.array([kernels.OK, 0], np.int64)
        self._count = kernels.add_rows(rows, self._class_of, self._groups, self._count, status)
        if status[0] != kernels.OK:
            row = int(status[1])
            names = ("account_id", "plan", "version")
            raise RatedRowRefused(
                int(status[0]), *(batch.column(name)[row].as_py() for name in names)
            )

    def lines(self) -> pa.Table:
        """The sums as usage lines."""
        figures = self._groups.figures[: self._count]
        key = figures[:, kernels.KEY]
        tax_class = key & (_CLASS_LIMIT - 1)
        component = (key >> _COMPONENT_AT) & ((1 << kernels.COMPONENT_BITS) - 1)
        plan = (key >> _PLAN_AT) & (_PLAN_LIMIT - 1)
        account = key >> _ACCOUNT_AT
        accounts, plans = self._accounts.words(), self._plans.words()
        order = np.argsort(
            (_ranks(accounts)[account] << _ACCOUNT_AT)
            | (_ranks(plans)[plan] << _PLAN_AT)
            | (key & ((1 << _PLAN_AT) - 1))
        )
        columns = [
            accounts.take(pa.array(account[order])),
            plans.take(pa.array(plan[order])),
            _take([*self._components, FREE], component[order]),
            _take(self._classes, tax_class[order]),
            *(pa.array(figures[order, column]) for column in _SUMS),
        ]
        return pa.table(columns, schema=schemas.USAGE_LINE)

    def _rows(self, batch: pa.RecordBatch | pa.Table) -> kernels.RatedRows:
        unit = _UNIT_OF[_codes(batch.column("service"), self._services)]
        charges = np.zeros((len(self._components), batch.num_rows), np.int64)
        for slot, component in enumerate(self._components):
            if f"charge_{component}_micro" in batch.schema.names:
                charges[slot] = _ints(batch, f"charge_{component}_micro")
        return kernels.RatedRows(
            _codes(batch.column("account_id"), self._accounts),
            _codes(batch.column("plan"), self._plans),
            _codes(batch.column("version"), self._versions),
            np.where(unit == SECONDS, _ints(batch, "duration_s"), 0),
            np.where(unit == BYTES, _ints(batch, "up_bytes"), 0),
            np.where(unit == BYTES, _ints(batch, "down_bytes"), 0),
            np.where(unit == EVENTS, _ints(batch, "event_count"), 0),
            _ints(batch, "charge_micro"),
            charges,
        )

    def _know_versions(self) -> None:
        """Bring the table of tax classes up to the plans and versions that were met."""
        plans, versions = self._plans.words(), self._versions.words()
        shape = (len(plans), len(versions), len(self._components) + 1)
        if self._class_of.shape == shape:
            return
        class_code = {name: code for code, name in enumerate(self._classes)}
        self._class_of = np.full(shape, kernels.EMPTY, np.int16)
        for p, plan in enumerate(plans.to_pylist()):
            for v, version in enumerate(versions.to_pylist()):
                named = self._class_of_component.get((plan, version))
                if named is not None:
                    self._class_of[p, v] = [
                        class_code[named.get(component, STANDARD)]
                        for component in (*self._components, FREE)
                    ]

    def _make_room(self, more: int) -> None:
        """Room for ``more`` new groups, with the slots at most half full."""
        old, needed = self._groups, self._count + more
        if needed > len(old.figures):
            self._groups = _new_groups(max(needed, 2 * len(old.figures)))
            self._groups.figures[: self._count] = old.figures[: self._count]
            kernels.fill_groups(self._groups, self._count)


class _Words:
    """Texts met so far, numbered in the order in which they came."""

    def __init__(self, known: Sequence[str] = ()) -> None:
        self._table = kernels.TextTable(
            np.full(64, kernels.EMPTY, np.int32), np.zeros(33, np.int64), np.zeros(256, np.uint8)
        )
        self._count = 0
        if known:
            self.codes(pa.array(known, pa.string()))

    def codes(self, texts: pa.Array) -> np.ndarray:
        """int32 code of every text; texts not met before are added."""
        column = text_of(texts)
        codes = np.empty(len(texts), np.int32)
        self._make_room(len(texts), int(column.offsets[-1] - column.offsets[0]))
        self._count = kernels.intern_texts(
            column.offsets, column.data, self._table, self._count, codes
        )
        return codes

    def words(self) -> pa.Array:
        """The texts by code."""
        used = self._table.offsets[: self._count + 1]
        offsets, data = pa.py_buffer(used.copy()), pa.py_buffer(self._table.data[: used[-1]].copy())
        texts = pa.Array.from_buffers(pa.large_string(), self._count, [None, offsets, data])
        return texts.cast(pa.string())

    def _make_room(self, more: int, more_bytes: int) -> None:
        old, rows = self._table, self._count + more
        size = int(old.offsets[self._count]) + more_bytes
        slots, offsets, data = old
        if size > len(data):
            data = np.zeros(max(size, 2 * len(data)), np.uint8)
            data[: len(old.data)] = old.data
        if rows >= len(offsets):
            rows = max(rows, 2 * len(offsets))
            offsets = np.zeros(rows + 1, np.int64)
            offsets[: len(old.offsets)] = old.offsets
            slots = np.full(_power_of_two(2 * rows), kernels.EMPTY, np.int32)
        self._table = kernels.TextTable(slots, offsets, data)
        if slots is not old.slots:
            kernels.fill_texts(self._table, self._count)


def _codes(column: pa.Array | pa.ChunkedArray, words: _Words) -> np.ndarray:
    """int32 codes of a text column, dictionary or not."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        of_word = words.codes(column.dictionary.cast(pa.string()))
        codes: np.ndarray = of_word[column.indices.to_numpy(zero_copy_only=False)]
        return codes
    return words.codes(column)


def _ints(batch: pa.RecordBatch | pa.Table, name: str) -> np.ndarray:
    """An int64 column as numpy; an absent figure is 0."""
    column = batch.column(name)
    if column.null_count:
        column = pc.fill_null(column, 0)
    values: np.ndarray = column.to_numpy()
    return values


def _ranks(words: pa.Array) -> np.ndarray:
    """int64 position of every text in the sorted order of all."""
    ranks = np.empty(len(words), np.int64)
    ranks[pc.sort_indices(words).to_numpy()] = np.arange(len(words))
    return ranks


def _take(words: Sequence[str], codes: np.ndarray) -> pa.Array:
    return pa.array(words, pa.string()).take(pa.array(codes))


def _new_groups(room: int) -> kernels.Groups:
    slots = np.full(_power_of_two(2 * room), kernels.EMPTY, np.int32)
    return kernels.Groups(slots, np.zeros((room, kernels.FIGURES), np.int64))


def _power_of_two(least: int) -> int:
    return 1 << max(least - 1, 1).bit_length()
