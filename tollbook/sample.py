"""The sample operator: its files as they ship, and customers made from a seed.

The same seed and number of subscribers give the same bytes, whatever the machine. Dates of the
customers are set for a first billing month of June 2003: some lines join, change their plan, are
suspended or closed inside it, and some numbers pass from one customer to another.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from tollbook.clock import EPOCH_DAY
from tollbook.errors import Refused
from tollbook.text import Problems, load_csv

FOLDER: Final = Path(__file__).parent / "sample"
SOURCES: Final = ("msc-east", "ims-west", "ggsn")
SUBSCRIBERS_MAX: Final = 5_000_000
MONTH: Final = "2003-06"  # the month for which the customers are made

_PLANS: Final = ("standard", "easy", "business")
_STANDARD, _EASY, _BUSINESS = range(3)
_STATUSES: Final = ("active", "suspended", "closed")
_ACTIVE, _SUSPENDED, _CLOSED = range(3)
_OPEN: Final = -1  # a day that is not set
_FIRST_DAY: Final = date(2001, 3, 1).toordinal() - EPOCH_DAY
_JUNE: Final = date(2003, 6, 1).toordinal() - EPOCH_DAY
_BLOCK_DIGITS: Final = 9  # country code, 13x and H0H1H2H3: a block of 10,000 mobile numbers
_BLOCK_SIZE: Final = 10_000
_FIXED_PREFIX: Final = 86286  # the own fixed lines in Chengdu; seven digits follow
_IMSI_FIRST: Final = 460_970_000_000_000
_LINES_MAX: Final = 6  # lines of one account
_PER_MILLE: Final = {  # of all lines, in June 2003
    "joins": 40, "changes_plan": 20, "is_suspended": 15, "is_closed": 10, "changes_hands": 4,
}  # fmt: skip

_SURNAMES: Final = ("Bai", "Cai", "Chen", "Deng", "Fan", "Gao", "Guo", "He", "Hu", "Jiang", "Li",
                    "Lin", "Liu", "Luo", "Ma", "Peng", "Qian", "Shen", "Song", "Sun", "Tang",
                    "Wang", "Wu", "Xie", "Xu", "Yang", "Ye", "Yuan", "Zhang", "Zhao", "Zheng",
                    "Zhou")  # fmt: skip
_GIVEN: Final = ("Bin", "Bo", "Chao", "Fang", "Feng", "Gang", "Hong", "Hua", "Hui", "Jian", "Jie",
                 "Jing", "Juan", "Jun", "Lei", "Li", "Ling", "Mei", "Min", "Na", "Ning", "Peng",
                 "Ping", "Qiang", "Qing", "Tao", "Wei", "Xia", "Yan", "Ying", "Yong", "Yun")
_FIRMS: Final = ("Bluewater Trading", "Lotus Textiles", "Pearl Shipping", "Red Lantern Foods",
                 "Jade Machinery", "Willow Paper", "Golden Bridge Travel", "Swallow Logistics")
_STREETS: Final = ("Renmin Road", "Zhongshan Road", "Jiefang Street", "Heping Avenue",
                   "Xinhua Street", "Jianshe Road", "Wenhua Lane", "Binhai Avenue")


@dataclass(frozen=True)
class _Lines:
    """Rows of subscriptions.csv; same index = same row. Days are days since 1970."""

    line: np.ndarray  # number of the subscription, from 0
    number: np.ndarray  # E.164 digits
    plan: np.ndarray
    status: np.ndarray
    from_day: np.ndarray
    to_day: np.ndarray

    def rows(self, rows: np.ndarray, **changed: np.ndarray | int) -> _Lines:
        """Copies of some rows, with columns replaced."""
        columns = {name: column[rows] for name, column in vars(self).items()}
        for name, value in changed.items():
            columns[name] = np.broadcast_to(value, len(rows)).astype(np.int64)
        return _Lines(**columns)

    def plus(self, *others: _Lines) -> _Lines:
        parts = (self, *others)
        return _Lines(**{
            name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(self)
        })  # fmt: skip


def write_sample(folder: Path, subscribers: int = 5000, seed: int = 1) -> None:
    """The sample workspace in an empty or new folder, with customers made from ``seed``.

    Raises ValueError for a number of subscribers outside 1..SUBSCRIBERS_MAX.
    """
    if not 1 <= subscribers <= SUBSCRIBERS_MAX:
        raise ValueError(f"{subscribers} subscribers; allowed are 1 to {SUBSCRIBERS_MAX}")
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    for source in SOURCES:
        (folder / "inbox" / source).mkdir(parents=True, exist_ok=True)
    rng = np.random.Generator(np.random.PCG64(seed))
    account = _accounts_of_lines(subscribers, rng)
    lines_of = np.bincount(account)
    (folder / "customers").mkdir(exist_ok=True)
    _write_accounts(folder / "customers" / "accounts.csv", lines_of, rng)
    lines = _lines(account, lines_of, rng)
    _write_subscriptions(folder / "customers" / "subscriptions.csv", lines, account)


def _accounts_of_lines(subscribers: int, rng: np.random.Generator) -> np.ndarray:
    """The account of every line: four of five accounts have one, the others 2 to _LINES_MAX."""
    size = np.where(rng.integers(0, 10, subscribers) < 8, 1,
                    rng.integers(2, _LINES_MAX + 1, subscribers))
    return np.repeat(np.arange(subscribers), size)[:subscribers]


def _lines(account: np.ndarray, lines_of: np.ndarray, rng: np.random.Generator) -> _Lines:
    """All rows of subscriptions, in the order of line and day."""
    count = len(account)
    firm = lines_of[account] > 2
    plan = np.where(firm, _BUSINESS, np.where(rng.integers(0, 100, count) < 60, _STANDARD, _EASY))
    fixed = firm & (rng.integers(0, 100, count) < 20)
    days = rng.integers(_FIRST_DAY, _JUNE, count)
    base = _Lines(np.arange(count), _numbers(fixed, rng), plan, np.full(count, _ACTIVE), days,
                  np.full(count, _OPEN))
    groups = _groups(count, rng)
    base.from_day[groups["joins"]] = _JUNE + rng.integers(1, 29, len(groups["joins"]))
    rows = _with_changes(base, groups, rng)
    return rows.rows(np.lexsort((rows.from_day, rows.line)))


def _groups(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Lines to which something happens in June, each in one group at most."""
    order, at, groups = rng.permutation(count), 0, {}
    for name, per_mille in _PER_MILLE.items():
        size = count * per_mille // 1000
        groups[name] = np.sort(order[at : at + size])
        at += size
    return groups


def _with_changes(
    base: _Lines, groups: dict[str, np.ndarray], rng: np.random.Generator
) -> _Lines:
    """The rows after a change in June: the first row of the line ends, another one begins."""

    def days(rows: np.ndarray) -> np.ndarray:
        return _JUNE + rng.integers(1, 26, len(rows))

    extra = []
    for group, status in (("is_suspended", _SUSPENDED), ("is_closed", _CLOSED)):
        rows = groups[group]
        base.to_day[rows] = days(rows)
        extra.append(base.rows(rows, from_day=base.to_day[rows], to_day=_OPEN, status=status))
    rows = groups["changes_plan"]
    base.to_day[rows] = days(rows)
    other = np.where(base.plan[rows] == _STANDARD, _EASY, _STANDARD)
    extra.append(base.rows(rows, from_day=base.to_day[rows], to_day=_OPEN, plan=other))
    # A number that changes hands: the old line is closed, and two days later a new line has it.
    half = len(groups["changes_hands"]) // 2
    old, new = groups["changes_hands"][:half], groups["changes_hands"][half : 2 * half]
    base.to_day[old] = days(old)
    gap = base.to_day[old] + 2
    extra.append(base.rows(old, from_day=base.to_day[old], to_day=gap, status=_CLOSED))
    base.number[new] = base.number[old]
    base.from_day[new] = gap
    return replace(base).plus(*extra)


def _numbers(fixed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A number for every line, none twice: from the own mobile blocks, or a fixed one."""
    problems = Problems()
    rows = load_csv(FOLDER / "network" / "number_ranges.csv", ("prefix", "zone", "carrier"),
                    ("valid_from", "valid_to"), problems)
    if problems.found:
        raise Refused(problems.found)
    blocks = np.array([int(row["prefix"]) for row in rows
                       if row["carrier"] == "harbour" and len(row["prefix"]) == _BLOCK_DIGITS])
    mobile = np.flatnonzero(~fixed)
    drawn = rng.choice(len(blocks) * _BLOCK_SIZE, len(mobile), replace=False)
    numbers = np.zeros(len(fixed), np.int64)
    numbers[mobile] = blocks[drawn // _BLOCK_SIZE] * _BLOCK_SIZE + drawn % _BLOCK_SIZE
    numbers[fixed] = _FIXED_PREFIX * 10**7 + 1_000_000 + np.arange(np.count_nonzero(fixed))
    return numbers


def _write_accounts(path: Path, lines_of: np.ndarray, rng: np.random.Generator) -> None:
    count = len(lines_of)
    house = rng.integers(1, 400, count)

    def drawn(words: tuple[str, ...]) -> pa.Array:
        return pa.array(words).take(pa.array(rng.integers(0, len(words), count)))

    person = _joined(drawn(_GIVEN), drawn(_SURNAMES))
    firm = _joined(drawn(_FIRMS), drawn(_SURNAMES), pa.array(["Ltd"] * count))
    exempt = (lines_of > 2) & (rng.integers(0, 50, count) == 0)  # consulates and the like
    _write(path, {
        "account_id": _ids("A", np.arange(count)),
        "name": pc.if_else(pa.array(lines_of > 2), firm, person),
        "address": _joined(pa.array(house).cast(pa.string()), drawn(_STREETS)),
        "language": pc.if_else(pa.array(rng.integers(0, 20, count) == 0), "en", "zh"),
        "tax_class": pc.if_else(pa.array(exempt), "exempt", ""),
    })  # fmt: skip


def _write_subscriptions(path: Path, rows: _Lines, account: np.ndarray) -> None:
    national = rows.number - 86 * 10 ** np.where(rows.number >= 86 * 10**11, 11, 10)
    has_sim = rows.number // 10**7 != _FIXED_PREFIX
    # A factor that shares no divisor with 10**9 scatters the IMSIs, and none comes twice.
    imsi = _IMSI_FIRST + rows.line * 715_827_883 % 10**9
    _write(path, {
        "subscription_id": _ids("S", rows.line),
        "account_id": _ids("A", account[rows.line]),
        # Mobile numbers stand as they are dialled, fixed ones with the country code.
        "number": pa.array(np.where(has_sim, national, rows.number)).cast(pa.string()),
        "imsi": pc.if_else(pa.array(has_sim), pa.array(imsi).cast(pa.string()), ""),
        "plan": pa.array(_PLANS).take(pa.array(rows.plan)),
        "status": pa.array(_STATUSES).take(pa.array(rows.status)),
        "valid_from": _days(rows.from_day),
        "valid_to": _days(rows.to_day),
    })  # fmt: skip


def _joined(*columns: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(*columns, " ")


def _ids(letter: str, numbers: np.ndarray) -> pa.Array:
    digits = pc.utf8_lpad(pa.array(numbers + 1).cast(pa.string()), 7, "0")
    return pc.binary_join_element_wise(letter, digits, "-")


def _days(days: np.ndarray) -> pa.Array:
    text = pa.array(days.astype(np.int32), pa.date32()).cast(pa.string())
    return pc.if_else(pa.array(days == _OPEN), "", text)


def _write(path: Path, columns: dict[str, pa.Array]) -> None:
    with path.open("wb") as file:
        file.write(",".join(columns).encode() + b"\n")
        pacsv.write_csv(pa.table(columns), file,
                        pacsv.WriteOptions(include_header=False, quoting_style="none"))
