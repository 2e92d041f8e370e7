"""Rollouts in trouble that is not the candidate's, or that nobody may hide: each story is named after what a user sees.

What keeps a step from advancing never keeps it from condemning; who is dead answers nobody; every edit has an effect.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.support.worlds.rollout import NAME, REGISTERED, Model
from tests.support.worlds.serving import (
    HALF_FOR_LONG,
    HOURS,
    MINUTES,
    SHORT,
    at_half,
    candidate,
    message,
    misbehave,
    reason,
    serving_one,
    share_of,
    stable,
    stable_fleet,
    statuses,
    truth,
    world_of,
)
from tests.support.worlds.simulation import NAMESPACE

from bucle.contracts import names
from bucle.engine.objects import DEPLOYMENT, JsonObject
from bucle.resources.addresses import MODEL_DEPLOYMENT

# --- a guard against advancing never stops condemning, nor the clock -----------------------------------------


@pytest.mark.parametrize("guard", ["a stable pod is unready", "paused", "a router pod is silent"])
async def test_a_candidate_that_fails_its_callers_loses_them_whatever_keeps_the_step_from_advancing(guard: str) -> None:
    world = world_of()
    one, first, _ = await at_half(world)
    if guard == "paused":
        world.edit_spec(lambda spec: spec["rollout"].update(paused=True))
    elif guard == "a router pod is silent":
        world.router_silent = True
    else:
        world.edit_spec(lambda spec: spec["serving"].update(replicas=3))
        stable_fleet(world, first, ready=1)
    misbehave(world, 0.3)
    await world.sim.until(lambda: share_of(world, first) == 100, MINUTES)
    assert world.status["rejected"]["reason"] == "GateNotPassed"
    assert world.status["stable"]["model"]["version"] == one


async def test_a_step_ends_at_its_max_duration_also_while_the_stable_version_is_not_whole() -> None:
    world = world_of()
    world.noise = 5
    until = {**SHORT, "samples": 10, "maxDuration": "10m"}
    steps = [{"shadow": {"percent": 100, "until": until, "gates": ["quality"]}}]
    await serving_one(world, steps=steps)
    first = stable(world)
    world.point("challenger", world.register(Model(loss=0.02)))
    await world.sim.until(lambda: "stepStartedAt" in (world.status.get("rollout") or {}), HOURS)
    stable_fleet(world, first, ready=1)
    await world.sim.until(lambda: "rejected" in world.status, timedelta(minutes=15))
    assert world.status["rejected"]["reason"] == "UndecidedAtMaxDuration"


# --- what is dead answers nobody -----------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0, 1])
async def test_a_healthy_candidate_answers_everybody_when_the_served_version_has_no_ready_pod(step: int) -> None:
    world = world_of()
    one = await serving_one(world, steps=HALF_FOR_LONG)
    first = stable(world)
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(world.at("Stepping", step), HOURS)
    second = candidate(world)
    world.unready.add(first)
    await world.sim.until(lambda: share_of(world, second) == 100, timedelta(minutes=1))
    await world.sim.pass_time(timedelta(seconds=5))
    assert (truth(world, "Available"), truth(world, "Ready"), reason(world)) == ("True", "True", "TookOver")
    assert f"no pod of version {one} is ready" in message(world)
    assert any(kind == "Warning" and why == "TookOver" for kind, why, _ in world.sim.events())
    await world.sim.until(lambda: world.status["stable"]["model"]["version"] == two, MINUTES)
    await world.sim.until(lambda: "rollout" not in world.status, MINUTES)
    assert world.status["history"][0]["outcome"] == "TookOver"
    assert world.registry.aliases[REGISTERED, "champion"] == one, "what was not judged is never called champion"
    assert truth(world, "Available") == "True"


async def test_a_stable_version_that_comes_back_within_a_minute_gets_its_callers_back() -> None:
    world = world_of()
    one, first, second = await at_half(world)
    world.unready.add(first)
    await world.sim.until(lambda: share_of(world, second) == 100, timedelta(minutes=1))
    world.unready.clear()
    await world.sim.until(lambda: share_of(world, first) == 50, timedelta(minutes=1))
    assert world.status["stable"]["model"]["version"] == one and world.at("Stepping", 1)()


@pytest.mark.parametrize("moment", ["it answers for it", "it soaks", "it is all there is", "it is condemned as well"])
async def test_who_answers_for_a_dead_champion_is_not_promoted_when_the_status_is_lost_and_the_champion_is_back(
    moment: str,
) -> None:
    """What was not judged is told by the routes: which pods are ready at the look that rebuilds the status says nothing."""
    world = world_of()
    one, first, second = await at_half(world)
    world.unready.add(first)
    await world.sim.until(lambda: share_of(world, second) == 100, timedelta(minutes=1))
    if moment == "it is condemned as well":
        misbehave(world, 0.3)
        await world.sim.until(world.at("Aborting"), MINUTES)
    elif moment != "it answers for it":
        await world.sim.until(world.at("Soaking"), MINUTES)
    if moment == "it is all there is":
        await world.sim.until(lambda: "rollout" not in world.status and list(world.fleets()) == [second], MINUTES)
    world.lose_status()
    world.unready.clear()
    await world.sim.pass_time(timedelta(minutes=10))
    assert world.registry.aliases[REGISTERED, "champion"] == one
    assert truth(world, "Available") == "True"
    world.lose_status()
    await world.sim.pass_time(timedelta(minutes=10))
    assert world.registry.aliases[REGISTERED, "champion"] == one, "nor at the second time"


async def test_a_status_lost_while_a_candidate_on_trial_has_most_callers_begins_its_trial_anew() -> None:
    world = world_of()
    one = await serving_one(world, steps=[{"weight": {"percent": 90, "until": SHORT, "gates": ["errors"]}}])
    first, two = stable(world), world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(lambda: share_of(world, first) == 10, HOURS)
    world.lose_status()
    await world.sim.settle()
    assert (stable(world), world.registry.aliases[REGISTERED, "champion"]) == (first, one)
    await world.sim.until(world.serves(two), HOURS)
    assert world.registry.aliases[REGISTERED, "champion"] == two


@pytest.mark.parametrize(
    "edit",
    [
        lambda spec: spec["rollout"].update(steps=[]),
        lambda spec: spec["rollout"].update(attempt=1),
        lambda spec: spec["rollout"].update(supersede="Replace"),
        lambda spec: spec.update(model={"registered": {"name": "flights", "version": 2}}),
    ],
)
async def test_whatever_a_person_edits_while_nothing_of_the_stable_version_answers_callers_are_served(
    edit: Callable[[JsonObject], None],
) -> None:
    world = world_of()
    await serving_one(world, steps=HALF_FOR_LONG)
    first = stable(world)
    world.unready.add(first)
    await world.sim.pass_time(timedelta(minutes=10))
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(lambda: "candidate" in world.status, MINUTES)
    world.edit_spec(edit)
    await world.sim.until(lambda: world.status["stable"]["model"]["version"] == two, timedelta(minutes=10))
    assert truth(world, "Available") == "True"


async def test_another_version_is_pinned_while_the_candidate_is_all_that_answers() -> None:
    world = world_of()
    _, first, second = await at_half(world)
    world.unready.add(first)
    await world.sim.until(lambda: share_of(world, second) == 100, timedelta(minutes=1))
    three = world.register(Model(loss=-0.1))
    world.edit_spec(lambda spec: spec.update(model={"registered": {"name": "flights", "version": three}}))
    outages: list[str] = []
    world.sim.kube.on_change.append(
        lambda resource, obj, event: (
            outages.append(event) if resource == MODEL_DEPLOYMENT and truth(world, "Available") == "False" else None
        )
    )
    await world.sim.until(lambda: (world.status.get("candidate") or {}).get("model", {}).get("version") == three, HOURS)
    await world.sim.until(world.at("Stepping", 0), HOURS)
    assert not outages, "callers were answered all the time"


async def test_available_is_false_while_a_version_without_ready_pods_gets_callers() -> None:
    """No candidate can take over: most calls fail, and both conditions say so."""
    world = world_of()
    await serving_one(world)
    world.unready.add(stable(world))
    await world.sim.pass_time(timedelta(minutes=1))
    assert (truth(world, "Available"), truth(world, "Ready")) == ("False", "False")


# --- the registry --------------------------------------------------------------------------------------------


# --- what is not the model's fault ---------------------------------------------------------------------------


async def test_a_rollout_that_waits_for_evidence_writes_no_status_at_each_look() -> None:
    world = world_of()
    await at_half(world)
    await world.sim.pass_time(timedelta(minutes=5))
    written = statuses(world)
    await world.sim.pass_time(timedelta(minutes=30))
    assert len(written) <= 6, "its numbers are written when they have grown by half"


# --- states and children -------------------------------------------------------------------------------------


async def test_a_state_of_a_newer_release_is_held_and_told_and_never_taken_for_a_promotion() -> None:
    world = world_of()
    one, first, second = await at_half(world)
    world.sim.edit(MODEL_DEPLOYMENT, NAME, lambda obj: obj["status"]["rollout"].update(state="Analysing"))
    await world.sim.pass_time(timedelta(minutes=30))
    assert (reason(world), truth(world, "Ready")) == ("StatusUnknown", "True")
    assert "Analysing" in message(world) and share_of(world, first) == 50 and second in world.fleets()
    assert world.status["rollout"]["state"] == "Analysing" and world.registry.aliases[REGISTERED, "champion"] == one
    world.edit_spec(lambda spec: spec["rollout"].update(attempt=1, steps=[]))
    await world.sim.until(world.serves(2), HOURS)


async def test_a_failing_candidate_loses_its_callers_although_the_spec_can_no_longer_be_rendered() -> None:
    """Columns that fill the task's 16 KiB: what exists is not rendered again, so its weight does not hang on it."""
    world = world_of()
    _, first, _ = await at_half(world)
    many = [f"{index:03}{'c' * 120}" for index in range(250)]
    world.edit_spec(lambda spec: spec.update(capture={"drop": many}))
    misbehave(world, 0.3)
    await world.sim.until(lambda: share_of(world, first) == 100, MINUTES)
    assert world.sim.kube.peek(DEPLOYMENT, NAMESPACE, names.revision_name(NAME, first)) is not None
