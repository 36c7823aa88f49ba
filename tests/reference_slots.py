"""Naive twin of balances: whose slot, for which days, and what it is granted; days as sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction

from reference_price import rounded_nano

from rating.trace_steps import Facts
from tariffs.memory_model import Allowance, Cap, Counter, Span
from tariffs.model import Book, Rate, Version

Item = Allowance | Cap | Counter
ENDLESS = 10**18
OPEN, END = date(1970, 1, 1), date(9999, 12, 31)


@dataclass(frozen=True)
class Term:
    """A member (a subscription) is on a plan ("": whichever) on the days [since, until)."""

    member: str
    plan: str
    since: date
    until: date


@dataclass(frozen=True)
class Event:
    """A record, and whose it is. owners: by kind, "": nobody's."""

    record_id: int
    dedupe_hash: int
    plan: str
    owners: dict[str, str]
    bill_month: date
    facts: Facts

    @property
    def order(self) -> tuple[date, int, int, int]:
        return self.bill_month, self.facts.start_utc_s, self.dedupe_hash, self.record_id


@dataclass
class Slot:
    """A balance for the days [since, until); granted None: without end."""

    since: date
    until: date
    granted: int | None
    used: int = 0
    carried: int = 0


@dataclass
class Offer:
    """A slot that a record may use. is_drawn: only because another item draws on it."""

    label: str
    item: Item | Rate
    slot: Slot
    ends: date
    back: int
    covers: tuple[str, ...]
    is_drawn: bool = False
    before: int = 0
    taken: int = 0

    @property
    def left(self) -> int:
        """What may still be taken."""
        if self.slot.granted is None:
            return ENDLESS
        if self.back == 0:
            return max(self.slot.granted - self.slot.used, 0)
        at_its_end = self.slot.granted - (self.slot.used - self.slot.carried)
        return max(min(at_its_end, self.item.rollover_limit) - self.slot.carried, 0)

    def take(self, amount: int) -> None:
        if self.taken == 0:
            self.before = self.slot.used
        self.taken += amount
        self.slot.used += amount
        self.slot.carried += amount if self.back else 0


def month_after(day: date, months: int) -> date:
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


@dataclass
class Slots:
    """All slots of a set of accounts. terms: by (kind, owner)."""

    book: Book
    terms: dict[tuple[str, str], list[Term]]
    slots: dict[tuple[str, str, str, date], Slot] = field(default_factory=dict)

    def days(self, kind: str, owner: str, plan: str, members: Sequence[str] | None = None
             ) -> Iterator[tuple[date, date]]:
        for term in self.terms.get((kind, owner), ()):
            if term.plan in ("", plan) and (members is None or term.member in members):
                yield term.since, term.until

    def grant(self, item: Item | Rate, kind: str, owner: str, plan: str, since: date, until: date
              ) -> int | None:
        """What a slot is opened with."""
        if not isinstance(item, Allowance):
            spans = list(self.days(kind, owner, plan))
            is_on = any(max(low, since) < min(high, until) for low, high in spans)
            return item.amount_micro if isinstance(item, Cap) and is_on else 0
        members = sorted({term.member for term in self.terms.get((kind, owner), ())})
        total, endless = 0, False
        for some in [[one] for one in members] if item.per_member else [members]:
            spans = [(max(low, since), min(high, until))
                     for low, high in self.days(kind, owner, plan, some)]  # fmt: skip
            spans = [(low, high) for low, high in spans if low < high]
            if not spans:
                continue
            if item.amount == -1:
                endless = True
                continue
            part = Fraction(1)
            if item.prorate.by != "none":
                held = {low + timedelta(n) for low, high in spans for n in range((high - low).days)}
                part = Fraction(len(held), (until - since).days)
                if item.prorate.by == "half_month":
                    part = Fraction(1, 2) if min(held).day > 15 else Fraction(1)
            if part == 1:
                total += item.amount
                continue
            units = Fraction(item.amount, item.prorate.unit_size) * part
            units += Fraction(item.prorate.add_nano, 10**9)
            whole = rounded_nano(units * 10**9, 0, item.prorate.mode) // 10**9
            total += min(whole * item.prorate.unit_size, item.amount)
        return None if endless else total

    def span(self, span: Span, event: Event, day: date, back: int, plan: str, who: tuple[str, str]
             ) -> tuple[date, date]:
        """First day of the span that lies so many before that of a record, and the day after."""
        if span.kind == "month":
            return month_after(event.bill_month, -back), month_after(event.bill_month, 1 - back)
        if span.kind == "day":
            return day - timedelta(back), day + timedelta(1 - back)
        if span.kind == "days":
            begin = min((low for low, _ in self.days(*who, plan)), default=OPEN)
            at = (day - begin).days // span.days - back
            return (begin + timedelta(at * span.days), begin + timedelta((at + 1) * span.days))
        return span.valid_from or OPEN, span.valid_to or END

    def offers(
        self, item: Item | Rate, label: str, event: Event, day: date, plan: str,
        covers: tuple[str, ...],
    ) -> Iterator[Offer]:
        """The slots of an item that a record may use, that of its own span first."""
        over = item.over if isinstance(item, Rate) else item
        span, kind = over.span, over.owner
        owner = event.owners[kind]
        if not owner or not (span.valid_from or OPEN) <= day < (span.valid_to or END):
            return
        more = getattr(item, "rollover_spans", 0)
        opens = min(
            (version.valid_from for version in self.version_of(plan)
             if any(label.endswith(f"/{one.name}") for one in version.memory.allowances)),
            default=OPEN,
        )  # fmt: skip
        begin = min((low for low, _ in self.days(kind, owner, plan)), default=OPEN)
        for back in range(more + 1):
            since, until = self.span(span, event, day, back, plan, (kind, owner))
            if back and (until <= opens or (span.kind == "days" and until <= begin)):
                return
            key = kind, owner, label, since
            if key not in self.slots:
                granted = self.grant(self.opening(plan, label, item, since), kind, owner, plan,
                                     since, until)  # fmt: skip
                self.slots[key] = Slot(since, until, granted)
            ends = self.span(span, event, day, back - more, plan, (kind, owner))[1]
            yield Offer(label, item, self.slots[key], ends, back, covers)

    def opening(self, plan: str, label: str, item: Item | Rate, since: date) -> Item | Rate:
        """The item as the version in force on the first day of a span has it, or the first one."""
        _, kind, name = label.split("/")
        found = [
            (version.valid_from, one) for version in self.version_of(plan)
            for one in {"allowance": version.memory.allowances, "cap": version.memory.caps}.get(
                kind, ()) if one.name == name
        ]  # fmt: skip
        before = [one for day, one in found if day <= since]
        return before[-1] if before else found[0][1] if found else item

    def version_of(self, plan: str) -> Sequence[Version]:
        return next(one.versions for one in self.book.plans if one.plan_id == plan)
