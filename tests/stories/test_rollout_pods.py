"""Pods that are refused, cannot start, are scaled by others or evicted: told in the other side's words, never charged to a version."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.support.fakes import drivers
from tests.support.tiers import first_fast
from tests.support.worlds.rollout import NAME, Model
from tests.support.worlds.serving import (
    HOURS,
    MINUTES,
    at_half,
    message,
    reason,
    serving_one,
    stable,
    stable_fleet,
    statuses,
    truth,
    world_of,
)

from bucle.contracts import names
from bucle.contracts.result import Failure
from bucle.engine.kube import Forbidden
from bucle.engine.objects import DEPLOYMENT, POD, POD_DISRUPTION_BUDGET, JsonObject

WEBHOOK = 'admission webhook "policy.example.com" denied the request: no privileged namespaces'


QUOTA = 'pods "flights-r" is forbidden: exceeded quota: team, requested: cpu=1, used: cpu=4, limited: cpu=4'


@pytest.mark.parametrize("words", first_fast([WEBHOOK, QUOTA]))
async def test_pods_that_are_refused_are_told_at_once_and_condemn_no_version(words: str) -> None:
    world = world_of()
    one = await serving_one(world)
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    world.refused_pods = words
    await world.sim.until(lambda: "candidate" in world.status, MINUTES)
    await world.sim.pass_time(timedelta(minutes=1))
    assert reason(world) == "PodsRefused" and words in message(world) and truth(world, "Ready") == "True"
    await world.sim.pass_time(timedelta(hours=2))
    assert "rejected" not in world.status and world.status["stable"]["model"]["version"] == one
    world.refused_pods = None
    await world.sim.until(world.serves(two), HOURS)


@pytest.mark.thorough
async def test_a_refused_deployment_stops_the_clock_of_the_model() -> None:
    world = world_of()
    one = await serving_one(world)
    second = world.register(Model(loss=-0.07))
    world.point("challenger", second)
    world.sim.kube.fail("create", Forbidden(WEBHOOK), resource=DEPLOYMENT, times=1_000_000)
    await world.sim.pass_time(timedelta(minutes=1))
    assert "policy.example.com" in message(world) and truth(world, "Ready") == "True"
    await world.sim.pass_time(timedelta(hours=1))
    assert "rejected" not in world.status and world.status["stable"]["model"]["version"] == one
    world.sim.kube.mend()
    await world.sim.until(world.serves(second), HOURS)


async def test_fewer_pods_than_wanted_are_told_in_the_api_servers_words_while_the_version_serves() -> None:
    world = world_of()
    await serving_one(world)
    limit = 'pods "flights-r1" is forbidden: maximum cpu usage per Container is 1, but limit is 2'
    stable_fleet(world, stable(world), ready=1)
    world.refused_pods = limit
    await world.sim.pass_time(timedelta(minutes=1))
    assert (truth(world, "Ready"), truth(world, "Reconciling")) == ("True", "True")
    assert limit in message(world) and "1 of 2 pods" in message(world)


async def test_an_image_that_cannot_be_pulled_writes_the_status_once() -> None:
    """A kubelet says ErrImagePull and ImagePullBackOff in turn, in other words each time."""
    world = world_of()
    await serving_one(world)
    world.point("challenger", world.register(Model(load_seconds=0, failure=Failure(reason="unused", message=""))))
    await world.sim.until(lambda: bool(world.sim.kube.all(POD)), HOURS)
    written = statuses(world)
    for turn in range(60):
        for pod in world.sim.kube.all(POD):
            waiting = {"reason": ("ErrImagePull", "ImagePullBackOff")[turn % 2], "message": f"words of turn {turn}"}
            state = {"phase": "Pending", "containerStatuses": [{"state": {"waiting": waiting}, "image": "x"}]}
            drivers.set_pod_status(world.sim.kube, pod, state)
        await world.sim.pass_time(timedelta(seconds=20))
    assert reason(world) == "ImagePullFailed" and len(written) <= 3


async def test_a_node_that_refuses_a_pod_is_told_and_condemns_no_version() -> None:
    world = world_of()
    one = await serving_one(world)
    world.point("challenger", world.register(Model(load_seconds=0, failure=Failure(reason="unused", message=""))))
    await world.sim.until(lambda: bool(world.sim.kube.all(POD)), HOURS)
    for pod in world.sim.kube.all(POD):
        words = {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "no device plugin"}
        drivers.set_pod_status(world.sim.kube, pod, words)
    await world.sim.pass_time(timedelta(minutes=1))
    assert reason(world) == "Disrupted" and "UnexpectedAdmissionError" in message(world)
    await world.sim.pass_time(timedelta(hours=1))
    assert "rejected" not in world.status and world.status["stable"]["model"]["version"] == one


async def test_every_fleet_and_the_router_have_a_budget_that_goes_with_them() -> None:
    world = world_of()
    one, first, second = await at_half(world)
    names_of = {b["metadata"]["name"] for b in world.sim.kube.all(POD_DISRUPTION_BUDGET)}
    assert names_of == {names.router_name(NAME), names.revision_name(NAME, first), names.revision_name(NAME, second)}
    world.point("challenger", one)
    await world.sim.until(world.serves(one), HOURS)
    await world.sim.pass_time(timedelta(minutes=1))
    left = {b["metadata"]["name"] for b in world.sim.kube.all(POD_DISRUPTION_BUDGET)}
    assert left == {names.router_name(NAME), names.revision_name(NAME, first)}


def scaled_by_an_autoscaler(live: JsonObject) -> None:
    fields: JsonObject = {"f:spec": {"f:replicas": {}}}
    entry = {"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale", "fieldsV1": fields}
    live["metadata"]["managedFields"] = [*(live["metadata"].get("managedFields") or ()), entry]
    live["spec"]["replicas"] = 3


async def test_an_autoscaler_on_the_pods_of_a_version_is_left_alone_and_told() -> None:
    world = world_of()
    await serving_one(world)
    name = names.revision_name(NAME, stable(world))
    world.sim.edit(DEPLOYMENT, name, scaled_by_an_autoscaler)
    await world.sim.pass_time(timedelta(minutes=1))
    before = len([w for w in world.sim.kube.writes if w.verb == "apply"])
    await world.sim.pass_time(timedelta(minutes=10))
    assert world.sim.get(DEPLOYMENT, name)["spec"]["replicas"] == 3
    assert len([w for w in world.sim.kube.writes if w.verb == "apply"]) == before
    assert truth(world, "Ready") == "True" and "scaled by somebody else" in message(world)


async def test_an_edit_of_the_replicas_is_obeyed_although_an_autoscaler_had_set_another_number() -> None:
    world = world_of()
    await serving_one(world)
    name = names.revision_name(NAME, stable(world))
    world.sim.edit(DEPLOYMENT, name, scaled_by_an_autoscaler)
    await world.sim.pass_time(timedelta(minutes=1))
    world.edit_spec(lambda spec: spec["serving"].update(replicas=4))
    await world.sim.pass_time(timedelta(minutes=1))
    assert world.sim.get(DEPLOYMENT, name)["spec"]["replicas"] == 4
