"""``tollbook tariff price``: a million calls from a CSV to a CSV, in a process of its own."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from bench.measure import Figure, apart
from bench.options import Options
from tollbook.clock import DAY_S

CALLS: Final = 1_000_000
DAYS: Final = 28
FIRST_DAY: Final = "2003-06-02"
STEP_S: Final = 60
DAY_MICRO, NIGHT_MICRO = 400_000, 250_000  # what a step costs; night until 07:00
MORNING_S: Final = 7 * 3600
BOOK: Final = """plan: simple
currency: CNY
time_zone: Asia/Shanghai
rates:
  call:
    per: 60s
    price: 0.40
    border: start
    bands: [{from: "00:00", to: "07:00", price: 0.25}]
rules:
  - {when: {service: voice, direction: out}, charge: {airtime: call}}
  - {otherwise: refuse}
"""


def figures(options: Options) -> list[Figure]:
    """A million calls, and one call, whose time is that of the start."""
    folder = options.workdir / "price"
    (folder / "book").mkdir(parents=True, exist_ok=True)
    (folder / "book" / "simple.yaml").write_text(BOOK, encoding="utf-8")
    calls, one, priced = (folder / name for name in ("calls.csv", "one.csv", "priced.csv"))
    wanted_micro = write(calls, CALLS)
    write(one, 1)
    run(folder, one, priced)  # kernels are compiled and files lie in the system's cache
    whole = [run(folder, calls, priced) for _ in range(options.repeat)]
    check(priced, wanted_micro)
    start = [run(folder, one, priced) for _ in range(options.repeat)]
    seconds = median(whole) - median(start)
    return [
        Figure("price_million", "`tariff price` of a million calls, CSV to CSV, after its start",
               seconds, "s", 3, 1.5, lower=True,
               note=f"{median(whole):.2f} s with the start of the process"),
    ]  # fmt: skip


def run(folder: Path, calls: Path, priced: Path) -> float:
    """Seconds of the command."""
    words = ["-m", "tollbook", "tariff", "price", str(folder / "book"), "--plan", "simple",
             "--calls", str(calls), "-o", str(priced)]  # fmt: skip
    return apart(words).seconds


def write(path: Path, count: int) -> int:
    """A file of calls; returns what all of them cost, in micro."""
    rng = np.random.Generator(np.random.PCG64(3))
    second = rng.integers(0, DAYS * DAY_S, count)
    used = np.minimum(rng.lognormal(4.2, 1.2, count).astype(np.int64), 7200)
    moment = np.datetime64(FIRST_DAY, "s") + second.astype("timedelta64[s]")
    table = pa.table({
        "name": pa.array([f"c{number}" for number in range(count)]),
        "start": pc.strftime(pa.array(moment), "%Y-%m-%d %H:%M:%S"),
        "used": used,
    })  # fmt: skip
    pacsv.write_csv(table, path)
    price = np.where(second % DAY_S < MORNING_S, NIGHT_MICRO, DAY_MICRO)
    return int((-(-used // STEP_S) * price).sum())


def check(priced: Path, wanted_micro: int) -> None:
    """Every call has a price, and all of them together the right one."""
    types = {"charge": pa.decimal128(18, 6)}
    found = pacsv.read_csv(priced, convert_options=pacsv.ConvertOptions(column_types=types))
    assert found.num_rows == CALLS
    total = pc.sum(found.column("charge")).as_py()
    assert int(total.scaleb(6)) == wanted_micro, f"{total}; {wanted_micro} micro"
