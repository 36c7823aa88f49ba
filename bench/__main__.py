"""``python -m bench``: measure, print the figures, write them for programs and for the README."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from bench import data, machine, table
from bench.measure import ROOT, Figure
from bench.options import Options
from tollbook.run import memory

# Imported when they are measured; each has figures(options).
CASES: Final = {
    "decode": "bench.cases_decode",
    "rating": "bench.cases_rating",
    "stateful": "bench.cases_stateful",
    "night": "bench.cases_night",
    "night_stateful": "bench.cases_night_stateful",
    "compile": "bench.cases_compile",
    "book": "bench.cases_book",
    "price": "bench.cases_price",
    "bills": "bench.cases_bills",
    "native": "bench.cases_native",
    "duplicates": "bench.cases_duplicates",
    "simulate": "bench.cases_simulate",
}
USUAL: Final = ("decode", "rating", "stateful", "book", "price", "night", "night_stateful",
                "compile", "native", "duplicates", "simulate")


@click.command()
@click.option("--records", type=click.IntRange(1000), default=1_000_000, show_default=True,
              help="Records of the night.")
@click.option("--subscribers", type=click.IntRange(500), help="Lines; a twentieth of the records, "
              "at most 500,000, by default.")
@click.option("--repeat", type=click.IntRange(1), default=3, show_default=True,
              help="Runs of each; the median counts.")
@click.option("--only", multiple=True, type=click.Choice(tuple(CASES)), help="May be repeated.")
@click.option("--bills", is_flag=True, help="Also a bill run of as many charge rows.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the figures to this file, for programs.")
@click.option("--from", "earlier", multiple=True, metavar="FILE",
              type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Figures of an earlier run (--json) of the same machine and records, for the "
                   "table; alone, nothing is measured. May be repeated, the last one counts.")
@click.option("--readme", is_flag=True, help="Write the table into README.md.")
@click.option("--workdir", type=click.Path(file_okay=False, path_type=Path),
              default=Path(tempfile.gettempdir()) / "tollbook-bench", show_default=True,
              help="Where input is made and kept.")
def main(
    records: int, subscribers: int | None, repeat: int, only: tuple[str, ...], bills: bool,
    workdir: Path, **shown: Any,
) -> None:  # fmt: skip
    """Measure tollbook beside pyarrow.csv, Polars and DuckDB, on the same files in one run."""
    json_file, earlier, readme = (shown[name] for name in ("json_file", "earlier", "readme"))
    workdir.mkdir(parents=True, exist_ok=True)
    memory.keep_freed_memory()  # as every run does
    chosen = only or (() if earlier else USUAL) + (("bills",) if bills else ())
    made = data.prepare(workdir, records, subscribers, say=_say)
    about = machine.describe()
    click.echo(machine.in_words(about))
    click.echo(f"{made.records:,} records in {len(made.files)} files of "
               f"{made.size_bytes / 2**20:,.0f} MiB, {made.subscribers:,} lines")  # fmt: skip
    options = Options(made, workdir, repeat, about["cores"], _say)
    found = table.earlier(earlier, about, made.records)
    for name in chosen:
        measure: Callable[[Options], list[Figure]] = import_module(CASES[name]).figures
        figures = measure(options)
        click.echo("\n".join(table.lines(figures)))
        found |= {figure.name: figure for figure in figures}
    if json_file is not None:
        json_file.write_text(json.dumps({
            "machine": about, "records": made.records, "size_bytes": made.size_bytes,
            "subscribers": made.subscribers, "repeat": repeat,
            "figures": [figure.as_dict() for figure in found.values()],
        }, indent=1) + "\n", encoding="utf-8")  # fmt: skip
    if readme:
        text = table.markdown([*found.values()], about, made.records, made.size_bytes)
        table.write_into(ROOT / "README.md", text)


def _say(text: str) -> None:
    click.echo(text, err=True)


if __name__ == "__main__":
    main()
