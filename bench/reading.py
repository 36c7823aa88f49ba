"""``python -m bench.reading MALFORMED FILE...``: seconds of ``pyarrow.csv`` reading the files.

In a process of its own, as the night is: memory that was never used before costs both of them time.
Only the reading is timed, not the start of Python or its imports.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from bench import peers


def main(malformed: list[str], files: list[Path]) -> None:
    """Prints the seconds and the rows as JSON."""
    began = time.perf_counter()
    table = peers.arrow_read(files, malformed)
    print(json.dumps({"seconds": time.perf_counter() - began, "rows": table.num_rows}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
