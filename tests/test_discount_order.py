"""Discounts in a book with memory: behind allowances of quantities, before money; conditions on
counters see the totals before each record."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from random import Random

from conftest import JIT_IS_OFF
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from made_memory import (
    KINDS,
    MAXIMA,
    Rig,
    compiled_of,
    some_book,
    some_events,
    some_when,
    some_world,
)
from reference_slots import Event
from test_memory import told

from rating import trace_stored
from rating.memory import State
from rating.trace_steps import Used as Taken
from rating.trace_stored import Stored
from tariffs.memory_model import EXECUTIONS, Action, Chosen, Discount, Used
from tariffs.model import Book
from tariffs.when import Position, When
from tollbook import clock

ACCOUNTS, RECORDS, EXAMPLES = (8, 60, 6) if JIT_IS_OFF else (30, 200, 15)
AMOUNTS = (0, 10_000, 333_333, 10**6)


def some_action(random: Random, book: Book) -> Action:
    kind = random.choice(("percent", "percent", "off", "fixed", "cap", "free", "price"))
    if kind == "percent":
        return Action(kind, amount_nano=random.choice((0, 50 * 10**9, 33_333_333_333)))
    if kind == "price":
        return Action(kind, rate=random.choice(book.plans[0].versions[0].rates).name)
    if kind == "free":
        unit, quantity = random.choice((("second", 60), ("byte", 1500), ("event", 1)))
        return Action(kind, quantity=quantity, unit=unit)
    return Action(kind, amount_micro=random.choice(AMOUNTS))


def some_used(random: Random, book: Book) -> tuple[Used, ...]:
    counters = [one for plan in book.plans for version in plan.versions
                for one in version.memory.counters]  # fmt: skip
    if not counters or random.random() < 0.4:
        return ()
    one = random.choice(counters)
    low = random.choice((0, 0, 1, 100, 10**6))
    return (Used(one.name, low, random.choice((low + 1, low + 500, 2**62)), one.measure),)


def some_discount(random: Random, book: Book, name: str) -> Discount:
    return Discount(
        name, Chosen(plans=random.choice(((), (), ("p",), ("p", "q")))), some_action(random, book),
        some_when(random) if random.random() < 0.3 else When(), Position("d.yaml", 1),
        used=some_used(random, book), priority=random.randint(0, 2),
        components=random.choice(((), (), book.components[:1])),
        execution=random.choice((*EXECUTIONS, "joint", "joint", "best")),
        rounding=random.choice(((), ((2, 3),), ((3, 0), (2, 3)))),
    )  # fmt: skip


@settings(
    max_examples=EXAMPLES, phases=[Phase.generate], deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(st.integers(0, 2**32))
def test_kernels_and_twin_agree(seed: int) -> None:
    random = Random(seed)
    plain, world = some_book(random), some_world(random, ACCOUNTS)
    book = replace(plain, discounts=tuple(
        some_discount(random, plain, f"d{place}") for place in range(random.randint(1, 8))
    ))  # fmt: skip
    rig, events = Rig(compiled_of(book), world), some_events(random, world, RECORDS)
    found, _ = rig.rate(events)
    wanted = told(book, rig, events)
    for event in events:
        assert found[event.record_id] == wanted[event.record_id], (seed, event)


def granted_of(rig: Rig, state: State) -> dict[tuple[str, str, date], int]:
    """What slots were granted, by owner, item and first day, where that has an end."""
    assert rig.compiled.memory is not None
    names, owners = rig.compiled.memory.item_names, rig.owners
    return {
        (owners[KINDS[kind]][owner], names[item], date.fromordinal(clock.EPOCH_DAY + since)): amount
        for kind, owner, item, since, amount in zip(
            state.owner_kind.tolist(), state.owner_index.tolist(), state.item_index.tolist(),
            state.since_day.tolist(), state.granted.tolist(), strict=True)
        if amount >= 0
    }  # fmt: skip


def trace_used(
    event: Event, one: tuple[str, date, int, int], granted: dict[tuple[str, str, date], int]
) -> Taken:
    item, since, before, taken = one
    found = (granted.get((owner, item, since)) for owner in event.owners.values())
    return Taken(item, since, before, taken, next((n for n in found if n is not None), None))


def is_for_plan(one: Discount, plan: str) -> bool:
    return plan in (one.chosen.plans or (plan,))


@settings(
    max_examples=3 if JIT_IS_OFF else 15, phases=[Phase.generate], deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(st.integers(0, 2**32))
def test_what_is_explained_is_what_was_stored(seed: int) -> None:
    """Allowances of money, caps and discounts on the same records; each lands on its charges."""
    random = Random(seed)
    plain, world = some_book(random), some_world(random, ACCOUNTS)
    count = random.randint(0, 5)
    book = replace(plain, discounts=tuple(
        some_discount(random, plain, f"d{place}") for place in range(count)
    ))  # fmt: skip
    rig, events = Rig(compiled_of(book), world), some_events(random, world, RECORDS)
    found, state = rig.rate(events)
    granted = granted_of(rig, state)
    for event in events:
        reason, charges, used = found[event.record_id]
        if not reason:
            stored = Stored(
                book, event.plan, event.facts, MAXIMA,
                [trace_used(event, one, granted) for one in used],
                lambda one, event=event: is_for_plan(one, event.plan), charges,
                [kind for kind, owner in event.owners.items() if owner],
            )  # fmt: skip
            explained = trace_stored.explained(stored)
            assert (explained.reason, dict.fromkeys(charges, 0) | explained.charges) == (
                "", charges), (seed, event)  # fmt: skip
