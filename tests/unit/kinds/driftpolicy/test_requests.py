"""What a person may ask of a DriftPolicy, one row for each answer: what is done, what is refused and what is possible then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import drift_states as states
from tests.support.builders.drift_states import OPEN, THEN, drifted
from tests.support.worlds import drift

from bucle.contracts.names import ANNOTATION_ACTION, ANNOTATION_ASKED
from bucle.engine.reads import Unavailable
from bucle.kinds.driftpolicy.children import asked_name, retrain_children
from bucle.kinds.driftpolicy.requests import VERBS, heard
from bucle.kinds.driftpolicy.retrain_checks import acted
from bucle.kinds.driftpolicy.state import (
    PastRetrain,
    RetrainOutcome,
    RetrainState,
    State,
    Verdict,
    WantedRetrain,
)
from bucle.kinds.driftpolicy.world import World
from bucle.resources.dataset import Dataset
from bucle.resources.driftpolicy import DriftPolicy

NOW = THEN + timedelta(days=1)
DRIFTED = drifted(Verdict.BREACHED, Verdict.BREACHED)
APPROVAL = {**drift.policy_spec()["retrain"], "approval": "Required"}
WAITS = WantedRetrain("flights-drift-1", 1, THEN)
HELD = replace(DRIFTED, approval=WAITS)
ENDED = PastRetrain("flights-drift-0", RetrainOutcome.REFUSED, "NotBetter", NOW - timedelta(hours=1))


def asked(text: str, status: dict[str, Any] | None = None, **spec: Any) -> DriftPolicy:
    """A policy that asks a person first, with that annotation."""
    written = {**drift.policy_spec(), "retrain": APPROVAL, **spec}
    annotations = {ANNOTATION_ACTION: text}
    return states.of(DriftPolicy, drift.NAME, written, status, annotations=annotations)


def world(text: str, spec: dict[str, Any] | None = None, **more: Any) -> World:
    return states.world(policy=asked(text, **(spec or {})), **more)


def answer(found: State) -> tuple[str | None, str]:
    return found.person_actions[0].outcome, found.person_actions[0].message or ""


def test_an_approved_retrain_begins_under_the_name_that_was_approved() -> None:
    here = world("approve/flights-drift-1/a")
    found, _ = heard(here, here.served, HELD, NOW)
    assert answer(found)[0] == "Done" and found.approval is not None and found.approval.approved
    assert here.served is not None
    begun = acted(here, here.served, found, NOW)
    assert begun.retrain is not None and (begun.retrain.name, begun.retrain.window) == ("flights-drift-1", 1)
    assert begun.approval is None and begun.retrain.asked is None


def test_an_approved_retrain_still_waits_for_what_else_holds_it() -> None:
    here = world("approve/flights-drift-1/a", deployment=states.deployment(rollout={"id": "r", "state": "Stepping"}))
    found, _ = heard(here, here.served, HELD, NOW)
    assert here.served is not None
    waiting = acted(here, here.served, found, NOW)
    assert waiting.action is not None and waiting.action.reason == "RolloutActive"
    later = states.world(policy=here.policy)
    begun = acted(later, here.served, waiting, NOW)
    assert begun.retrain is not None and begun.retrain.name == "flights-drift-1"


def test_a_rejected_retrain_is_over_and_neither_begun_nor_failed() -> None:
    here = world("reject/flights-drift-1/a")
    found, _ = heard(here, here.served, HELD, NOW)
    assert answer(found)[0] == "Done" and "limits.cooldown (6h)" in answer(found)[1]
    (line,) = found.past_retrains
    assert (line.name, line.outcome, line.reason, line.window) == (
        "flights-drift-1",
        RetrainOutcome.REJECTED,
        "RetrainRejected",
        1,
    )
    assert found.approval is None and found.retrains_begun == 0


@pytest.mark.parametrize("verb", ["approve", "reject"])
@pytest.mark.parametrize(
    ("state", "subject", "words"),
    [
        (HELD, "flights-drift-9", "no retrain flights-drift-9 waits"),
        (DRIFTED, "flights-drift-1", "no retrain flights-drift-1 waits"),
        (replace(HELD, retrain=OPEN), OPEN.name, "has begun already"),
        (replace(HELD, past_retrains=(ENDED,)), ENDED.name, "has ended already: Refused"),
        (replace(drifted(Verdict.HEALTHY), approval=WAITS), "flights-drift-1", "no retrain flights-drift-1 waits"),
        (replace(HELD, muted=("performance",)), "flights-drift-1", "no retrain flights-drift-1 waits"),
    ],
    ids=["unknown", "none waits", "begun", "ended", "the drift is over", "muted meanwhile"],
)
def test_a_stale_or_unknown_retrain_is_refused(verb: str, state: State, subject: str, words: str) -> None:
    here = world(f"{verb}/{subject}/a")
    found, _ = heard(here, here.served, state, NOW)
    outcome, message = answer(found)
    assert outcome == "Refused" and words in message and "possible are now" in message
    assert (found.retrain, found.past_retrains) == (state.retrain, state.past_retrains), "nothing was done"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dance/flights-drift/1", "there is no verb dance"),
        ("approve", "is not <verb>/<subject>/<nonce>"),
        ("mute/nothing/1", "no signal nothing drifts"),
        ("retrain/another/1", "its subject is the policy, flights-drift"),
    ],
)
def test_whatever_is_refused_says_what_is_possible(text: str, words: str) -> None:
    here = world(text)
    found, _ = heard(here, here.served, HELD, NOW)
    outcome, message = answer(found)
    assert outcome == "Refused" and words in message
    for possible in ("approve/flights-drift-1", "reject/flights-drift-1", "retrain/flights-drift", "mute/performance"):
        assert possible in message


def test_what_is_said_to_be_possible_is_done() -> None:
    here = world("nonsense")
    told, _ = heard(here, here.served, HELD, NOW)
    offered = answer(told)[1].partition("possible are now ")[2].split(", ")
    assert {request.partition("/")[0] for request in offered} == set(VERBS)
    for request in offered:
        there = world(f"{request}/1")
        assert answer(heard(there, there.served, HELD, NOW)[0])[0] == "Done", request


def test_nothing_can_be_asked_of_a_policy_without_a_version() -> None:
    here = world("retrain/flights-drift/1", served=None)
    found, _ = heard(here, None, State(), NOW)
    assert answer(found)[0] == "Refused" and "serves no version yet" in answer(found)[1]


# --- a retrain by hand ---------------------------------------------------------------------------------------------

HAND = "retrain/flights-drift/1"
LIMITS = {"cooldown": "6h", "maxRetrains": 2, "per": "168h", "stopAfterFailed": 1}


def began(*hours: float) -> tuple[PastRetrain, ...]:
    return tuple(
        PastRetrain(f"r{hour}", RetrainOutcome.REFUSED, "NotBetter", NOW - timedelta(hours=hour)) for hour in hours
    )


@pytest.mark.parametrize(
    ("more", "state", "words"),
    [
        ({}, replace(State(), retrain=OPEN), "a retrain is open"),
        ({"template": None}, State(), "LoopOpen"),
        ({"deployment": states.deployment(rollout={"id": "r", "state": "Stepping"})}, State(), "RolloutActive"),
        ({}, State(past_retrains=began(1, 2)), "BudgetSpent: 2 retrains within 168h"),
        ({"spec": {"retrain": None, "actions": []}}, State(), "no `retrain`"),
    ],
    ids=["one is open", "the loop is open", "a rollout", "the budget", "no template"],
)
def test_what_holds_back_a_retrain_that_a_person_asks_for(more: dict[str, Any], state: State, words: str) -> None:
    here = world(HAND, **{"spec": {"limits": LIMITS}, **more})
    found, _ = heard(here, here.served, state, NOW)
    assert answer(found)[0] == "Refused" and words in answer(found)[1]
    assert found.retrain == state.retrain


@pytest.mark.parametrize(
    ("spec", "state"),
    [
        ({}, State()),
        ({"limits": LIMITS}, State(past_retrains=began(1))),
        ({"actions": [{"when": ["performance"], "do": "Alert"}]}, State()),
        ({}, HELD),
    ],
    ids=["without drift", "within the cooldown, after a failure", "of a policy that only alerts", "beside a held one"],
)
def test_a_person_starts_a_retrain(spec: dict[str, Any], state: State) -> None:
    here = world(HAND, spec=spec)
    found, _ = heard(here, here.served, state, NOW)
    assert answer(found)[0] == "Done"
    assert found.retrain is not None
    assert (found.retrain.state, found.retrain.window, found.retrain.asked) == (RetrainState.CLAIMED, None, HAND)
    assert found.retrains_begun == 1
    assert here.served is not None
    for child in retrain_children(here, here.served, found.retrain):
        assert child.manifest["metadata"]["annotations"] == {ANNOTATION_ASKED: HAND}
    assert acted(here, here.served, found, NOW).retrain == found.retrain


def test_a_retrain_by_hand_waits_for_a_registry_that_is_down() -> None:
    here = world(HAND, version=Unavailable("connection refused"))
    found, waits = heard(here, here.served, State(), NOW)
    assert found == State() and waits is not None
    assert waits.reason == "RegistryUnavailable" and "connection refused" in waits.message


def test_a_lost_status_does_not_start_it_again() -> None:
    """Whatever is served by then: the name is made of the request alone."""
    policy = asked(HAND)
    name = asked_name(policy, HAND)
    child = states.of(Dataset, name, drift.dataset_spec(), annotations={ANNOTATION_ASKED: HAND})
    there = replace(states.retrained(name, dataset={}), dataset=child)
    served = replace(states.SERVED, model=states.SERVED.model.model_copy(update={"digest": "sha256:m2"}))
    here = states.world(policy=policy, served=served, retrains=(there,))
    found, _ = heard(here, served, State(), NOW)
    assert answer(found) == ("Done", f"{HAND}: retrain {name} was begun by it before")
    assert found.retrain is None and found.retrains_begun == 0
    assert there.asked == HAND


# --- mute ------------------------------------------------------------------------------------------------------------


def test_a_muted_signal_starts_nothing_until_it_clears() -> None:
    here = world("mute/performance/1", spec={"retrain": drift.policy_spec()["retrain"]})
    assert here.served is not None
    found, _ = heard(here, here.served, DRIFTED, NOW)
    assert answer(found)[0] == "Done" and found.muted == ("performance",)
    muted = acted(here, here.served, found, NOW)
    assert muted.retrain is None and muted.action is not None
    assert (muted.action.wanted, muted.action.outcome, muted.action.reason) == ("Retrain", "Suppressed", "Muted")
    again, _ = heard(here, here.served, replace(muted, signals=drifted(Verdict.HEALTHY).signals), NOW)
    assert again.muted == (), "what cleared is not muted any more"
    drifting, _ = heard(here, here.served, replace(again, signals=DRIFTED.signals), NOW)
    assert acted(here, here.served, drifting, NOW).retrain is not None, "its next drift is acted on"
