"""Rating with memory: three allowances an account, three components a call, one core."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from statistics import median
from typing import Final

import numpy as np
import pyarrow as pa

from bench.measure import Figure, seconds_of
from bench.options import Options
from rating.grant_kernels import Terms
from rating.memory import Owners, Past, State
from rating.rate import rate
from tariffs.compiler import CompiledBook, compile_book
from tariffs.memory_model import Allowance, Memory
from tariffs.model import ALL_DAYS, Band, Book, Charge, Plan, Rate, Rule, Tier, Version
from tariffs.when import Position, When
from tollbook import clock, codes, schemas
from tollbook.stage import int_array, ints, text_array

RECORDS: Final = 10_000_000
RECORDS_AN_ACCOUNT: Final = 20
BATCH_ROWS: Final = 131_072  # a span of buckets, as the night rates it: whole accounts
BATCHES: Final = 4  # that are measured; all are alike
PLANS: Final = 50
ZONE: Final = "Asia/Shanghai"
MONTH: Final = clock.month_index(2003, 6)
COMPONENTS: Final = (("airtime", 60, 6, 2), ("toll", 6, 6, 3), ("access", 30, 1, 4))
RELATIONS: Final = ("local", "toll", "abroad")
AT: Final = Position("bench", 1)


def book() -> Book:
    """Plans of three bands and two tiers; minutes, minutes of the account to some relations, and
    money for whatever is left."""
    plans = []
    for number in range(PLANS):
        rates = tuple(
            Rate(name, "second", _tiers(400_000_000 + number * 1_000_003, following), (
                Band(ALL_DAYS, 68_400, 82_800, _tiers(300_000_000, following), "evening"),
                Band(ALL_DAYS, 82_800, 86_400, _tiers(200_000_000, following), "night"),
                Band(ALL_DAYS, 0, 25_200, _tiers(200_000_000, following), "night"),
            ), first_increment=first, digits=digits, mode=2)
            for name, first, following, digits in COMPONENTS
        )  # fmt: skip
        names = tuple(rate.name for rate in rates)
        charges = tuple(Charge(name, name) for name in names)
        version = Version(
            date(2003, 1, 1), None, ZONE, rates, (Rule(When(), charges),), names,
            memory=Memory((
                Allowance("minutes", "second", 1800 + 60 * number, When(), AT,
                          covers=("airtime",), increment=60),
                Allowance("family", "second", 3600, When(relation=("local", "toll")), AT,
                          owner="account", priority=1),
                Allowance("credit", "money", 5_000_000, When(), AT),
            )),
        )  # fmt: skip
        plans.append(Plan(f"plan-{number:02d}", "", "CNY", (version,)))
    return Book(tuple(plans), tuple(name for name, *_ in COMPONENTS))


def _tiers(price_nano: int, increment: int) -> tuple[Tier, ...]:
    return Tier(0, price_nano, 60, increment), Tier(600, price_nano * 4 // 5, 60, increment)


def compiled() -> CompiledBook:
    """The same as arrays."""
    text = book()
    return compile_book(text, ("010",), RELATIONS, (), [plan.plan_id for plan in text.plans])


def batches(count: int, rows: int) -> Iterator[tuple[pa.RecordBatch, Owners]]:
    """Usage of whole accounts in the order of files; every account has two subscriptions."""
    for number in range(count):
        rng = np.random.Generator(np.random.PCG64(number))
        accounts = rows // RECORDS_AN_ACCOUNT
        account = rng.integers(0, accounts, rows).astype(np.int32)
        subscription = (account * 2 + rng.integers(0, 2, rows)).astype(np.int32)
        start = clock.period_bounds_utc_s(MONTH, ZONE)[0] + rng.integers(0, 28 * 86_400, rows)
        lasts = np.minimum(rng.lognormal(4.2, 1.2, rows).astype(np.int64), 7200)
        columns = {
            "record_id": np.arange(rows, dtype=np.int64), "start_utc_s": start,
            "duration_s": lasts, "service": np.full(rows, codes.VOICE, np.int8),
            "direction": np.full(rows, codes.OUT, np.int8),
            "plan_index": (account % PLANS).astype(np.int32),
            "relation_index": rng.choice(3, rows, p=[0.7, 0.2, 0.1]).astype(np.int16),
            "account_index": account, "subscription_index": subscription,
            "dedupe_hash": rng.integers(1, 2**62, rows),
            "bill_period": np.full(rows, MONTH, np.int32),
        }  # fmt: skip
        yield _batch(columns, rows), Owners(
            account, subscription, account, np.full(rows, -1, np.int32),
            (_terms(accounts * 2, 1), _terms(accounts, 2), _terms(0, 1)),
        )  # fmt: skip


def _terms(owners: int, members: int) -> Terms:
    """Owners whose members have been on their plan for years."""
    rows = owners * members
    member = np.arange(rows, dtype=np.int32)
    plan = (member // 2 % PLANS).astype(np.int32)
    ones = np.ones(rows, np.int32)
    return Terms(np.arange(owners + 1) * members, plan, ones * 10_000, ones * 100_000, member)


def _batch(columns: dict[str, np.ndarray], rows: int) -> pa.RecordBatch:
    found = []
    for field in schemas.USAGE:
        if pa.types.is_string(field.type):
            found.append(text_array(np.zeros(rows + 1, np.int32), np.zeros(0, np.uint8)))
        else:
            blank = np.zeros(rows, field.type.to_pandas_dtype())
            found.append(int_array(columns.get(field.name, blank)))
    return pa.RecordBatch.from_arrays(found, schema=schemas.USAGE)


def check(batch: pa.RecordBatch, after: State, before: pa.RecordBatch, tables: CompiledBook) -> int:
    """What records say that they used is what their slots have used, and money paid from credit is
    what they cost less; returns the sum of charges."""
    flat = batch.column("used").flatten()
    item, taken = (np.asarray(flat.field(name)) for name in ("item", "taken"))
    assert tables.memory is not None
    for number, name in enumerate(tables.memory.item_names):
        in_state = int(after.used[after.item_index == number].sum())
        assert in_state == int(taken[item == number].sum()), name
    assert (after.used <= after.granted).all()
    charged = int(ints(batch, "charge_micro").sum())
    assert 0 < charged < int(ints(before, "charge_micro").sum())
    return charged


def figures(options: Options) -> list[Figure]:
    """One core; every batch begins with nothing used."""
    tables = compiled()
    made = list(batches(BATCHES, BATCH_ROWS))
    pasts = [Past(owners, State.empty()) for _, owners in made]
    for (batch, _), past in zip(made, pasts, strict=True):
        result = rate(batch, tables, past)
        check(result.batch, result.state, rate(batch, tables).batch, tables)

    def work() -> int:
        return sum(rate(batch, tables, past).totals["charge_micro"]
                   for (batch, _), past in zip(made, pasts, strict=True))  # fmt: skip

    seconds = median(seconds_of(work) for _ in range(options.repeat))
    records = BATCHES * BATCH_ROWS
    return [
        Figure("rating_memory", "rating with memory, three allowances and components, one core",
               records / seconds / 1e6, "M records/s", 2, 4,
               note=f"accounts of {RECORDS_AN_ACCOUNT} records, as {RECORDS:,} records of "
               f"{RECORDS // RECORDS_AN_ACCOUNT:,} accounts; {PLANS} plans"),
    ]  # fmt: skip
