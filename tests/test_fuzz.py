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

from cdr import ber, decoding, fixed, json_lines, native
from cdr import spec_kernels as k
from cdr.decoding import Block, DecodeContext
from tollbook import stage
from tollbook.errors import BrokenFile

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


def beyond_the_file(
    block: Block, context: DecodeContext, scratch: k.Scratch, out: k.Output, how: tuple[int, bool]
) -> None:
    out.totals[:] = (1, 0, 0)
    out.verdicts[:, 0], out.smalls[:, 0], out.offsets[:, :2] = 0, 0, 0
    out.numbers[:, 0] = block.byte_count + 1


def raising(*_: Any) -> Any:
    raise KeyError("a bad program")


def test_faults_are_found(fuzzer: fuzz.Fuzzer, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, objects = first_of(fuzzer, "lines"), first_of(fuzzer, "objects")
    assert fuzzer.run(lines) in ("rows", "suspense")
    with monkeypatch.context() as patch:
        patch.setattr(fixed, "decode", without_the_last(fixed.decode))
        with pytest.raises(Finding, match=r"bad rows without bytes|accounted for"):
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
    monkeypatch.setattr(decoding, "_run", beyond_the_file)
    with pytest.raises(Finding, match="a wrong place"):
        fuzz_kernels.run(fuzzer.input(kernel)[0], fuzzer.input(kernel)[1])


# Found by fuzzing: a record within which a file broke off had a length that nobody had written.
@pytest.mark.parametrize("data", [b"\xa0\x80\x80\x01\x00", b"\xa0\x80\x30\x01"])
def test_a_record_that_is_broken_off_has_an_end(data: bytes) -> None:
    blocks = ber.blocks(data, native.FORMATS["ts32298"].schema, "file")
    records = next(blocks).records
    assert (records.at.tolist(), records.size.tolist()) == ([0], [5 if len(data) > 4 else 2])
    assert (records.fault != 0).all()
    with pytest.raises(BrokenFile):
        next(blocks)


@pytest.mark.parametrize(
    "does", ["import os; os.kill(os.getpid(), 11)", "import time; time.sleep(9)"]
)
def test_a_child_that_dies_or_hangs_is_a_finding(
    does: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "child.py").write_text(does)
    monkeypatch.setattr(fuzz, "__file__", str(tmp_path / "child.py"))
    monkeypatch.setattr(fuzz, "WARM_UP_S", 0.5)
    *_, result = fuzz.main(fuzz.TOLD, 1)
    assert [finding[0] for finding in result["findings"]] == [0]
