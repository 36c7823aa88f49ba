"""The stage settle: legs between carriers, and the agreements compiled for it.

The price of a leg depends on where the call ends: the settlement group of the other party's zone
for a call that goes out or passes through, of the served party's zone for one that comes in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from rating import leg_kernels as kernels
from rating.tables import FIRST_MONTH, month_starts_utc_s
from tariffs.agreements import ANY_GROUP, CLOCKS, Agreement
from tariffs.compile_rates import Maxima, RateTables, frozen
from tariffs.compiler import compile_clocks
from tollbook import money, reasons, schemas
from tollbook.codes import DIRECTION_CODE, OUT, SERVICE_CODE, SERVICES
from tollbook.network import Network
from tollbook.stage import StageResult, ints, text, with_columns
from tollbook.text import Problems

_TRUNKS: Final = ("trunk_out", "trunk_in")  # by way
_TRUNK_FIELDS: Final = tuple(schemas.CDR.get_field_index(name) for name in _TRUNKS)
FAULTS: Final = kernels.Faults(
    *(reasons.CODE[name] for name in kernels.Faults._fields[:-2]), *_TRUNK_FIELDS
)


@dataclass(frozen=True)
class CompiledAgreements:
    """Agreements as arrays; ``agreement_index`` of a leg is a position in ``agreements``."""

    tables: kernels.Agreements
    agreements: tuple[Agreement, ...]


def compile_agreements(
    agreements: Sequence[Agreement],
    network: Network,
    time_zone: str,
    open_period: int = 0,
    maxima: Maxima | None = None,
) -> CompiledAgreements:
    """Compile the agreements for a run.

    time_zone: whose months are settlement periods. open_period: the first month (``year * 12 +
    month - 1``) that is not settled yet; legs of earlier months go there. Raises Refused with all
    problems: prices that could overflow.
    """
    problems = Problems()
    rates = RateTables(maxima or Maxima())
    for agreement in agreements:
        rates.add(agreement.as_rate(), problems)
    problems.refuse_if_any("no record was settled")
    place, candidate = _dense(agreements, network)
    starts = month_starts_utc_s(time_zone)
    rows = [(CLOCKS.index(a.clock), a.valid_from_utc_s, a.valid_to_utc_s, 0) for a in agreements]
    tables = kernels.Agreements(
        place=place,
        candidate=candidate,
        agreements=frozen(rows, kernels.AGREEMENT),
        prices=rates.arrays(),
        clocks=compile_clocks((time_zone,), rates.days),
        trunk_carrier=frozen(network.trunks.carrier_index, np.int32),
        zone_group=frozen(network.zones.group_index, np.int32),
        group_count=len(network.zones.groups),
        own_carrier=network.carriers.own_index,
        month_start_utc_s=starts,
        first_month=FIRST_MONTH,
        open_period=open_period,
    )
    return CompiledAgreements(tables, tuple(agreements))


def _dense(
    agreements: Sequence[Agreement], network: Network
) -> tuple[np.ndarray, np.ndarray]:
    """For every (carrier, way, service, group) the agreements that may hold, ANY_GROUP last."""
    carriers, groups = network.carriers.ids, network.zones.groups
    by_key: dict[tuple[str, str, str, str], list[int]] = defaultdict(list)
    for index, agreement in enumerate(agreements):
        by_key[agreement.key].append(index)
    shape = (len(carriers), kernels.WAYS, len(SERVICES), len(groups) + 1)
    place = np.zeros(shape, np.int32)
    candidate = [kernels.NO_ENTRY]
    for carrier, direction, service in {key[:3] for key in by_key}:
        way = 0 if DIRECTION_CODE[direction] == OUT else 1
        any_group = by_key.get((carrier, direction, service, ANY_GROUP), [])
        row = place[carriers.index(carrier), way, SERVICE_CODE[service]]
        for at, group in enumerate(("", *groups)):
            own = by_key.get((carrier, direction, service, group), [])
            row[at] = len(candidate)
            candidate += [*own, *any_group, kernels.NO_ENTRY]
    return frozen(place.reshape(-1), np.int32), frozen(candidate, np.int64)


def settle(
    batch: pa.RecordBatch, compiled: CompiledAgreements, state: None = None
) -> StageResult:
    """Rows of ``schemas.RATED`` -> the same, and their legs (``extra["legs"]``, ``schemas.LEG``).

    A row whose leg cannot be made gets ``trunk_unknown``, ``settlement_rate_missing`` or
    ``charge_too_large``, and its charges are taken back: it is suspended whole. Transit without a
    subscription becomes ``carried_for_others``.
    totals: legs; taken_back_micro, the charges of rows that were rated and are suspended here.
    """
    schemas.check(batch, schemas.RATED, "settle")
    reason, field, made = _made(batch, compiled)
    new = {"reason": reason, "reason_field": field}
    held = (reason != ints(batch, "reason")) & (reason != FAULTS.carried_for_others)
    taken_back = money.exact_sum(ints(batch, "charge_micro")[held])
    if taken_back:
        new |= _without_charges(batch, held)
    return StageResult(
        with_columns(batch, schemas.RATED, new),
        totals={"legs": made.num_rows, "taken_back_micro": taken_back},
        extra={"legs": made},
    )


def settle_first(batch: pa.RecordBatch, compiled: CompiledAgreements) -> StageResult:
    """The same of ``schemas.USAGE``, before the rows are rated.

    For books that remember: a row that is suspended for its leg must not use what others then lack.
    Of a row without a price either, the leg's fault is the one that counts.
    totals: legs. ``without`` takes away the legs of rows that are suspended when they are rated.
    """
    schemas.check(batch, schemas.USAGE, "settle")
    reason, field, made = _made(batch, compiled)
    new = {"reason": reason, "reason_field": field}
    return StageResult(with_columns(batch, schemas.USAGE, new),
                       totals={"legs": made.num_rows}, extra={"legs": made})  # fmt: skip


def without(settled: StageResult, rated: pa.RecordBatch) -> StageResult:
    """The legs of ``settle_first`` that stay, beside the rows as they were rated since."""
    failed = ints(rated, "reason") != ints(settled.batch, "reason")
    made = settled.extra["legs"]
    if failed.any():
        gone = np.isin(ints(made, "record_id"), ints(rated, "record_id")[failed])
        made = made.filter(pa.array(~gone))
    return StageResult(rated, totals={"legs": made.num_rows}, extra={"legs": made})


def _made(
    batch: pa.RecordBatch, compiled: CompiledAgreements
) -> tuple[np.ndarray, np.ndarray, pa.RecordBatch]:
    """Reasons and their fields, and the legs, of rows of schemas.USAGE or more."""
    rows = kernels.Rows(*(ints(batch, name) for name in kernels.Rows._fields))
    trunks = (ints(batch, "trunk_out_index"), ints(batch, "trunk_in_index"))
    reason = ints(batch, "reason").copy()
    field = ints(batch, "reason_field").copy()
    found = kernels.Found(*np.empty((2, kernels.WAYS, batch.num_rows), np.int32))
    for way, (name, index) in enumerate(zip(_TRUNKS, trunks, strict=True)):
        column = kernels.Trunks(index, text(batch, name).offsets)
        kernels.find_legs(compiled.tables, rows, column, way, FAULTS, reason, field, found)
    legs = kernels.Legs(*(
        np.empty(2 * batch.num_rows, schemas.LEG.field(name).type.to_pandas_dtype())
        for name in kernels.Legs._fields
    ))  # fmt: skip
    count = kernels.write_legs(compiled.tables, rows, trunks, found, FAULTS, reason, legs)
    made = {name: column[:count] for name, column in legs._asdict().items()}
    return reason, field, with_columns(batch.slice(0, 0), schemas.LEG, made)


def _without_charges(batch: pa.RecordBatch, held: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of charges with zero for the rows that are held."""
    return {
        name: np.where(held, 0, ints(batch, name))
        for name in (*schemas.CHARGE_COLUMNS, "charge_micro")
    }
