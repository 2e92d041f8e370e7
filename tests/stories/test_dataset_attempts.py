"""Stories of builds that fail: told, tried again with growing pauses, read again by themselves, never for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.support.fakes.drivers import set_pod_status, start_pod
from tests.support.worlds.cures import shown
from tests.support.worlds.dataset import built, only_job
from tests.support.worlds.training import (
    FLIGHTS,
    HOURS_FAILED,
    OTHER_DIGEST,
    data_result,
    failure,
    operator,
)

from bucle.engine.objects import JsonObject
from bucle.resources.addresses import DATASET, Resource


async def test_a_store_that_is_down_is_tried_again_with_growing_pauses() -> None:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    await sim.settle()
    waits = []
    for _ in range(6):
        sim.fail_job(only_job(sim), 75, failure("data", "StoreUnavailable"))
        await sim.settle()
        assert sim.reason(DATASET, "flights") == "StoreUnavailable"
        assert sim.condition(DATASET, "flights", "Reconciling") == "True"
        began = sim.clock.now()
        await sim.until(lambda: bool(sim.jobs(open_only=True)))
        waits.append((sim.clock.now() - began).total_seconds())
    assert waits == [5, 10, 20, 40, 80, 160]
    sim.finish_job(only_job(sim), data_result())
    await sim.settle()
    assert sim.reason(DATASET, "flights") == "VersionReady"


@pytest.mark.parametrize("reason", ["UnknownColumn", "WrongType", "SourceEmpty"])
async def test_data_that_do_not_fit_are_read_again_by_themselves_once_the_file_was_corrected(reason: str) -> None:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    await sim.settle()
    for minutes in (5, 10, 20, 40, 60, 60):
        sim.fail_job(only_job(sim), 78, failure("data", reason, "column hour is not in the files"))
        await sim.settle()
        told = (sim.reason(DATASET, "flights"), sim.condition(DATASET, "flights", "Stalled"))
        assert told == (reason, "True")
        began = sim.clock.now()
        await sim.until(lambda: bool(sim.jobs(open_only=True)))
        assert sim.clock.now() - began == timedelta(minutes=minutes)
    sim.finish_job(only_job(sim), data_result())
    await sim.settle()
    assert sim.reason(DATASET, "flights") == "VersionReady"


async def test_a_refused_dataset_is_ready_within_the_hour_after_its_file_was_corrected() -> None:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    await sim.settle()
    for _ in range(8):
        sim.finish_job(only_job(sim), data_result(OTHER_DIGEST, failed=(HOURS_FAILED,)))
        await sim.settle()
        refused = sim.clock.now()
        assert sim.condition(DATASET, "flights", "Stalled") == "True"
        await sim.until(lambda: bool(sim.jobs(open_only=True)), timedelta(hours=2))
        assert timedelta(minutes=5) <= sim.clock.now() - refused <= timedelta(hours=1)
        assert sim.reason(DATASET, "flights") == "ExpectationFailed", "it stands until the new look says otherwise"
    sim.finish_job(only_job(sim), data_result())
    await sim.settle()
    assert sim.reason(DATASET, "flights") == "VersionReady"
    assert "rejected" not in sim.status(DATASET, "flights")


async def test_raising_run_reads_the_sources_at_once() -> None:
    sim = await built()
    sim.edit(DATASET, "flights", lambda obj: obj["spec"].update(run=1))
    await sim.settle()
    sim.finish_job(only_job(sim), data_result(OTHER_DIGEST))
    await sim.settle()
    assert sim.status(DATASET, "flights")["current"]["digest"] == OTHER_DIGEST


async def test_a_result_that_is_lost_three_times_is_told_instead_of_made_for_ever() -> None:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    for _ in range(3):
        await sim.until(lambda: bool(sim.jobs(open_only=True)))
        sim.finish_job(only_job(sim), "written by another release")
    await sim.pass_time(timedelta(hours=5))
    assert (sim.reason(DATASET, "flights"), sim.condition(DATASET, "flights", "Stalled")) == ("ResultLost", "True")
    assert len(sim.jobs()) == 3


async def test_a_night_of_a_broken_store_leaves_one_job_behind() -> None:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    made, morning = 0, sim.clock.now() + timedelta(hours=12)
    await sim.settle()
    while sim.clock.now() < morning:
        sim.fail_job(only_job(sim), 75, failure("data", "StoreUnavailable"))
        made += 1
        await sim.until(lambda: bool(sim.jobs(open_only=True)))
        assert len(sim.jobs()) <= 2, "the one that runs and the last one that failed"
    assert made < 12 * 60 / 5 + 10
    sim.finish_job(only_job(sim), data_result())
    await sim.settle()
    assert sim.reason(DATASET, "flights") == "VersionReady"


@pytest.mark.parametrize("reason", ["BucketMissing", "SourceMissing", "AccessDenied"])
async def test_external_faults_are_retried_with_growing_pauses(reason: str) -> None:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    await sim.settle()
    first = only_job(sim)
    sim.fail_job(first, 78, failure("data", reason))
    await sim.settle()
    assert (sim.reason(DATASET, "flights"), sim.condition(DATASET, "flights", "Stalled")) == (reason, "True")
    began = sim.clock.now()
    await sim.until(lambda: bool(sim.jobs(open_only=True)))
    assert sim.clock.now() - began == timedelta(seconds=5)
    assert only_job(sim) != first


@pytest.mark.parametrize("reason", ["SourceMissing", "AccessDenied", "UnknownColumn", "StoreUnavailable"])
async def test_a_retry_of_what_has_just_failed_changes_no_condition_until_it_ends(reason: str) -> None:
    sim, _ = operator(datasets=True)
    told: list[tuple[str | None, str | None]] = []

    def heard(resource: Resource, obj: JsonObject, event: str) -> None:
        if resource == DATASET and obj.get("status", {}).get("conditions"):
            now = (sim.reason(DATASET, "flights"), sim.condition(DATASET, "flights", "Stalled"))
            told.extend([now] if told[-1:] != [now] else [])

    sim.kube.on_change.append(heard)
    sim.create(FLIGHTS)
    await sim.settle()
    for _ in range(4):
        sim.fail_job(
            only_job(sim), 75 if reason == "StoreUnavailable" else 78, failure("data", reason, "no such place")
        )
        await sim.until(lambda: bool(sim.jobs(open_only=True)), timedelta(hours=1))
        start_pod(sim.kube, "ml", only_job(sim))
        await sim.pass_time(timedelta(minutes=2))
    assert "no such place; attempt 4 looks again" in shown(sim, DATASET, "flights", reason)
    sim.finish_job(only_job(sim), data_result())
    await sim.settle()
    stalled = "False" if reason == "StoreUnavailable" else "True"
    assert told == [("Building", "False"), (reason, stalled), ("VersionReady", "False")]


async def test_a_retry_that_waits_for_something_else_says_so() -> None:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    await sim.settle()
    sim.fail_job(only_job(sim), 78, failure("data", "SourceMissing"))
    await sim.until(lambda: bool(sim.jobs(open_only=True)))
    pod = start_pod(sim.kube, "ml", only_job(sim))
    full = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "Insufficient memory"}
    set_pod_status(sim.kube, pod, {"conditions": [full]})
    await sim.settle()
    assert (sim.reason(DATASET, "flights"), sim.condition(DATASET, "flights", "Stalled")) == ("Unschedulable", "False")


async def test_a_crashing_program_gets_three_attempts() -> None:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    for _ in range(3):
        await sim.until(lambda: bool(sim.jobs(open_only=True)))
        sim.fail_job(only_job(sim), 1)
    await sim.pass_time(timedelta(hours=1))
    assert (sim.reason(DATASET, "flights"), sim.condition(DATASET, "flights", "Stalled")) == ("ProgramFailed", "True")
    assert len(sim.jobs()) == 3


async def test_a_lost_result_is_made_again() -> None:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    await sim.settle()
    first = only_job(sim)
    sim.finish_job(first, "")
    await sim.until(lambda: bool(sim.jobs(open_only=True)))
    assert only_job(sim) != first
    sim.finish_job(only_job(sim), data_result())
    await sim.settle()
    assert sim.reason(DATASET, "flights") == "VersionReady"
