"""Rating with memory: kernels against the naive twin, and whatever way a stream is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from random import Random

import numpy as np
import pyarrow as pa
import pytest
import reference_memory
from conftest import JIT_IS_OFF
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from made_memory import (
    AT,
    COMPONENTS,
    MAXIMA,
    TURN,
    Rig,
    compiled_of,
    some_book,
    some_events,
    some_world,
)
from reference_slots import Event

from rating.memory import State
from tariffs.memory_model import Allowance, Cap, Memory, Over, Span
from tariffs.model import Book
from tariffs.when import When
from tollbook.errors import Refused

ACCOUNTS, RECORDS, EXAMPLES = (8, 60, 4) if JIT_IS_OFF else (430, 800, 60)
WANTED = 25 if JIT_IS_OFF else 20_000  # accounts with records, in all
QUICK = settings(
    max_examples=EXAMPLES, phases=[Phase.generate], print_blob=False,
    suppress_health_check=list(HealthCheck),
)
Told = dict[int, tuple[object, ...]]


def made(seed: int, accounts: int, records: int) -> tuple[Book, Rig, list[Event]]:
    random = Random(seed)
    book, world = some_book(random), some_world(random, accounts)
    return book, Rig(compiled_of(book), world), some_events(random, world, records)


def told(book: Book, rig: Rig, events: Sequence[Event]) -> Told:
    """What the naive twin says, pool by pool."""
    terms, pools = rig.world.terms(), {}
    for event in events:
        pools.setdefault(rig.pool_of(event), []).append(event)
    found = {}
    for own in pools.values():
        found |= reference_memory.Twin(book, MAXIMA, terms).rate(own)
    nothing = dict.fromkeys(COMPONENTS, 0)
    return {
        record_id: (one.reason, nothing | one.charges, one.used)
        for record_id, one in found.items()
    }


def test_kernels_and_twin_agree() -> None:
    """On every record, what it costs and what it used of which slot, to the last unit."""
    seen = set()

    @QUICK
    @given(st.integers(0, 2**32))
    def agree(seed: int) -> None:
        book, rig, events = made(seed, ACCOUNTS, RECORDS)
        found, state = rig.rate(events)
        wanted = told(book, rig, events)
        for event in events:
            assert found[event.record_id] == wanted[event.record_id], (seed, event)
        assert sums(found) == balances(rig, state)
        seen.update((seed, event.owners["account"]) for event in events)

    agree()
    assert len(seen) >= WANTED


def sums(found: Told) -> dict[str, int]:
    """What all records say that they took, by item."""
    taken: dict[str, int] = {}
    for _, _, used in found.values():
        for item, _, _, amount in used:
            taken[item] = taken.get(item, 0) + amount
    return taken


def balances(rig: Rig, state: State) -> dict[str, int]:
    """What all slots say was taken from them, by item."""
    assert rig.compiled.memory is not None
    names = rig.compiled.memory.item_names
    taken: dict[str, int] = {}
    for item, used in zip(state.item_index.tolist(), state.used.tolist(), strict=True):
        taken[names[item]] = taken.get(names[item], 0) + used
    return taken


def equal(one: State, other: State) -> bool:
    return one.batch().equals(other.batch())


@settings(QUICK, max_examples=2 if JIT_IS_OFF else 12)
@given(st.integers(0, 2**32))
def test_order_buckets_and_nights_change_nothing(seed: int) -> None:
    """Rows in another order, pools in batches of their own, and nights in which nothing is late."""
    _, rig, events = made(seed, 30 if not JIT_IS_OFF else 6, 300 if not JIT_IS_OFF else 40)
    whole, state = rig.rate(events)
    mixed = Random(seed).sample(events, len(events))
    found, after = rig.rate(mixed)
    assert found == whole
    assert equal(after, state)
    buckets = [
        [event for event in mixed if sum(map(ord, rig.pool_of(event))) % 3 == bucket]
        for bucket in range(3)
    ]
    pieces = [rig.rate(bucket) for bucket in buckets if bucket]
    assert {key: row for found, _ in pieces for key, row in found.items()} == whole
    assert sum(len(after) for _, after in pieces) == len(state)
    ordered, after, found = sorted(mixed, key=lambda event: event.order), State.empty(), {}
    nights = sorted(Random(seed).sample(range(1, len(ordered)), 3))
    for low, high in zip([0, *nights], [*nights, len(ordered)], strict=True):
        one, after = rig.rate(ordered[low:high], after)
        found |= one
    assert found == whole
    assert equal(after, state)


def test_a_state_survives_arrow() -> None:
    _, rig, events = made(5, 6, 40)
    _, state = rig.rate(events)
    assert len(state) > 0
    assert equal(State.of(pa.RecordBatch.from_pylist(
        state.batch().to_pylist(), schema=state.batch().schema)), state)  # fmt: skip
    assert (np.diff(state.owner_kind) >= 0).all()


def refused(memory: Memory, **more: object) -> str:
    """The message about a version with these items."""
    book = some_book(Random(1))
    plan = book.plans[0]
    first = replace(plan.versions[0], memory=memory, valid_to=TURN, **more)
    second = replace(first, valid_from=TURN, valid_to=None, memory=Memory())
    plans = (replace(plan, versions=(first, second)), *book.plans[1:])
    with pytest.raises(Refused) as caught:
        compiled_of(replace(book, plans=plans))
    return str(caught.value)


def test_what_could_not_be_exact_is_refused() -> None:
    def one(**more: object) -> Allowance:
        return Allowance(**{"name": "a", "measure": "second", "amount": 60, "when": When(),
                            "at": AT} | more)  # type: ignore[arg-type]  # fmt: skip

    for allowance, words in (
        (one(amount=10**19), "allowance 'a' of 10000000000000000000"),
        (one(increment=0), "used in steps of 0"),
        (one(price="nothing"), "the price 'nothing'"),
        (one(price="bytes1"), "in the unit of the allowance"),
        (one(draws_on="b"), "draws on 'b'"),
        (one(draws_on="a"), "draws on itself"),
        (one(covers=("air", "sea")), "covers 'sea'"),
        (one(span=Span("days", 0)), "holds for 0 days"),
        (one(rollover_spans=13), "goes on for 13 spans"),
    ):
        assert words in refused(Memory((allowance,))), words
    many = tuple(one(name=f"a{number}") for number in range(63))
    assert "63 items" in refused(Memory(many))
    assert "cap 'c'" in refused(Memory(caps=(Cap("c", -1, When(), AT),)))
    book = some_book(Random(1))
    rates = tuple(replace(rate, over=None) for rate in book.plans[0].versions[0].rates)
    tiered = replace(rates[0], over=Over(settle="whole"), tiers=(
        rates[0].tiers[0], replace(rates[0].tiers[0], from_quantity=60)),
        short_call=0, free_quantity=0, minimum_quantity=0, bands=())  # fmt: skip
    assert "settled whole and charged for 'air', which is discountable" in refused(
        Memory(), rates=(tiered, *rates[1:]))  # fmt: skip


def test_an_item_that_changes_its_span_is_refused() -> None:
    book = some_book(Random(1))
    item = Allowance("a", "second", 60, When(), AT)
    first = replace(book.plans[0].versions[0], valid_to=TURN, memory=Memory((item,)))
    later = replace(first, valid_from=TURN, valid_to=date(2004, 1, 1),
                    memory=Memory((replace(item, span=Span("day")),)))  # fmt: skip
    plans = (replace(book.plans[0], versions=(first, later)), *book.plans[1:])
    with pytest.raises(Refused, match="another unit, owner or span"):
        compiled_of(replace(book, plans=plans))
