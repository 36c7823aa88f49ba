"""BER: the kernels find what the plain reader finds, whatever the bytes are."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdr import ber, ber_tree, native
from cdr.asn_grammar import of_types
from cdr.asn_types import Member, Type, Types, load
from cdr.native import FORMATS, Format
from tollbook.errors import BrokenFile

DATA = Path(__file__).parent / "data" / "native"
FRAMED = "ts32297_mo_and_pgw.cdr"
FILES = {
    "tap_3_11_five_events.ber": "tap", "tap_3_10_no_audit.ber": "tap",
    "tap_3_11_notification.ber": "tap", "rap_1_5_severe.rap": "rap",
    "rap_1_5_fatal_missing.rap": "rap", "rap_1_5_ack.rap": "rap", FRAMED: "ts32298",
}  # fmt: skip
TURNS = 600


def sample(name: str) -> bytes:
    """A sample as plain BER; of the framed one its records with filler between them."""
    data = (DATA / name).read_bytes()
    if name != FRAMED:
        return data
    found = native.regions(data, FORMATS["ts32297"], name)
    records = [data[begin:end] for begin, end, _ in found]
    return b"\0\0" + b"\xff\xff\0".join(records) + b"\xff"


def by_kernel(data: bytes, form: Format, rows: int = 4096) -> tuple[list[tuple[int, int]], str]:
    """Places and lengths of all contents of known fields; and how the file ended."""
    places: list[tuple[int, int]] = []
    end = "whole"
    try:
        for block in ber.blocks(data, form.schema, "file", rows=rows):
            if block.records.fault.any():
                end = "bad record"
            for field in block.fields():
                begin, size = block.places(field)
                there = size >= 0
                places += zip(begin[there].tolist(), size[there].tolist(), strict=True)
    except BrokenFile:
        end = "broken"
    return sorted(places), end


def by_tree(data: bytes, form: Format) -> list[tuple[int, int]]:
    """The same from the plain reader; raises BrokenBer, also for a group of an unknown tag where
    records stand, which the plain reader shows as it shows others."""
    found, above = [], {}
    for one in ber_tree.elements(data, form.types, form.root, form.is_repeated):
        above[one.depth] = form.types.base(one.type) if one.type else None
        holder = above.get(one.depth - 1)
        is_listed = holder is not None and holder.element == form.record
        if not one.type and (is_listed or one.depth == 0) and data[one.at] & 0x20:
            raise ber_tree.BrokenBer(ber.k.WRONG_FORM, one.at)
        if one.type and not one.is_group:
            found.append((one.at + one.size - len(one.contents), len(one.contents)))
    return sorted(found)


@pytest.mark.parametrize("name", FILES)
def test_the_kernels_find_what_the_plain_reader_finds(name: str) -> None:
    data, form = sample(name), FORMATS[FILES[name]]
    assert by_kernel(data, form) == (by_tree(data, form), "whole")
    assert len(by_tree(data, form)) > 2


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, cut out or doubled; or the file cut short."""
    raw = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at, what = rng.randrange(len(raw)), rng.randrange(5)
        if what == 0:
            raw[at] = rng.randrange(256)
        elif what == 1:
            raw[at] ^= 1 << rng.randrange(8)
        elif what == 2:
            del raw[at : at + rng.randint(1, 9)]
        elif what == 3:
            raw[at:at] = raw[at : at + rng.randint(1, 30)]
        else:
            raw[at] = rng.choice((0, 0x1F, 0x7F, 0x80, 0x84, 0xFF))
    return bytes(raw[: rng.randrange(len(raw))] if rng.random() < 0.1 else raw) or b"\0"


def test_mutated_files_are_read_alike_where_they_are_sound_and_told_where_they_are_not() -> None:
    rng = random.Random(20261122)
    ends = {"whole": 0, "bad record": 0, "broken": 0}
    for turn in range(TURNS):
        name = rng.choice(sorted(FILES))
        data, form = mutated(sample(name), rng), FORMATS[FILES[name]]
        found, end = by_kernel(data, form)
        ends[end] += 1
        try:
            wanted = by_tree(data, form)
        except ber_tree.BrokenBer:
            assert end != "whole", f"turn {turn}"
        else:
            assert (found, end) == (wanted, "whole"), f"turn {turn}"
    assert min(ends.values()) > TURNS // 20, ends


def indefinite(data: bytes, begin: int, end: int) -> Iterator[bytes]:
    """The same elements with groups of indefinite length (X.690 clause 8.1.3.6)."""
    while begin < end:
        _, is_group, contents, length = ber_tree.header(data, begin, end)
        stop = contents + length
        if is_group:
            tag = data[begin : begin + 1]
            place = begin + 1
            while tag[0] & 0x1F == 0x1F and (len(tag) == 1 or tag[-1] >= 0x80):
                tag, place = tag + data[place : place + 1], place + 1
            yield tag + b"\x80" + b"".join(indefinite(data, contents, stop)) + b"\0\0"
        else:
            yield data[begin:stop]
        begin = stop


@pytest.mark.parametrize("name", [name for name in FILES if name != FRAMED])
def test_groups_of_indefinite_length_hold_the_same(name: str) -> None:
    data, form = sample(name), FORMATS[FILES[name]]
    other = b"".join(indefinite(data, 0, len(data)))
    assert other != data
    found, end = by_kernel(other, form)
    assert end == "whole"
    values = [other[at : at + size] for at, size in found]
    assert values == [data[at : at + size] for at, size in by_tree(data, form)]
    assert found == by_tree(other, form)


def test_a_bad_record_costs_itself_and_small_blocks_change_nothing() -> None:
    """The third of five events ends with an element that is longer than the event."""
    data, tap = bytearray(sample("tap_3_11_five_events.ber")), FORMATS["tap"]
    at, size = 727, 264
    data[at + size - 2] = 0x7E  # the length of its last field
    [block] = ber.blocks(bytes(data), tap.schema, "file")
    assert block.records.at.tolist() == [234, 502, 727, 991, 1219]
    assert block.records.size.tolist() == [268, 225, 264, 228, 230]
    assert block.records.fault.tolist() == [0, 0, ber.k.BEYOND_CONTAINER, 0, 0]
    sound = sample("tap_3_11_five_events.ber")
    small = [
        (record, kind)
        for block in ber.blocks(sound, tap.schema, "file", rows=16)
        for record, kind in zip(block.records.at.tolist(), block.records.kind.tolist(), strict=True)
    ]
    assert [tap.schema.alternatives[kind] for _, kind in small] == [
        "mobileOriginatedCall", "mobileTerminatedCall", "mobileOriginatedCall",
        "mobileTerminatedCall", "mobileTerminatedCall",
    ]  # fmt: skip


def test_fresh_blocks_stay_as_they_were_when_others_follow() -> None:
    data, tap = sample("tap_3_11_five_events.ber"), FORMATS["tap"]

    def values(block: ber.Block) -> list[object]:
        at = block.records.at.tolist()
        return [at, *(block.column(field).to_pylist() for field in block.fields())]

    at_once = [values(block) for block in ber.blocks(data, tap.schema, "file", rows=8)]
    later = list(ber.blocks(data, tap.schema, "file", rows=8, fresh=True))
    assert len(later) > 1
    assert [values(block) for block in later] == at_once


def test_child_rows_point_to_their_record() -> None:
    """Each of the five events has one charge, and its ChargeDetail rows know whose they are."""
    tap = FORMATS["tap"]
    [block] = ber.blocks(sample("tap_3_11_five_events.ber"), tap.schema, "file")
    table = tap.schema.tables.index("ChargeDetail")
    charge = next(
        number for number, field in enumerate(tap.schema.fields)
        if (field.table, field.path) == (table, "charge")
    )  # fmt: skip
    assert block.column(charge).to_pylist() == [17838, 0, 2064, 0, 0]  # their sum is 19902
    assert block.parents(table)[ber.k.OF_RECORD].tolist() == [0, 1, 2, 3, 4]


def test_each_type_says_which_document_defines_it() -> None:
    documents = {"tap": "TD.57", "rap": "TD.32", "nrtrde": "TD.35", "ts32298": "TS 32.298 5.2"}
    for name, document in documents.items():
        own = [one for one in load(name).values() if one.kind != one.name]
        assert len(own) >= 30
        assert all(one.clause.startswith(document) for one in own)


def test_lists_that_can_be_inside_of_themselves_are_refused() -> None:
    """A folder of folders: its rows would not come one after the other."""
    types = Types({
        "Folder": Type("Folder", 5, "SEQUENCE", (Member("inner", "Folders"),)),
        "Folders": Type("Folders", 9, "SEQUENCE OF", element="Folder"),
    })
    with pytest.raises(ValueError, match="inside of themselves: file, Folder"):
        of_types(types, "Folders", "Folder")


def test_what_is_no_file_of_a_format_is_not_taken_for_one() -> None:
    assert native.identify(b"service,direction\n", 18) is None
    assert native.identify(b"", 0) is None
    assert native.identify(bytes(range(256)), 256) is None
    for name, form in FILES.items():
        data = (DATA / name).read_bytes()
        found = native.identify(data, len(data))
        assert found is not None
        assert found.name == ("ts32297" if name == FRAMED else form)
        half = native.identify(data[: len(data) // 2], len(data) // 2)
        assert half is None or half.name == found.name
