"""Files of TS 32.297: a header, then records that each have a header of their own (clause 6.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from cdr import framing_kernels as kernels
from cdr.ber_state_kernels import FILLER_HIGH, PAD_BYTES
from tollbook.errors import BrokenFile

UNKNOWN: Final = 0xFFFFFFFF  # a length or a count that the writer did not know
CLOSURES: Final = {0: "normal", 1: "size", 2: "time", 3: "count", 4: "by hand", 5: "change"}
FIXED_BYTES: Final = 48
HEADER_BYTES_MAX: Final = 2**16 * 2 + FIXED_BYTES + 6
EXTENSIONS_MAX: Final = 2  # bytes for releases that the first ones have no room for
FRAMES: Final = 16_384  # found at once
FILLER: Final = (0, FILLER_HIGH)
STEP_BYTES: Final = 2**20
FORMATS: Final = ("", "BER", "UPER", "APER", "XER")
BER: Final = 1 << 5  # in a frame's third number, above that of the specification
FORMAT_BITS: Final = 0xE0
# Numbers of the specification that a record follows; those not listed are shown as they are.
SPECIFICATIONS: Final = {6: "TS 32.250", 7: "TS 32.251", 9: "TS 32.260", 15: "TS 32.274",
                         20: "TS 32.255"}  # fmt: skip
_RELEASES: Final = ("R99", "R4", "R5", "R6", "R7", "R8", "R9")


@dataclass(frozen=True)
class FileHeader:
    """What a file says about itself. Times have no year: (month, day, hour, minute, offset_s).

    file_bytes, record_count: -1 where the writer did not know. node: the address as hex.
    """

    file_bytes: int
    header_bytes: int
    high_release: str
    low_release: str
    opened: tuple[int, int, int, int, int]
    appended: tuple[int, int, int, int, int]
    record_count: int
    sequence: int
    closure: str
    node: str
    lost_records: int
    filter: bytes
    extension: bytes


def is_framed(head: bytes, size_bytes: int | None) -> bool:
    """Whether a file that begins so can have a header: parts that fit into it.

    size_bytes: of the file, None: not known. Where another length stands in the header, as in a
    file that was cut off, its parts must fill it.
    """
    if len(head) < FIXED_BYTES + 4:
        return False
    length, header = (int.from_bytes(head[i : i + 4]) for i in (0, 4))
    most = HEADER_BYTES_MAX if size_bytes is None else min(size_bytes, HEADER_BYTES_MAX)
    if not FIXED_BYTES + 4 <= header <= most:
        return False
    if length in (UNKNOWN, size_bytes):
        return True
    is_filled = 0 <= header - _parts_end(head) <= EXTENSIONS_MAX
    return header <= min(length, len(head)) and is_filled


def stated_bytes(head: bytes) -> int:
    """How long a file says that it is; -1: its writer did not know."""
    length = int.from_bytes(head[:4])
    return -1 if length == UNKNOWN else length


def read_header(data: bytes, where: str) -> FileHeader:
    """The header; raises BrokenFile if its parts do not fit into it."""

    def number(at: int, size: int = 4) -> int:
        return int.from_bytes(data[at : at + size])

    def broken(found: str, at: int) -> BrokenFile:
        return BrokenFile(
            where, found, "a file of TS 32.297: a header as long as it says, then its records",
            "ask the source for the file again", at,
        )  # fmt: skip

    header = number(4)
    if len(data) < FIXED_BYTES + 4 or not FIXED_BYTES + 4 <= header <= len(data):
        raise broken(f"a header of {header} bytes in a file of {len(data)}", 4)
    filter_end = FIXED_BYTES + 2 + number(FIXED_BYTES, 2)
    extension_end = _parts_end(data)
    releases, extended = (number(8, 1), number(9, 1)), extension_end
    names = []
    for release in releases:
        is_extended = release >> 5 == kernels.EXTENDED_RELEASE
        names.append(_release(release, number(extended, 1) if is_extended else 0))
        extended += is_extended
    if extended > header:
        raise broken(f"parts of a header that end at byte {extended}, beyond its {header}", 48)
    size, count = (-1 if number(at) == UNKNOWN else number(at) for at in (0, 18))
    return FileHeader(
        size, header, names[0], names[1], _moment(number(10)), _moment(number(14)), count,
        number(22), _closure(number(26, 1)), data[27:47].hex(), number(47, 1),
        data[FIXED_BYTES + 2 : filter_end], data[filter_end + 2 : extension_end],
    )  # fmt: skip


def frames(
    data: np.ndarray, header: FileHeader, where: str, known: np.ndarray
) -> Iterator[np.ndarray]:
    """The frames of a file in pieces of at most FRAMES: int64 [frame, 4], begin, end, format and
    specification, and state (``framing_kernels.find_frames``).

    data: uint8 with PAD_BYTES behind the file; known: by tag, whether a record begins with it.
    Raises BrokenFile at the end of a file that is cut off, or that goes on behind its last frame.
    """
    size_bytes = len(data) - PAD_BYTES
    end = size_bytes if header.file_bytes < 0 else min(size_bytes, header.file_bytes)
    at, total, count = header.header_bytes, 0, FRAMES
    memory, stack = np.array(kernels.FIRST, np.int64), np.empty((kernels.AHEAD, 6), np.int64)
    while count == FRAMES:
        found = np.empty((FRAMES, 4), np.int64)
        count, at = map(int, kernels.find_frames(
            data, at, end, known, found, memory, stack))  # fmt: skip
        total += count
        if count:
            yield found[:count]
    if header.file_bytes > size_bytes:
        raise _broken(
            where, f"it ends here, and its header says {header.file_bytes} bytes; before that are "
            f"{total} whole records", size_bytes,
        )  # fmt: skip
    if memory[kernels.IS_UNCLEAR]:
        raise _broken(where, f"filler behind {total} whole records, and then bytes that can be "
                      "read as records in more than one way", at)  # fmt: skip
    if at < end:
        raise _broken(where, f"{end - at} bytes that are no whole record, behind {total} whole "
                      "records", at)  # fmt: skip
    rest = range(end, size_bytes, STEP_BYTES)
    if not all(np.isin(data[at:size_bytes][:STEP_BYTES], FILLER).all() for at in rest):
        raise _broken(where, f"{size_bytes - end} bytes behind the {end} that its header says, "
                      f"and the {total} records in them", end)  # fmt: skip


def _broken(where: str, found: str, at: int) -> BrokenFile:
    """A file whose last record is not whole, or that goes on behind it."""
    return BrokenFile(
        where, found, "as many bytes as the header of the file says, and records as long as theirs",
        "ask the source for the file again", at,
    )  # fmt: skip


def _parts_end(head: bytes) -> int:
    """The place behind the routeing filter and the private extension of a header."""
    end = FIXED_BYTES
    for _ in range(2):
        end += 2 + int.from_bytes(head[end : end + 2])
    return end


def in_words(moment: tuple[int, int, int, int, int]) -> str:
    """``11-22 04:00 +08:00``, a time of a header."""
    month, day, hour, minute, offset_s = moment
    sign, minutes = "+-"[offset_s < 0], abs(offset_s) // 60
    return f"{month:02}-{day:02} {hour:02}:{minute:02} {sign}{minutes // 60:02}:{minutes % 60:02}"


def format_name(code: int) -> str:
    """``BER, TS 32.250``."""
    number, form = code & 0x1F, code >> 5
    kind = FORMATS[form] if 0 < form < len(FORMATS) else f"format {form}"
    return f"{kind}, {SPECIFICATIONS.get(number, f'specification {number}')}"


def _release(code: int, extension: int) -> str:
    release, version = code >> 5, code & 0x1F
    if release == kernels.EXTENDED_RELEASE:
        return f"R{10 + extension}.{version}"
    return f"{_RELEASES[release]}.{version}"


def _closure(code: int) -> str:
    return CLOSURES.get(code, f"abnormal ({code})" if code >= 128 else f"reason {code}")


def _moment(bits: int) -> tuple[int, int, int, int, int]:
    """Month, day, hour, minute and offset: 4, 5, 5, 6 bits, a sign (1: east), 5 and 6 bits."""
    offset_s = (bits >> 6 & 0x1F) * 3600 + (bits & 0x3F) * 60
    sign = 1 if bits >> 11 & 1 else -1
    return bits >> 28, bits >> 23 & 0x1F, bits >> 18 & 0x1F, bits >> 12 & 0x3F, sign * offset_s
