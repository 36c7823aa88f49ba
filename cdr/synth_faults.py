"""Rows that are meant to fail, each for one reason, and rows carried for other networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cdr.synth_population import Lines, Others
from tollbook import codes
from tollbook.clock import DAY_S
from tollbook.reasons import CODE
from tollbook.workspace import Limits

PPM: Final = 1_000_000
AHEAD_S: Final = 400 * DAY_S  # "in the future" for any run that a test is likely to date
BEHIND_S: Final = 40 * DAY_S  # beyond the accepted age, counted from the day of the record


@dataclass(frozen=True)
class Rates:
    """How many records are made to fail or to roam, in parts per million of all records."""

    bad_ppm: int = 2000  # rows that cannot be decoded
    limits_ppm: int = 1000  # start, duration, volume or events beyond what is accepted
    duplicates_ppm: int = 1000
    unknown_ppm: int = 1000  # numbers of the own ranges without a subscription
    inactive_ppm: int = 500  # suspended or closed subscriptions
    national_roaming_ppm: int = 60_000
    international_roaming_ppm: int = 15_000
    overlapping_ppm: int = 0  # records that another one covers
    ultra_short_ppm: int = 0  # first calls of runs of very short ones
    split_ppm: int = 0  # calls that come in several records
    by_rule_ppm: int = 0  # records made for each rule of mediation that names numbers


def pick(rng: np.random.Generator, allowed: np.ndarray, ppm: int) -> np.ndarray:
    """Positions that a share of the rows takes, ascending, among those that ``allowed`` (bool)."""
    hit = rng.integers(0, PPM, len(allowed), dtype=np.int32) < ppm
    return np.flatnonzero(hit & allowed)


def apart(rows: dict[str, np.ndarray], chosen: np.ndarray) -> np.ndarray:
    """``chosen`` with at most one row a second: rows that take a number from a short list then
    never share number and start."""
    kept: np.ndarray = chosen[np.diff(rows["start_utc_s"][chosen], prepend=-1) != 0]
    return kept


def carry_for_others(
    rows: dict[str, np.ndarray], pool: Others, once: tuple[int, int] | None = None
) -> None:
    """Transit records: both ends are of other networks, nobody here is served.

    once: number of the source and of all; each number then has one record in the block, and
    belongs to one source.
    """
    transit = np.flatnonzero(rows["direction"] == codes.TRANSIT)
    keep = apart(rows, transit)
    if once is not None:
        keep = keep[: max(0, (len(pool.written) - once[0]) // once[1])]
    late = np.setdiff1d(transit, keep)
    rows["direction"][late] = codes.OUT
    at = (rows["entropy"][keep] >> 8) % len(pool.written)
    if once is not None:
        at = np.arange(len(keep)) * once[1] + once[0]
    rows["served"][keep], rows["trunk_in"][keep] = pool.written[at], pool.trunk[at]
    for name in ("imsi", "location", "network", "plan"):
        rows[name][keep] = -1
    rows["fate"][keep] = CODE["carried_for_others"]


def leave_unanswered(
    rng: np.random.Generator, rows: dict[str, np.ndarray], ppm: int
) -> None:
    """Attempts that nobody answered, for layouts that write them too."""
    chosen = pick(rng, rows["fate"] == 0, ppm)
    rows["duration_s"][chosen] = 0
    rows["fate"][chosen] = CODE["not_answered"]


def swap_lines(
    rng: np.random.Generator, rows: dict[str, np.ndarray], lines: Lines, ppm: int, reason: str,
    once: tuple[int, int] | None = None,
) -> None:  # fmt: skip
    """Records of numbers for which guiding fails with ``reason``. once: see carry_for_others."""
    if not len(lines):
        return
    chosen = apart(rows, pick(rng, rows["fate"] == 0, ppm))
    if once is None:
        at = rng.integers(0, len(lines), len(chosen))
    else:
        at = rng.permutation(np.arange(once[0], len(lines), once[1]))[: len(chosen)]
        chosen = chosen[: len(at)]
    rows["served"][chosen], rows["imsi"][chosen] = lines.written[at], lines.imsi[at]
    rows["plan"][chosen] = lines.plan_index[at]
    rows["fate"][chosen] = CODE[reason]


def break_limits(
    rng: np.random.Generator, rows: dict[str, np.ndarray], limits: Limits, ppm: int
) -> None:
    """Start, duration, volume or events beyond what the workspace accepts."""
    chosen = pick(rng, rows["fate"] == 0, ppm)
    way = rng.integers(0, 4, len(chosen))
    service = rows["service"][chosen]
    voice, data = service == codes.VOICE, service == codes.DATA
    early, late = chosen[way == 0], chosen[(way == 1) | ((way == 2) & ~voice & ~data)]
    rows["start_utc_s"][early] -= limits.age_s + BEHIND_S
    rows["fate"][early] = CODE["start_too_old"]
    rows["start_utc_s"][late] += limits.future_s + AHEAD_S
    rows["fate"][late] = CODE["start_in_future"]
    _set(rows, chosen[(way == 2) & voice], "duration_s", limits.duration_s + 1, "duration_too_long")
    _set(rows, chosen[(way == 2) & data], "up_bytes", limits.volume_bytes + 1, "volume_too_large")
    _set(rows, chosen[(way == 3) & voice], "duration_s", 0, "duration_zero")
    _set(rows, chosen[(way == 3) & data], "up_bytes", 0, "volume_zero")
    _set(rows, chosen[(way == 3) & data], "down_bytes", 0, "volume_zero")
    _set(rows, chosen[(way == 3) & (service == codes.SMS)], "events", 0, "events_zero")


def _set(
    rows: dict[str, np.ndarray], chosen: np.ndarray, column: str, value: int, reason: str
) -> None:
    rows[column][chosen] = value
    rows["fate"][chosen] = CODE[reason]


def damage(
    rng: np.random.Generator, rows: dict[str, np.ndarray], reasons: np.ndarray, ppm: int
) -> None:
    """Marks rows to be written wrongly; ``reasons``: int64, the reason of each way to do so."""
    if not len(reasons):
        return
    chosen = pick(rng, rows["fate"] == 0, ppm)
    way = rng.integers(0, len(reasons), len(chosen))
    rows["damage"][chosen] = way
    rows["fate"][chosen] = reasons[way]
