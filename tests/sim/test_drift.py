"""Stories of one DriftPolicy: from labels that come back to a new model that arrives, and every reason why not."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from tests.fakes.clock import FakeClock
from tests.fakes.registry import FakeRegistry
from tests.fakes.simulation import NAMESPACE, PLATFORM, Simulation

from bucle.contracts import names
from bucle.contracts.canonical import canonical_json
from bucle.contracts.result import EvaluateResult, Result, WindowResult
from bucle.engine.conditions import timestamp
from bucle.engine.objects import DATASET, DRIFT_POLICY, EXPERIMENT, MODEL_DEPLOYMENT, JsonObject, controller_uid
from bucle.engine.observation import Known, Observation
from bucle.externals.servers.values import WatermarkRead, Watermarks
from bucle.kinds import driftpolicy

MODEL, NAME = "ml.flights", "flights-drift"
REFERENCE = {"metric": "log_loss", "value": "0.5", "standardError": "0.01", "groups": 50, "rows": 20000}
ROWS = 5000


@dataclass
class DriftWorld:
    """A served version with labels coming back; the evaluate Job finds the windows that the test says."""

    rows: int = 0
    windows: list[tuple[str, int]] = field(default_factory=list)
    policy: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.registry = FakeRegistry(FakeClock())
        self.sim = Simulation((driftpolicy.kind(PLATFORM),), sources={**self.registry.sources(), WatermarkRead: self})
        self.registry.clock = self.sim.clock
        tags = {
            names.TAG_DATASET_NAME: "flights-base",
            names.TAG_DATASET_DIGEST: "sha256:" + "a" * 64,
            names.TAG_REFERENCE: canonical_json(REFERENCE),
        }
        self.registry.add(MODEL, "s3://bucle/mlflow/m1", tags)
        self._put(DATASET, "flights-base", dataset_spec())
        self._put(EXPERIMENT, "flights", experiment_spec())
        self._put(MODEL_DEPLOYMENT, "flights", deployment_spec())
        self.serve(1)
        self.sim.create({"kind": "DriftPolicy", "metadata": {"name": NAME}, "spec": policy_spec() | self.policy})

    def _put(self, resource: Any, name: str, spec: JsonObject) -> None:
        self.sim.kube.put(resource, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})

    async def read(self, read: WatermarkRead) -> Observation[Watermarks]:
        return Known(Watermarks(1, self.rows, self.rows, 0, str(self.rows)), self.sim.clock.now())

    def serve(self, version: int, **status: Any) -> None:
        """What the ModelDeployment reports."""
        model = {"name": MODEL, "version": version, "uri": f"s3://bucle/m{version}", "digest": f"sha256:m{version}"}
        stable = {"revision": f"rev{version}", "model": model, "image": "i", "since": timestamp(self.sim.clock.now())}
        self.deployment_says(stable=stable, **status)

    def deployment_says(self, **status: Any) -> None:
        def change(obj: JsonObject) -> None:
            obj["status"] = {**(obj.get("status") or {}), **status}
            obj["status"] = {key: value for key, value in obj["status"].items() if value is not None}

        self.sim.edit(MODEL_DEPLOYMENT, "flights", change)

    async def window(self, value: str, groups: int = 7) -> None:
        """One more full window with that metric: labels arrive, the Job runs and reports all windows so far."""
        self.windows.append((value, groups))
        self.rows += ROWS
        await self.sim.pass_time(timedelta(minutes=61))
        jobs = self.sim.jobs(open_only=True)
        assert len(jobs) == 1, [job["metadata"]["name"] for job in jobs]
        self.sim.finish_job(jobs[0]["metadata"]["name"], self.result(jobs[0]))
        await self.sim.settle()

    def result(self, job: JsonObject) -> Result:
        import json

        annotations = job["spec"]["template"]["metadata"]["annotations"]
        first = json.loads(annotations[names.ANNOTATION_TASK])["closed"] // ROWS
        found = tuple(
            WindowResult(
                index=index,
                first=f"2026-01-01T{index:02}:00:00Z",
                last=f"2026-01-01T{index:02}:59:00Z",
                rows=ROWS,
                groups=groups,
                value=value,
                standard_error="0.01",
            )
            for index, (value, groups) in enumerate(self.windows)
            if index >= first
        )
        evaluated = EvaluateResult(windows=found, labelled=ROWS * len(found))
        return Result(program="evaluate", task_sha256="0" * 64, evaluate=evaluated)

    @property
    def status(self) -> JsonObject:
        return self.sim.status(DRIFT_POLICY, NAME)

    def children(self) -> list[JsonObject]:
        """Experiments this policy made."""
        uid = self.sim.get(DRIFT_POLICY, NAME)["metadata"]["uid"]
        return [e for e in self.sim.kube.all(EXPERIMENT) if controller_uid(e) == uid]

    def experiment_says(self, name: str, *conditions: tuple[str, str, str], version: int | None = None) -> None:
        def change(obj: JsonObject) -> None:
            said = [{"type": t, "status": s, "reason": r} for t, s, r in conditions]
            obj["status"] = {"observedGeneration": 1, "conditions": said}
            if version is not None:
                obj["status"]["final"] = {"model": {"name": MODEL, "version": version}}

        self.sim.edit(EXPERIMENT, name, change)


def dataset_spec() -> JsonObject:
    return {
        "sources": [{"uri": {"location": "s3://bucle/raw/*.parquet", "parquet": {}}}],
        "schema": {
            "target": {"name": "late", "task": "Binary", "positive": "1"},
            "columns": [{"name": "hour", "type": "Integer"}, {"name": "flight_id", "type": "Text", "role": "Id"}],
        },
        "splits": {"hash": {"key": "flight_id"}, "train": 70, "validation": 15, "test": 15},
    }


def experiment_spec(model: str = "flights", alias: str = "challenger") -> JsonObject:
    estimator = {"class": "sklearn.linear_model.LogisticRegression"}
    return {
        "dataset": {"name": "flights-base"},
        "objective": {"metric": "log_loss"},
        "trainer": {"sklearn": {"estimator": estimator}},
        "search": {"random": {}},
        "register": {"model": model, "alias": alias},
        "run": 3,
    }


def deployment_spec() -> JsonObject:
    return {"model": {"registered": {"name": "flights", "alias": "challenger"}}}


def policy_spec() -> JsonObject:
    return {
        "target": {"modelDeployment": "flights"},
        "windows": {"rows": ROWS},
        "signals": {"performance": {"metric": "log_loss", "maxDegradation": "0.03"}},
        "actions": [{"when": ["performance"], "do": "Retrain"}],
        "retrain": {"experiment": "flights", "training": {"feedback": {"rows": 25000}}},
        "limits": {"cooldown": "6h", "maxRetrains": 2, "per": "168h", "stopAfterFailed": 2},
    }


def reason(world: DriftWorld, type_: str = "Ready") -> str | None:
    return world.sim.reason(DRIFT_POLICY, NAME, type_)


def action(world: DriftWorld) -> tuple[str, str]:
    told = world.status["action"]
    return told["outcome"], told["reason"]


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
    assert world.status["cursor"]["window"] == 4 and len(world.sim.jobs()) == 4
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
    assert "labels" not in experiment["metadata"]
    dataset = world.sim.get(DATASET, name)
    base, feedback = dataset["spec"]["sources"]
    assert base == {"dataset": {"name": "flights-base", "digest": "sha256:" + "a" * 64}}
    bounds = world.status["retrains"]["inFlight"]["feedbackBounds"]
    assert feedback["feedback"]["window"]["receivedBefore"] == bounds["receivedBefore"]
    assert dataset["spec"]["schema"]["target"]["name"] == "late"

    world.experiment_says(name, ("Registered", "True", "Registered"), ("Succeeded", "True", "Succeeded"), version=2)
    world.registry.add(
        MODEL, "s3://bucle/mlflow/m2", {names.TAG_REFERENCE: canonical_json(REFERENCE | {"value": "0.4"})}
    )
    await world.sim.pass_time(timedelta(minutes=5))
    assert world.status["retrains"]["inFlight"]["modelVersion"] == 2, "open until the deployment has promoted it"
    world.serve(2)
    await world.sim.pass_time(timedelta(minutes=5))
    assert "inFlight" not in world.status["retrains"]
    assert world.status["retrains"]["recent"][0]["outcome"] == "Promoted"
    assert world.status["cursor"]["window"] == 0 and world.status["reference"]["value"] == "0.4"
    assert "streak" not in world.status or world.status["streak"] == []


async def test_too_few_groups_neither_breach_nor_clear() -> None:
    world = DriftWorld()
    for _ in range(4):
        await world.window("0.9", groups=4)
    assert world.status["lastEvaluation"]["verdict"] == "Inconclusive" and world.children() == []


async def drifted(world: DriftWorld) -> None:
    await world.window("0.60")
    await world.window("0.60")


async def test_a_running_rollout_makes_the_retrain_wait() -> None:
    world = DriftWorld()
    world.deployment_says(rollout={"id": "x", "state": "Stepping"})
    await drifted(world)
    assert action(world) == ("Waiting", "RolloutActive") and world.children() == []
    world.deployment_says(rollout=None)
    await world.sim.pass_time(timedelta(minutes=2))
    assert len(world.children()) == 1


async def test_a_model_that_is_not_better_ends_the_retrain_and_the_next_one_waits_for_cooldown_and_a_new_window() -> (
    None
):
    world = DriftWorld()
    await drifted(world)
    (first,) = world.children()
    world.experiment_says(
        first["metadata"]["name"], ("Registered", "False", "NotBetter"), ("Succeeded", "True", "Succeeded")
    )
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
    await world.sim.pass_time(timedelta(hours=24))
    assert {child["metadata"]["uid"] for child in world.children()} == before
    assert world.status["retrains"]["inFlight"]["name"] == world.children()[0]["metadata"]["name"]


@pytest.mark.parametrize("writes", range(1, 6))
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
        world.sim.finish_job(job["metadata"]["name"], world.result(job))
    await world.sim.settle()
    assert action(world) == ("Suppressed", "OwnedByOtherPolicy")


async def test_a_version_without_a_reference_of_that_metric_waits() -> None:
    world = DriftWorld()
    world.registry.versions.clear()
    world.registry.add(
        MODEL, "s3://bucle/mlflow/m1", {names.TAG_REFERENCE: canonical_json(REFERENCE | {"metric": "brier"})}
    )
    world.rows = 9999
    await world.sim.pass_time(timedelta(hours=2))
    assert reason(world) == "WaitingForReference" and world.sim.jobs() == []
