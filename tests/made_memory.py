"""Books with memory, accounts, groups and their records, made at random but for their seed.

Features are crossed at random. Times lie near midnights, ends of months and a moved clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from rating_helpers import batch_of, usage_columns
from reference_slots import Event, Term

from rating.grant_kernels import Terms
from rating.memory import Owners, Past, State
from rating.rate import rate
from rating.trace import Facts
from tariffs.compile_rates import Maxima
from tariffs.compiler import CompiledBook, compile_book
from tariffs.memory_model import (
    MODES,
    PRORATIONS,
    Allowance,
    Cap,
    Counter,
    Memory,
    Over,
    Prorate,
    Span,
)
from tariffs.model import ALL_DAYS, Band, Book, Charge, Plan, Rate, Rule, Tier, Version
from tariffs.when import Position, When
from tollbook import clock, reasons, schemas

ZONE = "Europe/Berlin"
FIRST, LAST = date(2003, 1, 1), date(2004, 1, 1)
TURN = date(2003, 3, 20)  # where versions and plans change
DAYS = (date(2003, 1, 31), date(2003, 2, 1), date(2003, 2, 28), date(2003, 3, 1), TURN,
        date(2003, 3, 30), date(2003, 3, 31), date(2003, 4, 1))  # fmt: skip
COMPONENTS = ("air", "toll", "bytes", "texts")
UNIT_OF = {"air": "second", "toll": "second", "bytes": "byte", "texts": "event"}
MAXIMA = Maxima(duration_s=864_000, volume_bytes=10**9, event_count=1000)
KINDS = ("subscription", "account", "group")
CENT = 10**7
AT = Position("made", 1)


def some_tiers(random: Random, unit: str, most: int, least: int = 0) -> tuple[Tier, ...]:
    length = {"second": (30, 60, 7), "byte": (1000, 4096), "event": (1, 2)}[unit]
    span = {"second": 400, "byte": 9000, "event": 6}[unit]
    starts = [0, *sorted(random.sample(range(1, span), random.randint(least, most)))]
    return tuple(
        Tier(at, random.choice((0, CENT, 3 * CENT, 333_333_333)), random.choice(length),
             random.choice(length)) for at in starts
    )  # fmt: skip


def some_rate(random: Random, name: str, unit: str, over: Over | None) -> Rate:
    is_plain, pick = random.random() < 0.5, random.choice
    border = pick(("unit", "restart", "end", "cheapest")) if unit == "second" else ""
    bands = ()
    if not is_plain:
        cut = pick((25_200, 64_800))
        bands = (Band(ALL_DAYS, 0, cut, some_tiers(random, unit, 1), "b"),)
    apart = unit == "byte" and over is None and pick((False, True))
    has_minimum = over is None and not apart and not is_plain
    return Rate(
        name, unit, some_tiers(random, unit, 2, 1) if over else some_tiers(random, unit, 1),
        bands, at=AT,
        first_increment=pick((0, 0, 60)), connect_nano=pick((0, CENT)),
        minimum_nano=pick((0, 0, 2 * CENT)), maximum_nano=pick((0, 0, 50 * CENT)),
        short_call=0 if over else pick((0, 0, 3)), digits=pick((2, 4, 6)), mode=pick((0, 2, 4)),
        border="" if is_plain else border, apart=apart,
        free_quantity=0 if is_plain or apart or over else pick((0, 20)),
        minimum_quantity=pick((0, 45)) if has_minimum else 0, over=over,
    )  # fmt: skip


def some_span(random: Random) -> Span:
    kind = random.choice(("month", "month", "month", "day", "days", "once"))
    low, high = random.choice(((None, None), (None, None), (date(2003, 2, 1), date(2003, 3, 31))))
    return Span(kind, random.choice((7, 30)) if kind == "days" else 0, low, high)


def some_when(random: Random) -> When:
    return random.choice((
        When(), When(), When(relation=("near",)), When(on_net=False), When(friend=True),
        When(direction=("out",)), When(to_zone=("010",)), When(service=("voice",)),
    ))  # fmt: skip


def some_covers(random: Random, measure: str) -> tuple[str, ...]:
    fits = [c for c in COMPONENTS if measure in ("money", UNIT_OF[c])]
    return () if random.random() < 0.6 else tuple(random.sample(fits, random.randint(1, len(fits))))


def some_allowance(random: Random, name: str, rates: Sequence[Rate]) -> Allowance:
    pick = random.choice
    measure, span = pick(("second", "second", "byte", "event", "money")), some_span(random)
    is_money, mode = measure == "money", pick(("partial", "partial", "partial", *MODES))
    amount = {"second": (0, 90, 600, 3000), "byte": (5000, 50_000), "event": (1, 5),
              "money": (10_000, 500_000)}[measure]  # fmt: skip
    fitting = ["", "", "", *(r.name for r in rates if r.unit == measure and r.over is None)]
    rolls = span.kind != "once" and mode != "threshold" and random.random() < 0.4
    months = span.kind == "month"
    return Allowance(
        name, measure, -1 if not rolls and random.random() < 0.05 else pick(amount),
        some_when(random), AT, some_covers(random, measure),
        increment=pick((1, 1, 60, 1000)), owner=pick(KINDS), span=span,
        priority=pick((0, 0, 1)), mode=mode, rest=pick(("after", "start")),
        price="" if is_money or mode == "threshold" else pick(fitting),
        per_member=random.random() < 0.2,
        prorate=Prorate(
            pick(PRORATIONS if months else ("none",) if span.kind == "once" else PRORATIONS[:2]),
            pick((0, 900_000_000)), pick((0, 1, 2)), pick((1, 60)),
        ),
        rollover_limit=pick((60, 10**6)) if rolls else 0,
        rollover_spans=pick((1, 2)) if rolls else 0,
    )  # fmt: skip


def with_draws(random: Random, allowances: list[Allowance]) -> tuple[Allowance, ...]:
    """Some allowances draw on one that stands behind them."""
    found = []
    for place, one in enumerate(allowances):
        others = [
            other.name for other in allowances[place + 1 :] if other.measure == one.measure
            and other.measure != "money" and other.mode != "threshold"
        ]  # fmt: skip
        draws = random.choice(others) if others and random.random() < 0.4 else ""
        found.append(replace(one, draws_on=draws) if one.mode != "threshold" else one)
    return tuple(found)


def some_memory(random: Random, rates: Sequence[Rate]) -> Memory:
    pick = random.choice
    names = random.sample("abcdef", random.randint(1, 4))
    caps = tuple(
        Cap(f"cap{n}", pick((0, 100_000, 2_000_000)), some_when(random), AT,
            some_covers(random, "money"), pick(KINDS), some_span(random), pick((0, 1)),
            pick(("", *(r.name for r in rates if r.over is None))))
        for n in range(random.randint(0, 2))
    )  # fmt: skip
    counters = tuple(
        Counter(f"count{n}", pick(("second", "byte", "event", "money")), some_when(random), AT,
                pick(KINDS), some_span(random))
        for n in range(random.randint(0, 2))
    )  # fmt: skip
    return Memory(
        with_draws(random, [some_allowance(random, name, rates) for name in names]), counters,
        caps, pick(((), (), ("toll",))),
    )  # fmt: skip


def some_version(random: Random, low: date, high: date, is_own: bool) -> Version:
    splits = random.random() < 0.2
    rates = []
    for component, unit in UNIT_OF.items():
        over = None
        if not splits and random.random() < 0.3:
            over = Over(random.choice(KINDS), some_span(random))
        rates.append(some_rate(random, f"{component}1", unit, over))
    charges = tuple(Charge(name, f"{name}1") for name in COMPONENTS)
    rules = [
        Rule(When(service=("voice",)), charges[: random.randint(1, 2)]),
        Rule(When(service=("data",)), (charges[2],)),
        Rule(When(service=("sms",)), (charges[3],)),
    ]  # fmt: skip
    if is_own and random.random() < 0.3:
        rules.pop(random.randrange(3))  # the fallback prices it
    if random.random() < 0.3:
        rules.insert(0, Rule(When(relation=("far",), special=True), refuse=True))
    return Version(
        low, high, ZONE, tuple(rates), tuple(rules), COMPONENTS, at=AT,
        charge_limit_micro=random.choice((10**12, 10**12, 3_000_000)),
        fallback=("base",) if is_own else (), version_change="split" if splits else "start",
        memory=some_memory(random, rates),
    )  # fmt: skip


def alike(random: Random, versions: list[Version]) -> tuple[Version, ...]:
    """The items of the same name in a later version are told apart, or go on with other amounts."""
    found = versions[:1]
    for number, version in enumerate(versions[1:], 1):
        memory = version.memory
        if random.random() < 0.5 and not any(one.price for one in found[0].memory.allowances):
            allowances = tuple(
                replace(one, amount=one.amount if one.amount < 0 else one.amount * 2)
                for one in found[0].memory.allowances
            )  # fmt: skip
            memory = replace(memory, allowances=allowances)
        else:
            names = {one.name: f"{one.name}{number}" for one in memory.allowances}
            memory = replace(memory, allowances=tuple(
                replace(one, name=names[one.name], draws_on=names.get(one.draws_on, ""))
                for one in memory.allowances
            ))  # fmt: skip
        memory = replace(
            memory, caps=tuple(replace(one, name=f"{one.name}{number}") for one in memory.caps),
            counters=tuple(replace(one, name=f"{one.name}{number}") for one in memory.counters),
        )  # fmt: skip
        rates = {rate.name: rate.over for rate in found[0].rates}
        kept = tuple(
            replace(rate, over=rates[rate.name])
            if rate.over and rates.get(rate.name) else rate for rate in version.rates
        )  # fmt: skip
        found.append(replace(version, memory=memory, rates=kept))
    return tuple(found)


def some_book(random: Random) -> Book:
    """Plans p and q, of one or two versions, which fall back on base."""
    plans = []
    for plan_id in ("p", "q", "base"):
        spans = random.choice((((FIRST, LAST),), ((FIRST, TURN), (TURN, LAST))))
        versions = [some_version(random, low, high, plan_id != "base") for low, high in spans]
        plans.append(Plan(plan_id, plan_id, "EUR", alike(random, versions)))
    return Book(tuple(plans), COMPONENTS)


@dataclass(frozen=True)
class World:
    """Who there is: rows of subscriptions (member, account, plan, since, until), and groups."""

    rows: tuple[tuple[str, str, str, date, date], ...]
    group_of: dict[str, str]  # by account; "": none

    def terms(self) -> dict[tuple[str, str], list[Term]]:
        found: dict[tuple[str, str], list[Term]] = {}
        for member, account, plan, since, until in self.rows:
            term = Term(member, plan, since, until)
            keys = [("subscription", member), ("account", account)]
            if self.group_of[account]:
                keys.append(("group", self.group_of[account]))
            for key in keys:
                found.setdefault(key, []).append(term)
        return found


def some_world(random: Random, accounts: int) -> World:
    """Accounts of one or two subscriptions; some change their plan, some begin within a month."""
    rows, group_of = [], {}
    for number in range(accounts):
        account = f"A{number:04d}"
        group_of[account] = f"G{number // 3}" if random.random() < 0.4 else ""
        for which in range(random.choice((1, 1, 2))):
            member = f"{account}-{which}"
            begin = random.choice((FIRST, FIRST, FIRST, date(2003, 2, 16), date(2003, 2, 15),
                                   date(2003, 3, 10)))  # fmt: skip
            end = random.choice((LAST, LAST, date(2003, 3, 31)))
            plans = random.choice((("p",), ("q",), ("p", "q")))
            cuts = [begin, *([TURN] if len(plans) > 1 else []), end]
            rows += [(member, account, plan, low, high)
                     for plan, low, high in zip(plans, cuts, cuts[1:], strict=False)]  # fmt: skip
    return World(tuple(rows), group_of)


def some_events(random: Random, world: World, count: int) -> list[Event]:
    """Records of those who are in force at their start; bills of a month may be closed."""
    found = []
    pick, zone = random.choice, ZoneInfo(ZONE)
    while len(found) < count:
        member, account, plan, low, high = pick(world.rows)
        day = pick(DAYS) + timedelta(random.randint(-1, 1))
        if not low <= day < high:
            continue
        second = pick((0, 25_190, 64_790, 86_390, random.randrange(86_400)))
        start = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(seconds=second)
        local = datetime.fromtimestamp(int(start.timestamp()), zone).date()
        if not low <= local < high:
            continue
        service = pick(("voice", "voice", "voice", "data", "sms"))
        facts = Facts(
            service, pick(("out", "in")), int(start.timestamp()), relation=pick(("near", "far")),
            other_zone=pick(("", "010", "020")), on_net=pick((False, True)),
            special=pick((False, False, True)), friend=pick((False, True)),
            duration_s=pick((0, 1, 45, 125, 300, random.randint(0, 900))) * (service != "sms"),
            up_bytes=pick((0, 1, 3000, 20_000)) if service == "data" else 0,
            down_bytes=pick((0, 1500, 9000)) if service == "data" else 0,
            event_count=pick((0, 1, 2, 4)) if service == "sms" else 0,
        )  # fmt: skip
        month = local.replace(day=1)
        if month < date(2003, 2, 1):
            month = date(2003, 2, 1)  # January is closed
        group = world.group_of[account]
        found.append(Event(
            len(found) + 1, pick((7, 8, random.randrange(2**40))), plan,
            {"subscription": member, "account": account, "group": group}, month, facts,
        ))  # fmt: skip
    return found


def day_number(day: date) -> int:
    return day.toordinal() - clock.EPOCH_DAY


@dataclass(frozen=True)
class Rig:
    """A compiled book, a world, and the indices that stand for its owners."""

    compiled: CompiledBook
    world: World

    @property
    def owners(self) -> dict[str, list[str]]:
        terms = self.world.terms()
        return {kind: sorted({name for k, name in terms if k == kind}) for kind in KINDS}

    def terms(self) -> tuple[Terms, Terms, Terms]:
        by_owner, owners, made = self.world.terms(), self.owners, []
        members = owners["subscription"]
        for kind in KINDS:
            rows, first = [], [0]
            for owner in owners[kind]:
                rows += sorted(
                    (members.index(term.member), day_number(term.since), day_number(term.until),
                     self.compiled.plan_ids.index(term.plan))
                    for term in by_owner[kind, owner]
                )  # fmt: skip
                first.append(len(rows))
            columns = np.array(rows, np.int32).reshape(-1, 4).T
            made.append(Terms(
                np.array(first, np.int64), columns[3].copy(), columns[1].copy(),
                columns[2].copy(), columns[0].copy(),
            ))  # fmt: skip
        return made[0], made[1], made[2]

    def pool_of(self, event: Event) -> str:
        return event.owners["group"] or event.owners["account"]

    def owners_of(self, events: Sequence[Event]) -> Owners:
        owners = self.owners
        index = {kind: {name: n for n, name in enumerate(owners[kind])} for kind in KINDS}
        pools = {name: n for n, name in enumerate(sorted({self.pool_of(e) for e in events}))}
        columns = [
            np.array([index[kind].get(event.owners[kind], -1) for event in events], np.int32)
            for kind in KINDS
        ]
        pool = np.array([pools[self.pool_of(event)] for event in events], np.int32)
        return Owners(pool, *columns, self.terms())

    def batch(self, events: Sequence[Event]) -> pa.RecordBatch:
        plans = [self.compiled.plan_ids.index(event.plan) for event in events]
        columns = usage_columns([event.facts for event in events], self.compiled) | {
            "plan_index": plans, "record_id": [event.record_id for event in events],
            "dedupe_hash": [event.dedupe_hash for event in events],
            "bill_period": [
                clock.month_index(e.bill_month.year, e.bill_month.month) for e in events
            ],
        }  # fmt: skip
        return batch_of(schemas.USAGE, len(events), columns)

    def rate(self, events: Sequence[Event], state: State | None = None
             ) -> tuple[dict[int, tuple[object, ...]], State]:
        """What the product says of records, by id, and the state after them."""
        past = Past(self.owners_of(events), state or State.empty())
        result = rate(self.batch(events), self.compiled, past)
        found = {}
        items = self.compiled.items
        for row in result.batch.to_pylist():
            used = [
                (items[one["item"]], date.fromordinal(clock.EPOCH_DAY + one["since_day"]),
                 one["before"], one["taken"]) for one in row["used"]
            ]  # fmt: skip
            columns = zip(self.compiled.components, schemas.CHARGE_COLUMNS, strict=False)
            charges = {name: row[column] for name, column in columns}
            reason = reasons.name_of(row["reason"]) if row["reason"] else ""
            found[row["record_id"]] = (reason, charges, used)
            assert row["charge_micro"] == sum(charges.values())
        return found, result.state


def compiled_of(book: Book) -> CompiledBook:
    plan_ids = [plan.plan_id for plan in book.plans]
    return compile_book(book, ("010", "020"), ("near", "far"), (), plan_ids, MAXIMA)

