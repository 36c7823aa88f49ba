"""Rows woven into the files of one source beside others: copies, and what mediation deals with.

They come later in the block, the night or the month than the row that they go with.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cdr.synth_faults import pick
from cdr.synth_mediated import ANYWHERE, LATE_NIGHTS_MAX, NEXT_NIGHT, NOWHERE, SAME_NIGHT
from cdr.synth_text import Sheet
from cdr.synth_truth import DUPLICATE_CODE, REACHES_DUPLICATES, Copies, Truth

Place = tuple[int, int]  # night, file of the night


@dataclass(frozen=True)
class Beside:
    """Rows that go with rows of a block; the columns of ``synth_mediated.Extras``."""

    sheet: Sheet
    origin: np.ndarray
    is_free: np.ndarray
    where: np.ndarray

    def rows(self, chosen: np.ndarray) -> Beside:
        return Beside(self.sheet.rows(chosen), self.origin[chosen], self.is_free[chosen],
                      self.where[chosen])  # fmt: skip


@dataclass
class Weaver:
    """Remembers the rows that later files of a source are to hold.

    apart: files that never come, or late; their rows go with no others.
    """

    nights: int
    files: int  # of a night
    ppm: int
    apart: frozenset[Place] = frozenset()
    waiting: dict[Place, list[Copies]] = field(default_factory=dict)

    def weave(
        self, sheet: Sheet, beside: Beside | None, rng: np.random.Generator,
        at: tuple[Place, int], truth: Truth,
    ) -> tuple[Sheet, np.ndarray]:  # fmt: skip
        """The block with more rows, and the order (int64) in which its rows are written.

        at: where the file stands, and its number. Enters the rows' fates into ``truth`` and sets
        rows aside for later files.
        """
        place, file = at
        count = len(sheet)
        copied, placed = self._copies(sheet, rng, place)
        if beside is not None:
            copied, placed = self._with(copied, placed, beside, rng, place)
        here = copied.rows(np.flatnonzero([target == place for target in placed]))
        behind = here.origin + rng.integers(0, count - here.origin) if len(here.origin) else \
            here.origin  # fmt: skip
        if here.is_free.any():
            anywhere = rng.integers(0, count, len(behind))
            behind = np.where(here.is_free, anywhere - 1, behind)
        arrived = self.waiting.pop(place, [])
        keys = [2 * np.arange(count, dtype=np.int64), 2 * behind + 1]
        parts = [sheet, here.sheet]
        for copies in arrived:
            keys.append(2 * rng.integers(0, max(count, 1), len(copies.sheet)) + 1)
            parts.append(copies.sheet)
        order = np.argsort(np.concatenate(keys), kind="stable")
        row = np.empty(len(order), np.int64)
        row[order] = truth.take_lines(file, len(order))
        _enter(truth, (file, row), sheet.fate, here, arrived)
        for target in sorted({one for one in placed if one is not None} - {place}):
            sent = copied.rows(np.flatnonzero([one == target for one in placed]))
            first = np.full(len(sent.origin), file, np.int64), row[sent.origin]
            self.waiting.setdefault(target, []).append(Copies(sent.sheet, *first))
        woven = parts[0]
        for part in parts[1:]:
            if len(part):
                woven = woven.plus(part)
        return woven, order

    def _copies(
        self, sheet: Sheet, rng: np.random.Generator, place: Place
    ) -> tuple[Beside, list[Place | None]]:
        """Rows that come a second time as they are, and where."""
        allowed = np.isin(sheet.fate, REACHES_DUPLICATES) & (place not in self.apart)
        chosen = pick(rng, allowed, self.ppm)
        placed: list[Place | None] = [self._target(rng, place) for _ in chosen]
        rows = sheet.rows(chosen)
        rows.fate[:] = DUPLICATE_CODE
        return Beside(rows, chosen, np.zeros(len(chosen), np.bool_),
                      np.full(len(chosen), ANYWHERE, np.int8)), placed  # fmt: skip

    def _with(
        self, copied: Beside, placed: list[Place | None], beside: Beside,
        rng: np.random.Generator, place: Place,
    ) -> tuple[Beside, list[Place | None]]:  # fmt: skip
        """The copies and then the other rows; those of one origin go to one place."""
        target: Place | None = None
        before = -1, ANYWHERE
        for row in zip(beside.origin.tolist(), beside.where.tolist(), strict=True):
            if row[1] == NOWHERE:
                placed.append(None)
                continue
            if row != before:
                target, before = self._target(rng, place, row[1]), row
            placed.append(target)
        joined = Beside(
            copied.sheet.plus(beside.sheet), np.concatenate((copied.origin, beside.origin)),
            np.concatenate((copied.is_free, beside.is_free)),
            np.concatenate((copied.where, beside.where)),
        )  # fmt: skip
        return joined, placed

    def _target(self, rng: np.random.Generator, place: Place, where: int = ANYWHERE) -> Place:
        """Half of the rows stay in the block, the others go to a later file or night."""
        night, file = place
        dice = int(rng.integers(0, 100))
        found = place
        if where == NEXT_NIGHT:
            found = night + 1, int(rng.integers(0, self.files))
        elif dice < 30 and file + 1 < self.files:
            found = night, int(rng.integers(file + 1, self.files))
        elif dice >= 80 and night + 1 < self.nights and where != SAME_NIGHT:
            found = int(rng.integers(night + 1, min(night + 1 + LATE_NIGHTS_MAX, self.nights))), \
                int(rng.integers(0, self.files))  # fmt: skip
        return place if found in self.apart else found


def _enter(
    truth: Truth, at: tuple[int, np.ndarray], fate: np.ndarray, here: Beside, arrived: list[Copies]
) -> None:
    """Fates of the block's own rows, then of those behind them."""
    file, row = at
    fates = [fate, here.sheet.fate, *(one.sheet.fate for one in arrived)]
    count = len(fate)
    first = np.full((2, len(row)), -1, np.int64)
    first[0, count : count + len(here.origin)] = file
    first[1, count : count + len(here.origin)] = row[here.origin]
    place = count + len(here.origin)
    for one in arrived:
        first[0, place : place + len(one.sheet)] = one.first_file
        first[1, place : place + len(one.sheet)] = one.first_row
        place += len(one.sheet)
    truth.add(file, row, np.concatenate(fates), first)
