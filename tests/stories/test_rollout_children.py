"""What a ModelDeployment makes: edited by hand it is set back and told, and what cannot be made takes nothing from what serves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.support.worlds.rollout import Model
from tests.support.worlds.serving import (
    HOURS,
    MINUTES,
    message,
    reason,
    serving_one,
    share_of,
    stable,
    truth,
    world_of,
)

from bucle.contracts import names
from bucle.engine.objects import DEPLOYMENT, POD_DISRUPTION_BUDGET, SERVICE, JsonObject
from bucle.resources.addresses import Resource

Edit = Callable[[JsonObject], object]


def ours(live: JsonObject) -> JsonObject:
    """Our container in the pod template of a Deployment."""
    container: JsonObject = live["spec"]["template"]["spec"]["containers"][0]
    return container


SERVICE_EDITS: dict[str, Edit] = {
    "spec.selector": lambda live: live["spec"]["selector"].update(team="nobody"),
    "spec.ports: the number": lambda live: live["spec"]["ports"][0].update(port=81),
    "spec.ports: the target": lambda live: live["spec"]["ports"][0].update(targetPort=9999),
    "spec.ports: the protocol": lambda live: live["spec"]["ports"][0].update(protocol="UDP"),
    "spec.ports: one more": lambda live: live["spec"]["ports"].append({"name": "more", "port": 9}),
    "spec.ports: none": lambda live: live["spec"].pop("ports"),
    "spec.type": lambda live: live["spec"].update(type="NodePort"),
    "spec.externalName": lambda live: live["spec"].update(type="ExternalName", externalName="elsewhere.example.org"),
    "spec.sessionAffinity": lambda live: live["spec"].update(sessionAffinity="ClientIP"),
    "spec.internalTrafficPolicy": lambda live: live["spec"].update(internalTrafficPolicy="Local"),
    "spec.publishNotReadyAddresses": lambda live: live["spec"].update(publishNotReadyAddresses=True),
    "metadata.labels": lambda live: live["metadata"]["labels"].pop(names.LABEL_UID),
}
BUDGET_EDITS: dict[str, Edit] = {
    "spec.maxUnavailable": lambda live: live["spec"].update(maxUnavailable=2),
    "spec.minAvailable": lambda live: live.update(spec={"minAvailable": 1, "selector": live["spec"]["selector"]}),
    "spec.selector": lambda live: live["spec"]["selector"]["matchLabels"].update(team="nobody"),
}
DEPLOYMENT_EDITS: dict[str, Edit] = {
    "spec.replicas": lambda live: live["spec"].update(replicas=0),
    "metadata.labels": lambda live: live["metadata"]["labels"].pop(names.LABEL_UID),
    "spec.template.spec.containers: the image": lambda live: ours(live).update(image="elsewhere.example.org/other:1"),
    "spec.template.spec.containers: the command": lambda live: ours(live).update(command=["sleep", "infinity"]),
    "spec.template.spec.containers: arguments": lambda live: ours(live).update(args=["--verbose"]),
    "spec.template.spec.containers: a variable": lambda live: ours(live)["env"].__setitem__(
        0, {"name": ours(live)["env"][0]["name"], "value": "other"}
    ),
    "spec.template.spec.containers: a variable from elsewhere": lambda live: ours(live)["env"].__setitem__(
        0,
        {"name": ours(live)["env"][0]["name"], "valueFrom": {"configMapKeyRef": {"name": "elsewhere", "key": "k"}}},
    ),
    "spec.template.spec.containers: a variable less": lambda live: ours(live)["env"].pop(0),
    "spec.template.spec.containers: a request": lambda live: ours(live)["resources"]["requests"].update(memory="1Mi"),
    "spec.template.spec.containers: its rights": lambda live: (
        ours(live)["securityContext"].update(privileged=True)
        or ours(live)["securityContext"].update(allowPrivilegeEscalation=True)
    ),
    "spec.template.spec.nodeSelector": lambda live: live["spec"]["template"]["spec"].update(nodeSelector={"disk": "x"}),
    "spec.template.spec.serviceAccountName": lambda live: live["spec"]["template"]["spec"].update(
        serviceAccountName="admin"
    ),
}
EDITS = [
    (resource, what, edit)
    for resource, edits in (
        (SERVICE, SERVICE_EDITS),
        (POD_DISRUPTION_BUDGET, BUDGET_EDITS),
        (DEPLOYMENT, DEPLOYMENT_EDITS),
    )
    for what, edit in edits.items()
]


@pytest.mark.parametrize(("resource", "what", "edit"), EDITS, ids=[f"{r.kind} {what}" for r, what, _ in EDITS])
async def test_what_a_person_edits_in_a_child_is_set_back_and_told(resource: Resource, what: str, edit: Edit) -> None:
    world = world_of()
    await serving_one(world)
    before = {s["metadata"]["name"]: (s["metadata"]["labels"], s["spec"]) for s in world.sim.kube.all(resource)}
    assert before

    def by_hand(live: JsonObject) -> None:
        edit(live)

    for name in before:
        world.sim.edit(resource, name, by_hand)
    await world.sim.pass_time(timedelta(minutes=1))
    after = {s["metadata"]["name"]: (s["metadata"]["labels"], s["spec"]) for s in world.sim.kube.all(resource)}
    assert after == before
    assert (truth(world, "Contested"), reason(world, "Contested")) == ("True", "FieldSetBack")
    field = what.partition(":")[0]
    for name in before:
        assert f"{resource.kind} {name}: " in message(world, "Contested")
    assert field in message(world, "Contested")
    assert any((kind, why) == ("Warning", "FieldSetBack") for kind, why, _ in world.sim.events())
    assert (truth(world, "Ready"), truth(world, "Available")) == ("True", "True")
    writes = len(world.sim.kube.writes)
    await world.sim.pass_time(timedelta(minutes=10))
    assert len(world.sim.kube.writes) == writes, "once"
    await world.sim.pass_time(timedelta(minutes=6))
    assert truth(world, "Contested") is None, "and it is told no longer than a quarter of an hour"


def with_a_sidecar(live: JsonObject) -> None:
    """As an injector does it: a container, a variable and an annotation beside ours, amounts in its own words."""
    template = live["spec"]["template"]
    template["spec"]["containers"].insert(0, {"name": "proxy", "image": "proxy:1"})
    template["metadata"].setdefault("annotations", {})["injector.example.org/status"] = "injected"
    container = template["spec"]["containers"][1]
    container["env"].append({"name": "HTTP_PROXY", "value": "http://127.0.0.1:1"})
    container["resources"]["requests"]["cpu"] = "0.1"
    container["resources"]["limits"] = {"memory": "4Gi"}


async def test_what_an_injector_puts_beside_our_container_stays_and_an_edit_of_ours_is_set_back_around_it() -> None:
    world = world_of()
    await serving_one(world)
    names_of_all = [live["metadata"]["name"] for live in world.sim.kube.all(DEPLOYMENT)]
    for name in names_of_all:
        world.sim.edit(DEPLOYMENT, name, with_a_sidecar)
    before = {live["metadata"]["name"]: live["spec"] for live in world.sim.kube.all(DEPLOYMENT)}
    writes = len(world.sim.kube.writes)
    await world.sim.pass_time(timedelta(minutes=10))
    assert len(world.sim.kube.writes) == writes
    assert truth(world, "Contested") is None

    def another_image(live: JsonObject) -> None:
        live["spec"]["template"]["spec"]["containers"][1]["image"] = "elsewhere.example.org/other:1"

    for name in names_of_all:
        world.sim.edit(DEPLOYMENT, name, another_image)
    await world.sim.pass_time(timedelta(minutes=1))
    after = {
        live["metadata"]["name"]: live["spec"]["template"]["spec"]["containers"]
        for live in world.sim.kube.all(DEPLOYMENT)
    }
    assert {name: spec["template"]["spec"]["containers"][0] for name, spec in before.items()} == {
        name: containers[0] for name, containers in after.items()
    }
    for name, containers in after.items():
        assert containers[0]["name"] == "proxy"
        assert containers[1]["image"] == before[name]["template"]["spec"]["containers"][1]["image"]
        assert containers[1]["env"][-1]["name"] == "HTTP_PROXY"
    assert reason(world, "Contested") == "FieldSetBack"


async def test_resources_and_places_that_the_spec_of_a_router_asks_for_no_more_leave_its_pods() -> None:
    world = world_of()
    await serving_one(world)
    asked = {"resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "1Gi"}}, "nodeSelector": {"disk": "ssd"}}
    world.edit_spec(lambda spec: spec.setdefault("traffic", {}).setdefault("router", {}).update(asked))
    await world.sim.pass_time(timedelta(minutes=1))
    (router,) = (live for live in world.sim.kube.all(DEPLOYMENT) if live["metadata"]["name"].endswith("-router"))
    assert ours(router)["resources"] == asked["resources"]
    assert router["spec"]["template"]["spec"]["nodeSelector"] == {"disk": "ssd"}

    def no_more(spec: JsonObject) -> None:
        for key in asked:
            del spec["traffic"]["router"][key]

    world.edit_spec(no_more)
    await world.sim.pass_time(timedelta(minutes=1))
    (router,) = (live for live in world.sim.kube.all(DEPLOYMENT) if live["metadata"]["name"].endswith("-router"))
    assert set(ours(router)["resources"]) == {"requests"} and "nodeSelector" not in router["spec"]["template"]["spec"]
    assert truth(world, "Contested") is None, "it is an edit of ours"


async def test_an_edited_spec_does_not_reach_the_pods_of_a_revision_through_what_is_set_back() -> None:
    world = world_of()
    await serving_one(world)
    first = stable(world)
    made = ours(world.fleets()[first])["resources"]
    world.edit_spec(lambda spec: spec["serving"].update(resources={"requests": {"cpu": "2", "memory": "2Gi"}}))

    def another_image(live: JsonObject) -> None:
        ours(live)["image"] = "elsewhere.example.org/other:1"

    world.sim.edit(DEPLOYMENT, world.fleets()[first]["metadata"]["name"], another_image)
    await world.sim.pass_time(timedelta(minutes=1))
    assert ours(world.fleets()[first])["resources"] == made
    assert ours(world.fleets()[first])["image"] != "elsewhere.example.org/other:1"


# --- what cannot be made -----------------------------------------------------------------------------------------

TOO_MUCH = [f"{index:03}{'c' * 120}" for index in range(250)]
"""Columns that fill more than the 16 KiB of a server's task."""


async def test_a_new_version_whose_task_is_too_large_is_told_while_the_stable_version_serves() -> None:
    world = world_of()
    await serving_one(world)
    first = stable(world)
    world.edit_spec(lambda spec: spec.update(capture={"drop": TOO_MUCH}))
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.pass_time(timedelta(minutes=2))
    assert (truth(world, "Stalled"), reason(world, "Stalled")) == ("True", "TaskTooLarge")
    assert "serve task of flights" in message(world, "Stalled") and "capture.drop" in message(world, "Stalled")
    assert (truth(world, "Ready"), truth(world, "Available")) == ("True", "True")
    await world.sim.pass_time(HOURS)
    assert share_of(world, first) == 100 and "rejected" not in world.status, "no time of the model's passes meanwhile"
    world.edit_spec(lambda spec: spec["serving"].update(replicas=3))
    await world.sim.pass_time(timedelta(minutes=1))
    assert world.fleets()[first]["spec"]["replicas"] == 3, "every other edit still has an effect"
    world.edit_spec(lambda spec: spec.pop("capture"))
    await world.sim.until(world.serves(2), HOURS)
    assert truth(world, "Stalled") == "False"


async def test_a_first_version_whose_task_is_too_large_is_told_and_loads_once_the_spec_is_shorter() -> None:
    world = world_of()
    one = world.register()
    world.point("challenger", one)
    manifest = world.manifest(steps=[])
    manifest["spec"]["capture"] = {"drop": TOO_MUCH}
    world.sim.create(manifest)
    await world.sim.pass_time(MINUTES)
    assert (truth(world, "Stalled"), truth(world, "Ready"), reason(world)) == ("True", "False", "TaskTooLarge")
    world.edit_spec(lambda spec: spec.pop("capture"))
    await world.sim.until(world.serves(one), HOURS)
