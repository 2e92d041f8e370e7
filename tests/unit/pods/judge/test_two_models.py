"""Two models, two references: each one's answers are read in its own order of classes, or not compared at all."""

from __future__ import annotations

import json
from datetime import timedelta
from math import log
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders.judge_pods import QUERY, START, Traffic, answering

from bucle.contracts.evidence import Evidence
from bucle.contracts.reference import Question
from bucle.contracts.table import Target
from bucle.contracts.task import JudgeTask
from bucle.pods.judge import Judge

COLOURS = ("blue", "green", "red")


def traffic(folder: Path, old: tuple[str, ...] = COLOURS, new: tuple[str, ...] = COLOURS) -> Traffic:
    models = {"old": answering("MultiClass", *old), "new": answering("MultiClass", *new)}
    return Traffic(f"file://{folder}", models=models)


def test_a_candidate_whose_classes_were_reordered_is_judged_by_what_it_said(tmp_path: Path) -> None:
    story = traffic(tmp_path, new=("red", "blue", "green"))
    for day in (1, 1, 2):
        story.row(day, {"blue": 0.5, "green": 0.25, "red": 0.25}, {"blue": 0.01, "green": 0.01, "red": 0.98}, "blue")
    (group,) = story.written().evidence().groups
    assert group.c / group.n == pytest.approx(-log(0.01)) and group.s / group.n == pytest.approx(-log(0.5))


@settings(deadline=None, max_examples=15)
@given(st.permutations(COLOURS), st.permutations(COLOURS), st.sampled_from(["log_loss", "accuracy"]))
def test_no_order_of_classes_changes_the_evidence(
    tmp_path_factory: pytest.TempPathFactory, old: list[str], new: list[str], metric: str
) -> None:
    def evidence(*orders: tuple[str, ...]) -> Evidence:
        story = traffic(tmp_path_factory.mktemp("t"), *orders)
        for n, label in enumerate(("red", "green", "blue", "red")):
            said = {"red": 0.6, "green": 0.3, "blue": 0.1}
            story.row(1 + n // 3, said, {"red": 0.2, "green": 0.7, "blue": 0.1}, label)
        task = JudgeTask(name="j", location=story.written().location, metric=metric)
        return Judge(task).compute(QUERY, START + timedelta(hours=3))

    assert evidence(tuple(old), tuple(new)).groups == evidence().groups


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ((*COLOURS, "violet"), "its classes of late are others: it has violet"),
        (("blue", "red"), "its classes of late are others: it lacks green"),
        (("blue", "red", "violet"), "it has violet and lacks green"),
    ],
)
def test_other_classes_are_incompatible_and_break_nothing(tmp_path: Path, classes: tuple[str, ...], words: str) -> None:
    story = traffic(tmp_path, new=classes)
    for day in (1, 1, 2):
        story.row(day, {"blue": 1.0}, {"blue": 0.9, classes[-1]: 0.1}, "blue")
    found = story.written().evidence()
    assert words in found.incompatible and found.groups == () and found.requests == 3


def test_another_target_is_told_before_any_request_was_copied(tmp_path: Path) -> None:
    story = Traffic(f"file://{tmp_path}")
    story.models["new"] = answering("Regression")
    assert story.written().evidence().incompatible == "it predicts Regression late, not Binary late"
    story.models["new"] = answering("Binary", "1", "0")
    assert story.written().evidence().incompatible == "its positive value of late is 0, not 1"


def test_a_candidate_that_has_not_started_is_no_other_model(tmp_path: Path) -> None:
    story = Traffic(f"file://{tmp_path}")
    del story.models["new"]
    assert story.row(1, 0.5, None, "1").row(2, 0.5, None, "1").written().evidence().incompatible == ""


def test_scores_that_fit_no_class_are_counted_and_charged_as_missing(tmp_path: Path) -> None:
    """The reference beside the rows may be another model's: what its rows say is nobody's to guess."""
    story = traffic(tmp_path)
    story.row(1, {"blue": 0.5, "red": 0.5}, {"blue": 1.0}, "blue")
    story.seconds += 10
    good = story.models["new"]
    story.models["new"] = answering("MultiClass", *COLOURS, "violet")
    story.row(1, {"blue": 0.5, "red": 0.5}, {"blue": 1.0}, "blue").row(2, {"blue": 1.0}, {"blue": 1.0}, "blue")
    story.models["new"] = good
    found = story.written().evidence()
    assert (found.unreadable, found.missing, [group.n for group in found.groups]) == (2, 2, [2])


@pytest.mark.parametrize("label", ["1e200", "-1e60", "1e999", "nan", "soon"])
def test_one_absurd_label_is_set_aside_and_counted(tmp_path: Path, label: str) -> None:
    story = Traffic(f"file://{tmp_path}", models={"old": answering("Regression"), "new": answering("Regression")})
    story.row(1, 1.0, 2.0, "3").row(1, 1.0, 2.0, label).row(2, 1.0, 2.0, "3").written()
    judge = Judge(JudgeTask(name="j", location=story.location, metric="mse", group_by=None))
    found = judge.compute(QUERY, START + timedelta(hours=3))
    assert (found.unreadable, found.labelled) == (1, 2)
    json.loads(found.canonical())


@pytest.mark.parametrize("answer", [1e200, float("inf"), float("nan"), -1e308])
def test_an_absurd_answer_is_a_bad_one_and_no_error(tmp_path: Path, answer: float) -> None:
    story = Traffic(f"file://{tmp_path}", models={"old": answering("Regression"), "new": answering("Regression")})
    story.row(1, 1.0, 2.0, "3").row(1, 1.0, answer, "3")
    story.seconds += 3600
    story.row(2, 1.0, 2.0, "3").written()
    judge = Judge(JudgeTask(name="j", location=story.location, metric="mse", group_by=None))
    (group,) = judge.compute(QUERY, START + timedelta(hours=3)).groups
    assert group.n >= 1
    if answer == answer and abs(answer) != float("inf"):
        assert group.x > 1e100, "the candidate is charged for what it said"


def test_labels_in_another_spelling_count(tmp_path: Path) -> None:
    story = Traffic(f"file://{tmp_path}")
    for label in ("1", "1.0", "true", "0", "0.0", "False"):
        story.row(1, 0.9, 0.9, label)
    found = story.row(2, 0.9, 0.9, "1").written().evidence()
    assert (found.labelled, found.unreadable) == (7, 0)


def test_labels_that_belong_to_no_answer_are_counted(tmp_path: Path) -> None:
    """An Id that the request never sent, or that capture left out: waiting for it is in vain."""
    story = Traffic(f"file://{tmp_path}").row(1, 0.9, 0.9, "1").row(2, 0.9, 0.9, "1")
    for n in range(3):
        story.labels.append({**story.labels[0], "id": f"somebody-{n}"})
    story.labels.append({**story.labels[0], "id": None, "request_id": "somebody"})
    assert story.written().evidence().unjoined == 4


def test_a_group_column_that_no_request_has_leaves_every_row_ungrouped(tmp_path: Path) -> None:
    story = Traffic(f"file://{tmp_path}").row(1, 0.9, 0.9, "1").row(2, 0.9, 0.9, "1").written()
    task = JudgeTask.model_validate(
        {"name": "j", "location": story.location, "metric": "log_loss", "groupBy": {"column": "gate"}}
    )
    found = Judge(task).compute(QUERY, START + timedelta(hours=3))
    assert (found.ungrouped, found.groups) == (2, ())


def test_a_question_is_the_same_in_any_order_of_classes() -> None:
    target = Target(name="y", task="MultiClass", classes=("a", "b"))
    assert Question.of(target, ("a", "b")).words() == Question.of(target, ("b", "a")).words()
    assert Question.of(target, ("a", "b", "c")).words() != Question.of(target, ("b", "a")).words()
