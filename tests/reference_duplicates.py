"""The naive twin of the duplicates that are not equal: every record compared with every other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from tollbook.duplicate_rules import DuplicateRules, Overlapping, UltraShort

Row = Mapping[str, int]
VOICE, VIDEO, DATA = 1, 2, 5
CODES = {"voice": VOICE, "video": VIDEO, "data": DATA}
COLUMNS = {"other": "other_key", "service": "service"}
WHOLE, SHORT = 0, 2


def takes_part(
    row: Row, rule: Overlapping | UltraShort, as_of_utc_s: int, duration_max_s: int
) -> bool:
    return (
        row["service"] in [CODES[word] for word in rule.services]
        and 0 < row["duration_s"] <= duration_max_s
        and row["start_utc_s"] >= as_of_utc_s - rule.window_s
        and row["served_key"] != 0
    )


def grouped(one: Row, other: Row, same: Iterable[str]) -> bool:
    return all(one[name] == other[name]
               for name in ["served_key", "direction", *(COLUMNS[s] for s in same)])


def end(row: Row) -> int:
    return row["start_utc_s"] + row["duration_s"]


def overlap(one: Row, other: Row) -> bool:
    return one["start_utc_s"] < end(other) and other["start_utc_s"] < end(one)


def overlapping(new: Sequence[Row], old: Sequence[Row], same: Iterable[str]) -> dict[int, int]:
    """Record -> the one that stays in its place."""
    same, stays, found = tuple(same), list(old), {}
    for row in sorted(new, key=lambda row: (-row["duration_s"], row["record_id"])):
        over = [one for one in stays if overlap(one, row) and grouped(one, row, same)]
        if over:
            last = max(over, key=lambda one: (end(one), -one["record_id"]))
            found[row["record_id"]] = last["record_id"]
        else:
            stays.append(row)
    return found


def ultra_short(
    new: Sequence[Row], old: Sequence[Row], same: Iterable[str], gap_s: int
) -> dict[int, int]:
    """Record -> the one that stays in its place."""
    same, found = tuple(same), {}
    mine = {row["record_id"] for row in new}

    def are_near(one: Row, other: Row) -> bool:
        apart = max(one["start_utc_s"], other["start_utc_s"]) - min(end(one), end(other))
        return grouped(one, other, same) and apart <= gap_s

    beside = [row for row in old if any(are_near(row, other) for other in new)]
    for run in runs([*beside, *new], are_near):
        first = min(
            run, key=lambda row: (row["record_id"] in mine, row["standing"], row["record_id"])
        )
        for row in run:
            if row is not first and row["record_id"] in mine:
                found[row["record_id"]] = first["record_id"]
    return found


def runs(rows: Sequence[Row], are_near: Callable[[Row, Row], bool]) -> list[list[Row]]:
    """Rows that are near each other, directly or through others."""
    found: list[list[Row]] = []
    for row in rows:
        touched = [run for run in found if any(are_near(row, other) for other in run)]
        found = [run for run in found if not any(run is one for one in touched)]
        found.append([row, *(one for run in touched for one in run)])
    return found


def others(
    new: Sequence[Row], old: Sequence[Row], rules: DuplicateRules, as_of_utc_s: int,
    duration_max_s: int,
) -> dict[int, tuple[str, int]]:  # fmt: skip
    """Of records that are nobody's equals: record -> why it is not charged, and what stays.

    new: but for those that the history has itself.
    """
    found: dict[int, tuple[str, int]] = {}
    mine = {row["record_id"] for row in new}
    old = [row for row in old if row["record_id"] not in mine]
    long, short = rules.overlapping, rules.ultra_short
    if long is not None:
        chosen = [[row for row in rows if takes_part(row, long, as_of_utc_s, duration_max_s)
                   and row["standing"] == WHOLE] for rows in (new, old)]  # fmt: skip
        for record, first in overlapping(*chosen, long.same).items():
            found[record] = ("record_overlaps", first)
    if short is not None:
        left = [row for row in new if row["record_id"] not in found and row["standing"] == WHOLE]
        known = [row for row in old if row["standing"] in (WHOLE, SHORT)]
        chosen = [[row for row in rows if takes_part(row, short, as_of_utc_s, short.duration_s)]
                  for rows in (left, known)]  # fmt: skip
        for record, first in ultra_short(*chosen, short.same, short.gap_s).items():
            found[record] = ("record_ultra_short", first)
    return found
