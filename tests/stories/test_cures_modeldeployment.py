"""Every cure of the table of reasons, done on a ModelDeployment that serves, waits or has a candidate: told, then done, then Ready."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.fakes import drivers
from tests.support.tiers import first_fast
from tests.support.worlds.cures import cures, together
from tests.support.worlds.rollout import NAME, REGISTERED, Model, RolloutWorld
from tests.support.worlds.serving import truth
from tests.support.worlds.serving_cures import (
    ONE,
    edit,
    newer,
    ready,
    scene,
    served,
    tells,
    told_from_now_on,
    until_told,
)
from tests.support.worlds.simulation import PLATFORM

from bucle.contracts.result import Failure
from bucle.engine.objects import POD, JsonObject
from bucle.kinds import modeldeployment
from bucle.resources.addresses import MODEL_DEPLOYMENT

# --- the first version -----------------------------------------------------------------------------------------


@cures("WaitingForModel")
@pytest.mark.parametrize("missing", ["model", "digest"])
async def test_it_waits_until_a_model_is_registered(reason: str, missing: str) -> None:
    world = scene()
    if missing == "digest":
        world.point("challenger", world.registry.add(REGISTERED, "s3://bucle/mlflow/by-hand", {}))
    world.sim.create(world.manifest())
    await world.sim.settle()
    tells(world, reason)
    await ready(world, newer(world))


@together("Loading", "Serving", "NoCandidate", "NothingServes", "RouteNotProgrammed")
async def test_the_first_version_is_loaded_and_serves_while_one_waits(reasons: tuple[str, ...]) -> None:
    world = scene()
    version = newer(world)
    world.sim.create(world.manifest())
    seen = told_from_now_on(world)
    await ready(world, version)
    assert seen >= set(reasons)


@cures(
    "DigestMismatch",
    "EnvironmentMismatch",
    "UntrustedType",
    "SignatureMismatch",
    "ModelMissing",
    "LoadFailed",
    long=True,
)
async def test_a_first_version_that_cannot_be_loaded_is_followed_by_the_next_one_registered(reason: str) -> None:
    world = scene()
    newer(world, Model(load_seconds=2, failure=Failure(reason=reason, message="what the server says")))
    world.sim.create(world.manifest())
    assert "what the server says" in await until_told(world, "LoadFailed")
    await ready(world, newer(world, ONE))


@cures("ModelMissing", "LoadFailed", "DigestMismatch", long=True)
async def test_a_version_whose_artifact_was_mended_is_loaded_again_when_attempt_is_raised(reason: str) -> None:
    world = scene()
    await served(world)
    two = newer(world, Model(load_seconds=2, failure=Failure(reason=reason, message="what the server says")))
    assert f"{reason}: what the server says" in await until_told(world, "CandidateRejected")
    world.models = {digest: replace(model, failure=None, loss=-0.07) for digest, model in world.models.items()}
    for pod in world.sim.kube.all(POD):
        world.sim.delete(POD, pod["metadata"]["name"])
    edit(world, reason, lambda spec: spec["rollout"].update(attempt=1))
    await ready(world, two)


# --- pods of a model server --------------------------------------------------------------------------------------


WAITING: dict[str, tuple[str, str]] = {
    "ImagePullFailed": ("ImagePullBackOff", "pull access denied"),
    "SecretMissing": ("CreateContainerConfigError", 'secret "bucle-storage" not found'),
    "ContainerRefused": ("CreateContainerError", "no such runtime"),
    "CrashLooping": ("CrashLoopBackOff", ""),
    "OutOfMemory": ("CrashLoopBackOff", ""),
    "Unschedulable": ("", "Insufficient memory"),
    "Disrupted": ("", "the node is low on disk"),
}


def keep_pods(world: RolloutWorld, reason: str) -> None:
    """Every fleet has a pod that says why it does not run; none is ready."""
    kube = world.sim.kube
    for revision, fleet in world.fleets().items():
        name, template = fleet["metadata"]["name"] + "-kept", fleet["spec"]["template"]
        if kube.peek(POD, "ml", name) is not None:
            continue
        world.unready.add(revision)
        why, told = WAITING[reason]
        killed = {"terminated": {"exitCode": 137, "reason": "OOMKilled" if reason == "OutOfMemory" else "Error"}}
        last = killed if reason in ("CrashLooping", "OutOfMemory") else {}
        state = {"state": {"waiting": {"reason": why, "message": told}}, "image": "serve", "lastState": last}
        status: JsonObject = {"phase": "Pending", "containerStatuses": [state]}
        if reason == "Unschedulable":
            pending = {"type": "PodScheduled", "status": "False", "reason": reason, "message": told}
            status = {"phase": "Pending", "conditions": [pending]}
        if reason == "Disrupted":
            status = {"phase": "Failed", "reason": "Evicted", "message": told}
        labels = template["metadata"]["labels"]
        pod = kube.put(POD, {"metadata": {"name": name, "namespace": "ml", "labels": labels}, "spec": template["spec"]})
        drivers.set_pod_status(kube, pod, status)


def let_go(world: RolloutWorld) -> None:
    world.unready.clear()
    for pod in world.sim.kube.all(POD):
        world.sim.delete(POD, pod["metadata"]["name"])


@cures(
    "ImagePullFailed", "SecretMissing", "ContainerRefused", "CrashLooping", "OutOfMemory", "Unschedulable", "Disrupted"
)
async def test_what_keeps_the_pods_that_serve_is_told_and_gone_once_it_is_mended(reason: str) -> None:
    world = scene()
    one = await served(world)
    keep_pods(world, reason)
    await until_told(world, reason)
    assert (truth(world, "Ready"), truth(world, "Available")) == ("False", "False")
    let_go(world)
    await ready(world, one)


@cures("Unschedulable", "ContainerRefused", "OutOfMemory", "CrashLooping", long=True)
async def test_a_first_version_gets_other_pods_when_its_resources_are_edited(reason: str) -> None:
    world = scene()
    one = newer(world, ONE)
    world.sim.create(world.manifest())
    await world.sim.pass_time(timedelta(seconds=2))
    keep_pods(world, reason)
    await world.sim.pass_time(timedelta(minutes=1))
    assert world.sim.reason(MODEL_DEPLOYMENT, NAME) in (reason, "LoadFailed")
    resources = {"requests": {"memory": "64Mi"}, "limits": {"memory": "8Gi"}}
    edit(world, reason, lambda spec: spec["serving"].update(resources=resources))
    await ready(world, one)


@cures("ImagePullFailed")
@pytest.mark.parametrize(
    "value", first_fast([{"image_serve": "mirror/serve:test"}, {"image_pull_secrets": ("mirror",)}])
)
async def test_an_image_or_pull_secret_that_was_corrected_in_the_chart_reaches_the_first_version(
    reason: str, value: JsonObject
) -> None:
    world = scene()
    one = newer(world, ONE)
    world.sim.create(world.manifest())
    await world.sim.pass_time(timedelta(seconds=2))
    keep_pods(world, reason)
    await world.sim.pass_time(timedelta(minutes=1))
    tells(world, reason)
    (before,) = world.fleets().values()
    world.sim.upgrade(modeldeployment.room(replace(PLATFORM, **value)))
    await world.sim.pass_time(timedelta(minutes=1))
    assert {str(fleet["spec"]["template"]["spec"]) for fleet in world.fleets().values()} - {
        str(before["spec"]["template"]["spec"])
    }
    let_go(world)
    await ready(world, one)


@cures("PodsRefused")
async def test_a_quota_that_was_raised_lets_the_pods_in(reason: str) -> None:
    world = scene()
    world.refused_pods = "exceeded quota: team"
    version = newer(world)
    world.sim.create(world.manifest())
    assert "exceeded quota: team" in await until_told(world, reason)
    world.refused_pods = None
    await ready(world, version)
