"""An operator's folder: ``operator.yaml`` as frozen dataclasses, and the way to load everything.

``load_all`` checks operator.yaml, network/ and customers/ and refuses once, with all problems.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tollbook.numbering import Numbering
from tollbook.sources import Source

NATIONAL_ROAMINGS: Final = ("never", "zone", "region")
DUPLICATE_FIELDS: Final = (
    "served", "start", "duration", "other", "direction", "service", "call_ref", "sequence",
)  # fmt: skip


@dataclass(frozen=True)
class Operator:
    """Who runs the workspace. ``time_zone`` sets its local days and months."""

    name: str
    country: str  # ISO 3166 alpha-2
    currency: str  # ISO 4217
    currency_digits: int  # decimals of the smallest coin
    time_zone: str
    tadig: str  # the operator's own code in roaming records; "": none


@dataclass(frozen=True)
class Limits:
    """What a record may be at most before it goes to suspense."""

    age_s: int
    future_s: int
    duration_s: int
    volume_bytes: int


@dataclass(frozen=True)
class DuplicateKey:
    """The fields that make two records the same one (names of DUPLICATE_FIELDS), and how long."""

    fields: tuple[str, ...]
    window_s: int


@dataclass(frozen=True)
class Store:
    """Where results are kept: an SQLAlchemy URL, and the folder of the lake (both absolute)."""

    catalogue: str
    lake: Path


@dataclass(frozen=True)
class Workspace:
    """The whole of operator.yaml. ``national_roaming``: what counts as roaming inside the country
    (never, another zone, another region)."""

    root: Path
    operator: Operator
    numbering: Numbering
    national_roaming: str
    sources: tuple[Source, ...]
    duplicates: DuplicateKey
    limits: Limits
    store: Store

    def inbox(self, source: Source) -> Path:
        """The folder in which a source's files arrive."""
        return self.root / "inbox" / source.name

    def layout_path(self, name: str) -> Path | None:
        """The workspace's own layout of that name; None: it must be one that ships."""
        path = self.root / "layouts" / f"{name}.yaml"
        return path if path.is_file() else None

    @property
    def tariffs(self) -> Path:
        return self.root / "tariffs"

    @property
    def network(self) -> Path:
        return self.root / "network"

    @property
    def customers(self) -> Path:
        return self.root / "customers"

    @property
    def out(self) -> Path:
        return self.root / "out"
