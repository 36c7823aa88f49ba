"""``tollbook cdr``: what a file is, and all that is in it, for people and for programs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cdr import framing, native
from tollbook.cli.main import cli
from tollbook.errors import BrokenFile

_SUFFIXES = (".ber", ".rap", ".cdr")
DATA = Path(__file__).parent / "data"
NATIVE = sorted(path for path in (DATA / "native").iterdir() if path.suffix in _SUFFIXES)
TAP = DATA / "native" / "tap_3_11_five_events.ber"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["cdr", *map(str, arguments)])


@pytest.mark.parametrize("file", NATIVE, ids=lambda path: path.name)
def test_every_value_of_the_samples(file: Path) -> None:
    """The texts in data/native/dumps were compared with what is known of each file: see there."""
    done = call("dump", file)
    assert done.exit_code == 0, done.output
    assert done.output == (file.parent / "dumps" / f"{file.name}.txt").read_text("utf-8")


def test_files_are_known_by_their_bytes(tmp_path: Path) -> None:
    renamed = tmp_path / "night.csv"
    renamed.write_bytes(gzip.compress(TAP.read_bytes()))
    (tmp_path / "nothing").touch()
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    done = call("identify", "--json", renamed, tmp_path / "nothing", tmp_path / "noise",
                DATA / "asterisk_master.csv", *NATIVE)  # fmt: skip
    found = json.loads(done.output)
    assert [one["format"] for one in found[:4]] == ["tap", "", "", ""]
    assert found[0]["compression"] == "gzip"
    assert [one["title"] for one in found[1:4]] == ["empty", "not known", "text"]
    cut = tmp_path / "cut.gz"
    cut.write_bytes(renamed.read_bytes()[:40])
    done = call("identify", cut, TAP)  # a broken one hides no other
    assert done.exit_code == 1
    assert "cut.gz: broken" in done.output
    assert f"{TAP}: TAP 3" in done.output
    kinds = {"tap": "tap", "rap": "rap", "ts32297": "ts32297"}
    assert [one["format"] for one in found[4:]] == [
        kinds[path.name.partition("_")[0]] for path in NATIVE
    ]


def test_a_dump_for_programs_has_every_byte_of_a_value() -> None:
    lines = [json.loads(line) for line in call("dump", "--json", TAP).output.splitlines()]
    charges = [one for one in lines if one["name"] == "charge"]
    assert [one["value"] for one in charges] == ["17838", "0", "2064", "0", "0"]
    raw = TAP.read_bytes()
    for one in lines:
        if "hex" in one:
            end = one["at"] + one["size"]
            assert raw[:end].endswith(bytes.fromhex(one["hex"]))


def test_a_file_that_ends_too_soon_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    half = tmp_path / "half.ber"
    half.write_bytes(TAP.read_bytes()[:300])
    done = call("dump", half)
    assert done.exit_code == 1
    assert "msisdn = 491718888888" in done.output
    for words in ("half.ber: at byte 238", "ends behind what holds it", "allowed: BER", "do: ask"):
        assert words in done.output


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"service,direction\nvoice,out\n", "not one of the native formats"),
        (b"", "not one of the native formats"),
        (b"\x1f\x8b\x08\x00broken", "gzip data is broken"),
    ],
)
def test_what_cannot_be_dumped_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    done = call("dump", file)
    assert done.exit_code == 1
    assert words in done.output
    assert "Traceback" not in done.output


def test_a_frame_that_is_cut_off_is_told_with_its_place() -> None:
    """The second record of 197 bytes begins at 202; its frame header stands four bytes before,
    after one byte of extension: 197."""
    data = (DATA / "native" / "ts32297_mo_and_pgw.cdr").read_bytes()
    found = native.regions(data[:-1], native.FORMATS["ts32297"], "f")
    assert next(found)[:2] == (59, 197)
    words = "at byte 398: it ends here, and its header says 399 bytes; before that are 1 whole"
    with pytest.raises(BrokenFile, match=words):
        next(found)
    unknown = native.regions(b"\xff" * 4 + data[4:-1], native.FORMATS["ts32297"], "f")
    with pytest.raises(BrokenFile, match="at byte 197: 201 bytes that are no whole record"):
        list(unknown)
    with pytest.raises(BrokenFile, match="a header of 70000 bytes in a file of 399"):
        framing.read_header(data[:4] + (70_000).to_bytes(4) + data[8:], "f")
    with pytest.raises(BrokenFile, match="parts of a header that end at byte 65589"):
        framing.read_header(data[:48] + b"\xff\xff" + data[50:], "f")
