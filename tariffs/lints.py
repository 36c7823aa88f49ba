"""What ``tollbook tariff check`` looks for beyond words and numbers, as docs and tests list it.

Each has a broken book of its name under ``tests/broken/tariffs``; the table in ``docs/tariffs.md``
is this one.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Lint(NamedTuple):
    """One kind of finding; severity as in ``errors.Problem``."""

    word: str
    severity: str
    sentence: str


LINTS: Final = tuple(Lint(*row) for row in (
    ("band_gap", "error", "hours, or dates, of a kind of day for which no band gives a price"),
    ("band_overlap", "error", "two bands of one weight that hold at once"),
    ("band_hidden", "warning", "a band that never decides: heavier ones cover it"),
    ("price_never", "warning", "a price for other hours, where the bands cover all hours"),
    ("day_classes_too_many", "error", "dates that tell more than 512 kinds of day apart"),
    ("combination", "error", "keys of a rate that have no meaning together"),
    ("tier_order", "error", "tiers that do not ascend, or of which the last one ends"),
    ("tier_unreachable", "warning", "a tier that an increment of an earlier one steps over"),
    ("tier_beyond_limit", "warning", "a tier that begins beyond the longest usage accepted"),
    ("rule_unreachable", "error", "a rule that an earlier one always hides"),
    ("rule_impossible", "error", "conditions that never hold together"),
    ("otherwise_missing", "warning", "no last rule for everything else; a rate that nothing names"),
    ("reference_unknown", "error", "rates, components, zones, relations, carriers, codes, plans, "
     "decks or allowances that are not defined"),
    ("unit_misfit", "error", "a rate that cannot count what its rule lets in"),
    ("fallback_circle", "error", "a plan that falls back to itself, or to one twice"),
    ("fallback_dead", "warning", "a fallback that is never asked"),
    ("extends_circle", "error", "files that extend each other"),
    ("valid_missing", "error", "a version that extends another and does not say when it holds"),
    ("rate_same", "warning", "a rate equal to the one it replaces; a library that no plan uses"),
    ("prefix_twice", "error", "a prefix with two prices at once"),
    ("prefix_malformed", "error", "a prefix that is not digits with the country code"),
    ("prefix_mangled", "error", "a prefix that a spreadsheet turned into a number"),
    ("prefix_unreachable", "warning", "a prefix of which all longer ones have rows of their own"),
    ("prefix_gap", "warning", "days between two rows of one prefix"),
    ("prefix_future", "warning", "rows that hold only before or after the plan does"),
    ("deck_form", "error", "a row with a price and a rate, or neither"),
    ("template_alone", "error", "a rate with the prices of a deck, used without one"),
    ("percent_inexact", "error", "a percentage of a row's price that is finer than nine decimals"),
    ("price_range", "warning", "a price outside the range that the plan declares"),
    ("unit_mistaken", "warning", "prices that look alike for seconds and for minutes, or for KiB "
     "and for MiB"),
    ("unit_nanoseconds", "warning", "quantities of years: nanoseconds written as seconds"),
    ("increment_beyond_per", "warning", "increments many times as long as what the price is for"),
    ("never_rounded", "warning", "amounts finer than a millionth, and no `round`"),
    ("stage_coarse", "warning", "increments that are rounded to nothing"),
    ("short_call_long", "warning", "a short call of minutes"),
    ("free_beyond_minimum", "warning", "a minimum that lies within what is free"),
    ("border_useless", "warning", "a border mode on a rate with one price"),
    ("clock_unknown", "warning", "the clock of a zone, where no zone has a time zone"),
    ("item_twice", "error", "two allowances, counters or caps of one name"),
    ("items_too_many", "error", "more than 62 allowances, counters, caps and rates with "
     "`tiers_over` in a plan"),
    ("item_combination", "error", "keys of an allowance, counter or cap that have no meaning "
     "together"),
    ("item_misfit", "error", "an allowance, counter or cap that cannot count what it lets in"),
    ("item_never", "warning", "an allowance, counter or cap that nothing which is charged meets"),
    ("item_rate", "error", "a rate of covered usage with the prices of a deck, tiers of a period "
     "or another unit"),
    ("item_withheld", "error", "an allowance that covers what is not discountable"),
    ("draws_on_circle", "error", "allowances that draw on each other"),
    ("draws_on_misfit", "error", "an allowance that draws on one of another unit, or of a narrower "
     "owner"),
    ("unlimited_alone", "error", "an allowance without end that draws on nothing"),
    ("increment_missing", "warning", "an allowance without `increment` that covers what is charged "
     "in longer steps"),
    ("rollover_beyond", "warning", "a rollover limit above all that can be left over"),
    ("tiers_over_fallback", "error", "a fallback on a plan with tiers of a period"),
    ("settle_whole", "error", "a whole settlement of a rate that several components have"),
    ("split_tiers", "error", "a version that splits usage and has tiers of a period"),
    ("rating_plan_missing", "error", "a plan of network/ratings.csv that the book does not have"),
    ("overflow", "error", "prices and quantities of which a charge could be too large to hold"),
    ("versions_gap", "warning", "days between two versions of a plan"),
    ("versions_overlap", "error", "days on which two versions of a plan hold"),
    ("currency_other", "error", "a plan in another currency than the operator's"),
    ("components_too_many", "error", "more than six components in all plans together"),
    ("tax_missing", "error", "a tax class without a tax"),
    ("tax_overlap", "error", "a tax that is in force twice"),
    ("discount_twice", "error", "two discounts of one name, or more than 62"),
    ("discount_useless", "warning", "a discount that changes nothing, or acts on nothing"),
    ("files_unread", "warning", "files that nothing names, or that are not read"),
))  # fmt: skip
