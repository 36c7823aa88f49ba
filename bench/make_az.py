"""Makes the sheets of examples/wholesale: ``python -m bench.make_az examples/wholesale/tariffs``.

The codes are those of real numbering plans, from the tables of ``phonenumbers`` (its version stands
in the first line of each sheet). The prices are made up: each follows from the text of its
destination alone, so that the sheets come out the same wherever they are made, and a test can check
every row without the tables.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

UNIT: Final = 10_000  # prices are whole ten-thousandths of a dollar a minute
CHANGE_DAY: Final = "2026-07-01"  # when some countries get another price
SIZE_CITY, SIZE_MOBILE, SIZE_ALPHA, SIZE_BETA = 5, 7, 5, 6  # longest code of each kind and vendor
WHOLE_MINUTES: Final = ("Gambia", "Mexico", "Suriname", "Tonga")
SATELLITE: Final = {"870": "Inmarsat", "881": "Mobile satellite", "882": "International networks",
                    "883": "International networks"}  # fmt: skip
US_CODES: Final = {
    "intra": ("1", "1201", "1212", "1213", "1214", "1310", "1315", "1415", "1512", "1713", "1732"),
    "inter": ("1", "1201", "1212", "1213", "1214", "1310", "1315", "1415", "1512", "1713", "1732"),
    "local": ("1", "1201", "1212", "1415"),
}
HEADER: Final = "prefix,destination,price,increments,connect,minimum,valid_from,valid_to"


@dataclass(frozen=True)
class Code:
    """One prefix of a numbering plan. kind: country, city, mobile or satellite."""

    prefix: str
    country: str
    kind: str
    destination: str


def draw(text: str, count: int) -> int:
    """A number from 0 to count - 1 that follows from the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % count


def price_of(code_kind: str, country: str, destination: str) -> int:
    """Ten-thousandths of a dollar a minute."""
    fixed = 30 + draw(f"{country} fixed", 1200)
    if code_kind == "country":
        return fixed
    if code_kind == "city":
        return max(fixed * (60 + draw(destination, 41)) // 100, 10)
    if code_kind == "mobile":
        return fixed + 50 + draw(destination, 1500)
    return 20_000 + draw(destination, 40_000)


def later_price(price: int, country: str) -> int:
    """The price from CHANGE_DAY on; the same for most countries."""
    return price + 1 + draw(f"{country} rise", 90) if draw(f"{country} changes", 5) == 0 else price


def vendor_price(vendor: str, price: int, destination: str) -> int:
    """What a vendor asks where the sheet sells at ``price``: alpha 80 to 95 %, beta 70 to 109 %."""
    percent = {"alpha": 80 + draw(f"alpha {destination}", 16),
               "beta": 70 + draw(f"beta {destination}", 40)}[vendor]  # fmt: skip
    return max(price * percent // 100, 1)


def is_reached(vendor: str, country: str) -> bool:
    """Whether a vendor terminates in a country at all."""
    return vendor == "alpha" or draw(f"beta reaches {country}", 10) > 0


def codes() -> list[Code]:
    """Every code of the sheet, by prefix; the numbers of country code 1 have sheets of their own.

    Mobile operators go by a number: prices that are made up should not bear a company's name.
    """
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
    from phonenumbers.carrierdata import CARRIER_DATA
    from phonenumbers.geodata import GEOCODE_DATA

    names = {
        str(number): SATELLITE.get(str(number)) or country_name(regions[0])
        for number, regions in COUNTRY_CODE_TO_REGION_CODE.items()
    }
    found = {}
    for prefix, country in names.items():
        kind = "satellite" if prefix in SATELLITE else "country"
        found[prefix] = Code(prefix, country, kind, country)
    for tables, kind, size in ((GEOCODE_DATA, "city", SIZE_CITY),
                               (CARRIER_DATA, "mobile", SIZE_MOBILE)):  # fmt: skip
        for prefix, texts in tables.items():
            country = next((names[prefix[:n]] for n in (1, 2, 3) if prefix[:n] in names), "")
            if len(prefix) > size or not country or prefix in names or "en" not in texts:
                continue
            if prefix[:3] not in SATELLITE:
                found[prefix] = Code(prefix, country, kind, plain(f"{country} {texts['en']}"))
    for prefix in [*found]:  # a code of which all longer ones stand in the sheet decides nothing
        if all(f"{prefix}{digit}" in found for digit in range(10)):
            del found[prefix]
    operators = {code.destination: code for code in found.values() if code.kind == "mobile"}
    numbers: dict[str, int] = {}
    named = {}
    for text in sorted(operators):
        country = operators[text].country
        numbers[country] = numbers.get(country, 0) + 1
        named[text] = f"{country} Mobile {numbers[country]}"
    every = [replace(one, destination=named[one.destination]) if one.kind == "mobile" else one
             for one in found.values()]  # fmt: skip
    return sorted((one for one in every if one.prefix[0] != "1"), key=lambda one: one.prefix)


def country_name(region: str) -> str:
    """The English name of a region of the tables."""
    from phonenumbers.geodata.locale import LOCALE_DATA

    known = {"AC": "Ascension", "XK": "Kosovo", "001": "International services"}
    texts = LOCALE_DATA.get(region, {})
    text = texts.get("en", known.get(region, region))
    return plain(texts[text[1:]] if text.startswith("*") else text)


def plain(text: str) -> str:
    """Text that needs no quotes in a CSV."""
    return " ".join(text.replace(",", " ").replace('"', " ").replace("#", " ").split())


def amount(price: int) -> str:
    return f"{price // UNIT}.{price % UNIT:04d}"


def sell_rows(every: list[Code]) -> Iterator[str]:
    """The A-Z sheet: some countries with a price until CHANGE_DAY and another one from it on."""
    for code in every:
        price = price_of(code.kind, code.country, code.destination)
        steps = "60/60" if code.country in WHOLE_MINUTES or code.kind == "satellite" else ""
        limits = "0.5000,1.0000" if code.kind == "satellite" else ","
        head = f"{code.prefix},{code.destination}"
        later = later_price(price, code.country)
        if code.kind == "country" and later != price:
            yield f"{head},{amount(price)},{steps},{limits},,{CHANGE_DAY}"
            yield f"{head},{amount(later)},{steps},{limits},{CHANGE_DAY},"
        else:
            yield f"{head},{amount(price)},{steps},{limits},,"


def vendor_rows(vendor: str, every: list[Code]) -> Iterator[str]:
    """A vendor's sheet: fewer codes, and one price at all times."""
    size = SIZE_ALPHA if vendor == "alpha" else SIZE_BETA
    yield "1,United States," + amount(vendor_price(vendor, 60, "United States")) + ",,,,,"
    for code in every:
        if len(code.prefix) > size or not is_reached(vendor, code.country):
            continue
        price = price_of(code.kind, code.country, code.destination)
        asked = vendor_price(vendor, price, code.destination)
        yield f"{code.prefix},{code.destination},{amount(asked)},,,,,"


def us_rows(jurisdiction: str) -> Iterator[str]:
    """A deck of area codes; the row 1 is for all that have none of their own."""
    base = {"intra": 60, "inter": 25, "local": 15}[jurisdiction]
    for code in US_CODES[jurisdiction]:
        yield f"{code},US {jurisdiction} {code},{amount(base + draw(jurisdiction + code, 40))},,,,,"


def main(folder: Path) -> None:
    from phonenumbers import __version__

    every = codes()
    sheets = {
        "az": list(sell_rows(every)),
        "alpha": list(vendor_rows("alpha", every)),
        "beta": list(vendor_rows("beta", every)),
        **{f"us-{name}": list(us_rows(name)) for name in US_CODES},
    }
    for name, rows in sheets.items():
        source = f"codes of phonenumbers {__version__}, " if not name.startswith("us-") else ""
        head = f"# Made by bench/make_az.py: {source}made-up prices in USD a minute."
        (folder / f"{name}.csv").write_text("\n".join([head, HEADER, *rows, ""]), encoding="utf-8")
        print(f"{name}.csv: {len(rows)} rows")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
