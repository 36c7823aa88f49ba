"""Numbers that belong to a customer's list of friends, or to a closed user group."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from tollbook.columns import Table, first_rows, index_in, overlaps, validity, words_of
from tollbook.numbering import Numbering, masked, to_e164
from tollbook.table_checks import WORD, WORD_IS, check_overlaps, check_shape, load_optional
from tollbook.text import Problems

_NO_INDEX: Final = np.zeros(0, np.int32)
_NO_TIMES: Final = np.zeros(0, np.int64)
_NO_TEXTS: Final = pa.array([], pa.string())
_DATES: Final = ("valid_from", "valid_to")


@dataclass(frozen=True)
class Friends:
    """friends.csv: the numbers that a subscription may call as friends, one entry a row."""

    subscription_row: np.ndarray  # int32, first row of it in subscriptions.csv
    number: np.ndarray  # int64, E.164 digits
    valid_from_utc_s: np.ndarray
    valid_to_utc_s: np.ndarray


@dataclass(frozen=True)
class Groups:
    """groups.csv: closed user groups, one entry for each number in a group."""

    groups: tuple[str, ...]  # sorted
    group_index: np.ndarray  # int32
    number: np.ndarray  # int64, E.164 digits; ours or others'
    valid_from_utc_s: np.ndarray
    valid_to_utc_s: np.ndarray


NO_FRIENDS: Final = Friends(_NO_INDEX, _NO_TIMES, _NO_TIMES, _NO_TIMES)
NO_GROUPS: Final = Groups((), _NO_INDEX, _NO_TIMES, _NO_TIMES, _NO_TIMES)


def load_friends(
    path: Path, subscription_id: pa.Array, time_zone: str, numbering: Numbering,
    problems: Problems, shown: str,
) -> Friends:  # fmt: skip
    """friends.csv: subscription_id, number, valid_from, valid_to."""
    table = load_optional(path, ("subscription_id", "number"), _DATES, problems, shown)
    known = (subscription_id if len(table) else _NO_TEXTS).dictionary_encode()
    place = index_in(table["subscription_id"], known.dictionary)
    table.report((place < 0) & (len(subscription_id) > 0),
                 lambda row: f"subscription_id '{table.cell('subscription_id', row)}' is not in "
                             "subscriptions.csv", "a subscription_id of subscriptions.csv",
                 "correct it, or remove the row", problems)
    codes = known.indices.to_numpy(zero_copy_only=False)
    first = np.zeros(len(known.dictionary) + 1, np.int32)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    number = _numbers(table, numbering, problems)
    span = validity(table, time_zone, problems)
    _check_once(table, "subscription_id", number, span, problems)
    return Friends(np.where(place >= 0, first[place], np.int32(-1)), number, *span)


def load_groups(
    path: Path, time_zone: str, numbering: Numbering, problems: Problems, shown: str
) -> Groups:
    """groups.csv: group, number, valid_from, valid_to."""
    table = load_optional(path, ("group", "number"), _DATES, problems, shown)
    check_shape(table, "group", WORD, WORD_IS, problems)
    number = _numbers(table, numbering, problems)
    span = validity(table, time_zone, problems)
    _check_once(table, "group", number, span, problems)
    groups, group_index = words_of(table, "group")
    return Groups(groups, group_index, number, *span)


def warn_of_two_groups(groups: Groups, problems: Problems) -> None:
    """Numbers that are in several groups at a time, where the tariff book has pools of groups."""
    span = groups.valid_from_utc_s, groups.valid_to_utc_s
    known = np.where(groups.number > 0, groups.number, -1 - np.arange(len(groups.number)))
    later, earlier = overlaps(known, *span)
    if len(later):
        rows = int(later[0]), int(earlier[0])
        first, other = sorted(groups.groups[groups.group_index[row]] for row in rows)
        several = f" and {len(later) - 1:,} more" if len(later) > 1 else ""
        problems.warn(("customers/groups.csv", 0),
                      f"number {masked(int(groups.number[rows[0]]))} is in the groups {first} and "
                      f"{other} at a time{several}",
                      f"one group at a time, where groups have allowances, counters or caps: it "
                      f"has those of the first by name, {first}", "end one membership where the "
                      "other begins, unless that is meant")  # fmt: skip


def _numbers(table: Table, numbering: Numbering, problems: Problems) -> np.ndarray:
    number, good = to_e164(table["number"], numbering)
    code = numbering.country_code
    table.report(
        ~good & bool(code), lambda row: f"number is '{table.cell('number', row)}'",
        "+ and 7 to 15 digits, or a number as `numbering` in operator.yaml has it",
        f"write it with its country code, such as +{code}...", problems,
    )  # fmt: skip
    return number


def _check_once(
    table: Table, owner: str, number: np.ndarray, span: tuple[np.ndarray, np.ndarray],
    problems: Problems,
) -> None:  # fmt: skip
    """At any instant a number stands once on each list."""
    pairs = np.stack([first_rows(table[owner]), number], axis=1)
    key = np.unique(pairs, axis=0, return_inverse=True)[1].ravel()
    key = np.where(number > 0, key, -1 - np.arange(len(table)))
    check_overlaps(table, "number", key, span, problems, lambda row: (
        f"{masked(int(number[row]))} of {owner} {table.cell(owner, row)}"))
