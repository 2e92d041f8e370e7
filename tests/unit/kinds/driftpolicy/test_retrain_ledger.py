"""What became of a retrain, read from its children and from the deployment; and how the ledger is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import drift_states as states
from tests.support.builders.drift_states import THEN, retrained, said

from bucle.kinds.driftpolicy.retrain_ledger import progress_of, tracked, undecided
from bucle.kinds.driftpolicy.state import OpenRetrain, PastRetrain, RetrainOutcome, RetrainState, State
from bucle.kinds.driftpolicy.world import Retrained, World

NOW = THEN + timedelta(hours=3)
NAME = "flights-drift-x"
MODEL_2 = {"name": "ml.flights", "version": 2, "uri": "s3://bucle/m2", "digest": "sha256:m2"}
READY = said(("Ready", "True", "VersionReady"))
SEARCHING = said(("Reconciling", "True", "SearchRunning"), ("Registered", "Unknown", "SearchRunning"))
REGISTERED = said(("Registered", "True", "Registered"), final={"model": MODEL_2})
RETRAINING = OpenRetrain(NAME, RetrainState.RETRAINING, THEN, window=1)
LONG_AGO = "2026-01-01T00:00:00Z"
ALERT_ONLY = states.policy(actions=[{"when": ["performance"], "do": "Alert"}])


def serving(model: dict[str, Any], **status: Any) -> World:
    stable = {"revision": "rev2", "model": model, "image": "i", "since": "2026-03-01T12:10:00Z"}
    return states.world(deployment=states.deployment(stable=stable, **status))


def line(outcome: str, reason: str) -> dict[str, Any]:
    return {"history": [{"revision": "rev2", "model": MODEL_2, "outcome": outcome, "reason": reason}]}


@pytest.mark.parametrize(
    ("world", "children", "expected"),
    [
        (states.world(), retrained(NAME, READY, SEARCHING), (None, "Retraining")),
        (
            states.world(),
            retrained(NAME, said(("Stalled", "True", "SpecInvalid")), SEARCHING),
            (RetrainOutcome.FAILED, "DatasetStalled"),
        ),
        (
            states.world(),
            retrained(NAME, READY, said(("Stalled", "True", "TooManyFailedTrials"))),
            (RetrainOutcome.FAILED, "TooManyFailedTrials"),
        ),
        (
            states.world(),
            retrained(NAME, READY, said(("Registered", "False", "NotBetter"))),
            (RetrainOutcome.REFUSED, "NotBetter"),
        ),
        (states.world(), retrained(NAME, READY, REGISTERED), (None, "Retraining")),
        (serving(MODEL_2), retrained(NAME, READY, REGISTERED), (RetrainOutcome.PROMOTED, "Promoted")),
        (
            serving(MODEL_2, rollout={"id": "r", "candidateRevision": "rev2"}),
            retrained(NAME, READY, REGISTERED),
            (None, "Promoted"),
        ),
        (
            states.world(deployment=states.deployment(rejected={"digest": "sha256:m2", "reason": "GateNotPassed"})),
            retrained(NAME, READY, REGISTERED),
            (RetrainOutcome.REFUSED, "GateNotPassed"),
        ),
        (
            states.world(deployment=states.deployment(candidate={"revision": "rev2", "model": MODEL_2})),
            retrained(NAME, READY, REGISTERED),
            (None, "Retraining"),
        ),
        (
            states.world(deployment=states.deployment(**line("Promoted", "Promoted"))),
            retrained(NAME, READY, REGISTERED),
            (RetrainOutcome.PROMOTED, "Promoted"),
        ),
        (
            states.world(deployment=states.deployment(**line("Aborted", "GateNotPassed"))),
            retrained(NAME, READY, REGISTERED),
            (RetrainOutcome.REFUSED, "GateNotPassed"),
        ),
        (
            states.world(deployment=states.deployment(**line("Superseded", "PlanChanged"))),
            retrained(NAME, READY, REGISTERED),
            (None, "Retraining"),
        ),
        (
            states.world(deployment=states.deployment(rejected={"digest": "sha256:m3", "at": "2026-03-01T13:00:00Z"})),
            retrained(NAME, READY, REGISTERED),
            (RetrainOutcome.REFUSED, "Replaced"),
        ),
        (
            states.world(policy=ALERT_ONLY),
            retrained(NAME, READY, SEARCHING),
            (RetrainOutcome.CANCELLED, "RetrainCancelled"),
        ),
        (states.world(), retrained(NAME, READY, None), (RetrainOutcome.CANCELLED, "RetrainCancelled")),
    ],
)
def test_how_far_a_retrain_is(world: World, children: Retrained, expected: tuple[RetrainOutcome | None, str]) -> None:
    found = progress_of(world, children, RETRAINING)
    assert (found.outcome, found.reason) == expected


ANOTHER = {**MODEL_2, "digest": "sha256:another"}


@pytest.mark.parametrize(
    "world",
    [
        states.world(
            deployment=states.deployment(stable={"revision": "r", "model": ANOTHER, "image": "i", "since": LONG_AGO})
        ),
        states.world(
            deployment=states.deployment(rejected={"version": 2, "digest": "sha256:another", "reason": "LoadFailed"})
        ),
        states.world(
            deployment=states.deployment(
                history=[{"revision": "r", "model": ANOTHER, "outcome": "Promoted", "reason": "Promoted"}]
            )
        ),
    ],
    ids=["serves", "was refused", "was promoted"],
)
def test_what_became_of_another_model_under_the_same_number_is_not_what_became_of_a_retrain(world: World) -> None:
    assert progress_of(world, retrained(NAME, READY, REGISTERED), RETRAINING).outcome is None


@pytest.mark.parametrize(
    ("world", "open_", "outcome"),
    [
        (states.world(), True, None),
        (states.world(template=None), False, RetrainOutcome.FAILED),
        (states.world(policy=ALERT_ONLY), False, RetrainOutcome.CANCELLED),
    ],
    ids=["goes on", "its loop is open", "nobody wants it"],
)
@pytest.mark.parametrize("made", [False, True], ids=["nothing made", "one child made"])
def test_a_claim_whose_children_are_not_all_made(
    world: World, open_: bool, outcome: RetrainOutcome | None, made: bool
) -> None:
    claim = OpenRetrain(NAME, RetrainState.CLAIMED, THEN, window=1)
    if made:
        world = replace(world, retrains=(retrained(NAME, READY),))
    found = tracked(world, State(retrain=claim, retrains_begun=1), NOW)
    assert (found.retrain is not None) == open_
    assert [past.outcome for past in found.past_retrains] == ([outcome] if outcome else [])


def test_a_lost_ledger_is_filled_again_from_the_children() -> None:
    world = replace(
        serving(MODEL_2),
        retrains=(
            retrained("drift-a", READY, said(("Registered", "False", "NotBetter"))),
            retrained("drift-b", READY, REGISTERED),
        ),
    )
    found = tracked(world, State(), NOW)
    assert {past.name: past.outcome for past in found.past_retrains} == {
        "drift-a": RetrainOutcome.REFUSED,
        "drift-b": RetrainOutcome.PROMOTED,
    }
    assert (found.retrain, found.retrains_begun) == (None, 2)


def test_what_was_decided_stays_so_whatever_the_deployment_forgets() -> None:
    decided = PastRetrain(NAME, RetrainOutcome.PROMOTED, "Promoted", THEN)
    world = states.world(retrains=(retrained(NAME, READY, REGISTERED),))
    assert tracked(world, State(past_retrains=(decided,)), NOW).past_retrains == (decided,)


def test_a_retrain_moves_on_with_its_children() -> None:
    world = states.world(retrains=(retrained(NAME, READY, REGISTERED),))
    found = tracked(world, State(retrain=RETRAINING, retrains_begun=1), NOW).retrain
    assert found is not None and (found.state, found.digest, found.model_version, found.window) == (
        RetrainState.ROLLING_OUT,
        "sha256:m2",
        2,
        1,
    )


@pytest.mark.parametrize(
    ("outcome", "reason", "goes"),
    [
        (RetrainOutcome.CANCELLED, "RetrainCancelled", True),
        (RetrainOutcome.FAILED, "LoopOpen", True),
        (RetrainOutcome.FAILED, "DatasetStalled", False),
        (RetrainOutcome.REFUSED, "NotBetter", False),
        (RetrainOutcome.PROMOTED, "Promoted", False),
    ],
)
def test_whose_children_nobody_waits_for(outcome: RetrainOutcome, reason: str, goes: bool) -> None:
    world = states.world(retrains=(retrained(NAME, READY, SEARCHING),))
    state = State(past_retrains=(PastRetrain(NAME, outcome, reason, THEN),))
    assert bool(undecided(world, state)) == goes
