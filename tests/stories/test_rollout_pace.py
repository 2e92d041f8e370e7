"""What a rollout costs the API server, with requests that take their time and watch events that come back late."""

from __future__ import annotations

from datetime import timedelta

from tests.support.worlds.rollout import Model, RolloutWorld

STEP = {"weight": {"percent": 10, "until": {"samples": 10_000_000, "maxDuration": "72h"}, "gates": ["errors"]}}


async def a_long_step() -> RolloutWorld:
    """Version 2 has a tenth of the callers for many hours; version 1 has the rest."""
    world = RolloutWorld()
    world.point("challenger", world.register(Model(errors=0.001)))
    world.sim.create(world.manifest(steps=[STEP]))
    await world.sim.until(world.serves(1))
    world.point("challenger", world.register(Model(errors=0.001)))
    await world.sim.until(world.at("Stepping", 0))
    await world.sim.pass_time(timedelta(hours=1))
    return world


async def test_a_long_step_is_looked_at_four_times_a_minute_and_writes_almost_nothing() -> None:
    world = await a_long_step()
    world.sim.latency(0.05)
    pace = await world.sim.pace(timedelta(minutes=1))
    assert pace.runs <= 5, pace
    assert pace.requests <= 60, pace
    assert pace.writes <= 1, pace


async def test_what_is_served_for_good_costs_next_to_nothing() -> None:
    world = RolloutWorld()
    world.point("challenger", world.register())
    world.sim.create(world.manifest())
    await world.sim.until(world.serves(1))
    await world.sim.pass_time(timedelta(minutes=5))
    world.sim.latency(0.05)
    pace = await world.sim.pace(timedelta(hours=1))
    assert pace.writes == 0, pace
    assert pace.runs <= 4, pace
