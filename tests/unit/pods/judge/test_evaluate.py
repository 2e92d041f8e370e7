"""Windows of one served version: which rows are in them, which groups count, and what is said when none is full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from math import log
from pathlib import Path

import pytest
from tests.support.builders.judge_pods import BY_DAY, START, Traffic, answering, evaluation, loss_of
from tests.support.fakes.small_model import TABLE

from bucle.contracts.table import Column, GroupBy, Labels
from bucle.contracts.task import MeasuredMetric
from bucle.podkit.program import ProgramError


@pytest.fixture
def traffic(tmp_path: Path) -> Traffic:
    return Traffic(f"file://{tmp_path}")


def test_windows_are_the_next_so_many_labelled_rows_and_only_full_ones_close(traffic: Traffic) -> None:
    for n in range(11):
        traffic.row(1 + n // 2, 0.5 if n < 4 else 0.8, None, None if n == 3 else "1")
    traffic.written()
    found = evaluation(traffic, 4)
    assert (found.rows, [w.index for w in found.windows], [w.rows for w in found.windows]) == (10, [0, 1], [4, 4])
    first, second = found.windows
    assert loss_of(first) == pytest.approx((3 * -log(0.5) - log(0.8)) / 4)
    assert loss_of(second) == pytest.approx(-log(0.8))
    assert float(second.signals[0].standard_error or "nan") == pytest.approx(0, abs=1e-9)
    again = evaluation(traffic, 4, closed=4)
    assert again.windows == (second,)


def test_the_newest_group_is_open_and_counts_in_no_window(traffic: Traffic) -> None:
    for day, score in [(1, 0.5), (2, 0.5), (3, 0.9), (3, 0.9)]:
        traffic.row(day, score, None, "1")
    (window,) = evaluation(traffic.written(), 4).windows
    assert (window.rows, window.signals[0].groups) == (4, 2)
    assert loss_of(window) == pytest.approx(-log(0.5))


def test_windows_hold_what_one_version_answered_to_callers_since_its_promotion(traffic: Traffic) -> None:
    for day in range(1, 7):
        traffic.row(day, 0.5, 0.9, "1")
    for role, revision in (("candidate", "old"), ("stable", "other")):
        id_ = f"u{len(traffic.captured):05d}"
        traffic.captured.append(traffic._answer(id_, 7, 0.5, role, revision))
        traffic.labels.append({**traffic.labels[0], "id": id_})
    traffic.written()
    assert evaluation(traffic, 1).rows == 7, "six of the stable, one of the candidate that it was, no copy"
    since = (START + timedelta(seconds=4)).isoformat()
    assert evaluation(traffic, 1, since=since).rows == 4, "none from before it was promoted"


def test_a_row_counts_once_its_label_is_mature(traffic: Traffic) -> None:
    for day in range(1, 7):
        traffic.row(day, 0.5, None, "1")
    hour = Labels(maturity_seconds=3600)
    assert evaluation(traffic.written(), 2, labels=hour).rows == 0
    later = (START + timedelta(seconds=3604)).isoformat()
    assert evaluation(traffic, 2, labels=hour, until=later).rows == 4


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
    assert window.signals[0].groups == 3


def test_a_later_group_may_be_seen_before_the_last_row_of_an_earlier_one(traffic: Traffic) -> None:
    for day in (1, 2, 3, 2):
        traffic.row(day, 0.5, None, "1")
    (window,) = evaluation(traffic.written(), 4).windows
    assert window.signals[0].groups == 2, "day 3 is open, not day 2 whose row came last"


def test_all_signals_are_taken_of_the_same_windows_each_by_its_metric_and_its_groups(traffic: Traffic) -> None:
    for n in range(8):
        traffic.row(1 + n // 2, 0.5 if n < 4 else 0.8, None, "1")
    asked = (
        MeasuredMetric(name="loss", metric="log_loss", group_by=BY_DAY),
        MeasuredMetric(name="right", metric="accuracy", group_by=BY_DAY),
        MeasuredMetric(name="by-row", metric="log_loss", group_by=GroupBy(column="flight_id")),
    )
    first, second = evaluation(traffic.written(), 4, signals=asked).windows
    assert [signal.name for signal in second.signals] == ["loss", "right", "by-row"]
    assert [float(signal.value or "nan") for signal in second.signals] == pytest.approx([-log(0.8), 1.0, -log(0.8)])
    assert [signal.groups for signal in first.signals] == [2, 2, 4]
    alone = evaluation(traffic, 4, signals=asked[:1]).windows
    assert [window.signals[0] for window in (first, second)] == [window.signals[0] for window in alone]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (MeasuredMetric(name="bad", metric="log_loss", group_by=GroupBy(column="gate")), "UnknownColumn"),
        (MeasuredMetric(name="bad", metric="mse"), "UnknownMetric"),
        (MeasuredMetric(name="bad", metric="roc_auc"), "UnknownMetric"),
    ],
)
def test_a_signal_that_cannot_be_taken_keeps_no_other_from_its_value(
    traffic: Traffic, bad: MeasuredMetric, reason: str
) -> None:
    for day in (1, 2, 3, 4):
        traffic.row(day, 0.5, None, "1")
    good = MeasuredMetric(name="good", metric="log_loss", group_by=BY_DAY)
    (window,) = evaluation(traffic.written(), 4, signals=(bad, good)).windows
    failed, told = window.signals
    assert failed.failure is not None and (failed.value, failed.failure.reason) == (None, reason)
    assert float(told.value or "nan") == pytest.approx(-log(0.5))


def test_what_is_not_counted_by_two_rules_of_groups_is_told_once_for_each_column(traffic: Traffic) -> None:
    for n in range(3):
        traffic.row(1 + n, 0.5, None, "1")
    traffic.row(None, 0.5, None, "1")
    by = [BY_DAY, BY_DAY, BY_DAY.model_copy(update={"unit": "Week"}), GroupBy(column="flight_id")]
    asked = tuple(MeasuredMetric(name=f"s{n}", metric="log_loss", group_by=rule) for n, rule in enumerate(by))
    assert evaluation(traffic.written(), 4, signals=asked).ungrouped == 1


def test_a_group_of_a_column_that_nobody_has_is_refused(traffic: Traffic) -> None:
    traffic.row(1, 0.5, None, "1")
    with pytest.raises(ProgramError) as caught:
        evaluation(traffic.written(), 1, group_by=GroupBy(column="gate"))
    assert caught.value.reason == "UnknownColumn" and "gate" in caught.value.message


def test_with_one_closed_group_there_is_no_standard_error(traffic: Traffic) -> None:
    for day in (1, 1, 2, 2):
        traffic.row(day, 0.5, None, "1")
    (window,) = evaluation(traffic.written(), 4).windows
    assert (window.signals[0].groups, window.signals[0].standard_error) == (1, None)


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


def test_rows_that_went_bad_move_no_row_from_one_window_into_another(traffic: Traffic, tmp_path: Path) -> None:
    """Windows were skipped by a row count: rows that were good and no longer are would be judged twice, or never."""
    for n in range(8):
        traffic.row(1 + n, 0.5 if n < 4 else 0.8, None, "1")
    (first, second) = evaluation(traffic.written(), 4).windows
    for n in range(4):
        # Their answers fit no model any more, and a later label of them is of no class: the first window has no row left.
        traffic.captured[n] = replace(traffic.captured[n], scores=[[1.0]])
        traffic.labels.append({**traffic.labels[n], "label": "?", "bucle_received": START + timedelta(seconds=20)})
    for path in tmp_path.rglob("capture/**/*.parquet"):
        path.unlink()
    traffic.seconds = 20
    for n in range(4):
        traffic.row(11 + n, 0.9, None, "1")
    traffic.written()
    again = evaluation(traffic, 4, closed=4)
    assert (again.windows[0].first, again.windows[0].last) == (second.first, second.last)
    assert again.windows[1].first > second.last
    assert loss_of(again.windows[1]) == pytest.approx(-log(0.9)), "each good row in one window, and in one only"
    assert first.rows == 4


def test_a_file_that_comes_late_moves_no_judged_row(traffic: Traffic) -> None:
    for n in range(4):
        traffic.row(1 + n, 0.5, None, "1")
    (first,) = evaluation(traffic.written(), 4).windows
    late = Traffic(traffic.location, seconds=0)
    late.captured, late.labels = [], []
    for n in range(3):
        late.row(5 + n, 0.9, None, "1")
    for at, entry in enumerate(late.captured):
        late.captured[at] = replace(entry, id=f"late{at}", columns={**entry.columns, "flight_id": [f"late{at}"]})
        late.labels[at]["id"] = f"late{at}"
    late.written()
    traffic.seconds = 60
    for n in range(4):
        traffic.row(10 + n, 0.8, None, "1")
    traffic.written()
    (second,) = evaluation(traffic, 4, closed=4).windows
    assert second.first > first.last and loss_of(second) == pytest.approx(-log(0.8))


def test_an_evaluation_that_is_tried_again_tells_the_same_windows(traffic: Traffic) -> None:
    for n in range(9):
        traffic.row(1 + n, 0.5, None, "1")
    first = evaluation(traffic.written(), 4)
    assert evaluation(traffic, 4) == first, "its answer may have been lost"
    assert evaluation(traffic, 4, closed=4).windows == first.windows[1:]


def test_what_is_not_counted_is_told_by_its_reason(traffic: Traffic) -> None:
    for n in range(4):
        traffic.row(1 + n, 0.5, None, "1")
    traffic.row(None, 0.5, None, "1").row(5, 0.5, None, "no class").row(6, 0.5, None, "true")
    traffic.labels.append({**traffic.labels[0], "id": "nobody"})
    found = evaluation(traffic.written(), 4)
    assert (found.rows, found.ungrouped, found.unjoined, found.unreadable) == (6, 1, 1, 1)


@pytest.mark.parametrize("label", ["1e200", "-1e60", "1e999", "nan"])
def test_one_absurd_label_blocks_no_window(tmp_path: Path, label: str) -> None:
    traffic = Traffic(f"file://{tmp_path}", models={"old": answering("Regression")})
    for n in range(5):
        traffic.row(1 + n, 1.0, None, label if n == 2 else "3")
    found = evaluation(traffic.written(), 4, metric="mse")
    assert [loss_of(window) for window in found.windows] == [pytest.approx(4.0)]
    assert found.rows == 4


def test_an_evaluation_reads_what_is_new_and_no_history(
    traffic: Traffic, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The next look on a version that has served for weeks costs what came since."""

    def served(week: int, days: Sequence[int], score: float) -> Traffic:
        part = Traffic(traffic.location, seconds=week * 7 * 24 * 3600)
        for day in days:
            part.row(day, score, None, "1")
        for at, entry in enumerate(part.captured):
            name = f"w{week}-{at}"
            part.captured[at] = replace(entry, id=name, columns={**entry.columns, "flight_id": [name]})
            part.labels[at]["id"] = name
        return part.written()

    evaluation(served(0, range(1, 5), 0.5), 4)
    evaluation(served(1, range(5, 9), 0.5), 4, closed=4)
    for path in [*tmp_path.rglob("capture/**/*.parquet"), *tmp_path.rglob("feedback/**/*.parquet")]:
        if path.parts[-3] == f"date={START:%Y-%m-%d}":
            path.write_bytes(b"whoever reads this sees it")
    (third,) = evaluation(served(3, range(20, 24), 0.9), 4, closed=8).windows
    assert third.index == 2 and loss_of(third) == pytest.approx(-log(0.9))
    assert "set aside" not in caplog.text


@pytest.mark.parametrize(("horizon", "joined"), [(24 * 3600, False), (200 * 3600, True)])
def test_a_label_that_joins_nothing_is_looked_for_as_far_back_as_is_stated_and_no_farther(
    traffic: Traffic, tmp_path: Path, horizon: int, joined: bool
) -> None:
    traffic.row(1, 0.5, None, "1").written()
    hundred = 100 * 3600
    later = Traffic(traffic.location, seconds=hundred, captured=[], labels=[])
    for day in range(2, 6):
        later.row(day, 0.9, None, "1")
    for at, entry in enumerate(later.captured):
        later.captured[at] = replace(entry, id=f"w{at}", columns={**entry.columns, "flight_id": [f"w{at}"]})
        later.labels[at]["id"] = f"w{at}"
    late = START + timedelta(seconds=hundred + 5)
    later.labels += [{**traffic.labels[0], "id": "u00000", "label": "0", "bucle_received": late}]
    later.labels += [{**traffic.labels[0], "id": "nobody", "bucle_received": late}]
    for path in [*tmp_path.rglob("feedback/**/*.parquet")]:
        path.unlink()
    found = evaluation(later.written(), 4, closed=0, labels=Labels(horizon_seconds=horizon), since=START.isoformat())
    assert found.rows == 4 + joined and found.unjoined == 2 - joined


def test_an_unjoined_label_reads_no_hour_before_the_horizon(
    traffic: Traffic, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One label of nobody made each look read a deployment back to its promotion."""
    hours = 60
    for hour in range(hours):
        part = Traffic(traffic.location, seconds=hour * 3600, captured=[], labels=[])
        part.row(1 + hour // 3, 0.5, None, "1")
        part.captured[0] = replace(
            part.captured[0], id=f"h{hour}", columns={"flight_id": [f"h{hour}"], "time_hour": [None]}
        )
        part.labels[0]["id"] = f"h{hour}" if hour % 7 else "nobody"
        part.written()
        traffic.seconds = part.seconds
    first = evaluation(traffic, 50, labels=Labels(horizon_seconds=3 * 3600))
    assert len(first.windows) == 1
    for path in tmp_path.rglob("capture/**/*.parquet"):
        if path.parts[-3] < "date=2026-01-03":
            path.write_bytes(b"whoever reads this sees it")
    again = evaluation(traffic, 50, closed=50, labels=Labels(horizon_seconds=3 * 3600))
    assert again.rows > 50 and "set aside" not in caplog.text
