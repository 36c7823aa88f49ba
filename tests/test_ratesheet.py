"""Rate sheets as carriers send them: read, guessed, mapped, refused, and imported by command."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from ratesheet_helpers import AS_OF, DECK_HEADER, HEAD, done, run

from tariffs.book_decks import read_prefixes
from tariffs.ratesheet_guess import guess
from tariffs.ratesheet_mapping import SheetMapping, load, mapping_text
from tariffs.ratesheet_notes import Findings
from tariffs.ratesheet_read import read
from tollbook.cli.tariff_ratesheet import ratesheet_export, ratesheet_import
from tollbook.errors import Refused
from tollbook.text import Problems

# A title, a note with the day, German numbers, merged names, a list and a range, one code that was
# a number and one price that was 0.1 + 0.2, headings again on the next page, a total and a note.
BLUE = """\
Blue Carrier Ltd;;;;;;
Full A-Z rate sheet;;;;;;
Effective 01/12/2026, all prices in EUR;;;;;;

Country;Destination;Dial code;Rate EUR/min;Effective date;Billing increment;Change
United Kingdom;Fixed;44;0,0123;01/12/2026;1/1;No change
;Mobile;"447, 4475-4477";0,0200;13/12/2026;60/6;Increase

Country;Destination;Dial code;Rate EUR/min;Effective date;Billing increment;Change
France;France Mobile;336.0;0,031;;1/1;New
France;France Mobile;+337;0,30000000000000004;01/12/2026;1/1;New
Total;;4 codes;;;;
All rates exclude VAT;;;;;;
"""
BLUE_DECK = DECK_HEADER + """\
336,"France Mobile",0.031,1/1,,,2026-12-01,
337,"France Mobile",0.30,1/1,,,2026-12-01,
44,"United Kingdom, Fixed",0.0123,1/1,,,2026-12-01,
447,"United Kingdom, Mobile",0.02,60/6,,,2026-12-13,
4475,"United Kingdom, Mobile",0.02,60/6,,,2026-12-13,
4476,"United Kingdom, Mobile",0.02,60/6,,,2026-12-13,
4477,"United Kingdom, Mobile",0.02,60/6,,,2026-12-13,
""".replace('"France Mobile"', "France Mobile")


@pytest.fixture
def blue(tmp_path: Path) -> Path:
    path = tmp_path / "blue.csv"
    path.write_text(BLUE, encoding="utf-8")
    return path


def test_guessed_reviewed_and_imported(blue: Path) -> None:
    """The way of a clerk: guess, mapping, trial, deck; and the same once more changes nothing."""
    mapping, deck = blue.with_name("blue.yaml"), blue.with_name("deck.csv")
    result = run(blue)
    assert result.exit_code == 1
    assert "nothing was imported: confirm the mapping with --yes" in result.output
    assert "valid_from   Effective date     01/12/2026 | 13/12/2026" in result.output
    assert "date_order   day_first   13/12/2026 can be nothing else" in result.output
    assert f"review it, then import with --mapping {mapping}" in done(
        blue, "--write-mapping", mapping
    )
    words = (blue, "--mapping", mapping, "--as-of", AS_OF)
    assert "this was a trial without --into or --out" in done(*words)
    assert not deck.exists()
    output = done(*words, "--out", deck)
    assert deck.read_text() == BLUE_DECK
    problems = Problems()
    assert len(read_prefixes(deck, problems, "deck.csv").rows.prefix) == 7  # as a book reads it
    assert not problems.found
    assert "semicolon, of 2026-12-01: 4 rows, 7 codes\nchanges: 7 new, 0 increased" in output
    assert "blue.csv:12: a total: Total 4 codes" in output
    assert "1 repair: decimals of a number removed" in output
    assert "blue.csv:10: '336.0' -> 336\n" in output
    assert "blue.csv:11: '0,30000000000000004' -> 0.30\n" in output
    stamp = deck.stat().st_mtime_ns
    assert "0 ended, 7 unchanged" in done(*words, "--into", deck)
    assert (deck.read_text(), deck.stat().st_mtime_ns) == (BLUE_DECK, stamp)
    assert sorted(path.name for path in blue.parent.iterdir()) == [
        "blue.csv", "blue.yaml", "deck.csv"
    ]  # fmt: skip


def test_the_page_shows_what_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/ratesheets.md: its files are written, or compared once they exist; its commands run."""
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[1] / "docs/ratesheets.md").read_text("utf-8")
    commands = {"import": ratesheet_import, "export": ratesheet_export}
    kinds = []
    for kind, name, text in re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", page, re.M | re.S):
        kinds.append(kind)
        if name and not Path(name).exists():
            Path(name).write_text(text, encoding="utf-8")
        elif name:
            assert Path(name).read_text("utf-8") == text
        else:
            line, _, shown = text.partition("\n")
            dollar, program, group, verb, sheet, *words = line.split()
            assert (dollar, program, group, sheet) == ("$", "tollbook", "tariff", "ratesheet")
            assert CliRunner().invoke(commands[verb], words).output == shown
    assert kinds.count("text") == 6


def test_a_mapping_reads_as_it_was_written(blue: Path) -> None:
    made = guess(read(blue, Findings("blue.csv")))
    assert made is not None
    mapping = replace(
        made.mapping, columns={**made.mapping.columns, "price": '#4', "code": 'a "b": c #x'},
        sheet="Rates: 'new'", increments="60/6", carry_down=("destination", "country"),
    )  # fmt: skip
    path = blue.with_name("mapping.yaml")
    for one in (made.mapping, mapping, SheetMapping(columns={"code": "c", "price": "p"})):
        path.write_text(mapping_text(one, made.why), encoding="utf-8")
        problems = Problems()
        assert load(path, problems) == one
        assert not problems.found


def test_a_broken_mapping_names_everything(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("columns: {code: Code, rate: Rate}\nkind: ful\neffective: 1.12.2026\nper: 1KB\n"
                    "currency: euro\nincrements: 0/6\ncarry_down: [status]\nstatuses: {No: gone}\n"
                    "end_day: last_day\n")  # fmt: skip
    problems = Problems()
    assert load(path, problems) is None
    assert sorted((one.line, one.found) for one in problems.found) == [
        (1, "columns: 'price' is missing"),
        (1, "columns: unknown key 'rate'"),
        (2, "the mapping: 'kind' is 'ful'"),
        (3, "the mapping: 'effective' is '1.12.2026'"),
        (4, "the mapping: 'per' is '1KB'"),
        (5, "the mapping: 'currency' is 'euro'"),
        (6, "the mapping: 'increments' is '0/6'"),
        (7, "the mapping: 'carry_down' names 'status'"),
        (8, "statuses: 'No' is 'gone'"),
        (9, "the mapping: unknown key 'end_day'"),
    ]


def test_warnings_stop_the_deck_unless_accepted(tmp_path: Path) -> None:
    sheet, deck, changes = (tmp_path / name for name in ("s.csv", "deck.csv", "changes.csv"))
    deck.write_text(DECK_HEADER + "44,UK,0.10,,,,,\n")
    sheet.write_text(HEAD + "44,UK,0.125,2026-11-24\n33,FR,0.10,2026-12-01\n")
    words = (sheet, "--yes", "--kind", "amendment", "--as-of", AS_OF, "--into", deck)
    result = run(*words)
    assert result.exit_code == 1
    assert "0 errors, 1 warning; nothing was written; --accept-warnings" in result.output
    assert deck.read_text() == DECK_HEADER + "44,UK,0.10,,,,,\n"
    result = run(*words, "--accept-warnings", "--changes", changes, "--json")
    assert result.exit_code == 0
    found = json.loads(result.output)
    assert found["written"] == str(deck)
    assert (found["errors"], found["warnings"]) == (0, 1)
    assert found["result"]["counts"] == {"new": 1, "increased": 1, "decreased": 0, "changed": 0,
                                         "ended": 0, "unchanged": 0}  # fmt: skip
    assert found["result"]["greatest_increases"][0]["percent"] == "+25.0"
    assert deck.read_text() == DECK_HEADER + (
        "33,FR,0.10,,,,2026-12-01,\n44,UK,0.10,,,,,2026-11-24\n44,UK,0.125,,,,2026-11-24,\n"
    )
    assert changes.read_text().splitlines()[1:] == [
        "33,FR,new,2026-12-01,,0.10,,,,3", "44,UK,increased,2026-11-24,0.10,0.125,+25.0,,,2"
    ]  # fmt: skip


def test_wrong_use_of_the_command(blue: Path) -> None:
    mapping = blue.with_name("blue.yaml")
    done(blue, "--write-mapping", mapping)
    for words, found in (
        (("--mapping", mapping, "--yes"), "one of --write-mapping"),
        (("--write-mapping", mapping), "exists; write the mapping to another file"),
        (("--yes", "--out", mapping), "keeps its history"),
        (("--yes", "--into", blue, "--out", mapping), "keeps its history"),
        (("--yes", "--as-of", "1.12.2026"), "write 2026-12-01"),
    ):
        result = run(blue, *words)
        assert result.exit_code == 2
        assert found in " ".join(result.output.replace("│", " ").split())
    broken = blue.with_name("broken.csv")
    broken.write_text(DECK_HEADER + "044,UK,x,,,,2026-13-01,\n44,UK,1,,,,,2026-12-01\n"
                      "44,UK,1,,,,2026-11-01,\n45,UK,1,0/1,-1,,2026-02-01,2026-01-01\n")
    refused = run(blue, "--mapping", mapping, "--into", broken).exception
    assert isinstance(refused, Refused)
    assert [(one.line, one.found) for one in refused.problems] == [
        (2, "prefix is '044'"), (2, "price is 'x'"), (2, "valid_from is '2026-13-01'"),
        (4, "prefix 44 has two prices at once (see line 3)"), (5, "connect is '-1'"),
        (5, "increments is '0/1'"), (5, "valid_to '2026-01-01' is not after valid_from "
         "'2026-02-01'"),
    ]  # fmt: skip


