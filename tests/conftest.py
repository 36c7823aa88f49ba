"""Shared test set-up: hypothesis profiles and the flag that rewrites golden files."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "normal", max_examples=60, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
settings.register_profile("long", parent=settings.get_profile("normal"), max_examples=2000)
settings.register_profile("plain", parent=settings.get_profile("normal"), max_examples=8)
JIT_IS_OFF = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
settings.load_profile("plain" if JIT_IS_OFF else os.environ.get("TOLLBOOK_HYPOTHESIS", "normal"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """No test cuts the power: what a process has written stays when it is killed. What is forced to
    the disk, and when, ``test_disk`` watches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield
