"""The rows of a lake, told by the names of files and not their numbers; and ``tollbook undo``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import duckdb
from click.testing import CliRunner, Result

from tollbook.cli import main
from tollbook.run import session

DATASETS: Final = (
    "rated", "legs", "ratings", "suspense", "pending", "uncharged", "duplicates", "state",
)  # fmt: skip
_IDS: Final = ("record_id", "first_record_id", "call_record_id")


def contents(root: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the lake, as its readers find them, in an order of their own."""
    work = session.open_session(root)
    names = {file.file_number: file.name for file in work.catalogue.files()}
    work.catalogue.engine.dispose()
    found = {}
    for dataset in DATASETS:
        found[dataset] = sorted(_rows(root, dataset, names), key=repr)
    return found


def _rows(root: Path, dataset: str, names: dict[int, str]) -> list[tuple[Any, ...]]:
    if not any((root / "lake" / dataset).rglob("*.parquet")):
        return []
    files = f"read_parquet('{root}/lake/{dataset}/**/*.parquet', union_by_name = true)"
    with duckdb.connect() as link:
        table = link.sql(f"select * from {files}")
        columns, rows = table.columns, table.fetchall()
    places = [at for at, column in enumerate(columns) if column in _IDS]
    return [
        tuple(
            (names.get(value >> 32, ""), value & 0xFFFFFFFF) if at in places else value
            for at, value in enumerate(row)
        )
        for row in rows
    ]


def cli(root: Path, *words: str) -> Result:
    """A command; nothing but tollbook's own messages may end it."""
    found = CliRunner().invoke(main.cli, [words[0], "-C", str(root), *words[1:]])
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found


def undo(root: Path, *words: str, as_of: str = "2003-06-12T09:00:00+08:00") -> Any:
    """An undo that succeeds, as values."""
    note = [] if "--dry-run" in words else ["--note", "wrong file", "--by", "ann"]
    done = cli(root, "undo", *words, *note, "--as-of", as_of, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refused(root: Path, *words: str) -> str:
    """What an undo that is refused says."""
    done = cli(root, "undo", *words, "--note", "wrong file")
    assert done.exit_code == 1, done.output
    return done.stderr


def release(root: Path, file_number: int) -> None:
    """The file will be read again."""
    done = CliRunner().invoke(main.cli, [
        "collection", "release", "-C", str(root), f"F{file_number}", "--note", "read it again",
    ])  # fmt: skip
    assert done.exit_code == 0, done.output
