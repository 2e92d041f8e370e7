"""A router brings all that it needs in the cluster: another one would replace these objects and no other code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.builders import rollout_states as states
from tests.support.worlds.simulation import PLATFORM

from bucle.kinds.modeldeployment.traffic.choice import router_for
from bucle.kinds.modeldeployment.traffic.envoy import STATE_KEY, live_routes
from bucle.kinds.modeldeployment.traffic.routing import Routes


def test_the_address_of_callers_and_the_budget_come_from_the_router() -> None:
    deployment, stable = states.deployment(), states.revision(1)
    made = router_for(deployment).children(
        deployment, PLATFORM, Routes(main=stable.id), {stable.id: stable}, frozenset()
    )
    found = [(child.manifest["kind"], child.manifest["metadata"]["name"]) for child in made]
    assert found == [
        ("ConfigMap", "flights-router"),
        ("Deployment", "flights-router"),
        ("Service", "flights"),
        ("PodDisruptionBudget", "flights-router"),
    ]


def test_the_address_of_callers_selects_the_routers_pods() -> None:
    deployment, stable = states.deployment(), states.revision(1)
    _, pods, service, budget = router_for(deployment).children(
        deployment, PLATFORM, Routes(main=stable.id), {stable.id: stable}, frozenset()
    )
    labels = pods.manifest["spec"]["template"]["metadata"]["labels"]
    for selector in (service.manifest["spec"]["selector"], budget.manifest["spec"]["selector"]["matchLabels"]):
        assert selector.items() <= labels.items()


def config_map(passed: frozenset[str], **written: Any) -> dict[str, Any]:
    """Routes of a candidate's step at half and half, with what was `written` of the candidate in another way."""
    stable, candidate = states.revision(1), states.revision(2)
    routes = Routes(main=stable.id, other=candidate.id, other_weight=50)
    made = router_for(states.deployment()).children(
        states.deployment(), PLATFORM, routes, {stable.id: stable, candidate.id: candidate}, passed
    )
    data = dict((made[0].adjust or {})["data"])
    told = json.loads(data[STATE_KEY])
    told["revisions"][candidate.id].update(written)
    return {"data": {**data, STATE_KEY: json.dumps(told)}}


@pytest.mark.parametrize("numbers", [(), (1,), (2,), (1, 2)])
def test_the_routes_give_back_who_was_judged_and_what_each_revision_is(numbers: tuple[int, ...]) -> None:
    judged = frozenset(states.revision(number).id for number in numbers)
    found = live_routes(config_map(judged))
    assert found is not None and found.judged == judged
    assert found.facts == {states.revision(number).id: states.facts(number) for number in (1, 2)}


@pytest.mark.parametrize("written", ["yes", 1, None, {}])
def test_what_a_hand_wrote_into_the_routes_promotes_nobody(written: Any) -> None:
    found = live_routes(config_map(frozenset(), judged=written))
    assert found is not None and not found.judged


def test_of_routes_of_a_release_that_told_nothing_of_it_the_main_version_counts_as_judged() -> None:
    obj = config_map(frozenset())
    told = json.loads(obj["data"][STATE_KEY])
    for item in told["revisions"].values():
        del item["judged"]
    found = live_routes({"data": {STATE_KEY: json.dumps(told)}})
    assert found is not None and found.judged == {states.revision(1).id}


def test_routers_load_nothing_anew_when_a_version_is_judged() -> None:
    before, after = config_map(frozenset())["data"], config_map(frozenset({states.revision(2).id}))["data"]
    assert {key for key in before if before[key] != after[key]} == {STATE_KEY}
