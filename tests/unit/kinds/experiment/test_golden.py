"""The Jobs of a Dataset and of an Experiment as YAML a reviewer can read; UPDATE_GOLDEN=1 writes it anew."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import yaml
from tests.support.worlds.simulation import Simulation
from tests.support.worlds.training import FLIGHTS, LATE, finish_open_jobs, operator, with_version

from bucle.contracts.names import ANNOTATION_TASK
from bucle.engine.objects import JsonObject

GOLDEN = Path(__file__).parents[3] / "golden"
SERVERS_OWN = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")


def readable(job: JsonObject) -> JsonObject:
    """Without what the server adds; the task document unfolded, so that a change of it shows line by line."""
    metadata = {key: value for key, value in job["metadata"].items() if key not in SERVERS_OWN}
    annotations = job["spec"]["template"]["metadata"]["annotations"]
    annotations[ANNOTATION_TASK] = json.loads(annotations[ANNOTATION_TASK])
    return {**{key: value for key, value in job.items() if key != "status"}, "metadata": metadata}


def compare(sim: Simulation, file: str) -> None:
    text = yaml.safe_dump_all([readable(job) for job in sim.jobs()], sort_keys=True, width=120)
    path = GOLDEN / file
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text, "children changed: if that is meant, run again with UPDATE_GOLDEN=1"


async def test_the_build_job_of_a_dataset() -> None:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    await sim.settle()
    compare(sim, "dataset/build.yaml")


async def test_trials_and_the_final_fit_of_an_experiment() -> None:
    sim, _ = operator()
    with_version(sim)
    sim.create(LATE)
    await sim.pass_time(timedelta(seconds=5))
    for _ in range(2):
        finish_open_jobs(sim)
        await sim.pass_time(timedelta(seconds=10))
    compare(sim, "experiment/jobs.yaml")
