"""Compiled books that are kept: read back as they were, and never when anything is wrong."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rating_helpers import rate_facts
from test_decks import book_of, call, deck_of, row

from tariffs import store
from tariffs.compile_rates import Maxima
from tariffs.compiler import CompiledBook, compile_book
from tariffs.known import Known
from tollbook import jit

NAMES = {"zones": ("010", "020"), "relations": ("local",), "access_codes": ("17911",)}


def compiled() -> CompiledBook:
    deck = deck_of([row("86", 10_000_000), row("861", 20_000_000, since=0)])
    return compile_book(book_of(deck), **NAMES, plan_ids=["p0"], carriers=("own",))


def parts(value: Any) -> dict[str, Any]:
    return dict(store._parts(value, ""))


def test_a_book_comes_back_as_it_was(tmp_path: Path) -> None:
    """Every array with its type, aligned and read-only; the same code prices with it."""
    made = compiled()
    assert store.save(tmp_path / "x.book", made)
    found = store.load(tmp_path / "x.book")
    assert found is not None
    assert [type(one) for one in found.tables] == [type(one) for one in made.tables]
    ours, theirs = parts(made), parts(found)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if isinstance(value, np.ndarray):
            other = theirs[name]
            assert (other.dtype, other.shape) == (value.dtype, value.shape), name
            assert other.tobytes() == value.tobytes(), name
            assert not other.flags.writeable
            assert other.ctypes.data % 64 == 0 or not other.size, name
        else:
            assert theirs[name] == value, name
            assert type(theirs[name]) is type(value), name
    calls = [call(number) for number in (86, 8610, 9)]
    assert rate_facts(calls, [0] * 3, found) == rate_facts(calls, [0] * 3, made)


def test_hit_and_miss(tmp_path: Path) -> None:
    """Made once for a key; at most eight are kept, the ones used last; nothing half-written."""
    made: list[str] = []

    def make(key: str) -> CompiledBook:
        made.append(key)
        return compiled()

    for number in range(store.KEPT):
        store.kept(tmp_path, f"k{number}", lambda key=f"k{number}": make(key))
    for age, number in enumerate((1, 0, *range(2, store.KEPT))):
        os.utime(tmp_path / f"k{number}.book", ns=(age, age))
    (tmp_path / "k9.1.pending").write_bytes(b"TOLLBOOK")
    store.kept(tmp_path, "k1", lambda: make("never"))  # k1 was the oldest, and is used now
    store.kept(tmp_path, "new", lambda: make("new"))
    assert made == [*(f"k{number}" for number in range(store.KEPT)), "new"]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"k1.book", "new.book", *(f"k{n}.book" for n in range(2, store.KEPT))}


@pytest.mark.parametrize("damage", ["cut", "empty", "magic", "header", "body", "longer", "gone"])
def test_a_damaged_file_is_made_again(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "k.book"
    assert store.save(path, compiled())
    data = bytearray(path.read_bytes())
    place = {"magic": 3, "header": 60, "body": len(data) - 200}
    if damage in place:
        data[place[damage]] ^= 1
    sizes = {"cut": len(data) - 64, "empty": 0}
    path.write_bytes(bytes(data[: sizes.get(damage, len(data))]) + b"\0" * (damage == "longer"))
    if damage == "gone":
        path.unlink()
    assert store.load(path) is None
    assert parts(store.kept(tmp_path, "k", compiled)).keys() == parts(compiled()).keys()
    assert store.load(path) is not None


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "k.book"
    assert store.save(path, compiled())
    data = path.read_bytes()
    for size in [*range(0, 400, 7), *range(400, len(data), len(data) // 40)]:
        path.write_bytes(data[:size])
        assert store.load(path) is None, size


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    """A file stands where the folder should be: the book is made, and not kept."""
    (tmp_path / "books").write_text("")
    assert not store.save(tmp_path / "books" / "k.book", compiled())
    assert store.kept(tmp_path / "books", "k", compiled).plan_ids == ("p0",)


def test_the_key_changes_with_all_that_a_book_depends_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = compiled().names
    keys = [store.key_of("digest", names, ["p"], Maxima())]
    assert keys == [store.key_of("digest", names, ["p"], Maxima())]
    keys += [
        store.key_of("other", names, ["p"], Maxima()),
        store.key_of("digest", names, ["p", "q"], Maxima()),
        store.key_of("digest", names, ["p"], Maxima(duration_s=1)),
        *(
            store.key_of("digest", replace(names, **{one.name: ("x",)}), ["p"], Maxima())
            for one in fields(names)
        ),
    ]
    monkeypatch.setattr(jit, "CACHE_FOLDER", Path("kernels-other"))
    keys.append(store.key_of("digest", names, ["p"], Maxima()))
    monkeypatch.undo()
    monkeypatch.setattr(store, "_time_zones", lambda: "# version 2003a")
    keys.append(store.key_of("digest", names, ["p"], Maxima()))
    assert len(set(keys)) == len(keys)

    known = Known(holidays=frozenset({date(2003, 6, 1)}), time_zone="UTC")
    digests = [
        store.digest_of(tmp_path, known),
        store.digest_of(tmp_path, replace(known, holidays=frozenset())),
        store.digest_of(tmp_path, replace(known, time_zone="Asia/Shanghai")),
    ]
    for name, text in (("a.yaml", "x"), ("a.yaml", "y"), ("b.csv", ""), ("sub/c.csv", "")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        digests.append(store.digest_of(tmp_path, known))
    assert len(set(digests)) == len(digests)
