"""The duplicate key of a record: its hash, its columns, sorting and comparing keys."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rating.hash_kernels import SEED, Texts, mix, text_hash
from tollbook.jit import kernel

DAY_S = 86_400
HASH_BITS = 62
PARTITION_BITS = 6
PARTITION_COUNT = 1 << PARTITION_BITS
PARTITION_SHIFT = HASH_BITS - PARTITION_BITS
DIGIT_BITS = 11  # a digit of the radix sort: its counters fit the first-level cache
DIGIT_COUNT = 1 << DIGIT_BITS


class KeyFields(NamedTuple):
    """Which fields make two records the same one: 1 or 0 each."""

    served: int
    start: int
    duration: int
    other: int
    direction: int
    service: int
    call_ref: int
    sequence: int


class KeyColumns(NamedTuple):
    """What keys are made from, as columns of usage (read-only)."""

    record_id: np.ndarray  # int64
    dedupe_hash: np.ndarray  # int64, 0: the row takes no part
    served_e164: np.ndarray  # int64
    other_e164: np.ndarray  # int64
    served_raw: Texts
    other_raw: Texts
    start_utc_s: np.ndarray  # int64
    duration_s: np.ndarray  # int64
    direction: np.ndarray  # int8
    service: np.ndarray  # int8
    call_ref: Texts
    sequence: np.ndarray  # int32


class Keys(NamedTuple):
    """The columns of ``schemas.DUPLICATE_KEY``."""

    dedupe_hash: np.ndarray  # int64
    record_id: np.ndarray  # int64
    start_day: np.ndarray  # int32
    served_key: np.ndarray  # int64
    other_key: np.ndarray  # int64
    start_utc_s: np.ndarray  # int64
    duration_s: np.ndarray  # int64
    direction: np.ndarray  # int8
    service: np.ndarray  # int8
    extra_key: np.ndarray  # int64


@kernel
def party_key(e164: int, offsets: np.ndarray, data: np.ndarray, row: int) -> int:
    """The number, or the negative hash of the raw text where it is none; 0: there is no text."""
    if e164 > 0:
        return e164
    first, last = offsets[row], offsets[row + 1]
    return -1 - text_hash(data, first, last) if last > first else 0


@kernel
def extra_key(
    fields: KeyFields, offsets: np.ndarray, data: np.ndarray, sequence: int, row: int
) -> int:
    """Hash of the call reference and the sequence, as far as they are in the key; else 0."""
    key = np.int64(0)
    if fields.call_ref == 1:
        key = mix(SEED, text_hash(data, offsets[row], offsets[row + 1]))
    if fields.sequence == 1:
        key = mix(key, sequence)
    return key


@kernel
def key_hash(
    fields: KeyFields, served: int, other: int, start: int, duration: int, direction: int,
    service: int, extra: int,
) -> int:  # fmt: skip
    """Hash of the fields that are in the key: 1 to 2**62 - 1."""
    state = np.int64(SEED)
    if fields.served == 1:
        state = mix(state, served)
    if fields.start == 1:
        state = mix(state, start)
    if fields.duration == 1:
        state = mix(state, duration)
    if fields.other == 1:
        state = mix(state, other)
    if fields.direction == 1:
        state = mix(state, direction)
    if fields.service == 1:
        state = mix(state, service)
    if fields.call_ref == 1 or fields.sequence == 1:
        state = mix(state, extra)
    return max(state, np.int64(1))
