"""What people wrote wrongly is refused before any record is read: all of it at once, and no trace.

The cases are those of ``tests/broken``. Each is laid over a workspace that works, which has a night
behind it and a file in its inbox; when it is taken away again, that file is read.
"""

from __future__ import annotations

import csv
import hashlib
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import calls
import nights
import pytest
from calls import Call
from click.testing import CliRunner, Result

from tollbook.cli import main

BROKEN = Path(__file__).parent / "broken"
FILE_NAME = "MSC_{:06d}_200306110000.csv"
PLAN = """\
plan: {plan}
name: {plan}
currency: CNY
time_zone: Asia/Shanghai
valid: {{from: 2001-01-01}}
components: [airtime]
rates: {{minute: {{per: 60s, price: 0.40}}}}
rules:
  - {{when: {{service: voice}}, charge: {{airtime: minute}}}}
  - {{otherwise: refuse}}
"""


def expected(kind: str) -> dict[str, list[str]]:
    """case -> how each of its errors begins, as ``file:line: found``."""
    found = defaultdict(list)
    with (BROKEN / kind / "expected.csv").open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            if row["severity"] == "error":
                place = row["file"] if row["line"] == "0" else f"{row['file']}:{row['line']}"
                found[row["case"]].append(f"{place}: {row['found']}")
    return dict(found)


def snapshot(root: Path) -> dict[str, str]:
    """Every file that a run may touch, byte for byte."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and path.relative_to(root).parts[0] in ("lake", "out", "catalogue.db")
    }


def tollbook(root: Path, *words: str) -> Result:
    return CliRunner().invoke(main.cli, [*words, "-C", str(root)])


def night(root: Path) -> Result:
    return tollbook(root, "run", "--as-of", "2003-06-11T02:00:00+08:00")


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The good workspace of the cases, with plans, a night behind it and another before it."""
    root = tmp_path_factory.mktemp("working") / "operator"
    shutil.copytree(BROKEN / "workspace" / "good", root)
    (root / "tariffs").mkdir()
    for plan in ("standard", "easy", "business"):
        (root / "tariffs" / f"{plan}.yaml").write_text(PLAN.format(plan=plan))
    one = Call(served="+8613900000001", location="460-1")
    deliver(root, 1, one)
    done = night(root)
    assert done.exit_code == 0, done.output
    assert "charged 0.40 CNY" in done.output
    deliver(root, 2, replace(one, start="2003-06-10T11:00:00+08:00", duration=61))
    return root


def deliver(root: Path, number: int, call: Call) -> None:
    calls.deliver(root, FILE_NAME.format(number), call, source="msc")


@pytest.fixture
def root(working: Path, tmp_path: Path) -> Path:
    return nights.copy(working, tmp_path)


def refused(root: Path, *words: str) -> str:
    """What ``tollbook run`` says when it refuses; nothing may have changed."""
    before = snapshot(root)
    done = tollbook(root, *words) if words else night(root)
    assert done.exit_code == 1, done.output
    assert done.stdout == ""
    assert snapshot(root) == before
    lines = done.stderr.splitlines()
    places = [line for line in lines[:-1] if not line.startswith("    ")]
    for words in ("    allowed: ", "    do: "):
        assert sum(line.startswith(words) for line in lines) == len(places)
    return done.stderr


def overlay(root: Path, kind: str, case: str) -> None:
    """Lay a broken case over the workspace: its files, or for tariffs the whole book."""
    source = BROKEN / kind / case
    if kind == "workspace":
        shutil.copytree(source, root, dirs_exist_ok=True)
        return
    if (source / "ratings.csv").is_file():  # a book that another table asks for too much
        carrier = (root / "network" / "carriers.csv").read_text().splitlines()[-1].split(",")[0]
        text = (source / "ratings.csv").read_text().replace("CARRIER", carrier)
        (root / "network" / "ratings.csv").write_text(text)
        return
    for plan in (root / "tariffs").iterdir():
        if case != "overflow" or plan.name == "standard.yaml":  # proven of whole books only
            plan.unlink()
    if source.is_dir():
        shutil.copytree(source, root / "tariffs", dirs_exist_ok=True)
    else:
        shutil.copy(source.with_suffix(".yaml"), root / "tariffs")


CASES = [(kind, case) for kind in ("workspace", "tariffs") for case in expected(kind)]


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_a_broken_case_is_refused_and_leaves_no_trace(
    working: Path, root: Path, kind: str, case: str
) -> None:
    overlay(root, kind, case)
    said = refused(root)
    assert said.splitlines()[-1].endswith(("; no record was read", "; nothing was changed"))
    prefix = "tariffs/" if kind == "tariffs" else ""
    for problem in expected(kind)[case]:
        begin = f"{prefix}{problem}".replace("tariffs/../", "")
        assert (begin if case == "overflow" else f"{begin}\n") in said, said
    for folder in ("tariffs", "network", "customers"):
        shutil.rmtree(root / folder)
        shutil.copytree(working / folder, root / folder)
    shutil.copy(working / "operator.yaml", root)
    done = night(root)
    assert done.exit_code == 0, done.output
    assert "charged 0.80 CNY" in done.output  # 61 s: two minutes of 0.40


def edit(root: Path, name: str, old: str, new: str) -> None:
    path = root / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


OWN_LAYOUT = """\
layout: switch
kind: delimited
colums: [{at: 1, to: served_number}]
"""
SHIPPED = "asterisk, cucm, emi, freeswitch, kamailio, nrtrde, ribbon, tap, tollbook, ts32298"

# What is put where, and what is said of it.
FAULTS: list[tuple[str, str, str, str]] = [
    ("customers/subscriptions.csv", "13900000001,460000000000001,business", "13900000001,,busines",
     "customers/subscriptions.csv:3: plan 'busines' is not in the tariff book\n"
     "    allowed: business, easy, standard\n    do: did you mean 'business'?"),
    ("operator.yaml", "layout: freeswitch", "layout: freeswich",
     "operator.yaml: layout 'freeswich' does not exist\n"
     f"    allowed: a file layouts/freeswich.yaml, or one of {SHIPPED}\n"
     "    do: did you mean 'freeswitch'?"),
    ("tariffs/easy.yaml", "price: 0.40", "price: 0,40", "tariffs/easy.yaml:7: "),
    ("tariffs/easy.yaml", "per: 60s, price: 0.40", "per: 1s, price: 999999999",
     "tariffs/easy.yaml:7: "),  # ten hours of it would exceed what a charge may be
    ("network/trunks.csv", "T1,fixed", "T1,fixd",
     "network/trunks.csv:2: carrier 'fixd' is not in carriers.csv"),
    ("network/relations.csv", "*,*,far", "*,*,", "network/relations.csv:8: relation is ''"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "words"), FAULTS)
def test_a_fault_is_refused_with_its_place_and_cure(
    root: Path, name: str, old: str, new: str, words: str
) -> None:
    edit(root, name, old, new)
    said = refused(root)
    assert words in said
    assert "1 error in 1 file; no record was r" in said  # read, or rated


def test_faults_of_all_files_are_told_at_once(root: Path) -> None:
    for name, old, new, _ in FAULTS[2:3] + FAULTS[4:5]:
        edit(root, name, old, new)
    edit(root, "operator.yaml", "currency: CNY", "currency: YUAN")
    edit(root, "operator.yaml", "layout: tollbook", "layout: switch")
    edit(root, "customers/accounts.csv", "exempt", "free")
    (root / "layouts").mkdir()
    (root / "layouts" / "switch.yaml").write_text(OWN_LAYOUT)
    (root / "network" / "agreements.csv").write_text("agreement,carrier\nA,fixed\n")
    said = refused(root)
    places = {line.split(": ")[0] for line in said.splitlines()[:-1] if not line.startswith(" ")}
    assert {place.rsplit(":", 1)[0] for place in places} >= {
        "operator.yaml", "network/trunks.csv", "network/agreements.csv", "customers/accounts.csv",
        "tariffs/easy.yaml", "layouts/switch.yaml",
    }  # fmt: skip
    assert "layouts/switch.yaml:3: " in said
    assert str(root) not in said  # files are named as their owner knows them
    assert said.splitlines()[-1].endswith("; no record was read")


@pytest.mark.parametrize("words", [
    ["run"], ["bill", "--period", "2003-06"], ["settle", "--period", "2003-06"],
    ["suspense", "retry"],
])  # fmt: skip
def test_every_command_that_writes_refuses_alike(root: Path, words: list[str]) -> None:
    edit(root, "customers/subscriptions.csv", "460000000000003,business", "460000000000003,")
    if words[0] == "suspense":  # something must wait, or there is nothing to refuse
        shutil.copy(BROKEN / "workspace/good/customers/subscriptions.csv", root / "customers")
        deliver(root, 3, Call(served="+8613900000009", location="460-1"))
        assert night(root).exit_code == 0
        edit(root, "customers/subscriptions.csv", "460000000000003,business", "460000000000003,")
    assert "customers/subscriptions.csv:5: plan is empty" in refused(root, *words)


def test_a_folder_that_is_no_workspace_stays_as_it_is(tmp_path: Path) -> None:
    for words in ("run", "audit", "runs", "suspense list", "bill --period 2003-06"):
        said = refused(tmp_path, *words.split())
        assert "operator.yaml: the file cannot be read" in said
        assert f"a workspace, which {tmp_path} is not" in said
    assert list(tmp_path.iterdir()) == []


def test_warnings_do_not_refuse_and_are_told(root: Path) -> None:
    (root / "tariffs" / "forgotten.yml").write_text("plan: forgotten\n")
    done = night(root)
    assert done.exit_code == 0
    assert "warning: tariffs/forgotten.yml" in done.output


def test_a_refused_file_leaves_with_1_once(root: Path) -> None:
    (root / "inbox" / "msc" / FILE_NAME.format(9)).write_text("no,header\n")
    done = night(root)
    assert done.exit_code == 1
    assert f"refused msc/{FILE_NAME.format(9)}" in done.output
    assert night(root).exit_code == 0  # told and remembered


def test_a_lake_without_its_catalogue_is_not_charged_again(root: Path) -> None:
    catalogue = root / "catalogue.db"
    kept = catalogue.read_bytes()
    catalogue.unlink()
    done = night(root)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "the lake holds results and the catalogue knows of no run" in done.output
    catalogue.write_bytes(b"no database at all" * 100)
    done = night(root)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "the catalogue cannot be opened (file is not a database)" in done.output
    catalogue.write_bytes(kept)
    assert night(root).exit_code == 0
