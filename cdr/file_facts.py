"""What a file says outside of its records: its one-off values and the tables of its codes."""

from __future__ import annotations

from typing import Final

from cdr.asn_grammar import FILE
from cdr.ber_cells import BlockCells, Cells, FileFacts, texts_of
from cdr.ber_layout import Place
from cdr.ber_values import NO_OFFSET, offsets

_CODE_TABLE: Final = "UtcTimeOffsetInfo"
_DECIMALS: Final = "transferBatch.accountingInfo.tapDecimalPlaces"


def learned(facts: FileFacts, cells: BlockCells) -> FileFacts:
    """What a block says about its file, added to what was known; what came first stays."""
    block, values = cells.block, dict(facts.values)
    for (table, path), number in cells.fields.items():
        if table == FILE:
            begin, size = block.places(number)
            if size[0] >= 0 and path not in values:
                values[path] = block.data[begin[0] : begin[0] + size[0]].tobytes()
    decimals, number_of_decimals = facts.decimals, cells.fields.get((FILE, _DECIMALS))
    if number_of_decimals is not None and decimals < 0:
        found = block.column(number_of_decimals)[0].as_py()
        decimals = -1 if found is None else found
    return FileFacts(values, _offsets(cells) | dict(facts.offsets_s), decimals)


def _offsets(cells: BlockCells) -> dict[int, int]:
    """Seconds by UTC offset code, as far as a block defines them."""
    found = []
    for path in ("utcTimeOffsetCode", "utcTimeOffset"):
        number = cells.fields.get((_CODE_TABLE, path))
        if number is None:
            return {}
        form = cells.form(Place(_CODE_TABLE, path))
        found.append(Cells(cells.block.data, *cells.block.places(number), form))
    known: dict[int, int] = {}
    codes, seconds = texts_of(found[0]).to_pylist(), offsets(found[1]).tolist()
    for code, offset_s in zip(codes, seconds, strict=True):
        if code is not None and offset_s != NO_OFFSET:
            known.setdefault(int(code), offset_s)
    return known
