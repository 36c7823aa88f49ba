"""Alarms over made-up nights against a naive twin: which gaps stand, and when people are told."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from tollbook.run import alarms, sequences, session
from tollbook.run.alarms import CLEARED, RAISED, REPEATED, Note
from tollbook.run.catalogue import InputFile, Run
from tollbook.run.conditions import GAP
from tollbook.run.tables import FILES, RUNS

BEGAN = 1_055_203_200
WRAP, FIRST = 100, 95
SUPPRESS_S = 600
OPERATOR = f"""
operator: {{name: T, country: CN, currency: CNY, time_zone: Asia/Shanghai}}
numbering: {{country_code: 86}}
sources: [{{name: msc, layout: tollbook, files: "M{{sequence:02d}}.csv"}}]
alarms: {{gap: 0s, errors_warning: off, errors_critical: off, disk_minor: off, disk_critical: off,
         suppress: {SUPPRESS_S}s}}
"""


class World:
    """A workspace of which only the catalogue is used: files are read by saying so."""

    def __init__(self, root: Path) -> None:
        (root / "operator.yaml").write_text(OPERATOR)
        self.work = session.open_session(root)
        self.run = self.files = 0

    def night(self, now_utc_s: int, came: list[tuple[int, bool]]) -> tuple[alarms.Notice, ...]:
        """Files by their counted number; those that are refused have not come."""
        self.run += 1
        run = Run(self.run, "night", now_utc_s, 0, 0, "", {}, "published", 0, 0)
        rows = []
        for counted, is_read in came:
            self.files += 1
            sequence = (FIRST + counted) % WRAP
            rows.append(InputFile(
                self.files, self.run, "msc", f"M{sequence:02d}.csv", "", 0, 0, sequence,
                refused="" if is_read else "no", file_utc_s=now_utc_s - 1,
            ).__dict__)  # fmt: skip
        with self.work.catalogue.engine.begin() as link:
            link.execute(insert(RUNS).values(**(run.__dict__ | {"arguments": "{}"})))
            if rows:
                link.execute(insert(FILES), rows)
        with self.work.catalogue.writer():
            return alarms.look(self.work, now_utc_s, ())

    def gaps(self) -> list[alarms.Alarm]:
        """The alarms of gaps that stand."""
        return [one for one in alarms.read(self.work.catalogue, is_open=True) if one.kind == GAP]


def named(alarm: alarms.Alarm) -> list[int]:
    """The numbers that an alarm says are missing."""
    text = alarm.detail.split(": sequence ")[1].split(" of ")[0]
    return [number for first, last in sequences.parse(text) for number in range(first, last + 1)]


NIGHT = st.tuples(
    st.integers(1, 15), st.booleans(),
    st.lists(st.tuples(st.integers(1, 20), st.sampled_from([True, True, True, False])), max_size=5),
)  # fmt: skip


@settings(max_examples=12)
@given(nights=st.lists(NIGHT, min_size=2, max_size=7))
def test_gaps_stand_as_long_as_they_last(
    nights: list[tuple[int, bool, list[tuple[int, bool]]]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.night(BEGAN, [(0, True)])
        now, read = BEGAN, {0}
        told_at: dict[int, int] = {}
        answered: set[int] = set()
        for minutes, somebody_answers, came in nights:
            now += 60 * minutes
            before = {one.alarm_number for one in world.gaps()}
            notices = [one for one in world.night(now, came) if one.alarm.kind == GAP]
            read |= {counted for counted, is_read in came if is_read}
            standing = world.gaps()
            # What stands is what never came; nothing else does.
            missing = {(FIRST + one) % WRAP for one in range(max(read)) if one not in read}
            assert sorted(number for one in standing for number in named(one)) == sorted(missing)
            # New ones are told at once, ended ones too, the others when it is time.
            what = {one.alarm.alarm_number: one.what for one in notices}
            for one in standing:
                is_new = one.alarm_number not in before
                is_due = (one.alarm_number not in answered
                          and now - told_at.get(one.alarm_number, 0) >= SUPPRESS_S)  # fmt: skip
                expected = RAISED if is_new else REPEATED if is_due else None
                assert what.pop(one.alarm_number, None) == expected
                if expected:
                    told_at[one.alarm_number] = now
            assert set(what.values()) <= {CLEARED}
            assert set(what) == before - {one.alarm_number for one in standing}
            if somebody_answers and standing:
                number = standing[0].alarm_number
                with (world.work.catalogue.writer(),
                      world.work.catalogue.transaction() as link):  # fmt: skip
                    alarms.acknowledge(link, number, Note("kim", "", now))
                answered.add(number)
        world.work.catalogue.engine.dispose()
