"""Which groups are over: many rows tell the time, one row never does."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from tests.support.builders.judge_pods import START, Traffic, evaluation

from bucle.contracts import capture
from bucle.contracts.table import GroupBy
from bucle.podkit.frames import ARROW
from bucle.pods.groups import grouped, over, tally

BY_DAY = GroupBy(column="time", unit="Day")
BY_KEY = GroupBy(column="key")


def over_of(*rows: tuple[datetime, datetime | None]) -> list[str]:
    """The groups by day that are over, of rows (received, dated)."""
    received, dated = (pa.chunked_array([pa.array(times, ARROW["Timestamp"])]) for times in zip(*rows, strict=True))
    table = pa.table({"time": dated, capture.RECEIVED: received})
    return sorted(over(tally(grouped(table, BY_DAY), received), BY_DAY))


def day(number: int, *, rows: int, first: int = 0, dated: timedelta = timedelta(0)) -> list[tuple[datetime, datetime]]:
    """Rows received one a minute of that day, dated so much later."""
    times = [START + timedelta(days=number, minutes=first + minute) for minute in range(rows)]
    return [(time, time + dated) for time in times]


def test_a_day_is_over_when_the_next_has_begun() -> None:
    assert over_of(*day(0, rows=9), *day(1, rows=1)) == ["2026-01-01"]


@pytest.mark.parametrize("ahead", [timedelta(days=2), timedelta(days=30), timedelta(days=365 * 150)])
@pytest.mark.parametrize("rows", [1, 5, 500])
def test_one_row_dated_in_the_future_closes_no_group_and_none_before_it(rows: int, ahead: timedelta) -> None:
    future = day(0, rows=1, first=rows, dated=ahead)
    assert over_of(*day(0, rows=rows), *future) == []
    assert over_of(*future, *day(0, rows=rows), *day(1, rows=rows)) == ["2026-01-01"]


@pytest.mark.parametrize("share", [60, 100])
def test_a_caller_whose_clock_is_wrong_by_a_day_closes_no_group_of_the_others(share: int) -> None:
    good = day(0, rows=500)
    wrong = [(received, dated + timedelta(hours=20)) for received, dated in good[::share]]
    assert over_of(*good, *wrong) == []
    assert over_of(*good, *wrong, *day(1, rows=200)) == ["2026-01-01"]


def test_days_that_are_asked_about_beforehand_follow_each_other_as_others_do() -> None:
    """A deployment that is asked about flights of the next weeks: every row is dated ahead."""
    ahead = timedelta(days=20)
    assert over_of(*day(0, rows=9, dated=ahead), *day(1, rows=9, dated=ahead)) == ["2026-01-21"]


def test_old_rows_that_are_played_back_close_their_days() -> None:
    past = timedelta(days=-4000)
    assert len(over_of(*day(0, rows=9, dated=past), *day(1, rows=9, dated=past), *day(2, rows=9, dated=past))) == 2


def test_a_row_without_a_date_belongs_to_no_group() -> None:
    assert over_of((START, None), *day(1, rows=2)) == []


def test_of_plain_keys_the_one_seen_last_is_open() -> None:
    received = pa.chunked_array([pa.array([START, START + timedelta(seconds=1)], ARROW["Timestamp"])])
    table = pa.table({"key": ["a", "b"], capture.RECEIVED: received})
    assert list(over(tally(grouped(table, BY_KEY), received), BY_KEY)) == ["a"]


def test_a_tally_in_parts_says_what_one_of_all_rows_says() -> None:
    rows = [*day(0, rows=30), *day(1, rows=5), *day(2, rows=2)]
    tables = [
        pa.table({"time": [dated for _, dated in part], capture.RECEIVED: [r for r, _ in part]})
        for part in (rows[:20], rows[20:])
    ]
    parts = [tally(grouped(table, BY_DAY), table.column(capture.RECEIVED)) for table in tables]
    assert sorted(over(pd.concat(parts), BY_DAY)) == over_of(*rows) == ["2026-01-01", "2026-01-02"]


@pytest.fixture
def traffic(tmp_path: Path) -> Traffic:
    return Traffic(f"file://{tmp_path}")


def dated(traffic: Traffic, at: int, time: str) -> None:
    entry = traffic.captured[at]
    traffic.captured[at] = replace(entry, columns={**entry.columns, "time_hour": [time]})


def test_a_row_of_2199_neither_closes_the_day_of_the_judge_nor_counts_in_silence(traffic: Traffic) -> None:
    for _ in range(3):
        traffic.row(1, 0.5, 0.8, "1")
    traffic.row(2, 0.5, 0.8, "1")
    for at in (6, 7):
        dated(traffic, at, "2199-01-01T00:00:00Z")
    found = traffic.written().evidence()
    assert (found.groups, found.misdated, found.ungrouped, found.open_rows) == ((), 1, 0, 3)


def test_a_row_of_2199_leaves_the_newest_day_of_a_window_open(traffic: Traffic) -> None:
    for number, score in ((1, 0.5), (1, 0.5), (2, 0.9), (3, 0.9)):
        traffic.row(number, score, None, "1")
    dated(traffic, 3, "2199-01-01T00:00:00Z")
    found: Any = evaluation(traffic.written(), 4)
    assert (found.windows[0].signals[0].groups, found.misdated, found.ungrouped) == (1, 1, 0)
