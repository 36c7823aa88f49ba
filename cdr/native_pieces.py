"""The parts of a native file that hold records, a piece at a time: nothing grows with the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cdr import framing_kernels, native
from cdr.ber_state_kernels import PAD_BYTES
from cdr.framing_kernels import BEGIN, END, FORMAT, STATE
from tollbook import reasons

NO_OTHERS = np.zeros((0, 4), np.int64)
NO_CODES = np.zeros(0, np.int64)


class Piece(NamedTuple):
    """Parts to be walked, int64 [part, 2]: begin and end.

    numbers: of a framed file, whose parts are one record each, int64: the numbers of these from 1;
    None: no numbers are known. others: int64 [frame, 4], frames that hold no record that can be
    read: begin, end, number and reason; codes: int64 [frame], their encoding and specification
    (``framing.format_name``).
    """

    parts: np.ndarray
    numbers: np.ndarray | None = None
    others: np.ndarray = NO_OTHERS
    codes: np.ndarray = NO_CODES

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len(self.others) + (0 if self.numbers is None else len(self.numbers))


def pieces(data: np.ndarray, form: native.Format, where: str) -> Iterator[Piece]:
    """The pieces of a file (uint8 with PAD_BYTES behind it) in its order.

    Raises BrokenFile where the structure around the records is broken, maybe after some pieces.
    """
    if form.name == "ts32298":
        for found in native.lists(data, where):
            yield Piece(found)
    elif form is not native.FRAMED:
        yield Piece(np.array([[0, len(data) - PAD_BYTES]], np.int64))
    else:
        first = 1
        for found in native.frames(data, form, where):
            yield _sorted(found, first)
            first += len(found)


def _sorted(frames: np.ndarray, first: int) -> Piece:
    """Frames that hold one record of BER, and the others."""
    numbers = np.arange(first, first + len(frames))
    state = frames[:, STATE]
    is_sound = state == framing_kernels.SOUND
    faults = [reasons.CODE[name] for name in ("record_unreadable", "encoding_unknown")]
    reason = np.array([0, *faults], np.int64)[state]
    table = np.column_stack([frames[:, BEGIN], frames[:, END], numbers, reason])
    return Piece(frames[is_sound][:, [BEGIN, END]], numbers[is_sound], table[~is_sound],
                 frames[~is_sound, FORMAT])  # fmt: skip
