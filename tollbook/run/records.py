"""Record ids as people write them: ``F17-204`` is line 204 of file 17."""

from __future__ import annotations

import re

from tollbook.errors import TollbookError


def record_text(record_id: int) -> str:
    """``F17-204``."""
    return f"F{record_id >> 32}-{record_id & 0xFFFFFFFF}"


def parse_record(text: str) -> int:
    """``F17-204`` -> record id; raises TollbookError for anything else."""
    match = re.fullmatch(r"[Ff](\d{1,9})-(\d{1,10})", text)
    if match is None:
        raise TollbookError(
            f"'{text}' is no record\n    allowed: file and line such as F17-204\n"
            "    do: take it from the column record_id, a bill's detail or `tollbook suspense show`"
        )
    return (int(match[1]) << 32) + int(match[2])


def parse_file(text: str) -> int:
    """``F17`` -> 17."""
    match = re.fullmatch(r"[Ff](\d{1,9})", text)
    if match is None:
        raise TollbookError(f"'{text}' is no file\n    allowed: a file number such as F17\n"
                            "    do: see `tollbook runs`")  # fmt: skip
    return int(match[1])
