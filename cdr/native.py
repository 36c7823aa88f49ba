"""The native formats: which types a file of each follows, and which of them a file is.

Bytes decide, never names: the first elements of BER, the header of TS 32.297, the magic numbers of
compressed files. What is text is left to layouts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from cdr import ber, ber_tree, files, framing, outer_list
from cdr.asn_grammar import Schema, schema
from cdr.asn_types import Types, load
from cdr.ber_state_kernels import PAD_BYTES
from tollbook.errors import BrokenFile


@dataclass(frozen=True)
class Format:
    """A native format. modules, root, record: for ``asn_grammar.schema``.

    is_repeated: records one after the other instead of one root. source: the standard.
    """

    name: str
    title: str
    source: str
    modules: tuple[str, ...]
    root: str
    record: str
    is_repeated: bool = False

    @property
    def types(self) -> Types:
        """Its types by name."""
        return load(*self.modules)

    @property
    def schema(self) -> Schema:
        """What the kernels walk it with."""
        return schema(self.modules, self.root, self.record, self.is_repeated)


_CALL_DATA: Final = (("ts32298",), "CallDataRecord", "CallDataRecord", True)
FORMATS: Final = {
    one.name: one for one in (
        Format("tap", "TAP 3: charged events of roamers", "GSMA TD.57",
               ("tap",), "DataInterChange", "CallEventDetail"),
        Format("rap", "RAP 1: returned roaming files and events", "GSMA TD.32",
               ("tap", "rap"), "RapDataInterChange", "ReturnDetail"),
        Format("nrtrde", "NRTRDE 2: roamers' events against fraud", "GSMA TD.35",
               ("nrtrde",), "Nrtrde", "CallEvent"),
        Format("ts32297", "records of a network element in a framed file", "3GPP TS 32.297",
               *_CALL_DATA),
        Format("ts32298", "records of a network element, one after the other", "3GPP TS 32.298",
               *_CALL_DATA),
    )
}  # fmt: skip
FRAMED: Final = FORMATS["ts32297"]
# A TAP batch and an NRTRDE file have the same outer tag; this is first inside the former.
_BATCH, _BATCH_CONTROL = 1 << 2 | 1, 4 << 2 | 1
# Bytes that no text has; what is BER has some of them soon.
_CONTROLS: Final = frozenset(range(0x20)) - {9, 10, 12, 13, 27}
TEXT_BYTES: Final = 4096  # so much of a file tells whether it is text
HEAD_BYTES: Final = 2**18  # so much tells what it is; a header of TS 32.297 has half of it at most
FILLER: Final = bytes(framing.FILLER)
PART_BYTES: Final = 2**22


@dataclass(frozen=True)
class Head:
    """The beginning of a file, expanded: HEAD_BYTES at most, from where it is more than filler.

    size_bytes: of the file, None: not known, as it is compressed. compression: as in ``files``.
    """

    data: bytes
    size_bytes: int | None
    compression: str

    @property
    def format(self) -> Format | None:
        """``identify`` of it."""
        return identify(self.data, self.size_bytes)

    @property
    def kind(self) -> str:
        """What it is where it has no format."""
        if not self.data:
            return "empty"
        if not self.data.strip(FILLER):
            return "nothing but filler"
        return "text" if is_text(self.data) else "not known"


def head_of(path: Path) -> Head:
    """The beginning of a file. Raises BrokenFile where it cannot be expanded so far."""
    room, data = np.empty(HEAD_BYTES, np.uint8), b""
    with files.open_stored(path) as stream:
        size = stream.read_into(room)
        while size:
            data = room[:size].tobytes()
            if data.strip(FILLER):
                break
            size = stream.read_into(room)
        compression = stream.compression
    return Head(data, path.stat().st_size if compression == "plain" else None, compression)


def head_in(data: bytes) -> Head:
    """The beginning of a file that is in memory."""
    head = data[:HEAD_BYTES]
    if len(data) > HEAD_BYTES and not head.strip(FILLER):
        head = data.lstrip(FILLER)[:HEAD_BYTES]
    return Head(head, len(data), "plain")


def identify(head: bytes, size_bytes: int | None) -> Format | None:
    """The format of a file that begins so; size_bytes: None, not known.

    None for text and for what is not known.
    """
    if framing.is_framed(head, size_bytes):
        return FRAMED
    head = head.lstrip(FILLER)
    if is_text(head):
        return None
    if outer_list.is_outer(head):
        return FORMATS["ts32298"]
    try:
        outer, is_group, begin, _ = ber_tree.header(head, 0, ber_tree.ANY_SIZE)
        inner = ber_tree.header(head, begin, ber_tree.ANY_SIZE)[0] if is_group else -1
    except ber_tree.BrokenBer:
        return None
    for name in ("rap", "tap", "nrtrde", "ts32298"):
        one = FORMATS[name]
        is_other = name == "tap" and outer == _BATCH and inner != _BATCH_CONTROL
        if outer in ber_tree.outermost(one.types, one.root) and not is_other:
            return one
    return None


def is_text(head: bytes) -> bool:
    """Whether no byte occurs that text does not have."""
    return not _CONTROLS.intersection(head[:TEXT_BYTES])


def read(path: Path) -> bytes:
    """A whole file, expanded. Raises BrokenFile where it is too large or broken."""
    with files.open_stored(path, files.Limits(expanded_bytes=ber.FILE_BYTES_MAX)) as stream:
        parts, size = [], PART_BYTES
        while size == PART_BYTES:
            part = np.empty(PART_BYTES, np.uint8)
            size = stream.read_into(part)
            parts.append(part[:size].tobytes())
            if stream.byte_offset > ber.FILE_BYTES_MAX:
                raise ber.too_large(str(path), stream.byte_offset)
    return b"".join(parts)


def regions(data: bytes, form: Format, where: str) -> Iterator[tuple[int, int, int]]:
    """The parts of a file that hold elements: begin, end and how they are coded (framing.BER ..).

    The frames of TS 32.297, lists of records, or all of the file. Raises BrokenFile for a header
    that is broken, and behind them all where the file is cut off.
    """
    if form.name in ("ts32297", "ts32298"):
        raw = ber.padded(data, where)
        for piece in lists(raw, where) if form.name == "ts32298" else frames(raw, form, where):
            for begin, stop, *code in piece.tolist():
                yield begin, stop, code[0] if code else framing.BER
    else:
        yield 0, len(data), framing.BER


def lists(data: np.ndarray, where: str) -> Iterator[np.ndarray]:
    """``outer_list.parts``; raises BrokenFile."""
    try:
        yield from outer_list.parts(data)
    except ber_tree.BrokenBer as error:
        raise BrokenFile(
            where, ber_tree.FAULTS[error.fault], "lists that hold all records",
            "ask the source for the file again", error.at,
        ) from error  # fmt: skip


def header_of(data: np.ndarray, where: str) -> framing.FileHeader:
    """The header of a file of TS 32.297; raises BrokenFile if it is broken."""
    size_bytes = min(len(data) - PAD_BYTES, framing.HEADER_BYTES_MAX)
    return framing.read_header(data[:size_bytes].tobytes(), where)


def frames(data: np.ndarray, form: Format, where: str) -> Iterator[np.ndarray]:
    """``framing.frames`` of a file, with the records of a format in them."""
    keys = form.schema.nodes[form.schema.root]
    known = np.zeros(max(keys) + 1, np.bool_)
    known[list(keys)] = True
    yield from framing.frames(data, header_of(data, where), where, known)
