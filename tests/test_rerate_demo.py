"""The demo's month under tariffs that are put right afterwards, with balances and without.

It becomes as if they had been right from the first night, also when the re-rating is killed; or,
once it is billed, corrections add up to what the two months differ by.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import memory_workspace
import nights
import pytest
from calls import Lake, audited
from rerating_helpers import (
    KILLS,
    Calm,
    billed,
    killed,
    places_called,
    rerated,
    some_instant,
    state,
)
from test_rerate import RIGHT, content, revenue

from tollbook import clock, sample
from tollbook.run import demo, session
from tollbook.run.progress import Silent

pytestmark = pytest.mark.slow  # sixty nights for each of the books

RECORDS, SUBSCRIBERS = 3_000, 150
AFTER = "2003-07-01T12:00:00"
MONTH = clock.month_index(demo.FIRST_DAY.year, demo.FIRST_DAY.month)


@dataclass(frozen=True)
class Months:
    """The month under wrong tariffs and under the right ones."""

    remembers: bool
    wrong: Path
    right: Path

    def put_right(self, root: Path) -> None:
        """Other prices, on two plans, and a larger allowance."""
        for name, edits in RIGHT.items():
            path = root / "tariffs" / name
            text = path.read_text()
            for wrong, right in edits:
                assert text.count(wrong) == 1
                text = text.replace(wrong, right) if right else text
            if self.remembers:
                text = text.replace("minutes, amount: 3min", "minutes, amount: 4min")
            path.write_text(text)


def balances(root: Path) -> Counter:
    rows = Lake(root).rows("state", "1 as record_id, owner_kind, owner, item, since, granted, used")
    return Counter(rows)


@pytest.fixture(scope="module", params=["without balances", "with balances"])
def months(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Months:
    root = tmp_path_factory.mktemp("wrong") / "operator"
    sample.write_sample(root, SUBSCRIBERS, 1)
    if request.param == "with balances":
        memory_workspace.remember(root, groups="group,number,valid_from,valid_to\n")
    right = Path(shutil.copytree(root, tmp_path_factory.mktemp("right") / "operator"))
    found = Months(request.param == "with balances", root, right)
    found.put_right(right)
    for one in (root, right):
        made = demo.deliver(one, Silent(), RECORDS, 1)
        work = session.open_session(one)
        assert len(list(demo.live(work, made))) == demo.DAYS
        work.catalogue.engine.dispose()
    return found


@pytest.fixture(scope="module")
def calm(months: Months, tmp_path_factory: pytest.TempPathFactory) -> Calm:
    """The wrong month with the right tariffs waiting, and what an undisturbed re-rating leaves."""
    root = nights.copy(months.wrong, tmp_path_factory.mktemp("before"))
    months.put_right(root)
    done = nights.copy(root, tmp_path_factory.mktemp("calm"))
    called = places_called(lambda: rerated(done, period=MONTH, as_of=AFTER))
    assert len(called) >= 5
    return Calm(root, done, called)


def test_an_open_month_is_as_if_it_had_been_right_from_the_start(
    months: Months, tmp_path: Path
) -> None:
    root = nights.copy(months.wrong, tmp_path)
    before, wanted = revenue(root), content(months.right)
    months.put_right(root)
    done = rerated(root, period=MONTH, as_of=AFTER)
    for dataset, rows in content(root).items():
        assert rows == wanted[dataset], dataset
    if months.remembers:
        assert balances(root) == balances(months.right)
    assert done.changed > RECORDS // 10
    assert done.new_micro - done.old_micro == revenue(months.right) - before
    audited(root)
    assert rerated(root, period=MONTH, as_of=AFTER).run_number == 0


def test_a_billed_month_is_corrected_by_what_it_differs(months: Months, tmp_path: Path) -> None:
    root = nights.copy(months.wrong, tmp_path)
    billed(root, MONTH, "2003-07-02T09:00:00")
    before = revenue(root)
    months.put_right(root)
    done = rerated(root, period=MONTH, as_of="2003-07-03T09:00:00")
    deltas = [delta for _, delta in Lake(root).rows("differences", "record_id, delta")]
    assert revenue(root) == before  # what was billed stays as it was
    assert sum(deltas) * 10**6 == revenue(months.right) - before == done.new_micro - done.old_micro
    if months.remembers:
        assert balances(root) == balances(months.right)
    audited(root)
    assert rerated(root, period=MONTH, as_of="2003-07-03T10:00:00").run_number == 0


@pytest.mark.parametrize("seed", range(KILLS or 2))
def test_killed_at_any_instant(calm: Calm, tmp_path: Path, seed: int) -> None:
    root = nights.copy(calm.before, tmp_path)
    killed(root, some_instant(seed, calm.called), period=MONTH, as_of=AFTER)
    assert state(root) == state(calm.done)
