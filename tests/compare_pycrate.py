"""Values and bytes of TAP and RAP files beside those of pycrate: run by hand, see below.

``python tests/compare_pycrate.py [RANDOM_FILES] [EVENTS]`` with pycrate installed reads samples,
so many random files of each format and a generated TAP file with both, and compares every value
and every file that they write, and says what was in them. It stops at the first difference.

Of ten random files nine have a record of each kind in turn, in lists of several elements; the tenth
is anything that the types allow, mostly little.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pycrate_asn1dir.TAP3 import RAP_0105, TAP_0312
from pycrate_asn1rt.asnobj import ASN1Obj

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from reference_ber import FullMaker, Maker  # noqa: E402 - the two places are not installed

from bench import make_native  # noqa: E402
from cdr import ber, ber_write  # noqa: E402
from cdr.asn_values import Form, form_of  # noqa: E402
from cdr.native import FORMATS, Format  # noqa: E402

ASN1Obj._SAFE_BND = False  # files of partners do not keep to the sizes that it would enforce
THEIRS = {"tap": TAP_0312.DataInterChange, "rap": RAP_0105.RapDataInterChange}
# Members that RAP demands are missed by pycrate: random files must have them.
NEEDED = {
    (name, member)
    for name, kind in vars(RAP_0105).items() if isinstance(kind, ASN1Obj)
    for member in getattr(kind, "_root_mand", None) or ()
}  # fmt: skip
SHARES = {"tap": (0.0, 0.1, 0.3, 1.0), "rap": (1.0,)}
EVENTS = tuple(one.type for one in FORMATS["tap"].types["CallEventDetail"].members)
ERRORS = tuple(
    one.type for one in FORMATS["rap"].types["FatalReturn"].members if one.type.endswith("Error")
)
KINDS = {"tap": EVENTS, "rap": ("StopReturn", "MissingReturn", *ERRORS, *EVENTS)}
SAMPLES = ROOT / "tests" / "data" / "native"


def ours(data: bytes, form: Format) -> Iterator[tuple[str, int | bytes]]:
    """Names and values: of integers the column's, of all else the bytes that lie there."""
    schema = form.schema
    for block in ber.blocks(data, schema, "file", rows=2**20):
        if block.records.fault.any():
            raise AssertionError("a record has a fault")
        for number in block.fields():
            field = schema.fields[number]
            name = field.path.rpartition(".")[2]
            begin, size = block.places(number)
            column = block.column(number)
            is_integer = form_of(field.words) is Form.INTEGER
            for row in (size >= 0).nonzero()[0].tolist():
                at = int(begin[row])
                value = column[row].as_py() if is_integer else data[at : at + int(size[row])]
                yield name if name != "value" else "", value


def theirs(value: Any, name: str) -> Iterator[tuple[str, int | bytes]]:
    """The same from pycrate's objects: groups are dicts, choices pairs, lists without names."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from theirs(inner, key)
    elif isinstance(value, tuple):
        yield from theirs(value[1], value[0])
    elif isinstance(value, list):
        for inner in value:
            yield from theirs(inner, "")
    else:
        yield name, value


def compare(data: bytes, name: str) -> int:
    """How many values agree; raises AssertionError where one does not."""
    kind = THEIRS[name]
    kind.from_ber(data)
    value = kind.get_val()
    mine, other = sorted(ours(data, FORMATS[name]), key=str), sorted(theirs(value, ""), key=str)
    for one, two in zip(mine, other, strict=True):
        assert one == two, f"{one} here, {two} there"
    kind.set_val(value)
    [block] = ber.blocks(data, FORMATS[name].schema, "file", rows=2**20)
    written = ber_write.encode(FORMATS[name].schema, ber_write.of_block(block)).tobytes()
    assert written == kind.to_ber(), "files written differ"
    return len(mine)


def compare_random(name: str, files: int) -> None:
    """Random files of a format, and a few lines that say what they held."""
    form, kinds = FORMATS[name], KINDS[name]
    values, richly, with_events = 0, 0, 0
    with_kind, made = Counter[str](), Counter[str]()
    for seed in range(files):
        if seed % 10 == 9:
            data = Maker(form.types, seed, SHARES[name]).make(form.root)
        else:
            maker = FullMaker(form.types, seed, kinds[seed % len(kinds)], NEEDED)
            data = maker.make(form.root)
            there = [kind for kind in kinds if maker.made[kind]]
            richly += 1
            with_events += any(kind in EVENTS for kind in there)
            with_kind.update(there)
            made.update({kind: maker.made[kind] for kind in there})
        values += compare(data, name)
    print(f"{name}: {values:,} values of {files:,} random files agree")
    print(f"  {with_events:,} of {richly:,} full files have events; how many of each kind:")
    for kind in kinds:
        print(f"  {kind}: {made[kind]:,} in {with_kind[kind]:,} files", flush=True)


def main(files: int, events: int) -> None:
    """All comparisons, with a line for each kind."""
    values = 0
    for path in sorted(SAMPLES.iterdir()):
        if path.suffix in (".ber", ".rap"):
            values += compare(path.read_bytes(), "rap" if path.suffix == ".rap" else "tap")
    print(f"samples: {values} values agree")
    for name in THEIRS:
        compare_random(name, files)
    values = compare(make_native.make_tap(events, 1).data, "tap")
    print(f"tap: {values} values of {events} generated events agree")


if __name__ == "__main__":
    main(*map(int, [*sys.argv[1:], "300", "2000"][:2]))
