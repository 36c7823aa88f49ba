"""What ``tollbook balance`` prints: an account's balances, as tables or as a document."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

from tariffs.memory_model import MEASURES
from tollbook import clock
from tollbook.cli.balance_text import balance_text
from tollbook.cli.common import count, table
from tollbook.numbering import masked
from tollbook.run.balance import Balance, Use
from tollbook.run.balances import Account
from tollbook.run.records import record_text

ALWAYS: Final = date(1970, 1, 1)  # as the first day of a span: it has none
FOR_EVER: Final = date(9999, 12, 31)
_COLUMN_OF: Final = {"second": "duration_s", "byte": "volume_bytes", "event": "event_count"}
_HEADER: Final = ("balance", "of", "from", "to", "granted", "used", "carried over", "left")


def screen(found: Account, records: int = 5, is_masked: bool = False) -> str:
    """The whole account. records: how many of the last ones of each balance."""
    lines = [f"{found.account_id}  {found.name}, {clock.period_text(found.period)}"]
    if not found.balances:
        nothing = "no plan that it had then has allowances, tiers, counters or caps"
        return "\n".join([*lines, f"  no balances: {nothing}"])
    rows = [_row(found, one) for one in found.balances]
    lines += ["  " + text for text in table(_HEADER, rows, right="4567").split("\n")]
    for one in found.balances:
        if one.uses or one.corrected:
            lines += ["", *_history(found, one, records, is_masked)]
    if found.settled:
        lines += ["", *_settled(found)]
    return "\n".join(lines)


def _row(found: Account, one: Balance) -> tuple[str, ...]:
    def shown(value: int | None, absent: str = "") -> str:
        return absent if value is None else _worth(found, one, value)

    granted = shown(one.granted, "no end" if one.kind == "allowance" else "")
    return (
        one.item, f"{one.owner_kind} {one.owner}", str(one.since) if one.since > ALWAYS else "",
        str(one.until - timedelta(days=1)) if one.until < FOR_EVER else "",
        granted if one.is_open else f"({granted})",
        shown(one.used) if one.is_open else "", shown(one.carried_used or None),
        shown(one.left) if one.is_open else "not opened",
    )  # fmt: skip


def _settled(found: Account) -> Iterator[str]:
    """What the bill of the month adds for whole volumes, by the records there are."""
    yield f"  settled when {clock.period_text(found.period)} is billed, by its records so far"
    header = ("settled", "of", "records", "quantity", "amount")
    rows = []
    for one in found.settled:
        measure = next(name for name in MEASURES if one[_COLUMN_OF[name]] or name == "event")
        owner = f"subscription {one['subscription_id']}" if one["subscription_id"] else "shared"
        rows.append((
            f"{one['component']}/{one['rate']}", owner, str(one["usage_count"]),
            balance_text(one[_COLUMN_OF[measure]], measure, found.currency),
            balance_text(one["charge_micro"], "money", found.currency),
        ))  # fmt: skip
    yield from ("  " + text for text in table(header, rows, right="234").split("\n"))


def _worth(found: Account, one: Balance, value: int) -> str:
    return balance_text(value, one.measure, found.currency)


def _history(found: Account, one: Balance, records: int, is_masked: bool) -> Iterator[str]:
    """The days of a balance, and its last records."""
    yield f"  {one.item} of {one.owner_kind} {one.owner}, from {one.since}"
    used = one.before
    if used:
        yield f"    before       {_worth(found, one, used)}"
    for day in one.days(found.time_zone):
        used += day.taken
        rest = one.left_of(used, day.day >= one.until)
        # Below nothing: the records were billed when more was granted.
        left = "" if rest is None or rest < 0 else f", left {_worth(found, one, rest)}"
        by = count(day.records, "record")
        yield (f"    {day.day}   {_worth(found, one, day.taken)} by {by}; "
               f"used {_worth(found, one, used)}{left}")  # fmt: skip
    if one.corrected:
        yield (f"    rated again  {_worth(found, one, one.corrected)} by closed months; "
               f"used {_worth(found, one, one.used)}")  # fmt: skip
    for use in one.uses[max(len(one.uses) - records, 0) :]:
        yield f"    {_record(found, one, use, is_masked)}"


def _record(found: Account, one: Balance, use: Use, is_masked: bool) -> str:
    number = masked(use.served_e164) if is_masked else str(use.served_e164)
    return (
        f"{record_text(use.record_id)}  {clock.local_text(use.start_utc_s, found.time_zone)}  "
        f"{number} ({use.subscription_id}): {_worth(found, one, use.before)} + "
        f"{_worth(found, one, use.taken)}"
    )


def document(found: Account, is_masked: bool = False) -> dict[str, Any]:
    """The account as plain values; amounts are in base units, or in millionths of money."""
    return {
        "account": found.account_id,
        "period": clock.period_text(found.period),
        "currency": found.currency,
        "balances": [_balance(found, one, is_masked) for one in found.balances],
        "settled": [dict(one) for one in found.settled],
    }


def _balance(found: Account, one: Balance, is_masked: bool) -> dict[str, Any]:
    return {
        "item": one.item, "kind": one.kind, "measure": one.measure,
        "owner": {"kind": one.owner_kind, "id": one.owner},
        "since": str(one.since), "until": str(one.until), "is_open": one.is_open,
        "granted": one.granted, "used": one.used, "carried_used": one.carried_used,
        "left": one.left, "used_before": one.before, "corrected": one.corrected,
        "days": [{"day": str(day.day), "records": day.records, "taken": day.taken}
                 for day in one.days(found.time_zone)],
        "records": [
            {"record": record_text(use.record_id), "start_utc_s": use.start_utc_s,
             "subscription": use.subscription_id, "before": use.before, "taken": use.taken,
             "served_e164": masked(use.served_e164) if is_masked else str(use.served_e164)}
            for use in one.uses
        ],
    }  # fmt: skip
