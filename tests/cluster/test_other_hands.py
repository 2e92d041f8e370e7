"""Other hands in the namespace of a fleet that serves: a drain, quotas, admission policies, an autoscaler, a right taken away, namesakes.

The fleet and its routers have two pods each. Nobody who calls may notice any of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hack.demo.install import SYSTEM, Installation
from hack.demo.replay import Pace
from hack.shell import Failure
from tests.cluster import models
from tests.cluster.callers import Calls, calling, unharmed, until
from tests.cluster.models import Trained
from tests.cluster.scene import JsonObject, Predicate, Scene, conditions, ready, sample, says

pytestmark = pytest.mark.cluster

NAME = "steady"
REPLICAS = 2


def deployment(replicas: int, version: int) -> JsonObject:
    """Pinned, so that nothing but what a test does changes it."""
    return models.deployment(
        NAME,
        {
            "spec.model.registered": {"name": models.MODEL, "version": version},
            "spec.promote": None,
            "spec.serving.replicas": replicas,
            "spec.traffic.router.replicas": REPLICAS,
            "spec.rollout.steps": [],
            "spec.gates": None,
            "spec.rollout.soak": {"duration": "1s"},
        },
    )


@dataclass(frozen=True)
class Stage:
    scene: Scene
    version: int
    days: pd.DataFrame

    def get(self) -> JsonObject:
        return self.scene.get("modeldeployments", NAME)

    def until(self, holds: Predicate, within: float = 120) -> JsonObject:
        return self.scene.until("modeldeployments", NAME, holds, within)

    def pods(self, component: str) -> list[str]:
        selector = f"bucle.dev/component={component},bucle.dev/uid={self.get()['metadata']['uid']}"
        return [pod["metadata"]["name"] for pod in self.scene.items("pods", selector)]

    def workload(self) -> JsonObject:
        """The Deployment of the version that serves."""
        return self.scene.get("deployments", f"{NAME}-r{self.get()['status']['stable']['revision']}")

    def asks_for(self, replicas: int) -> None:
        self.scene.apply(deployment(replicas, self.version))

    @contextmanager
    def called(self) -> Iterator[Calls]:
        """Callers of the stable address until the block ends; none of them may fail."""
        address = f"http://{self.scene.installation.service_ip(f'{NAME}.{self.scene.namespace}')}"
        with calling(address, NAME, self.days, Pace(20.0, 2)) as calls:
            until(lambda: calls.tally.rows > 0, 30, "the first answer")
            yield calls
            assert not calls.over, "the flights ran out"
        unharmed(calls.tally)


@pytest.fixture(scope="module")
def stage(trained: Trained) -> Iterator[Stage]:
    made = Stage(trained.scene, trained.first.number, trained.days)
    made.asks_for(REPLICAS)
    made.until(fully_ready(made), within=240)
    yield made
    trained.scene.kubectl("delete", "modeldeployment", NAME)


@contextmanager
def without_the_right_to_list_jobs(installation: Installation) -> Iterator[None]:
    name = f"{SYSTEM}-bucle-operator"
    role = installation.get("clusterrole", name)

    def put(rules: list[dict[str, Any]]) -> None:
        patch = [{"op": "replace", "path": "/rules", "value": rules}]
        installation.kubectl("patch", "clusterrole", name, "--type=json", "-p", json.dumps(patch))

    fewer = [
        {**rule, "verbs": [verb for verb in rule["verbs"] if verb != "list" or "jobs" not in rule["resources"]]}
        for rule in role["rules"]
    ]
    try:
        put(fewer)
        yield
    finally:
        put(role["rules"])


@dataclass(frozen=True)
class Right:
    """The operator's right to list Jobs, gone since `taken`; a Dataset was made right after."""

    taken: datetime
    give_back: Callable[[], None]


@pytest.fixture(scope="module")
def right(stage: Stage) -> Iterator[Right]:
    """Taken away before the first test: it takes minutes to be told, and who serves needs no Job."""
    with ExitStack() as stack:
        stack.enter_context(without_the_right_to_list_jobs(stage.scene.installation))
        taken = datetime.now(UTC)
        location = models.Recipe("first", stage.days).location
        stage.scene.apply(sample("Dataset", "blind", {"spec.sources.0.uri.location": location}))
        yield Right(taken, stack.close)


def fully_ready(stage: Stage) -> Predicate:
    def holds(seen: JsonObject) -> bool:
        return ready("Serving")(seen) and stage.workload()["status"].get("readyReplicas") == REPLICAS

    return holds


def refused_with(reason: str, *words: str) -> Predicate:
    """Not there yet, and the other side's words are told; callers are still answered."""

    def holds(seen: JsonObject) -> bool:
        told = conditions(seen)
        if told.get("Available", {}).get("status") != "True" or not says("Reconciling", "True", reason)(seen):
            return False
        return all(word in told["Reconciling"]["message"] for word in words)

    return holds


# --- a drain -------------------------------------------------------------------------------------------------


def evicted(scene: Scene, pod: str) -> bool:
    """False when a budget says not now; what `kubectl drain` asks for each pod of a node."""
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    path = f"/api/v1/namespaces/{scene.namespace}/pods/{pod}/eviction"
    try:
        scene.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    except Failure as refusal:
        assert "disruption budget" in str(refusal)
        return False
    return True


@pytest.mark.usefixtures("right")
def test_a_drain_of_all_its_pods_is_noticed_by_nobody_who_calls(stage: Stage) -> None:
    to_go = {*stage.pods("serve"), *stage.pods("router")}
    assert len(to_go) == 2 * REPLICAS
    with stage.called():
        left, deadline = set(to_go), time.monotonic() + 180
        while left:
            assert time.monotonic() < deadline, f"the budgets never let {left} go"
            left -= {pod for pod in left if evicted(stage.scene, pod)}
            time.sleep(1)
        stage.until(fully_ready(stage))
        until(lambda: not to_go & {*stage.pods("serve"), *stage.pods("router")}, 90, "the evicted pods are gone")


# --- who refuses pods and children ---------------------------------------------------------------------------

QUOTA: JsonObject = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "no-more"},
    "spec": {"hard": {"pods": "0"}},
}
LIMIT_RANGE: JsonObject = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "metadata": {"name": "small-ones-only"},
    "spec": {"limits": [{"type": "Container", "max": {"memory": "64Mi"}}]},
}


@contextmanager
def in_force(scene: Scene, *obstacles: JsonObject) -> Iterator[None]:
    scene.apply(*obstacles)
    try:
        for quota in (one["metadata"]["name"] for one in obstacles if one["kind"] == "ResourceQuota"):
            # Admission knows a quota only once its controller has counted; pods that come before pass it.
            scene.kubectl("wait", f"quota/{quota}", "--for=jsonpath={.status.hard.pods}=0", "--timeout=60s")
        yield
    finally:
        for obstacle in obstacles:
            scene.kubectl("delete", obstacle["kind"], obstacle["metadata"]["name"], "--ignore-not-found")


@pytest.mark.parametrize(
    ("obstacle", "words"),
    [(QUOTA, "exceeded quota: no-more"), (LIMIT_RANGE, "maximum memory usage per Container is 64Mi")],
    ids=["quota", "limit range"],
)
def test_a_pod_that_the_namespace_refuses_is_told_while_the_others_answer(
    stage: Stage, obstacle: JsonObject, words: str
) -> None:
    with stage.called():
        with in_force(stage.scene, obstacle):
            stage.scene.kubectl("delete", "pod", stage.pods("serve")[0], "--wait=false")
            stage.until(refused_with("PodsRefused", words, f"1 of {REPLICAS} pods"), within=60)
        stage.until(fully_ready(stage))


def policy(namespace: str) -> tuple[JsonObject, JsonObject]:
    """An admission policy that refuses every change of a Deployment in the namespace, as a team's own rule may."""
    name = "bucle-test-frozen"
    api = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments"]}
    chosen = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    spec = {
        "matchConstraints": {**chosen, "resourceRules": [rule]},
        "validations": [{"expression": "false", "message": "changes are frozen until the audit is over"}],
    }
    return (
        {**api, "kind": "ValidatingAdmissionPolicy", "spec": spec},
        {
            **api,
            "kind": "ValidatingAdmissionPolicyBinding",
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    )


def refuses(scene: Scene, workload: str) -> bool:
    """Whether the policy is in force by now: the API server compiles it in the background."""
    try:
        scene.kubectl("label", "deployment", workload, "bucle.dev/test=frozen", "--dry-run=server")
    except Failure as refusal:
        return "frozen until the audit" in str(refusal)
    return False


def test_a_child_that_an_admission_policy_refuses_is_told_and_made_when_the_policy_is_gone(stage: Stage) -> None:
    workload = stage.workload()["metadata"]["name"]
    with stage.called():
        with in_force(stage.scene, *policy(stage.scene.namespace)):
            until(lambda: refuses(stage.scene, workload), 60, "the policy is in force")
            stage.asks_for(REPLICAS + 1)
            stage.until(refused_with("ChildRefused", "changes are frozen until the audit is over"), within=60)
        stage.until(lambda _: stage.workload()["status"].get("readyReplicas") == REPLICAS + 1)
        stage.asks_for(REPLICAS)
        stage.until(fully_ready(stage))


# --- an autoscaler -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scaled:
    """The Deployment as an autoscaler left it, and when."""

    workload: JsonObject
    at: float


@pytest.fixture(scope="module")
def scaled(stage: Stage) -> Iterator[Scaled]:
    """A HorizontalPodAutoscaler on the Deployment of the version that asks for a pod more than the spec does."""
    target = stage.workload()["metadata"]["name"]
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": NAME},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "minReplicas": REPLICAS + 1,
            "maxReplicas": REPLICAS + 2,
        },
    }
    with in_force(stage.scene, autoscaler):
        until(lambda: stage.workload()["spec"]["replicas"] == REPLICAS + 1, 60, "the autoscaler has scaled")
        yield Scaled(stage.workload(), time.monotonic())


def test_an_autoscaler_is_left_alone_and_named_until_the_replicas_are_edited(stage: Stage, scaled: Scaled) -> None:
    until(lambda: time.monotonic() > scaled.at + 40, 60, "the autoscaler had its chances")
    now = stage.workload()
    assert (now["spec"]["replicas"], now["metadata"]["generation"]) == (
        REPLICAS + 1,
        scaled.workload["metadata"]["generation"],
    )
    assert f"with {REPLICAS + 1} pods, as its Deployment is scaled by somebody else" in ready_words(stage.get())
    stage.scene.kubectl("delete", "hpa", NAME)
    stage.asks_for(REPLICAS - 1)
    until(lambda: stage.workload()["spec"]["replicas"] == REPLICAS - 1, 60, "the edit is obeyed")


def ready_words(seen: JsonObject) -> str:
    return str(conditions(seen)["Ready"]["message"])


# --- the right that was taken away before the first test ------------------------------------------------------


def test_a_right_that_was_taken_away_is_told_within_minutes_and_work_goes_on_when_it_is_back(
    stage: Stage, right: Right
) -> None:
    seen = stage.scene.until("datasets", "blind", says("Ready", "Unknown", "ApiUnavailable"), within=240)
    told = conditions(seen)["Ready"]
    assert 'cannot list resource "jobs" in API group "batch"' in told["message"]
    assert datetime.fromisoformat(told["lastTransitionTime"]) - right.taken < timedelta(minutes=4)
    assert ready("Serving")(stage.get()), "who needs no Job is not concerned"
    right.give_back()
    stage.scene.until("datasets", "blind", ready("VersionReady"), within=180)


# --- deleted and made again at once --------------------------------------------------------------------------

NAMESAKES: tuple[tuple[str, str, str], ...] = (
    ("datasets", "first", "VersionReady"),
    ("experiments", "first", "Registered"),
    ("modeldeployments", NAME, "Serving"),
    ("driftpolicies", "first", ""),
)


def test_what_is_deleted_and_made_again_at_once_becomes_ready_beside_what_it_left_behind(stage: Stage) -> None:
    scene = stage.scene
    asked = sample("DriftPolicy", "first", {"spec.target.modelDeployment": NAME, "spec.retrain": None})
    scene.apply({**asked, "spec": {**asked["spec"], "actions": []}})
    scene.until("driftpolicies", "first", ready())
    before = {plural: scene.get(plural, name) for plural, name, _ in NAMESAKES}
    for plural, name, _ in NAMESAKES:
        scene.kubectl("delete", plural, name)
    scene.apply(*(anew(found) for found in before.values()))
    for plural, name, reason in NAMESAKES:
        seen = scene.until(plural, name, ready(reason or None), within=180)
        assert seen["metadata"]["uid"] != before[plural]["metadata"]["uid"]
    assert scene.get("experiments", "first")["status"]["final"]["model"]["version"] == stage.version


def anew(found: JsonObject) -> JsonObject:
    kept: dict[str, Callable[[JsonObject], Any]] = {
        "apiVersion": lambda o: o["apiVersion"],
        "kind": lambda o: o["kind"],
        "metadata": lambda o: {"name": o["metadata"]["name"]},
        "spec": lambda o: o["spec"],
    }
    return {key: read(found) for key, read in kept.items()}
