"""Benchmarks: decoding, rating, the whole night, bills, against pyarrow.csv, Polars and DuckDB.

``python -m bench`` makes an operator and one night's files, measures, and prints the figures; they
are ratios of runs taken in turns on the same files. Every measure asserts that its results are
right. ``data`` and ``book`` make the input, ``peers`` is the others' part, each ``cases_*`` one
measure, ``table`` the README's table. ``test_bench`` runs everything on little data.
"""
