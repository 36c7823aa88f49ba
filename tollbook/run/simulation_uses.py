"""What records have used of balances beside and before those of a month that is simulated.

Balances that go on beyond a month (rollover, what is granted once, spans of days) are used by
records of other months, too. What the month's records found of them depends on what had been used
by then: in the turn of each run, as the lake was at that time. Files that were superseded since
still say it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tollbook.columns import index_in
from tollbook.run import lake, rewriting, use_differences
from tollbook.run.catalogue import LakeFile
from tollbook.run.commit import where_kept
from tollbook.run.item_owners import ItemOwners
from tollbook.run.pool import in_order
from tollbook.run.session import Session
from tollbook.run.simulation_turns import Turns
from tollbook.run.state_reach import first_day_of
from tollbook.run.undo_state import USED_BY, used_by, uses_of

OWN: Final = 2**31 - 1  # instead of a run: what records of the month itself have used
_SLOT: Final = ("owner_kind", "owner", "item", "since")
_KEYS: Final = (*_SLOT, "day", "period", "run")
SCHEMA: Final = pa.schema([
    *((name, pa.string()) for name in _SLOT[:3]), ("since", pa.date32()), ("day", pa.int32()),
    ("period", pa.int32()), ("run", pa.int32()), ("taken", pa.int64()),
])  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """How uses are found. period: the month that is simulated. accounts: utf8, as ``turns`` number
    them. is_monthly: the items that matter -> whether each bill month has a balance of its own."""

    session: Session
    period: int
    turns: Turns
    accounts: pa.Array
    is_monthly: Mapping[str, bool]

    def uses(self) -> pa.Table:
        """All that today's balances hold, but for what was there as the month's first run began
        (``SCHEMA``, summed up): with the run in whose turn it was taken, negative: taken back."""
        session = self.session
        files = session.catalogue.lake_files("rated", hidden=True)
        own = [one for one in files if one.period == self.period and not one.superseded_by]
        first = min(rewriting.night_of(one) for one in own)
        more = _corrections(session)
        kinds = ItemOwners(session)
        wanted = [one for one in files if self._matters(one, first)
                  or (not one.superseded_by and one.period in more)]  # fmt: skip

        def work(file: LakeFile) -> pa.Table:
            pieces = [SCHEMA.empty_table()]
            rows = _read(session, file)
            if self._matters(file, first):
                pieces += self._of_rows(file, rows, kinds.of(file))
            if not file.superseded_by and file.period in more:
                pieces += self._of_corrections(file, rows, more[file.period])
            return _summed(pieces)

        return _summed([SCHEMA.empty_table(), *in_order(session.threads, work, wanted)])

    def _matters(self, file: LakeFile, first: int) -> bool:
        """Whether what a file's rows have used changes behind the first run of the month."""
        if file.period == self.period:
            return not file.superseded_by
        is_gone = 0 < file.superseded_by < first
        stays = file.run_number < first and not file.superseded_by
        return not is_gone and not (stays and file.period < self.period)

    def _of_rows(
        self, file: LakeFile, rows: pa.Table, kinds: Mapping[str, str]
    ) -> Iterator[pa.Table]:
        used = used_by(rows)
        if not used.num_rows:
            return
        found = uses_of(used, kinds)
        accounts = used.column("account_id").take(found.column("row"))
        yield from self._in_turn(file, found, accounts, file.run_number)

    def _of_corrections(
        self, file: LakeFile, rows: pa.Table, booked: Sequence[tuple[int, pa.Table]]
    ) -> Iterator[pa.Table]:
        ids = rows.column("record_id").to_numpy()
        order = np.argsort(ids, kind="stable")
        for number, uses in booked:
            among = rewriting.is_among(uses.column("record_id").to_numpy(), ids[order])
            found = uses.filter(pa.array(among))
            if found.num_rows:
                wanted = found.column("record_id").to_numpy()
                row = order[np.searchsorted(ids[order], wanted)]
                accounts = rows.column("account_id").take(pa.array(row))
                yield from self._in_turn(file, found, accounts, number)

    def _in_turn(
        self, file: LakeFile, uses: pa.Table, accounts: pa.ChunkedArray, made_by: int
    ) -> Iterator[pa.Table]:
        """Uses by records of a file, with the run in whose turn they were taken, and taken back.

        A re-rating of a pool from a month on takes anew what records of that month and later ones
        use, each in its turn; what others use was there before it."""
        kept = self._is_wanted(file, uses)
        uses, accounts = uses.filter(kept), accounts.filter(kept)
        if file.period == self.period:
            yield self._table(file, uses, np.full(uses.num_rows, OWN, np.int32))
            return
        turns, night = self.turns, rewriting.night_of(file)
        account = index_in(pc.cast(accounts, pa.string()).combine_chunks(), self.accounts)
        again, removed = turns.again[account], file.superseded_by
        turn = np.where(turns.in_order[account], again, night)
        turn = np.where(file.period < turns.since[account], 0, turn)
        turn = np.where(made_by <= again, turn, made_by)
        was_there = (removed == 0) | (again < removed)
        yield self._table(file, uses, np.where(was_there, turn, 0))
        if removed:
            yield self._table(file, uses, np.where(was_there, removed, 0), -1)

    def _is_wanted(self, file: LakeFile, uses: pa.Table) -> pa.Array:
        """Uses (bool) of balances that the month's records could have used; of their own only what
        they had of balances that were there before them."""
        items = uses.column("item").combine_chunks().dictionary_encode()
        names = items.dictionary.to_pylist()
        of_item = np.array([one in self.is_monthly for one in names], np.bool_)
        monthly = np.array([self.is_monthly.get(one, False) for one in names], np.bool_)
        since = uses.column("since").cast(pa.int32()).to_numpy()
        place = items.indices.to_numpy()
        wanted = of_item[place] & (since <= first_day_of(self.period + 1))
        if file.period == self.period:
            wanted &= ~begins_within(monthly[place], since, first_day_of(self.period))
        return pa.array(wanted)

    def _table(self, file: LakeFile, uses: pa.Table, run: np.ndarray, sign: int = 1) -> pa.Table:
        """Uses that count (run > 0) as ``SCHEMA``."""
        count = uses.num_rows
        found = pa.table({
            **{name: uses.column(name) for name in (*_SLOT, "day")},
            "period": pa.array(np.full(count, file.period, np.int32)),
            "run": pa.array(run.astype(np.int32)),
            "taken": pa.array(uses.column("taken").to_numpy() * sign),
        }).cast(SCHEMA)  # fmt: skip
        return found.filter(pa.array(run > 0))


def begins_within(is_monthly: np.ndarray, since: np.ndarray, first_day: int) -> np.ndarray:
    """Which balances (bool) no record of earlier months can have used. Spans of days may be those
    of a plan with a clock of its own: its days begin earlier or later."""
    found: np.ndarray = since > np.where(is_monthly, first_day - 1, first_day + 1)
    return found


def _read(session: Session, file: LakeFile) -> pa.Table:
    """What is needed of a file's rows, also of a superseded one."""
    file = where_kept(file)
    stored = pq.read_schema(session.root / file.path).names
    names = [name for name in ("record_id", *USED_BY) if name in stored]
    return lake.read(session.root, file, names)


def _corrections(session: Session) -> dict[int, list[tuple[int, pa.Table]]]:
    """Closed month -> runs, and what its records take otherwise since (``use_differences``)."""
    found: dict[int, list[tuple[int, pa.Table]]] = {}
    for file in session.catalogue.lake_files(use_differences.DATASET):
        rows = lake.read(session.root, file, use_differences.USES.names)
        day = rows.column("day").cast(pa.int32())
        rows = rows.set_column(rows.schema.get_field_index("day"), "day", day)
        rows = rows.select(use_differences.USES.names).cast(use_differences.USES)
        found.setdefault(file.period, []).append((file.run_number, rows))
    return found


def _summed(uses: Sequence[pa.Table]) -> pa.Table:
    found = pa.concat_tables(uses).group_by(list(_KEYS), use_threads=False).aggregate(
        [("taken", "sum")])  # fmt: skip
    found = found.rename_columns([*_KEYS, "taken"]).select(SCHEMA.names).cast(SCHEMA)
    return found.filter(pc.not_equal(found.column("taken"), 0))
