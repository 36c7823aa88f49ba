"""Inputs of the fuzzer: sound files of every reader, and what is done to them.

An input depends on the seed and on its number alone, so that any of them can be made again.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

import pyarrow as pa
from delimited_samples import COMMON, GOOD_ROWS, LAYOUT_SIGNS, TIMES, TOLLBOOK
from native_files import data_file, framed
from reference_ber import FullMaker, Maker

from bench import make_native
from cdr import ber, native

DATA: Final = Path(__file__).parent / "data"
INPUT_BYTES_MAX: Final = 8192  # before it is compressed; repeated pieces reach ten times as far
TEXT_PIECES: Final = [piece.encode() for piece in (*COMMON, *TIMES)] + [
    b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xc3", b"\xef\xbb\xbf", b'"', b'""', b"'", b",", b";",
    b"\t", b"\\", b"{", b"}", b"[", b"]", b":", b"null", b"true", b"NaN", b"1e400", b"-0",
    b"\\u0000", b"\\ud800", b'{"a":', b"2024", b"99", b"\x1a", b" ",
]  # fmt: skip
BER_PIECES: Final = [
    b"\0", b"\xff", b"\0\0", b"\x80", b"\x84\xff\xff\xff\xff", b"\x84\x7f\xff\xff\xff",
    b"\x83\xff\xff\xff", b"\x81\x80", b"\x88" + b"\xff" * 8, b"\x1f\x80\x01",
    b"\x5f\x8f\xff\xff\xff\x7f", b"\x30\x80",
    b"\xa0\x80", b"\xbf\x84\xff\xff\xff\xff", b"\x61\x80", b"\x7f\x81\x48", b"\xff" * 16,
    b"\0" * 16, b"\x30\x80" * 70, b"\xa1\x80" * 40,
    b"\xbf\x8f\x7f\x82\x01\x00", b"\x04\x84\x00\x00\x10\x00",
]  # fmt: skip


def text_files(name: str) -> list[bytes]:
    """Sound files of a layout of text: samples, and rows that the tests of the decoder share."""
    samples = {
        "asterisk": "asterisk_master.csv", "freeswitch": "freeswitch_master.csv",
        "cucm": "cucm_cdr.txt", "ribbon": "ribbon_gsx.cdr", "kamailio": "kamailio_acc_cdrs.csv",
        "emi": "emi.txt",
    }  # fmt: skip
    found = []
    if name in samples:
        lines = (DATA / samples[name]).read_bytes().splitlines(keepends=True)
        found.append(b"".join(lines[:6])[:INPUT_BYTES_MAX])
    if name in GOOD_ROWS:
        sign, quote = LAYOUT_SIGNS[name]
        head = ",".join(TOLLBOOK) + "\n" if name == "tollbook" else ""
        quoted = [quote + cell + quote for cell in GOOD_ROWS[name]]
        rows = [sign.join(GOOD_ROWS[name]), sign.join(quoted)]
        found += [(head + "\n".join(rows[:1] * 4) + "\n").encode(),
                  (head + "\r\n".join(rows * 2)).encode()]  # fmt: skip
    return found


def json_files(tree: object) -> list[bytes]:
    line = json.dumps(tree).encode()
    return [line + b"\n" + line + b"\r\n\n" + line, line]


@cache
def ber_files(name: str, seed: int) -> tuple[bytes, ...]:
    """Samples of a native format, and made files in which every type can occur."""
    form = native.FORMATS[name]
    found = [path.read_bytes() for path in sorted((DATA / "native").iterdir()) if path.is_file()]
    found = [one for one in found if native.identify(one, len(one)) is form]
    makers = {"tap": make_native.make_tap, "ts32298": make_native.make_ts32298,
              "ts32297": make_native.make_ts32297}  # fmt: skip
    if name in makers:
        # Records as networks write them come as often as those in which everything can occur.
        found += [makers[name](8, seed + number).data for number in range(8)]
    if name == "ts32297":
        return tuple(found)
    made: list[bytes] = []
    for number in range(200):
        maker = Maker(form.types, seed + number)
        count = 3 if form.is_repeated else 1
        one = b"".join(maker.make(form.root) for _ in range(count))
        if 0 < len(one) <= INPUT_BYTES_MAX and native.identify(one, len(one)) is form:
            made.append(one)
        if len(made) == 40:
            break
    return tuple(found + made)


def layout_files(name: str, seed: int) -> list[bytes]:
    """Files that a native layout reads: those of its format, files with each kind of record, all
    shapes that a file of TS 32.298 can have, and of each shape some that break off."""
    form, found = native.FORMATS[name], list(ber_files(name, seed))
    kinds = [member.type for member in form.types[form.record].members]
    makers = [FullMaker(form.types, seed, kind, elements=(40,)) for kind in kinds]
    full = [maker.make(form.root) for maker in makers]
    if form.is_repeated:
        plain = [one for one in full if len(one) < INPUT_BYTES_MAX // 4]
        groups = [plain[at : at + 3] for at in range(0, len(plain), 3)]
        records = [made_records(seed + number) for number in range(8)]
        full = [shape(some) for shape in (b"".join, data_file, framed) for some in groups + records]
        found += ber_files("ts32297", seed)
    found += full
    rng = random.Random(seed)
    found += [one[: rng.randrange(len(one) // 2, len(one))] for one in full[::4]]
    return [one for one in found if 0 < len(one) <= INPUT_BYTES_MAX]


def made_records(seed: int) -> list[bytes]:
    """Records as networks write them, each for itself."""
    data = make_native.make_ts32298(6, seed).data
    blocks = ber.blocks(data, native.FORMATS["ts32298"].schema, "made")
    return [
        data[at : at + size]
        for block in blocks
        for at, size in zip(block.records.at, block.records.size, strict=True)
    ]


Change = Callable[[random.Random, bytearray, list[bytes], list[bytes]], None]


def _set(rng: random.Random, data: bytearray, files: list[bytes], pieces: list[bytes]) -> None:
    data[rng.randrange(len(data))] = rng.randrange(256)


def _flip(rng: random.Random, data: bytearray, files: list[bytes], pieces: list[bytes]) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _lay(rng: random.Random, data: bytearray, files: list[bytes], pieces: list[bytes]) -> None:
    at, piece = rng.randrange(len(data)), rng.choice(pieces)
    data[at : at + len(piece)] = piece


def _put(rng: random.Random, data: bytearray, files: list[bytes], pieces: list[bytes]) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.choice(pieces)


def _drop(rng: random.Random, data: bytearray, files: list[bytes], pieces: list[bytes]) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 1, 2, 8, 64, 512))]


def _truncate(rng: random.Random, data: bytearray, files: list[bytes], pieces: list[bytes]) -> None:
    del data[rng.randrange(len(data)) :]


def _double(rng: random.Random, data: bytearray, files: list[bytes], pieces: list[bytes]) -> None:
    at = rng.randrange(len(data))
    data[at:at] = data[at : at + rng.choice((1, 4, 32, 256))] * rng.choice((1, 2, 20, 200))


def _splice(rng: random.Random, data: bytearray, files: list[bytes], pieces: list[bytes]) -> None:
    other = rng.choice(files)
    data[rng.randrange(len(data)) :] = other[rng.randrange(len(other) + 1) :]


def _noise(rng: random.Random, data: bytearray, files: list[bytes], pieces: list[bytes]) -> None:
    at = rng.randrange(len(data))
    data[at : at + 16] = rng.randbytes(rng.randrange(1, 32))


CHANGES: Final[tuple[Change, ...]] = (
    _set, _set, _flip, _lay, _lay, _put, _put, _drop, _truncate, _double, _splice, _noise,
)  # fmt: skip

GENTLE: Final[tuple[Change, ...]] = (_set, _flip)  # most of the file stays what it is


def make(
    rng: random.Random, files: list[bytes], pieces: list[bytes], gentle: float = 0.3
) -> tuple[bytes, str]:
    """A file that is changed in one place or more, cut off, or random; and which of them.

    gentle: how many of the changed ones keep most of what they are.
    """
    draw = rng.random()
    if draw < 0.02:
        return rng.randbytes(rng.randrange(300)), "random"
    if draw < 0.04:
        parts = [rng.choice(pieces) for _ in range(rng.randrange(40))]
        return b"".join(parts), "random"
    data = bytearray(rng.choice(files))
    if draw < 0.12:
        return bytes(data[: rng.randrange(len(data) + 1)]), "truncated"
    changes = GENTLE if rng.random() < gentle else CHANGES
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 12))):
        if data:
            rng.choice(changes)(rng, data, files, pieces)
    return bytes(data[: 10 * INPUT_BYTES_MAX]), "mutated"


def packed(rng: random.Random, data: bytes) -> bytes:
    """The input as gzip or Zstandard, mostly damaged."""
    if rng.random() < 0.5:
        made = bytearray(gzip.compress(data, 1))
    else:
        made = bytearray(pa.compress(data, codec="zstd", asbytes=True))
    for _ in range(rng.choice((0, 1, 1, 2))):
        rng.choice((_set, _flip, _truncate, _drop, _noise))(rng, made, [data], BER_PIECES)
        if not made:
            break
    return bytes(made)
