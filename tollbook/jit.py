"""How every kernel compiles: the only place that talks to numba's compiler (ADR 0005).

* ``nogil``: kernels run side by side in the thread pool of ``tollbook.run``, the only parallelism.
* ``cache``: compiled code is kept on disk. Numba's cache does not notice that a jitted helper in
  another file changed, so the folder is named after a hash of all kernel sources and of numba's
  version: a changed kernel finds an empty folder, never stale code.
* no fastmath, no eager signatures: importing a kernel module compiles nothing.

``TOLLBOOK_CACHE`` names another folder; ``NUMBA_DISABLE_JIT=1`` runs the kernels as plain Python.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba

KERNEL_PACKAGES: Final = ("cdr", "rating", "tariffs", "billing", "settlement", "tollbook")
F = TypeVar("F", bound=Callable[..., Any])
_INNER: Final[dict[str, Any]] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_BORROWS: Final = "borrows_arrays"


def kernel_sources() -> list[Path]:
    """All ``*_kernels.py`` files of the installed packages, and this file, in a fixed order."""
    found = [Path(__file__)]
    for package in KERNEL_PACKAGES:
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            found.extend(sorted(Path(folder).rglob("*_kernels.py")))
    return found


def cache_folder() -> Path:
    """Where compiled kernels are kept; a new folder for every state of the kernel sources."""
    digest = hashlib.sha256(f"{numba.__version__} {sys.version}".encode())
    for source in kernel_sources():
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    base = os.environ.get("TOLLBOOK_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    root = Path(base) if base else Path(home) / "tollbook"
    return root / f"kernels-{digest.hexdigest()[:16]}"


CACHE_FOLDER: Final = cache_folder()
setattr(numba.config, "CACHE_DIR", str(CACHE_FOLDER))  # noqa: B010 - numba declares no such name


def kernel(function: F) -> F:
    """Compile ``function`` on first use: nogil, cached on disk, C division rules.

    Kernels never raise and never divide by an unchecked value: a status per row tells the glue.
    """
    compiled: Any = numba.njit(nogil=True, cache=True, error_model="numpy", **_counts(function))
    return cast(F, _once_for_all_integers(compiled(function)))


def inner(function: F) -> F:
    """Compile a function that only kernels call: without the entry from Python.

    An entry that unpacks many arrays costs more to compile than the function behind it, and the
    kernel that calls the function keeps its code in the cache.
    """
    options = {**_INNER, **_counts(function)}
    compiled: Any = numba.njit(nogil=True, error_model="numpy", **options)(function)
    return cast(F, _once_for_all_integers(compiled))


def inlined(function: F) -> F:
    """Put a function's code into the kernel that calls it: for the few steps of a loop in which
    handing over arrays costs more than what is done with them."""
    options = {**_INNER, **_counts(function), "forceinline": True}
    compiled: Any = numba.njit(nogil=True, error_model="numpy", **options)(function)
    return cast(F, compiled)


def pasted(function: F) -> F:
    """Put a function's text into its caller before that is compiled: for one that gathers arrays,
    which are then counted, or only borrowed, as the caller has it."""
    compiled: Any = numba.njit(inline="always")(function)
    return cast(F, compiled)


def borrows(function: F) -> F:
    """Mark a function, below one of the decorators above, that only looks into arrays.

    Numba keeps a count of references to every array that a function hands on, with locked
    instructions that cost more than pricing does. A function that makes no array and returns none
    needs no count: its caller holds what it borrows. One that did return an array would free it
    twice, so tests/test_architecture.py looks at what is returned; making one is refused by numba.
    """
    setattr(function, _BORROWS, True)
    return function


def _counts(function: Callable[..., Any]) -> dict[str, Any]:
    return {"_nrt": not getattr(function, _BORROWS, False)}


def _once_for_all_integers(compiled: Any) -> Any:
    """Let kernels that call this function share one compiled form of it.

    Numba compiles a function anew for each width of an integer that it is given and for each
    constant in its place (``f(0)`` and ``f(n)``). Here whoever calls widens to int64.
    """
    ask = getattr(compiled, "get_call_template", None)
    if ask is not None:  # none where the JIT is off

        def get_call_template(args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
            return ask(tuple(map(_widened, args)), {k: _widened(t) for k, t in kws.items()})

        compiled.get_call_template = get_call_template
    return compiled


def _widened(given: Any) -> Any:
    types: Any = numba.types
    plain = types.unliteral(given)
    return types.int64 if isinstance(plain, types.Integer) and plain.signed else plain


def is_compiled(name: str) -> bool:
    """Whether the kernel of this name has already been compiled on this machine, as it is now."""
    return any(CACHE_FOLDER.rglob(f"*.{name}-*.nbc"))


def is_off() -> bool:
    """Whether kernels run as plain Python."""
    settings: Any = numba.config
    return bool(settings.DISABLE_JIT)
