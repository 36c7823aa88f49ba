"""A large tariff book: read from text, compiled, kept and read again, and asked for prices."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from bench.measure import Figure, in_turns
from bench.options import Options
from rating import rate
from tariffs import book, compiler, store
from tariffs.compile_rates import Maxima
from tariffs.known import Known
from tariffs.model import Book
from tollbook import schemas
from tollbook.money import NANO_DIGITS, format_nano
from tollbook.stage import ints
from tollbook.text import Problems

PREFIXES: Final = 300_000
PLANS: Final = tuple(f"carrier-{number:03d}" for number in range(200))
CALLS: Final = 131_072
START_UTC_S: Final = 1_054_641_600  # 2003-06-03T12:00Z: in no band, at the full price
SECONDS: Final = 60
DECK: Final = "az.csv"
ZONES: Final = tuple(f"zone-{number}" for number in range(200))
KNOWN: Final = Known(zones=ZONES, relations=("local", "toll"), access_codes=(), carriers=(),
                     currency="EUR", time_zone="UTC")  # fmt: skip
PLAN: Final = """plan: {name}
currency: EUR
time_zone: UTC
rates:
  az:
    per: 60s
    increments: 60/6
    price: deck
    round: {{digits: 4, mode: half_up}}
    bands:
      - {{name: evening, from: "18:00", to: "22:00", percent: 80}}
      - {{name: night, from: "22:00", to: "06:00", percent: 60}}
  own: {{per: 60s, price: "0.{number:03d}"}}
rules:
  - {{when: {{service: voice, relation: local}}, charge: {{airtime: own}}}}
  - {{when: {{service: voice}}, charge: {{airtime: {{by_prefix: az.csv, like: az}}}}}}
  - {{otherwise: refuse}}
"""


def figures(options: Options) -> list[Figure]:
    """300,000 prefixes with prices of their own, 200 plans, three bands."""
    folder = options.workdir / "book"
    shutil.rmtree(folder, ignore_errors=True)
    prices = write(folder / "tariffs")
    text = _read(folder)
    path = folder / "kept.book"
    compiled = _compile(text)
    assert store.save(path, compiled)
    calls, wanted = _calls(prices)
    rate.rate(calls, compiled)  # the kernels are warm
    loaded, seconds = _load_and_price(path, calls, wanted)
    reading, compiling, loading = in_turns((
        lambda: _read(folder),
        lambda: _compile(text),
        lambda: _load_and_price(path, calls.slice(0, 1), wanted[:1]),
    ), options.repeat)  # fmt: skip
    [pricing] = in_turns((lambda: rate.rate(calls, loaded),), options.repeat)
    size = path.stat().st_size / 2**20
    shutil.rmtree(folder)
    what = f"{PREFIXES:,} prefixes, {len(PLANS)} plans, 3 bands"
    return [
        Figure("book_compile", "compiling a large book", compiling, "s", 5, 2.5, lower=True,
               note=f"{what}; reading its text {reading:.1f} s before"),
        Figure("book_load", "loading it compiled, up to the first price", loading, "s", 0.5, 0.2,
               lower=True, note=f"{size:,.0f} MiB; at first {seconds:.2f} s"),
        Figure("rating_prefix", "rating by the longest prefix, one core",
               CALLS / pricing / 1e6, "M records/s",
               note=f"{what}, all prefixes asked for equally often: memory decides"),
    ]  # fmt: skip


def write(folder: Path) -> dict[int, int]:
    """The book's files; returns the price of each prefix in nano a minute."""
    folder.mkdir(parents=True)
    rng = np.random.Generator(np.random.PCG64(1))
    prefix = np.unique(rng.integers(10**3, 10**7, PREFIXES * 2))
    prefix = np.sort(rng.permutation(prefix)[:PREFIXES])
    price = rng.integers(1, 100_000, PREFIXES) * 10 ** (NANO_DIGITS - 5)
    rows = zip(prefix.tolist(), price.tolist(), strict=True)
    lines = [f"{one},{format_nano(nano)}" for one, nano in rows]
    (folder / DECK).write_text("prefix,price\n" + "\n".join(lines) + "\n", encoding="utf-8")
    for number, name in enumerate(PLANS):
        text = PLAN.format(name=name, number=number)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return dict(zip(prefix.tolist(), price.tolist(), strict=True))


def _read(folder: Path) -> Book:
    problems = Problems()
    found = book.load(folder / "tariffs", problems, KNOWN)
    problems.refuse_if_any()
    assert found is not None  # load gives None only after noting a problem
    return found


def _compile(text: Book) -> compiler.CompiledBook:
    return compiler.compile_book(text, ZONES, ("local", "toll"), (), PLANS, Maxima())


def _calls(prices: dict[int, int]) -> tuple[pa.RecordBatch, np.ndarray]:
    """Calls of a minute, and what each must cost in micro; -1: no prefix fits."""
    rng = np.random.Generator(np.random.PCG64(2))
    some = rng.permutation(np.array([*prices], np.int64))[:CALLS]
    numbers = some * 10**6 + rng.integers(0, 10**6, CALLS)
    numbers[::50] = rng.integers(10**10, 10**11, len(numbers[::50]))  # few of them have a prefix
    wanted = np.full(CALLS, -1, np.int64)
    for row, number in enumerate(numbers.tolist()):
        while number and number not in prices:
            number //= 10
        # The deck's price, at four digits half up.
        wanted[row] = (prices[number] + 50_000) // 100_000 * 100 if number else -1
    given = {
        "service": np.ones(CALLS), "direction": np.ones(CALLS), "other_e164": numbers,
        "relation_index": np.ones(CALLS), "plan_index": rng.integers(0, len(PLANS), CALLS),
        "start_utc_s": np.full(CALLS, START_UTC_S), "duration_s": np.full(CALLS, SECONDS),
        "other_zone_index": np.full(CALLS, -1), "access_code_index": np.full(CALLS, -1),
    }  # fmt: skip
    texts, zeros = pa.array([""] * CALLS), np.zeros(CALLS, np.int64)
    columns = [
        texts if pa.types.is_string(field.type)
        else pa.array(given.get(field.name, zeros).astype(np.int64)).cast(field.type)
        for field in schemas.USAGE
    ]  # fmt: skip
    return pa.RecordBatch.from_arrays(columns, schema=schemas.USAGE), wanted


def _load_and_price(
    path: Path, calls: pa.RecordBatch, wanted: np.ndarray
) -> tuple[compiler.CompiledBook, float]:
    """The book as kept, and the seconds until calls had their prices, which are checked."""
    began = time.perf_counter()
    loaded = store.load(path)
    assert loaded is not None
    rated = rate.rate(calls, loaded).batch
    seconds = time.perf_counter() - began
    micro = np.where(ints(rated, "reason") == 0, ints(rated, "charge_micro"), -1)
    assert np.array_equal(micro, wanted), "prices of prefixes"
    return loaded, seconds
