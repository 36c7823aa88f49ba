"""``tollbook cdr convert``: a native file as tables for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from tollbook.cli.common import count


@click.command(name="convert")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", "folder", required=True, type=click.Path(file_okay=False, path_type=Path),
              help="A new or empty folder; each table becomes a file of it.")
@click.option("--format", "kind", type=click.Choice(("parquet", "csv", "jsonl")),
              default="parquet", show_default=True, help="What the tables are written as.")
def command(file: Path, folder: Path, kind: str) -> None:
    """Write every table of a native file, with the parents of its rows.

    Records are one table, each kind of repeated group in them another one; `row`, `record`,
    `parent` and `parent_row` join them. Numbers of people are written whole.
    """  # fmt: skip
    from cdr import convert, native
    from tollbook.errors import BrokenFile

    if folder.exists() and any(folder.iterdir()):
        raise click.BadParameter(f"{folder} is not empty", param_hint="--out")
    data = native.read(file)
    form = native.identify(data[: native.LOOKED_AT], len(data))
    if form is None:
        raise BrokenFile(
            str(file), "not one of the native formats", f"a file of {', '.join(native.FORMATS)}",
            "look at it with tollbook cdr identify",
        )  # fmt: skip
    tables = convert.tables(data, form, str(file))
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        convert.write(table, folder / f"{name}.{kind}", kind)
        click.echo(f"{name}.{kind}: {count(table.num_rows, 'row')}")
