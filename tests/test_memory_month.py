"""A month of nights with allowances: no cut of the same nights shows, and a naive twin agrees."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from random import Random

import calls
import memory_workspace
import nights
import pytest
from calls import ANN, BOB, CAT, Call, Lake
from memory_twin import compared
from reference_slots import END, Term

from cdr import delimited
from tollbook.run import flow, session
from tollbook.run.explaining import Explainer

NIGHTS = (1, 2, 15, 30)  # days of June of which the calls come in the night behind them
PLANS = {ANN: "easy", BOB: "easy", CAT: "standard"}
ACCOUNTS = {ANN: ("S-1", "A-1"), BOB: ("S-2", "A-2"), CAT: ("S-3", "A-3")}


def made(seed: int = 5) -> list[list[Call]]:
    """The calls of each night; some are of earlier days."""
    chance, found = Random(seed), []
    for place, day in enumerate(NIGHTS):
        night = []
        for number in range(40):
            of = day if chance.random() < 0.8 else chance.choice(NIGHTS[: place + 1])
            when = f"2003-06-{of:02}T{chance.randrange(24):02}:{number:02}:00+08:00"
            is_sms = chance.random() < 0.2
            night.append(Call(
                chance.choice((ANN, BOB, CAT)), chance.choice((calls.FRIEND, "+862087654321")),
                when, 0 if is_sms else chance.choice((30, 60, 61, 400)),
                "sms" if is_sms else "voice", events=int(is_sms), call_ref=f"{place}-{number}",
            ))  # fmt: skip
        found.append(night)
    return found


def workspace(folder: Path) -> Path:
    return memory_workspace.remember(calls.make(folder / "harbour"))


def run(root: Path, night: int, threads: int = 2) -> nights.Outcome:
    as_of = date(2003, 6, NIGHTS[night]) + timedelta(1)
    return calls.run(root, f"{as_of}T02:00:00", threads)


def content(root: Path) -> tuple[list[tuple], list[tuple]]:
    """What the lake says, but for the numbers of files and runs."""
    rated = Lake(root).rows("rated", "0 as record_id, call_ref, charge, owner_group, used")
    state = Lake(root).rows("state", "0 as record_id, *")
    return sorted(map(str, rated)), sorted(map(str, state))


def delivered(root: Path, threads: int, files: int) -> Path:
    """All nights, each cut into so many files."""
    for night, of_night in enumerate(made()):
        for piece in range(files):
            calls.deliver(root, night * 10 + piece + 1, *of_night[piece::files])
        outcome = run(root, night, threads)
        assert outcome.dispositions["rated"] == len(of_night)
    return root


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return delivered(workspace(tmp_path_factory.mktemp("whole")), 2, 1)


def test_other_files_threads_blocks_and_buckets_change_nothing(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "blocks", partial(delimited.blocks, block_bytes=900))
    monkeypatch.setattr(flow, "ROWS_A_TASK", 3)
    monkeypatch.setattr(flow, "TASKS_A_PART", 1)
    other = delivered(workspace(tmp_path), 1, 3)
    assert content(other) == content(whole)
    calls.audited(other)


def test_charges_and_balances_are_those_of_the_twin(whole: Path) -> None:
    lines = [(ACCOUNTS[number], PLANS[number]) for number in PLANS]
    terms = {("subscription", line): [Term(line, plan, date(2002, 1, 1), END)]
             for (line, _), plan in lines}  # fmt: skip
    terms |= {("account", account): terms["subscription", line] for (line, account), _ in lines}
    terms["group", "club"] = [
        *terms["subscription", "S-1"], Term("S-2", "easy", date(2003, 6, 5), END),
    ]  # fmt: skip
    assert compared(whole, lambda _: terms) > 80


def test_every_record_is_explained_to_its_stored_amount(whole: Path) -> None:
    work = session.open_session(whole)
    explainer = Explainer(work)
    wrong = [(record, found.differences) for record in Lake(whole).charges
             if (found := explainer.explain(record)).differences]  # fmt: skip
    work.catalogue.engine.dispose()
    assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize("point", ["parts_assembled", "files_written", "superseded_hidden"])
def test_killed_and_started_again(whole: Path, tmp_path: Path, point: str) -> None:
    root = workspace(tmp_path)
    for night, of_night in enumerate(made()):
        calls.deliver(root, night * 10 + 1, *of_night)
        if night == 2:
            as_of = calls.moment(f"{date(2003, 6, NIGHTS[night]) + timedelta(1)}T02:00:00")
            assert nights.run_apart(root, as_of, TOLLBOOK_KILL_AT=point) == -9
        run(root, night)
    assert content(root) == content(whole)
    mine, other = nights.tree(root), nights.tree(whole)
    assert {name: digest for name, digest in mine.items() if "/state/" in name} == {
        name: digest for name, digest in other.items() if "/state/" in name
    }
    shutil.rmtree(root)
