"""What an Experiment survives: kills after every write, a registry that is down, a status that is lost."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from tests.support.fakes.drivers import set_pod_status, start_pod
from tests.support.fakes.kube import Crashed
from tests.support.fakes.registry import FakeRegistry
from tests.support.worlds.experiment import MODEL, champion, played, rows, said, started
from tests.support.worlds.simulation import Simulation
from tests.support.worlds.training import (
    DIGEST,
    LATE,
    OTHER_DIGEST,
    changed,
    final_result,
    finish_open_jobs,
    operator,
    versus,
    wipe_status,
    with_version,
)

from bucle.engine.objects import JOB, POD, JsonObject
from bucle.resources.addresses import DATASET, EXPERIMENT


def outcome(sim: Simulation, registry: FakeRegistry) -> dict[str, Any]:
    """All that a person could tell two runs apart by, without times and resource versions."""
    status = sim.status(EXPERIMENT, "late")
    trials = [(row["index"], row["state"], row["params"], row["seed"], row["value"]) for row in rows(sim)]
    return {
        "trials": trials,
        "conditions": said(sim),
        "model": status["final"]["model"],
        "jobs": sorted(job["metadata"]["name"].split("-")[-1] for job in sim.jobs()),
        "versions": len(registry.versions),
        "aliases": dict(registry.aliases),
        "runs": sorted((run.name, run.status) for run in registry.runs["ml/late"]),
    }


async def undisturbed() -> dict[str, Any]:
    sim, registry = await started()
    await played(sim)
    return outcome(sim, registry)


async def played_with_a_kill(writes: int) -> tuple[Simulation, FakeRegistry, bool]:
    """The whole story, killed once after its n-th write; False when it has fewer writes."""
    sim, registry = operator()
    with_version(sim)
    sim.create(LATE)
    sim.kube.crash_after(writes)
    try:
        await played(sim)
    except Crashed:
        sim.kube.crash_after(None)
        sim.restart()
        await played(sim)
        return sim, registry, True
    sim.kube.crash_after(None)
    return sim, registry, False


async def test_a_kill_after_any_write_leads_to_the_same_end() -> None:
    expected = await undisturbed()
    writes = 0
    for writes in range(1, 200):
        sim, registry, killed = await played_with_a_kill(writes)
        assert outcome(sim, registry) == expected, f"killed after write {writes}"
        if not killed:
            break
    assert 20 < writes < 199, "the story must have been killed at many places, and must end"


async def test_never_two_jobs_for_one_attempt_and_never_two_versions() -> None:
    for writes in (3, 7, 12, 18, 25):
        sim, registry, _ = await played_with_a_kill(writes)
        tails = Counter(job["metadata"]["name"].split("-")[-1].split("a")[0] for job in sim.jobs())
        assert set(tails.values()) == {1}
        assert len(registry.versions) == 1


async def test_trials_do_not_wait_for_a_registry_that_goes_away() -> None:
    sim, registry = await started()
    registry.down = "connection refused"
    for _ in range(2):
        assert finish_open_jobs(sim) == 2
        await sim.pass_time(timedelta(seconds=15))
    assert sim.status(EXPERIMENT, "late")["counts"]["succeeded"] == 4
    assert said(sim)["Reconciling"] == "True/RegistryUnavailable"
    assert sim.jobs(open_only=True) == [], "the champion must not be taken for missing"
    registry.down = None
    await played(sim)
    assert said(sim)["Ready"] == "True/Registered"
    assert registry.aliases[MODEL, "challenger"] == 1


async def test_registration_waits_for_the_registry() -> None:
    sim, registry = await started()
    for _ in range(2):
        finish_open_jobs(sim)
        await sim.pass_time(timedelta(seconds=15))
    registry.down = "connection refused"
    finish_open_jobs(sim)
    await sim.pass_time(timedelta(minutes=5))
    assert said(sim)["Reconciling"] == "True/RegistryUnavailable"
    assert said(sim)["GatesPassed"] == "True/GatesPassed"
    registry.down = None
    await sim.pass_time(timedelta(minutes=5))
    assert said(sim)["Ready"] == "True/Registered"
    assert len(registry.versions) == 1


@pytest.mark.thorough
async def test_trials_cut_off_by_the_time_limit_do_not_undo_the_search_while_the_registry_is_away() -> None:
    sim, registry = await started()
    finish_open_jobs(sim)
    await sim.pass_time(timedelta(seconds=15))
    registry.down = "connection refused"
    await sim.pass_time(timedelta(hours=2, minutes=5))
    assert [row["state"] for row in rows(sim)] == ["Succeeded", "Succeeded", "Failed", "Failed"]
    assert said(sim)["Reconciling"] == "True/RegistryUnavailable"
    registry.down = None
    await played(sim)
    assert said(sim)["Ready"] == "True/Registered"


@pytest.mark.thorough
async def test_waiting_for_the_registry_does_not_use_up_the_time_of_the_search() -> None:
    sim, registry = operator()
    registry.down = "connection refused"
    with_version(sim)
    sim.create(LATE)
    await sim.pass_time(timedelta(hours=3))
    assert said(sim)["Reconciling"] == "True/RegistryUnavailable"
    registry.down = None
    await played(sim)
    assert said(sim)["Ready"] == "True/Registered"


async def stuck_without_a_secret_until_the_deadline(sim: Simulation) -> None:
    """What happens to every open Job: its pod waits for the Secret, then the Job takes it away and fails."""
    jobs = sim.jobs(open_only=True)
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "bucle-storage" not found'}
    pods = [start_pod(sim.kube, sim.namespace, job["metadata"]["name"]) for job in jobs]
    for pod in pods:
        set_pod_status(sim.kube, pod, {"containerStatuses": [{"name": "train", "state": {"waiting": waiting}}]})
    await sim.pass_time(timedelta(seconds=5))
    failed = {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}
    for job, pod in zip(jobs, pods, strict=True):
        sim.kube.remove(POD, sim.namespace, pod["metadata"]["name"])
        sim.edit(JOB, job["metadata"]["name"], lambda obj: obj.update(status=failed))
    await sim.pass_time(timedelta(seconds=2))


async def test_a_missing_secret_is_waited_for_beyond_the_deadline_of_a_job() -> None:
    sim, _ = await started()
    await stuck_without_a_secret_until_the_deadline(sim)
    assert [(row["state"], row["reason"]) for row in rows(sim)] == [("Planned", "SecretMissing")] * 2
    await sim.until(lambda: len(sim.jobs(open_only=True)) == 2)
    for _ in range(2):
        finish_open_jobs(sim)
        await sim.pass_time(timedelta(seconds=10))
    for _ in range(4):
        await stuck_without_a_secret_until_the_deadline(sim)
        assert said(sim)["Reconciling"] == "True/SecretMissing"
        await sim.until(lambda: bool(sim.jobs(open_only=True)))
    await played(sim)
    assert said(sim)["Ready"] == "True/Registered"


async def test_nothing_starts_while_the_registry_cannot_say_whether_it_was_done_before() -> None:
    sim, registry = operator()
    registry.down = "connection refused"
    with_version(sim)
    sim.create(LATE)
    await sim.pass_time(timedelta(minutes=1))
    assert said(sim)["Reconciling"] == "True/RegistryUnavailable"
    assert sim.jobs() == []
    registry.down = None
    await sim.pass_time(timedelta(minutes=1))
    assert len(sim.jobs(open_only=True)) == 2


def forget_everything(sim: Simulation) -> None:
    """As after a restore of a backup: no status, and no Job left either."""
    for job in sim.jobs():
        sim.kube.remove(JOB, sim.namespace, job["metadata"]["name"])
    wipe_status(sim)
    sim.restart()


async def test_a_registered_experiment_that_lost_its_status_does_not_train_again() -> None:
    sim, registry = await started()
    await played(sim)
    before = sim.status(EXPERIMENT, "late")["final"]
    forget_everything(sim)
    await sim.pass_time(timedelta(minutes=5))
    after = sim.status(EXPERIMENT, "late")["final"]
    assert sim.jobs() == []
    assert said(sim)["Ready"] == "True/Registered"
    assert (after["model"], after["outOfFold"], after["runId"]) == (
        before["model"],
        before["outOfFold"],
        before["runId"],
    )
    assert len(registry.versions) == 1


def newer_data(sim: Simulation) -> None:
    sim.edit(DATASET, "flights", lambda obj: obj["status"]["current"].update(digest=OTHER_DIGEST))


async def test_a_cluster_rebuilt_from_git_a_month_later_trains_nothing_again() -> None:
    sim, registry = await started()
    await played(sim)
    newer_data(sim)
    forget_everything(sim)
    await sim.pass_time(timedelta(minutes=5))
    assert sim.jobs() == []
    assert said(sim)["Ready"] == "True/Registered"
    assert (len(registry.versions), registry.aliases[MODEL, "challenger"]) == (1, 1)
    assert sim.status(EXPERIMENT, "late")["inputs"]["datasetDigest"] == DIGEST, "what it learned from, not today's data"


@pytest.mark.parametrize("gone", [(), ("register", "champion")])
async def test_a_model_refused_or_kept_a_month_ago_is_not_trained_again_on_newer_data(gone: tuple[str, ...]) -> None:
    def without(obj: JsonObject) -> None:
        for field in gone:
            del obj["spec"][field]

    sim, registry = await started(changed(LATE, without))
    await played(sim, final_result(test="0.9") if not gone else None)
    before = said(sim)
    newer_data(sim)
    forget_everything(sim)
    await sim.pass_time(timedelta(minutes=5))
    assert sim.jobs() == []
    assert said(sim) == before
    assert len(registry.versions) == 0


async def test_a_raised_run_closes_what_the_earlier_one_left_open_in_mlflow() -> None:
    sim, registry = await started()
    assert [run.status for run in registry.runs["ml/late"]] == ["RUNNING", "RUNNING"]
    sim.edit(EXPERIMENT, "late", lambda obj: obj["spec"].update(run=1))
    await played(sim)
    ended = [run.status for run in registry.runs["ml/late"]]
    assert sorted(ended) == ["FINISHED"] * 5 + ["KILLED"] * 2
    assert said(sim)["Ready"] == "True/Registered"


@pytest.mark.parametrize(
    ("final", "expected"),
    [
        (final_result(champion=versus("0.05")), {"Ready": "True/NotBetter"}),
        (final_result(test="0.9"), {"Stalled": "True/GateFailed"}),
    ],
)
async def test_a_refused_model_stays_refused_without_status(final: Any, expected: dict[str, str]) -> None:
    sim, registry = operator()
    champion(registry)
    with_version(sim)
    sim.create(LATE)
    await played(sim, final)
    forget_everything(sim)
    await sim.pass_time(timedelta(minutes=5))
    assert sim.jobs() == []
    assert expected.items() <= said(sim).items()


@pytest.mark.parametrize("rounds", [0, 1, 2])
async def test_a_status_lost_during_the_search_is_read_off_the_jobs(rounds: int) -> None:
    expected = await undisturbed()
    sim, registry = await started()
    for _ in range(rounds):
        finish_open_jobs(sim)
        await sim.pass_time(timedelta(seconds=10))
    wipe_status(sim)
    sim.restart()
    await played(sim)
    assert outcome(sim, registry) == expected


async def test_an_alias_that_someone_moved_further_meanwhile_is_left_alone() -> None:
    sim, registry = await started()

    def overtaken() -> None:
        if (MODEL, 1) in registry.versions and (MODEL, 2) not in registry.versions:
            registry.point(MODEL, "challenger", registry.add(MODEL, "s3://elsewhere/2"))

    registry.count_write = overtaken
    await played(sim)
    assert said(sim)["Ready"] == "True/Registered"
    assert sim.status(EXPERIMENT, "late")["final"]["model"]["version"] == 1
    assert registry.aliases[MODEL, "challenger"] == 2
