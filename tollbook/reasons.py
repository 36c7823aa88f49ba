"""Why a record was not rated: one append-only table (ADR 0003).

A reason's code is stored in lakes for ever: codes are never re-used and never change meaning; new
reasons are appended. ``china`` is the error number that the China Unicom GSM billing practice uses
for the same thing, where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tollbook.codes import (
    DISCARDED,
    DUPLICATE,
    FILTERED,
    MERGED,
    PENDING,
    SETTLED_ONLY,
    SUSPENDED,
)


@dataclass(frozen=True)
class Reason:
    code: int  # int16 in columns; 0 means "no reason: the record goes on"
    name: str  # noun_problem
    stage: str
    disposition: int  # tollbook.codes.DISPOSITIONS
    retryable: bool  # whether time, or a change of limits, reference data or tariffs, can cure it
    china: str
    advice: str


_S, _D = SUSPENDED, DISCARDED
REASONS: Final = (
    # decode: the bytes of one row
    Reason(1, "columns_too_few", "decode", _S, False, "705",
           "compare the row with the layout; a truncated row needs a new copy of the file"),
    Reason(2, "columns_too_many", "decode", _S, False, "705",
           "compare the row with the layout; a delimiter inside a field must be quoted"),
    Reason(3, "field_too_long", "decode", _S, False, "1",
           "the field exceeds the layout's limit; ask the source for a correct row"),
    Reason(4, "text_not_utf8", "decode", _S, False, "1",
           "name the source's encoding in the layout, or ask for a correct file"),
    Reason(5, "quote_unclosed", "decode", _S, False, "1",
           "a quote opens and never closes; ask the source for a correct row"),
    Reason(6, "number_malformed", "decode", _S, False, "4",
           "the field is not a telephone number (digits, +, *, #, letters of a SIP user)"),
    Reason(7, "integer_malformed", "decode", _S, False, "1", "the field is not a whole number"),
    Reason(8, "decimal_malformed", "decode", _S, False, "1", "the field is not a decimal amount"),
    Reason(9, "time_malformed", "decode", _S, False, "5",
           "the field does not follow the layout's time format"),
    Reason(10, "time_not_on_clock", "decode", _S, False, "5",
           "the local time was skipped when daylight saving began; check the source's clock"),
    Reason(11, "service_unknown", "decode", _S, False, "2",
           "add the word to the layout's map of services"),
    Reason(12, "direction_unknown", "decode", _S, False, "20",
           "add the word to the layout's map of directions"),
    Reason(13, "field_missing", "decode", _S, False, "1", "a field that must have a value"
           " is empty"),
    Reason(14, "imsi_malformed", "decode", _S, False, "3", "an IMSI has 6 to 15 digits"),
    Reason(15, "integer_out_of_range", "decode", _S, False, "1",
           "the value is negative or too large for its field"),
    Reason(16, "row_too_long", "decode", _S, False, "1",
           "the row exceeds the layout's limit, usually because a line end is missing"),
    Reason(17, "imei_malformed", "decode", _S, False, "1", "an IMEI has 14 to 16 digits"),
    Reason(18, "text_control_character", "decode", _S, False, "1",
           "the text holds a NUL or another control character; ask the source for a correct row"),
    Reason(19, "forward_reason_unknown", "decode", _S, False, "20",
           "add the word to the layout's map of reasons of forwarding"),
    # decode: rows that the layout says are no charge at all
    Reason(20, "not_answered", "decode", _D, False, "", "an unanswered attempt; nothing to do"),
    Reason(21, "not_billable", "decode", _D, False, "",
           "the layout's filter keeps other kinds of row; nothing to do"),
    Reason(22, "record_unreadable", "decode", _S, False, "1",
           "the record's bytes break the rules of its format; ask the source for a correct file"),
    Reason(23, "encoding_unknown", "decode", _S, False, "2",
           "the record is not coded in BER; have the source deliver BER"),
    # validate: values that are read but cannot be right
    Reason(30, "start_in_future", "validate", _S, True, "5",
           "check the source's clock and time zone; correct the start, or retry when it is past"),
    Reason(31, "start_too_old", "validate", _S, True, "5",
           "older than `limits: age` when it came; raise the limit, correct the start, or discard"),
    Reason(32, "duration_too_long", "validate", _S, True, "6",
           "longer than `limits: duration`; check with the switch, then raise the limit"),
    Reason(33, "duration_zero", "validate", _D, False, "6", "a call of 0 seconds; nothing to do"),
    Reason(34, "volume_too_large", "validate", _S, True, "6",
           "more bytes than `limits: volume`; check with the gateway, then raise the limit"),
    Reason(35, "volume_zero", "validate", _D, False, "6",
           "a data session without a byte; nothing to do"),
    Reason(36, "events_zero", "validate", _D, False, "6",
           "a message without a segment; nothing to do"),
    # normalise
    Reason(40, "served_number_malformed", "normalise", _S, True, "4",
           "the served number fits no dialling rule in operator.yaml"),
    Reason(41, "other_number_malformed", "normalise", _S, True, "30",
           "the other party's number fits no dialling rule in operator.yaml"),
    Reason(42, "routing_number_malformed", "normalise", _S, True, "823",
           "the number routed to (MSRN) fits no dialling rule in operator.yaml"),
    # guide
    Reason(50, "subscription_missing", "guide", _S, True, "-1",
           "add the number (or IMSI) to customers/subscriptions.csv with its validity, or the "
           "beginning of a visitor's IMSI to customers/visitors.csv, then retry"),
    Reason(51, "subscription_inactive", "guide", _S, True, "733",
           "the subscription was suspended or closed at that time; correct it, then retry"),
    Reason(52, "number_range_missing", "guide", _S, True, "820",
           "add the other party's prefix to network/number_ranges.csv, then retry"),
    Reason(53, "relation_missing", "guide", _S, True, "100",
           "add the pair of zones to network/relations.csv, then retry"),
    Reason(54, "location_missing", "guide", _S, True, "810",
           "add the cell or area to network/locations.csv, then retry"),
    Reason(55, "network_missing", "guide", _S, True, "7",
           "add the visited network's TADIG code to network/networks.csv, then retry"),
    # deduplicate
    Reason(60, "record_duplicate", "deduplicate", DUPLICATE, False, "tc010",
           "the same record came before; nothing to do"),
    Reason(61, "record_overlaps", "deduplicate", DUPLICATE, False, "tc010",
           "another record of the same number covers the same time; nothing to do"),
    Reason(62, "record_ultra_short", "deduplicate", DUPLICATE, False, "tc010",
           "one of a run of very short calls, of which the first stays; nothing to do"),
    # assemble
    Reason(65, "part_merged", "assemble", MERGED, False, "",
           "a part of a long call that is charged with its first part; nothing to do"),
    Reason(66, "part_awaited", "assemble", PENDING, False, "",
           "a part of a long call whose other parts have not come yet; a later run goes on"),
    # rate
    Reason(70, "plan_missing", "rate", _S, True, "80",
           "the subscription's plan has no version in force at that time; add one, then retry"),
    Reason(71, "no_rate", "rate", _S, True, "2001",
           "no rule of the plan fits the usage; add a rule or a rate, then retry"),
    Reason(72, "charge_too_large", "rate", _S, True, "",
           "the charge exceeds the plan's declared maximum; check the record and the price"),
    # settle
    Reason(80, "settlement_rate_missing", "settle", _S, True, "3",
           "add a dated rate to network/agreements.csv for this carrier and group, then retry"),
    Reason(81, "trunk_unknown", "settle", _S, True, "5",
           "add the trunk to network/trunks.csv, then retry"),
    Reason(82, "carried_for_others", "settle", SETTLED_ONLY, False, "",
           "a transit record: it has legs and no subscriber; nothing to do"),
    # filtered by rule
    Reason(90, "charged_online", "validate", FILTERED, False, "",
           "already charged by the online system; nothing to do"),
    Reason(91, "filtered_by_rule", "mediate", FILTERED, False, "",
           "a rule of operator.yaml, mediation: filter; nothing to do"),
    # discarded by rule or by a person
    Reason(92, "discarded_by_rule", "mediate", _D, False, "",
           "a rule of operator.yaml, mediation: discard; nothing to do"),
    Reason(93, "discarded_by_hand", "suspense", _D, False, "",
           "somebody gave the record up; see `tollbook suspense history`"),
)  # fmt: skip

BY_CODE: Final = {reason.code: reason for reason in REASONS}
CODE: Final = {reason.name: reason.code for reason in REASONS}
NONE: Final = 0


def name_of(code: int) -> str:
    """``"ok"`` for 0, the reason's name otherwise."""
    return BY_CODE[code].name if code else "ok"
