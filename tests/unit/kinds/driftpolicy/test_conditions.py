"""What a DriftPolicy says at each point of its life, as tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import drift_states as states
from tests.support.builders.drift_states import EVALUATION, OPEN, drifted, judged
from tests.support.worlds import drift

from bucle.engine.reads import Unavailable
from bucle.kinds.driftpolicy.conditions import not_served, said
from bucle.kinds.driftpolicy.state import Action, ActionOutcome, EvaluationState, State, Verdict, Wanted
from bucle.kinds.driftpolicy.world import World
from bucle.workloads.attempt import Attempt

DOWN = Unavailable("it does not answer")
TROUBLED = replace(EVALUATION, attempt=Attempt(1, 0, "StoreUnavailable", "the store does not answer"))
LOOKING = replace(EVALUATION, attempt=Attempt(0))
FAILED = replace(TROUBLED, state=EvaluationState.FAILED)


def told(world: World, state: State) -> dict[str, tuple[str, str]]:
    return {update.type: (update.status, update.reason) for update in said(world, state)}


@pytest.mark.parametrize(
    ("world", "state", "ready"),
    [
        ({}, State(), ("True", "NotEnoughLabels")),
        ({}, drifted(Verdict.HEALTHY), ("True", "Watching")),
        ({}, State(last=judged(Verdict.HEALTHY, None)), ("True", "NotEnoughLabels")),
        ({}, State(evaluation=LOOKING), ("True", "Evaluating")),
        ({}, State(evaluation=TROUBLED), ("False", "StoreUnavailable")),
        ({}, State(evaluation=FAILED), ("False", "StoreUnavailable")),
        ({}, State(evaluation=LOOKING, last=judged(Verdict.ERROR, None, "ProgramFailed")), ("False", "ProgramFailed")),
        ({}, State(retrain=OPEN), ("True", "Retraining")),
        ({}, State(retrain=OPEN, evaluation=FAILED), ("False", "StoreUnavailable")),
        ({"watermark": DOWN}, drifted(Verdict.HEALTHY), ("True", "ServersUnavailable")),
        ({"version": DOWN}, State(), ("False", "RegistryUnavailable")),
        ({"served": None}, State(), ("False", "WaitingForReference")),
        ({"served": replace(states.SERVED, tags={})}, State(), ("False", "WaitingForReference")),
        (
            {"policy": states.policy(signals=[drift.signal(metric="roc_auc")])},
            State(),
            ("False", "UnknownMetric"),
        ),
    ],
)
def test_what_ready_says(world: dict[str, Any], state: State, ready: tuple[str, str]) -> None:
    assert told(states.world(**world), state)["Ready"] == ready


@pytest.mark.parametrize(
    ("world", "stalled"),
    [
        ({}, "False"),
        ({"served": None}, "False"),
        ({"served": replace(states.SERVED, tags={})}, "False"),
        ({"policy": states.policy(signals=[drift.signal(metric="roc_auc")])}, "True"),
    ],
    ids=["watches", "waits for a version", "waits for a reference", "watches what cannot be watched"],
)
def test_a_policy_that_only_an_edit_can_mend_is_stalled_and_one_that_waits_is_not(
    world: dict[str, Any], stalled: str
) -> None:
    """A tool that applies manifests waited for it until its own time was up."""
    assert told(states.world(**world), State())["Stalled"][0] == stalled


@pytest.mark.parametrize(
    ("state", "drift"),
    [
        (State(), ("Unknown", "NotEnoughLabels")),
        (drifted(Verdict.HEALTHY), ("False", "Healthy")),
        (drifted(Verdict.BREACHED), ("True", "Breached")),
        (drifted(Verdict.INCONCLUSIVE), ("False", "Inconclusive")),
        (drifted(Verdict.BREACHED, Verdict.BREACHED), ("True", "Breached")),
        (drifted(Verdict.BREACHED, Verdict.BREACHED, evaluation=TROUBLED), ("True", "Breached")),
        (drifted(Verdict.HEALTHY, evaluation=TROUBLED), ("Unknown", "StoreUnavailable")),
        (State(last=judged(Verdict.ERROR, None, "ProgramFailed")), ("Unknown", "ProgramFailed")),
    ],
)
def test_what_is_said_of_drift(state: State, drift: tuple[str, str]) -> None:
    assert told(states.world(), state)["DriftDetected"] == drift


def test_drift_says_what_is_done_about_it() -> None:
    waits = Action(Wanted.RETRAIN, ActionOutcome.WAITING, "Cooldown", "the last one began lately", states.THEN)
    state = drifted(Verdict.BREACHED, Verdict.BREACHED, action=waits)
    message = next(update.message for update in said(states.world(), state) if update.type == "DriftDetected")
    assert message.endswith("; Cooldown: the last one began lately")


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        ({}, ("True", "LoopClosed")),
        ({"policy": states.policy(retrain=None, actions=[])}, ("False", "LoopOpen")),
        ({"template": None}, ("False", "LoopOpen")),
        ({"deployment": None}, ("Unknown", "WaitingForModelDeployment")),
    ],
)
def test_whether_the_loop_is_closed(world: dict[str, Any], expected: tuple[str, str]) -> None:
    assert told(states.world(**world), State())["LoopClosed"] == expected


@pytest.mark.parametrize(
    ("world", "words"),
    [
        ({"deployment": None}, "does not exist yet: apply it"),
        ({"deployment": None, "misfits": {"ModelDeployment flights": "it cannot be read"}}, "it cannot be read"),
        ({}, "has no stable version yet"),
    ],
)
def test_why_nothing_is_watched_yet(world: dict[str, Any], words: str) -> None:
    first = not_served(states.world(served=None, **world), State())[0]
    assert (first.type, first.status, first.reason) == ("Ready", "False", "WaitingForReference")
    assert words in first.message
