"""``tollbook init``: make a new workspace, empty or with the sample operator."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from tollbook.cli.common import count

_STEPS = {
    "sample": (
        "tollbook synth -C {folder} --from 2003-06-10      make records of a day",
        "tollbook run -C {folder} --as-of 2003-06-11       rate them",
    ),
    "blank": (
        "fill in the lines with '<-', first those of {folder}/operator.yaml",
        "tollbook tariff check -C {folder}",
    ),
}


@click.command(name="init")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--sample", is_flag=True,
              help="With the sample operator: network, tariffs and made-up customers.")
@click.option("--subscribers", type=click.IntRange(1, 5_000_000), default=5000, show_default=True,
              help="Lines of the sample operator.")
@click.option("--seed", type=click.IntRange(0, 2**31), default=1, show_default=True,
              help="The same seed makes the same customers.")
@click.option("--name", help="Name of the operator.")
@click.option("--country", metavar="CN", help="Its country, two letters of ISO 3166.")
@click.option("--currency", metavar="CNY", help="Its currency, three letters of ISO 4217.")
@click.option("--time-zone", metavar="ZONE", help="Its time zone, such as Asia/Shanghai.")
@click.option("--country-code", metavar="86", help="Its country's code in telephone numbers.")
def command(
    folder: Path, sample: bool, subscribers: int, seed: int, **values: str | None
) -> None:  # fmt: skip
    """Make a new workspace in FOLDER, which must be empty or not there yet.

    Without --sample every file holds its columns, a comment on each and a first guess marked "<-";
    --name, --country, --currency, --time-zone and --country-code fill in the operator.
    """
    given = {key: value for key, value in values.items() if value is not None}
    if sample and given:
        raise click.UsageError(f"--{next(iter(given)).replace('_', '-')} does not go with "
                               "--sample: the sample operator is Harbour Mobile")
    _refuse_if_not_empty(folder)
    if sample:
        from tollbook.sample import write_sample

        write_sample(folder, subscribers, seed)
        click.echo(f"made {folder}: the sample operator Harbour Mobile with "
                   f"{count(subscribers, 'line')}")
    else:
        _write_blank(folder, given)
        click.echo(f"made {folder}: a workspace to be filled in, see the lines with '<-'")
    for name, what in (
        ("operator.yaml", "who the operator is, its sources and limits"),
        ("network/", "zones, number ranges, relations, cells, carriers, trunks"),
        ("tariffs/", "the tariff book"),
        ("layouts/", "layouts of files that do not ship"),
        ("customers/", "accounts and subscriptions"),
        ("inbox/", "files from the network, one folder a source"),
    ):
        click.echo(f"  {name:15}{what}")
    click.echo("next:")
    for step in _STEPS["sample" if sample else "blank"]:
        click.echo(f"  {step.format(folder=shlex.quote(str(folder)))}")


def _refuse_if_not_empty(folder: Path) -> None:
    from tollbook.errors import TollbookError

    if folder.exists() and any(folder.iterdir()):
        first = min(path.name for path in folder.iterdir())
        raise TollbookError(
            f"{folder}: the folder is not empty, it holds '{first}'\n"
            "    allowed: a folder that is empty or does not exist; nothing is ever overwritten\n"
            "    do: name another folder"
        )


def _write_blank(folder: Path, given: dict[str, str]) -> None:
    from tempfile import TemporaryDirectory

    from tollbook import workspace
    from tollbook.blank import Values, write_blank

    values = Values(**given)
    with TemporaryDirectory() as trial:
        # A value of the command line may be at fault: then nothing is left behind.
        write_blank(Path(trial), values)
        workspace.load_all(Path(trial))
    write_blank(folder, values)
