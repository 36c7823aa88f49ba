"""Rating with memory: kernels against the naive twin, and whatever way a stream is cut."""

from __future__ import annotations

from random import Random

import reference_memory
from conftest import JIT_IS_OFF
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from made_memory import COMPONENTS, MAXIMA, Rig, compiled_of, some_book, some_events, some_world

ACCOUNTS = 8 if JIT_IS_OFF else 350
RECORDS = 60 if JIT_IS_OFF else 1500
EXAMPLES = 4 if JIT_IS_OFF else 60
QUICK = settings(
    max_examples=EXAMPLES, phases=[Phase.generate], print_blob=False,
    suppress_health_check=list(HealthCheck),
)


def made(seed: int, accounts: int, records: int):
    random = Random(seed)
    book, world = some_book(random), some_world(random, accounts)
    return book, Rig(compiled_of(book), world), some_events(random, world, records)


def told(book, rig, events):
    """What the naive twin says, pool by pool."""
    terms, pools, found = rig.world.terms(), {}, {}
    for event in events:
        pools.setdefault(rig.pool_of(event), []).append(event)
    for own in pools.values():
        found |= reference_memory.Twin(book, MAXIMA, terms).rate(own)
    nothing = dict.fromkeys(COMPONENTS, 0)
    return {
        record_id: (one.reason, nothing | one.charges, one.used)
        for record_id, one in found.items()
    }


@QUICK
@given(st.integers(0, 2**32))
def test_kernels_and_twin_agree(seed: int) -> None:
    book, rig, events = made(seed, ACCOUNTS, RECORDS)
    found, _ = rig.rate(events)
    wanted = told(book, rig, events)
    for event in events:
        assert found[event.record_id] == wanted[event.record_id], (seed, event)
