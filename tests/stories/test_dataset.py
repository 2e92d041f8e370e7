"""Stories of one Dataset: built, refused, tried again, remembered, edited."""

from __future__ import annotations

import copy
import json
from datetime import timedelta

import pytest
from tests.support.worlds.dataset import built, only_job, widen
from tests.support.worlds.training import (
    DIGEST,
    FLIGHTS,
    HOURS_FAILED,
    OTHER_DIGEST,
    data_result,
    failure,
    operator,
    task_of,
)

from bucle.contracts.table import HORIZON_SECONDS
from bucle.engine.objects import CONFIG_MAP, JOB, JsonObject
from bucle.engine.status import condition
from bucle.resources.addresses import DATASET, MODEL_DEPLOYMENT


async def test_a_version_becomes_current() -> None:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    await sim.settle()
    assert sim.reason(DATASET, "flights") == "Building"
    assert sim.status(DATASET, "flights")["build"]["job"] == only_job(sim)
    sim.finish_job(only_job(sim), data_result())
    await sim.settle()
    status = sim.status(DATASET, "flights")
    assert (status["current"]["digest"], status["current"]["rows"]) == (DIGEST, 100)
    assert sim.reason(DATASET, "flights") == "VersionReady"
    assert sim.condition(DATASET, "flights", "Ready") == "True"
    assert "build" not in status


async def test_the_steady_state_writes_nothing() -> None:
    sim = await built()
    before = sim.get(DATASET, "flights")["metadata"]["resourceVersion"]
    await sim.pass_time(timedelta(hours=3))
    sim.restart()
    await sim.settle()
    assert sim.get(DATASET, "flights")["metadata"]["resourceVersion"] == before


async def test_a_harvested_job_gets_a_time_to_live_and_is_not_made_again() -> None:
    sim = await built()
    (job,) = sim.jobs()
    assert job["spec"]["ttlSecondsAfterFinished"] == 600
    sim.kube.remove(JOB, sim.namespace, job["metadata"]["name"])
    sim.restart()
    await sim.settle()
    assert sim.jobs() == []


async def test_a_bad_version_never_becomes_current_and_the_good_one_stays() -> None:
    sim = await built()
    sim.edit(DATASET, "flights", widen)
    await sim.settle()
    sim.finish_job(only_job(sim), data_result(OTHER_DIGEST, failed=(HOURS_FAILED,)))
    await sim.settle()
    status = sim.status(DATASET, "flights")
    assert (status["current"]["digest"], status["rejected"]["digest"]) == (DIGEST, OTHER_DIGEST)
    assert sim.reason(DATASET, "flights") == "ExpectationFailed"
    assert sim.condition(DATASET, "flights", "Stalled") == "True"


async def test_a_refused_version_tells_what_was_left_out_of_it() -> None:
    """It may have failed for what is missing."""
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    await sim.settle()
    sim.finish_job(only_job(sim), data_result(failed=(HOURS_FAILED,), set_aside={"hour null": 7}))
    await sim.settle()
    status = sim.status(DATASET, "flights")
    assert status["rejected"]["setAside"] == [{"reason": "hour null", "count": 7}]
    told = (condition(status, "Ready") or {})["message"]
    assert "7 rows or files were left out: 7 hour null (see status.rejected.setAside)" in told


async def test_rows_that_were_left_out_are_told_by_reason_and_so_is_what_to_do() -> None:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    await sim.settle()
    sim.finish_job(only_job(sim), data_result(set_aside={"hour out_of_range": 2, "late null": 40}))
    await sim.settle()
    left_out = [{"reason": "late null", "count": 40}, {"reason": "hour out_of_range", "count": 2}]
    assert sim.status(DATASET, "flights")["current"]["setAside"] == left_out
    told = (condition(sim.status(DATASET, "flights"), "Ready") or {})["message"]
    assert "42 rows or files were left out: 40 late null, 2 hour out_of_range" in told and "orrect" in told


async def test_too_many_unusable_served_rows_refuse_the_version_and_say_what_to_do() -> None:
    sim = await built()
    source = {"feedback": {"modelDeployment": "flights", "window": {"rows": 100}, "maxSetAsidePercent": 5}}
    sim.kube.put(MODEL_DEPLOYMENT, copy.deepcopy(FLIGHTS_SERVED))
    sim.edit(DATASET, "flights", lambda obj: obj["spec"].update(sources=[source]))
    await sim.settle()
    (job,) = sim.jobs(open_only=True)
    assert task_of(job)["sources"][0]["feedback"]["maxSetAsidePercent"] == 5
    sim.fail_job(only_job(sim), 78, failure("data", "TooManySetAside", "25 of 100 (25 of hour out_of_range)"))
    await sim.settle()
    assert (sim.reason(DATASET, "flights"), sim.condition(DATASET, "flights", "Stalled")) == ("TooManySetAside", "True")
    assert sim.status(DATASET, "flights")["current"]["digest"] == DIGEST
    await sim.pass_time(timedelta(hours=2))
    assert sim.jobs(open_only=True), "callers may have been corrected: the rows are read again by themselves"


async def test_an_edited_expectation_that_the_current_version_fails() -> None:
    sim = await built()
    sim.edit(DATASET, "flights", widen)
    await sim.settle()
    sim.finish_job(only_job(sim), data_result(DIGEST, failed=(HOURS_FAILED,)))
    await sim.settle()
    assert sim.reason(DATASET, "flights") == "CurrentViolates"
    assert sim.status(DATASET, "flights")["current"]["digest"] == DIGEST


async def test_taking_the_edit_back_needs_no_new_build() -> None:
    sim = await built()
    sim.edit(DATASET, "flights", widen)
    await sim.settle()
    sim.finish_job(only_job(sim), data_result(DIGEST, failed=(HOURS_FAILED,)))
    await sim.settle()
    sim.edit(DATASET, "flights", lambda obj: obj.update(spec=FLIGHTS["spec"]))
    await sim.settle()
    assert sim.jobs(open_only=True) == []
    assert sim.reason(DATASET, "flights") == "VersionReady"
    assert "rejected" not in sim.status(DATASET, "flights")


async def test_new_content_moves_the_old_version_to_history() -> None:
    sim = await built()
    sim.edit(DATASET, "flights", widen)
    await sim.settle()
    sim.finish_job(only_job(sim), data_result(OTHER_DIGEST))
    await sim.settle()
    status = sim.status(DATASET, "flights")
    assert status["current"]["digest"] == OTHER_DIGEST
    assert [version["digest"] for version in status["history"]] == [DIGEST]


async def test_an_edit_during_a_build_drops_that_build() -> None:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    await sim.settle()
    old = only_job(sim)
    sim.edit(DATASET, "flights", widen)
    await sim.settle()
    assert only_job(sim) != old


async def test_a_wrong_schema_stalls_until_it_is_edited() -> None:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    await sim.settle()
    sim.fail_job(only_job(sim), 78, failure("data", "SpecInvalid", "there is no time zone Mars"))
    await sim.pass_time(timedelta(hours=3))
    assert (sim.reason(DATASET, "flights"), sim.condition(DATASET, "flights", "Stalled")) == ("SpecInvalid", "True")
    assert sim.jobs(open_only=True) == []
    sim.edit(DATASET, "flights", widen)
    await sim.settle()
    assert only_job(sim)


async def test_a_state_of_a_newer_release_is_held_and_told() -> None:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    await sim.settle()
    before = sim.status(DATASET, "flights")["build"]
    sim.edit(DATASET, "flights", lambda obj: obj["status"]["build"].update(state="Compacting"))
    await sim.pass_time(timedelta(hours=1))
    assert sim.reason(DATASET, "flights") == "StatusUnknown"
    assert sim.status(DATASET, "flights")["build"] == {**before, "state": "Compacting"}
    assert len(sim.jobs(open_only=True)) == 1
    sim.edit(DATASET, "flights", lambda obj: obj["status"]["build"].update(state="Running"))
    await sim.settle()
    assert sim.reason(DATASET, "flights") == "Building"


async def test_a_lost_status_is_read_off_the_job_that_is_still_there() -> None:
    sim = await built()
    sim.edit(DATASET, "flights", lambda obj: obj.pop("status"))
    sim.restart()
    await sim.settle()
    assert sim.status(DATASET, "flights")["current"]["digest"] == DIGEST
    assert len(sim.jobs()) == 1


def wide(columns: int) -> JsonObject:
    made = copy.deepcopy(FLIGHTS)
    made["spec"]["schema"]["columns"] += [
        {"name": f"measurement_number_{index:04}", "type": "Number", "minimum": "0", "maximum": "1000"}
        for index in range(columns)
    ]
    return made


@pytest.mark.parametrize("columns", [400, 1998])
async def test_a_wide_table_is_built_and_leaves_no_document_behind(columns: int) -> None:
    sim, _ = operator(datasets=True)
    sim.create(wide(columns))
    await sim.settle()
    (told,) = sim.kube.all(CONFIG_MAP)
    (job,) = sim.jobs(open_only=True)
    (volume,) = [v for v in job["spec"]["template"]["spec"]["volumes"] if v["name"] == "task"]
    assert volume["configMap"]["name"] == told["metadata"]["name"]
    assert len(json.loads(told["data"]["task.json"])["table"]["columns"]) == columns + 2
    assert told["immutable"] is True
    sim.edit(DATASET, "flights", widen)
    await sim.settle()
    (again,) = sim.kube.all(CONFIG_MAP)
    assert again["metadata"]["name"] != told["metadata"]["name"]
    sim.finish_job(only_job(sim), data_result())
    await sim.settle()
    assert sim.reason(DATASET, "flights") == "VersionReady"
    assert sim.kube.all(CONFIG_MAP) == []


async def test_a_lost_status_of_a_wide_table_goes_on_with_its_job() -> None:
    sim, _ = operator(datasets=True)
    sim.create(wide(400))
    await sim.settle()
    job = only_job(sim)
    sim.edit(DATASET, "flights", lambda obj: obj.pop("status"))
    sim.restart()
    await sim.settle()
    assert only_job(sim) == job


FLIGHTS_SERVED: JsonObject = {
    "apiVersion": "bucle.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "flights", "namespace": "ml"},
    "spec": {"model": {"registered": {"name": "flights", "alias": "challenger"}}},
}


async def test_a_version_stays_ready_when_the_deployment_its_rows_came_from_is_deleted() -> None:
    sim, _ = operator(datasets=True)
    sim.kube.put(MODEL_DEPLOYMENT, copy.deepcopy(FLIGHTS_SERVED))
    source = {"feedback": {"modelDeployment": "flights", "window": {"rows": 100}}}
    sim.create({**FLIGHTS, "spec": {**FLIGHTS["spec"], "sources": [source]}})
    await sim.settle()
    sim.finish_job(only_job(sim), data_result())
    await sim.settle()
    sim.delete(MODEL_DEPLOYMENT, "flights")
    await sim.pass_time(timedelta(minutes=10))
    assert sim.reason(DATASET, "flights") == "VersionReady"
    assert sim.condition(DATASET, "flights", "Reconciling") == "False", "so that an Experiment may use it"
    sim.edit(DATASET, "flights", widen)
    await sim.settle()
    assert sim.reason(DATASET, "flights") == "WaitingForModelDeployment"
    sim.kube.put(MODEL_DEPLOYMENT, copy.deepcopy(FLIGHTS_SERVED))
    await sim.settle()
    assert only_job(sim)


async def test_feedback_waits_for_its_deployment_and_fixes_its_window_once() -> None:
    sim, _ = operator(datasets=True)
    source = {"feedback": {"modelDeployment": "flights", "window": {"rows": 100}}}
    sim.create({**FLIGHTS, "spec": {**FLIGHTS["spec"], "sources": [source]}})
    await sim.settle()
    assert sim.reason(DATASET, "flights") == "WaitingForModelDeployment"
    deployment: JsonObject = {
        "apiVersion": "bucle.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "flights", "namespace": sim.namespace},
        "spec": {
            "model": {"registered": {"name": "flights", "alias": "challenger"}},
            "feedback": {"key": "Id", "maturity": "90s", "duplicates": "First"},
        },
    }
    sim.kube.put(MODEL_DEPLOYMENT, deployment)
    await sim.pass_time(timedelta(minutes=1))
    (job,) = sim.jobs()
    feedback = task_of(job)["sources"][0]["feedback"]
    assert feedback["labels"] == {
        "key": "Id",
        "maturitySeconds": 90,
        "duplicates": "First",
        "horizonSeconds": HORIZON_SECONDS,
    }
    build = sim.status(DATASET, "flights")["build"]
    assert feedback["receivedBefore"] == build["receivedBefore"]
    sim.fail_job(only_job(sim), 75, failure("data", "StoreUnavailable"))
    await sim.until(lambda: bool(sim.jobs(open_only=True)))
    again = next(job for job in sim.jobs(open_only=True))
    assert task_of(again)["sources"][0]["feedback"] == feedback


async def test_a_lost_status_takes_the_bounds_of_its_job_from_the_source_that_has_none() -> None:
    sim, _ = operator(datasets=True)
    deployment: JsonObject = {
        "apiVersion": "bucle.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "flights", "namespace": sim.namespace},
        "spec": {"model": {"registered": {"name": "flights", "alias": "challenger"}}},
    }
    sim.kube.put(MODEL_DEPLOYMENT, deployment)
    fixed = {"rows": 100, "receivedBefore": "2020-01-01T00:00:00Z", "labelsReceivedBefore": "2020-01-01T00:00:00Z"}
    sources = [{"feedback": {"modelDeployment": "flights", "window": window}} for window in (fixed, {"rows": 100})]
    sim.create({**FLIGHTS, "spec": {**FLIGHTS["spec"], "sources": sources}})
    await sim.settle()
    (job,) = sim.jobs()
    sim.edit(DATASET, "flights", lambda obj: obj.pop("status"))
    sim.restart()
    await sim.settle()
    build, made = sim.status(DATASET, "flights")["build"], task_of(job)["sources"]
    assert made[0]["feedback"]["receivedBefore"] == fixed["receivedBefore"]
    assert build["receivedBefore"] == made[1]["feedback"]["receivedBefore"]
    assert build["labelsReceivedBefore"] == made[1]["feedback"]["labelsReceivedBefore"]


@pytest.mark.parametrize("writes", range(1, 8))
async def test_a_kill_after_any_write_changes_nothing(writes: int) -> None:
    sim, _ = operator(datasets=True)
    sim.create(FLIGHTS)
    killed = await sim.settle_killing_after(writes)
    names = {job["metadata"]["name"] for job in sim.jobs()}
    assert len(names) == 1
    sim.finish_job(only_job(sim), data_result())
    killed = await sim.settle_killing_after(writes) or killed
    assert sim.status(DATASET, "flights")["current"]["digest"] == DIGEST
    assert {job["metadata"]["name"] for job in sim.jobs()} == names
    assert killed or writes > 3
