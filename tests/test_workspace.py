"""A workspace: what its files mean, and the message that each broken one gets."""

from __future__ import annotations

import csv
import re
import shutil
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs import agreements
from tollbook import customers, network, numbering, sources, workspace
from tollbook.alarm_rules import AlarmRules
from tollbook.columns import LISTED_MAX, OPEN_FROM, OPEN_TO
from tollbook.duplicate_rules import DuplicateRules, Overlapping, UltraShort
from tollbook.errors import Refused
from tollbook.numbering import Lengths, Numbering
from tollbook.text import Problems

BROKEN = Path(__file__).parent / "broken" / "workspace"
CHINA = Numbering("86", ("00",), "0", Lengths(9, 11), Lengths(11, 11), Lengths(7, 8), ("17911",))


def utc_s(text: str, zone: str = "Asia/Shanghai") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def copy_of(tmp_path: Path, case: str = "good") -> Path:
    """The good workspace, with the files of a case laid over it."""
    for folder in ("good", case):
        shutil.copytree(BROKEN / folder, tmp_path / "w", dirs_exist_ok=True)
    return tmp_path / "w"


def problems_of(root: Path) -> list[tuple[str, int, str, str]]:
    with pytest.raises(Refused) as refused:
        workspace.load_all(root)
    assert all(problem.allowed and problem.do for problem in refused.value.problems)
    return [(p.file, p.line, p.severity, p.found) for p in refused.value.problems]


def expected() -> dict[str, list[tuple[str, int, str, str]]]:
    cases: dict[str, list[tuple[str, int, str, str]]] = {}
    with (BROKEN / "expected.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            cases.setdefault(row["case"], []).append(
                (row["file"], int(row["line"]), row["severity"], row["found"])
            )
    return cases


EXPECTED = expected()


@pytest.mark.parametrize("case", sorted(EXPECTED))
def test_broken_workspace_is_refused_with_every_problem(tmp_path: Path, case: str) -> None:
    assert sorted(problems_of(copy_of(tmp_path, case))) == sorted(EXPECTED[case])


def test_every_broken_workspace_has_its_messages_written_down() -> None:
    folders = {path.name for path in BROKEN.iterdir() if path.is_dir()}
    assert folders == {"good", *EXPECTED}


def test_operator_yaml_means_what_is_written(tmp_path: Path) -> None:
    root = copy_of(tmp_path)
    space = workspace.load(root)
    assert space.operator == workspace.Operator(
        "Test Mobile", "CN", "CNY", 2, "Asia/Shanghai", "CHNTM")  # fmt: skip
    assert space.numbering == Numbering("86", ("00",), "0", Lengths(9, 11), Lengths(11, 11),
                                        Lengths(7, 8), ("17911", "193"))  # fmt: skip
    assert space.national_roaming == "region"
    assert space.duplicates == DuplicateRules(("served", "start", "call_ref"), 90 * 86_400)
    assert space.limits == workspace.Limits(60 * 86_400, 900, 36_000, 2 * 2**30)
    assert space.store == workspace.Store(f"sqlite:///{root}/catalogue.db", root / "lake")
    assert [(s.name, s.layout, s.time_zone, s.area) for s in space.sources] == [
        ("msc", "tollbook", "Asia/Shanghai", ""), ("pbx", "freeswitch", "UTC", "10")]  # fmt: skip
    assert space.inbox(space.sources[0]) == root / "inbox" / "msc"
    assert space.layout_path("tollbook") is None
    (root / "layouts").mkdir()
    (root / "layouts" / "own.yaml").write_text("layout: own\n")
    assert space.layout_path("own") == root / "layouts" / "own.yaml"


def test_what_a_source_promises_and_when_it_is_told(tmp_path: Path) -> None:
    root = copy_of(tmp_path)
    path = root / "operator.yaml"
    text = path.read_text().replace('%d%H%M}.csv*"}', '%d%H%M}.csv*", every: 15m, '
                                    "alarms: {errors_critical: 5%, gap: off}}")  # fmt: skip
    path.write_text(text + "alarms: {gap: 1h, low: off}\n")
    space = workspace.load(root)
    msc, pbx = space.sources
    assert (msc.every_s, msc.sequence_wrap, pbx.every_s, pbx.sequence_wrap) == (900, 10**6, 0, 0)
    assert space.alarms == AlarmRules(gap_s=3600, low_ppm=None)
    assert pbx.alarms == space.alarms
    assert msc.alarms == AlarmRules(gap_s=None, low_ppm=None, errors_critical_ppm=50_000)
    found = msc.match("MSC_000017_200306101530.csv")
    assert found == sources.FileName(17, "200306101530")
    assert msc.file_utc_s(found, 5 * 10**9) == utc_s("2003-06-10T15:30")
    for name in ("MSC_000017_200302311530.csv", "MSC_000017_000006101530.csv"):  # no such days
        strange = msc.match(name)
        assert strange is not None
        assert msc.file_utc_s(strange, 5 * 10**9) == 5
    assert pbx.file_utc_s(sources.FileName(None, None), 5 * 10**9) == 5


def test_what_operator_yaml_leaves_out_has_a_default(tmp_path: Path) -> None:
    (tmp_path / "operator.yaml").write_text(
        "operator: {name: T, country: JP, currency: JPY, currency_digits: 0, time_zone: Asia/Tokyo}"
        "\nnumbering: {country_code: 81}\n"
    )
    space = workspace.load(tmp_path)
    assert space.numbering == Numbering("81", ("00",), "0", Lengths(4, 14))
    assert (space.national_roaming, space.sources) == ("never", ())
    assert space.limits == workspace.Limits(60 * 86_400, 3600, 36_000, 2**40)
    assert space.duplicates.fields == ("served", "start", "duration", "other", "direction")
    assert space.duplicates.window_s == space.limits.age_s


def test_kinds_of_duplicates_are_what_is_written(tmp_path: Path) -> None:
    root = copy_of(tmp_path)
    path, day = root / "operator.yaml", 86_400
    text = path.read_text()
    assert "window: 90d}" in text
    path.write_text(text.replace("90d}", "90d, overlapping: {}, ultra_short: {}}"))
    found = workspace.load(root).duplicates
    assert found.overlapping == Overlapping(("voice",), ("other",), 90 * day)
    assert found.ultra_short == UltraShort(("voice",), (), 2 * day, 2, 180)
    path.write_text(text.replace("window: 90d}", """window: 90d,
      overlapping: {services: [voice, data], same: [], window: 7d},
      ultra_short: {services: [video], same: [other, service], window: 1d, duration: 3s, gap: 1m}
    }"""))
    found = workspace.load(root).duplicates
    assert found.overlapping == Overlapping(("voice", "data"), (), 7 * day)
    assert found.ultra_short == UltraShort(("video",), ("other", "service"), day, 3, 60)


def test_secrets_come_from_the_environment_and_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLLBOOK_TEST_SECRET", "hush")
    root = copy_of(tmp_path)
    path = root / "operator.yaml"
    path.write_text(path.read_text().replace(
        "sqlite:///catalogue.db", '"postgresql://u:${TOLLBOOK_TEST_SECRET}@h/d"'))  # fmt: skip
    space = workspace.load(root)
    assert space.store.catalogue == "postgresql://u:hush@h/d"
    assert "hush" not in repr(space)


def test_network_tables_mean_what_is_written(tmp_path: Path) -> None:
    _, found, _ = workspace.load_all(copy_of(tmp_path))
    zones = found.zones
    assert zones.ids == ("010", "020", "0755", "HK", "emergency")
    assert zones.regions == ("north", "south")
    assert zones.region_index.tolist() == [0, 1, 1, -1, -1]
    assert [zones.countries[i] for i in zones.country_index] == ["CN", "CN", "CN", "HK", "CN"]
    assert zones.groups == ("domestic", "near")
    assert zones.group_index.tolist() == [0, 0, 0, 1, -1]
    june = utc_s("2003-06-10")
    ranges = found.ranges
    assert list(zip(ranges.prefix_length.tolist(), ranges.prefix.tolist(),
                    ranges.zone_index.tolist(), ranges.carrier_index.tolist(),
                    ranges.valid_from_utc_s.tolist(), ranges.valid_to_utc_s.tolist(),
                    strict=True)) == [
        (2, 86, 1, -1, utc_s("2001-01-01"), OPEN_TO),
        (3, 852, 3, -1, OPEN_FROM, OPEN_TO),
        (4, 8610, 0, 1, OPEN_FROM, OPEN_TO),
        (7, 8613900, 0, 0, OPEN_FROM, OPEN_TO),
        (7, 8613901, 0, 0, OPEN_FROM, june),
        (7, 8613901, 1, 0, june, OPEN_TO),
    ]  # fmt: skip
    assert ranges.prefix_length.dtype == np.int8
    assert found.special_numbers.numbers == ("110", "119")
    assert found.special_numbers.zone_index.tolist() == [4, 4]
    assert found.locations.names.to_pylist() == ["460-1", "460-2"]
    assert (found.visited.tadigs, found.visited.zone_index.tolist()) == (("HKGQ1",), [3])
    assert (found.carriers.ids, found.carriers.own_index) == (("own", "fixed"), 0)
    assert (found.trunks.trunks, found.trunks.carrier_index.tolist()) == (("T1", "T1"), [1, 0])
    assert found.trunks.valid_to_utc_s.tolist() == [june, OPEN_TO]
    assert found.holidays == ((date(2003, 5, 1), "Labour Day"), (date(2003, 10, 1), "National Day"))


def test_relations_are_the_first_row_that_fits(tmp_path: Path) -> None:
    _, found, _ = workspace.load_all(copy_of(tmp_path))
    assert found.relations == ("special", "local", "province", "south", "far")
    assert found.relation_matrix.dtype == np.int16
    words = [[found.relations[cell] for cell in row] for row in found.relation_matrix.tolist()]
    assert words == [  # other:  010, 020, 0755, HK, emergency
        ["local", "south", "south", "far", "special"],  # served in 010
        ["far", "local", "province", "far", "special"],  # 020
        ["far", "province", "local", "far", "special"],  # 0755
        ["far", "far", "far", "local", "special"],  # HK
        ["far", "far", "far", "far", "special"],  # emergency has no region: not same_region
    ]


def test_customers_mean_what_is_written(tmp_path: Path) -> None:
    _, _, found = workspace.load_all(copy_of(tmp_path))
    assert found.accounts.account_id.to_pylist() == ["A-1", "A-2"]
    assert found.accounts.address[0].as_py() == "17 Renmin Road, Beijing"
    assert found.accounts.language.to_pylist() == ["", ""]
    assert found.accounts.exempt.tolist() == [False, True]
    assert found.plan_ids == ("business", "easy", "standard")
    rows = found.subscriptions
    assert rows.subscription_id.to_pylist() == ["S-1", "S-1", "S-2", "S-3"]
    assert rows.account_index.tolist() == [0, 0, 1, 1]
    assert rows.number.tolist() == [8613900000001, 8613900000001, 8613900000002, 861065540001]
    assert rows.imsi.tolist() == [460000000000001, 460000000000001, 0, 460000000000003]
    assert rows.plan_index.tolist() == [2, 0, 1, 0]
    assert rows.status.tolist() == [customers.ACTIVE, customers.ACTIVE, customers.SUSPENDED,
                                    customers.CLOSED]  # fmt: skip
    change = utc_s("2003-06-16")
    assert rows.valid_from_utc_s.tolist() == [
        utc_s("2003-01-01"), change, utc_s("2003-06-10T12:30:00"), OPEN_FROM]  # fmt: skip
    assert rows.valid_to_utc_s.tolist() == [change, OPEN_TO, OPEN_TO, OPEN_TO]
    dtypes = {name: getattr(rows, name).dtype for name in (
        "account_index", "number", "imsi", "plan_index", "status", "valid_from_utc_s")}
    assert dtypes == {"account_index": np.int32, "number": np.int64, "imsi": np.int64,
                      "plan_index": np.int32, "status": np.int8, "valid_from_utc_s": np.int64}


def test_tables_that_may_be_absent_and_those_that_may_not(tmp_path: Path) -> None:
    root = copy_of(tmp_path)
    for name in ("special_numbers", "locations", "networks", "trunks", "holidays"):
        (root / "network" / f"{name}.csv").unlink()
    _, found, _ = workspace.load_all(root)
    assert (len(found.locations.names), found.trunks.trunks, found.holidays) == (0, (), ())
    needed = [f"customers/{name}.csv" for name in ("accounts", "subscriptions")]
    needed += [f"network/{name}.csv"
               for name in ("carriers", "number_ranges", "relations", "zones")]
    for name in needed:
        (root / name).unlink()
    assert [problem[:2] for problem in problems_of(root)] == [(name, 0) for name in needed]


def test_a_missing_operator_yaml_is_named(tmp_path: Path) -> None:
    assert problems_of(tmp_path) == [
        ("operator.yaml", 0, "error", "the file cannot be read (No such file or directory)")]


def test_problems_of_one_kind_are_listed_up_to_a_limit(tmp_path: Path) -> None:
    root = copy_of(tmp_path)
    many = LISTED_MAX + 7
    lines = [f"S-{row},A-1,x{row},,standard,active,," for row in range(many)]
    path = root / "customers" / "subscriptions.csv"
    path.write_text("\n".join([path.read_text().splitlines()[0], *lines]))
    found = problems_of(root)
    assert [line for _, line, _, _ in found] == [*range(2, LISTED_MAX + 2), LISTED_MAX + 2]
    assert found[0][3] == "number is 'x0'"
    assert "and 7 more of this kind from here on" in [words for *_, words in found]


# Bytes of locations.csv -> the line and words of its only problem.
ODD_BYTES = [
    (b"location,zone\r\n460-1,010\r\n\r\n460-1,020\r\n", 4, "location 460-1 is valid here and in"),
    (b"location,zone\n460-1,010\n460-\xff,020\n", 3, "byte 0xff is not UTF-8"),
    (b"location,zone\n460-1,010\r460-2,010\n", 2, "a carriage return without a line feed"),
    (b'location,zone\n460-1,010\n"460\n-2",010\n', 3, "a quote opens here"),
    (b"", 1, "the file has no header line"),
    (b"# only a comment\n\n", 1, "the file has no header line"),
    (b"\xef\xbb\xbflocation,zone\n,010\n", 2, "location is empty"),
    (b"location,zone\n460-1,010,x\n", 2, "3 cells"),
]


@pytest.mark.parametrize(("data", "line", "words"), ODD_BYTES)
def test_bytes_that_are_no_table(tmp_path: Path, data: bytes, line: int, words: str) -> None:
    root = copy_of(tmp_path)
    (root / "network" / "locations.csv").write_bytes(data)
    [(file, found_line, _, found)] = problems_of(root)
    assert (file, found_line) == ("network/locations.csv", line)
    assert found.startswith(words)


# The pattern, a name, and what is found in it: (sequence, date), or None.
FILE_NAMES = [
    ("MSC_{sequence:06d}_{date:%Y%m%d%H%M}.csv*", "MSC_000042_200306100215.csv",
     (42, "200306100215")),
    ("MSC_{sequence:06d}_{date:%Y%m%d%H%M}.csv*", "MSC_000042_200306100215.csv.gz",
     (42, "200306100215")),
    ("MSC_{sequence:06d}_{date:%Y%m%d%H%M}.csv*", "MSC_42_200306100215.csv", None),
    ("MSC_{sequence:06d}_{date:%Y%m%d%H%M}.csv*", "xMSC_000042_200306100215.csv", None),
    ("{sequence}-{date:%y%j}.dat", "17-03161.dat", (17, "03161")),
    ("*.csv", "a.csv", (None, None)),
    ("*.csv", "a.csv\n", None),
    ("*.csv", "../a/b.csv", None),
    ("a.b+c", "a.b+c", (None, None)),
    ("a.b+c", "aXb+c", None),
    ("{date:%Y-%m-%d}", "2003-06-10", (None, "2003-06-10")),
    ("{sequence:04d}", "١٢٣٤", None),  # digits of another script are no sequence
]


@pytest.mark.parametrize(("pattern", "name", "wanted"), FILE_NAMES)
def test_file_names_are_read_by_pattern(
    pattern: str, name: str, wanted: tuple[int | None, str | None] | None
) -> None:
    source = sources.Source("s", "tollbook", pattern, "UTC", "", sources.compile_pattern(pattern))
    found = source.match(name)
    assert (found and (found.sequence, found.date_text)) == wanted


@given(st.data())
def test_relations_follow_the_plain_rule(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """The matrix against the first row that fits, looked for pair by pair."""
    words = st.sampled_from(["", "r", "s"])
    zones = data.draw(st.lists(st.tuples(words, words), min_size=1, max_size=5))
    names = [f"z{number}" for number in range(len(zones))]
    patterns = ["*", *names, *(f"region:{r}" for r, _ in zones if r),
                *(f"country:{c}" for _, c in zones if c)]  # fmt: skip
    pattern, same = st.sampled_from(patterns), ["same_zone", "same_region", "same_country"]
    rows = data.draw(st.lists(st.tuples(
        pattern, st.one_of(pattern, st.sampled_from(same)), st.sampled_from("xyz")), max_size=6))
    folder = tmp_path_factory.getbasetemp()
    (folder / "zones.csv").write_text("zone,name,region,country\n" + "".join(
        f"{name},,{r},{c}\n" for name, (r, c) in zip(names, zones, strict=True)))  # fmt: skip
    (folder / "relations.csv").write_text(
        "served,other,relation\n" + "".join(",".join(row) + "\n" for row in rows))
    problems = Problems()
    table = network.network_tables.load_zones(folder / "zones.csv", problems, "zones.csv")
    relations, matrix = network.load_relations(folder / "relations.csv", table, problems, "r")
    assert not problems.errors

    def fits(one: str, zone: int) -> bool:
        region, country = zones[zone]
        return one in ("*", names[zone], f"region:{region}" if region else None,
                       f"country:{country}" if country else None)  # fmt: skip

    def fits_other(one: str, served: int, zone: int) -> bool:
        if one not in same:
            return fits(one, zone)
        kinds = [((n,), r, c) for n, (r, c) in enumerate(zones)]
        at = same.index(one)
        return bool(kinds[served][at]) and kinds[served][at] == kinds[zone][at]

    for a in range(len(zones)):
        for b in range(len(zones)):
            wanted = next((w for s, o, w in rows if fits(s, a) and fits_other(o, a, b)), None)
            cell = matrix[a, b]
            assert (None if cell < 0 else relations[cell]) == wanted


def test_the_examples_of_the_guide_are_a_workspace(tmp_path: Path) -> None:
    """docs/workspace.md: the file is named in the fence, or else in the heading above it."""
    guide = (Path(__file__).parents[1] / "docs" / "workspace.md").read_text(encoding="utf-8")
    made = []
    for heading, named, body in re.findall(
        r"(?:^##+ `([^`]+)`[^\n]*\n\n)?^```(?:csv|yaml)(?: (\S+))?\n(.*?)^```$", guide, re.M | re.S
    ):
        path = tmp_path / (named or heading)
        path.parent.mkdir(exist_ok=True)
        path.write_text(body, encoding="utf-8")
        made.append(path.name)
    assert set(made) == {"operator.yaml", *customers.FILES, *network.FILES}
    space, found, subscribers = workspace.load_all(tmp_path)
    assert space.numbering == CHINA
    assert len(found.ranges.prefix) == 6
    assert len(subscribers.subscriptions.number) == 4
    problems = Problems()
    agreements.load(space.network / "agreements.csv", problems, found.carriers.ids,
                    found.zones.groups, "Asia/Shanghai")  # fmt: skip
    assert problems.found == []
    forms = re.findall(r"^\| [^|]+ \| ([0-9+ ]+) \| (\d+) \|$", guide, re.M)
    written = pa.array([dialled.replace(" ", "") for dialled, _ in forms])
    assert numbering.to_e164(written, CHINA)[0].tolist() == [int(wanted) for _, wanted in forms]
    assert len(forms) == 5  # the local form is not one of tables
