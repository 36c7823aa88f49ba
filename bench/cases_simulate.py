"""``tollbook tariff simulate``: a night's records through one candidate, report and all."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from statistics import median

from bench.cases_night import run as run_night
from bench.data import fresh_copy
from bench.measure import Figure, apart
from bench.options import Options


def figures(options: Options) -> list[Figure]:
    """The book in force: what it comes to is what was committed."""
    folder = options.workdir / "simulate"
    root = fresh_copy(options.data, folder)
    night = json.loads(run_night(root, options.cores).output)
    words = ["-m", "tollbook", "tariff", "simulate", "-C", str(root), "--book",
             str(root / "tariffs"), "--period", "2003-06", "--html", str(folder / "report.html"),
             "--json"]  # fmt: skip
    done = [apart(words) for _ in range(options.repeat + 1)][1:]  # the first one compiles
    for one in done:
        found = json.loads(one.output)
        charged = Decimal(night["charge_micro"]).scaleb(-6)
        assert Decimal(found["charged"]) == charged, f"{found['charged']}; {charged}"
        assert Decimal(found["books"][0]["would_be"]) == charged, found["books"][0]["would_be"]
        assert found["records"] == night["dispositions"]["rated"]
    shutil.rmtree(folder)
    records = night["dispositions"]["rated"]
    return [
        Figure("simulate", "a month through one candidate book, report included",
               median(one.seconds for one in done), "s", 12, 6, lower=True,
               note=f"{records:,} records, process start included; the total equals the committed "
                    "one"),
    ]  # fmt: skip
