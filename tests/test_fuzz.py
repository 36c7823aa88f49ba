"""A part of the fuzzing of docs/fuzzing.md in every run of the suite; that it would find faults."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fuzz
import fuzz_kernels
import pytest
from conftest import JIT_IS_OFF
from fuzz_kernels import Finding

from cdr import decoding, fixed, json_lines
from cdr.decoding import Block, DecodeContext
from tollbook import stage

INPUTS = 100 if JIT_IS_OFF else 8_000


@pytest.fixture(scope="module")
def fuzzer() -> Iterator[fuzz.Fuzzer]:
    with tempfile.TemporaryDirectory() as name:
        yield fuzz.Fuzzer(Path(name), 7)


def test_no_input_does_harm() -> None:
    """In a child process whose memory is limited; every reader has its share of the inputs."""
    *_, result = fuzz.main(INPUTS, 1)
    assert result["findings"] == []
    assert result["inputs"] == INPUTS
    assert sum(counts["mutated"] + counts["truncated"] + counts["random"] + counts["packed"]
               for counts in result["outcomes"].values()) == INPUTS  # fmt: skip
    if not JIT_IS_OFF:
        names = {name.split()[0] for name in result["outcomes"]}
        assert names >= {"tollbook", "emi", "objects", "tap", "rap", "nrtrde", "ts32298", "ts32297"}
        assert sum(counts["suspense"] for counts in result["outcomes"].values()) > INPUTS // 10


def first_of(fuzzer: fuzz.Fuzzer, name: str) -> int:
    """The number of the first input of a target that is decoded to its end."""
    for number in range(20_000):
        target, data, stored, how, _ = fuzzer.input(number)
        if target.name == name and how == "mutated" and stored is data and len(data) > 90:
            return number
    raise AssertionError(name)


def without_the_last(decode: Callable[..., stage.StageResult]) -> Callable[..., stage.StageResult]:
    def wrong(block: Block, context: DecodeContext) -> stage.StageResult:
        found = decode(block, context)
        totals = found.totals | {"rows": found.batch.num_rows - 1}
        batch = found.batch.slice(0, found.batch.num_rows - 1)
        return stage.StageResult(batch, None, totals=totals)

    return wrong


def raising(*_: Any) -> Any:
    raise KeyError("a bad program")


def test_faults_are_found(fuzzer: fuzz.Fuzzer, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, objects = first_of(fuzzer, "lines"), first_of(fuzzer, "objects")
    assert fuzzer.run(lines) in ("rows", "suspense")
    with monkeypatch.context() as patch:
        patch.setattr(fixed, "decode", without_the_last(fixed.decode))
        with pytest.raises(Finding, match="bad rows without bytes|accounted for"):
            fuzzer.run(lines)
    with monkeypatch.context() as patch:
        patch.setattr(json_lines, "_values", raising)
        with pytest.raises(KeyError):
            fuzzer.run(objects)
    with monkeypatch.context() as patch:
        patch.setattr(fuzz, "SECONDS_MAX", -1)
        with pytest.raises(Finding, match="it took more than"):
            fuzzer.run(lines)
    kernel = first_of(fuzzer, "local kernel")
    monkeypatch.setattr(decoding, "_run", lambda block, context, scratch, out, how:
                        out.totals.fill(-5))  # fmt: skip
    with pytest.raises(Finding):
        fuzz_kernels.run(fuzzer.input(kernel)[0], fuzzer.input(kernel)[1])


@pytest.mark.parametrize(
    "does", ["import os; os.kill(os.getpid(), 11)", "import time; time.sleep(9)"]
)
def test_a_child_that_dies_or_hangs_is_a_finding(
    does: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "child.py").write_text(does)
    monkeypatch.setattr(fuzz, "__file__", str(tmp_path / "child.py"))
    monkeypatch.setattr(fuzz, "SILENCE_S", 0.5)
    *_, result = fuzz.main(fuzz.TOLD, 1)
    assert [finding[0] for finding in result["findings"]] == [0]
