"""Groups in local time and splits by hash: stable when rows are added, whole groups together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.contracts.table import GroupBy, HashSplit, Splits, Unit
from bucle.podkit.program import ProgramError
from bucle.podkit.splits import bucket, groups_of, split_codes, split_values

SPLITS = Splits(hash=HashSplit(key="id"), train=70, validation=15, test=15, seed=7)


def times(*texts: str) -> pa.Array:
    return pa.array([datetime.fromisoformat(text).astimezone(UTC) for text in texts], pa.timestamp("us", tz="UTC"))


@pytest.mark.parametrize(
    ("unit", "zone", "time", "group"),
    [
        ("Day", "America/New_York", "2013-07-02T03:59:00Z", "2013-07-01"),
        ("Day", "America/New_York", "2013-07-02T04:00:00Z", "2013-07-02"),
        ("Day", "Etc/UTC", "2013-07-02T03:59:00Z", "2013-07-02"),
        ("Week", "Europe/Rome", "2018-12-31T00:00:00Z", "2019-W01"),
        ("Hour", "America/New_York", "2013-11-03T05:30:00Z", "2013-11-03T01-0400"),
        ("Hour", "America/New_York", "2013-11-03T06:30:00Z", "2013-11-03T01b-0500"),
        ("Hour", "Asia/Kathmandu", "2013-01-01T00:14:00Z", "2013-01-01T05+0545"),
        ("Hour", "Asia/Kathmandu", "2013-01-01T00:15:00Z", "2013-01-01T06+0545"),
    ],
)
def test_the_group_of_a_time(unit: Unit, zone: str, time: str, group: str) -> None:
    assert groups_of(times(time), GroupBy(column="t", unit=unit, time_zone=zone)).to_pylist() == [group]


def test_a_plain_key_is_its_own_group_and_a_null_has_none() -> None:
    assert groups_of(pa.array([3, None]), GroupBy(column="k")).to_pylist() == ["3", None]
    column = pa.array([None, datetime(2026, 1, 1, tzinfo=UTC)], pa.timestamp("us", tz="UTC"))
    assert groups_of(column, GroupBy(column="t", unit="Day")).to_pylist() == [None, "2026-01-01"]


@pytest.mark.parametrize(
    ("column", "zone", "reason"),
    [(pa.array([1]), "Etc/UTC", "WrongType"), (times("2026-01-01T00:00:00Z"), "Mars/X", "SpecInvalid")],
)
def test_a_group_that_cannot_be_told_is_a_configuration_error(column: pa.Array, zone: str, reason: str) -> None:
    with pytest.raises(ProgramError) as caught:
        groups_of(column, GroupBy(column="t", unit="Day", time_zone=zone))
    assert (caught.value.exit_code, caught.value.reason) == (78, reason)


def test_a_row_without_what_decides_its_split_is_refused_with_a_count() -> None:
    with pytest.raises(ProgramError) as caught:
        split_values(pa.table({"id": ["a", None]}), SPLITS.hash)
    assert caught.value.message.startswith("1 rows have no value in id")


def test_golden_buckets() -> None:
    assert [bucket(7, value) for value in ("2013-01-01", "2013-01-02", "a")] == [92, 50, 42]
    assert bucket(8, "a") != bucket(7, "a")


def test_shares_are_those_asked_for() -> None:
    codes = split_codes(pa.array([str(i) for i in range(20_000)]), SPLITS)
    assert np.allclose(np.bincount(codes) / len(codes), [0.70, 0.15, 0.15], atol=0.01)


@given(st.lists(st.text(max_size=4), min_size=1, max_size=30), st.lists(st.text(max_size=4), max_size=30))
def test_rows_that_come_later_move_no_row(old: list[str], new: list[str]) -> None:
    before = split_codes(pa.array(old, pa.string()), SPLITS)
    after = split_codes(pa.array([*old, *new], pa.string()), SPLITS)
    assert after[: len(old)].tolist() == before.tolist()


@pytest.mark.parametrize(
    ("zone", "changes"),
    [
        ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
    ],
)
def test_hours_sort_in_the_order_of_time_when_clocks_are_set_back(zone: str, changes: datetime) -> None:
    times = [changes + timedelta(minutes=30 * half) for half in range(-8, 8)]
    names = groups_of(pa.array(times), GroupBy(column="t", unit="Hour", time_zone=zone)).to_pylist()
    assert names == sorted(names) and len(set(names)) >= 8
