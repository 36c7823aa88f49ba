"""Native files: TAP 3.12 and TS 32.298 -> Arrow columns of every table, on one core.

pycrate, which reads both in Python, is measured on a few of the records where it is installed;
nothing else needs it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import pyarrow.compute as pc

from bench.make_native import Made, make_tap, make_ts32298
from bench.measure import Figure, in_turns
from bench.options import Options
from cdr import ber
from cdr.asn_grammar import Schema
from cdr.native import FORMATS

RECORDS: Final = 500_000
SAMPLE: Final = 2_000
SEED: Final = 20261122
# Fields of each table whose values are added up, by what they are in ``Made.truth``; paths end so.
SUMMED: Final = {
    "tap": {"otalCallEventDuration": "duration_s", "taxValue": "tax",
            "dataVolumeIncoming": "volume_bytes", "dataVolumeOutgoing": "volume_bytes",
            "messagingEvent.charge": "charge"},
    "ts32298": {"moCallRecord.callDuration": "duration_s", "pGWRecord.duration": "duration_s",
                "datavolumeFBCUplink": "volume_bytes", "datavolumeFBCDownlink": "volume_bytes"},
}  # fmt: skip
# Members of pycrate's objects that have the same sums.
THEIR_SUMS: Final[dict[str, dict[str, Any]]] = {
    "tap": {"duration_s": ("totalCallEventDuration",), "tax": ("taxValue",)},
    "ts32298": {"duration_s": ("callDuration", "duration"),
                "volume_bytes": ("datavolumeFBCUplink", "datavolumeFBCDownlink")},
}  # fmt: skip


def figures(options: Options) -> list[Figure]:
    """Records a second and core, whole files into columns; the results are held to the truth."""
    tap, calls = made("tap", RECORDS), made("ts32298", RECORDS)
    taken = in_turns((lambda: decode(tap, "tap"), lambda: decode(calls, "ts32298")), options.repeat)
    found = []
    for name, title, seconds, least in (
        ("tap", "decode TAP 3.12 into Arrow, one core", taken[0], 1.5),
        ("ts32298", "decode TS 32.298 calls and sessions into Arrow, one core", taken[1], 1.0),
    ):
        note = f"{len(FORMATS[name].schema.fields)} known fields"
        if find_spec("pycrate_asn1dir"):
            note += f"; pycrate {pycrate_records(name) / 1e3:.1f} k records/s"
        else:
            note += "; pycrate is not installed"
        found.append(Figure(f"decode_{name}", title, RECORDS / seconds / 1e6, "M records/s",
                            least, least, note=note))  # fmt: skip
    return found


def pycrate_records(name: str) -> float:
    """Records a second that pycrate decodes, into Python objects; they have the same sums."""
    import_module("pycrate_asn1rt.asnobj").ASN1Obj._SAFE_BND = False  # it refuses longer texts
    one = {"tap": make_tap, "ts32298": make_ts32298}[name](SAMPLE, SEED)
    read = _pycrate_tap(one.data) if name == "tap" else _pycrate_ts32298(one.data)
    records: list[Any] = []
    [seconds] = in_turns((lambda: records.__setitem__(slice(None), read()),), 3)
    assert len(records) == SAMPLE
    for what, members in THEIR_SUMS[name].items():
        assert _sum_of(records, members) == one.truth[what]
    return SAMPLE / seconds


def _pycrate_tap(data: bytes) -> Callable[[], list[Any]]:
    kind = import_module("pycrate_asn1dir.TAP3").TAP_0312.DataInterChange

    def read() -> list[Any]:
        kind.from_ber(data)
        events: list[Any] = kind.get_val()[1]["callEventDetails"]
        return events

    return read


def _pycrate_ts32298(data: bytes) -> Callable[[], list[Any]]:
    """Record by record; where they lie is found beforehand."""
    types = import_module("pycrate_asn1dir.CDR")
    calls, sessions = types.CSChargingDataTypes.CSRecord, types.GPRSChargingDataTypes.GPRSRecord
    form, parts = FORMATS["ts32298"].schema, []
    for block in ber.blocks(data, form, "made"):
        found = block.records
        for at, size, kind in zip(found.at, found.size, found.kind, strict=True):
            is_call = form.alternatives[int(kind)] == "moCallRecord"
            parts.append((calls if is_call else sessions, data[at : at + size]))

    def read() -> list[Any]:
        records = []
        for kind, record in parts:
            kind.from_ber(record)
            records.append(kind.get_val())
        return records

    return read


def _sum_of(value: Any, members: tuple[str, ...], own: str = "") -> int:
    """What the values of some members in pycrate's objects add up to: groups are dicts, choices
    pairs, lists lists."""
    if isinstance(value, dict):
        return sum(_sum_of(inner, members, key) for key, inner in value.items())
    if isinstance(value, tuple):
        return _sum_of(value[1], members, value[0])
    if isinstance(value, list):
        return sum(_sum_of(inner, members) for inner in value)
    return int(value) if own in members else 0


def made(name: str, records: int) -> Made:
    """A file whose columns add up to what its maker says; raises AssertionError otherwise."""
    one = {"tap": make_tap, "ts32298": make_ts32298}[name](records, SEED)
    found = sums(one.data, FORMATS[name].schema, SUMMED[name])
    wanted = {what: one.truth[what] for what in {*SUMMED[name].values(), "records"}}
    assert found == wanted, f"{name}: {found}, made {wanted}"
    return one


def decode(one: Made, name: str) -> int:
    """Every column of every table; returns how many values there are."""
    count = 0
    for block in ber.blocks(one.data, FORMATS[name].schema, name):
        count += sum(map(len, block.columns().values()))
    return count


def sums(data: bytes, form: Schema, summed: dict[str, str]) -> dict[str, int]:
    """What the columns of a file add up to."""
    found: Counter[str] = Counter()
    for block in ber.blocks(data, form, "made"):
        assert not block.records.fault.any()
        found["records"] += block.rows(form.record)
        columns = block.columns()
        named = {(form.tables[form.fields[n].table], form.fields[n].path): n for n in columns}
        for (table, path), number in named.items():
            for end, what in summed.items():
                if path.endswith(end) and table != "file":
                    found[what] += pc.sum(columns[number]).as_py() or 0
        if ("ChargeDetail", "charge") in named:
            is_total = pc.equal(columns[named["ChargeDetail", "chargeType"]], "00")
            total = columns[named["ChargeDetail", "charge"]].filter(is_total)
            found["charge"] += pc.sum(total).as_py() or 0
    return dict(found)
