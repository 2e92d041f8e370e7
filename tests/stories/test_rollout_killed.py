"""The operator is killed after every single write of a rollout: the outcome is always the same, the laws always hold.

The laws themselves (weights add up to 100, none without a ready pod, clusters before weights, pods go last) are
asserted by the world at every change of the router's ConfigMap and every deletion.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.support.fakes.kube import Crashed
from tests.support.worlds.rollout import REGISTERED, Model, RolloutWorld

HOURS = timedelta(hours=1)
SHORT = {"samples": 1000, "minDuration": "10s", "maxDuration": "15m"}
STEPS = {
    "steps": [
        {"shadow": {"percent": 100, "until": SHORT, "gates": ["quality"]}},
        {"weight": {"percent": 50, "until": SHORT, "gates": ["errors"]}},
    ],
    "soak": {"duration": "20s", "gates": ["errors"]},
}
KILLED_EVERY = (1, 2, 3, 5)


async def until_killed_often(world: RolloutWorld, version: int, every: int) -> int:
    """Runs until that version serves, killed after every `every`-th write; returns how often it died."""
    deaths = 0
    world.sim.kube.crash_after(every)
    for _ in range(400):
        try:
            await world.sim.until(world.serves(version), HOURS)
            world.sim.kube.crash_after(None)
            return deaths
        except Crashed:
            deaths += 1
            world.sim.restart()
            # A process that dies at its first write each time still gets that one write done.
            world.sim.kube.crash_after(every)
    raise AssertionError("it never arrived")


@pytest.mark.parametrize("every", KILLED_EVERY)
async def test_a_good_version_arrives_however_often_the_operator_dies(every: int) -> None:
    world = RolloutWorld(group_seconds=5)
    one = world.register()
    world.point("challenger", one)
    world.sim.create(world.manifest(**STEPS))
    deaths = await until_killed_often(world, one, every)
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    deaths += await until_killed_often(world, two, every)
    assert deaths >= 3
    assert world.registry.aliases[REGISTERED, "champion"] == two
    assert world.history[-1] == {world.status["stable"]["revision"]: 100}
    assert [line["outcome"] for line in world.status["history"]] == ["Promoted", "Promoted"]


@pytest.mark.parametrize("every", KILLED_EVERY)
async def test_a_bad_version_never_rises_again_however_often_the_operator_dies(every: int) -> None:
    world = RolloutWorld(group_seconds=5)
    one = world.register()
    world.point("challenger", one)
    world.sim.create(world.manifest(**STEPS))
    await world.sim.until(world.serves(one), HOURS)
    stable = world.status["stable"]["revision"]
    world.point("challenger", world.register(Model(loss=-0.07, errors=0.3)))
    await world.sim.until(world.at("Stepping", 1), HOURS)
    before = len(world.history)
    world.sim.kube.crash_after(every)
    for _ in range(200):
        try:
            await world.sim.until(lambda: world.status.get("rejected") is not None and world.serves(one)(), HOURS)
            break
        except Crashed:
            world.sim.restart()
            world.sim.kube.crash_after(every)
    world.sim.kube.crash_after(None)
    shares = [100 - weights[stable] for weights in world.history[before - 1 :]]
    peak = shares.index(max(shares))
    assert max(shares) == 50 and shares[-1] == 0
    assert shares[peak:] == sorted(shares[peak:], reverse=True), "the candidate's weight never rises after the abort"
