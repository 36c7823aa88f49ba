"""The one loader for every file that people write: YAML and CSV, positions kept, scalars as text.

YAML's own typing turns the area code ``0110`` into 72 and ``no`` into false, so every scalar is
read as the text that was written and typed by the reader that asks for it. Nothing raises half-way:
each finding goes into a ``Problems`` list with its line, and the caller refuses once, with all.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Final

import yaml

from tollbook import clock, csv_faults, money
from tollbook.errors import Problem, Refused, printable

FILE_LIMIT_BYTES: Final = 64 * 2**20  # a text that people write; tables may be as large as this
DEPTH_LIMIT: Final = 32
NODES_LIMIT: Final = 4_000_000


@dataclass(frozen=True)
class Node:
    """A piece of a YAML file with the line on which it starts.

    ``value`` is str (scalar), tuple of Nodes (list) or dict of str -> Node (mapping).
    """

    value: str | tuple[Node, ...] | dict[str, Node]
    file: str
    line: int
    key_lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        names = {str: "a single value", tuple: "a list", dict: "a mapping"}
        return names[type(self.value)]

    def items(self) -> tuple[Node, ...]:
        return self.value if isinstance(self.value, tuple) else ()


@dataclass
class Problems:
    """Everything that was found wrong so far; refuse once, at the end."""

    found: list[Problem] = field(default_factory=list)

    def add(self, at: Node | tuple[str, int], found: str, allowed: str, do: str) -> None:
        file, line = (at.file, at.line) if isinstance(at, Node) else at
        self.found.append(Problem(file, line, found, allowed, do))

    def warn(self, at: Node | tuple[str, int], found: str, allowed: str, do: str) -> None:
        file, line = (at.file, at.line) if isinstance(at, Node) else at
        self.found.append(Problem(file, line, found, allowed, do, "warning"))

    @property
    def errors(self) -> int:
        return sum(problem.severity == "error" for problem in self.found)

    def refuse_if_any(self, what: str = "nothing was changed") -> None:
        if self.errors:
            raise Refused(self.found, what)


def read_bytes(path: Path, shown: str, problems: Problems) -> bytes | None:
    """The file's bytes; None after a problem was noted (missing, too large, not UTF-8)."""
    try:
        size = path.stat().st_size
        if size > FILE_LIMIT_BYTES:
            problems.add((shown, 0), f"the file has {size} bytes",
                         f"at most {FILE_LIMIT_BYTES} bytes", "split the file, or use Parquet")
            return None
        data = path.read_bytes()
    except OSError as error:
        problems.add((shown, 0), f"the file cannot be read ({error.strerror})",
                     "a readable file", f"create it, or correct its name: {path.name}")
        return None
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problems.add((shown, line), f"byte {data[error.start]:#04x} is not UTF-8",
                     "text in UTF-8", "save the file as UTF-8")
        return None
    return data.removeprefix(b"\xef\xbb\xbf")


def load_yaml(path: Path, problems: Problems, shown: str | None = None) -> Node | None:
    """A YAML file as a tree of Nodes; None after its problems were noted."""
    shown = shown or str(path)
    data = read_bytes(path, shown, problems)
    return None if data is None else parse_yaml(data.decode(), problems, shown)


def parse_yaml(source: str, problems: Problems, shown: str) -> Node | None:
    """YAML text as a tree of Nodes; anchors and aliases are refused (they can grow without end)."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        tree = yaml.compose(source, Loader=loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        problems.add((shown, line), f"this is not YAML: {what}", "YAML as in the examples",
                     "look at the line above for a missing colon, quote or indent")
        return None
    if tree is None:
        problems.add((shown, 1), "the file is empty", "a mapping of keys", "fill it in")
        return None
    return _convert(tree, shown, problems, 0, set())


def _convert(
    tree: yaml.Node, shown: str, problems: Problems, depth: int, seen: set[int]
) -> Node | None:
    line = tree.start_mark.line + 1
    if depth > DEPTH_LIMIT or len(seen) > NODES_LIMIT:
        problems.add((shown, line), f"nested deeper than {DEPTH_LIMIT}, or too large",
                     f"at most {DEPTH_LIMIT} levels", "split the file")
        return None
    if not isinstance(tree, yaml.ScalarNode):
        if id(tree) in seen:
            problems.add((shown, line), "an alias (*name) repeats a part of the file",
                         "every part written out", "write the part again where it is meant")
            return None
        seen.add(id(tree))
    if isinstance(tree, yaml.ScalarNode):
        return Node(tree.value, shown, line)
    if isinstance(tree, yaml.SequenceNode):
        children = (_convert(child, shown, problems, depth + 1, seen) for child in tree.value)
        return Node(tuple(child for child in children if child is not None), shown, line)
    mapping: dict[str, Node] = {}
    lines: dict[str, int] = {}
    for key, child in tree.value:
        at = (shown, key.start_mark.line + 1)
        if not isinstance(key, yaml.ScalarNode):
            problems.add(at, "a key that is not a single word", "words as keys", "quote the key")
            continue
        if key.value in mapping:
            problems.add(at, f"key '{key.value}' stands twice (first in line {lines[key.value]})",
                         "every key once", "remove one of the two")
            continue
        node = _convert(child, shown, problems, depth + 1, seen)
        if node is not None:
            mapping[key.value], lines[key.value] = node, at[1]
    return Node(mapping, shown, line, lines)


class Reader:
    """Reads the keys of one mapping by type; notes what is unknown, missing or malformed.

    ``name`` is how messages call the mapping ("rate 'toll'"). Getters return the default after a
    problem was noted, so that reading goes on and all problems are found at once.
    """

    def __init__(self, node: Node, problems: Problems, name: str, allowed: Iterable[str]) -> None:
        self.node, self.problems, self.name = node, problems, name
        self.keys: dict[str, Node] = {}
        allowed = sorted(allowed)
        if not isinstance(node.value, dict):
            problems.add(node, f"{name} is {node.kind}", f"a mapping with {', '.join(allowed)}",
                         "write it as `key: value` lines")
            return
        self.keys = node.value
        for key in node.value:
            if key not in allowed:
                problems.add((node.file, node.key_lines[key]), f"{name}: unknown key '{key}'",
                             ", ".join(allowed), did_you_mean(key, allowed, "remove the key"))

    def __contains__(self, key: str) -> bool:
        return key in self.keys

    def node_of(self, key: str) -> Node:
        """The node of a key, or of the whole mapping where the key is missing (for messages)."""
        return self.keys.get(key, self.node)

    def wrong(self, key: str, found: str, allowed: str, do: str) -> None:
        self.problems.add(self.node_of(key), f"{self.name}: {found}", allowed, do)

    def missing(self, key: str, allowed: str) -> None:
        self.wrong(key, f"'{key}' is missing", allowed, f"add `{key}: ...`")

    def text(self, key: str, default: str | None = None, allowed: str = "a text") -> str:
        """A single value as written; without a default the key must be there and not empty."""
        node = self.keys.get(key)
        if node is None:
            if default is None:
                self.missing(key, allowed)
            return default or ""
        if not isinstance(node.value, str):
            self.wrong(key, f"'{key}' is {node.kind}", allowed, "write one value")
            return default or ""
        if not node.value and default is None:
            self.wrong(key, f"'{key}' is empty", allowed, "give it a value")
        return node.value

    def choice(self, key: str, options: Sequence[str], default: str | None = None) -> str:
        """One of a closed list of words."""
        found = self.text(key, default, " | ".join(options))
        if found not in options and (found or default is None) and key in self.keys:
            self.wrong(key, f"'{key}' is '{found}'", " | ".join(options),
                       did_you_mean(found, options, "use one of these words"))
            return default if default is not None else options[0]
        return found

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number in low..high."""
        allowed = f"a whole number from {low} to {high}"
        found = self.text(key, None if default is None else str(default), allowed)
        if re.fullmatch(r"[+-]?\d{1,18}", found) and low <= int(found) <= high:
            return int(found)
        if key in self.keys and found:
            self.wrong(key, f"'{key}' is '{found}'", allowed, "correct the number")
        return low if default is None else default

    def price_nano(self, key: str, default: int | None = None) -> int:
        """A price with at most nine decimals, in nano."""
        allowed = "a decimal with at most 9 decimals and a point, such as 0.40"
        found = self.text(key, None if default is None else "0", allowed)
        value = money.parse_decimal(found, money.NANO_DIGITS)
        if key in self.keys and found and value is None:
            self.wrong(key, f"'{key}' is '{found}'", allowed, money.decimal_advice(found, "price"))
        return (default or 0) if key not in self.keys or value is None else value

    def amount_micro(self, key: str, default: int | None = None) -> int:
        """An amount of money with at most six decimals, in micro."""
        allowed = "an amount with at most 6 decimals and a point, such as 50.00"
        found = self.text(key, None if default is None else "0", allowed)
        value = money.parse_decimal(found, money.MICRO_DIGITS)
        if key in self.keys and found and value is None:
            self.wrong(key, f"'{key}' is '{found}'", allowed, money.decimal_advice(found, "amount"))
        return (default or 0) if key not in self.keys or value is None else value

    def duration_s(self, key: str, default: int | None = None) -> int:
        """A span of time with its unit: 60s, 15m, 10h, 60d."""
        allowed = "a number with its unit: 60s, 15m, 10h or 60d"
        found = self.text(key, None if default is None else f"{default}s", allowed)
        value = clock.parse_duration_s(found)
        if key in self.keys and found and value is None:
            self.wrong(key, f"'{key}' is '{found}'", allowed, "write the unit behind the number")
        return (default or 0) if value is None else value

    def date(self, key: str, default: date | None = None) -> date | None:
        """A day, YYYY-MM-DD; None if absent and no default."""
        found = self.text(key, "", "a day such as 2003-06-10")
        if not found:
            return default
        value = clock.parse_date(found)
        if value is None:
            self.wrong(key, f"'{key}' is '{found}'", "a day such as 2003-06-10, years 1970 to 2100",
                       "write the day as YYYY-MM-DD")
        return value or default

    def zone(self, key: str, default: str | None = None) -> str:
        """A time zone of the IANA database."""
        found = self.text(key, default, "a time zone such as Asia/Shanghai")
        try:
            clock.zone_table(found)
        except KeyError:
            if found:
                self.wrong(key, f"'{key}' is '{found}', which is no time zone",
                           "a name of the IANA database", "for example Asia/Shanghai or UTC")
            return default or "UTC"
        return found

    def sequence(self, key: str) -> tuple[Node, ...]:
        """A list; a single value counts as a list of one; absent is empty."""
        node = self.keys.get(key)
        if node is None:
            return ()
        if isinstance(node.value, dict):
            self.wrong(key, f"'{key}' is a mapping", "a list", "write it as `- item` lines")
            return ()
        return node.value if isinstance(node.value, tuple) else (node,)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of single values, as written."""
        found = []
        for node in self.sequence(key):
            if isinstance(node.value, str):
                found.append(node.value)
            else:
                self.problems.add(node, f"{self.name}: '{key}' holds {node.kind}",
                                  "single values", "write one value an item")
        return tuple(found)


@dataclass(frozen=True)
class Row:
    """One row of a CSV file: its cells by column, and its line."""

    cells: Mapping[str, str]
    file: str
    line: int

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    @property
    def at(self) -> tuple[str, int]:
        return self.file, self.line


def load_csv(
    path: Path,
    required: Sequence[str],
    optional: Sequence[str],
    problems: Problems,
    shown: str | None = None,
) -> list[Row]:
    """A CSV file with a header line as rows of text; cells are stripped of outer blanks.

    Lines that are empty or begin with ``#`` are passed over. For tables of up to a few hundred
    thousand rows; ``tollbook.customers`` reads larger ones column by column.
    """
    shown = shown or str(path)
    data = read_bytes(path, shown, problems)
    if data is None:
        return []
    return list(_rows(data.decode(), shown, required, optional, problems))


def _rows(
    source: str,
    shown: str,
    required: Sequence[str],
    optional: Sequence[str],
    problems: Problems,
) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(source, newline=""), strict=True)
    header: list[str] | None = None
    ended = 0  # the line on which the last row ended
    try:
        for cells in reader:
            line = ended = reader.line_num
            if not cells or cells[0].lstrip().startswith("#") or not any(map(str.strip, cells)):
                continue
            cells = [cell.strip() for cell in cells]
            if header is None:
                header = cells
                if not check_header((shown, line), header, required, optional, problems):
                    return
                continue
            if len(cells) != len(header):
                problems.add((shown, line), *csv_faults.width(len(cells), len(header)))
                continue
            yield Row(dict(zip(header, cells, strict=True)), shown, line)
    except csv.Error as error:
        begun = next(islice(io.StringIO(source, newline=""), ended, None), "")
        if csv_faults.opens(begun) and "expected after" not in str(error):
            problems.add((shown, ended + 1), *csv_faults.OPEN_QUOTE)
        else:
            problems.add((shown, reader.line_num), f"this is not CSV: {error}", "CSV with a comma",
                         "look for a quote within a cell; write it twice")
        return
    if header is None:
        problems.add((shown, 1), "the file has no header line", ", ".join(required),
                     "write the names of the columns on the first line")


def check_header(
    at: tuple[str, int], header: Sequence[str], required: Sequence[str], optional: Sequence[str],
    problems: Problems,
) -> bool:  # fmt: skip
    """Notes missing, unknown and repeated column names; True if there were none."""
    known = [*required, *optional]
    before = len(problems.found)
    if wrong := csv_faults.separator(header):
        problems.add(at, *wrong)
        return False
    for name in dict.fromkeys(header):
        if name not in known:
            problems.add(at, f"unknown column '{printable(name)}'", ", ".join(known),
                         did_you_mean(name, known, "remove the column"))
        if header.count(name) > 1:
            problems.add(at, f"column '{printable(name)}' stands twice", "every column once",
                         "remove one")
    for name in required:
        if name not in header:
            problems.add(at, f"column '{name}' is missing", ", ".join(known),
                         f"add the column '{name}'")
    return len(problems.found) == before


def did_you_mean(word: str, options: Iterable[str], otherwise: str) -> str:
    """Advice that names the nearest allowed word, if one is near."""
    near = difflib.get_close_matches(word, list(options), n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else otherwise
