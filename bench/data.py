"""What is measured on: an operator and one night's files, made once and kept for later runs.

The operator is the sample with a tariff book of 50 plans and 54,000 number ranges. The files are of
layout ``tollbook``, as several switches would deliver them, with all that goes wrong in real ones:
0.2 % of the rows cannot be decoded, others are too old, come twice or belong to nobody.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from bench import book
from cdr import layout, synth
from cdr.layout_types import Layout
from cdr.synth import SynthSpec
from tollbook import sample, workspace

DAY: Final = date(2003, 6, 10)
AS_OF: Final = "2003-06-11T02:00:00+08:00"
SOURCE: Final = "msc-east"
RECORDS_A_FILE: Final = 2_500_000
EXTENSIONS: Final = 72  # longer prefixes below each block of mobile numbers: 54,000 in all
MOVED_OF: Final = 3  # one of so many of them belongs to another city
TARIFFS_ONE: Final = "tariffs-one"  # the book whose calls have one component


@dataclass(frozen=True)
class Data:
    """A workspace with its night in the inbox, and the truth about it.

    truth: the synthesiser's JSON, see ``cdr.synth_truth``. truth_csv: the rows that go wrong.
    """

    root: Path
    files: tuple[Path, ...]
    records: int  # rows of the files, those that fail and copies included
    size_bytes: int
    subscribers: int
    truth: dict[str, Any]
    truth_csv: Path

    def layout(self) -> Layout:
        """The layout of all files."""
        found = layout.shipped("tollbook")
        assert isinstance(found, Layout)
        return found


def subscribers_for(records: int) -> int:
    """Lines that make so many records in a day: 20 each, at most half a million lines."""
    return min(500_000, max(500, records // 20))


def prepare(
    workdir: Path, records: int, subscribers: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Data:  # fmt: skip
    """The input of ``records`` records; made unless the folder has it from an earlier run."""
    lines = subscribers or subscribers_for(records)
    root = workdir / f"night-{records}-{lines}-{_sources_digest()}"
    if not (root / "made").is_file():
        say(f"making {records:,} records of {lines:,} lines")
        for stale in workdir.glob(f"night-{records}-{lines}-*"):
            shutil.rmtree(stale)
        _make(root, records, lines)
        (root / "made").touch()
    files = tuple(sorted((root / "inbox" / SOURCE).iterdir()))
    truth = json.loads((root / "truth" / "night.json").read_text("utf-8"))
    return Data(
        root, files, int(truth["totals"]["rows"]), sum(file.stat().st_size for file in files),
        lines, truth, root / "truth" / "night.csv",
    )  # fmt: skip


def fresh_copy(data: Data, target: Path) -> Path:
    """The workspace before its night, as hard links: nothing in it is ever changed in place."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(data.root, target, copy_function=os.link)
    return target


def _sources_digest() -> str:
    """Changes when what makes the input changes."""
    digest = hashlib.sha256()
    top = Path(__file__).parents[1]
    for path in sorted([*top.glob("bench/[bd]*.py"), *top.glob("cdr/synth*.py"),
                        top / "tollbook/sample.py"]):  # fmt: skip
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _make(root: Path, records: int, lines: int) -> None:
    sample.write_sample(root, lines)
    for path in (root / "tariffs").iterdir():
        if path.name != "taxes.yaml":
            path.unlink()
    book.write(root / "tariffs", components=3)
    book.write(root / TARIFFS_ONE, components=1)
    _spread_over_plans(root / "customers" / "subscriptions.csv")
    _add_ranges(root / "network")
    spec = SynthSpec(
        records, DAY, sources=(SOURCE,), files_per_night=max(1, records // RECORDS_A_FILE)
    )
    space, network, customers = workspace.load_all(root)
    synth.write_month(
        space, network, customers, root / "inbox", spec, root / "truth" / "night.csv"
    )


def _spread_over_plans(path: Path) -> None:
    """Every row of subscriptions.csv gets one of the 50 plans."""
    with path.open("rb") as file:
        names = file.readline().decode().rstrip().split(",")
    options = pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    table = pacsv.read_csv(path, convert_options=options)
    plan = np.random.Generator(np.random.PCG64(50)).integers(0, len(book.PLANS), table.num_rows)
    column = pa.array(book.PLANS).take(pa.array(plan))
    table = table.set_column(names.index("plan"), "plan", column)
    with path.open("wb") as file:
        file.write(",".join(names).encode() + b"\n")
        options = pacsv.WriteOptions(include_header=False, quoting_style="none")
        pacsv.write_csv(table, file, options)


def _add_ranges(network: Path) -> None:
    """Longer prefixes below the mobile blocks, some of them of another city: as after years of
    numbers that moved."""
    path = network / "number_ranges.csv"
    blocks = [line.split(",") for line in path.read_text("utf-8").splitlines()
              if line.startswith("861") and len(line.split(",")[0]) == 9
              and line.endswith(",,")]  # fmt: skip
    zones = sorted({zone for _, zone, *_ in blocks})
    rng = np.random.Generator(np.random.PCG64(54))
    moves = rng.integers(0, MOVED_OF, (len(blocks), EXTENSIONS)) == 0
    cities = rng.integers(0, len(zones), (len(blocks), EXTENSIONS))
    with path.open("a", encoding="utf-8") as file:
        for block, (prefix, zone, carrier, *_) in enumerate(blocks):
            for extension in range(EXTENSIONS):
                city = zones[cities[block, extension]] if moves[block, extension] else zone
                file.write(f"{prefix}{extension:02d},{city},{carrier},,\n")
