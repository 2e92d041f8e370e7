"""A version that answers another question, or needs more of callers, than what serves: refused before anybody meets it."""

from __future__ import annotations

import json

import pytest
from tests.support.worlds.rollout import NAME, REGISTERED, Model, RolloutWorld
from tests.support.worlds.serving import HOURS, MINUTES, SOAK, STEPS, message, reason, serving_one, truth, world_of
from tests.support.worlds.simulation import NAMESPACE

from bucle.contracts import names, registry_tags
from bucle.contracts.result import Failure
from bucle.engine.objects import POD

BINARY, THREE = "Binary late = 1 of 0, 1", "MultiClass species of a, b, c"

SHADOWED = [{"shadow": {**STEPS[0]["shadow"], "gates": ["errors", "quality"]}}, *STEPS[1:]]


def answering(world: RolloutWorld, version: int, question: str) -> None:
    world.registry.tag(REGISTERED, version, registry_tags.TAG_QUESTION, question)


async def serving_binary(world: RolloutWorld, **rollout: object) -> int:
    one = await serving_one(world, **rollout)
    answering(world, one, BINARY)
    return one


async def refused_by_tag(world: RolloutWorld, one: int) -> int:
    two = world.register(Model(), {registry_tags.TAG_QUESTION: THREE})
    world.point("challenger", two)
    await world.sim.until(lambda: truth(world, "CandidateRejected") == "True", MINUTES)
    await world.sim.pass_time(MINUTES)
    assert world.status["stable"]["model"]["version"] == one and "rollout" not in world.status
    return two


async def test_a_version_of_another_question_gets_no_pod_no_copy_and_no_caller() -> None:
    world = world_of()
    one = await serving_binary(world)
    before = list(world.history)
    await refused_by_tag(world, one)
    assert world.history == before and len(world.fleets()) == 1
    assert reason(world, "CandidateRejected") == "OtherQuestion" and truth(world, "Ready") == "True"
    assert BINARY in message(world) and THREE in message(world)


async def test_the_refusal_of_another_question_is_left_by_another_version() -> None:
    world = world_of()
    await refused_by_tag(world, await serving_binary(world))
    three = world.register(Model(loss=-0.07), {registry_tags.TAG_QUESTION: BINARY})
    world.point("challenger", three)
    await world.sim.until(world.serves(three), HOURS)
    assert truth(world, "CandidateRejected") == "False"


async def test_a_pinned_version_of_another_question_is_stalled_and_left_by_an_edit() -> None:
    world = world_of()
    one = await serving_binary(world)
    two = world.register(Model(), {registry_tags.TAG_QUESTION: THREE})
    world.edit_spec(lambda spec: spec.update(model={"registered": {"name": NAME, "version": two}}))
    await world.sim.until(lambda: reason(world, "Stalled") == "RolledBack", MINUTES)
    assert "ModelDeployment of its own" in message(world, "Stalled")
    world.edit_spec(lambda spec: spec.update(model={"registered": {"name": NAME, "version": one}}))
    await world.sim.until(lambda: truth(world, "Ready") == "True", MINUTES)


@pytest.mark.parametrize("tag", ["", "sha256:" + "1" * 64], ids=["without the tag", "with the tag of an older release"])
async def test_a_version_of_an_older_release_goes_through_its_steps_as_before(tag: str) -> None:
    world = world_of()
    await serving_binary(world)
    two = world.register(Model(loss=-0.07), {registry_tags.TAG_QUESTION: tag} if tag else {})
    world.point("challenger", two)
    await world.sim.until(world.serves(two), HOURS)


async def test_what_a_loaded_candidate_asks_of_callers_beyond_the_stable_version_refuses_it_at_weight_0() -> None:
    world = world_of()
    one = await serving_one(world)
    before = list(world.history)
    told = "the model cannot succeed revision x: it needs the column age"
    two = world.register(Model(failure=Failure(reason="OtherInputs", message=told)))
    world.point("challenger", two)
    await world.sim.until(lambda: reason(world, "CandidateRejected") == "OtherInputs", MINUTES)
    await world.sim.until(world.serves(one), MINUTES)
    assert all(weights == before[-1] for weights in world.history[len(before) :]) and told in message(world)


def task_of(world: RolloutWorld, revision: str) -> dict[str, object]:
    template = world.fleets()[revision]["spec"]["template"]
    return dict(json.loads(template["metadata"]["annotations"][names.ANNOTATION_TASK]))


async def test_onotherinputs_try_lets_the_refused_version_go_through_its_steps() -> None:
    world = world_of()
    await serving_one(world)
    first = world.status["stable"]["revision"]
    needs_age = Failure(reason="OtherInputs", message="it needs the column age")
    two = world.register(Model(failure=needs_age))
    world.point("challenger", two)
    await world.sim.until(lambda: world.status.get("candidate") is not None, MINUTES)
    told = task_of(world, world.status["candidate"]["revision"])["successor"]
    assert told == {"of": first, "inputs": "Refuse", "labels": "Id"}
    await world.sim.until(lambda: "rollout" not in world.status and len(world.fleets()) == 1, MINUTES)
    assert reason(world, "CandidateRejected") == "OtherInputs"
    for pod in world.sim.pods():  # the kubelet's, which go with their Deployment
        world.sim.kube.remove(POD, NAMESPACE, pod["metadata"]["name"])
    world.models[world.status["rejected"]["digest"]] = Model(loss=-0.07)
    world.edit_spec(lambda spec: spec["rollout"].update(onOtherInputs="Try"))
    await world.sim.until(lambda: world.status.get("candidate") is not None, MINUTES)
    told = task_of(world, world.status["candidate"]["revision"])["successor"]
    assert told == {"of": first, "inputs": "Try", "labels": "Id"}
    await world.sim.until(world.serves(two), HOURS)


async def test_a_first_version_succeeds_nobody() -> None:
    world = world_of()
    one = world.register()
    world.point("challenger", one)
    world.sim.create(world.manifest(steps=STEPS, soak=SOAK))
    await world.sim.until(lambda: bool(world.fleets()), MINUTES)
    assert "successor" not in task_of(world, next(iter(world.fleets())))


async def test_a_candidate_that_refuses_what_the_stable_version_answers_is_condemned_before_it_has_callers() -> None:
    world = world_of()
    one = await serving_one(world, steps=SHADOWED)
    before = world.history[-1]
    world.point("challenger", world.register(Model(loss=-0.07, refuses=0.2)))
    await world.sim.until(lambda: truth(world, "CandidateRejected") == "True", HOURS)
    await world.sim.until(world.serves(one), MINUTES)
    assert world.history[-1] == before and "refused" in message(world) and "(4xx)" in message(world)
    assert not any(set(weights) - set(before) for weights in world.history)


async def test_bad_requests_that_every_version_refuses_condemn_nobody_and_keep_nobody_waiting() -> None:
    world = world_of()
    await serving_one(world, steps=SHADOWED)
    world.models[world.status["stable"]["model"]["digest"]] = Model(refuses=0.3)
    two = world.register(Model(loss=-0.07, refuses=0.3))
    world.point("challenger", two)
    await world.sim.until(world.serves(two), HOURS)
