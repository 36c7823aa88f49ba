"""Draws of the synthesiser: what happened in one block of records, as columns of integers.

A block is a slice of the day of one source. Within it no line starts two records in the same
second, and the sources of a night share the seconds out between them, so two records never have
an equal duplicate key by accident.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from cdr import synth_faults
from cdr.synth_faults import PPM, Rates
from cdr.synth_mediated import OFF, SPACING_S, Mediated, room_s
from cdr.synth_population import Lines, Population
from cdr.synth_shapes import Choice, Quantiles, line_ranks, log_normal, starts_between
from tollbook import codes
from tollbook.errors import NotFound
from tollbook.workspace import Limits

FRIENDS: Final = 12  # numbers that a line keeps calling
TRIES: Final = 200
VOICE_S: Final = log_normal(74, 1.15, 1, 4 * 3600)
SESSION_S: Final = log_normal(540, 1.4, 1, 4 * 3600)
DOWN_BYTES: Final = log_normal(1_800_000, 1.9, 900, 40 * 2**30)
UP_BYTES: Final = log_normal(210_000, 1.7, 300, 8 * 2**30)
SEGMENTS: Final = Choice.of([0, 86, 9, 4, 1])
ON_NET, OFF_NET, INTERNATIONAL, SPECIAL = "on_net", "off_net", "international", "special"


@dataclass(frozen=True)
class Kind:
    """A kind of record and its share of all records, in ten-thousandths."""

    share: int
    service: int
    direction: int
    others: str  # pool of Population.others; "": a record without another party


KINDS: Final = (
    Kind(2000, codes.VOICE, codes.OUT, ON_NET), Kind(1500, codes.VOICE, codes.OUT, OFF_NET),
    Kind(90, codes.VOICE, codes.OUT, INTERNATIONAL), Kind(30, codes.VOICE, codes.OUT, SPECIAL),
    Kind(1300, codes.VOICE, codes.IN, ON_NET), Kind(1150, codes.VOICE, codes.IN, OFF_NET),
    Kind(60, codes.VOICE, codes.IN, INTERNATIONAL), Kind(40, codes.VOICE, codes.FORWARD, OFF_NET),
    Kind(20, codes.VOICE, codes.TRANSIT, OFF_NET), Kind(900, codes.SMS, codes.OUT, ON_NET),
    Kind(700, codes.SMS, codes.OUT, OFF_NET), Kind(20, codes.SMS, codes.OUT, INTERNATIONAL),
    Kind(790, codes.SMS, codes.IN, ON_NET), Kind(1400, codes.DATA, codes.OUT, ""),
)  # fmt: skip


@dataclass(frozen=True)
class Night:
    """What all blocks of one source and one day draw from.

    hole: seconds of the day whose local time comes twice, half-open; nothing starts there.
    damage_reasons: int64, the reason of each way in which the layout can damage a row.
    """

    population: Population
    active: Lines
    inactive: Lines
    day_utc_s: int  # first second of the operator's day
    shape: np.ndarray
    hole: tuple[int, int]
    source_index: int
    source_count: int
    kinds: tuple[Kind, ...]
    damage_reasons: np.ndarray
    unanswered_ppm: int
    rates: Rates
    limits: Limits
    mediated: Mediated = OFF
    ranks: Quantiles = field(init=False)

    def __post_init__(self) -> None:
        if not len(self.active):
            raise NotFound("customers/subscriptions.csv: nobody is active on one of the days\n"
                           "    do: choose days inside the validity of subscriptions")  # fmt: skip
        object.__setattr__(self, "ranks", line_ranks(len(self.active)))


def kinds_for(population: Population, services: frozenset[int], directions: frozenset[int]
              ) -> tuple[Kind, ...]:  # fmt: skip
    """The kinds that a layout can write and for which the population has other numbers."""
    return tuple(
        kind for kind in KINDS
        if kind.service in services and kind.direction in directions
        and (not kind.others or len(population.others[kind.others].written))
    )  # fmt: skip


def draw_block(
    night: Night, rng: np.random.Generator, count: int, share: tuple[float, float], first_ref: int
) -> dict[str, np.ndarray]:
    """``count`` records in the order of their start: int64 columns of equal length.

    share: the part of the day's records that the block stands for. ``fate`` is the reason with
    which the pipeline will stop the record (0: it is rated), ``damage`` the way in which its row
    is written wrongly (-1: rightly), ``entropy`` random bits for identifiers, ``room_s`` (where
    records are kept apart) the seconds to the next record of the line.
    """
    starts = starts_between(night.shape, share, night.source_count)
    slot, rank = _starts(night, rng, count, starts)
    kind = Choice.of([kind.share for kind in night.kinds]).draw(rng, count)
    services = np.array([one.service for one in night.kinds], np.int64)
    directions = np.array([one.direction for one in night.kinds], np.int64)
    rows = {
        "service": services[kind], "direction": directions[kind],
        "served": night.active.written[rank], "imsi": night.active.imsi[rank],
        "plan": night.active.plan_index[rank].astype(np.int64),
        "start_utc_s": night.day_utc_s + slot * night.source_count + night.source_index,
        "reference": first_ref + np.arange(count, dtype=np.int64),
        "fate": np.zeros(count, np.int64), "damage": np.full(count, -1, np.int64),
        "entropy": rng.integers(0, 2**62, count), "entropy_low": rng.integers(0, 2**62, count),
    }  # fmt: skip
    rows |= _quantities(rng, rows["service"], night.limits)
    rows |= {"sequence": np.zeros(count, np.int64), "cause": np.zeros(count, np.int64)}
    if night.mediated.is_apart:
        end_utc_s = night.day_utc_s + int(starts.points[-1] + 1) * night.source_count
        _end_in_time(night, rows, end_utc_s, rank)
    rows |= _other_ends(night, rng, kind, rank)
    rows |= _places(night, rng, kind, night.active.zone_index[rank])
    abroad = rows["network"] >= 0
    rows["trunk_in"][abroad] = rows["trunk_out"][abroad] = -1
    _go_wrong(night, rng, rows)
    return rows


def _end_in_time(
    night: Night, rows: dict[str, np.ndarray], end_utc_s: int, rank: np.ndarray
) -> None:
    """Calls and sessions end before the line's next record starts, and before the block ends."""
    rows["room_s"] = room_s(rows["start_utc_s"], rank, end_utc_s)
    timed = rows["duration_s"] > 0
    most = np.maximum(rows["room_s"] - 1, night.mediated.duration_min_s)
    limited = np.clip(rows["duration_s"], night.mediated.duration_min_s, most)
    rows["duration_s"][timed] = limited[timed]


def _starts(
    night: Night, rng: np.random.Generator, count: int, starts: Quantiles
) -> tuple[np.ndarray, np.ndarray]:
    """Slots of the day and ranks of lines, ascending by slot, every pair once."""
    lines = len(night.active)
    spacing = 0
    if night.mediated.is_apart:
        spacing = -(-max(SPACING_S, night.mediated.duration_min_s + 1) // night.source_count)
    keys = np.zeros(0, np.int64)
    for _ in range(TRIES):
        if len(keys) == count:
            break
        slot = starts.draw(rng, count - len(keys))
        second = slot * night.source_count + night.source_index
        good = (second < night.hole[0]) | (second >= night.hole[1])
        good &= slot <= starts.points[-1] - spacing
        new = (slot * lines + night.ranks.draw(rng, len(slot)))[good]
        keys = np.sort(np.concatenate((keys, new)))
        keys = keys[np.diff(keys, prepend=-1) != 0]
        if spacing:
            keys = _spaced(keys, lines, spacing)
    else:
        raise NotFound(f"{count} records in one part of a day are too many for {lines} lines\n"
                       "    do: ask for fewer records, or add subscriptions")  # fmt: skip
    slot = keys // lines
    return slot, keys - slot * lines


def _spaced(keys: np.ndarray, lines: int, spacing: int) -> np.ndarray:
    """Pairs of slot and line of which no line has two nearer than ``spacing`` slots; ascending."""
    slot, line = keys // lines, keys % lines
    order = np.lexsort((slot, line))
    near = (np.diff(line[order]) == 0) & (np.diff(slot[order]) < spacing)
    return np.delete(keys, order[1:][near])


def _quantities(
    rng: np.random.Generator, service: np.ndarray, limits: Limits
) -> dict[str, np.ndarray]:
    duration, up, down, events = (np.zeros(len(service), np.int64) for _ in range(4))
    voice = np.flatnonzero(service == codes.VOICE)
    duration[voice] = VOICE_S.draw(rng, len(voice))
    data = np.flatnonzero(service == codes.DATA)
    duration[data] = SESSION_S.draw(rng, len(data))
    up[data] = UP_BYTES.draw(rng, len(data))
    down[data] = DOWN_BYTES.draw(rng, len(data))
    sms = np.flatnonzero(service == codes.SMS)
    events[sms] = SEGMENTS.draw(rng, len(sms))
    return {
        "duration_s": np.minimum(duration, limits.duration_s), "events": events,
        "up_bytes": np.minimum(up, limits.volume_bytes // 2),
        "down_bytes": np.minimum(down, limits.volume_bytes // 2),
    }  # fmt: skip


def _other_ends(
    night: Night, rng: np.random.Generator, kind: np.ndarray, rank: np.ndarray
) -> dict[str, np.ndarray]:
    """Other numbers and trunks; half of the time one of a dozen that the line keeps calling."""
    count = len(kind)
    other, trunk_in, trunk_out = (np.full(count, -1, np.int64) for _ in range(3))
    friend = rng.integers(0, 2 * FRIENDS, count)
    friend_at = (rank * 40_503 + friend * 65_537) % 2**31 * 31_337 % 2**31
    at = np.where(friend < FRIENDS, friend_at, rng.integers(0, 2**31, count))
    for index, one in enumerate(night.kinds):
        if not one.others:
            continue
        pool = night.population.others[one.others]
        rows = np.flatnonzero(kind == index)
        chosen = at[rows] % len(pool.written)
        itself = pool.written[chosen] == night.active.written[rank[rows]]
        chosen = (chosen + itself) % len(pool.written)
        other[rows] = pool.written[chosen]
        if one.service == codes.VOICE:
            trunk = trunk_in if one.direction == codes.IN else trunk_out
            trunk[rows] = pool.trunk[chosen]
    return {"other": other, "trunk_in": trunk_in, "trunk_out": trunk_out}


def _places(
    night: Night, rng: np.random.Generator, kind: np.ndarray, zone: np.ndarray
) -> dict[str, np.ndarray]:
    """Cells of the home zone, of any zone (national roaming), or a visited network abroad."""
    people, rates, count = night.population, night.rates, len(zone)
    first = people.cell_first[zone]
    width = people.cell_first[zone + 1] - first
    at = rng.integers(0, 2**31, count)
    cell = np.where(width > 0, first + at % np.maximum(width, 1), -1)
    dice = rng.integers(0, PPM, count, dtype=np.int32)
    if people.cells:
        away = dice < rates.national_roaming_ppm
        cell[away] = at[away] % len(people.cells)
    network = np.full(count, -1, np.int64)
    if people.networks:
        # Special numbers are those of the own country.
        special = np.array([one.others == SPECIAL for one in night.kinds])
        abroad = (dice >= PPM - rates.international_roaming_ppm) & ~special[kind]
        network[abroad] = at[abroad] % len(people.networks)
        cell[abroad] = -1
    return {"location": cell, "network": network}


def _go_wrong(night: Night, rng: np.random.Generator, rows: dict[str, np.ndarray]) -> None:
    """Gives rows their fate; the earlier ones in this list win."""
    rates, people = night.rates, night.population
    once = (night.source_index, night.source_count) if night.mediated.is_apart else None
    if any(kind.direction == codes.TRANSIT for kind in night.kinds):
        synth_faults.carry_for_others(rows, people.others[OFF_NET], once)
    synth_faults.leave_unanswered(rng, rows, night.unanswered_ppm)
    synth_faults.damage(rng, rows, night.damage_reasons, rates.bad_ppm)
    synth_faults.break_limits(rng, rows, night.limits, rates.limits_ppm)
    for lines, ppm, reason in (
        (people.unknown, rates.unknown_ppm, "subscription_missing"),
        (night.inactive, rates.inactive_ppm, "subscription_inactive"),
    ):
        synth_faults.swap_lines(rng, rows, lines, ppm, reason, once)
