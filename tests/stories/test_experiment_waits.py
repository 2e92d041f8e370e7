"""What an Experiment says while none of its trials can run: the real reason, lifted from pods and Jobs within a minute."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.support.fakes.drivers import set_pod_status, start_pod
from tests.support.worlds.experiment import job_names, played, said, started
from tests.support.worlds.training import LATE, changed, operator

from bucle.engine.objects import JOB, JsonObject
from bucle.engine.reads import Known, Observation, Unavailable
from bucle.engine.status import timestamp
from bucle.externals.sampler.optuna_sampler import suggest
from bucle.externals.sampler.values import Suggest, Suggestion
from bucle.resources.addresses import EXPERIMENT


async def test_what_all_pods_wait_for_is_the_reason_with_its_cure_and_goes_when_one_runs() -> None:
    sim, _ = await started()
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "bucle-storage" not found'}
    for name in job_names(sim):
        pod = start_pod(sim.kube, "ml", name)
        set_pod_status(sim.kube, pod, {"containerStatuses": [{"name": "train", "state": {"waiting": waiting}}]})
    await sim.pass_time(timedelta(seconds=5))
    assert said(sim)["Reconciling"] == "True/SecretMissing"
    (reconciling,) = [c for c in sim.status(EXPERIMENT, "late")["conditions"] if c["type"] == "Reconciling"]
    assert "kubectl create secret generic bucle-storage" in reconciling["message"]

    set_pod_status(sim.kube, pod, {"phase": "Running"})
    await sim.pass_time(timedelta(seconds=5))
    assert said(sim)["Reconciling"] == "True/SearchRunning"


class LateSampler:
    """Gives the first suggestions and, like one that is late, no further ones."""

    place = "a late sampler"

    async def read(self, read: Suggest) -> Observation[tuple[Suggestion, ...]]:
        if read.history:
            return Unavailable("the sampler did not answer within 2 s")
        return Known(suggest(read), datetime.now(UTC))


async def test_what_all_pods_wait_for_is_told_although_the_sampler_is_late_with_the_next_trials() -> None:
    wide = changed(LATE, lambda m: m["spec"]["limits"].update(maxTrials=8, parallelTrials=6))
    sim, _ = await started(wide, {Suggest: LateSampler()})
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "bucle-storage" not found'}
    for name in job_names(sim):
        pod = start_pod(sim.kube, "ml", name)
        set_pod_status(sim.kube, pod, {"containerStatuses": [{"name": "train", "state": {"waiting": waiting}}]})
    await sim.pass_time(timedelta(seconds=5))
    assert said(sim)["Reconciling"] == "True/SecretMissing"
    (reconciling,) = [c for c in sim.status(EXPERIMENT, "late")["conditions"] if c["type"] == "Reconciling"]
    assert "the sampler did not answer" in reconciling["message"]


def marked(status: JsonObject) -> Callable[[JsonObject], None]:
    return lambda live: live.update(status=status)


async def test_jobs_that_get_no_pod_say_where_to_look() -> None:
    sim, _ = await started()
    for job in sim.jobs():
        began = {"startTime": timestamp(sim.clock.now())}
        sim.kube.edit(JOB, "ml", job["metadata"]["name"], marked(began))
    await sim.pass_time(timedelta(seconds=5))
    assert said(sim)["Reconciling"] == "True/SearchRunning"
    await sim.pass_time(timedelta(seconds=55))
    assert said(sim)["Reconciling"] == "True/PodsRefused"


async def test_jobs_that_a_queue_holds_back_are_queued_and_use_up_no_time_of_the_search() -> None:
    sim, _ = await started()
    for name in job_names(sim):
        sim.edit(JOB, name, lambda job: job["spec"].update(suspend=True))
    await sim.pass_time(timedelta(hours=5))
    assert said(sim)["Reconciling"] == "True/Queued"
    assert len(sim.jobs(open_only=True)) == 2
    for name in job_names(sim):
        sim.edit(JOB, name, lambda job: job["spec"].update(suspend=False))
    await sim.pass_time(timedelta(minutes=30))
    assert said(sim)["Reconciling"] == "True/SearchRunning"
    await played(sim)
    assert said(sim)["Ready"] == "True/Registered"


async def test_what_waits_to_begin_costs_two_reads_a_look() -> None:
    sim, _ = operator()
    sim.create(LATE)
    await sim.settle()
    sim.kube.requests.clear()
    await sim.pass_time(timedelta(minutes=11))
    assert [(request.verb, request.resource.kind) for request in sim.kube.requests] == [
        ("get", "Experiment"),
        ("get", "Dataset"),
    ]
