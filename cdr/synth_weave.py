"""Copies of rows woven into the files of one source: later in the block, the night, the month."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cdr.synth_faults import pick
from cdr.synth_text import Sheet
from cdr.synth_truth import DUPLICATE_CODE, REACHES_DUPLICATES, Copies, Truth

Place = tuple[int, int]  # night, file of the night


@dataclass
class Weaver:
    """Remembers the copies that later files of a source are to hold."""

    nights: int
    files: int  # of a night
    ppm: int
    waiting: dict[Place, list[Copies]] = field(default_factory=dict)

    def weave(
        self, sheet: Sheet, rng: np.random.Generator, place: Place, truth: Truth, file: int
    ) -> tuple[Sheet, np.ndarray]:
        """The block with copies added, and the order (int64) in which its rows are written.

        Enters the rows' fates into ``truth`` and sets copies aside for later files.
        """
        count = len(sheet)
        chosen = pick(rng, np.isin(sheet.fate, REACHES_DUPLICATES), self.ppm)
        targets = [self._target(rng, place) for _ in chosen]
        here = chosen[[target == place for target in targets]] if len(chosen) else chosen
        behind = here + rng.integers(0, count - here) if len(here) else here
        arrived = self.waiting.pop(place, [])
        keys = [2 * np.arange(count, dtype=np.int64), 2 * behind + 1]
        parts = [sheet, sheet.rows(here)]
        for copies in arrived:
            keys.append(2 * rng.integers(0, max(count, 1), len(copies.sheet)) + 1)
            parts.append(copies.sheet)
        order = np.argsort(np.concatenate(keys), kind="stable")
        row = np.empty(len(order), np.int64)
        row[order] = truth.take_lines(file, len(order))
        self._enter(truth, file, row, sheet.fate, here, arrived)
        for target in sorted(set(targets) - {place}):
            sent = chosen[[one == target for one in targets]]
            self.waiting.setdefault(target, []).append(
                Copies(sheet.rows(sent), np.full(len(sent), file, np.int64), row[sent])
            )
        woven = parts[0]
        for part in parts[1:]:
            if len(part):
                woven = woven.plus(part)
        return woven, order

    def _target(self, rng: np.random.Generator, place: Place) -> Place:
        """Half of the copies stay in the block, the others go to a later file or night."""
        night, file = place
        dice = int(rng.integers(0, 100))
        if dice < 30 and file + 1 < self.files:
            return night, int(rng.integers(file + 1, self.files))
        if dice >= 80 and night + 1 < self.nights:
            return int(rng.integers(night + 1, min(night + 4, self.nights))), int(
                rng.integers(0, self.files)
            )
        return place

    @staticmethod
    def _enter(
        truth: Truth, file: int, row: np.ndarray, fate: np.ndarray, here: np.ndarray,
        arrived: list[Copies],
    ) -> None:  # fmt: skip
        """Fates of the block's own rows, then of the copies behind them."""
        count = len(fate)
        copies = len(row) - count
        all_fates = np.concatenate((fate, np.full(copies, DUPLICATE_CODE, np.int64)))
        first = np.full((2, len(row)), -1, np.int64)
        first[0, count : count + len(here)] = file
        first[1, count : count + len(here)] = row[here]
        at = count + len(here)
        for one in arrived:
            first[0, at : at + len(one.sheet)] = one.first_file
            first[1, at : at + len(one.sheet)] = one.first_row
            at += len(one.sheet)
        truth.add(file, row, all_fates, first)
