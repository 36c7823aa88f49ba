"""Bills as files: the same bytes every time, and nothing that a customer writes can act."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path

import pytest
from billing_helpers import accounts, june, rents, tax, usage

from billing import bill, render
from tollbook.errors import NotFound, TollbookError
from tollbook.outputs import file_name, neutral

HOSTILE = '#panic("x") *b* _i_ $a$ `r` <l> @ref \\ // /* "q" [x](y) = heading'
NAMES = accounts([
    ["A-1", "Lin Xiaoyan", "88 Renmin Road; Chengdu"],
    ["A-2", HOSTILE, HOSTILE],
    ["A-3", "王小明", "中山路 1 号"],
    ["=A4", "=cmd|' /C calc'!A0", ""],
    ["../A5", "Wu Jie", ""],
])  # fmt: skip
LETTERHEAD = render.Letterhead("Harbour Mobile", "CN", 2, date(2003, 7, 1), date(2003, 7, 25))


@pytest.fixture(scope="module")
def made() -> bill.Bills:
    rows = [(name, "standard", component, "standard", charge)
            for name in sorted(NAMES.account_id.to_pylist())
            for component, charge in (("airtime", 12_345_000), ("toll", 999_999))]  # fmt: skip
    return bill.make(
        usage(*rows), rents(("A-1", 50_000_000), ("A-2", -1_230_000)), NAMES,
        june(tax("standard", 3)),
    )  # fmt: skip


def test_json_lines(made: bill.Bills, tmp_path: Path) -> None:
    count = render.write_jsonl(tmp_path / "bills.jsonl", made, NAMES, LETTERHEAD)
    found = [json.loads(line) for line in (tmp_path / "bills.jsonl").read_text().splitlines()]
    assert len(found) == count == 5
    first = next(one for one in found if one["bill_number"] == "2003-06-A-1")
    assert first["account"] == {
        "id": "A-1", "name": "Lin Xiaoyan", "address": "88 Renmin Road; Chengdu",
    }  # fmt: skip
    assert (first["period_start"], first["period_end"]) == ("2003-06-01", "2003-06-30")
    assert [line["amount"] for line in first["usage"]] == ["12.35", "1.00"]  # 12.345, 0.999999
    # tax: (50 + 12.35 + 1.00) x 3 % = 1.9005; rounding: 13.344999 - 13.35
    assert first["totals"] == {
        "recurring": "50.00", "usage": "13.35", "settled": "0.00", "correction": "0.00",
        "tax": "1.90", "total": "65.25",
        "rated": "13.344999", "rounding": "-0.005001",
    }  # fmt: skip
    assert all(one.keys() == found[0].keys() for one in found)


def test_slices_do_not_show(
    made: bill.Bills, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("one", 2), ("all", 5_000)):
        monkeypatch.setattr(render, "_SLICE", size)
        render.write_jsonl(tmp_path / f"{name}.jsonl", made, NAMES, LETTERHEAD)
        render.write_register(tmp_path / f"{name}.csv", made, NAMES, LETTERHEAD)
    for kind in ("jsonl", "csv"):
        one, whole = (tmp_path / f"{name}.{kind}" for name in ("one", "all"))
        assert one.read_bytes() == whole.read_bytes()


def test_the_register_neutralises_formulas_and_keeps_numbers(
    made: bill.Bills, tmp_path: Path
) -> None:
    path = tmp_path / "register.csv"
    assert render.write_register(path, made, NAMES, LETTERHEAD) == 5
    with path.open(newline="", encoding="utf-8") as source:
        rows = {row["bill_number"]: row for row in csv.DictReader(source)}
    hostile = rows["2003-06-=A4"]
    assert (hostile["account_id"], hostile["name"]) == ("'=A4", "'=cmd|' /C calc'!A0")
    assert rows["2003-06-A-2"]["recurring"] == "-1.23"
    assert rows["2003-06-A-3"]["name"] == "王小明"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "  =1", "\uff1d1"])
def test_formulas_are_neutralised(text: str) -> None:
    assert neutral(text) == f"'{text}"


def test_plain_text_is_left_alone() -> None:
    assert [neutral(text) for text in ("", "Lin", "1-2", "a=b")] == ["", "Lin", "1-2", "a=b"]


def test_two_renders_of_a_bill_are_the_same_bytes(made: bill.Bills, tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        printed = render.write_pdfs(
            tmp_path / name, made, NAMES, LETTERHEAD, ["A-3", "A-1", "A-1"]
        )
        assert [path.name for path in printed.files] == ["2003-06-A-1.pdf", "2003-06-A-3.pdf"]
        assert printed.without_font == ("2003-06-A-3",)
        contents.append([path.read_bytes() for path in printed.files])
    assert contents[0] == contents[1]
    assert contents[0][0].startswith(b"%PDF-")
    assert b"2003-07-01" in contents[0][0]  # the day of issue, not the day of rendering


def test_hostile_names_are_printed_as_they_are(made: bill.Bills, tmp_path: Path) -> None:
    """A template that shows the name and refuses to compile unless it is the very text."""
    template = tmp_path / "plain.typ"
    template.write_text(
        "#let bill = json(bytes(sys.inputs.bill))\n"
        f"#assert.eq(bill.account.name, {json.dumps(HOSTILE)})\n#bill.account.name\n"
    )
    printed = render.write_pdfs(tmp_path, made, NAMES, LETTERHEAD, ["A-2"], template)
    assert printed.files[0].stat().st_size > 0
    shipped = render.write_pdfs(tmp_path, made, NAMES, LETTERHEAD, ["A-2", "=A4", "../A5"])
    assert all(path.parent == tmp_path and path.is_file() for path in shipped.files)


def test_a_broken_template_is_refused_with_its_name(made: bill.Bills, tmp_path: Path) -> None:
    template = tmp_path / "mine.typ"
    template.write_text("#let = nothing")
    with pytest.raises(TollbookError, match=r"mine\.typ: the template does not compile"):
        render.write_pdfs(tmp_path, made, NAMES, LETTERHEAD, ["A-1"], template)


def test_an_account_without_a_bill_is_refused(made: bill.Bills, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no bill for account Z-9"):
        render.write_pdfs(tmp_path, made, NAMES, LETTERHEAD, ["A-1", "Z-9"])


def test_file_names_stay_inside_their_folder_and_apart() -> None:
    names = ["2003-06-A-1", "../x", "..", ".x", "a/b", "a_b", "x" * 300, "王", "李"]
    found = [file_name(name) for name in names]
    assert found[0] == names[0]
    assert len(set(found)) == len(names)
    assert all("/" not in name and not name.startswith(".") and len(name) < 120 for name in found)
