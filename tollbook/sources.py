"""Sources: what delivers files, and how their names are read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FileName:
    """What a source's pattern found in the name of a file."""

    sequence: int | None
    date_text: str | None  # YYYYMMDDHHMM as far as the pattern goes, as written


@dataclass(frozen=True)
class Source:
    """One row of ``sources`` in operator.yaml; its files arrive in ``inbox/<name>/``.

    area: prefix (area code without the national prefix) of numbers dialled locally; "": none.
    """

    name: str
    layout: str
    files: str
    time_zone: str
    area: str
    pattern: re.Pattern[str] = field(repr=False, compare=False)

    def match(self, name: str) -> FileName | None:
        """What the pattern finds in a file's name; None if it is not one of the source's files."""
        found = self.pattern.fullmatch(name)
        if found is None:
            return None
        groups = found.groupdict()
        sequence = groups.get("sequence")
        return FileName(None if sequence is None else int(sequence), groups.get("date"))
