"""Suspense as a workflow: every record that waits can be cured or given up, and leaves a trace."""

from __future__ import annotations

from pathlib import Path

import calls
import nights
import pytest
from calls import BOB, CAT, FRIEND, Lake, audited
from suspense_workspace import (
    AS_OF,
    BEGIN,
    CUT,
    SATELLITE,
    TWICE_WRONG,
    WAITING,
    call,
    correct,
    make,
    padded,
    refused,
    retry,
    row,
    said,
    told,
    waiting,
)

from tollbook import codes
from tollbook.cli.explain_json import document
from tollbook.cli.explain_screen import screen
from tollbook.run import corrections, discards, report_run, session, suspended
from tollbook.run.corrections import Change
from tollbook.run.cures import Cures
from tollbook.run.explaining import Explainer


@pytest.fixture(scope="module")
def after_the_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("suspense") / "harbour")


@pytest.fixture
def root(after_the_night: Path, tmp_path: Path) -> Path:
    return nights.copy(after_the_night, tmp_path)


# ---- looking


def test_nothing_waits_in_a_new_workspace(tmp_path: Path) -> None:
    root = calls.make(tmp_path / "harbour")
    for words in ((), ("--reason", "location_missing"), ("F1-2",)):
        assert said(root, "show", *words) == "no such record in suspense\n"


def test_the_list_counts_estimates_and_tells_the_age(after_the_night: Path) -> None:
    found = told(after_the_night, "list", "--as-of", "2003-06-20T03:00:00+08:00")
    counts = {name: one["records"] for name, one in found.items()}
    assert counts == dict.fromkeys(WAITING.values(), 1)
    # The night rated 60 s for 0.60: a second is worth 0.01.
    assert {name: one["estimate_micro"] for name, one in found.items() if one["estimated"]} == {
        "subscription_missing": 600_000, "start_in_future": 600_000, "start_too_old": 600_000,
        "number_range_missing": 600_000, "duration_too_long": 360_000_000,  # up to the limit
        "served_number_malformed": 610_000,
    }  # fmt: skip
    assert {name for name, one in found.items() if one["needs_correction"]} == {
        "integer_malformed", "columns_too_few", "time_malformed"}  # fmt: skip
    assert {name for name, one in found.items() if one["ready"]} == {"start_in_future"}
    assert {one["age_days"] for one in found.values()} == {9}
    [by_file] = told(after_the_night, "list", "--by", "file").items()
    assert (by_file[0], by_file[1]["records"], by_file[1]["unchanged"]) == ("F1", 9, 5)
    assert told(after_the_night, "list", "--by", "source").keys() == {"msc-east"}
    days = told(after_the_night, "list", "--by", "day")
    assert {day: one["records"] for day, one in days.items()} == {
        "2003-01-02": 1, "2003-06-09": 1, "2003-06-10": 4, "2003-06-12": 1, "unknown": 2,
    }  # fmt: skip
    assert said(after_the_night, "list").splitlines()[-1] == (
        "9 records waiting, 1 ready for a retry, 5 unchanged since the last try, 0 tried too "
        "often; 6 worth about 363.01 CNY, estimated from 1 rated record"
    )


CURES = {
    3: "give +8613010000099 a row in customers/subscriptions.csv that is valid on Tue 2003-06-10 "
       "10:00:00, then retry",
    4: "it starts on Thu 2003-06-12 10:00:00: retry when that is past, or correct start_utc_s if "
       "the source's clock is wrong",
    5: "the field is not a whole number: `tollbook suspense correct F1-5 --set duration_s=VALUE "
       "--note WHY`",
    6: "add a prefix of +881612345678 to network/number_ranges.csv, then retry",
    8: "'12' fits no dialling rule of operator.yaml: correct served_raw, or add the rule, then "
       "retry",
    9: "compare the row with the layout; a truncated row needs a new copy of the file: `tollbook "
       "suspense correct F1-9 --set raw_record=VALUE --note WHY`",
}  # fmt: skip


def test_a_record_is_shown_with_what_would_cure_it(after_the_night: Path) -> None:
    shown = {one["record"]: one for one in told(after_the_night, "show")}
    assert {line: shown[f"F1-{line}"]["cure"] for line in CURES} == CURES
    assert shown["F1-9"]["raw_record"] == CUT
    assert shown["F1-6"]["other_raw"] == SATELLITE
    screen = said(after_the_night, "show", "F1-10", "F1-6")
    assert SATELLITE not in screen
    assert BOB not in screen
    assert "row     '+86130****0002,+86135****0007,noon,many,voice" in screen
    assert "add a prefix of +8816****5678" in screen
    assert SATELLITE in said(after_the_night, "show", "F1-6", "--numbers")
    assert BOB not in said(after_the_night, "show", "F1-10", "--json", "--masked")


NAMED = {
    "subscription_inactive": "the row of +8613010000002 in customers/subscriptions.csv is not "
    "active on Tue 2003-06-10 10:00:00; correct its status or its days, then retry",
    "location_missing": "add the location '460-97-1' to network/locations.csv, then retry",
    "network_missing": "add the network 'FRAXX' to network/networks.csv, then retry",
    "relation_missing": "add the pair 010,010 to network/relations.csv, then retry",
    "plan_missing": "give the plan 'easy' a version in force on Tue 2003-06-10 10:00:00, then "
    "retry",
    "no_rate": "give the plan 'easy' a rule for voice out to Beijing (010), relation local, then "
    "retry",
    "trunk_unknown": "add the trunk 'T-9' to network/trunks.csv, then retry",
    "settlement_rate_missing": "add a rate for the carrier of trunk 'T-9', voice, in force on Tue "
    "2003-06-10 10:00:00, to network/agreements.csv, then retry",
}
ELSEWHERE = {
    "location_missing": {"location": "460-97-1"}, "network_missing": {"network": "FRAXX"},
}  # fmt: skip


def test_what_is_missing_is_named(after_the_night: Path) -> None:
    """Line 6, as if it had been suspended for other reasons: looked up in today's tables."""
    work = session.open_session(after_the_night)
    [stored] = [
        found for _, table in suspended.tables(work)
        for found in table.to_pylist() if found["record_id"] == (1 << 32) + 6
    ]  # fmt: skip
    stored |= {"other_raw": FRIEND, "trunk_out": "T-9"}
    cures = Cures(work, str)
    assert {
        reason: cures.of(stored | {"reason": reason} | ELSEWHERE.get(reason, {}))
        for reason in NAMED
    } == NAMED
    work.catalogue.engine.dispose()


# ---- correcting


def test_a_corrected_field_is_judged_and_charged_at_the_next_retry(root: Path) -> None:
    assert correct(root, 8, f"served_raw={CAT}") == {"run": 2, "records": 1, "fields": 1}
    assert waiting(root) == WAITING  # a correction alone decides nothing
    assert row(root, "suspense", 8, "served_raw, flags, tries") == (CAT, codes.FLAG_CORRECTED, 0)
    audited(root)
    assert retry(root, "F1-8")["dispositions"]["rated"] == 1
    served, account, flags, charge = row(
        root, "rated", 8, "served_raw, account_id, flags, charge::text")
    # standard: 61 s are 2 minutes of 0.40
    assert (served, account, charge) == (CAT, "A-3", "0.800000")
    assert flags & codes.FLAG_CORRECTED
    work = session.open_session(root)
    explained = Explainer(work).explain((1 << 32) + 8)
    work.catalogue.engine.dispose()
    assert explained.differences == ()
    for words in ("corrected  run 2 by ann, served_raw '12' -> '+8613010000003': by hand\n",
                  "retried    run 3 by bob, waiting for served_number_malformed\n"):  # fmt: skip
        assert words in screen(explained)
    assert CAT not in screen(explained, is_masked=True)
    assert [row["action"] for row in document(explained)["history"]] == ["corrected", "retried"]
    lines = said(root, "history", "F1-8").splitlines()
    assert lines == [
        "F1-8  rated, by run 3 (retry)",
        "  2003-06-10T18:00:00Z  run 1: suspended, served_number_malformed",
        "  2003-06-12T01:00:00Z  run 2: corrected by ann, served_raw '12' -> '+8613010000003': "
        "by hand",
        "  2003-06-12T01:00:00Z  run 3: retried by bob, waited for served_number_malformed",
    ]
    audited(root)


def test_a_corrected_record_may_still_fail_or_be_a_duplicate(root: Path) -> None:
    correct(root, 8, f"served_raw={BOB}", "duration_s=40000")
    correct(root, 5, "duration_s=60")  # now it is line 2 once more
    done = retry(root, "F1-8", "F1-5")
    assert done["reasons"] == {"duration_too_long": 1, "record_duplicate": 1}
    assert row(root, "suspense", 8, "reason, field, tries, duration_s") == (
        "duration_too_long", "duration_s", 1, 40_000)  # fmt: skip
    assert row(root, "uncharged", 5, "disposition, first_record_id")[1] == (1 << 32) + 2
    assert retry(root, "F1-8")["records"] == 0  # nothing has changed since
    correct(root, 8, "duration_s=61")
    assert row(root, "suspense", 8, "tries") == (0,)  # another record, another nine tries
    assert retry(root, "F1-8")["dispositions"]["rated"] == 1
    actions = [entry["action"] for entry in told(root, "history", "F1-8")["entries"]]
    assert actions == ["corrected", "corrected", "retried", "corrected", "retried"]
    audited(root)


def test_what_could_not_be_decoded_is_decoded_again(root: Path) -> None:
    before = nights.tree(root), nights.books(root)
    says = refused(root, "correct", "F1-10", "--set", "duration_s=60", "--note", "x")
    assert "F1-10: it still is time_malformed in start_utc_s: 'noon'" in says
    assert "do: correct that field as well" in says
    says = refused(root, "correct", "F1-9", "--set", "duration_s=60", "--note", "x")
    assert "it still is columns_too_few" in says
    says = refused(root, "correct", "F1-8", "--set", f"raw_record={CUT}", "--note", "x")
    assert "F1-8 was decoded: it has no raw_record" in says
    assert (nights.tree(root), nights.books(root)) == before

    correct(root, 5, "duration_s=121")
    correct(root, 10, "start_utc_s=2003-06-10T12:00:00+08:00", "duration_s=61")
    fixed = padded(f"{BEGIN},59,voice,out,0,,,,\\x41")
    correct(root, 9, f"raw_record={fixed}")
    assert row(root, "suspense", 9, "service, duration_s, call_ref, usage_period") == (
        "voice", 59, "A", "2003-06")  # fmt: skip
    audited(root)
    done = retry(root, "F1-5", "F1-9", "F1-10")
    assert done["dispositions"]["rated"] == 3
    # easy: 3, 1 and 2 minutes of 0.60
    assert done["charge_micro"] == 1_800_000 + 600_000 + 1_200_000
    [entry, *_] = told(root, "history", "F1-9")["entries"]
    assert (entry["field"], entry["old"], entry["raw_record"]) == ("raw_record", CUT, CUT)
    audited(root)


REFUSALS = [
    ("service=fax", "voice | video | sms | mms | data | event"),
    ("duration_s=-1", "whole seconds from 0"), ("duration_s=1e3", "whole seconds from 0"),
    ("cause=2147483648", "2147483647"), ("imsi=4.6E+14", "6 to 15 digits, or empty"),
    ("start_utc_s=2003-06-10T10:00:00", "offset from UTC"),
    ("start_utc_s=2003-02-30T10:00:00+08:00", "offset from UTC"),
    ("served_raw=12\\x00", "a telephone number"), ("served_raw=<b>", "a telephone number"),
    ("location=\\q", "text of at most 255 bytes"), (f"location={'x' * 256}", "255 bytes"),
    ("upstream_charge=1,5", "an amount such as 1.25"), ("weather=wet", "served_raw, other_raw"),
    ("record_id=1", "served_raw, other_raw"),
]  # fmt: skip


def test_values_that_are_none_are_refused_all_at_once(root: Path) -> None:
    before = nights.tree(root), nights.books(root)
    for value, allowed in REFUSALS:
        says = refused(root, "correct", "F1-8", "--set", value, "--note", "x")
        assert allowed in says, value
    values = ("service=fax", "cause=x", "weather=wet", "imsi=46097000000001")
    words = [word for value in values for word in ("--set", value)]
    says = refused(root, "correct", "F1-8", *words, "--note", " ")
    assert "4 errors" in says
    assert "F1-8: the note is ' '" in says
    says = refused(root, "correct", "F1-2", "--set", "duration_s=1", "--note", "x")
    assert "F1-2 is not in suspense" in says
    assert call(root, "correct", "F1-8", "--set", "duration_s", "--note", "x").exit_code == 2
    assert correct(root, 8, "served_raw=12")["run"] == 0  # it is so already
    assert (nights.tree(root), nights.books(root)) == before


def test_time_and_limits_cure_too(root: Path) -> None:
    """A start in the future passes; what was too old or too long, by a limit that is raised."""
    assert retry(root, as_of="2003-06-11T09:00:00+08:00")["records"] == 0
    done = retry(root, "--reason", "start_in_future", as_of="2003-06-12T12:00:00+08:00")
    assert done["dispositions"]["rated"] == 1
    path = root / "operator.yaml"
    text = path.read_text()
    assert "age: 60d" in text
    path.write_text(
        text.replace("age: 60d", "age: 160d").replace("window: 60d", "window: 160d")
        .replace("duration: 10h", "duration: 12h")
    )  # fmt: skip
    # 159 days and 8 hours before the night: its age counts from there, however long it waited.
    done = retry(root, as_of="2003-09-30T09:00:00+08:00")
    assert done["dispositions"]["rated"] == 2
    assert sorted(waiting(root)) == [3, 5, 6, 8, 9, 10]
    audited(root)


# ---- giving up


def test_what_is_given_up_is_never_charged_and_never_lost(root: Path) -> None:
    assert call(root, "discard", "--note", "x").exit_code == 2  # never all by mistake
    assert call(root, "discard", "F1-9", "--note", "\n").exit_code == 2
    words = ("--note", "cut off; the source has no other copy", "--by", "ann", "--as-of", AS_OF)
    assert told(root, "discard", "F1-9", "F1-10", *words) == {"run": 2, "records": 2, "files": 1}
    work = session.open_session(root)
    moved = report_run.of_run(work, 2)
    work.catalogue.engine.dispose()
    assert moved.is_closed
    assert moved.files[0].fates == {"suspended": -2, "discarded": 2}
    assert told(root, "discard", "--reason", "duration_too_long", *words)["records"] == 1
    assert sorted(waiting(root)) == [3, 4, 5, 6, 8, 11]
    assert row(root, "uncharged", 7, "disposition, reason, served_raw, duration_s, source") == (
        "discarded", "discarded_by_hand", calls.ANN, 40_000, "msc-east")  # fmt: skip
    assert row(root, "suspense_log", 10, "action, who, note, raw_record")[3] == TWICE_WRONG.encode()
    assert said(root, "history", "F1-10").splitlines() == [
        "F1-10  discarded: discarded_by_hand, by run 2 (discard)",
        "  2003-06-10T18:00:00Z  run 1: suspended, time_malformed",
        "  2003-06-12T01:00:00Z  run 2: discarded by ann: cut off; the source has no other copy",
    ]
    assert told(root, "discard", "F1-10", *words)["run"] == 0  # it is gone already
    audited(root)
    assert told(root, "discard", "--all", *words)["records"] == 6
    assert said(root, "list") == "suspense is empty\n"
    audited(root)


# ---- killed on the way

KILLED = [
    ("correct", "plan_committed"), ("correct", "superseded_hidden"),
    ("discard", "before_transaction"), ("discard", "after_transaction"),
]  # fmt: skip
ACTIONS = {
    "correct": """
change = corrections.Change((1 << 32) + 10, {
    "start_utc_s": "2003-06-10T12:00:00+08:00", "duration_s": "61"}, "by hand")
corrections.run(work, lambda _: [change], "ann", 1055379600)
""",
    "discard": """
discards.run(work, suspended.Choice(reason="columns_too_few"), "cut off", "ann", 1055379600)
""",
}


@pytest.mark.slow
@pytest.mark.parametrize(("action", "point"), KILLED)
def test_an_action_that_is_killed_ends_as_if_it_had_not_been(
    after_the_night: Path, root: Path, tmp_path: Path, action: str, point: str
) -> None:
    other = nights.copy(after_the_night, tmp_path / "undisturbed")
    work = session.open_session(other)
    if action == "correct":
        values = {"start_utc_s": "2003-06-10T12:00:00+08:00", "duration_s": "61"}
        change = Change((1 << 32) + 10, values, "by hand")
        assert corrections.run(work, lambda _: [change], "ann", 1_055_379_600).fields == 2
    else:
        choice = suspended.Choice(reason="columns_too_few")
        assert discards.run(work, choice, "cut off", "ann", 1_055_379_600).records == 1
    work.catalogue.engine.dispose()
    code = f"""
from tollbook.run import corrections, discards, report_run, session, suspended
work = session.open_session(Path({str(root)!r}))
{ACTIONS[action]}
"""
    assert nights.apart(code, TOLLBOOK_KILL_AT=point) == -9
    assert set(Lake(root).fates) <= set(Lake(other).fates)  # a reader finds no record twice
    assert calls.run(root).run_number == 0  # the next start of whatever kind puts it right
    assert nights.tree(root) == nights.tree(other)
    assert nights.books(root) == nights.books(other)
    audited(root)


def test_a_source_that_is_gone_does_not_keep_records_for_ever(root: Path) -> None:
    """Its records cannot be rated any more, but shown, exported and given up."""
    path = root / "operator.yaml"
    text = path.read_text()
    assert "name: msc-east" in text
    path.write_text(text.replace("name: msc-east", "name: msc-north"))
    says = refused(root, "correct", "F1-10", "--set", "duration_s=60", "--note", "x")
    assert "its source 'msc-east' is not in operator.yaml" in says
    assert FRIEND in said(root, "show", "F1-6", "F1-8", "--numbers")
    assert told(root, "discard", "--file", "F1", "--note", "closed")["records"] == len(WAITING)
    audited(root)
