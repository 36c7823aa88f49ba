"""What a rate may not be: combinations of its values that have no meaning, or that lead too far.

``tariff check`` and the compiler ask the same question, so a book that passes the check compiles.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tariffs.model import BORDERS, CLOCKS, SCHEDULES_MAX, STAGES, Rate, Tier
from tollbook import money

FREE_MAX: Final = 2**40  # base units that are free, or that a usage is priced as at least


class Fault(NamedTuple):
    """One thing wrong with a rate, in words: found, allowed, what to do."""

    found: str
    allowed: str
    advice: str


def faults(rate: Rate) -> tuple[Fault, ...]:
    """Everything that is wrong with a rate's words, numbers and their combination."""
    return (*_words(rate), *_numbers(rate), *_combinations(rate))


def schedules(rate: Rate) -> tuple[tuple[tuple[Tier, ...], int], ...]:
    """The distinct (tiers, connection fee) of a rate, the rate's own first, then by its bands."""
    own = [(rate.tiers, rate.connect_nano)] if rate.tiers else []
    bands = [
        (band.tiers, rate.connect_nano if band.connect_nano < 0 else band.connect_nano)
        for band in rate.bands
    ]
    return tuple(dict.fromkeys([*own, *bands]))


def stage_digits(rate: Rate) -> int:
    """Digits of the rounding before the last."""
    return rate.digits if rate.stage_digits < 0 else rate.stage_digits


def stage_mode(rate: Rate) -> int:
    """Mode of the rounding before the last."""
    return rate.mode if rate.stage_mode < 0 else rate.stage_mode


def _words(rate: Rate) -> list[Fault]:
    return [
        Fault(f"{name} '{word}'", ", ".join(allowed), f"correct `{name}`")
        for name, word, allowed in (
            ("border", rate.border_mode, BORDERS),
            ("clock", rate.clock, CLOCKS),
            ("stage", rate.stage, STAGES),
        )
        if word not in allowed
    ]


def _numbers(rate: Rate) -> list[Fault]:
    found = []
    for name, value in (("free", rate.free_quantity), ("minimum", rate.minimum_quantity)):
        if not 0 <= value <= FREE_MAX:
            found.append(Fault(f"a {name} quantity of {value}", f"0 to {FREE_MAX}",
                               "correct the quantity"))
    if not rate.digits <= stage_digits(rate) <= money.NANO_DIGITS:
        found.append(Fault(
            f"stage_digits {stage_digits(rate)} with digits {rate.digits}",
            f"{rate.digits} to {money.NANO_DIGITS}: the last rounding cannot be finer",
            "give more `stage_digits` or fewer `digits`"))
    if stage_mode(rate) not in money.ROUNDING_MODES.values():
        found.append(Fault(f"stage_mode {rate.stage_mode}", ", ".join(money.ROUNDING_MODES),
                           "correct `stage_mode`"))
    if any(tier.fee_nano < 0 for tiers, _ in schedules(rate) for tier in tiers):
        found.append(Fault("a negative fee", "0 or more", "correct the tier's `fee`"))
    if len(schedules(rate)) > SCHEDULES_MAX:
        found.append(Fault(f"{len(schedules(rate))} bands with different prices",
                           f"at most {SCHEDULES_MAX}", "merge some bands"))
    return found  # fmt: skip


def _combinations(rate: Rate) -> list[Fault]:
    has_fee = any(tier.fee_nano for tiers, _ in schedules(rate) for tier in tiers)
    found = [
        Fault(f"volumes apart together with {what}", "one of the two",
              "leave one out: it is not defined which volume would get it")
        for what, given in (
            ("free volume", rate.free_quantity),
            ("a minimum volume", rate.minimum_quantity),
            ("a fee of a tier", has_fee),
        )
        if rate.apart and given
    ]  # fmt: skip
    found += _tier_periods(rate, has_fee)
    if rate.unit == "event" and rate.border_mode != "start":
        found.append(Fault(f"border '{rate.border_mode}' on a rate of events", "start",
                           "leave `border` out: events take the price of their moment"))
    if rate.stage == "cgrates" and rate.border_mode != "unit":
        found.append(Fault(f"stage 'cgrates' with border '{rate.border_mode}'", "border unit",
                           "use border `unit`, as the engine that is imitated does"))
    return found


def _tier_periods(rate: Rate, has_fee: bool) -> list[Fault]:
    """``tiers_over`` counts what was used, from tier to tier: what else counts must be said there.

    A deck makes a rate of each of its rows, which would each count by itself.
    """
    if rate.over is None:
        return []
    found = [
        Fault(f"'tiers_over' together with {what}", "one of the two", advice)
        for what, given, advice in (
            ("free units", rate.free_quantity, "write a first tier with the price 0"),
            ("a shortest length", rate.minimum_quantity, "leave it out: what is used is counted"),
            ("short_call", rate.short_call, "leave it out: what is used is counted"),
            ("a fee of a tier", has_fee, "write it as the `connect` of the rate"),
            ("volumes apart", rate.apart, "leave one out: the tiers count both together"),
            ("prices of a deck", rate.is_template, "name rates of their own in the deck"),
            ("stage 'cgrates'", rate.stage == "cgrates", "leave one out"),
        )
        if given
    ]  # fmt: skip
    if all(len(tiers) == 1 for tiers, _ in schedules(rate)):
        found.append(Fault("'tiers_over' on a rate without tiers", "'tiers_over' with 'tiers'",
                           "write the tiers, or remove it"))
    return found
