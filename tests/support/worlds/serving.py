"""A ModelDeployment that serves version 1 and has version 2 on trial, and what stories ask of it."""

from __future__ import annotations

from datetime import timedelta

from tests.support.worlds.rollout import NAME, Model, RolloutWorld

from bucle.engine.objects import JsonObject
from bucle.resources.addresses import MODEL_DEPLOYMENT

HOURS = timedelta(hours=1)


MINUTES = timedelta(minutes=5)


SHORT = {"samples": 1000, "minDuration": "10s", "maxDuration": "10m"}


LONG = {"samples": 1_000_000, "minDuration": "10s", "maxDuration": "720h"}


STEPS = [
    {"shadow": {"percent": 100, "until": SHORT, "gates": ["quality"]}},
    {"weight": {"percent": 50, "until": SHORT, "gates": ["errors"]}},
]


SOAK = {"duration": "20s", "gates": ["errors"]}


HALF_FOR_LONG = [STEPS[0], {"weight": {"percent": 50, "until": LONG, "gates": ["errors"]}}]


def world_of(**more: object) -> RolloutWorld:
    return RolloutWorld(group_seconds=5, **more)  # type: ignore[arg-type]


async def serving_one(world: RolloutWorld, **rollout: object) -> int:
    one = world.register()
    world.point("challenger", one)
    world.sim.create(world.manifest(**{"steps": STEPS, "soak": SOAK, **rollout}))
    await world.sim.until(world.serves(one), HOURS)
    return one


def reason(world: RolloutWorld, type_: str = "Ready") -> str | None:
    return world.sim.reason(MODEL_DEPLOYMENT, NAME, type_)


def truth(world: RolloutWorld, type_: str) -> str | None:
    return world.sim.condition(MODEL_DEPLOYMENT, NAME, type_)


def message(world: RolloutWorld, type_: str = "Ready") -> str:
    return next(str(c["message"]) for c in world.status["conditions"] if c["type"] == type_)


def share_of(world: RolloutWorld, revision: str) -> int:
    return world.history[-1].get(revision, 0)


def stable(world: RolloutWorld) -> str:
    return str(world.status["stable"]["revision"])


def candidate(world: RolloutWorld) -> str:
    return str(world.status["candidate"]["revision"])


def misbehave(world: RolloutWorld, errors: float) -> None:
    world.models[world.status["candidate"]["model"]["digest"]] = Model(errors=errors)


async def at_half(world: RolloutWorld, steps: list[JsonObject] = HALF_FOR_LONG) -> tuple[int, str, str]:
    """Version 1 and a candidate answer half of the callers each, for as long as nobody decides."""
    one = await serving_one(world, steps=steps)
    first = stable(world)
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.until(lambda: world.history[-1].get(first) == 50, HOURS)
    await world.sim.pass_time(timedelta(seconds=30))
    return one, first, candidate(world)


def stable_fleet(world: RolloutWorld, revision: str, ready: int) -> None:
    """So many pods of that revision are ready from now on."""
    world.ready_pods[revision] = ready


def statuses(world: RolloutWorld) -> list[JsonObject]:
    """Every status of the deployment that is written from now on."""
    found: list[JsonObject] = []
    last = [world.status]

    def look(resource: object, obj: JsonObject, event: str) -> None:
        if resource == MODEL_DEPLOYMENT and obj["status"] != last[0]:
            last[0] = obj["status"]
            found.append(obj["status"])

    world.sim.kube.on_change.append(look)
    return found
