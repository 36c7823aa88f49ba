"""Runs a command and prints what it took as JSON: seconds, CPU seconds, peak memory, output.

The kernel counts the memory of whoever starts a process as that process's peak. So a benchmark,
which is large, starts this small program, and this starts the command.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time


def main(command: list[str]) -> int:
    """Exit code of the command; prints nothing but its standard error if it failed."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None  # a pipe was asked for
    output = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode == 0:
        unit = 1 if sys.platform == "darwin" else 1024
        print(json.dumps({
            "seconds": seconds, "cpu_seconds": used.ru_utime + used.ru_stime,
            "peak_bytes": used.ru_maxrss * unit, "output": output,
        }))  # fmt: skip
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
