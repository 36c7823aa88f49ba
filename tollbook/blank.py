"""A new workspace without data: every file with its columns explained, ready to be filled in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

FOLDER: Final = Path(__file__).parent / "blank"
SOURCE: Final = "switch-1"


@dataclass(frozen=True)
class Values:
    """What the files of a new workspace say about its operator."""

    name: str = "New Operator"
    country: str = "CN"
    currency: str = "CNY"
    time_zone: str = "Asia/Shanghai"
    country_code: str = "86"


def write_blank(folder: Path, values: Values) -> None:
    """The files of a new workspace in an empty or new folder."""
    others = [str(digit) for digit in range(1, 10) if str(digit) != values.country_code]
    for source in sorted(FOLDER.rglob("*")):
        target = folder / source.relative_to(FOLDER)
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        # A name may hold signs that mean something in YAML and CSV: it is quoted for each.
        words = vars(values) | {
            "name": json.dumps(values.name, ensure_ascii=False),
            "name_csv": '"' + values.name.replace('"', '""') + '"',
            "other_countries": "\n".join(f"{digit},abroad,,," for digit in others),
        }
        text = source.read_text(encoding="utf-8")
        # ${NAME} stays for the environment; only $name is filled in.
        target.write_text(Template(text).safe_substitute(words), encoding="utf-8", newline="\n")
    (folder / "inbox" / SOURCE).mkdir(parents=True, exist_ok=True)
