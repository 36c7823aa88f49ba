"""A book written back as text: plan files in YAML, decks in CSV, as a person would write them.

``book.load`` reads the text back as an equal book, but for the positions in it. Importers write
their results with this, so that what they bring in can be reviewed like any other tariff.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Final

import numpy as np

from tariffs.model import (
    DAY_S,
    FREE,
    Book,
    Charge,
    Deck,
    Plan,
    PrefixRows,
    Rule,
    TaxRate,
    Version,
)
from tariffs.units import time_text
from tariffs.write_discounts import discounts_text
from tariffs.write_memory import memory_lines, when_pairs
from tariffs.write_rates import WIDTH, Pairs, flow, listed, price, quantity, rate_lines, word
from tollbook import money
from tollbook.columns import OPEN_FROM, OPEN_TO

_STANDARD: Final = "standard"  # the tax class of what names none
_CHARGE_LIMIT_MICRO: Final = 10**12  # of a version that names none
_EPOCH: Final = date(1970, 1, 1)


def plan_text(plan: Plan, version: Version, comments: Sequence[str] = ()) -> str:
    """One version of a plan as a whole file; ``comments`` stand above it."""
    lines = [f"# {comment}".rstrip() for comment in comments]
    lines += [f"{key}: {value}" for key, value in _head(plan, version)]
    if version.recurring:
        lines += ["recurring:", *(f"  - {flow(_recurring(version, n))}"
                                  for n in range(len(version.recurring)))]  # fmt: skip
    if version.rates:
        lines += ["", "rates:"]
        for rate in version.rates:
            lines += rate_lines(rate)
    lines += ["", "rules:"]
    for number, rule in enumerate(version.rules, 1):
        lines += _rule_lines(rule, is_last=number == len(version.rules))
    lines += memory_lines(version.memory)
    return "\n".join(lines) + "\n"


def _head(plan: Plan, version: Version) -> Pairs:
    pairs = [("plan", word(plan.plan_id))]
    if plan.name != plan.plan_id:
        pairs.append(("name", word(plan.name)))
    pairs += [("currency", plan.currency), ("time_zone", version.time_zone)]
    valid = [("from", _moment(version.valid_from, version.valid_from_s))]
    if version.valid_to is not None:
        valid.append(("to", _moment(version.valid_to, version.valid_to_s)))
    pairs.append(("valid", flow(valid)))
    if version.version_change != "start":
        pairs.append(("version_change", version.version_change))
    if version.fallback:
        pairs.append(("fallback", listed(version.fallback)))
    if version.price_range:
        pairs.append(("price_range", f"[{', '.join(map(flow, _ranges(version)))}]"))
    pairs.append(("components", f"[{', '.join(map(word, version.components))}]"))
    if version.tax_class:
        pairs.append(("tax_classes", flow([(word(a), word(b)) for a, b in version.tax_class])))
    if version.charge_limit_micro != _CHARGE_LIMIT_MICRO:
        pairs.append(("charge_limit", money.format_micro(version.charge_limit_micro)))
    return pairs


def _moment(day: date, second: int) -> str:
    """A day, or a quoted day and time where it begins within the day."""
    return f'"{day}T{time_text(second)}"' if second else day.isoformat()


def _ranges(version: Version) -> list[Pairs]:
    found: list[Pairs] = []
    for one in version.price_range:
        pairs = [("per", quantity(one.unit, one.per))]
        if one.min_nano:
            pairs.append(("min", price(one.min_nano)))
        if one.max_nano:
            pairs.append(("max", price(one.max_nano)))
        found.append(pairs)
    return found


def _recurring(version: Version, number: int) -> Pairs:
    one = version.recurring[number]
    pairs = [("charge", word(one.name)), ("price", money.format_micro(one.price_micro)),
             ("in", "advance" if one.in_advance else "arrears"),
             ("prorate", one.prorate)]  # fmt: skip
    return pairs + ([("tax_class", word(one.tax_class))] if one.tax_class != _STANDARD else [])


def _rule_lines(rule: Rule, is_last: bool) -> list[str]:
    when = when_pairs(rule.when)
    charge = "refuse" if rule.refuse else FREE
    if rule.charges:
        charge = flow([(word(one.component), _target(one)) for one in rule.charges])
    if not when:
        return [f"  - {{{'otherwise' if is_last else 'charge'}: {charge}}}"]
    one_line = f"  - {{when: {flow(when)}, charge: {charge}}}"
    if len(one_line) <= WIDTH:
        return [one_line]
    return [f"  - when: {flow(when)}", f"    charge: {charge}"]


def _target(charge: Charge) -> str:
    if charge.by_zone:
        return flow([("by_zone", word(charge.by_zone))])
    if charge.by_prefix:
        like = [("like", word(charge.like))] if charge.like else []
        return flow([("by_prefix", word(charge.by_prefix)), *like])
    for key, rates in (("by_relation", charge.by_relation),
                       ("by_home_relation", charge.by_home_relation)):  # fmt: skip
        if rates:
            return flow([(key, flow([(word(name), word(rate)) for name, rate in rates]))])
    return word(charge.rate)


# ---- tables, taxes, the whole book


def deck_csv(rows: PrefixRows, rate_names: Sequence[str] = ()) -> bytes:
    """A prefix deck as CSV; rows name one of ``rate_names`` where they have no price."""
    columns: dict[str, Iterable[str]] = {
        "prefix": map(str, rows.prefix.tolist()),
        "destination": rows.destination.to_pylist(),
    }
    if (rows.price_nano >= 0).any() or not rate_names:
        columns["price"] = _each(rows.price_nano, _amount)
    if rate_names:
        columns["rate"] = [rate_names[at] if at >= 0 else "" for at in rows.rate.tolist()]
    columns["increments"] = map(_increments, rows.first_increment.tolist(), rows.increment.tolist())
    columns["connect"] = _each(rows.connect_nano, _amount)
    columns["minimum"] = _each(rows.minimum_nano, _amount)
    columns["valid_from"] = _each(rows.valid_from_wall_s, _wall)
    columns["valid_to"] = _each(rows.valid_to_wall_s, _wall)
    return _csv([[*columns], *zip(*columns.values(), strict=True)])


def zone_deck_csv(deck: Deck) -> bytes:
    """A deck by zone as CSV."""
    return _csv([("zone", "rate"), *deck.rates])


def taxes_text(taxes: Sequence[TaxRate]) -> str:
    """The file of taxes."""
    lines = ["taxes:"]
    for tax in taxes:
        valid = [("from", str(tax.valid_from))]
        valid += [("to", str(tax.valid_to))] if tax.valid_to else []
        lines.append("  - " + flow([
            ("class", word(tax.tax_class)), ("name", word(tax.name)),
            ("percent", money.format_nano(tax.percent_nano, 0)), ("valid", flow(valid)),
        ]))  # fmt: skip
    return "\n".join(lines) + "\n"


def book_files(book: Book, comments: Sequence[str] = ()) -> dict[str, bytes]:
    """The whole book as files of one folder: a file for each plan version, the decks, the taxes and
    the discounts."""
    files: dict[str, bytes] = {}
    for plan in book.plans:
        for version in plan.versions:
            is_only = len(plan.versions) == 1
            name = plan.plan_id if is_only else f"{plan.plan_id}-{_edition(version)}"
            files[f"{name}.yaml"] = plan_text(plan, version, comments).encode()
            for deck in version.decks:
                files[deck.name] = zone_deck_csv(deck)
            for prefixes in version.prefix_decks:
                files[prefixes.name] = deck_csv(prefixes.rows, prefixes.rate_names)
    if book.taxes:
        files["taxes.yaml"] = taxes_text(book.taxes).encode()
    if book.discounts:
        files["discounts.yaml"] = discounts_text(book.discounts).encode()
    return files


def _edition(version: Version) -> str:
    """The day of a version in a file's name, with its time where it begins within the day."""
    time = time_text(version.valid_from_s).replace(":", "") if version.valid_from_s else ""
    return f"{version.valid_from}{'-' * bool(time)}{time}"


def _each(values: np.ndarray, text: Callable[[int], str]) -> list[str]:
    """``text`` of each value, worked out once for each that is distinct."""
    distinct, place = np.unique(values, return_inverse=True)
    words = [text(value) for value in distinct.tolist()]
    return [words[at] for at in place.tolist()]


def _amount(nano: int) -> str:
    return price(nano) if nano >= 0 else ""


def _increments(first: int, following: int) -> str:
    if not following:
        return ""
    return str(following) if first in (0, following) else f"{first}/{following}"


def _wall(second: int) -> str:
    """A day, or a day and time; "" where it is open."""
    if second in (OPEN_FROM, OPEN_TO):
        return ""
    day, rest = divmod(second, DAY_S)
    time = f"T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}" if rest else ""
    return f"{_EPOCH + timedelta(days=day)}{time}"


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows(rows)
    return target.getvalue().encode()
