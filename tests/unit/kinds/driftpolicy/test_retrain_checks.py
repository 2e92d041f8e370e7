"""What holds a retrain back, one table row for each check, and in which order the reasons are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import drift_states as states
from tests.support.builders.drift_states import OPEN, THEN, drifted

from bucle.engine.reads import Unavailable
from bucle.kinds.driftpolicy.retrain_checks import CHECKS, acted
from bucle.kinds.driftpolicy.state import (
    ActionOutcome,
    OpenRetrain,
    PastRetrain,
    RetrainOutcome,
    RetrainState,
    State,
    Verdict,
    Wanted,
)
from bucle.kinds.driftpolicy.world import World

BREACHED, HEALTHY = Verdict.BREACHED, Verdict.HEALTHY
NOW = THEN + timedelta(days=1)
DRIFTED = drifted(BREACHED, BREACHED)
CLAIM = OpenRetrain("flights-drift-x", RetrainState.CLAIMED, THEN)


def past(outcome: RetrainOutcome, at: timedelta, name: str = "flights-drift-a") -> PastRetrain:
    return PastRetrain(name, outcome, str(outcome), NOW - at)


def in_flight(name: str = "older") -> dict[str, Any]:
    return {"retrains": {"inFlight": {"name": name, "state": "Retraining"}}}


def action(world: World, state: State) -> tuple[Wanted, ActionOutcome, str]:
    assert world.served is not None
    found = acted(world, world.served, state, NOW).action
    assert found is not None
    return found.wanted, found.outcome, found.reason


RETRAIN, DONE, SUPPRESSED, WAITING = (
    Wanted.RETRAIN,
    ActionOutcome.DONE,
    ActionOutcome.SUPPRESSED,
    ActionOutcome.WAITING,
)


@pytest.mark.parametrize(
    ("world", "state", "expected"),
    [
        (states.world(), DRIFTED, (RETRAIN, DONE, "Retraining")),
        (states.world(), State(), (Wanted.NONE, DONE, "Healthy")),
        (states.world(), drifted(BREACHED, HEALTHY), (Wanted.NONE, DONE, "Healthy")),
        (states.world(policy=states.policy(actions=[])), DRIFTED, (Wanted.NONE, DONE, "Breached")),
        (
            states.world(policy=states.policy(actions=[{"when": ["performance"], "do": "Alert"}], retrain=None)),
            DRIFTED,
            (Wanted.ALERT, DONE, "Breached"),
        ),
        (states.world(), replace(DRIFTED, retrain=OPEN), (RETRAIN, DONE, "Retraining")),
        (states.world(template=None), DRIFTED, (RETRAIN, SUPPRESSED, "LoopOpen")),
        (
            states.world(rivals=(states.policy("older", created="2026-03-01T10:00:00Z"),)),
            DRIFTED,
            (RETRAIN, SUPPRESSED, "OwnedByOtherPolicy"),
        ),
        (
            states.world(rivals=(states.policy("younger", created="2026-03-01T11:30:00Z"),)),
            DRIFTED,
            (RETRAIN, DONE, "Retraining"),
        ),
        (
            states.world(rivals=(states.policy("younger", in_flight(), created="2026-03-01T11:30:00Z"),)),
            DRIFTED,
            (RETRAIN, SUPPRESSED, "OwnedByOtherPolicy"),
        ),
        (
            states.world(
                rivals=(
                    states.policy(
                        "older", states.said(("LoopClosed", "False", "LoopOpen")), created="2026-03-01T10:00:00Z"
                    ),
                )
            ),
            DRIFTED,
            (RETRAIN, DONE, "Retraining"),
        ),
        (states.world(), replace(DRIFTED, history=()), (RETRAIN, WAITING, "Watching")),
        (states.world(version=Unavailable("MLflow is down")), DRIFTED, (RETRAIN, WAITING, "RegistryUnavailable")),
        (
            states.world(served=replace(states.SERVED, tags={})),
            DRIFTED,
            (RETRAIN, WAITING, "WaitingForReference"),
        ),
        (
            states.world(),
            replace(
                DRIFTED,
                past_retrains=(
                    past(RetrainOutcome.REFUSED, timedelta(days=9), "b"),
                    past(RetrainOutcome.FAILED, timedelta(days=10), "a"),
                ),
            ),
            (RETRAIN, SUPPRESSED, "StoppedAfterFailures"),
        ),
        (
            states.world(),
            replace(
                DRIFTED,
                past_retrains=(
                    past(RetrainOutcome.CANCELLED, timedelta(days=9), "b"),
                    past(RetrainOutcome.FAILED, timedelta(days=10), "a"),
                ),
            ),
            (RETRAIN, DONE, "Retraining"),
        ),
        (
            states.world(),
            replace(DRIFTED, past_retrains=(past(RetrainOutcome.PROMOTED, timedelta(hours=5)),)),
            (RETRAIN, WAITING, "Cooldown"),
        ),
        (
            states.world(),
            replace(
                DRIFTED,
                past_retrains=(
                    past(RetrainOutcome.PROMOTED, timedelta(hours=7), "b"),
                    past(RetrainOutcome.PROMOTED, timedelta(hours=20), "a"),
                ),
            ),
            (RETRAIN, SUPPRESSED, "BudgetSpent"),
        ),
        (
            states.world(deployment=states.deployment(rollout={"id": "r", "state": "Stepping"})),
            DRIFTED,
            (RETRAIN, WAITING, "RolloutActive"),
        ),
    ],
)
def test_what_drift_leads_to_and_why_not(
    world: World, state: State, expected: tuple[Wanted, ActionOutcome, str]
) -> None:
    found = action(world, state)
    assert found == expected


def test_a_window_is_answered_once() -> None:
    world = states.world()
    assert world.served is not None
    three = drifted(BREACHED, BREACHED, BREACHED)
    claim = acted(world, world.served, three, NOW).retrain
    assert claim is not None and (claim.state, claim.window) == (RetrainState.CLAIMED, 1), "it began the drift"
    answered = replace(three, past_retrains=(past(RetrainOutcome.PROMOTED, timedelta(hours=9), claim.name),))
    again = acted(world, world.served, answered, NOW).retrain
    assert again is not None and again.window == 2, "the newest breach is another window"
    both = replace(
        answered,
        past_retrains=(*answered.past_retrains, past(RetrainOutcome.PROMOTED, timedelta(days=30), again.name)),
    )
    assert action(world, both) == (RETRAIN, DONE, "Breached")


def test_the_first_reason_in_the_order_of_the_checks_is_told() -> None:
    """All at once: what a person would ask first is what is told."""
    world = states.world(
        template=None,
        version=Unavailable("MLflow is down"),
        deployment=states.deployment(rollout={"id": "r", "state": "Stepping"}),
    )
    assert action(world, replace(DRIFTED, history=()))[2] == "LoopOpen"
    names = [check.__name__ for check in CHECKS]
    assert names.index("_loop_is_open") < names.index("_data_unknown") < names.index("_rollout_active")


@pytest.mark.parametrize(
    ("rival", "kept"),
    [
        (None, True),
        (
            states.policy(
                "older", {"retrains": {"inFlight": {"name": "o", "state": "Claimed"}}}, "2026-03-01T10:00:00Z"
            ),
            False,
        ),
        (
            states.policy(
                "younger", {"retrains": {"inFlight": {"name": "o", "state": "Claimed"}}}, "2026-03-01T11:30:00Z"
            ),
            True,
        ),
        (
            states.policy(
                "younger", {"retrains": {"inFlight": {"name": "o", "state": "Retraining"}}}, "2026-03-01T11:30:00Z"
            ),
            False,
        ),
    ],
    ids=["alone", "an older claim", "a younger claim", "already at it"],
)
def test_of_two_claims_of_one_moment_one_goes_first(rival: Any, kept: bool) -> None:
    world = states.world(rivals=(rival,) if rival is not None else ())
    assert world.served is not None
    state = State(retrain=CLAIM, retrains_begun=1)
    found = acted(world, world.served, state, NOW)
    assert (found.retrain is not None, found.retrains_begun) == (kept, 1 if kept else 0)


def test_the_moment_of_an_action_stays_while_nothing_changes() -> None:
    world = states.world(template=None)
    assert world.served is not None
    first = acted(world, world.served, DRIFTED, NOW)
    later = acted(world, world.served, first, NOW + timedelta(hours=1))
    assert first.action is not None and later.action is not None
    assert later.action.at == first.action.at
