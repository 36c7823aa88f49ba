"""What the figures were measured on."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tollbook.run.pool import cores

LIBRARIES: Final = ("numpy", "numba", "pyarrow", "polars", "duckdb")


def describe() -> dict[str, Any]:
    """The machine for programs: processor, cores, memory in bytes, versions."""
    return {
        "processor": _field("/proc/cpuinfo", "model name") or platform.processor() or "unknown",
        "cores": cores(),
        "memory_bytes": 1024 * int((_field("/proc/meminfo", "MemTotal") or "0 kB").split()[0]),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in LIBRARIES},
    }


def in_words(machine: dict[str, Any]) -> str:
    """The machine in one line for people."""
    libraries = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_bytes'] / 2**30:.0f} GiB; Python {machine['python']}, {libraries}"
    )


def _field(file: str, name: str) -> str:
    """The first value of a field in a file of ``name : value`` lines; "" if there is none."""
    path = Path(file)
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
