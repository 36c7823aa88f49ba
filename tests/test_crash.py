"""Promise 4: a run killed anywhere leaves, after the next start, what an undisturbed run leaves."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import nights
import pytest

from tollbook.run import crash


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A workspace after its first night, with the second night's files in the inbox."""
    root = tmp_path_factory.mktemp("before") / "operator"
    made = nights.make(root, records=1600, nights=2)
    nights.run(root, nights.deliver(root, made, 0))
    return root, nights.deliver(root, made, 1)


@pytest.fixture(scope="module")
def undisturbed(
    before: tuple[Path, int], tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], dict[str, list[dict[str, object]]]]:
    root, as_of = before
    copy = tmp_path_factory.mktemp("undisturbed") / "operator"
    shutil.copytree(root, copy)
    outcome = nights.run(copy, as_of)
    assert outcome.dispositions["rated"] > 500
    assert outcome.dispositions["suspended"] > 0
    return nights.tree(copy), nights.books(copy)


def _survives(root: Path, as_of: int, undisturbed: tuple[dict, dict]) -> None:
    """Start again after the kill: the lake and the books are those of an undisturbed run."""
    assert nights.run(root, as_of).refused == ()
    assert not list((root / "lake").glob("_*"))
    assert nights.tree(root) == undisturbed[0]
    assert nights.books(root) == undisturbed[1]
    nights.run(root, as_of)
    assert nights.tree(root) == undisturbed[0]


@pytest.mark.slow
@pytest.mark.parametrize("point", crash.POINTS)
def test_killed_at_a_named_point(
    point: str, before: tuple[Path, int], undisturbed: tuple[dict, dict], tmp_path: Path
) -> None:
    root = tmp_path / "operator"
    shutil.copytree(before[0], root)
    assert nights.run_apart(root, before[1], TOLLBOOK_KILL_AT=point) == -9
    _survives(root, before[1], undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_killed_while_decoding_rating_or_writing(
    seed: int, before: tuple[Path, int], undisturbed: tuple[dict, dict], tmp_path: Path
) -> None:
    """The process dies inside a stage, some microseconds into a call drawn by the seed."""
    chance = random.Random(seed)
    place = (
        "cdr.delimited:decode", "rating.rate_kernels:price_rows", "tollbook.run.lake:Writer.write",
    )  # fmt: skip
    module, name = place[seed % 3].split(":")
    killer = nights.killer(module, name, chance.randint(1, 2), chance.random() * 0.002)
    root = tmp_path / "operator"
    shutil.copytree(before[0], root)
    assert nights.run_apart(root, before[1], killer) == -9
    _survives(root, before[1], undisturbed)
