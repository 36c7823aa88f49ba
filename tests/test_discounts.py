"""Discounts on single records: kernels and naive twin agree on made-up books and customers, and
small cases worked out by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import made_tariffs
import numpy as np
import pyarrow as pa
import reference_discounts
from conftest import JIT_IS_OFF
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from rating_helpers import batch_of, rows_of, usage_columns
from reference_discounts import Line
from tariff_books import KNOWN, ROOT, load

from rating import selectors, trace, trace_discounts
from rating.rate import rate
from rating.trace import Facts
from tariffs import book, diff, show
from tariffs.book_discounts import ListFiles, read_discounts
from tariffs.grammar import KEYS
from tariffs.memory_model import EXECUTIONS, Action, Chosen, Discount, Memory, Used
from tariffs.model import Book
from tariffs.when import Position, When
from tariffs.write_discounts import discounts_text
from tollbook import clock, schemas
from tollbook.columns import OPEN_FROM, OPEN_TO
from tollbook.customers import ACTIVE, Accounts, Customers, Subscriptions
from tollbook.customers_members import Groups
from tollbook.errors import Refused
from tollbook.text import Problems, parse_yaml

ZONE = made_tariffs.ZONE
KNOWN_TRIAL = book.Known()
GROUPS = ("family", "staff")
SOMETIMES = st.sampled_from([False, False, True])
WORDS = st.sampled_from([*EXECUTIONS, "joint", "joint", "semi_forced", "differs", "best", "best"])
CHARGE_LIMIT_MICRO = 10**17  # the largest that a book with discounts may have
QUICK = settings(
    max_examples=6 if JIT_IS_OFF else 40, deadline=None, derandomize=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def second(text: str) -> int:
    return clock.date_utc_s(date.fromisoformat(text), ZONE)


# The same line under two numbers, one that changes its plan, and numbers that look alike.
LINES = (
    Line("S-1", "A-1", "8613800000001", "p", second("2003-01-05"),
         (("family", second("2003-03-30"), second("2003-10-04")),)),
    Line("S-1", "A-1", "8613900000001", "p", second("2003-01-05"),
         (("family", OPEN_FROM, OPEN_TO), ("staff", second("2003-10-04"), OPEN_TO))),
    Line("S-2", "A-1", "861380000", "q", OPEN_FROM),
    Line("S-3", "A-2", "8613800000002", "p", second("2003-10-04"),
         (("staff", second("2003-10-03"), second("2003-10-05")),)),
)  # fmt: skip


def customers_of(lines: tuple[Line, ...]) -> Customers:
    """The tables of customers that say the same as the lines."""
    account_ids = tuple(sorted({line.account for line in lines}))
    plans = tuple(sorted({line.plan for line in lines}))
    count = len(account_ids)
    blank = pa.array([""] * count, pa.string())
    accounts = Accounts(
        pa.array(account_ids), blank, blank, blank, np.zeros(count, np.bool_),
        np.full(count, OPEN_FROM), np.full(count, OPEN_TO),
    )  # fmt: skip
    ids = [line.subscription for line in lines]  # a later row of one begins later
    since = [line.opened_utc_s + 1000 * ids[:place].count(line.subscription)
             for place, line in enumerate(lines)]  # fmt: skip
    subscriptions = Subscriptions(
        pa.array([line.subscription for line in lines]),
        np.array([account_ids.index(line.account) for line in lines], np.int32),
        np.array([int(line.number) for line in lines]), np.zeros(len(lines), np.int64),
        np.array([plans.index(line.plan) for line in lines], np.int32),
        np.full(len(lines), ACTIVE, np.int8), np.array(since), np.full(len(lines), OPEN_TO),
    )  # fmt: skip
    rows = [(group, int(line.number), *span) for line in lines
            for group, *span in line.memberships]  # fmt: skip
    columns = [np.array(column) for column in zip(*rows, strict=True)] if rows else []
    if not rows:
        return Customers(accounts, subscriptions, plans)
    index = np.array([GROUPS.index(row[0]) for row in rows], np.int32)
    return Customers(accounts, subscriptions, plans,
                     groups=Groups(GROUPS, index, *columns[1:]))  # fmt: skip


@st.composite
def chosen(draw: st.DrawFn) -> Chosen:
    said = draw(st.sets(st.sampled_from(
        ["numbers", "subscriptions", "accounts", "groups", "plans", "opened"]
    ), max_size=2))  # fmt: skip
    spans = st.sampled_from([("86138", "86138"), ("8613800", "8613850"), ("8613900000001",) * 2,
                             ("861380000", "861380000")])  # fmt: skip
    found: dict[str, Any] = {
        "numbers": st.lists(spans, min_size=1, max_size=3, unique=True),
        "subscriptions": st.lists(st.sampled_from(["S-1", "S-3"]), min_size=1, unique=True),
        "accounts": st.lists(st.sampled_from(["A-1", "A-2"]), min_size=1, unique=True),
        "groups": st.lists(st.sampled_from(GROUPS), min_size=1, unique=True),
        "plans": st.lists(st.sampled_from(["p", "q"]), min_size=1, unique=True),
    }
    made = {name: tuple(draw(found[name])) for name in sorted(said - {"opened"})}
    if "opened" in said:
        made["opened_from"] = draw(st.sampled_from([date(2003, 1, 5), date(2003, 10, 4)]))
        made["opened_to"] = draw(st.sampled_from([None, date(2003, 10, 5)]))
    return Chosen(**made)


def actions() -> st.SearchStrategy[Action]:
    amount = st.sampled_from([0, 1, 10_000, 125_000, 333_333, 10**6, 10**12])
    return st.one_of(
        st.sampled_from([0, 1, 85 * 10**9, 33_333_333_333, 99_999_999_999, 10**11]).map(
            lambda nano: Action("percent", amount_nano=nano)),
        st.builds(lambda kind, micro: Action(kind, amount_micro=micro),
                  st.sampled_from(["off", "fixed", "cap"]), amount),
        st.sampled_from(["time1", "bytes1", "events2"]).map(
            lambda name: Action("price", rate=name)),
        st.sampled_from([("second", 60), ("second", 7), ("byte", 1500), ("event", 1)]).map(
            lambda free: Action("free", quantity=free[1], unit=free[0])),
    )  # fmt: skip


@st.composite
def discounts(draw: st.DrawFn, name: str) -> Discount:
    steps = st.tuples(st.integers(0, 6), st.integers(0, 4))
    valid = draw(st.sampled_from([(None, None), (date(2003, 10, 4), None),
                                  (date(2003, 3, 30), date(2003, 10, 26))]))  # fmt: skip
    return Discount(
        name, draw(chosen()) if draw(SOMETIMES) else Chosen(), draw(actions()),
        draw(made_tariffs.whens()) if draw(SOMETIMES) else When(), Position("d.yaml", 1),
        draw(chosen()) if draw(made_tariffs.RARELY) else None,
        components=tuple(draw(st.sampled_from([(), (), (), ("time",), ("bytes", "more")]))),
        execution=draw(WORDS), priority=draw(st.integers(0, 2)),
        rounding=tuple(draw(st.lists(steps, max_size=2))), valid_from=valid[0], valid_to=valid[1],
        time_zone=draw(st.sampled_from(["", "", "Asia/Shanghai"])),
    )  # fmt: skip


@st.composite
def books(draw: st.DrawFn) -> Book:
    """A book with discounts, of which some components may not be discounted."""
    plain = draw(made_tariffs.books())
    spared = draw(st.sampled_from([(), ("more",), ("time", "events")]))
    plans = tuple(replace(plan, versions=tuple(
        replace(version, memory=Memory(not_discountable=spared),
                charge_limit_micro=min(version.charge_limit_micro, CHARGE_LIMIT_MICRO))
        for version in plan.versions
    )) for plan in plain.plans)  # fmt: skip
    made = tuple(draw(discounts(f"d{place}")) for place in range(draw(st.integers(1, 10))))
    return replace(plain, plans=plans, discounts=made)


class Made:
    """A made-up book; a failure shows its discounts."""

    def __init__(self, book: Book) -> None:
        self.book = book

    def __repr__(self) -> str:
        return "\n".join(map(str, self.book.discounts))


def traced(tried: Book, line: Line, fact: Facts) -> tuple[str, dict[str, int], list[Any]]:
    """The steps of ``explain``: reason, charges and what each discount took."""
    found = trace_discounts.discounted(
        tried, trace.price(tried, line.plan, fact, made_tariffs.MAXIMA), fact, made_tariffs.MAXIMA,
        lambda one: reference_discounts.is_for(one, line, fact.start_utc_s, ZONE),
    )  # fmt: skip
    charges = dict.fromkeys(tried.components, 0) | ({} if found.reason else found.charges)
    assert found.charge_micro == sum(charges.values())
    taken = [
        (one.discount.name, sum(part.before_micro for part in one.effects), one.taken_micro)
        for one in found.discounts if one.taken_micro
    ]  # fmt: skip
    return found.reason, charges, taken


@QUICK
@given(books().map(Made), st.integers(0, 2**32))
def test_kernels_and_twin_agree(made: Made, seed: int) -> None:
    tried = made.book
    facts = made_tariffs.usages(seed, 40)
    try:
        compiled = made_tariffs.compiled_of(tried)
    except Refused:
        reject()
    customers = customers_of(LINES)
    compiled = selectors.choose(compiled, tried.discounts, customers, ZONE)
    of = [(seed + place) % len(LINES) for place in range(len(facts))]
    plans = [compiled.plan_ids.index(LINES[line].plan) for line in of]
    columns = usage_columns(facts, compiled) | {"plan_index": plans, "subscription_index": of}
    batch = rate(batch_of(schemas.USAGE, len(facts), columns), compiled).batch
    names = compiled.discounts.names
    rows = zip(rows_of(batch, compiled), batch.column("used").to_pylist(), facts, of, strict=True)
    for row, used, fact, line in rows:
        naive, entries = reference_discounts.rate(
            tried, LINES[line], fact, made_tariffs.MAXIMA, ZONE)
        charges = dict.fromkeys(tried.components, 0) | naive.charges
        found = [(names[one["item"]], one["before"], one["taken"]) for one in used]
        assert (row.reason, row.charges, found) == (naive.reason, charges, entries), fact
        assert traced(tried, LINES[line], fact) == (naive.reason, charges, entries), fact


@settings(QUICK, max_examples=60)
@given(st.lists(discounts("d"), min_size=1, max_size=3))
def test_what_is_written_reads_back(made: list[Discount]) -> None:
    named = tuple(replace(one, name=f"d{place}", used=(
        Used("m", 60, 2**62), Used("paid", 0, 50_000_000, "money"),
    )[:place]) for place, one in enumerate(made))  # fmt: skip
    text, problems = discounts_text(named), Problems()
    node = parse_yaml(text, problems, "d.yaml")
    assert node is not None
    found = read_discounts(node, ListFiles(ROOT, "tariffs", problems), problems)
    assert not problems.found, text

    def plain(one: Discount) -> Discount:
        excluded = None if one.excluded == Chosen() else one.excluded
        return replace(one, at=Position(), excluded=excluded, valid_from=one.valid_from or (
            date(1970, 1, 1) if one.valid_to else None))  # fmt: skip

    assert [plain(one) for one in found] == [plain(one) for one in named], text


def test_the_page_shows_what_is_read(tmp_path: Path) -> None:
    """The file of docs/discounts.md, beside the plans and the list that it names."""
    page = (ROOT / "docs" / "discounts.md").read_text()
    [block] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "discounts.yaml").write_text(block)
    (tmp_path / "vip.csv").write_text("number,note\n8613712345678,the first\n")
    for plan in ("standard", "easy"):
        (tmp_path / f"{plan}.yaml").write_text(
            f"plan: {plan}\ncomponents: [toll]\nrates: {{toll: {{per: 60s, price: 1}}}}\n"
            "counters: [{name: minutes, measure: seconds, when: {service: voice}}]\n"
            "rules: [{when: {service: voice}, charge: {toll: toll}}, {otherwise: refuse}]\n")
    problems = Problems()
    found = book.load(tmp_path, problems, KNOWN)
    assert not problems.found, [*map(str, problems.found)]
    assert found is not None
    assert [one.name for one in found.discounts] == ["vip", "night-owl", "heavy-user"]
    unnamed = [key for kind in ("discount", "chosen", "action", "step") for key in KEYS[kind]
               if not re.search(rf"`{key}\b|\b{key}:", page)]  # fmt: skip
    assert not unnamed
    assert all(f"`{word}`" in page for word in EXECUTIONS)


def test_a_plan_shows_its_discounts_and_a_diff_tells_of_them() -> None:
    folder = ROOT / "tests" / "business" / "discounts" / "book"
    found = load(folder, KNOWN_TRIAL)
    plan = found.plan("fen")
    shown = show.sheet(plan, plan.versions[0], date(2003, 6, 10), discounts=found.discounts)
    said = {one.name: one.terms for one in shown.items}
    assert said == {
        "discount fen": "85 % is left; for plans fen; round 3 digits down, then 2 digits half down",
        "discount messages": "50 % is left; for everybody; but not for plans plain, super; "
                             "components message",
    }
    one, *others = found.discounts
    dearer = replace(one, action=Action("percent", amount_nano=90 * 10**9))
    [changed] = diff.changes(found, replace(found, discounts=(dearer, *others)))
    assert str(changed).endswith("discount fen, does: 85 % is left -> 90 % is left")
    [gone] = diff.changes(found, replace(found, discounts=tuple(others)))
    assert (gone.what, gone.about) == (diff.GONE, "discount fen")
