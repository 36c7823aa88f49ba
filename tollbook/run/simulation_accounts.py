"""Who wins and who loses: the part of a simulation's report that is about accounts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from rating.simulated import Account, Movement, Simulation, Tried
from tollbook.run import report_heat as heat
from tollbook.run import report_parts as parts
from tollbook.run.report_compare_svg import Change, changes
from tollbook.run.report_heat import Cell, Column
from tollbook.run.report_svg import Bar, columns

NAMED: Final = 5  # accounts on either side, where several books are compared
WHOLE: Final = 1000  # per mille
FROM_NOTHING: Final = "paid nothing before"


def sections(found: Simulation, digits: int) -> Iterator[str]:
    """What becomes of tenths of the accounts, and whom each book moves most. digits: of amounts."""
    yield _deciles(found, digits)
    if len(found.tried) == 1:
        yield _alone(found.tried[0], digits)
        return
    yield _compared(found.tried)
    moving = [one for one in found.tried if one.movement.winners or one.movement.losers]
    inner = "".join(f"<div>{_named(one, digits)}</div>" for one in moving)
    if inner:
        about = f"At most {NAMED} that would pay less and more; accounts.parquet has all"
        yield parts.section("Accounts with the greatest changes", about,
                            f'<div class="pair">{inner}</div>', "long")  # fmt: skip


def _deciles(found: Simulation, digits: int) -> str:
    most = max(max((line.old_micro for line in found.deciles), default=1), 1)
    above = [Column(line.label, max(WHOLE * line.old_micro // most, 0),
                    f"{line.records:,} records", parts.amount(line.old_micro, digits))
             for line in found.deciles]  # fmt: skip
    rows = [
        (one.name, [
            Cell(heat.percent(line.new_micro[place], line.old_micro) or "·", "",
                 heat.shade(line.new_micro[place], line.old_micro) or "same",
                 f"{parts.amount(line.old_micro, digits)} → "
                 f"{parts.amount(line.new_micro[place], digits)}")
            for line in found.deciles
        ]) for place, one in enumerate(found.tried)
    ]  # fmt: skip
    about = "Accounts in tenths by what they pay today; the first pay least"
    return parts.section("Customers by what they pay", about, heat.matrix("today", above, rows))


def _classes(moved: Movement) -> list[tuple[int, str, str]]:
    """Accounts by their change, from the greatest saving on: (accounts, class, words)."""
    found, is_more = [], False
    for low, high, accounts in moved.classes:
        if low == 0:
            found.append((moved.unchanged, "c0", "the same"))
            is_more = True
        near = low if is_more else high
        found.append((accounts, heat.level(near or 0, is_more), _class(low, high)))
    found.append((moved.from_nothing, "u6", FROM_NOTHING))
    return found


def _class(low: int | None, high: int | None) -> str:
    """``−20..−10 %`` from per mille."""
    def said(mille: int) -> str:
        return f"{'−' if mille < 0 else ''}{abs(mille) // 10}"

    if low is None:
        return f"< {said(high or 0)} %"
    return f"≥ {said(low)} %" if high is None else f"{said(low)}..{said(high)} %"


def _compared(tried: Sequence[Tried]) -> str:
    """A bar for each book: how many accounts pay how much less or more."""
    rows = "".join(
        f"<b>{escape(one.name)}</b>"
        + heat.split((number, kind, f"{words}: {number:,} accounts")
                     for number, kind, words in _classes(one.movement))
        + f"<span>{one.movement.winners:,} less, {one.movement.losers:,} more</span>"
        for one in tried
    )  # fmt: skip
    meant = [(kind, words) for _, kind, words in _classes(tried[0].movement)
             if words != FROM_NOTHING]  # fmt: skip
    return parts.section(
        "Who wins and who loses", "Accounts by how much less or more they would pay",
        f'<div class="rows">{rows}</div><div class="split-key">{heat.legend(meant)}</div>',
    )


def _about(one: Tried, digits: int) -> str:
    moved = one.movement
    won, lost = (parts.amount(one, digits) for one in (moved.won_micro, moved.lost_micro))
    about = (f"{moved.winners:,} accounts would pay {won} less in all, {moved.losers:,} would pay "
             f"{lost} more, {moved.unchanged:,} the same")  # fmt: skip
    return about + f"; {moved.from_nothing:,} of them {FROM_NOTHING}" * bool(moved.from_nothing)


def _alone(one: Tried, digits: int) -> str:
    """One book: its classes upright, and the accounts that it moves most."""
    moved = one.movement
    bars = [Bar(_class(low, high), [(accounts, "more" if low is not None and low >= 0 else "less")],
                f"{_class(low, high)}: {accounts:,} accounts")
            for low, high, accounts in moved.classes]  # fmt: skip
    inner = ""
    if moved.winners or moved.losers:
        lines = [
            Change(each.account, each.new_micro - each.old_micro, _from_to(each, digits),
                   f"{each.account}: {_signed(each.new_micro - each.old_micro, digits)}")
            for each in (*moved.greatest_winners, *reversed(moved.greatest_losers))
        ]  # fmt: skip
        inner = _wide(columns(bars, 1, "Accounts by their change", 150))
        inner += _wide(changes(lines, "Accounts with the greatest changes"))
    return parts.section("Who wins and who loses", _about(one, digits), inner)


def _named(one: Tried, digits: int) -> str:
    moved = one.movement
    sides = [("less", moved.greatest_winners), ("more", moved.greatest_losers)]
    tables = "".join(
        heat.table((f"pay {word}", "today", "then", "difference", ""), [
            [Cell(each.account), Cell(parts.amount(each.old_micro, digits)),
             Cell(parts.amount(each.new_micro, digits)),
             Cell(_signed(each.new_micro - each.old_micro, digits)),
             Cell(heat.percent(each.new_micro, each.old_micro),
                  kind=heat.shade(each.new_micro, each.old_micro))]
            for each in accounts[:NAMED]
        ]) for word, accounts in sides if accounts
    )  # fmt: skip
    return f'<h3>{escape(one.name)}</h3><p class="about">{_about(one, digits)}</p>{tables}'


def _from_to(one: Account, digits: int) -> str:
    return f"{parts.amount(one.old_micro, digits)} → {parts.amount(one.new_micro, digits)}"


def _signed(amount_micro: int, digits: int) -> str:
    return f"{'+' if amount_micro > 0 else ''}{parts.amount(amount_micro, digits)}"


def _wide(inner: str) -> str:
    return f'<div class="wide">{inner}</div>'
