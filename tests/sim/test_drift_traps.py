"""What a DriftPolicy must not get wrong: late labels, edits, silent parts, and retrains that end, return or collide."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.fakes.simulation import NAMESPACE
from tests.sim.drifting import (
    MODEL,
    NAME,
    REFERENCE,
    ROWS,
    DriftWorld,
    action,
    dataset_spec,
    deployment_spec,
    drifted,
    look,
    policy_spec,
    reason,
)

from bucle.contracts import names
from bucle.contracts.canonical import canonical_json
from bucle.contracts.result import Failure, Result
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, MODEL_DEPLOYMENT


async def test_a_look_reads_what_was_received_before_it_was_decided_and_waits_until_that_is_stored() -> None:
    world = DriftWorld(rows=ROWS)
    await world.sim.settle()
    decided = world.sim.clock.now()
    assert world.status["evaluation"]["feedbackRows"] == ROWS and world.sim.jobs() == []
    await world.sim.until(lambda: bool(world.sim.jobs()))
    assert world.sim.clock.now() - decided >= timedelta(seconds=10)


async def test_labels_that_come_while_a_job_runs_count_towards_the_next_window() -> None:
    world = DriftWorld()
    world.windows = [("0.51", 7)]
    job = await look(world)
    world.rows += 3000
    world.sim.finish_job(job["metadata"]["name"], world.result(job))
    await world.sim.settle()
    world.windows.append(("0.51", 7))
    world.rows += 2000
    await world.sim.pass_time(timedelta(minutes=61))
    assert len(world.sim.jobs(open_only=True)) == 1, "2 × 5000 labels have come: the second window is full"


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec.update(windows={"rows": 2 * ROWS}),
        lambda spec: spec["signals"]["performance"].update(maxDegradation="0.2"),
        lambda spec: spec["signals"]["performance"].update(groupBy={"column": "hour"}),
    ],
)
async def test_an_edit_of_what_is_measured_begins_the_windows_anew(change: Any) -> None:
    world = DriftWorld()
    await world.window("0.60")
    world.sim.edit(DRIFT_POLICY, NAME, lambda obj: change(obj["spec"]))
    await world.sim.settle()
    assert world.status["cursor"]["window"] == 0 and not world.status.get("streak")


async def test_an_edit_of_what_is_done_keeps_the_windows() -> None:
    world = DriftWorld()
    await world.window("0.60")
    world.sim.edit(DRIFT_POLICY, NAME, lambda obj: obj["spec"]["limits"].update(cooldown="1h"))
    await world.sim.settle()
    assert world.status["cursor"]["window"] == 1


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
    world.sim.finish_job(again["metadata"]["name"], world.result(again))
    await world.sim.settle()
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
    assert [j["spec"].get("ttlSecondsAfterFinished") for j in world.sim.jobs()] == [86400, 600]


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
    told = {names.TAG_PROMOTED_AT: "2025-12-01T00:00:00Z", names.TAG_REFERENCE: canonical_json(REFERENCE)}
    world.registry.add(MODEL, "s3://bucle/mlflow/m1", told)
    await world.window("0.51")
    kept = {name: world.status[name] for name in ("reference", "cursor", "streak", "lastEvaluation")}
    world.registry.down = "connection refused"
    await world.sim.pass_time(timedelta(minutes=1))
    assert reason(world) == "RegistryUnavailable"
    assert {name: world.status[name] for name in kept} == kept
    world.registry.down = None
    await world.sim.pass_time(timedelta(minutes=1))
    assert {name: world.status[name] for name in kept} == kept


async def test_a_retrain_waits_for_a_registry_that_is_down() -> None:
    world = DriftWorld()
    await world.window("0.60")
    world.registry.down = "connection refused"
    await world.window("0.60")
    assert action(world) == ("Waiting", "RegistryUnavailable") and world.children() == []
    world.registry.down = None
    await world.sim.pass_time(timedelta(minutes=1))
    assert len(world.children()) == 1


async def test_children_that_a_person_deleted_still_count() -> None:
    world = DriftWorld()
    await drifted(world)
    (first,) = world.children()
    name = first["metadata"]["name"]
    world.experiment_says(name, ("Registered", "False", "NotBetter"), ("Succeeded", "True", "Succeeded"))
    await world.sim.pass_time(timedelta(minutes=2))
    assert world.status["retrains"]["recent"][0]["finishedAt"]
    world.sim.delete(EXPERIMENT, name)
    world.sim.delete(DATASET, name)
    await world.sim.pass_time(timedelta(minutes=2))
    assert world.children() == [], "the same window starts nothing again"
    await world.window("0.62")
    assert action(world) == ("Waiting", "Cooldown")


async def test_no_more_retrains_than_the_budget_allows() -> None:
    world = DriftWorld(policy={"limits": {"cooldown": "1h", "maxRetrains": 1, "per": "168h", "stopAfterFailed": 5}})
    await drifted(world)
    (first,) = world.children()
    world.experiment_says(
        first["metadata"]["name"], ("Registered", "False", "NotBetter"), ("Succeeded", "True", "Succeeded")
    )
    await world.window("0.62")
    await world.window("0.62")
    assert action(world) == ("Suppressed", "BudgetSpent") and len(world.children()) == 1


async def registered(world: DriftWorld, version: int) -> None:
    """A retrain was started, and its model has that version."""
    await drifted(world)
    (child,) = world.children()
    done = ("Registered", "True", "Registered"), ("Succeeded", "True", "Succeeded")
    world.experiment_says(child["metadata"]["name"], *done, version=version)
    await world.sim.pass_time(timedelta(minutes=1))
    assert world.status["retrains"]["inFlight"]["modelVersion"] == version


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        ({"rejected": {"version": 2, "reason": "GateNotPassed"}}, "Refused"),
        ({"rejected": {"version": 3, "reason": "GateNotPassed"}}, "Refused"),
        ({"history": [{"model": {"version": 2}, "outcome": "Superseded", "reason": "Replaced"}]}, "Refused"),
        ({"history": [{"model": {"version": 2}, "outcome": "Superseded", "reason": "PlanChanged"}]}, None),
        ({"candidate": {"model": {"version": 2}}, "rejected": {"version": 2, "reason": "GateNotPassed"}}, None),
    ],
)
async def test_a_retrain_ends_with_what_became_of_its_version(told: dict[str, Any], outcome: str | None) -> None:
    world = DriftWorld()
    await registered(world, 2)
    world.deployment_says(**told)
    await world.sim.pass_time(timedelta(minutes=1))
    ended = [line["outcome"] for line in world.status["retrains"].get("recent", ())]
    assert ended == ([outcome] if outcome else [])


async def test_a_refused_retrain_is_not_opened_again_by_what_is_refused_later() -> None:
    world = DriftWorld()
    await registered(world, 2)
    world.deployment_says(rejected={"version": 2, "reason": "GateNotPassed"})
    await world.sim.pass_time(timedelta(minutes=1))
    world.deployment_says(rejected={"version": 1, "reason": "GateNotPassed"})
    await world.sim.pass_time(timedelta(minutes=1))
    assert "inFlight" not in world.status["retrains"]


async def test_a_later_rollout_does_not_open_an_arrived_retrain_again() -> None:
    world = DriftWorld()
    await registered(world, 2)
    world.serve(2, rollout={"id": "a", "state": "Soaking", "candidateRevision": "rev2"})
    await world.sim.pass_time(timedelta(minutes=1))
    assert "inFlight" in world.status["retrains"], "the soak may still take it back"
    world.deployment_says(rollout={"id": "b", "state": "Stepping", "candidateRevision": "rev3"})
    await world.sim.pass_time(timedelta(minutes=1))
    assert [line["outcome"] for line in world.status["retrains"]["recent"]] == ["Promoted"]


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


async def test_two_deployments_of_one_model_have_one_open_retrain() -> None:
    world = DriftWorld()
    world.put(MODEL_DEPLOYMENT, "elsewhere", deployment_spec())
    spec = policy_spec() | {"target": {"modelDeployment": "elsewhere"}}
    world.sim.create({"kind": "DriftPolicy", "metadata": {"name": "other"}, "spec": spec})
    await world.sim.settle()
    in_flight = {"name": "other-1", "state": "Retraining"}
    world.sim.edit(DRIFT_POLICY, "other", lambda obj: obj["status"].update(retrains={"inFlight": in_flight}))
    for _ in range(2):
        await world.window("0.60")
    assert action(world) == ("Suppressed", "OwnedByOtherPolicy") and world.children() == []


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
