"""Allowances, counters, caps and tiers of a period: from text to what it means, and to words."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tariff_books import KNOWN, ROOT, load
from test_write import plain

from tariffs import book, show, words_memory
from tariffs.book import Known
from tariffs.book_memory import read_memory
from tariffs.book_memory_join import joined_memory
from tariffs.diff import changes
from tariffs.grammar import KEYS
from tariffs.memory_model import (
    LATES,
    MEASURES,
    MODES,
    RESTS,
    Allowance,
    Cap,
    Counter,
    Memory,
    Over,
    Prorate,
    Span,
)
from tariffs.model import Book, Version
from tariffs.when import Position, When
from tariffs.write_memory import memory_lines
from tollbook.money import ROUND_DOWN, ROUND_UP, ROUNDING_MODES
from tollbook.text import Problems, Reader, parse_yaml

FOLDER = ROOT / "tests" / "cases" / "remembered"
EUR = Known(currency="EUR", time_zone="Europe/Berlin")
GIB, MINUTE = 2**30, 60


@pytest.fixture(scope="module")
def everything() -> Version:
    return load(FOLDER, EUR).plan("everything").versions[0]


def told(one: Allowance) -> dict[str, object]:
    """What differs from the defaults, beside name, amount and conditions."""
    plain = Allowance("", "", 0, one.when, one.at)
    return {
        field.name: getattr(one, field.name) for field in fields(one)
        if getattr(one, field.name) != getattr(plain, field.name)
    }  # fmt: skip


# name -> all that it says; amounts in seconds, bytes, events or millionths
ALLOWANCES: dict[str, dict[str, object]] = {
    "minutes": {"measure": "second", "amount": 170 * MINUTE, "covers": ("airtime", "toll"),
                "increment": 60, "priority": 10,
                "prorate": Prorate("days", 900_000_000, ROUND_DOWN, MINUTE),
                "rollover_limit": 6000, "rollover_spans": 2},
    "hours": {"measure": "second", "amount": 7200,
              "prorate": Prorate("half_month", 0, ROUND_UP, MINUTE)},
    "rest": {"measure": "second", "amount": 90, "covers": ("toll",), "increment": 30,
             "rest": "start", "span": Span("day")},
    "open": {"measure": "second", "amount": 600, "mode": "overrun",
             "prorate": Prorate("days", unit_size=MINUTE),
             "span": Span("once", 0, date(2003, 5, 1), date(2003, 6, 1))},
    "first": {"measure": "event", "amount": 100, "mode": "threshold", "owner": "group"},
    "pool": {"measure": "byte", "amount": 20 * GIB, "increment": 1024, "owner": "account",
             "per_member": True, "span": Span("days", 30), "rollover_limit": 5 * GIB,
             "rollover_spans": 1},
    "abroad": {"measure": "byte", "amount": 3_000_000, "increment": 1024, "owner": "account",
               "span": Span("days", 30), "draws_on": "pool", "price": "surcharge"},
    "anywhere": {"measure": "byte", "amount": -1, "owner": "account", "span": Span("days", 30),
                 "draws_on": "pool", "priority": -5},
    # 50.00 is written in hundredths; without a limit all of it rolls over: 3 x 50.00
    "money": {"measure": "money", "amount": 50_000_000, "span": Span(valid_to=date(2004, 1, 1)),
              "prorate": Prorate("days", unit_size=10_000), "rollover_limit": 150_000_000,
              "rollover_spans": 3},
}  # fmt: skip


@pytest.mark.parametrize("name", ALLOWANCES)
def test_an_allowance_says(everything: Version, name: str) -> None:
    one = next(one for one in everything.memory.allowances if one.name == name)
    assert told(one) == {"name": name} | ALLOWANCES[name]


def test_the_rest_of_what_remembers(everything: Version) -> None:
    memory = everything.memory
    assert (memory.late, memory.not_discountable) == (
        "rerate", ("information", "premium"))  # fmt: skip
    assert [(one.name, one.measure, one.owner, one.span, one.covers)
            for one in memory.counters] == [
        ("seconds", "second", "subscription", Span(), ()),
        ("spent", "money", "account", Span("day"), ("airtime", "toll")),
        ("always", "byte", "subscription", Span("once"), ()),
    ]  # fmt: skip
    assert [(one.name, one.amount_micro, one.span.kind, one.priority, one.beyond)
            for one in memory.caps] == [
        ("day", 5_000_000, "day", 3, "local"), ("all", 100_000_000, "month", 0, ""),
    ]  # fmt: skip
    assert everything.rate("toll").over == Over()
    assert everything.rate("data").over == Over("account", Span("days", 30))
    assert everything.rate("extra").over == Over("account", Span(), "whole")


PARENT = """\
plan: basic
valid: {from: 2003-01-01, to: 2004-01-01}
not_discountable: toll
late: rerate
rates:
  local: {per: 60s, price: 0.40}
  toll: {per: 6s, price: 0.07}
rules:
  - {when: {service: voice}, charge: {airtime: local, toll: toll}}
  - {otherwise: refuse}
allowances:
  - {name: minutes, amount: 100min, covers: airtime, increment: 60s}
  - {name: gift, amount: 10min, covers: airtime, increment: 60s}
caps: [{name: month, amount: 50.00}]
"""
CHILD = """\
plan: better
extends: basic.yaml
valid: {from: 2003-01-01}
late: arrival
allowances:
  - {name: minutes, amount: 200min, covers: airtime, increment: 60s}
  - {name: gift, drop: yes}
  - {name: more, amount: unlimited, covers: airtime, increment: 60s, draws_on: minutes}
counters: [{name: calls, measure: seconds, when: {service: voice}}]
"""


def family(folder: Path, child: str = CHILD) -> Book:
    (folder / "basic.yaml").write_text(PARENT)
    (folder / "better.yaml").write_text(child)
    return load(folder)


def test_items_are_taken_over_by_name(tmp_path: Path) -> None:
    memory = family(tmp_path).plan("better").versions[0].memory
    assert [(one.name, one.measure, one.amount) for one in memory.allowances] == [
        ("minutes", "second", 12_000), ("more", "second", -1)]  # fmt: skip
    assert [one.at.file for one in memory.allowances] == ["tariffs/better.yaml"] * 2
    assert ([one.name for one in memory.counters], [one.name for one in memory.caps]) == (
        ["calls"], ["month"])  # fmt: skip
    assert (memory.late, memory.not_discountable) == ("arrival", ("toll",))


def test_items_in_words(everything: Version) -> None:
    plan = replace(load(FOLDER, EUR).plan("everything"))
    found = show.sheet(plan, everything, date(2003, 7, 1))
    lines = {line.name: line.terms for line in found.items}
    assert len(lines) == 15
    assert lines["allowance minutes"] == (
        "170min a month; for voice, at home, on net; covers airtime, toll; priority 10; "
        "in steps of 60s; prorated by days plus 0.9, down to 1min; "
        "rolls over for 2 periods, at most 100min"
    )
    assert lines["allowance pool"].startswith("20GiB for each subscription every 30 days; for data")
    assert lines["counter spent"] == "money a day; covers airtime, toll; shared by the account"
    assert lines["cap day"].endswith("priority 3; beyond it rate local")
    assert dict(found.head)["not discountable"] == "information, premium"
    over = [rate.over for rate in everything.rates if rate.over]
    assert [words_memory.over_words(one) for one in over] == [
        "a month of the subscription", "30 days of the account",
        "a month of the account, settled as a whole"]  # fmt: skip


def test_what_changed_is_told_item_by_item(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    old = family(tmp_path / "old")
    new = family(tmp_path / "new", CHILD.replace("200min", "220min").replace("calls", "talk"))
    assert [str(replace(one, at=Position())) for one in changes(old, new)] == [
        "allowance minutes, amount: 200min a month -> 220min a month",
        "counter calls: gone: seconds a month; for voice",
        "counter talk: new: seconds a month; for voice",
    ]


def test_tiers_of_a_period_may_lie_beyond_one_usage(tmp_path: Path) -> None:
    """An increment steps over none of them, and the longest usage (10 h) is no limit."""
    (tmp_path / "plan.yaml").write_text(
        "plan: volume\n"
        "rates:\n"
        "  local:\n"
        "    per: 60s\n"
        "    tiers_over: month\n"
        "    tiers:\n"
        "      - {up_to: 100h, price: 0.30}\n"
        "      - {up_to: 360030s, price: 0.20}\n"
        "      - {price: 0.10}\n"
        "rules: [{when: {service: voice}, charge: {airtime: local}}, {otherwise: refuse}]\n"
    )
    problems = Problems()
    assert book.load(tmp_path, problems, KNOWN) is not None
    assert not problems.found


SIZES = {"second": [1, 60, 3600], "byte": [1, 1000, 2**10, 2**20, 10**9, 2**30], "event": [1],
         "money": [10, 10_000, 1_000_000 // 10]}  # fmt: skip
WHENS = st.builds(
    When, service=st.sampled_from([(), ("voice",), ("voice", "sms")]),
    relation=st.sampled_from([(), ("local",), ("toll", "a b")]),
    access_code=st.sampled_from([(), ("*",), ("17911",)]), on_net=st.sampled_from([None, True]),
)  # fmt: skip
DAYS = st.sampled_from([None, date(2003, 1, 1)]), st.sampled_from([None, date(2004, 2, 29)])
SPANS = st.one_of(
    st.builds(Span, st.sampled_from(["month", "day"]), st.just(0), *DAYS),
    st.builds(Span, st.just("days"), st.integers(1, 3660), *DAYS),
)
SCOPE = {
    "when": WHENS, "at": st.just(Position()), "span": SPANS,
    "covers": st.sampled_from([(), ("airtime",), ("toll", "data_up")]),
    "owner": st.sampled_from(["subscription", "account"]),
}  # fmt: skip


@st.composite
def allowances(draw: st.DrawFn, name: str) -> Allowance:
    """Any allowance that text can say."""
    measure = draw(st.sampled_from(MEASURES))
    size = draw(st.sampled_from(SIZES[measure]))
    scope = {key: draw(values) for key, values in SCOPE.items()}
    amount = draw(st.integers(1, 10**5)) * size
    one = Allowance(name, measure, amount, **scope, priority=draw(st.integers(-9, 9)))
    if scope["span"].kind != "day" and draw(st.booleans()):
        modes = st.sampled_from(sorted(ROUNDING_MODES.values()))
        unit = draw(st.sampled_from(SIZES[measure]))
        one = replace(one, prorate=Prorate("days", draw(st.integers(0, 10**9 - 1)), draw(modes),
                                           unit))  # fmt: skip
    if draw(st.booleans()):
        one = replace(one, rollover_limit=draw(st.integers(1, 10**6)) * size, rollover_spans=2)
    if measure == "money":
        return one
    return replace(
        one, increment=draw(st.integers(1, 10**6)), rest=draw(st.sampled_from(RESTS)),
        mode=draw(st.sampled_from(MODES[:2])), price=draw(st.sampled_from(["", "night-2"])),
        per_member=one.owner == "account" and draw(st.booleans()),
    )  # fmt: skip


@settings(max_examples=40)
@given(data=st.data())
def test_made_items_read_back_the_same(data: st.DataObject) -> None:
    made = Memory(
        tuple(data.draw(allowances(f"a{number}")) for number in range(3)),
        (data.draw(st.builds(Counter, st.just("c"), st.just("money"), **SCOPE)),),
        (data.draw(st.builds(Cap, st.just("x"), st.integers(1, 10**12), **SCOPE)),),
        late=data.draw(st.sampled_from(LATES)),
    )
    problems = Problems()
    node = parse_yaml("\n".join(memory_lines(made)), problems, "made.yaml")
    assert node is not None
    text = read_memory(Reader(node, problems, "the plan", KEYS["plan"]))
    found, _, _ = joined_memory([text], problems)
    assert not problems.found, "\n".join(map(str, problems.found))
    assert plain(found) == plain(made)
