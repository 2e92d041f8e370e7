"""A served version with labels coming back, a DriftPolicy that watches it, and what tests ask of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.support.fakes.clock import FakeClock
from tests.support.fakes.registry import FakeRegistry
from tests.support.worlds.simulation import NAMESPACE, PLATFORM, Simulation
from tests.support.worlds.training import task_of

from bucle.contracts import names, registry_tags
from bucle.contracts.canonical import canonical_json
from bucle.contracts.result import (
    EvaluateResult,
    Failure,
    LabelledResult,
    Result,
    ServedResult,
    SignalResult,
    WindowResult,
)
from bucle.engine.objects import JsonObject, controller_uid
from bucle.engine.reads import Known, Observation, Unavailable
from bucle.engine.status import timestamp
from bucle.externals.servers.values import WatermarkRead, Watermarks
from bucle.kinds import driftpolicy
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, MODEL_DEPLOYMENT

MODEL, NAME = "ml.flights", "flights-drift"
REFERENCE = {"metric": "log_loss", "value": "0.5", "standardError": "0.003", "groups": 50, "rows": 20000}
ROWS = 5000


@dataclass
class DriftWorld:
    """A served version with labels coming back; the evaluate Job finds the windows that the test says."""

    place = "the model servers"

    rows: int = 0
    windows: list[tuple[str, int]] = field(default_factory=list)
    policy: dict[str, Any] = field(default_factory=dict)
    uncounted: dict[str, int] = field(default_factory=dict)
    silent: bool = False
    captured: int | None = None
    """Rows that were served; as many as got labels where a test says nothing else."""
    served: list[dict[str, SignalResult]] = field(default_factory=list)
    """What a pod says of the columns of each full window of served rows, by signal."""
    others: list[dict[str, str]] = field(default_factory=list)
    failing: dict[str, Failure] = field(default_factory=dict)
    """Signals that a pod cannot take."""

    def __post_init__(self) -> None:
        self.registry = FakeRegistry(FakeClock())
        self.sim = Simulation((driftpolicy.room(PLATFORM),), sources={**self.registry.sources(), WatermarkRead: self})
        self.registry.clock = self.sim.clock
        tags = {
            registry_tags.TAG_MODEL_DIGEST: "sha256:m1",
            registry_tags.TAG_DATASET_NAME: "flights-base",
            registry_tags.TAG_DATASET_DIGEST: "sha256:" + "a" * 64,
            registry_tags.TAG_REFERENCE: canonical_json(REFERENCE),
        }
        self.registry.add(MODEL, "s3://bucle/mlflow/m1", tags)
        self.put(DATASET, "flights-base", dataset_spec())
        self.put(EXPERIMENT, "flights", experiment_spec())
        self.put(MODEL_DEPLOYMENT, "flights", deployment_spec())
        self.serve(1)
        self.sim.create({"kind": "DriftPolicy", "metadata": {"name": NAME}, "spec": policy_spec() | self.policy})

    def put(self, resource: Any, name: str, spec: JsonObject) -> None:
        self.sim.kube.put(resource, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})

    async def read(self, read: WatermarkRead) -> Observation[Watermarks]:
        if self.silent:
            return Unavailable("GET http://10.0.0.7:8080/… was not answered within 1.5 s")
        captured = self.rows if self.captured is None else self.captured
        return Known(Watermarks(1, captured, self.rows, 0, f"{captured}/{self.rows}"), self.sim.clock.now())

    def serve(self, version: int, **status: Any) -> None:
        """What the ModelDeployment reports."""
        self.deployment_says(stable=self.stable(version), **status)

    def serve_at(self, deployment: str, version: int) -> None:
        stable = self.stable(version)
        self.sim.edit(MODEL_DEPLOYMENT, deployment, lambda obj: obj.update(status={"stable": stable}))

    def stable(self, version: int) -> JsonObject:
        model = {"name": MODEL, "version": version, "uri": f"s3://bucle/m{version}", "digest": f"sha256:m{version}"}
        return {"revision": f"rev{version}", "model": model, "image": "i", "since": timestamp(self.sim.clock.now())}

    def deployment_says(self, **status: Any) -> None:
        def change(obj: JsonObject) -> None:
            obj["status"] = {**(obj.get("status") or {}), **status}
            obj["status"] = {key: value for key, value in obj["status"].items() if value is not None}

        self.sim.edit(MODEL_DEPLOYMENT, "flights", change)

    async def window(self, value: str, groups: int = 7, **others: str) -> None:
        """One more full window with that metric (`others`: of other signals by name, _ for -): labels arrive, the Job runs
        and reports all windows so far."""
        self.windows.append((value, groups))
        self.others.append({name.replace("_", "-"): said for name, said in others.items()})
        self.rows += ROWS
        await self.sim.pass_time(timedelta(minutes=61))
        jobs = self.sim.jobs(open_only=True)
        assert len(jobs) == 1, [job["metadata"]["name"] for job in jobs]
        await self.looked(*jobs)

    async def looked(self, *jobs: JsonObject) -> None:
        """These Jobs end and report all windows so far."""
        for job in jobs:
            self.sim.finish_job(job["metadata"]["name"], self.result(job))
        await self.sim.settle()

    def result(self, job: JsonObject) -> Result:
        asked = task_of(job)
        labelled = self._labelled(asked["labelled"]) if "labelled" in asked else None
        served = self._served(asked["served"]) if "served" in asked else None
        uri = "s3://bucle/ml/policies/flights-drift/windows-0.json"
        looked = EvaluateResult(labelled=labelled, served=served, uri=uri)
        return Result(program="evaluate", task_sha256="0" * 64, evaluate=looked)

    def _served(self, task: JsonObject) -> ServedResult:
        nothing = SignalResult(name="", verdict="Healthy", message="none is beyond its limit")
        found = tuple(
            WindowResult(
                index=index,
                first=f"2026-01-01T{index:02}:00:30Z",
                last=f"2026-01-01T{index:02}:59:30Z",
                rows=ROWS,
                signals=tuple(
                    self.served[index].get(signal["name"], nothing).model_copy(update={"name": signal["name"]})
                    for signal in task["signals"]
                ),
            )
            for index in range(task["first"], len(self.served))
        )
        return ServedResult(windows=found, rows=ROWS * len(found))

    def _labelled(self, task: JsonObject) -> LabelledResult:
        first = task["first"]
        found = tuple(
            WindowResult(
                index=index,
                first=f"2026-01-01T{index:02}:00:00Z",
                last=f"2026-01-01T{index:02}:59:00Z",
                rows=ROWS,
                signals=tuple(self._signal(signal["name"], index) for signal in task["signals"]),
            )
            for index in range(first, len(self.windows))
        )
        return LabelledResult(windows=found, rows=ROWS * len(found), **self.uncounted)

    async def serve_window(self, **said: SignalResult) -> None:
        """One more full window of served rows, of which a pod says this (of other signals: that they are healthy)."""
        self.served.append({name.replace("_", "-"): result for name, result in said.items()})
        self.captured = ROWS * len(self.served)
        await self.sim.pass_time(timedelta(minutes=61))
        (job,) = self.sim.jobs(open_only=True)
        self.sim.finish_job(job["metadata"]["name"], self.result(job))
        await self.sim.settle()

    def _signal(self, name: str, index: int) -> SignalResult:
        value, groups = self.windows[index]
        others = self.others[index] if index < len(self.others) else {}
        if name in self.failing:
            return SignalResult(name=name, failure=self.failing[name])
        return SignalResult(name=name, value=others.get(name, value), standard_error="0.01", groups=groups)

    @property
    def status(self) -> JsonObject:
        return self.sim.status(DRIFT_POLICY, NAME)

    def children(self) -> list[JsonObject]:
        """Experiments this policy made."""
        uid = self.sim.get(DRIFT_POLICY, NAME)["metadata"]["uid"]
        return [e for e in self.sim.kube.all(EXPERIMENT) if controller_uid(e) == uid]

    def brings_nothing(self, child: JsonObject) -> None:
        """The Experiment of a retrain ends with a model that is no better."""
        told = ("Registered", "False", "NotBetter"), ("Succeeded", "True", "Succeeded")
        self.experiment_says(child["metadata"]["name"], *told)

    def experiment_says(self, name: str, *conditions: tuple[str, str, str], version: int | None = None) -> None:
        def change(obj: JsonObject) -> None:
            moment = timestamp(self.sim.clock.now())
            said = [{"type": t, "status": s, "reason": r, "lastTransitionTime": moment} for t, s, r in conditions]
            obj["status"] = {"observedGeneration": 1, "conditions": said}
            if version is not None:
                obj["status"]["final"] = {"model": {"name": MODEL, "version": version, "digest": f"sha256:m{version}"}}

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


def signal(name: str = "performance", decision: JsonObject | None = None, **changes: Any) -> JsonObject:
    """A performance signal; what is None is left out."""
    settings = {"metric": "log_loss", "maxDegradation": "0.03", **changes}
    told = {"name": name, "performance": {key: value for key, value in settings.items() if value is not None}}
    return told if decision is None else {**told, "decision": decision}


def policy_spec() -> JsonObject:
    return {
        "target": {"modelDeployment": "flights"},
        "windows": {"rows": ROWS},
        "signals": [signal()],
        "actions": [{"when": ["performance"], "do": "Retrain"}],
        "retrain": {"experiment": "flights", "training": {"feedback": {"rows": 25000}}},
        "limits": {"cooldown": "6h", "maxRetrains": 2, "per": "168h", "stopAfterFailed": 2},
    }


def reason(world: DriftWorld, type_: str = "Ready") -> str | None:
    return world.sim.reason(DRIFT_POLICY, NAME, type_)


def action(world: DriftWorld) -> tuple[str, str]:
    told = world.status["action"]
    return told["outcome"], told["reason"]


def asking_first(**limits: Any) -> JsonObject:
    """Of a policy that has a person approve its retrains."""
    spec = policy_spec()
    return {"retrain": {**spec["retrain"], "approval": "Required"}, "limits": {**spec["limits"], **limits}}


def ask(world: DriftWorld, request: str | None) -> None:
    """`kubectl annotate --overwrite`; None takes the annotation away."""
    annotations = {} if request is None else {names.ANNOTATION_ACTION: request}
    world.sim.edit(DRIFT_POLICY, NAME, lambda obj: obj["metadata"].update(annotations=annotations))


def answers(world: DriftWorld) -> list[tuple[str, str]]:
    """What was asked of the policy and what came of it, newest first."""
    return [
        ("/".join(line.get(part, "") for part in ("verb", "subject", "nonce")), line["outcome"])
        for line in world.status.get("personActions", ())
    ]


async def drifted(world: DriftWorld) -> None:
    await world.window("0.60")
    await world.window("0.60")


async def cleared(world: DriftWorld) -> None:
    """Healthy windows, until the drift is over."""
    for _ in range(9):
        await world.window("0.50")
        if world.sim.condition(DRIFT_POLICY, NAME, "DriftDetected") == "False":
            return
    raise AssertionError("healthy windows do not clear the drift")


async def all_drift(world: DriftWorld) -> None:
    """As `drifted`, where several policies watch: each looks at both windows."""
    for _ in range(2):
        world.windows.append(("0.60", 7))
        world.rows += ROWS
        await world.sim.pass_time(timedelta(minutes=61))
        await world.looked(*world.sim.jobs(open_only=True))


async def look(world: DriftWorld) -> JsonObject:
    """The Job of the next look, once so many labels have come that a window may be full."""
    world.rows += ROWS
    await world.sim.pass_time(timedelta(minutes=61))
    (job,) = world.sim.jobs(open_only=True)
    return job
