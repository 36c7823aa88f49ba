"""Rules: every condition, rates by relation, fallback plans, and tables that versions share."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
import reference_rating
from hypothesis import given, settings
from hypothesis import strategies as st
from rating_helpers import batch_of, rate_facts, rows_of, usage_columns

from rating.rate import rate
from rating.trace import Facts
from tariffs.compile_rates import Maxima
from tariffs.compiler import CompiledBook, compile_book
from tariffs.model import Book, Charge, Deck, Plan, Rate, Rule, Tier, Version
from tariffs.when import When
from tollbook import codes, schemas
from tollbook.errors import Refused

ZONES, RELATIONS, ACCESS_CODES = ("010", "020", "030"), ("local", "toll"), ("17910", "17911")
CARRIERS = ("own", "other")
START = 1_055_000_000  # 2003-06-07T15:33:20Z
LOCAL = Rate("local", "second", (Tier(0, 400_000_000, 60, 60),))
TOLL = Rate("toll", "second", (Tier(0, 70_000_000, 6, 6),))


def some(words: tuple[str, ...], *more: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.just(()) | st.lists(
        st.sampled_from((*words, *more)), min_size=1, max_size=3, unique=True
    ).map(tuple)


# Any of seventeen conditions would hardly ever hold, so a rule has up to five.
CONDITIONS: dict[str, st.SearchStrategy[Any]] = {
    "service": some(codes.SERVICES[1:4]), "direction": some(codes.DIRECTIONS[1:4]),
    "roaming": some(codes.ROAMINGS[:3]), "relation": some(RELATIONS), "to_zone": some(ZONES),
    "from_zone": some(ZONES), "home_zone": some(ZONES), "home_relation": some(RELATIONS),
    "carrier": some(CARRIERS), "forward": some(codes.FORWARDS),
    "boundary": some(codes.BOUNDARIES), "access_code": some(ACCESS_CODES, "*", "none"),
    **dict.fromkeys(("on_net", "special", "same_place", "friend", "group"),
                    st.sampled_from([None, True, False])),
}  # fmt: skip
WHENS = st.lists(st.sampled_from(sorted(CONDITIONS)), max_size=5, unique=True).flatmap(
    lambda names: st.builds(When, **{name: CONDITIONS[name] for name in names})
)
RATES = st.sampled_from(["local", "toll", "free"])
TABLES = st.lists(
    st.tuples(st.sampled_from([*RELATIONS, "*"]), RATES), min_size=1, unique_by=lambda row: row[0]
).map(tuple)
CHARGES = st.one_of(
    st.builds(Charge, st.just("airtime"), RATES),
    st.builds(Charge, st.just("airtime"), by_relation=TABLES),
    st.builds(Charge, st.just("airtime"), by_home_relation=TABLES),
    st.just(Charge("airtime", by_zone="zones.csv")),
)
RULES = st.builds(
    Rule, WHENS, CHARGES.map(lambda charge: (charge,)), st.sampled_from([False, False, True])
)
FACTS = st.builds(
    Facts, st.sampled_from(codes.SERVICES[1:4]), st.sampled_from(codes.DIRECTIONS[1:4]),
    st.just(START), st.sampled_from(codes.ROAMINGS[:3]), duration_s=st.just(61),
    **{name: st.sampled_from(("", *RELATIONS)) for name in ("relation", "home_relation")},
    **{name: st.sampled_from(("", *ZONES)) for name in ("other_zone", "served_zone", "home_zone")},
    access_code=st.sampled_from(("", *ACCESS_CODES)), carrier=st.sampled_from(("", *CARRIERS)),
    forward=st.sampled_from(codes.FORWARDS), boundary=st.sampled_from(codes.BOUNDARIES),
    **{name: st.booleans() for name in ("on_net", "special", "same_place", "friend", "group")},
)  # fmt: skip


def version_of(rules: tuple[Rule, ...], **more: Any) -> Version:
    names: dict[str, Any] = {
        "valid_from": date(2003, 1, 1), "valid_to": None, "time_zone": "UTC",
        "decks": (Deck("zones.csv", (("010", "local"), ("020", "free"))),),
    }  # fmt: skip
    return Version(rates=(LOCAL, TOLL), rules=rules, components=("airtime",), **(names | more))


def book_of(**plans: tuple[Version, ...]) -> Book:
    made = tuple(Plan(name, name, "EUR", versions) for name, versions in plans.items())
    return Book(made, ("airtime",))


def compiled_of(book: Book, *plan_ids: str) -> CompiledBook:
    return compile_book(book, ZONES, RELATIONS, ACCESS_CODES, plan_ids, carriers=CARRIERS)


def check(book: Book, facts: list[Facts]) -> CompiledBook:
    """Rate plan p; everything must be as the naive twin has it."""
    compiled = compiled_of(book, "p")
    columns = usage_columns(facts, compiled) | {"plan_index": [0] * len(facts)}
    batch = rate(batch_of(schemas.USAGE, len(facts), columns), compiled).batch
    versions = batch.column("version_index").to_pylist()
    for fact, row, version in zip(facts, rows_of(batch, compiled), versions, strict=True):
        naive = reference_rating.rate(book, "p", fact, Maxima())
        assert (row.reason, row.rule_index) == (naive.reason, naive.rule_index)
        assert row.total == naive.total
        assert compiled.plan_ids[compiled.version_plans[version]] == naive.plan_id
    return compiled


@given(st.lists(RULES, max_size=12), st.lists(FACTS, min_size=1, max_size=20))
def test_the_first_rule_that_holds(rules: list[Rule], facts: list[Facts]) -> None:
    turned = version_of(tuple(rules)[::-1], valid_to=date(2003, 1, 5))
    check(book_of(p=(turned, version_of(tuple(rules), valid_from=date(2003, 1, 5)))), facts)


@settings(max_examples=50)
@given(st.lists(st.lists(RULES, max_size=3), min_size=3, max_size=3),
       st.lists(FACTS, min_size=1, max_size=20))  # fmt: skip
def test_fallback_plans(rules: list[list[Rule]], facts: list[Facts]) -> None:
    """Plan p asks ``later`` (which is not yet in force), q and r; what q would ask is not asked."""
    own, second, third = (tuple(one) for one in rules)
    chain = ("later", "q", "r")
    check(book_of(
        r=(version_of(third),), q=(version_of(second, fallback=("p",)),),
        later=(version_of(third, valid_from=date(2004, 1, 1)),),
        p=(version_of(own, fallback=chain),),
    ), facts)  # fmt: skip


NONE = Rule(When(service=("sms",)), (Charge("airtime", "local"),))
ANY = Rule(When(), (Charge("airtime", "toll"),))
REFUSE = Rule(When(), refuse=True)
MISSES = Rule(When(), (Charge("airtime", by_relation=(("toll", "toll"),)),))
DEAR = replace(ANY, charges=(Charge("airtime", "local"),))


@pytest.mark.parametrize(("own", "other", "reason", "total", "plan"), [
    (NONE, ANY, "", 770_000, "q"),  # no rule: 11 x 0.07 for 61 s
    (MISSES, ANY, "", 770_000, "q"),  # a deck without the relation
    (REFUSE, ANY, "no_rate", 0, "p"),  # who refuses does not ask
    (NONE, REFUSE, "no_rate", 0, "p"),  # nor does anybody after one who refuses
    (NONE, MISSES, "", 800_000, "r"),  # the next one is asked: 2 x 0.40
])  # fmt: skip
def test_who_is_asked(own: Rule, other: Rule, reason: str, total: int, plan: str) -> None:
    book = book_of(p=(version_of((own,), fallback=("q", "r")),), q=(version_of((other,)),),
                   r=(version_of((DEAR,)),))  # fmt: skip
    call = Facts("voice", "out", START, relation="local", duration_s=61)
    compiled = check(book, [call])
    columns = usage_columns([call], compiled) | {"plan_index": [0]}
    batch = rate(batch_of(schemas.USAGE, 1, columns), compiled).batch
    [row] = rows_of(batch, compiled)
    version = batch.column("version_index")[0].as_py()
    assert (row.reason, row.total) == (reason, total)
    assert compiled.plan_ids[compiled.version_plans[version]] == plan


def test_a_charge_that_is_too_large_is_not_asked_again() -> None:
    book = book_of(p=(version_of((NONE,), fallback=("q", "r")),),
                   q=(version_of((ANY,), charge_limit_micro=1),), r=(version_of((DEAR,)),))
    call = Facts("voice", "out", START, duration_s=61)
    [row] = rate_facts([call], [0], compiled_of(book, "p"))
    assert (row.reason, row.total) == ("charge_too_large", 0)


def test_versions_with_the_same_conditions_share_a_table() -> None:
    """Also where their rates differ; one condition more makes another table."""
    rules = (NONE, MISSES, REFUSE)
    other = (NONE, replace(MISSES, charges=(Charge("airtime", "free"),)), REFUSE)
    book = book_of(p=(version_of(rules),), q=(version_of(other),), r=(version_of(rules[1:]),))
    tables = compiled_of(book, "p", "q", "r").tables
    first = tables.versions.versions["first_cell"].tolist()
    assert first[0] == first[1] != first[2]
    assert len(tables.rules.cell) == 2 * 7 * 5 * 4 * (len(RELATIONS) + 1) * 4


def test_versions_begin_and_end_within_a_day() -> None:
    """14:00 in Shanghai is 06:00 UTC; the version before ends in that second."""
    begins = {"time_zone": "Asia/Shanghai", "valid_from": date(2003, 6, 7)}
    book = book_of(p=(
        version_of((DEAR,), time_zone="Asia/Shanghai", valid_to=date(2003, 6, 7),
                   valid_to_s=50_400),
        version_of((ANY,), **begins, valid_from_s=50_400, valid_to=date(2003, 6, 8)),
    ))  # fmt: skip
    compiled = compiled_of(book, "p")
    assert compiled.version_names == ("2003-01-01", "2003-06-07T14:00")
    assert compiled.tables.versions.versions["next_version"].tolist() == [1, -1]
    change = 1_054_965_600  # 2003-06-07T06:00:00Z
    calls = [Facts("voice", "out", at, duration_s=60)
             for at in (change - 1, change, change + 36_000 - 1, change + 36_000)]
    rows = rate_facts(calls, [0] * 4, compiled)
    assert [row.total for row in rows] == [400_000, 700_000, 700_000, 0]
    assert rows[3].reason == "plan_missing"


def test_words_that_nothing_defines() -> None:
    rule = Rule(When(from_zone=("040",), home_relation=("tol",), carrier=("oter",),
                     forward=("buzy",), boundary=("outer",)), (Charge("airtime", "local"),))
    with pytest.raises(Refused) as refused:
        compiled_of(book_of(p=(version_of((rule,), fallback=("gone",)),)), "p")
    text = str(refused.value)
    for found in ("zone '040'", "relation 'tol'", "carrier 'oter'", "reason of forwarding 'buzy'",
                  "boundary 'outer'", "fallback plan 'gone'"):  # fmt: skip
        assert f"{found} is not defined" in text
    nine = version_of((ANY,), fallback=("q",) * 9)
    with pytest.raises(Refused, match="9 fallbacks"):
        compiled_of(book_of(p=(nine,), q=(version_of((ANY,)),)), "p")


def test_rows_passed_by_are_not_asked_again() -> None:
    """A record that came with a reason, or in transit, has no version to fall back from."""
    book = book_of(p=(version_of((NONE,), fallback=("q",)),), q=(version_of((ANY,)),))
    compiled = compiled_of(book, "p")
    calls = [Facts("voice", "out", START, duration_s=60),
             Facts("voice", "transit", START, duration_s=60)]
    columns = usage_columns(calls, compiled) | {"plan_index": [0, -1], "reason": [41, 0]}
    batch = rate(batch_of(schemas.USAGE, 2, columns), compiled).batch
    assert batch.column("reason").to_pylist() == [41, 0]
    assert np.count_nonzero(batch.column("charge_micro")) == 0
