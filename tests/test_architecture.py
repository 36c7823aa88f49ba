"""The architecture, enforced: who may import whom, what a kernel is, where money is exact, sizes.

Every breach is named ``file:line: rule``. The rules are themselves tried on made-up files below, so
that none of them can pass by seeing nothing.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePath
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
PRODUCT: Final = ("tollbook", "cdr", "tariffs", "rating", "billing", "settlement")
MAY_IMPORT: Final = {
    "tollbook": (),
    "cdr": ("tollbook",),
    "tariffs": ("tollbook",),
    "rating": ("tollbook", "cdr", "tariffs"),
    "billing": ("tollbook", "tariffs", "rating"),
    "settlement": ("tollbook", "cdr", "tariffs", "rating"),
    "tollbook.run": PRODUCT,
    "tollbook.cli": (*PRODUCT, "tollbook.run"),
}
# Libraries that are used in one place only, so that they can be judged, and replaced, there.
PLACE_OF: Final = {
    "click": ("tollbook/cli/",),
    "concurrent": ("tollbook/run/pool.py", "cdr/synth.py"),  # the night's pool; the file maker's
    "multiprocessing": (),
    "numba": ("tollbook/jit.py",),
    "sqlalchemy": ("tollbook/run/",),
    "yaml": ("tollbook/text.py",),
}
MODULE_OF: Final = {"pyyaml": "yaml", "tzdata": "zoneinfo"}  # where a requirement's name differs
IN_KERNELS: Final = re.compile(r"(__future__|typing|numpy|tollbook\.jit|[a-z_.]+_kernels)\.")
EXACT: Final = ("tariffs/", "rating/", "billing/", "settlement/", "tollbook/money.py")
FLOATS: Final = re.compile(r"float(ing|_|16|32|64|128)?|[<>=]?f[248]|double|half|single")
COMPILED: Final = ("kernel", "inner", "inlined")  # decorators of tollbook.jit
NUMBERS: Final = {"int", "bool", "None", "Int", "Word", "tuple"}
CLOCK: Final = ("now", "utcnow", "today")
LEFT_BEHIND: Final = re.compile(r"\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b|pytest\.(mark\.)?(skip|xfail)")
FILE_LINES, FUNCTION_LINES, LINE_LENGTH, ARGUMENTS, INIT_LINES = 400, 70, 100, 8, 15
Breach = tuple[int, str]


def layer_of(dotted: str) -> str:
    """The layer that a module belongs to; "" if it is none of ours."""
    first, second, *_ = [*dotted.split("."), ""]
    if dotted.startswith("tollbook.__main__"):
        return "tollbook.cli"
    return f"{first}.{second}" if f"{first}.{second}" in MAY_IMPORT else first * (first in PRODUCT)


def imports(tree: ast.AST) -> Iterator[Breach]:
    """Every imported name, dotted in full; a relative import begins with a dot."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def import_breaches(path: PurePath, tree: ast.Module) -> Iterator[Breach]:
    layer = layer_of(".".join(path.with_suffix("").parts))
    kernels = path.name.endswith("_kernels.py")
    for line, name in imports(tree):
        other, top = layer_of(name), name.split(".")[0]
        if name.startswith("."):
            yield line, "imports are absolute"
        elif layer and other and other != layer and other not in MAY_IMPORT[layer]:
            allowed = ", ".join(MAY_IMPORT[layer]) or "nothing of ours"
            yield line, f"{layer} may not import {other} ({name}); it may import {allowed}"
        if layer and not path.as_posix().startswith(PLACE_OF.get(top, ("",))):
            yield line, f"{top} may be imported in {' and '.join(PLACE_OF[top]) or 'no file'}"
        if layer in ("", "tollbook.run", "tollbook.cli"):
            continue
        if top == "time":
            yield line, "nothing below tollbook.run reads the clock"
        if kernels and not IN_KERNELS.match(f"{name}."):
            yield line, f"a kernel file may not import {name}"


def node_breaches(path: PurePath, tree: ast.Module) -> Iterator[Breach]:
    layer = layer_of(".".join(path.with_suffix("").parts))
    kernels = bool(layer) and path.name.endswith("_kernels.py")
    exact = kernels or path.as_posix().startswith(EXACT)
    integral = kernels or layer == "rating" or path.as_posix() == "tollbook/money.py"
    timeless = layer not in ("", "tollbook.run", "tollbook.cli")
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if kernels and isinstance(node, ast.Raise | ast.Try | ast.Assert):
            yield line, "a kernel never raises and never catches: it writes a status per row"
        if exact and is_float(node):
            yield line, "no float where money is computed"
        if integral and isinstance(getattr(node, "op", None), ast.Div):
            yield line, "`/` makes a float: divide integers with `//`"
        if timeless and isinstance(node, ast.Attribute) and node.attr in CLOCK:
            yield line, f"`.{node.attr}` reads the clock; a run's only now is its as_of"
        if isinstance(node, ast.ExceptHandler) and [type(n) for n in node.body] == [ast.Pass]:
            yield line, "an error is swallowed"
        if isinstance(node, ast.Name) and node.id.startswith("NotImplemented"):
            yield line, "something is left unwritten"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from function_breaches(node)
            if kernels and returns_arrays(node):
                yield line, f"{node.name} is compiled, so it returns numbers only"


def returns_arrays(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a compiled function returns anything but numbers: an array of one that ``borrows``
    would be freed twice."""
    decorators = {re.split(r"[.(]", ast.unparse(one))[-1] for one in node.decorator_list}
    if decorators.isdisjoint(COMPILED):
        return False
    names = re.findall(r"\w+", ast.unparse(node.returns)) if node.returns else [""]
    return not NUMBERS | tuples_of_numbers() >= {*names}


@cache
def tuples_of_numbers() -> frozenset[str]:
    """Names of the NamedTuples in kernel files that hold no arrays, in whichever file."""
    kernels = [path for top in PRODUCT for path in (ROOT / top).rglob("*_kernels.py")]
    found: dict[str, bool] = {}
    for node in (node for path in kernels for node in ast.walk(ast.parse(path.read_text("utf-8")))):
        if isinstance(node, ast.ClassDef) and "NamedTuple" in map(ast.unparse, node.bases):
            fields = {ast.unparse(one.annotation) for one in node.body
                      if isinstance(one, ast.AnnAssign)}  # fmt: skip
            found[node.name] = found.get(node.name, True) and fields <= NUMBERS
    return frozenset(name for name, holds_numbers in found.items() if holds_numbers)


def is_float(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        text = isinstance(node.value, str) and FLOATS.fullmatch(node.value)
        return isinstance(node.value, float) or bool(text)
    name = getattr(node, "attr", None) or getattr(node, "id", None) or ""
    return isinstance(name, str) and name.startswith("float") and bool(FLOATS.fullmatch(name))


def function_breaches(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Breach]:
    size = (node.end_lineno or node.lineno) - node.lineno + 1
    if size > FUNCTION_LINES:
        yield node.lineno, f"{node.name} has {size} lines; at most {FUNCTION_LINES}"
    listed = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    names = [one.arg for one in listed if one.arg not in ("self", "cls")]
    if len(names) > ARGUMENTS:
        yield node.lineno, f"{node.name} has {len(names)} arguments; at most {ARGUMENTS}"


def text_breaches(path: PurePath, source: str, tree: ast.Module) -> Iterator[Breach]:
    lines = source.splitlines()
    if len(lines) > FILE_LINES:
        yield len(lines), f"the file has more than {FILE_LINES} lines"
    for number, line in enumerate(lines, start=1):
        if len(line) > LINE_LENGTH:
            yield number, f"the line has {len(line)} characters; at most {LINE_LENGTH}"
        if LEFT_BEHIND.search(line):
            yield number, "something is left undone, or a test is switched off"
    if path.name == "__init__.py" and (len(tree.body) != 1 or ast.get_docstring(tree) is None):
        yield 1, "__init__.py holds a docstring and nothing else"
    if path.name == "__init__.py" and len(lines) > INIT_LINES:
        yield 1, f"the docstring of a package has at most {INIT_LINES} lines"


def breaches(path: PurePath, source: str) -> list[str]:
    """Every broken rule of one file, as ``file:line: rule``; ``path`` is relative to the root."""
    tree = ast.parse(source)
    found = [
        *import_breaches(path, tree), *node_breaches(path, tree), *text_breaches(path, source, tree)
    ]  # fmt: skip
    return [f"{path.as_posix()}:{line}: {rule}" for line, rule in sorted(set(found))]


def python_files() -> list[Path]:
    folders = (*PRODUCT, "tests", "bench")
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def setup_value(name: str) -> list[str]:
    """A literal list in setup.py, by the name of its variable or keyword."""
    for node in ast.walk(ast.parse((ROOT / "setup.py").read_text("utf-8"))):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return [str(one) for one in ast.literal_eval(node.value)]
        if isinstance(node, ast.keyword) and node.arg == name:
            return [str(one) for one in ast.literal_eval(node.value)]
    raise LookupError(name)


def test_the_code_keeps_the_rules() -> None:
    files = python_files()
    assert {path.parts[len(ROOT.parts)] for path in files} >= {*PRODUCT, "tests"}
    found = [b for p in files for b in breaches(p.relative_to(ROOT), p.read_text("utf-8"))]
    assert not found, "\n" + "\n".join(found)


def depends_on(sources: dict[str, str]) -> dict[str, set[str]]:
    """By module the others that it imports anywhere, for types alone, too. sources: by module."""
    found: dict[str, set[str]] = {}
    for module, source in sources.items():
        names = [name.split(".") for _, name in imports(ast.parse(source))]
        heads = [[".".join(name[:end]) for end in range(len(name), 0, -1)] for name in names]
        others = {next((head for head in each if head in sources), module) for each in heads}
        found[module] = others - {module}
    return found


def test_no_modules_import_each_other() -> None:
    files = [path.relative_to(ROOT) for path in python_files()]
    sources = {".".join(path.with_suffix("").parts): (ROOT / path).read_text("utf-8")
               for path in files if path.parts[0] in PRODUCT and path.name != "__init__.py"}
    assert len([*TopologicalSorter(depends_on(sources)).static_order()]) == len(sources)
    sources["tariffs.when"] += "\n\ndef f() -> None:\n    from tariffs import model"
    with pytest.raises(CycleError, match=r"tariffs\.when"):
        TopologicalSorter(depends_on(sources)).prepare()


MADE_UP: Final = (
    ("tollbook/money.py", "import cdr.layout", "tollbook may not import cdr"),
    ("tollbook/money.py", "from tollbook import run", "tollbook may not import tollbook.run"),
    ("cdr/a.py", "from tariffs.book import load", "cdr may not import tariffs"),
    ("billing/a.py", "import cdr", "billing may not import cdr"),
    ("rating/a.py", "from tollbook.run.lake import read", "rating may not import tollbook.run"),
    ("tollbook/run/a.py", "import tollbook.cli.main", "tollbook.run may not import tollbook.cli"),
    ("cdr/a.py", "from . import layout", "imports are absolute"),
    ("cdr/a.py", "from numba import njit", "numba may be imported in tollbook/jit.py"),
    ("tollbook/run/a.py", "import multiprocessing", "multiprocessing may be imported in no file"),
    ("cdr/a_kernels.py", "from tollbook.money import MICRO", "a kernel file may not import"),
    ("cdr/a_kernels.py", "import os", "a kernel file may not import os"),
    ("cdr/a_kernels.py", "def f(x):\n    raise x", "a kernel never raises"),
    ("cdr/a_kernels.py", "def f(x):\n    assert x", "a kernel never raises"),
    ("cdr/a_kernels.py", "@kernel\ndef f(x: Asked) -> tuple[int, Asked]:\n    return 0, x",
     "f is compiled, so it returns numbers only"),
    ("cdr/a_kernels.py", "@jit.inner\n@borrows\ndef f(x) -> 'np.ndarray':\n    return x",
     "f is compiled, so it returns numbers only"),
    ("cdr/a_kernels.py", "@inner\ndef f(x):\n    return x", "f is compiled, so it returns"),
    ("cdr/a_kernels.py", "y = x / 2", "`/` makes a float"),
    ("rating/a.py", "x /= 2", "`/` makes a float"),
    ("rating/a.py", "y = float(x)", "no float"),
    ("billing/a.py", "y = x.astype('float64')", "no float"),
    ("settlement/a.py", "y = np.float64(x)", "no float"),
    ("tollbook/money.py", "HALF = 0.5", "no float"),
    ("rating/a.py", "from time import time", "nothing below tollbook.run reads the clock"),
    ("cdr/a.py", "now = datetime.now(UTC)", "`.now` reads the clock"),
    ("cdr/a.py", "try:\n    f()\nexcept OSError:\n    pass", "an error is swallowed"),
    ("cdr/a.py", "raise NotImplementedError" + "()", "something is left unwritten"),
    ("tests/a.py", "x = 1  # TO" + "DO", "something is left undone"),
    ("cdr/__init__.py", '"""Doc."""\nX = 1', "__init__.py holds a docstring and nothing else"),
    ("cdr/__init__.py", '"""Doc.' + "\n" * 15 + '"""', "at most 15 lines"),
    ("cdr/a.py", "def f():\n" + "    x = 1\n" * 70, "f has 71 lines"),
    ("cdr/a.py", "def f(a, b, c, d, e, f, g, h, *, i): ...", "f has 9 arguments"),
    ("tests/a.py", "x = 1\n" * 401, "the file has more than 400 lines"),
    ("tests/a.py", "x = '" + "y" * 100 + "'", "the line has 106 characters"),
)  # fmt: skip


@pytest.mark.parametrize(("path", "source", "rule"), MADE_UP)
def test_each_rule_finds_its_breach(path: str, source: str, rule: str) -> None:
    found = breaches(PurePath(path), source)
    assert len(found) == 1
    assert found[0].startswith(f"{path}:")
    assert rule in found[0]


def test_what_is_allowed_is_not_found() -> None:
    kernel = (
        "import numpy as np\nfrom rating.hash_kernels import mix\nfrom tollbook.jit import kernel\n"
        "@kernel\ndef half(x: np.ndarray, out: np.ndarray) -> None:\n    out[0] = x[0] // 2\n"
        "@inner\ndef part(x: np.ndarray) -> tuple[int, Reach]:\n    return 0, Reach(0, 1, 2, 3)\n"
        "@pasted\ndef both(x: np.ndarray) -> Asked:\n    return Asked(x, x)\n"
    )
    assert breaches(PurePath("rating/a_kernels.py"), kernel) == []
    assert breaches(PurePath("tollbook/__main__.py"), "from tollbook.cli.main import cli") == []
    assert breaches(PurePath("tollbook/run/a.py"), "import time\nx = 1 / 2") == []


def test_setup_lists_every_package() -> None:
    folders = {p.parent for top in PRODUCT for p in (ROOT / top).rglob("*.py")}
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert set(setup_value("packages")) == names
    assert all((folder / "__init__.py").is_file() for folder in folders)


def test_requirements_are_what_is_imported() -> None:
    required = {re.split(r"[><=]", one)[0] for one in setup_value("CORE")}
    imported: set[str] = set()
    for path in python_files():
        if path.relative_to(ROOT).parts[0] in PRODUCT:
            imported |= {name.split(".")[0] for _, name in imports(ast.parse(path.read_text()))}
    ours = {*PRODUCT, *sys.stdlib_module_names}
    assert {MODULE_OF.get(name, name) for name in required} - ours == imported - ours
    assert {MODULE_OF.get(name, name) for name in required} <= imported


def test_documents_that_are_named_exist() -> None:
    """Pages of docs/ and ADRs, wherever code, documents or sample files name them."""
    adrs = {path.name[:4] for path in (ROOT / "docs/adr").glob("*.md")}
    written = [path for kind in ("*.md", "docs/**/*.md", "*/**/*.yaml") for path in ROOT.glob(kind)]
    for path in [*python_files(), *written]:
        text = path.read_text("utf-8")
        named = {*re.findall(r"\bdocs/[a-z0-9_/-]+\.md", text)}
        missing = [name for name in sorted(named) if not (ROOT / name).is_file()]
        missing += [n for n in re.findall(r"\bADR (\d{4})", text) if n not in adrs]
        assert not missing, f"{path.relative_to(ROOT)} names {missing}, which do not exist"


def test_the_night_is_drawn_as_it_is() -> None:
    """The page on the architecture shows the stages of pipeline.py, in their order."""
    from tollbook.run.pipeline import STAGES

    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    drawn = re.findall(r"^\| `(\w+)` +\| (\w+) +\|", page, re.MULTILINE)
    assert drawn == [(stage.name, stage.kind) for stage in STAGES]
