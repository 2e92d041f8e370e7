"""Bad days of an Experiment on the real cluster: each fixes the condition, its reason, and the words a person needs.

All bad Experiments learn from one small Dataset, are applied at once and fail side by side.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hack.demo.install import Installation
from tests.cluster import scene as scenes
from tests.cluster.scene import Scene, conditions, ready, sample, stalled

pytestmark = pytest.mark.cluster

ESTIMATOR = "spec.trainer.sklearn.estimator"
QUICK = {"class": "sklearn.ensemble.HistGradientBoostingClassifier", "params": {"max_iter": "5"}}
ENDLESS = {"class": QUICK["class"], "params": {"max_iter": "10000000"}}
PLAIN: dict[str, Any] = {
    ESTIMATOR: QUICK,
    "spec.dataset.name": "small",
    "spec.parameters": None,
    "spec.champion": None,
    "spec.register": None,
    "spec.gates": None,
    "spec.search": {"random": {}, "seed": 5},
    "spec.limits": {"maxTrials": 4, "parallelTrials": 2, "maxFailedTrials": 0, "trialTimeout": "5m"},
}
"""One quick trial, no comparison, nothing registered."""


def experiment(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    return sample("Experiment", name, {**PLAIN, **changes})


@dataclass(frozen=True)
class Case:
    name: str
    reason: str
    words: tuple[str, ...]
    changes: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


CASES = (
    Case(
        "not-allowed",
        "EstimatorNotAllowed",
        ("trial 0:", "subprocess.Popen is not on the list of what may be used", "use an estimator of scikit-learn"),
        {ESTIMATOR: {"class": "subprocess.Popen", "params": {"args": "id"}}},
    ),
    Case(
        "takes-code",
        "EstimatorNotAllowed",
        ("sklearn.preprocessing.FunctionTransformer is not on the list",),
        {"spec.trainer.sklearn.preprocessing.0.steps": [{"class": "sklearn.preprocessing.FunctionTransformer"}]},
    ),
    Case(
        "unknown-parameter",
        "UnknownParameter",
        ("the parameter depth is no argument of", "max_depth"),
        {ESTIMATOR: {"class": QUICK["class"], "params": {"depth": "3"}}},
    ),
    Case(
        "unknown-metric",
        "UnknownMetric",
        ("metric rmse does not fit a Binary target: use one of", "log_loss"),
        {"spec.objective.metric": "rmse"},
    ),
    Case(
        "too-little-memory",
        "TooManyFailedTrials",
        ("failed trials: 1, allowed: 0; trial 0: OutOfMemory:", "raise `resources.limits.memory`", "See status.trials"),
        {"spec.pod.resources": {"requests": {"memory": "64Mi"}, "limits": {"memory": "64Mi"}}},
    ),
    Case(
        "never-ends",
        "TooManyFailedTrials",
        ("failed trials: 1, allowed: 0; trial 0: DeadlineExceeded: the pod was still running at its deadline",),
        {ESTIMATOR: ENDLESS, "spec.limits.trialTimeout": "25s"},
    ),
)
BEGUN = {"too-little-memory": "OutOfMemory", "never-ends": "DeadlineExceeded"}
"""Reason in the row of the one trial that ran and failed."""

THROWS = {
    ESTIMATOR: {"class": "sklearn.tree.DecisionTreeClassifier", "params": {"max_depth": "3"}},
    "spec.parameters": [{"name": "estimator__min_samples_split", "int": {"min": 1, "max": 2}}],
    "spec.limits.maxFailedTrials": 4,
}
"""The tree refuses min_samples_split = 1 and takes 2; with this seed the search draws 1, 2, 1, 2."""

GATED = {
    "spec.gates": [{"metric": "log_loss", "data": "Test", "maximum": "0.0001"}],
    "spec.register": {"model": "gated", "alias": "challenger"},
}


@pytest.fixture(scope="module")
def stage(installation: Installation) -> Iterator[Scene]:
    scenes.upload_small(installation)
    with scenes.scene(installation, "bad-training", scenes.storage_secret(installation), unique=True) as made:
        made.apply(sample("Dataset", "small"))
        made.apply(experiment("gated", GATED), experiment("throws", THROWS))
        made.apply(*(experiment(case.name, case.changes) for case in CASES))
        yield made


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_experiment_that_cannot_work_stops_and_says_why(stage: Scene, case: Case) -> None:
    seen = stage.until("experiments", case.name, stalled(case.reason), within=180)
    found = conditions(seen)
    assert {type_: found[type_]["status"] for type_ in ("Ready", "Succeeded", "Registered")} == {
        "Ready": "False",
        "Succeeded": "False",
        "Registered": "False",
    }
    for words in case.words:
        assert words in found["Stalled"]["message"]
    assert len(stage.jobs_of(seen)) == (0 if case.name == "unknown-metric" else 1)


@pytest.mark.parametrize(("name", "reason"), BEGUN.items())
def test_the_row_of_a_trial_tells_its_own_reason(stage: Scene, name: str, reason: str) -> None:
    seen = stage.until("experiments", name, stalled("TooManyFailedTrials"), within=180)
    assert [(row["state"], row["reason"]) for row in seen["status"]["trials"]] == [("Failed", reason)]
    assert seen["status"]["counts"]["failed"] == 1


def test_a_trial_that_throws_is_told_in_its_row_and_the_search_goes_on(stage: Scene) -> None:
    seen = stage.until("experiments", "throws", ready("NotRegistered"), within=180)
    rows = [(row["params"]["estimator__min_samples_split"], row["state"]) for row in seen["status"]["trials"]]
    assert rows == [("1", "Failed"), ("2", "Succeeded")] * 2
    jobs = {row["job"] for row in seen["status"]["trials"]}
    assert jobs < set(stage.jobs_of(seen)), "the Job of an ended trial is kept with its log"
    reasons = {row["reason"] for row in seen["status"]["trials"] if row["state"] == "Failed"}
    assert reasons == {"BadParameters"}
    assert seen["status"]["best"]["params"] == {"estimator__min_samples_split": "2"}


def test_a_failed_gate_stalls_and_is_not_tried_again_when_the_status_is_lost(stage: Scene) -> None:
    seen = stage.until("experiments", "gated", stalled("GateFailed"), within=180)
    told = {type_: found["status"] for type_, found in conditions(seen).items()}
    assert (told["Succeeded"], told["GatesPassed"], told["Registered"]) == ("True", "False", "False")
    message = conditions(seen)["Stalled"]["message"]
    assert "log_loss" in message
    assert "0.0001" in message
    # Everything is told to the registry once the final run is known; before that a lost status would cost a refit.
    stage.until("experiments", "gated", lambda found: bool(found["status"]["final"].get("runId")), within=60)
    jobs = {name: job["metadata"]["uid"] for name, job in stage.jobs_of(seen).items()}

    stage.replace_status("experiments", "gated", {})
    again = stage.until("experiments", "gated", stalled("GateFailed"), within=60)
    assert "recorded on MLflow run" in conditions(again)["Stalled"]["message"]
    assert again["status"].get("trials", []) == []
    time.sleep(15)  # long enough for a Job that should not be: the first comes within two seconds
    assert {name: job["metadata"]["uid"] for name, job in stage.jobs_of(seen).items()} == jobs
