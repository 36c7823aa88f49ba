"""Frames with filler between them: files made at random, of which every record's place is known.

A short frame begins with a zero, as filler may, and the header of a frame may end in the bytes of
the next one: whatever stands between, each frame must be found where it was put.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import pytest
from conftest import JIT_IS_OFF
from reference_ber import element
from test_ber import indefinite
from test_native_structure import BAD_OPEN, GOOD, OPEN, STRANGER, file_of, frame

from cdr import ber, framing_kernels, native
from cdr.native import FRAMED
from tollbook.errors import BrokenFile

MO_CALL = 0 << 2 | 2
ONE_OPEN = b"".join(indefinite(GOOD[2], 0, len(GOOD[2])))
# With a field that no type knows, so that the length of the frame has two bytes.
LONG = [element(MO_CALL, True, GOOD[0][2:] + element(80 << 2 | 2, False, bytes(size)))
        for size in (250, 700)]  # fmt: skip
SOUND = [*GOOD, *LONG, OPEN, ONE_OPEN]
BAD = [(b"", 0x26), (b"hello", 0x26), (BAD_OPEN, 0x26), (STRANGER, 0x26), (b"<a/>", 0x86),
       (b"\1\2\3", 0x46), (b"\x30\x80" + bytes(9), 0x66), (bytes(900), 0x26), (b"\xff" * 40, 0x26),
       (LONG[0][:200], 0x26), (LONG[1][:-1], 0x26), (GOOD[0] + GOOD[1], 0x26),
       (b"<a>hello</a>" * 100, 0x86), (random.Random(1).randbytes(1500), 0x26)]  # fmt: skip
FILLER = {"zeros": (0,), "0xFF": (0xFF,), "both": (0, 0xFF)}


@dataclass(frozen=True)
class Made:
    """A file, and of each frame its end and whether its record is sound."""

    data: bytes
    frames: list[tuple[int, bool]]


def made(draw: random.Random, filler: tuple[int, ...], bad: int) -> Made:
    """Two to six frames, ``bad`` of them with something else in them than a record."""
    release = draw.choice([b"\0", b"\x60", b"\x26", b"\xe0\x05"])
    count = draw.randint(2, 6)
    odd = set(draw.sample(range(count), min(bad, count - 1)))
    head = len(file_of(b"", 0))
    body, frames = b"", []
    for place in range(count):
        body += bytes(draw.choice(filler) for _ in range(draw.choice((0, 0, 1, 2, 3, 4, 5, 8))))
        record, code = draw.choice(BAD) if place in odd else (draw.choice(SOUND), 0x26)
        body += frame(record, release, code)
        frames.append((head + len(body), place not in odd))
    body += bytes(draw.choice(filler) for _ in range(draw.choice((0, 1, 7))))
    return Made(file_of(body, count), frames)


def found(data: bytes) -> list[tuple[int, bool]]:
    table = np.concatenate(list(native.frames(ber.padded(data, "file"), FRAMED, "file")))
    is_sound = table[:, framing_kernels.STATE] == framing_kernels.SOUND
    return list(zip(table[:, framing_kernels.END].tolist(), is_sound.tolist(), strict=True))


@pytest.mark.parametrize("filler", FILLER)
@pytest.mark.parametrize("bad", [0, 1, 2])
def test_every_frame_is_found_where_it_was_put(filler: str, bad: int) -> None:
    draw = random.Random(f"{filler} {bad}")
    for _ in range(60 if JIT_IS_OFF else 2_000):
        one = made(draw, FILLER[filler], bad)
        assert found(one.data) == one.frames, one.data.hex()


@pytest.mark.parametrize("is_filled", [False, True])
def test_a_file_without_any_sound_record_has_as_many_frames_as_were_put_there(
    is_filled: bool,
) -> None:
    """All in another encoding, of any length: headers that are alike tell where they begin."""
    draw = random.Random(f"{is_filled}")
    for _ in range(2 if JIT_IS_OFF else 30):
        body, ends = b"", []
        for _ in range(draw.randint(1, 300)):
            body += frame(draw.randbytes(draw.randint(1, 150)), b"\0", 0x46)
            ends.append((len(file_of(b"", 0)) + len(body), False))
            if is_filled and draw.random() < 0.2:
                body += bytes(draw.randint(1, 6))
        assert found(file_of(body, len(ends))) == ends


def test_the_same_text_over_and_over() -> None:
    """Of one period, so that a wrong beginning is found again and again."""
    record, count = frame(b"<a>hello</a>", b"\0", 0x86), 400 if JIT_IS_OFF else 4_000
    assert len(found(file_of(record * count, count))) == count


def test_what_can_be_read_in_more_than_one_way_refuses_the_file() -> None:
    """A frame of 272 bytes behind two zeros, or two of 1 and 268 behind one: all UPER of R99.16."""
    data = file_of(bytes.fromhex("00 0001 1046 46 010c 1046") + b"x" * 268, 1)
    with pytest.raises(BrokenFile, match="can be read as records in more than one way"):
        found(data)
