"""Columns of BER contents beside the same read and written one by one in plain Python."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import reference_values as plain
from hypothesis import given
from hypothesis import strategies as st

from cdr import asn_values
from cdr import value_write_kernels as writing
from cdr.asn_values import Form
from cdr.ber_state_kernels import ABSENT, PAD_BYTES

PACKED = (Form.DIGITS, Form.SWAPPED, Form.ADDRESS)
LEAD = 0x91
# Bytes as they come, ISO 646, and packed digits with and without what ends them.
CONTENTS = st.one_of(
    st.binary(max_size=40),
    st.text(st.characters(max_codepoint=127), max_size=40).map(str.encode),
    st.text("0123456789", max_size=24).map(
        lambda text: bytes.fromhex(text + "f" * (len(text) % 2))
    ),
    st.text("0123456789abcdef", max_size=24).map(
        lambda text: bytes.fromhex(text + "0" * (len(text) % 2))
    ),
)


def laid_out(rows: list[bytes | None]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Contents one behind the other, with what must not be read between them and behind them."""
    data, begin, size = b"\xee", [], []
    for one in rows:
        begin.append(len(data))
        size.append(ABSENT if one is None else len(one))
        data += (one or b"") + b"\x99"
    raw = np.frombuffer(data + b"\x99" * PAD_BYTES, np.uint8)
    return raw, np.array(begin, np.int32), np.array(size, np.int32)


@given(st.lists(st.tuples(st.sampled_from(Form), st.lists(st.none() | CONTENTS, max_size=20))))
def test_values_are_what_reading_them_one_by_one_gives(
    columns: list[tuple[Form, list[bytes | None]]]
) -> None:
    """Several columns in one piece of memory, each with gaps of its own or none."""
    for form, rows in columns:
        for some in (rows, [one for one in rows if one is not None]):
            found = asn_values.column(*laid_out(some), form)
            found.validate(full=True)
            assert found.to_pylist() == [plain.read(one, form) for one in some], form


@given(st.lists(st.tuples(st.sampled_from(Form), st.lists(st.none() | CONTENTS, max_size=20)),
                max_size=4))
def test_columns_of_one_call_keep_out_of_each_other(
    columns: list[tuple[Form, list[bytes | None]]]
) -> None:
    everything = laid_out([one for _, rows in columns for one in rows])
    places, spans, first = [(-1, 0, 0)], [], 0
    for _, rows in columns:
        begin, upto = len(places) - 1, 0
        for row in range(len(rows)):
            size = int(everything[2][first + row])
            if size >= 0:
                upto += size
                places.append((row, int(everything[1][first + row]), upto))
        spans.append((begin, len(places) - 1))
        places.append((-1, 0, 0))
        first += len(rows)
    found = asn_values.columns(
        everything[0].copy(), np.array(places, np.int32),
        np.array(spans, np.int64).reshape(-1, 2).T,
        np.array([len(rows) for _, rows in columns], np.int64),
        np.array([asn_values.code_of(form) for form, _ in columns], np.int64),
    )  # fmt: skip
    for column, (form, rows) in zip(found, columns, strict=True):
        column.validate(full=True)
        assert column.to_pylist() == [plain.read(one, form) for one in rows]


def test_a_cell_of_more_text_than_arrow_can_tell_has_no_values() -> None:
    """1,025 times the same mebibyte: no memory is taken for it."""
    data = np.full(2**20 + PAD_BYTES, 0x31, np.uint8)
    size = np.full(1025, 2**20, np.int32)
    found = asn_values.column(data, np.zeros(1025, np.int32), size, Form.TEXT)
    assert (found.null_count, found.type) == (1025, pa.string())


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20))
def test_integers_are_written_in_as_few_bytes_as_hold_them(values: list[int | None]) -> None:
    size = np.array([ABSENT if one is None else 0 for one in values], np.int32)
    begin, out = np.empty(len(values), np.int32), np.empty(8 * len(values), np.uint8)
    numbers = np.array([one or 0 for one in values], np.int64)
    end = int(writing.write_integers(numbers, size, begin, out))
    assert written(begin, size, out, end) == [plain.write(one, Form.INTEGER, 0) for one in values]


@pytest.mark.parametrize("form", PACKED)
@given(values=st.lists(st.none() | st.text(plain.SIGNS, max_size=20), min_size=1, max_size=20))
def test_digits_are_packed_as_one_by_one(form: Form, values: list[str | None]) -> None:
    size = np.array([ABSENT if one is None else 0 for one in values], np.int32)
    text = np.frombuffer("".join(one or "" for one in values).encode() + b"\0", np.uint8)
    offsets = np.concatenate(([0], np.cumsum([len(one or "") for one in values]))).astype(np.int32)
    begin, out = np.empty(len(values), np.int32), np.empty(len(text) + 2 * len(values), np.uint8)
    lead = LEAD if form is Form.ADDRESS else -1
    end = int(writing.pack_digits(text, offsets, lead, form is not Form.DIGITS, size, begin, out))
    assert written(begin, size, out, end) == [plain.write(one, form, LEAD) for one in values]


def written(begin: np.ndarray, size: np.ndarray, out: np.ndarray, end: int) -> list[bytes | None]:
    """What lies at the places; nothing lies elsewhere."""
    assert end == np.maximum(size, 0).sum()
    return [
        None if count < 0 else out[at : at + count].tobytes()
        for at, count in zip(begin.tolist(), size.tolist(), strict=True)
    ]
