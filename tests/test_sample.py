"""The sample operator and `tollbook init`: all of it loads; one seed gives one set of bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cdr import layout
from tariffs import agreements, book
from tariffs.known import names_of
from tollbook import customers, sample, workspace
from tollbook.cli import main
from tollbook.clock import parse_period, period_bounds_utc_s
from tollbook.columns import OPEN_FROM, OPEN_TO
from tollbook.text import Problems

ZONE = "Asia/Shanghai"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    sample.write_sample(folder, 3000)
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


def init(*words: str | Path) -> Result:
    return CliRunner().invoke(main.cli, ["init", *map(str, words)])


def test_the_sample_loads_without_any_problem(made: Path) -> None:
    problems = Problems()
    space, network, subscribers = workspace.load_all(made)
    found = book.load(space.tariffs, problems, names_of(space, network))
    prices = agreements.load(space.network / "agreements.csv", problems, network.carriers.ids,
                             network.zones.groups, ZONE)  # fmt: skip
    for source in space.sources:
        own = space.layout_path(source.layout)
        if own is None:
            assert layout.shipped(source.layout).name == source.layout
        else:
            assert layout.load(own, problems) is not None
        assert space.inbox(source).is_dir()
    assert problems.found == []
    assert found is not None
    assert {plan.plan_id for plan in found.plans} == set(subscribers.plan_ids)
    assert {a.carrier for a in prices} == set(network.carriers.ids) - {"harbour"}
    [start, end] = period_bounds_utc_s(parse_period(sample.MONTH) or 0, ZONE)
    changes = [version.valid_from for version in found.plan("business").versions]
    assert [day.isoformat() for day in changes] == ["2002-01-01", "2003-06-16"]
    moved = network.trunks.valid_from_utc_s
    assert ((moved > start) & (moved < end)).any()  # a trunk changes hands inside the month


def test_every_number_of_the_sample_lies_in_an_own_range(made: Path) -> None:
    _, network, subscribers = workspace.load_all(made)
    ranges = network.ranges
    own = ranges.carrier_index == network.carriers.own_index
    prefixes = {(int(n), int(p)) for n, p in zip(ranges.prefix_length[own], ranges.prefix[own],
                                                 strict=True)}  # fmt: skip
    numbers = subscribers.subscriptions.number
    for number in numbers.tolist():
        text = str(number)
        assert any((size, int(text[:size])) in prefixes for size in (5, 9)), text
    mobile = numbers[numbers >= 8613 * 10**9]
    assert len(np.unique(mobile // 10_000)) > len(ranges.prefix[own]) // 2  # spread over the blocks
    assert 0 < len(numbers) - len(mobile) < len(numbers) // 10  # some fixed lines in Chengdu


def test_the_customers_are_of_many_kinds(made: Path) -> None:
    _, _, found = workspace.load_all(made)
    rows = found.subscriptions
    lines, first = np.unique(rows.subscription_id.to_numpy(zero_copy_only=False),
                             return_index=True)  # fmt: skip
    assert len(lines) == 3000
    sizes = np.bincount(rows.account_index[first])
    assert 0.75 < np.mean(sizes == 1) < 0.85
    assert sizes.min() == 1
    assert sizes.max() == 6
    assert set(np.unique(rows.status).tolist()) == {0, 1, 2}
    start, end = period_bounds_utc_s(parse_period(sample.MONTH) or 0, ZONE)
    begins = (rows.valid_from_utc_s > start) & (rows.valid_from_utc_s < end)
    later = np.ones(len(begins), np.bool_)
    later[first] = False  # second rows of a line: something changed in the month
    assert begins[later].all()
    assert len(set(rows.plan_index[later].tolist())) > 1
    assert np.count_nonzero(begins & ~later) > 50  # lines that join in the month
    # A number that changes hands stands on two lines, the first of which is closed by then.
    by_number: dict[int, set[str]] = {}
    for number, line in zip(rows.number.tolist(), rows.subscription_id.to_pylist(), strict=True):
        by_number.setdefault(number, set()).add(line)
    shared = [number for number, lines_of in by_number.items() if len(lines_of) > 1]
    assert len(shared) == 6  # 4 per mille of 3000 lines are 12: six pairs
    for number in shared:
        at = np.flatnonzero(rows.number == number)
        at = at[np.argsort(rows.valid_from_utc_s[at])]
        assert rows.status[at].tolist() == [customers.ACTIVE, customers.CLOSED, customers.ACTIVE]
        assert rows.valid_to_utc_s[at][:2].tolist() == rows.valid_from_utc_s[at][1:].tolist()
        assert rows.valid_to_utc_s[at][2] == OPEN_TO
    assert rows.valid_from_utc_s.min() > OPEN_FROM


def test_the_same_seed_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    for name, seed in (("again", 1), ("other", 2)):
        sample.write_sample(tmp_path / name, 3000, seed)
    assert digests(tmp_path / "again") == digests(made)
    differ = {name for name, digest in digests(tmp_path / "other").items()
              if digests(made)[name] != digest}  # fmt: skip
    assert differ == {"customers/accounts.csv", "customers/subscriptions.csv"}


def test_the_sample_has_the_bytes_that_it_has_always_had(tmp_path: Path) -> None:
    """Another machine or numpy must not make other customers: bench and guides refer to them."""
    sample.write_sample(tmp_path, 3)
    assert (tmp_path / "customers" / "subscriptions.csv").read_text() == SUBSCRIPTIONS_OF_THREE


@pytest.mark.parametrize("subscribers", [0, sample.SUBSCRIBERS_MAX + 1])
def test_a_sample_has_a_size_within_limits(tmp_path: Path, subscribers: int) -> None:
    with pytest.raises(ValueError, match="1 to 5000000"):
        sample.write_sample(tmp_path, subscribers)
    assert not any(tmp_path.iterdir())


def test_the_smallest_sample_loads(tmp_path: Path) -> None:
    sample.write_sample(tmp_path, 1)
    assert len(workspace.load_all(tmp_path)[2].subscriptions.number) == 1


def test_init_makes_the_sample_and_says_what_comes_next(tmp_path: Path) -> None:
    result = init(tmp_path / "harbour", "--sample", "--subscribers", 50)
    assert result.exit_code == 0
    assert "Harbour Mobile with 50 lines" in result.output
    assert f"tollbook run -C {tmp_path / 'harbour'}" in result.output
    assert len(workspace.load_all(tmp_path / "harbour")[2].subscriptions.number) >= 50


@pytest.mark.parametrize("code", ["86", "1", "420"])
def test_init_makes_a_workspace_that_is_ready_to_be_filled_in(tmp_path: Path, code: str) -> None:
    name = 'Bob\'s "Phones", #1: & Co'
    words = ["--name", name, "--country", "CZ", "--currency", "CZK", "--time-zone", "Europe/Prague"]
    result = init(tmp_path, *words, "--country-code", code)
    assert result.exit_code == 0, result.output
    assert f"tollbook tariff check -C {tmp_path}" in result.output
    space, network, found = workspace.load_all(tmp_path)
    assert space.operator == workspace.Operator(name, "CZ", "CZK", 2, "Europe/Prague", "")
    assert space.numbering.country_code == code
    assert network.carriers.names == (name,)
    assert len(found.accounts.account_id) == 0
    problems = Problems()
    assert book.load(space.tariffs, problems, names_of(space, network)) is not None
    assert problems.found == []


def test_init_never_touches_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years of work")
    result = init(tmp_path, "--sample")
    assert (result.exit_code, [path.name for path in tmp_path.iterdir()]) == (1, ["thesis.txt"])
    assert "it holds 'thesis.txt'" in result.output


def test_init_leaves_nothing_behind_when_a_value_is_wrong(tmp_path: Path) -> None:
    result = init(tmp_path / "new", "--time-zone", "Mars/Olympus")
    assert result.exit_code == 1
    assert "'time_zone' is 'Mars/Olympus'" in result.output
    assert not (tmp_path / "new").exists()
    result = init(tmp_path / "new", "--sample", "--name", "Mine")
    assert result.exit_code == 2
    assert "--name does not go with --sample" in result.output


SUBSCRIPTIONS_OF_THREE = """\
subscription_id,account_id,number,imsi,plan,status,valid_from,valid_to
S-0000001,A-0000001,13010112988,460970000000000,standard,active,2003-03-13,
S-0000002,A-0000002,13210757078,460970715827883,standard,active,2001-08-15,
S-0000003,A-0000003,13012955185,460970431655766,easy,active,2002-04-17,
"""
