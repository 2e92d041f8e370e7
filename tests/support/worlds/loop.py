"""All four kinds in one namespace, and the nodes on which their Jobs run: from a table in the store to a model that callers meet.

    world = LoopWorld(); world.begin()
    world.tick()                                # Jobs that have run for long enough end, each with its kind of answer
    world.learns = Model(errors=0.3)            # what the next final fit makes
    world.job_ends.append(JobEnd(137))          # how the next Job ends instead

A result follows from its task alone, as a real one does, except for what the world is told to make of it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from tests.support.worlds.drift import REFERENCE, policy_spec
from tests.support.worlds.rollout import NAME, Model, RolloutWorld
from tests.support.worlds.simulation import PLATFORM
from tests.support.worlds.training import FLIGHTS, LATE, changed, data_result, final_result, task_of, trial_result

from bucle.contracts import registry_tags
from bucle.contracts.canonical import canonical_json
from bucle.contracts.canonical import digest as digest_of
from bucle.contracts.result import (
    ChampionResult,
    EvaluateResult,
    Failure,
    LabelledResult,
    Result,
    ServedResult,
    SignalResult,
    WindowResult,
)
from bucle.engine.objects import JsonObject, uid_of
from bucle.engine.reads import Known, Observation
from bucle.engine.status import timestamp
from bucle.externals.sampler.optuna_sampler import sources as sampler_sources
from bucle.externals.servers.values import WatermarkRead, Watermarks
from bucle.kinds import dataset, driftpolicy, experiment
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, MODEL_DEPLOYMENT, Resource

POLICY = "flights-drift"
JOB_TAKES = timedelta(seconds=45)
ROWS = 5000
HEALTHY, DRIFTED = "0.50", "0.80"


class JobEnd(NamedTuple):
    """A Job that does not succeed: its exit code, and the failure that its program tells, if it lives to tell one."""

    exit_code: int
    reason: str | None = None


def experiment_manifest() -> JsonObject:
    limits = {"maxTrials": 2, "parallelTrials": 2}
    return changed(LATE, lambda obj: obj["spec"]["limits"].update(limits))


def policy_manifest() -> JsonObject:
    limits = {"cooldown": "20m", "maxRetrains": 4, "per": "24h", "stopAfterFailed": 3}
    spec = {**policy_spec(), "limits": limits, "schedule": {"every": "5m"}}
    spec["retrain"] = {**spec["retrain"], "experiment": "late"}
    return {"apiVersion": "bucle.dev/v1alpha1", "kind": "DriftPolicy", "metadata": {"name": POLICY}, "spec": spec}


MANIFESTS = {DATASET: lambda: FLIGHTS, EXPERIMENT: experiment_manifest, DRIFT_POLICY: policy_manifest}
NAMES = {DATASET: "flights", EXPERIMENT: "late", DRIFT_POLICY: POLICY}


@dataclass
class LoopWorld(RolloutWorld):
    learns: Model = field(default_factory=Model)
    better: bool = True
    """Whether what is trained next beats the champion on the rows that both have seen."""
    accepted: bool = True
    """Whether the table meets its expectations."""
    table: int = 0
    """Which table stands at the source now."""
    job_ends: deque[JobEnd] = field(default_factory=deque)
    windows: defaultdict[str, list[tuple[str, datetime]]] = field(default_factory=lambda: defaultdict(list))
    """Full windows of labelled rows of a revision: their metric, and when they were full."""

    def __post_init__(self) -> None:
        self.more_rooms = (dataset.room(PLATFORM), experiment.room(PLATFORM), driftpolicy.room(PLATFORM))
        self.more_sources = {WatermarkRead: _Servers(self), **sampler_sources()}
        super().__post_init__()
        self._began: dict[str, datetime] = {}

    def begin(self, kind: Resource) -> None:
        """A person applies the manifest of that kind."""
        self.sim.create(MANIFESTS[kind]())

    def facts(self) -> dict[str, str]:
        """The tags of a version that an Experiment registered, for one that a person registers."""
        return {
            registry_tags.TAG_DATASET_NAME: "flights",
            registry_tags.TAG_DATASET_DIGEST: digest_of("the table of the beginning"),
            registry_tags.TAG_REFERENCE: canonical_json(REFERENCE),
        }

    def label(self, value: str) -> None:
        """One more full window of the served version gets its labels."""
        stable = self.stable_revision()
        if stable is not None:
            self.windows[stable].append((value, self.clock.now()))

    def stable_revision(self) -> str | None:
        found = self.deployment_status().get("stable") or {}
        return found.get("revision")

    def deployment_status(self) -> JsonObject:
        """Empty while there is no deployment."""
        found = next((d for d in self.sim.kube.look(MODEL_DEPLOYMENT) if d["metadata"]["name"] == NAME), {})
        return found.get("status") or {}

    # --- nodes -------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Every Job that has run for long enough ends."""
        now = self.clock.now()
        for job in self.sim.jobs(open_only=True):
            began = self._began.setdefault(uid_of(job), now)
            if now - began >= JOB_TAKES:
                self._end(job)

    def _end(self, job: JsonObject) -> None:
        name, task = job["metadata"]["name"], task_of(job)
        if not self.job_ends:
            self.sim.finish_job(name, self._result(task))
            return
        end = self.job_ends.popleft()
        told = Failure(reason=end.reason, message="told by a story") if end.reason else None
        result = Result(program=task["program"], task_sha256="0" * 64, failure=told) if told else ""
        self.sim.fail_job(name, end.exit_code, result)

    def _result(self, task: JsonObject) -> Result:
        if task["program"] == "data":
            return self._built(task)
        if task["program"] == "evaluate":
            return self._evaluated(task)
        return trial_result(task["params"]) if task["phase"] == "trial" else self._trained(task)

    def _built(self, task: JsonObject) -> Result:
        digest = digest_of([task["sources"], task["splits"], task["table"], self.table])
        found = data_result(digest)
        location = f"{task['location'].rstrip('/')}/{digest.removeprefix('sha256:')}"
        assert found.data is not None
        return found.model_copy(
            update={"data": found.data.model_copy(update={"location": location, "accepted": self.accepted})}
        )

    def _trained(self, task: JsonObject) -> Result:
        digest = digest_of(["model", task])
        self.models.setdefault(digest, self.learns)
        champion = None
        if "champion" in task and task["champion"] is not None:
            champion = ChampionResult(
                version=task["champion"]["version"],
                state="Compared",
                on=task["champion"].get("on", "Newest"),
                difference="-0.05" if self.better else "0.05",
                standard_error="0.001",
                groups=20,
                rows=1000,
            )
        found = final_result(champion=champion)
        assert found.final is not None
        uri = f"{task['modelLocation'].rstrip('/')}/{digest.removeprefix('sha256:')}"
        return found.model_copy(update={"final": found.final.model_copy(update={"digest": digest, "uri": uri})})

    def _evaluated(self, task: JsonObject) -> Result:
        windows = self.windows[task["version"]]
        asked = task.get("labelled")
        # The served columns are always as they were.
        served = ServedResult(windows=(), rows=0) if "served" in task else None
        if asked is None:
            return Result(program="evaluate", task_sha256="0" * 64, evaluate=EvaluateResult(served=served))
        first = asked["first"]
        found = tuple(
            WindowResult(
                index=index,
                first=timestamp(at - timedelta(minutes=1)),
                last=timestamp(at),
                rows=ROWS,
                signals=tuple(
                    SignalResult(name=signal["name"], value=value, standard_error="0.01", groups=20)
                    for signal in asked["signals"]
                ),
            )
            for index, (value, at) in enumerate(windows)
            if index >= first
        )
        looked = LabelledResult(windows=found[:20], rows=ROWS * len(windows), more=len(found) > 20)
        return Result(program="evaluate", task_sha256="0" * 64, evaluate=EvaluateResult(labelled=looked, served=served))


@dataclass
class _Servers:
    """What the prediction servers say they stored."""

    place = "the model servers"

    world: LoopWorld

    async def read(self, read: WatermarkRead) -> Observation[Watermarks]:
        stable = self.world.stable_revision()
        rows = ROWS * len(self.world.windows[stable]) if stable else 0
        return Known(Watermarks(1, rows, rows, 0, f"{stable}/{rows}"), self.world.clock.now())
