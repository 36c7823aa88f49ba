"""Layouts: what a file of text looks like, as data that a person writes (docs/layouts.md).

A layout is YAML. ``load`` notes everything that is wrong with it at once, as ``file:line``; what it
gives back is frozen and knows nothing of any one file: ``cdr.delimited`` resolves it against a
file's header.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from cdr import ber_layout, layout_columns
from cdr.ber_layout import BerLayout
from cdr.layout_fields import CONDITION, CONSTANT_FIELDS, FIELDS, INTEGER, KEEP, WORD
from cdr.layout_types import COLUMNS_MAX, DELIMITED, FIXED, JSON, ROW_BYTES_MAX, Column, Layout
from tollbook import codes
from tollbook.errors import NotFound
from tollbook.text import Problems, Reader, did_you_mean, load_yaml

__all__ = ["COLUMNS_MAX", "ROW_BYTES_MAX", "SHIPPED", "AnyLayout", "Column", "Layout", "load",
           "shipped", "shipped_path"]

SHIPPED: Final = ("asterisk", "cucm", "emi", "freeswitch", "kamailio", "nrtrde", "ribbon", "tap",
                  "tollbook", "ts32298")  # fmt: skip
ENCODINGS: Final = ("utf-8", "latin-1", "ascii")
HEADERS: Final = ("none", "names", "names+types")
_COMMON: Final = ("layout", "kind", "skip_lines", "trim", "null", "columns", "constants", "keep",
                  "limits")  # fmt: skip
_KEYS: Final = {
    DELIMITED: (*_COMMON, "delimiter", "quote", "escape", "encoding", "header", "comment",
                "columns_per_row"),
    FIXED: (*_COMMON, "encoding", "comment", "record_bytes"),
    JSON: _COMMON,
}  # fmt: skip
AnyLayout = Layout | BerLayout
_FOLDER: Final = Path(__file__).parent / "layouts"


def shipped_path(name: str) -> Path:
    """Where a layout that comes with tollbook lies; raises NotFound for another name."""
    if name not in SHIPPED:
        raise NotFound(
            f"layout '{name}' does not ship with tollbook\n    allowed: {', '.join(SHIPPED)}\n"
            f"    do: {did_you_mean(name, SHIPPED, 'write it as layouts/' + name + '.yaml')}"
        )
    return _FOLDER / f"{name}.yaml"


def shipped(name: str) -> AnyLayout:
    """A layout that comes with tollbook; raises NotFound for another name."""
    problems = Problems()
    found = load(shipped_path(name), problems, f"cdr/layouts/{name}.yaml")
    problems.refuse_if_any()
    assert found is not None  # load gives None only after noting a problem
    return found


def load(path: Path, problems: Problems, shown: str | None = None) -> AnyLayout | None:
    """A layout file; None after its problems were noted. ``shown`` is its name in messages."""
    tree = load_yaml(path, problems, shown)
    if tree is None:
        return None
    if ber_layout.is_meant(tree):
        return ber_layout.read(tree, path, problems)
    before = problems.errors
    kind = layout_columns.scalar(tree, "kind")
    reader = Reader(tree, problems, "layout", _KEYS.get(kind, _KEYS[DELIMITED]))
    if not isinstance(tree.value, dict):
        return None
    kind = reader.choice("kind", (*_KEYS, "ber")) or DELIMITED
    encoding = "utf-8" if kind == JSON else reader.choice("encoding", ENCODINGS, "utf-8")
    header = reader.choice("header", HEADERS, "none") if kind == DELIMITED else "none"
    nulls = layout_columns.encode_all(reader, "null", encoding)
    shape = layout_columns.Shape(kind, encoding, header, nulls)
    columns = layout_columns.read(reader.sequence("columns"), problems, shape)
    if not reader.sequence("columns"):
        reader.missing("columns", "a list of columns, such as - {at: 2, to: served_number}")
    found = Layout(
        name=_name(reader, path),
        kind=kind,
        encoding=encoding,
        header=header,
        skip_lines=reader.integer("skip_lines", 0, 1000, 0),
        comment=reader.text("comment", "").encode() if kind != JSON else b"",
        trim=reader.choice("trim", ("yes", "no"), "yes" if kind == FIXED else "no") == "yes",
        columns=columns,
        constants=_constants(reader),
        row_bytes_max=_row_bytes(reader, problems),
    )
    if kind == DELIMITED:
        found = _delimited(reader, found)
    elif kind == FIXED:
        found = _fixed(reader, found)
    _check_comment(reader, found)
    _check_fields(reader, found)
    return found if problems.errors == before else None


def _delimited(reader: Reader, layout: Layout) -> Layout:
    """The keys of rows that a sign cuts into columns."""
    low, high = _width(reader, layout.header, layout.columns)
    found = replace(
        layout, delimiter=_byte(reader, "delimiter", ","), quote=_byte(reader, "quote", "none"),
        backslash=reader.choice("escape", ("doubled", "backslash"), "doubled") == "backslash",
        width_min=low, width_max=high,
    )  # fmt: skip
    if found.delimiter == found.quote:
        reader.wrong("quote", "delimiter and quote are the same sign", "two different signs",
                     "correct one of them")
    return found


def _fixed(reader: Reader, layout: Layout) -> Layout:
    """The keys of records whose columns stand at fixed places."""
    size = reader.integer("record_bytes", 1, ROW_BYTES_MAX, 0) if "record_bytes" in reader else 0
    last = max((column.end for column in layout.columns), default=0)
    if 0 < size < last:
        reader.wrong("record_bytes", f"'record_bytes' is {size}",
                     f"at least {last}, where the last column ends", "correct one of the two")
    if size > layout.row_bytes_max:
        reader.wrong("record_bytes", f"'record_bytes' is {size}",
                     f"at most {layout.row_bytes_max}, the limit of a row", "raise `row_bytes`")
    if size and layout.skip_lines:
        reader.wrong("skip_lines", "a file of records without line ends has no lines",
                     "no skip_lines beside record_bytes",
                     "pass records over by `comment`, or by a condition")
    return replace(layout, record_bytes=size)


def _name(reader: Reader, path: Path) -> str:
    name = reader.text("layout", allowed="the layout's name")
    if name and name != path.stem:
        reader.wrong("layout", f"the layout is called '{name}', its file '{path.name}'",
                     "one name", f"call it {path.stem}, or the file {name}.yaml")
    return name


def _byte(reader: Reader, key: str, default: str) -> int:
    """One ASCII character as its code; -1 for ``none``."""
    text = reader.text(key, default, "one character, or a word for it")
    text = {"tab": "\t", "none": "" if key == "quote" else "none"}.get(text, text)
    if not text and key == "quote":
        return -1
    if len(text) != 1 or not text.isascii() or text.isalnum() or text in "\r\n\\+-.: \0":
        reader.wrong(key, f"'{key}' is '{text}'",
                     "one ASCII sign such as , ; | or tab"
                     if key == "delimiter" else "one ASCII sign such as \" or ', or none",
                     "no letter, digit, blank, line end, backslash or + - . :")
        return ord(",") if key == "delimiter" else -1
    return ord(text)


def _check_comment(reader: Reader, layout: Layout) -> None:
    if len(layout.comment) > 8 or b"\n" in layout.comment:
        reader.wrong("comment", f"'comment' has {len(layout.comment)} bytes",
                     "at most 8 bytes, without a line end", "shorten it")


def _width(reader: Reader, header: str, columns: tuple[Column, ...]) -> tuple[int, int]:
    """Fewest and most columns of a row; 0, 0: as many as the header names."""
    last = max((column.position + 1 for column in columns), default=0)
    needed = max((c.position + 1 for c in columns if not c.optional), default=0)
    if "columns_per_row" not in reader:
        return (needed, last) if header == "none" else (0, 0)
    text = reader.text("columns_per_row")
    match = re.fullmatch(r"(\d{1,3})(?:-(\d{1,3}))?", text)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not needed <= low <= high <= COLUMNS_MAX or low == 0 or high < last:
        reader.wrong("columns_per_row", f"'columns_per_row' is '{text}'",
                     f"a number such as 14 or a range such as 16-18, at most {COLUMNS_MAX}; "
                     f"columns up to {last} are named, those up to {needed} are not optional",
                     "correct the number, or mark the columns behind it optional: yes")
    return low, high


def _constants(reader: Reader) -> tuple[tuple[str, int | str], ...]:
    node = reader.keys.get("constants")
    if node is None:
        return ()
    inner = Reader(node, reader.problems, "constants", CONSTANT_FIELDS)
    found: list[tuple[str, int | str]] = []
    words = {"service": codes.SERVICE_CODE, "direction": codes.DIRECTION_CODE}
    for name in inner.keys:
        if name not in CONSTANT_FIELDS:
            continue
        kind = FIELDS[name].types[0]
        if kind == WORD:
            options = [word for word, code in words[name].items() if code]
            found.append((name, words[name][inner.choice(name, options)]))
        elif kind == INTEGER:
            found.append((name, inner.integer(name, 0, FIELDS[name].maximum)))
        else:
            found.append((name, inner.text(name)))
    return tuple(found)


def _row_bytes(reader: Reader, problems: Problems) -> int:
    node = reader.keys.get("limits")
    if node is None:
        return ROW_BYTES_MAX
    inner = Reader(node, problems, "limits", ("row_bytes",))
    return inner.integer("row_bytes", 1, ROW_BYTES_MAX, ROW_BYTES_MAX)


def _check_fields(reader: Reader, layout: Layout) -> None:
    """Every record needs a service, a direction and a start; conditions and ``keep`` must agree."""
    fed = {column.field for column in layout.columns}
    given = {name for name, _ in layout.constants}
    for name in ("service", "direction", "start"):
        if name not in fed | given and not (name == "start" and "start_date" in fed):
            reader.wrong("columns", f"nothing gives '{name}'",
                         "a column" + (" or a constant" if name in CONSTANT_FIELDS else ""),
                         f"add `to: {name}`")
    for name in sorted(fed & given):
        reader.wrong("constants", f"'{name}' is both a constant and a column", "one of the two",
                     "remove one")
    conditions = {c.field for c in layout.columns if c.type == CONDITION} & set(KEEP)
    keep = set(reader.texts("keep"))
    for name in sorted(keep - set(KEEP)):
        reader.wrong("keep", f"'keep' names '{name}'", " | ".join(KEEP),
                     did_you_mean(name, KEEP, "use one of these words"))
    for name in sorted((keep & set(KEEP)) - conditions):
        reader.wrong("keep", f"no column gives '{name}'", f"a column with `to: {name}`",
                     f"add `{{at: ..., to: {name}, equals: ...}}`")
    for name in sorted(conditions - keep):
        reader.wrong("keep", f"a column gives '{name}', but it decides nothing",
                     f"keep: {name}", "add it to `keep`, or remove the column")
