"""The release itself on the real cluster, after the story was played: upgraded, uninstalled and installed again, and nothing of it is lost.

Takes the operator, the store and MLflow away for a while, so it comes last in the tier; it puts them back however it ends.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pandas as pd
import pytest
from hack.demo import flights
from hack.demo.install import NAMESPACE, RELEASE, SYSTEM
from hack.demo.replay import Pace
from tests.cluster.callers import calling, unharmed, until
from tests.cluster.conftest import ROOT, Played
from tests.cluster.scene import JsonObject, Scene, ready

pytestmark = pytest.mark.cluster

KINDS = ("datasets", "experiments", "modeldeployments", "driftpolicies")
WORK = ("deployments", "datasets", "experiments")
"""What a retraining or a rollout would add to; Jobs that look at new labels may come and go."""


@pytest.fixture(scope="module")
def scene(story: Played) -> Iterator[Scene]:
    """The namespace of the story. The release that later tests and people find is the one the demo makes."""
    yield Scene(story.installation, NAMESPACE)
    installed = story.installation.helm("list", "--short").split()
    if RELEASE not in installed:
        story.installation.install()


@pytest.fixture(scope="module")
def days() -> pd.DataFrame:
    frame = flights.load()
    return frame[frame["month"] == 12]


def made(scene: Scene) -> dict[str, set[str]]:
    return {plural: {item["metadata"]["name"] for item in scene.items(plural)} for plural in WORK}


def served_by(scene: Scene) -> dict[str, tuple[str, int]]:
    """Pods that answer callers by uid: name, and how often they were restarted."""
    return {
        pod["metadata"]["uid"]: (
            pod["metadata"]["name"],
            sum(container["restartCount"] for container in pod["status"].get("containerStatuses", [])),
        )
        for component in ("serve", "router")
        for pod in scene.items("pods", f"bucle.dev/component={component}")
    }


def decided(scene: Scene) -> dict[str, JsonObject]:
    """What the objects say was decided, without the times at which it was looked at."""
    deployment, dataset = scene.get("modeldeployments", "flights"), scene.get("datasets", "flights")
    return {
        "stable": {key: deployment["status"]["stable"][key] for key in ("revision", "model")},
        "history": {item["revision"]: item["outcome"] for item in deployment["status"]["history"]},
        "version": {"digest": dataset["status"]["current"]["digest"]},
    }


def label_answer(address: str) -> int:
    body = json.dumps({"rows": [{"id": "after-the-upgrade", "label": 1}]}).encode()
    headers = {"Content-Type": "application/json"}
    try:
        request = urllib.request.Request(f"{address}/v1/models/flights/feedback", data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def all_ready(scene: Scene) -> bool:
    return all(ready()(scene.get(plural, "flights")) for plural in KINDS)


def test_an_upgrade_of_the_operator_restarts_no_model(scene: Scene, story: Played, days: pd.DataFrame) -> None:
    installation = story.installation
    before, facts, work = served_by(scene), decided(scene), made(scene)
    with calling(installation.stable_address(), "flights", days, Pace(10.0, 2)) as calls:
        until(lambda: calls.tally.rows > 0, 30, "the first answer")
        installation.helm(
            "upgrade", RELEASE, str(ROOT), "--wait", "--timeout", "4m",
            "--reset-then-reuse-values", "--set", "operator.logFormat=text",
            "--force-conflicts",  # the tests of the CRDs apply them by kubectl
        )  # fmt: skip
        until(lambda: all_ready(scene), 120, "all four objects are Ready under the new operator")
    unharmed(calls.tally)
    assert served_by(scene) == before
    assert (decided(scene), made(scene)) == (facts, work)


def test_the_plain_manifests_are_accepted_by_the_server(scene: Scene) -> None:
    told = scene.installation.kubectl("apply", "--dry-run=server", "-k", str(ROOT / "manifests"))
    for name in ("namespace/bucle-system", "deployment.apps/bucle-operator", "statefulset.apps/bucle-mlflow"):
        assert name in told
    assert told.count("customresourcedefinition") == len(KINDS)


def test_what_was_decided_outlives_the_release(scene: Scene, story: Played, days: pd.DataFrame) -> None:
    """Uninstalled, answers go on; installed again under the same name, labels are taken and nothing is done twice."""
    installation = story.installation
    facts, work, pods = decided(scene), made(scene), served_by(scene)
    address = installation.stable_address()
    with calling(address, "flights", days.assign(late=0), Pace(10.0, 2)) as calls:
        until(lambda: calls.tally.rows > 0, 30, "the first answer")
        installation.helm("uninstall", RELEASE, "--wait", "--timeout", "2m")
        assert installation.get("deployments,statefulsets", "-n", SYSTEM).get("items", []) == []
        assert decided(scene) == facts, "the objects and their status stay"
        answered = calls.tally.rows
        until(lambda: calls.tally.rows > answered + 50, 60, "callers are answered without the release")
        installation.install()
        until(lambda: label_answer(address) == 202, 90, "labels are taken by servers that never restarted")
    assert calls.tally.failed == 0, calls.tally.failures
    until(lambda: all_ready(scene), 120, "all four objects are Ready under the new release")
    assert (decided(scene), made(scene)) == (facts, work)
    assert served_by(scene) == pods
