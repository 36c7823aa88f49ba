"""``tollbook cdr dump``: a file of records, readably."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tollbook.cli import cdr_text

if TYPE_CHECKING:
    from cdr.ber_tree import Element
    from cdr.native import Format


@click.command(name="dump")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "name", type=click.Choice(cdr_text.FORMATS),
              help="Read it as this format, whatever its first bytes say.")
@cdr_text.layout_options
@click.option("--limit", type=click.IntRange(1), default=2_000, show_default=True,
              help="Elements, or records of text, to print.")
@click.option("--json", "as_json", is_flag=True,
              help="Print one JSON object for each element or record.")
def command(
    file: Path, name: str | None, layout_name: str | None, zone: str, limit: int, as_json: bool
) -> None:
    """Print a file of records readably, element by element.

    Each line has the place in the file (of the expanded bytes), the name and the value. Elements
    that the format does not know are shown with their tag. Text is shown record by record, as a
    layout reads it, with the reason of every record that it cannot read. Numbers of people are
    printed whole.
    """  # fmt: skip
    if layout_name and name:
        raise click.BadParameter("a layout and a format exclude each other", param_hint="--layout")
    from cdr import native
    from cdr.ber_tree import FAULTS, BrokenBer
    from tollbook.errors import BrokenFile

    form = native.FORMATS[name] if name else None if layout_name else native.head_of(file).format
    if form is None:
        found = cdr_text.chosen(file, layout_name, zone)
        if found is not None:
            cdr_text.dump(file, found, zone, limit, as_json)
            return
        raise BrokenFile(
            str(file), cdr_text.MISSING,
            f"a file of {', '.join(cdr_text.FORMATS)}, or text and its layout",
            "name the layout with --layout, or the format with --format",
        )  # fmt: skip
    data = native.read(file)
    show = _as_json if as_json else _as_text
    if not as_json:
        click.echo(f"{form.title} ({form.source}), {len(data):,} bytes")
    try:
        for number, element in enumerate(_elements(data, form, str(file), show is _as_text)):
            if number == limit:
                click.echo(f"... more follows; --limit {limit} elements are shown", err=True)
                break
            click.echo(show(element))
    except BrokenBer as error:
        raise BrokenFile(
            str(file), FAULTS[error.fault], f"BER as {form.source} says",
            "ask the sender for the file again; what was read is above", error.at,
        ) from error  # fmt: skip


def _elements(data: bytes, form: Format, where: str, is_told: bool) -> Iterator[Element]:
    """All elements; the header of a framed file is printed first."""
    from cdr import ber_tree, framing, native

    if form.name == "ts32297" and is_told:
        click.echo(_header(framing.read_header(data, where)))
    broken: ber_tree.BrokenBer | None = None
    for begin, end, code in native.regions(data, form, where):
        if code & framing.FORMAT_BITS != framing.BER:  # nothing here reads other encodings
            kind = f"record ({framing.format_name(code)})"
            yield ber_tree.Element(0, kind, "", -1, begin, end - begin, False, data[begin:end])
            continue
        if form is native.FRAMED and not data[begin:end].strip(native.FILLER):
            kind = "record that cannot be read (it is empty)"
            yield ber_tree.Element(0, kind, "", -1, begin, end - begin, False, data[begin:end])
            continue
        region = begin, end
        try:
            yield from ber_tree.elements(data, form.types, form.root, form.is_repeated, region)
        except ber_tree.BrokenBer as error:
            if form is not native.FRAMED:
                raise
            # Where the next frame begins is known all the same.
            broken = broken or error
            kind = f"record that cannot be read ({ber_tree.FAULTS[error.fault]})"
            yield ber_tree.Element(0, kind, "", -1, begin, end - begin, False, data[begin:end])
    if broken is not None:
        raise broken


def _as_text(element: Element) -> str:
    from cdr.asn_values import in_words

    name = element.name or f"unknown {element.tag}"
    value = "" if element.is_group else f" = {in_words(element.contents, element.words)}"
    return f"{element.at:>9}  {'  ' * element.depth}{name}{value}"


def _as_json(element: Element) -> str:
    from cdr.asn_values import in_words

    found: dict[str, Any] = {
        "at": element.at, "size": element.size, "depth": element.depth, "name": element.name,
        "tag": element.tag,
    }  # fmt: skip
    if not element.is_group:
        found |= {"value": in_words(element.contents, element.words), "hex": element.contents.hex()}
    return json.dumps(found, ensure_ascii=False)


def _header(header: Any) -> str:
    """The header of a file of TS 32.297, one line each."""
    from cdr import framing

    lines = [f"{'':>9}  file header of {header.header_bytes} bytes"]
    for name in ("high_release", "low_release", "record_count", "sequence", "closure", "node",
                 "lost_records"):  # fmt: skip
        lines.append(f"{'':>9}    {name} = {getattr(header, name)}")
    for name in ("opened", "appended"):
        lines.append(f"{'':>9}    {name} = {framing.in_words(getattr(header, name))}")
    return "\n".join(lines)
