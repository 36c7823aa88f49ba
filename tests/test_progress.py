"""Plain lines of progress: no time left is foretold from the little that was done."""

from __future__ import annotations

import io
import time

import pytest

from tollbook.run.progress import Lines


def test_the_rest_is_foretold_from_a_tenth_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """20 s for 9 of 100 and 30 s for 30: the other 70 take 30 x 70 / 30 s."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    out = io.StringIO()
    lines = Lines(out)
    lines.start("decode", 100)
    for seconds, done in ((4, 5), (16, 4), (10, 21), (5, 10)):
        now[0] += seconds
        lines.advance(done)
    lines.stop("7 files")
    assert out.getvalue().splitlines() == [
        "decode: 9 %", "decode: 30 %, about 70 s left", "decode: 7 files"]  # fmt: skip
