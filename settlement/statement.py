"""Settlement statements: the legs of a period -> what each carrier and the operator owe each other.

One statement a carrier. A line sums the legs of one direction, service, settlement group,
agreement and price, exactly: the lines add up to the legs, to the micro. Only the total of each
direction is rounded (half_up, to the currency's digits), and the statement shows by how much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from tollbook import clock, outputs, schemas
from tollbook.codes import BYTES, EVENTS, QUANTITY_UNIT, SECONDS, SERVICE_CODE
from tollbook.errors import NotClosed, TollbookError
from tollbook.money import ROUND_HALF_UP, format_micro, round_micro

OUT: Final = "out"  # we pay: calls that leave for the carrier
IN: Final = "in"  # they pay
DIRECTIONS: Final = (OUT, IN)
UNIT_WORDS: Final = {SECONDS: "second", BYTES: "byte", EVENTS: "event"}
_KEY: Final = ("carrier", "direction", "service", "settlement_group", "agreement", "price")
_SUMS: Final = ("quantity", "billed_quantity", "charge_micro")
_HALF_BITS: Final = 32
_INT64_LIMIT: Final = 2**63


@dataclass(frozen=True)
class Terms:
    """What holds for all statements of a run. ``names``: carrier -> its full name."""

    operator: str
    period: int  # clock.month_index
    currency: str
    digits: int
    names: Mapping[str, str]


@dataclass(frozen=True, order=True)
class Line:
    """Legs with the same terms. Quantities in base units; ``charge_micro`` is exact."""

    direction: str
    service: str
    settlement_group: str
    agreement: str
    price: str
    call_count: int
    quantity: int
    billed_quantity: int
    charge_micro: int

    @property
    def unit(self) -> str:
        """second, byte or event."""
        return UNIT_WORDS[QUANTITY_UNIT.get(SERVICE_CODE[self.service], EVENTS)]

    @property
    def billed_minutes(self) -> str:
        """Billed seconds in minutes, exact: ``12`` or ``12 1/3``; empty for other units."""
        return minutes_text(self.billed_quantity) if self.unit == UNIT_WORDS[SECONDS] else ""


@dataclass(frozen=True)
class Total:
    """One direction of a statement: exact, and rounded to what is payable."""

    call_count: int
    exact_micro: int
    payable_micro: int

    @property
    def rounding_micro(self) -> int:
        return self.exact_micro - self.payable_micro


@dataclass(frozen=True)
class Statement:
    """What a carrier and the operator owe each other for a period."""

    statement_id: str
    carrier: str
    carrier_name: str
    operator: str
    period: int
    currency: str
    digits: int
    lines: tuple[Line, ...]  # out before in, then by service, group, agreement, price

    def total(self, direction: str) -> Total:
        """The sum of a direction's lines (``out``: we pay, ``in``: they pay)."""
        lines = [line for line in self.lines if line.direction == direction]
        exact = sum(line.charge_micro for line in lines)
        payable = round_micro(exact, self.digits, ROUND_HALF_UP)
        return Total(sum(line.call_count for line in lines), exact, payable)

    @property
    def net_micro(self) -> int:
        """Payable in minus payable out: above zero the carrier owes us, below zero we owe it."""
        return self.total(IN).payable_micro - self.total(OUT).payable_micro

    @property
    def payer(self) -> str:
        """Who pays the net: the carrier, the operator, or nobody (empty)."""
        if self.net_micro == 0:
            return ""
        return self.carrier_name if self.net_micro > 0 else self.operator


def make(legs: Iterable[pa.RecordBatch | pa.Table], terms: Terms) -> tuple[Statement, ...]:
    """One statement for each carrier that has legs, by carrier.

    legs: rows of the lake's ``legs`` of the period, in any order and cut: carrier, direction
    (out, in), service, settlement_group, agreement (text, dictionaries or not), quantity,
    billed_quantity, charge_micro (int64), and ``price`` (text) where it is known.
    Raises TollbookError for a direction or service that is none, NotClosed if lines and legs
    differ.
    """
    sums: dict[tuple[str, ...], list[int]] = {}
    charged_micro = 0
    for batch in legs:
        charged_micro += _add(batch, sums)
    by_carrier: dict[str, list[Line]] = {}
    for (carrier, *key), figures in sums.items():
        _check_words(carrier, key[0], key[1])
        by_carrier.setdefault(carrier, []).append(Line(*key, *figures))  # type: ignore[arg-type]
    made = tuple(_statement(carrier, by_carrier[carrier], terms) for carrier in sorted(by_carrier))
    stated = sum(line.charge_micro for statement in made for line in statement.lines)
    if stated != charged_micro:
        raise NotClosed(
            f"statements: lines {stated}, legs {charged_micro}: in micro, not equal\n"
            "    allowed: equal sums\n    do: report this, it is a fault of the program"
        )
    return made


def lines_table(statements: Sequence[Statement]) -> pa.Table:
    """All lines as ``schemas.STATEMENT_LINE``. Raises TollbookError for a sum beyond int64."""
    rows = []
    for statement in statements:
        for line in statement.lines:
            row = {name: getattr(line, name) for name in Line.__dataclass_fields__}
            if max(abs(row[name]) for name in _SUMS) >= _INT64_LIMIT:
                raise TollbookError(
                    f"statement {statement.statement_id}: a sum does not fit into 64 bits\n"
                    "    allowed: sums below 2**63\n    do: look for a wrong price or charge"
                )
            rows.append({
                "statement_id": statement.statement_id, "settle_period": statement.period,
                "carrier": statement.carrier, **row,
            })  # fmt: skip
    return pa.Table.from_pylist(rows, schema=schemas.STATEMENT_LINE)


LINE_COLUMNS: Final = (
    "statement_id", "from_operator", "to_operator", "period_start", "period_end", "direction",
    "payer", "service", "settlement_group", "agreement", "price", "currency", "calls", "seconds",
    "unit", "quantity", "billed_quantity", "billed_minutes", "amount",
)  # fmt: skip
SUMMARY_COLUMNS: Final = (
    "statement_id", "carrier", "carrier_name", "period", "currency",
    "out_calls", "out_exact", "out_rounding", "out_payable",
    "in_calls", "in_exact", "in_rounding", "in_payable", "net", "payer",
)  # fmt: skip
_SUMMARY_AMOUNTS: Final = tuple(
    name for name in SUMMARY_COLUMNS if name.endswith(("exact", "rounding", "payable", "net"))
)


def write(folder: Path, statements: Sequence[Statement]) -> tuple[Path, ...]:
    """One CSV a statement and ``summary.csv``; the same statements give the same bytes."""
    files = []
    for statement in statements:
        path = folder / f"{outputs.file_name(statement.statement_id)}.csv"
        outputs.write_csv(path, LINE_COLUMNS, _line_rows(statement), ("amount",))
        files.append(path)
    summary = folder / "summary.csv"
    outputs.write_csv(summary, SUMMARY_COLUMNS, map(_summary_row, statements), _SUMMARY_AMOUNTS)
    return (*files, summary)


def minutes_text(seconds: int) -> str:
    """Seconds as minutes without rounding: ``720`` is ``12``, ``740`` is ``12 1/3``, 20 ``0 1/3``
    (a spreadsheet reads ``1/3`` as a day)."""
    whole, rest = divmod(seconds, 60)
    if not rest:
        return str(whole)
    part = Fraction(rest, 60)
    return f"{whole} {part.numerator}/{part.denominator}"


def _add(batch: pa.RecordBatch | pa.Table, sums: dict[tuple[str, ...], list[int]]) -> int:
    """Adds a batch to the sums; returns the charge of all its legs.

    Arrow's sums wrap in silence, so upper and lower halves are summed apart and joined in Python.
    """
    present = batch.schema.names
    columns = {
        name: batch.column(name).cast(pa.string()) if name in present
        else pa.repeat(pa.scalar(""), batch.num_rows)
        for name in _KEY
    }  # fmt: skip
    for name in _SUMS:
        values = batch.column(name)
        columns[f"{name}_high"] = pc.shift_right(values, _HALF_BITS)
        columns[f"{name}_low"] = pc.bit_wise_and(values, (1 << _HALF_BITS) - 1)
    halves = [f"{name}_{half}" for name in _SUMS for half in ("high", "low")]
    grouped = pa.table(columns).group_by(_KEY).aggregate(
        [([], "count_all"), *((half, "sum") for half in halves)]
    )  # fmt: skip
    charged = 0
    for row in grouped.to_pylist():
        figures = [row["count_all"]]
        for name in _SUMS:
            figures.append((row[f"{name}_high_sum"] << _HALF_BITS) + row[f"{name}_low_sum"])
        total = sums.setdefault(tuple(row[name] for name in _KEY), [0] * len(figures))
        total[:] = [before + more for before, more in zip(total, figures, strict=True)]
    values = batch.column("charge_micro")
    for half, shift in ((pc.shift_right(values, _HALF_BITS), _HALF_BITS),
                        (pc.bit_wise_and(values, (1 << _HALF_BITS) - 1), 0)):  # fmt: skip
        charged += int(pc.sum(half).as_py() or 0) << shift
    return charged


def _check_words(carrier: str, direction: str, service: str) -> None:
    if direction not in DIRECTIONS or service not in SERVICE_CODE:
        raise TollbookError(
            f"legs of carrier {carrier}: direction '{direction}', service '{service}'\n"
            f"    allowed: directions {', '.join(DIRECTIONS)}; services {', '.join(SERVICE_CODE)}\n"
            "    do: settle legs that this version of the program made"
        )


def _statement(carrier: str, lines: Sequence[Line], terms: Terms) -> Statement:
    return Statement(
        f"S-{clock.period_text(terms.period)}-{carrier}",
        carrier,
        terms.names.get(carrier, carrier),
        terms.operator,
        terms.period,
        terms.currency,
        terms.digits,
        tuple(sorted(lines, key=lambda line: (DIRECTIONS.index(line.direction), line))),
    )


def _line_rows(statement: Statement) -> Iterator[tuple[str | int, ...]]:
    period = statement.period
    first, last = clock.month_day(period, 1), clock.month_day(period, clock.month_length(period))
    for line in statement.lines:
        yield (
            statement.statement_id, statement.operator, statement.carrier_name, first, last,
            line.direction,
            statement.operator if line.direction == OUT else statement.carrier_name,
            line.service, line.settlement_group, line.agreement, line.price, statement.currency,
            line.call_count, line.quantity if line.unit == UNIT_WORDS[SECONDS] else 0,
            line.unit, line.quantity, line.billed_quantity, line.billed_minutes,
            format_micro(line.charge_micro, statement.digits),
        )  # fmt: skip


def _summary_row(statement: Statement) -> tuple[str | int, ...]:
    digits = statement.digits
    totals: list[str | int] = []
    for direction in DIRECTIONS:
        total = statement.total(direction)
        amounts = (total.exact_micro, total.rounding_micro, total.payable_micro)
        totals += [total.call_count, *(format_micro(amount, digits) for amount in amounts)]
    return (
        statement.statement_id, statement.carrier, statement.carrier_name,
        clock.period_text(statement.period), statement.currency, *totals,
        format_micro(statement.net_micro, digits), statement.payer,
    )  # fmt: skip
