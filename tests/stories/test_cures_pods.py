"""Every cure of what keeps a pod from its work, done on a Dataset and, where it is another one, on an Experiment."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.fakes.drivers import set_pod_status, start_pod
from tests.support.worlds.cures import cures, is_ready, person, shown
from tests.support.worlds.dataset import only_job
from tests.support.worlds.experiment import played, started
from tests.support.worlds.simulation import PLATFORM, Simulation
from tests.support.worlds.training import FLIGHTS, LATE, changed, data_result, finish_open_jobs, operator, task_of

from bucle.engine.objects import JOB, JsonObject
from bucle.engine.status import timestamp
from bucle.kinds import dataset
from bucle.resources.addresses import DATASET, EXPERIMENT, Resource

SOON = timedelta(seconds=25)


def _waits(reason: str, message: str) -> JsonObject:
    return {
        "containerStatuses": [
            {"name": "main", "image": "bucle-worker:test", "state": {"waiting": {"reason": reason, "message": message}}}
        ]
    }


PENDING: dict[str, JsonObject] = {
    "ImagePullFailed": _waits("ImagePullBackOff", "pull access denied"),
    "SecretMissing": _waits("CreateContainerConfigError", 'secret "bucle-storage" not found'),
    "ContainerRefused": _waits("CreateContainerError", "no such runtime"),
    "Unschedulable": {
        "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "Insufficient memory"}
        ]
    },
}
TOLD = {
    "ImagePullFailed": "pull access denied",
    "SecretMissing": "kubectl create secret generic bucle-storage",
    "ContainerRefused": "no such runtime",
    "Unschedulable": "Insufficient memory",
    "PodsRefused": "kubectl describe job",
    "Queued": "kubectl get workloads,localqueues",
}
ENDED: dict[str, tuple[int, str]] = {
    "OutOfMemory": (137, "OOMKilled"),
    "ProgramFailed": (1, "Error"),
    "ResultLost": (0, "Completed"),
    "Disrupted": (143, "Error"),
}


async def kept(sim: Simulation, resource: Resource, name: str, reason: str) -> None:
    """Something keeps the pods of all open Jobs, and the object tells what."""
    began = {"startTime": timestamp(sim.clock.now())}
    for job in sim.jobs(open_only=True):
        if reason == "Queued":
            sim.edit(JOB, job["metadata"]["name"], lambda live: live["spec"].update(suspend=True))
        elif reason == "PodsRefused":
            sim.edit(JOB, job["metadata"]["name"], lambda live: live.update(status=began))
        else:
            set_pod_status(sim.kube, start_pod(sim.kube, "ml", job["metadata"]["name"]), PENDING[reason])
    await sim.pass_time(timedelta(minutes=1))
    assert TOLD[reason] in shown(sim, resource, name, reason)


def let_go(sim: Simulation) -> None:
    """What kept the pods is mended: they run."""
    for job in sim.jobs(open_only=True):
        sim.edit(JOB, job["metadata"]["name"], lambda live: live["spec"].update(suspend=False))
        set_pod_status(sim.kube, start_pod(sim.kube, "ml", job["metadata"]["name"]), {"phase": "Running"})


def lost(sim: Simulation, reason: str) -> None:
    """Every open Job ends so."""
    over = {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}
    for job in sim.jobs(open_only=True):
        name = job["metadata"]["name"]
        if reason == "DeadlineExceeded":
            sim.edit(JOB, name, lambda live: live.update(status=over))
            continue
        code, why = ENDED[reason]
        sim.fail_job(name, code) if code else sim.finish_job(name, "")
        ended = {"terminated": {"exitCode": code, "reason": why}}
        status: dict[str, Any] = {"phase": "Failed", "containerStatuses": [{"name": "main", "state": ended}]}
        if reason == "Disrupted":
            status["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
        pod = next(p for p in sim.pods() if p["metadata"]["labels"]["job-name"] == name)
        set_pod_status(sim.kube, pod, status)


def requests(spec: JsonObject, run: int = 0) -> None:
    spec["pod"] = {"resources": {"requests": {"memory": "64Mi"}, "limits": {"memory": "8Gi"}}}
    spec.update(run=run) if run else None


# --- a Dataset -------------------------------------------------------------------------------------------------


async def building(reason: str) -> Simulation:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    await sim.settle()
    if reason:
        await kept(sim, DATASET, "flights", reason)
    return sim


async def builds(sim: Simulation) -> None:
    await sim.until(lambda: bool(sim.jobs(open_only=True)), timedelta(minutes=6))
    sim.finish_job(only_job(sim), data_result())
    await sim.settle()
    assert is_ready(sim, DATASET, "flights")()


@cures("ImagePullFailed", "SecretMissing", "ContainerRefused", "PodsRefused", "Unschedulable", "Queued")
async def test_a_pod_that_was_kept_runs_once_what_kept_it_is_mended(reason: str) -> None:
    sim = await building(reason)
    job = only_job(sim)
    let_go(sim)
    await sim.settle()
    shown(sim, DATASET, "flights", "Building")
    assert only_job(sim) == job, "its own pod runs: nothing is begun anew"
    await builds(sim)


@cures("ContainerRefused", "PodsRefused", "Unschedulable")
async def test_requests_that_were_lowered_reach_a_new_pod_at_once(reason: str) -> None:
    sim = await building(reason)
    job = only_job(sim)
    person(sim, DATASET, "flights", reason, requests)
    await sim.settle()
    assert only_job(sim) != job, "a Job keeps the pod template that it was made with"
    (made,) = sim.jobs(open_only=True)
    asked = made["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]
    assert asked["memory"] == "64Mi"
    await builds(sim)


@cures("ImagePullFailed")
@pytest.mark.parametrize("value", [{"image_worker": "mirror/worker:test"}, {"image_pull_secrets": ("mirror",)}])
async def test_an_image_or_pull_secret_that_was_corrected_in_the_chart_reaches_a_new_pod_at_once(
    reason: str, value: dict[str, Any]
) -> None:
    sim = await building(reason)
    job = only_job(sim)
    sim.upgrade(dataset.room(replace(PLATFORM, **value)))
    await sim.settle()
    assert only_job(sim) != job
    await builds(sim)


@cures("Disrupted", "ResultLost")
async def test_a_new_attempt_starts_by_itself(reason: str) -> None:
    sim = await building("")
    lost(sim, reason)
    await sim.settle()
    shown(sim, DATASET, "flights", reason)
    await builds(sim)


@cures("OutOfMemory", "DeadlineExceeded", "ProgramFailed", "ResultLost")
async def test_a_build_that_was_given_up_begins_again_after_a_raised_run(reason: str) -> None:
    sim = await given_up(reason)
    person(sim, DATASET, "flights", reason, lambda spec: spec.update(run=1))
    await builds(sim)


@cures("OutOfMemory")
async def test_memory_that_was_raised_is_enough(reason: str) -> None:
    sim = await given_up(reason)
    person(sim, DATASET, "flights", reason, requests)
    await builds(sim)


@cures("DeadlineExceeded")
async def test_work_that_was_made_smaller_is_begun_at_once(reason: str) -> None:
    sim = await given_up(reason)
    location = {"location": "s3://bucle/raw/flights/2026/*.parquet"}
    person(sim, DATASET, "flights", reason, lambda spec: spec["sources"][0]["uri"].update(location))
    await builds(sim)


async def given_up(reason: str) -> Simulation:
    sim = await building("")
    for _ in range(3):
        await sim.until(lambda: bool(sim.jobs(open_only=True)))
        lost(sim, reason)
        await sim.settle()
    await sim.pass_time(timedelta(hours=2))
    shown(sim, DATASET, "flights", reason)
    assert (sim.condition(DATASET, "flights", "Stalled"), sim.jobs(open_only=True)) == ("True", [])
    return sim


# --- an Experiment, which pins what it was begun with ----------------------------------------------------------


@cures("ImagePullFailed", "SecretMissing", "ContainerRefused", "PodsRefused", "Unschedulable", "Queued")
async def test_trials_that_were_kept_run_once_what_kept_them_is_mended(reason: str) -> None:
    sim, _ = await started()
    await kept(sim, EXPERIMENT, "late", reason)
    let_go(sim)
    await played(sim)
    assert is_ready(sim, EXPERIMENT, "late")()


@cures("ImagePullFailed", "ContainerRefused", "PodsRefused", "Unschedulable")
async def test_trials_get_other_pods_after_an_edit_that_raises_run(reason: str) -> None:
    sim, _ = await started()
    await kept(sim, EXPERIMENT, "late", reason)
    before = {job["metadata"]["name"] for job in sim.jobs(open_only=True)}
    person(sim, EXPERIMENT, "late", reason, lambda spec: requests(spec, run=1))
    await sim.pass_time(SOON)
    assert not before & {job["metadata"]["name"] for job in sim.jobs(open_only=True)}
    await played(sim)
    assert is_ready(sim, EXPERIMENT, "late")()


@cures("OutOfMemory", "DeadlineExceeded", "ProgramFailed", "ResultLost")
async def test_a_final_fit_that_was_given_up_is_made_after_an_edit_that_raises_run(reason: str) -> None:
    sim, _ = await started(changed(LATE, lambda made: made["spec"]["limits"].update(maxTrials=2)))
    finish_open_jobs(sim)
    for _ in range(3):
        await sim.until(lambda: any(task_of(job)["phase"] == "final" for job in sim.jobs(open_only=True)))
        lost(sim, reason)
        await sim.settle()
    await sim.pass_time(timedelta(minutes=10))
    shown(sim, EXPERIMENT, "late", reason)

    def more(spec: JsonObject) -> None:
        requests(spec, run=1)
        spec["limits"]["trialTimeout"] = "30m"

    person(sim, EXPERIMENT, "late", reason, more)
    await played(sim)
    assert is_ready(sim, EXPERIMENT, "late")()


@cures("Disrupted", "ResultLost")
async def test_a_trial_is_tried_again_by_itself(reason: str) -> None:
    sim, _ = await started()
    lost(sim, reason)
    await sim.settle()
    assert reason in shown(sim, EXPERIMENT, "late", "SearchRunning")
    await sim.pass_time(timedelta(seconds=10))
    await played(sim)
    assert is_ready(sim, EXPERIMENT, "late")()
