"""What the commands of ``tollbook cdr`` do with files that a layout reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tollbook.cli.common import count

if TYPE_CHECKING:
    from cdr.layout import AnyLayout

F = TypeVar("F", bound=Callable[..., Any])
FORMATS = ("tap", "rap", "nrtrde", "ts32297", "ts32298")
MISSING = "not one of the native formats, and no layout that ships reads it alone"


def layout_options(function: F) -> F:
    """``--layout`` and ``--time-zone``."""
    named = click.option(
        "--layout", "layout_name", metavar="NAME",
        help="Read it by a layout: one that ships, or a file .yaml.",
    )  # fmt: skip
    zoned = click.option(
        "--time-zone", "zone", default="UTC", show_default=True, metavar="ZONE",
        help="With a layout, for times that name none; such as Asia/Shanghai.",
    )  # fmt: skip
    decorated: F = named(zoned(function))
    return decorated


def chosen(file: Path, name: str | None, zone: str) -> AnyLayout | None:
    """The layout that was named, or the only one that ships and fits; None: there is none."""
    from cdr import by_layout
    from tollbook import clock

    try:
        clock.zone_table(zone)
    except KeyError as error:
        raise click.BadParameter(
            f"'{zone}' is no time zone; write a name such as Asia/Shanghai",
            param_hint="--time-zone",
        ) from error
    if name:
        return by_layout.named(name)
    found = by_layout.fits(file)
    return by_layout.named(found[0].layout) if len(found) == 1 else None


def dump(file: Path, found: AnyLayout, zone: str, limit: int, as_json: bool) -> None:
    """Prints the records of a file, one block of lines each, or one JSON object a line."""
    from cdr import by_layout

    if not as_json:
        click.echo(f"records as layout '{found.name}' reads them")
    for number, one in enumerate(by_layout.records(file, found, zone)):
        if number == limit:
            click.echo(f"... more follows; --limit {limit} records are shown", err=True)
            break
        click.echo(_as_json(one) if as_json else _as_text(one))


def _as_text(one: dict[str, Any]) -> str:
    where = f", {one['field']}" if one["field"] else ""
    lines = [f"{one['at']:>9}  record {one['record']}: {one['reason']}{where}"]
    lines += [f"{'':>9}    {name} = {_plain(value)}" for name, value in one["values"].items()]
    if "raw_record" in one:
        lines.append(f"{'':>9}    found: {_plain(_text(one['raw_value']))}")
        lines.append(f"{'':>9}    bytes: {_plain(_text(one['raw_record']))}")
    return "\n".join(lines)


def _as_json(one: dict[str, Any]) -> str:
    raw = {name: _text(one[name]) for name in ("raw_value", "raw_record") if name in one}
    return json.dumps(one | raw, ensure_ascii=False)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _plain(value: object) -> str:
    """A value on one line of a terminal, whatever bytes the file has."""
    from tollbook.errors import printable

    return printable(str(value))


def convert(file: Path, found: AnyLayout, zone: str, folder: Path, kind: str) -> None:
    """Writes the records as one table ``cdr``, and the bytes of bad ones as ``rejected``."""
    from cdr import by_layout, table_files

    writers = {name: table_files.Writer(folder / f"{name}.{kind}", kind)
               for name in ("cdr", "rejected")}  # fmt: skip
    for result in by_layout.results(file, found, zone):
        writers["cdr"].write(by_layout.readable(result.batch))
        if result.rejected is not None:
            writers["rejected"].write(by_layout.numbered(result.rejected))
    for name, writer in writers.items():
        writer.close()
        if writer.rows:
            click.echo(f"{name}.{kind}: {count(writer.rows, 'row')}")
