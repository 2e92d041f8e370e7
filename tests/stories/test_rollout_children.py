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
