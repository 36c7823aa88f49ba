"""What the fuzzer runs, and runs in memory: the kernels that find records and read their fields.

This is where bytes are followed, so it is where most inputs go; ``fuzz`` runs whole files.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

import numpy as np

from cdr import ber, decoding, delimited, formats, framing, native
from cdr import spec_kernels as k
from cdr.delimited_header import Header
from cdr.layout import AnyLayout
from cdr.layout_types import Layout
from tollbook import codes, reasons

ROWS: Final = 64  # of each table in a block
# By reason: whether decoding gives it, and whether the row then goes to suspense.
DECODE, SUSPENDED = np.zeros((2, 2**15), np.bool_)
DECODE[0] = True
for _reason in reasons.REASONS:
    if _reason.stage == "decode":
        DECODE[_reason.code] = True
        SUSPENDED[_reason.code] = _reason.disposition == codes.SUSPENDED


MOST_BYTES: Final = 100_000  # of an input
MEMORY: Final[dict[tuple[str, bool], tuple[k.Output, k.Scratch]]] = {}
FIELDS: Final = 8  # of a block are looked at
READ: Final = 4  # of so many native files one has its values read


class Finding(Exception):
    """What a reader did that it must not do."""


def check(one: bool, what: str) -> None:
    if not one:
        raise Finding(what)


@dataclass
class Target:
    """A reader with a layout, or a native format without one; ``share``: of all inputs.

    is_kernel: only what the kernels do is run, on bytes in memory; many times as fast.
    """

    name: str
    share: int
    files: list[bytes]
    pieces: list[bytes]
    found: AnyLayout | None = None
    form: native.Format | None = None
    context: Any = None
    is_kernel: bool = False
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def reader(self) -> ModuleType:
        assert self.found is not None
        return formats.reader(self.found.kind)


def run(target: Target, data: bytes) -> str:
    """``rows``, ``suspense`` or ``refused``; raises Finding, BrokenFile or what a kernel raised."""
    if target.form is not None:
        return walk(target.form, data)
    assert isinstance(target.found, Layout)
    return decode(target, target.found, data)


def decode(target: Target, found: Layout, data: bytes) -> str:
    """Delimited text without a head, as far as to the arrays that become a batch."""
    if target.context is None:
        names = tuple(dict.fromkeys(column.name for column in found.columns if column.name))
        head = Header("input", names if found.header != "none" else (), 0, 1)
        target.context = delimited.prepare(found, head, "Europe/Berlin", "Asia/Shanghai", 0, 1)
    context = target.context
    block = delimited.block_of(data, found)
    key = found.name, block.is_quoted
    if key not in MEMORY:  # what an input leaves behind, the next one must not mind
        width = context.compiled.width
        MEMORY[key] = (decoding._output(MOST_BYTES, MOST_BYTES, context),
                       decoding.scratch_of(width, found.row_bytes_max, block.is_quoted))
    out, scratch = MEMORY[key]
    how = k.RECORDS_QUOTED if block.is_quoted else k.RECORDS_PLAIN
    decoding._run(block, context, scratch, out, (how, block.is_checked))
    rows, size = int(out.totals[k.TOTAL_ROWS]), len(data)
    reason = out.verdicts[k.REASON, :rows]
    begin, length = out.numbers[k.BYTE_OFFSET, :rows], out.smalls[k.BYTE_LENGTH, :rows]
    check(bool(DECODE[reason].all()), "a reason that is none of decoding")
    check(bool(((begin >= 0) & (length >= 0) & (begin + length <= size)).all()), "a wrong place")
    offsets = out.offsets[:, : rows + 1]
    check(bool((offsets[:, 1:] >= offsets[:, :-1]).all()), "texts of negative length")
    check(bool((offsets[:, rows] <= out.texts.shape[1]).all()), "texts beyond their memory")
    bad = SUSPENDED[reason]
    at, behind = (out.numbers[row, :rows][bad] for row in (k.FAULT_BEGIN, k.FAULT_LENGTH))
    is_inside = (at >= 0) & (behind >= 0) & (at + behind <= size)
    check(bool(is_inside.all()), "a fault beyond the file")
    if not block.is_quoted:
        lines = data.count(b"\n") + (data != b"" and not data.endswith(b"\n"))
        check(int(out.totals.sum()) == lines, "records are lost")
    return "suspense" if bad.any() else "rows"


def walk(form: native.Format, data: bytes) -> str:
    """A native file, as far as to the places of its fields, and to their values now and then."""
    regions = [
        (begin, end) for begin, end, code in native.regions(data, form, "input")
        if code & framing.FORMAT_BITS == framing.BER
    ]  # fmt: skip
    is_bad, behind = False, 0
    for block in ber.blocks(data, form.schema, "input", regions, ROWS) if regions else ():
        records = block.records
        check(bool((records.at + records.size <= len(data)).all()), "a record beyond the file")
        check(bool((np.diff(records.at, prepend=behind) >= 0).all()), "records out of order")
        behind = int(records.at[-1]) if len(records.at) else behind
        is_bad |= bool(records.fault.any())
        fields = block.fields()
        for number in fields[:: max(1, len(fields) // FIELDS)]:
            begin, size = block.places(number)
            there = size >= 0
            check(bool((begin[there] + size[there] <= len(data)).all()), "a value beyond the file")
            check(bool((begin[there] >= 0).all()), "a value before the file")
        if len(data) % READ == 0:
            for column in block.columns().values():
                column.validate(full=True)
    return "suspense" if is_bad else "rows"
