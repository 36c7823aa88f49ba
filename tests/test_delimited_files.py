"""Delimited files as files: cut at any place, compressed, broken; tables that must agree."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import JIT_IS_OFF
from delimited_samples import TEXTS, TOLLBOOK, blocks_of, decoded, every_layout, files_of
from hypothesis import given
from hypothesis import strategies as st

from cdr import delimited, files, formats, layout, layout_time
from cdr import spec_kernels as k
from cdr.layout_types import Layout
from tollbook import codes, reasons
from tollbook.errors import BrokenFile
from tollbook.text import Problems


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Layout]:
    return every_layout(tmp_path_factory.mktemp("layouts"))


@given(made=files_of(), block_bytes=st.integers(1, 150))
def test_cutting_changes_nothing(
    made: tuple[str, bytes], block_bytes: int, layouts: dict[str, Layout],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    name, data = made
    path = tmp_path_factory.getbasetemp() / f"cut-{os.getpid()}.csv"
    head = (",".join(TOLLBOOK) + "\n").encode() if name == "tollbook" else b""
    path.write_bytes(head + data)
    whole = blocks_of(path, layouts[name], 2**20)
    assert blocks_of(path, layouts[name], block_bytes) == whole
    assert [row["record_id"] for row in whole[0]] == [
        row["record_id"] + (1 if head else 0) for row in decoded(data, layouts[name])[0]]


def test_row_longer_than_blocks_and_limit(tmp_path: Path, layouts: dict[str, Layout]) -> None:
    """A line of a megabyte is one bad row, whatever the block size; the next line is itself."""
    long = 20_000 if JIT_IS_OFF else 10**6
    path = tmp_path / "long.csv"
    path.write_bytes(b"2003-06-10 06:59:50,a\n" + b"z" * long + b"\n2003-06-10 06:59:50,b\n")
    found = layout.load(write(tmp_path, "short", extended("short", "limits: {row_bytes: 5000}")),
                        Problems())  # fmt: skip
    assert found is not None
    whole = blocks_of(path, found, 2**24)
    names = [(row["record_id"] & 0xFFFF, reasons.name_of(row["reason"])) for row in whole[0]]
    assert names == [(1, "ok"), (2, "row_too_long"), (3, "ok")]
    assert whole[1] == [((1 << 32) + 2, b"", b"z" * 5000)]
    for block_bytes in (64, 1000, 5001, 6000, 70_000):
        assert blocks_of(path, found, block_bytes) == whole


@pytest.mark.parametrize("quote", ["", '"'])
def test_blocks_of_very_short_lines(
    tmp_path: Path, quote: str, layouts: dict[str, Layout], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block has a limited number of lines, so that rows of two bytes cannot fill memory."""
    path = tmp_path / "short.csv"
    path.write_text(f"{quote}x{quote}\n" * 200 + "2003-06-10 06:59:50,b")
    whole = blocks_of(path, layouts["local"], 2**20)
    assert [row["reason"] for row in whole[0]] == [reasons.CODE["columns_too_few"]] * 200 + [0]
    monkeypatch.setattr(delimited, "LINES_MAX", 7)
    lines = [block.line_count for block in delimited.blocks(path, layouts["local"])]
    assert max(lines) == 7
    assert sum(lines) == 200
    for block_bytes in (3, 50, 2**20):
        assert blocks_of(path, layouts["local"], block_bytes) == whole


def extended(name: str, line: str) -> str:
    """The layout `local` under another name, with one more key."""
    return TEXTS["local"].replace("local", name).rstrip() + f"\n        {line}\n"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def test_byte_order_mark_and_skipped_lines(tmp_path: Path) -> None:
    found = layout.load(write(tmp_path, "skip", extended("skip", "skip_lines: 2")), Problems())
    assert found is not None
    path = tmp_path / "skip.csv"
    path.write_bytes(b"\xef\xbb\xbfexported by X\r\n\n2003-06-10 06:59:50,a\n")
    rows, _ = blocks_of(path, found, 8)
    assert [(row["record_id"] & 0xFF, row["byte_offset"], row["reason"]) for row in rows] == [
        (3, 19, 0)]  # fmt: skip


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_compressed_files(tmp_path: Path, kind: str, layouts: dict[str, Layout]) -> None:
    data = b"2003-06-10 06:59:50,a\n" * 50
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_bytes(data)
    packed.write_bytes(pa.compress(data, codec=kind, asbytes=True) if kind == "zstd"
                       else gzip.compress(data[:500]) + gzip.compress(data[500:]))  # fmt: skip
    assert files.compression_of(packed) == kind
    assert blocks_of(packed, layouts["local"], 100) == blocks_of(plain, layouts["local"], 2**20)
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(BrokenFile, match=f"{kind} data is broken"):
        blocks_of(packed, layouts["local"], 100)


def test_a_bomb_is_refused(tmp_path: Path, layouts: dict[str, Layout]) -> None:
    """40 MiB of line ends in 41 kB: refused once 16 MiB have come at more than 250 to 1."""
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"\n" * (40 * 2**20), 9))
    with files.open_stored(path) as stream, pytest.raises(BrokenFile, match="expand to") as caught:
        stream.read_into(np.empty(64 * 2**20, np.uint8))
    assert 16 * 2**20 <= caught.value.byte_offset <= 18 * 2**20
    small = files.Limits(expanded_bytes=1000)
    with files.open_stored(path, small) as stream, pytest.raises(BrokenFile, match="at most 250"):
        stream.read_into(np.empty(2**20, np.uint8))


HEADERS = [
    ("service,direction,served,start,duration\n", "the header lacks 'other'"),
    ("service,direction,served,other,start,duration,served\n", "names 'served' twice"),
    ("service,direction", "it ends, or runs on, in its head of 1 line\n"),
    ("", "at byte 0: it is empty"),
    ("INTEGER,VARCHAR(50),INTEGER\n1,2,3\n", "the line of column names is missing"),
]


@pytest.mark.parametrize(("text", "found"), HEADERS)
def test_broken_headers(
    tmp_path: Path, text: str, found: str, layouts: dict[str, Layout]
) -> None:
    path = tmp_path / "file.csv"
    path.write_text(text)
    with pytest.raises(BrokenFile) as caught:
        blocks_of(path, layouts["tollbook"], 100)
    assert found in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n    do: " in str(caught.value)


def test_names_and_types(tmp_path: Path) -> None:
    path = tmp_path / "cucm.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(BrokenFile, match="does not hold the types"):
        delimited.identify(path, layout.shipped("cucm"))


def test_kernels_use_the_codes_of_the_tables() -> None:
    names = ("COLUMNS_TOO_FEW", "COLUMNS_TOO_MANY", "FIELD_TOO_LONG", "TEXT_NOT_UTF8",
             "QUOTE_UNCLOSED", "NUMBER_MALFORMED", "INTEGER_MALFORMED", "DECIMAL_MALFORMED",
             "TIME_MALFORMED", "TIME_NOT_ON_CLOCK", "FIELD_MISSING", "INTEGER_OUT_OF_RANGE",
             "ROW_TOO_LONG", "TEXT_CONTROL_CHARACTER")  # fmt: skip
    for name in names:
        assert getattr(k, name) == reasons.CODE[name.lower()]
    assert k.FLAG_AMBIGUOUS_CLOCK == codes.FLAG_AMBIGUOUS_CLOCK
    for name in ("LITERAL", "YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "FRACTION",
                 "OFFSET", "EPOCH_S", "EPOCH_MS", "YEAR_TWO"):  # fmt: skip
        assert getattr(k, "ITEM_" + name) == getattr(layout_time, name)
    for name in ("LITERAL", "HOUR", "MINUTE", "SECOND", "FRACTION", "DIGITS"):
        assert getattr(k, "CLOCK_" + name) == getattr(layout_time, "CLOCK_" + name)


def test_every_reader_has_the_verbs() -> None:
    for kind in formats.READERS:
        reader = formats.reader(kind)
        for verb in ("identify", "prepare", "blocks", "decode"):
            assert callable(getattr(reader, verb))
