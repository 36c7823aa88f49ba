"""Which module reads which kind of layout: one literal table, imported on use.

Every module has the verbs ``identify(path, layout)``, ``prepare(layout, header, ...)``,
``blocks(path, layout)`` and ``decode(block, context)``.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Final

READERS: Final = {
    "ber": "cdr.native_reader",
    "delimited": "cdr.delimited",
    "fixed": "cdr.fixed",
    "json": "cdr.json_lines",
}  # fmt: skip


def reader(kind: str) -> ModuleType:
    """The module that reads a kind of layout; KeyError for a kind that no layout can have."""
    return import_module(READERS[kind])
