"""BER written: what was read comes out as it was, and values come back as they were put."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_ber import Maker, element

from cdr import ber, ber_write, native
from cdr.asn_grammar import Schema, schema
from cdr.ber_draft import Draft
from cdr.native import FORMATS

DATA = Path(__file__).parent / "data" / "native"
SAMPLES = {
    "tap_3_11_five_events.ber": "tap", "tap_3_10_no_audit.ber": "tap",
    "tap_3_11_notification.ber": "tap", "rap_1_5_severe.rap": "rap",
    "rap_1_5_fatal_missing.rap": "rap", "rap_1_5_ack.rap": "rap",
}  # fmt: skip
FILES_EACH = 80  # of each format, 320 in all
RECORDS = 6
CALLS = schema(("tap",), "CallEventDetail", "CallEventDetail", True)


def again(data: bytes, form: Schema) -> bytes:
    """Read, and written again."""
    [block] = ber.blocks(data, form, "file")
    return ber_write.encode(form, ber_write.of_block(block)).tobytes()


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_come_out_byte_for_byte(name: str) -> None:
    data = (DATA / name).read_bytes()
    assert again(data, FORMATS[SAMPLES[name]].schema) == data


def test_records_of_a_switch_come_out_byte_for_byte() -> None:
    data = (DATA / "ts32297_mo_and_pgw.cdr").read_bytes()
    found = native.regions(data, FORMATS["ts32297"], "file")
    records = b"".join(data[begin:end] for begin, end, _ in found)
    assert again(records, FORMATS["ts32298"].schema) == records


@pytest.mark.parametrize("name", ["tap", "rap", "nrtrde", "ts32298"])
def test_random_files_come_out_byte_for_byte(name: str) -> None:
    form = FORMATS[name]
    sizes = set()
    for seed in range(FILES_EACH):
        maker = Maker(form.types, seed)
        data = b"".join(maker.make(form.root) for _ in range(RECORDS if form.is_repeated else 1))
        assert again(data, form.schema) == data, f"seed {seed}"
        sizes.add(len(data))
    assert len(sizes) > FILES_EACH // 3


def test_lengths_that_are_longer_than_needed_come_out_short() -> None:
    """A notification with a sender, in lengths of one byte more, and of no length."""
    data = element(2 << 2 | 1, True, element(196 << 2 | 1, False, b"AAA01"))
    longer = data[:1] + b"\x81" + data[1:]
    endless = data[:1] + b"\x80" + data[2:] + b"\0\0"
    form = FORMATS["tap"].schema
    assert again(longer, form) == again(endless, form) == data


def test_a_record_with_a_fault_is_not_written() -> None:
    form = FORMATS["ts32298"].schema
    [block] = ber.blocks(b"\xa0\x03\x81\x05\0", form, "file")
    with pytest.raises(ValueError, match="1 records have a fault"):
        ber_write.of_block(block)


def drafted(numbers: list[int | None], digits: list[str | None], units: list[int]) -> Draft:
    """Calls with a duration and a served number, and as many charges each as ``units`` says."""
    count = len(numbers)
    draft = Draft(CALLS, 64)
    calls = draft.rows("CallEventDetail", np.zeros(count, np.int64))
    draft.there("CallEventDetail", "mobileOriginatedCall", calls % 2 == 0)
    draft.there("CallEventDetail", "gprsCall", calls % 2 == 1)
    name = "mobileOriginatedCall.basicCallInformation"
    draft.put("CallEventDetail", f"{name}.totalCallEventDuration", pa.array(numbers, pa.int64()))
    who = f"{name}.chargeableSubscriber.simChargeableSubscriber.imsi"
    draft.put("CallEventDetail", who, pa.array(digits, pa.string()))
    parents = np.repeat(calls[::2], units[: len(calls[::2])])
    path = "mobileOriginatedCall.basicServiceUsedList"
    used = draft.rows("BasicServiceUsed", parents, "CallEventDetail", path)
    draft.rows("ChargeInformation", used, "BasicServiceUsed", "chargeInformationList")
    draft.put("ChargeInformation", "chargedItem", pa.array(["D"] * len(used), pa.string()))
    return draft


def test_values_become_the_bytes_that_the_standard_says() -> None:
    """One call: [9] { [147] { [427] { [199] { [129] 12 3f } }, [223] 00 80 }, [38] { [39] { [70] {
    [69] { [66] 'D' } } } } }; the tags are 31 in the first byte where they are above 30."""
    imsi = element(427 << 2 | 1, True,
                   element(199 << 2 | 1, True, element(129 << 2 | 1, False, b"\x12\x3f")))
    duration = bytes.fromhex("5f815f020080")
    basic = element(147 << 2 | 1, True, imsi + duration)
    charge = element(69 << 2 | 1, True, bytes.fromhex("5f42") + b"\x01D")
    used = element(39 << 2 | 1, True, element(70 << 2 | 1, True, charge))
    wanted = element(9 << 2 | 1, True, basic + element(38 << 2 | 1, True, used))
    assert drafted([128], ["123"], [1]).encode() == wanted


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_values_come_back_as_they_were_put(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 9))
    numbers = data.draw(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=count,
                                 max_size=count))
    digits = data.draw(st.lists(st.none() | st.text("0123456789*#abc", max_size=20),
                                min_size=count, max_size=count))
    units = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    [block] = ber.blocks(drafted(numbers, digits, units).encode(), CALLS, "file")
    columns = {
        CALLS.fields[field].path.rpartition(".")[2]: block.column(field).to_pylist()
        for field in block.fields()
    }
    # What is no mobile originated call has nothing: an alternative that is not chosen is not there.
    shown = [n if row % 2 == 0 else None for row, n in enumerate(numbers)]
    named = [n if row % 2 == 0 else None for row, n in enumerate(digits)]
    assert columns.get("totalCallEventDuration", [None] * count) == shown
    assert columns.get("imsi", [None] * count) == named
    table = CALLS.tables.index("BasicServiceUsed")
    wanted = np.repeat(np.arange(0, count, 2), units[: (count + 1) // 2])
    assert block.parents(table)[ber.k.PARENT_ROW].tolist() == wanted.tolist()


def test_what_does_not_fit_the_schema_is_refused() -> None:
    draft = Draft(CALLS, 4)
    rows = draft.rows("CallEventDetail", np.zeros(2, np.int64))
    with pytest.raises(ValueError, match=r"no field CallEventDetail\.imsi"):
        draft.put("CallEventDetail", "imsi", pa.array(["1", "2"]))
    with pytest.raises(ValueError, match=r"no group CallEventDetail\.telegram"):
        draft.there("CallEventDetail", "telegram", rows == 0)
    with pytest.raises(ValueError, match="no table Telegram"):
        draft.rows("Telegram", rows)
    with pytest.raises(ValueError, match="3 values for 2 rows"):
        draft.there("CallEventDetail", "gprsCall", np.ones(3, bool))
    with pytest.raises(ValueError, match="row 7 of CallEventDetail does not exist"):
        draft.rows("BasicServiceUsed", np.array([7]), "CallEventDetail",
                   "mobileOriginatedCall.basicServiceUsedList")
    with pytest.raises(ValueError, match="5 rows; at most 4"):
        draft.rows("CallEventDetail", np.zeros(3, np.int64))


def test_what_is_not_kept_of_a_file_is_what_means_nothing() -> None:
    """Filler, the order of a SET's members, elements that the types do not know (within a record
    and within one of its groups): the rest is written as a sound file would have it."""
    one, two = element(1 << 2 | 2, False, b"\x64\x00\x10\x32"), element(25 << 2 | 2, False, b"\x3d")
    cell = element(1 << 2 | 2, False, b"\x56\x78")
    stranger = element(900 << 2 | 2, False, b"?")
    place, other = (element(12 << 2 | 2, True, inside) for inside in (cell, stranger + cell))
    record, loose = (element(0 << 2 | 2, True, inside) for inside in (
        one + place + two, two + stranger + other + one))  # fmt: skip
    form = FORMATS["ts32298"].schema
    assert again(record * 2, form) == record * 2
    assert again(b"\0\xff" + loose + bytes(9) + loose + b"\xff", form) == record * 2
    # Another order in a SEQUENCE is a fault of its writer, and is mended as well.
    tap = FORMATS["tap"].schema
    sender, recipient = (element(number << 2 | 1, False, b"AAAAA") for number in (196, 182))
    sound, mixed = (element(1 << 2 | 1, True, element(4 << 2 | 1, True, inside))
                    for inside in (sender + recipient, recipient + sender))
    assert (again(sound, tap), again(mixed, tap)) == (sound, sound)
