"""Discounts in words, for ``tariff show``, ``tariff diff`` and the steps of a price."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tariffs.memory_model import Action, Chosen, Discount
from tariffs.units import quantity_text
from tariffs.write_memory import when_pairs
from tollbook import money

_MODES: Final = {mode: name for name, mode in money.ROUNDING_MODES.items()}
_NAMED: Final = 4  # of a list, in words


def action_text(action: Action) -> str:
    """What a discount does: ``85 % is left``, ``0.10 off``, ``the first 60s free``."""
    amount = money.format_micro(action.amount_micro)
    return {
        "percent": f"{money.format_nano(action.amount_nano, 0)} % is left",
        "off": f"{amount} off",
        "fixed": f"{amount} instead",
        "cap": f"at most {amount}",
        "free": f"the first {quantity_text(action.quantity, action.unit or 'second')} free",
        "price": f"rate {action.rate}",
    }[action.kind]


def facts(one: Discount) -> Mapping[str, str]:
    """All that a discount says, by what it is about; "" where it says nothing."""
    days = (("from", one.valid_from), ("to", one.valid_to))
    used = (
        f"{each.counter} from {total_text(each.low, each.measure)}"
        + (f" to {total_text(each.high, each.measure)}" if each.high < 2**62 else "")
        for each in one.used
    )
    return {
        "for": chosen_text(one.chosen, "everybody"),
        "but not for": chosen_text(one.excluded, "") if one.excluded else "",
        "in force": " ".join(f"{word} {day}" for word, day in days if day) or "always",
        "clock": one.time_zone,
        "when": ", ".join(f"{key} {words}" for key, words in when_pairs(one.when)),
        "used before": ", ".join(used),
        "components": ", ".join(one.components),
        "does": action_text(one.action),
        "execution": one.execution.replace("_", " "),
        "priority": str(one.priority),
        "round": ", then ".join(f"{digits} digits {_MODES[mode].replace('_', ' ')}"
                                for digits, mode in one.rounding),
    }  # fmt: skip


def whole_text(one: Discount) -> str:
    """A discount in one line."""
    usual = {"execution": "joint", "priority": "0", "in force": "always"}
    said = {name: text for name, text in facts(one).items() if text and text != usual.get(name)}
    does = said.pop("does")
    return "; ".join([does, *(f"{name} {text}" for name, text in said.items())])


def total_text(total: int, measure: str) -> str:
    """What a counter has counted, with its unit."""
    if measure == "money":
        return money.format_micro(total)
    return quantity_text(total, measure) if total else "0"


def chosen_text(chosen: Chosen, nobody: str) -> str:
    """``plans gsm; numbers 86138*``; ``nobody`` where nothing is given."""
    said = []
    for name, words in (
        ("plans", chosen.plans), ("accounts", chosen.accounts), ("groups", chosen.groups),
        ("subscriptions", chosen.subscriptions),
        ("numbers", tuple(f"{a}*" if a == b else f"{a}-{b}" for a, b in chosen.numbers)),
    ):  # fmt: skip
        if words:
            more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
            said.append(f"{name} {', '.join(words[:_NAMED])}{more}")
    if chosen.opened_from or chosen.opened_to:
        said.append("opened " + " ".join(
            f"{word} {day}" for word, day in (("from", chosen.opened_from),
                                              ("to", chosen.opened_to)) if day
        ))  # fmt: skip
    return "; ".join(said) or nobody
