"""Records of every kind of layout are decoded again once they are corrected."""

from __future__ import annotations

from pathlib import Path

import calls
import pytest
from calls import ANN, BOB, CAT, FRIEND, audited
from suspense_workspace import AS_OF, correct, refused, retry, row, told

from cdr import layout_fields
from tollbook.run import correctable
from tollbook.run.decode_again import Fault, taken_as_it_is

# Source -> its layout and file: one record whose duration is none. Each duration in another unit.
LAYOUTS = {
    "objects": (
        """
layout: objects
kind: json
columns:
  - {path: a.number, to: served_number}
  - {path: b, to: other_number}
  - {path: at, to: start, format: epoch_s}
  - {path: ms, to: duration, unit: ms, required: yes}
constants: {service: voice, direction: out}
""",
        f'{{"a": {{"number": "{ANN}"}}, "b": "{FRIEND}", "at": 1055210400, "ms": "x"}}\n',
    ),
    "lines": (
        """
layout: lines
kind: fixed
columns:
  - {at: [1, 14], to: served_number, required: yes}
  - {at: [15, 28], to: other_number}
  - {at: [29, 40], to: start, format: "%y%m%d%H%M%S", zone: source}
  - {at: [41, 46], to: duration, unit: min, required: yes}
constants: {service: voice, direction: out}
""",
        f"{BOB}{FRIEND}030610120000   bad\n",
    ),
    "blocks": (
        """
layout: blocks
kind: fixed
record_bytes: 46
columns:
  - {at: [1, 14], to: served_number, required: yes}
  - {at: [15, 28], to: other_number}
  - {at: [29, 40], to: start, format: "%y%m%d%H%M%S", zone: source}
  - {at: [41, 46], to: duration, required: yes}
constants: {service: voice, direction: out}
""",
        f"{CAT}{FRIEND}030610130000 worse",
    ),
    "quoted": (
        """
layout: quoted
kind: delimited
delimiter: ";"
quote: '"'
header: names
columns:
  - {name: from, to: served_number, required: yes}
  - {name: to, to: other_number}
  - {name: day, to: start_date, format: "%Y-%m-%d"}
  - {name: clock, to: start_clock, format: "%H:%M:%S"}
  - {name: name, to: call_ref}
  - {name: took, to: duration, required: yes}
constants: {service: voice, direction: out}
""",
        f'from;to;day;clock;name;took\n"{ANN}";{FRIEND};2003-06-10;25:00:00;"A; ""B""";59\n',
    ),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night of one record from each source, none of which could be decoded."""
    root = calls.make(tmp_path_factory.mktemp("kinds") / "harbour")
    listed = ""
    (root / "layouts").mkdir(exist_ok=True)
    for name, (layout, text) in LAYOUTS.items():
        listed += f'  - {{name: {name}, layout: {name}, files: "{name}_*"}}\n'
        (root / "layouts" / f"{name}.yaml").write_text(layout.lstrip())
        path = root / "inbox" / name / f"{name}_1"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    path = root / "operator.yaml"
    before, mark, after = path.read_text().partition("  - name: msc-east")
    path.write_text(before + listed + mark + after)
    outcome = calls.run(root)
    assert (outcome.refused, outcome.unmatched) == ((), ())
    assert outcome.reasons == {"integer_malformed": 3, "time_malformed": 1}
    return root


def test_each_kind_is_decoded_again(root: Path) -> None:
    """Files are numbered by source: F1 blocks, F2 lines, F3 objects, F4 quoted."""
    waits = {one["source"]: one["record"] for one in told(root, "show")}
    assert waits == {"blocks": "F1-1", "lines": "F2-1", "objects": "F3-1", "quoted": "F4-2"}
    says = refused(root, "correct", "F4-2", "--set", "served_raw=+8613010000002", "--note", "x")
    assert "it still is time_malformed in start_utc_s: '25:00:00'" in says
    correct(root, 1, "duration_s=61")
    for record, value in (
        ("F2-1", "duration_s=121"), ("F3-1", "duration_s=1"),
        ("F4-2", "start_utc_s=2003-06-10T23:00:00+08:00"),
    ):  # fmt: skip
        told(root, "correct", record, "--set", value, "--note", "by its log", "--as-of", AS_OF)
    assert retry(root)["dispositions"]["rated"] == 4
    found = {
        source: row(root, "rated", line, "served_raw, duration_s, call_ref, charge::text", number)
        for number, (source, line) in enumerate(
            (("blocks", 1), ("lines", 1), ("objects", 1), ("quoted", 2)), start=1)
    }  # fmt: skip
    assert found == {  # 2 minutes of 0.40; 3, 1 and 1 of 0.60
        "blocks": (CAT, 61, "", "0.800000"), "lines": (BOB, 121, "", "1.800000"),
        "objects": (ANN, 1, "", "0.600000"), "quoted": (ANN, 59, 'A; "B"', "0.600000"),
    }  # fmt: skip
    audited(root)


def test_every_field_that_a_layout_reads_can_be_corrected() -> None:
    columns = {field.column for field in layout_fields.FIELDS.values() if field.column}
    assert {correctable.name_of(column) for column in columns} <= set(correctable.FIELDS)


def test_a_native_record_must_be_whole_once_it_is_corrected() -> None:
    """It is not read apart from its file: what was read of it, and what was corrected, count."""
    stored = {
        "service": "voice", "direction": "out", "served_raw": "", "start_utc_s": 0,
        "duration_s": 0, "up_bytes": 0, "down_bytes": 0, "event_count": 0, "raw_record": b"\x30",
        "reason": "start_invalid",
    }  # fmt: skip
    given = {"start_utc_s": 1_055_199_590, "utc_offset_s": 0}
    fault = taken_as_it_is(stored, b"\x30", given)
    assert isinstance(fault, Fault)
    assert fault.do == "correct served_raw, duration_s as well"
    fault = taken_as_it_is(stored, b"\x31", given)
    assert isinstance(fault, Fault)
    assert fault.do == "correct its fields"
    more = given | {"service": "data", "served_raw": "1", "down_bytes": 7}
    assert taken_as_it_is(stored, b"\x30", more) == more
    for reason in ("record_unreadable", "encoding_unknown"):  # not even its kind is known
        fault = taken_as_it_is(stored | {"reason": reason}, b"\x30", more)
        assert isinstance(fault, Fault)
        assert fault.do.startswith("discard it")
