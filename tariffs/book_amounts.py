"""Amounts of allowances: time, volume, events or money, told apart by how they are written."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from tariffs import units
from tollbook.money import CHARGE_LIMIT_MICRO, MICRO_DIGITS, parse_decimal
from tollbook.text import Reader

MONEY: Final = "money"
AMOUNT_LIMIT: Final = 2**50  # base units: 1024 TiB, for the pools of large groups
UNLIMITED: Final = "unlimited"
ENDLESS: Final = -1  # as memory_model.Allowance.amount
AMOUNT_ALLOWED: Final = ("a quantity with its unit (170min, 20GiB, 100 events), money with its "
                         "decimals (50.00), or unlimited")  # fmt: skip
_MONEY_ALLOWED: Final = "money with a point and at most 6 decimals, such as 50.00"


class Amount(NamedTuple):
    """How much: base units or micro, ENDLESS without end.

    measure: as memory_model.MEASURES; "" after a problem, and of what has no end. unit_size: the
    unit that the amount is written in, as base units or micro (of 50.00: 0.01).
    """

    measure: str
    value: int
    unit_size: int = 1


def read_amount(reader: Reader) -> Amount:
    """``amount`` of an allowance."""
    written = reader.text("amount", None, AMOUNT_ALLOWED)
    if written == UNLIMITED:
        return Amount("", ENDLESS)
    if re.fullmatch(r"\d+\.\d+", written):
        value, size = _money(reader, "amount", written)
        return Amount(MONEY, value, size)
    quantity = units.parse_quantity(written, AMOUNT_LIMIT)
    if quantity is None:
        if written:
            reader.wrong("amount", f"'amount' is '{written}'", AMOUNT_ALLOWED, _advice(written))
        return Amount("", 0)
    one = units.parse_quantity(re.sub(r"^\d+", "1", written))
    return Amount(*quantity, one[1] if one else 1)


def read_quantity_of(reader: Reader, key: str, measure: str) -> int:
    """A quantity of that measure, or money; 0 after a problem. measure "": any but money."""
    written = reader.text(key, None, _allowed(measure))
    if not written:
        return 0
    if measure == MONEY:
        return _money(reader, key, written)[0]
    quantity = units.parse_quantity(written, AMOUNT_LIMIT)
    if quantity is None or measure not in ("", quantity[0]):
        advice = units.quantity_advice(written) if quantity is None else f"write {measure}s"
        reader.wrong(key, f"'{key}' is '{written}'", _allowed(measure), advice)
        return 0
    return quantity[1]


def _money(reader: Reader, key: str, written: str) -> tuple[int, int]:
    """Micro, and the worth of the last decimal."""
    value = parse_decimal(written, MICRO_DIGITS)
    if value is None or "." not in written or not 0 < value <= CHARGE_LIMIT_MICRO:
        advice = "write more than 0 and at most 1000000000000, with a point"
        if value and written.isdigit():
            advice = f"write {written}.00"
        reader.wrong(key, f"'{key}' is '{written}'", _MONEY_ALLOWED, advice)
        return 0, 1
    return value, 10 ** (MICRO_DIGITS - len(written.partition(".")[2]))


def _allowed(measure: str) -> str:
    if measure == MONEY:
        return _MONEY_ALLOWED
    example = {"second": "170min", "byte": "20GiB", "event": "100 events"}.get(measure, "170min")
    return f"a quantity with its unit, such as {example}"


def _advice(written: str) -> str:
    if written.isdigit():
        return f"write {written}.00 for money, {written}min, {written}MiB or {written} events"
    return units.quantity_advice(written)
