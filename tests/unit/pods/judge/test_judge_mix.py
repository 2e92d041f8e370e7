"""What declared days were like: rows labelled before the step, read back once and kept, whoever answered them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.builders.judge_pods import BY_DAY, PRIOR_LOSS, QUERY, START, Traffic, answering

from bucle.contracts.evidence import ReferenceDays
from bucle.contracts.task import JudgeTask, Mix
from bucle.pods.judge import Judge

DAY = 86_400


@pytest.fixture
def location(tmp_path: Path) -> str:
    return f"file://{tmp_path}"


def served(location: str, days_before: int, day: int, labels: str, **more: Any) -> Traffic:
    """Rows of a day of July, received so many days before the step; `labels`: one character a row, `.` without one."""
    part = Traffic(location, seconds=-days_before * DAY, **more)
    for label in labels:
        part.row(day, 0.5, None, None if label == "." else label)
    for at, entry in enumerate(part.captured):
        id_ = f"d{day}-{at}"
        part.captured[at] = replace(entry, id=id_, columns={**entry.columns, "flight_id": [id_]})
    labelled = [at for at, label in enumerate(labels) if label != "."]
    for row, at in zip(part.labels, labelled, strict=True):
        row["id"] = f"d{day}-{at}"
    return part.written()


def days_of(location: str, mix: Mix, after: float = 3600, judge: Judge | None = None) -> ReferenceDays:
    asked = judge or Judge(JudgeTask(name="flights", location=location, metric="log_loss", group_by=BY_DAY, mix=mix))
    found = asked.compute(QUERY, START + timedelta(seconds=after)).reference
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("mix", "days", "rows", "positives"),
    [
        (Mix(reference_days=2), ("2013-07-03", "2013-07-04"), 5, 3),
        (Mix(reference_days=3), ("2013-07-02", "2013-07-04"), 7, 3),
        (Mix(first="2013-07-01", last="2013-07-02"), ("2013-07-01", "2013-07-02"), 5, 3),
        (Mix(first="2013-07-04", last="2013-08-31"), ("2013-07-04", "2013-07-04"), 2, 1),
        (Mix(first="2013-06-01", last="2013-06-30"), ("", ""), 0, 0),
        (Mix(first="2013-06-31", last="2013-07-01"), ("2013-07-01", "2013-07-01"), 3, 3),
    ],
    ids=[
        "the last two",
        "the last three",
        "named days",
        "days that go on",
        "days never served",
        "a day that no calendar has",
    ],
)
def test_declared_days_are_summed_from_what_was_served_before_the_step(
    location: str, mix: Mix, days: tuple[str, str], rows: int, positives: int
) -> None:
    for before, day, labels in ((9, 1, "111"), (7, 2, "00."), (3, 3, "110"), (2, 4, "10.")):
        served(location, before, day, labels)
    served(location, 0, 5, "1111").row(6, 0.5, 0.5, "1").written()
    found = days_of(location, mix)
    assert (found.first, found.last, found.rows, found.positives) == (*days, rows, positives)
    assert found.share_of == "late=1"
    assert found.hardness == pytest.approx(positives * PRIOR_LOSS["1"] + (rows - positives) * PRIOR_LOSS["0"])


def test_days_that_another_version_answered_are_days_too(location: str) -> None:
    served(location, 2, 3, "10", revision="older", models={"old": answering("Binary", "0", "1")})
    served(location, 1, 4, "11")
    assert days_of(location, Mix(reference_days=2)).rows == 4


def test_the_question_stands_while_it_is_answered_and_after_a_restart(location: str) -> None:
    """A label that comes late, or files that are gone, would move the mix under the evidence."""
    served(location, 2, 3, "10")
    before = days_of(location, Mix(reference_days=1))
    served(location, 1, 4, "1111")
    assert days_of(location, Mix(reference_days=1)) == before
    assert days_of(location, Mix(reference_days=2)).rows == 6, "another question is asked anew"


def test_days_that_are_missing_are_looked_for_again_now_and_then(location: str) -> None:
    mix = Mix(reference_days=2)
    judge = Judge(JudgeTask(name="flights", location=location, metric="log_loss", group_by=BY_DAY, mix=mix))
    served(location, 2, 3, "10")
    assert days_of(location, mix, judge=judge).days == 1
    served(location, 1, 4, "11")
    assert days_of(location, mix, after=3700, judge=judge).days == 1
    assert days_of(location, mix, after=3600 + 700, judge=judge).days == 2


def test_of_numbers_the_constant_predictors_loss_tells_how_hard_days_are(location: str) -> None:
    models = {"old": answering("Regression"), "new": answering("Regression")}
    part = Traffic(location, seconds=-DAY, models=models)
    part.row(3, 0.5, None, "2.0").row(3, 0.5, None, "-1.0").written()
    task = JudgeTask(name="flights", location=location, metric="mse", group_by=BY_DAY, mix=Mix(reference_days=1))
    found = Judge(task).compute(QUERY, START + timedelta(hours=1)).reference
    assert found is not None
    assert (found.rows, found.share_of) == (2, "")
    assert found.hardness == pytest.approx(5.0)


def test_nobody_reads_back_for_classes(location: str) -> None:
    served(location, 2, 3, "10")
    judge = Judge(JudgeTask(name="flights", location=location, metric="log_loss", mix=Mix(classes=("0", "1"))))
    assert judge.compute(QUERY, START + timedelta(hours=1)).reference is None
