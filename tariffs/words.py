"""A tariff in words: prices, rates, conditions, charges, for ``tariff show`` and ``diff``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

from tariffs.model import ALL_DAYS, DAY_S, FREE, Band, Charge, Dates, Rate, Rule, Tier, Version
from tariffs.units import days_text, time_text
from tariffs.when import When
from tariffs.words_memory import over_words
from tariffs.write_rates import dates_text
from tollbook import money

REFUSED: Final = "refused"
_EARLIEST: Final = "1970-01-01"  # the first day of a version without `valid`
_ROAMING: Final = {"home": "at home", "national": "roaming in the country",
                   "international": "roaming abroad", "visitor": "visitors"}  # fmt: skip
_YES_NO: Final = {
    "on_net": ("on net", "off net"),
    "special": ("special numbers", "no special numbers"),
    "same_place": ("both in one place", "not both in one place"),
    "friend": ("friends", "no friends"),
    "group": ("within a group", "not within a group"),
}
_BYTES: Final = (
    ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3),
)  # fmt: skip
_MODES: Final = {mode: name for name, mode in money.ROUNDING_MODES.items()}
OTHER_TIMES: Final = "other times"
ALWAYS: Final = "price"


def quantity_text(unit: str, value: int) -> str:
    """``60 s``, ``1 KiB``, ``2 events``."""
    if unit == "event":
        return f"{value:,} event{'s' * (value != 1)}"
    if unit == "second":
        return f"{value:,} s"
    for name, size in _BYTES:
        if value and value % size == 0:
            return f"{value // size:,} {name}"
    return f"{value:,} B"


def price_text(price_nano: int, unit: str, per: int) -> str:
    """``0.07 / 6 s``, ``0.10 / event``."""
    of = "event" if (unit, per) == ("event", 1) else quantity_text(unit, per)
    return f"{money.format_nano(price_nano)} / {of}"


def tier_text(tier: Tier, unit: str) -> str:
    """The price of a tier, its steps where they are not what the price is for, and its fee."""
    if tier.percent_nano:
        said = f"{money.format_nano(tier.percent_nano, 0)} % of the deck / " + (
            quantity_text(unit, tier.per))  # fmt: skip
    else:
        said = price_text(tier.price_nano, unit, tier.per)
    if tier.increment != tier.per:
        said += f" in steps of {quantity_text(unit, tier.increment)}"
    return said + (f", {money.format_nano(tier.fee_nano)} on entering it" if tier.fee_nano else "")


def tiers_text(tiers: Sequence[Tier], unit: str) -> str:
    """All tiers of a schedule: ``0.20 / 180 s up to 180 s, then 0.10 / 60 s``."""
    said = []
    for number, tier in enumerate(tiers, 1):
        is_last = number == len(tiers)
        end = "" if is_last else f" up to {quantity_text(unit, tiers[number].from_quantity)}"
        said.append(tier_text(tier, unit) + end)
    return ", then ".join(said)


def band_text(bands: Sequence[Band]) -> str:
    """A band's name and when it holds; ``bands``: its parts (two where it runs over midnight)."""
    one = bands[0]
    from_s, to_s = (one.from_s, one.to_s) if len(bands) == 1 else (bands[1].from_s, bands[0].to_s)
    parts = []
    if (from_s, to_s) != (0, DAY_S):
        parts.append(f"{time_text(from_s)}-{time_text(to_s)}")
    if one.days != ALL_DAYS:
        parts.append(days_text(one.days))
    if one.dates != Dates():
        parts.append(_dates(one.dates))
    words = [word for word in parts if word not in one.name]
    return " ".join([one.name, *words] if one.name else words) or "always"


def _dates(dates: Dates) -> str:
    """``2003-02-01..2003-02-07, 2003-05-01``, or ``days 1, last of months 1, 7 of years 2014``."""
    if dates.spans or dates.yearly:
        return dates_text(dates).strip("[]")
    parts = (("days", dates.month_days), ("months", dates.months), ("years", dates.years))
    said = (f"{label} {', '.join('last' if one < 0 else str(one) for one in values)}"
            for label, values in parts if values)  # fmt: skip
    return " of ".join(said)


def band_groups(rate: Rate) -> list[tuple[Band, ...]]:
    """The bands of a rate as they were written: the two parts of one over midnight together."""
    groups: list[tuple[Band, ...]] = []
    for _, found in groupby(rate.bands, key=lambda band: (
        band.name, band.days, band.dates, band.weight, band.tiers, band.connect_nano
    )):  # fmt: skip
        parts = tuple(found)
        over_midnight = len(parts) == 2 and (parts[0].from_s, parts[1].to_s) == (0, DAY_S)
        groups += [parts] if over_midnight else [(part,) for part in parts]
    return groups


def prices(rate: Rate) -> dict[str, str]:
    """When -> price, in words; the price that holds where no band does comes first."""
    found = {}
    if rate.tiers:
        found[OTHER_TIMES if rate.bands else ALWAYS] = tiers_text(rate.tiers, rate.unit)
    for parts in band_groups(rate):
        said = tiers_text(parts[0].tiers, rate.unit)
        if parts[0].connect_nano >= 0:
            said += f", connection {money.format_nano(parts[0].connect_nano)}"
        found[band_text(parts)] = said
    return found


def terms(rate: Rate) -> dict[str, str]:
    """All that a rate says beside its prices, by what it is about."""
    unit, found = rate.unit, {}
    if rate.first_increment:
        found["first step"] = quantity_text(unit, rate.first_increment)
    for name, value in (("free", rate.free_quantity), ("counts at least", rate.minimum_quantity),
                        ("costs nothing up to", rate.short_call)):  # fmt: skip
        if value:
            found[name] = quantity_text(unit, value)
    for name, nano in (("connection fee", rate.connect_nano), ("at least", rate.minimum_nano),
                       ("at most", rate.maximum_nano)):  # fmt: skip
        if nano:
            found[name] = money.format_nano(nano)
    if rate.apart:
        found["volumes"] = "up and down apart"
    found |= _ways(rate)
    weights = {band.name or band_text([band]): band.weight for band in rate.bands if band.weight}
    if weights:
        found["weights"] = ", ".join(f"{name} {weight}" for name, weight in weights.items())
    return found | _rounding(rate)


def _ways(rate: Rate) -> dict[str, str]:
    """What counts at borders, on which clock, over what period."""
    found = {}
    if rate.border and rate.bands:
        found["border"] = rate.border
    if rate.clock != "tariff":
        found["clock"] = rate.clock
    if rate.over:
        found["tiers over"] = over_words(rate.over)
    return found


def _rounding(rate: Rate) -> dict[str, str]:
    plain = (rate.digits, rate.mode) == (money.MICRO_DIGITS, money.ROUND_HALF_EVEN)
    if plain and rate.stage == "component":
        return {}
    said = f"{_MODES[rate.mode]} to {rate.digits} decimal{'s' * (rate.digits != 1)}"
    if rate.stage != "component":
        digits = rate.stage_digits if rate.stage_digits >= 0 else rate.digits
        mode = rate.stage_mode if rate.stage_mode >= 0 else rate.mode
        said += f", before that by {rate.stage}: {_MODES[mode]} to {digits}"
    return {"rounded": said}


def terms_text(rate: Rate) -> str:
    """The same in one line: ``connection fee 0.10; rounded half_up to 2 decimals``."""
    return "; ".join(f"{name} {value}" for name, value in terms(rate).items())


def when_text(when: When, is_last: bool = False) -> str:
    """The conditions of a rule in words."""
    said = [" ".join(filter(None, (_or(when.service), _or(when.direction))))]
    said.append(_or([_ROAMING[word] for word in when.roaming]))
    for label, words in (
        ("relation", when.relation), ("home relation", when.home_relation), ("to", when.to_zone),
        ("from", when.from_zone), ("home", when.home_zone), ("carrier", when.carrier),
        ("forwarded", when.forward), ("boundary", when.boundary),
    ):  # fmt: skip
        if words:
            said.append(f"{label} {_or(words)}")
    if when.access_code:
        any_or_none: dict[tuple[str, ...], str] = {
            ("*",): "with any access code", ("none",): "without an access code",
        }  # fmt: skip
        said.append(any_or_none.get(when.access_code, f"access code {_or(when.access_code)}"))
    for name, (yes, no) in _YES_NO.items():
        wanted = getattr(when, name)
        if wanted is not None:
            said.append(yes if wanted else no)
    return ", ".join(filter(None, said)) or ("everything else" if is_last else "everything")


def _or(words: Sequence[str]) -> str:
    return " or ".join(words)


def target_text(charge: Charge) -> str:
    """Where a component's rate comes from."""
    if charge.by_zone:
        return f"by zone in {charge.by_zone}"
    if charge.by_prefix:
        return f"by prefix in {charge.by_prefix}" + f" like {charge.like}" * bool(charge.like)
    for label, rates in (("relation", charge.by_relation),
                         ("home relation", charge.by_home_relation)):  # fmt: skip
        if rates:
            return f"by {label} ({', '.join(f'{word}: {rate}' for word, rate in rates)})"
    return charge.rate


def charge_text(rule: Rule) -> str:
    """What a rule charges: ``airtime local, toll by zone in international.csv``."""
    if rule.refuse:
        return REFUSED
    said = (f"{charge.component} {target_text(charge)}" for charge in rule.charges)
    return ", ".join(said) or FREE


def span_text(version: Version) -> str:
    """``from 2003-01-01 until 2008-03-01``."""
    since, until = moments(version)
    return f"from {begin_text(since)}" + (f" until {until}" if until else " on")


def is_beginning(day: str) -> bool:
    """Whether this is the first day of a version that names none."""
    return day == _EARLIEST


def begin_text(day: str) -> str:
    """The first day of a version, or ``the beginning`` where the version names none."""
    return "the beginning" if is_beginning(day) else day


def moments(version: Version) -> tuple[str, str]:
    """The beginning and the end ("" for none) of a version, with times within the day."""

    def text(day: object, second: int) -> str:
        return f"{day}{' ' + time_text(second) if second else ''}"

    end = text(version.valid_to, version.valid_to_s) if version.valid_to else ""
    return text(version.valid_from, version.valid_from_s), end


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """What differs between two mappings of words, in the order of both: name, old, new."""
    names = dict.fromkeys((*old, *new))
    return [(name, old.get(name, ""), new.get(name, "")) for name in names
            if old.get(name) != new.get(name)]  # fmt: skip
