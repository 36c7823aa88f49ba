"""Validation and numbers: hand-made cases first, then equality with the naive twins."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import pyarrow as pa
import pytest
import reference_guiding as naive
from guiding_world import DAY_S, NUMBERING, SOURCES, World, records, world
from hypothesis import given

from rating import normalise, validate
from tollbook import codes, reasons, schemas
from tollbook.numbering import to_e164
from tollbook.partials import Partials
from tollbook.stage import ints

CHINA = world()
REFERENCE = CHINA.reference()
MERGING = world(workspace=replace(CHINA.workspace, partials=Partials()))
EAST, SOUTH, NO_AREA = range(len(SOURCES))
AS_OF = CHINA.as_of_utc_s


def numbers(**row: object) -> dict[str, object]:
    """One record through normalise, as words."""
    batch = normalise.normalise(records(row), REFERENCE).batch
    schemas.check(batch, schemas.NORMALISED, "test")
    return batch.to_pylist()[0] | {"reason": reasons.name_of(batch["reason"][0].as_py())}


@pytest.mark.parametrize(
    ("raw", "source", "wanted"),
    [
        ("+8613900000009", NO_AREA, 8613900000009),
        ("008613900000009", NO_AREA, 8613900000009),
        ("13900000009", NO_AREA, 8613900000009),
        ("013900000009", NO_AREA, 8613900000009),
        ("8613900000009", NO_AREA, 8613900000009),
        ("+86 139-0000.0009", NO_AREA, 8613900000009),
        ("(+86) 13900000009", NO_AREA, 8613900000009),
        ("sip:+8613900000009@ims.example;user=phone", NO_AREA, 8613900000009),
        ("SIPS:13900000009@10.0.0.1", NO_AREA, 8613900000009),
        ("tel:+86-139-0000-0009;ext=1", NO_AREA, 8613900000009),
        ("02087654321", NO_AREA, 862087654321),
        ("65541234", EAST, 861065541234),  # eight digits of the source's area 10
        ("65541234", SOUTH, 862065541234),
        ("0012125550100", NO_AREA, 12125550100),
        ("+12125550100", NO_AREA, 12125550100),
        ("+123456789012345", NO_AREA, 123456789012345),  # 15 digits, the most that E.164 has
        ("+1234567", NO_AREA, 1234567),
    ],
)
def test_every_way_of_writing_a_number(raw: str, source: int, wanted: int) -> None:
    found = numbers(other_raw=raw, source_index=source)
    assert (found["other_e164"], found["reason"]) == (wanted, "ok")
    assert (found["access_code_index"], found["special_index"], found["flags"]) == (-1, -1, 0)


@pytest.mark.parametrize(
    "raw",
    [
        "65541234",  # local, and the source has no area
        "123456",
        "+1234567890123456",  # 16 digits
        "+123456",  # 6 digits
        "+0123456789",
        "+86139000",  # too short for a number of this country
        "00",
        "0",
        "+",
        "()-",
        "139#0000",
        "1" * 40,
        "++8613900000009",
        "1390000+0009",
        "sip:anonymous@anonymous.invalid",
        "13900000009x",
        "１３９０００００００９",  # digits, but not those of ASCII
        "",
    ],
)
def test_what_is_no_number(raw: str) -> None:
    found = numbers(other_raw=raw, source_index=NO_AREA)
    assert (found["other_e164"], found["reason"]) == (0, "other_number_malformed")
    assert schemas.CDR.names[found["reason_field"]] == "other_raw"


def test_access_codes_are_taken_off_and_kept() -> None:
    found = numbers(other_raw="17951013900000009")
    assert (found["other_e164"], found["access_code_index"]) == (8613900000009, 0)
    assert found["flags"] == codes.FLAG_ACCESS_CODE
    found = numbers(other_raw="1790012125550100")  # the shorter of the two codes
    assert (found["other_e164"], found["access_code_index"]) == (12125550100, 1)
    # 24 digits as dialled: 17951, 00, and 15 digits behind
    assert numbers(other_raw="17951" + "00" + "123456789012345")["other_e164"] == 123456789012345
    # What follows the code is no number, but the whole is one.
    found = numbers(other_raw="17951234567")
    assert (found["other_e164"], found["access_code_index"]) == (8617951234567, -1)


def test_special_numbers_are_exact() -> None:
    found = numbers(other_raw="1-1-0")
    assert (found["other_e164"], found["special_index"]) == (0, 0)
    assert (found["flags"], found["reason"]) == (codes.FLAG_SPECIAL, "ok")
    assert numbers(other_raw="10086")["special_index"] == 1
    for raw in ("1100", "0110", "+110", "11"):
        found = numbers(other_raw=raw)
        assert (found["special_index"], found["reason"]) == (-1, "other_number_malformed")
    assert numbers(served_raw="110")["reason"] == "served_number_malformed"


@pytest.mark.parametrize(
    ("service", "direction", "other", "good"),
    [
        (codes.VOICE, codes.OUT, "", False),
        (codes.VOICE, codes.IN, "", True),  # the caller hides the number
        (codes.VOICE, codes.IN, "anonymous", True),
        (codes.VOICE, codes.IN, "12*34", False),
        (codes.SMS, codes.IN, "BANK", True),
        (codes.SMS, codes.OUT, "BANK", False),
        (codes.SMS, codes.OUT, "", True),
        (codes.DATA, codes.OUT, "", True),
        (codes.DATA, codes.OUT, "internet.apn", True),
        (codes.VOICE, codes.TRANSIT, "", False),
    ],
)
def test_which_records_need_another_party(
    service: int, direction: int, other: str, good: bool
) -> None:
    found = numbers(service=service, direction=direction, other_raw=other)
    assert found["reason"] == ("ok" if good else "other_number_malformed")
    assert found["other_e164"] == 0


def test_served_and_third_parties() -> None:
    assert numbers(third_raw="02087654321")["third_e164"] == 862087654321
    assert numbers(third_raw="")["third_e164"] == 0
    found = numbers(third_raw="12")
    assert found["reason"] == "other_number_malformed"
    assert schemas.CDR.names[found["reason_field"]] == "third_raw"
    assert numbers(routing_raw="+8613900001234")["routing_e164"] == 8613900001234
    found = numbers(routing_raw="110")  # nobody dials it: a special number is malformed here
    assert found["reason"] == "routing_number_malformed"
    assert schemas.CDR.names[found["reason_field"]] == "routing_raw"
    # The served party comes first; a transit record's may be anything.
    found = numbers(served_raw="12", other_raw="12")
    assert schemas.CDR.names[found["reason_field"]] == "served_raw"
    assert numbers(served_raw="hidden", direction=codes.TRANSIT)["reason"] == "ok"


def test_rejected_rows_are_passed_by() -> None:
    found = numbers(reason=5, reason_field=6, served_raw="12")
    assert (found["reason"], found["reason_field"]) == ("quote_unclosed", 6)
    assert found["served_e164"] == 0
    checked = validate.validate(records({"reason": 5, "duration_s": 0}), REFERENCE)
    assert checked.batch["reason"].to_pylist() == [5]
    assert checked.totals == {"rejected": 0}


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({}, "ok"),
        ({"start_utc_s": AS_OF + 3600}, "ok"),
        ({"start_utc_s": AS_OF + 3601}, "start_in_future"),
        ({"start_utc_s": AS_OF - 60 * DAY_S}, "ok"),
        ({"start_utc_s": AS_OF - 60 * DAY_S - 1}, "start_too_old"),
        ({"duration_s": 0}, "duration_zero"),
        ({"duration_s": 36_000}, "ok"),
        ({"duration_s": 36_001}, "duration_too_long"),
        ({"service": codes.SMS, "duration_s": 0, "event_count": 1}, "ok"),
        ({"service": codes.SMS}, "events_zero"),
        ({"service": codes.DATA, "duration_s": 90_000, "up_bytes": 1}, "ok"),
        ({"service": codes.DATA}, "volume_zero"),
        ({"service": codes.DATA, "up_bytes": 2**39, "down_bytes": 2**39}, "ok"),
        ({"service": codes.DATA, "up_bytes": 2**39, "down_bytes": 2**39 + 1}, "volume_too_large"),
        ({"service": codes.DATA, "up_bytes": 2**62, "down_bytes": 2**62}, "volume_too_large"),
    ],
)
def test_limits(row: dict[str, int], wanted: str) -> None:
    batch = validate.validate(records(row), REFERENCE).batch
    assert reasons.name_of(batch["reason"][0].as_py()) == wanted


PIECES = ("+", "00", "0", "86", "17951", "179", "110", "10086", "139", "10", "sip:", "tel:", "@h",
          " ", "-", ";", "a", "*", "1", "7", "555", "0000", "1234567", "é")  # fmt: skip
RAWS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.integers(0, 10**16).map(str),
    st.text(max_size=12),
    st.sampled_from(("13900000009", "+8613900000009", "02087654321", "65541234", "110")),
)
ROWS = st.fixed_dictionaries({
    "source_index": st.integers(0, len(SOURCES) - 1),
    "service": st.integers(1, len(codes.SERVICES) - 1),
    "direction": st.integers(1, len(codes.DIRECTIONS) - 1),
    "served_raw": RAWS,
    "other_raw": RAWS,
    "third_raw": st.one_of(st.just(""), RAWS),
    "routing_raw": st.one_of(st.just(""), RAWS),
    "start_utc_s": st.integers(AS_OF - 61 * DAY_S, AS_OF + DAY_S),
    "duration_s": st.sampled_from((0, 1, 36_000, 36_001)),
    "up_bytes": st.sampled_from((0, 1, 2**40)),
    "down_bytes": st.sampled_from((0, 1, 2**62)),
    "event_count": st.integers(0, 1),
    "sequence": st.integers(0, 1),
    "flags": st.sampled_from((0, codes.FLAG_AMBIGUOUS_CLOCK)),
    "reason": st.sampled_from((0, 0, 0, 5)),
})  # fmt: skip


@given(st.lists(ROWS, min_size=1, max_size=20))
def test_numbers_as_the_naive_reader_has_them(rows: list[dict[str, object]]) -> None:
    result = normalise.normalise(records(*rows), REFERENCE)
    for given_row, found in zip(records(*rows).to_pylist(), result.batch.to_pylist(), strict=True):
        wanted = naive.normalise(given_row, CHINA)
        assert {name: found[name] for name in wanted} == wanted
    before = sum(row["reason"] != 0 for row in rows)
    assert result.totals["rejected"] + before == (ints(result.batch, "reason") != 0).sum()


@given(st.lists(ROWS, min_size=1, max_size=20), st.sampled_from((CHINA, MERGING)))
def test_limits_as_the_naive_check_has_them(rows: list[dict[str, object]], place: World) -> None:
    batch = validate.validate(records(*rows), place.reference()).batch
    for given_row, found in zip(records(*rows).to_pylist(), batch.to_pylist(), strict=True):
        wanted = given_row["reason"], given_row["reason_field"]
        fault = None if given_row["reason"] else naive.validate(given_row, place)
        if fault:
            wanted = reasons.CODE[fault[0]], naive.position(fault[1])
        assert (found["reason"], found["reason_field"]) == wanted


def test_tables_and_records_read_numbers_alike() -> None:
    """What operator.yaml's rules make of a table's number, they make of a record's."""
    texts = ["+8613900000009", "008613900000009", "02087654321", "13900000009", "862087654321",
             "+12125550100", "12125550100", "+86139000", "0", "+123456", "65541234"]  # fmt: skip
    table, good = to_e164(pa.array(texts), NUMBERING)
    rows = [{"other_raw": text, "source_index": NO_AREA} for text in texts]
    batch = normalise.normalise(records(*rows), REFERENCE).batch
    assert batch["other_e164"].to_pylist() == table.tolist()
    assert (ints(batch, "reason") == 0).tolist() == good.tolist()


def test_an_empty_batch() -> None:
    batch = records({}).slice(0, 0)
    assert validate.validate(batch, REFERENCE).batch.num_rows == 0
    assert normalise.normalise(batch, REFERENCE).batch.num_rows == 0
