"""The duplicate key of a record: its hash, its columns, sorting and comparing keys."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rating.hash_kernels import LANE, SEED, Texts, mix, mix_word, span, text_hash
from tollbook.jit import borrows, inner, kernel

DAY_S = 86_400
HASH_BITS = 63
PARTITION_BITS = 6
DIGIT_BITS = 11  # of the radix sort: the counters of a digit fit the first-level cache
DIGIT_COUNT = 1 << DIGIT_BITS
IMSI_KEY = -(2**62) - 1  # less the IMSI: below all hashes of texts
STAYS, KNOWN = -1, -2  # verdicts besides the record id of the one that came first
OWNER_SHIFT = 32  # the hash of the served number lies above the hash of the other fields
WHOLE, PART, SHORT = 0, 1, 2  # Keys.standing


class KeyFields(NamedTuple):
    """Which fields make two records the same one, besides served and start: 1 or 0 each."""

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
    imsi: np.ndarray  # int64


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
    standing: np.ndarray  # int8: WHOLE, PART or SHORT


@inner
@borrows
def party_key(e164: int, offsets: np.ndarray, data: np.ndarray, row: int) -> int:
    """The number, or the negative hash of the raw text where it is none; 0: there is no text."""
    if e164 > 0:
        return e164
    first, last = span(offsets, row)
    return -1 - text_hash(data, first, last) if last > first else 0


@inner
@borrows
def served_key(e164: int, offsets: np.ndarray, data: np.ndarray, imsi: int, row: int) -> int:
    """That of the served party: where the source gave an IMSI only, one of the IMSI.

    Its number is then what the customer tables say, and they may say something else tomorrow.
    """
    first, last = span(offsets, row)
    if first == last and imsi > 0:
        return IMSI_KEY - imsi
    return int(party_key(e164, offsets, data, row))


@inner
@borrows
def extra_key(
    fields: KeyFields, offsets: np.ndarray, data: np.ndarray, sequence: int, row: int
) -> int:
    """Hash of the call reference and the sequence, as far as they are in the key; else 0."""
    key = 0
    if fields.call_ref == 1:
        first, last = span(offsets, row)
        key = mix(SEED, text_hash(data, first, last))
    if fields.sequence == 1:
        key = mix(key, int(np.int64(sequence)))
    return key


@inner
@borrows
def key_state(
    fields: KeyFields, served: int, other: int, start: int, duration: int, direction: int,
    service: int, extra: int,
) -> int:  # fmt: skip
    """The fields that are in the key, mixed: 62 bits.

    served: ``mix(SEED, key of the served party)``. Of times the lower 31 bits are enough.
    """
    state = mix_word(served, start)
    if fields.duration == 1:
        state = mix_word(state, duration)
    if fields.other == 1:
        state = mix(state, other)
    if fields.direction == 1 or fields.service == 1:
        way, kind = int(np.int64(direction)), int(np.int64(service))
        state = mix_word(state, fields.direction * way << 8 | fields.service * kind)
    if fields.call_ref == 1 or fields.sequence == 1:
        state = mix(state, extra)
    return state


@inner
def key_hash(owner: int, state: int) -> int:
    """1 to 2**63 - 1: above, 31 bits of the owner's state, so that the records of one number lie
    together; below, 31 bits of the whole key's."""
    return (owner >> 31) << OWNER_SHIFT | (state & LANE) << 1 | 1


@kernel
@borrows
def write_keys(fields: KeyFields, columns: KeyColumns, keys: Keys) -> None:
    """The keys of the rows whose hash is not 0, in their order."""
    record_id, dedupe_hash, served_e164, other_e164, served_raw, other_raw = columns[:6]
    start_utc_s, duration_s, direction, service, call_ref, sequence, imsi = columns[6:]
    served_offsets, served_data = served_raw
    other_offsets, other_data = other_raw
    ref_offsets, ref_data = call_ref
    new_hash, new_id, day, served, other, start, duration, way, kind, extra, standing = keys
    at = 0
    for row in range(len(dedupe_hash)):
        if dedupe_hash[row] == 0:
            continue
        new_hash[at], new_id[at] = dedupe_hash[row], record_id[row]
        day[at] = start_utc_s[row] // DAY_S
        served[at] = served_key(served_e164[row], served_offsets, served_data, imsi[row], row)
        other[at] = party_key(other_e164[row], other_offsets, other_data, row)
        start[at], duration[at] = start_utc_s[row], duration_s[row]
        way[at], kind[at] = direction[row], service[row]
        extra[at] = extra_key(fields, ref_offsets, ref_data, sequence[row], row)
        standing[at] = PART if sequence[row] > 0 else WHOLE
        at += 1


@kernel
def sort_by_hash(
    hashes: np.ndarray, order: np.ndarray, spare_hashes: np.ndarray, spare_order: np.ndarray,
    counts: np.ndarray,
) -> None:  # fmt: skip
    """Sorts int64 hashes and the int32 order beside them, stable; an even number of passes.

    The spare arrays are as long; counts: int64 [DIGIT_COUNT].
    """
    for digit in range(6):
        shift = digit * DIGIT_BITS
        for place in range(DIGIT_COUNT):
            counts[place] = 0
        for row in range(len(hashes)):
            counts[(hashes[row] >> shift) & (DIGIT_COUNT - 1)] += 1
        total = 0
        for place in range(DIGIT_COUNT):
            count = counts[place]
            counts[place] = total
            total += count
        for row in range(len(hashes)):
            place = (hashes[row] >> shift) & (DIGIT_COUNT - 1)
            spare_hashes[counts[place]], spare_order[counts[place]] = hashes[row], order[row]
            counts[place] += 1
        hashes, spare_hashes = spare_hashes, hashes
        order, spare_order = spare_order, order


@inner
def is_equal(fields: KeyFields, one: Keys, row: int, other: Keys, place: int) -> bool:
    """Whether two records are the same by the fields of the key."""
    return bool(
        one.served_key[row] == other.served_key[place]
        and one.start_utc_s[row] == other.start_utc_s[place]
        and (fields.other == 0 or one.other_key[row] == other.other_key[place])
        and (fields.duration == 0 or one.duration_s[row] == other.duration_s[place])
        and (fields.direction == 0 or one.direction[row] == other.direction[place])
        and (fields.service == 0 or one.service[row] == other.service[place])
        and one.extra_key[row] == other.extra_key[place]
    )


@kernel
def find_first(
    fields: KeyFields, hashes: np.ndarray, order: np.ndarray, new: Keys, history: Keys,
    first_id: np.ndarray,
) -> None:  # fmt: skip
    """For each new key, in the order of hashes: the id of the record that came first.

    hashes: of the new keys, ascending, equal ones by record id; order: their rows in ``new``.
    history: ascending by hash. first_id becomes STAYS for a key without an equal one before it,
    KNOWN for a record that the history holds itself, else the id of the record it repeats.
    """
    ids, old_hash, old_ids = new.record_id, history.dedupe_hash, history.record_id
    low, old_low = 0, 0
    while low < len(hashes):
        high = low + 1
        while high < len(hashes) and hashes[high] == hashes[low]:
            high += 1
        while old_low < len(old_hash) and old_hash[old_low] < hashes[low]:
            old_low += 1
        old_high = old_low
        while old_high < len(old_hash) and old_hash[old_high] == hashes[low]:
            old_high += 1
        for place in range(low, high):
            row = order[place]
            verdict = np.int64(STAYS)
            # Equal hashes are rare: only then the fields are compared.
            for old in range(old_low, old_high):
                if is_equal(fields, new, row, history, old):
                    if ids[row] == old_ids[old]:
                        verdict = np.int64(KNOWN)
                        break
                    if verdict == STAYS or old_ids[old] < verdict:
                        verdict = old_ids[old]
            for before in range(low, place):
                if verdict != STAYS:
                    break
                first = order[before]
                if first_id[before] == STAYS and is_equal(fields, new, row, new, first):
                    verdict = np.int64(KNOWN) if ids[row] == ids[first] else ids[first]
            first_id[place] = verdict
        low, old_low = high, old_high
