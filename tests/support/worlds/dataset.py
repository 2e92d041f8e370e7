"""One Dataset, applied and built, and what stories ask of it."""

from __future__ import annotations

from tests.support.worlds.simulation import Simulation
from tests.support.worlds.training import (
    FLIGHTS,
    data_result,
    operator,
)

from bucle.engine.objects import JsonObject


def only_job(sim: Simulation) -> str:
    (job,) = sim.jobs(open_only=True)
    return str(job["metadata"]["name"])


async def built() -> Simulation:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    await sim.settle()
    sim.finish_job(only_job(sim), data_result())
    await sim.settle()
    return sim


def widen(obj: JsonObject) -> None:
    obj["spec"]["expectations"][0]["range"]["maximum"] = "22"
