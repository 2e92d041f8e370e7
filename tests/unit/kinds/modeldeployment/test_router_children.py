"""A router brings all that it needs in the cluster: another one would replace these objects and no other code."""

from __future__ import annotations

from tests.support.builders import rollout_states as states
from tests.support.worlds.simulation import PLATFORM

from bucle.kinds.modeldeployment.traffic.choice import router_for
from bucle.kinds.modeldeployment.traffic.routing import Routes


def test_the_address_of_callers_and_the_budget_come_from_the_router() -> None:
    deployment, stable = states.deployment(), states.revision(1)
    made = router_for(deployment).children(deployment, PLATFORM, Routes(main=stable.id), {stable.id: stable})
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
        deployment, PLATFORM, Routes(main=stable.id), {stable.id: stable}
    )
    labels = pods.manifest["spec"]["template"]["metadata"]["labels"]
    for selector in (service.manifest["spec"]["selector"], budget.manifest["spec"]["selector"]["matchLabels"]):
        assert selector.items() <= labels.items()
