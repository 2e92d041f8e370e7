"""When a window of rows or of time may be over, and what drift of columns is. Tables."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.contracts import task
from bucle.kinds.driftpolicy.persistence import drifting_columns
from bucle.kinds.driftpolicy.state import Mark
from bucle.kinds.driftpolicy.window_clock import ends_at, first_begin, in_words, is_due, told
from bucle.resources.driftpolicy import Windows

THURSDAY = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
MIDNIGHT, MONDAY = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC)
ROWS, HOURS = Windows(rows=100), Windows(duration="2h")
DAYS, WEEKS = Windows(duration="48h", align="Day"), Windows(duration="168h", align="Week")


@pytest.mark.parametrize(
    ("windows", "since", "begin"),
    [
        (HOURS, THURSDAY, THURSDAY),
        (DAYS, THURSDAY, MIDNIGHT),
        (DAYS, MIDNIGHT, MIDNIGHT),
        (WEEKS, THURSDAY, MONDAY),
        (WEEKS, MONDAY, MONDAY),
        (WEEKS, MONDAY + timedelta(seconds=1), MONDAY + timedelta(days=7)),
    ],
)
def test_where_the_first_window_of_time_begins(windows: Windows, since: datetime, begin: datetime) -> None:
    assert first_begin(windows, since) == begin


def test_windows_of_time_follow_each_other() -> None:
    assert [ends_at(DAYS, THURSDAY, index) for index in (0, 1)] == [
        MIDNIGHT + timedelta(days=2),
        MIDNIGHT + timedelta(days=4),
    ]


@pytest.mark.parametrize(
    ("windows", "mark", "counted", "later", "due"),
    [
        (ROWS, Mark(0, None), 0, 0, False),
        (ROWS, Mark(0, None), 1, 0, True),
        (ROWS, Mark(3, 300), 399, 0, False),
        (ROWS, Mark(3, 300), 400, 0, True),
        (ROWS, Mark(3, 300), 299, 0, True),
        (ROWS, Mark(3, 300), None, 0, False),
        (HOURS, Mark(0, None), None, 1, False),
        (HOURS, Mark(0, None), None, 2, True),
        (HOURS, Mark(1, 7), 7, 3, False),
        (HOURS, Mark(1, 7), 7, 4, True),
    ],
)
def test_when_a_window_may_be_full(windows: Windows, mark: Mark, counted: int | None, later: int, due: bool) -> None:
    assert is_due(windows, THURSDAY, mark, counted, THURSDAY + timedelta(hours=later)) == due


@pytest.mark.parametrize(
    ("windows", "expected", "words"),
    [
        (ROWS, task.Windows(rows=100), "of 100"),
        (HOURS, task.Windows(seconds=7200, begin="2026-01-01T12:30:00Z"), "of 2h"),
        (DAYS, task.Windows(seconds=172800, begin="2026-01-02T00:00:00Z"), "of 48h aligned to days"),
    ],
)
def test_what_a_pod_and_a_person_are_told_of_windows(windows: Windows, expected: task.Windows, words: str) -> None:
    assert (told(windows, THURSDAY), in_words(windows)) == (expected, words)


B, H, U = "Breached", "Healthy", "Inconclusive"


@pytest.mark.parametrize(
    ("windows", "states"),
    [
        ([], []),
        ([(B, "a"), (B, "b"), (B, "c")], [False] * 3),
        ([(B, "a"), (B, "ab")], [False, True]),
        ([(B, "a"), (H, ""), (B, "a")], [False, False, True]),
        ([(B, "a"), (H, ""), (H, ""), (B, "a")], [False] * 4),
        ([(B, "a"), (U, ""), (U, ""), (B, "a")], [False, False, False, True]),
        ([(B, "a"), (B, "a"), (B, "b"), (B, "c"), (B, "b")], [False, True, True, True, True]),
        ([(B, "a"), (B, "a"), (H, ""), (B, "c"), (H, "")], [False, True, True, True, False]),
        ([(B, "a"), (B, "a"), (H, ""), (B, "a"), (H, ""), (H, ""), (H, "")], [False] + [True] * 5 + [False]),
    ],
)
def test_drift_of_columns_is_the_same_column_again(windows: list[tuple[str, str]], states: list[bool]) -> None:
    assert drifting_columns(windows, breaches=2, of=3, clear_after=3) == states


WINDOW = st.tuples(st.sampled_from([B, H, U]), st.sets(st.sampled_from("abcd")))


@given(st.lists(WINDOW), st.integers(1, 3), st.integers(1, 4))
def test_windows_without_a_verdict_change_nothing(
    windows: list[tuple[str, Collection[str]]], breaches: int, clear: int
) -> None:
    said = [window for window in windows if window[0] != U]
    mine = drifting_columns(windows, breaches, 3, clear)
    kept = [state for state, window in zip(mine, windows, strict=True) if window[0] != U]
    assert kept == drifting_columns(said, breaches, 3, clear)
