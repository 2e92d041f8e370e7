"""What must be true after the story of the flights was played on the real cluster."""

from __future__ import annotations

import time

import pytest
import yaml
from tests.cluster.conftest import ROOT, Played

pytestmark = pytest.mark.cluster

KINDS = ("datasets", "experiments", "modeldeployments", "driftpolicies")


def test_no_caller_noticed_anything(story: Played) -> None:
    assert story.report.tally.sent > 1000
    assert story.report.tally.failures == []
    assert (story.report.tally.failed, story.report.tally.feedback_failed) == (0, 0)


def test_march_was_healthy_and_the_summer_breached(story: Played) -> None:
    history = story.object("driftpolicies")["status"]["history"]
    verdicts = [window["verdict"] for window in sorted(history, key=lambda w: w["at"] + str(w["window"]["index"]))]
    assert verdicts[:3] == ["Healthy"] * 3
    assert verdicts.count("Breached") >= 1, "a verdict speaks of three windows"


def test_version_2_is_stable_and_version_1_is_history(story: Played) -> None:
    status = story.object("modeldeployments")["status"]
    assert status["stable"]["model"]["version"] == 2
    assert sorted((item["model"]["version"], item["outcome"]) for item in status["history"]) == [
        (1, "Promoted"),
        (2, "Promoted"),
    ]
    assert set(story.report.tally.by_revision) == {item["revision"] for item in status["history"]}


def test_the_paired_gate_passed_on_whole_days(story: Played) -> None:
    passed = [line for _, line in story.report.events if line.startswith("gate quality") and "Pass" in line]
    assert len(passed) == 1


def test_the_retraining_made_a_child_dataset_and_a_child_experiment(story: Played) -> None:
    policy = story.object("driftpolicies")
    owned = {
        child["kind"]
        for child in story.report.children
        if any(o["uid"] == policy["metadata"]["uid"] for o in child["metadata"].get("ownerReferences", []))
    }
    assert owned == {"Dataset", "Experiment"}


@pytest.mark.parametrize("plural", KINDS)
def test_what_a_person_applied_was_not_touched(story: Played, plural: str) -> None:
    manifests = {
        document["kind"]: document
        for path in (ROOT / "manifests" / "samples" / "flights").glob("*.yaml")
        for document in yaml.safe_load_all(path.read_text())
    }
    live = story.object(plural)
    metadata = live["metadata"]
    written = set(metadata.get("annotations", {})) - {"kubectl.kubernetes.io/last-applied-configuration"}
    assert metadata.get("finalizers", []) == []
    assert metadata.get("labels", {}) == manifests[live["kind"]]["metadata"].get("labels", {})
    assert written == set(manifests[live["kind"]]["metadata"].get("annotations", {}))
    assert metadata["generation"] == 1


def test_a_resync_writes_nothing(story: Played) -> None:
    """The caller's last labels may still be worth one look at a window; after that there is nothing left to write."""
    versions = _versions(story)
    for _ in range(4):
        time.sleep(45)  # several runs of every object: the operator looks at aliases every 15 s
        before, versions = versions, _versions(story)
        if versions == before:
            return
    assert versions == before


def _versions(story: Played) -> dict[str, str]:
    return {plural: story.object(plural)["metadata"]["resourceVersion"] for plural in KINDS}
