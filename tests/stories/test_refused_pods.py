"""Why the API server takes no pod of a Job is told in its own words, which stand in an event of the Job alone."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from tests.support.worlds.cures import shown
from tests.support.worlds.dataset import only_job
from tests.support.worlds.experiment import started
from tests.support.worlds.simulation import Simulation
from tests.support.worlds.training import FLIGHTS, data_result, operator

from bucle.engine.kube import Forbidden
from bucle.engine.objects import EVENT, JOB, JsonObject
from bucle.engine.status import timestamp
from bucle.resources.addresses import DATASET, EXPERIMENT

QUOTA = 'Error creating: pods "{job}-x7k2p" is forbidden: exceeded quota: small, requested: pods=1, limited: pods=0'
LIMITS = 'Error creating: pods "{job}-x7k2p" is forbidden: maximum cpu usage per Container is 100m, but limit is 2'
WEBHOOK = 'Error creating: admission webhook "policy.example.com" denied the request: no team is named'
SECRET = "Error creating: Internal error: failed calling webhook: Post https://me:hunter2@hook.ml.svc: no such host"


def begun(status: JsonObject, job: JsonObject) -> None:
    job.update(status=status)


def refused(sim: Simulation, words: str, number: int = 0) -> None:
    """No pod was made for the open Jobs since they began, and each has an event that says why."""
    for job in sim.jobs(open_only=True):
        name = job["metadata"]["name"]
        if not number:
            sim.edit(JOB, name, partial(begun, {"startTime": timestamp(sim.clock.now())}))
        about = {"kind": "Job", "name": name, "namespace": "ml", "uid": job["metadata"]["uid"]}
        for reason, message in (("FailedCreate", words.format(job=name)), ("SuccessfulCreate", "Created pod")):
            sim.kube.put(
                EVENT,
                {
                    "metadata": {"name": f"{name}.{reason.lower()}{number}", "namespace": "ml"},
                    "involvedObject": about,
                    "reason": reason,
                    "message": message,
                    "lastTimestamp": timestamp(sim.clock.now()),
                },
            )


def asked(sim: Simulation) -> int:
    return sum(request.verb == "list" and request.resource == EVENT for request in sim.kube.requests)


async def building() -> Simulation:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    await sim.settle()
    return sim


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (QUOTA, "its pod is forbidden: exceeded quota: small, requested: pods=1, limited: pods=0"),
        (LIMITS, "its pod is forbidden: maximum cpu usage per Container is 100m, but limit is 2"),
        (WEBHOOK, 'admission webhook "policy.example.com" denied the request: no team is named'),
        (SECRET, "failed calling webhook: Post https://…@hook.ml.svc: no such host"),
        ("x" * 5000, "x" * 500 + "."),
    ],
)
async def test_a_dataset_whose_pod_is_refused_says_why_within_a_minute(words: str, told: str) -> None:
    sim = await building()
    refused(sim, words)
    await sim.pass_time(timedelta(minutes=1))
    assert told in shown(sim, DATASET, "flights", "PodsRefused")
    assert "hunter2" not in shown(sim, DATASET, "flights", "PodsRefused")


async def test_an_experiment_whose_pods_are_refused_says_why_within_a_minute() -> None:
    sim, _ = await started()
    refused(sim, QUOTA)
    await sim.pass_time(timedelta(minutes=1))
    assert "exceeded quota: small" in shown(sim, EXPERIMENT, "late", "PodsRefused")


async def test_the_last_refusal_is_told() -> None:
    sim = await building()
    refused(sim, QUOTA)
    await sim.pass_time(timedelta(minutes=1))
    refused(sim, WEBHOOK, 1)
    await sim.pass_time(timedelta(minutes=1))
    assert "no team is named" in shown(sim, DATASET, "flights", "PodsRefused")


async def test_who_may_read_no_events_tells_where_the_words_are() -> None:
    sim = await building()
    refused(sim, QUOTA)
    sim.kube.fail("list", Forbidden("events is forbidden"), resource=EVENT, times=50)
    await sim.pass_time(timedelta(minutes=1))
    assert f"`kubectl describe job {only_job(sim)}` tells why" in shown(sim, DATASET, "flights", "PodsRefused")


async def test_events_are_read_of_nothing_that_has_its_pods() -> None:
    sim = await building()
    await sim.pass_time(timedelta(minutes=5))
    sim.finish_job(only_job(sim), data_result())
    await sim.settle()
    assert asked(sim) == 0
