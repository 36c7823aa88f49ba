"""Files of TS 32.297: a header, then records that each have a header of their own (clause 6.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cdr import framing_kernels as kernels
from tollbook.errors import BrokenFile

UNKNOWN: Final = 0xFFFFFFFF  # a length or a count that the writer did not know
CLOSURES: Final = {0: "normal", 1: "size", 2: "time", 3: "count", 4: "by hand", 5: "change"}
FIXED_BYTES: Final = 48
HEADER_BYTES_MAX: Final = 2**16 * 2 + FIXED_BYTES + 6
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


def is_framed(head: bytes, size_bytes: int) -> bool:
    """Whether a file that begins so can have a header: lengths that agree with its own."""
    if len(head) < FIXED_BYTES + 4:
        return False
    length, header = (int.from_bytes(head[i : i + 4]) for i in (0, 4))
    is_header = FIXED_BYTES + 4 <= header <= min(size_bytes, HEADER_BYTES_MAX)
    return is_header and length in (UNKNOWN, size_bytes)


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
    extension_end = filter_end + 2 + number(filter_end, 2)
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


def frames(data: bytes, header: FileHeader) -> tuple[np.ndarray, int]:
    """int64 [frame, 3] (begin, end, format and specification), and the place behind the last one.

    That place is the file's end, unless the last record is cut off or bytes follow it.
    """
    end = len(data)
    raw = np.frombuffer(data, np.uint8)
    room = (end - header.header_bytes) // kernels.RECORD_HEADER_BYTES
    found = np.empty((room, 3), np.int64)
    count, at = kernels.find_frames(raw, header.header_bytes, end, found)
    return found[: int(count)], int(at)


def cut_off(where: str, at: int, size_bytes: int) -> BrokenFile:
    """A file whose last record is not whole, or that goes on behind it."""
    return BrokenFile(
        where, f"{size_bytes - at} bytes that are no whole record",
        "records as long as their headers say, up to the end of the file",
        "ask the source for the file again", at,
    )  # fmt: skip


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
