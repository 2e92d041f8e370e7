"""What holds a retrain back, one table row for each check, and in which order the reasons are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.support.builders import drift_states as states
from tests.support.builders.drift_states import OPEN, THEN, drifted
from tests.support.worlds import drift

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
from bucle.kinds.driftpolicy.window_verdicts import with_drift
from bucle.kinds.driftpolicy.world import World

BREACHED, HEALTHY = Verdict.BREACHED, Verdict.HEALTHY
NOW = THEN + timedelta(days=1)
DRIFTED = drifted(BREACHED, BREACHED)
CLAIM = OpenRetrain("flights-drift-x", RetrainState.CLAIMED, THEN)


def past(outcome: RetrainOutcome, at: timedelta, name: str = "flights-drift-a") -> PastRetrain:
    return PastRetrain(name, outcome, str(outcome), NOW - at)


def drifted_after(*retrains: PastRetrain) -> State:
    """It drifts, and these were begun before; the newest first."""
    return replace(DRIFTED, past_retrains=retrains)


def beside(age: str, **status: Any) -> World:
    """A world in which an older or a younger policy retrains by the same template."""
    created = {"older": "2026-03-01T10:00:00Z", "younger": "2026-03-01T11:30:00Z"}[age]
    return states.world(rivals=(states.policy(age, status or None, created=created),))


def at(state: str) -> dict[str, Any]:
    return {"inFlight": {"name": "theirs", "state": state}}


def decided(world: World, state: State, now: datetime = NOW) -> State:
    assert world.served is not None
    return acted(world, world.served, state, now)


def action(world: World, state: State) -> tuple[Wanted, ActionOutcome, str]:
    found = decided(world, state).action
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
        (states.world(), drifted(BREACHED, HEALTHY, HEALTHY, HEALTHY), (Wanted.NONE, DONE, "Healthy")),
        (states.world(policy=states.policy(actions=[])), DRIFTED, (Wanted.NONE, DONE, "Breached")),
        (
            states.world(policy=states.policy(actions=[{"when": ["performance"], "do": "Alert"}], retrain=None)),
            DRIFTED,
            (Wanted.ALERT, DONE, "Breached"),
        ),
        (states.world(), replace(DRIFTED, retrain=OPEN), (RETRAIN, DONE, "Retraining")),
        (states.world(template=None), DRIFTED, (RETRAIN, SUPPRESSED, "LoopOpen")),
        (beside("older"), DRIFTED, (RETRAIN, SUPPRESSED, "OwnedByOtherPolicy")),
        (beside("younger"), DRIFTED, (RETRAIN, DONE, "Retraining")),
        (beside("younger", retrains=at("Retraining")), DRIFTED, (RETRAIN, SUPPRESSED, "OwnedByOtherPolicy")),
        (
            beside("older", **states.said(("LoopClosed", "False", "LoopOpen"))),
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
            drifted_after(
                past(RetrainOutcome.REFUSED, timedelta(days=9), "b"),
                past(RetrainOutcome.FAILED, timedelta(days=10), "a"),
            ),
            (RETRAIN, SUPPRESSED, "StoppedAfterFailures"),
        ),
        (
            states.world(),
            drifted_after(
                past(RetrainOutcome.CANCELLED, timedelta(days=9), "b"),
                past(RetrainOutcome.FAILED, timedelta(days=10), "a"),
            ),
            (RETRAIN, DONE, "Retraining"),
        ),
        (
            states.world(),
            drifted_after(past(RetrainOutcome.PROMOTED, timedelta(hours=5))),
            (RETRAIN, WAITING, "Cooldown"),
        ),
        (
            states.world(),
            drifted_after(
                past(RetrainOutcome.PROMOTED, timedelta(hours=7), "b"),
                past(RetrainOutcome.PROMOTED, timedelta(hours=20), "a"),
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


# --- a person is asked -------------------------------------------------------------------------------------------

ASKS_FIRST = {**drift.policy_spec()["retrain"], "approval": "Required"}


def asking_first(**more: Any) -> World:
    return states.world(policy=states.policy(retrain=ASKS_FIRST), **more)


def test_a_retrain_that_needs_approval_is_held_under_the_name_it_would_have() -> None:
    claim = decided(states.world(), DRIFTED).retrain
    held = decided(asking_first(), DRIFTED)
    assert claim is not None and held.approval is not None and held.retrain is None and held.retrains_begun == 0
    assert (held.approval.name, held.approval.window) == (claim.name, claim.window)
    assert held.action is not None and held.action.reason == "ApprovalWanted"
    command = (
        f"kubectl annotate driftpolicy {drift.NAME} --namespace ml --overwrite bucle.dev/action=approve/{claim.name}/"
    )
    assert command in held.action.message and f"reject/{claim.name}/" in held.action.message


def test_a_held_retrain_keeps_its_name_while_the_drift_stands() -> None:
    """Also when the window that began it is forgotten: or nobody could approve what changes with each window."""
    held = decided(asking_first(), DRIFTED)
    longer = drifted(BREACHED, BREACHED, BREACHED, BREACHED)
    later = decided(
        asking_first(), replace(longer, history=longer.history[:1], approval=held.approval), NOW + timedelta(hours=9)
    )
    assert later.approval == held.approval and later.approval is not None


@pytest.mark.parametrize(
    "over",
    [drifted(HEALTHY, HEALTHY, HEALTHY), replace(DRIFTED, muted=("performance",))],
    ids=["the drift is over", "a person muted it"],
)
def test_nothing_waits_for_a_person_when_nothing_asks_for_it(over: State) -> None:
    held = decided(asking_first(), DRIFTED)
    assert decided(asking_first(), replace(over, approval=held.approval)).approval is None


def test_whoever_needs_no_approval_any_more_begins_what_was_held() -> None:
    held = decided(asking_first(), DRIFTED)
    begun = decided(states.world(), held)
    assert held.approval is not None and begun.retrain is not None
    assert (begun.retrain.name, begun.approval) == (held.approval.name, None)


def test_a_person_is_asked_last() -> None:
    """What is approved begins at once, so nobody is asked for what something else holds back."""
    assert CHECKS[-1].__name__ == "_approval_wanted"
    held = decided(asking_first(deployment=states.deployment(rollout={"id": "r", "state": "Stepping"})), DRIFTED)
    assert held.approval is None and held.action is not None and held.action.reason == "RolloutActive"


def test_a_rejected_retrain_cools_down_and_is_neither_failed_nor_paid_for() -> None:
    rejected = [past(RetrainOutcome.REJECTED, timedelta(hours=hours), f"r{hours}") for hours in (5, 20, 21)]
    assert action(states.world(), drifted_after(rejected[0])) == (RETRAIN, WAITING, "Cooldown")
    assert action(states.world(), drifted_after(*rejected[1:])) == (RETRAIN, DONE, "Retraining")


# --- several signals ---------------------------------------------------------------------------------------------

ANY: dict[str, Any] = {"when": ["performance", "accuracy"], "do": "Retrain"}
ALL = {**ANY, "match": "All"}
WATCH = {"when": ["accuracy"], "do": "Alert"}
SECOND = {"name": "accuracy", "performance": {"metric": "accuracy", "minimum": "0.8"}}


def both(first: tuple[Verdict, ...], second: tuple[Verdict, ...]) -> State:
    """Two signals after as many windows, which end an hour after each other."""
    history = tuple(
        states.window(index, performance, accuracy=accuracy)
        for index, (performance, accuracy) in reversed(tuple(enumerate(zip(first, second, strict=True))))
    )
    signals = (states.signal_state("performance", *first), states.signal_state("accuracy", *second))
    policy = states.policy(signals=[*drift.policy_spec()["signals"], SECOND])
    return with_drift(policy, states.SERVED, State(signals=signals, history=history))


@pytest.mark.parametrize(
    ("actions", "first", "second", "wanted", "asking", "window"),
    [
        ([ANY], (HEALTHY, BREACHED), (HEALTHY, HEALTHY), RETRAIN, ("performance",), 1),
        ([ANY], (HEALTHY, HEALTHY), (HEALTHY, BREACHED), RETRAIN, ("accuracy",), 1),
        ([ANY], (HEALTHY, HEALTHY, BREACHED), (HEALTHY, BREACHED, BREACHED), RETRAIN, ("performance", "accuracy"), 1),
        ([ALL], (BREACHED, BREACHED), (HEALTHY, HEALTHY), Wanted.NONE, (), None),
        ([ALL], (HEALTHY, HEALTHY, BREACHED), (HEALTHY, BREACHED, HEALTHY), RETRAIN, ("performance", "accuracy"), 1),
        ([ALL, WATCH], (HEALTHY, HEALTHY), (BREACHED, BREACHED), Wanted.ALERT, ("accuracy",), None),
        ([ANY, WATCH], (HEALTHY, HEALTHY), (HEALTHY, BREACHED), RETRAIN, ("accuracy",), 1),
    ],
    ids=["any: one", "any: the other", "any: both", "all: one", "all: both", "an alert beside", "retrain before alert"],
)
def test_which_signals_start_what(
    actions: list[dict[str, Any]],
    first: tuple[Verdict, ...],
    second: tuple[Verdict, ...],
    wanted: Wanted,
    asking: tuple[str, ...],
    window: int | None,
) -> None:
    policy = states.policy(signals=[*drift.policy_spec()["signals"], SECOND], actions=actions)
    found = acted(states.world(policy=policy), states.SERVED, both(first, second), NOW)
    assert found.action is not None
    assert (found.action.wanted, found.action.signals) == (wanted, asking)
    assert (found.retrain.window if found.retrain else None) == window, "of several the drift that began first"


def test_a_window_is_answered_once() -> None:
    world, three = states.world(), drifted(HEALTHY, BREACHED, BREACHED)
    claim = decided(world, three).retrain
    assert claim is not None and (claim.state, claim.window) == (RetrainState.CLAIMED, 1), "it began the drift"
    answered = replace(three, past_retrains=(past(RetrainOutcome.PROMOTED, timedelta(hours=9), claim.name),))
    again = decided(world, answered).retrain
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
    ("world", "kept"),
    [
        (states.world(), True),
        (beside("older", retrains=at("Claimed")), False),
        (beside("younger", retrains=at("Claimed")), True),
        (beside("younger", retrains=at("Retraining")), False),
    ],
    ids=["alone", "an older claim", "a younger claim", "already at it"],
)
def test_of_two_claims_of_one_moment_one_goes_first(world: World, kept: bool) -> None:
    found = decided(world, State(retrain=CLAIM, retrains_begun=1))
    assert (found.retrain is not None, found.retrains_begun) == (kept, 1 if kept else 0)


def test_the_moment_of_an_action_stays_while_nothing_changes() -> None:
    world = states.world(template=None)
    first = decided(world, DRIFTED)
    later = decided(world, first, NOW + timedelta(hours=1))
    assert first.action is not None and later.action is not None
    assert later.action.at == first.action.at
