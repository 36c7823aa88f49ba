"""What would cure a suspended record: the very number, prefix, cell or day that is missing.

Looked up in today's working folders, as a retry would. Where they cannot be read, and for reasons
that name nothing, the reason's general advice remains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

import pyarrow as pa

from rating import guide_trace
from rating.guide_trace import Ends, Guidance
from tollbook import clock, codes, numbering, reasons
from tollbook.errors import Refused
from tollbook.run import data
from tollbook.run.correctable import RAW_RECORD, escaped, name_of
from tollbook.run.data import Data
from tollbook.run.records import record_text
from tollbook.run.session import Session
from tollbook.run.standing import TRIES_MAX

_WHOLE_RECORD: Final = ("columns_too_few", "columns_too_many", "quote_unclosed", "row_too_long",
                        "record_unreadable")  # fmt: skip


class Cures:
    """Advice for the records of a workspace. number: how a telephone number is shown."""

    def __init__(self, session: Session, number: Callable[[str], str]) -> None:
        self._session, self._number = session, number
        self._natives: dict[str, bool | None] = {}

    def of(self, row: Mapping[str, Any]) -> str:
        """What to do about a row of suspense, as one sentence."""
        again = f"`tollbook suspense correct {record_text(row['record_id'])} --note WHY`"
        tail = f"; first {again}: it was tried {TRIES_MAX} times, and gets as many once more"
        return self._cure(row) + (tail if row["tries"] >= TRIES_MAX else "")

    def _cure(self, row: Mapping[str, Any]) -> str:
        reason = reasons.BY_CODE[reasons.CODE[row["reason"]]]
        if row["flags"] & codes.FLAG_CORRECTED and not row["tries"]:
            return f"it is corrected: `tollbook suspense retry {record_text(row['record_id'])}`"
        if reason.stage == "decode":
            is_whole = reason.name in _WHOLE_RECORD or not row["field"]
            field = RAW_RECORD if is_whole else name_of(row["field"])
            if field == RAW_RECORD and self.is_native(row):  # nobody writes its bytes
                return (f"{reason.advice}, or discard it: `tollbook suspense discard "
                        f"{record_text(row['record_id'])} --note WHY`")  # fmt: skip
            return (f"{reason.advice}: `tollbook suspense correct {record_text(row['record_id'])} "
                    f"--set {field}=VALUE --note WHY`")  # fmt: skip
        make = _SENTENCES.get(reason.name)
        return (make(self, row) if make else "") or reason.advice

    def is_native(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of suspense came in a native file. A source that is no more: its bytes."""
        source, space = row["source"], self._session.workspace
        if source not in self._natives:
            is_known = any(one.name == source for one in space.sources)
            self._natives[source] = data.is_native(space, source) if is_known else None
        found = self._natives[source]
        return "\\x" in escaped(row[RAW_RECORD]) if found is None else found

    @cached_property
    def _data(self) -> Data | None:
        try:
            return data.load(self._session.root)
        except Refused:  # the folders are being worked on; a retry would say what is wrong
            return None

    def _e164(self, text: str) -> int:
        """A number as the network tables have it; 0 if it is none."""
        values, _ = numbering.to_e164(pa.array([text]), self._session.workspace.numbering)
        return int(values[0])

    def _shown(self, text: str) -> str:
        value = self._e164(text)
        return self._number(f"+{value}" if value else text)

    def _served(self, row: Mapping[str, Any]) -> str:
        """What tells whose record it is."""
        if row["served_raw"] or not row["imsi"]:
            return self._shown(row["served_raw"])
        return f"IMSI {self._number(str(row['imsi']))}"

    def _when(self, row: Mapping[str, Any]) -> str:
        return clock.local_text(row["start_utc_s"], self._session.workspace.operator.time_zone)

    def _guidance(self, row: Mapping[str, Any]) -> Guidance | None:
        """What today's tables say of the record."""
        if self._data is None:
            return None
        special = row["other_raw"]
        if special not in self._data.network.special_numbers.numbers:
            special = ""
        return guide_trace.look_up(
            self._data.workspace, self._data.network, self._data.customers,
            Ends(row["start_utc_s"], self._e164(row["served_raw"]), self._e164(row["other_raw"]),
                 special, row["network"], row["location"], row["direction"], row["forward"],
                 self._e164(row["routing_raw"]), row["imsi"]),
        )  # fmt: skip

    # ---- one sentence for each reason that names something

    def _subscription(self, row: Mapping[str, Any]) -> str:
        visitor = ""
        if row["imsi"] and row["network"] in self._session.workspace.operator.networks:
            visitor = (f", or, if it is a visitor's, the beginning of IMSI "
                       f"{self._number(str(row['imsi']))} one in customers/visitors.csv")
        elif row["imsi"] and row["network"].isdigit():
            visitor = (f", or, if the network {row['network']} is the operator's own, name it "
                       "under `plmn` in operator.yaml")
        return (f"give {self._served(row)} a row in customers/subscriptions.csv that "
                f"is valid on {self._when(row)}{visitor}, then retry")  # fmt: skip

    def _inactive(self, row: Mapping[str, Any]) -> str:
        return (f"the row of {self._served(row)} in customers/subscriptions.csv is "
                f"not active on {self._when(row)}; correct its status or its days, then retry")

    def _range(self, row: Mapping[str, Any]) -> str:
        if row["field"] == "imsi":
            found = self._guidance(row)
            number = f"+{found.served_e164}" if found and found.served_e164 else ""
            of = f"{self._number(number)}, the number of " if number else "the number of "
            return (f"add a prefix of {of}{self._served(row)}, to network/number_ranges.csv, then "
                    "retry")  # fmt: skip
        raw = row["served_raw" if row["field"] == "served_raw" else "other_raw"]
        return f"add a prefix of {self._shown(raw)} to network/number_ranges.csv, then retry"

    def _location(self, row: Mapping[str, Any]) -> str:
        if not row["location"]:
            return ("a visitor was where his location says: correct it, or give his row of "
                    "customers/visitors.csv a zone, then retry")
        return f"add the location '{row['location']}' to network/locations.csv, then retry"

    def _network(self, row: Mapping[str, Any]) -> str:
        return f"add the network '{row['network']}' to network/networks.csv, then retry"

    def _number_form(self, row: Mapping[str, Any]) -> str:
        raw = self._number(row.get(row["field"], ""))
        return (f"'{raw}' fits no dialling rule of operator.yaml: correct {row['field']}, or add "
                "the rule, then retry")  # fmt: skip

    def _relation(self, row: Mapping[str, Any]) -> str:
        found = self._guidance(row)
        if found is None or not found.served.zone or not found.other.zone:
            return ""
        return (f"add the pair {found.served.zone},{found.other.zone} to network/relations.csv, "
                "then retry")  # fmt: skip

    def _plan(self, row: Mapping[str, Any]) -> str:
        found = self._guidance(row)
        if found is None or found.subscription is None:
            return ""
        return (f"give the plan '{found.subscription.plan}' a version in force on "
                f"{self._when(row)}, then retry")  # fmt: skip

    def _rate(self, row: Mapping[str, Any]) -> str:
        found = self._guidance(row)
        if found is None or found.subscription is None:
            return ""
        to = f" to {found.other.name} ({found.other.zone})" if found.other.zone else ""
        relation = f", relation {found.relation}" if found.relation else ""
        return (f"give the plan '{found.subscription.plan}' a rule for {row['service']} "
                f"{row['direction']}{to}{relation}, then retry")  # fmt: skip

    def _trunk(self, row: Mapping[str, Any]) -> str:
        trunks = _trunks(row)
        return f"add the trunk {trunks} to network/trunks.csv, then retry" if trunks else ""

    def _agreement(self, row: Mapping[str, Any]) -> str:
        trunks = _trunks(row)
        return trunks and (f"add a rate for the carrier of trunk {trunks}, {row['service']}, in "
                           f"force on {self._when(row)}, to network/agreements.csv, then retry")

    def _future(self, row: Mapping[str, Any]) -> str:
        return (f"it starts on {self._when(row)}: retry when that is past, or correct start_utc_s "
                "if the source's clock is wrong")  # fmt: skip


def _trunks(row: Mapping[str, Any]) -> str:
    return " or ".join(f"'{row[name]}'" for name in ("trunk_in", "trunk_out") if row[name])


_SENTENCES: Final[dict[str, Callable[[Cures, Mapping[str, Any]], str]]] = {
    "subscription_missing": Cures._subscription,
    "subscription_inactive": Cures._inactive,
    "number_range_missing": Cures._range,
    "location_missing": Cures._location,
    "network_missing": Cures._network,
    "served_number_malformed": Cures._number_form,
    "other_number_malformed": Cures._number_form,
    "routing_number_malformed": Cures._number_form,
    "relation_missing": Cures._relation,
    "plan_missing": Cures._plan,
    "no_rate": Cures._rate,
    "trunk_unknown": Cures._trunk,
    "settlement_rate_missing": Cures._agreement,
    "start_in_future": Cures._future,
}
