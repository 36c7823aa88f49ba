"""Feeds all readers of files with damaged, truncated and random inputs (docs/fuzzing.md).

    PYTHONPATH=. python tests/fuzz.py --inputs 2000000 --seed 1 --out found.json

Whatever a file holds, a reader gives rows (bad ones with a reason and their bytes) or refuses the
file with BrokenFile. Anything else is a finding: another exception, a batch that is not sound, rows
that depend on how the file is cut, memory or time beyond the limits. A child process does the work,
so that a crash or a hang is a finding too; the parent goes on behind it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import select
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import fuzz_inputs
import fuzz_kernels
import numpy as np
import pyarrow as pa
from delimited_samples import TEXTS, load_text
from fixed_json_samples import BLOCK, LINE, TREE
from fixed_json_samples import TEXTS as OTHER_TEXTS
from fuzz_kernels import DECODE, SUSPENDED, Target, check

from cdr import ber_tree, convert, framing, layout, native
from cdr.layout_types import DELIMITED, FIXED, JSON, Layout
from tollbook import schemas
from tollbook.errors import BrokenFile, HeldFile

MEMORY_BYTES: Final = 2 * 2**30  # that an input may take beside what the readers themselves need
SECONDS_MAX: Final = 5  # of processor time for one input
CUT_SHARE: Final = 0.06  # of the inputs are read a second time, cut into other blocks
SILENCE_S: Final = 120  # of the child, after which it is taken for hung
WARM_UP_S: Final = 900  # before its first word: all kernels may have to be compiled
MEMORY: Final = Path("/dev/shm")  # where inputs are written, if there is such a place
TOLD, BATCH = 500, 200_000  # inputs after which the child says where it is, and those of one child


def targets(folder: Path, seed: int) -> list[Target]:
    """All readers, with sound files to begin with."""
    made = []
    texts = TEXTS | OTHER_TEXTS
    shipped = [name for name in layout.SHIPPED if isinstance(layout.shipped(name), Layout)]
    for name in (*texts, *shipped):
        found = load_text(folder, name, texts[name]) if name in texts else layout.shipped(name)
        assert isinstance(found, Layout)
        sound = fuzz_inputs.text_files(name)
        if found.kind == JSON:
            sound = fuzz_inputs.json_files(TREE)
        elif not sound:
            sound = OTHER_FILES[name]
        pieces = fuzz_inputs.TEXT_PIECES
        made.append(Target(name, 6, sound, pieces, found))
        if found.kind == DELIMITED:
            made.append(Target(f"{name} kernel", 80, sound, pieces, found, is_kernel=True))
    for name in ("tap", "nrtrde", "ts32298"):
        sound = fuzz_inputs.layout_files(name, seed)
        made.append(Target(name, 50, sound, fuzz_inputs.BER_PIECES, layout.shipped(name)))
    for name in native.FORMATS:
        sound = list(fuzz_inputs.ber_files(name, seed))
        pieces, form = fuzz_inputs.BER_PIECES, native.FORMATS[name]
        made.append(Target(f"{name} tables", 2, sound, pieces, form=form))
        made.append(Target(f"{name} kernel", 80, sound, pieces, form=form, is_kernel=True))
    return made


OTHER_FILES: Final = {
    "lines": [(LINE + "\n").encode() * 3, (LINE + "\r\n99 trailer").encode()],
    "blocks": [BLOCK.encode() * 3],
}


class Decoded(NamedTuple):
    """A file as batches, the bytes of its bad rows, and what was counted."""

    batches: list[pa.RecordBatch]
    rejected: list[pa.RecordBatch]
    totals: Counter[str]


class Fuzzer:
    """Runs inputs one after the other; ``run`` gives what an input led to."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.seed, self.path = seed, folder / "input"
        self.targets = targets(folder, seed)
        self.shares = [target.share for target in self.targets]

    def warm_up(self) -> None:
        """Compiles what there is to compile, and takes the memory that sound files take."""
        for target in self.targets:
            for data in target.files[:3]:
                self.path.write_bytes(data)
                try:
                    if target.is_kernel:
                        fuzz_kernels.run(target, data)
                    elif target.form is not None:
                        self.tables(target.form, data)
                    else:
                        self.decoded(target, 4096, data)
                except BrokenFile:
                    target.outcomes.clear()

    def input(self, number: int) -> tuple[Target, bytes, bytes, str, random.Random]:
        """The input of a number: its target, its bytes, those that are stored, how it was made."""
        rng = random.Random(f"{self.seed}-{number}")
        target = rng.choices(self.targets, self.shares)[0]
        is_native = target.found is not None and not isinstance(target.found, Layout)
        gentle = 0.7 if is_native else 0.3  # most harsh changes have a native file refused whole
        data, how = fuzz_inputs.make(rng, target.files, target.pieces, gentle)
        stored = data
        if not target.is_kernel and rng.random() < 0.05:
            stored, how = fuzz_inputs.packed(rng, data), "packed"
        return target, data, stored, how, rng

    def run(self, number: int) -> str:
        """``rows``, ``suspense`` or ``refused``; raises Finding, or what a reader raised."""
        target, data, stored, how, rng = self.input(number)
        if not target.is_kernel:
            self.path.write_bytes(stored)
        begun = time.process_time()
        try:
            if target.is_kernel:
                outcome = fuzz_kernels.run(target, data)
            elif target.form is not None:
                outcome = self.tables(target.form, data)
            else:
                outcome = self.rows(target, data if stored is data else None, rng)
        except BrokenFile as error:
            check("\n    do: " in str(error), f"a refusal without advice: {error}")
            outcome = "refused"
        check(time.process_time() - begun < SECONDS_MAX, f"it took more than {SECONDS_MAX} s")
        target.outcomes.update((outcome, how))
        return outcome

    def rows(self, target: Target, data: bytes | None, rng: random.Random) -> str:
        """Decodes the file; ``data``: its bytes where they are not compressed."""
        found, is_cut = target.found, rng.random() < CUT_SHARE
        assert found is not None
        whole = self.decoded(target, 4096, data)
        if isinstance(found, Layout):
            if data is not None:
                check_counts(data, found, whole)
            if is_cut:
                size = rng.choice((1, 7, 100, 1000, 2**20))
                check_same(whole, self.decoded(target, size, data))
        elif is_cut:
            check_same(whole, self.decoded(target, 16, data))
        return "suspense" if whole.rejected else "rows"

    def decoded(
        self, target: Target, size: int, data: bytes | None
    ) -> Decoded:
        reader, found = target.reader, target.found
        context = target.context
        if context is None or (isinstance(found, Layout) and found.header != "none"):
            header = reader.identify(self.path, found)  # ``blocks`` does it once more
            context = reader.prepare(found, header, "Europe/Berlin", "Asia/Shanghai", 0, 1)
            target.context = context
        batches, rejected, totals = [], [], Counter[str]()
        with suppress(HeldFile):  # it comes behind all rows, which a person may want all the same
            for block in reader.blocks(self.path, found, min(size, 4096)):
                result = reader.decode(block, context)
                check_batch(result.batch, result.rejected, data)
                batches.append(result.batch)
                rejected += [result.rejected] if result.rejected is not None else []
                totals.update(result.totals)
        return Decoded(batches, rejected, totals)

    def tables(self, form: native.Format, data: bytes) -> str:
        """Identifies, dumps and converts a native file, whatever format its bytes tell."""
        expanded = native.read(self.path)
        native.identify(native.head_in(expanded).data, len(expanded))
        try:
            tables = convert.tables(expanded, form, str(self.path))
        finally:
            dumped = list(self.dump(expanded, form))
        check(all(0 <= one.at < max(1, len(expanded)) for one in dumped), "a place beyond the file")
        for table in tables.values():
            table.validate(full=True)
        return "rows"

    def dump(self, data: bytes, form: native.Format) -> Iterator[ber_tree.Element]:
        try:
            for begin, end, code in native.regions(data, form, "input"):
                if code & framing.FORMAT_BITS == framing.BER:
                    region = begin, end
                    yield from ber_tree.elements(data, form.types, form.root, form.is_repeated,
                                                 region)  # fmt: skip
        except (ber_tree.BrokenBer, BrokenFile):
            return


def check_batch(
    batch: pa.RecordBatch, rejected: pa.RecordBatch | None, data: bytes | None
) -> None:
    """A batch is sound, and the bytes of bad rows are those of the file."""
    schemas.check(batch, schemas.CDR, "decode")
    batch.validate(full=True)
    reason, place, size, name = (
        batch.column(column).to_numpy()
        for column in ("reason", "byte_offset", "byte_length", "record_id")
    )
    check(bool(DECODE[reason].all()), "a reason that is none of decoding")
    at = np.flatnonzero(SUSPENDED[reason])
    check(len(at) == (0 if rejected is None else rejected.num_rows), "bad rows without bytes")
    check(len(set(name.tolist())) == len(name), "two records of one number")
    check(bool(((place >= 0) & (size >= 0)).all()), "a place before the file")
    if data is None:
        return
    check(bool((place + size <= len(data)).all()), "a place beyond the file")
    if rejected is not None:
        rejected.validate(full=True)
        raw = rejected.column("raw_record").to_pylist()
        same = [data[place[i] : place[i] + size[i]] for i in at]
        check(rejected.column("record_id").to_pylist() == name[at].tolist(), "bytes of other rows")
        check(raw == same, "bytes that are not those of the record")


def check_same(one: Decoded, other: Decoded) -> None:
    """Rows and bytes do not depend on how the file was cut into blocks."""
    for left, right, schema in (
        (one.batches, other.batches, schemas.CDR), (one.rejected, other.rejected, schemas.REJECTED)
    ):
        tables = [pa.Table.from_batches(some, schema) for some in (left, right)]
        check(tables[0].equals(tables[1]), "rows, or their bytes, depend on how the file is cut")


def check_counts(data: bytes, found: Layout, whole: Decoded) -> None:
    """Every record is a row: nothing is lost, nothing comes twice."""
    data = data.removeprefix(b"\xef\xbb\xbf") if found.record_bytes == 0 else data
    rows, totals = sum(batch.num_rows for batch in whole.batches), whole.totals
    check(rows == totals["rows"], "rows that are not counted")
    accounted = totals["rows"] + totals["blank_lines"] + totals["comment_lines"]
    if found.record_bytes:
        check(accounted == -(-len(data) // found.record_bytes), "records are lost")
        return
    body = data.split(b"\n", found.skip_lines)[-1]
    if found.header != "none":
        heads = {"names": 1, "names+types": 2}[found.header]
        body = b"".join(body.split(b"\n", heads)[heads:])
    lines = body.count(b"\n") + (not body.endswith(b"\n") and body != b"")
    marks = bytes([found.quote]) if found.quote >= 0 else b""
    has_quotes = bool(marks and marks in body) or (found.backslash and b"\\" in body)
    if found.kind in (FIXED, JSON) or not has_quotes:
        check(accounted == lines, f"{lines} lines, but {accounted} accounted for")
    else:
        check(found.kind == DELIMITED and 0 <= accounted <= lines, "more rows than lines")


def child(seed: int, first: int, behind: int) -> None:
    """Runs inputs and tells on stdout what was found."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        fuzzer = Fuzzer(Path(name), seed)
        fuzzer.warm_up()
        tell("done", first)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        for number in range(first, behind):
            try:
                fuzzer.run(number)
            except Exception as error:  # whatever it is, it is a finding
                target = fuzzer.input(number)[0].name
                tell("finding", number, target, "".join(traceback.format_exception(error)[-3:]))
            if number % TOLD == TOLD - 1:
                tell("done", number + 1)
        tell("done", behind)
        outcomes = {target.name: dict(target.outcomes) for target in fuzzer.targets}
        tell("outcomes", outcomes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def tell(*words: object) -> None:
    print(json.dumps(words), flush=True)


def told(worker: subprocess.Popen[bytes]) -> Iterator[list[Any]]:
    """What a child tells, until it ends or is silent for too long."""
    assert worker.stdout is not None
    patience_s = WARM_UP_S
    while select.select([worker.stdout], [], [], patience_s)[0]:
        line, patience_s = worker.stdout.readline(), SILENCE_S
        if not line:
            return
        yield json.loads(line)


def main(inputs: int, seed: int, first: int = 0) -> Iterator[dict[str, Any]]:
    """Runs inputs in children; after each of them gives what all have found so far: how many inputs
    there were, outcomes by target, findings, and the most memory of a child."""
    begun, behind, at = time.monotonic(), first + inputs, first
    total: dict[str, Counter[str]] = {}
    found: list[Any] = []
    peak = 0
    while at < behind:
        end = min(behind, at + BATCH)
        command = [sys.executable, __file__, "--child", str(seed), str(at), str(end)]
        here = {"PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, env=os.environ | here, bufsize=0
        ) as worker:
            for kind, *rest in told(worker):
                if kind == "done":
                    at = rest[0]
                elif kind == "finding":
                    found.append(rest)
                else:
                    peak = max(peak, rest[1])
                    for name, counts in rest[0].items():
                        total.setdefault(name, Counter()).update(counts)
            worker.kill()
        if worker.returncode != 0 and at < end:  # somewhere in the next TOLD inputs
            found.append([at, "", f"the child ended with {worker.returncode} after this input"])
            at += TOLD
        yield {"inputs": at - first, "seed": seed, "seconds": round(time.monotonic() - begun),
               "peak_bytes": peak, "outcomes": total, "findings": found}  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*map(int, sys.argv[2:5]))
    else:
        parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
        parser.add_argument("--inputs", type=int, default=20_000)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--first", type=int, default=0, help="number of the first input")
        parser.add_argument("--out", type=Path, help="a file for what was found")
        options = parser.parse_args()
        failed = False
        for result in main(options.inputs, options.seed, options.first):
            failed = bool(result["findings"])
            print(f"{result['inputs']:,} inputs, {len(result['findings'])} findings, "
                  f"{result['seconds']:,} s, {result['peak_bytes'] / 2**20:,.0f} MiB", flush=True)
            if options.out:
                options.out.write_text(json.dumps(result, indent=1))
        sys.exit(failed)
