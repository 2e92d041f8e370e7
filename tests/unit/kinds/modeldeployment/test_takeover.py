"""When a candidate becomes stable because nothing of the stable version answers, and what it does not become by that."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.support.builders import rollout_states as states
from tests.support.builders.rollout_states import NOW

from bucle.kinds.modeldeployment.identity import ModelFacts, Revision
from bucle.kinds.modeldeployment.state import (
    Outcome,
    Promoting,
    Promotion,
    Serving,
    Soaking,
    State,
    Stepping,
    Telling,
    Wait,
    WaitFor,
)
from bucle.kinds.modeldeployment.takeover import TAKE_OVER_AFTER, dead_for_good, judged, put_in_place, take_over

LONG_AGO, LATELY = NOW - TAKE_OVER_AFTER, NOW - TAKE_OVER_AFTER + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("unready_since", "paused", "dead"),
    [
        (LONG_AGO, False, True),
        (LATELY, False, False),
        (None, False, False),
        (LONG_AGO, True, False),
    ],
    ids=["for two minutes", "a pod may restart in that time", "it is ready", "a person holds the rollout"],
)
def test_a_stable_version_is_dead_for_good(unready_since: datetime | None, paused: bool, dead: bool) -> None:
    world = states.world(spec={"rollout": {"paused": paused}})
    state = states.state(states.PHASES["stepping"], stable=states.serving(1, unready_since))
    assert dead_for_good(world, state, NOW) is dead


def test_without_a_stable_version_there_is_none_to_take_over_from() -> None:
    state = states.state(states.PHASES["loading"], stable=None)
    assert not dead_for_good(states.world(), state, NOW)
    assert take_over(state, states.run(), NOW) == state


def test_who_takes_over_soaks_with_the_way_back_and_is_marked_as_unjudged() -> None:
    before = states.state(states.PHASES["stepping"], stable=states.serving(1, LONG_AGO))
    found = take_over(before, states.run(), NOW)
    assert found.stable is not None and found.stable.revision == states.revision(2)
    assert isinstance(found.rollout, Soaking) and found.rollout.previous == before.stable
    assert found.rollout.run.took_over_at == NOW and found.promotion is None


def test_who_is_put_in_place_ends_the_rollout_without_a_promotion() -> None:
    found = put_in_place(states.state(states.PHASES["stepping"]), NOW)
    assert found.rollout is None and found.promotion is None
    assert found.stable is not None and found.stable.revision == states.revision(2)
    assert [(line.outcome, line.reason) for line in found.history[:1]] == [(Outcome.TOOK_OVER, "TookOver")]


# --- what the routes say of it ----------------------------------------------------------------------------------

PROMOTED = Promotion(states.facts(1), NOW, None, "champion", None, Telling.DONE)
SERVED = states.state(promotion=PROMOTED)
STEPS = {"rollout": {"steps": [{"weight": {"percent": 90, "until": {"samples": 10, "maxDuration": "1h"}}}]}}


def stepping(step: int) -> State:
    weight = (90, 100)[step]
    return replace(SERVED, rollout=Stepping(states.run(), step, NOW, NOW, weight, weight, None, Wait(WaitFor.GATES)))


def soaking(before: State, number: int = 2) -> State:
    assert before.stable is not None
    rollout = Soaking(states.run(number), before.stable, NOW, Wait(WaitFor.SOAK))
    return replace(before, stable=states.serving(number), rollout=rollout)


TAKEN_OVER = take_over(stepping(0), states.run(), NOW)
PUT = put_in_place(stepping(0), NOW)
BARE = Serving(Revision("r", ModelFacts("s3://b/m", states.facts(1).digest), "image"), NOW, None)


@pytest.mark.parametrize(
    ("state", "passed"),
    [
        (SERVED, {1}),
        (replace(SERVED, rollout=states.PHASES["loading"]), {1}),
        (stepping(0), {1}),
        (stepping(1), {1, 2}),
        (replace(SERVED, rollout=states.PHASES["aborting"]), {1}),
        (soaking(SERVED), {1, 2}),
        (replace(SERVED, stable=states.serving(2), rollout=Promoting(states.run(), NOW, Wait(WaitFor.REGISTRY))), {2}),
        (TAKEN_OVER, {1}),
        (PUT, set()),
        (replace(PUT, rollout=replace(states.PHASES["loading"], run=states.run(3))), set()),
        (soaking(PUT, 3), {3}),
        (states.state(stable=None), set()),
    ],
    ids=[
        "promoted",
        "a candidate loads",
        "a candidate is on trial",
        "behind the last step",
        "condemned",
        "soaks after its steps",
        "only the registry is to be told",
        "took over",
        "took over and serves since",
        "another is tried against who took over",
        "another has passed after who took over",
        "nothing serves",
    ],
)
def test_who_was_judged(state: State, passed: set[int]) -> None:
    found = judged(state, states.deployment(**STEPS).spec)
    assert found == {states.revision(number).id for number in passed}


def test_a_model_of_no_registry_has_nowhere_to_be_promoted_to() -> None:
    assert judged(states.state(stable=BARE), states.deployment().spec) == {"r"}
