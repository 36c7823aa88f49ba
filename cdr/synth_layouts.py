"""The layouts in which records can be synthesised: their columns, and the ways to damage a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from cdr import synth_kernels as kernels
from cdr.synth_population import Population
from tollbook import codes
from tollbook.clock import ZoneTable
from tollbook.reasons import CODE

Rows = dict[str, np.ndarray]
ALL_SERVICES: Final = frozenset({codes.VOICE, codes.SMS, codes.DATA})
ALL_DIRECTIONS: Final = frozenset({codes.OUT, codes.IN, codes.FORWARD, codes.TRANSIT})


@dataclass(frozen=True)
class Column:
    """One column: ``value`` names the drawn integers, ``kind`` how they become text.

    words: for TEXT, what the integers stand for. argument: for INTEGER the least width, for CLOCK
    the byte between day and time, for CLOCK_OFFSET and UUID the name of a second value.
    """

    name: str
    kind: int
    value: str
    words: tuple[str, ...] = ()
    argument: int | str = 0


@dataclass(frozen=True)
class Damage:
    """A way of writing a row wrongly: CUT behind a column, APPEND a field, REPLACE a column."""

    reason: str
    how: int
    column: str
    text: bytes = b""


@dataclass(frozen=True)
class SynthLayout:
    """What a layout can hold and how it is written. ``unanswered_ppm``: attempts among its rows."""

    columns: tuple[Column, ...]
    damages: tuple[Damage, ...]
    header: bool = True
    delimiter: str = ","
    quoted: bool = False
    services: frozenset[int] = ALL_SERVICES
    directions: frozenset[int] = ALL_DIRECTIONS
    unanswered_ppm: int = 0
    weight: int = 100  # records of a source against those of the others
    area_only: bool = False  # only lines of the source's area write records here

    def damage_reasons(self) -> np.ndarray:
        """int64: the reason of each damage."""
        return np.array([CODE[damage.reason] for damage in self.damages], np.int64)


def derive(rows: Rows, zone: ZoneTable) -> None:
    """Adds what layouts write but nobody draws: clocks on the source's wall, ringing, causes."""
    start = rows["start_utc_s"]
    at = np.searchsorted(zone.since_utc_s, start, side="right") - 1
    rows["offset_s"] = zone.offset_s[at]
    rows["local_s"] = start + rows["offset_s"]
    ring = rows["entropy"] % 24 + 2
    silent = rows["fate"] == CODE["not_answered"]
    rows["ring_start_s"] = rows["local_s"] - ring
    rows["answer_s"] = np.where(silent, -1, rows["local_s"])
    rows["end_s"] = rows["local_s"] + rows["duration_s"]
    rows["total_s"] = ring + rows["duration_s"]
    rows["hangup"] = np.where(silent, 1 + rows["entropy"] % 3, 0)
    rows["zero"] = np.zeros(len(start), np.int64)


def tollbook(people: Population) -> SynthLayout:
    """The project's own layout, ``cdr/layouts/tollbook.yaml``."""
    text, integer, number = kernels.TEXT, kernels.INTEGER, kernels.NUMBER
    replace = kernels.REPLACE
    return SynthLayout(
        columns=(
            Column("service", text, "service", codes.SERVICES),
            Column("direction", text, "direction", codes.DIRECTIONS),
            Column("served", number, "served"),
            Column("other", number, "other"),
            Column("start", kernels.CLOCK_OFFSET, "local_s", argument="offset_s"),
            Column("duration", integer, "duration_s"),
            Column("up_bytes", integer, "up_bytes"),
            Column("down_bytes", integer, "down_bytes"),
            Column("events", integer, "events"),
            Column("network", text, "network", people.networks),
            Column("location", text, "location", people.cells),
            Column("trunk_in", text, "trunk_in", people.trunks),
            Column("trunk_out", text, "trunk_out", people.trunks),
            Column("call_ref", integer, "reference"),
        ),
        damages=(
            Damage("columns_too_few", kernels.CUT, "duration"),
            Damage("columns_too_many", kernels.APPEND, "call_ref", b"surplus"),
            Damage("number_malformed", replace, "served", b"139 0000?0001"),
            Damage("field_missing", replace, "served"),
            Damage("time_malformed", replace, "start", b"2026-13-45T99:00:00+08:00"),
            Damage("integer_malformed", replace, "duration", b"1m30s"),
            Damage("integer_out_of_range", replace, "down_bytes", b"99999999999999999999"),
            Damage("service_unknown", replace, "service", b"telex"),
            Damage("direction_unknown", replace, "direction", b"sideways"),
            Damage("text_not_utf8", replace, "location", b"caf\xe9"),
        ),
    )


def freeswitch(_: Population) -> SynthLayout:
    """Outgoing calls of an exchange, as mod_cdr_csv writes them with its default template."""
    text, integer, clock = kernels.TEXT, kernels.INTEGER, kernels.CLOCK
    causes = ("NORMAL_CLEARING", "NO_ANSWER", "USER_BUSY", "ORIGINATOR_CANCEL")
    number, space = kernels.NUMBER, ord(" ")
    return SynthLayout(
        columns=(
            Column("caller_id_name", number, "served"),
            Column("caller_id_number", number, "served"),
            Column("destination_number", number, "other"),
            Column("context", text, "zero", ("default",)),
            Column("start_stamp", clock, "ring_start_s", argument=space),
            Column("answer_stamp", clock, "answer_s", argument=space),
            Column("end_stamp", clock, "end_s", argument=space),
            Column("duration", integer, "total_s"),
            Column("billsec", integer, "duration_s"),
            Column("hangup_cause", text, "hangup", causes),
            Column("uuid", kernels.UUID, "entropy", argument="entropy_low"),
            Column("bleg_uuid", text, "zero", ("",)),
            Column("accountcode", text, "zero", ("",)),
            Column("read_codec", text, "zero", ("PCMA",)),
            Column("write_codec", text, "zero", ("PCMA",)),
        ),
        damages=(
            Damage("columns_too_few", kernels.CUT, "billsec"),
            Damage("number_malformed", kernels.REPLACE, "caller_id_number", b"139 0000?0001"),
            Damage("time_malformed", kernels.REPLACE, "answer_stamp", b"2026-13-45 99:00:00"),
            Damage("integer_malformed", kernels.REPLACE, "billsec", b"1m30s"),
        ),
        header=False, quoted=True, unanswered_ppm=280_000, weight=6, area_only=True,
        services=frozenset({codes.VOICE}), directions=frozenset({codes.OUT}),
    )  # fmt: skip


def ggsn(people: Population) -> SynthLayout:
    """Data sessions of the sample operator's gateway (``sample/layouts/ggsn.yaml``)."""
    integer, text, replace = kernels.INTEGER, kernels.TEXT, kernels.REPLACE
    return SynthLayout(
        columns=(
            Column("charging_id", integer, "reference"),
            Column("imsi", integer, "imsi", argument=15),
            Column("served", kernels.NUMBER, "served"),
            Column("start", integer, "start_utc_s"),
            Column("duration", integer, "duration_s"),
            Column("up", integer, "up_bytes"),
            Column("down", integer, "down_bytes"),
            Column("cell", text, "location", people.cells),
            Column("network", text, "network", people.networks),
            Column("cause", integer, "zero"),
        ),
        damages=(
            Damage("columns_too_few", kernels.CUT, "down"),
            Damage("columns_too_many", kernels.APPEND, "cause", b"surplus"),
            Damage("imsi_malformed", replace, "imsi", b"46O970000000017"),
            Damage("number_malformed", replace, "served", b"139 0000?0001"),
            Damage("field_missing", replace, "served"),
            Damage("time_malformed", replace, "start", b"yesterday"),
            Damage("integer_malformed", replace, "up", b"12 kB"),
        ),
        header=False, delimiter=";", weight=45,
        services=frozenset({codes.DATA}), directions=frozenset({codes.OUT}),
    )  # fmt: skip


# Columns that a layout has where long calls come in parts.
PART_COLUMNS: Final[Mapping[str, tuple[Column, ...]]] = {
    "tollbook": (
        Column("sequence", kernels.INTEGER, "sequence"), Column("cause", kernels.INTEGER, "cause"),
    ),
}  # fmt: skip
LAYOUTS: Final[Mapping[str, Callable[[Population], SynthLayout]]] = {
    "tollbook": tollbook,
    "freeswitch": freeswitch,
    "ggsn": ggsn,
}
