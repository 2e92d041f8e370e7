"""Captured rows as a source: usable ones are taken, the others counted, and only a share of them ends a build."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.support.builders.data_pods import START, refused, rows, served, task

from bucle.pods.data.build import build


def test_served_rows_with_their_labels_are_a_source_that_repeats_exactly(tmp_path: Path) -> None:
    base = build(task(tmp_path, rows()))
    sources = [{"dataset": {"location": base.location, "digest": base.digest}}, served(tmp_path, 200)]
    child = build(task(tmp_path, sources=sources))
    assert child.rows == 240 + 60, "of 100 labelled rows the newest 60"
    assert build(task(tmp_path, sources=sources)) == child


def test_bad_captured_rows_and_labels_are_left_out_and_counted(tmp_path: Path) -> None:
    count = 200
    hours = [99 if i == 0 else i % 24 for i in range(count)]
    times = [None if i == 2 else START + timedelta(hours=i) for i in range(count)]
    labels = ["maybe" if i == 4 else "1.0" if i % 4 == 0 else "false" for i in range(0, count, 2)]
    base = build(task(tmp_path, rows()))
    feedback = served(tmp_path, count, hour=hours, time=times, label=labels)
    feedback["feedback"]["rows"] = 100
    child = build(task(tmp_path, sources=[{"dataset": {"location": base.location, "digest": base.digest}}, feedback]))
    assert child.rows == 240 + 97 and child.accepted
    assert child.set_aside == {"hour out_of_range": 1, "label not_a_class": 1, "time null": 1}
    alone = build(task(tmp_path, sources=[feedback]))
    assert alone.rows == 97, "without another source the two most frequent classes are the classes"


def test_captured_rows_that_are_mostly_unusable_are_refused_with_their_share(tmp_path: Path) -> None:
    feedback = served(tmp_path, 200, hour=[99 if i % 8 == 0 else 1 for i in range(200)])
    error = refused(tmp_path, rows(), sources=[feedback])
    assert error.reason == "TooManySetAside"
    assert "25 of 100 captured rows and labels below" in error.message and "25 of hour out_of_range" in error.message
    assert "more than the 20 % of `maxSetAsidePercent`" in error.message
    feedback["feedback"]["maxSetAsidePercent"] = 25
    assert build(task(tmp_path, sources=[feedback])).rows == 60


def test_labels_that_are_set_aside_are_not_trained_on_and_end_no_build(tmp_path: Path) -> None:
    """All labels of the hour that say 1 alone would be more than `maxSetAsidePercent`."""
    feedback = served(tmp_path, 200)
    feedback["feedback"]["labels"] = {"quarantine": {"labelsPerHour": 99}}
    base = build(task(tmp_path, rows()))
    ours = {"dataset": {"location": base.location, "digest": base.digest}}
    child = build(task(tmp_path, sources=[ours, feedback]))
    assert (child.rows, child.set_aside) == (240, {"label flooded": 100})
    allow = [{"source": "", "hour": "2026-01-01T01:00:00Z"}]
    feedback["feedback"]["labels"]["quarantine"]["allow"] = allow
    child = build(task(tmp_path, sources=[ours, feedback]))
    assert (child.rows, child.set_aside) == (300, {})


def test_labels_of_the_hour_that_the_bound_cuts_are_not_judged_yet(tmp_path: Path) -> None:
    feedback = served(tmp_path, 200)
    feedback["feedback"] |= {
        "labels": {"quarantine": {"sameLabels": 1000}},
        "labelsReceivedBefore": "2026-01-01T01:30:00Z",
    }
    base = build(task(tmp_path, rows()))
    ours = {"dataset": {"location": base.location, "digest": base.digest}}
    assert build(task(tmp_path, sources=[ours, feedback])).rows == 240
