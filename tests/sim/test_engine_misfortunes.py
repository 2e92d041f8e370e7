"""What one object's misfortune may cost: never another object's runs, a wrong gauge, a lost event or a hot loop."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

from tests.builders import a_config_map, a_dataset
from tests.fakes.simulation import Simulation
from tests.sim.toykind import ROOM, FakeTags, Tag, Tagged

from bucle.engine.kube import Forbidden, Unavailable
from bucle.engine.leader import OpenFence
from bucle.engine.metrics import Metrics
from bucle.engine.objects import CONFIG_MAP, JsonObject
from bucle.resources.addresses import DATASET
from bucle.resources.documents import InvalidResource, Problem


def simulation(**changes: Any) -> tuple[Simulation, FakeTags]:
    tags = FakeTags()
    sim = Simulation([replace(ROOM, **changes)], {Tagged: tags}, {Tag: tags}, rights=None)
    tags.kube = sim.kube
    return sim, tags


def gauge(metrics: Metrics, name: str, type_: str) -> float | None:
    labels = {"kind": "Dataset", "namespace": "ml", "name": name, "type": type_}
    return metrics.registry.get_sample_value("bucle_condition", labels)


async def test_an_answer_nobody_thought_of_costs_one_object_a_retry_and_others_nothing() -> None:
    sim, _ = simulation()
    sim.kube.fail("get", ValueError("not JSON"))  # type: ignore[arg-type]
    sim.create(a_dataset("unlucky"))
    sim.create(a_dataset("lucky"))
    await sim.settle()
    assert sim.reason(DATASET, "lucky") == "VersionReady"
    await sim.until(lambda: sim.reason(DATASET, "unlucky") == "VersionReady", timedelta(seconds=2))


async def test_a_condition_that_somebody_wrote_without_a_time_is_given_one() -> None:
    sim, _ = simulation()
    sim.create(a_dataset())
    bare = {"conditions": [{"type": "Ready", "status": "True", "reason": "Mine"}]}
    sim.edit(DATASET, "flights", lambda obj: obj.update(status=bare))
    await sim.settle()
    assert sim.reason(DATASET, "flights") == "VersionReady"
    assert all(c["lastTransitionTime"] for c in sim.status(DATASET, "flights")["conditions"])


async def test_the_gauge_says_what_the_status_says_also_when_the_spec_became_invalid() -> None:
    def parse(raw: JsonObject) -> JsonObject:
        if "wrong" in raw["spec"]:
            raise InvalidResource("Dataset", "flights", (Problem("spec.wrong", "must not be set"),))
        return raw

    sim, _ = simulation(parse=parse)
    sim.create(a_dataset())
    await sim.settle()
    assert gauge(sim.controller.metrics, "flights", "Ready") == 1
    sim.edit(DATASET, "flights", lambda obj: obj["spec"].update(wrong="yes"))
    await sim.settle()
    assert sim.condition(DATASET, "flights", "Ready") == "False"
    assert (gauge(sim.controller.metrics, "flights", "Ready"), gauge(sim.controller.metrics, "flights", "Stalled")) == (
        0,
        1,
    )


async def test_an_object_under_deletion_is_looked_at_again_in_case_its_end_is_missed() -> None:
    sim, _ = simulation()
    sim.create(a_dataset())
    await sim.settle()
    sim.edit(DATASET, "flights", lambda obj: obj["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z"))
    await sim.settle()
    sim.kube.on_change.clear()  # the watch is silent while the object goes away
    sim.delete(DATASET, "flights")
    await sim.pass_time(timedelta(minutes=11))
    assert gauge(sim.controller.metrics, "flights", "Ready") is None, "what is gone must not be alerted on"
    assert sim.controller.queue.seconds_to_next() is None


async def test_a_namesake_made_anew_does_not_inherit_what_was_refused_before() -> None:
    sim, _ = simulation()
    taken = sim.kube.put(CONFIG_MAP, a_config_map("flights-settings"))
    sim.create(a_dataset())
    await sim.settle()
    assert sim.reason(DATASET, "flights") == "NameTaken"
    sim.delete(DATASET, "flights")
    sim.kube.remove(CONFIG_MAP, "ml", taken["metadata"]["name"])
    sim.create(a_dataset())
    await sim.settle()
    assert sim.events()[-2:] == [("Normal", "VersionReady", "all is done"), ("Normal", "Toy", "it plays")]
    told = [reason for _, reason, _ in sim.events()]
    assert told.count("NameTaken") == 1


async def test_what_was_written_is_told_even_if_the_run_ends_early() -> None:
    sim, _ = simulation()
    sim.kube.fail("create", Unavailable("connection refused"), resource=CONFIG_MAP)
    sim.create(a_dataset())
    await sim.pass_time(timedelta(seconds=5))
    assert sim.kube.peek(CONFIG_MAP, "ml", "flights-settings") is not None
    assert [event[:2] for event in sim.events()] == [("Normal", "VersionReady"), ("Normal", "Toy")]


class Refused(Forbidden):
    """Says something else each time, like a webhook that names the request."""

    cause = "no image from there"
    numbers = count()

    def __str__(self) -> str:
        return f"{self.cause}, request {next(self.numbers)}"


async def test_a_refusal_worded_differently_each_time_is_no_hot_loop_and_a_new_cause_is_told_soon() -> None:
    sim, _ = simulation()
    error = Refused()
    sim.kube.fail("create", error, resource=CONFIG_MAP, times=1000)
    sim.create(a_dataset())
    assert await sim.settle() <= 6
    sim.kube.requests.clear()
    await sim.pass_time(timedelta(minutes=10))
    assert sum(request.verb == "replace_status" for request in sim.kube.writes) < 25
    error.cause = "exceeded quota"
    await sim.until(lambda: "exceeded quota" in str(sim.status(DATASET, "flights")), timedelta(minutes=7))


async def test_an_effect_ends_before_another_process_can_lead() -> None:
    class AlmostOver(OpenFence):
        def seconds_left(self) -> float:
            return 0.02

    class Hanging:
        async def execute(self, effect: Tag) -> None:
            await asyncio.Event().wait()

    sim = Simulation([ROOM], {Tagged: FakeTags()}, {Tag: Hanging()}, fence=AlmostOver(), rights=None)
    sim.create(a_dataset(tag=True))
    await sim.settle()
    assert "Tag: not done within 0.02 s" in list(sim.ran)[-1]
