"""The stage mediate: records that the operator's own rules discard or filter."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rating.assemble import is_numbered
from rating.mediation_rules import CompiledRule, Numbers, Texts
from rating.reference import Reference
from tollbook import reasons, schemas
from tollbook.stage import StageResult, ints, text_of, with_columns

_POWER: Final = 10 ** np.arange(19, dtype=np.int64)


def mediate(batch: pa.RecordBatch, reference: Reference, state: None = None) -> StageResult:
    """Rows of ``schemas.USAGE``: the first rule that fits takes a row.

    Such a row gets the reason of the rule's kind, its place among the rules (mediation_index) and
    no ``dedupe_hash``: it takes no part in the search for duplicates, so a copy of it is discarded
    or filtered as it was. Which rows are asked about: ``mediation_rules.compile_rules``.
    totals: discarded, filtered.
    """
    rules = reference.mediation
    if rules is None:
        return StageResult(batch)
    schemas.check(batch, schemas.USAGE, "mediate")
    reason = ints(batch, "reason")
    left = np.flatnonzero(rules.examined[reason])
    merges = reference.checks.parts_are_merged == 1
    parts = is_numbered(batch) if merges else np.zeros(batch.num_rows, np.bool_)
    taken = np.full(batch.num_rows, -1, np.int16)
    for index, rule in enumerate(rules.rules):
        found = _fitting(batch, left, rule, parts)
        if len(found):
            taken[found] = index
            left = left[taken[left] < 0]
    hit = taken >= 0
    counted = dict.fromkeys(("discarded", "filtered"), 0)
    if not hit.any():
        return StageResult(batch, totals=counted)
    code = np.array([rule.reason for rule in rules.rules], np.int16)[taken]
    filtered = int(np.count_nonzero(hit & (code == reasons.CODE["filtered_by_rule"])))
    counted = {"discarded": int(np.count_nonzero(hit)) - filtered, "filtered": filtered}
    new = {
        "reason": np.where(hit, code, reason),
        "reason_field": np.where(hit, np.int16(-1), ints(batch, "reason_field")),
        "dedupe_hash": np.where(hit, 0, ints(batch, "dedupe_hash")),
        "mediation_index": taken,
    }
    return StageResult(with_columns(batch, schemas.USAGE, new), totals=counted)


def _fitting(
    batch: pa.RecordBatch, rows: np.ndarray, rule: CompiledRule, parts: np.ndarray
) -> np.ndarray:
    """Those of ``rows`` for which every condition holds; what costs least is asked first.

    parts: rows (bool) that are parts of a call that is still to be put together: none is short.
    """
    for allowed in rule.allowed:
        rows = rows[allowed.table[ints(batch, allowed.column)[rows] + 1]]
    if rule.duration_max_s is not None:
        rows = rows[~parts[rows] & (ints(batch, "duration_s")[rows] <= rule.duration_max_s)]
    if rule.cause is not None:
        rows = rows[_is_in(pa.array(ints(batch, "cause")[rows]), rule.cause)]
    for columns, texts in rule.texts:
        fits = np.zeros(len(rows), np.bool_)
        for column in columns:
            fits |= _text_fits(batch.column(column), rows, texts)
        rows = rows[fits]
    for party, numbers in rule.numbers:
        rows = rows[_number_fits(batch, rows, party, numbers)]
    return rows


def _number_fits(
    batch: pa.RecordBatch, rows: np.ndarray, party: str, numbers: Numbers
) -> np.ndarray:
    value = ints(batch, f"{party}_e164")[rows]
    fits = _is_in(pa.array(value), numbers.whole)
    digits = np.searchsorted(_POWER, value, side="right")
    for size, beginnings in numbers.beginnings:
        head = value // _POWER[np.maximum(digits - size, 0)]
        fits |= _is_in(pa.array(head), beginnings) & (digits >= size)
    if not fits.all():
        fits |= _text_fits(batch.column(f"{party}_raw"), rows, numbers.dialled)
    return fits


def _text_fits(column: pa.Array, rows: np.ndarray, texts: Texts) -> np.ndarray:
    fits = np.zeros(len(rows), np.bool_)
    near = np.flatnonzero(_begins_so(column, rows, texts))
    if len(near):
        found = column.take(pa.array(rows[near]))
        hit = _is_in(found, texts.whole)
        for size, beginnings in texts.beginnings:
            hit |= _is_in(pc.utf8_slice_codeunits(found, 0, size), beginnings)
        fits[near] = hit
    return fits


def _begins_so(column: pa.Array, rows: np.ndarray, texts: Texts) -> np.ndarray:
    """Whether the first bytes are those of one of the texts."""
    given = text_of(column)
    begins = given.offsets[rows]
    long_enough: np.ndarray = given.offsets[rows + 1] - begins >= texts.head_size
    if not len(given.data) or not len(texts.heads):
        return long_enough & (len(texts.heads) > 0)
    head = np.zeros(len(rows), np.int64)
    for place in range(texts.head_size):
        head = head << 8 | given.data[np.minimum(begins + place, len(given.data) - 1)]
    return long_enough & np.isin(head, texts.heads)


def _is_in(column: pa.Array, values: pa.Array) -> np.ndarray:
    if not len(values):
        return np.zeros(len(column), np.bool_)
    found: np.ndarray = pc.is_in(column, value_set=values).to_numpy(zero_copy_only=False)
    return found
