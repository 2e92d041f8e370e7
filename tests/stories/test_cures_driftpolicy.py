"""Every cure of the table of reasons, done on a DriftPolicy: told, then done, then it watches again or the retrain begins."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.support.fakes.drivers import set_pod_status, start_pod
from tests.support.tiers import first_fast
from tests.support.worlds.cures import cures, is_ready, person, shown, together
from tests.support.worlds.drift import (
    MODEL,
    NAME,
    REFERENCE,
    ROWS,
    DriftWorld,
    action,
    all_drift,
    deployment_spec,
    drifted,
    experiment_spec,
    look,
    policy_spec,
    signal,
)
from tests.support.worlds.training import failure

from bucle.contracts import registry_tags
from bucle.contracts.canonical import canonical_json
from bucle.engine.objects import JOB, JsonObject
from bucle.engine.status import timestamp
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, MODEL_DEPLOYMENT

MINUTES = timedelta(minutes=2)
OFTEN = {"cooldown": "1s", "maxRetrains": 9, "per": "168h", "stopAfterFailed": 2}


def tells(world: DriftWorld, reason: str, type_: str = "Ready") -> str:
    return shown(world.sim, DRIFT_POLICY, NAME, reason, type_)


def edit(world: DriftWorld, reason: str, change: Callable[[JsonObject], object]) -> None:
    person(world.sim, DRIFT_POLICY, NAME, reason, change)


async def watches(world: DriftWorld) -> None:
    """It is ready, and the next full window is judged."""
    await world.sim.pass_time(MINUTES)
    assert is_ready(world.sim, DRIFT_POLICY, NAME)()
    await world.window("0.50")
    tells(world, "Watching")
    tells(world, "Healthy", "DriftDetected")
    assert is_ready(world.sim, DRIFT_POLICY, NAME)()


async def begins(world: DriftWorld, retrains: int = 1) -> None:
    """So many retrains have been begun by now, and nothing holds the last one back."""
    await world.sim.pass_time(MINUTES)
    assert action(world) == ("Done", "Retraining")
    assert len(world.children()) == retrains
    tells(world, "Retraining")
    assert is_ready(world.sim, DRIFT_POLICY, NAME)()


async def fails(world: DriftWorld, count: int) -> None:
    """So many retrains that bring nothing, each for a newly breached window."""
    await world.window("0.60")
    for number in range(count):
        await world.window(f"0.6{number}")
        await world.sim.pass_time(MINUTES)
        newest = max(world.children(), key=lambda child: str(child["metadata"]["creationTimestamp"]))
        world.brings_nothing(newest)
        await world.sim.pass_time(MINUTES)


# --- what it compares with -------------------------------------------------------------------------------------


@cures("WaitingForReference", "WaitingForModelDeployment")
async def test_it_watches_as_soon_as_its_deployment_has_a_stable_version(reason: str) -> None:
    world = DriftWorld()
    world.sim.edit(MODEL_DEPLOYMENT, "flights", lambda obj: obj.pop("status"))
    missing = reason == "WaitingForModelDeployment"
    if missing:
        world.sim.delete(MODEL_DEPLOYMENT, "flights")
    await world.sim.pass_time(MINUTES)
    assert "ModelDeployment flights" in tells(world, reason, "LoopClosed" if missing else "Ready")
    if missing:
        world.put(MODEL_DEPLOYMENT, "flights", deployment_spec())
    world.serve(1)
    await watches(world)
    tells(world, "LoopClosed", "LoopClosed")


@cures("WaitingForReference")
@pytest.mark.parametrize("how", ["watch another", "train with it", "set a bound"])
async def test_a_version_without_that_reference_is_watched_by_another_metric_or_followed(reason: str, how: str) -> None:
    world = DriftWorld(policy={"signals": [signal(metric="brier")]})
    await world.sim.pass_time(MINUTES)
    assert "no reference for brier" in tells(world, reason)
    if how == "watch another":
        edit(world, reason, lambda spec: spec.update(signals=[signal()]))
    elif how == "set a bound":
        bounded = signal(metric="brier", maxDegradation=None, maximum="0.6")
        edit(world, reason, lambda spec: spec.update(signals=[bounded]))
    else:
        told = canonical_json(REFERENCE | {"metric": "brier"})
        world.registry.add(
            MODEL,
            "s3://bucle/mlflow/m2",
            {registry_tags.TAG_REFERENCE: told, registry_tags.TAG_MODEL_DIGEST: "sha256:m2"},
        )
        world.serve(2)
    await watches(world)


@cures("UnknownMetric")
async def test_a_metric_that_cannot_be_watched_is_changed(reason: str) -> None:
    world = DriftWorld(policy={"signals": [signal(metric="roc_auc")]})
    await world.sim.pass_time(MINUTES)
    assert "watch " in tells(world, reason)
    edit(world, reason, lambda spec: spec.update(signals=[signal()]))
    await watches(world)


# --- windows ---------------------------------------------------------------------------------------------------


@together("NotEnoughLabels", "Evaluating", "Watching", "Healthy", "LoopClosed")
async def test_labels_are_all_it_needs(reasons: tuple[str, ...]) -> None:
    world = DriftWorld()
    await world.sim.pass_time(MINUTES)
    tells(world, reasons[0])
    job = await look(world)
    tells(world, reasons[1])
    world.windows.append(("0.50", 7))
    await world.looked(job)
    for reason, type_ in zip(reasons[2:], ("Ready", "DriftDetected", "LoopClosed"), strict=True):
        tells(world, reason, type_)
    assert is_ready(world.sim, DRIFT_POLICY, NAME)()


@cures("NotEnoughRows")
async def test_served_rows_are_all_it_needs(reason: str) -> None:
    columns: JsonObject = {"name": "columns", "dataDrift": {}}
    world = DriftWorld(policy={"signals": [columns], "actions": [], "retrain": None})
    await world.sim.settle()
    assert f"of {ROWS} served rows" in tells(world, reason)
    await world.serve_window()
    tells(world, "Healthy", "DriftDetected")
    assert is_ready(world.sim, DRIFT_POLICY, NAME)()


@cures("Inconclusive")
async def test_larger_windows_have_groups_enough_for_a_verdict(reason: str) -> None:
    world = DriftWorld()
    await world.window("0.9", groups=4)
    assert "use larger windows" in tells(world, reason, "DriftDetected")
    edit(world, reason, lambda spec: spec["windows"].update(rows=2 * ROWS))
    job = await look(world)
    world.windows = [("0.50", 7)]
    await world.looked(job)
    tells(world, "Healthy", "DriftDetected")
    assert is_ready(world.sim, DRIFT_POLICY, NAME)()


@cures("ServersUnavailable")
async def test_servers_that_answer_again_are_asked_again(reason: str) -> None:
    world = DriftWorld(silent=True)
    await world.sim.pass_time(MINUTES)
    assert "was not answered" in tells(world, reason)
    world.silent = False
    await watches(world)


@cures("StoreUnavailable", "AccessDenied", "BucketMissing", long=True)
async def test_rows_that_could_not_be_looked_at_are_looked_at_once_the_store_is_back(reason: str) -> None:
    world = DriftWorld()
    job = await look(world)
    code = 75 if reason == "StoreUnavailable" else 78
    world.sim.fail_job(job["metadata"]["name"], code, failure("evaluate", reason, "what the pod says"))
    await world.sim.settle()
    assert "what the pod says" in tells(world, reason)
    await world.sim.until(lambda: bool(world.sim.jobs(open_only=True)), MINUTES)
    (again,) = world.sim.jobs(open_only=True)
    world.windows.append(("0.50", 7))
    await world.looked(again)
    await watches(world)


@cures("DeadlineExceeded", "ProgramFailed", "ResultLost", "UnknownColumn", long=True)
async def test_a_look_that_was_given_up_is_followed_by_the_next_one(reason: str) -> None:
    world = DriftWorld()
    job = await look(world)
    for _ in range(3):
        name = job["metadata"]["name"]
        if reason == "UnknownColumn":
            world.sim.fail_job(name, 78, failure("evaluate", reason, "no column day"))
        elif reason == "ProgramFailed":
            world.sim.fail_job(name, 1)
        elif reason == "ResultLost":
            world.sim.finish_job(name, "")
        else:
            over = {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}
            world.sim.edit(JOB, name, lambda live: live.update(status=over))  # noqa: B023
        await world.sim.pass_time(timedelta(seconds=45))
        if not (opened := world.sim.jobs(open_only=True)):
            break
        (job,) = opened
    assert "schedule.every" in tells(world, reason)
    await world.sim.until(lambda: bool(world.sim.jobs(open_only=True)), timedelta(hours=2))
    (again,) = world.sim.jobs(open_only=True)
    world.windows.append(("0.50", 7))
    await world.looked(again)
    assert is_ready(world.sim, DRIFT_POLICY, NAME)()
    tells(world, "Watching")


@cures("Unschedulable", "OutOfMemory")
async def test_requests_that_were_edited_reach_the_pod_of_the_next_attempt(reason: str) -> None:
    world = DriftWorld()
    job = await look(world)
    name = job["metadata"]["name"]
    if reason == "Unschedulable":
        pending = {"type": "PodScheduled", "status": "False", "reason": reason, "message": "Insufficient memory"}
        set_pod_status(world.sim.kube, start_pod(world.sim.kube, "ml", name), {"conditions": [pending]})
    else:
        world.sim.fail_job(name, 137)
        ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
        (pod,) = world.sim.pods()
        set_pod_status(
            world.sim.kube, pod, {"phase": "Failed", "containerStatuses": [{"name": "main", "state": ended}]}
        )
    await world.sim.settle()
    tells(world, reason)
    resources: dict[str, Any] = {"requests": {"memory": "64Mi"}, "limits": {"memory": "8Gi"}}
    edit(world, reason, lambda spec: spec.update(pod={"resources": resources}))
    await world.sim.until(
        lambda: any(open_["metadata"]["name"] != name for open_ in world.sim.jobs(open_only=True)), MINUTES
    )
    (again,) = world.sim.jobs(open_only=True)
    assert again["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] == "8Gi"
    world.windows.append(("0.50", 7))
    await world.looked(again)
    assert is_ready(world.sim, DRIFT_POLICY, NAME)()


# --- what is done about drift ----------------------------------------------------------------------------------


@together("Breached", "Retraining")
async def test_drift_begins_a_retrain_by_itself(reasons: tuple[str, ...]) -> None:
    world = DriftWorld()
    await drifted(world)
    tells(world, reasons[0], "DriftDetected")
    await begins(world)
    tells(world, reasons[1])


@cures("RolloutActive")
async def test_a_retrain_begins_when_the_rollout_is_over(reason: str) -> None:
    world = DriftWorld()
    world.deployment_says(rollout={"id": "x", "state": "Stepping"})
    await drifted(world)
    assert action(world) == ("Waiting", reason)
    world.deployment_says(rollout=None)
    await begins(world)


@cures("Cooldown")
async def test_a_retrain_begins_when_the_cooldown_is_over(reason: str) -> None:
    world = DriftWorld(policy={"limits": {**OFTEN, "cooldown": "3h"}})
    await fails(world, 1)
    await world.window("0.62")
    assert action(world) == ("Waiting", reason)
    await world.sim.pass_time(timedelta(hours=2))
    await begins(world, 2)


@cures("BudgetSpent")
@pytest.mark.parametrize("how", ["wait", "raise"])
async def test_a_retrain_begins_when_there_is_a_budget_again(reason: str, how: str) -> None:
    world = DriftWorld(policy={"limits": {**OFTEN, "maxRetrains": 1, "per": "4h"}})
    await fails(world, 1)
    await world.window("0.62")
    assert action(world) == ("Suppressed", reason)
    if how == "raise":
        edit(world, reason, lambda spec: spec["limits"].update(maxRetrains=2))
    else:
        await world.sim.pass_time(timedelta(hours=4))
    await begins(world, 2)


@cures("StoppedAfterFailures")
async def test_retrains_go_on_after_a_look_at_those_that_failed(reason: str) -> None:
    world = DriftWorld(policy={"limits": OFTEN})
    await fails(world, 2)
    await world.window("0.62")
    assert action(world) == ("Suppressed", reason)
    edit(world, reason, lambda spec: spec["limits"].update(stopAfterFailed=3))
    await begins(world, 3)


@cures("OwnedByOtherPolicy")
async def test_a_policy_that_is_alone_again_retrains(reason: str) -> None:
    world = DriftWorld()
    await world.sim.settle()
    spec = policy_spec() | {"schedule": {"every": "9999h"}}
    world.sim.create({"kind": "DriftPolicy", "metadata": {"name": "older"}, "spec": spec})
    earlier = {"creationTimestamp": timestamp(world.sim.clock.now() - timedelta(days=1))}
    world.sim.edit(DRIFT_POLICY, "older", lambda obj: obj["metadata"].update(earlier))
    await all_drift(world)
    assert action(world) == ("Suppressed", reason)
    world.sim.delete(DRIFT_POLICY, "older")
    await begins(world)


@cures("DatasetStalled")
async def test_a_retrain_whose_dataset_could_not_be_built_is_followed_by_one_on_mended_data(reason: str) -> None:
    world = DriftWorld(policy={"limits": OFTEN})
    await drifted(world)
    (child,) = world.children()
    stalled = {
        "type": "Stalled",
        "status": "True",
        "reason": "UnknownColumn",
        "lastTransitionTime": timestamp(world.sim.clock.now()),
    }
    world.sim.edit(DATASET, child["metadata"]["name"], lambda obj: obj.update(status={"conditions": [stalled]}))
    await world.sim.pass_time(MINUTES)
    assert world.status["retrains"]["recent"][0]["reason"] == reason
    person(world.sim, DATASET, "flights-base", reason, lambda spec: spec["splits"].update(train=60, test=25))
    await world.window("0.61")
    await begins(world, 2)


@cures("RetrainCancelled")
@pytest.mark.parametrize("how", ["taken out", "deleted"])
async def test_a_cancelled_retrain_may_be_followed_by_another(reason: str, how: str) -> None:
    world = DriftWorld(policy={"limits": OFTEN})
    await drifted(world)
    (child,) = world.children()
    await world.sim.pass_time(MINUTES)
    if how == "deleted":
        world.sim.delete(EXPERIMENT, child["metadata"]["name"])
    else:
        edit(world, reason, lambda spec: spec.update(actions=[{"when": ["performance"], "do": "Alert"}]))
    await world.sim.pass_time(MINUTES)
    assert world.status["retrains"]["recent"][0]["reason"] == reason
    edit(world, reason, lambda spec: spec.update(actions=policy_spec()["actions"]))
    await world.window("0.61")
    await begins(world)


@cures("LoopOpen")
@pytest.mark.parametrize("why", first_fast(["alias", "model", "template", "pinned", "retrain"]))
async def test_a_loop_is_closed_as_its_message_says(reason: str, why: str) -> None:
    def report_only(spec: JsonObject) -> None:
        del spec["retrain"]
        spec["actions"] = [{"when": ["performance"], "do": "Alert"}]

    world = DriftWorld()
    if why == "retrain":
        edit(world, reason, report_only)
    if why in ("alias", "model"):
        wrong = experiment_spec(alias="nowhere") if why == "alias" else experiment_spec(model="delays")
        world.sim.edit(EXPERIMENT, "flights", lambda obj: obj.update(spec=wrong))
    if why == "template":
        world.sim.delete(EXPERIMENT, "flights")
    if why == "pinned":
        world.sim.edit(
            MODEL_DEPLOYMENT,
            "flights",
            lambda obj: obj["spec"]["model"].update(registered={"name": "flights", "version": 1}),
        )
    await drifted(world)
    told = {
        "alias": "make them equal",
        "model": "make them equal",
        "template": "create it",
        "pinned": "follow an alias",
    }
    assert told.get(why, "only reports") in tells(world, reason, "LoopClosed")
    assert world.children() == []
    if why in ("alias", "model"):
        world.sim.edit(EXPERIMENT, "flights", lambda obj: obj.update(spec=experiment_spec()))
    if why == "template":
        world.put(EXPERIMENT, "flights", experiment_spec())
    if why == "pinned":
        world.sim.edit(MODEL_DEPLOYMENT, "flights", lambda obj: obj.update(spec=deployment_spec()))
    if why == "retrain":
        edit(world, reason, lambda spec: spec.update(policy_spec()))
    await world.sim.pass_time(MINUTES)
    tells(world, "LoopClosed", "LoopClosed")
    await begins(world)
