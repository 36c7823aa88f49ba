"""The catalogue's tables (SQLAlchemy Core; portable SQL only: SQLite now, PostgreSQL by URL).

The catalogue is the truth about what was committed; the lake's file names are a view of it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text

SCHEMA_VERSION: Final = 2
METADATA: Final = MetaData()

META: Final = Table(
    "meta", METADATA,
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)  # fmt: skip

RUNS: Final = Table(
    "runs", METADATA,
    Column("run_number", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(20), nullable=False),  # a key of session.KINDS
    Column("as_of_utc_s", BigInteger, nullable=False),
    Column("period", Integer, nullable=False),  # what bill and settle close; 0 for the others
    Column("open_period", Integer, nullable=False),  # first open month when the run was planned
    Column("snapshot", String(64), nullable=False),
    Column("arguments", Text, nullable=False),  # JSON: what a restart needs to do the same again
    Column("state", String(12), nullable=False),  # planned | committed | published
    Column("epoch", Integer, nullable=False),
    Column("elapsed_ms", BigInteger, nullable=False),
)  # fmt: skip

FILES: Final = Table(
    "files", METADATA,
    Column("file_number", Integer, primary_key=True, autoincrement=False),
    Column("run_number", Integer, nullable=False, index=True),
    Column("source", String(200), nullable=False),
    Column("name", String(1000), nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("modified_ns", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),  # -1: the name holds none
    Column("rows", BigInteger, nullable=False),
    Column("refused", Text, nullable=False),  # "": read; else why nothing of it was used
    # The manifest: when the file was made, which request asked for it, what was found in it.
    Column("file_utc_s", BigInteger, nullable=False, index=True),
    Column("request_number", Integer, nullable=False),  # 0: nobody asked for it again
    Column("expected", BigInteger, nullable=False),  # the sequence that was due; -1: any
    Column("first_start_utc_s", BigInteger, nullable=False),  # of readable records; 0: none
    Column("last_start_utc_s", BigInteger, nullable=False),
    Column("seconds", BigInteger, nullable=False),  # durations of its readable records
    Column("volume_bytes", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),  # records that its run put into suspense
    Column("duplicates", BigInteger, nullable=False),
    Column("released", Text, nullable=False),  # who had it read in spite of its errors, and why
    Column("release_of", Integer, nullable=False),  # its number when it was held back; 0: never
)  # fmt: skip

# Files that lie in the inbox and are not to be read: copies of what was processed.
REFUSALS: Final = Table(
    "refusals", METADATA,
    Column("source", String(200), primary_key=True),
    Column("name", String(1000), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("modified_ns", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("refused_utc_s", BigInteger, nullable=False),
    Column("looked_at", Integer, nullable=False),  # 1: the alarms have taken note of it
)  # fmt: skip

# Sequence numbers that a source has passed over.
GAPS: Final = Table(
    "sequence_gaps", METADATA,
    Column("gap_number", Integer, primary_key=True, autoincrement=False),
    Column("source", String(200), nullable=False, index=True),
    Column("numbers", Text, nullable=False),  # as it was found: "17-19", "999998-999999 0-2"
    Column("missing", Text, nullable=False),  # what is still missing of it; "": nothing
    Column("since_utc_s", BigInteger, nullable=False),  # when the file after it was made
)  # fmt: skip

# What each source counts on to, by the files that the alarms have taken note of.
MARKS: Final = Table(
    "sequence_marks", METADATA,
    Column("source", String(200), primary_key=True),
    Column("due", BigInteger, nullable=False),
)  # fmt: skip

# Files that were asked for again.
REQUESTS: Final = Table(
    "requests", METADATA,
    Column("request_number", Integer, primary_key=True, autoincrement=False),
    Column("source", String(200), nullable=False, index=True),
    Column("sequences", Text, nullable=False),  # "17-19"; "": not by sequence
    Column("file_name", String(1000), nullable=False),  # "": not by name
    Column("from_utc_s", BigInteger, nullable=False),  # files made from then on ...
    Column("to_utc_s", BigInteger, nullable=False),  # ... to before then; 0 and 0: not by time
    Column("missing", Text, nullable=False),  # sequences that have not arrived since
    Column("note", Text, nullable=False),
    Column("asked_by", String(200), nullable=False),
    Column("asked_utc_s", BigInteger, nullable=False),
    Column("state", String(12), nullable=False),  # open | filled | closed
    Column("ended_utc_s", BigInteger, nullable=False),  # 0: it is open
    Column("ended_by", String(200), nullable=False),  # "": the files that arrived
)  # fmt: skip

ALARMS: Final = Table(
    "alarms", METADATA,
    Column("alarm_number", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(40), nullable=False),
    Column("source", String(200), nullable=False),  # "": of no source
    Column("subject", String(200), nullable=False),  # a gap's numbers; "": the source as such
    Column("level", String(12), nullable=False),
    Column("detail", Text, nullable=False),
    Column("raised_utc_s", BigInteger, nullable=False),
    Column("seen_utc_s", BigInteger, nullable=False),  # when its condition was last found
    Column("told_utc_s", BigInteger, nullable=False),  # when people were last told
    Column("repeats", Integer, nullable=False),  # how often it was found again
    Column("acknowledged_utc_s", BigInteger, nullable=False),  # 0: nobody has
    Column("acknowledged_by", String(200), nullable=False),
    Column("note", Text, nullable=False),
    Column("cleared_utc_s", BigInteger, nullable=False),  # 0: it stands
)  # fmt: skip

# Who reached which level of which rule of `high_usage`, and what was done about it.
HIGH_USAGE: Final = Table(
    "high_usage", METADATA,
    Column("report_number", Integer, primary_key=True, autoincrement=False),
    Column("rule", String(200), nullable=False),
    Column("subscription_id", String(200), nullable=False),
    Column("account_id", String(200), nullable=False),
    Column("span", String(10), nullable=False),  # 2003-06 or 2003-06-10
    Column("level", Integer, nullable=False),
    Column("imsi", BigInteger, nullable=False),  # of the last record; 0: it has none
    Column("plan", String(200), nullable=False),  # of the last record
    Column("measure", String(12), nullable=False),
    Column("amount", BigInteger, nullable=False),  # micro (rounded down), seconds or bytes
    Column("threshold", BigInteger, nullable=False),  # of level 1, in the same unit
    Column("charge_micro", BigInteger, nullable=False),
    Column("seconds", BigInteger, nullable=False),
    Column("volume_bytes", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("first_start_utc_s", BigInteger, nullable=False),
    Column("last_start_utc_s", BigInteger, nullable=False),
    Column("found_utc_s", BigInteger, nullable=False),
    Column("disposed_utc_s", BigInteger, nullable=False),  # 0: nobody has decided
    Column("action", String(20), nullable=False),
    Column("days", Integer, nullable=False),  # for which force_open holds
    Column("disposed_by", String(200), nullable=False),
    Column("note", Text, nullable=False),
)  # fmt: skip

LAKE_FILES: Final = Table(
    "lake_files", METADATA,
    Column("path", String(500), primary_key=True),  # relative to the workspace, when visible
    Column("run_number", Integer, nullable=False, index=True),
    Column("dataset", String(40), nullable=False),
    Column("period", Integer, nullable=False),  # month, or UTC day for the duplicate index; 0: none
    Column("rows", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("superseded_by", Integer, nullable=False),  # run number; 0: in force
)  # fmt: skip

TOTALS: Final = Table(
    "totals", METADATA,
    Column("run_number", Integer, primary_key=True),
    Column("file_number", Integer, primary_key=True),
    Column("period", Integer, primary_key=True),  # usage period; 0 where the start is unreadable
    Column("reason", Integer, primary_key=True),  # tollbook.reasons; 0: rated
    Column("service", Integer, primary_key=True),
    Column("disposition", String(12), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("charge", String(40), nullable=False),  # micro as text: sums may exceed int64
)  # fmt: skip

PERIODS: Final = Table(
    "periods", METADATA,
    Column("kind", String(12), primary_key=True),  # bill | settle
    Column("period", Integer, primary_key=True),
    Column("closed_by_run", Integer, nullable=False),
)  # fmt: skip

SNAPSHOTS: Final = Table(
    "snapshots", METADATA,
    Column("digest", String(64), primary_key=True),
    Column("file_count", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
)  # fmt: skip

# Accounts that have a record older than what their balances were used for, where a plan says
# `late: rerate`: they are to be rated again in the order of their records.
LATE: Final = Table(
    "rerate_due", METADATA,
    Column("run_number", Integer, primary_key=True, autoincrement=False),  # that found them
    Column("account_id", String(200), primary_key=True),
    Column("period", Integer, primary_key=True),  # bill period of the late record
    Column("since_utc_s", BigInteger, nullable=False),  # start of the earliest one
    Column("rerated_by", Integer, nullable=False),  # run number; 0: it is due
)  # fmt: skip
