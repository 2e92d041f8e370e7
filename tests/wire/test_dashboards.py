"""Every query of every panel, asked of a real Prometheus that scrapes an operator in the middle of a rollout and a model server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hack.dashboards import dashboards
from tests.support import prometheus
from tests.support.builders import drift_states, experiment_states
from tests.support.worlds import drift
from tests.support.worlds.rollout import NAME, Model, RolloutWorld
from tests.support.worlds.simulation import PLATFORM

from bucle import health
from bucle.engine.metrics import Metrics
from bucle.engine.objects import JsonObject, key_of
from bucle.engine.room import AnyRoom
from bucle.kinds import dataset, driftpolicy, experiment
from bucle.kinds.driftpolicy.state import State as DriftState
from bucle.kinds.driftpolicy.status_codec import encoded
from bucle.kinds.experiment.state import State as ExperimentState
from bucle.kinds.experiment.status_codec import encoded as encoded_experiment
from bucle.pods.serve.measures import Measures
from bucle.resources.dataset import Dataset
from bucle.resources.documents import to_dict

pytestmark = pytest.mark.thorough
HOURS = timedelta(hours=6)
SECONDS = 30.0
READY = [
    {"type": "Ready", "status": "True", "reason": "Any"},
    {"type": "DriftDetected", "status": "False", "reason": "Any"},
]
VERSION = {
    "digest": "sha256:1",
    "rows": 120,
    "bytes": 4096,
    "createdAt": "2026-03-01T12:00:00Z",
    "quality": {"accuracy": "0.99"},
}
NAME_OF_SIGNAL = drift.policy_spec()["signals"][0]["name"]
SIGNAL = {"name": NAME_OF_SIGNAL, "verdict": "Healthy", "drifting": False, "value": "0.04", "limit": "0.05"}


def show(metrics: Metrics, room: AnyRoom, obj: JsonObject, status: JsonObject) -> None:
    metrics.told(key_of(room.resource, obj), room, obj, {**status, "conditions": READY})


def other_kinds(metrics: Metrics) -> None:
    """What a policy, a dataset and an experiment tell once each has done something."""
    made = experiment_states.experiment()
    tried = experiment_states.trials("sr")
    searching = encoded_experiment(ExperimentState(inputs=experiment_states.INPUTS, trials=tried), tried[0])
    judged = {"signals": [SIGNAL]}
    retrained = to_dict(encoded(DriftState(past_retrains=(drift_states.PAST,))))
    data = drift_states.of(Dataset, "flights", drift.dataset_spec())
    show(metrics, driftpolicy.room(PLATFORM), to_dict(drift_states.policy()), {**retrained, **judged})
    show(metrics, dataset.room(PLATFORM), to_dict(data), {"current": VERSION})
    show(metrics, experiment.room(PLATFORM), to_dict(made), to_dict(searching))


async def rolling_out() -> RolloutWorld:
    """In a step with gates, which have numbers."""
    world = RolloutWorld()
    one = world.register()
    world.point("challenger", one)
    world.sim.create(world.manifest())
    await world.sim.until(world.serves(one), HOURS)
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.until(world.at("Stepping", 0), HOURS)

    def judged() -> bool:
        step = (world.status.get("rollout") or {}).get("step")
        numbers = {field for gate in world.status.get("gates") or () if gate.get("step") == step for field in gate}
        return {"estimate", "interval", "limit", "samples", "groups", "independentGroups"} <= numbers

    await world.sim.until(judged, HOURS)
    await world.sim.settle()
    return world


def a_server() -> Measures:
    """It answered, stored, lost and was told labels."""
    measures = Measures("flights", "rev1")
    measures.requests.labels("200", "stable").inc(10)
    measures.seconds.observe(0.01)
    measures.tally()
    return measures


def asked(query: str) -> str:
    return query.replace("$namespace", "ml").replace("$name", NAME)


async def test_every_panel_shows_something(tmp_path: Path, unused_tcp_port_factory: Callable[[], int]) -> None:
    world = await rolling_out()
    metrics = world.sim.controller.metrics
    metrics.leading(True)
    metrics.request("get", "datasets", "200")
    metrics.watch_sink("events", lambda: 0.0)
    other_kinds(metrics)

    async def well() -> None:
        return None

    operator, server, port = (unused_tcp_port_factory() for _ in range(3))
    pages = [
        await health.serve("127.0.0.1", operator, metrics.registry, well, well),
        await health.serve("127.0.0.1", server, a_server().registry, well, well),
    ]
    scraped = {
        f"127.0.0.1:{operator}": {"namespace": "bucle-system"},
        f"127.0.0.1:{server}": {"namespace": "ml", "name": NAME},
    }
    queries = {
        f"{name}: {panel['title']}: {target['expr']}": asked(target["expr"])
        for name, content in dashboards().items()
        for panel in content["panels"]
        for target in panel["targets"]
    }
    try:
        with prometheus.running(tmp_path, port, scraped) as found:
            empty = await until_answered(found, queries)
    finally:
        for page in pages:
            await page.cleanup()
    assert empty == {}


async def until_answered(found: prometheus.Prometheus, queries: dict[str, str]) -> dict[str, str]:
    """Those that show nothing, once all the others do or time is over. A rate needs two scrapes."""
    left = dict(queries)
    end = asyncio.get_running_loop().time() + SECONDS
    while left and asyncio.get_running_loop().time() < end:
        answers: dict[str, list[Any]] = {
            key: await asyncio.to_thread(found.query, query) for key, query in left.items()
        }
        left = {key: left[key] for key, answer in answers.items() if not answer}
        if left:
            await asyncio.sleep(1.0)
    return left
