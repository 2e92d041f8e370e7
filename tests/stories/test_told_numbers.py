"""What Prometheus reads in the course of whole stories: a rollout's series come and go with it, an object's go with the object."""

from __future__ import annotations

from datetime import timedelta

from tests.support.series import exposed
from tests.support.worlds.rollout import NAME, Model, RolloutWorld

from bucle.resources.addresses import MODEL_DEPLOYMENT

HOURS = timedelta(hours=6)


def series(world: RolloutWorld, prefix: str = "") -> dict[str, float]:
    found = exposed(world.sim.controller.metrics.registry, NAME)
    return {name: value for name, value in found.items() if name.startswith(prefix)}


async def test_a_rollout_is_seen_while_it_runs_and_counted_when_it_is_over() -> None:
    world = RolloutWorld()
    one = world.register()
    world.point("challenger", one)
    world.sim.create(world.manifest())
    await world.sim.until(world.serves(one), HOURS)
    assert series(world, "bucle_rollouts_total")["bucle_rollouts_total Promoted"] == 1
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(world.at("Stepping", 1), HOURS)
    await world.sim.settle()
    running = series(world)
    assert running["bucle_rollout_phase Stepping"] == 1 and running["bucle_rollout_step"] == 1
    await world.sim.until(lambda: 0 < series(world)["bucle_rollout_weight_ratio programmed"] < 1, HOURS)
    assert running["bucle_model_version candidate"] == two
    assert running["bucle_condition ModelDeployment Available"] == 1
    await world.sim.until(lambda: bool(series(world, "bucle_gate_verdict")), HOURS)
    await world.sim.until(world.serves(two), HOURS)
    await world.sim.settle()
    assert series(world, "bucle_rollout_") == series(world, "bucle_gate_") == {}
    assert series(world)["bucle_rollouts_total Promoted"] == 2
    assert series(world)["bucle_model_version stable"] == two


async def test_a_deployment_that_is_deleted_is_told_of_no_more() -> None:
    world = RolloutWorld()
    one = world.register()
    world.point("challenger", one)
    world.sim.create(world.manifest())
    await world.sim.until(world.serves(one), HOURS)
    assert series(world)
    world.sim.delete(MODEL_DEPLOYMENT, NAME)
    await world.sim.settle()
    assert series(world) == {}
