"""Compiled books that are kept as files: read instead of compiled while nothing has changed.

A file is named after everything that went into it (``key_of``), so it is never out of date. It
holds the arrays as the kernels read them, mapped into memory when it is opened::

    TOLLBOOK-BOOK-1
    <crc32 of the header> <bytes of the header>
    {"arrays": [...], "plain": {...}, "crc32": ..., "size": ...}
    <arrays, each at a multiple of 64 bytes>

Whatever is wrong with a file, the book is compiled again: nothing depends on it.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import zlib
import zoneinfo
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final, get_type_hints

import numpy as np

from tariffs.compile_memory import MemoryTables
from tariffs.compile_rates import Maxima
from tariffs.compile_targets import Names
from tariffs.compiler import CompiledBook
from tariffs.known import Known
from tollbook import jit

MAGIC: Final = b"TOLLBOOK-BOOK-1\n"
SUFFIX: Final = ".book"
KEPT: Final = 8  # files of a folder; the ones used last stay
_PENDING: Final = ".pending"
_ALIGNED: Final = 64  # a line of the processor's cache


def key_of(
    book_digest: str, names: Names, plan_ids: Sequence[str], maxima: Maxima
) -> str:
    """Name of the file of a book: it changes with all that the compiled arrays depend on.

    book_digest: of the text (``digest_of``). names, plan_ids: what indices of usage point into.
    """
    parts = [
        MAGIC.decode(), _sources(), _time_zones(), book_digest, repr(maxima), [*plan_ids],
        *([*getattr(names, field.name)] for field in fields(names)),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def digest_of(folder: Path, known: Known) -> str:
    """A digest of everything that a book is read from: its folder, and what is known elsewhere."""
    digest = hashlib.sha256()
    for field in fields(known):
        value = getattr(known, field.name)
        listed = sorted(value) if isinstance(value, frozenset) else value
        digest.update(f"{field.name}={listed!r}\0".encode())
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            name = path.relative_to(folder).as_posix()
            digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def kept(folder: Path, key: str, make: Callable[[], CompiledBook]) -> CompiledBook:
    """The book of a key: read from a folder, or made and written there.

    A folder that cannot be written to only means that the book is made again next time.
    """
    path = folder / f"{key}{SUFFIX}"
    found = load(path)
    if found is None:
        found = make()
        save(path, found)
    return found


def save(path: Path, compiled: CompiledBook) -> bool:
    """Write a compiled book, whole or not at all; False if the file system refuses."""
    arrays: dict[str, np.ndarray] = {}
    plain: dict[str, Any] = {}
    for name, value in _parts(compiled, ""):
        (arrays if isinstance(value, np.ndarray) else plain)[name] = value
    listed, size, crc = [], 0, 0
    for name, array in arrays.items():
        kind = array.dtype.descr if array.dtype.names else array.dtype.str
        listed.append((name, kind, array.shape, size))
        padding = -array.nbytes % _ALIGNED
        crc = zlib.crc32(bytes(padding), zlib.crc32(np.ascontiguousarray(array).data, crc))
        size += array.nbytes + padding
    facts = {"arrays": listed, "plain": plain, "crc32": crc, "size": size}
    header = json.dumps(facts).encode()
    start = MAGIC + f"{zlib.crc32(header):08x} {len(header)}\n".encode() + header
    pending = path.with_suffix(f".{os.getpid()}{_PENDING}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with pending.open("wb") as file:
            file.write(start + bytes(-len(start) % _ALIGNED))
            for array in arrays.values():
                file.write(np.ascontiguousarray(array).data)
                file.write(bytes(-array.nbytes % _ALIGNED))
            file.flush()
            os.fsync(file.fileno())
        pending.replace(path)
        _remove_old(path)
    except OSError:
        return False
    return True


def load(path: Path) -> CompiledBook | None:
    """A compiled book whose arrays are views of the file; None if the file is not there whole."""
    try:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        os.utime(path)  # it was used: others are removed first
    except (OSError, ValueError):  # ValueError: the file is empty
        return None
    head = data[: len(MAGIC) + 64].split(b"\n", 2)
    if len(head) < 3 or head[0] + b"\n" != MAGIC:
        return None
    crc, _, length = head[1].partition(b" ")
    if not length.isdigit():
        return None
    begin = len(MAGIC) + len(head[1]) + 1
    header = data[begin : begin + int(length)]
    if f"{zlib.crc32(header):08x}".encode() != crc:
        return None
    facts = json.loads(header)
    begin += len(header) + -(begin + len(header)) % _ALIGNED
    body = memoryview(data)[begin:]
    if len(body) != facts["size"] or zlib.crc32(body) != facts["crc32"]:
        return None
    values = dict(facts["plain"])
    for name, descr, shape, offset in facts["arrays"]:
        kind = np.dtype(descr if isinstance(descr, str) else [_tuples(one) for one in descr])
        count = int(np.prod(shape, dtype=np.int64))
        flat = np.frombuffer(body, kind, count, offset) if count else np.zeros(0, kind)
        flat.setflags(write=False)
        values[name] = flat.reshape(shape)
    built: CompiledBook = _built(CompiledBook, "", values)
    return built


def _names_of(kind: Any) -> Sequence[str]:
    """The fields of a NamedTuple or dataclass; nothing of any other type."""
    if is_dataclass(kind):
        return [field.name for field in fields(kind)]
    return getattr(kind, "_fields", ())


def _parts(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """All arrays and plain values in a value, by their path."""
    names = _names_of(value)
    if not names:
        yield path, value
    for name in names:
        yield from _parts(getattr(value, name), f"{path}/{name}")


def _built(kind: Any, path: str, values: Mapping[str, Any]) -> Any:
    """The opposite of ``_parts``: types say what is inside."""
    if kind == MemoryTables | None:
        if path in values:
            return None
        kind = MemoryTables
    names = _names_of(kind)
    if not names:
        return _tuples(values[path])
    hints = get_type_hints(kind)
    return kind(**{name: _built(hints[name], f"{path}/{name}", values) for name in names})


def _tuples(value: Any) -> Any:
    """JSON's lists as the tuples that they were."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _remove_old(path: Path) -> None:
    """Leave the newest files of the folder, and nothing of writers that did not finish."""
    for left in path.parent.glob(f"*{_PENDING}"):
        left.unlink(missing_ok=True)
    ages = sorted((file.stat().st_mtime_ns, file) for file in path.parent.glob(f"*{SUFFIX}"))
    for _, file in ages[:-KEPT]:
        file.unlink(missing_ok=True)


def _sources() -> str:
    """A digest of the code that compiles, and the name of the state of all kernels."""
    digest = hashlib.sha256(jit.CACHE_FOLDER.name.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _time_zones() -> str:
    """The edition of the time zones that a compiled book has inside."""
    for folder in zoneinfo.TZPATH:
        listed = Path(folder) / "tzdata.zi"
        if listed.is_file():
            with listed.open("rb") as file:
                return file.readline().decode("ascii", "replace")
    return metadata.version("tzdata")
