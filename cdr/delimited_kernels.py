"""Bytes of a block of records -> typed columns, in one pass over windows of a few hundred rows.

A window's records are found first; then each column of the layout is read for all its rows, so that
what the layout says is looked at once a window and the loops over rows stay short and typed.
"""

from __future__ import annotations

import numpy as np

from cdr import field_kernels as f
from cdr import spec_kernels as k
from cdr import text_kernels as x
from cdr import time_kernels as t
from cdr.plain_kernels import plain_rows
from cdr.quoted_kernels import quoted_rows
from cdr.record_kernels import judge_rows
from tollbook.jit import kernel


@kernel
def decode_rows(
    data: np.ndarray, block: np.ndarray, spec: k.Spec, s: k.Scratch, out: k.Output
) -> None:
    """Decodes a block of whole records; ``out.totals`` tells how many rows were written.

    data: uint8, the block's bytes, then a line feed, then at least PAD_BYTES - 1 more bytes.
    block: int64, see SIZE .. IS_CHECKED. Where RECORDS_GIVEN is said, ``s`` holds all rows: one
    window, its bounds in ``s.row``. Every record becomes a row; a bad one has its reason, the
    field at fault and that field's place, and whatever else of it could be read.
    """
    state, how = s.state, block[k.RECORDS]
    state[:] = 0
    state[k.STATE_ID] = block[k.FIRST_ID]
    s.known[:] = 0
    out.totals[:] = 0
    source, first_row = data if how == k.RECORDS_PLAIN else s.row, np.int64(0)
    trims = how != k.RECORDS_QUOTED and spec.settings[k.TRIM] != 0
    while state[k.STATE_POSITION] < block[k.SIZE]:
        if how == k.RECORDS_PLAIN:
            plain_rows(data, block, spec, s, out)
        elif how == k.RECORDS_QUOTED:
            quoted_rows(data, block, spec, s, out)
        else:
            state[k.STATE_COUNT], state[k.STATE_POSITION] = s.rows.shape[1], block[k.SIZE]
        judge_rows(block, spec, s, out)
        for i in range(len(spec.ops)):
            op = spec.ops[i]
            kind = op[k.OP_KIND]
            longest = f.locate(source, op, trims, spec, s)
            if kind == k.KIND_TEXT:
                x.read_text(source, op, first_row, longest, block, spec, s, out)
            elif kind == k.KIND_NUMBER:
                x.read_number(source, op, first_row, spec, s, out)
            elif kind == k.KIND_QUANTITY or kind == k.KIND_DECIMAL or kind == k.KIND_CLOCK:
                f.read_quantity(source, op, first_row, spec, s, out)
            elif kind == k.KIND_WORD:
                f.read_word(source, op, first_row, spec, s, out)
            elif kind == k.KIND_TIME_FIXED:
                t.read_fixed(source, op, first_row, spec, s, out)
            else:
                t.read_time(source, op, first_row, spec, s, out)
            if state[k.STATE_FAULTS] != 0:
                f.judge_fields(op, first_row, s, out)
        first_row += state[k.STATE_COUNT]
        state[k.STATE_ROW] = first_row
    out.totals[k.TOTAL_ROWS] = first_row
