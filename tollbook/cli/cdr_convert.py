"""``tollbook cdr convert``: a native file as tables for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from tollbook.cli import cdr_text
from tollbook.cli.common import count


@click.command(name="convert")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", "folder", required=True, type=click.Path(file_okay=False, path_type=Path),
              help="A new or empty folder; each table becomes a file of it.")
@click.option("--format", "kind", type=click.Choice(("parquet", "csv", "jsonl")),
              default="parquet", show_default=True, help="What the tables are written as.")
@cdr_text.layout_options
def command(
    file: Path, folder: Path, kind: str, layout_name: str | None, zone: str
) -> None:
    """Write every table of a file, with the parents of its rows.

    Records are one table, each kind of repeated group in them another one; `row`, `record`,
    `parent` and `parent_row` join them. With a layout, and of text, there is one table `cdr` of
    records as a night reads them, and one `rejected` with the bytes of those that it cannot read.
    Numbers of people are written whole.
    """  # fmt: skip
    from cdr import convert, native
    from tollbook.errors import BrokenFile

    if folder.exists() and any(folder.iterdir()):
        raise click.BadParameter(f"{folder} is not empty", param_hint="--out")
    form = None if layout_name else native.head_of(file).format
    if form is None:
        found = cdr_text.chosen(file, layout_name, zone)
        if found is not None:
            cdr_text.convert(file, found, zone, folder, kind)
            return
        raise BrokenFile(
            str(file), cdr_text.MISSING,
            f"a file of {', '.join(native.FORMATS)}, or text and its layout",
            "name the layout with --layout; tollbook cdr identify says which ones fit",
        )  # fmt: skip
    data = native.read(file)
    tables = convert.tables(data, form, str(file))
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        convert.write(table, folder / f"{name}.{kind}", kind)
        click.echo(f"{name}.{kind}: {count(table.num_rows, 'row')}")
