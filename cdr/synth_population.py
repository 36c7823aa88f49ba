"""Who can appear in synthesised records: lines, the numbers they call, cells, networks, trunks.

Built from a workspace's own network and customers, so that a record which is meant to be rated
finds its subscription, zones and trunk, and one which is not fails for the reason that the truth
file names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cdr.synth_kernels import NUMBER_SHIFT
from tollbook.customers import ACTIVE, Customers, Subscriptions
from tollbook.errors import NotFound
from tollbook.network import Network, NumberRanges
from tollbook.numbering import E164_DIGITS_MAX, Numbering
from tollbook.workspace import Workspace

POOL_NUMBERS: Final = 60_000  # numbers of other networks that are ever called
UNKNOWN_NUMBERS: Final = 4_000  # numbers in the own ranges without a subscription
FOREIGN_DIGITS: Final = 11  # of a number abroad, more behind a long prefix

# Positions of the ways of writing a number in ``Population.prefixes``; special numbers follow.
PLAIN, PLUS, INTERNATIONAL, NATIONAL, FIRST_SPECIAL = range(5)


@dataclass(frozen=True)
class Lines:
    """Numbers whose records are made; same index = same line."""

    written: np.ndarray  # int64: the number as the switch writes it (NUMBER_SHIFT)
    zone_index: np.ndarray  # int32: zone of the number
    imsi: np.ndarray  # int64, -1: none known
    plan_index: np.ndarray  # int32, into Customers.plan_ids; -1: no customer's

    def __len__(self) -> int:
        return len(self.written)


@dataclass(frozen=True)
class Others:
    """Numbers on the other end; ``trunk``: int32 index into Population.trunks, -1: none."""

    written: np.ndarray  # int64
    trunk: np.ndarray  # int32


@dataclass(frozen=True)
class Subscribed:
    """All subscriptions, to be asked who is in force on a day; arrays in one order, shuffled."""

    number: np.ndarray  # int64
    lines: Lines
    active: np.ndarray  # bool
    valid_from_utc_s: np.ndarray  # int64
    valid_to_utc_s: np.ndarray  # int64


@dataclass(frozen=True)
class Population:
    """Everything that the draws choose from. ``cells`` are sorted by zone: those of zone z are
    ``cells[cell_first[z]:cell_first[z + 1]]``."""

    prefixes: tuple[str, ...]
    subscribed: Subscribed
    unknown: Lines
    others: Mapping[str, Others]  # on_net, off_net, international, special
    cells: tuple[str, ...]
    cell_first: np.ndarray  # int64, zones + 1
    networks: tuple[str, ...]
    trunks: tuple[str, ...]
    country_code: str
    special_count: int

    def served_by(self, area: str | None, areas: Sequence[str]) -> np.ndarray:
        """bool: lines that a source of this ``area`` serves; None: those outside all ``areas``.

        Where that would be nobody, everybody.
        """
        number = self.subscribed.number
        inside = np.zeros(len(number), np.bool_)
        for one in areas if area is None else (area,):
            inside |= _begins_with(number, int(self.country_code + one))
        chosen = ~inside if area is None else inside
        return chosen if chosen.any() else np.ones(len(number), np.bool_)

    def in_force(
        self, first_utc_s: int, end_utc_s: int, chosen: np.ndarray
    ) -> tuple[Lines, Lines]:
        """Lines among ``chosen`` (bool) that are active, and that are not, in the whole span."""
        people = self.subscribed
        whole = (people.valid_from_utc_s <= first_utc_s) & (people.valid_to_utc_s >= end_utc_s)
        whole &= chosen
        return _some(people.lines, whole & people.active), _some(
            people.lines, whole & ~people.active
        )


def build(
    workspace: Workspace, network: Network, customers: Customers, span: tuple[int, int], seed: int,
    more_numbers: Sequence[str] = (),
) -> Population:  # fmt: skip
    """The population of a workspace; tables must be in force for the whole span (UTC seconds).

    more_numbers: texts that stand at the end of ``prefixes``, to be dialled as they are. Raises
    NotFound if nobody or nothing is there to make records of.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    numbering = workspace.numbering
    special = network.special_numbers.numbers
    prefixes = ("", "+", (numbering.international_prefixes or ("+",))[0],
                numbering.national_prefix, *special, *more_numbers)  # fmt: skip
    ranges = _Ranges(network.ranges, span)
    cells, cell_first = _cells(network)
    known = np.unique(customers.subscriptions.number)
    trunks, carrier_trunks = _trunks(network, span)
    written_special = (np.arange(len(special), dtype=np.int64) + FIRST_SPECIAL) << NUMBER_SHIFT
    unknown = _numbers_in(ranges, _own_rows(ranges, network), known, numbering, rng)
    unknown = unknown[~np.isin(unknown, known)][:UNKNOWN_NUMBERS]
    subscribed = _subscribed(customers.subscriptions, ranges, numbering, rng)
    others = {
        "on_net": Others(subscribed.lines.written, _no_trunk(len(subscribed.lines))),
        "special": Others(written_special, _no_trunk(len(special))),
    }
    for name, rows in _foreign_rows(ranges, network, numbering).items():
        numbers = _numbers_in(ranges, rows, known, numbering, rng)
        carrier = ranges.carrier_index[ranges.match(numbers)]
        others[name] = Others(
            _written(numbers, numbering, rng), _trunk_of(carrier, carrier_trunks, rng)
        )
    return Population(
        prefixes, subscribed,
        Lines(_as_msisdn(unknown, numbering), ranges.zone_of(unknown),
              np.full(len(unknown), -1, np.int64), np.full(len(unknown), -1, np.int32)),
        others, cells, cell_first, network.visited.tadigs, trunks, numbering.country_code,
        len(special),
    )  # fmt: skip


class _Ranges:
    """Number ranges in force for a span, with longest-prefix match over arrays."""

    def __init__(self, table: NumberRanges, span: tuple[int, int]) -> None:
        rows = np.flatnonzero(
            (table.valid_from_utc_s <= span[0]) & (table.valid_to_utc_s >= span[1])
        )
        if len(rows) == 0:
            raise NotFound("network/number_ranges.csv: no range is in force on these days\n"
                           "    do: correct its dates, or choose other days")  # fmt: skip
        self.prefix = table.prefix[rows]
        self.length = table.prefix_length[rows].astype(np.int64)
        self.zone_index = table.zone_index[rows]
        self.carrier_index = table.carrier_index[rows]

    def match(self, numbers: np.ndarray) -> np.ndarray:
        """Row of the longest prefix of each number (int64); -1: none."""
        found = np.full(len(numbers), -1, np.int64)
        digits = digit_counts(numbers)
        for length in np.unique(self.length):
            rows = np.flatnonzero(self.length == length)
            order = rows[np.argsort(self.prefix[rows])]
            head = numbers // 10 ** np.maximum(digits - length, 0)
            at = np.minimum(np.searchsorted(self.prefix[order], head), len(order) - 1)
            fits = (self.prefix[order[at]] == head) & (digits >= length)
            found[fits] = order[at[fits]]
        return found

    def zone_of(self, numbers: np.ndarray) -> np.ndarray:
        """Zone of each number (int32); -1: in no range."""
        rows = self.match(numbers)
        return np.asarray(np.where(rows < 0, -1, self.zone_index[rows]), np.int32)


def digit_counts(numbers: np.ndarray) -> np.ndarray:
    """How many digits each positive int64 has."""
    powers = 10 ** np.arange(1, 19, dtype=np.int64)
    return np.asarray(np.searchsorted(powers, numbers, side="right") + 1, np.int64)


def _begins_with(numbers: np.ndarray, prefix: int) -> np.ndarray:
    length = len(str(prefix))
    head = numbers // 10 ** np.maximum(digit_counts(numbers) - length, 0)
    return np.asarray(head == prefix, np.bool_)


def _some(lines: Lines, chosen: np.ndarray) -> Lines:
    return Lines(lines.written[chosen], lines.zone_index[chosen], lines.imsi[chosen],
                 lines.plan_index[chosen])  # fmt: skip


def _no_trunk(count: int) -> np.ndarray:
    return np.full(count, -1, np.int32)


def _own_rows(ranges: _Ranges, network: Network) -> np.ndarray:
    return np.asarray(np.flatnonzero(ranges.carrier_index == network.carriers.own_index), np.int64)


def _foreign_rows(
    ranges: _Ranges, network: Network, numbering: Numbering
) -> dict[str, np.ndarray]:
    foreign = ranges.carrier_index != network.carriers.own_index
    home = _begins_with(ranges.prefix, int(numbering.country_code))
    return {"off_net": np.flatnonzero(foreign & home), "international": np.flatnonzero(~home)}


def _numbers_in(
    ranges: _Ranges,
    rows: np.ndarray,
    known: np.ndarray,
    numbering: Numbering,
    rng: np.random.Generator,
) -> np.ndarray:
    """Random numbers whose longest prefix is one of ``rows``, each once, in random order."""
    if len(rows) == 0:
        return np.zeros(0, np.int64)
    chosen = rows[rng.integers(0, len(rows), POOL_NUMBERS)]
    code = len(numbering.country_code)
    length = ranges.length[chosen]
    home = _begins_with(ranges.prefix[chosen], int(numbering.country_code)) & (length >= code)
    abroad = np.maximum(length + 8, FOREIGN_DIGITS)
    total = np.where(home, code + _usual_digits(known, numbering), abroad)
    free = np.clip(np.minimum(total, E164_DIGITS_MAX) - length, 0, E164_DIGITS_MAX)
    scale = 10**free
    numbers = ranges.prefix[chosen] * scale + rng.integers(0, np.maximum(scale, 1))
    numbers = numbers[np.isin(ranges.match(numbers), rows)]
    _, first = np.unique(numbers, return_index=True)
    return np.asarray(numbers[np.sort(first)], np.int64)


def _usual_digits(known: np.ndarray, numbering: Numbering) -> int:
    """Digits of a national number: as most customers have, else the longest allowed."""
    if len(known) == 0:
        return numbering.national_lengths.max
    return int(np.bincount(digit_counts(known)).argmax()) - len(numbering.country_code)


def _as_msisdn(numbers: np.ndarray, numbering: Numbering) -> np.ndarray:
    """As a switch writes a served number: country code first, no plus; with one if unclear."""
    plain_ok = np.ones(len(numbers), np.bool_)
    for lengths in (numbering.mobile_lengths, numbering.local_lengths):
        if lengths is not None:
            digits = digit_counts(numbers)
            plain_ok &= (digits < lengths.min) | (digits > lengths.max)
    form = np.where(plain_ok, PLAIN, PLUS).astype(np.int64)
    return np.asarray(numbers | (form << NUMBER_SHIFT), np.int64)


def _written(
    numbers: np.ndarray, numbering: Numbering, rng: np.random.Generator
) -> np.ndarray:
    """Numbers as people dial them: one of the forms that the numbering plan allows."""
    code = int(numbering.country_code)
    at_home = _begins_with(numbers, code)
    form = np.where(rng.integers(0, 100, len(numbers)) < 30, PLUS, INTERNATIONAL)
    national = numbers % 10 ** np.maximum(digit_counts(numbers) - len(str(code)), 1)
    digits = digit_counts(national)
    choice = rng.integers(0, 100, len(numbers))
    prefixed = at_home & (choice < 80) & (national > 0)
    form = np.where(prefixed, NATIONAL, form)
    if numbering.mobile_lengths is not None:
        lengths = numbering.mobile_lengths
        bare = prefixed & (digits >= lengths.min) & (digits <= lengths.max)
        for access_code in numbering.access_codes:
            bare &= ~_begins_with(national, int(access_code))
        form = np.where(bare, PLAIN, form)
    shown = np.where(prefixed, national, numbers)
    return np.asarray(shown | (form.astype(np.int64) << NUMBER_SHIFT), np.int64)


def _subscribed(
    table: Subscriptions, ranges: _Ranges, numbering: Numbering, rng: np.random.Generator
) -> Subscribed:
    zone = ranges.zone_of(table.number)
    # Shuffled, so that how busy a line is has nothing to do with its place in the file.
    order = rng.permutation(np.flatnonzero(zone >= 0))
    if len(order) == 0:
        raise NotFound("customers/subscriptions.csv: no number lies in network/number_ranges.csv\n"
                       "    do: add the range of the customers' numbers")  # fmt: skip
    return Subscribed(
        table.number[order],
        Lines(
            _as_msisdn(table.number[order], numbering),
            zone[order],
            np.where(table.imsi[order] > 0, table.imsi[order], -1),
            table.plan_index[order],
        ),
        table.status[order] == ACTIVE,
        table.valid_from_utc_s[order],
        table.valid_to_utc_s[order],
    )


def _cells(network: Network) -> tuple[tuple[str, ...], np.ndarray]:
    zone = network.locations.zone_index
    order = np.argsort(zone, kind="stable")
    names = network.locations.names.to_pylist()
    first = np.searchsorted(zone[order], np.arange(len(network.zones.ids) + 1))
    return tuple(names[row] for row in order), first.astype(np.int64)


def _trunks(
    network: Network, span: tuple[int, int]
) -> tuple[tuple[str, ...], dict[int, np.ndarray]]:
    """Names of the trunks in force, and their positions by carrier."""
    table = network.trunks
    rows = np.flatnonzero(
        (table.valid_from_utc_s <= span[0]) & (table.valid_to_utc_s >= span[1])
    )
    carrier = table.carrier_index[rows]
    by_carrier = {
        int(one): np.flatnonzero(carrier == one)
        for one in np.unique(carrier)
        if one != network.carriers.own_index
    }
    return tuple(table.trunks[row] for row in rows), by_carrier


def _trunk_of(
    carrier: np.ndarray, carrier_trunks: Mapping[int, np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """A trunk of each number's carrier, or of any other carrier where it has none."""
    trunk = _no_trunk(len(carrier))
    if not carrier_trunks:
        return trunk
    everyone = np.concatenate(list(carrier_trunks.values()))
    for one in np.unique(carrier):
        rows = np.flatnonzero(carrier == one)
        choices = carrier_trunks.get(int(one), everyone)
        trunk[rows] = choices[rng.integers(0, len(choices), len(rows))]
    return trunk
