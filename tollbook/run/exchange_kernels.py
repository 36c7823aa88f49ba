"""Loops that move rows: counting sort into buckets, gathering columns, tallies."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tollbook.jit import kernel

STRIDE = 16


@kernel
def bucket_places(bucket: np.ndarray, starts: np.ndarray, places: np.ndarray) -> None:
    """Stable counting sort of rows by bucket.

    bucket: int16[n], each 0 <= b < len(starts) - 1. starts: int64[buckets + 1], zeroed; becomes the
    first position of each bucket. places: int32[n]; becomes where each row stands in that order.
    """
    for row in range(len(bucket)):
        starts[bucket[row] + 1] += 1
    for index in range(1, len(starts)):
        starts[index] += starts[index - 1]
    place = starts.copy()
    for row in range(len(bucket)):
        at = place[bucket[row]]
        places[row] = at
        place[bucket[row]] = at + 1


@kernel
def kept_range(values: np.ndarray, inside: np.ndarray, found: np.ndarray) -> None:
    """Least and greatest value (found: int64[2]) of the rows that are inside (bool)."""
    low, high = np.int64(2**62), np.int64(-(2**62))
    for row in range(len(values)):
        if inside[row]:
            value = np.int64(values[row])
            low = min(low, value)
            high = max(high, value)
    found[0] = low
    found[1] = high


class Views(NamedTuple):
    """The same bytes as signed integers of each width."""

    one: np.ndarray
    two: np.ndarray
    four: np.ndarray
    eight: np.ndarray

    @classmethod
    def of(cls, data: np.ndarray) -> Views:
        """data: uint8, a multiple of 8 bytes."""
        return cls(*(data.view(kind) for kind in (np.int8, np.int16, np.int32, np.int64)))


@kernel
def keep_ints(
    values: np.ndarray, places: np.ndarray, kept: int, base: int, width: int, room: Views
) -> None:
    """The values, less ``base``, as the integers of ``width`` bytes into which they then fit.

    places: int32[n], where each goes; from ``kept`` on: nowhere. Values are read in the order in
    which they lie: the ends of all buckets fit into the first cache, the values do not.
    """
    one, two, four, eight = room
    if width == 1:
        for row in range(len(values)):
            if places[row] < kept:
                one[places[row]] = np.int64(values[row]) - base
    elif width == 2:
        for row in range(len(values)):
            if places[row] < kept:
                two[places[row]] = np.int64(values[row]) - base
    elif width == 4:
        for row in range(len(values)):
            if places[row] < kept:
                four[places[row]] = np.int64(values[row]) - base
    else:
        for row in range(len(values)):
            if places[row] < kept:
                eight[places[row]] = np.int64(values[row]) - base


@kernel
def gather_offsets(offsets: np.ndarray, order: np.ndarray, out: np.ndarray) -> int:
    """Offsets (int32[m + 1]) of the texts in their new order; returns the number of bytes."""
    total = 0
    out[0] = 0
    for index in range(len(order)):
        row = order[index]
        total += offsets[row + 1] - offsets[row]
        out[index + 1] = total
    return total


@kernel
def gather_bytes(
    offsets: np.ndarray, data: np.ndarray, order: np.ndarray, out: np.ndarray
) -> None:
    """The bytes of the texts in their new order, one behind the other.

    out needs ``STRIDE`` bytes more than the texts have: they are copied in whole strides, and what
    is too much is overwritten by the next text. A stride of fixed length is one machine move.
    """
    at = 0
    for index in range(len(order)):
        row = order[index]
        start, size = offsets[row], offsets[row + 1] - offsets[row]
        if start + size + STRIDE <= len(data):
            for step in range(0, size, STRIDE):
                for byte in range(STRIDE):
                    out[at + step + byte] = data[start + step + byte]
        else:
            for byte in range(size):
                out[at + byte] = data[start + byte]
        at += size


@kernel
def scatter_texts(
    offsets: np.ndarray, lengths: np.ndarray, data: np.ndarray, bucket: np.ndarray,
    starts: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """The bytes of texts in the order of their buckets, one behind the other.

    lengths: int32, of each text what is kept: all or 0. starts: int64 [buckets + 1], zeroed;
    becomes where each bucket begins in ``out``. Texts are read in the order in which they lie and
    copied in whole strides, as long as these stay inside their bucket.
    """
    buckets = len(starts) - 1
    for row in range(len(lengths)):
        if bucket[row] < buckets:
            starts[bucket[row] + 1] += lengths[row]
    for index in range(1, len(starts)):
        starts[index] += starts[index - 1]
    cursor = starts.copy()
    for row in range(len(lengths)):
        size = int(lengths[row])
        if size == 0 or bucket[row] >= buckets:
            continue
        at, start = cursor[bucket[row]], int(offsets[row])
        cursor[bucket[row]] = at + size
        whole = (size + STRIDE - 1) // STRIDE * STRIDE
        if start + whole <= len(data) and at + whole <= starts[bucket[row] + 1]:
            for step in range(0, size, STRIDE):
                for byte in range(STRIDE):
                    out[at + step + byte] = data[start + step + byte]
        else:
            for byte in range(size):
                out[at + byte] = data[start + byte]


@kernel
def collect_ints(
    views: Views, about: np.ndarray, apart: np.ndarray, out: np.ndarray, left: np.ndarray
) -> None:
    """Pieces of narrow integers joined in ``out``; some of them in ``left`` instead.

    about: int64 [6, piece]: bytes of each integer (0: all are the base), base, first byte, how
    many, where they begin if all are joined, and how many of those before go to ``left``. apart:
    int64, which those are, ascending.
    """
    # Slices: a loop from 0 over an array of its own is one that the compiler can widen.
    one, two, four, eight = views
    for piece in range(about.shape[1]):
        width, base, first = about[0, piece], about[1, piece], about[2, piece]
        count, at, gone = about[3, piece], about[4, piece], about[5, piece]
        row = 0
        while row < count:
            stop, is_apart = count, False
            if gone < len(apart) and apart[gone] - at < count:
                stop, is_apart = apart[gone] - at, True
            size = stop - row
            target = out[at + row - gone : at + stop - gone]
            value = base
            if width == 0:
                target[:] = base
            elif width == 1:
                bytes_1 = one[first + row : first + stop]
                for place in range(size):
                    target[place] = base + bytes_1[place]
                value += one[first + stop] if is_apart else 0
            elif width == 2:
                bytes_2 = two[first // 2 + row : first // 2 + stop]
                for place in range(size):
                    target[place] = base + bytes_2[place]
                value += two[first // 2 + stop] if is_apart else 0
            elif width == 4:
                bytes_4 = four[first // 4 + row : first // 4 + stop]
                for place in range(size):
                    target[place] = base + bytes_4[place]
                value += four[first // 4 + stop] if is_apart else 0
            else:
                bytes_8 = eight[first // 8 + row : first // 8 + stop]
                for place in range(size):
                    target[place] = base + bytes_8[place]
                value += eight[first // 8 + stop] if is_apart else 0
            if is_apart:
                left[gone] = value
                gone += 1
            row = stop + is_apart


@kernel
def collect_bytes(
    data: np.ndarray, first: np.ndarray, sizes: np.ndarray, target: np.ndarray, out: np.ndarray
) -> None:
    """Pieces of ``data`` copied to their targets in ``out``."""
    for piece in range(len(first)):
        size = sizes[piece]
        source = data[first[piece] : first[piece] + size]
        room = out[target[piece] : target[piece] + size]
        for byte in range(size):
            room[byte] = source[byte]


@kernel
def tally(
    code: np.ndarray, charge_micro: np.ndarray, rows: np.ndarray, high: np.ndarray, low: np.ndarray
) -> None:
    """Count rows and sum charges by code; a sum is (high << 32) + low, so that it cannot wrap."""
    for row in range(len(code)):
        at = code[row]
        rows[at] += 1
        high[at] += charge_micro[row] >> 32
        low[at] += charge_micro[row] & 0xFFFFFFFF


@kernel
def compact(index: np.ndarray, seen: np.ndarray, code: np.ndarray, used: np.ndarray) -> int:
    """Renumber indices densely in order of first appearance.

    index: int32[n], -1 <= i < len(seen) - 1. seen: int32[m + 1] of -1. code: int32[n], the dense
    numbers. used: int32[n], the index behind each dense number. Returns how many there are.
    """
    count = 0
    for row in range(len(index)):
        slot = index[row] + 1
        if seen[slot] < 0:
            seen[slot] = count
            used[count] = index[row]
            count += 1
        code[row] = seen[slot]
    return count
