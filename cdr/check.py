"""Checks a native file against itself: totals against sums, counts, codes, records and values that
cannot be read. What a finding means for a partner is not decided here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from cdr import ber, ber_tree, ber_values, layout, native, native_reader
from cdr.asn_values import Form
from cdr.ber_cells import BlockCells, Cells, FileFacts
from cdr.ber_layout import BerLayout
from cdr.ber_state_kernels import PAD_BYTES
from cdr.check_codes import SHOWN_MAX, Codes, Reference
from cdr.check_sums import CHARGE, DISCOUNT, TAX, Sums
from cdr.file_facts import learned
from cdr.native_pieces import pieces
from tollbook import codes, reasons, schemas
from tollbook.errors import printable
from tollbook.stage import ints

_AUDIT: Final = "transferBatch.auditControlInfo."
_RAP_AUDIT: Final = "returnBatch.rapAuditControlInfo."
# Reasons of rows that can be read, but for a value.
_MALFORMED: Final = [
    one.code for one in reasons.REASONS
    if one.stage == "decode" and one.disposition == codes.SUSPENDED
    and one.name not in ("record_unreadable", "encoding_unknown")
]  # fmt: skip
# Totals that a batch must state (TD.57: severity Fatal where they are wrong).
_DEMANDED: Final = ("totalCharge", "totalTaxValue", "totalDiscountValue", "callEventDetailsCount")


@dataclass(frozen=True)
class Total:
    """A total of the file. stated: what it says, None: nothing; found: what the records say.

    is_time: seconds since 1970 in UTC, 0: no record has one.
    """

    name: str
    stated: int | None
    found: int
    is_demanded: bool = True
    is_time: bool = False

    @property
    def is_right(self) -> bool:
        """A total that need not be there is right where there is nothing to state."""
        if self.stated is None:
            return not self.is_demanded and (self.is_time or self.found == 0)
        return self.stated == self.found or (self.is_time and self.found == 0)


@dataclass(frozen=True)
class Unreadable:
    """A record that cannot be read: its number from 1, place, length and what is wrong."""

    record: int
    at: int
    size: int
    fault: str


@dataclass(frozen=True)
class Malformed:
    """A value that a night could not take: the number of its record from 1, the record's place, the
    column of ``schemas.CDR``, the reason, and what stands there ("": nothing)."""

    record: int
    at: int
    field: str
    reason: str
    found: str

    @property
    def allowed(self) -> str:
        """What to do, or what a value of the field is."""
        return reasons.BY_CODE[reasons.CODE[self.reason]].advice


@dataclass
class Report:
    """What a file holds and what is wrong with it.

    about: what the file says of itself; kinds: records by kind; reasons: rows by what the night
    makes of them, for formats that it reads; malformed: the first of ``malformed_count`` values
    that it would not take; reference_count: of all references without a
    definition, of which ``references`` lists the first; twice: codes that are defined twice.
    """

    format: native.Format
    about: dict[str, str] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)
    totals: tuple[Total, ...] = ()
    unreadable_count: int = 0
    unreadable: list[Unreadable] = field(default_factory=list)
    reference_count: int = 0
    references: tuple[Reference, ...] = ()
    twice: tuple[tuple[str, int], ...] = ()
    reasons: Mapping[str, int] = field(default_factory=dict)
    malformed_count: int = 0
    malformed: list[Malformed] = field(default_factory=list)

    @property
    def records(self) -> int:
        """All records, those that cannot be read included."""
        return sum(self.kinds.values())

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        wrong = [total for total in self.totals if not total.is_right]
        return not (wrong or self.unreadable_count or self.malformed_count
                    or self.reference_count or self.twice)  # fmt: skip


def check(data: bytes, form: native.Format, where: str) -> Report:
    """A whole file in memory; raises BrokenFile where it cannot be read to its end."""
    report, codes, sums = Report(form), Codes(), Sums()
    facts, kinds, count = FileFacts(), Counter[str](), 0
    raw = ber.padded(data, where)
    for block in _walked(raw, form, where, report, kinds):
        cells = BlockCells(block, facts)
        facts = learned(facts, cells)
        records = block.records
        for node, times in zip(*np.unique(records.kind, return_counts=True), strict=True):
            kinds[form.schema.kind_of(int(node))] += int(times)
        for row in np.flatnonzero(records.fault).tolist():
            _note(report, Unreadable(count + row + 1, int(records.at[row]), int(records.size[row]),
                                     ber_tree.FAULTS[int(records.fault[row])]))
        if form.name == "tap":
            codes.add(block, count)
        if form.name in ("tap", "rap"):
            sums.add(block)
        count += cells.count
    report.kinds = dict(sorted(kinds.items()))
    report.about |= _about(facts)
    report.totals += _totals(facts, form, sums, report.records)
    report.reference_count, report.references = codes.undefined()
    report.twice = tuple(sorted(codes.twice))
    earliest, latest = _rows(raw, form, where, report)
    if form.name == "tap":
        report.totals += tuple(
            Total(f"{name}CallTimeStamp", _moment(facts, f"{_AUDIT}{name}CallTimeStamp"), found,
                  False, True)
            for name, found in (("earliest", earliest), ("latest", latest)) if found
        )  # fmt: skip
    return report


def _moment(facts: FileFacts, path: str) -> int | None:
    """A time of the file with its own offset, in UTC; None where it is not there or is none."""
    names = ("localTimeStamp", "utcTimeOffset")
    parts = [facts.values.get(f"{path}.{name}", b"") for name in names]
    cells = [Cells(np.frombuffer(part + bytes(PAD_BYTES), np.uint8), np.zeros(1, np.int32),
                   np.array([len(part)], np.int32), Form.TEXT) for part in parts]
    found, _ = ber_values.clocks(cells[0], ber_values.offsets(cells[1]))
    return int(found.values[0]) if found.reason[0] == 0 else None


def _note(report: Report, one: Unreadable) -> None:
    report.unreadable_count += 1
    if len(report.unreadable) < SHOWN_MAX:
        report.unreadable.append(one)


def _walked(
    data: np.ndarray, form: native.Format, where: str, report: Report, kinds: Counter[str]
) -> Iterator[ber.Block]:
    """The blocks of a file; of a framed one its header and odd frames go into the report."""
    walker = ber.Walker(data, form.schema, where)
    frames = 0
    for piece in pieces(data, form, where):
        for begin, end, number, reason in piece.others.tolist():
            _note(report, Unreadable(number, begin, end - begin, reasons.BY_CODE[reason].name))
        if len(piece.others):
            kinds["unreadable frame"] += len(piece.others)
        frames += piece.frames
        yield from walker.blocks(piece.parts)
    if form is native.FRAMED:
        header = native.header_of(data, where)
        report.about |= {"sequence": str(header.sequence), "closure": header.closure,
                         "lost_records": str(header.lost_records)}
        # What is behind the end that it states was found to be filler.
        size_bytes = len(data) - PAD_BYTES
        size_bytes = min(size_bytes, header.file_bytes) if header.file_bytes >= 0 else size_bytes
        told = ((header.file_bytes, "file_bytes", size_bytes),
                (header.record_count, "record_count", frames))
        report.totals = tuple(Total(name, stated, found)
                              for stated, name, found in told if stated >= 0)


def _about(facts: FileFacts) -> dict[str, str]:
    """Sender, recipient, sequence number and the like, as the file has them."""
    wanted = ("sender", "recipient", "fileSequenceNumber", "rapFileSequenceNumber",
              "sequenceNumber", "fileTypeIndicator", "localCurrency", "tapCurrency",
              "tapDecimalPlaces", "specificationVersionNumber", "releaseVersionNumber")
    found: dict[str, str] = {}
    for path, contents in facts.values.items():
        name = path.rpartition(".")[2]
        if name in wanted and path.count(".") <= 2 and name not in found:
            is_number = name in ("tapDecimalPlaces", "specificationVersionNumber",
                                 "releaseVersionNumber")
            text = contents.decode("ascii", "backslashreplace")
            found[name] = (str(int.from_bytes(contents, signed=True)) if is_number
                           else printable(text))
    return {name: found[name] for name in wanted if name in found}


def _totals(
    facts: FileFacts, form: native.Format, sums: Sums, records: int
) -> tuple[Total, ...]:
    """The totals that a file of a format states."""

    def stated(path: str) -> int | None:
        contents = facts.values.get(path)
        return None if not contents else int.from_bytes(contents, signed=True)

    if form.name == "nrtrde":
        return (Total("callEventsCount", stated("callEventsCount"), records),)
    if form.name == "rap":
        if not any(path.startswith("returnBatch.") for path in facts.values):
            return ()  # an acknowledgement
        return tuple(
            Total(name, stated(_RAP_AUDIT + name), found, name != "totalSevereReturnTax")
            for name, found in (("returnDetailsCount", records),
                                ("totalSevereReturnValue", sums.given[CHARGE]),
                                ("totalSevereReturnTax", sums.given[TAX]))
        )
    if form.name != "tap" or not any(path.startswith("transferBatch.") for path in facts.values):
        return ()
    found = {
        "callEventDetailsCount": records, "totalCharge": sums.given[CHARGE],
        "totalChargeRefund": sums.refunded[CHARGE], "totalTaxValue": sums.given[TAX],
        "totalTaxRefund": sums.refunded[TAX], "totalDiscountValue": sums.given[DISCOUNT],
        "totalDiscountRefund": sums.refunded[DISCOUNT],
    }  # fmt: skip
    return tuple(Total(name, stated(_AUDIT + name), value, name in _DEMANDED)
                 for name, value in found.items())


def _rows(
    data: np.ndarray, form: native.Format, where: str, report: Report
) -> tuple[int, int]:
    """How many rows the night would take, and why it would not take the others, go into the report.

    Gives the first and the last start among them (0: none has one).
    """
    name = native_reader.FAMILY.get(form.name, form.name)
    if name not in layout.SHIPPED:
        return 0, 0
    shipped = layout.shipped(name)
    assert isinstance(shipped, BerLayout)  # the layouts of these names are
    context = native_reader.prepare(shipped, form, "UTC", "UTC", 0, 1)
    found: Counter[str] = Counter()
    first, last = 2**62, 0
    for block in native_reader.blocks_of(data, form, where):
        decoded = native_reader.decode(block, context)
        reason, starts = ints(decoded.batch, "reason"), ints(decoded.batch, "start_utc_s")
        starts = starts[starts > 0]
        if len(starts):
            first, last = min(first, int(starts.min())), max(last, int(starts.max()))
        for code, times in zip(*np.unique(reason, return_counts=True), strict=True):
            found[reasons.name_of(int(code))] += int(times)
        if decoded.rejected is not None:
            _note_malformed(report, decoded.batch, decoded.rejected)
    report.reasons = dict(sorted(found.items()))
    return (first if last else 0), last


def _note_malformed(report: Report, batch: pa.RecordBatch, rejected: pa.RecordBatch) -> None:
    """Rows whose bytes could be read, but not one of their values."""
    reason = ints(batch, "reason")
    rows = np.flatnonzero(np.isin(reason, _MALFORMED))
    report.malformed_count += len(rows)
    raw = dict(zip(ints(rejected, "record_id").tolist(), rejected.column("raw_value"), strict=True))
    for row in rows[: SHOWN_MAX - len(report.malformed)].tolist():
        record = int(ints(batch, "record_id")[row])
        at = int(ints(batch, "reason_field")[row])
        report.malformed.append(Malformed(
            record & 0xFFFFFFFF, int(ints(batch, "byte_offset")[row]),
            schemas.CDR.names[at] if at >= 0 else "", reasons.name_of(int(reason[row])),
            printable(raw[record].as_py().decode("ascii", "backslashreplace")),
        ))  # fmt: skip
