"""Stories of one DriftPolicy: from labels that come back to a new model that arrives, and every reason why not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.support.tiers import first_fast
from tests.support.worlds.drift import (
    MODEL,
    NAME,
    REFERENCE,
    ROWS,
    DriftWorld,
    action,
    drifted,
    policy_spec,
    reason,
    signal,
)

from bucle.contracts import names, registry_tags
from bucle.contracts.canonical import canonical_json
from bucle.engine.objects import JsonObject
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT


async def test_nothing_is_looked_at_before_enough_labels_may_have_come() -> None:
    world = DriftWorld()
    await world.sim.pass_time(timedelta(hours=3))
    assert world.sim.jobs() == [] and reason(world) == "NotEnoughLabels"
    assert world.status["reference"]["value"] == "0.5"


async def test_healthy_windows_start_nothing_and_one_job_looks_at_each() -> None:
    world = DriftWorld()
    for _ in range(4):
        await world.window("0.51")
    assert world.sim.condition(DRIFT_POLICY, NAME, "DriftDetected") == "False"
    assert world.status["cursor"]["labelled"]["window"] == 4 and len(world.sim.jobs()) == 4
    await world.sim.pass_time(timedelta(hours=5))
    assert len(world.sim.jobs()) == 4, "no new labels, no new Job"
    assert world.children() == []


async def test_two_breached_windows_of_three_make_a_new_model_and_its_arrival_closes_the_loop() -> None:
    world = DriftWorld()
    for value in ("0.51", "0.60", "0.50"):
        await world.window(value)
    assert world.children() == []
    await world.window("0.61")
    assert world.sim.condition(DRIFT_POLICY, NAME, "DriftDetected") == "True"
    (experiment,) = world.children()
    name = experiment["metadata"]["name"]
    assert len(name) <= 38 and experiment["spec"]["dataset"] == {"name": name} and experiment["spec"]["run"] == 0
    uid = world.sim.get(DRIFT_POLICY, NAME)["metadata"]["uid"]
    assert experiment["metadata"]["labels"] == {names.LABEL_UID: uid}, "what its policy finds it by, and nothing else"
    dataset = world.sim.get(DATASET, name)
    base, feedback = dataset["spec"]["sources"]
    assert base == {"dataset": {"name": "flights-base", "digest": "sha256:" + "a" * 64}}
    bounds = world.status["retrains"]["inFlight"]["feedbackBounds"]
    assert feedback["feedback"]["window"]["receivedBefore"] == bounds["receivedBefore"]
    assert dataset["spec"]["schema"]["target"]["name"] == "late"

    world.experiment_says(name, ("Registered", "True", "Registered"), ("Succeeded", "True", "Succeeded"), version=2)
    told = {
        registry_tags.TAG_MODEL_DIGEST: "sha256:m2",
        registry_tags.TAG_REFERENCE: canonical_json(REFERENCE | {"value": "0.4"}),
    }
    world.registry.add(MODEL, "s3://bucle/mlflow/m2", told)
    await world.sim.pass_time(timedelta(minutes=5))
    assert world.status["retrains"]["inFlight"]["modelVersion"] == 2, "open until the deployment has promoted it"
    world.serve(2)
    await world.sim.pass_time(timedelta(minutes=5))
    assert "inFlight" not in world.status["retrains"]
    assert world.status["retrains"]["recent"][0]["outcome"] == "Promoted"
    assert world.status["cursor"]["labelled"]["window"] == 0 and world.status["reference"]["value"] == "0.4"
    assert not world.status["signals"][0]["streak"] and not world.status["signals"][0]["drifting"]


async def test_too_few_groups_neither_breach_nor_clear() -> None:
    world = DriftWorld()
    for _ in range(4):
        await world.window("0.9", groups=4)
    assert world.status["lastEvaluation"]["verdict"] == "Inconclusive" and world.children() == []


async def test_a_running_rollout_makes_the_retrain_wait() -> None:
    world = DriftWorld()
    world.deployment_says(rollout={"id": "x", "state": "Stepping"})
    await drifted(world)
    assert action(world) == ("Waiting", "RolloutActive") and world.children() == []
    world.deployment_says(rollout=None)
    await world.sim.pass_time(timedelta(minutes=2))
    assert len(world.children()) == 1


@pytest.mark.thorough
async def test_a_model_that_is_not_better_ends_the_retrain_and_the_next_one_waits_for_cooldown_and_a_new_window() -> (
    None
):
    world = DriftWorld()
    await drifted(world)
    (first,) = world.children()
    world.brings_nothing(first)
    await world.sim.pass_time(timedelta(minutes=2))
    assert world.status["retrains"]["recent"][0]["reason"] == "NotBetter" and len(world.children()) == 1
    await world.window("0.62")
    assert action(world) == ("Waiting", "Cooldown")
    await world.sim.pass_time(timedelta(hours=6))
    assert len(world.children()) == 2
    second = next(c for c in world.children() if c["metadata"]["name"] != first["metadata"]["name"])
    world.experiment_says(second["metadata"]["name"], ("Stalled", "True", "GateFailed"))
    await world.window("0.62")
    assert action(world) == ("Suppressed", "StoppedAfterFailures")


@pytest.mark.thorough
async def test_a_lost_status_makes_no_second_retrain() -> None:
    world = DriftWorld()
    await drifted(world)
    before = {child["metadata"]["uid"] for child in world.children()}

    def empty(obj: JsonObject) -> None:
        obj["status"] = {"observedGeneration": -1}

    world.sim.edit(DRIFT_POLICY, NAME, empty)
    await world.sim.pass_time(timedelta(hours=1))
    (job,) = world.sim.jobs(open_only=True)
    world.sim.finish_job(job["metadata"]["name"], world.result(job))
    await world.sim.pass_time(timedelta(hours=7))  # longer than the cooldown
    assert {child["metadata"]["uid"] for child in world.children()} == before
    assert world.status["retrains"]["inFlight"]["name"] == world.children()[0]["metadata"]["name"]


@pytest.mark.parametrize("writes", first_fast(range(1, 6)))
async def test_a_kill_after_any_write_makes_exactly_one_retrain(writes: int) -> None:
    world = DriftWorld()
    await world.window("0.60")
    world.windows.append(("0.60", 7))
    world.rows += ROWS
    await world.sim.pass_time(timedelta(minutes=61))
    (job,) = world.sim.jobs(open_only=True)
    world.sim.finish_job(job["metadata"]["name"], world.result(job))
    await world.sim.settle_killing_after(writes)
    await world.sim.pass_time(timedelta(hours=2))
    (child,) = world.children()
    bounds = world.status["retrains"]["inFlight"]["feedbackBounds"]["receivedBefore"]
    window = world.sim.get(DATASET, child["metadata"]["name"])["spec"]["sources"][1]["feedback"]["window"]
    assert window["receivedBefore"] == bounds


async def test_a_model_that_could_never_arrive_is_said_beforehand() -> None:
    world = DriftWorld()
    world.sim.edit(
        EXPERIMENT, "flights", lambda obj: obj["spec"].update(register={"model": "other", "alias": "challenger"})
    )
    await drifted(world)
    assert world.sim.condition(DRIFT_POLICY, NAME, "LoopClosed") == "False"
    assert action(world) == ("Suppressed", "LoopOpen") and world.children() == []


async def test_a_second_policy_leaves_retraining_to_the_first() -> None:
    world = DriftWorld()
    await world.sim.pass_time(timedelta(seconds=5))
    world.sim.create({"kind": "DriftPolicy", "metadata": {"name": "later"}, "spec": policy_spec()})
    world.sim.delete(DRIFT_POLICY, NAME)
    world.sim.create({"kind": "DriftPolicy", "metadata": {"name": NAME}, "spec": policy_spec()})
    world.sim.edit(DRIFT_POLICY, "later", lambda obj: obj["metadata"].update(creationTimestamp="2020-01-01T00:00:00Z"))
    world.sim.edit(
        DRIFT_POLICY,
        "later",
        lambda obj: (
            obj["spec"]["schedule"].update(every="9999h")
            if "schedule" in obj["spec"]
            else obj["spec"].update(schedule={"every": "9999h"})
        ),
    )
    for value in ("0.60", "0.60"):
        world.windows.append((value, 7))
    world.rows = 2 * ROWS
    await world.sim.pass_time(timedelta(minutes=2))
    for job in world.sim.jobs(open_only=True):
        await world.looked(job)
    assert action(world) == ("Suppressed", "OwnedByOtherPolicy")


async def test_a_metric_that_is_no_mean_over_rows_cannot_be_watched_and_says_so() -> None:
    world = DriftWorld(policy={"signals": [signal(metric="roc_auc")]})
    await world.sim.settle()
    assert reason(world) == "UnknownMetric" and world.sim.jobs() == []


async def test_a_version_without_a_reference_of_that_metric_waits() -> None:
    world = DriftWorld()
    world.registry.versions.clear()
    told = {
        registry_tags.TAG_MODEL_DIGEST: "sha256:m1",
        registry_tags.TAG_REFERENCE: canonical_json(REFERENCE | {"metric": "brier"}),
    }
    world.registry.add(MODEL, "s3://bucle/mlflow/m1", told)
    world.rows = 9999
    await world.sim.pass_time(timedelta(hours=2))
    assert reason(world) == "WaitingForReference" and world.sim.jobs() == []
