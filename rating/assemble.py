"""The stage assemble: the partial records of a long call become one record.

A switch writes a call that lasts long in parts: numbered from 1, each beginning where the one
before ended. Parts are charged together, from the start of the first, once the call is known to
have ended; until then they wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rating import assemble_kernels as kernels
from rating import duplicates
from rating.reference import FIELD, Reference
from tollbook import codes, reasons, schemas
from tollbook.partials import Partials
from tollbook.stage import StageResult, ints, with_columns

_TIMED: Final = (codes.VOICE, codes.VIDEO, codes.DATA)
_CALL: Final = codes.FLAG_MERGED | codes.FLAG_PARTIAL
_MERGED, _AWAITED = reasons.CODE["part_merged"], reasons.CODE["part_awaited"]
_TOO_LONG, _NO_TIME = reasons.CODE["duration_too_long"], reasons.CODE["duration_zero"]
_TOO_LARGE, _NO_VOLUME = reasons.CODE["volume_too_large"], reasons.CODE["volume_zero"]
_NUMBERS: Final = {"imsi": "imsi", "source": "source_index"}  # fields of the key: their columns
_SEQUENCE_BITS: Final = 32


@dataclass(frozen=True)
class Rules:
    """The reference of this stage: the rules of operator.yaml, and the run's only now.

    going_on: by source, causes after which another part must follow; none: the cause never tells.
    """

    partials: Partials
    going_on: tuple[tuple[int, ...], ...]
    as_of_utc_s: int
    duration_max_s: int
    volume_max_bytes: int


@dataclass(frozen=True)
class Parts:
    """The state of this stage: what rows that are not calls belong to.

    call_ids: int64 by row, of a part that was merged or waits: the record of its call's first
    part; else 0. due_utc_s: int64 by row, of a part that waits: until when; else 0.
    """

    call_ids: np.ndarray
    due_utc_s: np.ndarray


def rules_of(partials: Partials | None, reference: Reference, as_of_utc_s: int) -> Rules | None:
    """None where partial records stay apart."""
    checks = reference.checks
    return None if partials is None else Rules(
        partials, tuple(partials.goes_on_after(name) for name in reference.names.sources),
        as_of_utc_s, checks.duration_max_s, checks.volume_max_bytes
    )  # fmt: skip


def is_part(batch: pa.RecordBatch) -> np.ndarray:
    """Which good rows of ``schemas.USAGE`` are parts, and not a call made of parts (bool)."""
    found: np.ndarray = is_numbered(batch) & (ints(batch, "reason") == 0)
    return found


def is_numbered(batch: pa.RecordBatch) -> np.ndarray:
    """Which rows are parts, good or not (bool)."""
    found: np.ndarray = ints(batch, "sequence") > 0
    if found.any():
        found &= (ints(batch, "flags") & _CALL) == 0
        found &= np.isin(ints(batch, "service"), _TIMED)
    return found


def partition_of(batch: pa.RecordBatch) -> np.ndarray:
    """For each row of ``schemas.USAGE`` a number below PARTITIONS, the same for all parts of a
    served number; PARTITIONS for a row that is no part. int16."""
    named = _is_named(batch)
    known = (ints(batch, "served_e164") > 0) | named  # a hash without a number is of the whole key
    partition = np.where(known, duplicates.partition_of(ints(batch, "dedupe_hash")), np.int16(0))
    found: np.ndarray = np.where(is_part(batch), partition, np.int16(duplicates.PARTITIONS))
    return found


def assemble(batch: pa.RecordBatch, rules: Rules, state: None = None) -> StageResult:
    """Parts of ``schemas.USAGE``, all those of a served number together -> calls, and the rest.

    The first part of a finished call becomes the call: sums of its parts, the cause of the last;
    the others get the reason ``part_merged``. Parts of an unfinished one get ``part_awaited``,
    until ``hold`` has passed since its end: then what there is becomes a call of its own, with
    FLAG_PARTIAL. Rows that have a reason or are no parts are passed by. state: Parts.
    totals: calls, those that were made; awaited, the parts that wait.
    """
    schemas.check(batch, schemas.USAGE, "assemble")
    count = batch.num_rows
    parts = Parts(np.zeros(count, np.int64), np.zeros(count, np.int64))
    rows = np.flatnonzero(is_part(batch))
    if not len(rows):
        return StageResult(batch, state=parts, totals={"calls": 0, "awaited": 0})
    chosen = batch.take(pa.array(rows))
    calls = _chain(chosen, rules.partials)
    new, ready = _outcome(chosen, calls, rules)
    waits = ~ready[calls.number]
    belongs = waits | (new["reason"] == _MERGED)
    parts.call_ids[rows] = np.where(belongs, ints(chosen, "record_id")[calls.first], 0)
    parts.due_utc_s[rows] = np.where(waits, calls.due_utc_s[calls.number], 0)
    columns = {}
    for name, values in new.items():
        columns[name] = ints(batch, name).copy()
        columns[name][rows] = values
    totals = {"calls": int(np.count_nonzero(ready)), "awaited": int(np.count_nonzero(waits))}
    return StageResult(with_columns(batch, schemas.USAGE, columns), state=parts, totals=totals)


@dataclass(frozen=True)
class _Calls:
    """Parts put in chains. By row: first (the row of its call's first part), number (of its call);
    by call: firsts, lasts (rows), due_utc_s. sums: the quantities, those of firsts summed up."""

    first: np.ndarray
    number: np.ndarray
    firsts: np.ndarray
    lasts: np.ndarray
    due_utc_s: np.ndarray
    sums: kernels.Quantities


def _chain(parts: pa.RecordBatch, partials: Partials) -> _Calls:
    count = parts.num_rows
    start_utc_s = ints(parts, "start_utc_s")
    end_utc_s = start_utc_s + ints(parts, "duration_s")
    slot = _keys(parts, partials) << _SEQUENCE_BITS | ints(parts, "sequence")
    tie = (ints(parts, "record_id"), ints(parts, "dedupe_hash"))
    ordered = []
    for slots, moment in ((slot + 1, end_utc_s), (slot, start_utc_s)):
        order = np.lexsort((*tie, moment, slots))
        ordered.append(kernels.Order(order, slots[order], moment[order]))
    follower, is_first = np.full(count, -1, np.int64), np.ones(count, bool)
    kernels.link(ordered[0], ordered[1], partials.gap_s, follower, is_first)
    firsts = np.flatnonzero(is_first)
    first, lasts = np.empty(count, np.int64), np.empty(len(firsts), np.int64)
    sums = kernels.Quantities(*(ints(parts, n).copy() for n in kernels.Quantities._fields))
    kernels.sum_up(follower, firsts, sums, first, lasts)
    number = np.searchsorted(firsts, first)
    return _Calls(first, number, firsts, lasts, end_utc_s[lasts] + partials.hold_s, sums)


def _keys(parts: pa.RecordBatch, partials: Partials) -> np.ndarray:
    """A number for each distinct key of the parts: int64, from 0."""
    columns = [ints(parts, "service"), ints(parts, "direction")]
    for name in partials.key:
        if name in ("served", "other"):
            e164 = ints(parts, f"{name}_e164")
            if name == "served":  # who has an IMSI only may get another number while he calls
                e164 = np.where(_is_named(parts), e164, -ints(parts, "imsi"))
            columns += [e164, np.where(e164 > 0, 0, _text_codes(parts, f"{name}_raw"))]
        elif name in _NUMBERS:
            columns.append(ints(parts, _NUMBERS[name]))
        else:
            columns.append(_text_codes(parts, name))
    order = np.lexsort(columns)
    is_new = np.zeros(len(order), bool)
    for column in columns:
        is_new[1:] |= np.diff(column[order]) != 0
    keys = np.empty(len(order), np.int64)
    keys[order] = np.cumsum(is_new)
    return keys


def _is_named(batch: pa.RecordBatch) -> np.ndarray:
    """Which records have a served number, or another text in its place (bool)."""
    found: np.ndarray = pc.greater(pc.binary_length(batch.column("served_raw")), 0).to_numpy(False)
    return found


def _text_codes(parts: pa.RecordBatch, name: str) -> np.ndarray:
    codes_of: np.ndarray = pc.dictionary_encode(parts.column(name)).indices.to_numpy()
    return codes_of


def _outcome(
    parts: pa.RecordBatch, calls: _Calls, rules: Rules
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """New columns of the parts (those of calls in their first row), and which calls are made."""
    firsts, lasts = calls.firsts, calls.lasts
    cause, source = ints(parts, "cause"), ints(parts, "source_index")[lasts]
    broken = ints(parts, "sequence")[firsts] != 1  # some part is known to be missing
    ended = np.zeros(len(lasts), bool)
    for index, going_on in enumerate(rules.going_on):
        told = (source == index) & bool(going_on)
        ended[told] = ~np.isin(cause[lasts[told]], going_on)
        broken |= told & ~ended
    ready = (calls.due_utc_s < rules.as_of_utc_s) | (ended & ~broken)
    reason = np.where(ready[calls.number], np.int16(_MERGED), np.int16(_AWAITED))
    field = ints(parts, "reason_field").copy()
    made, ends = firsts[ready], lasts[ready]
    code, at = _checked(parts, made, calls.sums, rules)
    reason[made], field[made] = code, at
    flags, causes = ints(parts, "flags").copy(), cause.copy()
    flags[made] |= np.where(made != ends, codes.FLAG_MERGED, 0).astype(np.int32)
    flags[made] |= np.where(broken[ready], codes.FLAG_PARTIAL, 0).astype(np.int32)
    causes[made] = cause[ends]
    new = {"reason": reason, "reason_field": field, "flags": flags, "cause": causes}
    for name, sums in calls.sums._asdict().items():
        new[name] = ints(parts, name).copy()
        new[name][made] = sums[made]
    return new, ready


def _checked(
    parts: pa.RecordBatch, made: np.ndarray, sums: kernels.Quantities, rules: Rules
) -> tuple[np.ndarray, np.ndarray]:
    """Reason and field of each call: its sums keep the limits of one record (validate)."""
    is_data = ints(parts, "service")[made] == codes.DATA
    duration_s, most = sums.duration_s[made], rules.volume_max_bytes
    up, down = sums.up_bytes[made], sums.down_bytes[made]
    # Each is compared before their sum: a sum of two large values would wrap.
    too_large = (up > most) | (down > most) | (np.minimum(up, most) > most - down)
    code = np.select(
        [~is_data & (duration_s > rules.duration_max_s), ~is_data & (duration_s == 0),
         is_data & too_large, is_data & (up == 0) & (down == 0)],
        [_TOO_LONG, _NO_TIME, _TOO_LARGE, _NO_VOLUME],
    )  # fmt: skip
    field = np.where(is_data, FIELD["up_bytes"], FIELD["duration_s"])
    return code.astype(np.int16), np.where(code != 0, field, -1).astype(np.int16)
