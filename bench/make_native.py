"""Files of TAP 3.12 and TS 32.298 with varied content: ``python -m bench.make_native``.

A block of records is drawn as columns and written by ``cdr.ber_draft``. What the records add up to
is drawn along, so that a reader can be held against it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import numpy as np

from bench import native_tap as tap
from bench import native_ts32298 as ts
from bench.native_draws import Draws
from cdr import ber
from cdr.asn_grammar import Schema, schema
from cdr.native import FORMATS

BLOCK_ROWS: Final = 50_000
FRAME_BYTES, HEADER_BYTES = 5, 54
_RELEASE: Final = 15
CALLS: Final = schema(("tap",), "CallEventDetail", "CallEventDetail", True)


@dataclass(frozen=True)
class Made:
    """A file and what its records add up to: ``records``, ``duration_s``, ``charge``, ..."""

    data: bytes
    truth: Counter[str]


def make_tap(records: int, seed: int) -> Made:
    """A TAP file: five kinds of events, with charge details, taxes and discounts."""
    body, truth = _blocks(records, seed, CALLS, tap.draw)
    return Made(tap.around(body, truth), truth)


def make_ts32298(records: int, seed: int) -> Made:
    """Calls of an MSC and sessions of a PGW, one record after the other."""
    return Made(*_blocks(records, seed, FORMATS["ts32298"].schema, ts.draw))


def make_ts32297(records: int, seed: int) -> Made:
    """The same records in a framed file."""
    made = make_ts32298(records, seed)
    blocks = ber.blocks(made.data, FORMATS["ts32298"].schema, "made")
    sizes = np.concatenate([one.records.size.copy() for one in blocks])
    return Made(framed(made.data, sizes), made.truth)


def framed(data: bytes, sizes: np.ndarray) -> bytes:
    """Records of these sizes, one after the other in ``data``, as a file of TS 32.297."""
    count = len(sizes)
    total = HEADER_BYTES + len(data) + FRAME_BYTES * count
    header = b"".join((
        total.to_bytes(4), HEADER_BYTES.to_bytes(4), b"\xef\xef", b"\xb5\x90\x48\x00" * 2,
        count.to_bytes(4), (1).to_bytes(4), bytes(21), bytes(1), bytes(2), bytes(2),
        bytes((_RELEASE - 10, _RELEASE - 10)),
    ))  # fmt: skip
    frames = np.zeros((count, FRAME_BYTES), np.uint8)
    frames[:, 0], frames[:, 1] = sizes >> 8, sizes & 0xFF
    frames[:, 2], frames[:, 3], frames[:, 4] = 0xEF, 1 << 5 | 6, _RELEASE - 10
    ends = np.cumsum(sizes + FRAME_BYTES)
    is_frame = np.zeros(total - HEADER_BYTES, np.bool_)
    for place in range(FRAME_BYTES):
        is_frame[ends - sizes - FRAME_BYTES + place] = True
    out = np.empty(len(is_frame), np.uint8)
    out[is_frame] = frames.ravel()
    out[~is_frame] = np.frombuffer(data, np.uint8)
    return header + out.tobytes()


def _blocks(
    records: int, seed: int, form: Schema,
    draw: Callable[[Schema, Draws], tuple[bytes, Counter[str]]],
) -> tuple[bytes, Counter[str]]:  # fmt: skip
    rng, parts, truth = np.random.default_rng(seed), [], Counter[str]()
    for first in range(0, records, BLOCK_ROWS):
        part, sums = draw(form, Draws(rng, min(BLOCK_ROWS, records - first)))
        parts.append(part)
        truth += sums
    truth["records"] = records
    return b"".join(parts), truth


MAKERS: Final = {"tap": make_tap, "ts32297": make_ts32297, "ts32298": make_ts32298}


@click.command()
@click.argument("name", type=click.Choice(tuple(MAKERS)))
@click.argument("records", type=click.IntRange(1))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--seed", type=int, default=1, show_default=True)
def main(name: str, records: int, file: Path, seed: int) -> None:
    """Make a file of a native format, and print what its records add up to."""
    made = MAKERS[name](records, seed)
    file.write_bytes(made.data)
    click.echo(f"{len(made.data):,} bytes")
    for what, value in sorted(made.truth.items()):
        click.echo(f"{what} {value:,}")


if __name__ == "__main__":
    main()
