"""The second story: candidates that must not get through, however like the good model they look.

A version trained on shuffled labels (it agrees with the good one on almost every answer) and one with two columns
swapped are stopped in shadow by labels; one that cannot be loaded never gets a request. Days and rows were chosen by
playing the gate's arithmetic over March and April beforehand: with 400 flights a day the shuffled labels are found out
after 50 days, the swapped columns after 45, both at the mix of the winter that they were trained on; 92 days are on hand,
three minutes of calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd
import pytest
from hack.demo import flights
from hack.demo.install import Installation
from hack.demo.replay import Pace
from tests.cluster import models
from tests.cluster import scene as scenes
from tests.cluster.callers import Onlooker, calling, unharmed, until, watching
from tests.cluster.models import MODEL, Recipe, Registry, Version
from tests.cluster.parts import kill_the_operator
from tests.cluster.scene import JsonObject, Scene, conditions, ready, sample

pytestmark = pytest.mark.cluster

NAME = "flights"
FLIGHTS_A_DAY = 400
REJECTED = "bucle.dev/rejected"
ROLLOUT = {
    "spec.rollout.steps": [
        {
            "shadow": {
                "percent": 100,
                "until": {"samples": 500, "groups": 12, "minDuration": "5s", "maxDuration": "30m"},
                "gates": ["errors", "quality"],
            }
        },
        {"weight": {"percent": 50, "until": {"samples": 30, "minDuration": "5s", "maxDuration": "30m"}}},
    ],
    "spec.rollout.soak": {"duration": "10s"},
    "spec.gates.1.quality.mix": {"classes": {"1": "0.228", "0": "0.772"}},
}
DRIFT = {"spec.windows.rows": 200_000, "spec.schedule.every": "1h", "spec.retrain.experiment": "good"}
"""A policy that never has a full window: what it does after a lost status is no evaluation's doing."""


@dataclass
class Stage:
    """The good model served, and everything that was refused since."""

    scene: Scene
    registry: Registry
    good: Version
    shuffled: Version
    swapped: Version
    days: pd.DataFrame
    address: str = ""
    refused: list[Version] = field(default_factory=list)

    def get(self) -> JsonObject:
        return self.scene.get("modeldeployments", NAME)

    def stable(self) -> str:
        return str(self.get()["status"]["stable"]["revision"])

    def until(self, holds: scenes.Predicate, within: float = 120) -> JsonObject:
        return self.scene.until("modeldeployments", NAME, holds, within)

    def revisions(self) -> set[str]:
        """Revisions that have pods or will have."""
        served = self.scene.items("deployments", "bucle.dev/component=serve")
        return {item["metadata"]["labels"]["bucle.dev/revision"] for item in served}


def spring(frame: pd.DataFrame) -> pd.DataFrame:
    """The same number of flights of each day from March to May, in order of time."""
    days = frame[frame["month"].isin((3, 4, 5))].groupby("day", group_keys=False)
    return days.sample(n=FLIGHTS_A_DAY, random_state=1).sort_values(["time_hour", "flight_id"])


@pytest.fixture(scope="module")
def stage(installation: Installation) -> Iterator[Stage]:
    frame = flights.load()
    winter = frame[frame["month"].isin((1, 2))]
    with scenes.scene(installation, "rollout-second", scenes.storage_secret(installation), unique=True) as scene:
        good, shuffled, swapped = models.train(
            scene,
            Recipe("good", winter),
            Recipe("shuffled", models.labels_shuffled(winter)),
            Recipe("swapped", models.columns_swapped(winter), wide_weekday=True),
        )
        made = Stage(scene, Registry.of(installation), good, shuffled, swapped, spring(frame))
        made.registry.follow(made.good)
        scene.apply(models.deployment(NAME, ROLLOUT), sample("DriftPolicy", NAME, DRIFT))
        made.until(ready("Serving"), within=240)
        made.address = f"http://{installation.service_ip(f'{NAME}.{scene.namespace}')}"
        yield made


def refusal_of(version: Version) -> scenes.Predicate:
    """The rollout is over, that version is refused, and the condition says so."""

    def holds(seen: JsonObject) -> bool:
        status = seen.get("status", {})
        told = f"version {version.number} was refused"
        return (
            not status.get("rollout")
            and ready("CandidateRejected")(seen)
            and told in conditions(seen)["Ready"]["message"]
        )

    return holds


def refuse(stage: Stage, version: Version) -> tuple[JsonObject, Onlooker]:
    """Offers the version under traffic until it is refused; no caller may notice."""
    stable = stage.stable()
    pace = Pace(requests_per_second=8.0, rows=25)
    with watching(stage.scene, NAME) as onlooker, calling(stage.address, NAME, stage.days, pace) as calls:
        until(lambda: calls.tally.rows > 0, 30, "the first answer")
        stage.registry.follow(version)
        seen = stage.until(refusal_of(version), within=300)
        assert not calls.over, "the flights ran out before the version was refused"
    unharmed(calls.tally)
    assert set(calls.tally.by_revision) == {stable}
    assert stage.stable() == stable
    stage.refused.append(version)
    return seen, onlooker


def marked_in_the_registry(stage: Stage, version: Version, reason: str) -> None:
    rejected = f"{REJECTED}/{stage.scene.namespace}/{NAME}"
    until(lambda: rejected in stage.registry.tags(version), 30, f"version {version.number} has the tag {rejected}")
    tag = stage.registry.tags(version)[rejected]
    assert f'"by":"{stage.scene.namespace}/{NAME}"' in tag
    assert f'"reason":"{reason}"' in tag
    assert stage.registry.alias(version.model, "champion") == stage.good.number


def test_the_good_version_serves_and_is_champion(stage: Stage) -> None:
    seen = stage.get()
    assert seen["status"]["stable"]["model"]["version"] == stage.good.number
    assert stage.registry.alias(f"{stage.scene.namespace}.{MODEL}", "champion") == stage.good.number


@pytest.mark.parametrize("which", ["shuffled", "swapped"])
def test_a_spoilt_version_is_stopped_in_shadow(stage: Stage, which: str) -> None:
    version: Version = getattr(stage, which)
    seen, onlooker = refuse(stage, version)
    last = seen["status"]["history"][0]
    assert (last["model"]["version"], last["outcome"], last["reason"]) == (version.number, "Aborted", "GateNotPassed")
    gates = {gate["name"]: gate for gate in seen["status"]["gates"]}
    quality = gates["quality"]
    print(which, {key: quality.get(key) for key in ("verdict", "samples", "groups", "estimate", "interval", "limit")})
    assert (quality["verdict"], quality["step"]) == ("Fail", 0)
    assert quality["groups"] >= 12
    assert gates["errors"]["verdict"] != "Fail"
    assert float(quality["estimate"]) > float(quality["limit"])
    assert onlooker.mirrored()
    assert onlooker.weights(last["revision"]) == [0]
    told = conditions(seen)
    assert (told["CandidateRejected"]["status"], told["CandidateRejected"]["reason"]) == ("True", "GateNotPassed")
    assert "gate quality: the candidate is worse than" in told["Ready"]["message"]
    assert f"Version {stage.good.number} serves" in told["Ready"]["message"]
    marked_in_the_registry(stage, version, "GateNotPassed")


OTHER_DIGEST = "sha256:" + "0" * 64
UNLOADABLE = {
    "another digest than its files have": ("{uri}", OTHER_DIGEST, "DigestMismatch"),
    "no files": ("{uri}-gone", "sha256:" + "1" * 64, "ModelMissing"),
}


@pytest.mark.parametrize("why", UNLOADABLE)
def test_a_version_that_cannot_be_loaded_never_gets_a_request(stage: Stage, why: str) -> None:
    uri, digest, reason = UNLOADABLE[why]
    version = stage.registry.register(stage.good.model, uri.format(uri=stage.good.uri), digest)
    seen, onlooker = refuse(stage, version)
    last = seen["status"]["history"][0]
    assert (last["model"]["version"], last["outcome"], last["reason"]) == (version.number, "Aborted", "LoadFailed")
    assert not onlooker.mirrored()
    assert onlooker.weights(last["revision"]) == [0]
    told = conditions(seen)
    assert (told["CandidateRejected"]["status"], told["CandidateRejected"]["reason"]) == ("True", "LoadFailed")
    assert reason in told["Ready"]["message"]
    marked_in_the_registry(stage, version, "LoadFailed")


def test_none_is_tried_again_when_the_operator_restarts(stage: Stage) -> None:
    """Each refused version is offered again: the new operator must see it, and leave it."""
    assert len(stage.refused) == 4, "the tests before this one refuse what is offered again here"
    until(lambda: stage.revisions() == {stage.stable()}, 60, "the pods of refused versions are gone")
    before = stage.get()["status"]
    kill_the_operator(stage.scene.installation)
    with calling(stage.address, NAME, stage.days, Pace(5.0, 5)) as calls, watching(stage.scene, NAME) as onlooker:
        for version in stage.refused:
            stage.registry.follow(version)
            seen = stage.until(refusal_of(version), within=90)
            assert seen["status"]["history"] == before["history"]
            assert stage.revisions() == {before["stable"]["revision"]}
    unharmed(calls.tally)
    assert len(onlooker.seen) == 1
    assert not onlooker.mirrored()


KINDS = (("datasets", "good"), ("experiments", "good"), ("modeldeployments", NAME), ("driftpolicies", NAME))


def made(stage: Stage) -> dict[str, set[str]]:
    """Names of everything a retraining or a deployment would make."""
    return {
        plural: {item["metadata"]["name"] for item in stage.scene.items(plural)}
        for plural in ("jobs", "deployments", "datasets", "experiments")
    }


def told_by(stage: Stage) -> dict[str, Any]:
    """What must be known again after a lost status."""
    status = {plural: stage.scene.get(plural, name).get("status", {}) for plural, name in KINDS}
    return {
        "version": status["datasets"].get("current", {}).get("digest"),
        "model": status["experiments"].get("final", {}).get("model"),
        "stable": status["modeldeployments"].get("stable", {}).get("revision"),
        "refused": status["modeldeployments"].get("rejected", {}).get("version"),
        "ready": {plural: ready()({"metadata": {"generation": 1}, "status": status[plural]}) for plural, _ in KINDS},
    }


def knows(stage: Stage, facts: dict[str, Any]) -> bool:
    return told_by(stage) == facts


def test_with_the_status_of_all_four_lost_nothing_retrains_and_nothing_refused_is_deployed(stage: Stage) -> None:
    assert stage.refused[:2] == [stage.shuffled, stage.swapped], "refused by the tests before this one"
    for version in stage.refused[:2]:
        stage.registry.follow(version)
        stage.until(refusal_of(version), within=90)
        children, facts, stable = made(stage), told_by(stage), stage.stable()
        assert set(facts["ready"].values()) == {True}
        with calling(stage.address, NAME, stage.days, Pace(5.0, 5)) as calls, watching(stage.scene, NAME) as onlooker:
            for plural, name in KINDS:
                stage.scene.replace_status(plural, name, {})
            until(partial(knows, stage, facts), 120, f"all is known again: {facts}")
        unharmed(calls.tally)
        assert set(calls.tally.by_revision) == {stable}
        assert {plural: names - children[plural] for plural, names in made(stage).items()} == {
            plural: set() for plural in children
        }
        assert onlooker.weights(stable) == [100]
        assert len(onlooker.seen) == 1
