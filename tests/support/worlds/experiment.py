"""One Experiment on a Dataset with a version, played to its end, and what stories ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tests.support.fakes.registry import FakeRegistry
from tests.support.worlds.simulation import Simulation
from tests.support.worlds.training import (
    LATE,
    OTHER_DIGEST,
    finish_open_jobs,
    operator,
    with_version,
)

from bucle.contracts import registry_tags
from bucle.contracts.result import Result
from bucle.engine.objects import JsonObject
from bucle.engine.reads import Source
from bucle.resources.addresses import EXPERIMENT

MODEL = "ml.flights"


CHAMPION_DIGEST = "sha256:" + "e" * 64


async def started(
    manifest: JsonObject = LATE, sampler: Mapping[type, Source] | None = None
) -> tuple[Simulation, FakeRegistry]:
    sim, registry = operator(sampler=sampler)
    with_version(sim)
    sim.create(manifest)
    await sim.pass_time(timedelta(seconds=5))
    return sim, registry


async def played(sim: Simulation, final: Result | None = None, rounds: int = 12) -> None:
    """Jobs end as they appear, until none appears any more."""
    for _ in range(rounds):
        await sim.pass_time(timedelta(seconds=10))
        if not finish_open_jobs(sim, final):
            break
    await sim.pass_time(timedelta(minutes=2))


def champion(registry: FakeRegistry) -> None:
    tags = {
        registry_tags.TAG_MODEL_DIGEST: CHAMPION_DIGEST,
        registry_tags.TAG_DATASET_NAME: "old",
        registry_tags.TAG_DATASET_DIGEST: OTHER_DIGEST,
    }
    registry.point(MODEL, "champion", registry.add(MODEL, "s3://bucle/mlflow/champion", tags))


def said(sim: Simulation) -> dict[str, str]:
    conditions = sim.status(EXPERIMENT, "late")["conditions"]
    return {c["type"]: f"{c['status']}/{c['reason']}" for c in conditions}


def rows(sim: Simulation) -> list[dict[str, Any]]:
    return list(sim.status(EXPERIMENT, "late").get("trials") or ())


def job_names(sim: Simulation) -> list[str]:
    return sorted(job["metadata"]["name"] for job in sim.jobs())


def open_names(sim: Simulation) -> list[str]:
    return [job["metadata"]["name"] for job in sim.jobs(open_only=True)]
