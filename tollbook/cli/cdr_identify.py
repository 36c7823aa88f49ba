"""``tollbook cdr identify``: what a file is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from tollbook.cli.common import count, json_option, print_json


@click.command(name="identify")
@click.argument("files", nargs=-1, required=True,
                type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def command(files: tuple[Path, ...], as_json: bool) -> None:
    """Say what files are, by their bytes.

    Names are never looked at. Of text, those layouts are named that ship and read most records of
    its beginning. Exit code 1: a file is broken.
    """  # fmt: skip
    found = [_about(path) for path in files]
    if as_json:
        print_json(found)
    else:
        _show(found)
    if any(one["broken"] for one in found):
        raise SystemExit(1)


def _show(found: list[dict[str, Any]]) -> None:
    for one in found:
        packed = "" if one["compression"] in ("", "plain") else f", {one['compression']}"
        size = count(one["size_bytes"], "byte")
        source = f" ({one['source']})" if one["format"] else ""
        click.echo(f"{one['file']}: {one['title']}{source}{packed}, {size}")
        if one["problem"]:
            click.echo(f"    {one['problem']}")
        for fit in one["layouts"]:
            good = f"{fit['records'] - fit['bad']} of {count(fit['records'], 'record')}"
            click.echo(f"    layout {fit['layout']} reads {good}")


def _about(path: Path) -> dict[str, Any]:
    """What a file is; of one that cannot be expanded, why."""
    from cdr import by_layout, native
    from tollbook.errors import BrokenFile, printable

    about = {"file": printable(str(path)), "format": "", "title": "", "source": "",
             "compression": "", "size_bytes": path.stat().st_size, "problem": "", "layouts": [],
             "broken": False}  # fmt: skip
    try:
        head = native.head_of(path)
        found = head.format
        about |= {"compression": head.compression, "title": head.kind}
        if found is not None:
            about |= {"format": found.name, "title": found.title, "source": found.source}
        elif head.kind == "text":
            about["layouts"] = [asdict(fit) for fit in by_layout.fits(path)]
        if found is native.FRAMED and head.size_bytes is not None:
            about["problem"] = _problem(path, head.data, head.size_bytes)
    except BrokenFile as error:
        about |= {"title": "broken", "problem": str(error), "broken": True}
    return about


def _problem(path: Path, head: bytes, size_bytes: int) -> str:
    """What is wrong with the length of a framed file; filler may follow."""
    from cdr import framing, native

    stated = framing.stated_bytes(head)
    if stated in (-1, size_bytes):
        return ""
    if size_bytes < stated:
        return f"cut off: its header says {count(stated, 'byte')}"
    with path.open("rb") as stream:
        stream.seek(stated)
        while part := stream.read(native.PART_BYTES):
            if part.strip(native.FILLER):
                return f"more follows than belongs to it: its header says {count(stated, 'byte')}"
    return ""
