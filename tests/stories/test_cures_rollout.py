"""Every cure of what a rollout says, its router and its alias: told, then done, then the wanted version serves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.support.tiers import first_fast
from tests.support.worlds.cures import cures, together
from tests.support.worlds.rollout import NAME, REGISTERED, Model
from tests.support.worlds.serving import HOURS, MINUTES, candidate, share_of, stable, truth
from tests.support.worlds.serving_cures import (
    BRIEF,
    GOOD,
    ONE,
    STEPS,
    at_half,
    edit,
    newer,
    ready,
    scene,
    served,
    tells,
    told_from_now_on,
    until_told,
)

from bucle.contracts import names, registry_tags
from bucle.contracts.result import Failure
from bucle.engine.objects import DEPLOYMENT, POD, JsonObject
from bucle.resources.addresses import MODEL_DEPLOYMENT

BAD, BORDERLINE = Model(errors=0.5, load_seconds=2), Model(loss=0.02, load_seconds=2)


def pinned(version: int) -> Callable[[JsonObject], object]:
    return lambda spec: spec.update(model={"registered": {"name": "flights", "version": version}})


# --- on its way ------------------------------------------------------------------------------------------------


@together("Shadowing", "ShiftingTraffic", "Soaking", "Promoted", "AliasMissing", "AliasMoved")
async def test_a_good_candidate_needs_nothing_but_waiting(reasons: tuple[str, ...]) -> None:
    world = scene()
    await served(world)
    seen = told_from_now_on(world)
    two = newer(world)
    await world.sim.until(world.at("Soaking"), HOURS)
    world.registry.fails_next = 2
    await ready(world, two)
    await until_told(world, "AliasMoved", "AliasInPlace")
    assert {line["reason"] for line in world.status["history"]} | seen >= set(reasons)


@cures("NoPromotion")
async def test_who_promotes_no_alias_needs_none(reason: str) -> None:
    world = scene()
    await served(world)
    edit(world, reason, lambda spec: spec.pop("promote"))
    await ready(world, newer(world))
    tells(world, reason, "AliasInPlace")


@cures("Paused")
@pytest.mark.parametrize("when", ["before", "during"])
async def test_a_paused_rollout_goes_on_when_paused_is_false(reason: str, when: str) -> None:
    world = scene()
    await served(world, paused=when == "before")
    two = newer(world)
    if when == "during":
        await world.sim.until(world.at("Stepping", 0), HOURS)
        edit(world, reason, lambda spec: spec["rollout"].update(paused=True))
    await until_told(world, reason)
    assert truth(world, "Ready") == "True"
    edit(world, reason, lambda spec: spec["rollout"].update(paused=False))
    await ready(world, two)


@cures("PlanChanged", "Cancelled", "Replaced")
async def test_a_rollout_that_is_overtaken_ends_and_what_is_wanted_follows(reason: str) -> None:
    world = scene()
    one, _, _ = await at_half(world)
    wanted = 2
    if reason == "PlanChanged":
        edit(world, reason, lambda spec: spec["rollout"].update(steps=STEPS))
    elif reason == "Cancelled":
        wanted = one
        world.point("challenger", one)
    else:
        edit(world, reason, lambda spec: spec["rollout"].update(supersede="Replace"))
        wanted = newer(world, Model(loss=-0.1, load_seconds=2))
    await world.sim.until(lambda: reason in str(world.status), MINUTES)
    if reason == "Replaced":
        edit(world, reason, lambda spec: spec["rollout"].update(steps=STEPS))
    await ready(world, wanted)
    assert reason in {line["reason"] for line in world.status["history"]}


# --- gates -----------------------------------------------------------------------------------------------------


@cures("GateNotPassed")
async def test_a_condemned_candidate_is_followed_by_the_next_version(reason: str) -> None:
    world = scene()
    await served(world)
    newer(world, BAD)
    assert "errors" in await until_told(world, reason, "CandidateRejected")
    assert truth(world, "Ready") == "True"
    await ready(world, newer(world))
    assert truth(world, "CandidateRejected") == "False"


@cures("OtherQuestion")
@pytest.mark.parametrize("how", first_fast(["a deployment of its own", "the same question"]))
async def test_a_version_of_another_question_is_served_elsewhere_or_followed(reason: str, how: str) -> None:
    world = scene()
    one = await served(world)
    world.registry.tag(REGISTERED, one, registry_tags.TAG_QUESTION, "v2:binary")
    world.point("challenger", world.register(ONE, {registry_tags.TAG_QUESTION: "v2:three"}))
    assert truth(world, "Ready") == "True" and await until_told(world, reason, "CandidateRejected")
    if how == "the same question":
        await ready(world, newer(world))
        return
    own = world.manifest()
    own["metadata"] = {"name": "three"}
    own["spec"]["model"] = {"registered": {"name": "flights", "version": 2}}
    world.sim.create(own)
    await world.sim.until(lambda: world.sim.reason(MODEL_DEPLOYMENT, "three") == "Loading", MINUTES)


@cures("OtherInputs")
@pytest.mark.parametrize("how", first_fast(["callers send it", "the schema of what serves"]))
async def test_a_version_that_needs_more_columns_is_tried_once_callers_send_them_or_followed(
    reason: str, how: str
) -> None:
    world = scene()
    await served(world)
    two = newer(world, Model(load_seconds=2, failure=Failure(reason=reason, message="it needs the column age")))
    await until_told(world, reason, "CandidateRejected")
    if how == "the schema of what serves":
        await ready(world, newer(world))
        return
    await world.sim.until(lambda: "rollout" not in world.status and len(world.fleets()) == 1, MINUTES)
    world.models = dict.fromkeys(world.models, GOOD)
    for pod in world.sim.pods():
        world.sim.delete(POD, pod["metadata"]["name"])
    edit(world, reason, lambda spec: spec["rollout"].update(onOtherInputs="Try"))
    await ready(world, two)


@cures("CandidateRejected", "RolledBack")
@pytest.mark.parametrize("how", first_fast(["another version", "attempt"]))
async def test_a_refused_version_is_followed_by_another_or_tried_again(reason: str, how: str) -> None:
    world = scene()
    await served(world)
    two = newer(world, BAD)
    if reason == "RolledBack":
        edit(world, reason, pinned(two))
    assert "was refused: GateNotPassed" in await until_told(world, reason)
    if how == "attempt":
        world.models = dict.fromkeys(world.models, GOOD)
        edit(world, reason, lambda spec: spec["rollout"].update(attempt=1))
        # Both are as good by now; the quality gate wants to see that it is better.
        edit(world, reason, lambda spec: spec["rollout"].update(steps=STEPS[1:]))
        await ready(world, two)
        return
    three = newer(world)
    if reason == "RolledBack":
        edit(world, reason, pinned(three))
    await ready(world, three)


@cures("UndecidedAtMaxDuration")
@pytest.mark.parametrize("how", first_fast(["margin", "time"]))
async def test_an_undecided_candidate_gets_a_wider_margin_or_more_time(reason: str, how: str) -> None:
    world = scene(noise=0.01 if how == "margin" else 0.04)
    short = {"samples": 10, "minDuration": "2s", "maxDuration": "30s" if how == "margin" else "8s"}
    await served(world, steps=[{"shadow": {"percent": 100, "until": short, "gates": ["quality"]}}])
    two = newer(world, BORDERLINE if how == "margin" else Model())
    await until_told(world, reason, "CandidateRejected")

    def more(spec: JsonObject) -> None:
        if how == "margin":
            spec["gates"][1]["quality"]["margin"] = "0.2"
        else:
            spec["rollout"]["steps"][0]["shadow"]["until"]["maxDuration"] = "10m"

    edit(world, reason, more)
    await ready(world, two)


@cures("UndecidedAtMaxDuration")
async def test_a_gate_that_can_be_read_again_goes_on(reason: str) -> None:
    world = scene(judge_down="connection refused")
    await served(world)
    two = newer(world)
    assert "connection refused" in await until_told(world, reason)
    world.judge_down = None
    await ready(world, two)


@cures("NoTraffic")
@pytest.mark.parametrize("on_no_data", first_fast(["Hold", "Abort"]))
async def test_a_gate_without_samples_goes_on_when_they_come(reason: str, on_no_data: str) -> None:
    world = scene(requests_per_second=0.0)
    await served(world, steps=[STEPS[1]], onNoData=on_no_data)
    two = newer(world)
    await until_told(world, reason, "Ready" if on_no_data == "Hold" else "CandidateRejected")
    world.requests_per_second = 50.0
    if on_no_data == "Abort":
        edit(world, reason, lambda spec: spec["rollout"].update(attempt=1))
    await ready(world, two)


@cures("UnreachableGate")
@pytest.mark.parametrize("change", first_fast([{"samples": 100}, {"maxDuration": "700h"}]))
async def test_a_gate_that_asks_for_too_much_passes_when_it_asks_for_less_or_gets_more_time(
    reason: str, change: JsonObject
) -> None:
    world = scene(requests_per_second=2.0)
    steps = [
        {"weight": {"percent": 50, "until": {**BRIEF, "maxDuration": "10m", "samples": 1000}, "gates": ["errors"]}}
    ]
    await served(world, steps=steps)
    two = newer(world)
    assert "gate errors" in await until_told(world, reason, "GatesReachable")
    edit(world, reason, lambda spec: spec["rollout"]["steps"][0]["weight"]["until"].update(change))
    await ready(world, two)


# --- who answers callers ---------------------------------------------------------------------------------------


@cures("NothingServes")
async def test_a_version_whose_pods_are_ready_again_serves_again(reason: str) -> None:
    world = scene()
    one = await served(world)
    world.unready.add(stable(world))
    await until_told(world, reason, "Available")
    assert truth(world, "Ready") == "False"
    world.unready.clear()
    await ready(world, one)


@cures("PartlyServing")
async def test_callers_of_dead_pods_are_led_elsewhere_within_seconds(reason: str) -> None:
    world = scene()
    await at_half(world)
    world.unready.add(candidate(world))
    await world.sim.until(lambda: reason in str(world.sim.events()), MINUTES)
    await until_told(world, "Serving", "Available")


@cures("TookOver")
@pytest.mark.parametrize("how", first_fast(["pods return", "pin the other", "a new version"]))
async def test_a_version_that_took_over_is_kept_or_followed(reason: str, how: str) -> None:
    world = scene()
    one, first, second = await at_half(world)
    world.unready.add(first)
    await world.sim.until(lambda: share_of(world, second) == 100, MINUTES)
    assert f"no pod of version {one} is ready" in await until_told(world, reason)
    wanted = 2
    if how == "pods return":
        world.unready.clear()
        world.point("challenger", one)
        wanted = one
    elif how == "pin the other":
        edit(world, reason, pinned(2))
    else:
        await world.sim.until(lambda: "rollout" not in world.status, HOURS)
        edit(world, reason, lambda spec: spec["rollout"].update(steps=STEPS))
        wanted = newer(world, Model(loss=-0.2, load_seconds=2))
    await ready(world, wanted)


@cures("RouterNotReady")
@pytest.mark.parametrize("how", first_fast(["by itself", "requests"]))
async def test_a_router_without_pods_is_told_and_gone_once_they_are_ready(reason: str, how: str) -> None:
    world = scene()
    one = await served(world)
    name = names.router_name(NAME)
    world.ready_pods[name] = 0
    await until_told(world, reason, "Available")
    assert truth(world, "Ready") == "False"
    if how == "requests":
        asked = {"requests": {"memory": "64Mi"}}
        edit(world, reason, lambda spec: spec.update(traffic={"router": {"resources": asked}}))
        await world.sim.pass_time(timedelta(seconds=30))
        (container,) = world.sim.get(DEPLOYMENT, name)["spec"]["template"]["spec"]["containers"]
        assert container["resources"]["requests"]["memory"] == "64Mi"
    world.ready_pods.clear()
    await ready(world, one)


@cures("RouteNotProgrammed")
async def test_routes_that_a_router_pod_does_not_show_yet_are_waited_for(reason: str) -> None:
    world = scene()
    await served(world)
    two = newer(world)
    await world.sim.until(world.at("Stepping", 0), HOURS)
    world.programs_after = 120.0
    await until_told(world, reason)
    assert world.touched > 0, "the router is told again"
    world.programs_after = 0.4
    await ready(world, two)


# --- the alias -------------------------------------------------------------------------------------------------


@cures("EffectRefused")
async def test_an_alias_that_the_registry_keeps_for_itself_is_replaced_by_another(reason: str) -> None:
    world = scene()
    world.registry.reserved.add("prod")
    one = await served(world)
    edit(world, reason, lambda spec: spec.update(promote={"alias": "prod"}))
    assert "reserved" in await until_told(world, reason, "Stalled")
    edit(world, reason, lambda spec: spec.update(promote={"alias": "production"}))
    await ready(world, one)
    assert truth(world, "Stalled") == "False"


@cures("AliasMovedByOther")
async def test_an_alias_that_somebody_moved_is_in_place_once_it_is_moved_back(reason: str) -> None:
    world = scene()
    one = await served(world)
    world.point("champion", world.register(ONE))
    assert "moved away" in await until_told(world, reason, "AliasInPlace")
    world.point("champion", one)
    await until_told(world, "AliasMoved", "AliasInPlace")
    await ready(world, one)


@cures("AliasMovedByOther")
async def test_an_alias_of_its_own_is_in_place(reason: str) -> None:
    world = scene()
    one = await served(world)
    world.point("champion", world.register(ONE))
    await until_told(world, reason, "AliasInPlace")
    edit(world, reason, lambda spec: spec["promote"].update(alias="flights-champion"))
    await until_told(world, "AliasMoved", "AliasInPlace")
    assert world.registry.aliases[REGISTERED, "flights-champion"] == one
    await ready(world, one)


@cures("ModelNotRegistered")
@pytest.mark.parametrize("how", first_fast(["register again", "promote another"]))
async def test_a_served_model_that_the_registry_forgot_is_registered_again_or_followed(reason: str, how: str) -> None:
    world = scene()
    await served(world)
    two = newer(world)
    await world.sim.until(world.at("Soaking"), HOURS)
    forgotten = world.registry.versions.pop((REGISTERED, two))
    world.registry.aliases.pop((REGISTERED, "challenger"))
    assert "register" in await until_told(world, reason, "AliasInPlace")
    if how == "register again":
        wanted = world.registry.add(REGISTERED, forgotten.source, dict(forgotten.tags))
        world.point("challenger", wanted)
    else:
        wanted = newer(world, Model(loss=-0.2, load_seconds=2))
    await until_told(world, "AliasMoved", "AliasInPlace")
    await world.sim.until(lambda: world.registry.aliases[REGISTERED, "champion"] == wanted, HOURS)
    await until_told(world, "Serving")
