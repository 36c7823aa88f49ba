"""Explaining a record: what became of it, looked up and priced again from its run's snapshot.

Nothing here reads the working folders: what the run knew is in its snapshot. Whatever comes out
differently from what the run stored is a ``Difference``, never passed over in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from rating import guide_trace, leg_trace, selectors, trace_stored
from rating.guide_trace import Ends, Guidance
from rating.leg_trace import LegTrace
from rating.trace import Facts, Trace
from rating.trace_steps import Used
from rating.trace_stored import Stored
from tariffs.compile_memory import remembers
from tariffs.compile_rates import Maxima
from tariffs.memory_model import OWNERS
from tariffs.model import Book
from tollbook import codes, reasons
from tollbook.reasons import Reason
from tollbook.run import data, records, snapshots, suspense_log, used
from tollbook.run.audit_state import OWNER_COLUMNS
from tollbook.run.catalogue import InputFile, Run
from tollbook.run.data import Data
from tollbook.run.session import Session

RATED: Final = codes.DISPOSITIONS[codes.RATED]
SUSPENDED: Final = codes.DISPOSITIONS[codes.SUSPENDED]
_FACTS: Final = (
    "service", "direction", "start_utc_s", "roaming", "relation", "other_zone", "access_code",
    "duration_s", "up_bytes", "down_bytes", "event_count", "served_zone", "home_zone",
    "home_relation", "carrier", "forward", "other_e164", "routing_e164", "utc_offset_s",
)  # fmt: skip
_CHARGE, _MICRO = "charge_", "_micro"


@dataclass(frozen=True)
class Difference:
    """Something that the run stored and that does not follow from its snapshot."""

    what: str
    stored: str | int
    explained: str | int


@dataclass(frozen=True)
class Leg:
    """A settlement leg as it is stored (None: it is not), and as it is explained (None: not)."""

    direction: str
    stored: Mapping[str, Any] | None
    explained: LegTrace | None


@dataclass(frozen=True)
class Explanation:
    """What became of a record, and why.

    fate: a word of ``codes.DISPOSITIONS``. reason: why it is not rated; None if it is. first: the
    record that came before, for a duplicate. facts, guidance and trace: of rated records only.
    stored_micro: the components' charges as stored, by name. history: what was done about it while
    it was suspended (``schemas.SUSPENSE_LOG``), oldest first. parts: of a call that was made of
    partial records, those behind the first. corrections: what was found of it after its month was
    billed (``schemas.DIFFERENCE``, ``schemas.USE_DIFFERENCE``), oldest first. books: by run, those
    under which balances were corrected.
    """

    record_id: int
    file: InputFile
    run: Run
    row: Mapping[str, Any]
    data: Data
    fate: str
    reason: Reason | None = None
    first: Explanation | None = None
    facts: Facts | None = None
    guidance: Guidance | None = None
    trace: Trace | None = None
    stored_micro: Mapping[str, int] = field(default_factory=dict)
    legs: tuple[Leg, ...] = ()
    differences: tuple[Difference, ...] = ()
    history: tuple[Mapping[str, Any], ...] = ()
    parts: tuple[Mapping[str, Any], ...] = ()
    corrections: tuple[Mapping[str, Any], ...] = ()
    books: Mapping[int, Book] = field(default_factory=dict)


class Explainer:
    """Explains records of a workspace; a snapshot is read once for all of its records."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[str, Data] = {}

    def explain(self, record_id: int) -> Explanation:
        """What became of a record; raises NotFound if the workspace has never read it."""
        shown = self._explain(record_id)
        is_made = bool(shown.row["flags"] & codes.FLAG_MERGED)
        return replace(
            shown, history=tuple(suspense_log.of_record(self._session, record_id)),
            parts=tuple(records.parts_of(self._session, record_id)) if is_made else (),
        )  # fmt: skip

    def _explain(self, record_id: int) -> Explanation:
        found = records.find(self._session, record_id)
        run = self._session.catalogue.run(found.run_number)
        file = self._session.catalogue.file(record_id >> 32)
        known = self._data(run.snapshot)
        if found.dataset == "rated":
            taken = used.of_row(self._session, found.row, found.run_number)
            shown = _rated(Explanation(record_id, file, run, found.row, known, RATED),
                           self._legs(record_id), taken)  # fmt: skip
            since = records.corrections_of(self._session, record_id)
            runs = {row["run_number"] for row in since if "item" in row}
            books = {one: self._data(self._session.catalogue.run(one).snapshot).book
                     for one in runs}  # fmt: skip
            return replace(shown, corrections=tuple(since), books=books)
        reason = reasons.BY_CODE[reasons.CODE[found.row["reason"]]]
        fate = codes.DISPOSITIONS[reason.disposition]
        first_id = found.row.get("first_record_id", 0)
        first = self.explain(first_id) if first_id else None
        shown = Explanation(record_id, file, run, found.row, known, fate, reason, first)
        stored = [row for row, _ in self._legs(record_id)] if reason.stage == "settle" else []
        return _settled_only(shown, stored) if stored else shown

    def _data(self, digest: str) -> Data:
        if digest not in self._known:
            self._known[digest] = data.load(snapshots.folder_of(self._session.lake, digest))
        return self._known[digest]

    def _legs(self, record_id: int) -> list[tuple[dict[str, Any], Data]]:
        """A record's legs, each with what the run knew that made it."""
        return [
            (row, self._data(self._session.catalogue.run(number).snapshot))
            for row, number in records.legs_of(self._session, record_id)
        ]


def facts_of(row: Mapping[str, Any]) -> Facts:
    """What rating knew of a row of the lake's ``rated``."""
    return Facts(
        **{name: row[name] for name in _FACTS},
        on_net=bool(row["flags"] & codes.FLAG_ON_NET),
        special=bool(row["flags"] & codes.FLAG_SPECIAL),
        same_place=bool(row["flags"] & codes.FLAG_SAME_PLACE),
        friend=bool(row["flags"] & codes.FLAG_FRIEND),
        group=bool(row["flags"] & codes.FLAG_GROUP),
        boundary=boundary_of(row["flags"]),
    )


def boundary_of(flags: int) -> str:
    """A word of ``codes.BOUNDARIES``, from a record's flags."""
    if not flags & codes.FLAG_BOUNDARY:
        return codes.BOUNDARIES[0]
    return codes.BOUNDARIES[2 if flags & codes.FLAG_BOUNDARY_INTER else 1]


def _rated(
    shown: Explanation, stored_legs: Sequence[tuple[Mapping[str, Any], Data]],
    taken: Sequence[Used] | None,
) -> Explanation:
    row, known = shown.row, shown.data
    facts = facts_of(row)
    guidance = guide_trace.look_up(
        known.workspace, known.network, known.customers,
        Ends(row["start_utc_s"], row["served_e164"] if row["served_raw"] else 0, row["other_e164"],
             row["special_number"], row["network"], row["location"], row["direction"],
             row["forward"], row["routing_e164"], row["imsi"]),
    )  # fmt: skip
    stored_micro = {
        name.removeprefix(_CHARGE).removesuffix(_MICRO): value
        for name, value in row.items()
        if name.startswith(_CHARGE) and name != _CHARGE.rstrip("_") + _MICRO
    }
    traced = _traced(row, known, (facts, guidance), taken, stored_micro)
    legs = _legs_of(row, facts, known, stored_legs)
    differences = [
        *_guided_otherwise(row, guidance),
        *_priced_otherwise(row, traced, stored_micro),
        *_settled_otherwise(legs),
    ]
    return replace(
        shown, facts=facts, guidance=guidance, trace=traced, stored_micro=stored_micro, legs=legs,
        differences=tuple(differences),
    )  # fmt: skip


def _traced(
    row: Mapping[str, Any], known: Data, found: tuple[Facts, Guidance],
    taken: Sequence[Used] | None, stored_micro: Mapping[str, int],
) -> Trace:  # fmt: skip
    """The steps of a rated row, with the discounts that are for its subscription."""
    book, limits, (facts, guidance) = known.book, known.workspace.limits, found
    versions = [version for plan in book.plans for version in plan.versions]
    chosen = selectors.chosen_names(
        book.discounts, known.customers, known.workspace.operator.time_zone,
        guidance.subscription.line, facts.start_utc_s,
    ) if book.discounts and guidance.subscription else frozenset()  # fmt: skip
    return trace_stored.explained(Stored(
        book, row["plan"], facts, Maxima(limits.duration_s, limits.volume_bytes),
        taken if any(map(remembers, versions)) else None, lambda one: one.name in chosen,
        stored_micro, [kind for kind in OWNERS if kind != "group" or row.get(OWNER_COLUMNS[kind])],
    ))  # fmt: skip


def _settled_only(shown: Explanation, stored_legs: Sequence[Mapping[str, Any]]) -> Explanation:
    """A transit record: its legs, priced again for the settlement group that they name."""
    row, known = shown.row, shown.data
    facts = Facts(**{name: row[name] for name in _FACTS if name in row})
    legs = _pair(stored_legs, leg_trace.legs_of(
        known.network, known.agreements, facts, (row["trunk_in"], row["trunk_out"]),
        stored_legs[0]["settlement_group"],
    ))  # fmt: skip
    return replace(shown, facts=facts, legs=legs, differences=tuple(_settled_otherwise(legs)))


def _legs_of(
    row: Mapping[str, Any], facts: Facts, known: Data,
    stored: Sequence[tuple[Mapping[str, Any], Data]],
) -> tuple[Leg, ...]:  # fmt: skip
    """A rated record's legs. One that was settled before the record was rated again stays: it is
    explained by what the run knew that made it."""
    zone = row["served_zone" if facts.direction == leg_trace.IN else "other_zone"]

    def traced(by: Data) -> dict[str, LegTrace]:
        found = leg_trace.legs_of(
            by.network, by.agreements, facts, (row["trunk_in"], row["trunk_out"]),
            leg_trace.group_of(by.network, zone),
        )
        return {leg.direction: leg for leg in found}

    explained = traced(known)
    for leg, by in stored:
        if by is not known:
            way = leg["direction"]
            explained.pop(way, None)
            explained |= {name: one for name, one in traced(by).items() if name == way}
    return _pair([leg for leg, _ in stored], list(explained.values()))


def _pair(
    stored: Sequence[Mapping[str, Any]], explained: Sequence[LegTrace]
) -> tuple[Leg, ...]:
    """Legs of the same direction together; a record has at most one of each."""
    by_direction = {leg["direction"]: leg for leg in stored}
    traced = {leg.direction: leg for leg in explained}
    return tuple(
        Leg(direction, by_direction.get(direction), traced.get(direction))
        for direction in codes.DIRECTIONS
        if direction in by_direction or direction in traced
    )


def _guided_otherwise(row: Mapping[str, Any], guidance: Guidance) -> Iterator[Difference]:
    paying = guidance.subscription
    explained: dict[str, str | int] = {
        "subscription_id": paying.subscription_id if paying else "",
        "account_id": paying.account_id if paying else "",
        "served_e164": guidance.served_e164,
        "plan": paying.plan if paying else "",
        "served_zone": guidance.served.zone,
        "other_zone": guidance.other.zone,
        "carrier": guidance.carrier,
        "relation": guidance.relation,
        "roaming": guidance.roaming,
        "home_zone": guidance.home.zone,
        "real_zone": guidance.real.zone,
        "called_zone": guidance.called.zone,
        "home_relation": guidance.home_relation,
    }
    found = row["flags"] & guide_trace.GUIDED_FLAGS
    if found != guidance.flags:
        yield Difference("flags", found, guidance.flags)
    for name, value in explained.items():
        if row[name] != value:
            yield Difference(name, row[name], value)


def _priced_otherwise(
    row: Mapping[str, Any], traced: Trace, stored_micro: Mapping[str, int]
) -> Iterator[Difference]:
    if traced.reason:
        yield Difference("fate", RATED, f"{SUSPENDED}: {traced.reason}")
    version = traced.version.label if traced.version else ""
    if row["version"] != version:
        yield Difference("version", row["version"], version)
    if row["rule"] != traced.rule_index:
        yield Difference("rule", row["rule"] + 1, traced.rule_index + 1)
    explained = dict.fromkeys(stored_micro, 0)
    explained |= traced.charges
    for name, charge_micro in explained.items():
        if stored_micro.get(name, 0) != charge_micro:
            yield Difference(f"{name}_micro", stored_micro.get(name, 0), charge_micro)
    if row["charge_micro"] != traced.charge_micro:
        yield Difference("total_micro", row["charge_micro"], traced.charge_micro)


def _settled_otherwise(legs: Sequence[Leg]) -> Iterator[Difference]:
    for leg in legs:
        stored, explained = _leg_facts(leg)
        for name in stored | explained:
            if stored.get(name) != explained.get(name):
                yield Difference(f"leg {leg.direction}: {name}", stored.get(name, "no leg"),
                                 explained.get(name, "no leg"))  # fmt: skip


def _leg_facts(leg: Leg) -> tuple[dict[str, str | int], dict[str, str | int]]:
    """What must be the same of a leg as stored and as explained."""
    names = ("carrier", "trunk", "settlement_group", "agreement", "quantity", "billed_quantity",
             "charge_micro")  # fmt: skip
    stored = {name: leg.stored[name] for name in names} if leg.stored else {}
    one = leg.explained
    if one is None or one.agreement is None or one.component is None:
        return stored, {}
    explained = (
        one.carrier, one.trunk, one.group, one.agreement.agreement, one.component.quantity,
        one.billed_quantity, one.component.charge_micro,
    )  # fmt: skip
    return stored, dict(zip(names, explained, strict=True))
