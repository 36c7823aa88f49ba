"""Native files made for benchmarks: what is read adds up to what was made, framed or not."""

from __future__ import annotations

from collections import Counter

import pytest

from bench import cases_native, make_native
from cdr import ber, framing, native
from cdr.native import FORMATS

RECORDS = 1_500


@pytest.mark.parametrize("name", ["tap", "ts32298"])
def test_columns_add_up_to_what_was_made(name: str) -> None:
    made = cases_native.made(name, RECORDS)
    found = native.head_in(made.data).format
    assert found is FORMATS[name]
    kinds = Counter[str]()
    for block in ber.blocks(made.data, found.schema, "file"):
        kinds.update(found.schema.alternatives[kind] for kind in block.records.kind.tolist())
    assert kinds.total() == RECORDS
    assert kinds == {kind: made.truth[kind] for kind in kinds}
    assert cases_native.decode(made, name) > 20 * RECORDS


def test_a_framed_file_has_the_same_records() -> None:
    plain, made = make_native.make_ts32298(200, 3), make_native.make_ts32297(200, 3)
    header = framing.read_header(made.data, "file")
    assert (header.record_count, header.file_bytes) == (200, len(made.data))
    found = native.regions(made.data, FORMATS["ts32297"], "file")
    assert b"".join(made.data[begin:stop] for begin, stop, _ in found) == plain.data


def test_a_seed_gives_the_same_file() -> None:
    once, again, other = (make_native.make_tap(50, seed).data for seed in (5, 5, 6))
    assert once == again != other
