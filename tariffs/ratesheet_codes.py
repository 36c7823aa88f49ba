"""Cells of dial codes as lists of E.164 prefixes; what spreadsheets did is repaired or refused.

A repair must be certain: ``447.0`` can only have been 447. Where digits are lost (``4.47E+11``) or
two readings are possible (``44,770``), the cell is refused with what to do about it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final, NamedTuple

from tariffs.ratesheet_notes import Fault, shown

CODE_DIGITS_MAX: Final = 15  # E.164
RANGE_MAX: Final = 1_000  # codes that one range may name
CODES_ALLOWED: Final = (
    "E.164 digits from the country code on (447700), or a list of them: 447, 4479, 44770-44779"
)
# ITU-T E.164: the codes of countries, networks and services that are assigned or reserved.
COUNTRY_CODE: Final = re.compile(
    r"1|7|2(?:0|7|1[12368]|[2346]\d|5[0-8]|9[01789])|3(?:[0-469]|5\d|7\d|8[0-35-79])"
    r"|4(?:[013-9]|2[013])|5(?:0\d|[1-8]|9\d)|6(?:[0-6]|7[02-9]|8[0-35-9]|9[0-2])"
    r"|8(?:00|08|[1246]|5[02356]|7[08]|8[012368])|9(?:[0-58]|6[0-8]|7[0-79]|9[2-8])"
)

_PLAIN: Final = re.compile(r"[1-9][0-9]{0,14}")
_EXPONENT: Final = re.compile(r"\d+([.,]\d+)?[eE][+-]?\d+")
_MONTH: Final = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DATE: Final = re.compile(
    rf"\d{{1,2}}[-/ .]({_MONTH})[a-z]*([-/ .]\d{{2,4}})?|({_MONTH})[a-z]*[-/ .]\d{{1,4}}"
    r"|\d{4}-\d{1,2}-\d{1,2}([ T].*)?|\d{1,2}/\d{1,2}/\d{2,4}|\d{1,2}:\d{2}(:\d{2})?",
    re.IGNORECASE,
)
_THOUSANDS: Final = re.compile(r"\d{1,3}(,\d{3})+")
_LETTER_FOR_DIGIT: Final = re.compile(r"(?=.*\d)[\d\sOoIl]*[OoIl][\d\sOoIl]*")
_SEPARATORS: Final = re.compile(r"[\s-]+")


class Codes(NamedTuple):
    """What a cell of codes stands for: prefixes and the repairs that led to them, or a fault."""

    prefixes: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()  # kinds, in the order in which they were made
    fault: Fault | None = None


@lru_cache(maxsize=2**16)
def parse_codes(text: str, commas: str, country: str) -> Codes:
    """The prefixes of one cell.

    commas: ``list`` or ``thousands`` says how ``44,770`` is meant; ``""``: it is refused.
    country: digits of a country code that stands before every code of the cell; ``""``: none.
    """
    if not country and _PLAIN.fullmatch(text):
        return Codes((text,))
    repairs: dict[str, None] = {}
    cleaned = _cleaned(text, repairs)
    fault = _mangled(cleaned, text, commas)
    if fault is not None:
        return Codes(fault=fault)
    if commas == "thousands" and _THOUSANDS.fullmatch(cleaned):
        cleaned = cleaned.replace(",", "")
        repairs["thousands separators removed"] = None
    prefixes: dict[str, None] = {}
    for part in re.split(r"[,;|/\n]", cleaned):
        if not (part := part.strip()):
            continue
        found = _part(part, country, repairs, text)
        if isinstance(found, Fault):
            return Codes(fault=found)
        prefixes.update(dict.fromkeys(found))
    if not prefixes:
        return Codes(fault=_fault("code_missing", text, "write the code, or remove the row"))
    return Codes(tuple(prefixes), tuple(repairs))


def country_of(prefix: str) -> str:
    """The country code with which a prefix begins; ``""`` if none is assigned."""
    match = COUNTRY_CODE.match(prefix)
    return match[0] if match else ""


def loses_zeros(prefix: str) -> bool:
    """Whether a prefix looks as if its last digits had been lost to an exponent and refilled."""
    return len(prefix) >= 10 and prefix.endswith("00000")


def _fault(kind: str, text: str, do: str, what: str = "") -> Fault:
    found = f"the code is '{shown(text)}'" + (f": {what}" if what else "")
    return Fault(kind, found, CODES_ALLOWED, do)


def _cleaned(text: str, repairs: dict[str, None]) -> str:
    """The cell without what spreadsheets, word processors and web pages put around digits."""
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(one for one in plain if unicodedata.category(one) != "Cf").strip()
    for dash in "\u2010\u2011\u2012\u2013\u2014\u2212":
        plain = plain.replace(dash, "-")
    if plain != text.strip():
        repairs["unusual characters replaced"] = None
    if plain[:1] in ("'", "\u2019", "`"):
        plain = plain[1:].strip()
        repairs["apostrophe removed"] = None
    return plain


def _mangled(cleaned: str, text: str, commas: str) -> Fault | None:
    """Why the digits of the cell cannot be known."""
    if not cleaned:
        return _fault("code_missing", text, "write the code, or remove the row")
    if _EXPONENT.fullmatch(cleaned):
        return _fault("code_exponent", text, "ask for the sheet with codes as text; the digits "
                      "cannot be had back from this file", "a spreadsheet dropped its last digits")
    if _DATE.fullmatch(cleaned):
        return _fault("code_date", text, "ask for the sheet with codes as text, or write the code",
                      "a spreadsheet made a date of it")
    if _LETTER_FOR_DIGIT.fullmatch(cleaned):
        return _fault("code_letter", text, "find out which digit is meant, and write it",
                      "a letter among digits")
    if not commas and _THOUSANDS.fullmatch(cleaned):
        return _fault("code_commas", text, "say in the mapping which is meant: `code_commas: list` "
                      "or `code_commas: thousands`", "a list of codes, or one with thousands "
                      "separators")
    return None


def _part(part: str, country: str, repairs: dict[str, None], text: str) -> list[str] | Fault:
    """The prefixes of one piece between commas: a code or a range."""
    ends = [end.strip() for end in part.split("-")]
    if len(ends) == 2 and all(ends):
        low, high = (_digits(end, bool(country), repairs) for end in ends)
        if low and high and len(high) <= len(low):
            return _range(low, high, country, text)
    digits = _digits(part, bool(country), repairs)
    if digits is None:
        if _SEPARATORS.sub("", part).isdecimal() and part.isascii():
            return _fault("code_blanks", text, "separate codes with commas, or remove what "
                          "stands between its digits", "a list of codes, or one in groups of "
                          "digits")
        return _fault("code_digits", text, "correct the code")
    return _checked([country + digits], text)


def _digits(part: str, follows_country: bool, repairs: dict[str, None]) -> str | None:
    """One code without its ``+``, ``00``, ``.0`` and inner blanks; None if that is not certain."""
    code = part
    if re.fullmatch(r"\d+\.0+", code):
        code = code.split(".")[0]
        repairs["decimals of a number removed"] = None
    if not follows_country and re.match(r"\+|00", code):
        code = code.removeprefix("+").strip().removeprefix("00").strip()
        repairs["+ or 00 in front removed"] = None
    if _SEPARATORS.search(code):
        groups = [group for group in _SEPARATORS.split(code) if group] or [""]
        head = country_of(groups[0]) or groups[0]
        if not follows_country and any(group.startswith(head) for group in groups[1:]):
            return None  # "44770 44771" is more likely a list than one code
        code = "".join(groups)
        repairs["blanks or hyphens removed"] = None
    return code if code.isascii() and code.isdigit() else None


def _range(low: str, high: str, country: str, text: str) -> list[str] | Fault:
    """Every code from ``low`` to ``high``; ``44770-9`` is short for ``44770-44779``."""
    high = low[: len(low) - len(high)] + high
    same_country = country or (country_of(low) and country_of(low) == country_of(high))
    if int(high) <= int(low) or not same_country:
        return _fault("code_range", text, "write both ends in full (44770-44779), or the code "
                      "without a hyphen", "no range of ascending codes of one country")
    if int(high) - int(low) >= RANGE_MAX:
        return _fault("code_range", text, "write the shorter codes that the range consists of",
                      f"a range of {int(high) - int(low) + 1} codes; at most {RANGE_MAX}")
    width = len(low)
    return _checked([f"{country}{one:0{width}d}" for one in range(int(low), int(high) + 1)], text)


def _checked(prefixes: list[str], text: str) -> list[str] | Fault:
    first = prefixes[0]
    if len(first) > CODE_DIGITS_MAX:
        return _fault("code_length", text, "correct the code",
                      f"{len(first)} digits; at most {CODE_DIGITS_MAX}")
    if first.startswith("0"):
        return _fault("code_zero", text, "write it with its country code, or map the column of "
                      "country codes", "no country code begins with 0")
    return prefixes
