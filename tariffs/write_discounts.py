"""Discounts written back as text, as ``book_discounts`` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tariffs.book_discounts import ENDLESS
from tariffs.memory_model import Action, Chosen, Discount, Used
from tariffs.when import When
from tariffs.write_memory import when_pairs
from tariffs.write_rates import WIDTH, Pairs, flow, listed, quantity, word
from tollbook import money

_MODES: Final = {mode: name for name, mode in money.ROUNDING_MODES.items()}


def discounts_text(discounts: Sequence[Discount]) -> str:
    """The file of discounts; lists that stood in files of their own stand in it."""
    lines = ["discounts:"]
    for one in discounts:
        pairs = _pairs(one)
        whole = f"  - {flow(pairs)}"
        if len(whole) <= WIDTH:
            lines.append(whole)
            continue
        lines += [f"  {'-' if place == 0 else ' '} {key}: {value}"
                  for place, (key, value) in enumerate(pairs)]  # fmt: skip
    return "\n".join(lines) + "\n"


def _pairs(one: Discount) -> Pairs:
    pairs = [("name", word(one.name))]
    if one.chosen != Chosen():
        pairs.append(("for", flow(_chosen(one.chosen))))
    if one.excluded is not None and one.excluded != Chosen():
        pairs.append(("except", flow(_chosen(one.excluded))))
    days = [(key, str(day)) for key, day in (("from", one.valid_from), ("to", one.valid_to)) if day]
    pairs += [("valid", flow(days))] * bool(days)
    pairs += [("time_zone", one.time_zone)] * bool(one.time_zone)
    pairs += [("when", flow(when_pairs(one.when)))] * (one.when != When())
    if one.used:
        pairs.append(("used", flow([(word(each.counter), flow(_used(each))) for each in one.used])))
    if one.components:
        pairs.append(("components", listed(one.components)))
    pairs.append(("action", flow([_action(one.action)])))
    if one.execution != "joint":
        pairs.append(("execution", one.execution))
    if one.priority:
        pairs.append(("priority", str(one.priority)))
    if one.rounding:
        steps = ", ".join(flow([("digits", str(digits)), ("mode", _MODES[mode])])
                          for digits, mode in one.rounding)  # fmt: skip
        pairs.append(("round", f"[{steps}]"))
    return pairs


def _chosen(chosen: Chosen) -> Pairs:
    numbers = [f"{a}*" if a == b else f"{a}-{b}" for a, b in chosen.numbers]
    pairs = [
        (key, listed(words)) for key, words in (
            ("numbers", numbers), ("subscriptions", chosen.subscriptions),
            ("accounts", chosen.accounts), ("groups", chosen.groups), ("plans", chosen.plans),
        ) if words
    ]  # fmt: skip
    days = (("from", chosen.opened_from), ("to", chosen.opened_to))
    if any(day for _, day in days):
        pairs.append(("opened", flow([(key, str(day)) for key, day in days if day])))
    return pairs


def _used(used: Used) -> Pairs:
    ends = [("from", used.low)] * (used.low > 0) + [("to", used.high)] * (used.high < ENDLESS)
    is_money = used.measure == "money"
    return [
        (key, money.format_micro(total) if is_money else quantity(used.measure, total))
        for key, total in ends
    ]  # fmt: skip


def _action(action: Action) -> tuple[str, str]:
    if action.kind == "percent":
        return action.kind, money.format_nano(action.amount_nano, 0)
    if action.kind == "free":
        return action.kind, quantity(action.unit, action.quantity)
    if action.kind == "price":
        return action.kind, word(action.rate)
    return action.kind, money.format_micro(action.amount_micro)
