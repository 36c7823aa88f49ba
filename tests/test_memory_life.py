"""The life of a workspace whose plans remember: suspense, corrections, calls in parts, late records
and withdrawn nights. After each step the lake, its balances and the audit are what the naive twin,
or a workspace that nothing had disturbed, says.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import calls
import memory_workspace
import nights
import pytest
from calls import ANN, BOB, CAT, FRIEND, NOBODY, Call, Lake, audited
from click.testing import CliRunner
from memory_twin import Terms, compared
from reference_slots import END, Term
from rerating_helpers import state
from suspense_workspace import said, told
from undo_workspace import release, undo

from tollbook.cli.main import cli
from tollbook.run import session
from tollbook.run.explaining import Explainer

PARTS = "partials: {key: [served, call_ref], gap: 5s, hold: 72h, going_on: [1]}\n"
DAYS = (1, 2, 15, 29)  # of June; the calls of each come in the night behind it
TOLL, LOST = "+862087654321", "460-97-1000-9"
S_9 = f"S-9,A-2,{NOBODY},,easy,active,2003-01-01,"
KILLS = int(os.environ.get("TOLLBOOK_KILLS", "0"))


def made(seed: int) -> list[list[Call]]:
    """The calls of each night. Some are of earlier days; some wait for a customer, a correction, a
    place or their other parts."""
    chance, found = random.Random(seed), []
    for place, day in enumerate(DAYS):
        night = []
        for number in range(30):
            of = day if chance.random() < 0.8 else chance.choice(DAYS[: place + 1])
            one = Call(
                chance.choice((ANN, ANN, BOB, BOB, CAT, NOBODY)), chance.choice((FRIEND, TOLL)),
                f"2003-06-{of:02}T{chance.randrange(21):02}:{number:02}:00+08:00",
                chance.choice((30, 60, 61, 200)), call_ref=f"{place}-{number}",
            )  # fmt: skip
            if chance.random() < 0.2:
                one = replace(one, service="sms", duration=0, events=1)
            night.append(_spoiled(one, chance))
        found.append(night)
    for place, of in ((0, ANN), (1, BOB), (2, NOBODY)):  # the next night has the rest of the call
        first, second = _parts(of, DAYS[place], f"{place}-long")
        found[place].append(first)
        if place != 2:  # which waits too long
            found[place + 1].append(second)
    return found


def _spoiled(one: Call, chance: random.Random) -> Call:
    kind = chance.random()
    if kind < 0.06 and one.service == "voice":
        return replace(one, duration="long")
    return replace(one, location=LOST) if kind < 0.16 else one


def _parts(served: str, day: int, call_ref: str) -> tuple[Call, Call]:
    first = Call(served, FRIEND, f"2003-06-{day:02}T23:00:00+08:00", 300, call_ref=call_ref,
                 sequence=1, cause=1)  # fmt: skip
    start = f"2003-06-{day:02}T23:05:00+08:00"
    return first, replace(first, start=start, duration=90, sequence=2, cause=16)


def workspace(folder: Path, more: str = "") -> Path:
    root = memory_workspace.remember(calls.make(folder / "harbour"), memory_workspace.ITEMS + more)
    path = root / "operator.yaml"
    path.write_text(path.read_text() + PARTS)
    return root


def night(root: Path, place: int, *of_night: Call) -> nights.Outcome:
    for piece in range(2):
        if of_night:
            calls.deliver(root, place * 10 + piece + 1, *of_night[piece::2])
    return calls.run(root, f"{date(2003, 6, DAYS[place]) + timedelta(1)}T02:00:00")


def cured(root: Path, place: int) -> Any:
    """All malformed durations are corrected, and everything that waits is tried again."""
    as_of = f"2003-06-{DAYS[place] + 1:02}T12:00:00+08:00"
    wrong = Lake(root).rows("suspense", "record_id", where="reason = 'integer_malformed'")
    for record, in wrong:
        said(root, "correct", f"F{record >> 32}-{record & 0xFFFFFFFF}", "--set", "duration_s=45",
             "--note", "by hand", "--as-of", as_of)  # fmt: skip
    return told(root, "retry", "--as-of", as_of)


def add_customer(root: Path) -> None:
    """Nobody is somebody: a line of Bob's, in the club, too."""
    calls.add_subscription(root, S_9)
    path = root / "customers" / "groups.csv"
    path.write_text(f"{path.read_text()}club,{NOBODY},2003-06-10,\n")


def add_place(root: Path) -> None:
    path = root / "network" / "locations.csv"
    path.write_text(path.read_text().rstrip("\n") + f"\n{LOST},010\n")


def tb(root: Path, *words: str) -> str:
    done = CliRunner().invoke(cli, [*words, "-C", str(root)])
    assert done.exit_code == 0, done.output
    return done.stdout


def terms(is_known: bool) -> Terms:
    """Who is on which plan, before and after Nobody is somebody."""
    ann, bob = (Term(line, "easy", date(2002, 1, 1), END) for line in ("S-1", "S-2"))
    cat, new = (Term("S-3", "standard", date(2002, 1, 1), END),
                Term("S-9", "easy", date(2003, 1, 1), END))  # fmt: skip
    new_terms = [new] if is_known else []
    club = [ann, replace(bob, since=date(2003, 6, 5))]
    return {
        ("subscription", "S-1"): [ann], ("subscription", "S-2"): [bob],
        ("subscription", "S-3"): [cat], ("subscription", "S-9"): new_terms,
        ("account", "A-1"): [ann], ("account", "A-2"): [bob, *new_terms],
        ("account", "A-3"): [cat],
        ("group", "club"): club + [replace(one, since=date(2003, 6, 10)) for one in new_terms],
    }  # fmt: skip


def undone_and_again(root: Path, place: int, run_number: int) -> None:
    """A night is withdrawn, and the same files come again."""
    files = undo(root, "run", str(run_number),
                 as_of=f"2003-06-{DAYS[place] + 1:02}T03:00:00+08:00")["files"]  # fmt: skip
    audited(root)
    for file in files:
        release(root, int(file["file"][1:]))
    assert night(root, place).file_count == len(files)


def content(root: Path) -> list[list[str]]:
    """What the lake says, but for the numbers of files and runs."""
    columns = {
        "rated": "call_ref, start_utc_s, duration_s, charge, owner_group, used",
        "state": "*", "suspense": "call_ref, reason, tries", "pending": "call_ref, start_utc_s",
    }  # fmt: skip
    return [sorted(map(str, Lake(root).rows(name, f"0 as record_id, {wanted}")))
            for name, wanted in columns.items()]  # fmt: skip


def lived(root: Path, seed: int, is_rerated: bool = False) -> Iterator[tuple[int, int]]:
    """Night by night, with all that comes between; gives the place of the night, and the run with
    which Nobody is known, 0 while he is not.

    is_rerated: whoever goes through this rates late records again. Otherwise a night that is
    withdrawn and comes again leaves what it had left.
    """
    of_nights, known = made(seed), 0
    for place, of_night in enumerate(of_nights):
        done = night(root, place, *of_night)
        assert (done.dispositions["merged"] > 0) == (place in (1, 2))
        if place == 1 and is_rerated:  # what was rated in order comes late again
            undone_and_again(root, place, done.run_number)
        elif place < 2 and not is_rerated:  # later, parts of calls would have waited too long
            before = content(root)
            undone_and_again(root, place, done.run_number)
            assert content(root) == before
            yield place, known
        if place == 3:
            assert done.released == 1  # a part that has waited too long
        if place == 1:
            add_customer(root)
        if place == 2:
            add_place(root)
        retried = cured(root, place)
        assert retried["dispositions"]["rated"] > 0
        known = retried["run"] if place == 1 else known
        yield place, known


def test_each_step_is_what_the_twin_says(tmp_path: Path) -> None:
    root = workspace(tmp_path)
    users = 0
    for _, known in lived(root, 1):
        audited(root)
        users = compared(root, lambda run, known=known: terms(0 < known <= run))
    assert users > 60
    assert Lake(root).rows("suspense", "record_id") == []
    work = session.open_session(root)
    explainer = Explainer(work)
    wrong = [record for record in Lake(root).charges if explainer.explain(record).differences]
    work.catalogue.engine.dispose()
    assert wrong == []


def test_late_records_rated_again_are_what_the_twin_says_of_all_at_once(tmp_path: Path) -> None:
    """Behind every step the accounts that are due are rated again: as if nothing had come late."""
    root = workspace(tmp_path, "late: rerate\n")
    rerated = 0
    for place, known in lived(root, 3, is_rerated=True):
        as_of = f"2003-06-{DAYS[place] + 1:02}T13:00:00"
        told = json.loads(tb(root, "run", "--json", "--as-of", as_of))
        assert (told["run"], told["not_rerated"], told["due_accounts"]) == (0, [], 0)
        rerated += sum(one["changed"] for one in told["rerated"])
        audited(root)
        users = compared(root, lambda _, known=known: terms(known > 0), at_once=True)
    assert min(users, rerated) > 60


def test_a_night_withdrawn_and_the_month_rated_again_as_if_it_had_not_been(tmp_path: Path) -> None:
    """The nights behind it had met balances that it had used."""
    root, other = (workspace(tmp_path / name) for name in ("with", "without"))
    for one in (root, other):
        add_customer(one)
        add_place(one)
        for place, of_night in enumerate(made(4)):
            if (one, place) != (other, 1):
                night(one, place, *(call for call in of_night if not call.sequence))
    assert undo(root, "run", "2", as_of="2003-06-30T12:00:00")["rerate"] == "2003-06"
    assert content(root) != content(other)
    tb(root, "rerate", "--period", "2003-06", "--as-of", "2003-06-30T12:00:00")
    assert content(root) == content(other)
    audited(root)
    known = terms(is_known=True)
    assert compared(root, lambda _: known) > 40


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two nights; what waits of them can be rated now, and the tariff was wrong."""
    root = workspace(tmp_path_factory.mktemp("half"))
    for place in range(2):
        night(root, place, *made(5)[place])
    add_customer(root)
    plan = root / "tariffs" / "easy.yaml"
    plan.write_text(plan.read_text().replace("amount: 3min", "amount: 4min"))
    return root


STEPS = {
    "night": ("run",), "retry": ("suspense", "retry"), "rerate": ("rerate", "--period", "2003-06"),
    "undo": ("undo", "run", "2", "--note", "wrong", "--by", "ann"),
}  # fmt: skip
PLACES = (
    ("tollbook.run.lake", "Writer.write", 3), ("tollbook.run.lake", "Writer.close", 3),
    ("tollbook.run.commit", "publish", 1), ("tollbook.run.catalogue", "Catalogue.supersede", 1),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(KILLS or 2))
def test_killed_at_any_instant(half: Path, tmp_path: Path, seed: int) -> None:
    """Some microseconds into a call of what writes, publishes and supersedes; the next start ends
    what was begun, and leaves what an undisturbed run leaves."""
    chance = random.Random(seed)
    name = list(STEPS)[seed % len(STEPS)]
    calm, root = (nights.copy(half, tmp_path / name) for name in ("calm", "killed"))
    as_of = "2003-06-16T02:00:00" if name == "night" else "2003-06-03T09:00:00"
    words = [*STEPS[name], "--as-of", f"{as_of}+08:00"]
    if name == "night":
        for one in (calm, root):
            calls.deliver(one, 21, *made(5)[2])
    tb(calm, *words)
    place, function, calls_max = chance.choice(PLACES)
    killer = nights.killer(
        place, function, chance.randint(1, calls_max), chance.random() * 0.002
    )
    command = [*words, "-C", str(root)]
    code = f"{killer}\nfrom tollbook.cli.main import cli\ncli({command})"
    assert nights.apart(code) == -9, (name, function)
    assert len(nights.books(root)["runs"]) == 3  # it was planned
    for one in (calm, root):
        assert nights.run(one, calls.moment(as_of)).run_number == 0
    (files, books), (wanted, wanted_books) = state(root), state(calm)
    del books["alarms"], wanted_books["alarms"]  # how often they were looked at
    assert (files, books) == (wanted, wanted_books)
    audited(root)
