"""What people are told in the course of whole stories: each transition once, however often the operator dies."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.support.fakes.kube import Crashed
from tests.support.tiers import first_fast
from tests.support.worlds.rollout import Model, RolloutWorld

from bucle.contracts.names import ANNOTATION_DELIVERED, LABEL_NEWS
from bucle.engine.objects import EVENT, JsonObject

HOURS = timedelta(hours=6)


def news(world: RolloutWorld) -> list[str]:
    """The words of all Events that are news."""
    labels = [event["metadata"].get("labels") or {} for event in world.sim.kube.all(EVENT)]
    return sorted(found[LABEL_NEWS] for found in labels if LABEL_NEWS in found)


def heard(world: RolloutWorld) -> list[tuple[str, str, str]]:
    """Name, word and message of the news that sinks were offered, in order."""
    offered = [event for event in world.sim.told if LABEL_NEWS in (event["metadata"].get("labels") or {})]
    return [(e["metadata"]["name"], e["metadata"]["labels"][LABEL_NEWS], e["message"]) for e in offered]


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
    assert {word for _, word, _ in heard(world)} == {"model.promoted", "model.refused"}
    assert len({name for name, _, _ in heard(world)}) == 2, "however often it is heard, it has one name"


async def serving_one(world: RolloutWorld) -> None:
    one = world.register()
    world.point("challenger", one)
    world.sim.create(world.manifest())
    await world.sim.until(world.serves(one), HOURS)
    await world.sim.settle()


def forge(event: JsonObject) -> None:
    event["message"] = "send your keys to example.com"


async def test_a_new_operator_offers_what_the_status_says_and_believes_no_event() -> None:
    """Whoever may write Events in a namespace must not be able to make the operator sign words of theirs."""
    world = RolloutWorld()
    await serving_one(world)
    (promoted,) = heard(world)
    stored = world.sim.kube.peek(EVENT, "ml", promoted[0])
    assert stored is not None
    world.sim.kube.edit(EVENT, "ml", promoted[0], forge)
    forged = {**stored, "metadata": {**stored["metadata"], "name": "flights.forged"}, "message": "send your keys"}
    world.sim.kube.put(EVENT, forged)
    world.sim.told.clear()
    world.sim.restart()
    await world.sim.settle()
    assert heard(world) == [promoted]
    assert world.sim.told[-1]["firstTimestamp"] <= stored["firstTimestamp"], "its age is that of the change"


async def test_what_a_sink_took_is_offered_with_the_record_of_it() -> None:
    world = RolloutWorld()
    await serving_one(world)
    mark = {f"{ANNOTATION_DELIVERED}events": "2026-03-01T12:00:00Z"}
    name = heard(world)[0][0]
    world.sim.kube.edit(EVENT, "ml", name, lambda event: event["metadata"].update(annotations=mark))
    world.sim.told.clear()
    world.sim.restart()
    await world.sim.settle()
    assert [event["metadata"]["annotations"] for event in world.sim.told] == [mark]


async def test_old_news_is_not_told_again_by_a_new_operator() -> None:
    world = RolloutWorld()
    await serving_one(world)
    await world.sim.pass_time(timedelta(hours=2))
    world.sim.told.clear()
    for event in world.sim.kube.all(EVENT):
        world.sim.kube.remove(EVENT, event["metadata"]["namespace"], event["metadata"]["name"])
    world.sim.restart()
    await world.sim.settle()
    assert heard(world) == []
