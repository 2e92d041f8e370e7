"""Which trials may be planned, what an ended Job makes of its row, and what text becomes as a parameter."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders.experiment_states import NOW, PARAMS, trial, trials
from tests.support.worlds.training import LATE, failure, trial_result

from bucle.kinds.experiment import search
from bucle.kinds.experiment.children import literal
from bucle.kinds.experiment.state import State, TrialState
from bucle.resources.documents import parse
from bucle.resources.experiment import Experiment
from bucle.workloads.jobs import Failed, Finished, Lost, Outcome, Running


def experiment(mode: str = "Batch", maximum: int = 7, parallel: int = 3) -> Experiment:
    manifest: dict[str, Any] = copy.deepcopy(LATE)
    manifest["spec"]["search"]["mode"] = mode
    manifest["spec"]["limits"] |= {"maxTrials": maximum, "parallelTrials": parallel}
    return parse(Experiment, manifest)


@pytest.mark.parametrize(
    ("mode", "states", "expected"),
    [
        ("Batch", "", (0, 1, 2)),
        ("Batch", "srs", ()),
        ("Batch", "ssf", (3, 4, 5)),
        ("Batch", "sssp", (4, 5)),
        ("Batch", "ssssss", (6,)),
        ("Batch", "sssssss", ()),
        ("Async", "", (0, 1, 2)),
        ("Async", "srs", (3, 4)),
        ("Async", "rrr", ()),
        ("Async", "ssssssr", ()),
    ],
)
def test_which_trials_come_next(mode: str, states: str, expected: tuple[int, ...]) -> None:
    assert search.next_indices(experiment(mode), trials(states)) == expected


def test_in_batch_mode_a_trial_learns_nothing_from_its_own_batch() -> None:
    asked = search.request(experiment(), State(trials=trials("ssfs")))
    assert asked is not None
    assert [(past.value, past.open) for past in asked.history] == [
        (0.5, False),
        (0.5, False),
        (None, False),
        (None, True),
    ]


def test_a_wide_batch_is_asked_for_in_parts() -> None:
    wide = experiment(maximum=20, parallel=10)
    first = search.request(wide, State())
    second = search.request(wide, State(trials=trials("pppp")))
    assert first is not None and second is not None
    assert (first.indices, second.indices) == ((0, 1, 2, 3), (4, 5, 6, 7))
    assert all(past.open for past in second.history)


@pytest.mark.parametrize(
    ("found", "state", "reason", "attempt"),
    [
        (Running(), "Running", None, 0),
        (Finished(trial_result(PARAMS)), "Succeeded", None, 0),
        (Finished(failure("train", "x")), "Failed", "UnknownMetric", 0),
        (Failed("Parameters", "BadParameters", ""), "Failed", "BadParameters", 0),
        (Failed("User", "OutOfMemory", ""), "Failed", "OutOfMemory", 0),
        (Failed("Retry", "Disrupted", ""), "Planned", "Disrupted", 1),
        (Failed("Fatal", "BucketMissing", ""), "Planned", "BucketMissing", 1),
        (Lost("gone"), "Planned", "ResultLost", 1),
    ],
)
def test_what_a_job_makes_of_its_row(found: Outcome, state: str, reason: str | None, attempt: int) -> None:
    row = trial()
    after = search.after(row, found, "log_loss", NOW)
    assert (after.state, after.reason, after.attempt.number) == (state, reason, attempt)
    assert after.params == row.params
    assert (after.job is None) == (attempt > 0)
    assert (after.finished_at is not None) == (state in ("Succeeded", "Failed"))
    if attempt:
        assert after.attempt.not_before is not None and timedelta(0) < after.attempt.not_before - NOW <= timedelta(
            minutes=1
        )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("200", 200),
        ("0.1", 0.1),
        ("1e-5", 1e-5),
        ("true", True),
        ("null", None),
        ("[1, 2]", [1, 2]),
        ("gini", "gini"),
        ('"7"', "7"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("1e999", "1e999"),
        ('{"a": -1e999}', '{"a": -1e999}'),
        ("", ""),
    ],
)
def test_text_as_a_parameter(text: str, value: Any) -> None:
    made = literal(text)
    assert (made, type(made)) == (value, type(value))


@pytest.mark.parametrize(("metric", "best"), [("log_loss", 1), ("accuracy", 2)])
def test_the_best_trial_follows_the_direction_of_the_metric(metric: str, best: int) -> None:
    values = ["0.5", "0.4", "0.6", "0.6", None]
    made = [trial(i, TrialState.SUCCEEDED if v else TrialState.FAILED, value=v) for i, v in enumerate(values)]
    found = search.best(made, metric)
    assert found is not None and found.index == best
