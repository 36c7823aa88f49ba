"""Records of a switch in one outer list: which part of a file they are.

Some switches put all records into one SEQUENCE: a header [0], the list of records [1], a trailer
[2]; or the records straight away. A header begins with the time at which the file was made, a
record with its type, which is one byte long: so they are told apart, as their tags are the same.
"""

from __future__ import annotations

from typing import Final

from cdr import ber_kernels as k
from cdr import ber_tree

OUTER: Final = (16 << 2, 17 << 2)  # SEQUENCE and SET
_HEADER, _LIST, _TRAILER, _FIRST = 0 << 2 | 2, 1 << 2 | 2, 2 << 2 | 2, 0 << 2 | 2
_TYPE_BYTES: Final = 1
_FILLER: Final = b"\0\xff"
_STEP_BYTES: Final = 2**16
# Elements that are gone through one by one, where a length is not known.
ELEMENTS_MAX: Final = 2**24


def is_outer(head: bytes) -> bool:
    """Whether a file that begins so (filler left out) is one outer list of records."""
    try:
        key, is_group, begin, _ = ber_tree.header(head, 0, ber_tree.ANY_SIZE)
        if key not in OUTER or not is_group:
            return False
        inner, is_inner_group, _, _ = ber_tree.header(head, begin, ber_tree.ANY_SIZE)
    except ber_tree.BrokenBer:
        return False
    return is_inner_group and inner & 3 == 2


def records(data: bytes) -> tuple[int, int]:
    """Begin and end of the part of a file that holds its records: all of it where there is no outer
    list. Raises BrokenBer where the list cannot be found."""
    start = _behind_filler(data, 0)
    if not is_outer(data[start : start + 64]):
        return 0, len(data)
    _refuse_more(data, _behind(data, start, len(data)), len(data))
    begin, end = _inside(data, start, len(data))
    at = begin
    key, _, contents, _ = ber_tree.header(data, at, end)
    first, _, _, size = ber_tree.header(data, contents, end)
    if key != _HEADER or (first == _FIRST and size == _TYPE_BYTES):
        return begin, end
    at = _behind(data, at, end)
    if ber_tree.header(data, at, end)[0] != _LIST:
        raise ber_tree.BrokenBer(k.WRONG_FORM, at)
    behind = _behind(data, at, end)
    if behind < end and data[behind] not in _FILLER:
        if ber_tree.header(data, behind, end)[0] != _TRAILER:
            raise ber_tree.BrokenBer(k.WRONG_FORM, behind)
        behind = _behind(data, behind, end)
    _refuse_more(data, behind, end)
    return _inside(data, at, end)


def _refuse_more(data: bytes, at: int, end: int) -> None:
    """One file, one list: records behind it would be passed over, so the file is refused."""
    rest = _behind_filler(data, at)
    if rest < end:
        raise ber_tree.BrokenBer(k.WRONG_FORM, rest)


def _behind_filler(data: bytes, at: int) -> int:
    for start in range(at, len(data), _STEP_BYTES):
        part = data[start : start + _STEP_BYTES]
        left = len(part.lstrip(_FILLER))
        if left:
            return start + len(part) - left
    return len(data)


def _inside(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Begin and end of the contents of the group at ``at``."""
    _, _, begin, length = ber_tree.header(data, at, end)
    if length >= 0:
        return begin, begin + length
    at = begin
    for _ in range(ELEMENTS_MAX):
        if data[at : at + 2] == b"\0\0":
            return begin, at
        at = _behind(data, at, end)
    raise ber_tree.BrokenBer(k.TOO_MANY, at)


def _behind(data: bytes, at: int, end: int) -> int:
    """The place behind an element; one of indefinite length is gone through."""
    _, _, begin, length = ber_tree.header(data, at, end)
    if length >= 0:
        return begin + length
    depth, at = 1, begin
    for _ in range(ELEMENTS_MAX):
        _, is_group, begin, length = ber_tree.header(data, at, end)
        if data[at : at + 2] == b"\0\0":
            depth, length = depth - 1, 0
        elif length < 0 and not is_group:
            raise ber_tree.BrokenBer(k.WRONG_FORM, at)
        depth, at = depth + (length < 0), begin + max(length, 0)
        if depth == 0:
            return at
    raise ber_tree.BrokenBer(k.TOO_MANY, at)
