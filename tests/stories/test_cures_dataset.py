"""Every cure of the table of reasons, done on a Dataset: told, then done as the table says, then Ready."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.support.worlds.cures import cures, is_ready, person, shown
from tests.support.worlds.dataset import built, only_job
from tests.support.worlds.simulation import Simulation
from tests.support.worlds.training import (
    DIGEST,
    FLIGHTS,
    HOURS_FAILED,
    OTHER_DIGEST,
    changed,
    data_result,
    failure,
    operator,
    task_of,
)

from bucle.engine.objects import JsonObject
from bucle.resources.addresses import DATASET, MODEL_DEPLOYMENT

HOUR = timedelta(hours=1)
TRY_AGAIN, BAD_CONFIGURATION = 75, 78
Edit = Callable[[JsonObject], object]


def ready(sim: Simulation) -> bool:
    return is_ready(sim, DATASET, "flights")()


async def applied(manifest: JsonObject = FLIGHTS) -> Simulation:
    sim, _ = operator(datasets=True)
    sim.create(manifest)
    await sim.settle()
    return sim


async def builds(sim: Simulation, digest: str = DIGEST) -> None:
    """The next Job is made within the hour, finds everything in order, and the Dataset is ready."""
    await sim.until(lambda: bool(sim.jobs(open_only=True)), HOUR)
    sim.finish_job(only_job(sim), data_result(digest))
    await sim.settle()
    assert ready(sim)
    shown(sim, DATASET, "flights", "VersionReady")


async def refused_by_its_pod(reason: str) -> Simulation:
    sim = await applied()
    code = TRY_AGAIN if reason in ("StoreUnavailable", "SourceChanged") else BAD_CONFIGURATION
    sim.fail_job(only_job(sim), code, failure("data", reason, "what the pod says of it"))
    await sim.settle()
    assert "what the pod says of it" in shown(sim, DATASET, "flights", reason)
    return sim


@cures(
    "StoreUnavailable",
    "BucketMissing",
    "AccessDenied",
    "SourceMissing",
    "SourceChanged",
    "SourceEmpty",
    "SplitEmpty",
    "UnknownColumn",
    "WrongType",
    "TooManySetAside",
)
async def test_what_is_mended_where_it_lies_is_noticed_by_itself(reason: str) -> None:
    await builds(await refused_by_its_pod(reason))


def location(spec: JsonObject) -> None:
    spec["sources"][0]["uri"]["location"] = "s3://other/raw/*.parquet"


def column(spec: JsonObject) -> None:
    spec["schema"]["columns"][0]["name"] = "departure_hour"
    spec["expectations"][0]["range"]["column"] = "departure_hour"


def column_type(spec: JsonObject) -> None:
    spec["schema"]["columns"][0]["type"] = "Number"


def splits(spec: JsonObject) -> None:
    spec["splits"].update(train=60, test=25)


EDITS: dict[str, Edit] = {
    "BucketMissing": location,
    "SourceMissing": location,
    "SourceEmpty": location,
    "SplitEmpty": splits,
    "UnknownColumn": column,
    "WrongType": column_type,
    "SpecInvalid": column,
}


@cures("BucketMissing", "SourceMissing", "SourceEmpty", "SplitEmpty", "UnknownColumn", "WrongType", "SpecInvalid")
async def test_what_is_mended_in_the_spec_is_built_at_once(reason: str) -> None:
    sim = await refused_by_its_pod(reason)
    assert sim.jobs(open_only=True) == []
    person(sim, DATASET, "flights", reason, EDITS[reason])
    await sim.settle()
    assert sim.jobs(open_only=True), "it does not wait for its next pause"
    await builds(sim)


@cures("ExpectationFailed")
@pytest.mark.parametrize("where", ["data", "expectation", "data and run"])
async def test_a_refused_candidate_is_accepted_once_the_data_or_the_expectation_is_corrected(
    reason: str, where: str
) -> None:
    sim = await applied()
    sim.finish_job(only_job(sim), data_result(failed=(HOURS_FAILED,)))
    await sim.settle()
    assert "hours: 24, limit 0..23, 3 rows" in shown(sim, DATASET, "flights", reason)
    if where == "expectation":
        person(sim, DATASET, "flights", reason, lambda spec: spec["expectations"][0]["range"].update(maximum="24"))
    if where == "data and run":
        person(sim, DATASET, "flights", reason, lambda spec: spec.update(run=1))
    if where != "data":
        await sim.settle()
        assert sim.jobs(open_only=True)
    await builds(sim, OTHER_DIGEST)


@cures("CurrentViolates")
@pytest.mark.parametrize("where", ["data", "expectation"])
async def test_a_version_that_its_edited_expectation_refuses_stays_until_either_is_corrected(
    reason: str, where: str
) -> None:
    sim = await built()
    person(sim, DATASET, "flights", reason, lambda spec: spec["expectations"][0]["range"].update(maximum="22"))
    await sim.settle()
    sim.finish_job(only_job(sim), data_result(DIGEST, failed=(HOURS_FAILED,)))
    await sim.settle()
    shown(sim, DATASET, "flights", reason)
    assert sim.status(DATASET, "flights")["current"]["digest"] == DIGEST
    if where == "expectation":
        person(sim, DATASET, "flights", reason, lambda spec: spec["expectations"][0]["range"].update(maximum="24"))
    await builds(sim, DIGEST if where == "expectation" else OTHER_DIGEST)


@cures("WaitingForModelDeployment")
async def test_a_source_of_feedback_waits_until_its_deployment_is_applied(reason: str) -> None:
    def from_feedback(manifest: JsonObject) -> None:
        manifest["spec"]["sources"] = [{"feedback": {"modelDeployment": "flights", "window": {"rows": 100}}}]

    sim = await applied(changed(FLIGHTS, from_feedback))
    assert "apply it" in shown(sim, DATASET, "flights", reason)
    spec = {"model": {"registered": {"name": "flights", "alias": "challenger"}}}
    sim.kube.put(MODEL_DEPLOYMENT, {"metadata": {"name": "flights", "namespace": sim.namespace}, "spec": spec})
    await builds(sim)


@cures("TooManySetAside")
async def test_a_source_that_may_leave_out_more_is_built_at_once(reason: str) -> None:
    def from_feedback(manifest: JsonObject) -> None:
        manifest["spec"]["sources"] = [{"feedback": {"modelDeployment": "flights", "window": {"rows": 100}}}]

    sim, _ = operator(datasets=True)
    spec = {"model": {"registered": {"name": "flights", "alias": "challenger"}}}
    sim.kube.put(MODEL_DEPLOYMENT, {"metadata": {"name": "flights", "namespace": sim.namespace}, "spec": spec})
    sim.create(changed(FLIGHTS, from_feedback))
    await sim.settle()
    sim.fail_job(only_job(sim), BAD_CONFIGURATION, failure("data", reason, "25 of 100 rows (25 of hour out_of_range)"))
    await sim.settle()
    assert "25 of hour out_of_range" in shown(sim, DATASET, "flights", reason)
    more = {"maxSetAsidePercent": 30}
    person(sim, DATASET, "flights", reason, lambda spec: spec["sources"][0]["feedback"].update(more))
    await sim.settle()
    assert task_of(sim.jobs(open_only=True)[0])["sources"][0]["feedback"]["maxSetAsidePercent"] == 30
    await builds(sim)


@cures("Building", "VersionReady")
async def test_waiting_is_enough(reason: str) -> None:
    sim = await applied()
    shown(sim, DATASET, "flights", "Building")
    await builds(sim)
    await sim.pass_time(timedelta(days=1))
    assert ready(sim)
