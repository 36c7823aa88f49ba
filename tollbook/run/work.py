"""What a night and a retry have in common: reference data in, phases 2 and 3, control totals."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from rating import assemble, legs, owners, ratings, reference, selectors, tables
from tariffs import compiler, known, store
from tariffs.agreements import Agreement
from tariffs.compile_rates import Maxima
from tariffs.compile_targets import Names as CodeNames
from tollbook.money import format_nano
from tollbook.run import (
    assembling,
    compiling,
    crash,
    data,
    flow,
    index,
    memory,
    moves,
    pool,
    reading,
    remembering,
    snapshots,
    state,
    totals,
)  # fmt: skip
from tollbook.run.catalogue import LakeFile, Run, Total
from tollbook.run.data import Data
from tollbook.run.flow import Flow, Tariffs
from tollbook.run.lake_columns import Names
from tollbook.run.late import Late, rerates
from tollbook.run.parts import Target, Written
from tollbook.run.progress import Progress
from tollbook.run.reading import Read
from tollbook.run.session import SPILL, Session, open_period

COMPILED: Final = "compiled"  # folder of the lake for books as arrays; anything there may go


@dataclass(frozen=True)
class Result:
    """Everything that is ready to be committed.

    superseded: lake files whose rows were taken up again; released: how many rows. totals: the
    fates of all rows; net: the same, less the fate that released rows had. late: (account, bill
    period) -> start of the earliest record that was late (``late``).
    """

    files: list[LakeFile]
    superseded: tuple[str, ...]
    totals: list[Total]
    net: list[Total]
    leg_rows: int
    released: int
    late: Mapping[tuple[int, int], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Compiled:
    """A snapshot, read and compiled; a session keeps the last one for its next run."""

    digest: str
    open_settle_period: int
    data: Data
    book: compiler.CompiledBook
    agreements: legs.CompiledAgreements


def compiled(session: Session, digest: str, read: Read | None = None) -> Compiled:
    """A snapshot read, checked and compiled; raises Refused with every problem.

    read: its files, where they have been read already (``taking``).
    """
    settle = open_period(session.catalogue, "settle")
    kept = session.kept
    if isinstance(kept, Compiled) and (kept.digest, kept.open_settle_period) == (digest, settle):
        return kept
    memory.set_up()
    folder = snapshots.folder_of(session.lake, digest)
    found = data.checked(
        read
        or pool.beside(lambda: wake_kernels(session.progress), lambda: reading.read(folder))[1]
    )
    space, net = found.workspace, found.network
    maxima = Maxima(space.limits.duration_s, space.limits.volume_bytes)
    book = selectors.choose(
        _compiled_book(session, found, maxima), found.book.discounts, found.customers,
        space.operator.time_zone,
    )  # fmt: skip
    dated = legs.compile_agreements(
        found.agreements, net, space.operator.time_zone, settle, maxima
    )
    session.kept = Compiled(digest, settle, found, book, dated)
    return session.kept


def wake_kernels(progress: Progress) -> None:
    """Call one for nothing: the first kernel of a process waits until numba has read its tables."""
    compiling.begin(progress)
    tables.number_slots(np.zeros(0, np.int64))


def _compiled_book(session: Session, found: Data, maxima: Maxima) -> compiler.CompiledBook:
    """The book's arrays, kept in the lake for the next run whose book is the same."""
    net = found.network
    plan_ids = ratings.plan_ids(found.customers.accounts, net, found.customers.plan_ids)
    names = CodeNames(
        net.zones.ids, net.relations, found.workspace.numbering.access_codes,
        found.book.components, net.carriers.ids, net.zones.time_zones,
    )  # fmt: skip
    digest = store.digest_of(found.workspace.tariffs, known.names_of(found.workspace, net))
    return store.kept(
        session.lake / COMPILED, store.key_of(digest, names, plan_ids, maxima),
        lambda: compiler.compile_book(
            found.book, names.zones, names.relations, names.access_codes, plan_ids, maxima,
            names.carriers, names.zone_time_zones,
        ),
    )  # fmt: skip


@contextmanager
def prepared(session: Session, run: Run) -> Iterator[tuple[Data, Flow]]:
    """The run's snapshot, compiled, and a flow that writes for it; what was written is on the disk
    when the block is left."""
    ready = compiled(session, run.snapshot)
    found, net, book = ready.data, ready.data.network, ready.book
    its = None if book.memory is None else owners.build(
        found.customers, book.memory.has_groups, book.plan_ids,
        found.workspace.operator.time_zone,
    )  # fmt: skip
    facts = reference.build(
        found.workspace, net, found.customers, run.as_of_utc_s, run.open_period,
        found.customers.plan_ids, its,
    )  # fmt: skip
    more = ratings.assign(found.customers.accounts, net, book)
    target = Target(
        session.root, session.lake_prefix, run.run_number, run.as_of_utc_s,
        names_of(found, facts, book, its), net.carriers.ids[net.carriers.own_index],
    )  # fmt: skip
    session.lake.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=session.lake, prefix=SPILL) as folder:
        work = Flow(
            facts, Tariffs(book, ready.agreements, None if more.is_empty else more), target,
            Path(folder), session.progress,
            assemble.rules_of(found.workspace.partials, facts, run.as_of_utc_s), session.threads,
        )  # fmt: skip
        if book.memory is not None and its is not None:
            work.slots = state.Slots.of(
                book.memory, its, Path(folder),
                Late(rerates(found.book, book.version_plans, book.plan_ids)),
            )  # fmt: skip
        try:
            yield found, work
            target.disk.wait()
        finally:
            work.close()
            target.disk.close()


def names_of(
    found: Data,
    facts: reference.Reference,
    book: compiler.CompiledBook,
    its: owners.OwnerTables | None = None,
) -> Names:
    """What the indices in this run's batches stand for. its: who owns what the book remembers."""
    lines = facts.names.subscription_id.dictionary_encode()
    return Names(
        sources=facts.names.sources,
        accounts=facts.names.account_id,
        subscriptions=lines.dictionary,
        subscription_of_row=np.append(lines.indices.to_numpy(), np.int32(-1)),
        plans=book.plan_ids,
        versions=book.version_names,
        version_plans=[book.plan_ids[plan] for plan in book.version_plans],
        zones=facts.names.zones,
        relations=facts.names.relations,
        carriers=facts.names.carriers,
        special_numbers=facts.names.special_numbers,
        access_codes=facts.names.access_codes,
        components=found.book.components,
        trunks=facts.names.trunks,
        locations=facts.names.locations,
        agreements=[agreement.agreement for agreement in found.agreements],
        prices=[price_text(agreement) for agreement in found.agreements],
        groups=found.network.zones.groups,
        mediation=facts.names.mediation,
        items=book.items,
        owner_groups=() if its is None else its.groups,
        members=None if its is None else its.members,
    )


def price_text(agreement: Agreement) -> str:
    """``0.06 / 60 s``: a price as statements show it."""
    unit = {"second": "s", "byte": "B", "event": "event"}[agreement.unit]
    return f"{format_nano(agreement.price_nano)} / {agreement.per} {unit}"


def finish(session: Session, work: Flow) -> Result:
    """Duplicates, calls made of parts, rating, settlement, lake files; raises NotClosed."""
    crash.point("chunks_scattered")
    released = assembling.release(session, work)
    searches = work.reference.searches
    reach = index.Reach(searches.reach_s, searches.start_min_utc_s)
    days = reach.days(work.keys.distinct("start_day"))
    known = index.Index.of(
        session.root, session.catalogue.lake_files(index.DATASET, periods=days), reach,
        work.withdrawn,
    )
    repeats, files = flow.find_duplicates(work, known)
    assembled = assembling.assemble(work, repeats)
    crash.point("parts_assembled")
    remembering.read(session, work)
    written, sums = flow.rate_and_write(work, repeats)
    for part in (*assembled, *written):
        files += part.files
    files, replaced = remembering.finish(work, files)
    found = work.tally.totals()
    came_in = Counter(work.decoded_rows)
    came_in.update(dict(released.rows_by_file))
    totals.check_closed(came_in, found, {
        "the component columns": sum(part.component_micro for part in written),
        "the stages": sums.get("charge_micro", 0) - sums.get("taken_back_micro", 0),
    })  # fmt: skip
    rated = sum(total.rows for total in found if total.disposition == "rated")
    stored = sum(file.rows for file in files if file.dataset == "rated")
    if rated != stored:
        raise totals.not_closed([f"{rated} records are rated, {stored} rows are in the lake"])
    _check_ratings(files, written, sums)
    if sums.get("ratings"):
        session.progress.say(
            f"ratings: {sums['ratings']}, {sums['ratings_missing']} without a rate"
        )
    return Result(
        files, (*released.paths, *replaced), found, moves.net([*found, *released.left]),
        sums.get("legs", 0), sum(rows for _, rows in released.rows_by_file),
        work.slots.late.found if work.slots is not None else {},
    )  # fmt: skip


def _check_ratings(files: list[LakeFile], written: list[Written], sums: dict[str, int]) -> None:
    """Refuse a run whose further ratings were not all written, or for another amount."""
    stored = sum(file.rows for file in files if file.dataset == "ratings")
    micro = sum(part.ratings_micro for part in written)
    if (stored, micro) != (sums.get("ratings", 0), sums.get("ratings_micro", 0)):
        raise totals.not_closed([
            f"further ratings: {sums.get('ratings', 0)} for {sums.get('ratings_micro', 0)} micro "
            f"were made, {stored} for {micro} micro were written",
        ])
