"""Re-rating of records that are written out: closed months, scopes, settled legs, refusals.

On plan ``easy`` a local call costs 0.60 for each minute begun, a message 0.15.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import calls
import duckdb
import pytest
from calls import BOB, CAT, NOBODY, Call, Lake, audited
from click.testing import CliRunner, Result
from rerating_helpers import JULY, JUNE, billed, rerated, state

from tollbook.cli import main
from tollbook.errors import NotFound
from tollbook.run import retry, session, settlements, suspended
from tollbook.run.explaining import Explainer
from tollbook.run.rerate_scope import Scope


@pytest.fixture
def harbour(tmp_path: Path) -> Path:
    """Two local calls and a message on plan easy, one call on plan standard; in June."""
    root = calls.make(tmp_path / "harbour")
    calls.deliver(
        root, 1, Call(), Call(served=BOB, duration=61), Call(served=CAT),
        Call(served=BOB, service="sms", duration=0, events=1), Call(served=NOBODY),
    )  # fmt: skip
    assert calls.run(root).dispositions["rated"] == 4
    return root


def priced(root: Path, price: str) -> None:
    """Another price of local calls on plan easy."""
    path = root / "tariffs" / "easy.yaml"
    lines = path.read_text().splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("  local: {per: 60s"))
    lines[at] = f"  local: {{per: 60s, price: {price}}}"
    path.write_text("\n".join(lines) + "\n")


def command(root: Path, *words: str) -> Result:
    found = CliRunner().invoke(main.cli, ["rerate", "-C", str(root), "--period", "2003-06", *words])
    assert found.exit_code == 0, found.output
    return found


def read(root: Path, dataset: str, where: str, columns: str) -> list[tuple]:
    """Rows of a dataset without record ids; amounts as text."""
    files = f"read_parquet('{root}/lake/{dataset}/**/*.parquet')"
    with duckdb.connect() as link:
        found = link.sql(f"select {columns} from {files} where {where} order by all").fetchall()
    return [tuple(str(one) if isinstance(one, Decimal) else one for one in row) for row in found]


def test_a_closed_month_is_corrected_on_the_next_bill(harbour: Path) -> None:
    billed(harbour, JUNE, "2003-07-02T00:00:00")
    before = Lake(harbour).rows("rated", "*")
    priced(harbour, "0.55")
    said = command(harbour, "--as-of", "2003-07-03").stdout
    for line in (
        "run 3: 4 records of 2003-06 rated again, 2 of them otherwise than before",
        "easy  airtime          2  1.80  1.65  -0.15",
        "2 accounts less: -0.15 in all, the most A-2 with -0.10",
        "the month is billed: `tollbook bill --period 2003-07` bills the differences",
    ):  # fmt: skip
        assert line in said, said
    columns = "account_id, plan, component, tax_class, old, new, delta, rated_period, bill_period"
    assert [tuple(map(str, row)) for row in Lake(harbour).rows("differences", columns)] == [
        ("A-1", "easy", "airtime", "standard", "0.600000", "0.550000", "-0.050000", "2003-06",
         "2003-07"),
        ("A-2", "easy", "airtime", "standard", "1.200000", "1.100000", "-0.100000", "2003-06",
         "2003-07"),
    ]  # fmt: skip
    assert Lake(harbour).rows("rated", "*") == before
    assert command(harbour).stdout.startswith("nothing to do: 4 records")  # it is booked
    priced(harbour, "0.50")
    assert "1.65  1.50  -0.15" in command(harbour).stdout  # the rest, no more
    priced(harbour, "0.55")
    assert "1.50  1.65  0.15" in command(harbour).stdout  # and back
    done = billed(harbour, JULY, "2003-08-02T00:00:00")
    assert (done.rated_micro, done.correction_micro) == (-150_000, -150_000)
    audited(harbour)
    lines = read(harbour, "bill_lines", "kind = 'correction'",
                 "bill_number, kind, item, plan, usage_count, rated, amount")  # fmt: skip
    assert lines == [
        ("2003-07-A-1", "correction", "airtime", "easy", 1, "-0.050000", "-0.050000"),
        ("2003-07-A-2", "correction", "airtime", "easy", 1, "-0.100000", "-0.100000"),
    ]
    entries = read(harbour, "ledger", "ledger_account like 'correction%'",
                   "bill_number, ledger_account, debit, credit")  # fmt: skip
    assert entries == [
        ("2003-07-A-1", "correction:airtime", "0.050000", "0.000000"),
        ("2003-07-A-2", "correction:airtime", "0.100000", "0.000000"),
    ]


def test_an_account_that_changes_gets_back_what_the_other_pays(harbour: Path) -> None:
    billed(harbour, JUNE, "2003-07-02T00:00:00")
    path = harbour / "customers" / "subscriptions.csv"
    path.write_text(path.read_text().replace("S-2,A-2,", "S-2,A-3,"))
    done = rerated(harbour, as_of="2003-07-03T00:00:00")
    assert (done.changed, done.old_micro, done.new_micro) == (2, 1_350_000, 1_350_000)
    assert (done.less.most_account, done.more.most_account) == ("A-2", "A-3")
    found = Lake(harbour).rows("differences", "account_id, component, delta")
    assert Counter((a, c, str(d)) for a, c, d in found) == Counter([
        ("A-2", "airtime", "-1.200000"), ("A-3", "airtime", "1.200000"),
        ("A-2", "message", "-0.150000"), ("A-3", "message", "0.150000"),
    ])  # fmt: skip
    assert rerated(harbour, as_of="2003-07-04T00:00:00").run_number == 0
    assert billed(harbour, JULY, "2003-08-02T00:00:00").correction_micro == 0


def test_what_was_billed_stays_when_it_has_no_price_any_more(harbour: Path) -> None:
    billed(harbour, JUNE, "2003-07-02T00:00:00")
    path = harbour / "customers" / "subscriptions.csv"
    path.write_text(path.read_text().replace(",easy,active,2002-01-01,\nS-2", ",easy,closed,"
                                             "2002-01-01,\nS-2"))  # fmt: skip
    before = state(harbour)
    assert command(harbour).stdout.splitlines() == [
        "nothing to do: 4 records of 2003-06 rated again, all as before",
        "no longer to be rated: 1 subscription_inactive",
        "  1 record left as before: what is billed stays",
    ]
    assert state(harbour) == before


def test_an_open_month_is_billed_as_it_was_put_right(harbour: Path) -> None:
    priced(harbour, "0.55")
    told = json.loads(command(harbour, "--dry-run", "--json").stdout)
    assert (told["run_number"], told["changed"], told["bill_period"], told["delta_micro"]) == (
        0, 2, "", -150_000)  # fmt: skip
    assert "nothing was written; the same without --dry-run" in command(harbour, "--dry-run").stdout
    assert rerated(harbour).bill_period == 0
    done = billed(harbour, JUNE, "2003-07-02T00:00:00")
    # standard: 60 s in the own city; easy: 1 + 2 minutes of 0.55, a message
    assert (done.rated_micro - 3 * 550_000 - 150_000, done.correction_micro) == (
        int(1e6 * float(Lake(harbour).charges[(1 << 32) + 4])), 0)  # fmt: skip
    audited(harbour)


def test_a_discount_that_was_forgotten(harbour: Path) -> None:
    (harbour / "tariffs" / "discounts.yaml").write_text(
        "discounts:\n  - {name: half, for: {accounts: [A-2]}, when: {service: voice}, "
        "action: {percent: 50}}\n")  # fmt: skip
    done = rerated(harbour)
    assert (done.changed, done.old_micro, done.new_micro) == (1, 1_200_000, 600_000)
    assert rerated(harbour).run_number == 0  # what it used is compared, too
    audited(harbour)


@pytest.mark.parametrize(
    ("scope", "changed"),
    [
        (Scope(accounts=("A-1",)), 1), (Scope(accounts=("A-1", "A-2")), 2),
        (Scope(accounts=("A-3",)), 0), (Scope(plans=("easy",)), 2), (Scope(plans=("standard",)), 0),
        (Scope(sources=("msc-east",)), 2), (Scope(sources=("ims-west",)), 0),
        (Scope(("A-1",), ("easy",), ("msc-east",)), 1),
        (Scope(reason="subscription_missing"), 1), (Scope(reason="no_rate"), 0),
    ],
)  # fmt: skip
def test_only_what_is_named_is_rated_again(harbour: Path, scope: Scope, changed: int) -> None:
    if scope.reason:  # one more record of the month: it waited, and was rated then
        calls.add_subscription(harbour, f"S-9,A-3,{NOBODY},,easy,active,2003-01-01,")
        work = session.open_session(harbour)
        retried = retry.run(work, suspended.Choice(), calls.moment("2003-06-12T00:00:00"))
        work.catalogue.engine.dispose()
        assert retried.dispositions["rated"] == 1
    before = Lake(harbour).charges
    priced(harbour, "0.55")
    done = rerated(harbour, scope)
    assert done.changed == changed
    after = Lake(harbour).charges
    assert sum(after[record] != before[record] for record in before) == changed
    assert after.keys() == before.keys()
    audited(harbour)


def test_a_name_that_is_known_nowhere_is_refused(harbour: Path) -> None:
    before = set((harbour / "lake").rglob("*"))
    words = ("--account", "A-9", "--account", "A-1", "--account", "NOPE", "--plan", "esay",
             "--source", "msc")  # fmt: skip
    for more in ((), ("--dry-run",)):
        refused = CliRunner().invoke(
            main.cli, ["rerate", "-C", str(harbour), "--period", "2003-06", *words, *more]
        )
        assert refused.exit_code == 1
        for said in ("--account A-9: there is no such account, today or in records from 2003-06 on",
                     "--account NOPE: ", "--plan esay: ", "did you mean 'easy'?",
                     "--source msc: ", "allowed: msc-east, "):  # fmt: skip
            assert said in refused.output
        assert "--account A-1:" not in refused.output
    assert set((harbour / "lake").rglob("*")) == before
    for name, row in (("accounts", "A-3,Cat,"), ("subscriptions", "S-3,A-3,")):
        path = harbour / "customers" / f"{name}.csv"
        kept = [line for line in path.read_text().splitlines() if not line.startswith(row)]
        path.write_text("\n".join(kept) + "\n")
    done = rerated(harbour, Scope(accounts=("A-3",)))  # has left, and its record is stored
    assert (done.records, done.unrated) == (1, {"subscription_missing": 1})
    audited(harbour)


def test_a_leg_that_was_settled_stays(harbour: Path) -> None:
    leg = Call(served=CAT, trunk_out="GR-SH-1", start="2003-06-11T10:00:00+08:00")
    calls.deliver(harbour, 2, leg)
    assert calls.run(harbour, "2003-06-12T02:00:00").leg_count == 1
    work = session.open_session(harbour)
    settlements.run(work, JUNE, calls.moment("2003-07-02T00:00:00"))
    work.catalogue.engine.dispose()
    legs = Lake(harbour).rows("legs", "*")
    path = harbour / "network" / "agreements.csv"
    path.write_text(path.read_text().replace(",0.06,", ",0.05,"))
    assert rerated(harbour).changed == 0
    path = harbour / "tariffs" / "standard.yaml"
    path.write_text(path.read_text().replace("price: 0.40", "price: 0.30"))
    done = rerated(harbour, as_of="2003-07-03T00:00:00")
    assert (done.changed, done.legs_kept) == (2, 1)
    assert Lake(harbour).rows("legs", "*") == legs
    work = session.open_session(harbour)
    assert Explainer(work).explain((2 << 32) + 2).differences == ()
    work.catalogue.engine.dispose()
    path = harbour / "customers" / "subscriptions.csv"  # without a price it would leave its leg
    path.write_text(path.read_text().replace(",standard,active,", ",standard,closed,"))
    done = rerated(harbour, as_of="2003-07-04T00:00:00")
    assert (done.changed, done.unrated, done.held) == (1, {"subscription_inactive": 2}, 1)
    assert Lake(harbour).rows("legs", "*") == legs
    audited(harbour)


def test_a_month_without_records_is_refused(harbour: Path) -> None:
    with pytest.raises(NotFound, match="2003-07: no record of this bill month is rated"):
        rerated(harbour, period=JULY)
