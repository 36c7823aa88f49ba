"""The synthesiser: the same bytes for a seed, plausible shapes, and a truth that holds."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from dataclasses import astuple, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import JIT_IS_OFF
from hypothesis import given
from hypothesis import strategies as st
from reference_synth import BadLineError, Call, lines_of, read_line
from synth_operator import subscription_rows, write_operator

from cdr import synth, synth_draw, synth_kernels, synth_plan, synth_population
from cdr.synth_again import Again
from cdr.synth_faults import Rates
from cdr.synth_layouts import LAYOUTS
from tollbook import clock, codes, workspace
from tollbook.clock import DAY_S
from tollbook.errors import NotFound, TollbookError
from tollbook.mediation import FILTER, Mediation, Rule, When
from tollbook.reasons import BY_CODE, CODE

LINES = 4000
MONDAY = date(2026, 3, 2)
MANY_FAULTS = Rates(bad_ppm=60_000, limits_ppm=60_000, duplicates_ppm=80_000,
                    unknown_ppm=40_000, inactive_ppm=30_000)  # fmt: skip
RECORDS = 1_500 if JIT_IS_OFF else 12_000
Loaded = tuple[workspace.Workspace, workspace.Network, workspace.Customers]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return workspace.load_all(write_operator(tmp_path_factory.mktemp("operator"), LINES))


def make(loaded: Loaded, folder: Path, **changes: object) -> synth.SynthReport:
    spec = synth.SynthSpec(records=RECORDS, first_day=MONDAY, days=3, rates=MANY_FAULTS)
    spec = replace(spec, **changes)  # type: ignore[arg-type]
    return synth.write_month(*loaded, folder / "inbox", spec, folder / "truth.csv")


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def test_a_seed_gives_the_same_bytes_whatever_the_threads(loaded: Loaded, tmp_path: Path) -> None:
    count = RECORDS // 3
    for name, changes in (("a", {"threads": 1}), ("b", {"threads": 3}), ("c", {"seed": 2})):
        make(loaded, tmp_path / name, records=count, gzip_every=2, **changes)
    one, same, other = (
        {str(path.relative_to(tmp_path / name)): path.read_bytes()
         for path in sorted((tmp_path / name).rglob("*")) if path.is_file()}
        for name in "abc"
    )  # fmt: skip
    assert one == same
    assert one.keys() == other.keys()
    assert all(one[name] != other[name] for name in one)
    assert sum(name.endswith(".csv.gz") for name in one) == 6  # two of four, msc only, three nights


class Judge:
    """What becomes of each line, worked out from its text and the subscriptions alone."""

    def __init__(self) -> None:
        self.status: dict[str, tuple[str, str]] = {}
        for row in subscription_rows(LINES):
            _, _, number, _, _, status, _, until = row.split(",")
            self.status[number.removeprefix("+")] = (status, until)
        self.seen: dict[tuple[object, ...], tuple[str, int]] = {}

    def fate(self, source: str, line: bytes, day: date, at: tuple[str, int]) -> tuple[str, str]:
        """Reason ("ok": rated), and for a duplicate where the first one is as "file,row"."""
        try:
            call = read_line(source, line)
        except BadLineError as bad:
            return str(bad), ","
        reason = self.beyond(call, day) or self.guided(call, day)
        if reason in ("ok", "carried_for_others", "subscription_missing", "subscription_inactive"):
            key = (call.served, call.start_utc_s, call.duration_s, call.other, call.direction)
            if key in self.seen:
                return "record_duplicate", ",".join(map(str, self.seen[key]))
            self.seen[key] = at
        return reason, ","

    @staticmethod
    def beyond(call: Call, day: date) -> str:
        if not call.answered:
            return "not_answered"
        midnight = clock.date_utc_s(day, "Asia/Shanghai")
        if call.start_utc_s < midnight - 60 * DAY_S:
            return "start_too_old"
        if call.start_utc_s > midnight + DAY_S + 3600:
            return "start_in_future"
        checks = {
            "voice": ("duration", call.duration_s, 36_000, "too_long"),
            "data": ("volume", call.volume_bytes, 2**40, "too_large"),
            "sms": ("events", call.events, 100, "too_many"),
        }
        what, value, limit, too_much = checks[call.service]
        return f"{what}_zero" if value == 0 else f"{what}_{too_much}" if value > limit else ""

    def guided(self, call: Call, day: date) -> str:
        if call.direction == "transit":
            return "carried_for_others"
        status, until = self.status.get(call.served, ("", ""))
        if not status or (until and until <= str(day)):
            return "subscription_missing"
        return "ok" if status == "active" else "subscription_inactive"


def test_every_line_is_what_the_truth_says(loaded: Loaded, tmp_path: Path) -> None:
    report = make(loaded, tmp_path)
    with report.truth.open(newline="") as file:
        truth = {(row["file"], int(row["row"])): row for row in csv.DictReader(file)}
    judge, counted = Judge(), Counter[str]()
    by_night = sorted(report.files, key=lambda one: (one.night, one.source, one.path.name))
    for file in by_night:
        name = f"{file.source}/{file.path.name}"
        lines = content(file.path).split(b"\n")
        assert lines.pop() == b""
        header = file.source == "msc"
        assert len(lines) == file.rows + header
        for number, line in enumerate(lines[header:], start=1 + header):
            # A late copy starts on an earlier day: that day decides, and it is a duplicate there.
            reason, first = judge.fate(file.source, line, file.night, (name, number))
            row = truth.pop((name, number), None)
            found, found_first = "ok", ","
            if row:
                found, found_first = row["reason"], f"{row['first_file']},{row['first_row']}"
            assert (found, found_first) == (reason, first), (name, number, line)
            word = codes.DISPOSITIONS[BY_CODE[CODE[reason]].disposition] if row else "rated"
            assert not row or row["disposition"] == word
            counted[word] += 1
    assert not truth
    assert {word: count for word, count in report.dispositions.items() if count} == dict(counted)
    reasons = json.loads(report.truth.with_suffix(".json").read_text())["totals"]["reasons"]
    assert reasons.keys() >= {
        "columns_too_few", "columns_too_many", "number_malformed", "field_missing",
        "time_malformed", "integer_malformed", "text_not_utf8", "service_unknown",
        "start_in_future", "start_too_old", "duration_zero", "duration_too_long",
        "subscription_missing", "subscription_inactive", "record_duplicate", "not_answered",
        "carried_for_others",
    }  # fmt: skip


def test_copies_come_in_the_same_file_another_file_and_a_later_night(
    loaded: Loaded, tmp_path: Path
) -> None:
    report = make(loaded, tmp_path, records=1_800, rates=Rates(duplicates_ppm=200_000))
    night = {f"{file.source}/{file.path.name}": file.night for file in report.files}
    with report.truth.open(newline="") as file:
        copies = [row for row in csv.DictReader(file) if row["first_file"]]
    kinds = Counter(
        "same file" if row["file"] == row["first_file"]
        else "same night" if night[row["file"]] == night[row["first_file"]] else "later night"
        for row in copies
    )  # fmt: skip
    assert set(kinds) == {"same file", "same night", "later night"}
    assert min(kinds.values()) > 20


def night_of(
    loaded: Loaded, source: str, day: date, rates: Rates | None = None
) -> synth_draw.Night:
    """The draws of one source, without its files."""
    space, network, customers = loaded
    index = [one.name for one in space.sources].index(source)
    found = synth_plan.day_of(day, "Asia/Shanghai", "Asia/Shanghai")
    span = found.start_utc_s, found.end_utc_s
    people = synth_population.build(space, network, customers, span, 1)
    layout = LAYOUTS[space.sources[index].layout](people)
    active, inactive = people.in_force(*span, np.ones(LINES, np.bool_))
    return synth_draw.Night(
        people, active, inactive, found.start_utc_s, found.shape, found.hole, index, 3,
        synth_draw.kinds_for(people, layout.services, layout.directions),
        layout.damage_reasons(), layout.unanswered_ppm, rates or Rates(), space.limits,
    )  # fmt: skip


def draw(night: synth_draw.Night, count: int, seed: int = 5) -> dict[str, np.ndarray]:
    rng = np.random.Generator(np.random.PCG64(seed))
    return synth_draw.draw_block(night, rng, count, (0.0, 1.0), 0)


def test_shapes_are_plausible(loaded: Loaded) -> None:
    count = 100_000
    rows = draw(night_of(loaded, "msc", MONDAY), count)
    weekend = draw(night_of(loaded, "msc", MONDAY + timedelta(days=5)), count)

    def hours(of: dict[str, np.ndarray]) -> np.ndarray:
        return np.bincount((of["start_utc_s"] + 8 * 3600) % DAY_S // 3600, minlength=24)[:24]

    # 71 of 1,000 records start between ten and eleven on a workday, 3 between two and five each.
    assert hours(rows)[10] == pytest.approx(0.071 * count, rel=0.05)
    assert hours(rows)[2:5].mean() < hours(rows)[10] / 15
    assert hours(weekend)[0:2].sum() > 1.5 * hours(rows)[0:2].sum()  # people stay up
    assert hours(weekend)[7] < hours(rows)[7]  # and get up late
    busiest = np.sort(np.unique(rows["served"], return_counts=True)[1])[::-1]
    assert 0.35 < busiest[: LINES // 10].sum() / count < 0.55
    voice, data = rows["service"] == codes.VOICE, rows["service"] == codes.DATA
    assert voice.mean() == pytest.approx(0.619, abs=0.01)  # 6,190 of 10,000, see KINDS
    assert data.mean() == pytest.approx(0.14, abs=0.01)
    spoken = rows["duration_s"][voice & (rows["fate"] == 0)]
    assert np.median(spoken) == pytest.approx(74, abs=3)
    assert spoken.mean() > 1.5 * np.median(spoken)  # log-normal: a long tail
    abroad = rows["network"] >= 0
    assert abroad.mean() == pytest.approx(0.015, abs=0.002)
    with_trunk = (rows["trunk_out"] >= 0) | (rows["trunk_in"] >= 0)
    assert not (with_trunk & abroad).any()
    # Calls from and to other networks: 1,500 + 90 + 1,150 + 60 + 40 + 20 of 10,000, less roaming.
    assert with_trunk.mean() == pytest.approx(0.286 * 0.985, abs=0.01)


def test_no_line_starts_two_records_in_one_second(loaded: Loaded) -> None:
    # 40,000 records of at most 4,000 lines, with numbers of short lists swapped in.
    rates = Rates(unknown_ppm=100_000, inactive_ppm=100_000)
    pairs = []
    for source in ("msc", "gw", "pbx"):
        rows = draw(night_of(loaded, source, MONDAY, rates), 40_000)
        reaches = np.isin(rows["fate"], [0, *(CODE[name] for name in (
            "subscription_missing", "subscription_inactive", "carried_for_others"))])  # fmt: skip
        pairs.append(np.vstack((rows["served"][reaches], rows["start_utc_s"][reaches])))
    every = np.concatenate(pairs, axis=1)
    assert every.shape[1] > 80_000
    assert np.unique(every, axis=1).shape == every.shape


def test_nothing_starts_in_an_hour_that_comes_twice(loaded: Loaded) -> None:
    found = synth_plan.day_of(date(2025, 10, 26), "Europe/Berlin", "Europe/Berlin")
    assert found.end_utc_s - found.start_utc_s == 25 * 3600
    assert found.hole == (3 * 3600, 4 * 3600)  # 02:00 to 03:00, the second time
    night = replace(night_of(loaded, "msc", MONDAY), day_utc_s=found.start_utc_s,
                    shape=found.shape, hole=found.hole, rates=Rates(0, 0, 0, 0, 0))  # fmt: skip
    second = draw(night, 50_000)["start_utc_s"] - found.start_utc_s
    assert ((second >= 2 * 3600) & (second < 3 * 3600)).sum() > 50
    assert not ((second >= 3 * 3600) & (second < 4 * 3600)).any()
    assert 24 * 3600 < second.max() < 25 * 3600


def test_files_that_cannot_be_made_are_refused(loaded: Loaded, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="allowed: gw, msc, pbx"):
        make(loaded, tmp_path, sources=("mcs",))
    with pytest.raises(NotFound, match="nobody is active"):
        make(loaded, tmp_path, first_day=date(2019, 12, 30))
    night = night_of(loaded, "msc", MONDAY)
    two = synth_population.Lines(*(column[:2] for column in astuple(night.active)))
    with pytest.raises(NotFound, match="are too many for 2 lines"):
        draw(replace(night, active=two), 2 * DAY_S // 3 + 1)  # one of three sources
    make(loaded, tmp_path / "again", records=30)
    with pytest.raises(TollbookError, match="is there already"):
        make(loaded, tmp_path / "again", records=30)


@pytest.mark.parametrize(("changes", "words"), [
    ({"rates": Rates(overlapping_ppm=1)}, "duplicates: overlapping"),
    ({"rates": Rates(ultra_short_ppm=1)}, "duplicates: ultra_short"),
    ({"rates": Rates(split_ppm=1)}, "partials, with going_on"),
    ({"again": Again(gaps=11)}, "11 gaps and 0 late files of 12"),
    ({"again": Again(late=4)}, "late ones have 2 nights behind them"),
    ({"again": Again(same=9)}, "allowed: at most 8"),
])  # fmt: skip
def test_what_nobody_would_recognise_is_refused(
    loaded: Loaded, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(NotFound, match=words):
        make(loaded, tmp_path, records=300, **changes)


def test_a_rule_that_records_do_not_tell_is_refused(loaded: Loaded, tmp_path: Path) -> None:
    rule = Rule("homesick", FILTER, When(roaming=("national",)), 30)
    space = replace(loaded[0], mediation=Mediation((rule,)))
    with pytest.raises(NotFound, match="it cannot be foretold which"):
        make((space, *loaded[1:]), tmp_path, records=30)


def test_the_command_counts_what_it_wrote(loaded: Loaded, tmp_path: Path) -> None:
    from tollbook.cli.synth import command

    arguments = ["-C", str(loaded[0].root), "--from", "2026-03-02", "--out", str(tmp_path),
                 "--truth", str(tmp_path / "truth.csv"), "--records", "500"]  # fmt: skip
    refused = CliRunner().invoke(command, [*arguments, "--bad", "0.00001%"])
    assert refused.exit_code == 2
    assert "at most 4 decimals" in refused.output
    done = CliRunner().invoke(command, [*arguments, "--bad", "10%", "--json"])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.output)
    assert figures["records"] == sum(figures["dispositions"].values())
    assert figures["records"] == sum(
        content(Path(file["path"])).count(b"\n") - (file["source"] == "msc")
        for file in figures["files"]
    )
    assert figures["dispositions"]["suspended"] > 20


POOL = (b"", b"+", b"00", b"alpha", b"caf\xe9", b"x,y")


@st.composite
def text_rows(draws: st.DrawFn) -> synth_kernels.TextRows:
    """Any rows of all kinds of column."""
    rows = draws(st.integers(1, 4))
    ranges = {
        synth_kernels.TEXT: st.integers(-1, 2), synth_kernels.INTEGER: st.integers(-1, 2**62),
        synth_kernels.NUMBER: st.builds(lambda prefix, digits: prefix << 52 | digits,
                                        st.integers(0, 2), st.integers(0, 10**15)),
        synth_kernels.CLOCK: st.integers(-1, 4_102_444_800),
        synth_kernels.CLOCK_OFFSET: st.integers(-1, 4_102_444_800),
        synth_kernels.UUID: st.integers(-1, 2**62),
    }  # fmt: skip
    arguments = {
        synth_kernels.TEXT: st.integers(0, 3), synth_kernels.INTEGER: st.integers(0, 20),
        synth_kernels.NUMBER: st.just(0), synth_kernels.CLOCK: st.sampled_from([32, 84]),
    }  # fmt: skip
    kinds = draws(st.lists(st.sampled_from(sorted(ranges)), min_size=1, max_size=6))
    values = [draws(st.lists(ranges[kind], min_size=rows, max_size=rows)) for kind in kinds]
    minutes = draws(st.lists(st.integers(-14 * 60, 14 * 60), min_size=rows, max_size=rows))
    low = draws(st.lists(st.integers(0, 2**62), min_size=rows, max_size=rows))
    second = {synth_kernels.CLOCK_OFFSET: len(kinds), synth_kernels.UUID: len(kinds) + 1}
    damage = st.tuples(st.integers(0, 2), st.integers(0, len(kinds) - 1),
                       st.integers(0, len(POOL) - 1))  # fmt: skip
    damages = draws(st.lists(damage, max_size=3))
    return synth_kernels.TextRows(
        np.array(kinds, np.int8),
        np.array([second.get(kind) or draws(arguments[kind]) for kind in kinds], np.int64),
        np.array([draws(st.integers(0, 1)) for _ in kinds], np.uint8),
        np.array([*values, [60 * one for one in minutes], low], np.int64),
        np.array([draws(st.integers(-1, len(damages) - 1)) for _ in range(rows)], np.int16),
        np.array([one[0] for one in damages], np.int8),
        np.array([one[1] for one in damages], np.int64),
        np.array([one[2] for one in damages], np.int64),
        np.cumsum([0, *map(len, POOL)], dtype=np.int64),
        np.frombuffer(b"".join(POOL), np.uint8),
    )


@given(rows=text_rows(), data=st.data())
def test_the_writing_kernel_is_its_twin(rows: synth_kernels.TextRows, data: st.DataObject) -> None:
    count = rows.values.shape[1]
    order = data.draw(st.lists(st.integers(0, count - 1), max_size=6))
    out = np.zeros(4_000, np.uint8)
    size = synth_kernels.write_rows(rows, np.array(order, np.int64), ord(";"), out)
    assert out[:size].tobytes() == lines_of(rows, order, ";")
