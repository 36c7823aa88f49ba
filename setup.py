"""Packaging: flat packages, listed one by one (ADR 0001); ``bench`` and ``tests`` stay out."""

from pathlib import Path

from setuptools import setup

CORE = [
    "numpy>=2.1",
    "pyarrow>=20",
    "numba>=0.61",
    "click>=8.1",
    "pyyaml>=6.0",
    "sqlalchemy>=2.0",
    "rich>=13.7",
    "typst>=0.13",
    "openpyxl>=3.1",
    "tzdata>=2025.1",
]
TEST = [
    "pytest>=8.2",
    "pytest-benchmark>=5.1",
    "pytest-xdist>=3.6",
    "hypothesis>=6.115",
    "mypy>=1.13",
    "ruff>=0.8",
    "types-PyYAML",
    "types-openpyxl",
    "duckdb>=1.2",
    "polars>=1.20",
    "build>=1.2",
    "jsonschema>=4.23",
    "phonenumbers>=8.13",
]

setup(
    name="tollbook",
    version="0.1.0",
    description="Exact, high-throughput batch billing, rating and settlement for telecom operators",
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[
        "tollbook", "tollbook.run", "tollbook.cli",
        "cdr", "tariffs", "rating", "billing", "settlement",
    ],
    package_data={
        "tollbook": ["py.typed", "sample/**/*", "blank/**/*"],
        "cdr": ["layouts/*.yaml", "asn1/*.csv"],
        "tariffs": ["schema/*"],
        "billing": ["templates/*"],
    },
    install_requires=CORE,
    extras_require={"test": TEST},
    entry_points={"console_scripts": ["tollbook = tollbook.cli.main:main"]},
)
