"""Visitors over nights, as text: what they are charged, who is told of whom, and that it closes."""

from __future__ import annotations

import csv
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import calls
import duckdb
import memory_workspace
import pytest
from calls import Call, Lake, audited
from click.testing import CliRunner, Result
from rerating_helpers import JUNE, billed, rerated

from tollbook.cli import main
from tollbook.errors import Refused
from tollbook.run import data

HERE: Final = Path(__file__).parent
CASES: Final = HERE / "business" / "high_usage"
NIGHTS: Final = ("2003-06-11T02:00:00", "2003-06-12T02:00:00")
ACCOUNTS: Final = "A-8,France,1 Rue\nA-9,America,1 Street\nA-7,Brazil,1 Rua\n"
VISITORS: Final = """subscription_id,account_id,imsi_prefix,plan,zone,valid_from,valid_to
USACG,A-9,31026,visitors,,2003-01-01,
USAAT,A-9,310410,visitors,,2003-01-01,
FRAF1,A-8,20801,visitors,010,2003-01-01,
"""
# The last rule is about customers alone: a visitor has no months before.
MONTH: Final = """    - {name: month, measure: sdr, per: month, levels: [150, 1000]}
    - {name: huge, measure: money, per: month, mean_of: 3, levels: [5]}
"""
HEADER: Final = (
    "service,direction,served,imsi,other,start,duration,up_bytes,down_bytes,events,location,"
    "network"
)
Row = dict[str, str]


def rows_of(name: str) -> list[Row]:
    with (CASES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def make(root: Path) -> Path:
    """The rules and the plan are those of docs/high-usage.md."""
    calls.make(root)
    guide = (HERE.parent / "docs" / "high-usage.md").read_text(encoding="utf-8")
    _, part = guide.split("## Visitors")
    rules, plan = re.findall(r"^```yaml\n(.*?)^```$", part, re.M | re.S)[:2]
    operator = root / "operator.yaml"
    text = operator.read_text().replace("  tadig: CHNHM", "  plmn: [46097]\n  tadig: CHNHM")
    operator.write_text(text + rules.replace("  sdr:", MONTH + "  sdr:"))
    (root / "tariffs" / "visitors.yaml").write_text(plan)
    accounts = root / "customers" / "accounts.csv"
    accounts.write_text(accounts.read_text() + ACCOUNTS)
    (root / "customers" / "visitors.csv").write_text(VISITORS)
    return root


def deliver(root: Path, night: int) -> list[Row]:
    """The night's file; gives its rows, the first of which stands on line 2."""
    rows = [row for row in rows_of("visits.csv") if int(row["night"]) == night]
    lines = [HEADER]
    for row in rows:
        used = {"voice": (row["used"], "", "0"), "sms": ("0", "", row["used"]),
                "data": ("60", row["used"], "0")}[row["service"]]  # fmt: skip
        lines.append(",".join((
            row["service"], row["direction"], f"+1{row['imsi'][:6]}{row['imsi'][-4:]}", row["imsi"],
            row["other"], f"{row['start']}+08:00", used[0], used[1], "", used[2],
            "460-97-1000-16385" if row["cell"] == "yes" else "", row["network"],
        )))  # fmt: skip
    path = root / "inbox" / "msc-east" / calls.name(night)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return rows


def command(root: Path, *words: str) -> Result:
    found = CliRunner().invoke(main.cli, [*words, "-C", str(root)])
    assert found.exception is None or isinstance(found.exception, SystemExit), found.output
    return found


def told(root: Path, path: Path) -> list[tuple[str, ...]]:
    """The report file, without what is plain."""
    assert command(root, "high-usage", "list", "--out", str(path)).exit_code == 0
    with path.open(encoding="utf-8", newline="") as file:
        return [tuple(row[name] for name in ("rule", "subscription", "imsi", "span", "level",
                                             "threshold", "fee", "amount"))
                for row in csv.DictReader(file)]  # fmt: skip


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After two nights, of which each told what the table says."""
    root = make(tmp_path_factory.mktemp("visitors") / "harbour")
    wanted: list[tuple[str, ...]] = []
    for number, as_of in enumerate(NIGHTS, start=1):
        rows = deliver(root, number)
        outcome = calls.run(root, as_of)
        lake = Lake(root)
        for line, row in enumerate(rows, start=2):
            assert lake.fates[calls.name(number), line] == row["fate"], row
            charge = lake.charges.get(number << 32 | line)
            wanted_charge = Decimal(row["charge"]) if row["charge"] else None
            assert (Decimal(charge) if charge else None) == wanted_charge, row
        new = [row for row in rows_of("visitors.csv") if int(row["night"]) == number]
        assert len(outcome.high_usage) == len(new)
        wanted += [tuple(row.values())[1:-1] for row in new]
        assert sorted(told(root, root / "told.csv")) == sorted(wanted)
    audited(root)
    return root


def test_visitors_are_told_of_one_by_one(harbour: Path) -> None:
    """All of visitors.csv but its last row, which is that of the retry; screens mask the IMSI."""
    shown = command(harbour, "high-usage", "list").stdout
    assert "3102600****0001" in shown
    assert "310260000000001" not in shown
    found: list[dict[str, Any]] = json.loads(
        command(harbour, "high-usage", "list", "--json").stdout
    )
    assert {one["imsi"] for one in found} == {
        310260000000001, 310260000000002, 310410000000001, 208010000000001,
    }  # fmt: skip
    assert {one["account_id"] for one in found} == {"A-8", "A-9"}


def test_explain_tells_the_row_that_decided(harbour: Path) -> None:
    shown = command(harbour, "explain", "F1-2").stdout
    assert "IMSI 310260000000001, which begins with 31026): subscription USACG" in shown
    assert "; visitor" in shown
    assert "522.00" in shown
    assert "NOT AS STORED" not in shown
    paying = json.loads(command(harbour, "explain", "F1-2", "--json").stdout)
    assert paying["guidance"]["subscription"]["imsi_prefix"] == "31026"


def test_suspense_tells_what_a_visitor_lacks(harbour: Path) -> None:
    cure = command(harbour, "suspense", "show", "--reason", "subscription_missing").stdout
    assert "or, if it is a visitor's, the beginning of IMSI 7240500****0001 one in " in cure
    assert "or, if the network 46098 is the operator's own, name it under `plmn` in " in cure
    cure = command(harbour, "suspense", "show", "--reason", "location_missing").stdout
    assert "a visitor was where his location says" in cure


@pytest.fixture(scope="module")
def retried(harbour: Path) -> Path:
    """The row that a visitor's record waited for is there; a night tells of him."""
    path = harbour / "customers" / "visitors.csv"
    path.write_text(path.read_text() + "BRATC,A-7,72405,visitors,,2003-01-01,\n")
    done = command(harbour, "suspense", "retry", "--as-of", "2003-06-12T03:00:00+08:00")
    assert done.exit_code == 0, done.output
    assert calls.run(harbour, "2003-06-13T02:00:00").high_usage != ()
    return harbour


def test_a_visitor_of_a_new_partner_is_rated_by_a_retry(retried: Path) -> None:
    wanted = [tuple(row.values())[1:-1] for row in rows_of("visitors.csv")]
    assert sorted(told(retried, retried / "told.csv")) == sorted(wanted)
    audited(retried)


def test_nothing_differs_when_it_is_rated_again(retried: Path) -> None:
    assert rerated(retried, dry_run=True).changed == 0


def test_the_partners_get_bills_of_their_visitors(retried: Path) -> None:
    """A-9, minutes: 522 + 525 + 549 + 1260 + 3 + 522 = 3381, messages: 8 + 2 + 1 = 11."""
    billed(retried, JUNE, "2003-07-02T02:00:00")
    with duckdb.connect() as link:
        files = f"read_parquet('{retried}/lake/bill_lines/**/*.parquet')"
        rows = link.sql(f"select account_id, item, amount from {files} where kind = 'usage'")
        found = {(account, item): amount for account, item, amount in rows.fetchall()}
    assert {key: value for key, value in found.items() if value} == {
        ("A-8", "airtime"): 30, ("A-8", "toll"): 90, ("A-8", "data"): 512,
        ("A-9", "airtime"): 3381, ("A-9", "message"): 11,
        ("A-7", "airtime"): 525,
    }  # fmt: skip
    audited(retried)


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ("allowances: [{name: a, amount: 60s, when: {service: voice}}]",
         "has allowances, caps, counters or tiers over a period"),
        ("recurring: [{charge: rent, price: 9.00}]", "has recurring charges"),
        ("fallback: easy", "falls back on 'easy', which has allowances, caps, counters or tiers"),
    ],
)  # fmt: skip
def test_plans_that_are_not_for_visitors(plan: str, says: str, tmp_path: Path) -> None:
    root = memory_workspace.remember(make(tmp_path / "harbour"))
    path = root / "tariffs" / "visitors.yaml"
    path.write_text(path.read_text() + plan + "\n")
    with pytest.raises(Refused) as refused:
        data.load(root)
    (one,) = (one for one in refused.value.problems if one.severity == "error")
    assert (one.file, one.line) == ("customers/visitors.csv", 2)
    assert says in one.found


def test_a_zone_that_is_nowhere(tmp_path: Path) -> None:
    root = make(tmp_path / "harbour")
    path = root / "customers" / "visitors.csv"
    path.write_text(path.read_text().replace(",010,", ",10,"))
    with pytest.raises(Refused) as refused:
        data.load(root)
    (one,) = (one for one in refused.value.problems if one.severity == "error")
    assert (one.file, one.line, one.found) == (
        "customers/visitors.csv", 4, "zone '10' is not in zones.csv",
    )  # fmt: skip


DISCOUNT: Final = """discounts:
  - {name: alliance, for: {subscriptions: [FRAF1]}, components: [airtime], action: {percent: 90}}
"""


def test_visitors_beside_customers_with_allowances(tmp_path: Path) -> None:
    """Ann has three minutes, the French pay 90 % of the airtime: 120.00 - 3.00 = 117.00."""
    root = make(tmp_path / "harbour")
    memory_workspace.remember(root)
    groups = root / "customers" / "groups.csv"
    groups.write_text(groups.read_text() + "club,+12080100001,2002-01-01,\n")
    (root / "tariffs" / "discounts.yaml").write_text(DISCOUNT)
    deliver(root, 1)
    calls.deliver(root, 2, Call(duration=120))
    calls.run(root)
    charges = Lake(root).charges
    assert Decimal(charges[1 << 32 | 7]) == 117
    assert Decimal(charges[1 << 32 | 2]) == 522
    audited(root)
    for record in ("F1-7", "F1-2", "F2-2"):
        shown = command(root, "explain", record)
        assert shown.exit_code == 0, shown.output
        assert "NOT AS STORED" not in shown.stdout
    assert "alliance" in command(root, "explain", "F1-7").stdout
    shown = command(root, "balance", "A-8", "--period", "2003-06")
    assert shown.exit_code == 0, shown.output
    assert rerated(root, dry_run=True).changed == 0
    total = sum(map(Decimal, charges.values()))
    found = command(root, "tariff", "simulate", "--book", str(root / "tariffs"), "--period",
                    "2003-06", "--json")  # fmt: skip
    assert found.exit_code == 0, found.output
    result = json.loads(found.stdout)
    assert Decimal(result["charged"]) == Decimal(result["books"][0]["would_be"]) == total
