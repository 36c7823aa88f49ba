"""Rows that mediation deals with: contained duplicates, runs of ultra-short calls, split calls.

They are made out of drawn records, each beside the record that it goes with, so the truth is known
by construction. That needs records which never meet by accident: where the workspace looks for
such things, a line writes its records at one source, its records keep a distance, and each of them
ends before the line's next one starts and before its block of the day ends (``Mediated.is_apart``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cdr.synth_faults import Rates, pick
from cdr.synth_rules import SynthRules
from tollbook import codes
from tollbook.clock import DAY_S
from tollbook.errors import NotFound
from tollbook.reasons import CODE
from tollbook.workspace import Workspace

Rows = dict[str, np.ndarray]
SPACING_S: Final = 4  # between the starts of two records of a line
RUN_MAX: Final = 5  # calls of a run behind the first
PARTS_MAX: Final = 4
LATE_NIGHTS_MAX: Final = 3  # how many nights later a copy may come
PART_MIN_S: Final = 20
CONTAINED_MIN_S: Final = 12
FIRST_PART, LAST_CAUSE = 1, 16


@dataclass(frozen=True)
class Mediated:
    """What a workspace looks for; 0 or empty: it does not. is_apart: see above.

    short_max_s, short_gap_s: of a run of ultra-short calls. going_on: a cause of a part that is
    not the last. hold_s: how long parts wait for others.
    """

    is_apart: bool = False
    overlaps: bool = False
    overlap_window_s: int = 0
    short_max_s: int = 0
    short_gap_s: int = 0
    short_window_s: int = 0
    splits: bool = False
    going_on: int = 0
    last_cause: int = 0
    hold_s: int = 0

    @property
    def duration_min_s(self) -> int:
        """What a call lasts at least that is no ultra-short one."""
        return self.short_max_s + 1


OFF: Final = Mediated()


@dataclass(frozen=True)
class Extras:
    """Rows beside drawn ones. origin: int64, position of the drawn row that each goes with.

    is_free: bool, the row may stand before its origin. where: int8, ANYWHERE, or how far from its
    origin the row is delivered. Rows of one origin lie together, and stay so unless ``where``
    parts them.
    """

    rows: Rows
    origin: np.ndarray
    is_free: np.ndarray
    where: np.ndarray


ANYWHERE, SAME_NIGHT, NEXT_NIGHT, NOWHERE = range(4)


def settings(workspace: Workspace, source: str) -> Mediated:
    """What the rules of a workspace look for in the records of a source."""
    overlapping, short = workspace.duplicates.overlapping, workspace.duplicates.ultra_short
    partials = workspace.partials
    if overlapping is None and short is None and partials is None:
        return OFF
    going_on = partials.goes_on_after(source) if partials else ()
    return Mediated(
        is_apart=True,
        overlaps=overlapping is not None and "voice" in overlapping.services,
        overlap_window_s=overlapping.window_s if overlapping else 0,
        short_max_s=short.duration_s if short and "voice" in short.services else 0,
        short_gap_s=short.gap_s if short else 0,
        short_window_s=short.window_s if short else 0,
        splits=bool(going_on),
        going_on=going_on[0] if going_on else 0,
        last_cause=next(cause for cause in range(LAST_CAUSE, LAST_CAUSE + len(going_on) + 1)
                        if cause not in going_on),
        hold_s=partials.hold_s if partials else 0,
    )  # fmt: skip


def looked_for(workspace: Workspace) -> dict[str, bool]:
    """Which kinds of row a workspace recognises at any of its sources."""
    found = [settings(workspace, source.name) for source in workspace.sources]
    return {
        "overlapping": any(one.overlaps for one in found),
        "ultra_short": any(one.short_max_s > 0 for one in found),
        "split": any(one.splits for one in found),
    }


def check(workspace: Workspace, rates: Rates) -> None:
    """Raises NotFound if rows are asked for that the workspace would not recognise."""
    found = looked_for(workspace)
    for kind, what, key in (
        ("overlapping", "contained duplicates", "duplicates: overlapping"),
        ("ultra_short", "runs of ultra-short calls", "duplicates: ultra_short"),
        ("split", "split calls", "partials, with going_on"),
    ):
        if getattr(rates, f"{kind}_ppm") and not found[kind]:
            raise NotFound(f"operator.yaml: {what} are wanted, and nothing looks for them\n"
                           f"    allowed: a share of them where the workspace has {key}\n"
                           "    do: write that section, or leave the option out")  # fmt: skip


def room_s(start_utc_s: np.ndarray, line: np.ndarray, end_utc_s: int) -> np.ndarray:
    """Seconds from each start to the line's next one, or to the end of the block; int64."""
    order = np.lexsort((start_utc_s, line))
    ends = np.full(len(order), end_utc_s, np.int64)
    follows = line[order][1:] == line[order][:-1]
    ends[:-1][follows] = start_utc_s[order][1:][follows]
    room = np.empty(len(order), np.int64)
    room[order] = ends - start_utc_s[order]
    return room


def add(
    rng: np.random.Generator, rows: Rows, about: tuple[Mediated, Rates, SynthRules],
    days: tuple[int, int],
) -> Extras | None:  # fmt: skip
    """Rows that go with some of the drawn ones, which may change; None: there are none.

    days: seconds since 1970 at which the day began, and how many days come after it.
    """
    found, rates, rules = about
    if not found.is_apart:
        return None
    good = (rows["fate"] == 0) & (rows["service"] == codes.VOICE)
    good &= rules.none_would_fit(rows, {0, found.going_on, found.last_cause})
    made = []
    for ppm, make in (
        (rates.split_ppm, _split), (rates.ultra_short_ppm, _runs), (rates.overlapping_ppm, _within)
    ):  # fmt: skip
        if ppm:
            extras = make(rng, rows, (good, ppm), found, days)
            good[extras.origin] = False
            made.append(extras)
    if not made:
        return None
    return Extras(
        {name: np.concatenate([one.rows[name] for one in made]) for name in rows},
        np.concatenate([one.origin for one in made]),
        np.concatenate([one.is_free for one in made]),
        np.concatenate([one.where for one in made]),
    )


def _beside(rows: Rows, origin: np.ndarray, fate: str, where: np.ndarray | int) -> Extras:
    """Copies of rows, with another fate."""
    copies = {name: column[origin] for name, column in rows.items()}
    copies["fate"] = np.full(len(origin), CODE[fate], np.int64)
    return Extras(copies, origin, np.zeros(len(origin), np.bool_),
                  np.broadcast_to(np.asarray(where, np.int8), origin.shape).copy())  # fmt: skip


def _within(
    rng: np.random.Generator, rows: Rows, of: tuple[np.ndarray, int], found: Mediated,
    days: tuple[int, int],
) -> Extras:  # fmt: skip
    """A shorter record of the same call, inside of the time of the whole one."""
    low = found.duration_min_s
    chosen = pick(rng, of[0] & (rows["duration_s"] >= CONTAINED_MIN_S + 2 * low), of[1])
    extras = _beside(rows, chosen, "record_overlaps", _how_far(found.overlap_window_s))
    length = rows["duration_s"][chosen]
    late = 1 + rng.integers(0, 2**31, len(chosen)) % (length - low - 1)
    most = length - late
    extras.rows["start_utc_s"] += late
    extras.rows["duration_s"] = low + rng.integers(0, 2**31, len(chosen)) % (most - low + 1)
    extras.is_free[:] = True  # the longer record stays, wherever it stands
    return extras


def _how_far(window_s: int) -> int:
    """Whether rows may come in any later night that copies come in, and still be compared."""
    return ANYWHERE if window_s >= (LATE_NIGHTS_MAX + 2) * DAY_S else SAME_NIGHT


def _runs(
    rng: np.random.Generator, rows: Rows, of: tuple[np.ndarray, int], found: Mediated,
    days: tuple[int, int],
) -> Extras:  # fmt: skip
    """Very short calls, one soon after the other; the drawn record becomes the first of them."""
    step_max = min(found.short_gap_s, 45)
    span = (RUN_MAX + 1) * (step_max + found.short_max_s)
    chosen = pick(rng, of[0] & (rows["room_s"] > span + found.short_gap_s), of[1])
    origin = np.repeat(chosen, rng.integers(1, RUN_MAX + 1, len(chosen)))
    rows["duration_s"][chosen] = 1 + rng.integers(0, found.short_max_s, len(chosen))
    extras = _beside(rows, origin, "record_ultra_short", _how_far(found.short_window_s))
    extras.rows["duration_s"] = 1 + rng.integers(0, found.short_max_s, len(origin))
    step = found.short_max_s + rng.integers(1, step_max + 1, len(origin))
    extras.rows["start_utc_s"] += _running(origin, step)
    return extras


def _running(origin: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Sums of ``step`` within the rows of each origin, which lie together."""
    total = np.cumsum(step)
    first = np.flatnonzero(np.diff(origin, prepend=-1))
    before = np.concatenate(([0], total))[first]
    found: np.ndarray = total - np.repeat(before, np.diff(np.append(first, len(origin))))
    return found


def _split(
    rng: np.random.Generator, rows: Rows, of: tuple[np.ndarray, int], found: Mediated,
    days: tuple[int, int],
) -> Extras:  # fmt: skip
    """Parts of one call; the drawn record becomes the first.

    The other parts come in the same night, in the next one (calls of the afternoon, which are not
    given up before), or in part never: then the call is charged as far as it is known, if a later
    night is there to see that nothing comes.
    """
    day_utc_s, nights_after = days
    chosen = pick(rng, of[0] & (rows["duration_s"] >= PARTS_MAX * PART_MIN_S), of[1])
    dice = rng.integers(0, 100, len(chosen))
    afternoon = rows["start_utc_s"][chosen] > day_utc_s + DAY_S // 2
    is_late = (dice < 25) & afternoon & (nights_after >= 1) & (found.hold_s >= DAY_S)
    is_cut = (dice >= 85) & (nights_after * DAY_S >= found.hold_s + DAY_S)
    parts = rng.integers(2, PARTS_MAX + 1, len(chosen))
    where = np.where(is_late, NEXT_NIGHT, SAME_NIGHT).astype(np.int8)
    length = rows["duration_s"][chosen] // parts
    rest = rows["duration_s"][chosen] - length * (parts - 1)
    start = rows["start_utc_s"][chosen].copy()
    rows["duration_s"][chosen], rows["sequence"][chosen] = length, FIRST_PART
    rows["cause"][chosen] = found.going_on
    repeats = parts - 1
    origin, call = np.repeat(chosen, repeats), np.repeat(np.arange(len(chosen)), repeats)
    extras = _beside(rows, origin, "part_merged", where[call])
    number = _running(call, np.ones(len(origin), np.int64))
    is_last = number == repeats[call]
    extras.rows["start_utc_s"] = start[call] + number * length[call]
    extras.rows["duration_s"] = np.where(is_last, rest[call], length[call])
    extras.rows["sequence"] = number + FIRST_PART
    extras.rows["cause"] = np.where(is_last, found.last_cause, found.going_on)
    extras.where[is_last & is_cut[call]] = NOWHERE
    return extras
