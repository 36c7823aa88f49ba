"""Columns of random values for native files: numbers, names, times, each from one seeded source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

BEGIN_S: Final = 1_793_491_200  # 2026-11-01 00:00 UTC
DAYS: Final = 28


@dataclass(frozen=True)
class Draws:
    """Random columns of ``count`` rows."""

    rng: np.random.Generator
    count: int

    def integers(self, low: int, high: int) -> np.ndarray:
        """int64, from low to high, both of them included."""
        return self.rng.integers(low, high + 1, self.count, dtype=np.int64)

    def long_tailed(self, typical: int, most: int) -> np.ndarray:
        """int64: most are around ``typical``, few much larger."""
        drawn = self.rng.lognormal(np.log(typical), 1.2, self.count)
        return np.minimum(drawn.astype(np.int64) + 1, most)

    def share(self, of_all: float) -> np.ndarray:
        """bool, true for about such a share."""
        return self.rng.random(self.count) < of_all

    def number(self, prefix: str, least: int, most: int) -> pa.Array:
        """Digits: the prefix and ``least`` to ``most`` others."""
        lengths = self.rng.integers(least, most + 1, self.count)
        digits = self.rng.integers(48, 58, (self.count, most), dtype=np.uint8)
        head = np.frombuffer(prefix.encode(), np.uint8)
        signs = np.hstack([np.broadcast_to(head, (self.count, len(head))), digits])
        return _text(signs, lengths + len(head)).cast(pa.string())

    def one_of(self, words: tuple[str, ...]) -> pa.Array:
        """A word of these."""
        chosen = pa.array(self.rng.integers(0, len(words), self.count))
        return pa.array(words).take(chosen)

    def starts_s(self) -> np.ndarray:
        """int64: seconds since 1970 within DAYS, local time."""
        return BEGIN_S + self.integers(0, DAYS * 86400 - 1)


def local_times(seconds: np.ndarray) -> pa.Array:
    """``YYYYMMDDhhmmss`` of TD.57."""
    year, month, day, hour, minute, second = _parts(seconds)
    pairs = (year // 100, year % 100, month, day, hour, minute, second)
    digits = np.stack([part for pair in pairs for part in (pair // 10 + 48, pair % 10 + 48)], 1)
    return _text(digits.astype(np.uint8), np.full(len(seconds), 14)).cast(pa.string())


def time_stamps(seconds: np.ndarray) -> pa.Array:
    """Nine bytes of TS 32.298: YYMMDDhhmmss packed, ``+``, 0800 packed."""
    year, month, day, hour, minute, second = _parts(seconds)
    packed = [
        part // 10 << 4 | part % 10 for part in (year % 100, month, day, hour, minute, second)
    ]
    zone = [np.full(len(seconds), byte) for byte in (ord("+"), 0x08, 0)]
    return _text(np.stack([*packed, *zone], 1).astype(np.uint8), np.full(len(seconds), 9))


def random_bytes(draws: Draws, size: int) -> pa.Array:
    """So many bytes of no meaning."""
    drawn = draws.rng.integers(0, 256, (draws.count, size), dtype=np.uint8)
    return _text(drawn, np.full(draws.count, size))


def random_bits(draws: Draws, size: int) -> pa.Array:
    """BIT STRINGs of so many bytes: the first says that no bit of the last is unused."""
    drawn = draws.rng.integers(0, 256, (draws.count, size), dtype=np.uint8)
    drawn[:, 0] = 0
    return _text(drawn, np.full(draws.count, size))


def _parts(seconds: np.ndarray) -> tuple[np.ndarray, ...]:
    moment = seconds.astype("datetime64[s]")
    months, days = moment.astype("datetime64[M]"), moment.astype("datetime64[D]")
    count = months.astype(np.int64)
    within = seconds - days.astype("datetime64[s]").astype(np.int64)
    day = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    return (
        1970 + count // 12, count % 12 + 1, day, within // 3600, within // 60 % 60, within % 60,
    )  # fmt: skip


def _text(signs: np.ndarray, lengths: np.ndarray) -> pa.Array:
    """Binary: of each row of ``signs`` the first ``lengths``."""
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    is_kept = np.arange(signs.shape[1]) < lengths[:, None]
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(signs[is_kept])]
    return pa.Array.from_buffers(pa.binary(), len(lengths), buffers)
