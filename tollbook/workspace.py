"""An operator's folder: ``operator.yaml`` as frozen dataclasses, and the way to load everything.

``load_all`` checks operator.yaml, network/ and customers/ and refuses once, with all problems.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tollbook import (
    alarm_rules,
    customers,
    duplicate_rules,
    high_usage,
    mediation,
    network,
    numbering,
    partials,
    sources,
)
from tollbook.alarm_rules import AlarmRules
from tollbook.clock import DAY_S
from tollbook.codes import FORWARDS
from tollbook.customers import Customers
from tollbook.duplicate_rules import DuplicateRules
from tollbook.errors import Refused
from tollbook.high_usage import HighUsage
from tollbook.mediation import NO_MEDIATION, Mediation
from tollbook.network import Network
from tollbook.numbering import Numbering
from tollbook.partials import Partials
from tollbook.sources import Source
from tollbook.text import Node, Problems, Reader, did_you_mean, load_yaml

FILE: Final = "operator.yaml"
_KEYS: Final = (
    "operator", "numbering", "national_roaming", "places", "store", "sources", "duplicates",
    "limits", "mediation", "alarms", "partials", "high_usage",
)  # fmt: skip

NATIONAL_ROAMINGS: Final = ("never", "zone", "region")
SAME_PLACES: Final = ("never", "originating", "both")
CALLED_BY: Final = ("number", "routing")
BOUNDARIES: Final = ("never", "served")
_VOLUME_UNITS: Final = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_LIMIT_S_MAX: Final = 3660 * DAY_S
_ENVIRONMENT: Final = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")


@dataclass(frozen=True)
class Operator:
    """Who runs the workspace. ``time_zone`` sets its local days and months."""

    name: str
    country: str  # ISO 3166 alpha-2
    currency: str  # ISO 4217
    currency_digits: int  # decimals of the smallest coin
    time_zone: str
    tadig: str  # the operator's own code in roaming records; "": none
    plmn: tuple[str, ...] = ()  # its codes of country and network, as native records have them

    @property
    def networks(self) -> tuple[str, ...]:
        """What ``network`` of a record says of one that was made here; "": nothing."""
        return ("", *filter(None, (self.tadig,)), *self.plmn)


@dataclass(frozen=True)
class Limits:
    """What a record may be at most before it goes to suspense."""

    age_s: int
    future_s: int
    duration_s: int
    volume_bytes: int


@dataclass(frozen=True)
class Places:
    """Which rules of place hold (docs/workspace.md says what they do).

    same_place: for which calls it matters that both ends are in one place (SAME_PLACES).
    called_by: whether a call is for its number, or for the number routed to (CALLED_BY).
    boundary: whether boundary.csv decides where a customer was served (BOUNDARIES).
    forward_home: words of codes.FORWARDS for which a forwarder counts as being at home.
    """

    same_place: str = "never"
    called_by: str = "number"
    boundary: str = "never"
    forward_home: tuple[str, ...] = ()


@dataclass(frozen=True)
class Store:
    """Where results are kept: an SQLAlchemy URL, and the folder of the lake (both absolute)."""

    catalogue: str = field(repr=False)  # it may hold a password
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
    duplicates: DuplicateRules
    limits: Limits
    store: Store
    places: Places = Places()
    mediation: Mediation = NO_MEDIATION
    alarms: AlarmRules = field(default_factory=AlarmRules)
    partials: Partials | None = None  # None: partial records stay apart
    high_usage: HighUsage = field(default_factory=HighUsage)

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


def load_all(root: Path) -> tuple[Workspace, Network, Customers]:
    """operator.yaml, network/ and customers/, checked together; raises Refused with all problems.

    Warnings alone do not refuse; to see them, call the three loaders with a ``Problems``.
    """
    problems = Problems()
    workspace = load(root, problems)
    zone = workspace.operator.time_zone
    of_network = network.load(workspace.network, zone, problems)
    of_customers = customers.load(workspace.customers, zone, workspace.numbering, problems)
    problems.refuse_if_any()
    return workspace, of_network, of_customers


def load(root: Path, problems: Problems | None = None) -> Workspace:
    """operator.yaml as a Workspace.

    With ``problems`` they are noted there and the Workspace holds defaults where something is
    wrong; without, they are refused at once. A file that is no mapping is refused in either case.
    """
    noted = problems if problems is not None else Problems()
    root = root.absolute()
    if not (root / FILE).exists():
        noted.add((FILE, 0), "the file cannot be read (No such file or directory)",
                  f"a workspace, which {root} is not",
                  "name the operator's folder with -C, or make one with `tollbook init`")
        raise Refused(noted.found)
    tree = load_yaml(root / FILE, noted, FILE)
    if tree is None:
        raise Refused(noted.found)
    keys = Reader(tree, noted, FILE, _KEYS)
    if not keys.keys:
        raise Refused(noted.found)
    _refuse_variables(tree, noted)
    operator = _operator(_part(keys, "operator", (
        "name", "country", "currency", "currency_digits", "time_zone", "tadig", "plmn")))
    limits = _limits(_part(keys, "limits", ("age", "future", "duration", "volume")))
    alarms = alarm_rules.read(_part(keys, "alarms", alarm_rules.KEYS))
    read_sources = sources.read_all(keys, operator.time_zone, alarms)
    workspace = Workspace(
        root=root,
        operator=operator,
        numbering=numbering.read(_part(keys, "numbering", (
            "country_code", "international_prefixes", "national_prefix", "national_lengths",
            "mobile_lengths", "local_lengths", "access_codes"))),
        national_roaming=keys.choice("national_roaming", NATIONAL_ROAMINGS, "never"),
        sources=read_sources,
        duplicates=duplicate_rules.read(
            _part(keys, "duplicates", duplicate_rules.KEYS), limits.age_s),
        limits=limits,
        store=_store(_part(keys, "store", ("catalogue", "lake")), root),
        places=_places(_part(keys, "places", (
            "same_place", "called_by", "boundary", "forward_home")), root),
        mediation=mediation.read(
            _part(keys, "mediation", ("discard", "filter", "pair_forwarded")),
            [source.name for source in read_sources], root,
        ),
        alarms=alarms,
        partials=partials.read(keys, [source.name for source in read_sources]),
        high_usage=high_usage.read(keys),
    )
    if problems is None:
        noted.refuse_if_any()
    return workspace


def _part(keys: Reader, key: str, allowed: tuple[str, ...]) -> Reader:
    """One mapping of the file; where it is missing, an empty one in its place."""
    node = keys.keys.get(key, Node({}, FILE, 1))
    return Reader(node, keys.problems, key, allowed)


def _operator(keys: Reader) -> Operator:
    return Operator(
        name=keys.text("name"),
        country=_code(keys, "country", r"[A-Z]{2}", "two letters of ISO 3166, such as CN"),
        currency=_code(keys, "currency", r"[A-Z]{3}", "three letters of ISO 4217, such as CNY"),
        currency_digits=keys.integer("currency_digits", 0, 4, 2),
        time_zone=keys.zone("time_zone"),
        tadig=_code(keys, "tadig", r"([A-Z0-9]{5})?", "five letters and digits, such as CHNHM",
                    default=""),
        plmn=_plmn(keys),
    )  # fmt: skip


def _plmn(keys: Reader) -> tuple[str, ...]:
    found = keys.texts("plmn")
    for code in found:
        if not re.fullmatch(r"[0-9]{5,6}", code):
            keys.wrong("plmn", f"'plmn' names '{code}'", "five or six digits, such as 46097",
                       "write the codes of country and network")
    return found


def _code(
    keys: Reader, key: str, pattern: str, allowed: str, default: str | None = None
) -> str:
    found = keys.text(key, default, allowed)
    if found and not re.fullmatch(pattern, found):
        keys.wrong(key, f"'{key}' is '{found}'", allowed, "correct the code")
    return found


def _limits(keys: Reader) -> Limits:
    spans = {}
    for key, default in (("age", 60 * DAY_S), ("future", 3600), ("duration", 36_000)):
        spans[key] = keys.duration_s(key, default)
        if not 0 < spans[key] <= _LIMIT_S_MAX:
            keys.wrong(key, f"'{key}' is {_span(spans[key])}", "more than 0s, at most 3660d",
                       "correct the span")
    return Limits(spans["age"], spans["future"], spans["duration"], _volume_bytes(keys))


def _span(seconds: int) -> str:
    return f"{seconds}s" if seconds % DAY_S or not seconds else f"{seconds // DAY_S}d"


def _volume_bytes(keys: Reader) -> int:
    found = keys.text("volume", "1TiB")
    match = re.fullmatch(r"(\d{1,6})(B|KiB|MiB|GiB|TiB)", found)
    if match is None or int(match[1]) == 0:
        keys.wrong("volume", f"'volume' is '{found}'",
                   "a whole number above 0 with its unit: B, KiB, MiB, GiB or TiB",
                   "write for example 1TiB")
        return _VOLUME_UNITS["TiB"]
    return int(match[1]) * _VOLUME_UNITS[match[2]]


def _places(keys: Reader, root: Path) -> Places:
    found = Places(
        same_place=keys.choice("same_place", SAME_PLACES, "never"),
        called_by=keys.choice("called_by", CALLED_BY, "number"),
        boundary=keys.choice("boundary", BOUNDARIES, "never"),
        forward_home=keys.texts("forward_home"),
    )
    known = FORWARDS[1:]
    for word in dict.fromkeys(found.forward_home):
        if word not in known:
            keys.wrong("forward_home", f"'forward_home' names '{word}'", ", ".join(known),
                       did_you_mean(word, known, "use these words"))
    # A table that decides nothing would be believed to decide something.
    for key, is_off, name in (("boundary", found.boundary == "never", "boundary.csv"),
                              ("same_place", found.same_place == "never", "virtual_areas.csv")):
        if is_off and (root / "network" / name).exists():
            keys.problems.add((f"network/{name}", 0), "the table is there, and never asked",
                              f"places: {key} that is not never, or no such table",
                              f"write `places: {{{key}: ...}}` in {FILE}, or remove the table")
    return found


def _store(keys: Reader, root: Path) -> Store:
    catalogue = _expanded(keys, "catalogue", "sqlite:///catalogue.db")
    sqlite = re.fullmatch(r"sqlite:///(.+)", catalogue)
    if sqlite:
        catalogue = f"sqlite:///{root / sqlite[1]}"
    elif catalogue and not re.match(r"postgresql(\+[a-z0-9]+)?://", catalogue):
        keys.wrong("catalogue", "'catalogue' is no URL of a database that is supported",
                   "sqlite:///FILE or postgresql://...", "for example sqlite:///catalogue.db")
    return Store(catalogue, root / _expanded(keys, "lake", "lake"))


def _expanded(keys: Reader, key: str, default: str) -> str:
    found, unset = _expand_environment(keys.text(key, default))
    for name in unset:
        keys.wrong(key, f"'{key}' uses ${{{name}}}, which is not set",
                   "variables that the environment sets", f"set {name} before the start")
    return found


def _refuse_variables(tree: Node, problems: Problems) -> None:
    """Outside of ``store`` a variable would make two machines read two different operators."""
    parts = tree.value if isinstance(tree.value, dict) else {}
    for key, part in parts.items():
        for node in _scalars(part) if key != "store" else ():
            if "${" in str(node.value):
                problems.add(node, f"{key}: '{node.value}' uses a variable",
                             "variables in store: only", "write the value itself")


def _scalars(node: Node) -> Iterator[Node]:
    if isinstance(node.value, str):
        yield node
        return
    for child in node.value.values() if isinstance(node.value, dict) else node.value:
        yield from _scalars(child)


def _expand_environment(text: str) -> tuple[str, list[str]]:
    """``${NAME}`` replaced from the environment; the names that are not set come second."""
    unset = [name for name in _ENVIRONMENT.findall(text) if name not in os.environ]
    return _ENVIRONMENT.sub(lambda m: os.environ.get(m[1], ""), text), unset
