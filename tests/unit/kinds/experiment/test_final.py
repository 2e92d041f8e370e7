"""The final fit: against which champion it begins, and what the end of its Job makes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders.experiment_states import FIT, INPUTS, NOW, experiment, trial, world
from tests.support.builders.objects import a_job
from tests.support.worlds.simulation import PLATFORM
from tests.support.worlds.training import failure, final_result, versus

from bucle.contracts import registry_tags
from bucle.contracts.result import Result
from bucle.engine.objects import JsonObject
from bucle.engine.reads import Absent, Known, Observation, Unavailable
from bucle.externals.registry.values import ModelVersion, pairs
from bucle.kinds.experiment import final
from bucle.kinds.experiment.state import Final, FinalState, Fitting, Judged, State, Stopped
from bucle.workloads.attempt import Attempt, Live

BEST = trial(2, value="0.5")
OURS = ModelVersion(
    "ml.flights",
    3,
    "s3://bucle/m3",
    tags=pairs(
        {
            registry_tags.TAG_MODEL_DIGEST: "sha256:m3",
            registry_tags.TAG_DATASET_NAME: "old",
            registry_tags.TAG_DATASET_DIGEST: "sha256:o",
        }
    ),
)
FOREIGN = ModelVersion("ml.flights", 3, "s3://elsewhere/m3")


@pytest.mark.parametrize(
    ("champion", "state", "loaded"),
    [
        (Known(OURS, NOW), "Undecided", True),
        (Known(FOREIGN, NOW), "Incompatible", False),
        (Absent(NOW), "Missing", False),
    ],
)
def test_against_whom_the_final_fit_begins(champion: Observation[ModelVersion], state: str, loaded: bool) -> None:
    found = final.begun(PLATFORM, world(State(INPUTS), champion=champion), INPUTS, BEST, NOW)
    assert found is not None and found.fit.comparison is not None
    assert (found.fit.comparison.state, found.fit.champion is not None) == (state, loaded)
    assert (found.fit.params, found.fit.seed, found.waits) == (BEST.params, BEST.seed, False)


@pytest.mark.parametrize("champion", [None, Unavailable("MLflow is down")])
def test_a_champion_that_cannot_be_asked_for_is_not_missing(champion: Observation[ModelVersion] | None) -> None:
    assert final.begun(PLATFORM, world(State(INPUTS), champion=champion), INPUTS, BEST, NOW) is None


def test_without_a_champion_in_the_spec_nobody_is_compared_with() -> None:
    made = experiment(lambda spec: spec.pop("champion"))
    found = final.begun(PLATFORM, world(State(INPUTS), made), INPUTS, BEST, NOW)
    assert found is not None and (found.fit.comparison, found.fit.champion) == (None, None)


def ended(code: int, result: Result) -> Live:
    job = a_job(FIT.job)
    job["status"] = {"conditions": [{"type": "Complete" if code == 0 else "Failed", "status": "True"}]}
    told = {"exitCode": code, "message": result.canonical()}
    pod: JsonObject = {
        "metadata": {"name": "p", "labels": {"job-name": FIT.job}},
        "status": {"containerStatuses": [{"name": "train", "state": {"terminated": told}}]},
    }
    return Live({FIT.job: job}, (pod,))


def after(live: Live, change: Any = lambda spec: None, attempt: Attempt = FIT.attempt) -> Final:
    running = Fitting(replace(FIT, attempt=attempt), waits=False)
    return final.advanced(PLATFORM, world(State(INPUTS), experiment(change), live), INPUTS, running, NOW)


@pytest.mark.parametrize(
    ("result", "change", "state", "reason"),
    [
        (final_result(champion=versus("-0.02")), lambda spec: None, FinalState.PASSED, "GatesPassed"),
        (final_result(champion=versus("0.05")), lambda spec: None, FinalState.REFUSED, "NotBetter"),
        (final_result(test="0.9"), lambda spec: None, FinalState.REFUSED, "GateFailed"),
        (
            final_result(),
            lambda spec: (spec.pop("champion"), spec.pop("register")),
            FinalState.KEPT,
            "NotRegistered",
        ),
        (final_result(), lambda spec: spec.pop("champion"), FinalState.PASSED, "GatesPassed"),
    ],
)
def test_what_a_score_makes_of_the_model(result: Result, change: Any, state: FinalState, reason: str) -> None:
    found = after(ended(0, result), change)
    assert isinstance(found, Judged) and (found.state, found.reason) == (state, reason)
    assert found.model is not None and found.model.version is None and found.run_id is None


@pytest.mark.parametrize(
    ("live", "attempt", "expected", "reason"),
    [
        (Live({}), Attempt(0), "goes on", None),
        (Live({}), Attempt(1, 0, "StoreUnavailable", "told"), "goes on", "StoreUnavailable"),
        (ended(75, failure("train", "StoreUnavailable")), Attempt(0), "waits", "StoreUnavailable"),
        (ended(1, failure("train", "ProgramFailed")), Attempt(0, 1), "waits", "ProgramFailed"),
        (ended(1, failure("train", "ProgramFailed")), Attempt(2, 2), "stopped", "ProgramFailed"),
        (ended(78, failure("train", "EstimatorNotAllowed")), Attempt(0), "stopped", "EstimatorNotAllowed"),
    ],
)
def test_what_the_end_of_an_attempt_makes_of_the_fit(
    live: Live, attempt: Attempt, expected: str, reason: str | None
) -> None:
    found = after(live, attempt=attempt)
    if expected == "stopped":
        assert isinstance(found, Stopped) and found.reason == reason
        return
    assert isinstance(found, Fitting) and (found.waits, found.fit.attempt.reason) == (expected == "waits", reason)


@pytest.mark.parametrize(("seconds", "begins"), [(-1, True), (0, True), (1, False)])
def test_the_next_attempt_begins_after_its_pause(seconds: int, begins: bool) -> None:
    waiting = Fitting(replace(FIT, attempt=Attempt(1, not_before=NOW + timedelta(seconds=seconds))), waits=True)
    found = final.advanced(PLATFORM, world(State(INPUTS)), INPUTS, waiting, NOW)
    assert isinstance(found, Fitting) and found.waits == (not begins)
    assert found.fit.job.endswith("fa1") == begins
