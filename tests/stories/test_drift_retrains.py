"""What a retrain must not get wrong: it ends, returns, collides, is cancelled, and is counted once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.support.tiers import first_fast
from tests.support.worlds.drift import (
    NAME,
    DriftWorld,
    action,
    all_drift,
    deployment_spec,
    drifted,
    experiment_spec,
    policy_spec,
    reason,
)

from bucle.engine.objects import JsonObject
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, MODEL_DEPLOYMENT


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
    world.brings_nothing(first)
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
    world.brings_nothing(first)
    await world.window("0.62")
    await world.window("0.62")
    assert action(world) == ("Suppressed", "BudgetSpent") and len(world.children()) == 1


EARLIER, LATER = "2025-12-31T00:00:00Z", "2027-01-01T00:00:00Z"


def refused(version: int, at: str | None = None) -> JsonObject:
    told = {"version": version, "digest": f"sha256:m{version}", "reason": "GateNotPassed", "at": at}
    return {key: value for key, value in told.items() if value is not None}


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
    first_fast(
        [
            ({"rejected": refused(2)}, "Refused"),
            ({"rejected": refused(3, at=LATER)}, "Refused"),
            ({"rejected": refused(3, at=EARLIER)}, None),
            (
                {"history": [{"model": {"digest": "sha256:m2"}, "outcome": "Superseded", "reason": "Replaced"}]},
                "Refused",
            ),
            ({"history": [{"model": {"digest": "sha256:m2"}, "outcome": "Superseded", "reason": "PlanChanged"}]}, None),
            ({"candidate": {"model": {"digest": "sha256:m2"}}, "rejected": refused(2)}, None),
            ({"rejected": refused(2) | {"digest": "sha256:of-another-registry"}}, None),
        ]
    ),
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
    world.deployment_says(rejected=refused(2))
    await world.sim.pass_time(timedelta(minutes=1))
    world.deployment_says(rejected=refused(1))
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


async def test_two_deployments_of_one_model_have_one_open_retrain() -> None:
    world = DriftWorld()
    world.put(MODEL_DEPLOYMENT, "elsewhere", deployment_spec())
    spec = policy_spec() | {"target": {"modelDeployment": "elsewhere"}}
    world.sim.create({"kind": "DriftPolicy", "metadata": {"name": "other"}, "spec": spec})
    await world.sim.settle()
    claim = {"name": "other-1", "state": "Claimed"}
    world.sim.edit(DRIFT_POLICY, "other", lambda obj: obj["status"].update(retrains={"inFlight": claim}))
    for _ in range(2):
        await world.window("0.60")
    assert action(world) == ("Suppressed", "OwnedByOtherPolicy") and world.children() == []


async def test_two_policies_that_drift_in_the_same_moment_make_one_model() -> None:
    world = DriftWorld()
    world.put(MODEL_DEPLOYMENT, "elsewhere", deployment_spec())
    world.serve_at("elsewhere", 1)
    spec = policy_spec() | {"target": {"modelDeployment": "elsewhere"}}
    world.sim.create({"kind": "DriftPolicy", "metadata": {"name": "other"}, "spec": spec})
    await all_drift(world)
    await world.sim.pass_time(timedelta(minutes=2))
    made = [e for e in world.sim.kube.all(EXPERIMENT) if e["metadata"]["name"] != "flights"]
    assert len(made) == 1, [e["metadata"]["name"] for e in made]
    told = [world.sim.status(DRIFT_POLICY, name)["action"]["reason"] for name in (NAME, "other")]
    assert sorted(told) == ["OwnedByOtherPolicy", "Retraining"]


async def test_a_policy_that_could_retrain_nothing_keeps_nobody_from_it() -> None:
    world = DriftWorld()
    await world.sim.settle()
    world.put(EXPERIMENT, "astray", experiment_spec(alias="nowhere"))
    spec = policy_spec()
    spec["retrain"] = spec["retrain"] | {"experiment": "astray"}
    world.sim.create({"kind": "DriftPolicy", "metadata": {"name": "older"}, "spec": spec})
    older = {"creationTimestamp": "2020-01-01T00:00:00Z"}
    world.sim.edit(DRIFT_POLICY, "older", lambda obj: obj["metadata"].update(older))
    await world.sim.settle()
    assert world.sim.condition(DRIFT_POLICY, "older", "LoopClosed") == "False"
    await all_drift(world)
    await world.sim.pass_time(timedelta(minutes=2))
    assert len(world.children()) == 1


async def test_a_retrain_is_cancelled_by_taking_it_out_of_the_policy() -> None:
    world = DriftWorld()
    await drifted(world)
    assert len(world.children()) == 1

    def reports_only(obj: JsonObject) -> None:
        obj["spec"]["actions"] = [{"when": ["performance"], "do": "Alert"}]
        del obj["spec"]["retrain"]

    world.sim.edit(DRIFT_POLICY, NAME, reports_only)
    await world.sim.pass_time(timedelta(minutes=1))
    assert world.children() == [] and "inFlight" not in world.status["retrains"]
    (line,) = world.status["retrains"]["recent"]
    assert (line["outcome"], line["reason"]) == ("Cancelled", "RetrainCancelled")
    assert reason(world) == "Watching" and action(world) == ("Done", "Breached")


async def test_a_retrain_is_cancelled_by_deleting_its_experiment() -> None:
    world = DriftWorld()
    await drifted(world)
    (child,) = world.children()
    await world.sim.pass_time(timedelta(minutes=1))
    world.sim.delete(EXPERIMENT, child["metadata"]["name"])
    await world.sim.pass_time(timedelta(minutes=1))
    assert world.children() == [] and "inFlight" not in world.status["retrains"]
    assert world.status["retrains"]["recent"][0]["outcome"] == "Cancelled"


async def test_a_cancelled_retrain_does_not_count_as_failed() -> None:
    world = DriftWorld(policy={"limits": {"cooldown": "1s", "maxRetrains": 9, "per": "168h", "stopAfterFailed": 1}})
    await drifted(world)
    (child,) = world.children()
    await world.sim.pass_time(timedelta(minutes=1))
    world.sim.delete(EXPERIMENT, child["metadata"]["name"])
    await world.sim.pass_time(timedelta(minutes=1))
    await world.window("0.62")
    assert action(world) == ("Done", "Retraining")


async def test_a_retrain_whose_template_is_gone_before_it_began_ends_with_the_reason() -> None:
    world = DriftWorld()
    await drifted(world)
    name = world.children()[0]["metadata"]["name"]

    def claimed(obj: JsonObject) -> None:
        obj["status"]["retrains"]["inFlight"]["state"] = "Claimed"

    world.sim.delete(EXPERIMENT, "flights")
    world.sim.delete(EXPERIMENT, name)
    world.sim.delete(DATASET, name)
    world.sim.edit(DRIFT_POLICY, NAME, claimed)
    await world.sim.pass_time(timedelta(minutes=1))
    assert "inFlight" not in world.status["retrains"]
    assert world.status["retrains"]["recent"][0]["reason"] in ("LoopOpen", "RetrainCancelled")
    assert reason(world, "LoopClosed") == "LoopOpen"
