"""relations.csv: an ordered list of patterns, compiled to a dense matrix of zone pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from tollbook.columns import Table, load_table
from tollbook.network_tables import SAME, Zones
from tollbook.table_checks import WORD, WORD_IS, advice, check_shape
from tollbook.text import Problems

RELATIONS_MAX: Final = 1000


def load_relations(
    path: Path, zones: Zones, problems: Problems, shown: str
) -> tuple[tuple[str, ...], np.ndarray]:
    """The relations in the order in which the file first names them, and the matrix.

    relations.csv: served, other, relation; the first row that fits a pair of zones wins. Matrix:
    int16 [served zone, other zone], -1 where no row fits. A row that decides nothing because
    earlier rows fit all its pairs is noted as a warning.
    """
    table = load_table(path, ("served", "other", "relation"), (), problems, shown)
    check_shape(table, "relation", WORD, WORD_IS, problems)
    words = table["relation"].to_pylist()
    relations = tuple(dict.fromkeys(words))
    if len(words) > RELATIONS_MAX:
        problems.add(table.at(RELATIONS_MAX), f"{len(words)} rows", f"at most {RELATIONS_MAX} rows",
                     "use region: and country: patterns")
        words = words[:RELATIONS_MAX]
    matrix = np.full((len(zones.ids), len(zones.ids)), -1, np.int16)
    for row, word in enumerate(words):
        served = _zones_of(table, "served", row, zones, problems)
        if table["other"][row].as_py() in SAME:
            fits = _same(table["other"][row].as_py(), served, zones)
        else:
            other = _zones_of(table, "other", row, zones, problems)
            fits = np.broadcast_to(other, (len(served), len(other)))
        part = matrix[served]
        free = (part < 0) & fits
        if fits.any() and not free.any():
            problems.warn(table.at(row), f"the row '{table.cell('served', row)}, "
                          f"{table.cell('other', row)}' decides nothing: earlier rows fit all its "
                          "pairs", "the first row that fits wins", "move it up, or remove it")
        part[free] = relations.index(word)
        matrix[served] = part
    return relations, matrix


def _zones_of(
    table: Table, name: str, row: int, zones: Zones, problems: Problems
) -> np.ndarray:
    """The zones that a pattern fits: row numbers for ``served``, a bool mask for ``other``."""
    pattern = table[name][row].as_py()
    kind, _, word = pattern.partition(":")
    if pattern == "*":
        mask = np.ones(len(zones.ids), np.bool_)
    elif kind == "region" and word in zones.regions:
        mask = zones.region_index == zones.regions.index(word)
    elif kind == "country" and word in zones.countries:
        mask = zones.country_index == zones.countries.index(word)
    elif pattern in zones.ids:
        mask = np.arange(len(zones.ids)) == zones.ids.index(pattern)
    else:
        if zones.ids:  # without any, zones.csv has a problem of its own
            _note_unknown(table, name, row, zones, problems)
        mask = np.zeros(len(zones.ids), np.bool_)
    return np.flatnonzero(mask) if name == "served" else mask


def _note_unknown(table: Table, name: str, row: int, zones: Zones, problems: Problems) -> None:
    pattern = table[name][row].as_py()
    known = [*zones.ids, *(f"region:{region}" for region in zones.regions),
             *(f"country:{country}" for country in zones.countries)]
    allowed = "*, a zone of zones.csv, region:X or country:X of its columns"
    if name == "other":
        allowed += f", or {', '.join(SAME)}"
        known.extend(SAME)
    problems.add(table.at(row), f"{name} is '{table.cell(name, row)}'", allowed,
                 advice(pattern, known, "correct it, or add the zone to zones.csv"))


def _same(word: str, served: np.ndarray, zones: Zones) -> np.ndarray:
    """Which other zones share the zone, area, region or country; bool [served, other]."""
    index = {
        "same_zone": np.arange(len(zones.ids), dtype=np.int32),
        "same_area": zones.area_index,
        "same_region": zones.region_index,
        "same_country": zones.country_index,
    }[word]
    own = index[served][:, None]
    same: np.ndarray = (own == index[None, :]) & (own >= 0)
    return same
