"""A real sink on loopback that fails and comes back: each transition once, signed, also over restarts, and no secret in a log."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tests.support.fakes.kube import FakeKube
from tests.support.fakes.receiver import KEY, Receiver, listening
from tests.support.series import exposed
from tests.support.worlds.rollout import NAME, Model, RolloutWorld

from bucle.contracts.names import LABEL_NEWS
from bucle.engine.metrics import Metrics
from bucle.engine.objects import EVENT, JsonObject
from bucle.externals.notifications.sender import KEPT, Notifier
from bucle.externals.notifications.values import Sink

HOURS = timedelta(hours=6)


@contextlib.asynccontextmanager
async def notifying(kube: FakeKube, *sinks: Sink, metrics: Metrics | None = None) -> AsyncIterator[Notifier]:
    """One leader from its beginning to its end; its pauses are short. At its first looks it hears of what is on the Events."""
    counts = metrics or Metrics(CollectorRegistry())
    notifier = Notifier(sinks, kube, kube.clock, "default", counts, lambda attempt: 0.02 * attempt)
    task = asyncio.create_task(notifier.run())
    for event in kube.all(EVENT):
        notifier.heard(event)
    try:
        yield notifier
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def told(kube: FakeKube, number: int, word: str = "drift.detected") -> JsonObject:
    """An Event as the engine writes it."""
    event: JsonObject = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"flights.{number:04}", "namespace": "ml", "labels": {LABEL_NEWS: word}},
        "involvedObject": {"apiVersion": "bucle.dev/v1alpha1", "kind": "DriftPolicy", "namespace": "ml", "name": "flights", "uid": "u1"},
        "type": "Warning",
        "reason": "Breached",
        "message": f"window {number}: worse",
        "firstTimestamp": kube.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lastTimestamp": kube.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "count": 1,
        "source": {"component": "bucle-operator"},
    }  # fmt: skip
    await kube.create(EVENT, event)
    return event


def delivered(kube: FakeKube, sink: str) -> set[str]:
    mark = f"bucle.dev/delivered-{sink}"
    return {e["metadata"]["name"] for e in kube.all(EVENT) if mark in (e["metadata"].get("annotations") or {})}


async def recorded(kube: FakeKube, sink: str, count: int) -> None:
    """The record follows the answer."""
    async with asyncio.timeout(10):
        while len(delivered(kube, sink)) < count:  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("failure", [500, 503, 404, 302, None], ids=lambda status: str(status or "nobody listens"))
async def test_a_sink_that_fails_and_comes_back_is_told_once_and_in_order(failure: int | None, caplog: Any) -> None:
    kube, receiver, metrics = FakeKube(), Receiver(status=failure or 200), Metrics(CollectorRegistry())
    async with listening(receiver):
        pass  # From now on its port is known, and closed.
    async with notifying(kube, receiver.sink(), metrics=metrics) as notifier:
        for number in range(3):
            notifier.heard(await told(kube, number))
        if failure is None:
            async with asyncio.timeout(10):
                while exposed(metrics.registry)["bucle_notifications_total Failed events"] < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        async with listening(receiver):
            if failure is not None:
                await receiver.until(lambda: receiver.asked >= 2)
                receiver.status = 200
            await receiver.until(lambda: len(receiver.got) == 3)
            await recorded(kube, "events", 3)
    assert receiver.ids == ["flights.0000", "flights.0001", "flights.0002"]
    found = exposed(metrics.registry)
    assert found["bucle_notifications_total Delivered events"] == 3
    assert found["bucle_notifications_total Failed events"] >= 2
    assert found["bucle_notifications_total Dropped events"] == found["bucle_notifications_queued events"] == 0
    text = "".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "a sink did not take a notification" in text
    assert not any(secret in text for secret in ("s3cret", "hunter2", "t0ken", "127.0.0.1"))


async def test_a_receiver_with_the_key_verifies_what_it_got() -> None:
    kube, receiver = FakeKube(), Receiver()
    async with listening(receiver), notifying(kube, receiver.sink()) as notifier:
        notifier.heard(await told(kube, 7))
        await receiver.until(lambda: bool(receiver.got))
    headers, body = receiver.got[0]
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(KEY, content, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert headers["content-type"] == "application/cloudevents+json"
    assert json.loads(body)["type"] == "dev.bucle.drift.detected"


async def test_the_next_leader_tells_what_nobody_took_and_nothing_else() -> None:
    kube, receiver = FakeKube(), Receiver()
    async with listening(receiver):
        async with notifying(kube, receiver.sink()) as notifier:
            notifier.heard(await told(kube, 1))
            await receiver.until(lambda: len(receiver.got) == 1)
            await recorded(kube, "events", 1)
            receiver.status = 503
            notifier.heard(await told(kube, 2))
            await receiver.until(lambda: receiver.asked >= 2)
        receiver.status = 200
        await told(kube, 3)  # Written, and the process ended before it was heard.
        async with notifying(kube, receiver.sink()):
            await receiver.until(lambda: len(receiver.got) == 3)
            await recorded(kube, "events", 3)
        async with notifying(kube, receiver.sink()) as notifier:
            notifier.heard(await told(kube, 4))
            await receiver.until(lambda: len(receiver.got) == 4)
    assert receiver.ids == ["flights.0001", "flights.0002", "flights.0003", "flights.0004"]


async def test_a_leader_that_dies_before_the_record_tells_a_second_time_under_the_same_id() -> None:
    kube, receiver = FakeKube(), Receiver()
    event = await told(kube, 1)
    async with listening(receiver):
        for time in (1, 2):
            forgetful = FakeKube(kube.clock)  # As if the record had not been written.
            await forgetful.create(EVENT, event)
            async with notifying(forgetful, receiver.sink()):
                await receiver.until(lambda time=time: len(receiver.got) == time)  # type: ignore[misc]
    assert receiver.ids == ["flights.0001", "flights.0001"]


async def test_a_sink_that_never_answers_keeps_nobody_else_waiting() -> None:
    kube, broken, well = FakeKube(), Receiver(status=500), Receiver()
    async with (
        listening(broken),
        listening(well),
        notifying(kube, broken.sink("broken"), well.sink("well")) as notifier,
    ):
        for number in range(5):
            notifier.heard(await told(kube, number))
        await well.until(lambda: len(well.got) == 5)
    assert broken.got == [] and broken.asked > 0


async def test_each_sink_is_told_what_it_asked_for() -> None:
    kube, all_of_it, refusals = FakeKube(), Receiver(), Receiver()
    async with listening(all_of_it), listening(refusals):
        chosen = refusals.sink("refusals", ["model.refused"])
        async with notifying(kube, all_of_it.sink(), chosen) as notifier:
            notifier.heard(await told(kube, 1))
            notifier.heard(await told(kube, 2, "model.refused"))
            await all_of_it.until(lambda: len(all_of_it.got) == 2)
            await refusals.until(lambda: len(refusals.got) == 1)
    assert refusals.ids == ["flights.0002"]


async def test_what_is_too_old_or_too_much_is_dropped_and_counted() -> None:
    kube, metrics, receiver = FakeKube(), Metrics(CollectorRegistry()), Receiver()
    old = await told(kube, 0)
    kube.clock.advance(timedelta(hours=2))
    sink = receiver.sink()
    notifier = Notifier([sink], kube, kube.clock, "default", metrics)
    for number in range(1, KEPT + 6):
        notifier.heard(await told(kube, number))
    assert exposed(metrics.registry)["bucle_notifications_total Dropped events"] == 5
    assert exposed(metrics.registry)["bucle_notifications_queued events"] == KEPT
    async with listening(receiver), notifying(FakeKube(kube.clock), receiver.sink()) as fresh:
        fresh.heard(old)
        fresh.heard(await told(kube, 900))
        await receiver.until(lambda: bool(receiver.got))
    assert receiver.ids == ["flights.0900"]


async def test_a_story_is_told_as_it_happened() -> None:
    """A first version, a worse one that is refused, a better one: what the operator writes is what the sink hears."""
    world, receiver = RolloutWorld(), Receiver()
    one = world.register()
    world.point("challenger", one)
    world.sim.create(world.manifest())
    await world.sim.until(world.serves(one), HOURS)
    world.point("challenger", world.register(Model(loss=0.5)))
    await world.sim.until(lambda: world.status.get("rejected") is not None, HOURS)
    world.sim.restart()
    await world.sim.settle()
    three = world.register(Model(loss=-0.07))
    world.point("challenger", three)
    await world.sim.until(world.serves(three), HOURS)
    kube = FakeKube()
    async with listening(receiver), notifying(kube, receiver.sink()) as notifier:
        for event in world.sim.told:
            notifier.heard({**event, "firstTimestamp": kube.clock.now().isoformat()})
        await receiver.until(lambda: len(receiver.got) == 3)
    heard = [json.loads(body) for _, body in receiver.got]
    assert [event["type"].removeprefix("dev.bucle.") for event in heard] == [
        "model.promoted",
        "model.refused",
        "model.promoted",
    ]
    assert {event["subject"] for event in heard} == {f"ModelDeployment/ml/{NAME}"}
    assert heard[2]["data"]["message"] == f"version {three} was promoted"
