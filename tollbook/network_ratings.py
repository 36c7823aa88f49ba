"""network/ratings.csv: which plan prices the calls that a carrier takes from us or brings to us."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from tollbook.codes import RATING_KINDS
from tollbook.columns import index_in, validity
from tollbook.network_tables import Carriers
from tollbook.table_checks import (
    check_filled,
    check_overlaps,
    check_shape,
    load_optional,
    references,
)
from tollbook.text import Problems

BY_CARRIER: Final = ("buy", "sell")  # by the carrier of the trunk out, of the trunk in


@dataclass(frozen=True)
class CarrierRatings:
    """ratings.csv, one entry a row; a carrier may have several rows of a kind, one at a time.

    kind: int8, position in codes.RATING_KINDS. plans: what plan_index points into.
    """

    kind: np.ndarray
    carrier_index: np.ndarray  # int32
    plans: tuple[str, ...]
    plan_index: np.ndarray  # int32
    valid_from_utc_s: np.ndarray  # int64
    valid_to_utc_s: np.ndarray  # int64
    lines: np.ndarray  # int64, of the file


_NO_INT: Final = np.zeros(0, np.int32)
_NO_TIME: Final = np.zeros(0, np.int64)
NO_RATINGS: Final = CarrierRatings(
    np.zeros(0, np.int8), _NO_INT, (), _NO_INT, _NO_TIME, _NO_TIME, _NO_TIME
)


def load_ratings(
    path: Path, carriers: Carriers, zone: str, problems: Problems, shown: str
) -> CarrierRatings:
    """ratings.csv: kind, carrier, plan, valid_from, valid_to."""
    table = load_optional(
        path, ("kind", "carrier", "plan"), ("valid_from", "valid_to"), problems, shown
    )
    check_shape(table, "kind", "|".join(BY_CARRIER),
                "buy (what the carrier that took the call charges) or sell (what the carrier that "
                "brought it owes)", problems)
    carrier = references(table, "carrier", carriers.ids, "carriers.csv", problems)
    check_filled(table, "plan", problems)
    kind = index_in(table["kind"], RATING_KINDS)
    span = validity(table, zone, problems)
    check_overlaps(table, "carrier", kind.astype(np.int64) << 32 | carrier, span, problems)
    named = table["plan"].dictionary_encode()
    plans = tuple(named.dictionary.to_pylist())
    return CarrierRatings(
        kind.astype(np.int8), carrier, plans, named.indices.to_numpy().astype(np.int32), *span,
        table.lines,
    )
