"""``tollbook explain --json``: the facts of an explanation, for programs.

Amounts are ``_micro``, prices ``_nano``; an ``exact_micro`` is text: a whole number, or a fraction
such as 29/2 where the amount is not a whole number of millionths before it is rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from rating.conditions import conditions
from rating.guide_trace import Guidance, Place
from rating.trace import Trace
from rating.trace_steps import Used
from tariffs.memory_model import Cap
from tariffs.when import Position
from tollbook import clock, codes
from tollbook.cli.steps_json import component_dict, discount_dict
from tollbook.columns import OPEN_FROM, OPEN_TO
from tollbook.numbering import masked
from tollbook.run.explaining import Explanation, Leg
from tollbook.run.records import record_text

_NUMBERS: Final = ("served_raw", "other_raw", "third_raw", "served_e164", "other_e164",
                   "routing_raw", "routing_e164", "imsi")  # fmt: skip
_USAGE: Final = (
    "source", "service", "direction", *_NUMBERS, "start_utc_s", "duration_s", "up_bytes",
    "down_bytes", "event_count", "trunk_in", "trunk_out", "network", "location", "forward",
)  # fmt: skip
_FLAGS: Final = {
    "on_net": codes.FLAG_ON_NET, "friend": codes.FLAG_FRIEND, "group": codes.FLAG_GROUP,
    "same_place": codes.FLAG_SAME_PLACE, "boundary": codes.FLAG_BOUNDARY,
    "boundary_inter": codes.FLAG_BOUNDARY_INTER, "routed": codes.FLAG_ROUTED,
    "ported": codes.FLAG_PORTED,
}  # fmt: skip


def document(one: Explanation, is_masked: bool = False) -> dict[str, Any]:
    """The explanation as plain values; keys that do not apply to the record are left out."""
    hidden: Callable[[Any], Any] = masked if is_masked else lambda value: value
    found: dict[str, Any] = {
        "record": record_text(one.record_id),
        "fate": one.fate,
        "run": one.run.run_number,
        "as_of": clock.utc_text(one.run.as_of_utc_s),
        "snapshot": one.run.snapshot,
        "file": {
            "source": one.file.source, "name": one.file.name,
            "line": one.record_id & 0xFFFFFFFF, "byte_offset": one.row["byte_offset"],
            "byte_length": one.row["byte_length"],
        },
        "usage": _usage(one, hidden),
    }  # fmt: skip
    if one.file.request_number:
        found["file"]["request"] = one.file.request_number
    if one.parts:
        found["parts"] = [record_text(part["record_id"]) for part in one.parts]
    if one.reason:
        found |= _why(one, is_masked)
    if one.guidance:
        found["guidance"] = _guidance(one, one.guidance, is_masked)
    if one.trace:
        found |= _priced(one, one.trace)
    if one.history:
        found["history"] = [_done(row, is_masked) for row in one.history]
    if one.corrections:
        found["corrections"] = [_corrected(row) for row in one.corrections]
    found["legs"] = [_leg(leg) for leg in one.legs]
    found["differences"] = [asdict(difference) for difference in one.differences]
    return found


def _usage(one: Explanation, hidden: Callable[[Any], Any]) -> dict[str, Any]:
    is_special = bool(one.row.get("special_number"))
    found = {name: one.row[name] for name in _USAGE if name in one.row}
    for name in _NUMBERS:
        if found.get(name) and not (is_special and name == "other_raw"):
            found[name] = hidden(found[name])
    return found


def _why(one: Explanation, is_masked: bool) -> dict[str, Any]:
    reason = one.reason
    if reason is None:
        return {}
    found = {
        "reason": reason.name, "stage": reason.stage, "field": one.row.get("field", ""),
        "retryable": reason.retryable, "do": reason.advice,
    }  # fmt: skip
    if one.row.get("mediation_rule"):
        found["rule"] = one.row["mediation_rule"]
    if "tries" in one.row:
        found |= {"tries": one.row["tries"], "suspended_utc_s": one.row["suspended_utc_s"]}
    if "due_utc_s" in one.row:
        found["due_utc_s"] = one.row["due_utc_s"]
    for name in ("raw_value", "raw_record"):
        if one.row.get(name) and not is_masked:
            found[name] = one.row[name].decode("utf-8", "backslashreplace")
    if one.first:
        found["first"] = {"record": record_text(one.first.record_id), "fate": one.first.fate,
                          "run": one.first.run.run_number}  # fmt: skip
    return found


def _done(row: Mapping[str, Any], is_masked: bool) -> dict[str, Any]:
    """A row of the log of suspense, without the record's bytes."""
    hidden = {"record_id", "raw_record"} | ({"old", "new"} if is_masked else set())
    return {name: value for name, value in row.items() if name not in hidden}


def _corrected(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a re-rating found of a billed record, in money or of a balance."""
    days = {name: row[name].isoformat() for name in ("since", "day") if name in row}
    return {name: value for name, value in row.items() if name != "record_id"} | days


def _guidance(one: Explanation, found: Guidance, is_masked: bool) -> dict[str, Any]:
    paying = asdict(found.subscription) if found.subscription else None
    if paying:  # an open end of a span is null
        for name, is_open in (("valid_from_utc_s", OPEN_FROM), ("valid_to_utc_s", OPEN_TO)):
            paying[name] = None if paying[name] == is_open else paying[name]
        del paying["line"]
        if not paying["imsi_prefix"]:
            del paying["imsi_prefix"], paying["zone"]
    return {
        "subscription": paying,
        "home": _place(found.home, is_masked),
        "served": _place(found.served, is_masked),
        "real": _place(found.real, is_masked),
        "other": _place(found.other, is_masked),
        "called": _place(found.called, is_masked),
        "carrier": found.carrier,
        "carrier_by": found.carrier_by,
        "relation": found.relation,
        "home_relation": found.home_relation,
        "flags": [word for word, flag in _FLAGS.items() if found.flags & flag],
        "roaming": found.roaming,
        "access_code": one.row["access_code"],
        "special_number": one.row["special_number"],
        "usage_period": one.row["usage_period"],
        "bill_period": one.row["bill_period"],
    }


def _place(place: Place, is_masked: bool) -> dict[str, str] | None:
    found = asdict(place)
    if is_masked and place.is_by_digits:
        del found["key"]
    return found if place.zone else None


def _priced(one: Explanation, found: Trace) -> dict[str, Any]:
    plan, version = found.plan, found.version
    if plan is None or version is None:
        return {"plan": None}
    return {
        "plan": {"id": plan.plan_id, "name": plan.name},
        "version": {"valid_from": version.valid_from.isoformat(), "at": _at(version.at),
                    "time_zone": version.time_zone},
        "rule": _rule(one, found),
        "components": [
            component_dict(part) | {"left_micro": found.charges[part.component],
                                    "stored_micro": one.stored_micro.get(part.component, 0)}
            for part in found.components
        ],
        "discounts": [discount_dict(each) for each in found.discounts],
        "currency": one.data.workspace.operator.currency,
        "charge_micro": found.charge_micro,
        "stored_micro": one.row["charge_micro"],
    } | _remembered(found)


def _remembered(found: Trace) -> dict[str, Any]:
    """What was used of what the book remembers, and what has no rate; where there is any."""
    settled = [
        {"kind": "cap" if isinstance(one.item, Cap) else "allowance", "name": one.item.name,
         "is_used_up": one.used is None, "beyond": one.beyond[0].name if one.beyond else "",
         "components": [{"component": name, "before_micro": before, "after_micro": after}
                        for name, before, after in one.left]}
        for one in found.settled
    ]  # fmt: skip
    parts = {"used": [_used(use) for use in found.used], "settled": settled,
             "used_up": [one.name for one in found.empty],
             "without_rate": list(found.missing)}  # fmt: skip
    return {name: part for name, part in parts.items() if part}


def _used(use: Used) -> dict[str, Any]:
    """What the record took from a balance: base units or micro; left is null without an end."""
    after = use.before + use.taken
    return {
        "item": use.item, "since": use.since.isoformat(), "granted": use.granted,
        "before": use.before, "taken": use.taken, "after": after,
        "left": None if use.granted is None else use.granted - after,
    }  # fmt: skip


def _rule(one: Explanation, found: Trace) -> dict[str, Any] | None:
    if found.rule is None or found.version is None or one.facts is None:
        return None
    held = conditions(found.rule.when, one.facts)
    passed = []
    for index, rule in enumerate(found.version.rules[: found.rule_index], start=1):
        failed = next(each for each in conditions(rule.when, one.facts) if not each.holds)
        passed.append({"number": index, "at": _at(rule.at), "condition": failed.name,
                       "found": failed.found, "allowed": list(failed.allowed)})  # fmt: skip
    return {
        "number": found.rule_index + 1,
        "of": len(found.version.rules),
        "at": _at(found.rule.at),
        "conditions": {each.name: each.found for each in held},
        "passed_over": passed,
    }


def _leg(leg: Leg) -> dict[str, Any]:
    found: dict[str, Any] = {"direction": leg.direction}
    one = leg.explained
    if one is not None:
        found |= {"carrier": one.carrier, "trunk": one.trunk, "settlement_group": one.group}
    if one is not None and one.agreement is not None and one.component is not None:
        found |= {
            "agreement": one.agreement.agreement, "at": _at(one.agreement.at),
            "clock": one.agreement.clock, "billed_quantity": one.billed_quantity,
        } | component_dict(one.component)  # fmt: skip
        del found["component"], found["rate"], found["rate_at"], found["deck"]
    if leg.stored is not None:
        found |= {"settle_period": leg.stored["settle_period"],
                  "stored_micro": leg.stored["charge_micro"]}  # fmt: skip
    return found


def _at(position: Position) -> str:
    return f"{position.file}:{position.line}"
