"""A CGRateS tariff plan as plans of this book (peers of the two models: docs/cgrates.md)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tariffs import cgrates_prices as prices
from tariffs.book_tiers import NAME
from tariffs.cgrates_files import ANY, CHANGED, DROPPED, KNOWN, Findings, Row, Tables
from tariffs.cgrates_prices import Offer, Rounding, Schedule
from tariffs.cgrates_units import Span, activation_wall_s, timing, weight
from tariffs.model import Rate
from tollbook import money

SERVICE_OF: Final[Mapping[str, str]] = {
    "call": "voice", "voice": "voice", "video": "video", "sms": "sms", "mms": "mms",
    "data": "data", "generic": "event",
}  # fmt: skip
UNIT_OF: Final = {
    "voice": "second", "video": "second", "data": "byte", "sms": "event", "mms": "event",
    "event": "event",
}  # fmt: skip
FALLBACK_DEPTH: Final = 3
_UNNUMBERED: Final = ("data", "event")  # their records have no number called
ANY_PREFIXES: Final = tuple("123456789")  # together: every number


@dataclass(frozen=True)
class DeckRow:
    """A prefix, the destination it stands for, and the name of its rate."""

    prefix: str
    destination: str
    rate: str


@dataclass(frozen=True)
class Draft:
    """One version of one plan, ready to be written.

    starts_s, ends_s: wall seconds since 1970, None: open. deck: empty where ``direct`` names the
    rate of every record. is_whole: False if a row that its prices need was dropped.
    """

    plan_id: str
    service: str
    starts_s: int | None
    ends_s: int | None
    rates: tuple[Rate, ...]
    deck: tuple[DeckRow, ...]
    direct: str
    fallback: tuple[str, ...]
    at: tuple[str, int]
    is_whole: bool = True


class Importer:
    """The tables by tag, and what was made of them so far."""

    def __init__(self, tables: Tables, rounding: Rounding, findings: Findings) -> None:
        self.rounding = rounding
        self.findings = findings
        self.profiles = tables["RatingProfiles"]
        self.plans = _by_tag(tables["RatingPlans"])
        self.destination_rates = _by_tag(tables["DestinationRates"])
        self.rates = _by_tag(tables["Rates"])
        self.destinations = _by_tag(tables["Destinations"])
        self.timings = {tag: rows[-1] for tag, rows in _by_tag(tables["Timings"]).items()}
        self._schedules: dict[tuple[str, str], Schedule | None] = {}
        self._plan_ids: dict[tuple[str, str, str], str] = {}
        self._is_whole = True

    def drafts(self) -> list[Draft]:
        """All versions of all plans, by plan and start."""
        groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
        for row in self.profiles:
            groups[row["Tenant"], row["Category"], row["Subject"]].append(row)
        fallbacks = {key: _subjects(rows[-1]) for key, rows in groups.items()}
        for key in sorted(groups):  # `*any` before a subject that is called any
            self._plan_id(key, groups[key][0])
        return [
            draft
            for key in sorted(groups)
            for draft in self._plan(key, groups[key], fallbacks)
        ]

    def _plan_id(self, key: tuple[str, str, str], row: Row) -> str:
        """The plan of a rating profile, as near to its words as may be, and of no other one."""
        if key not in self._plan_ids:
            name = whole = name_of(".".join(key))
            while name in self._plan_ids.values():
                name = f"{whole[:60]}-{len(self._plan_ids)}"
            if name != whole:
                self.findings.add(row.at, CHANGED, f"the plan is called '{name}': there is another"
                                  f" '{whole}'")
            self._plan_ids[key] = name
        return self._plan_ids[key]

    def _plan(
        self, key: tuple[str, str, str], rows: Sequence[Row],
        fallbacks: Mapping[tuple[str, str, str], tuple[str, ...]],
    ) -> list[Draft]:  # fmt: skip
        service = SERVICE_OF.get(key[1])
        if service is None:
            for row in rows:
                self.findings.add(row.at, DROPPED, f"category '{key[1]}' stands for no service:"
                                  f" {', '.join(SERVICE_OF)}")
            return []
        dated = []
        for row in rows:
            starts = activation_wall_s(row["ActivationTime"]) if row["ActivationTime"] else None
            if row["ActivationTime"] and starts is None:
                self.findings.add(row.at, DROPPED, f"ActivationTime '{row['ActivationTime']}' is no"
                                  " time such as 2014-01-14T00:00:00Z")
                continue
            dated.append((starts, row))
        dated.sort(key=lambda one: -(2**62) if one[0] is None else one[0])
        found = []
        nexts = [*(starts for starts, _ in dated[1:]), None]
        for (starts, row), ends in zip(dated, nexts, strict=False):
            self._is_whole = len(dated) == len(rows)
            if starts == ends and len(dated) > 1 and row is not dated[-1][1]:
                self.findings.add(row.at, DROPPED, "two activations of one profile at one moment:"
                                  " the later row counts")
                continue
            rates, deck, direct = self._version(row, service)
            found.append(Draft(
                self._plan_id(key, row), service, starts, ends, rates, deck, direct,
                self._fallback(key, fallbacks, row), row.at, self._is_whole,
            ))  # fmt: skip
        return found

    def _fallback(
        self, key: tuple[str, str, str],
        fallbacks: Mapping[tuple[str, str, str], tuple[str, ...]], row: Row,
    ) -> tuple[str, ...]:  # fmt: skip
        """Plans of the fallback subjects, and of theirs, as deep as CGRateS goes."""
        found: list[str] = []
        layer = _subjects(row)
        for _ in range(FALLBACK_DEPTH):
            below: list[str] = []
            for subject in layer:
                other = (key[0], key[1], subject)
                if other not in fallbacks:
                    self._drop(row, f"fallback subject '{subject}' has no rating profile")
                elif subject != key[2] and self._plan_id(other, row) not in found:
                    found.append(self._plan_id(other, row))
                    below.extend(fallbacks[other])
            layer = tuple(below)
        return tuple(found)

    def _drop(self, row: Row, text: str) -> None:
        """List a row without which the plan's prices are not whole."""
        self.findings.add(row.at, DROPPED, text)
        self._is_whole = False

    def _version(self, row: Row, service: str) -> tuple[tuple[Rate, ...], tuple[DeckRow, ...], str]:
        """The rates of a rating plan, its deck, and the rate of all where there is no deck."""
        bound = self._bound(row, UNIT_OF[service])
        sets = {tag: self._prefixes(tag, rows) for tag, (rows, _) in bound.items()}
        tags_of: dict[str, list[str]] = defaultdict(list)
        for tag, prefixes in sets.items():
            for prefix in prefixes:
                tags_of[prefix].append(tag)
        made: dict[tuple[str, ...], Rate | None] = {}
        deck: list[DeckRow] = []
        direct = ""
        for prefix, tags in sorted(tags_of.items()):
            key = tuple(tags)
            if key not in made:
                taken = {rate.name for rate in made.values() if rate is not None}
                made[key] = self._rate(key, bound, UNIT_OF[service], taken)
            rate = made[key]
            if rate is None:
                continue
            if prefix == ANY and (service in _UNNUMBERED or set(tags_of) == {ANY}):
                direct = rate.name
            elif prefix == ANY:
                deck.extend(DeckRow(digit, tags[0], rate.name)
                            for digit in ANY_PREFIXES if digit not in tags_of)
            else:
                deck.append(DeckRow(prefix, tags[0], rate.name))
        rates = tuple(rate for rate in made.values() if rate is not None)
        return rates, () if direct else tuple(sorted(deck, key=lambda one: one.prefix)), direct

    def _bound(self, row: Row, unit: str) -> dict[str, tuple[list[Row], list[Offer]]]:
        """Destination tag -> the rows that bind it, and its prices with their times."""
        found: dict[str, tuple[list[Row], list[Offer]]] = {}
        if row["RatingPlanTag"] not in self.plans:
            self._drop(row, f"rating plan '{row['RatingPlanTag']}' does not exist")
        for order, bind in enumerate(self.plans.get(row["RatingPlanTag"], ())):
            span, heavy = self._span(bind), weight(bind["Weight"])
            if bind["DestratesTag"] not in self.destination_rates:
                self._drop(bind, f"destination rates '{bind['DestratesTag']}' do not exist")
            if heavy is None:
                self._drop(bind, f"weight '{bind['Weight']}' is no decimal number")
            if span is None or heavy is None:
                continue
            for priced in self.destination_rates.get(bind["DestratesTag"], ()):
                schedule = self._schedule(priced, unit)
                if schedule is None:
                    self._is_whole = False
                    continue
                rows, offers = found.setdefault(priced["DestinationsTag"], ([], []))
                rows.append(priced)
                offers.append(self._offer(bind, priced, span, order, schedule))
        return found

    def _offer(
        self, bind: Row, priced: Row, span: Span, order: int, schedule: Schedule
    ) -> Offer:
        heavy = weight(bind["Weight"])
        assert heavy is not None
        digits = int(priced["RoundingDecimals"] or 0) if priced["RoundingDecimals"].isdigit() else 0
        if digits > money.MICRO_DIGITS:
            self.findings.add(priced.at, CHANGED, f"{digits} decimals: charges have at most"
                              f" {money.MICRO_DIGITS}")
            digits = money.MICRO_DIGITS
        mode = prices.METHODS.get(priced["RoundingMethod"])
        maximum = prices.price_nano(priced["MaxCost"])
        if maximum is None:
            self._drop(priced, f"MaxCost '{priced['MaxCost']}' is no amount")
        if maximum and priced["MaxCostStrategy"] != "*free":
            self.findings.add(priced.at, CHANGED, f"MaxCostStrategy '{priced['MaxCostStrategy']}'"
                              " ends a session, but changes no price: no maximum was set")
            maximum = 0
        return Offer(
            bind["TimingTag"], span, heavy, order, schedule.tiers, schedule.connect_nano,
            digits if mode is not None else 0, money.ROUND_HALF_EVEN if mode is None else mode,
            maximum or 0,
        )  # fmt: skip

    def _span(self, bind: Row) -> Span | None:
        tag = bind["TimingTag"]
        if tag == ANY:
            return Span()
        if tag not in self.timings:
            self._drop(bind, f"timing '{tag}' does not exist or is not a span of time")
            return None
        span = timing(self.timings[tag])
        if span is None:
            self._drop(self.timings[tag], f"timing '{tag}' is not a span of days and a start time")
        return span

    def _schedule(self, priced: Row, unit: str) -> Schedule | None:
        tag = priced["RatesTag"]
        if (tag, unit) not in self._schedules:
            if tag not in self.rates:
                self.findings.add(priced.at, DROPPED, f"rates '{tag}' do not exist")
                self._schedules[tag, unit] = None
            else:
                self._schedules[tag, unit] = prices.schedule(self.rates[tag], unit, self.findings)
        return self._schedules[tag, unit]

    def _prefixes(self, tag: str, rows: Sequence[Row]) -> list[str]:
        """E.164 prefixes of a destination tag; ANY for all numbers."""
        if tag == ANY:
            return [ANY]
        if tag not in self.destinations:
            self._drop(rows[0], f"destination '{tag}' does not exist")
        found = []
        for row in self.destinations.get(tag, ()):
            text = row["Prefix"].removeprefix("+")
            if row["Prefix"] == ANY:
                found.append(ANY)
            elif re.fullmatch(r"[1-9]\d{0,14}", text):
                found.append(text)
            else:
                self._drop(row, f"prefix '{row['Prefix']}' is not the beginning of an"
                           " international number without zeros in front")
        return list(dict.fromkeys(found))

    def _rate(
        self, tags: tuple[str, ...], bound: Mapping[str, tuple[list[Row], list[Offer]]], unit: str,
        taken: Container[str],
    ) -> Rate | None:  # fmt: skip
        """The rate of prefixes that stand in these destinations, under a name not yet taken."""
        rows = [row for tag in tags for row in bound[tag][0]]
        offers = [offer for tag in tags for offer in bound[tag][1]]
        if len(tags) > 1:
            self._note_sets(tags, bound, rows[0])
        name, number = name_of("_".join(tags)), 1
        while name in taken:
            number += 1
            name = f"{name[:58]}-{number}"
        rate = prices.rate(name, unit, offers, rows[0], self.rounding, self.findings)
        self._is_whole = self._is_whole and rate is not None
        return rate

    def _note_sets(
        self, tags: tuple[str, ...], bound: Mapping[str, tuple[list[Row], list[Offer]]], row: Row
    ) -> None:
        """Sets whose times differ are chosen anew at each band here, once a call in CGRateS."""
        if any(not offer.span.is_always for tag in tags for offer in bound[tag][1]):
            self.findings.add(row.at, KNOWN, f"prefixes stand in {' and '.join(tags)}, with other"
                              " times: the set is chosen in each band here, at the answer there")


def _subjects(row: Row) -> tuple[str, ...]:
    """Fallback subjects in their order; ``*any`` is one of them, not an empty list."""
    return tuple(part.strip() for part in row["FallbackSubjects"].split(";") if part.strip())


def name_of(text: str) -> str:
    """A name that the book allows, as near to theirs as may be."""
    found = re.sub(r"[^A-Za-z0-9._-]", "-", text.replace(ANY, "any")).strip("-._")[:64] or "any"
    assert NAME.fullmatch(found)
    return found


def refused(drafts: Sequence[Draft]) -> frozenset[str]:
    """Plans with a version that is not whole, and plans that fall back to one that is not here."""
    known = {draft.plan_id for draft in drafts}
    bad = {draft.plan_id for draft in drafts if not draft.is_whole or set(draft.fallback) - known}
    while True:
        more = {draft.plan_id for draft in drafts if bad & set(draft.fallback)} - bad
        if not more:
            return frozenset(bad)
        bad |= more


def shared(rates: Sequence[Rate]) -> tuple[tuple[Rate, ...], dict[str, str]]:
    """Rates without those that only differ by name, and the name that each goes by."""
    first: dict[Rate, str] = {}
    names = {}
    for rate in rates:
        names[rate.name] = first.setdefault(replace(rate, name=""), rate.name)
    return tuple(rate for rate in rates if names[rate.name] == rate.name), names


def _by_tag(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["Tag"]].append(row)
    return dict(found)
