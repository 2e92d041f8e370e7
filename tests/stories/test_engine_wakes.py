"""Who is woken by what: never who wrote it, only who acts on it, and always whoever missed something."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders.objects import a_dataset
from tests.support.fakes.kube import FakeKube
from tests.support.worlds.simulation import Simulation
from tests.support.worlds.toykind import ROOM, FakeTags, Tag, Tagged

from bucle.engine.kube import Conflict, Unavailable
from bucle.engine.objects import CONFIG_MAP, JsonObject, Ref
from bucle.engine.plan import Effect, changed_by
from bucle.externals.registry.values import REGISTRY_SCOPE, CloseRun, RegisterVersion, SetAlias, TagVersion
from bucle.resources.addresses import DATASET


def simulation() -> tuple[Simulation, FakeTags]:
    tags = FakeTags()
    sim = Simulation([ROOM], {Tagged: tags}, {Tag: tags}, rights=None)
    tags.kube = sim.kube
    return sim, tags


def runs(sim: Simulation, name: str) -> int:
    return sum(line.startswith(f"Dataset ml/{name}:") for line in sim.ran)


async def test_an_object_is_woken_once_by_an_effect_on_what_it_points_to() -> None:
    sim, tags = simulation()
    sim.create(a_dataset("follower", heeds="leader"))
    await sim.settle()
    sim.ran.clear()
    tags.blind = True
    sim.create(a_dataset("leader", tag=True))
    assert await sim.settle() <= 8
    assert tags.tags == ["leader"] * 2
    assert runs(sim, "follower") == 1, "once, however often it is repeated"


@pytest.mark.parametrize(
    "effect",
    [
        SetAlias("ml.flights", "champion", 2, "d"),
        TagVersion("ml.flights", 2, "d", "k", "v"),
        RegisterVersion("ml.flights", "s3://x", "k"),
    ],
)
def test_who_follows_a_model_hears_of_its_versions_aliases_and_facts(effect: Effect) -> None:
    assert changed_by([effect, CloseRun("r", "FINISHED")]) == {Ref(REGISTRY_SCOPE, "ml.flights")}


async def test_a_look_that_counts_is_one_look_per_interval_although_it_writes() -> None:
    sim, _ = simulation()
    sim.create(a_dataset(look=15, counts=True))
    await sim.settle()
    sim.kube.requests.clear()
    await sim.pass_time(timedelta(minutes=5))
    assert sum(request.verb == "replace_status" for request in sim.kube.writes) == 20
    assert sum(request.verb == "get" for request in sim.kube.requests) == 20


async def test_a_counter_wakes_nobody_who_points_there_and_a_new_generation_does() -> None:
    sim, _ = simulation()
    sim.create(a_dataset("follower", follows="leader"))
    sim.create(a_dataset("leader", look=15, counts=True))
    await sim.settle()
    sim.ran.clear()
    await sim.pass_time(timedelta(minutes=1))
    assert (runs(sim, "leader"), runs(sim, "follower")) == (4, 0)
    sim.edit(DATASET, "leader", lambda obj: obj["spec"].update(value="new"))
    await sim.settle()
    assert runs(sim, "follower") >= 1


async def test_who_points_to_an_object_hears_that_it_is_gone() -> None:
    sim, _ = simulation()
    sim.create(a_dataset("follower", follows="leader"))
    sim.create(a_dataset("leader"))
    await sim.settle()
    sim.ran.clear()
    sim.delete(DATASET, "leader")
    await sim.settle()
    assert runs(sim, "follower") == 1


async def test_what_somebody_else_writes_during_a_run_is_not_taken_for_the_runs_own_write() -> None:
    class EditedMeanwhile(FakeKube):
        edited = False

        async def create(self, resource: Any, manifest: JsonObject) -> JsonObject:
            if resource == CONFIG_MAP and not self.edited:
                self.edited = True
                self.edit(DATASET, "ml", "flights", lambda obj: obj["spec"].update(value="2"))
            return await super().create(resource, manifest)

    sim, _ = simulation()
    sim.kube = EditedMeanwhile(sim.clock, own_schemas=False)
    sim.kube.on_change.append(sim._changed)
    sim.restart()
    sim.create(a_dataset(value="1"))
    await sim.settle()
    assert sim.get(CONFIG_MAP, "flights-settings")["data"]["value"] == "2"


async def test_a_run_that_ended_early_is_woken_by_every_event() -> None:
    sim, _ = simulation()
    sim.create(a_dataset())
    await sim.settle()
    sim.kube.fail("get", Unavailable("connection refused"))
    sim.controller.wake(next(iter(sim.controller._known)))
    await sim.settle()
    sim.ran.clear()
    # The watch is begun anew and lists the object as it was read long ago.
    sim._changed(DATASET, sim.get(DATASET, "flights"), "ADDED")
    await sim.settle()
    assert runs(sim, "flights") == 1
    sim._changed(DATASET, sim.get(DATASET, "flights"), "ADDED")
    await sim.settle()
    assert runs(sim, "flights") == 1, "now it says nothing new"


async def test_a_conflict_that_never_ends_is_tried_with_growing_pauses() -> None:
    sim, _ = simulation()
    sim.create(a_dataset(value="1"))
    await sim.settle()
    sim.kube.requests.clear()
    sim.kube.fail("apply", Conflict("the object has been modified"), resource=CONFIG_MAP, times=10_000)
    sim.edit(DATASET, "flights", lambda obj: obj["spec"].update(value="2"))
    assert await sim.settle() < 15
    await sim.until(lambda: sim.reason(DATASET, "flights") == "ChildRefused", timedelta(minutes=1))
    await sim.pass_time(timedelta(hours=1))
    assert sum(request.verb == "apply" for request in sim.kube.writes) < 80


async def test_a_status_that_somebody_else_writes_all_the_time_is_tried_with_growing_pauses() -> None:
    sim, _ = simulation()
    sim.create(a_dataset(value="1"))
    await sim.settle()
    sim.kube.requests.clear()
    sim.kube.fail("replace_status", Conflict("the object has been modified"), resource=DATASET, times=10_000)
    sim.edit(DATASET, "flights", lambda obj: obj["spec"].update(value="2"))
    assert await sim.settle() < 15
    await sim.pass_time(timedelta(hours=1))
    assert sum(request.verb == "replace_status" for request in sim.kube.writes) < 80
    sim.kube.mend()
    await sim.until(lambda: sim.status(DATASET, "flights")["observedGeneration"] == 2, timedelta(minutes=6))
