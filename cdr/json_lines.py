"""Reads JSON lines: one object a line; the layout's paths say which of its values are columns.

Python's own parser reads the lines: it can hand out numbers as they are written, so that no decimal
ever passes through a float, and it refuses what is no JSON. Values then become text again, and the
kernel that reads delimited text types them: same types, same reasons.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from cdr import decoding, delimited, delimited_header, files, fixed, spec_kernels
from cdr.decoding import Block, DecodeContext, Given
from cdr.delimited import BLOCK_BYTES
from cdr.delimited_header import Header
from cdr.layout_types import Layout
from tollbook import reasons, stage
from tollbook.errors import BrokenFile

HEAD_BYTES: Final = 4096
_UNREADABLE: Final = reasons.CODE["record_unreadable"]
_NOT_UTF8: Final = reasons.CODE["text_not_utf8"]
_WORDS: Final = {None: b"", True: b"true", False: b"false"}


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


_PARSER: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse)


def identify(path: Path, layout: Layout) -> Header:
    """Where the records begin; raises BrokenFile for JSON that is not one object a line."""
    header = delimited_header.identify(path, layout)
    with files.open_stored(path) as stream:
        stream.read_into(np.empty(header.body_offset, np.uint8))
        buffer = np.empty(HEAD_BYTES, np.uint8)
        head = buffer[: stream.read_into(buffer)].tobytes().lstrip()
    first = head.split(b"\n", 1)[0].strip()
    if first.startswith(b"[") or first == b"{":
        kind = "a list" if first.startswith(b"[") else "an object that takes several lines"
        raise BrokenFile(
            str(path), f"{kind} where records begin", f"layout {layout.name}: one object a line",
            "write it as JSON lines, for instance with `jq -c '.[]'` or `jq -c .`",
            header.body_offset,
        )  # fmt: skip
    return header


def prepare(
    layout: Layout, header: Header, source_zone: str, operator_zone: str, source_index: int,
    file_number: int,
) -> DecodeContext:  # fmt: skip
    """The context of a file; its records themselves say which values they have."""
    return decoding.prepare_places(layout, source_zone, operator_zone, source_index, file_number)


def blocks(path: Path, layout: Layout, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """The records of a file, about ``block_bytes`` at a time; memory does not grow with the file.

    Raises BrokenFile for a compression that is broken, and for JSON of another form.
    """
    identify(path, layout)
    yield from delimited.blocks(path, layout, block_bytes)


def decode(block: Block, context: DecodeContext) -> stage.StageResult:
    """A block as a ``schemas.CDR`` batch: every object is a row, bad ones carry their reason.

    A line that is no object, or in which a path leads to a list or an object, is
    ``record_unreadable``; the field at fault of another bad row is shown as its text.
    """
    paths = tuple(tuple(column.name.split(".")) for column in context.layout.columns)
    begin, end, line = fixed.lines(block)
    kept = begin < end
    begin, end, line = begin[kept], end[kept], line[kept]
    reason, pieces = np.zeros(len(begin), np.int64), []
    nothing = [b""] * len(paths)
    limit, data = context.layout.row_bytes_max, block.data[: block.byte_count].tobytes()
    is_blank = np.zeros(len(begin), np.bool_)
    for row, (at, stop) in enumerate(zip(begin.tolist(), end.tolist(), strict=True)):
        text = data[at:stop]
        # The kernel says that a row beyond the limit is too long.
        found = nothing if stop - at > limit else _values(text, paths)
        if isinstance(found, int):
            is_blank[row] = not text.strip()
            reason[row], found = found, nothing
        pieces += found
    bounds, source = _places(pieces, len(paths))
    is_short = np.zeros(len(begin), np.bool_)
    given = Given(begin, end, line, reason, bounds, source, True, is_short, int((~kept).sum()), 0)
    return decoding.decode_given(block, context, _without(given, is_blank))


def _values(text: bytes, paths: tuple[tuple[str, ...], ...]) -> list[bytes] | int:
    """The values of an object as text in UTF-8, or the reason for which there are none."""
    try:
        tree = _PARSER.decode(text.decode())
    except UnicodeDecodeError:
        return _NOT_UTF8
    except (ValueError, RecursionError):
        return _UNREADABLE
    if type(tree) is not dict:
        return _UNREADABLE
    found = []
    for path in paths:
        value: Any = tree
        for key in path:
            value = _member(value, key)
        if type(value) is str:
            # Half a surrogate pair can be escaped; it is found where the text is checked.
            found.append(value.encode("utf-8", "surrogatepass"))
        elif type(value) is dict or type(value) is list:
            return _UNREADABLE
        else:
            found.append(_WORDS[value])
    return found


def _member(value: Any, key: str) -> Any:
    """What a key leads to: a member of an object, or an element of a list, counted from 0."""
    if type(value) is dict:
        return value.get(key)
    if type(value) is list and key.isascii() and key.isdigit() and int(key) < len(value):
        return value[int(key)]
    return None


def _places(pieces: list[bytes], fields: int) -> tuple[np.ndarray, np.ndarray]:
    """``Given.bounds`` and ``Given.source`` of the values of all records."""
    source = np.frombuffer(b"".join(pieces) + bytes(spec_kernels.PAD_BYTES), np.uint8).copy()
    ends = np.cumsum([0, *map(len, pieces)]).astype(np.int32)
    bounds = np.empty((2 * fields, len(pieces) // fields), np.int32)
    bounds[::2] = ends[:-1].reshape(-1, fields).T - 1
    bounds[1::2] = ends[1:].reshape(-1, fields).T
    return bounds, source


def _without(given: Given, is_blank: np.ndarray) -> Given:
    """Without lines of blanks, which are counted like empty ones."""
    if not is_blank.any():
        return given
    kept, blanks = ~is_blank, given.blank_count + int(is_blank.sum())
    return given._replace(
        begin=given.begin[kept], end=given.end[kept], line=given.line[kept],
        reason=given.reason[kept], bounds=np.ascontiguousarray(given.bounds[:, kept]),
        is_short=given.is_short[kept], blank_count=blanks,
    )  # fmt: skip
