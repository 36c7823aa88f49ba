"""Made-up tariff books and usages for property tests: every rule of a price, crossed at random.

Times lie near the moments that matter: both changes of the clock, midnights, a holiday, a leap day,
the borders of versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from rating.trace import Facts
from tariffs.compile_rates import Maxima
from tariffs.compiler import CompiledBook, compile_book
from tariffs.model import (
    ALL_DAYS,
    BORDERS,
    CLOCKS,
    DAY_S,
    STAGES,
    Band,
    Book,
    Charge,
    Dates,
    Deck,
    Plan,
    PrefixDeck,
    PrefixRows,
    Rate,
    Rule,
    Tier,
    Version,
)
from tariffs.when import When
from tollbook import money
from tollbook.columns import OPEN_FROM, OPEN_TO

ZONES = ("berlin", "lisbon", "shanghai", "nowhere")
TIME_ZONES = {"berlin": "Europe/Berlin", "lisbon": "Europe/Lisbon", "shanghai": "Asia/Shanghai"}
RELATIONS = ("near", "far", "across")
ACCESS_CODES = ("01033", "01055")
CARRIERS = ("own", "rival")
NUMBERS = (0, 4, 44, 447, 4477009, 351211, 3512, 8610, 86108, 999_999_999_999_999)
PREFIXES = ("4", "44", "447", "4477", "351", "35121", "86", "8610", "999999999999999")
COMPONENTS = ("time", "more", "bytes", "events")
UNIT_OF = {"time": "second", "more": "second", "bytes": "byte", "events": "event"}
HOLIDAYS = frozenset({date(2003, 10, 3), date(2003, 12, 25), date(2004, 2, 29)})
MAXIMA = Maxima(duration_s=20 * DAY_S, volume_bytes=10**6, event_count=1000)
ZONE = "Europe/Berlin"
FIRST, LAST = date(2003, 1, 1), date(2005, 1, 1)
MIDDLES = tuple(date.fromisoformat(text) for text in (
    "2003-03-30", "2003-10-03", "2003-10-04", "2003-10-05", "2003-10-26", "2004-02-29",
))  # fmt: skip
CUTS = (0, 3600, 7200, 9000, 10_800, 25_200, 64_800, DAY_S - 1, DAY_S)
CENT = 10**7  # nano


def compiled_of(book: Book, maxima: Maxima = MAXIMA) -> CompiledBook:
    plan_ids = [plan.plan_id for plan in book.plans]
    return compile_book(book, ZONES, RELATIONS, ACCESS_CODES, plan_ids, maxima, CARRIERS,
                        [TIME_ZONES.get(zone, "") for zone in ZONES])  # fmt: skip


SOME = st.sampled_from([0, 1, 5 * CENT, 7 * CENT, 333_333_333, 10**10])
PRICES = SOME | st.integers(0, 3 * 10**9)
FEES = st.sampled_from([0, 0, CENT, 3_333_333, 10**9 // 7])
LENGTHS = st.sampled_from([1, 6, 7, 20, 30, 60, 61, 180, 3600])
VOLUMES = st.sampled_from([100, 1000, 1024, 4096, 10_007])
# Sums of linked versions are counted in parts of all their quantities at once.
PERS = {"second": st.sampled_from([1, 7, 60, 3600]), "event": st.integers(1, 3),
        "byte": st.sampled_from([1000, 1024, 4096])}  # fmt: skip
RARELY = st.sampled_from([False, False, False, True])


def some_days() -> st.SearchStrategy[Dates]:
    spans = st.tuples(st.sampled_from(MIDDLES), st.integers(1, 400)).map(
        lambda pair: ((pair[0], pair[0] + timedelta(days=pair[1])),)
    )
    return st.sampled_from([
        Dates(), Dates(), Dates(yearly=((1224, 102),)), Dates(yearly=((229, 229),)),
        Dates(month_days=(-1,)), Dates(months=(2, 10), month_days=(3, 26, 29)),
        Dates(years=(2004,)), Dates(months=(3,), years=(2003,)),
    ]) | spans.map(lambda found: Dates(spans=found))  # fmt: skip


@st.composite
def tiers(draw: st.DrawFn, unit: str, percents: bool, fees: bool) -> tuple[Tier, ...]:
    lengths = {"second": LENGTHS, "byte": VOLUMES, "event": st.integers(1, 3)}[unit]
    span = {"second": 300, "byte": 20_000, "event": 6}[unit]
    starts = [0, *sorted(draw(st.sets(st.integers(1, span), max_size=2)))]
    return tuple(
        Tier(at, draw(PRICES), draw(PERS[unit]), draw(lengths),
             draw(FEES) if fees else 0,
             draw(st.sampled_from([0, 10**11, 5 * 10**10])) if percents else 0)
        for at in starts
    )  # fmt: skip


@st.composite
def bands(draw: st.DrawFn, unit: str, percents: bool, fees: bool) -> tuple[Band, ...]:
    """Bands that may overlap; no two of them have one weight."""
    found: list[Band] = []
    for weight in draw(st.permutations(range(draw(st.integers(0, 3))))):
        low, high = sorted(draw(st.sets(st.sampled_from(CUTS), min_size=2, max_size=2)))
        found.append(Band(
            draw(st.sampled_from([ALL_DAYS, ALL_DAYS, 0b11111, 0b1100000, 0b10000000])),
            low, high, draw(tiers(unit, percents, fees)), f"b{len(found)}",
            dates=draw(some_days()), weight=weight,
            connect_nano=draw(st.sampled_from([-1, -1, 0, 3 * CENT])),
        ))  # fmt: skip
    return tuple(found)


@st.composite
def rates(
    draw: st.DrawFn, name: str, unit: str, percents: bool = False
) -> Rate:
    apart = unit == "byte" and draw(RARELY)
    borders = ("start",) if unit == "event" else BORDERS
    border = draw(st.sampled_from(borders) | st.just("unit" if unit == "second" else "start"))
    stages = [stage for stage in STAGES if stage != "cgrates" or border == "unit"]
    digits = draw(st.integers(0, 6))
    lowest = draw(st.sampled_from([0, 0, 10**8, 10**10]))
    quantity = {"second": 45, "byte": 3000, "event": 2}[unit]
    return Rate(
        name=name,
        unit=unit,
        tiers=draw(tiers(unit, percents, not apart)),
        bands=draw(st.just(()) | bands(unit, percents, not apart)),
        first_increment=draw(st.sampled_from([0, 0, 1, 30, 60, 90])),
        connect_nano=draw(FEES),
        minimum_nano=lowest,
        maximum_nano=draw(st.sampled_from([0, 0, lowest + 1, 10**11])),
        short_call=draw(st.sampled_from([0, 0, 3])),
        apart=apart,
        digits=digits,
        mode=draw(st.sampled_from(sorted(money.ROUNDING_MODES.values()))),
        border=border,
        free_quantity=draw(st.sampled_from([0, 0, quantity])) if not apart else 0,
        minimum_quantity=(
            draw(st.sampled_from([0, 0, quantity, 4 * quantity]))
            if not apart else 0
        ),
        clock=draw(st.sampled_from(CLOCKS) | st.just("tariff")),
        stage=draw(st.sampled_from(stages) | st.just("component")),
        stage_digits=draw(st.sampled_from([-1, -1, min(digits + 1, 9), 9])),
        stage_mode=draw(st.sampled_from([-1, 0, 1, 2, 3, 4])),
        is_template=percents,
    )


@st.composite
def decks(draw: st.DrawFn) -> PrefixDeck:
    """Rows of distinct prefixes, some of them in two spans of time, some naming a rate."""
    lines = []
    for prefix in sorted(draw(st.sets(st.sampled_from(PREFIXES), min_size=1, max_size=5))):
        turn = draw(st.sampled_from([0, 0, *MIDDLES]))
        spans = [(OPEN_FROM, OPEN_TO)]
        if turn:
            wall_s = (turn - date(1970, 1, 1)).days * DAY_S
            spans = [(OPEN_FROM, wall_s), (wall_s, OPEN_TO)][draw(st.integers(0, 1)):]
        for span in spans:
            is_named = draw(RARELY)
            price = -1 if is_named else draw(st.sampled_from([0, 2 * CENT, 66_666_666]))
            first, following = draw(st.sampled_from([(0, 0), (60, 6), (0, 1), (30, 30)]))
            lines.append((
                int(prefix), len(prefix), price, draw(st.integers(0, 1)) if is_named else -1,
                first, following, draw(st.sampled_from([-1, -1, 0, CENT])),
                draw(st.sampled_from([-1, -1, 0, 5 * CENT])), *span, len(lines) + 2,
            ))  # fmt: skip
    columns = list(zip(*lines, strict=True))
    kinds = [np.int64, np.int8, np.int64, np.int32, *[np.int64] * 7]
    prefix, size, *rest = (np.array(c, k) for c, k in zip(columns, kinds, strict=True))
    rows = PrefixRows(prefix, size, pa.array([""] * len(lines)), *rest)
    return PrefixDeck("deck.csv", rows, ("time1", "free"))


@st.composite
def whens(draw: st.DrawFn) -> When:
    """Conditions that often hold."""
    def some(*words: str) -> tuple[str, ...]:
        return tuple(draw(st.sets(st.sampled_from(words), min_size=1, max_size=len(words))))

    said = draw(st.sets(st.sampled_from([
        "direction", "roaming", "relation", "to_zone", "on_net", "special", "access_code",
        "from_zone", "home_zone", "home_relation", "carrier", "forward", "boundary", "same_place",
        "friend", "group",
    ]), max_size=2))  # fmt: skip
    words = {
        "direction": ("out", "in", "forward"), "roaming": ("home", "national"),
        "relation": RELATIONS, "to_zone": ZONES, "access_code": (*ACCESS_CODES, "*", "none"),
        "from_zone": ZONES, "home_zone": ZONES, "home_relation": RELATIONS, "carrier": CARRIERS,
        "forward": ("none", "busy", "unconditional"), "boundary": ("none", "inner", "inter"),
    }  # fmt: skip
    return When(**{
        name: some(*words[name]) if name in words else draw(st.booleans()) for name in sorted(said)
    })  # type: ignore[arg-type]


@st.composite
def charges(draw: st.DrawFn, component: str) -> Charge:
    own = [f"{component}1", f"{component}2", "free"]
    name = st.sampled_from(own)
    kind = draw(st.sampled_from(["rate", "rate", "rate", "zone", "relation", "home", "prefix"]))
    if kind == "zone" and component == "time":
        return Charge(component, by_zone="zones.csv")
    if kind == "prefix" and component == "time":
        like = draw(st.sampled_from(["", "time1", "template"]))
        return Charge(component, by_prefix="deck.csv", like=like)
    if kind in ("relation", "home"):
        pairs = {word: draw(name) for word in draw(st.sets(st.sampled_from((*RELATIONS, "*")),
                                                            min_size=1))}  # fmt: skip
        table = tuple(sorted(pairs.items()))
        return Charge(component, **{
            "by_relation" if kind == "relation" else "by_home_relation": table
        })  # type: ignore[arg-type]
    return Charge(component, draw(name))


@st.composite
def pools(draw: st.DrawFn) -> dict[str, list[Rate]]:
    """Rates for all versions of a book to choose from, by component."""
    pool = {
        component: [draw(rates(component, unit)) for _ in range(3)]
        for component, unit in UNIT_OF.items()
    }
    pool["template"] = [draw(rates("template", "second", percents=True))]
    return pool


@st.composite
def versions(draw: st.DrawFn, span: Sequence[date], pool: dict[str, list[Rate]]) -> Version:
    made = [
        replace(draw(st.sampled_from(pool[component])), name=f"{component}{number}")
        for component in COMPONENTS for number in (1, 2)
    ]  # fmt: skip
    rules = []
    for _ in range(draw(st.integers(0, 2))):
        chosen = draw(st.sets(st.sampled_from(COMPONENTS), max_size=3))
        refuses = draw(RARELY) and draw(RARELY)
        own = tuple(draw(charges(name)) for name in COMPONENTS if name in chosen)
        rules.append(Rule(draw(whens()), () if refuses else own, refuse=refuses))
    last = draw(st.sampled_from(["charge", "charge", "charge", "refuse", ""]))
    if last:
        own = tuple(draw(charges(name)) for name in COMPONENTS)
        rules.append(Rule(When(), own if last == "charge" else (), refuse=last == "refuse"))
    zone_rates = tuple(
        (word, draw(st.sampled_from(["time1", "time2", "free"])))
        for word in draw(st.sampled_from([("*",), ("berlin",), ("berlin", "*"), ("lisbon",)]))
    )
    low, high = span
    return Version(
        low, high, ZONE, (*made, *pool["template"]), tuple(rules), COMPONENTS,
        (Deck("zones.csv", zone_rates),),
        charge_limit_micro=draw(st.sampled_from([10**18, 10**18, 10**9])),
        fallback=draw(st.sampled_from([(), ("q",), ("q", "r"), ("r",)])),
        version_change=draw(st.sampled_from(["start", "split"])),
    )  # fmt: skip


@st.composite
def books(draw: st.DrawFn) -> Book:
    """Plan p with up to four versions, which may fall back to q and r."""
    pool, deck = draw(pools()), draw(decks())
    zone = draw(st.sampled_from([ZONE, ZONE, "Asia/Shanghai", "America/New_York", "UTC"]))
    made = []
    for plan_id, most in (("p", 3), ("q", 1), ("r", 0)):
        turns = sorted(draw(st.sets(st.sampled_from(MIDDLES), max_size=most)))
        spans = list(pairwise([FIRST, *turns, LAST]))
        if len(spans) > 2 and draw(RARELY):
            spans.pop(1)  # a gap
        found = [draw(versions(span, pool)) for span in spans]
        # Versions that follow each other without a gap need one clock.
        zones = [draw(st.sampled_from([zone, ZONE])) if draw(RARELY) else zone for _ in found]
        made.append(Plan(plan_id, plan_id, "EUR", tuple(
            replace(version, time_zone=own, prefix_decks=(deck,))
            for version, own in zip(found, zones, strict=True)
        )))  # fmt: skip
    return Book(tuple(made), COMPONENTS, HOLIDAYS)


def turns() -> list[int]:
    """Moments at which something changes, in UTC seconds."""
    days = [*MIDDLES, date(2003, 12, 25), date(2003, 12, 31), date(2004, 3, 1), date(2003, 6, 15)]
    found = [
        int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp())
        for day in days for zone in (ZONE, "Asia/Shanghai", "America/New_York")
    ]  # fmt: skip
    hours = ("2003-03-30T01:00:00+00:00", "2003-10-26T01:00:00+00:00", "2003-10-26T00:00:00+00:00")
    return found + [int(datetime.fromisoformat(text).timestamp()) for text in hours]


TURNS = turns()


def usage(random: Random, longest_s: int) -> Facts:
    """One usage; its duration is mostly minutes, and zero or ``longest_s`` now and then."""
    pick = random.choice
    lasts_s = pick([random.randint(0, 90), random.randint(0, 400), random.randint(0, 4000), 0, 1])
    if longest_s and random.random() < 0.001:
        lasts_s = longest_s
    ahead = pick([0, 1, random.randint(0, lasts_s + 1), random.randint(-4000, 4000)])
    home, served = pick(("", *ZONES)), pick(("", *ZONES))
    service = pick(["voice", "voice", "data", "sms"])
    return Facts(
        service, pick(["out", "out", "in", "forward"]), pick(TURNS) - ahead,
        roaming=pick(["home", "national"]), relation=pick(("", *RELATIONS)),
        other_zone=pick(("", *ZONES)), access_code=pick(["", "", *ACCESS_CODES]),
        on_net=pick([False, True]), special=pick([False, True]), duration_s=lasts_s,
        up_bytes=pick([0, 1, random.randint(0, 6_000)]),
        down_bytes=pick([0, 1024, random.randint(0, 6_000)]),
        event_count=pick([0, 1, 2, 3, 7]), served_zone=served, home_zone=home,
        home_relation=pick(("", *RELATIONS)), carrier=pick(("", *CARRIERS)),
        forward=pick(["none", "busy", "unconditional"]), boundary=pick(["none", "inner", "inter"]),
        same_place=pick([False, True]), friend=pick([False, True]), group=pick([False, True]),
        other_e164=pick(NUMBERS), routing_e164=pick(NUMBERS), is_routed=pick([False, False, True]),
        utc_offset_s=pick([0, 3600, 28_800, -18_000]),
        home_time_zone=TIME_ZONES.get(home, ""), served_time_zone=TIME_ZONES.get(served, ""),
    )  # fmt: skip


def usages(seed: int, count: int, longest_s: int = 0) -> list[Facts]:
    random = Random(seed)
    return [usage(random, longest_s) for _ in range(count)]
