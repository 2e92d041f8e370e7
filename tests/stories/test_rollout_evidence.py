"""The judge as a person meets it: it gets what it is given, and what keeps it, or keeps its rows from counting, is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.support.worlds.rollout import NAME, Model, RolloutWorld
from tests.support.worlds.serving import HOURS, MINUTES, SOAK, STEPS, message, reason, truth, world_of
from tests.support.worlds.simulation import NAMESPACE

from bucle.contracts import names
from bucle.engine.objects import DEPLOYMENT, JsonObject

GROUPED: dict[str, Any] = {"column": "hour", "unit": "Day"}


async def on_trial(world: RolloutWorld, **spec: Any) -> int:
    """Version 1 serves, and version 2 begins."""
    one = world.register()
    world.point("challenger", one)
    manifest = world.manifest(steps=STEPS, soak=SOAK)
    manifest["spec"] |= spec
    manifest["spec"]["gates"][1]["quality"]["groupBy"] = GROUPED
    world.sim.create(manifest)
    await world.sim.until(world.serves(one), HOURS)
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    return two


def judge(world: RolloutWorld) -> JsonObject | None:
    return world.sim.kube.peek(DEPLOYMENT, NAMESPACE, names.judge_name(NAME))


async def test_the_judge_runs_with_the_resources_it_is_given_in_whatever_form_they_are_written() -> None:
    """The API server stores 1024Mi as 1Gi: that is no edit, and nothing is set back."""
    world = world_of()
    two = await on_trial(
        world,
        judge={"resources": {"requests": {"cpu": 0.5, "memory": "1024Mi"}, "limits": {"memory": "2048Mi"}}},
        serving={"builtin": {}, "replicas": 2, "resources": {"limits": {"memory": "8Gi"}}},
    )
    contested: list[str] = []
    world.sim.kube.on_change.append(lambda *_: contested.append("") if truth(world, "Contested") else None)
    await world.sim.until(lambda: judge(world) is not None, HOURS)
    await world.sim.pass_time(timedelta(seconds=10))
    found = judge(world)
    assert found is not None
    assert found["spec"]["template"]["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "500m", "memory": "1Gi"},
        "limits": {"memory": "2Gi"},
    }
    await world.sim.until(world.serves(two), HOURS)
    assert not contested
    assert not [r for r in world.sim.kube.writes if r.verb == "apply" and r.name == names.judge_name(NAME)]


async def test_an_edited_judge_gets_its_new_resources_in_the_middle_of_a_rollout() -> None:
    world = world_of(judge_down="connection refused")
    two = await on_trial(world)
    await world.sim.until(world.at("Stepping", 0), HOURS)
    world.edit_spec(lambda spec: spec.update(judge={"resources": {"limits": {"memory": "3Gi"}}}))
    await world.sim.pass_time(timedelta(minutes=1))
    found = judge(world)
    assert found is not None
    assert found["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] == {"memory": "3Gi"}
    world.judge_down = None
    await world.sim.until(world.serves(two), HOURS)


async def test_what_keeps_the_judges_pod_is_told_in_the_servers_words_and_the_rollout_goes_on_once_it_is_gone() -> None:
    world = world_of(
        judge_refused='pods "flights-judge" is forbidden: exceeded quota: small, requested: limits.memory=2Gi'
    )
    two = await on_trial(world)
    await world.sim.until(lambda: "exceeded quota: small" in message(world), MINUTES)
    assert "the judge does not run: PodsRefused" in message(world)
    assert (truth(world, "Ready"), truth(world, "Available")) == ("True", "True")
    await world.sim.pass_time(timedelta(minutes=5))
    assert "rejected" not in world.status, "nobody charges a quota to the candidate"
    world.judge_refused = None
    await world.sim.until(world.serves(two), HOURS)


async def test_a_gate_that_no_row_can_count_for_says_which_column_requests_do_not_send() -> None:
    world = world_of(without_group=True)
    await on_trial(world)
    await world.sim.until(lambda: "have no group" in message(world), HOURS)
    assert "requests do not send column hour" in message(world)
    assert reason(world) == "Shadowing"
    (gate,) = [gate for gate in world.status["gates"] if gate["name"] == "quality"]
    assert gate["uncounted"]["ungrouped"] > 0 and gate["verdict"] == "NoData"


async def test_a_gate_waits_in_vain_no_longer_once_requests_send_the_column() -> None:
    world = world_of(without_group=True)
    two = await on_trial(world)
    await world.sim.until(lambda: "have no group" in message(world), HOURS)
    world.without_group = False
    await world.sim.until(world.serves(two), HOURS)
