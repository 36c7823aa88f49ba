"""The catalogue's tables (SQLAlchemy Core; portable SQL only: SQLite now, PostgreSQL by URL).

The catalogue is the truth about what was committed; the lake's file names are a view of it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text

SCHEMA_VERSION: Final = 2
METADATA: Final = MetaData()

# kind of run -> planned -> committed -> published
RUN_STATES: Final = ("planned", "committed", "published")

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
    Column("state", String(12), nullable=False),
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
)  # fmt: skip

# Files that lie in the inbox and are not to be read: copies of what was processed.
REFUSALS: Final = Table(
    "refusals", METADATA,
    Column("source", String(200), primary_key=True),
    Column("name", String(1000), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("modified_ns", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
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
