"""Bad days of a Dataset on the real cluster: each fixes the condition, its reason, and the words a person needs.

All bad objects are applied at once and fail side by side; each test then waits for its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from hack.demo.install import Installation
from tests.cluster import scene as scenes
from tests.cluster.scene import EMPTY, SMALL, Scene, conditions, ready, sample, says, stalled

from bucle.workloads.trouble import pod_trouble

pytestmark = pytest.mark.cluster

LOCATION = "spec.sources.0.uri.location"
TWICE = [{"uri": {"location": SMALL, "parquet": {}}}] * 2
MORNING = {"column": "hour", "minimum": "0", "maximum": "12"}
"""A rule that real flights break: they leave in the evening, too."""


@dataclass(frozen=True)
class Case:
    name: str
    reason: str
    words: tuple[str, ...]
    changes: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


CASES = (
    Case(
        "missing-bucket",
        "BucketMissing",
        ("the bucket no-such-bucket of s3://no-such-bucket does not exist", "create it or correct"),
        {LOCATION: "s3://no-such-bucket/flights.parquet"},
    ),
    Case(
        "missing-file",
        "SourceMissing",
        ("no object matches s3://bucle/raw/small/1913-*.parquet", "put files there"),
        {LOCATION: "s3://bucle/raw/small/1913-*.parquet"},
    ),
    Case(
        "unknown-column",
        "UnknownColumn",
        ("/raw/small/", "has no column carier", "it has carrier, dest,", "correct the schema or the data"),
        {"spec.schema.columns.0.name": "carier"},
    ),
    Case(
        "wrong-type",
        "WrongType",
        ("column origin must be Integer", "the first in row ", "correct the schema or the data"),
        {"spec.schema.columns.1": {"name": "origin", "type": "Integer", "role": "Feature"}},
    ),
    Case("empty-source", "SourceEmpty", ("the sources of empty-source hold 0 rows",), {LOCATION: EMPTY}),
    Case(
        "duplicate-ids",
        "ExpectationFailed",
        ("one-row-per-flight:", "limit 0", "there is no earlier version", "Correct the expectation, or the data"),
        {"spec.sources": TWICE, "spec.deduplicate": None},
    ),
    Case(
        "too-little-memory",
        "OutOfMemory",
        ("more memory than its limit", "raise `resources.limits.memory`"),
        {"spec.pod.resources": {"requests": {"memory": "24Mi"}, "limits": {"memory": "24Mi"}}},
    ),
    Case(
        "no-such-node",
        "Unschedulable",
        ("no node takes pod", "Lower its requests or add a node"),
        {"spec.pod.nodeSelector": {"bucle.dev/test": "nowhere"}},
    ),
)
WAITING = {"no-such-node"}
"""It may still get there: someone may add the node."""


@dataclass(frozen=True)
class Stage:
    """`plain` has the right Secret, `denied` one with a wrong key and `astray` with a wrong address, `secretless` none; `full`
    has a quota of no pods."""

    plain: Scene
    denied: Scene
    astray: Scene
    secretless: Scene
    full: Scene


@pytest.fixture(scope="module")
def stage(installation: Installation) -> Iterator[Stage]:
    scenes.upload_small(installation)
    right = scenes.storage_secret(installation)
    wrong = scenes.storage_secret(installation, AWS_SECRET_ACCESS_KEY="not-the-key")
    typo = scenes.storage_secret(installation, AWS_ENDPOINT_URL_S3="http://bucle-stor.bucle-system.svc:8333")
    with ExitStack() as stack:
        plain = stack.enter_context(scenes.scene(installation, "bad-data", right))
        denied = stack.enter_context(scenes.scene(installation, "bad-denied", wrong))
        astray = stack.enter_context(scenes.scene(installation, "bad-astray", typo))
        secretless = stack.enter_context(scenes.scene(installation, "bad-secretless", None))
        full = stack.enter_context(scenes.scene(installation, "bad-full", right))
        full.kubectl("create", "quota", "small", "--hard=pods=0")
        # Admission knows a quota only once its controller has counted; pods that come before pass it.
        full.kubectl("wait", "quota/small", "--for=jsonpath={.status.hard.pods}=0", "--timeout=60s")
        full.apply(sample("Dataset", "flights"), sample("Dataset", "queued", {"spec.splits.seed": 8}))
        astray.apply(sample("Dataset", "flights"))
        secretless.apply(sample("Dataset", "flights"))
        denied.apply(sample("Dataset", "flights"))
        plain.apply(_missing_image(), _strangers_service(), sample("ModelDeployment", "taken"))
        plain.apply(sample("Dataset", "stays"), sample("Dataset", "edited"))
        plain.apply(sample("Dataset", "with-identity", {"spec.pod.serviceAccountName": "reader"}))
        plain.apply(*(sample("Dataset", case.name, case.changes) for case in CASES))
        yield Stage(plain, denied, astray, secretless, full)


def _missing_image() -> dict[str, Any]:
    container = {"name": "train", "image": "localhost/bucle-worker:never-built", "imagePullPolicy": "IfNotPresent"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "missing-image"},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }


def _strangers_service() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "taken"},
        "spec": {"selector": {"app": "something-else"}, "ports": [{"port": 80}]},
    }


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_dataset_says_why_it_has_no_version(stage: Stage, case: Case) -> None:
    wanted = says("Reconciling", "True", case.reason) if case.name in WAITING else stalled(case.reason)
    seen = stage.plain.until("datasets", case.name, wanted, within=240)
    found = conditions(seen)["Ready"]
    assert (found["status"], found["reason"]) == ("False", case.reason)
    for words in case.words:
        assert words in found["message"]
    assert "current" not in seen["status"]


def test_what_needs_a_person_is_left_alone(stage: Stage) -> None:
    """A mistake in the spec is not tried again and again: no further Job, and a status that no longer moves. The sources are
    read once more after five minutes, so this comes early."""
    before = stage.plain.until("datasets", "unknown-column", stalled("UnknownColumn"))
    jobs = set(stage.plain.jobs_of(before))
    time.sleep(20)
    after = stage.plain.get("datasets", "unknown-column")
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert set(stage.plain.jobs_of(after)) == jobs


def test_a_bad_candidate_leaves_the_last_good_version_current(stage: Stage) -> None:
    good = stage.plain.until("datasets", "stays", ready("VersionReady"))["status"]["current"]
    stage.plain.apply(sample("Dataset", "stays", {"spec.sources": TWICE, "spec.deduplicate": None}))
    seen = stage.plain.until("datasets", "stays", stalled("ExpectationFailed"))
    assert seen["status"]["current"] == good
    failed = seen["status"]["rejected"]["failed"]
    assert [(f["name"], f["dimension"], f["rows"]) for f in failed] == [
        ("one-row-per-flight", "Consistency", good["rows"])
    ]
    assert f"version {good['digest']} stays current" in conditions(seen)["Stalled"]["message"]


def test_an_edited_expectation_is_held_against_the_current_version_which_stays(stage: Stage) -> None:
    good = stage.plain.until("datasets", "edited", ready("VersionReady"))["status"]["current"]
    stage.plain.apply(sample("Dataset", "edited", {"spec.expectations.0.range": MORNING}))
    seen = stage.plain.until("datasets", "edited", stalled("CurrentViolates"))
    assert seen["status"]["current"]["digest"] == good["digest"]
    assert conditions(seen)["Ready"]["status"] == "False"
    assert "hours:" in conditions(seen)["Stalled"]["message"]

    stage.plain.apply(sample("Dataset", "edited"))
    healed = stage.plain.until("datasets", "edited", ready("VersionReady"))
    assert healed["status"]["current"]["digest"] == good["digest"]
    assert "rejected" not in healed["status"]


def test_refused_credentials_are_told_and_heal_when_the_secret_is_corrected(stage: Stage) -> None:
    seen = stage.denied.until("datasets", "flights", stalled("AccessDenied"))
    message = conditions(seen)["Stalled"]["message"]
    assert "the store refused the credentials of the Secret bucle-storage" in message
    stage.denied.apply(scenes.storage_secret(stage.denied.installation))
    stage.denied.until("datasets", "flights", ready("VersionReady"), within=180)


def test_a_wrong_address_of_the_store_is_told_and_heals_when_the_secret_is_corrected(stage: Stage) -> None:
    seen = stage.astray.until("datasets", "flights", says("Reconciling", "True", "StoreUnavailable"), within=180)
    assert "at http://bucle-stor.bucle-system.svc:8333" in conditions(seen)["Ready"]["message"]
    stage.astray.apply(scenes.storage_secret(stage.astray.installation))
    stage.astray.until("datasets", "flights", ready("VersionReady"), within=240)


def test_a_missing_secret_is_told_with_its_command_and_heals_when_it_is_made(stage: Stage) -> None:
    seen = stage.secretless.until("datasets", "flights", says("Reconciling", "True", "SecretMissing"), within=60)
    message = conditions(seen)["Ready"]["message"]
    assert 'secret "bucle-storage" not found' in message
    assert "kubectl create secret generic bucle-storage --from-literal=AWS_ACCESS_KEY_ID=" in message
    stage.secretless.apply(scenes.storage_secret(stage.secretless.installation))
    stage.secretless.until("datasets", "flights", ready("VersionReady"), within=180)


def test_a_quota_is_told_within_a_minute_and_work_goes_on_when_it_is_lifted(stage: Stage) -> None:
    seen = stage.full.until("datasets", "flights", says("Reconciling", "True", "PodsRefused"), within=75)
    job = seen["status"]["build"]["job"]
    seen = stage.full.until("datasets", "flights", lambda s: "quota: small" in conditions(s)["Ready"]["message"], 45)
    assert f"Job {job}: its pod is forbidden: exceeded quota: small" in conditions(seen)["Ready"]["message"]
    held = _suspended(stage.full, "queued", True)
    stage.full.kubectl("delete", "quota", "small")
    stage.full.until("datasets", "flights", ready("VersionReady"), within=240)

    seen = stage.full.until("datasets", "queued", says("Reconciling", "True", "Queued"))
    assert f"Job {held} is held back by somebody, by `spec.suspend`" in conditions(seen)["Ready"]["message"]
    assert _suspended(stage.full, "queued", False) == held, "the same Job, not another attempt"
    stage.full.until("datasets", "queued", ready("VersionReady"), within=240)


def _suspended(scene: Scene, dataset: str, held: bool) -> str:
    """Holds the Job of its build back, or lets it go, as a queue would; its name."""
    job: str = scene.get("datasets", dataset)["status"]["build"]["job"]
    scene.kubectl("patch", "job", job, "--type=merge", "-p", json.dumps({"spec": {"suspend": held}}))
    return job


def test_an_account_that_does_not_exist_yet_is_told_and_used_once_it_does(stage: Stage) -> None:
    seen = stage.plain.until("datasets", "with-identity", says("Reconciling", "True", "PodsRefused"), within=75)
    job = seen["status"]["build"]["job"]
    assert 'serviceaccount "reader" not found' in stage.plain.kubectl("describe", "job", job)
    stage.plain.kubectl("create", "serviceaccount", "reader")
    seen = stage.plain.until("datasets", "with-identity", ready("VersionReady"), within=240)
    pods = stage.plain.items("pods", f"bucle.dev/uid={seen['metadata']['uid']}")
    assert {pod["spec"]["serviceAccountName"] for pod in pods} == {"reader"}
    assert {pod["spec"]["automountServiceAccountToken"] for pod in pods} == {False}


def test_a_strangers_service_is_never_taken_over(stage: Stage) -> None:
    seen = stage.plain.until("modeldeployments", "taken", stalled("NameTaken"))
    assert "Service taken exists and does not belong to this object" in conditions(seen)["Stalled"]["message"]
    service = stage.plain.get("services", "taken")
    assert service["spec"]["selector"] == {"app": "something-else"}
    assert "ownerReferences" not in service["metadata"]


def test_a_pod_whose_image_does_not_exist_names_the_image(stage: Stage) -> None:
    def told(pod: dict[str, Any]) -> bool:
        trouble = pod_trouble(pod)
        return trouble is not None and trouble.reason == "ImagePullFailed"

    trouble = pod_trouble(stage.plain.until("pods", "missing-image", told))
    assert trouble is not None
    assert "cannot get image localhost/bucle-worker:never-built" in trouble.message
    assert "Correct the image or its pull secret" in trouble.message
