"""What ``tollbook tariff price`` found: for people, for programs, and as a file."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from tollbook.cli.common import count, print_json, table
from tollbook.errors import printable

if TYPE_CHECKING:
    import pyarrow as pa

    from rating.trial import Context
    from rating.trial_kinds import Kinds
    from rating.trial_result import Difference, Sums
    from tollbook.columns import Table

SHOWN: Final = 20  # calls on the screen without --limit
EXPLAINED: Final = 1000  # calls that --explain takes without --limit
_STANDARD_OUTPUT: Final = "-"


class Choices(NamedTuple):
    """The options of one pricing."""

    calls: str | None
    plan: str | None
    output: str | None
    explain: bool
    check: bool
    compare: Path | None
    limit: int | None
    as_json: bool
    service: str | None
    direction: str | None
    start: str | None
    used: str | None
    facts: tuple[str, ...]
    discounts: tuple[str, ...]

    @property
    def is_single(self) -> bool:
        return self.calls is None


class Pricing(NamedTuple):
    """Calls that were priced."""

    calls: Table
    rated: list[pa.RecordBatch]
    context: Context
    choices: Choices
    kinds: Kinds | None = None

    def table(self) -> pa.Table:
        """The calls with their prices, in words."""
        from rating.trial_kinds import with_kinds
        from rating.trial_result import table_of

        found = table_of(self.calls, self.rated, self.context)
        return found if self.kinds is None else with_kinds(found, self.kinds)


def write(output: str, done: Pricing) -> None:
    """Every call with its price as CSV."""
    import pyarrow.csv

    is_standard = output == _STANDARD_OUTPUT
    target = sys.stdout.buffer if is_standard else output
    pyarrow.csv.write_csv(done.table(), target)


def show(done: Pricing, differences: list[Difference] | None) -> None:
    """On the screen, or as JSON."""
    from rating.trial_result import sums_of

    choices, sums = done.choices, sums_of(done.rated, done.context)
    if choices.as_json:
        print_json(_document(done, sums, differences))
        return
    if choices.output == _STANDARD_OUTPUT:
        return
    if choices.explain or choices.is_single:
        limit = EXPLAINED if choices.limit is None else choices.limit
        for batch, row, name in _rows(done, limit):
            click.echo(_explained(done.context, batch, row, name) + "\n")
    elif differences is None and not choices.output:
        click.echo(_screen(done, SHOWN if choices.limit is None else choices.limit))
    if differences is not None:
        click.echo(_compared(done, differences))
    if not choices.is_single:
        click.echo(_summary(done.context, sums))
        if done.kinds is not None:
            click.echo(_margin(done.kinds))


def _rows(done: Pricing, limit: int) -> list[tuple[pa.RecordBatch, int, str]]:
    """The first calls: their batch, their place in it, and their name."""
    found, low = [], 0
    for batch in done.rated:
        for row in range(min(batch.num_rows, limit - low)):
            found.append((batch, row, printable(done.calls.cell("name", low + row))))
        low += batch.num_rows
        if low >= limit:
            break
    return found


def _screen(done: Pricing, limit: int) -> str:
    from tariffs.words import begin_text
    from tollbook.money import format_micro

    def money(value: Any) -> str:
        return format_micro(int(value.scaleb(6)))

    first = done.table().slice(0, limit)
    names = done.context.compiled.components
    kinds = [] if done.kinds is None else [*done.kinds.charge_micro]
    used = [name for name in names if any(one.as_py() for one in first[f"charge_{name}"])]
    rows = [
        [row["line"], printable(row["name"]), row["reason"] or "priced", row["plan"],
         begin_text(row["version"]), row["rule"] or "",
         *(money(row[f"charge_{name}"]) for name in used),
         f"{money(row['charge'])} {row['currency']}",
         *(row[f"reason_{kind}"] or money(row[f"charge_{kind}"]) for kind in kinds),
         *([money(row["margin"])] if kinds else [])]
        for row in first.to_pylist()
    ]  # fmt: skip
    header = ["line", "name", "result", "plan", "version", "rule", *used, "charge", *kinds,
              *(["margin"] if kinds else [])]  # fmt: skip
    shown = table(header, rows, [0, 5, *range(6, len(header))])
    more = len(done.calls) - len(rows)
    return shown + (f"\n... and {count(more, 'call')} more: -o FILE.csv writes all\n" if more > 0
                    else "\n")  # fmt: skip


def _explained(context: Context, batch: pa.RecordBatch, row: int, name: str) -> str:
    """One call, step by step; the total is what the compiled book charged."""
    from rating import trial_discounts
    from rating.trial import facts_of
    from tollbook import reasons
    from tollbook.cli import steps_screen as steps
    from tollbook.cli.used_screen import price_lines
    from tollbook.stage import ints

    line = int(ints(batch, "record_id")[row])
    reason = int(ints(batch, "reason")[row])
    _, facts = facts_of(batch, row, context)
    found = trial_discounts.explained(context, batch, row)
    title = " ".join(filter(None, (f"line {line}" if line else "", name)))
    result = reasons.name_of(reason) if reason else "priced"
    lines = [f"{title or 'the call'}  {result}"]
    lines += [steps.line(*each) for each in steps.facts_lines(found, facts)]
    if not reason or reasons.BY_CODE[reason].stage == "rate":
        lines += [steps.line(*each) for each in steps.rule_lines(found, facts)]
    if reason:
        advice = "add the row to the table, then retry" if found.missing else ""
        return "\n".join([*lines, steps.line("do", advice or reasons.BY_CODE[reason].advice)])
    return "\n".join([*lines, *price_lines(found, batch, row, context.compiled)])


def _compared(done: Pricing, differences: list[Difference]) -> str:
    import pyarrow.compute as pc

    says = pc.or_(*(pc.not_equal(done.calls[name], "") for name in ("expect", "margin")))
    checked = pc.sum(says).as_py()
    lines = [f"{done.calls.shown}:{one.line}: {printable(one.name) or 'call'}\n"
             f"    expected: {one.expected}\n    found:    {one.found}"
             for one in differences]  # fmt: skip
    lines.append(f"{count(checked, 'call')} compared, {len(differences):,} "
                 f"differ{'s' * (len(differences) == 1)}")  # fmt: skip
    return "\n".join(lines)


def _summary(context: Context, sums: Sums) -> str:
    from tollbook.money import format_micro

    currencies = {plan.currency for plan in context.book.plans}
    currency = currencies.pop() if len(currencies) == 1 else "(several currencies)"
    parts = ", ".join(f"{name} {format_micro(value)}" for name, value in sums.components if value)
    total = f"{format_micro(sums.charge_micro)} {currency}" + f" ({parts})" * bool(parts)
    lines = [f"{count(sums.calls, 'call')}, {sums.priced:,} priced: {total}"]
    lines += [f"{number:,} without a price: {reason}" for reason, number in sums.reasons]
    return "\n".join(lines)


def _margin(kinds: Kinds) -> str:
    """What all calls together were sold and bought for."""
    from tollbook.money import exact_sum, format_micro

    parts = [f"{kind} {format_micro(exact_sum(charge))}"
             for kind, charge in kinds.charge_micro.items()]  # fmt: skip
    missing = int((~kinds.is_known).sum())
    said = f"{', '.join(parts)}; margin {format_micro(exact_sum(kinds.margin_micro))}"
    return said + (f" without {count(missing, 'call')} that lack a price" if missing else "")


def _document(
    done: Pricing, sums: Sums, differences: list[Difference] | None
) -> dict[str, Any]:
    """Everything for programs; amounts are decimals in texts."""
    from tollbook.money import format_micro

    choices = done.choices
    few = EXPLAINED if choices.explain or choices.is_single else len(done.calls)
    limit = few if choices.limit is None else choices.limit
    rows = done.table().slice(0, limit).to_pylist()
    for row in rows:
        for name in [name for name in row if name.startswith(("charge", "margin"))]:
            row[name] = format_micro(int(row[name].scaleb(6)))
    if choices.explain or choices.is_single:
        for row, (batch, place, _) in zip(rows, _rows(done, limit), strict=True):
            row["steps"] = _steps(done.context, batch, place)
    found: dict[str, Any] = {
        "calls": rows,
        "sums": {
            "calls": sums.calls, "priced": sums.priced, "charge": format_micro(sums.charge_micro),
            "components": {name: format_micro(value) for name, value in sums.components},
            "reasons": dict(sums.reasons),
        },
    }  # fmt: skip
    if differences is not None:
        found["differences"] = [asdict(one) for one in differences]
    return found


def _steps(context: Context, batch: pa.RecordBatch, row: int) -> list[dict[str, Any]]:
    from rating import trial_discounts
    from tollbook.cli.steps_json import component_dict, discount_dict

    found = trial_discounts.explained(context, batch, row)
    return [*map(component_dict, found.components), *map(discount_dict, found.discounts)]
