"""What is to be made, and each source that makes it with all that its files need."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from cdr import synth_again, synth_draw, synth_rules
from cdr.synth_again import Again, Holes
from cdr.synth_faults import Rates
from cdr.synth_layouts import LAYOUTS, PART_COLUMNS, SynthLayout
from cdr.synth_mediated import Mediated, settings
from cdr.synth_population import Population
from cdr.synth_rules import SynthRules
from cdr.synth_text import RowWriter
from cdr.synth_weave import Weaver
from tollbook import codes
from tollbook.errors import NotFound
from tollbook.sources import Source
from tollbook.workspace import Workspace


@dataclass(frozen=True)
class SynthSpec:
    """What to make. ``records``: of all days and sources, copies (``rates``) not counted.

    sources: names out of operator.yaml, empty: all of them. gzip_every: every n-th file of a
    source is compressed, if its pattern allows ``.gz``; 0: none. again: files that are left out,
    and files that come a second time. Shares of ``rates`` that need a section of operator.yaml
    are refused where it is not there.
    """

    records: int
    first_day: date
    days: int = 1
    seed: int = 1
    sources: tuple[str, ...] = ()
    files_per_night: int = 4  # of each source
    gzip_every: int = 0
    rates: Rates = field(default_factory=Rates)
    again: Again = field(default_factory=Again)
    threads: int = 2


@dataclass(frozen=True)
class Feed:
    """One source with what all of its files need. ``chosen``: bool, lines that it serves."""

    source: Source
    index: int  # among all sources of the workspace
    layout: SynthLayout
    writer: RowWriter
    weaver: Weaver
    kinds: tuple[synth_draw.Kind, ...]
    chosen: np.ndarray
    mediated: Mediated
    rates: Rates
    rules: SynthRules
    holes: Holes
    left_out: list[str] = field(default_factory=list)  # names of files that are not made


def feeds_of(
    workspace: Workspace, people: Population, spec: SynthSpec, plans: tuple[str, ...]
) -> list[Feed]:
    """The sources that are asked for; raises NotFound where one cannot be made."""
    names = [source.name for source in workspace.sources]
    for name in spec.sources:
        if name not in names:
            raise NotFound(f"--sources: there is no source '{name}'\n"
                           f"    allowed: {', '.join(names)}\n"
                           "    do: correct the name")  # fmt: skip
    chosen = [source for source in workspace.sources
              if not spec.sources or source.name in spec.sources]  # fmt: skip
    found = {source.name: settings(workspace, source.name) for source in chosen}
    layouts = {source.name: _layout(source, people, found[source.name]) for source in chosen}
    areas = [source.area for source in chosen if layouts[source.name].area_only]
    data_apart = any(one.services == {codes.DATA} for one in layouts.values())
    feeds = []
    for source in chosen:
        layout, mediated = layouts[source.name], found[source.name]
        services = layout.services
        if data_apart and len(services) > 1:
            services -= {codes.DATA}
        area = source.area if layout.area_only else None
        lines = people.served_by(area, areas)
        if mediated.is_apart:  # a line writes its records at one source
            peers = [one.name for one in chosen if area == (
                one.area if layouts[one.name].area_only else None)]  # fmt: skip
            lines &= np.arange(len(lines)) % len(peers) == peers.index(source.name)
        can_split = any(column.value == "sequence" for column in layout.columns)
        holes = synth_again.holes(source, spec.again, (spec.days, spec.files_per_night), spec.seed)
        feeds.append(Feed(
            source, names.index(source.name), layout, RowWriter(layout, people),
            Weaver(spec.days, spec.files_per_night, spec.rates.duplicates_ppm, holes.all),
            synth_draw.kinds_for(people, services, layout.directions), lines, mediated,
            spec.rates if can_split else replace(spec.rates, split_ppm=0),
            synth_rules.rules_for(workspace, people, source.name, plans), holes,
        ))  # fmt: skip
    return feeds


def _layout(source: Source, people: Population, mediated: Mediated) -> SynthLayout:
    if source.layout not in LAYOUTS:
        raise NotFound(f"operator.yaml: source '{source.name}' has the layout '{source.layout}'\n"
                       f"    allowed: {', '.join(LAYOUTS)} can be synthesised\n"
                       "    do: name other sources with --sources")  # fmt: skip
    layout = LAYOUTS[source.layout](people)
    if mediated.splits and source.layout in PART_COLUMNS:
        return replace(layout, columns=layout.columns + PART_COLUMNS[source.layout])
    return layout
