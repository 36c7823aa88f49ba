"""Bills as files: JSON Lines and a CSV register of all of them, PDF of those that are asked for.

Everything is written from the same objects (``objects``), and the same bills give the same bytes.
The layout of the PDF is the operator's to change: a Typst template (the shipped one is
``templates/bill.typ``) that gets the bills as JSON, so nothing in a name can act as markup.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import typst

from billing.bill import CORRECTION, RECURRING, SETTLED, TAX, USAGE, Bills
from tollbook import clock, outputs
from tollbook.customers import Accounts
from tollbook.errors import NotFound, TollbookError
from tollbook.money import format_micro, format_nano

TEMPLATE: Final = Path(__file__).parent / "templates" / "bill.typ"
_SLICE: Final = 5_000  # bills turned into objects at a time
_FIRST_WIDE: Final = 0x2E80  # from here on come scripts that the fonts shipped with Typst lack

BillObject = Mapping[str, Any]


@dataclass(frozen=True)
class Letterhead:
    """What stands on every bill of a run. ``plan_names``: plan id -> name for customers."""

    operator: str
    country: str
    digits: int
    issued_on: date
    due_on: date | None = None
    plan_names: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Printed:
    """PDF files in the order of the accounts, and the bills whose names need more fonts."""

    files: tuple[Path, ...]
    without_font: tuple[str, ...]


def write_jsonl(path: Path, made: Bills, accounts: Accounts, letterhead: Letterhead) -> int:
    """One JSON object a bill and line, in the order of the bills. Returns how many."""
    with path.open("w", encoding="utf-8", newline="\n") as target:
        for found in objects(made, accounts, letterhead):
            target.write(json.dumps(found, ensure_ascii=False, separators=(",", ":")) + "\n")
    return int(made.bills.num_rows)


_REGISTER: Final = (
    "bill_number", "account_id", "name", "period", "issued_on", "currency",
    "recurring", "usage", "settled", "correction", "tax", "total", "rated", "rounding",
)  # fmt: skip
_AMOUNTS: Final = _REGISTER[6:]


def write_register(path: Path, made: Bills, accounts: Accounts, letterhead: Letterhead) -> int:
    """One CSV row a bill with its totals. Returns how many rows."""

    account_rows = pc.index_in(made.bills.column("account_id"), value_set=accounts.account_id)

    def rows() -> Iterator[list[str]]:
        for start in range(0, made.bills.num_rows, _SLICE):
            bills = made.bills.slice(start, _SLICE)
            names = accounts.name.take(account_rows.slice(start, _SLICE)).to_pylist()
            for bill, name in zip(bills.to_pylist(), names, strict=True):
                totals = _totals(bill, letterhead.digits)
                yield [
                    bill["bill_number"], bill["account_id"], name,
                    clock.period_text(bill["bill_period"]), letterhead.issued_on.isoformat(),
                    bill["currency"], *(totals[amount] for amount in _AMOUNTS),
                ]  # fmt: skip

    return outputs.write_csv(path, _REGISTER, rows(), _AMOUNTS)


def write_pdfs(
    folder: Path,
    made: Bills,
    accounts: Accounts,
    letterhead: Letterhead,
    account_ids: Sequence[str],
    template: Path = TEMPLATE,
    font_folders: Sequence[Path] = (),
) -> Printed:
    """One PDF a bill for the accounts asked for, named after the bill's number.

    Only the fonts inside Typst and those in ``font_folders`` are used, never those that happen to
    be installed, and the date inside the file is ``issued_on``: so the bytes are the same on every
    machine. Raises NotFound for an account without a bill, TollbookError for a template that
    does not compile.
    """
    chosen = pick(made, account_ids)
    compiler = typst.Compiler(
        root=str(template.parent), font_paths=[str(path) for path in font_folders],
        ignore_system_fonts=True,
    )  # fmt: skip
    made_at = int(datetime.combine(letterhead.issued_on, datetime.min.time(), UTC).timestamp())
    files, without_font = [], []
    for found in objects(chosen, accounts, letterhead):
        path = folder / f"{outputs.file_name(found['bill_number'])}.pdf"
        text = json.dumps(found, ensure_ascii=False)
        try:
            pdf = compiler.compile(
                input=str(template), format="pdf", sys_inputs={"bill": text}, timestamp=made_at
            )
        except typst.TypstError as error:
            raise TollbookError(
                f"{template}: the template does not compile: {error}\n"
                "    allowed: a Typst template that reads `sys.inputs.bill`\n"
                f"    do: correct it, or start again from {TEMPLATE}"
            ) from error
        assert isinstance(pdf, bytes)  # a list only where each page is a picture
        path.write_bytes(pdf)
        files.append(path)
        if not font_folders and any(ord(letter) >= _FIRST_WIDE for letter in text):
            without_font.append(found["bill_number"])
    return Printed(tuple(files), tuple(without_font))


def pick(made: Bills, account_ids: Sequence[str]) -> Bills:
    """The bills of some accounts, in the order of all bills; NotFound if one has no bill."""
    wanted = pa.array(sorted(set(account_ids)), pa.string())
    row = pc.index_in(wanted, value_set=made.bills.column("account_id"))
    if row.null_count:
        missing = wanted.filter(pc.is_null(row)).to_pylist()
        raise NotFound(
            f"no bill for account {', '.join(missing[:3])}\n"
            "    allowed: accounts with a charge in the period\n    do: check the account's id"
        )
    bills = made.bills.take(row.sort())
    of_line = pc.is_in(made.lines.column("account_id"), value_set=wanted)
    return Bills(bills, made.lines.filter(of_line))


def objects(made: Bills, accounts: Accounts, letterhead: Letterhead) -> Iterator[BillObject]:
    """Every bill as an object for JSON: keys in a fixed order, amounts as decimal texts."""
    stops = np.cumsum(made.bills.column("line_count").to_numpy())
    account_rows = pc.index_in(made.bills.column("account_id"), value_set=accounts.account_id)
    for start in range(0, made.bills.num_rows, _SLICE):
        bills = made.bills.slice(start, _SLICE)
        first = int(stops[start - 1]) if start else 0
        last = int(stops[start + bills.num_rows - 1])
        lines = iter(made.lines.slice(first, last - first).to_pylist())
        customers = _customers(accounts, account_rows.slice(start, _SLICE))
        for bill, customer in zip(bills.to_pylist(), customers, strict=True):
            own = [next(lines) for _ in range(bill["line_count"])]
            yield _object(bill, customer, own, letterhead)


def _customers(accounts: Accounts, rows: pa.Array) -> list[tuple[str, str]]:
    """Name and address of some accounts."""
    name, address = (column.take(rows).to_pylist() for column in (accounts.name, accounts.address))
    return list(zip(name, address, strict=True))


def _object(
    bill: Mapping[str, Any],
    customer: tuple[str, str],
    lines: Sequence[Mapping[str, Any]],
    letterhead: Letterhead,
) -> BillObject:
    period = bill["bill_period"]
    return {
        "bill_number": bill["bill_number"],
        "operator": {"name": letterhead.operator, "country": letterhead.country},
        "account": {"id": bill["account_id"], "name": customer[0], "address": customer[1]},
        "period": clock.period_text(period),
        "period_start": clock.month_day(period, 1),
        "period_end": clock.month_day(period, clock.month_length(period)),
        "issued_on": letterhead.issued_on.isoformat(),
        "due_on": letterhead.due_on.isoformat() if letterhead.due_on else None,
        "currency": bill["currency"],
        "recurring": [_recurring(line, letterhead) for line in lines if line["kind"] == RECURRING],
        "usage": [_usage(line, letterhead) for line in lines if line["kind"] == USAGE],
        "settled": [
            _usage(line, letterhead)
            | {"subscription_id": line["subscription_id"],
               "period": clock.period_text(line["service_period"])}
            for line in lines if line["kind"] == SETTLED
        ],
        "corrections": [
            _correction(line, letterhead) for line in lines if line["kind"] == CORRECTION
        ],
        "taxes": [_tax(line, letterhead) for line in lines if line["kind"] == TAX],
        "totals": _totals(bill, letterhead.digits),
    }


def _plan(line: Mapping[str, Any], letterhead: Letterhead) -> dict[str, str]:
    names = letterhead.plan_names or {}
    return {"plan": line["plan"], "plan_name": names.get(line["plan"], line["plan"])}


def _recurring(line: Mapping[str, Any], letterhead: Letterhead) -> dict[str, Any]:
    month = line["service_period"]
    return {
        "line": line["line_number"],
        "item": line["item"],
        **_plan(line, letterhead),
        "subscription_id": line["subscription_id"],
        "from": clock.month_day(month, line["first_day"]),
        "to": clock.month_day(month, line["last_day"]),
        "days": line["last_day"] - line["first_day"] + 1,
        "days_of_month": clock.month_length(month),
        "amount": format_micro(line["amount_micro"], letterhead.digits),
    }


def _usage(line: Mapping[str, Any], letterhead: Letterhead) -> dict[str, Any]:
    return {
        "line": line["line_number"],
        "item": line["item"],
        **_plan(line, letterhead),
        "count": line["usage_count"],
        "duration_s": line["duration_s"],
        "volume_bytes": line["volume_bytes"],
        "events": line["event_count"],
        "rated": format_micro(line["rated_micro"], letterhead.digits),
        "amount": format_micro(line["amount_micro"], letterhead.digits),
    }


def _correction(line: Mapping[str, Any], letterhead: Letterhead) -> dict[str, Any]:
    return {
        "line": line["line_number"],
        "item": line["item"],
        **_plan(line, letterhead),
        "count": line["usage_count"],
        "rated": format_micro(line["rated_micro"], letterhead.digits),
        "amount": format_micro(line["amount_micro"], letterhead.digits),
    }


def _tax(line: Mapping[str, Any], letterhead: Letterhead) -> dict[str, Any]:
    return {
        "line": line["line_number"],
        "item": line["item"],
        "tax_class": line["tax_class"],
        "percent": format_nano(line["percent_nano"], 0),
        "base": format_micro(line["base_micro"], letterhead.digits),
        "amount": format_micro(line["amount_micro"], letterhead.digits),
    }


def _totals(bill: Mapping[str, Any], digits: int) -> dict[str, str]:
    return {name: format_micro(bill[f"{name}_micro"], digits) for name in _AMOUNTS}
