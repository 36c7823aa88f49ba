"""``tollbook undo``: withdraw all that a file, or a night, has done."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tollbook.cli.common import (
    AS_OF_HELP,
    count,
    json_option,
    parse_as_of,
    print_json,
    workspace_option,
)
from tollbook.cli.suspense_choice import NOTE_HELP, who_option

if TYPE_CHECKING:
    from tollbook.run.undo import Undone


@click.command(name="undo")
@workspace_option
@json_option
@click.option("--as-of", help=AS_OF_HELP)
@who_option
@click.option("--note", help=f"{NOTE_HELP} Needed unless --dry-run.")
@click.option("--dry-run", is_flag=True, help="Show what would go, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask on a terminal.")
@click.argument("what", nargs=-1, required=True, metavar="FILE | run NUMBER")
def command(
    folder: Path, as_json: bool, as_of: str | None, who: str, note: str | None, dry_run: bool,
    yes: bool, what: tuple[str, ...],
) -> None:  # fmt: skip
    """Withdraw all that a file or a night has done.

    `F17` names a file, `run 12` all files that a night has read. Their rated records, legs,
    suspense and keys of duplicates leave the lake, while their months are open. What was not
    charged because of them is rated. A file may be read again afterwards.
    """
    from tollbook.run import progress, session, suspense_log, undo, undo_choice

    named = " ".join(what)
    undo_choice.parse(named)
    if not dry_run and not suspense_log.is_note(note or ""):
        raise click.BadParameter(f"write {suspense_log.NOTE_RULE}", param_hint="--note")
    with progress.shown(quiet=as_json) as shown:
        work = session.open_session(folder, shown)
        moment = parse_as_of(as_of)
        asks = sys.stdin.isatty() and not yes and not as_json
        if dry_run or asks:
            planned = undo.look(work, named)
    if dry_run:
        print_json(_as_dict(planned)) if as_json else click.echo(_screen(planned, work))
        return
    if asks:
        click.echo(_screen(planned, work))
        click.confirm("withdraw all of this?", abort=True)
    with progress.shown(quiet=as_json) as shown:
        work.progress = shown
        done = undo.run(work, named, note or "", who, moment)
    print_json(_as_dict(done)) if as_json else click.echo(_screen(done, work))


def _as_dict(done: Undone) -> dict[str, Any]:
    from tollbook.clock import period_text
    from tollbook.money import format_micro

    return {
        "run": done.run_number,
        "what": done.what,
        "files": [
            {"file": f"F{one.file_number}", "source": one.source, "name": one.name,
             "records": one.rows} for one in done.files
        ],
        "records": done.records,
        "charge": {period_text(month): format_micro(micro)
                   for (month, _), micro in done.charge_micro.items()},
        "legs": [
            {"period": period_text(month), "direction": way, "charge": format_micro(micro)}
            for (month, way), micro in done.leg_micro.items()
        ],
        "again": done.again,
        "fates": done.fates,
        "rerate": period_text(done.rerate_period) if done.rerate_period else "",
        "seconds": round(done.elapsed_ms / 1000, 1),
    }  # fmt: skip


def _screen(done: Undone, work: Any) -> str:
    from tollbook.clock import period_text
    from tollbook.errors import printable
    from tollbook.money import format_micro

    currency = work.workspace.operator.currency
    verb = "withdrawn" if done.run_number else "to withdraw"
    lines = [f"{done.what}: {count(sum(done.records.values()), 'record')} of "
             f"{count(len(done.files), 'file')} {verb}"]  # fmt: skip
    lines += [f"    F{one.file_number}  {one.source}/{printable(one.name)}" for one in done.files]
    lines += [f"  {name:<14}{rows:>12,}" for name, rows in done.records.items()]
    lines += [f"  charged in {period_text(month)}: {format_micro(micro)} {currency}"
              for (month, _), micro in done.charge_micro.items()]  # fmt: skip
    owed = {"out": "we pay", "in": "they pay"}
    lines += [f"  legs of {period_text(month)}, {owed.get(way, way)}: {format_micro(micro)} "
              f"{currency}" for (month, way), micro in done.leg_micro.items()]  # fmt: skip
    if any(done.again.values()):
        lines.append(
            f"  of other files: {count(done.again['duplicates'], 'duplicate')} and "
            f"{count(done.again['parts'], 'part')} of calls "
            + ("rated again: " + ", ".join(f"{rows:,} {name}" for name, rows in done.fates.items())
               if done.run_number else "to be rated again")
        )  # fmt: skip
    if done.rerate_period:
        first = period_text(done.rerate_period)
        lines.append("  they had used balances; what others paid because of it stays until "
                     f"`tollbook rerate --period {first}` works it out again")  # fmt: skip
    if done.run_number:
        lines.append(f"run {done.run_number}; to read a file again as it is: "
                     f"`tollbook collection release F{done.files[0].file_number}`")  # fmt: skip
    return "\n".join(lines)
