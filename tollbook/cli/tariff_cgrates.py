"""``tollbook tariff import cgrates``: a CGRateS tariff plan as a tariff book."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tollbook.cli.common import count, json_option, print_json

if TYPE_CHECKING:
    from tariffs.cgrates import Import

REPORT = "import.txt"


@click.command(name="cgrates")
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path), required=True,
              help="Folder of the book; made if it does not exist.")  # fmt: skip
@click.option("--rounding", type=click.Choice(["exact", "cgrates_compat"]), default="exact",
              show_default=True,
              help="One rounding a call, or each increment too, as CGRateS does.")  # fmt: skip
@click.option("--decimals", type=click.IntRange(0, 9), default=5, show_default=True,
              help="With cgrates_compat: its rounding_decimals.")  # fmt: skip
@click.option("--currency", default="EUR", show_default=True, help="Currency of the prices.")
@click.option("--time-zone", default="UTC", show_default=True, help="Clock of the timings.")
@click.option("--service", type=click.Choice(["voice", "video", "data", "sms", "mms", "event"]),
              default="voice", show_default=True, help="What rate profiles (1.0) are for.")
@click.option("--partial", is_flag=True, help="Write plans although rows of theirs were dropped.")
@click.option("--strict", is_flag=True, help="Exit with 1 if any row was not imported.")
@json_option
@click.pass_context
def cgrates_import(
    ctx: click.Context, /, source: Path, out: Path, partial: bool, strict: bool, as_json: bool,
    **how: Any,
) -> None:  # fmt: skip
    """Read the CSV files of a CGRateS tariff plan and write them as a tariff book.

    Every row that is not imported is listed on the screen and in OUT/import.txt. A plan whose
    prices need such a row is not written, unless --partial says so; the exit code is then 1.
    """
    from tariffs import cgrates
    from tariffs.cgrates_prices import Rounding

    is_compat = how["rounding"] == "cgrates_compat"
    rounding = Rounding(how["decimals"] if is_compat else -1)
    done = cgrates.load(source, rounding, how["service"])
    texts = cgrates.texts(done, how["currency"], how["time_zone"], partial)
    out.mkdir(parents=True, exist_ok=True)
    report = screen(done, partial, len(texts))
    for name, text in {**texts, REPORT: f"{report}\n".encode()}.items():
        (out / name).write_bytes(text)
    if as_json:
        print_json(as_dict(done, texts))
    else:
        click.echo(report)
    if (done.refused and not partial) or (strict and done.dropped):
        ctx.exit(1)


def as_dict(done: Import, texts: dict[str, bytes]) -> dict[str, Any]:
    """The outcome for programs."""
    return {
        "files": sorted(texts),
        "refused": sorted(done.refused),
        "findings": [
            {"file": one.file, "line": one.line, "kind": one.kind, "text": one.text}
            for one in done.findings
        ],
    }


def screen(done: Import, partial: bool, written: int) -> str:
    """The outcome for people: every finding, the plans refused, what was written."""
    lines = [str(finding) for finding in done.findings]
    what = "written without them (--partial)" if partial else "not written"
    lines.extend(f"plan {plan}: {what}: rows that its prices need were dropped"
                 for plan in sorted(done.refused))  # fmt: skip
    lines.append(f"{count(written, 'file')} written, {count(done.dropped, 'row')} not imported")
    return "\n".join(lines)
