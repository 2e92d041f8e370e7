"""What a DriftPolicy must not get wrong: late labels, edits, silent parts, and retrains that end, return or collide."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.worlds.drift import (
    MODEL,
    NAME,
    REFERENCE,
    ROWS,
    DriftWorld,
    action,
    dataset_spec,
    drifted,
    experiment_spec,
    look,
    reason,
)
from tests.support.worlds.simulation import NAMESPACE

from bucle.contracts import registry_tags
from bucle.contracts.canonical import canonical_json
from bucle.contracts.result import Failure, Result
from bucle.engine.kube import Unavailable
from bucle.externals.registry.values import pairs
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, MODEL_DEPLOYMENT, Resource


async def test_a_look_reads_what_was_received_before_it_was_decided_and_waits_until_that_is_stored() -> None:
    world = DriftWorld(rows=ROWS)
    await world.sim.settle()
    decided = world.sim.clock.now()
    assert world.status["evaluation"]["labelled"]["rows"] == ROWS and world.sim.jobs() == []
    await world.sim.until(lambda: bool(world.sim.jobs()))
    assert world.sim.clock.now() - decided >= timedelta(seconds=10)


async def test_labels_that_come_while_a_job_runs_count_towards_the_next_window() -> None:
    world = DriftWorld()
    world.windows = [("0.51", 7)]
    job = await look(world)
    world.rows += 3000
    await world.looked(job)
    world.windows.append(("0.51", 7))
    world.rows += 2000
    await world.sim.pass_time(timedelta(minutes=61))
    assert len(world.sim.jobs(open_only=True)) == 1, "2 × 5000 labels have come: the second window is full"


@pytest.mark.parametrize("windows", [0, 1])
async def test_labels_that_belong_to_no_answer_are_told_with_what_to_do(windows: int) -> None:
    """A window that can never fill must not look like one that is not full yet."""
    world = DriftWorld()
    world.windows = [("0.51", 7)] * windows
    world.uncounted = {"unjoined": 4000, "misdated": 2}
    job = await look(world)
    await world.looked(job)
    told = next(c["message"] for c in world.status["conditions"] if c["type"] == "Ready")
    assert reason(world) == ("Watching" if windows else "NotEnoughLabels")
    assert (
        "4000 labels belong to no answer" in told and "`capture.drop`" in told and "2 labelled rows are dated" in told
    )
    assert world.status["uncounted"] == {"unjoined": 4000, "misdated": 2, "batches": []}
    world.uncounted = {}
    job = await look(world)
    await world.looked(job)
    assert "uncounted" not in world.status


async def test_an_edit_of_what_fills_a_window_begins_the_windows_anew() -> None:
    world = DriftWorld()
    await world.window("0.60")
    world.sim.edit(DRIFT_POLICY, NAME, lambda obj: obj["spec"].update(windows={"rows": 2 * ROWS}))
    await world.sim.settle()
    assert world.status["cursor"]["labelled"]["window"] == 0 and not world.status["signals"][0]["streak"]


async def test_an_edit_of_what_is_done_keeps_the_windows() -> None:
    world = DriftWorld()
    await world.window("0.60")
    world.sim.edit(DRIFT_POLICY, NAME, lambda obj: obj["spec"]["limits"].update(cooldown="1h"))
    await world.sim.settle()
    assert world.status["cursor"]["labelled"]["window"] == 1


async def test_a_look_that_fails_says_why_and_is_no_health() -> None:
    world = DriftWorld()
    job = await look(world)
    denied = Failure(reason="AccessDenied", message="the store refused the credentials")
    world.sim.fail_job(job["metadata"]["name"], 78, Result(program="evaluate", task_sha256="0" * 64, failure=denied))
    await world.sim.until(lambda: len(world.sim.jobs(open_only=True)) == 1)
    assert reason(world) == "AccessDenied" and world.sim.condition(DRIFT_POLICY, NAME, "Ready") == "False"
    assert world.sim.condition(DRIFT_POLICY, NAME, "DriftDetected") == "Unknown"
    assert reason(world, "DriftDetected") == "AccessDenied"
    (again,) = world.sim.jobs(open_only=True)
    await world.looked(again)
    assert reason(world) == "NotEnoughLabels" and reason(world, "DriftDetected") == "NotEnoughLabels"


async def test_attempts_that_failed_are_told_and_get_a_time_to_live() -> None:
    world = DriftWorld()
    world.windows = [("0.51", 7)]
    job = await look(world)
    down = Failure(reason="StoreUnavailable", message="the store does not answer")
    world.sim.fail_job(job["metadata"]["name"], 75, Result(program="evaluate", task_sha256="0" * 64, failure=down))
    await world.sim.until(lambda: bool(world.sim.jobs(open_only=True)))
    assert reason(world) == "StoreUnavailable"
    (again,) = world.sim.jobs(open_only=True)
    world.sim.finish_job(again["metadata"]["name"], world.result(again))
    await world.sim.pass_time(timedelta(minutes=1))
    assert reason(world) == "Watching"
    assert {j["spec"].get("ttlSecondsAfterFinished") for j in world.sim.jobs()} == {86400, 600}


async def test_servers_that_do_not_answer_are_told() -> None:
    world = DriftWorld()
    await world.window("0.51")
    world.silent = True
    await world.sim.pass_time(timedelta(minutes=1))
    assert reason(world) == "ServersUnavailable"
    world.silent = False
    await world.sim.pass_time(timedelta(minutes=1))
    assert reason(world) == "Watching"


async def test_a_registry_that_is_down_keeps_reference_and_windows() -> None:
    world = DriftWorld()
    world.registry.versions.clear()
    told = {
        registry_tags.TAG_MODEL_DIGEST: "sha256:m1",
        registry_tags.owned_tag(registry_tags.TAG_PROMOTED_AT, NAMESPACE, "flights"): "2025-12-01T00:00:00Z",
        registry_tags.TAG_REFERENCE: canonical_json(REFERENCE),
    }
    world.registry.add(MODEL, "s3://bucle/mlflow/m1", told)
    await world.window("0.51")
    kept = {name: world.status[name] for name in ("reference", "cursor", "signals", "lastEvaluation")}
    world.registry.down = "connection refused"
    await world.sim.pass_time(timedelta(minutes=1))
    assert reason(world) == "RegistryUnavailable"
    assert {name: world.status[name] for name in kept} == kept
    world.registry.down = None
    await world.sim.pass_time(timedelta(minutes=1))
    assert {name: world.status[name] for name in kept} == kept


async def test_a_version_promoted_while_the_registry_is_down_does_not_inherit_the_reference_of_the_one_before() -> None:
    world = DriftWorld()
    await world.window("0.51")
    world.registry.down = "connection refused"
    world.serve(2)
    await world.sim.pass_time(timedelta(minutes=1))
    told = world.status["reference"]
    assert told["digest"] == "sha256:m2" and "value" not in told and "dataset" not in told, told
    assert reason(world) == "RegistryUnavailable"


@pytest.mark.parametrize("column", ["hour", "flight_id"])
async def test_a_dropped_column_that_the_data_must_have_opens_the_loop(column: str) -> None:
    world = DriftWorld()
    world.sim.edit(MODEL_DEPLOYMENT, "flights", lambda obj: obj["spec"].update(capture={"drop": [column]}))
    await world.sim.pass_time(timedelta(minutes=1))
    assert reason(world, "LoopClosed") == "LoopOpen"
    told = {item["type"]: item["message"] for item in world.status["conditions"]}
    assert f"leaves out the column {column}" in told["LoopClosed"]


async def test_other_features_than_the_served_version_learnt_open_the_loop() -> None:
    world = DriftWorld()
    other = dataset_spec()
    other["schema"]["columns"].append({"name": "distance", "type": "Integer"})
    world.put(DATASET, "wider", other)
    world.sim.edit(EXPERIMENT, "flights", lambda obj: obj["spec"].update(dataset={"name": "wider"}))
    await world.sim.pass_time(timedelta(minutes=1))
    assert reason(world, "LoopClosed") == "LoopOpen"


@pytest.mark.parametrize(
    ("resource", "name", "type_"),
    [
        (MODEL_DEPLOYMENT, "flights", "Ready"),
        (EXPERIMENT, "flights", "LoopClosed"),
        (DATASET, "flights-base", "LoopClosed"),
    ],
)
async def test_another_object_that_cannot_be_read_is_named_and_is_not_the_policys_fault(
    resource: Any, name: str, type_: str
) -> None:
    world = DriftWorld()
    await world.sim.settle()
    world.sim.kube.edit_under_an_older_schema(resource, NAMESPACE, name, lambda obj: obj.update(spec={}))
    await world.sim.pass_time(timedelta(minutes=1))
    said = next(c for c in world.status["conditions"] if c["type"] == type_)
    assert f"{resource.kind} {name} cannot be read: spec" in said["message"]
    assert world.sim.condition(DRIFT_POLICY, NAME, "Stalled") == "False"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("evaluation", "state"), "Dreaming"),
        (("action", "outcome"), "Perhaps"),
        (("lastEvaluation", "verdict"), "So-so"),
    ],
)
async def test_a_status_that_a_newer_release_wrote_is_left_as_it_is_and_said(path: tuple[str, str], value: str) -> None:
    world = DriftWorld()
    await world.window("0.51")
    world.sim.edit(DRIFT_POLICY, NAME, lambda obj: obj["status"][path[0]].update({path[1]: value}))
    before = {key: kept for key, kept in world.status.items() if key not in ("conditions", "observedGeneration")}
    await world.sim.pass_time(timedelta(minutes=2))
    assert reason(world) == "StatusUnknown" and world.sim.condition(DRIFT_POLICY, NAME, "Stalled") == "True"
    after = {key: kept for key, kept in world.status.items() if key not in ("conditions", "observedGeneration")}
    assert after == before
    message = next(c["message"] for c in world.status["conditions"] if c["type"] == "Stalled")
    assert f"status.{path[0]}.{path[1]} is '{value}'" in message


@pytest.mark.thorough
async def test_a_policy_that_cannot_look_for_hours_does_not_say_that_all_is_well() -> None:
    world = DriftWorld()
    await world.window("0.51")
    assert world.sim.condition(DRIFT_POLICY, NAME, "DriftDetected") == "False"
    down = Failure(reason="StoreUnavailable", message="the store does not answer")
    world.windows.append(("0.51", 7))
    world.rows += ROWS
    await world.sim.pass_time(timedelta(minutes=61))
    for _ in range(30):
        for job in world.sim.jobs(open_only=True):
            world.sim.fail_job(
                job["metadata"]["name"], 75, Result(program="evaluate", task_sha256="0" * 64, failure=down)
            )
        await world.sim.pass_time(timedelta(minutes=6))
    assert reason(world) == "StoreUnavailable" and reason(world, "DriftDetected") == "StoreUnavailable"
    assert world.sim.condition(DRIFT_POLICY, NAME, "DriftDetected") == "Unknown"
    assert len(world.sim.jobs()) <= 3, "one kept attempt, not one for each hour"


async def test_a_policy_that_cannot_see_is_not_healthy() -> None:
    world = DriftWorld()
    await world.window("0.51")
    assert reason(world, "DriftDetected") == "Healthy"
    world.sim.kube.fail("get", Unavailable("no answer within 2 s"), resource=MODEL_DEPLOYMENT, times=100_000)
    await world.sim.until(lambda: reason(world) == "ApiUnavailable", timedelta(minutes=5))
    assert (world.sim.condition(DRIFT_POLICY, NAME, "Ready"), reason(world, "DriftDetected")) == (
        "Unknown",
        "ApiUnavailable",
    )


async def test_a_policy_reads_what_it_points_to_however_many_experiments_and_datasets_there_are() -> None:
    """A namespace of 10,000 Experiments was 71 MiB for each look of each policy."""
    world = DriftWorld(rows=ROWS)
    for index in range(300):
        world.put(EXPERIMENT, f"other{index}", experiment_spec())
        world.put(DATASET, f"other{index}", dataset_spec())
    read: list[str] = []

    async def watched(resource: Resource, namespace: str, *how: Any, **more: Any) -> Any:
        found = await listing(resource, namespace, *how, **more)
        read.extend(item["metadata"]["name"] for item in found)
        return found

    listing, world.sim.kube.list = world.sim.kube.list, watched  # type: ignore[method-assign]
    await drifted(world)
    await world.sim.pass_time(timedelta(minutes=5))
    assert action(world) == ("Done", "Retraining") and len(world.children()) == 1
    assert not [name for name in read if name.startswith("other")]


async def test_a_version_number_that_another_model_has_by_now_lends_its_reference_to_nobody() -> None:
    """Neither what it was measured at, nor the data it learnt from: a retrain would be built on them."""
    world = DriftWorld(rows=ROWS)
    await world.sim.settle()
    assert world.status["reference"]["value"] == "0.5"
    stranger = {
        registry_tags.TAG_MODEL_DIGEST: "sha256:stranger",
        registry_tags.TAG_DATASET_NAME: "cancellations",
        registry_tags.TAG_REFERENCE: canonical_json({**REFERENCE, "value": "9.5"}),
    }
    world.registry.versions[MODEL, 1] = replace(world.registry.versions[MODEL, 1], tags=pairs(stranger))
    await world.sim.pass_time(timedelta(minutes=1))
    told = world.status["reference"]
    assert "value" not in told and "dataset" not in told, told
    assert (told["digest"], reason(world)) == ("sha256:m1", "WaitingForReference")
