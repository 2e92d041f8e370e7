"""`observedGeneration` says which spec was judged: a run that could not see enough to judge leaves it as it was."""

from __future__ import annotations

from datetime import timedelta

from tests.support.worlds.simulation import Simulation
from tests.support.worlds.training import FLIGHTS, data_result, operator

from bucle.engine.kube import Unavailable
from bucle.engine.objects import JOB, JsonObject
from bucle.resources.addresses import DATASET


def widen(obj: JsonObject) -> None:
    obj["spec"]["expectations"][0]["range"]["maximum"] = "22"


def generations(sim: Simulation) -> tuple[int, int]:
    obj = sim.get(DATASET, "flights")
    return obj["metadata"]["generation"], obj["status"]["observedGeneration"]


async def test_a_new_object_is_in_progress_until_it_was_judged() -> None:
    sim, _ = operator(datasets=True)
    sim.kube.fail("list", Unavailable("timeout"), resource=JOB, times=1)
    sim.create(FLIGHTS)
    await sim.settle()
    assert generations(sim) == (1, -1), "kstatus would call an object without conditions current"
    assert sim.kube.writes == []
    await sim.until(lambda: generations(sim) == (1, 1), timedelta(seconds=10))
    assert sim.reason(DATASET, "flights") == "Building"


async def test_an_edited_spec_is_not_called_observed_before_it_was_judged() -> None:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    await sim.settle()
    sim.finish_job(str(sim.jobs(open_only=True)[0]["metadata"]["name"]), data_result())
    await sim.settle()
    assert (sim.condition(DATASET, "flights", "Ready"), generations(sim)) == ("True", (1, 1))
    sim.kube.fail("list", Unavailable("timeout"), resource=JOB, times=1)
    sim.edit(DATASET, "flights", widen)
    await sim.settle()
    assert (sim.condition(DATASET, "flights", "Ready"), generations(sim)) == ("True", (2, 1))
    await sim.until(lambda: generations(sim) == (2, 2), timedelta(seconds=10))
