"""Everything around one ModelDeployment that is not the API server: kubelets, Envoy, callers, labels, the judge.

    world = RolloutWorld(); sim = world.sim
    one = world.register(Model(errors=0.001)); world.point("challenger", one)
    sim.create(world.manifest()); await sim.until(world.serves(one))

Time passes only through the simulation's clock. At every change of the router's ConfigMap and every read the laws are
checked: weights add up to 100, no revision gets a share before it has a ready pod that the routers see.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from tests.support.fakes import drivers
from tests.support.fakes.clock import FakeClock
from tests.support.fakes.registry import FakeRegistry
from tests.support.worlds.judge import Judge
from tests.support.worlds.simulation import NAMESPACE, PLATFORM, Simulation

from bucle.contracts import names, registry_tags
from bucle.contracts.canonical import digest as digest_of
from bucle.contracts.result import Failure, Result
from bucle.engine.objects import CONFIG_MAP, DEPLOYMENT, POD, JsonObject, controller_uid, uid_of
from bucle.engine.plan import EffectFailed
from bucle.engine.reads import Known, Observation, Unavailable
from bucle.engine.room import AnyRoom
from bucle.externals.answers import AnswerCounts
from bucle.externals.envoy.values import RouterPod, RouterRead, RouterStatus, TouchRouters
from bucle.externals.judge.values import EvidenceRead
from bucle.kinds import modeldeployment
from bucle.kinds.modeldeployment.fleets import JUDGE
from bucle.resources.addresses import MODEL_DEPLOYMENT, Resource

REGISTERED = "ml.flights"
NAME = "flights"


def owned(tag: str) -> str:
    """The key under which this deployment keeps a fact of a version."""
    return registry_tags.owned_tag(tag, NAMESPACE, NAME)


LIMIT_SAMPLES = {"samples": 2000, "minDuration": "1m", "maxDuration": "15m"}


@dataclass(frozen=True)
class Model:
    """How a version behaves: error rate, mean loss against the first one, seconds to load, and what it says if it cannot.
    `refuses`: the share of requests to which it answers 4xx."""

    errors: float = 0.001
    loss: float = 0.0
    load_seconds: float = 20
    failure: Failure | None = None
    refuses: float = 0.0


@cache
def _digest_served(task: str) -> str:
    return str(json.loads(task)["model"]["digest"])


@dataclass
class _Shown:
    """A ConfigMap as Envoy will show it `programs_after` seconds later."""

    at: datetime
    cds: str
    rds: str
    clusters: frozenset[str]
    weights: dict[str, int]
    mirror: tuple[str, int] | None


@dataclass
class RolloutWorld:
    programs_after: float = 0.4
    requests_per_second: float = 50.0
    group_seconds: float = 30.0
    noise: float = 0.01
    more_rooms: tuple[AnyRoom, ...] = ()
    more_sources: dict[type, Any] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    judge_down: str | None = None
    judge_refused: str | None = None
    """What a quota or a webhook says to the judge's pod."""

    place = "the router's pods"
    without_group: bool = False
    """No request sends the column that the gate groups by."""
    router_down: str | None = None
    router_silent: bool = False
    """A second router pod lives but does not answer: on a node that is cut off."""
    unready: set[str] = field(default_factory=set)
    ready_pods: dict[str, int] = field(default_factory=dict)
    """So many pods of a revision, or of the Deployment of that name, are ready, whatever it wants."""
    refused_pods: str | None = None
    """What a quota or a webhook says to every new pod of a model server."""
    hands_at_work: bool = False
    """Somebody deletes what is the operator's: then pods may be taken from under requests."""
    history: list[dict[str, int]] = field(default_factory=list)
    touched: int = 0
    touch_refused: str | None = None
    """What the API server says to every touch of a router pod."""

    def __post_init__(self) -> None:
        self.registry = FakeRegistry(FakeClock())
        sources = {**self.registry.sources(), RouterRead: self, EvidenceRead: Judge(self), **self.more_sources}
        executors = {**self.registry.executors(self._count_write), TouchRouters: self}
        rooms = (modeldeployment.room(PLATFORM), *self.more_rooms)
        self.sim = Simulation(rooms, sources=sources, executors=executors)
        self.clock = self.registry.clock = self.sim.clock
        self._born: dict[str, datetime] = {}
        self._shown: list[_Shown] = []
        self._counts: dict[str, list[float]] = {}
        self._counted_to = self.clock.now()
        self.sim.kube.on_change.append(self._changed)

    def _count_write(self) -> None:
        self.sim.kube.count_write()

    # --- what a person does ------------------------------------------------------------------------------------

    def register(self, model: Model | None = None, tags: dict[str, str] | None = None) -> int:
        number = len(self.registry.versions) + 1
        digest = digest_of(f"model {number}")
        self.models[digest] = model or Model()
        told = {registry_tags.TAG_MODEL_DIGEST: digest, **(tags or {})}
        return self.registry.add(REGISTERED, f"s3://bucle/mlflow/m{number}", told)

    def point(self, alias: str, version: int) -> None:
        self.registry.point(REGISTERED, alias, version)

    def manifest(self, **rollout: Any) -> JsonObject:
        spec = {
            "model": {"registered": {"name": NAME, "alias": "challenger"}},
            "promote": {"alias": "champion"},
            "serving": {"builtin": {}, "replicas": 2},
            "gates": [
                {"name": "errors", "errorRate": {"maxIncrease": "0.01"}},
                {"name": "quality", "quality": {"metric": "log_loss", "margin": "0.02", "beats": "Prior"}},
            ],
            "rollout": {
                "steps": [
                    {"shadow": {"percent": 100, "until": LIMIT_SAMPLES, "gates": ["errors", "quality"]}},
                    {"weight": {"percent": 10, "until": LIMIT_SAMPLES, "gates": ["errors"]}},
                    {"weight": {"percent": 50, "until": LIMIT_SAMPLES, "gates": ["errors"]}},
                ],
                "soak": {"duration": "2m", "gates": ["errors"]},
                **rollout,
            },
        }
        return {"apiVersion": "bucle.dev/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": NAME}, "spec": spec}

    def edit_spec(self, change: Callable[[JsonObject], None]) -> None:
        self.sim.edit(MODEL_DEPLOYMENT, NAME, lambda obj: change(obj["spec"]))

    def lose_status(self) -> None:
        def empty(obj: JsonObject) -> None:
            obj["status"] = {"observedGeneration": -1}

        self.sim.edit(MODEL_DEPLOYMENT, NAME, empty)

    # --- looking -----------------------------------------------------------------------------------------------

    @property
    def status(self) -> JsonObject:
        return self.sim.status(MODEL_DEPLOYMENT, NAME)

    def at(self, state: str, step: int | None = None) -> Callable[[], bool]:
        def reached() -> bool:
            rollout = self.status.get("rollout") or {}
            return rollout.get("state") == state and step in (None, rollout.get("step"))

        return reached

    def serves(self, version: int) -> Callable[[], bool]:
        """That version is stable, nothing runs any more, and nothing but its pods is left."""

        def done() -> bool:
            status = self.status
            stable = (status.get("stable") or {}).get("model", {}).get("version")
            return stable == version and "rollout" not in status and len(self.fleets()) == 1

        return done

    def fleets(self) -> dict[str, JsonObject]:
        found = self.sim.kube.all(DEPLOYMENT)
        return {
            d["metadata"]["labels"][names.LABEL_REVISION]: d
            for d in found
            if names.LABEL_REVISION in d["metadata"]["labels"]
        }

    def weights(self) -> dict[str, int]:
        """The share of each revision that the routers have in force."""
        return dict(self._now_shown())

    def model_of(self, revision: str) -> Model | None:
        fleet = self._fleet(revision)
        if fleet is None:
            return None
        return self.models[_digest_served(fleet["spec"]["template"]["metadata"]["annotations"][names.ANNOTATION_TASK])]

    def _fleet(self, revision: str) -> JsonObject | None:
        """As it is stored: to look at only."""
        fleets = self.sim.kube.look(DEPLOYMENT)
        return next((d for d in fleets if d["metadata"]["labels"].get(names.LABEL_REVISION) == revision), None)

    # --- kubelets ----------------------------------------------------------------------------------------------

    def _changed(self, resource: Resource, obj: JsonObject, event: str) -> None:
        name = obj["metadata"]["name"]
        if resource == DEPLOYMENT and event == "ADDED":
            self._born[name] = self.clock.now()
        if resource == DEPLOYMENT and event == "DELETED":
            revision = obj["metadata"]["labels"].get(names.LABEL_REVISION)
            owned = self.sim.kube.peek(MODEL_DEPLOYMENT, NAMESPACE, NAME)
            alive = owned is not None and uid_of(owned) == controller_uid(obj)
            assert self.hands_at_work or revision is None or not alive or self._now_shown().get(revision, 0) == 0, (
                "pods were taken from under requests"
            )
        if resource == CONFIG_MAP and name == names.router_name(NAME) and event == "DELETED":
            self._shown.clear()
        elif resource == CONFIG_MAP and name == names.router_name(NAME):
            self._write(obj["data"])

    def run_pods(self) -> None:
        """Every Deployment whose time has come gets ready pods, or a pod that says why not."""
        now = self.clock.now()
        for deployment in self.sim.kube.look(DEPLOYMENT):
            name, labels = deployment["metadata"]["name"], deployment["metadata"]["labels"]
            revision = labels.get(names.LABEL_REVISION)
            model = self.model_of(revision) if revision else Model(load_seconds=1)
            if model is None or now - self._born[name] < timedelta(seconds=model.load_seconds):
                continue
            if self.judge_refused is not None and labels[names.LABEL_COMPONENT] == JUDGE:
                self._report(deployment, 0, self.judge_refused)
            elif model.failure is not None:
                self._crashed_pod(deployment, model.failure)
            elif revision in self.unready:
                self._report(deployment, 0)
            elif name in self.ready_pods:
                self._report(deployment, self.ready_pods[name])
            elif revision is not None and (revision in self.ready_pods or self.refused_pods):
                self._report(deployment, self.ready_pods.get(revision, self._ready_pods(revision)))
            else:
                drivers.ready_deployment(self.sim.kube, deployment)

    def _report(self, deployment: JsonObject, ready: int, why: str | None = None) -> None:
        """The Deployment controller's words: so many pods are ready, and why there are no others."""
        why = why or self.refused_pods
        refused = [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": why}]

        def change(obj: JsonObject) -> None:
            obj["status"] = {
                "observedGeneration": obj["metadata"]["generation"],
                **({"readyReplicas": ready, "replicas": ready} if ready else {}),
                **({"conditions": refused} if why else {}),
            }

        self.sim.kube.edit(DEPLOYMENT, NAMESPACE, deployment["metadata"]["name"], change)

    def _crashed_pod(self, deployment: JsonObject, failure: Failure) -> None:
        name = deployment["metadata"]["name"] + "-pod"
        if self.sim.kube.peek(POD, NAMESPACE, name) is not None:
            return
        template = deployment["spec"]["template"]
        metadata = {"name": name, "namespace": NAMESPACE, "labels": template["metadata"]["labels"]}
        pod = self.sim.kube.put(POD, {"metadata": metadata, "spec": template["spec"]})
        told = Result(program="serve", task_sha256="0" * 64, failure=failure).message()
        state = {
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 78, "message": told}},
        }
        drivers.set_pod_status(self.sim.kube, pod, {"phase": "Running", "containerStatuses": [state]})

    # --- Envoy and its callers ---------------------------------------------------------------------------------

    def _write(self, data: dict[str, str]) -> None:
        cds, rds = json.loads(data["cds.yaml"]), json.loads(data["rds.yaml"])
        prediction = rds["resources"][0]["virtual_hosts"][0]["routes"][0].get("route", {})
        weighted = prediction.get("weighted_clusters", {}).get("clusters", [])
        mirrors = prediction.get("request_mirror_policies", [])
        mirror = None
        if mirrors:
            mirror = (mirrors[0]["cluster"], mirrors[0]["runtime_fraction"]["default_value"]["numerator"])
        shown = _Shown(
            self.clock.now(),
            cds["version_info"],
            rds["version_info"],
            frozenset(c["name"] for c in cds["resources"]),
            {c["name"]: c["weight"] for c in weighted},
            mirror,
        )
        if self._shown and (shown.cds, shown.rds) == (self._shown[-1].cds, self._shown[-1].rds):
            return
        assert not shown.weights or sum(shown.weights.values()) == 100, shown.weights
        for revision in shown.weights:
            raised = shown.weights[revision] > (self._shown[-1].weights.get(revision, 0) if self._shown else 0)
            assert not raised or self.ready(revision), f"weight for {revision}, which has no ready pod"
        used = set(shown.weights) | ({mirror[0]} if mirror else set())
        landed = self._shown[-1].clusters if self._shown else frozenset()
        assert used <= landed, "a cluster must land one generation before it is used"
        self._shown.append(shown)
        self.history.append(shown.weights)

    def _ready_pods(self, revision: str) -> int:
        fleet = self._fleet(revision)
        return int(fleet.get("status", {}).get("readyReplicas") or 0) if fleet is not None else 0

    def ready(self, revision: str) -> bool:
        """Whether it has a pod that answers."""
        return self._ready_pods(revision) > 0

    def _in_force(self) -> _Shown | None:
        delay = timedelta(seconds=self.programs_after)
        return next((s for s in reversed(self._shown) if self.clock.now() - s.at >= delay), None)

    def _now_shown(self) -> dict[str, int]:
        shown = self._in_force()
        return shown.weights if shown else {}

    def _count(self) -> None:
        now, shown = self.clock.now(), self._in_force()
        passed = (now - self._counted_to).total_seconds()
        self._counted_to = now
        if shown is None:
            return
        shares = {revision: weight / 100 for revision, weight in shown.weights.items()}
        if shown.mirror:
            shares[shown.mirror[0]] = shown.mirror[1] / 100
        for cluster, share in shares.items():
            model = self.model_of(cluster.removesuffix("-shadow"))
            count = self._counts.setdefault(cluster, [0.0, 0.0, 0.0])
            requests = passed * self.requests_per_second * share
            count[0] += requests
            count[1] += requests * (model.errors if model else 1.0)
            count[2] += requests * (model.refuses if model else 0.0)

    async def read(self, read: RouterRead) -> Observation[RouterStatus]:
        self._count()
        self.run_pods()
        if self.router_down is not None:
            return Unavailable(self.router_down)
        routers = self.sim.kube.peek(DEPLOYMENT, NAMESPACE, names.router_name(NAME))
        if routers is None or not routers.get("status", {}).get("readyReplicas"):
            return Known(RouterStatus(()), self.clock.now())
        shown = self._in_force()
        healthy = frozenset(c for c in (shown.clusters if shown else ()) if self.ready(c.removesuffix("-shadow")))
        counts = {c: AnswerCounts(int(n), int(e), int(r)) for c, (n, e, r) in self._counts.items()}
        pods = tuple(
            RouterPod(
                f"router-{i}",
                f"router-{i}",
                shown.cds if shown else None,
                shown.rds if shown else None,
                healthy,
                counts,
            )
            for i in range(1)
        )
        if self.router_silent:
            pods += (RouterPod("router-lost", "router-lost", silent="not answered within 1.5 s"),)
        return Known(RouterStatus(pods), self.clock.now())

    async def execute(self, effect: TouchRouters) -> None:
        if self.touch_refused is not None:
            raise EffectFailed(self.touch_refused)
        self.touched += 1
