"""What serves loses what it rests on: a registry that takes no writes, a model whose files are gone from the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
import pytest
from hack.demo.install import Installation
from hack.demo.replay import Pace
from pyarrow import fs
from tests.cluster import models
from tests.cluster.callers import calling, unharmed, until
from tests.cluster.models import Registry, Trained, Version
from tests.cluster.parts import read_only_registry
from tests.cluster.scene import JsonObject, Predicate, Scene, conditions, ready, says

pytestmark = pytest.mark.cluster

NAME = "moved"
A_FIFTH = [{"weight": {"percent": 20, "until": {"samples": 1_000_000, "maxDuration": "2h"}}}]
"""A step that holds until somebody edits it."""


def deployment(steps: list[JsonObject]) -> JsonObject:
    changes = {"spec.rollout.steps": steps, "spec.gates": None, "spec.rollout.soak": {"duration": "1s"}}
    return models.deployment(NAME, changes)


@dataclass(frozen=True)
class Stage:
    scene: Scene
    registry: Registry
    first: Version
    second: Version
    days: pd.DataFrame

    def get(self) -> JsonObject:
        return self.scene.get("modeldeployments", NAME)

    def until(self, holds: Predicate, within: float = 120) -> JsonObject:
        return self.scene.until("modeldeployments", NAME, holds, within)

    def address(self) -> str:
        return f"http://{self.scene.installation.service_ip(f'{NAME}.{self.scene.namespace}')}"


@pytest.fixture(scope="module")
def stage(trained: Trained) -> Iterator[Stage]:
    made = Stage(trained.scene, trained.registry, trained.first, trained.second, trained.days)
    made.registry.follow(made.first)
    made.scene.apply(deployment([]))
    made.until(ready("Serving"), within=240)
    yield made
    made.scene.kubectl("delete", "modeldeployment", NAME)


def serves(version: Version) -> Predicate:
    def holds(seen: JsonObject) -> bool:
        stable = seen.get("status", {}).get("stable", {})
        return bool(stable.get("model", {}).get("version") == version.number) and ready("Serving")(seen)

    return holds


def test_a_registry_that_takes_no_writes_is_told_and_the_promotion_ends_when_it_does(stage: Stage) -> None:
    with calling(stage.address(), NAME, stage.days, Pace(10.0, 2)) as calls:
        stage.registry.follow(stage.second)
        with read_only_registry(stage.scene.installation, "this registry is closed for the audit"):
            seen = stage.until(says("Reconciling", "True", "EffectFailed"), within=180)
            assert serves(stage.second)(seen), "callers need no registry"
            told = conditions(seen)
            assert "this registry is closed for the audit" in told["Reconciling"]["message"]
            assert (told["AliasInPlace"]["status"], told["AliasInPlace"]["reason"]) == ("False", "AliasMissing")
            assert stage.registry.alias(stage.first.model, "champion") == stage.first.number
        stage.until(says("AliasInPlace", "True", "AliasMoved"))
    unharmed(calls.tally)
    assert stage.registry.alias(stage.second.model, "champion") == stage.second.number


@contextmanager
def files_gone(installation: Installation, version: Version) -> Iterator[None]:
    """The model's folder is emptied, and filled again as it was."""
    store, folder = installation.object_store(), version.uri.removeprefix("s3://")
    kept = {}
    for file in store.get_file_info(fs.FileSelector(folder, recursive=True)):
        if file.is_file:
            with store.open_input_stream(file.path) as source:
                kept[file.path] = source.read()
    assert kept, f"no files under {folder}"
    try:
        for path in kept:
            store.delete_file(path)
        yield
    finally:
        for path, data in kept.items():
            with store.open_output_stream(path) as sink:
                sink.write(data)


def test_when_the_served_models_files_are_gone_the_candidate_answers_and_it_is_told(stage: Stage) -> None:
    """The stable version answers from memory until its pod is replaced; the new pod finds nothing to load."""
    stage.scene.apply(deployment(A_FIFTH))
    with calling(stage.address(), NAME, stage.days, Pace(10.0, 2)) as calls:
        stage.registry.follow(stage.first)
        seen = stage.until(a_fifth_is_routed)
        stable, candidate = seen["status"]["stable"]["revision"], seen["status"]["candidate"]["revision"]
        with files_gone(stage.scene.installation, stage.second):
            before = calls.tally.by_revision.get(stable, 0)
            until(lambda: calls.tally.by_revision.get(stable, 0) > before + 40, 60, "it answers from memory")
            stage.scene.kubectl("delete", "pod", "-l", f"bucle.dev/revision={stable}", "--wait=false")
            seen = stage.until(says("StableAnswers", "False", "TookOver"))
            message = conditions(seen)["StableAnswers"]["message"]
            assert f"no pod of version {stage.second.number} is ready" in message
            answered = calls.tally.by_revision.get(candidate, 0)
            until(lambda: calls.tally.by_revision.get(candidate, 0) > answered + 200, 60, "the candidate answers all")
            stage.until(
                lambda seen: "there is no model at" in str(conditions(seen)["StableAnswers"]["message"]), within=60
            )
            assert conditions(stage.get())["Available"]["status"] == "True"
    assert calls.tally.failed == 0, calls.tally.failures


def a_fifth_is_routed(seen: JsonObject) -> bool:
    weight = ((seen.get("status", {}).get("rollout") or {}).get("weight")) or {}
    return bool(weight.get("programmed") == weight.get("desired") == 20)
