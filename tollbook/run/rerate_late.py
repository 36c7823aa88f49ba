"""Late records of plans that say ``late: rerate``: their accounts are rated again in order.

Accounts whose first late record counts in the same bill month are rated again together, in one run
from that month on. A group that is refused stays due and is told; the others are done all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from tollbook.errors import TollbookError
from tollbook.run import late, rerate
from tollbook.run.late import Due
from tollbook.run.rerate import Rerated
from tollbook.run.rerate_scope import Scope
from tollbook.run.session import Session, writing


@dataclass(frozen=True)
class Group:
    """Accounts that are due from the same month on. done: None if refused; why_not says why."""

    period: int
    accounts: tuple[str, ...]
    done: Rerated | None = None
    why_not: str = ""


def run(
    session: Session, as_of_utc_s: int | None = None, dry_run: bool = False
) -> tuple[Group, ...]:
    """Rate all accounts again that are due, group by group; () if none is.

    Raises TollbookError if a run that was interrupted before cannot be finished.
    """
    with writing(session):
        if not dry_run:
            _forget(session)
    found: list[Group] = []
    rated: set[Due] = set()
    while (group := _next(session, rated, {one.period for one in found})) is not None:
        scope = Scope(group.accounts)
        try:
            done = rerate.run(session, group.period, scope, as_of_utc_s, dry_run)
        except TollbookError as error:
            found.append(Group(group.period, group.accounts, why_not=str(error)))
            continue
        rated.update(done.late)
        found.append(Group(group.period, group.accounts, done))
    return tuple(found)


def _next(session: Session, rated: set[Due], tried: set[int]) -> Group | None:
    """The accounts of the first month that was not tried. rated: by runs that only looked."""
    first: dict[str, int] = {}
    for one in late.due(session.catalogue):
        if one not in rated:
            first[one.account_id] = min(one.period, first.get(one.account_id, one.period))
    period = min((month for month in first.values() if month not in tried), default=None)
    if period is None:
        return None
    return Group(period, tuple(sorted(name for name in first if first[name] == period)))


def _forget(session: Session) -> None:
    """Strike off what is due in months of which no record is left: all were withdrawn."""
    months = {file.period for file in session.catalogue.lake_files("rated")}
    gone = [one for one in late.due(session.catalogue) if one.period not in months]
    if gone:
        with session.catalogue.transaction() as link:
            late.settle(link, gone)
