"""What lies around the records of native files: frames, filler, outer lists, headers that are wrong
and records whose bytes make no sense. Whatever is found there costs itself and nothing else."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path
from typing import Any

import native_files
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import JIT_IS_OFF
from reference_ber import element
from test_ber import indefinite
from test_native_reader import DATA, call, rows_of, session, shipped, switch

from cdr import ber, convert, native, native_pieces, native_reader
from cdr.native import FORMATS, FRAMED
from tollbook.cli.main import cli
from tollbook.errors import BrokenFile, HeldFile

SEQUENCE, LIST = 16 << 2, 1 << 2 | 2
GOOD = [switch(call(recordType=0, callDuration=seconds)) for seconds in (11, 12, 13)]
OPEN = b"".join(indefinite(GOOD[1], 0, len(GOOD[1])))
# The length of its first field is one that the record has no room for.
BAD_OPEN = OPEN[:3] + b"\x7f" + OPEN[4:]
# A part of it stands twice, and its length is not known.
TWICE_OPEN = OPEN[:-2] + OPEN[2:-2] + OPEN[-2:]
STRANGER = b"\xbf\x7f\x03\x80\x01\x00"  # tag 127, and three bytes as it says


def frame(record: bytes, release: bytes = b"\0", code: int = 0x26) -> bytes:
    return len(record).to_bytes(2) + release[:1] + bytes([code]) + release[1:] + record


def file_of(body: bytes, count: int, stated: int | None = None) -> bytes:
    """A framed file of this body; ``stated``: the length in its header."""
    whole = native_files.framed([]) + body
    size = len(whole) if stated is None else stated
    return size.to_bytes(4) + whole[4:18] + count.to_bytes(4) + whole[22:]


def read(tmp_path: Path, data: bytes) -> tuple[list[tuple[int, int, Any]], dict[int, Any]]:
    """Place, length, and seconds or reason of each row; and the bytes of those that are bad."""
    path = tmp_path / "file"
    path.write_bytes(data)
    rows, rejected = rows_of(path, "ts32298")
    return [(row.get("byte_offset", 0), row.get("byte_length", 0),
             row["reason"][0] if "reason" in row else row["duration_s"]) for row in rows], rejected


# ---- filler


EXTENDED = b"\xe0\x05"
FILLED = {
    "zeros behind the last": [frame(GOOD[0]), frame(GOOD[1]), bytes(40)],
    "a zero behind the last": [frame(GOOD[0]), frame(GOOD[1]), bytes(1)],
    "0xFF behind the last": [frame(GOOD[0]), frame(GOOD[1]), b"\xff" * 33],
    "zeros before the first": [bytes(3), frame(GOOD[0]), frame(GOOD[1])],
    "zeros between": [frame(GOOD[0]), bytes(9), frame(GOOD[1], EXTENDED)],
    "one zero between": [frame(GOOD[0], EXTENDED), bytes(1), frame(GOOD[1])],
    "0xFF between": [frame(GOOD[0]), b"\xff" * 70_000, frame(GOOD[1])],
    "both between": [frame(GOOD[0]), b"\xff\0\xff\0\0", frame(GOOD[1], EXTENDED)],
    "two between": [frame(GOOD[0]), b"\xff\xff", frame(GOOD[1])],
    "zeros in a frame": [frame(GOOD[0] + bytes(30)), frame(bytes(2) + GOOD[1])],
    "0xFF in a frame": [frame(GOOD[0] + b"\xff" * 500), frame(GOOD[1])],
    "before a record of unknown length": [frame(GOOD[0]), b"\xff\0\0\0\0", frame(OPEN + bytes(5))],
}


@pytest.mark.parametrize("name", FILLED)
def test_filler_is_read_over_and_is_no_record(tmp_path: Path, name: str) -> None:
    """Two records in each; the records' own places, without the filler in their frames."""
    data = file_of(b"".join(FILLED[name]), 2)
    rows, rejected = read(tmp_path, data)
    assert [seconds for _, _, seconds in rows] == [11, 12]
    assert [data[at : at + size] in (*GOOD, OPEN) for at, size, _ in rows] == [True, True]
    assert rejected == {}


def test_empty_frames_are_records_and_not_filler(tmp_path: Path) -> None:
    """A header that announces no bytes, or filler alone, is a record that cannot be read."""
    parts = [frame(b""), frame(b"", EXTENDED), frame(GOOD[0]), frame(bytes(7)), frame(GOOD[1])]
    rows, rejected = read(tmp_path, file_of(b"".join(parts), 5))
    bad = "record_unreadable"
    assert sorted(row[2] for row in rows if row[2] != bad) == [11, 12]
    assert [row[1] for row in rows if row[2] == bad] == [0, 0, 7]
    assert rejected == {1: (b"", b""), 2: (b"", b""), 4: (b"", bytes(7))}


# ---- where a file begins


def with_extension(size: int) -> bytes:
    """Two records behind a header whose private extension has ``size`` bytes."""
    plain = file_of(frame(GOOD[0]) + frame(GOOD[1]), 2)
    header = (54 + size).to_bytes(4) + plain[8:52] + size.to_bytes(2) + b"x" * size
    return (4 + len(header) + len(plain) - 54).to_bytes(4) + header + plain[54:]


BEGINNINGS = {
    "an unknown group first": (STRANGER + GOOD[0] + GOOD[1], [11, 12]),
    "much filler first": (bytes(300_000) + b"\xff" * 300_000 + GOOD[0], [11]),
    "nothing but filler": (b"\xff" * 33, []),
    "nothing at all": (b"", []),
    "a long header": (with_extension(60_000), [11, 12]),
}


@pytest.mark.parametrize("name", BEGINNINGS)
@pytest.mark.parametrize("is_packed", [False, True])
def test_the_layout_decides_where_the_first_bytes_do_not(
    tmp_path: Path, name: str, is_packed: bool
) -> None:
    data, seconds = BEGINNINGS[name]
    rows, _ = read(tmp_path, gzip.compress(data) if is_packed else data)
    assert [row[2] for row in rows if isinstance(row[2], int)] == seconds
    assert len(rows) - len(seconds) == (name == "an unknown group first")


def test_an_empty_file_of_a_partner_is_told_to_be_empty(tmp_path: Path) -> None:
    """A batch has a header, however few events it has."""
    path = tmp_path / "file"
    for data, words in ((b"", "it is empty"), (b"\xff\xff", "it is nothing but filler")):
        path.write_bytes(data)
        with pytest.raises(BrokenFile, match=words):
            rows_of(path, "tap")


def test_filler_behind_a_framed_file_is_nothing_to_any_command(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(file_of(frame(GOOD[0]) + frame(b""), 2) + bytes(9))
    said = {name: CliRunner().invoke(cli, ["cdr", name, str(path)])
            for name in ("identify", "check", "dump")}  # fmt: skip
    assert "more follows" not in said["identify"].output
    assert "DIFFERS" not in said["check"].output
    assert "record that cannot be read (it is empty)" in said["dump"].output


# ---- records that cannot be read


@pytest.mark.parametrize("how", ["framed", "one after the other", "in an outer list"])
@pytest.mark.parametrize("bad", [BAD_OPEN, TWICE_OPEN, STRANGER])
def test_a_bad_record_is_one_row_whatever_its_length_is(
    tmp_path: Path, how: str, bad: bytes
) -> None:
    """Its end is found, by its own length or by the end that fits its beginning."""
    records = [GOOD[0], bad, GOOD[2]]
    if bad is BAD_OPEN and how != "framed":  # where it ends, only its frame can tell
        with pytest.raises(BrokenFile):
            read(tmp_path, b"".join(records))
        return
    data = {"framed": native_files.framed(records), "one after the other": b"".join(records),
            "in an outer list": native_files.data_file(records)}[how]  # fmt: skip
    rows, rejected = read(tmp_path, data)
    at = [data.index(one) for one in records]
    assert sorted(rows) == [(at[0], len(GOOD[0]), 11), (at[1], len(bad), "record_unreadable"),
                            (at[2], len(GOOD[2]), 13)]  # fmt: skip
    assert [raw for _, raw in rejected.values()] == [bad]


def test_an_event_of_an_unknown_kind_is_not_passed_over(tmp_path: Path) -> None:
    """The second of five events has a tag that TAP has not; of a length that is known, and not."""
    data = (DATA / "tap_3_11_five_events.ber").read_bytes()
    end = 502 + 225
    path = tmp_path / "file"
    path.write_bytes(data[:502] + b"\x7e" + data[503:])
    rows, rejected = rows_of(path, "tap")
    assert [row.get("reason", ("ok", ""))[0] for row in rows] == [
        "ok", "record_unreadable", "ok", "ok", "ok"]  # fmt: skip
    assert rejected == {2: (b"", b"\x7e" + data[503:end])}
    done = CliRunner().invoke(cli, ["cdr", "check", str(path)])
    assert "1 unknown" in done.output
    assert "record 2 at byte 502 (225 bytes)" in done.output
    event = b"".join(indefinite(data, 502, end))
    whole = b"".join(indefinite(data, 0, len(data))).replace(event, b"\x7e" + event[1:])
    path.write_bytes(whole)
    rows, rejected = rows_of(path, "tap")
    assert (len(rows), rejected) == (5, {2: (b"", b"\x7e" + event[1:])})


@pytest.mark.parametrize("rest", [
    b"\xbf\x7f\x7f\x01", STRANGER[:-1], b"\x30\x02\x05\0", b"\x9f\x7f\x01\0", b"ERROR",
])  # fmt: skip
def test_what_no_length_or_no_group_tells_the_end_of_refuses_the_file(
    tmp_path: Path, rest: bytes
) -> None:
    with pytest.raises(BrokenFile, match=f"at byte {len(GOOD[0])}"):
        read(tmp_path, GOOD[0] + rest)


def test_a_dump_goes_on_behind_what_cannot_be_read(tmp_path: Path) -> None:
    """Frame by frame, and record by record where a length tells the end of one."""
    path = tmp_path / "file"
    path.write_bytes(native_files.framed([GOOD[0], BAD_OPEN, GOOD[2]]))
    done = CliRunner().invoke(cli, ["cdr", "dump", str(path)])
    assert done.exit_code == 1
    assert done.output.count("  callDuration = ") == 2
    assert "record that cannot be read (an element that ends behind what holds it)" in done.output
    path.write_bytes(GOOD[0] + STRANGER + GOOD[2])
    done = CliRunner().invoke(cli, ["cdr", "dump", str(path)])
    assert (done.exit_code, done.output.count("  callDuration = ")) == (0, 2)
    assert "unknown [CONTEXT 127]" in done.output


# ---- outer lists


def test_several_lists_in_one_file(tmp_path: Path) -> None:
    """Two outer SEQUENCEs with filler between them; then one with two lists and filler, the same of
    indefinite length, and a list without a header; then a record that is in none."""
    one, two, three = GOOD
    header = element(2, True, element(2, False, bytes(9)))
    late = element(2, True, one[5:] + one[2:5])  # its type comes last
    lists = element(LIST, True, one), b"\xa1\x80" + two + b"\0\0"
    parts = [
        native_files.data_file([one]), b"\xff" * 5, native_files.data_file([two, three]),
        element(SEQUENCE, True, header + bytes(3).join(lists) + b"\xff"),
        b"\x30\x80" + header + b"".join(lists) + b"\0\0",
        element(SEQUENCE, True, late + OPEN), one,
    ]  # fmt: skip
    data = b"\0" + b"".join(parts)
    rows, rejected = read(tmp_path, data)
    assert [seconds for _, _, seconds in rows] == [11, 12, 13, 11, 12, 11, 12, 11, 12, 11]
    assert rejected == {}
    assert all(data[at : at + size] in (*GOOD, OPEN, late) for at, size, _ in rows)


@pytest.mark.parametrize("tail", [b"GARBAGE", native_files.data_file(GOOD)[:-5], b"\x30\x80\xa0"])
def test_a_list_that_cannot_be_followed_refuses_the_file(tmp_path: Path, tail: bytes) -> None:
    whole = native_files.data_file(GOOD)
    with pytest.raises(BrokenFile, match=f"at byte {len(whole)}"):
        read(tmp_path, whole + tail)
    nothing = element(SEQUENCE, True, element(2, True, element(2, False, bytes(9))))
    with pytest.raises(BrokenFile, match="lists that hold all records"):
        read(tmp_path, nothing)


# ---- the header of a framed file


BODY = b"".join(map(frame, GOOD))


@pytest.mark.parametrize(("data", "words"), [
    (file_of(BODY, 3, len(file_of(BODY, 3)) + 50),
     "it ends here, and its header says .* before that are 3 whole records"),
    (file_of(BODY, 3)[:-9], "it ends here, and its header says .* before that are 2 whole"),
    (file_of(BODY, 3, 2**32 - 1)[:-9], "bytes that are no whole record, behind 2 whole records"),
    (file_of(BODY + BODY, 3, len(file_of(BODY, 3))), "bytes behind the .* and the 3 records in"),
])  # fmt: skip
def test_a_file_of_another_length_than_its_header_says(
    tmp_path: Path, data: bytes, words: str
) -> None:
    """It is known for what it is, and refused with what was found; a dump shows what is there."""
    with pytest.raises(BrokenFile, match=words):
        read(tmp_path, data)
    assert native.head_of(tmp_path / "file").format is FRAMED
    done = CliRunner().invoke(cli, ["cdr", "dump", str(tmp_path / "file")])
    assert done.exit_code == 1
    assert done.output.count("moCallRecord") >= 2
    done = CliRunner().invoke(cli, ["cdr", "identify", str(tmp_path / "file")])
    assert "in a framed file" in done.output
    is_told = data[:4] != b"\xff" * 4
    assert ("its header says" in done.output) == is_told


def test_filler_behind_the_length_that_the_header_says(tmp_path: Path) -> None:
    whole = file_of(BODY, 3)
    assert [row[2] for row in read(tmp_path, whole + bytes(100) + b"\xff" * 9)[0]] == [11, 12, 13]


@pytest.mark.parametrize("stated", [2, 4, 0])
def test_another_count_than_the_header_says_holds_the_file_back(
    tmp_path: Path, stated: int
) -> None:
    """All rows come first, for whoever wants to read it all the same; filler does not count."""
    path = tmp_path / "file"
    path.write_bytes(file_of(BODY + bytes(64), stated))
    blocks = native_reader.blocks(path, shipped("ts32298"))
    first = next(blocks)
    assert len(first.numbers) == 3
    with pytest.raises(HeldFile, match=f"held back: 3 records, but {stated} in the header"):
        list(blocks)
    path.write_bytes(file_of(BODY, 0xFFFFFFFF))  # the writer did not know
    assert sum(len(block.numbers) for block in native_reader.blocks(path, shipped("ts32298"))) == 3


# ---- memory, and tables for other programs


def test_memory_does_not_grow_with_the_number_of_frames() -> None:
    """Frames without a record, and small lists: 4 bytes of a file must not become 100 in memory."""
    count = 2_000 if JIT_IS_OFF else 400_000
    files = {"ts32297": file_of(frame(b"") * count, count),
             "ts32298": element(SEQUENCE, True, element(LIST, True, b"")) * count}  # fmt: skip
    for name, data in files.items():
        raw = ber.padded(data, "file")
        found = 0
        list(native_pieces.pieces(raw[-200:], FORMATS["ts32298"], "file"))  # compiled before
        tracemalloc.start()
        for piece in native_pieces.pieces(raw, FORMATS[name], "file"):
            rows = max(len(piece.parts), len(piece.others))
            assert rows <= ber.ROWS
            found += rows
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found == count
        assert most < 8 * 2**20
    form, rows = FRAMED, 0
    context = native_reader.prepare(shipped("ts32298"), form, "UTC", "UTC", 0, 1)
    for block in native_reader.blocks_of(ber.padded(files["ts32297"], "file"), form, "file"):
        batch = native_reader.decode(block, context).batch
        assert batch.num_rows <= ber.ROWS
        ids = batch.column("record_id").to_numpy() - (1 << 32)
        assert np.array_equal(ids, np.arange(rows + 1, rows + 1 + len(ids)))
        rows += batch.num_rows
    assert rows == count


def test_a_framed_file_as_tables_leaves_nothing_out() -> None:
    """Frames that are no record, with place and reason; a record that is bad; the header."""
    parts = [frame(GOOD[0]), frame(b"text", code=0x46), frame(STRANGER), frame(TWICE_OPEN),
             frame(switch(session((1, 2), (3, 4))))]  # fmt: skip
    data = file_of(b"".join(parts), 5)
    tables = convert.tables(data, FRAMED, "file")
    assert tables["faults"].to_pylist() == [
        {"frame": 2, "at": data.index(b"text"), "size": 4, "reason": "encoding_unknown",
         "encoding": "UPER, TS 32.250", "bytes": b"text"},
        {"frame": 3, "at": data.index(STRANGER), "size": len(STRANGER),
         "reason": "record_unreadable", "encoding": "BER, TS 32.250", "bytes": STRANGER},
    ]  # fmt: skip
    [header] = tables["file"].to_pylist()
    assert (header["file_bytes"], header["record_count"], header["closure"]) == (
        len(data), 5, "normal")  # fmt: skip
    records = tables["CallDataRecord"].to_pylist()
    assert [(one["kind"], one["fault"] is None) for one in records] == [
        ("moCallRecord", True), ("moCallRecord", False), ("pGWRecord", True)]  # fmt: skip
    assert tables["ChangeOfServiceCondition"].column("record").to_pylist() == [2, 2]
    plain = convert.tables(GOOD[0] + STRANGER, FORMATS["ts32298"], "file")["CallDataRecord"]
    assert plain.column("kind").to_pylist() == ["moCallRecord", "unknown"]
