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
    its beginning.
    """  # fmt: skip
    found = [_about(path) for path in files]
    if as_json:
        print_json(found)
        return
    for one in found:
        packed = "" if one["compression"] == "plain" else f", {one['compression']}"
        size = count(one["size_bytes"], "byte")
        source = f" ({one['source']})" if one["format"] else ""
        click.echo(f"{one['file']}: {one['title']}{source}{packed}, {size}")
        if one["problem"]:
            click.echo(f"    {one['problem']}")
        for fit in one["layouts"]:
            good = f"{fit['records'] - fit['bad']} of {count(fit['records'], 'record')}"
            click.echo(f"    layout {fit['layout']} reads {good}")


def _about(path: Path) -> dict[str, Any]:
    import numpy as np

    from cdr import by_layout, native
    from cdr.files import open_stored
    from tollbook.errors import printable

    room = np.empty(native.LOOKED_AT, np.uint8)
    with open_stored(path) as stream:
        head = room[: stream.read_into(room)].tobytes()
        compression = stream.compression
    size = path.stat().st_size
    is_plain = compression == "plain"
    found = native.identify(head, size if is_plain else None)
    other = "text" if native.is_text(head) else "not known"
    if not head:
        other = "empty"
    is_text = bool(head) and found is None and other == "text"
    return {
        "file": printable(str(path)), "format": found.name if found else "",
        "title": found.title if found else other, "source": found.source if found else "",
        "compression": compression, "size_bytes": size,
        "problem": _problem(head, size) if is_plain and found is native.FRAMED else "",
        "layouts": [asdict(fit) for fit in by_layout.fits(path)] if is_text else [],
    }  # fmt: skip


def _problem(head: bytes, size_bytes: int) -> str:
    """What is wrong with the length of a framed file."""
    from cdr import framing

    stated = framing.stated_bytes(head)
    if stated in (-1, size_bytes):
        return ""
    what = "cut off" if size_bytes < stated else "more follows than belongs to it"
    return f"{what}: its header says {count(stated, 'byte')}"
