"""The JSON Schema for editors says what the parser says: keys, words, good files, broken ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tariff_books import BROKEN, ROOT

from tariffs import book_rules, grammar, model, units
from tariffs.book_tiers import NAME
from tollbook import clock, codes, money
from tollbook.text import Node, Problems, parse_yaml

SCHEMA = json.loads((ROOT / "tariffs" / "schema" / "book.schema.json").read_text())
DEFS = SCHEMA["$defs"]
VALIDATOR = Draft202012Validator(SCHEMA)
OBJECTS = {"round": "rounding"}  # the schema's name of a mapping that may also be a word

# Broken books of which the words or the shape are at fault, not what they mean together.
SHAPE = {
    "band_malformed", "combination", "dates_malformed", "deck_broken", "discount_malformed",
    "extends_broken", "fallback_circle", "item_malformed", "item_twice",
    "key_unknown", "plan_malformed", "plan_or_taxes", "price_malformed",
    "price_range_malformed", "quantity_malformed", "rate_keys", "rate_limits", "rule_malformed",
    "template_alone", "tier_order", "tiers_over_malformed", "valid_missing",
}  # fmt: skip


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("kind", grammar.KEYS)
def test_keys_are_those_of_the_parser(kind: str) -> None:
    found = DEFS[OBJECTS.get(kind, kind)]
    assert set(found["properties"]) == set(grammar.KEYS[kind])
    assert found["additionalProperties"] is False
    assert all("description" in one for one in found["properties"].values())


def test_every_object_of_the_schema_is_one_of_the_parser() -> None:
    objects = {name for name, one in DEFS.items() if "properties" in one}
    assert objects == {OBJECTS.get(kind, kind) for kind in grammar.KEYS}


def enum(kind: str, key: str) -> list[str]:
    found: Mapping[str, Any] = DEFS[kind]["properties"][key]
    return list(found["enum"] if "enum" in found else found["oneOf"][0]["enum"])


WORDS = [
    ("plan", "version_change", model.VERSION_CHANGES),
    ("rate", "border", (*model.BORDERS, "split")),
    ("rate", "clock", model.CLOCKS),
    ("rounding", "stage", model.STAGES),
    ("rounding", "mode", (*money.ROUNDING_MODES, "none")),
    ("rounding", "stage_mode", tuple(money.ROUNDING_MODES)),
    ("band", "days", (*model.DAY_TYPES, "weekday", "weekend")),
    ("when", "service", book_rules.RULED_SERVICES),
    ("when", "direction", book_rules.RULED_DIRECTIONS),
    ("when", "roaming", codes.ROAMINGS),
    ("when", "forward", codes.FORWARDS),
    ("when", "boundary", codes.BOUNDARIES),
]


@pytest.mark.parametrize(("kind", "key", "words"), WORDS)
def test_words_are_those_of_the_parser(kind: str, key: str, words: tuple[str, ...]) -> None:
    assert sorted(enum(kind, key)) == sorted(words)


def as_json(node: Node, typed: bool) -> Any:
    """The tree as a validator wants it; typed: numbers as editors read them, else all as text."""
    if isinstance(node.value, dict):
        return {key: as_json(child, typed) for key, child in node.value.items()}
    if isinstance(node.value, tuple):
        return [as_json(child, typed) for child in node.value]
    if typed and re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", node.value):
        return json.loads(node.value)
    return node.value


def complaints(text: str, typed: bool) -> list[str]:
    node = parse_yaml(text, Problems(), "")
    assert node is not None
    return [f"{error.json_path}: {error.message}"
            for error in VALIDATOR.iter_errors(as_json(node, typed))]  # fmt: skip


def book_files() -> list[Path]:
    """Every file of a tariff book that the project has, but for the broken ones."""
    folders = [*ROOT.glob("examples/*/tariffs"), *ROOT.glob("tollbook/*/tariffs"),
               *ROOT.glob("tests/business/**/book"), *ROOT.glob("tests/cases/rating*/*")]
    return sorted(path for folder in folders for path in folder.glob("*.yaml"))


@pytest.mark.parametrize("typed", [False, True])
def test_good_books_are_valid(typed: bool) -> None:
    files = book_files()
    assert len(files) > 20
    found = {path.relative_to(ROOT): complaints(path.read_text(), typed) for path in files}
    assert not {path: errors for path, errors in found.items() if errors}


@pytest.mark.parametrize("typed", [False, True])
def test_snippets_of_the_guide_are_valid(typed: bool) -> None:
    pages = "docs/tariffs.md", "docs/allowances.md", "docs/discounts.md", "tariffs/schema/README.md"
    text = "".join((ROOT / page).read_text() for page in pages)
    for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        is_whole = re.search(r"^(plan|taxes|discounts):", block, re.MULTILINE)
        is_library = block.startswith("rates:") and "rules:" not in block
        rest = "" if "rules:" in block else "rules: []\n"
        file = block if is_whole or is_library else f"plan: snippet\n{block}{rest}"
        assert not complaints(file, typed), block


def test_broken_books_fail_where_their_shape_is_at_fault() -> None:
    refused = set()
    for path in BROKEN.rglob("*.yaml"):
        node = parse_yaml(path.read_text(), Problems(), "")
        if node is not None and not VALIDATOR.is_valid(as_json(node, typed=False)):
            refused.add(path.stem if path.parent == BROKEN else path.parent.name)
    assert refused == SHAPE


# Scalars that are on one side or the other of what is allowed.
SCALARS = [
    ("quantity", lambda text: units.parse_quantity(text) is not None,
     ["60s", "1min", "15m", "1h", "2d", "event", "events", "3 events", "0 events", "1KiB", "1kb",
      "60", "0s", "00s", "1.5s", "s", "", "60 s", "1KIB", "-1s", "10GB", "1TiB"]),
    ("increments", lambda text: units.parse_increments(text, "second") is not None,
     ["60/6", "6", "1", "0", "0/6", "60/", "/6", "60s/6s", "60/6/1", "1min", "6.5", "", "x"]),
    ("time", lambda text: units.parse_time_s(text) is not None,
     ["00:00", "24:00", "24:00:00", "24:01", "7:00", "07:60", "23:59:59", "25:00", "", "07"]),
    ("price", lambda text: money.parse_decimal(text, 9) is not None and text[:1] != "-",
     ["0", "0.40", "1000000", "0.000000001", "0.0000000001", "0.0000000010", "0,40", ".5", "1.",
      "1e3", "-1", "", " 1", "+1"]),
    ("name", lambda text: NAME.fullmatch(text) is not None,
     ["a", "A.b_c-1", "1", "", "_a", "a b", "a" * 64, "a" * 65]),
    ("day", lambda text: clock.parse_date(text) is not None,
     ["2003-06-10", "1969-12-31", "2100-12-31", "2101-01-01", "2003-13-01", "2003-6-10", ""]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "reads", "texts"), SCALARS, ids=lambda one: str(one)[:12])
def test_scalars_are_those_that_the_parser_reads(
    kind: str, reads: Callable[[str], bool], texts: list[str]
) -> None:
    validator = VALIDATOR.evolve(schema={"$ref": f"#/$defs/{kind}", "$defs": DEFS})
    assert {text: validator.is_valid(text) for text in texts} == {
        text: reads(text) for text in texts}  # fmt: skip
