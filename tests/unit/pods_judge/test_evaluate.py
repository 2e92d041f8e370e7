"""Windows of one served version: which rows are in them, which groups count, and what is said when none is full."""

from __future__ import annotations

from datetime import timedelta
from math import log
from pathlib import Path

import pytest
from tests.fakes.small_model import TABLE
from tests.unit.pods_judge.story import START, Traffic, answering, evaluation

from bucle.contracts.table import Column, GroupBy, Labels
from bucle.podkit.program import ProgramError


@pytest.fixture
def traffic(tmp_path: Path) -> Traffic:
    return Traffic(f"file://{tmp_path}")


def test_windows_are_the_next_so_many_labelled_rows_and_only_full_ones_close(traffic: Traffic) -> None:
    for n in range(11):
        traffic.row(1 + n // 2, 0.5 if n < 4 else 0.8, None, None if n == 3 else "1")
    traffic.written()
    found = evaluation(traffic, 4)
    assert (found.labelled, [w.index for w in found.windows], [w.rows for w in found.windows]) == (10, [0, 1], [4, 4])
    first, second = found.windows
    assert float(first.value) == pytest.approx((3 * -log(0.5) - log(0.8)) / 4)
    assert float(second.value) == pytest.approx(-log(0.8))
    assert float(second.standard_error) == pytest.approx(0, abs=1e-9)
    again = evaluation(traffic, 4, closed=4)
    assert again.windows == (second,)


def test_the_newest_group_is_open_and_counts_in_no_window(traffic: Traffic) -> None:
    for day, score in [(1, 0.5), (2, 0.5), (3, 0.9), (3, 0.9)]:
        traffic.row(day, score, None, "1")
    (window,) = evaluation(traffic.written(), 4).windows
    assert (window.rows, window.groups) == (4, 2)
    assert float(window.value) == pytest.approx(-log(0.5))


def test_windows_hold_what_one_version_answered_to_callers_since_its_promotion(traffic: Traffic) -> None:
    for day in range(1, 7):
        traffic.row(day, 0.5, 0.9, "1")
    for role, revision in (("candidate", "old"), ("stable", "other")):
        id_ = f"u{len(traffic.captured):05d}"
        traffic.captured.append(traffic._answer(id_, 7, 0.5, role, revision))
        traffic.labels.append({**traffic.labels[0], "id": id_})
    traffic.written()
    assert evaluation(traffic, 1).labelled == 7, "six of the stable, one of the candidate that it was, no copy"
    since = (START + timedelta(seconds=4)).isoformat()
    assert evaluation(traffic, 1, since=since).labelled == 4, "none from before it was promoted"


def test_a_row_counts_once_its_label_is_mature(traffic: Traffic) -> None:
    for day in range(1, 7):
        traffic.row(day, 0.5, None, "1")
    hour = Labels(maturity_seconds=3600)
    assert evaluation(traffic.written(), 2, labels=hour).labelled == 0
    later = (START + timedelta(seconds=3604)).isoformat()
    assert evaluation(traffic, 2, labels=hour, until=later).labelled == 4


def test_a_label_that_comes_late_belongs_to_a_later_window_and_moves_no_judged_row(traffic: Traffic) -> None:
    for n, score in enumerate((0.5, 0.6, 0.7, 0.8, 0.9)):
        traffic.row(1 + n, score, None, None if n == 1 else "1")
    (first,) = evaluation(traffic.written(), 4).windows
    for n in range(3):
        traffic.row(6 + n, 0.25, None, "1")
    traffic.row(9, 0.25, None, None)
    traffic.labels.append({**traffic.labels[0], "id": "u00001", "bucle_received": START + timedelta(seconds=20)})
    traffic.seconds = 20
    traffic.written()
    assert evaluation(traffic, 4).windows[0].first == first.first
    assert evaluation(traffic, 4).windows[0].last == first.last, "the same rows as when it was judged"
    (second,) = evaluation(traffic, 4, closed=4).windows
    assert (second.rows, second.first) == (4, (START + timedelta(seconds=2)).isoformat())


def test_of_groups_by_key_the_one_seen_last_is_open(traffic: Traffic) -> None:
    by_id = GroupBy(column="flight_id")
    for _ in range(4):
        traffic.row(1, 0.5, None, "1")
    (window,) = evaluation(traffic.written(), 4, group_by=by_id).windows
    assert window.groups == 3


def test_a_later_group_may_be_seen_before_the_last_row_of_an_earlier_one(traffic: Traffic) -> None:
    for day in (1, 2, 3, 2):
        traffic.row(day, 0.5, None, "1")
    (window,) = evaluation(traffic.written(), 4).windows
    assert window.groups == 2, "day 3 is open, not day 2 whose row came last"


def test_a_group_of_a_column_that_nobody_has_is_refused(traffic: Traffic) -> None:
    traffic.row(1, 0.5, None, "1")
    with pytest.raises(ProgramError) as caught:
        evaluation(traffic.written(), 1, group_by=GroupBy(column="gate"))
    assert caught.value.reason == "UnknownColumn" and "gate" in caught.value.message


def test_with_one_closed_group_there_is_no_standard_error(traffic: Traffic) -> None:
    for day in (1, 1, 2, 2):
        traffic.row(day, 0.5, None, "1")
    (window,) = evaluation(traffic.written(), 4).windows
    assert (window.groups, window.standard_error) == (1, None)


def test_no_more_than_twenty_windows_are_told_at_once(traffic: Traffic) -> None:
    for n in range(50):
        traffic.row(1 + n % 20, 0.5, None, "1")
    found = evaluation(traffic.written(), 2)
    assert (len(found.windows), found.more) == (20, True)


def test_a_feature_may_be_called_as_we_call_things(tmp_path: Path) -> None:
    columns = (*TABLE.columns, Column(name="known", type="Number", nullable="Allowed"))
    model = answering("Binary", "0", "1")
    model = model.model_copy(update={"table": model.table.model_copy(update={"columns": columns})})
    traffic = Traffic(f"file://{tmp_path}", models={"old": model, "new": model})
    for day in (1, 2, 3, 4):
        traffic.row(day, 0.5, None, "1")
    assert len(evaluation(traffic.written(), 2).windows) == 2
