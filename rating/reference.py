"""What validation, normalisation and guiding need to know, as read-only arrays for their kernels.

``build`` compiles it once a run from the workspace, the network and the customers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa

from rating import mediation_rules
from rating.decide_kernels import OWN_NETWORK, Faults, Places, Relations
from rating.duplicate_kernels import KeyFields
from rating.guide_kernels import RangeTable, SubscriptionTable, TrunkTable
from rating.hash_kernels import TextTable
from rating.mediation_rules import CompiledMediation
from rating.number_kernels import (
    E164_DIGITS_MAX,
    EMPTY,
    HEAD_DIGITS,
    KINDS,
    OTHER,
    ROUTING,
    SERVED,
    THIRD,
    WORDS,
    DiallingRules,
    NumberingPlan,
)
from rating.overlaps import Searches, searches
from rating.owners import OwnerTables
from rating.place_tables import PlaceRules, place_rules, roaming_areas, whole_locations
from rating.tables import (
    FIRST_MONTH,
    Names,
    account_buckets,
    fixed,
    month_starts_utc_s,
    number_slots,
    range_table,
    subscription_table,
    text_table,
    trunk_table,
)
from rating.validate_kernels import Checks
from rating.visitors import VisitorTable, table_of
from tollbook import codes, reasons, schemas
from tollbook.customers import Customers, Subscriptions
from tollbook.duplicate_rules import DuplicateRules
from tollbook.network import Network, SpecialNumbers
from tollbook.numbering import Lengths, Numbering
from tollbook.sources import Source
from tollbook.workspace import Limits, Operator, Workspace

FIELD: Final = schemas.positions(schemas.CDR)


@dataclass(frozen=True)
class Imsis:
    """Subscriptions by IMSI: a table that is made when the first record has nothing but an IMSI.

    bucket: by account; plan_index: by row of subscriptions.csv.
    """

    subscriptions: Subscriptions
    bucket: np.ndarray
    plan_index: np.ndarray
    ranges: RangeTable

    @cached_property
    def table(self) -> SubscriptionTable:
        """Where two threads ask at once, both make the same."""
        return subscription_table(
            self.subscriptions, self.bucket, self.plan_index, self.ranges, by_imsi=True
        )


@dataclass(frozen=True)
class Guiding:
    """What the stage guide looks up."""

    subscriptions: SubscriptionTable
    imsis: Imsis
    ranges: RangeTable
    locations: TextTable
    networks: TextTable
    trunks: TrunkTable
    takes_part: np.ndarray  # int8 by reason: 1, the record is in the duplicate index
    key_fields: KeyFields
    places: Places
    relations: Relations
    rules: PlaceRules
    faults: Faults
    visitors: VisitorTable | None = None  # None: there are none


@dataclass(frozen=True)
class Reference:
    """The reference of the stages from validate to pair, but for rate."""

    checks: Checks
    dialling: DiallingRules
    guiding: Guiding
    names: Names
    searches: Searches
    mediation: CompiledMediation | None = None  # None: there are no rules
    pair_forwarded_s: int | None = None  # None: legs of forwarded calls are not paired

    @property
    def key_fields(self) -> KeyFields:
        """The fields of the duplicate key."""
        return self.guiding.key_fields


def build(
    workspace: Workspace,
    network: Network,
    customers: Customers,
    as_of_utc_s: int,
    open_period: int,
    plan_ids: Sequence[str] | None = None,
    owners: OwnerTables | None = None,
) -> Reference:
    """Compiles the reference of a run.

    as_of_utc_s: the run's only now. open_period: the first month that still takes charges
    (``tollbook.clock.month_index``). plan_ids: what ``plan_index`` shall point into, usually the
    compiled book's plans; a plan that is not among them gives -1. Default: ``customers.plan_ids``.
    owners: of a book that remembers; accounts that share a pool then lie in one bucket.
    """
    plans = tuple(customers.plan_ids if plan_ids is None else plan_ids)
    names = Names(
        sources=tuple(source.name for source in workspace.sources),
        access_codes=workspace.numbering.access_codes,
        special_numbers=network.special_numbers.numbers,
        zones=network.zones.ids,
        relations=network.relations,
        carriers=network.carriers.ids,
        trunks=network.trunks.trunks,
        plans=plans,
        mediation=tuple(rule.name for rule in workspace.mediation.rules),
        account_id=customers.accounts.account_id,
        subscription_id=customers.lines.subscription_id,
        locations=whole_locations(network.locations),
    )
    return Reference(
        checks=_checks(workspace.limits, workspace.partials is not None, as_of_utc_s),
        dialling=_dialling(workspace.numbering, workspace.sources, network.special_numbers),
        guiding=_guiding(workspace, network, customers, open_period, names, owners),
        names=names,
        mediation=mediation_rules.compile_rules(workspace.mediation, names),
        pair_forwarded_s=workspace.mediation.pair_forwarded_s,
        searches=searches(workspace.duplicates, as_of_utc_s, workspace.limits.duration_s),
    )


def _checks(limits: Limits, parts_are_merged: bool, as_of_utc_s: int) -> Checks:
    unit = np.zeros(len(codes.SERVICES), np.int8)
    for service, counted in codes.QUANTITY_UNIT.items():
        unit[service] = counted
    code = reasons.CODE
    return Checks(
        unit=fixed(unit),
        parts_are_merged=int(parts_are_merged),
        start_max_utc_s=as_of_utc_s + limits.future_s,
        start_min_utc_s=as_of_utc_s - limits.age_s,
        duration_max_s=limits.duration_s,
        volume_max_bytes=limits.volume_bytes,
        start_in_future=code["start_in_future"],
        start_too_old=code["start_too_old"],
        duration_too_long=code["duration_too_long"],
        duration_zero=code["duration_zero"],
        volume_too_large=code["volume_too_large"],
        volume_zero=code["volume_zero"],
        events_zero=code["events_zero"],
        start_field=FIELD["start_utc_s"],
        duration_field=FIELD["duration_s"],
        up_field=FIELD["up_bytes"],
        events_field=FIELD["event_count"],
    )


def _dialling(
    numbering: Numbering, sources: Sequence[Source], special: SpecialNumbers
) -> DiallingRules:
    whole = {number: row for row, number in enumerate(special.numbers) if number.isdigit()}
    begins = {number[:-1]: row for row, number in enumerate(special.numbers) if number not in whole}
    specials = [(int("1" + number), row) for number, row in sorted(whole.items())]
    special_table = np.array(specials, np.int64).reshape(-1, 2)
    source_prefix = [
        int(numbering.country_code + source.area) if source.area else -1 for source in sources
    ]
    return DiallingRules(
        plan=_plan(numbering, max((len(source.area) for source in sources), default=0)),
        international=_prefixes(numbering.international_prefixes),
        access_codes=_prefixes(numbering.access_codes),
        source_prefix=fixed(np.array(source_prefix), np.int64),
        special_slots=number_slots(special_table[:, 0]),
        specials=fixed(special_table),
        special_size_max=max(map(len, whole), default=0),
        special_beginnings=_prefixes(tuple(begins), tuple(begins.values())),
        absent=_absent(),
        flag_special=codes.FLAG_SPECIAL,
        flag_access_code=codes.FLAG_ACCESS_CODE,
    )


def _plan(numbering: Numbering, area_size: int) -> NumberingPlan:
    never = Lengths(HEAD_DIGITS + 1, 0)
    mobile, local = numbering.mobile_lengths or never, numbering.local_lengths or never
    room = E164_DIGITS_MAX - len(numbering.country_code)
    return NumberingPlan(
        country=int(numbering.country_code),
        country_size=len(numbering.country_code),
        national=int(numbering.national_prefix or "0"),
        national_size=len(numbering.national_prefix),
        national_min=numbering.national_lengths.min,
        national_max=min(numbering.national_lengths.max, room),
        mobile_min=mobile.min,
        mobile_max=min(mobile.max, room),
        local_min=local.min,
        local_max=min(local.max, room - area_size),
    )


def _prefixes(texts: Sequence[str], rows: Sequence[int] | None = None) -> np.ndarray:
    """Prefixes, longest first: value, count of digits, row. int64 [prefixes, 3]."""
    order = sorted(range(len(texts)), key=lambda row: (-len(texts[row]), texts[row]))
    table = [(int(texts[at]), len(texts[at]), rows[at] if rows else at) for at in order]
    return fixed(np.array(table, np.int64).reshape(-1, 3))


def _absent() -> np.ndarray:
    """Which records are complete although a party is no telephone number.

    Data and events have no other number. A caller may hide its number, or send a name instead of
    it. A message may be without a recipient. The served party of a transit record is no customer.
    Few calls have a third party or a number that they were routed to.
    int8 [party, kind of text, service, direction].
    """
    absent = np.zeros((4, KINDS, len(codes.SERVICES), len(codes.DIRECTIONS)), np.int8)
    absent[SERVED, :, :, codes.TRANSIT] = 1
    parties = slice(OTHER, ROUTING)
    absent[parties, :, [codes.DATA, codes.EVENT], :] = 1
    absent[parties, EMPTY, :, codes.IN] = 1
    absent[parties, WORDS, :, codes.IN] = 1
    absent[parties, EMPTY, [codes.SMS, codes.MMS], :] = 1
    absent[[THIRD, ROUTING], EMPTY] = 1
    return fixed(absent)


def _guiding(
    workspace: Workspace,
    network: Network,
    customers: Customers,
    open_period: int,
    names: Names,
    owners: OwnerTables | None,
) -> Guiding:
    ranges = range_table(network.ranges)
    index_of = {plan: index for index, plan in enumerate(names.plans)}
    plan_of = np.array([index_of.get(plan, -1) for plan in customers.plan_ids] or [-1], np.int32)
    bucket = (
        account_buckets(customers.accounts.account_id) if owners is None
        else owners.bucket_of_account
    )
    plan_of_line = plan_of[customers.lines.plan_index]
    plan_index = plan_of_line[: len(customers.subscriptions.number)]
    takes_part = np.zeros(max(reasons.BY_CODE) + 1, np.int8)
    takes_part[0] = 1
    for reason in reasons.REASONS:
        takes_part[reason.code] |= reason.stage in ("normalise", "guide")
    tadigs, network_zone = _visited(workspace.operator, network)
    return Guiding(
        subscriptions=subscription_table(customers.subscriptions, bucket, plan_index, ranges),
        imsis=Imsis(customers.subscriptions, bucket, plan_index, ranges),
        ranges=ranges,
        locations=text_table(names.locations),
        networks=text_table(pa.array(tadigs, pa.string())),
        trunks=trunk_table(network.trunks),
        takes_part=fixed(takes_part),
        key_fields=key_fields(workspace.duplicates),
        places=Places(
            location_zone=fixed(network.locations.zone_index, np.int32),
            network_zone=network_zone,
            zone_area=roaming_areas(workspace, network),
            month_start_utc_s=month_starts_utc_s(workspace.operator.time_zone),
            roams=int(workspace.national_roaming != "never"),
            first_month=FIRST_MONTH,
            open_period=open_period,
        ),
        relations=Relations(
            special_zone=fixed(network.special_numbers.zone_index, np.int32),
            relations=fixed(network.relation_matrix, np.int16),
            own_relation=fixed(network.relation_matrix.diagonal(), np.int16),
            own_carrier=network.carriers.own_index,
            flag_on_net=codes.FLAG_ON_NET,
        ),
        rules=place_rules(workspace, network, customers),
        faults=_faults(),
        visitors=table_of(customers, network.zones.ids, (plan_of_line, bucket), workspace.operator),
    )


def _visited(operator: Operator, network: Network) -> tuple[list[str], np.ndarray]:
    """Codes of networks with their zones; the operator's own codes stand for being at home."""
    zone_of = dict(zip(network.visited.tadigs, network.visited.zone_index.tolist(), strict=True))
    zone_of |= dict.fromkeys(operator.networks[1:], OWN_NETWORK)
    return list(zone_of), fixed(np.array(list(zone_of.values())), np.int32)


def key_fields(key: DuplicateRules) -> KeyFields:
    """The configured fields of the duplicate key as ones and zeros."""
    return KeyFields(**{name: int(name in key.fields) for name in KeyFields._fields})


def _faults() -> Faults:
    code = reasons.CODE
    return Faults(
        subscription_missing=code["subscription_missing"],
        subscription_inactive=code["subscription_inactive"],
        number_range_missing=code["number_range_missing"],
        relation_missing=code["relation_missing"],
        location_missing=code["location_missing"],
        network_missing=code["network_missing"],
        served_field=FIELD["served_raw"],
        other_field=FIELD["other_raw"],
        network_field=FIELD["network"],
        location_field=FIELD["location"],
    )
