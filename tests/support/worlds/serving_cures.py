"""What stories about the cures of a ModelDeployment do and see."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from tests.support.worlds.cures import is_ready, person, shown
from tests.support.worlds.rollout import NAME, Model, RolloutWorld
from tests.support.worlds.serving import HOURS, MINUTES, candidate, stable

from bucle.engine.objects import JsonObject
from bucle.resources.addresses import MODEL_DEPLOYMENT

BRIEF = {"samples": 500, "minDuration": "2s", "maxDuration": "1m"}
STEPS: list[JsonObject] = [
    {"shadow": {"percent": 100, "until": BRIEF, "gates": ["quality"]}},
    {"weight": {"percent": 50, "until": BRIEF, "gates": ["errors"]}},
]
FOR_LONG: list[JsonObject] = [
    {"weight": {"percent": 50, "until": {**BRIEF, "samples": 1_000_000}, "gates": ["errors"]}}
]
ONE = Model(load_seconds=2)
GOOD = Model(loss=-0.07, load_seconds=2)


def scene(**more: object) -> RolloutWorld:
    """A world in which a rollout takes seconds: much traffic, labels of many groups."""
    return RolloutWorld(**{"group_seconds": 1.0, "requests_per_second": 500.0, **more})  # type: ignore[arg-type]


async def served(world: RolloutWorld, **rollout: object) -> int:
    """Version 1 serves."""
    one = newer(world, ONE)
    world.sim.create(world.manifest(**{"steps": STEPS, "soak": {"duration": "2s", "gates": ["errors"]}, **rollout}))
    await world.sim.until(world.serves(one), HOURS)
    return one


async def at_half(world: RolloutWorld) -> tuple[int, str, str]:
    """Version 1 and a candidate answer half of the callers each, for as long as nobody decides."""
    one = await served(world, steps=FOR_LONG)
    first = stable(world)
    newer(world)
    await world.sim.until(lambda: world.history[-1].get(first) == 50, HOURS)
    await world.sim.pass_time(timedelta(seconds=5))
    return one, first, candidate(world)


def tells(world: RolloutWorld, reason: str, type_: str = "Ready") -> str:
    return shown(world.sim, MODEL_DEPLOYMENT, NAME, reason, type_)


def edit(world: RolloutWorld, reason: str, change: Callable[[JsonObject], object]) -> None:
    person(world.sim, MODEL_DEPLOYMENT, NAME, reason, change)


async def until_told(world: RolloutWorld, reason: str, type_: str = "Ready") -> str:
    await world.sim.until(lambda: world.sim.reason(MODEL_DEPLOYMENT, NAME, type_) == reason, HOURS)
    return tells(world, reason, type_)


async def ready(world: RolloutWorld, version: int) -> None:
    """That version serves, nothing runs any more, and it is what the spec asks for."""
    await world.sim.until(world.serves(version), HOURS)
    await world.sim.until(is_ready(world.sim, MODEL_DEPLOYMENT, NAME), MINUTES)
    await until_told(world, "Serving")


def newer(world: RolloutWorld, model: Model = GOOD) -> int:
    version = world.register(model)
    world.point("challenger", version)
    return version


def told_from_now_on(world: RolloutWorld) -> set[str]:
    """Every reason that any of its conditions says from now on."""
    seen: set[str] = set()
    world.sim.kube.on_change.append(
        lambda *_: seen.update(str(said["reason"]) for said in world.status.get("conditions") or ())
    )
    return seen
