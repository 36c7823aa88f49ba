"""Records of BER as rows of ``schemas.CDR``: a layout's rules, one kind of record at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cdr import ber_values, layout_fields
from cdr.asn_values import Form
from cdr.ber_cells import BlockCells, Cells, texts_of
from cdr.ber_layout import (
    ABROAD,
    ANY,
    CLOCK_PART,
    CODE_PART,
    FIRST,
    SUM,
    BerLayout,
    FieldRules,
    Place,
    Rule,
)
from cdr.ber_values import NO_OFFSET, Values
from cdr.layout_fields import CONDITION_REASON, FIELDS
from tollbook import codes, reasons, schemas, stage

_CODE: Final = reasons.CODE
_POSITION: Final = schemas.positions(schemas.CDR)
_SUSPENDED: Final = np.array([r.code for r in reasons.REASONS if r.stage == "decode"
                              and r.disposition == codes.SUSPENDED], np.int16)  # fmt: skip
# Services of which events are counted; a record of another has none, whatever its rule says.
_IN_EVENTS: Final = np.array([code for code, unit in codes.QUANTITY_UNIT.items()
                              if unit == codes.EVENTS])
_KINDS: Final = {field.name: np.dtype(field.type.to_pandas_dtype()) for field in schemas.CDR
                 if not pa.types.is_string(field.type)}  # fmt: skip
_TIME_MALFORMED: Final = _CODE["time_malformed"]
_MICRO_DIGITS: Final = 6


class Rows:
    """The rows of a block, filled kind by kind.

    cells: of its records, or None; numbers: int64, of each of them; others: frames that are no
    record, rows of their own behind them (begin, end, number, reason).
    """

    def __init__(
        self, layout: BerLayout, cells: BlockCells | None, numbers: np.ndarray, data: np.ndarray,
        others: np.ndarray,
    ) -> None:  # fmt: skip
        self.layout, self.cells, self.data, self.others = layout, cells, data, others
        self.numbers = np.concatenate([numbers, others[:, 2]])
        count = len(self.numbers)
        self.reason = np.zeros(count, np.int16)
        self.reason_field = np.full(count, -1, np.int16)
        self.fault = np.zeros((2, count), np.int64)  # begin and size of the field at fault
        self.fault_bytes: dict[int, bytes] = {}  # of those that lie in no record
        self.ints: dict[str, np.ndarray] = {}
        self.texts: dict[str, list[tuple[np.ndarray, pa.Array]]] = {}
        self.at = np.concatenate([np.zeros(len(numbers), np.int64), others[:, 0]])
        self.size = np.concatenate([np.zeros(len(numbers), np.int64), others[:, 1] - others[:, 0]])
        self.reason[len(numbers) :] = others[:, 3]
        if cells is not None:
            self._records(cells)

    def _records(self, cells: BlockCells) -> None:
        records, count = cells.block.records, cells.count
        self.at[:count], self.size[:count] = records.at, records.size
        self.reason[:count] = np.where(records.fault != 0, _CODE["record_unreadable"], 0)
        kinds = {cells.schema.kind_of(node): node for node in np.unique(records.kind).tolist()}
        rules = dict(self.layout.records)
        for kind, node in kinds.items():
            rows = np.flatnonzero(records.kind == node)
            if kind in rules:
                _Kind(self, cells, rows, rules[kind]).fill()
            else:
                self.note(rows, np.full(len(rows), _CODE["not_billable"], np.int16), -1, None)
        self._leave_out()

    def note(
        self, rows: np.ndarray, reason: np.ndarray, field: int, cells: Cells | None
    ) -> None:
        """Reasons (0: none) of rows that have none yet, with the field and its contents."""
        bad = (reason != 0) & (self.reason[rows] == 0)
        if not bad.any():
            return
        at = rows[bad]
        self.reason[at], self.reason_field[at] = reason[bad], field
        if cells is None:
            return
        if self.cells is not None and cells.data is self.cells.block.data:
            self.fault[0, at] = cells.begin[bad]
            self.fault[1, at] = np.maximum(cells.size[bad], 0)
        else:
            for row, place in zip(at.tolist(), np.flatnonzero(bad).tolist(), strict=True):
                self.fault_bytes[row] = cells.at(place)

    def put(self, column: str, rows: np.ndarray, values: np.ndarray | pa.Array) -> None:
        """Values of a column for some rows."""
        if isinstance(values, np.ndarray):
            into = self.ints.setdefault(column, np.zeros(len(self.numbers), np.int64))
            into[rows] = values
        else:
            self.texts.setdefault(column, []).append((rows, values))

    def _leave_out(self) -> None:
        """What a service or a direction does not have: events, a third number."""
        if "event_count" in self.ints:
            is_counted = np.isin(self.ints["service"], _IN_EVENTS)
            self.ints["event_count"] = np.where(is_counted, self.ints["event_count"], 0)
        parts = self.texts.get("third_raw", [])
        for place, (rows, column) in enumerate(parts):
            is_forward = pa.array(self.ints["direction"][rows] == codes.FORWARD)
            nothing = pa.scalar(None, pa.string())
            parts[place] = rows, pc.if_else(is_forward, column, nothing)

    def result(self, source_index: int, file_number: int) -> stage.StageResult:
        """All rows as a batch, with the bytes of those that a person must look at."""
        count = len(self.numbers)
        given = {
            "record_id": (file_number << 32) + self.numbers, "byte_offset": self.at,
            "byte_length": np.minimum(self.size, layout_fields.INT32_MAX),
            "source_index": np.full(count, source_index), "reason": self.reason,
            "reason_field": self.reason_field,
        } | self.ints  # fmt: skip
        columns = []
        for field in schemas.CDR:
            if pa.types.is_string(field.type):
                columns.append(self._text(field.name))
            else:
                kind = _KINDS[field.name]
                values = given.get(field.name)
                columns.append(stage.int_array(
                    np.zeros(count, kind) if values is None else values.astype(kind, copy=False)))
        batch = pa.RecordBatch.from_arrays(columns, schema=schemas.CDR)
        return stage.StageResult(batch, self._rejected(batch), totals={"rows": count})

    def _text(self, column: str) -> pa.Array:
        count, parts = len(self.numbers), self.texts.get(column, [])
        if len(parts) == 1 and len(parts[0][0]) == count:
            return _filled(parts[0][1])
        place = np.zeros(count, np.int64)
        values = [pa.array([""], pa.string())]
        behind = 1
        for rows, found in parts:
            place[rows] = behind + np.arange(len(rows))
            behind += len(rows)
            values.append(found)
        return _filled(pa.concat_arrays(values).take(pa.array(place)))

    def _rejected(self, batch: pa.RecordBatch) -> pa.RecordBatch | None:
        at = np.flatnonzero(np.isin(self.reason, _SUSPENDED))
        if len(at) == 0:
            return None
        values, whole = [], []
        for row in at.tolist():
            begin, size = self.fault[:, row].tolist()
            found = self.fault_bytes.get(row)
            values.append(self.data[begin : begin + size].tobytes() if found is None else found)
            whole.append(self.data[self.at[row] : self.at[row] + self.size[row]].tobytes())
        return pa.RecordBatch.from_arrays(
            [batch.column("record_id").take(pa.array(at)), pa.array(values, pa.binary()),
             pa.array(whole, pa.binary())],
            schema=schemas.REJECTED,
        )  # fmt: skip


def _filled(column: pa.Array) -> pa.Array:
    """A text column as stages have it: no nulls, and no bits that would say so."""
    column = column.fill_null("")
    _, offsets, data = column.buffers()
    bounds = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    return stage.text_array(bounds, np.frombuffer(data or b"", np.uint8))


class _Kind:
    """One kind of record: its rows, and the rules of its fields in their order."""

    def __init__(
        self, out: Rows, cells: BlockCells, rows: np.ndarray, fields: tuple[FieldRules, ...]
    ) -> None:
        self.out, self.cells, self.rows, self.fields = out, cells, rows, fields
        self.imsi: pa.Array = pa.nulls(len(rows), pa.string())
        self.offset_s = np.zeros(len(rows), np.int64)
        self.is_timed = np.zeros(len(rows), bool)
        self.undefined: dict[int, bytes] = {}  # times without an offset, by their place in rows

    def fill(self) -> None:
        """Writes the values and faults of all fields."""
        for one in self.fields:
            if one.field in CONDITION_REASON:
                self._condition(one)
                continue
            column = FIELDS[one.field].column
            merged = self._merged(one)
            self.out.note(self.rows, merged.reason, _POSITION[column], merged.cells)
            if one.required:
                missing = np.where(merged.there, 0, _CODE["field_missing"]).astype(np.int16)
                self.out.note(self.rows, missing, _POSITION[column], None)
            self.out.put(column, self.rows, merged.values)
            if one.field == "start":
                self.out.put("utc_offset_s", self.rows, self.offset_s)
                self._name_codes(_POSITION[column])

    def _condition(self, one: FieldRules) -> None:
        """Notes the rows for which no rule of a condition holds; but those that are damaged, as
        what it asks for may lie within a value that swallowed it, for their damage."""
        holds = np.zeros(len(self.rows), bool)
        for rule in one.rules:
            there = np.full(len(self.rows), not rule.places)
            for place in rule.places:
                there |= ber_values.counts(self._cells(place, rule))
            for place, text in rule.unless:
                there &= ~ber_values.counts_as(self._cells(place, rule), text)
            holds |= there
            if holds.all():
                return
        self._damage(~holds)
        reason = np.where(holds, 0, _CODE[CONDITION_REASON[one.field]])
        self.out.note(self.rows, reason.astype(np.int16), -1, None)

    def _damage(self, among: np.ndarray) -> None:
        """Notes the rows of ``among`` with a number, IMSI or IMEI that is too long to be one."""
        for one in self.fields:
            kind = FIELDS[one.field].types[0]
            if kind not in (layout_fields.NUMBER, layout_fields.IMSI, layout_fields.IMEI):
                continue
            for rule in one.rules:
                for place in rule.places:
                    cells = self._cells(place, rule)
                    is_bad = among & ber_values.too_long(cells, kind)
                    reason = np.where(is_bad, np.int16(_CODE[f"{kind}_malformed"]), np.int16(0))
                    self.out.note(self.rows, reason, _POSITION[FIELDS[one.field].column], cells)

    def _merged(self, one: FieldRules) -> Values:
        """For each row the first rule, and of it the first place, that has a value."""
        total: Values | None = None
        for rule in one.rules:
            for found in self._candidates(one.field, rule):
                if rule.is_lenient:
                    is_damage = found.cells.size > ber_values.LENIENT_MAX
                    found = found._replace(there=found.there & ((found.reason == 0) | is_damage))
                total = found if total is None else _either(total, found)
        assert total is not None  # a field has a rule, and a rule a place or a value
        reason = np.where(total.there, total.reason, np.int16(0))
        if isinstance(total.values, np.ndarray):
            good = total.there & (reason == 0)
            return total._replace(values=np.where(good, total.values, 0), reason=reason)
        shown = pc.if_else(pa.array(total.there), total.values, pa.scalar(None, pa.string()))
        return total._replace(values=shown, reason=reason)

    def _cells(self, place: Place, rule: Rule) -> Cells:
        return self.cells.cells(place, self.rows, rule.take, rule.where)

    def _candidates(self, field: str, rule: Rule) -> Iterator[Values]:
        if not rule.places:
            count = len(self.rows)
            nothing = Cells(self.out.data, np.zeros(count, np.int32), np.full(count, -1, np.int32),
                            Form.BYTES)
            yield Values(np.full(count, rule.value), np.ones(count, bool),
                         np.zeros(count, np.int16), nothing)
        elif rule.is_joined:
            yield ber_values.joined([self._cells(place, rule) for place in rule.places])
        else:
            for place in rule.places:
                yield self._value(field, rule, place)

    def _value(self, field: str, rule: Rule, place: Place) -> Values:
        """The values of one place, by what the field is."""
        if field == "start":
            return self._start(rule, place)
        if rule.take == SUM:
            return self._sum(field, rule, place)
        cells = self._cells(place, rule)
        kind = FIELDS[field].types[0]
        if kind == layout_fields.NUMBER:
            return ber_values.numbers(cells, rule)
        if kind == layout_fields.WORD:
            return self._words(f"{field}_unknown", rule, place)
        if kind in (layout_fields.IMSI, layout_fields.IMEI):
            if kind == layout_fields.IMSI:
                self.imsi = texts_of(cells)
            return ber_values.identities(cells, kind)
        if field == "charge":
            return self._charge(ber_values.integers(cells, layout_fields.INT64_MAX))
        if kind in (layout_fields.INTEGER, layout_fields.DECIMAL):
            return ber_values.integers(cells, FIELDS[field].maximum)
        if rule.form == ABROAD:
            return ber_values.abroad(cells, self.imsi)
        return ber_values.texts(cells, rule.nulls)

    def _words(self, unknown: str, rule: Rule, place: Place) -> Values:
        """Words; of ANY in a repeated group the first that the rule knows, before all others."""
        found = ber_values.words(self._cells(place, rule), rule, unknown)
        if rule.take != ANY:
            return found
        known = tuple(word for word, _ in rule.words)
        meant = self.cells.cells(place, self.rows, FIRST, rule.where, known)
        return _either(ber_values.words(meant, rule, unknown), found)

    def _sum(self, field: str, rule: Rule, place: Place) -> Values:
        sums = self.cells.sums(place, rule.where, with_refunds=field != "charge")
        values, there, is_bad = (part[self.rows] for part in sums)
        is_bad = is_bad | (values > FIELDS[field].maximum)
        reason = np.where(is_bad, np.int16(_CODE["integer_out_of_range"]), np.int16(0))
        found = Values(values, there, reason, self._cells(place, rule))
        return self._charge(found) if field == "charge" else found

    def _charge(self, found: Values) -> Values:
        """Charges in the file's decimals as millionths of its currency (TapDecimalPlaces)."""
        decimals = self.cells.facts.decimals
        reason, values = found.reason, found.values
        assert isinstance(values, np.ndarray)
        if not 0 <= decimals <= _MICRO_DIGITS:
            is_bad = (values != 0) & (reason == 0)
            reason = np.where(is_bad, np.int16(_CODE["decimal_malformed"]), reason)
            return found._replace(values=np.zeros_like(values), reason=reason)
        times = 10 ** (_MICRO_DIGITS - decimals)
        is_large = values > layout_fields.INT64_MAX // times
        reason = np.where(is_large, np.int16(_CODE["integer_out_of_range"]), reason)
        return found._replace(values=np.where(is_large, 0, values) * times, reason=reason)

    def _start(self, rule: Rule, place: Place) -> Values:
        if self.cells.has(Place(place.table, place.path + CLOCK_PART)):
            cells = self._cells(Place(place.table, place.path + CLOCK_PART), rule)
            code = self._cells(Place(place.table, place.path + CODE_PART), rule)
            offsets = self._of_code(code)
            if (offsets[cells.there] == NO_OFFSET).any():
                self._without_offset(cells, code, offsets)
            found, offset_s = ber_values.clocks(cells, offsets)
        elif rule.offset is not None:
            cells = self._cells(place, rule)
            of_record = ber_values.offsets(self._cells(rule.offset, rule))
            found, offset_s = ber_values.clocks(cells, of_record)
        else:
            found, offset_s = ber_values.stamps(self._cells(place, rule))
        self.offset_s = np.where(found.there & ~self.is_timed, offset_s, self.offset_s)
        self.is_timed |= found.there
        return found

    def _name_codes(self, field: int) -> None:
        """What is found at fault in a time without an offset: the code that means none."""
        for at, text in self.undefined.items():
            row = int(self.rows[at])
            if (self.out.reason[row], self.out.reason_field[row]) == (_TIME_MALFORMED, field):
                self.out.fault_bytes[row] = text

    def _without_offset(self, clock: Cells, code: Cells, offsets: np.ndarray) -> None:
        """Remembers the rows whose clock is a time, and whose code of an offset is not defined."""
        is_time = ber_values.clocks(clock, np.zeros_like(offsets))[0].reason == 0
        is_meant = clock.there & ~self.is_timed & is_time & (offsets == NO_OFFSET)
        values = code.column().to_pylist()
        for at in np.flatnonzero(is_meant).tolist():
            why = (" without a utcTimeOffsetCode" if values[at] is None else
                   f" with utcTimeOffsetCode {values[at]}, which the file does not define")
            self.undefined[at] = clock.at(at) + why.encode()

    def _of_code(self, codes_of: Cells) -> np.ndarray:
        """The offsets of the file's codes; NO_OFFSET for one that it does not define."""
        known = self.cells.facts.offsets_s
        column = codes_of.column().dictionary_encode()
        found = [known.get(code, NO_OFFSET) for code in column.dictionary.to_pylist()]
        offsets = np.array([*found, NO_OFFSET], np.int64)
        picked: np.ndarray = offsets[column.indices.fill_null(len(found)).to_numpy()]
        return picked


def _either(first: Values, second: Values) -> Values:
    """The first where it is there, else the second."""
    take = second.there & ~first.there
    if not take.any():
        return first
    if first.cells.data is second.cells.data:
        cells = Cells(
            first.cells.data, np.where(take, second.cells.begin, first.cells.begin),
            np.where(take, second.cells.size, first.cells.size), first.cells.form,
        )  # fmt: skip
    else:
        cells = first.cells
    values: np.ndarray | pa.Array
    if isinstance(first.values, np.ndarray):
        values = np.where(take, second.values, first.values)
    else:
        values = pc.if_else(pa.array(take), second.values, first.values)
    return Values(values, first.there | take, np.where(take, second.reason, first.reason), cells)
