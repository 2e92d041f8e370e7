"""What people are told in the course of whole stories: each transition once, however often the operator dies."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.support.fakes.kube import Crashed
from tests.support.tiers import first_fast
from tests.support.worlds.rollout import Model, RolloutWorld

from bucle.contracts.names import LABEL_NEWS
from bucle.engine.objects import EVENT

HOURS = timedelta(hours=6)


def news(world: RolloutWorld) -> list[str]:
    """The words of all Events that are news."""
    labels = [event["metadata"].get("labels") or {} for event in world.sim.kube.all(EVENT)]
    return sorted(found[LABEL_NEWS] for found in labels if LABEL_NEWS in found)


async def until_refused(world: RolloutWorld, every: int) -> None:
    world.sim.kube.crash_after(every)
    for _ in range(400):
        try:
            await world.sim.until(lambda: world.status.get("rejected") is not None, HOURS)
            world.sim.kube.crash_after(None)
            return
        except Crashed:
            world.sim.restart()
            world.sim.kube.crash_after(every)
    raise AssertionError("it never arrived")


@pytest.mark.parametrize("every", first_fast((1, 2, 3, 5)))
async def test_a_refusal_is_told_once_however_often_the_operator_dies(every: int) -> None:
    world = RolloutWorld()
    one = world.register()
    world.point("challenger", one)
    world.sim.create(world.manifest())
    await world.sim.until(world.serves(one), HOURS)
    await world.sim.settle()
    assert news(world) == ["model.promoted"]
    world.point("challenger", world.register(Model(loss=0.5)))
    await until_refused(world, every)
    world.sim.restart()
    await world.sim.settle()
    assert news(world) == ["model.promoted", "model.refused"]
    told = [
        event["metadata"]["name"] for event in world.sim.told if LABEL_NEWS in (event["metadata"].get("labels") or {})
    ]
    assert len(told) == len(set(told)), "what was written and not heard is found by the next leader on the Event"


async def test_old_news_is_not_told_again_by_a_new_operator() -> None:
    world = RolloutWorld()
    one = world.register()
    world.point("challenger", one)
    world.sim.create(world.manifest())
    await world.sim.until(world.serves(one), HOURS)
    await world.sim.pass_time(timedelta(hours=2))
    world.sim.told.clear()
    for event in world.sim.kube.all(EVENT):
        world.sim.kube.remove(EVENT, event["metadata"]["namespace"], event["metadata"]["name"])
    world.sim.restart()
    await world.sim.settle()
    assert [event for event in world.sim.told if LABEL_NEWS in (event["metadata"].get("labels") or {})] == []
