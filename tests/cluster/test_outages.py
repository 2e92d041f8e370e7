"""Outages on the real cluster: MLflow, the store, an image, the operator itself. Work waits, says so, and goes on by itself.

These tests take parts of the installation down, so each puts them back however it ends.
"""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from hack.demo.install import SYSTEM, Installation
from tests.cluster import scene as scenes
from tests.cluster.parts import MLFLOW, OPERATOR, STORE, down, kill_the_operator
from tests.cluster.scene import Predicate, Scene, conditions, ready, sample, says

pytestmark = pytest.mark.cluster

TRIALS = 6
SLOW: dict[str, Any] = {
    "spec.dataset.name": "small",
    "spec.trainer.sklearn.estimator.params": {"max_iter": "20"},
    "spec.champion": None,
    "spec.limits": {"maxTrials": TRIALS, "parallelTrials": 1, "maxFailedTrials": 0, "trialTimeout": "5m"},
}
"""One trial after the other: long enough to take something away in the middle."""


@pytest.fixture(scope="module")
def stage(installation: Installation) -> Iterator[Scene]:
    scenes.upload_small(installation)
    with scenes.scene(installation, "bad-outages", scenes.storage_secret(installation), unique=True) as made:
        made.apply(sample("Dataset", "small"))
        made.until("datasets", "small", ready("VersionReady"))
        yield made


def experiment(name: str) -> dict[str, Any]:
    return sample("Experiment", name, {**SLOW, "spec.register": {"model": name, "alias": "challenger"}})


def versions(stage: Scene, model: str) -> list[str]:
    """Versions of a registered model, asked of MLflow itself; none when it has never heard of the model."""
    query = urllib.parse.urlencode({"filter": f"name = '{stage.namespace}.{model}'"})
    address = f"{stage.installation.service_ip(f'bucle-mlflow.{SYSTEM}')}:5000"
    request = urllib.request.Request(  # the server answers to its own names only
        f"http://{address}/api/2.0/mlflow/model-versions/search?{query}", headers={"Host": "bucle-mlflow:5000"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        found = json.load(answer).get("model_versions", [])
    return sorted(version["version"] for version in found)


def succeeded(seen: dict[str, Any]) -> int:
    return int(seen.get("status", {}).get("counts", {}).get("succeeded") or 0)


def one_attempt_each(stage: Scene, seen: dict[str, Any]) -> None:
    """Every trial and the final fit were run by one Job, the first attempt; no Job beside those in the rows."""
    rows = seen["status"]["trials"]
    assert [(row["index"], row["state"], row.get("attempt", 0)) for row in rows] == [
        (index, "Succeeded", 0) for index in range(TRIALS)
    ]
    final = seen["status"]["final"]
    assert final.get("attempt", 0) == 0
    assert set(stage.jobs_of(seen)) == {row["job"] for row in rows} | {final["job"]}


def test_without_mlflow_trials_go_on_and_the_model_is_registered_once_it_is_back(stage: Scene) -> None:
    stage.apply(experiment("patient"))
    stage.until("experiments", "patient", lambda seen: bool(seen.get("status", {}).get("trials")))
    with down(stage.installation, MLFLOW):
        assert succeeded(stage.get("experiments", "patient")) < TRIALS, "MLflow went too late to be missed"
        seen = stage.until("experiments", "patient", says("Reconciling", "True", "RegistryUnavailable"), within=240)
        assert succeeded(seen) == TRIALS
        told = conditions(seen)
        assert "MLflow at http://bucle-mlflow" in told["Ready"]["message"]
        assert (told["GatesPassed"]["status"], told["Registered"]["status"]) == ("True", "False")
    seen = stage.until("experiments", "patient", ready("Registered"), within=120)
    assert seen["status"]["final"]["model"]["version"] == 1
    assert versions(stage, "patient") == ["1"]
    one_attempt_each(stage, seen)


def test_without_the_store_a_build_waits_and_says_so(stage: Scene) -> None:
    with down(stage.installation, STORE):
        stage.apply(sample("Dataset", "waits", {"spec.splits.seed": 11}))
        seen = stage.until("datasets", "waits", says("Reconciling", "True", "StoreUnavailable"), within=120)
        message = conditions(seen)["Ready"]["message"]
        assert "cannot list s3://bucle/raw/small at http://bucle-store." in message
    seen = stage.until("datasets", "waits", ready("VersionReady"), within=180)
    assert seen["status"]["current"]["rows"] > 3000


def test_an_operator_killed_at_any_stage_of_a_search_ends_as_if_undisturbed(stage: Scene) -> None:
    """Killed with the first trial just begun, in the middle, and during the final fit."""
    stages: tuple[Predicate, ...] = (
        lambda seen: bool(seen.get("status", {}).get("trials")),
        lambda seen: succeeded(seen) >= 1,
        lambda seen: bool(seen.get("status", {}).get("final", {}).get("job")),
    )
    stage.apply(experiment("hardy"))
    for reached in stages:
        assert not ready()(stage.until("experiments", "hardy", reached, within=240)), "killed too late to matter"
        kill_the_operator(stage.installation)
    seen = stage.until("experiments", "hardy", ready("Registered"), within=240)
    one_attempt_each(stage, seen)
    assert versions(stage, "hardy") == ["1"]
    undisturbed = stage.get("experiments", "patient")["status"]
    assert [(row["params"], row["value"]) for row in seen["status"]["trials"]] == [
        (row["params"], row["value"]) for row in undisturbed["trials"]
    ]


def test_a_worker_image_that_does_not_exist_is_named(stage: Scene) -> None:
    def image(name: str) -> None:
        stage.installation.kubectl("-n", SYSTEM, "set", "env", OPERATOR, f"BUCLE_IMAGE_WORKER={name}")
        stage.installation.kubectl("-n", SYSTEM, "rollout", "status", OPERATOR, "--timeout=120s")

    containers = stage.installation.get("deployment", "bucle-operator", "-n", SYSTEM)["spec"]["template"]["spec"]
    right = next(e["value"] for e in containers["containers"][0]["env"] if e["name"] == "BUCLE_IMAGE_WORKER")
    try:
        image("localhost/bucle-worker:never-built")
        stage.apply(sample("Dataset", "imageless", {"spec.splits.seed": 12}))
        seen = stage.until("datasets", "imageless", says("Reconciling", "True", "ImagePullFailed"), within=60)
        message = conditions(seen)["Ready"]["message"]
        assert "cannot get image localhost/bucle-worker:never-built" in message
        assert "Correct the image or its pull secret" in message
    finally:
        image(right)


def test_a_namespace_goes_while_the_operator_is_away(stage: Scene) -> None:
    installation = stage.installation
    with scenes.scene(installation, "bad-left-behind", scenes.storage_secret(installation), unique=True) as left:
        left.apply(sample("Dataset", "small"), experiment("left"), sample("ModelDeployment", "left"))
        left.apply(
            sample("DriftPolicy", "left", {"spec.target.modelDeployment": "left", "spec.retrain.experiment": "left"})
        )
        left.until("datasets", "small", ready("VersionReady"))
        left.until("experiments", "left", lambda seen: bool(left.jobs_of(seen)))
        left.until("deployments", "left-router", lambda seen: True)
        with down(installation, OPERATOR):
            began = time.monotonic()
            installation.kubectl("delete", "namespace", left.namespace, "--timeout=90s")
            assert time.monotonic() - began < 90
            assert installation.get("namespace", left.namespace) == {}
