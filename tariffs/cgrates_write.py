"""Imported plans as the files of a book: one for each version, the destinations beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import numpy as np
import pyarrow as pa

from tariffs.book_taxes import ALWAYS
from tariffs.cgrates_map import DeckRow, Draft, shared
from tariffs.model import DAY_S, Charge, Plan, PrefixRows, Rate, Rule, Version
from tariffs.when import When
from tariffs.write import deck_csv, plan_text
from tollbook.columns import OPEN_FROM, OPEN_TO

COMPONENT: Final = "usage"
_EPOCH: Final = date(1970, 1, 1)


def files(drafts: Sequence[Draft], currency: str, time_zone: str) -> dict[str, bytes]:
    """Every file of the book by its name; equal decks are one file."""
    found: dict[str, bytes] = {}
    deck_names: dict[tuple[DeckRow, ...], str] = {}
    counts: dict[str, int] = {}
    for draft in drafts:
        counts[draft.plan_id] = counts.get(draft.plan_id, 0) + 1
        stem = f"{draft.plan_id}-{counts[draft.plan_id]}"
        rates, names = shared(draft.rates)
        rows = tuple(DeckRow(r.prefix, r.destination, names[r.rate]) for r in draft.deck)
        if rows and rows not in deck_names:
            deck_names[rows] = f"{stem}.csv"
            found[deck_names[rows]] = _deck(rows, [rate.name for rate in rates])
        charge = Charge(COMPONENT, names.get(draft.direct, ""), by_prefix=deck_names.get(rows, ""))
        version = _version(draft, rates, charge, time_zone)
        plan = Plan(draft.plan_id, draft.plan_id, currency, (version,))
        comment = f"Imported from {draft.at[0]}:{draft.at[1]}."
        found[f"{stem}.yaml"] = plan_text(plan, version, (comment,)).encode()
    return found


def _version(draft: Draft, rates: tuple[Rate, ...], charge: Charge, time_zone: str) -> Version:
    """One rule for all that the plan has a price for. A plan that falls back ends there: a last
    rule that refuses would be final."""
    rules = [Rule(When(service=(draft.service,)), (charge,))] if rates else []
    if not (draft.fallback and rules):
        rules.append(Rule(When(), refuse=True))
    is_split = draft.ends_s is not None and draft.service in ("voice", "video")
    first, first_s = _moment(draft.starts_s) or (ALWAYS, 0)
    last, last_s = _moment(draft.ends_s) or (None, 0)
    return Version(
        first, last, time_zone, rates, tuple(rules), (COMPONENT,),
        fallback=draft.fallback, version_change="split" if is_split else "start",
        valid_from_s=first_s, valid_to_s=last_s,
    )  # fmt: skip


def _moment(wall_s: int | None) -> tuple[date, int] | None:
    """The day and the second of it; None: open."""
    if wall_s is None:
        return None
    days, second = divmod(wall_s, DAY_S)
    return _EPOCH + timedelta(days=days), second


def _deck(rows: Sequence[DeckRow], names: Sequence[str]) -> bytes:
    """A deck whose rows name rates."""
    count = len(rows)
    absent, zeros = np.full(count, -1, np.int64), np.zeros(count, np.int64)
    return deck_csv(PrefixRows(
        prefix=np.array([int(row.prefix) for row in rows], np.int64),
        size=np.array([len(row.prefix) for row in rows], np.int8),
        destination=pa.array([row.destination for row in rows], pa.string()),
        price_nano=absent,
        rate=np.array([names.index(row.rate) for row in rows], np.int32),
        first_increment=zeros, increment=zeros, connect_nano=absent, minimum_nano=absent,
        valid_from_wall_s=np.full(count, OPEN_FROM), valid_to_wall_s=np.full(count, OPEN_TO),
        lines=np.arange(2, count + 2),
    ), names)  # fmt: skip
