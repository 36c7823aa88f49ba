"""A balance: what one owner has of one item for a span of days, and which records used it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Use:
    """What one record took from a balance."""

    record_id: int
    start_utc_s: int
    subscription_id: str
    served_e164: int
    before: int
    taken: int


@dataclass(frozen=True)
class Day:
    """What the records of one local day took from a balance."""

    day: date
    records: int
    taken: int


@dataclass(frozen=True)
class Balance:
    """One item of one owner for one span of days.

    item: plan/kind/name. until: the first day after it. granted: base units or micro; None: without
    end, or the item only counts. carried_used: of ``used``, what later spans took. is_open: some
    record has asked for it; else ``granted`` is what the first one will find. before: what was used
    by records of months before those that ``uses`` are of. corrected: what those of closed months
    take otherwise by re-ratings since; it is in ``used``. limit: of a span that is over, how much
    of it all later ones together may use; None: it is not over.
    """

    owner_kind: str
    owner: str
    item: str
    measure: str
    since: date
    until: date
    granted: int | None
    used: int
    carried_used: int
    is_open: bool
    uses: tuple[Use, ...] = ()
    before: int = 0
    corrected: int = 0
    limit: int | None = None

    @property
    def kind(self) -> str:
        """A word of memory_model.KINDS."""
        return self.item.split("/")[-2]

    @property
    def left(self) -> int | None:
        """What is left of it; None: it has no end."""
        return self.left_of(self.used, self.limit is not None)

    def left_of(self, used: int, is_over: bool) -> int | None:
        """What was left when so much was used. is_over: by records of later spans, too."""
        if self.granted is None:
            return None
        if self.limit is None or not is_over:
            return self.granted - used
        in_its_span = self.used - self.carried_used
        carried = max(used - in_its_span, 0)
        return max(min(self.granted - in_its_span, self.limit) - carried, 0)

    def days(self, time_zone: str) -> list[Day]:
        """Its history by local day."""
        zone, found = ZoneInfo(time_zone), dict[date, tuple[int, int]]()
        for use in self.uses:
            day = datetime.fromtimestamp(use.start_utc_s, zone).date()
            records, taken = found.get(day, (0, 0))
            found[day] = records + 1, taken + use.taken
        return [Day(day, *found[day]) for day in sorted(found)]
