"""Sequence numbers of a source's files: what was passed over, what came late, what came twice.

Numbers may wrap: after ``wrap`` - 1 comes 0 (wrap 0: they never do). Numbers are kept as ranges,
written ``"17-19 21"``; a range never goes across the wrap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Ranges = tuple[tuple[int, int], ...]  # first and last number of each, both counted


@dataclass(frozen=True)
class Gap:
    """Numbers that were passed over, and the one that showed it."""

    numbers: Ranges
    followed_by: int


@dataclass(frozen=True)
class Followed:
    """due: the number that comes next; gaps: what was passed over on the way there.

    late: numbers from before what was due at first, in the order of numbers.
    expected: for each number, the one that was due when its turn came.
    """

    due: int
    gaps: tuple[Gap, ...]
    late: tuple[int, ...]
    expected: Mapping[int, int]


def follow(due: int | None, numbers: Iterable[int], wrap: int) -> Followed:
    """Go through the numbers of files that have arrived, whatever their order.

    due: what was to come next; None: nothing is known yet, and the numbers begin after the widest
    hole among them. A number of the half circle before ``due`` is late, one of the other is ahead.
    """
    distinct = sorted(set(numbers))
    if due is None:
        due = _beginning(distinct, wrap)

    def ahead(number: int) -> int:
        return (number - due) % wrap if wrap else number - due

    half = (wrap + 1) // 2 if wrap else distinct[-1] - due + 1
    forward = sorted((one for one in distinct if 0 <= ahead(one) < half), key=ahead)
    late = tuple(one for one in distinct if not 0 <= ahead(one) < half)
    gaps, following = [], due
    expected = dict.fromkeys(late, due)
    for number in forward:
        expected[number] = following
        if number != following:
            gaps.append(Gap(_between(following, number, wrap), number))
        following = (number + 1) % wrap if wrap else number + 1
    return Followed(following, tuple(gaps), late, expected)


def _beginning(distinct: Sequence[int], wrap: int) -> int:
    """The number after the widest hole of the circle; the lowest where numbers never wrap."""
    if not wrap:
        return distinct[0]
    before = (distinct[-1] - wrap, *distinct[:-1])
    holes = [number - last for last, number in zip(before, distinct, strict=True)]
    return distinct[holes.index(max(holes))]


def _between(first: int, end: int, wrap: int) -> Ranges:
    """From ``first`` up to before ``end``, across the wrap where ``end`` is not above it."""
    if end > first:
        return ((first, end - 1),)
    return ((first, wrap - 1), *(((0, end - 1),) if end else ()))


def between(first: int, last: int, wrap: int) -> Ranges:
    """From ``first`` to ``last``, both counted; across the wrap where ``last`` is below it."""
    if last >= first:
        return ((first, last),)
    return ((first, wrap - 1), (0, last))


def holds(ranges: Ranges, number: int) -> bool:
    """Whether the number is in one of the ranges."""
    return any(first <= number <= last for first, last in ranges)


def without(ranges: Ranges, number: int) -> Ranges:
    """The ranges less one number."""
    found: list[tuple[int, int]] = []
    for first, last in ranges:
        if first <= number <= last:
            found += [pair for pair in ((first, number - 1), (number + 1, last))
                      if pair[0] <= pair[1]]  # fmt: skip
        else:
            found.append((first, last))
    return tuple(found)


def less(ranges: Ranges, others: Ranges) -> Ranges:
    """The ranges less the numbers of others."""
    for first, last in others:
        ranges = tuple(
            pair for low, high in ranges
            for pair in ((low, min(high, first - 1)), (max(low, last + 1), high))
            if pair[0] <= pair[1]
        )  # fmt: skip
    return ranges


def of(numbers: Iterable[int]) -> Ranges:
    """Numbers in any order as ranges."""
    return joined((number, number) for number in numbers)


def joined(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Ranges in any order, those that overlap or touch made one."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(last, found[-1][1])
        else:
            found.append((first, last))
    return tuple(found)


def size(ranges: Ranges) -> int:
    """How many numbers there are."""
    return sum(last - first + 1 for first, last in ranges)


def text(ranges: Ranges) -> str:
    """``((17, 19), (21, 21))`` -> ``"17-19 21"``."""
    return " ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in ranges)


def parse(written: str) -> Ranges:
    """``"17-19 21"`` -> ``((17, 19), (21, 21))``; what ``text`` wrote."""
    found = []
    for piece in written.split():
        first, _, last = piece.partition("-")
        found.append((int(first), int(last or first)))
    return tuple(found)
