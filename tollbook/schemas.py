"""Every Arrow schema that stages pass on or that the lake stores, declared once.

Conventions (ADR 0002 and 0006)
* Stage schemas use signed ints, bool, utf8, binary, list and struct only: Spark's Arrow functions
  refuse dictionaries, unsigned ints and decimal64. Money is int64 ``_micro``.
* No nulls between stages: an absent number is 0, an absent text is "" (each field says so). A
  kernel then needs no validity bitmap.
* A row never leaves its batch on the way. ``reason`` (``tollbook.reasons``) is 0 while the record
  goes on; the first stage that objects sets it and names the ``reason_field``; later stages pass
  such a row by; the write stage sends it to suspense or counts it.
* ``_index`` columns point into the run's reference data (-1: none); the lake stores the names.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

I8, I16, I32, I64 = pa.int8(), pa.int16(), pa.int32(), pa.int64()
TEXT, BYTES = pa.string(), pa.binary()


def _field(name: str, kind: pa.DataType, doc: str, unit: str = "") -> pa.Field:
    meta = {b"doc": doc.encode()} | ({b"unit": unit.encode()} if unit else {})
    return pa.field(name, kind, nullable=False, metadata=meta)


RECORD_ID = _field("record_id", I64, "file number << 32 + line of the file; shown as F17-204")

_CDR_FIELDS: Final = (
    RECORD_ID,
    _field("byte_offset", I64, "first byte of the record in its (uncompressed) file", "bytes"),
    _field("byte_length", I32, "length of the record without its line end", "bytes"),
    _field("source_index", I16, "position of the source in operator.yaml"),
    _field("service", I8, "tollbook.codes.SERVICES"),
    _field("direction", I8, "tollbook.codes.DIRECTIONS"),
    _field("served_raw", TEXT, "number of the party whose record this is, as the file has it"),
    _field("other_raw", TEXT, "number of the other party, as the file has it"),
    _field("third_raw", TEXT, "of a forwarded call, who called; its other party is where the call"
           " went on to; empty: none"),
    _field("imsi", I64, "0: absent"),
    _field("imei", I64, "0: absent"),
    _field("start_utc_s", I64, "start of the charged part (answer, event)", "s since 1970 UTC"),
    _field("utc_offset_s", I32, "the record's own local time minus UTC", "s"),
    _field("duration_s", I64, "charged duration, rounded as the layout says", "s"),
    _field("up_bytes", I64, "sent by the served party", "bytes"),
    _field("down_bytes", I64, "received by the served party", "bytes"),
    _field("event_count", I64, "segments of a message, events of a service", "events"),
    _field("trunk_in", TEXT, "incoming trunk group; empty: none"),
    _field("trunk_out", TEXT, "outgoing trunk group; empty: none"),
    _field("network", TEXT, "TADIG code of the serving network; empty: the operator's own"),
    _field("location", TEXT, "cell, area or switch that served; empty: unknown"),
    _field("call_ref", TEXT, "the source's own identifier of the call"),
    _field("sequence", I32, "number of a partial record; 0: the record is whole"),
    _field("cause", I32, "cause for termination as the source numbers it"),
    _field("routing_raw", TEXT, "number that the network routed to (MSRN, ported); empty: none"),
    _field("forward_reason", I8, "tollbook.codes.FORWARDS"),
    _field("upstream_charge_micro", I64, "charge that the source stated; 0: none", "micro"),
    _field("flags", I32, "tollbook.codes.FLAG_*"),
    _field("reason", I16, "tollbook.reasons; 0: the record goes on"),
    _field("reason_field", I16, "position in CDR of the field at fault; -1: none"),
)
CDR: Final = pa.schema(_CDR_FIELDS)

# Rows that could not be decoded whole: the bytes themselves, beside their row in the cdr batch.
REJECTED: Final = pa.schema([
    RECORD_ID,
    _field("raw_value", BYTES, "the field at fault, as the file has it"),
    _field("raw_record", BYTES, "the whole record, as the file has it"),
])  # fmt: skip

_NUMBER_FIELDS: Final = (
    _field("served_e164", I64, "digits with country code; 0: not a telephone number"),
    _field("other_e164", I64, "digits with country code; 0: none, or a special number"),
    _field("third_e164", I64, "digits with country code; 0: none"),
    _field("routing_e164", I64, "digits with country code; 0: none"),
    _field("access_code_index", I16, "access code stripped from the dialled number; -1: none"),
    _field("special_index", I32, "row of network/special_numbers.csv; -1: none"),
)
NORMALISED: Final = pa.schema([*_CDR_FIELDS, *_NUMBER_FIELDS])

_GUIDED_FIELDS: Final = (
    _field("subscription_index", I32, "row of Customers.lines in force at the start; -1: none"),
    _field("account_index", I32, "the account that pays; -1: none"),
    _field("plan_index", I32, "the subscription's plan; -1: none"),
    _field("bucket", I16, "0..255, from a stable hash of the pool root (or served number)"),
    _field("served_zone_index", I32, "zone of the place where the served party was; -1: none"),
    _field("other_zone_index", I32, "zone of the other party's number; -1: none"),
    _field("carrier_index", I32, "carrier that holds the other party's number; -1: none"),
    _field("relation_index", I16, "how the two zones relate; -1: none"),
    _field("home_zone_index", I32, "zone of the served number; -1: none"),
    _field("home_relation_index", I16, "how the home zone and the served place relate; -1: none"),
    _field("real_zone_index", I32, "true place of the served party where served_zone_index is"
           " another; -1: the same"),
    _field("called_zone_index", I32, "place that the relation was made with where it is not"
           " other_zone_index; -1: the same"),
    _field("roaming", I8, "tollbook.codes.ROAMINGS"),
    _field("location_index", I32, "row of network/locations.csv; -1: none or unknown"),
    _field("trunk_in_index", I32, "row of network/trunks.csv; -1: none or unknown"),
    _field("trunk_out_index", I32, "row of network/trunks.csv; -1: none or unknown"),
    _field("mediation_index", I16, "rule of operator.yaml, mediation, that took it; -1: none"),
    _field("dedupe_hash", I64, "hash of the fields of the duplicate key, never negative"),
    _field("usage_period", I32, "local month of the start: year * 12 + month - 1", "month"),
    _field("bill_period", I32, "usage_period, or the next open one", "month"),
)
USAGE: Final = pa.schema([*_CDR_FIELDS, *_NUMBER_FIELDS, *_GUIDED_FIELDS])

COMPONENTS_MAX: Final = 6  # charge components that a plan version may name
CHARGE_COLUMNS: Final = tuple(f"charge_{slot}_micro" for slot in range(COMPONENTS_MAX))
_RATED_FIELDS: Final = (
    _field("version_index", I32, "plan version in force at the start; -1: none"),
    _field("rule_index", I32, "rule of that version that held, from 0; -1: none"),
    *(_field(name, I64, "charge of the component in this slot of the plan", "micro")
      for name in CHARGE_COLUMNS),
    _field("charge_micro", I64, "sum of the components", "micro"),
)  # fmt: skip
# What a record has taken from items that remember, in the order in which they were asked.
USED: Final = pa.struct([
    _field("item", I32, "position in the compiled book's items"),
    _field("since_day", I32, "first local day of the slot's span", "days since 1970"),
    _field("before", I64, "used in that slot before the record: base units of the item, or micro"),
    _field("taken", I64, "used by the record: the same units"),
])  # fmt: skip
_USED: Final = _field("used", pa.list_(pa.field("element", USED, nullable=False)), "mostly empty")
RATED: Final = pa.schema([
    *_CDR_FIELDS, *_NUMBER_FIELDS, *_GUIDED_FIELDS, *_RATED_FIELDS, _USED,
])  # fmt: skip

# A further rating of a record, beside that of its subscription.
RATING: Final = pa.schema([
    RECORD_ID,
    _field("rating_kind", I8, "tollbook.codes.RATING_KINDS"),
    _field("plan_index", I32, "the plan that made it"),
    *_RATED_FIELDS,
    _field("reason", I16, "tollbook.reasons; 0: it has a price"),
    _field("start_utc_s", I64, "start of the call", "s since 1970 UTC"),
    _field("usage_period", I32, "local month of the start", "month"),
])

LEG: Final = pa.schema([
    RECORD_ID,
    _field("agreement_index", I32, "row of network/agreements.csv that made the leg"),
    _field("carrier_index", I32, "the other network"),
    _field("direction", I8, "1: we pay (outgoing), 2: they pay (incoming)"),
    _field("service", I8, "tollbook.codes.SERVICES"),
    _field("trunk_index", I32, "row of network/trunks.csv"),
    _field("group_index", I32, "settlement group of the zone where the call ends; -1: none"),
    _field("start_utc_s", I64, "start of the call", "s since 1970 UTC"),
    _field("settle_period", I32, "month by the agreement's clock", "month"),
    _field("quantity", I64, "seconds, bytes or events as recorded"),
    _field("billed_quantity", I64, "the same, rounded up to the agreement's increments"),
    _field("charge_micro", I64, "what the payer owes", "micro"),
])  # fmt: skip


# Bills. Quantities are kept apart by unit: a line about calls has seconds, one about data bytes.
_ACCOUNT: Final = _field("account_id", TEXT, "the account that pays")
_QUANTITIES: Final = (
    _field("usage_count", I64, "rated records in the line", "records"),
    _field("duration_s", I64, "of voice and video", "s"),
    _field("volume_bytes", I64, "of data, up and down", "bytes"),
    _field("event_count", I64, "of messages and events", "events"),
)
_PLAN: Final = _field("plan", TEXT, "the plan that made the charge; empty: a tax")
_TAX_CLASS: Final = _field("tax_class", TEXT, "class that names the tax rates")
_SUBSCRIPTION: Final = _field("subscription_id", TEXT, "of a recurring charge; empty: other lines")
_SERVICE_DAYS: Final = (
    _field("service_period", I32, "month that a recurring charge is for; 0: other lines", "month"),
    _field("first_day", I32, "day of that month, counted; 0: other lines", "day"),
    _field("last_day", I32, "day of that month, counted; 0: other lines", "day"),
)
USAGE_LINE: Final = pa.schema([
    _ACCOUNT,
    _PLAN,
    _field("component", TEXT, "charge component; `free`: records whose charge is zero"),
    _TAX_CLASS,
    *_QUANTITIES,
    _field("charge_micro", I64, "exact sum of the rated charges", "micro"),
])  # fmt: skip
RECURRING_LINE: Final = pa.schema([
    _ACCOUNT,
    _SUBSCRIPTION,
    _PLAN,
    _field("charge", TEXT, "name of the recurring charge in the plan"),
    _TAX_CLASS,
    *_SERVICE_DAYS,
    _field("amount_micro", I64, "rounded to the currency; negative: taken back", "micro"),
])  # fmt: skip
CORRECTION_LINE: Final = pa.schema([
    _ACCOUNT,
    _PLAN,
    _field("component", TEXT, "charge component"),
    _TAX_CLASS,
    _field("usage_count", I64, "records of closed months that differ", "records"),
    _field("charge_micro", I64, "exact sum of the differences", "micro"),
])  # fmt: skip
SETTLED_LINE: Final = pa.schema([
    _ACCOUNT,
    _PLAN,
    _SUBSCRIPTION,
    _field("service_period", I32, "month that is settled: year * 12 + month - 1", "month"),
    _field("rate", TEXT, "rate whose whole volume is settled"),
    _field("component", TEXT, "charge component"),
    _TAX_CLASS,
    *_QUANTITIES,
    _field("charge_micro", I64, "the records at the price of the tier reached, less what they were "
           "rated at", "micro"),
])  # fmt: skip
_BILL_KEY: Final = (
    _field("bill_period", I32, "month that is billed: year * 12 + month - 1", "month"),
    _field("bill_number", TEXT, "period and account, such as 2003-06-A-1007"),
    _ACCOUNT,
)
BILL_LINE: Final = pa.schema([
    *_BILL_KEY,
    _field("line_number", I32, "from 1 within the bill"),
    _field("kind", TEXT, "recurring, usage, settled, correction or tax"),
    _field("item", TEXT, "recurring charge, charge component (settled: and its rate) or tax"),
    _PLAN,
    _TAX_CLASS,
    _SUBSCRIPTION,
    *_SERVICE_DAYS,
    *_QUANTITIES,
    _field("percent_nano", I64, "of a tax; 0: other lines", "nano per cent"),
    _field("base_micro", I64, "what a tax is a percentage of; 0: other lines", "micro"),
    _field("rated_micro", I64, "exact sum of charges, or of what differs; 0: other lines", "micro"),
    _field("amount_micro", I64, "what is billed, rounded to the currency", "micro"),
])  # fmt: skip
BILL: Final = pa.schema([
    *_BILL_KEY,
    _field("currency", TEXT, "ISO 4217"),
    _field("line_count", I32, "rows of the bill in the bill lines"),
    _field("recurring_micro", I64, "sum of the recurring lines", "micro"),
    _field("usage_micro", I64, "sum of the usage lines as billed", "micro"),
    _field("settled_micro", I64, "sum of the lines of settled volumes as billed", "micro"),
    _field("correction_micro", I64, "sum of the correction lines as billed", "micro"),
    _field("tax_micro", I64, "sum of the tax lines", "micro"),
    _field("total_micro", I64, "total due: the sum of all lines", "micro"),
    _field("rated_micro", I64, "exact: rated charges, settled volumes and differences", "micro"),
    _field("rounding_micro", I64, "rated - usage - settled - correction", "micro"),
])  # fmt: skip
ENTRY: Final = pa.schema([
    _field("entry_id", TEXT, "bill number and ledger account"),
    *_BILL_KEY,
    _field("ledger_account", TEXT,
           "receivable, rounding, or kind and item, such as revenue:airtime"),
    _field("currency", TEXT, "ISO 4217"),
    _field("debit_micro", I64, "0: the entry is a credit", "micro"),
    _field("credit_micro", I64, "0: the entry is a debit", "micro"),
])  # fmt: skip

# What carriers owe each other for a period.
STATEMENT_LINE: Final = pa.schema([
    _field("statement_id", TEXT, "period and carrier, such as S-2003-06-beacon"),
    _field("settle_period", I32, "month by the agreements' clocks", "month"),
    _field("carrier", TEXT, "the other network"),
    _field("direction", TEXT, "out: we pay, in: they pay"),
    _field("service", TEXT, "tollbook.codes.SERVICES"),
    _field("settlement_group", TEXT, "of the zone where the calls end"),
    _field("agreement", TEXT, "agreement that made the legs"),
    _field("price", TEXT, "the agreement's price as text; empty: not known here"),
    _field("call_count", I64, "legs in the line", "legs"),
    _field("quantity", I64, "seconds, bytes or events as recorded"),
    _field("billed_quantity", I64, "the same, rounded up to the agreement's increments"),
    _field("charge_micro", I64, "exact sum of the legs", "micro"),
])  # fmt: skip

# One row a record that takes part in the search for duplicates; sorted within a partition and day.
DUPLICATE_KEY: Final = pa.schema([
    _field("dedupe_hash", I64, "31 bits of the served number's hash, then 31 bits of the key's,"
           " then 1"),
    RECORD_ID,
    _field("start_day", I32, "UTC day of the start", "days since 1970"),
    _field("served_key", I64, "E.164 digits, or the negative hash of a text that is no number"),
    _field("other_key", I64, "the same of the other party; 0: none"),
    _field("start_utc_s", I64, "start of the charged part", "s since 1970 UTC"),
    _field("duration_s", I64, "charged duration", "s"),
    _field("direction", I8, "tollbook.codes.DIRECTIONS"),
    _field("service", I8, "tollbook.codes.SERVICES"),
    _field("extra_key", I64, "hash of call_ref and sequence where they are in the key; else 0"),
    _field("standing", I8, "0: a whole record, 1: a part of a call, 2: a very short call that was"
           " not charged because one before it was"),
])  # fmt: skip

# What owners have of the items of their plans (docs/rating.md), for a span of local days each.
STATE: Final = pa.schema([
    _field("owner_kind", I8, "tariffs.memory_model.OWNERS"),
    _field("owner_index", I32, "of the subscription (each id once), the account or the group"),
    _field("item_index", I32, "position in the compiled book's items"),
    _field("since_day", I32, "first local day of the span", "days since 1970"),
    _field("until_day", I32, "first local day after it", "days since 1970"),
    _field("granted", I64, "base units of the item, or micro; 0: it only counts"),
    _field("used", I64, "of that, by all records"),
    _field("carried_used", I64, "of that, by records of later spans"),
    _field("last_start_utc_s", I64, "latest start of a record that used it", "s since 1970 UTC"),
])  # fmt: skip

# What a record of a closed month should have cost: billed as a correction by an open month.
DIFFERENCE: Final = pa.schema([
    RECORD_ID,
    _ACCOUNT,
    _field("subscription_id", TEXT, "whose usage it was"),
    _PLAN,
    _field("component", TEXT, "charge component"),
    _TAX_CLASS,
    _field("usage_period", TEXT, "month of the start"),
    _field("rated_period", TEXT, "closed month that had billed the record"),
    _field("bill_period", TEXT, "month that bills the difference"),
    _field("old_micro", I64, "what the account has been charged until then", "micro"),
    _field("new_micro", I64, "what it should be", "micro"),
    _field("delta_micro", I64, "new - old: what is billed", "micro"),
    _field("run_number", I32, "run that found it"),
])  # fmt: skip

# What records of closed months would have taken of balances (tollbook/run/use_differences.py).
USE_DIFFERENCE: Final = pa.schema([
    RECORD_ID,
    _field("owner_kind", TEXT, "whose balance: subscription, account or group"),
    _field("owner", TEXT, "its id"),
    _field("item", TEXT, "what remembers: plan/kind/name"),
    _field("since", pa.date32(), "first day of the balance's span"),
    _field("day", pa.date32(), "day of the record"),
    _field("taken", I64, "what it takes more than was known until then; negative: less"),
    _field("rated_period", TEXT, "closed month that had billed the record"),
    _field("run_number", I32, "run that found it"),
])  # fmt: skip

# What people did about records that waited in suspense: the trace that outlives them.
SUSPENSE_LOG: Final = pa.schema([
    RECORD_ID,
    _field("run_number", I32, "run that did it"),
    _field("action", TEXT, "retried, corrected, discarded or withdrawn"),
    _field("at_utc_s", I64, "as_of of that run", "s since 1970 UTC"),
    _field("who", TEXT, "who asked for it"),
    _field("reason", TEXT, "why the record waited until then"),
    _field("tries", I8, "how often it had been retried since its last correction"),
    _field("field", TEXT, "decoded column that was corrected; empty: other actions"),
    _field("old", TEXT, "its value until then; empty: other actions"),
    _field("new", TEXT, "its value from then on; empty: other actions"),
    _field("note", TEXT, "why, in the words of who asked for it"),
    _field("raw_record", BYTES, "the record as the file has it, where it could not be decoded"),
])  # fmt: skip


def check(batch: pa.RecordBatch, schema: pa.Schema, where: str) -> None:
    """A stage's batch must have exactly the declared columns and types, or the program is bad."""
    if not batch.schema.equals(schema, check_metadata=False):
        found = {f.name: str(f.type) for f in batch.schema}
        wanted = {f.name: str(f.type) for f in schema}
        wrong = sorted(set(found.items()) ^ set(wanted.items()))
        raise TypeError(f"{where}: batch does not have the declared schema; differs in {wrong}")


def positions(schema: pa.Schema) -> dict[str, int]:
    """Name of a column -> its position."""
    return {name: index for index, name in enumerate(schema.names)}
