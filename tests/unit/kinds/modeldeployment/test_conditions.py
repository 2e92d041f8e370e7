"""What is said of callers: Available, StableAnswers and Ready speak of what the stable address reaches."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.builders import rollout_states as states
from tests.support.builders.rollout_states import fleet, known

from bucle.contracts.result import Failure
from bucle.engine.reads import Unavailable
from bucle.engine.status import ConditionUpdate
from bucle.kinds.modeldeployment.conditions import conditions
from bucle.kinds.modeldeployment.state import State, Telling
from bucle.kinds.modeldeployment.traffic.router import LiveRoutes, RouterWorld
from bucle.kinds.modeldeployment.world import World

OLD, NEW = states.revision(1).id, states.revision(2).id
QUOTA = Failure(reason="PodsRefused", message="exceeded quota: team")


def world(weights: dict[str, int], ready: dict[str, int], routers: int = 2, **more: Any) -> World:
    live = LiveRoutes("v1", weights, {}, {}, 0, OLD, frozenset({OLD}))
    fleets = {revision: fleet(count, QUOTA if count < 2 else None) for revision, count in ready.items()}
    router = RouterWorld(live, Unavailable("not asked"), routers, 2, None)
    return states.world(fleets=fleets, router=router, wanted=known(1), **more)


def said(world: World, state: State) -> dict[str, ConditionUpdate]:
    return {update.type: update for update in conditions(world, state)}


@pytest.mark.parametrize(
    ("weights", "ready", "routers", "truth", "reason"),
    [
        ({OLD: 100}, {OLD: 2}, 2, "True", "Serving"),
        ({OLD: 100}, {OLD: 1}, 2, "True", "Serving"),
        ({OLD: 100}, {OLD: 0}, 2, "False", "NothingServes"),
        ({OLD: 100}, {OLD: 0, NEW: 2}, 2, "False", "NothingServes"),
        ({OLD: 90, NEW: 10}, {OLD: 0, NEW: 2}, 2, "False", "PartlyServing"),
        ({OLD: 0, NEW: 100}, {OLD: 0, NEW: 2}, 2, "True", "Serving"),
        ({OLD: 100}, {OLD: 2}, 0, "False", "RouterNotReady"),
        ({}, {OLD: 2}, 2, "False", "RouteNotProgrammed"),
    ],
)
def test_available_is_what_callers_reach(
    weights: dict[str, int], ready: dict[str, int], routers: int, truth: str, reason: str
) -> None:
    found = said(world(weights, ready, routers), states.state())["Available"]
    assert (found.status, found.reason) == (truth, reason)


def test_a_version_short_of_pods_serves_and_says_who_refuses_the_rest() -> None:
    found = said(world({OLD: 100}, {OLD: 1}), states.state())
    assert (found["Ready"].status, found["Ready"].reason, found["Reconciling"].status) == (
        "True",
        "PodsRefused",
        "True",
    )
    assert "1 of 2 pods" in found["Ready"].message and QUOTA.message in found["Ready"].message


def test_a_version_that_serves_alone_is_simply_ready() -> None:
    found = said(world({OLD: 100}, {OLD: 2}), states.state())
    assert (found["Ready"].status, found["Ready"].reason) == ("True", "Serving")
    assert found["StableAnswers"].status == "True" and found["AliasInPlace"].status == "True"


@pytest.mark.parametrize(
    ("telling", "truth", "reason", "words"),
    [
        (Telling.DONE, "True", "AliasMoved", ""),
        (Telling.WANTED, "False", "RegistryUnavailable", "connection refused"),
        (Telling.LOST, "False", "ModelNotRegistered", states.facts(2).digest),
        (Telling.OVERTAKEN, "False", "AliasMovedByOther", "is left there"),
    ],
)
def test_what_the_registry_does_not_show_is_told(telling: Telling, truth: str, reason: str, words: str) -> None:
    silent = world({OLD: 100}, {OLD: 2}, promoted=Unavailable("connection refused"))
    found = said(silent, states.state(promotion=states.promotion(telling)))["AliasInPlace"]
    assert (found.status, found.reason) == (truth, reason) and words in found.message


@pytest.mark.parametrize(
    ("alias", "truth", "reason"), [("champion", "False", "AliasMissing"), (None, "True", "NoPromotion")]
)
def test_no_alias_is_missed_where_none_is_to_be_moved(alias: str | None, truth: str, reason: str) -> None:
    found = said(states.world(), states.state(promotion=states.promotion(Telling.WANTED, alias)))["AliasInPlace"]
    assert (found.status, found.reason) == (truth, reason)
    assert "None" not in found.message


def test_every_phase_says_what_it_waits_for() -> None:
    for name, rollout in states.PHASES.items():
        found = said(world({OLD: 100}, {OLD: 2, NEW: 2}), states.state(rollout))
        assert found["Ready"].message, name
        assert found["Reconciling"].status == "True", name
