"""The manifest: what a file held, found while it is decoded.

A file's first and last start, seconds and volume come from columns that are at hand when a piece of
it is decoded: a few sums of whole columns, no work for each record. Errors and duplicates are the
control totals of the run that read the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa

from rating.validate_kernels import Checks
from tollbook import reasons
from tollbook.alarm_rules import PPM, share_text
from tollbook.clock import DAY_S
from tollbook.codes import BYTES, FLAG_RECOLLECTED, SUSPENDED
from tollbook.errors import HeldFile
from tollbook.money import exact_sum
from tollbook.run.catalogue import InputFile, Total
from tollbook.stage import ints, with_columns

_IS_SUSPENDED: Final = np.zeros(max(reasons.BY_CODE) + 1, np.bool_)
_IS_SUSPENDED[[code for code, one in reasons.BY_CODE.items() if one.disposition == SUSPENDED]] = 1
_SESSION_MAX_S: Final = 3660 * DAY_S  # what `limits` may be at most
_STORED_MAX: Final = 2**63 - 1  # a catalogue's integer; only sums of garbage come near it


@dataclass(frozen=True)
class Figures:
    """Of the readable records of a file, or of a piece of it; starts are 0 where there is none."""

    first_start_utc_s: int = 0
    last_start_utc_s: int = 0
    seconds: int = 0
    volume_bytes: int = 0
    suspended: int = 0  # counted only of files that may be held back

    def __add__(self, other: Figures) -> Figures:
        firsts = [one.first_start_utc_s for one in (self, other) if one.first_start_utc_s]
        return Figures(
            min(firsts, default=0),
            max(self.last_start_utc_s, other.last_start_utc_s),
            self.seconds + other.seconds,
            self.volume_bytes + other.volume_bytes,
            self.suspended + other.suspended,
        )


def figures_of(batch: pa.RecordBatch, checks: Checks) -> Figures:
    """The figures of a batch of schemas.CDR; rows with a reason are passed by.

    A duration or a volume beyond the limits of operator.yaml adds nothing: such a record waits in
    suspense, and a single one of garbage would be all that is seen of the file. Sessions of data
    may last longer than the limit; of them a duration beyond _SESSION_MAX_S adds nothing.
    """
    names = ("service", "start_utc_s", "duration_s", "up_bytes", "down_bytes")
    service, start, duration, up, down = (ints(batch, name) for name in names)
    reason = ints(batch, "reason")
    if reason.any():
        good = reason == 0
        service, start, duration = service[good], start[good], duration[good]
        up, down = up[good], down[good]
    if len(start) == 0:
        return Figures()
    longest_s, most = checks.duration_max_s, checks.volume_max_bytes
    if duration.max() > longest_s:
        limit_s = np.where(checks.unit[service] == BYTES, _SESSION_MAX_S, longest_s)
        duration = np.where(duration > limit_s, 0, duration)
    if int(up.max()) + int(down.max()) > most:
        # Each is compared before their sum: a sum of two large values would wrap.
        is_over = (up > most) | (down > most - np.minimum(up, most))
        up, down = np.where(is_over, 0, up), np.where(is_over, 0, down)
    return Figures(
        int(start.min()), int(start.max()), exact_sum(duration), exact_sum(up) + exact_sum(down)
    )


def suspended_in(batch: pa.RecordBatch) -> int:
    """How many rows of a batch of schemas.USAGE are on their way into suspense."""
    return int(np.count_nonzero(_IS_SUSPENDED[ints(batch, "reason")]))


def held(rows: int, figures: Figures, limit_ppm: int) -> HeldFile | None:
    """Why a file is held back; None: it is not."""
    if figures.suspended * PPM <= rows * limit_ppm:
        return None
    return HeldFile(
        f"held back: {figures.suspended:,} of {rows:,} records would go into suspense\n"
        f"    allowed: at most {share_text(limit_ppm)} (alarms: hold)\n"
        "    do: have it sent again, or read it all the same with `tollbook collection release`"
    )


def recollected(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with every record marked as one of a file that was asked for again."""
    flags = ints(batch, "flags") | np.int32(FLAG_RECOLLECTED)
    return with_columns(batch, batch.schema, {"flags": flags})


def filled_in(
    files: Iterable[InputFile], figures: dict[int, Figures], totals: Iterable[Total]
) -> list[InputFile]:
    """The files of a run with their figures; of a refused file nothing is counted."""
    fates: Counter[tuple[int, str]] = Counter()
    for total in totals:
        fates[total.file_number, total.disposition] += max(total.rows, 0)
    found = []
    for file in files:
        if file.refused:
            found.append(file)
            continue
        of_file = figures.get(file.file_number, Figures())
        found.append(replace(
            file,
            first_start_utc_s=of_file.first_start_utc_s,
            last_start_utc_s=of_file.last_start_utc_s,
            seconds=min(of_file.seconds, _STORED_MAX),
            volume_bytes=min(of_file.volume_bytes, _STORED_MAX),
            errors=fates[file.file_number, "suspended"],
            duplicates=fates[file.file_number, "duplicate"],
        ))  # fmt: skip
    return found
