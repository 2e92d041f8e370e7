"""What windows make of labels: those that are set aside, those that are corrected, and answers that never get one."""

from __future__ import annotations

from datetime import timedelta
from math import log
from pathlib import Path
from typing import Literal

import pytest
from tests.support.builders.judge_pods import START, Traffic, evaluation, loss_of

from bucle.contracts.table import Batch, Labels, Quarantine


@pytest.fixture
def traffic(tmp_path: Path) -> Traffic:
    return Traffic(f"file://{tmp_path}")


def flooded(traffic: Traffic) -> Traffic:
    """Ten rows with labels of `good`, then five with labels of `bad`, all within an hour."""
    for at in range(15):
        traffic.row(1 + at % 3, 0.5, None, "01"[at % 2] if at < 10 else "1")
        traffic.labels[-1]["source"] = "good" if at < 10 else "bad"
    return traffic.written()


ONE_HOUR_LATER = (START + timedelta(hours=1)).isoformat()
BAD = Batch(source="bad", hour="2026-01-01T12:00:00Z")


@pytest.mark.parametrize(
    ("limits", "until", "rows", "flooded_", "uniform", "waiting"),
    [
        (None, ONE_HOUR_LATER, 15, 0, 0, 0),
        (Quarantine(same_labels=6), ONE_HOUR_LATER, 15, 0, 0, 0),
        (Quarantine(same_labels=5), ONE_HOUR_LATER, 10, 0, 5, 0),
        (Quarantine(labels_per_hour=9), ONE_HOUR_LATER, 5, 10, 0, 0),
        (Quarantine(labels_per_hour=4), ONE_HOUR_LATER, 0, 15, 0, 0),
        (Quarantine(same_labels=5, allow=(BAD,)), ONE_HOUR_LATER, 15, 0, 0, 0),
        (Quarantine(same_labels=5), (START + timedelta(minutes=59)).isoformat(), 0, 0, 0, 15),
    ],
)
def test_labels_that_are_set_aside_are_in_no_window_and_told(
    traffic: Traffic, limits: Quarantine | None, until: str, rows: int, flooded_: int, uniform: int, waiting: int
) -> None:
    found = evaluation(flooded(traffic), 100, labels=Labels(quarantine=limits), until=until)
    assert (found.rows, found.flooded, found.uniform, found.waiting) == (rows, flooded_, uniform, waiting)
    assert sum(batch.labels for batch in found.batches) == flooded_ + uniform
    assert found.unjoined == found.unreadable == 0


def test_a_flood_after_a_window_was_judged_moves_no_row_of_it(traffic: Traffic) -> None:
    limits = Labels(quarantine=Quarantine(labels_per_hour=10))
    traffic.row(1, 0.5, None, "1").row(2, 0.5, None, "0").written()
    (first,) = evaluation(traffic, 2, labels=limits, until=ONE_HOUR_LATER).windows
    later = Traffic(traffic.location, seconds=3600, captured=list(traffic.captured))
    for at in range(11):
        later.row(1 + at % 3, 0.5, None, "1")
    later.captured = later.captured[2:]
    two_hours = (START + timedelta(hours=2)).isoformat()
    found = evaluation(later.written(), 2, closed=2, labels=limits, until=two_hours)
    assert (found.windows, found.rows, found.flooded) == ((), 2, 11)
    assert evaluation(traffic, 2, labels=limits, until=two_hours).windows == (first,)


@pytest.mark.parametrize(
    ("known", "limit", "labelled", "antedated"),
    [
        (timedelta(hours=-2), None, 1, 0),
        (timedelta(hours=-2), 3 * 3600, 1, 0),
        (timedelta(hours=-2), 3600, 0, 1),
        (timedelta(hours=2), 3600, 1, 0),
        (None, 0, 1, 0),
    ],
)
def test_a_label_that_was_known_long_before_its_answer_is_of_something_else(
    traffic: Traffic, known: timedelta | None, limit: int | None, labelled: int, antedated: int
) -> None:
    traffic.row(1, 0.5, None, "1")
    traffic.labels[0]["label_time"] = START + known if known is not None else None
    limits = Labels(quarantine=Quarantine(dated_before_seconds=limit)) if limit is not None else Labels()
    found = evaluation(traffic.written(), 9, labels=limits)
    assert (found.rows, found.antedated, found.unjoined) == (labelled, antedated, 0)


def test_of_which_answers_the_truth_is_known_is_told(traffic: Traffic) -> None:
    for at in range(30):
        traffic.row(1 + at % 3, 0.9 if at % 3 else 0.1, None, "1" if at % 3 and at != 1 else None)
    found = evaluation(traffic.written(), 100).coverage
    assert found is not None
    assert [(one.answer, one.answers, one.labelled) for one in found.by_answer] == [("1", 20, 19), ("0", 10, 0)]
    (told,) = found.words()
    assert told.startswith("none of 10 answers 0 has a label, of the other answers 19 of 20 have")


@pytest.mark.parametrize(
    ("label", "keep", "corrected"), [("0", "Last", 1), ("1", "Last", 0), ("0", "First", 0), ("maybe", "Last", 0)]
)
def test_a_label_that_is_corrected_after_its_window_was_judged_changes_no_verdict_and_is_told(
    traffic: Traffic, label: str, keep: Literal["First", "Last"], corrected: int
) -> None:
    labels = Labels(duplicates=keep)
    for day in range(1, 7):
        traffic.row(day, 0.5, None, "1")
    (first,) = evaluation(traffic.written(), 4, labels=labels).windows
    late = START + timedelta(seconds=30)
    later = Traffic(traffic.location, seconds=30)
    later.labels = [{**traffic.labels[0], "label": label, "bucle_received": late}] * 7
    found = evaluation(later.written(), 4, closed=4, labels=labels)
    assert (found.windows, found.rows, found.corrected) == ((), 6, corrected)
    (again,) = evaluation(later, 4, labels=labels).windows
    assert (again.first, again.last) == (first.first, first.last)


def test_a_label_that_is_corrected_before_its_window_is_judged_counts_there(traffic: Traffic) -> None:
    for day in range(1, 5):
        traffic.row(day, 0.8, None, "1")
    traffic.labels.append({**traffic.labels[0], "label": "0", "bucle_received": START + timedelta(seconds=9)})
    found = evaluation(traffic.written(), 4)
    assert loss_of(found.windows[0]) == pytest.approx((2 * -log(0.8) - log(0.2)) / 3), "the newest day is open"
    assert found.corrected == 0
