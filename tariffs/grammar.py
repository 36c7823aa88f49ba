"""The keys that each kind of mapping of a tariff book may have: the parser's, and the schema's.

``tariffs/schema/book.schema.json`` says the same to editors; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_SCHEDULE: Final = ("per", "price", "percent", "increments", "tiers")

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "plan": (
        "plan", "name", "extends", "use", "currency", "time_zone", "valid", "version_change",
        "fallback", "round", "price_range", "components", "recurring", "tax_classes",
        "charge_limit", "rates", "rules_first", "rules", "allowances", "counters", "caps",
        "not_discountable", "late",
    ),
    "library": ("rates",),
    "taxes": ("taxes",),
    "tax": ("class", "name", "percent", "valid"),
    "valid": ("from", "to"),
    "discounts": ("discounts",),
    "discount": (
        "name", "for", "except", "valid", "time_zone", "when", "used", "components", "action",
        "execution", "priority", "round",
    ),
    "chosen": ("numbers", "subscriptions", "accounts", "groups", "plans", "opened"),
    "used": ("from", "to"),
    "action": ("percent", "off", "fixed", "cap", "free", "price"),
    "step": ("digits", "mode"),
    "recurring": ("charge", "price", "in", "prorate", "tax_class"),
    "price_range": ("per", "min", "max"),
    "rate": (
        *_SCHEDULE, "bands", "border", "clock", "free", "minimum_duration", "minimum_volume",
        "short_call", "connect", "minimum", "maximum", "volumes", "round", "tiers_over",
    ),
    "band": (*_SCHEDULE, "from", "to", "days", "dates", "weight", "connect", "name"),
    "tier": ("up_to", "per", "price", "percent", "increments", "fee"),
    "dates": ("months", "days", "years"),
    "round": ("digits", "mode", "stage", "stage_digits", "stage_mode"),
    "short_call": ("up_to", "price"),
    "rule": ("when", "charge", "otherwise"),
    "when": (
        "service", "direction", "roaming", "relation", "home_relation", "to", "from", "home",
        "carrier", "forward", "boundary", "access_code", "on_net", "special", "same_place",
        "friend", "group",
    ),
    "allowance": (
        "name", "drop", "amount", "when", "covers", "increment", "owner", "period", "valid",
        "priority", "mode", "rest", "price", "draws_on", "per_member", "prorate", "rollover",
    ),
    "counter": ("name", "drop", "measure", "when", "covers", "owner", "period", "valid"),
    "cap": (
        "name", "drop", "amount", "when", "covers", "owner", "period", "valid", "priority",
        "beyond",
    ),
    "tiers_over": ("period", "owner", "settle"),
    "prorate": ("by", "add", "round", "unit"),
    "rollover": ("limit", "periods"),
    "target": ("by_zone", "by_prefix", "like", "by_relation", "by_home_relation"),
}  # fmt: skip
