"""The children of a ModelDeployment in the middle of a rollout, as YAML a reviewer can read; UPDATE_GOLDEN=1 writes it anew."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from tests.support.worlds.rollout import Model, RolloutWorld

from bucle.engine.objects import CONFIG_MAP, DEPLOYMENT, POD_DISRUPTION_BUDGET, SERVICE, JsonObject
from bucle.resources.addresses import Resource

GOLDEN = Path(__file__).parents[3] / "golden" / "modeldeployment"
SERVERS_OWN = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")


async def shadowing() -> RolloutWorld:
    world = RolloutWorld()
    one = world.register()
    world.point("challenger", one)
    world.sim.create(world.manifest())
    await world.sim.until(world.serves(one))
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.until(lambda: (world.status.get("candidate") or {}).get("shadow") == 100)
    return world


def readable(obj: JsonObject) -> JsonObject:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in SERVERS_OWN}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}


@pytest.mark.parametrize(
    ("resource", "file"),
    [
        (DEPLOYMENT, "deployments.yaml"),
        (SERVICE, "services.yaml"),
        (CONFIG_MAP, "configmaps.yaml"),
        (POD_DISRUPTION_BUDGET, "budgets.yaml"),
    ],
)
async def test_children_while_a_candidate_is_in_the_shadow(resource: Resource, file: str) -> None:
    world = await shadowing()
    found = [readable(obj) for obj in world.sim.kube.all(resource)]
    text = yaml.safe_dump_all(found, sort_keys=True, width=120)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        (GOLDEN / file).write_text(text)
    assert (GOLDEN / file).read_text() == text, "children changed: if that is meant, run again with UPDATE_GOLDEN=1"


async def test_an_operator_release_rolls_no_model() -> None:
    """The pinned image stays in status and template when the platform's image moves on."""
    from dataclasses import replace

    from tests.support.worlds.simulation import PLATFORM

    from bucle.kinds import modeldeployment

    world = RolloutWorld()
    one = world.register()
    world.point("challenger", one)
    world.sim.create(world.manifest())
    await world.sim.until(world.serves(one))
    uids = {d["metadata"]["uid"] for d in world.fleets().values()}
    world.sim._rooms = (modeldeployment.room(replace(PLATFORM, image_serve="bucle-serve:next")),)
    world.sim.restart()
    await world.sim.pass_time(timedelta(minutes=5))
    assert {d["metadata"]["uid"] for d in world.fleets().values()} == uids
    (fleet,) = world.fleets().values()
    assert fleet["spec"]["template"]["spec"]["containers"][0]["image"] == PLATFORM.image_serve


async def test_an_operator_release_brings_the_judge_along() -> None:
    from dataclasses import replace

    from tests.support.worlds.simulation import PLATFORM

    from bucle.kinds import modeldeployment

    world = await shadowing()
    world.sim._rooms = (modeldeployment.room(replace(PLATFORM, image_worker="bucle-worker:next")),)
    world.sim.restart()
    await world.sim.pass_time(timedelta(minutes=1))
    (judge,) = [d for d in world.sim.kube.all(DEPLOYMENT) if d["metadata"]["name"].endswith("-judge")]
    (container,) = judge["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "bucle-worker:next"
    assert {"name", "image", "command", "env", "ports"} <= set(container)


async def test_a_selector_that_somebody_changed_is_set_back() -> None:
    world = await shadowing()
    services = {s["metadata"]["name"]: s["spec"]["selector"] for s in world.sim.kube.all(SERVICE)}
    for name in services:
        world.sim.edit(SERVICE, name, lambda live: live["spec"].update(selector={"app": "gone"}))
    await world.sim.pass_time(timedelta(minutes=1))
    assert {s["metadata"]["name"]: s["spec"]["selector"] for s in world.sim.kube.all(SERVICE)} == services
