"""What every measure is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.data import Data


@dataclass(frozen=True)
class Options:
    """data: the night's input. workdir: where copies of the workspace may lie. cores: threads of
    the product; the others take all cores by themselves."""

    data: Data
    workdir: Path
    repeat: int
    cores: int
    say: Callable[[str], None] = lambda text: None
