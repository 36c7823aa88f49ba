"""Records of a switch in outer lists: which parts of a file they are.

Some switches put all records into one SEQUENCE: a header [0], lists of records [1], a trailer [2];
or the records straight away. A header begins with the time at which the file was made, a record
has its type there, one byte long (or later, as members of a SET have no order): so they are told
apart, as their tags are the same. A file may be several such SEQUENCEs, one after the other, with
filler between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from cdr import ber_state_kernels as k
from cdr import ber_tree
from cdr import outer_list_kernels as kernels

OUTER: Final = (kernels.SEQUENCE, kernels.SET)
PARTS: Final = 16_384  # found at once


def is_outer(head: bytes) -> bool:
    """Whether a file that begins so (filler left out) is an outer list of records."""
    try:
        key, is_group, begin, _ = ber_tree.header(head, 0, ber_tree.ANY_SIZE)
        if key not in OUTER or not is_group:
            return False
        inner, is_inner_group, _, _ = ber_tree.header(head, begin, ber_tree.ANY_SIZE)
    except ber_tree.BrokenBer:
        return False
    return is_inner_group and inner & 3 == 2


def parts(data: np.ndarray) -> Iterator[np.ndarray]:
    """Begin and end of the parts of a file that hold its records, int64 [part, 2], in pieces of at
    most PARTS; what is in no outer list is one part, up to the end of the file.

    data: uint8 with PAD_BYTES behind the file. Raises BrokenBer where a list cannot be found.
    """
    state = np.zeros(kernels.STATE_COUNT, np.int64)
    state[kernels.INSIDE] = -1
    count = PARTS
    while count == PARTS:
        found = np.empty((PARTS, 2), np.int64)
        count = int(kernels.find_lists(data, len(data) - k.PAD_BYTES, state, found))
        if count < 0:
            raise ber_tree.BrokenBer(k.WRONG_FORM, int(state[kernels.AT]))
        if count:
            yield found[:count]
