"""Where the records of a TS 32.297 file lie (clause 6.1.2)."""

from __future__ import annotations

import numpy as np

from cdr.spec_kernels import Int
from tollbook.jit import kernel

RECORD_HEADER_BYTES = 4
EXTENDED_RELEASE = 7  # its number follows in a byte of its own
BEGIN, END, FORMAT = range(3)


@kernel
def find_frames(data: np.ndarray, at: Int, end: Int, frames: np.ndarray) -> tuple[Int, Int]:
    """Begin, end and format (format << 5 | number of the specification) of the frames from ``at``.

    frames: int64 [frame, 3], room enough for RECORD_HEADER_BYTES each. Returns how many there are
    and the place behind the last one: ``end`` where all is well.
    """
    count = 0
    while at + RECORD_HEADER_BYTES <= end:
        length = np.int64(data[at]) << 8 | np.int64(data[at + 1])
        release, form = np.int64(data[at + 2]) >> 5, np.int64(data[at + 3])
        begin = at + RECORD_HEADER_BYTES + (1 if release == EXTENDED_RELEASE else 0)
        if begin + length > end:
            break
        frames[count, BEGIN], frames[count, END] = begin, begin + length
        frames[count, FORMAT] = form
        count += 1
        at = begin + length
    return count, at
