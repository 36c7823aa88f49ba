"""A night that leaves nine records in suspense, and the commands that a clerk empties it with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import calls
from calls import ANN, BOB, FRIEND, NOBODY, Call, Lake
from click.testing import CliRunner, Result

from tollbook.cli import main


def padded(text: str) -> str:
    """The beginning of a row with empty cells up to its end."""
    return text + "," * (calls.HEADER.count(",") - text.count(","))


SATELLITE = "+881612345678"  # a prefix that number_ranges.csv lacks
BEGIN = f"{ANN},{FRIEND},2003-06-10T10:00:00+08:00"
CUT = f"{ANN},{FRIEND},2003-06-10T12:00"  # a row that was cut off
TWICE_WRONG = padded(f"{BOB},{FRIEND},noon,many,voice,out")
AS_OF = "2003-06-12T09:00:00+08:00"
# Line -> why it waits; the night rates line 2 alone: a minute for 0.60.
WAITING = {
    3: "subscription_missing", 4: "start_in_future", 5: "integer_malformed",
    6: "number_range_missing", 7: "duration_too_long", 8: "served_number_malformed",
    9: "columns_too_few", 10: "time_malformed", 11: "start_too_old",
}  # fmt: skip


def make(root: Path) -> Path:
    """The workspace after its night."""
    calls.make(root)
    path = calls.deliver(
        root, 1,
        Call(),
        Call(served=NOBODY, call_ref="-1+1"),
        Call(start="2003-06-12T10:00:00+08:00"),
        Call(duration="long"),
        Call(served=BOB, other=SATELLITE),
        Call(start="2003-06-09T10:00:00+08:00", duration=40_000),
        Call(served="12", duration=61),
    )  # fmt: skip
    old = Call(start="2003-01-02T10:00:00+08:00").line
    path.write_bytes(path.read_bytes() + f"{CUT}\n{TWICE_WRONG}\n{old}\n".encode())
    assert calls.run(root).dispositions["suspended"] == len(WAITING)
    return root


def call(root: Path, *words: str) -> Result:
    """A command on suspense; nothing but tollbook's own messages may end it."""
    found = CliRunner().invoke(main.cli, ["suspense", words[0], "-C", str(root), *words[1:]])
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found


def said(root: Path, *words: str) -> str:
    """What a command that succeeds prints."""
    found = call(root, *words)
    assert found.exit_code == 0, found.output
    return found.stdout


def told(root: Path, *words: str) -> Any:
    """The same as values."""
    return json.loads(said(root, *words, "--json"))


def refused(root: Path, *words: str) -> str:
    """What a command that is refused says."""
    found = call(root, *words)
    assert found.exit_code == 1, found.output
    return found.stderr


def correct(root: Path, line: int, *values: str) -> Any:
    """Correct fields of a line of the first file, as Ann."""
    pairs = [word for value in values for word in ("--set", value)]
    return told(root, "correct", f"F1-{line}", *pairs, "--note", "by hand", "--by", "ann",
                "--as-of", AS_OF)  # fmt: skip


def retry(root: Path, *words: str, as_of: str = AS_OF) -> Any:
    return told(root, "retry", "--as-of", as_of, "--by", "bob", *words)


def waiting(root: Path) -> dict[int, str]:
    """Line -> why it waits, as the lake's readers find it."""
    rows = Lake(root).rows("suspense", "record_id, reason")
    return {record & 0xFFFFFFFF: reason for record, reason in rows}


def row(root: Path, dataset: str, line: int, columns: str, file_number: int = 1) -> tuple:
    """Columns of the one row of a record."""
    [found] = Lake(root).rows(dataset, columns, where=f"record_id = {(file_number << 32) + line}")
    return found
