"""What should be served, as tables: which model is chosen, when a rollout begins, and what a new wish does to a running one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import rollout_states as states
from tests.support.builders.rollout_states import NOW, fleet, known

from bucle.engine.reads import Absent, Observation, Unavailable
from bucle.kinds.modeldeployment.fleets import Fleet
from bucle.kinds.modeldeployment.identity import ModelFacts
from bucle.kinds.modeldeployment.selection import (
    Waiting,
    adopted,
    interrupt_if_superseded,
    start_wanted_rollout,
    target,
)
from bucle.kinds.modeldeployment.state import (
    EMPTY,
    Aborting,
    Loading,
    Outcome,
    Promoting,
    Soaking,
    State,
    Wait,
    WaitFor,
)
from bucle.kinds.modeldeployment.traffic.router import LiveRoutes, RouterWorld
from bucle.kinds.modeldeployment.world import Followed

DOWN = Unavailable("MLflow did not answer")
NO_DIGEST = replace(known(2), value=Followed(ModelFacts("s3://b/m", "", "ml.flights", 2)))
SOAKING = Soaking(states.run(), states.serving(1), NOW, Wait(WaitFor.SOAK))
PROMOTING = Promoting(states.run(), NOW, Wait(WaitFor.REGISTRY))


def running(**more: Any) -> Loading:
    """A rollout of model 2 under the plan of the deployment that the builder makes."""
    plan = states.world().plan_hash
    return Loading(replace(states.run(2), plan_hash=plan, **more), states.AGO, None, Wait(WaitFor.LOAD))


@pytest.mark.parametrize(
    ("state", "wanted", "promoted", "chosen"),
    [
        (EMPTY, known(2), known(1), 1),
        (EMPTY, known(2), Absent(NOW), 2),
        (EMPTY, known(2), DOWN, "RegistryUnavailable"),
        (EMPTY, Absent(NOW), Absent(NOW), "WaitingForModel"),
        (states.state(), known(2), known(1), 2),
        (states.state(), known(2), DOWN, 2),
        (states.state(), DOWN, known(1), "RegistryUnavailable"),
        (states.state(), Absent(NOW), known(1), "WaitingForModel"),
        (states.state(), NO_DIGEST, known(1), "WaitingForModel"),
    ],
)
def test_which_model_should_be_served(
    state: State, wanted: Observation[Followed], promoted: Observation[Followed], chosen: int | str
) -> None:
    found = target(states.world(wanted=wanted, promoted=promoted), state)
    if isinstance(chosen, str):
        assert isinstance(found, Waiting) and found.reason == chosen
    else:
        assert isinstance(found, Followed) and found.model == states.facts(chosen)


@pytest.mark.parametrize(
    ("state", "wanted", "spec", "begins"),
    [
        (EMPTY, known(2), {}, True),
        (EMPTY, known(2), {"rollout": {"paused": True}}, True),
        (states.state(), known(2), {}, True),
        (states.state(), known(1), {}, False),
        (states.state(), known(2), {"rollout": {"paused": True}}, False),
        (states.state(), DOWN, {}, False),
        (states.state(), Absent(NOW), {}, False),
        (states.state(running()), known(2), {}, False),
    ],
)
def test_when_a_rollout_begins(state: State, wanted: Observation[Followed], spec: dict[str, Any], begins: bool) -> None:
    world = states.world(wanted=wanted, promoted=Absent(NOW), spec=spec)
    found = start_wanted_rollout(world, state, NOW)
    assert (found != state) == begins
    if begins:
        assert isinstance(found.rollout, Loading) and found.rollout.run.candidate.model == states.facts(2)
        assert (found.rollout.run.stable is None) == (state.stable is None)


LEFT, AGAIN = "the candidate goes", "from weight 0"


@pytest.mark.parametrize(
    ("wanted", "spec", "expected", "reason"),
    [
        (known(2), {}, None, None),
        (DOWN, {}, None, None),
        (known(1), {}, LEFT, "Cancelled"),
        (known(3), {}, None, None),
        (known(3), {"rollout": {"supersede": "Replace"}}, LEFT, "Replaced"),
        (known(2), {"rollout": {"attempt": 1}}, AGAIN, "PlanChanged"),
        (known(2), {"rollout": {"steps": []}}, AGAIN, "PlanChanged"),
        (DOWN, {"rollout": {"attempt": 1}}, LEFT, "PlanChanged"),
    ],
)
def test_what_a_new_wish_does_to_a_rollout_that_loads(
    wanted: Observation[Followed], spec: dict[str, Any], expected: str | None, reason: str | None
) -> None:
    steps = {
        "steps": [{"weight": {"percent": 10, "until": {"samples": 10, "maxDuration": "1h"}}}],
        "supersede": "Queue",
    }
    before = states.world(spec={"rollout": steps})
    rollout = running()
    rollout = replace(rollout, run=replace(rollout.run, plan_hash=before.plan_hash, started_at=NOW))
    ready = {states.revision(number).id: fleet(2) for number in (1, 2)}
    world = states.world(wanted=wanted, fleets=ready, spec={"rollout": {**steps, **spec.get("rollout", {})}})
    found = interrupt_if_superseded(world, states.state(rollout), NOW)
    if expected is None:
        assert found.rollout == rollout
    elif expected == AGAIN:
        assert isinstance(found.rollout, Loading) and found.rollout.run.id != rollout.run.id
        assert found.history[0].outcome == Outcome.SUPERSEDED and found.history[0].reason == reason
    else:
        assert isinstance(found.rollout, Aborting) and found.rollout.why.reason == reason


def test_another_model_under_the_number_that_serves_is_rolled_out() -> None:
    """A registry that was restored from a backup gives a number away twice."""
    found = start_wanted_rollout(states.world(wanted=known(9, version=1), promoted=Absent(NOW)), states.state(), NOW)
    assert isinstance(found.rollout, Loading) and found.rollout.run.candidate.model == states.facts(9, version=1)


def test_another_model_under_the_number_of_the_candidate_replaces_it() -> None:
    ready = {states.revision(number).id: fleet(2) for number in (1, 2)}
    world = states.world(wanted=known(9, version=2), fleets=ready, spec={"rollout": {"supersede": "Replace"}})
    found = interrupt_if_superseded(world, states.state(running()), NOW)
    assert isinstance(found.rollout, Aborting) and found.rollout.why.reason == "Replaced"


def test_a_candidate_that_alone_can_answer_is_put_in_place_when_another_is_wanted() -> None:
    world = states.world(
        wanted=known(3), fleets={states.revision(2).id: fleet(2)}, spec={"rollout": {"supersede": "Replace"}}
    )
    found = interrupt_if_superseded(world, states.state(running()), NOW)
    assert found.rollout is None and found.stable is not None
    assert found.stable.revision == states.revision(2) and found.history[0].outcome == Outcome.TOOK_OVER


def test_a_rollout_that_only_tells_the_registry_keeps_nobody_waiting() -> None:
    state = states.flipped(PROMOTING)
    assert interrupt_if_superseded(states.world(wanted=known(2)), state, NOW) == state
    assert interrupt_if_superseded(states.world(wanted=known(3)), state, NOW).rollout is None


def test_in_a_soak_the_version_before_is_wanted_again() -> None:
    found = interrupt_if_superseded(states.world(wanted=known(1)), states.flipped(SOAKING), NOW)
    assert isinstance(found.rollout, Aborting) and found.rollout.why.reason == "Cancelled"
    assert found.stable is not None and found.stable.revision == states.revision(1)


def live(weights: dict[int, int], main: int, *judged: int) -> RouterWorld:
    by_id = {states.revision(number).id: number for number in weights}
    routes = LiveRoutes(
        version="v",
        weights={revision: weights[number] for revision, number in by_id.items()},
        facts={revision: states.facts(number) for revision, number in by_id.items()},
        images=dict.fromkeys(by_id, "image"),
        mirror=0,
        main=states.revision(main).id,
        judged=frozenset(states.revision(number).id for number in judged),
    )
    return RouterWorld(routes, Unavailable("not asked"), 2, 2, None)


@pytest.mark.parametrize(
    ("weights", "main", "pods", "stable"),
    [
        ({1: 100}, 1, (1,), 1),
        ({1: 90, 2: 10}, 1, (1, 2), 1),
        ({1: 10, 2: 90}, 1, (1, 2), 1),
        ({1: 10, 2: 90}, 1, (2,), 2),
        ({1: 50, 2: 50}, 1, (1, 2), 1),
        ({1: 50, 2: 50}, 2, (1, 2), 2),
        ({1: 0, 2: 100}, 1, (1, 2), 2),
        ({1: 100, 2: 0}, 1, (2,), None),
        ({1: 100}, 1, (), None),
    ],
)
def test_a_lost_status_is_rebuilt_from_the_live_routes(
    weights: dict[int, int], main: int, pods: tuple[int, ...], stable: int | None
) -> None:
    fleets = {states.revision(number).id: fleet(2) for number in pods}
    found = adopted(states.world(router=live(weights, main, 1, 2), fleets=fleets), EMPTY, NOW)
    assert (found.stable.revision if found.stable else None) == (states.revision(stable) if stable else None)
    assert isinstance(found.rollout, Promoting) == (stable is not None)


def test_what_is_known_is_not_rebuilt() -> None:
    state = states.state()
    assert (
        adopted(states.world(router=live({2: 100}, 2, 2), fleets={states.revision(2).id: fleet(2)}), state, NOW)
        == state
    )


def test_an_older_version_that_still_answers_takes_no_alias_from_a_newer_champion() -> None:
    fleets = {states.revision(1).id: fleet(2)}
    found = adopted(states.world(router=live({1: 100}, 1, 1), fleets=fleets, promoted=known(5)), EMPTY, NOW)
    assert found.rollout is None and found.promotion is None


@pytest.mark.parametrize("champion", [known(1), DOWN, Absent(NOW)], ids=["known", "registry down", "no champion"])
@pytest.mark.parametrize("champions_pods", [fleet(0), fleet(2), None], ids=["dead", "back", "deleted"])
@pytest.mark.parametrize("main", [1, 2], ids=["answers for it", "took over"])
@pytest.mark.parametrize("passed", [True, False])
def test_who_answers_for_a_dead_champion_is_not_promoted_when_the_status_is_lost(
    champion: Observation[Followed], champions_pods: Fleet | None, main: int, passed: bool
) -> None:
    """Whether it was judged is what the routes say; neither pods nor the registry are asked."""
    fleets = {states.revision(2).id: fleet(2)}
    if champions_pods is not None:
        fleets[states.revision(1).id] = champions_pods
    routes = live({1: 0, 2: 100}, main, 1, *((2,) if passed else ()))
    found = adopted(states.world(router=routes, fleets=fleets, promoted=champion), EMPTY, NOW)
    assert found.stable is not None and found.stable.revision == states.revision(2)
    assert isinstance(found.rollout, Promoting) == (found.promotion is not None) == passed


def test_a_version_that_did_not_load_in_time_keeps_nobody_waiting() -> None:
    rollout = running(started_at=NOW - timedelta(hours=1))
    fleets = {states.revision(1).id: fleet(2)}
    found = interrupt_if_superseded(states.world(wanted=known(3), fleets=fleets), states.state(rollout), NOW)
    assert isinstance(found.rollout, Aborting) and found.rollout.why.reason == "Replaced"
