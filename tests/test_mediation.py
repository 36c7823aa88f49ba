"""Rules of mediation: what fits, which rule comes first, what is asked about, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
import reference_mediation as naive
from guiding_world import records, world
from hypothesis import given

from rating import guide, mediate, normalise
from rating.reference import Reference
from tollbook import codes, mediation, reasons, schemas
from tollbook.mediation import Mediation, Patterns, Rule, When
from tollbook.partials import Partials
from tollbook.stage import ints
from tollbook.text import Problems, Reader, parse_yaml

WORLD = world()
RULES = """
discard:
  - {name: test lines, when: {served: [+86139000000*], service: [sms]}}
  - {name: codes, when: {other: ["*72*", 10010], direction: [out]}}
  - {name: listed, when: {served_list: tests}}
  - {name: blips, when: {duration_at_most: 2s, cause: [31, 41]}}
filter:
  - {name: gold abroad, when: {plan: [gold], roaming: [international]}}
  - {name: hotline, when: {special_number: [10086]}}
  - {name: south, when: {source: [south], trunk: [T*]}}
  - {name: cell, when: {location: [MSC2], service: [voice, video]}}
"""


def read(text: str, root: Path = Path("/nowhere")) -> tuple[Mediation, Problems]:
    problems = Problems()
    node = parse_yaml(text, problems, "operator.yaml")
    assert node is not None
    keys = Reader(node, problems, "mediation", ("discard", "filter", "pair_forwarded"))
    return mediation.read(keys, ["east", "south", "none"], root), problems


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Mediation:
    root = tmp_path_factory.mktemp("w")
    (root / "network/lists").mkdir(parents=True)
    (root / "network/lists/tests.csv").write_text("number,note\n8613900000003,desk\n+86150*,\n")
    found, problems = read(RULES, root)
    assert not problems.found
    return found


def reference_for(found: Mediation) -> Reference:
    return replace(WORLD, workspace=replace(WORLD.workspace, mediation=found)).reference()


def guided(*rows: dict[str, Any]) -> pa.RecordBatch:
    reference = WORLD.reference()
    return guide.guide(normalise.normalise(records(*rows), reference).batch, reference).batch


# What a row has other than a plain call of 13900000001 (plan gold), and the rule that takes it.
CASES: tuple[tuple[dict[str, Any], str], ...] = (
    ({}, ""),
    ({"service": codes.SMS}, "test lines"),
    ({"service": codes.SMS, "served_raw": "008613900000009"}, "test lines"),  # nobody's number
    ({"service": codes.SMS, "served_raw": "13905000004"}, ""),
    ({"other_raw": "*72"}, "codes"),  # the first star is a key, the last one stands for the rest
    ({"other_raw": "*725"}, "codes"),
    ({"other_raw": "*7"}, ""),
    ({"other_raw": "10010"}, "codes"),
    ({"other_raw": "100100"}, ""),
    ({"other_raw": "*725", "direction": codes.IN}, ""),
    ({"served_raw": "+8613900000003"}, "listed"),  # suspended line: discarded all the same
    ({"served_raw": "15012345678"}, "listed"),
    ({"duration_s": 2, "cause": 31}, "blips"),
    ({"duration_s": 3, "cause": 31}, ""),
    ({"duration_s": 2, "cause": 16}, ""),
    ({"network": "USAXX", "other_raw": "0013125550100"}, "gold abroad"),
    ({"network": "USAXX", "duration_s": 1, "cause": 41}, "blips"),  # discard before filter
    ({"other_raw": "10086"}, "hotline"),
    ({"source_index": 1, "trunk_out": "T2"}, "south"),
    ({"source_index": 1, "trunk_in": "T9"}, "south"),  # in no table: its name decides
    ({"source_index": 1}, ""),
    ({"location": "MSC2"}, "cell"),
    ({"location": "MSC3"}, ""),
    ({"reason": reasons.CODE["time_malformed"], "location": "MSC2"}, ""),  # nothing is sure of it
    ({"reason": reasons.CODE["duration_zero"], "duration_s": 0, "cause": 31}, ""),
)


def test_each_record_meets_the_rule_that_the_table_names(rules: Mediation) -> None:
    before = guided(*(row for row, _ in CASES))
    done = mediate.mediate(before, reference_for(rules))
    names = [rule.name for rule in rules.rules]
    index = ints(done.batch, "mediation_index").tolist()
    assert [names[at] if at >= 0 else "" for at in index] == [name for _, name in CASES]
    taken = np.array(index) >= 0
    assert (ints(done.batch, "dedupe_hash")[taken] == 0).all()
    action = np.array([rule.action for rule in rules.rules])[np.array(index)[taken]]
    expected = np.where(action == "discard", reasons.CODE["discarded_by_rule"],
                        reasons.CODE["filtered_by_rule"])  # fmt: skip
    assert (ints(done.batch, "reason")[taken] == expected).all()
    assert done.totals == {"discarded": 9, "filtered": 5}
    for name in schemas.USAGE.names:  # and nothing else is touched
        kept = ~taken if name in (
            "reason", "reason_field", "dedupe_hash", "mediation_index") else slice(None)
        assert before[name].to_numpy(False)[kept].tolist() == \
            done.batch[name].to_numpy(False)[kept].tolist(), name


def test_a_workspace_without_rules_pays_nothing() -> None:
    batch = guided({}, {"duration_s": 1})
    assert mediate.mediate(batch, WORLD.reference()).batch is batch


def test_no_part_of_a_call_that_is_merged_is_short() -> None:
    found, _ = read("discard: [{name: blips, when: {duration_at_most: 2s}}]")
    batch = guided({"duration_s": 2}, {"duration_s": 2, "sequence": 3})
    apart = replace(WORLD.workspace, mediation=found)
    for space, taken in ((apart, [0, 0]), (replace(apart, partials=Partials()), [0, -1])):
        done = mediate.mediate(batch, replace(WORLD, workspace=space).reference())
        assert ints(done.batch, "mediation_index").tolist() == taken


def test_a_list_without_a_number_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "network/lists").mkdir(parents=True)
    (tmp_path / "network/lists/none.csv").write_text("number\n")
    found, problems = read("discard: [{name: none, when: {served_list: none}}]", tmp_path)
    assert not problems.found
    done = mediate.mediate(guided({}, {"duration_s": 1}), reference_for(found))
    assert done.totals == {"discarded": 0, "filtered": 0}


PATTERNS = ("13900000001", "1390*", "+86139*", "+8613900000003", "8613*", "110", "*7*", "0*", "9*")
NUMBERS = ("13900000001", "+8613900000003", "110", "*75", "08613905000004", "8655500000006", "")


def some(values: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.just(()) | st.lists(st.sampled_from(values), min_size=1, max_size=2).map(tuple)


def patterns(values: Any) -> st.SearchStrategy[Patterns | None]:
    return some(values).map(lambda found: Patterns.of(found) if found else None)


WHENS = st.builds(
    When, served=patterns(PATTERNS), other=patterns(PATTERNS), source=some(("east", "south")),
    service=some(("voice", "sms")), direction=some(("out", "in", "forward")),
    duration_max_s=st.none() | st.integers(0, 3), cause=some((0, 1, 31)),
    plan=some(("gold", "basic")), roaming=some(codes.ROAMINGS), special_number=some(("110",)),
    location=patterns(("MSC1", "MS*", "MSC2")), trunk=patterns(("T1", "T*", "X")),
)  # fmt: skip
ROWS = st.fixed_dictionaries({
    "served_raw": st.sampled_from(NUMBERS), "other_raw": st.sampled_from(NUMBERS),
    "source_index": st.integers(0, 2), "service": st.sampled_from((codes.VOICE, codes.SMS)),
    "direction": st.sampled_from((codes.OUT, codes.IN, codes.FORWARD)),
    "duration_s": st.integers(1, 4), "cause": st.sampled_from((0, 1, 31)),
    "network": st.sampled_from(("", "USAXX")), "location": st.sampled_from(("", "MSC1", "MSC2")),
    "trunk_in": st.sampled_from(("", "T1", "X")), "trunk_out": st.sampled_from(("", "T2")),
})  # fmt: skip


@given(st.lists(WHENS, min_size=1, max_size=4), st.lists(ROWS, min_size=1, max_size=12))
def test_columns_give_what_one_record_after_the_other_gives(
    whens: list[When], rows: list[dict[str, Any]]
) -> None:
    asked = tuple(
        Rule(f"r{at}", ("discard", "filter")[at % 2], when, 1) for at, when in enumerate(whens)
    )
    reference = reference_for(Mediation(asked))
    before = guided(*rows)
    done = mediate.mediate(before, reference)
    expected = [naive.first_rule(asked, row, reference.names) for row in before.to_pylist()]
    assert ints(done.batch, "mediation_index").tolist() == expected


def test_words_that_no_record_can_have_are_refused() -> None:
    found, _ = read("""
filter:
  - name: words
    when: {plan: [gold, golden], special_number: [112], trunk: [T1, TX, X*], location: [MSC9, M*]}
""")
    problems = Problems()
    mediation.check(found.rules, WORLD.network, ("gold", "basic"), problems)
    assert [(p.file, p.line, p.found, p.do) for p in problems.found] == [
        ("operator.yaml", 4, f"rule 'words': '{key}' names '{word}', which is not in {where}", do)
        for key, word, where, do in (
            ("plan", "golden", "the tariff book", "did you mean 'gold'?"),
            ("special_number", "112", "network/special_numbers.csv", "did you mean '110'?"),
            ("trunk", "TX", "network/trunks.csv", "the rule could never hold: correct it"),
            ("trunk", "X*", "network/trunks.csv", "the rule could never hold: correct it"),
            ("location", "MSC9", "network/locations.csv", "did you mean 'MSC3'?"),
        )
    ]
    assert problems.found[0].allowed == "gold, basic"


def test_the_distance_of_two_legs_is_read() -> None:
    assert read("pair_forwarded: 30s")[0].pair_forwarded_s == 30
    assert read("filter: []")[0] == Mediation()
