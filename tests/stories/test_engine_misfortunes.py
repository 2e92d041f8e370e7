"""What one object's misfortune may cost: never another object's runs, a wrong gauge, a lost event or a hot loop."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from tests.support.builders.objects import a_config_map, a_dataset
from tests.support.worlds.simulation import Simulation
from tests.support.worlds.toykind import ROOM, FakeTags, Tag, Tagged, ToyWorld

from bucle.engine.kube import Forbidden, Invalid, Unavailable
from bucle.engine.leader import OpenFence
from bucle.engine.metrics import Metrics
from bucle.engine.objects import CONFIG_MAP, JsonObject
from bucle.engine.plan import Plan
from bucle.engine.status import ready
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
        place = "the tag service at http://tags:80"

        async def execute(self, effect: Tag) -> None:
            await asyncio.Event().wait()

    sim = Simulation([ROOM], {Tagged: FakeTags()}, {Tag: Hanging()}, fence=AlmostOver(), rights=None)
    sim.create(a_dataset(tag=True))
    await sim.settle()
    assert "Tag: not done within 0.02 s by the tag service at http://tags:80" in list(sim.ran)[-1]


async def test_an_external_system_that_refuses_writes_is_told_and_asked_ever_less_often() -> None:
    tags = FakeTags()
    failing = FakeTags(down=True)
    sim = Simulation([ROOM], {Tagged: tags}, {Tag: failing}, rights=None)
    tags.kube = failing.kube = sim.kube
    sim.create(a_dataset(tag=True, look=2))
    await sim.until(lambda: sim.reason(DATASET, "flights", "Reconciling") == "EffectFailed", timedelta(minutes=1))
    said = next(c for c in sim.status(DATASET, "flights")["conditions"] if c["type"] == "Reconciling")
    assert said["message"] == "Tag: the tag service is down"
    failing.calls = 0
    await sim.pass_time(timedelta(hours=1))
    assert failing.calls < 20, "however often the plan itself wants to look"
    assert sum(line.startswith("Dataset ml/flights") for line in sim.ran) == len(sim.ran), "and it goes on looking"
    failing.down, failing.tags = False, tags.tags
    await sim.until(lambda: sim.reason(DATASET, "flights", "Reconciling") == "VersionReady", timedelta(minutes=6))


async def test_what_serves_is_not_called_unready_because_an_external_system_refuses_a_write() -> None:
    def plan(world: ToyWorld, now: datetime) -> Plan:
        return replace(ROOM.plan(world, now), conditions=ready("VersionReady"))

    tags = FakeTags(down=True)
    sim = Simulation([replace(ROOM, plan=plan)], {Tagged: FakeTags()}, {Tag: tags}, rights=None)
    sim.create(a_dataset(tag=True))
    await sim.until(lambda: sim.reason(DATASET, "flights", "Reconciling") == "EffectFailed", timedelta(minutes=1))
    assert sim.condition(DATASET, "flights", "Ready") == "True"


async def test_who_cannot_see_for_some_minutes_says_so_and_asks_ever_less_often() -> None:
    sim, _ = simulation(doubtful=("Toy",))
    sim.create(a_dataset(look=2))
    await sim.settle()
    sim.kube.fail("list", Unavailable("GET /configmaps: no answer within 2 s"), resource=CONFIG_MAP, times=100_000)
    await sim.pass_time(timedelta(minutes=1))
    assert sim.condition(DATASET, "flights", "Ready") == "True", "a short outage costs only time"
    await sim.until(lambda: sim.reason(DATASET, "flights") == "ApiUnavailable", timedelta(minutes=3))
    found = {c["type"]: (c["status"], c["message"]) for c in sim.status(DATASET, "flights")["conditions"]}
    blind = "GET /configmaps: no answer within 2 s"
    assert found == {
        "Ready": ("Unknown", blind),
        "Reconciling": ("True", blind),
        "Stalled": ("False", ""),
        "Toy": ("Unknown", blind),
    }
    sim.kube.requests.clear()
    await sim.pass_time(timedelta(hours=1))
    assert len(sim.kube.requests) < 150
    assert sim.kube.writes == [], "it is said once"
    sim.kube._failures.clear()
    await sim.until(lambda: sim.condition(DATASET, "flights", "Ready") == "True", timedelta(minutes=2))
    assert sim.condition(DATASET, "flights", "Toy") == "True"


async def test_a_spec_that_nobody_could_judge_is_not_observed_by_saying_so() -> None:
    sim, _ = simulation()
    sim.create(a_dataset())
    await sim.settle()
    sim.kube.fail("list", Unavailable("no answer"), resource=CONFIG_MAP, times=100_000)
    sim.edit(DATASET, "flights", lambda obj: obj["spec"].update(value="2"))
    await sim.until(lambda: sim.reason(DATASET, "flights") == "ApiUnavailable", timedelta(minutes=5))
    assert sim.status(DATASET, "flights")["observedGeneration"] == 1


def with_a_mutating_webhook(sim: Simulation, manager: str | None = "hpa-controller") -> list[str]:
    """Whatever is applied, somebody sets it to their own value again; returns the log of that."""
    log: list[str] = []

    def mutate(resource: Any, obj: JsonObject, event: str) -> None:
        if resource == CONFIG_MAP and event != "DELETED" and obj["data"].get("value") != "theirs":
            log.append(str(obj["data"].get("value")))
            sim.edit(CONFIG_MAP, obj["metadata"]["name"], theirs)

    def theirs(obj: JsonObject) -> None:
        obj["data"]["value"] = "theirs"
        if manager:
            fields: JsonObject = {"f:data": {"f:value": {}}}
            obj["metadata"]["managedFields"] = [{"manager": manager, "operation": "Update", "fieldsV1": fields}]

    sim.kube.on_change.append(mutate)
    return log


async def test_a_field_that_somebody_sets_again_and_again_is_named_and_not_fought() -> None:
    sim, _ = simulation()
    with_a_mutating_webhook(sim)
    sim.create(a_dataset(look=2))
    await sim.until(lambda: sim.condition(DATASET, "flights", "Contested") == "True", timedelta(minutes=1))
    said = next(c for c in sim.status(DATASET, "flights")["conditions"] if c["type"] == "Contested")
    assert "ConfigMap flights-settings: data.value is set by hpa-controller again and again" in said["message"]
    assert sim.condition(DATASET, "flights", "Ready") == "True"
    before = sum(request.verb == "apply" for request in sim.kube.writes)
    await sim.pass_time(timedelta(hours=3))
    assert sum(request.verb == "apply" for request in sim.kube.writes) - before < 10


async def test_a_contest_that_ends_is_forgotten() -> None:
    sim, _ = simulation()
    with_a_mutating_webhook(sim)
    sim.create(a_dataset(look=30))
    await sim.until(lambda: sim.condition(DATASET, "flights", "Contested") == "True", timedelta(minutes=10))
    sim.kube.on_change.pop()
    await sim.until(lambda: sim.condition(DATASET, "flights", "Contested") is None, timedelta(hours=2))
    assert sim.get(CONFIG_MAP, "flights-settings")["data"]["value"] == "none"


async def test_a_new_intent_is_applied_at_once_although_the_field_is_contested() -> None:
    sim, _ = simulation()
    log = with_a_mutating_webhook(sim)
    sim.create(a_dataset(look=2))
    await sim.until(lambda: sim.condition(DATASET, "flights", "Contested") == "True", timedelta(minutes=1))
    sim.edit(DATASET, "flights", lambda obj: obj["spec"].update(value="new"))
    await sim.settle()
    assert log[-1] == "new"


async def test_a_namesake_made_anew_waits_for_what_the_earlier_one_left_behind() -> None:
    sim, _ = simulation()
    leftover = a_config_map("flights-settings", owner={"metadata": {"name": "flights", "uid": "of-the-earlier-one"}})
    sim.kube.put(CONFIG_MAP, leftover)
    sim.create(a_dataset())
    await sim.settle()
    assert sim.reason(DATASET, "flights") == "AwaitingDeletion"
    assert sim.condition(DATASET, "flights", "Stalled") == "False", "the garbage collector is late, nobody has to act"
    sim.delete(CONFIG_MAP, "flights-settings")
    await sim.until(lambda: sim.reason(DATASET, "flights") == "VersionReady", timedelta(minutes=1))


async def test_a_child_that_may_not_be_deleted_is_told() -> None:
    sim, _ = simulation()
    owner = sim.create(a_dataset())
    old = a_config_map("flights-old", owner=owner)
    old["metadata"]["labels"] = {"bucle.dev/uid": owner["metadata"]["uid"]}
    sim.kube.put(CONFIG_MAP, old)
    sim.kube.fail("delete", Forbidden("denied by policy"), resource=CONFIG_MAP, times=3)
    await sim.settle()
    assert sim.reason(DATASET, "flights") == "ChildRefused"
    await sim.until(lambda: sim.reason(DATASET, "flights") == "VersionReady", timedelta(minutes=1))


async def test_a_status_that_the_server_refuses_is_said_and_others_go_on() -> None:
    sim, _ = simulation()
    sim.kube.fail("replace_status", Invalid("status.current.rows: must be an integer"), times=1)
    sim.create(a_dataset())
    await sim.settle()
    said = next(c for c in sim.status(DATASET, "flights")["conditions"] if c["type"] == "Reconciling")
    assert said["reason"] == "InternalError"
    assert "status.current.rows: must be an integer" in said["message"]
