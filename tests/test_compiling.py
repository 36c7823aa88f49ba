"""The process that compiles beside a machine's first night: what it compiles is what is needed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import nights
import pytest
from conftest import JIT_IS_OFF

from tollbook import jit
from tollbook.run import compiling
from tollbook.run.progress import Silent

KERNELS = {  # some of each step
    "keep_ints", "collect_ints", "normalise", "find_rules", "price_rows", "price_crossing",
    "find_legs", "write_legs", "write_keys", "find_first",
}  # fmt: skip


def forms() -> dict[str, set[str]]:
    """By kernel that is kept on the disk the types of arguments that this process has it for."""
    kernels = [module for name, module in sys.modules.items() if name.endswith("_kernels")]
    found = {
        name: {str(one) for one in value.signatures}
        for module in kernels for name, value in vars(module).items()
        if hasattr(value, "signatures") and not value.targetoptions.get("no_cpython_wrapper")
    }  # fmt: skip
    return {name: types for name, types in found.items() if types}


def check(root: Path, as_of_utc_s: int) -> None:
    """In a process of its own: a night needs the kernels in no other form."""
    for _ in compiling.compiled_later():
        pass
    before = forms()
    assert nights.run(root, as_of_utc_s).rows > 0
    after = forms()
    assert JIT_IS_OFF or before.keys() >= KERNELS
    more = {name: after[name] - types for name, types in before.items() if after[name] != types}
    assert not more, more


def test_the_night_needs_what_was_compiled_before_it(tmp_path: Path) -> None:
    made = nights.make(tmp_path, 400, 1)
    as_of_utc_s = nights.deliver(tmp_path, made, 0)
    call = f"test_compiling.check(Path({str(tmp_path)!r}), {as_of_utc_s})"
    assert nights.apart(f"import test_compiling\n{call}") == 0


def test_one_process_starts_where_nothing_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    spawn = os.posix_spawn
    sleeps = [sys.executable, "-c", "import time; time.sleep(60)"]

    def spawned(program: str, asked: list[str], where: Any, **more: Any) -> None:
        assert asked[1:4] == ["-P", "-m", "tollbook.run.compiling"]
        started.append(spawn(program, sleeps, where, **more))

    monkeypatch.setattr(jit, "CACHE_FOLDER", tmp_path / "kernels")
    monkeypatch.setattr(jit, "is_off", lambda: False)
    monkeypatch.setattr(compiling, "cores", lambda: 2)
    monkeypatch.setattr(os, "posix_spawn", spawned)
    assert compiling.is_due()
    compiling.begin(Silent())
    compiling.begin(Silent())  # the first one is at it
    assert len(started) == 1
    end(started[0])
    compiling.begin(Silent())  # it was killed: the next start makes another
    assert len(started) == 2
    end(started[1])
    (tmp_path / "kernels" / "rate_kernels.price_rows-23.py311.1.nbc").touch()
    assert not compiling.is_due()
    compiling.begin(Silent())  # nothing is left to do
    monkeypatch.setattr(compiling, "cores", lambda: 1)
    monkeypatch.setattr(jit, "CACHE_FOLDER", tmp_path / "others")
    compiling.begin(Silent())  # no core to spare
    assert len(started) == 2


def end(process: int) -> None:
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
