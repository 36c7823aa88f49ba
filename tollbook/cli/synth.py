"""``tollbook synth``: CDR files of any size, with the truth about every row beside them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tollbook.cli.common import count, json_option, print_json, table, workspace_option

if TYPE_CHECKING:
    from cdr.synth import SynthReport
    from cdr.synth_faults import Rates
    from tollbook.workspace import Workspace

F = TypeVar("F", bound=Callable[..., Any])
_HUNDRED_PERCENT_PPM = 1_000_000
_MEDIATED_PPM = 500  # of each kind that the workspace looks for, unless an option says otherwise


def share_ppm(ctx: click.Context, option: click.Parameter, text: str | None) -> int | None:
    """``0.2%`` as parts per million, exactly: four decimals of a percent are one of them."""
    from tollbook.money import parse_decimal

    if text is None:
        return None
    found = parse_decimal(text.removesuffix("%"), 4)
    if found is None or not 0 <= found <= _HUNDRED_PERCENT_PPM:
        raise click.BadParameter(f"'{text}' is no share; write 0.2%, with at most 4 decimals")
    return found


def day(ctx: click.Context, option: click.Parameter, text: str) -> date:
    """``2003-06-10`` as a day of the operator's calendar."""
    from tollbook.clock import parse_date

    found = parse_date(text)
    if found is None:
        raise click.BadParameter(f"'{text}' is no day; write 2003-06-10")
    return found


def share_option(name: str, default: str | None, help_text: str) -> Callable[[F], F]:
    """An option that takes a share of all rows; None: it depends on the workspace."""
    shown = default is not None or "0.05% where operator.yaml has the section"
    return click.option(name, callback=share_ppm, metavar="PERCENT", default=default,
                        show_default=shown, help=help_text)  # fmt: skip


@click.command(name="synth")
@workspace_option
@click.option("--records", type=click.IntRange(0), default=100_000, show_default=True,
              help="Records in all, copies not counted.")
@click.option("--from", "first_day", callback=day, metavar="DAY", required=True,
              help="The first day, YYYY-MM-DD.")
@click.option("--days", type=click.IntRange(1, 366), default=1, show_default=True)
@click.option("--source", "sources", multiple=True,
              help="A source of operator.yaml; may be repeated. All of them by default.")
@click.option("--files", type=click.IntRange(1, 288), default=4, show_default=True,
              help="Files of each source and day.")
@click.option("--gzip-every", type=click.IntRange(0), default=0, show_default=True,
              help="Compress every n-th file; 0: none.")
@share_option("--bad", "0.2%", "Rows that cannot be decoded.")
@share_option("--beyond-limits", "0.1%", "Rows too old, in the future, too long, or empty.")
@share_option("--duplicates", "0.1%", "Rows that come a second time.")
@share_option("--unknown", "0.1%", "Rows of numbers without a subscription.")
@share_option("--inactive", "0.05%", "Rows of suspended or closed subscriptions.")
@share_option("--overlapping", None, "Rows that another row of the same call covers.")
@share_option("--ultra-short", None, "First calls of runs of very short ones.")
@share_option("--split", None, "Long calls that come in several rows.")
@share_option("--by-rule", None, "Rows that each rule with numbers discards or filters.")
@click.option("--gaps", type=click.IntRange(0), default=0, show_default=True,
              help="Files of each source that are left out: gaps in its sequence.")
@click.option("--late", type=click.IntRange(0), default=0, show_default=True,
              help="Files of each source that come two nights late.")
@click.option("--sent-again", type=click.IntRange(0), default=0, show_default=True,
              help="Files of each source that come a second time as they are, under another name.")
@click.option("--cut-again", type=click.IntRange(0), default=0, show_default=True,
              help="Files of each source that hold the rows of two earlier files once more.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True,
              help="The same seed makes the same bytes.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path),
              help="Where to write <source>/<file>; the workspace's inbox by default.")
@click.option("--truth", type=click.Path(dir_okay=False, path_type=Path),
              help="CSV of the rows that will not be rated; out/synth-<day>.csv by default.")
@click.option("--threads", type=click.IntRange(1, 256), default=2, show_default=True)
@json_option
def command(folder: Path, as_json: bool, **options: Any) -> None:
    """Make CDR files of any size, as the sources of a workspace would deliver them.

    Lines, numbers, cells and trunks are those of the workspace. A share of the rows is made to
    fail; a CSV of what becomes of each of them, and totals as JSON, are written beside.
    """
    from cdr import synth
    from cdr.synth_again import Again
    from tollbook import workspace
    from tollbook.run import progress

    began = time.monotonic()
    space, network, customers = workspace.load_all(folder)
    spec = synth.SynthSpec(
        records=options["records"], first_day=options["first_day"], days=options["days"],
        seed=options["seed"], sources=options["sources"], files_per_night=options["files"],
        gzip_every=options["gzip_every"], threads=options["threads"],
        rates=_rates(space, options),
        again=Again(options["gaps"], options["late"], options["sent_again"], options["cut_again"]),
    )  # fmt: skip
    truth = options["truth"] or space.out / f"synth-{spec.first_day}.csv"
    out = options["out"] or space.root / "inbox"
    with progress.shown(quiet=as_json) as shown:
        shown.start("making records", spec.records)
        report = synth.write_month(space, network, customers, out, spec, truth, shown.advance)
        shown.stop()
    seconds = time.monotonic() - began
    if as_json:
        print_json(as_dict(report, seconds))
    else:
        click.echo(screen(report, seconds))


def _rates(space: Workspace, options: dict[str, Any]) -> Rates:
    """The shares that the options name; what the workspace looks for is made unasked."""
    from cdr.synth_faults import Rates
    from cdr.synth_mediated import looked_for
    from cdr.synth_rules import numbers_of

    found = looked_for(space) | {"by_rule": bool(numbers_of(space.mediation.rules))}
    mediated = {
        f"{name}_ppm": options[name] if options[name] is not None else _MEDIATED_PPM * is_on
        for name, is_on in found.items()
    }
    return Rates(
        bad_ppm=options["bad"], limits_ppm=options["beyond_limits"],
        duplicates_ppm=options["duplicates"], unknown_ppm=options["unknown"],
        inactive_ppm=options["inactive"], **mediated,
    )  # fmt: skip


def as_dict(report: SynthReport, seconds: float) -> dict[str, Any]:
    """What was made, for programs."""
    return {
        "records": report.rows,
        "bytes": report.size_bytes,
        "seconds": round(seconds, 3),
        "dispositions": report.dispositions,
        "truth": str(report.truth),
        "files": [
            {"night": str(file.night), "source": file.source, "path": str(file.path),
             "records": file.rows, "bytes": file.size_bytes, "again": file.again}
            for file in report.files
        ],
    }  # fmt: skip


def screen(report: SynthReport, seconds: float) -> str:
    """What was made, for people."""
    rows = [(name, f"{rows:,}") for name, rows in report.dispositions.items() if rows]
    return "\n".join([
        f"{count(report.rows, 'record')} in {count(len(report.files), 'file')}, "
        f"{report.size_bytes / 2**20:,.1f} MiB, in {seconds:.1f} s "
        f"({report.rows / max(seconds, 0.001):,.0f} records/s)",
        table(("expected fate", "records"), rows, right="1"),
        f"the truth about every row that is not plainly rated: {report.truth}",
    ])  # fmt: skip
