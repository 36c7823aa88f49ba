"""explain: every record lands on what was stored, and says so in sums that a reader can follow."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import explain_workspace
import nights
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from explain_workspace import AS_OF_UTC_S, NUMBER_OF

from rating import trace
from rating.conditions import conditions
from tollbook import codes, money
from tollbook.cli import main, steps_screen
from tollbook.cli.explain_json import document
from tollbook.cli.explain_screen import screen
from tollbook.run import explaining, retry, session
from tollbook.run.explaining import Explanation
from tollbook.run.records import record_text
from tollbook.run.suspended import Choice

GOLDEN = Path(__file__).parent / "golden" / "explain"


def rows(root: Path, dataset: str) -> list[dict[str, Any]]:
    """The rows of a dataset of the lake, as any reader of Parquet sees them."""
    files = sorted((root / "lake" / dataset).rglob("*.parquet"))
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def run_explain(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main.cli, ["explain", "-C", str(root), *arguments])


# ---- a night of the sample operator: every record


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sample") / "op"
    made = nights.make(root, records=500, nights=1)
    nights.run(root, nights.deliver(root, made, 0))
    return root


@pytest.fixture(scope="module")
def explained(sample: Path) -> dict[int, Explanation]:
    """Every record of the night, by its id."""
    explainer = explaining.Explainer(session.open_session(sample))
    ids = [row["record_id"] for name in ("rated", "suspense", "uncharged")
           for row in rows(sample, name)]  # fmt: skip
    return {record_id: explainer.explain(record_id) for record_id in ids}


def micro(amount: Decimal) -> int:
    return int(amount.scaleb(6))


def test_every_charge_of_a_night_is_explained(
    sample: Path, explained: dict[int, Explanation]
) -> None:
    stored = rows(sample, "rated")
    assert len(stored) > 400
    for row in stored:
        one = explained[row["record_id"]]
        assert one.differences == ()
        assert one.trace is not None
        found = {each.component: each.charge_micro for each in one.trace.components}
        charges = {name.removeprefix("charge_"): micro(value) for name, value in row.items()
                   if name.startswith("charge_")}  # fmt: skip
        assert {name: found.get(name, 0) for name in charges} == charges
        assert one.trace.charge_micro == micro(row["charge"]) == sum(found.values())
    assert {row["roaming"] for row in stored} == {"home", "national", "international"}


def test_every_leg_of_a_night_is_explained(
    sample: Path, explained: dict[int, Explanation]
) -> None:
    stored = rows(sample, "legs")
    found = {(one.record_id, leg.direction): leg.explained
             for one in explained.values() for leg in one.legs}  # fmt: skip
    assert len(found) == len(stored) > 50
    for row in stored:
        leg = found[row["record_id"], row["direction"]]
        assert leg is not None
        assert leg.agreement is not None
        assert leg.component is not None
        assert leg.agreement.agreement == row["agreement"]
        assert leg.billed_quantity == row["billed_quantity"]
        assert leg.component.charge_micro == micro(row["charge"])


def sums(component: dict[str, Any]) -> Iterator[Fraction]:
    """What each part of a component of the JSON comes to, by its count, length and price."""
    for part in component["segments"]:
        nano = Fraction(part["count"] * part["increment"] * part["price_nano"], part["per"])
        assert nano / 1000 == Fraction(part["exact_micro"])
        yield nano
    yield Fraction(component["connect_nano"])


def test_the_steps_of_every_record_add_up(explained: dict[int, Explanation]) -> None:
    """The JSON alone is enough to do all sums again."""
    bounds = set()
    for one in explained.values():
        found = json.loads(json.dumps(document(one)))
        for component in [*found.get("components", []), *found["legs"]]:
            if component.get("rate") == "":  # free
                assert component["charge_micro"] == 0
                continue
            exact = Fraction(component["exact_micro"])
            total = sum(sums(component)) / 1000
            bounds.add(component["bound"])
            assert (exact == total) == (component["bound"] == "")
            assert exact >= total if component["bound"] == "minimum" else exact <= total
            mode = money.ROUNDING_MODES[component["rounding"]["mode"]]
            step = 10 ** (6 - component["rounding"]["digits"])
            units = money.round_div(exact.numerator, exact.denominator * step, mode)
            assert units * step == component["charge_micro"] == component["stored_micro"]
            billed = sum(part["count"] * part["increment"] for part in component["segments"])
            assert billed >= component["quantity"] or component["is_short_call"]
    assert "maximum" in bounds


def test_the_rule_is_the_first_whose_conditions_hold(explained: dict[int, Explanation]) -> None:
    for one in explained.values():
        if one.trace is None or one.trace.version is None or one.facts is None:
            continue
        for index, rule in enumerate(one.trace.version.rules):
            holds = all(each.holds for each in conditions(rule.when, one.facts))
            assert holds == trace.holds(rule.when, one.facts)
            assert not holds or index >= one.trace.rule_index


def test_masked_screens_give_no_number_away(explained: dict[int, Explanation]) -> None:
    for one in explained.values():
        shown = screen(one, is_masked=True) + json.dumps(document(one, is_masked=True))
        names = ("served_raw", "other_raw", "served_e164", "other_e164")
        if one.row.get("special_number"):
            names = ("served_raw", "served_e164")
        for number in (str(one.row.get(name) or "") for name in names):
            assert not number or number not in shown
            # Eight digits of a mobile number tell its block of 100,000; masked ones show fewer.
            assert len(number) < 12 or number[:8] not in shown
        assert not one.row.get("raw_record") or "bytes, masked" in shown


# ---- records by hand


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = explain_workspace.write(tmp_path_factory.mktemp("explain") / "op")
    nights.run(root, AS_OF_UTC_S)
    return root


@pytest.fixture
def copy(by_hand: Path, tmp_path: Path) -> Path:
    """The workspace by hand, to be spoilt."""
    return Path(shutil.copytree(by_hand, tmp_path / "op"))


@pytest.mark.parametrize("name", NUMBER_OF)
def test_the_screen_is_as_checked_by_hand(by_hand: Path, name: str, update_golden: bool) -> None:
    done = run_explain(by_hand, NUMBER_OF[name], "--rules")
    assert done.exit_code == 0, done.output
    path = GOLDEN / f"{name}.txt"
    if update_golden:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(done.output, encoding="utf-8")
    assert done.output == path.read_text(encoding="utf-8")


def test_the_record_is_shown_as_json(by_hand: Path) -> None:
    done = run_explain(by_hand, NUMBER_OF["toll"], "--json")
    found = json.loads(done.output)
    # 06:59:50: two increments of 6 s begin before 07:00 and cost 0.04 each, three after it 0.07.
    toll = found["components"][1]
    assert [(part["count"], part["exact_micro"]) for part in toll["segments"]] == [
        (2, "80000"), (3, "210000")]  # fmt: skip
    assert (toll["charge_micro"], found["charge_micro"], found["stored_micro"]) == (
        290_000, 690_000, 690_000)  # fmt: skip
    assert found["rule"]["at"] == "tariffs/standard.yaml:24"
    assert found["guidance"]["subscription"]["valid_to_utc_s"] is None
    border = json.loads(run_explain(by_hand, NUMBER_OF["border"], "--json").output)["guidance"]
    assert {name: border[name]["by"] for name in ("served", "real", "called")} == {
        "served": "border cell", "real": "location", "called": "same place"}  # fmt: skip
    assert (border["flags"], border["home_relation"]) == (
        ["same_place", "boundary", "boundary_inter"], "local")  # fmt: skip
    suspended = json.loads(run_explain(by_hand, NUMBER_OF["malformed"], "--json").output)
    assert (suspended["fate"], suspended["reason"], suspended["raw_value"]) == (
        "suspended", "number_malformed", "0208765?321")  # fmt: skip
    again = json.loads(run_explain(by_hand, NUMBER_OF["duplicate"], "--json").output)
    assert again["first"] == {"record": NUMBER_OF["toll"], "fate": "rated", "run": 1}


@pytest.mark.parametrize(
    ("record", "code", "said"),
    [
        ("F1-900", 1, "F1-900: msc/CDR_000001.csv has no record on that line"),
        ("F1-1", 1, "F1-1: msc/CDR_000001.csv has no record on that line"),
        ("F2-2", 1, "F2: the workspace has read no such file"),
        ("1-2", 1, "'1-2' is no record"),
        ("", 1, "'' is no record"),
        ("--loud", 2, "No such option"),
    ],
)
def test_a_record_that_is_not_there(by_hand: Path, record: str, code: int, said: str) -> None:
    done = run_explain(by_hand, record)
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr


def test_explain_without_a_record_is_wrong_use(by_hand: Path) -> None:
    assert run_explain(by_hand).exit_code == 2


def test_what_changes_after_the_run_does_not_matter(copy: Path) -> None:
    before = run_explain(copy, NUMBER_OF["toll"]).output
    tariff = copy / "tariffs" / "standard.yaml"
    tariff.write_text(tariff.read_text().replace("price: 0.40", "price: 9.99"))
    (copy / "network" / "agreements.csv").unlink()
    shutil.rmtree(copy / "inbox")
    assert run_explain(copy, NUMBER_OF["toll"]).output == before


def test_a_retried_record_is_explained_from_the_snapshot_of_its_retry(copy: Path) -> None:
    people, tariff = copy / "customers" / "subscriptions.csv", copy / "tariffs" / "standard.yaml"
    people.write_text(people.read_text() + "S-3,A-1007,13900000003,,standard,active,2003-06-01,\n")
    text = tariff.read_text().replace("{airtime: free}", "{airtime: local}")
    tariff.write_text(text.replace("price: 0.40", "price: 0.50"))
    retry.run(session.open_session(copy), Choice(), AS_OF_UTC_S + 86_400)
    found = json.loads(run_explain(copy, NUMBER_OF["unknown"], "--json").output)
    assert (found["fate"], found["run"], found["stored_micro"]) == ("rated", 2, 500_000)
    assert found["differences"] == []
    forwarded = json.loads(run_explain(copy, NUMBER_OF["forward_unknown"], "--json").output)
    assert (forwarded["usage"]["forward"], forwarded["usage"]["routing_e164"]) == (
        "unconditional", 8613920000007)  # fmt: skip
    assert forwarded["guidance"]["served"]["by"] == "forwarding"
    assert (forwarded["fate"], forwarded["differences"]) == ("rated", [])
    first = json.loads(run_explain(copy, NUMBER_OF["toll"], "--json").output)
    assert (first["run"], first["charge_micro"]) == (1, 690_000)
    waiting = run_explain(copy, NUMBER_OF["no_rate"]).output
    assert waiting.startswith(f"{NUMBER_OF['no_rate']}  suspended: no_rate, by run 2 (retry")
    assert "tried again 1 time\n" in waiting


# ---- what does not land


def tamper(root: Path, dataset: str, record: str, column: str, value: object) -> None:
    """Write another value into a record's row of the lake."""
    for path in (root / "lake" / dataset).rglob("*.parquet"):
        table = pq.ParquetFile(path).read()
        ids = [record_text(record_id) for record_id in table.column("record_id").to_pylist()]
        if record not in ids:
            continue
        old = table.column(column)
        values = old.to_pylist()
        values[ids.index(record)] = value
        place = table.schema.get_field_index(column)
        pq.write_table(table.set_column(place, column, pa.array(values, old.type)), path)


@pytest.mark.parametrize(
    ("dataset", "column", "value", "differ"),
    [
        ("rated", "charge_toll", Decimal("0.30"), {"toll_micro": (300_000, 290_000)}),
        ("rated", "charge", Decimal("0.68"), {"total_micro": (680_000, 690_000)}),
        # 31 s need a sixth increment of toll; the airtime's first minute holds them.
        ("rated", "duration_s", 31, {"toll_micro": (290_000, 360_000),
         "total_micro": (690_000, 760_000), "leg out: quantity": (30, 31)}),
        ("rated", "account_id", "A-1", {"account_id": ("A-1", "A-1007")}),
        ("rated", "rule", 5, {"rule": (6, 5)}),
        ("rated", "version", "2002-01-01", {"version": ("2002-01-01", "2001-02-21")}),
        ("rated", "other_e164", 861065541234, {"other_zone": ("020", "010"),
         "relation": ("toll", "local"), "flags": (0, codes.FLAG_SAME_PLACE)}),
        ("rated", "roaming", "visitor", {"roaming": ("visitor", "home")}),
        ("legs", "charge", Decimal("0.05"), {"leg out: charge_micro": (50_000, 60_000)}),
        ("legs", "agreement", "east-2004",
         {"leg out: agreement": ("east-2004", "east-2003")}),
    ],
)  # fmt: skip
def test_what_was_not_stored_so_is_said_loudly(
    copy: Path, dataset: str, column: str, value: object, differ: dict[str, tuple[object, object]]
) -> None:
    tamper(copy, dataset, NUMBER_OF["toll"], column, value)
    done = run_explain(copy, NUMBER_OF["toll"], "--json")
    assert done.exit_code == 1
    found = {each["what"]: (each["stored"], each["explained"])
             for each in json.loads(done.output)["differences"]}  # fmt: skip
    assert found == differ


def test_both_amounts_are_on_the_screen(copy: Path) -> None:
    tamper(copy, "rated", NUMBER_OF["toll"], "charge_toll", Decimal("0.30"))
    tamper(copy, "rated", NUMBER_OF["toll"], "charge", Decimal("0.70"))
    done = run_explain(copy, NUMBER_OF["toll"])
    assert done.exit_code == 1
    assert "NOT AS STORED  toll_micro: run 1 stored 0.30, its snapshot gives 0.29\n" in done.output
    assert "NOT AS STORED  total_micro: run 1 stored 0.70, its snapshot gives 0.69\n" in done.output
    assert run_explain(copy, NUMBER_OF["tiers"]).exit_code == 0


def test_a_leg_that_is_missing_or_made_up_is_said(copy: Path) -> None:
    (path,) = (copy / "lake" / "legs").rglob("*.parquet")
    table = pq.ParquetFile(path).read()
    wanted = pc.equal(table.column("record_id"), (1 << 32) + 2)
    pq.write_table(table.filter(pc.invert(wanted)), path)
    done = run_explain(copy, NUMBER_OF["toll"])
    assert done.exit_code == 1
    assert "leg out: charge_micro: run 1 stored 'no leg', its snapshot gives 0.06" in done.output
    made_up = table.filter(wanted)
    short = (1 << 32) + int(NUMBER_OF["short_call"].removeprefix("F1-"))
    pq.write_table(made_up.set_column(0, "record_id", pa.array([short])), path)
    done = run_explain(copy, NUMBER_OF["short_call"])
    assert done.exit_code == 1
    assert "out: it is stored, but nothing in the snapshot makes it" in done.output


def test_amounts_of_steps_below_zero() -> None:
    """What is taken off: 51.20 of which 30.00 are left to pay."""
    assert steps_screen._nano(Fraction(30_000_000_000 - 51_200_000_000)) == "-21.20"
    assert steps_screen._nano(Fraction(-1_000_000_000, 3)).startswith("-0.333")
    assert steps_screen._nano(Fraction(0)) == "0.00"
