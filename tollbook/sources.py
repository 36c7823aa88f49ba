"""Sources: what delivers files, and how their names are read.

The pattern of a source's files is literal text with three kinds of hole: ``*`` (any text),
``{sequence:06d}`` (a counter of six digits; ``{sequence}``: of any length) and
``{date:%Y%m%d%H%M}`` (a date in strftime's letters Y y m d H M S j).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tollbook import alarm_rules, clock
from tollbook.alarm_rules import AlarmRules
from tollbook.text import Node, Problems, Reader

_HOLE: Final = re.compile(r"\*|\{[^{}]*\}|[^*{]+|\{")
_SEQUENCE: Final = re.compile(r"\{sequence(?::0([1-9])d)?\}")
_DATE: Final = re.compile(r"\{date:([^{}]+)\}")
_DATE_WIDTHS: Final = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "j": 3}
_KEYS: Final = (
    "name", "layout", "files", "time_zone", "area", "every", "sequence_wrap", "alarms",
)  # fmt: skip
_EVERY_S_MAX: Final = 31 * clock.DAY_S
_STARS_MAX: Final = 4  # more would make matching a hostile name slow
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class FileName:
    """What a source's pattern found in the name of a file."""

    sequence: int | None
    date_text: str | None  # YYYYMMDDHHMM as far as the pattern goes, as written


@dataclass(frozen=True)
class Source:
    """One row of ``sources`` in operator.yaml; its files arrive in ``inbox/<name>/``.

    area: prefix (area code without the national prefix) of numbers dialled locally; "": none.
    every_s: a file is expected at least so often; 0: nothing is expected.
    sequence_wrap: sequence numbers count up to one less, then from 0 again; 0: they never wrap.
    """

    name: str
    layout: str
    files: str
    time_zone: str
    area: str
    pattern: re.Pattern[str] = field(repr=False, compare=False)
    every_s: int = 0
    sequence_wrap: int = 0
    alarms: AlarmRules = field(default_factory=AlarmRules)

    def match(self, name: str) -> FileName | None:
        """What the pattern finds in a file's name; None if it is not one of the source's files."""
        found = self.pattern.fullmatch(name)
        if found is None:
            return None
        groups = found.groupdict()
        sequence = groups.get("sequence")
        return FileName(None if sequence is None else int(sequence), groups.get("date"))

    def file_utc_s(self, found: FileName, modified_ns: int) -> int:
        """When a file was made: the date in its name, on the source's clock; where that is none,
        the time at which it was last written."""
        written = _DATE.search(self.files)
        moment = None
        if found.date_text is not None and written is not None and "%y" in written[1].lower():
            try:
                moment = datetime.strptime(found.date_text, written[1])
            except ValueError:  # digits that are no date: the 31st of February
                moment = None
        if moment is None or not 1970 <= moment.year <= 2100:
            return modified_ns // 10**9
        second = moment.hour * 3600 + moment.minute * 60 + moment.second
        return clock.wall_utc_s(moment.date(), second, self.time_zone)


def read_all(keys: Reader, time_zone: str, alarms: AlarmRules) -> tuple[Source, ...]:
    """The list ``sources`` of operator.yaml; problems are noted in the reader's list.

    alarms: the rules that hold where a source does not say otherwise.
    """
    found: list[Source] = []
    for node in keys.sequence("sources"):
        source = _read(node, time_zone, keys.problems, alarms)
        if source.name.lower() in {other.name.lower() for other in found}:
            keys.problems.add(node, f"source '{source.name}' stands twice", "every name once",
                              "files of two sources cannot share a folder: rename one")
        found.append(source)
    return tuple(found)


def _read(node: Node, time_zone: str, problems: Problems, common: AlarmRules) -> Source:
    keys = Reader(node, problems, "source", _KEYS)
    name, layout = (_plain(keys, key) for key in ("name", "layout"))
    keys.name = f"source '{name}'"
    files = keys.text("files", allowed="a pattern such as MSCE_{sequence:06d}_*.csv")
    area = keys.text("area", "")
    if area and not re.fullmatch(r"[0-9]{1,6}", area):
        keys.wrong("area", f"'area' is '{area}'", "an area code without the national prefix",
                   "write its digits: 10 for Beijing, whose code is dialled 010")
    try:
        pattern = compile_pattern(files)
    except ValueError as error:
        keys.wrong("files", f"'files' is '{files}': {error}",
                   "literal text, *, {sequence:06d} and {date:%Y%m%d%H%M}", "correct the pattern")
        pattern = re.compile("")
    rules = common
    if "alarms" in keys:
        part = Reader(keys.keys["alarms"], problems, f"source '{name}', alarms",
                      alarm_rules.SOURCE_KEYS)
        rules = alarm_rules.read(part, alarm_rules.SOURCE_KEYS, common)
    return Source(
        name, layout, files, keys.zone("time_zone", time_zone), area, pattern, _every_s(keys),
        _wrap(keys, files), rules,
    )  # fmt: skip


def _every_s(keys: Reader) -> int:
    found = keys.duration_s("every", 0)
    if found > _EVERY_S_MAX:
        keys.wrong("every", f"'every' is {keys.text('every')}", "at most 31d", "correct the span")
    return found


def _wrap(keys: Reader, files: str) -> int:
    """What comes after the highest number: as written, or by the digits of the pattern."""
    sequence = _SEQUENCE.search(files)
    digits = int(sequence[1] or 0) if sequence else 0
    natural = 10**digits if digits else 0
    if "sequence_wrap" not in keys:
        return natural
    if sequence is None:
        keys.wrong("sequence_wrap", f"'sequence_wrap' is set and 'files' is '{files}'",
                   "a pattern with {sequence}", "name the sequence in 'files', or remove the key")
    return keys.integer("sequence_wrap", 2, natural or 10**15, natural or 2)


def _plain(keys: Reader, key: str) -> str:
    """A word that may name a folder or a file, and nothing outside of it."""
    found = keys.text(key)
    if found and not _NAME.fullmatch(found):
        keys.wrong(key, f"'{key}' is '{found}'", "letters, digits, - and _ (at most 64)",
                   "choose a plain name without dots and slashes")
    return found


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """A file pattern as a regular expression with the groups sequence and date.

    Matches whole names only (``fullmatch``). Raises ValueError where the pattern is none.
    """
    if "/" in pattern or "\\" in pattern:
        raise ValueError("it holds a slash; files lie directly in inbox/<source>/")
    if pattern.count("*") > _STARS_MAX or "**" in pattern:
        raise ValueError(f"it holds ** or more than {_STARS_MAX} stars")
    pieces = [_piece(piece) for piece in _HOLE.findall(pattern)]
    for group in ("sequence", "date"):
        if sum(f"?P<{group}>" in piece for piece in pieces) > 1:
            raise ValueError(f"it holds {{{group}}} twice")
    return re.compile("".join(pieces))


def _piece(piece: str) -> str:
    if piece == "*":
        return "[^/]*"
    if not piece.startswith("{"):
        return re.escape(piece)
    if sequence := _SEQUENCE.fullmatch(piece):
        return f"(?P<sequence>[0-9]{{{sequence[1] or '1,15'}}})"
    if date := _DATE.fullmatch(piece):
        return f"(?P<date>{_date_expression(date[1])})"
    raise ValueError(f"'{piece}' is not known")


def _date_expression(text: str) -> str:
    pieces = []
    for piece in re.findall(r"%.?|[^%]+", text):
        if not piece.startswith("%"):
            pieces.append(re.escape(piece))
        elif piece[1:] in _DATE_WIDTHS:
            pieces.append(f"[0-9]{{{_DATE_WIDTHS[piece[1:]]}}}")
        else:
            raise ValueError(f"'{piece}' is none of %Y %y %m %d %H %M %S %j")
    return "".join(pieces)
