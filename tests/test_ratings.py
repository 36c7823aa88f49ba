"""Several ratings of a record in a small night: reseller, buy and sell beside the customer's."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import nights
import pytest

from tollbook.errors import NotClosed, Refused
from tollbook.run import lake, parts, session

PLAN = """plan: {name}
currency: CNY
time_zone: Asia/Shanghai
rates:
  call: {{per: 60s, price: "{price}"}}
rules:
  - {{when: {{service: voice}}, charge: {{airtime: call}}}}
  - {{otherwise: refuse}}
"""
PRICES = {"gr-buys": 50_000, "gr-bought-later": 60_000, "gr-sells": 80_000, "dealer": 70_000}
NOON = "2003-06-03T12:00:00"  # Great River is dearer from the first night's noon on
NOON_UTC_S = 1_054_612_800


def workspace(root: Path) -> int:
    """The sample operator with further ratings and the records of one night; its ``as_of``."""
    made = nights.make(root, 1500, 1)
    for name, price in PRICES.items():
        text = PLAN.format(name=name, price=f"0.{price:06d}".rstrip("0"))
        (root / f"tariffs/{name}.yaml").write_text(text)
    (root / "network/ratings.csv").write_text(
        "kind,carrier,plan,valid_from,valid_to\n"
        f"buy,greatriver,gr-buys,,{NOON}\nbuy,greatriver,gr-bought-later,{NOON},\n"
        "sell,greatriver,gr-sells,,\n"
    )
    accounts = root / "customers/accounts.csv"
    lines = accounts.read_text().splitlines()
    head, rest = lines[0], lines[1:]
    accounts.write_text("\n".join([
        f"{head},reseller_plan",
        *(f"{line},{'dealer' if place % 2 else ''}" for place, line in enumerate(rest)),
    ]) + "\n")  # fmt: skip
    return nights.deliver(root, made, 0)


def rows(root: Path, dataset: str) -> list[dict[str, Any]]:
    work = session.open_session(root)
    files = work.catalogue.lake_files(dataset)
    work.catalogue.engine.dispose()
    return [row for file in files for row in lake.amounts_to_micro(
        lake.read(root, file)).to_pylist()]  # fmt: skip


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ratings") / "op"
    as_of = workspace(root)
    nights.run(root, as_of)
    return root


def expected(root: Path) -> dict[tuple[int, str], tuple[str, str, int]]:
    """By record and kind: plan, reason and micro, worked out from the lake's own rows."""
    accounts = (root / "customers/accounts.csv").read_text().splitlines()[1:]
    sold_on = {line.split(",")[0] for line in accounts if line.endswith(",dealer")}
    trunks = (root / "network/trunks.csv").read_text().splitlines()
    carried = {line.split(",")[0] for line in trunks if ",greatriver," in line}
    rated = rows(root, "rated")
    transit = [row for row in rows(root, "uncharged") if row["reason"] == "carried_for_others"]
    found = {}
    for row in rated + transit:
        buys = "gr-buys" if row["start_utc_s"] < NOON_UTC_S else "gr-bought-later"
        for kind, plan, has_it in (
            ("reseller", "dealer", row.get("account_id") in sold_on),
            ("buy", buys, row["trunk_out"] in carried),
            ("sell", "gr-sells", row["trunk_in"] in carried),
        ):
            if has_it:
                minutes = -(-row["duration_s"] // 60)
                is_voice = row["service"] == "voice"
                found[row["record_id"], kind] = (
                    (plan, "ok", minutes * PRICES[plan]) if is_voice else (plan, "no_rate", 0)
                )
    return found


def test_every_rating_that_a_record_has(night: Path) -> None:
    """Calls cost whole minutes; messages and data have no price, and are rated all the same."""
    stored = {
        (row["record_id"], row["rating_kind"]): (row["plan"], row["reason"], row["charge_micro"])
        for row in rows(night, "ratings")
    }
    wanted = expected(night)
    assert stored == wanted
    kinds = Counter((kind, plan, reason) for (_, kind), (plan, reason, _) in wanted.items())
    assert {kind for kind, _, _ in kinds} == {"reseller", "buy", "sell"}
    assert {plan for _, plan, _ in kinds} == set(PRICES)
    assert {reason for _, _, reason in kinds} == {"ok", "no_rate"}
    assert all(row["charge_micro"] == row["charge_airtime_micro"] for row in rows(night, "ratings"))
    carried = {row["record_id"] for row in rows(night, "uncharged")}
    assert carried & {record for record, _ in wanted}, "no transit call has a rating"


def test_the_customers_rating_is_as_it_was(night: Path, tmp_path: Path) -> None:
    """Without further ratings the same records have the same charges; the dataset is not there."""
    made = nights.make(tmp_path / "op", 1500, 1)
    nights.run(tmp_path / "op", nights.deliver(tmp_path / "op", made, 0))
    assert not rows(tmp_path / "op", "ratings")
    with_them, without = (
        {row["record_id"]: row["charge_micro"] for row in rows(root, "rated")}
        for root in (night, tmp_path / "op")
    )
    assert with_them == without


def test_ratings_that_are_not_written_do_not_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_of = workspace(tmp_path / "op")
    monkeypatch.setattr(parts.Part, "write_ratings", lambda *_: None)
    with pytest.raises(NotClosed, match=r"further ratings: \d+ for \d+ micro were made, 0 for 0"):
        nights.run(tmp_path / "op", as_of)


def test_what_is_refused(tmp_path: Path) -> None:
    as_of = workspace(tmp_path / "op")
    path = tmp_path / "op/network/ratings.csv"
    path.write_text(path.read_text() + "buys,greatriver,gr-buys,,\nsell,greatriver,gr-sels,,\n"
                    "buy,nobody,gr-buys,,\n")  # fmt: skip
    with pytest.raises(Refused) as refused:
        nights.run(tmp_path / "op", as_of)
    text = str(refused.value)
    for found in ("ratings.csv:5: kind is 'buys'", "ratings.csv:6: plan 'gr-sels' is not in",
                  "did you mean 'gr-sells'?", "is valid here and in line 4 at once",
                  "ratings.csv:7"):  # fmt: skip
        assert found in text
