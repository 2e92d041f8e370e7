"""The ways in which rollouts are known to go wrong elsewhere, each as a story that must go well here.

One test per trap that `test_rollout.py` does not tell already; the laws of weights, clusters and pods are asserted by the
world at every change.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from tests.support.tiers import first_fast
from tests.support.worlds.rollout import NAME, REGISTERED, Model, RolloutWorld, owned
from tests.support.worlds.simulation import NAMESPACE

from bucle.contracts import names, registry_tags
from bucle.contracts.result import Failure
from bucle.engine.objects import CONFIG_MAP, POD, JsonObject
from bucle.resources.addresses import MODEL_DEPLOYMENT

HOURS = timedelta(hours=1)
SHORT = {"samples": 1000, "minDuration": "10s", "maxDuration": "10m"}
STEPS = [
    {"shadow": {"percent": 100, "until": SHORT, "gates": ["quality"]}},
    {"weight": {"percent": 50, "until": SHORT, "gates": ["errors"]}},
]
SOAK = {"duration": "20s", "gates": ["errors"]}


def world_of(**more: object) -> RolloutWorld:
    return RolloutWorld(group_seconds=5, **more)  # type: ignore[arg-type]


async def serving_one(world: RolloutWorld, **rollout: object) -> int:
    one = world.register()
    world.point("challenger", one)
    world.sim.create(world.manifest(**{"steps": STEPS, "soak": SOAK, **rollout}))
    await world.sim.until(world.serves(one), HOURS)
    return one


def reason(world: RolloutWorld, type_: str = "Ready") -> str | None:
    return world.sim.reason(MODEL_DEPLOYMENT, NAME, type_)


def rejected(world: RolloutWorld) -> bool:
    return world.sim.condition(MODEL_DEPLOYMENT, NAME, "CandidateRejected") == "True"


def shares(world: RolloutWorld, stable: str) -> list[int]:
    """What was not stable's, at every write of the routes."""
    return [100 - weights[stable] for weights in world.history if stable in weights]


def templates(world: RolloutWorld) -> dict[str, str]:
    return {r: json.dumps(d["spec"]["template"], sort_keys=True) for r, d in world.fleets().items()}


async def test_a_candidate_without_ready_pods_loses_its_share_at_once() -> None:
    """Weight before readiness, in the middle of a step."""
    world = world_of()
    one = await serving_one(world)
    stable = world.status["stable"]["revision"]
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.until(world.at("Stepping", 1), HOURS)
    await world.sim.until(lambda: shares(world, stable)[-1] == 50, HOURS)
    world.unready.add(world.status["candidate"]["revision"])
    await world.sim.pass_time(timedelta(seconds=30))
    assert shares(world, stable)[-1] == 0 and world.at("Stepping", 1)()
    assert world.status["rollout"]["waitingFor"] == "the routes to be programmed"
    world.unready.clear()
    await world.sim.until(lambda: shares(world, stable)[-1] == 50, HOURS)
    assert world.status["stable"]["model"]["version"] == one


async def test_written_is_not_programmed_a_step_counts_only_once_every_router_follows() -> None:
    world = world_of()
    await serving_one(world)
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(world.at("Stepping", 0), HOURS)
    world.programs_after = 120
    await world.sim.until(world.at("Stepping", 1), HOURS)
    await world.sim.pass_time(timedelta(seconds=60))
    rollout = world.status["rollout"]
    assert "stepStartedAt" not in rollout
    assert rollout["weight"] == {"desired": 50, "programmed": 0}
    assert world.touched > 0, "kubelets were told to look"
    await world.sim.until(world.serves(two), HOURS)


async def test_a_router_pod_that_cannot_be_asked_delays_the_end_of_a_bad_version_never_its_loss_of_weight() -> None:
    world = world_of()
    one = await serving_one(world)
    stable = world.status["stable"]["revision"]
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(lambda: shares(world, stable)[-1:] == [50] and "stepStartedAt" in world.status["rollout"])
    world.router_silent = True
    world.models[world.status["candidate"]["model"]["digest"]] = Model(errors=0.5)
    await world.sim.until(world.at("Aborting"), timedelta(minutes=2))
    await world.sim.pass_time(timedelta(minutes=5))
    assert shares(world, stable)[-1] == 0
    assert len(world.fleets()) == 2, "nobody knows whether the silent router still asks them"
    world.router_silent = False
    await world.sim.until(world.serves(one), HOURS)


async def test_steps_edited_while_the_registry_is_down_never_promote_what_was_not_judged() -> None:
    world = world_of()
    one = await serving_one(world)
    stable = world.status["stable"]["revision"]
    two = world.register(Model(loss=0.1))
    world.point("challenger", two)
    await world.sim.until(world.at("Stepping", 0), HOURS)
    world.registry.down = "connection refused"
    world.edit_spec(lambda spec: spec["rollout"].update(steps=[]))
    await world.sim.pass_time(timedelta(minutes=2))
    assert world.status["stable"]["model"]["version"] == one
    assert max(shares(world, stable)) == 0
    assert world.status["history"][0]["reason"] == "PlanChanged"


async def test_steps_edited_while_a_newer_version_waits_start_again_too() -> None:
    world = world_of()
    await serving_one(world)
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.until(world.at("Stepping", 1), HOURS)
    three = world.register(Model(loss=-0.14))
    world.point("challenger", three)
    await world.sim.settle()
    world.edit_spec(lambda spec: spec["rollout"]["steps"][1]["weight"].update(percent=20))
    await world.sim.until(world.serves(three), HOURS)
    assert [line["reason"] for line in world.status["history"]] == ["Promoted", "PlanChanged", "Promoted"]


async def test_a_way_back_to_an_older_version_skips_neither_load_nor_judgement() -> None:
    world = world_of()
    one = await serving_one(world)
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(world.serves(two), HOURS)
    second = world.status["stable"]["revision"]
    world.edit_spec(lambda spec: spec["gates"][1]["quality"].update(margin="0.2"))
    world.point("challenger", one)
    await world.sim.until(world.at("Loading"), HOURS)
    assert world.history[-1] == {second: 100}
    await world.sim.until(world.serves(one), HOURS)
    assert world.registry.aliases[REGISTERED, "champion"] == one, "a person went back, so does the alias"
    assert [line["outcome"] for line in world.status["history"]] == ["Promoted"] * 3


async def test_an_abort_needs_neither_registry_nor_judge() -> None:
    world = world_of()
    one = await serving_one(world)
    stable = world.status["stable"]["revision"]
    world.point("challenger", world.register(Model(loss=-0.07, errors=0.3)))
    await world.sim.until(world.at("Stepping", 1), HOURS)
    world.registry.down = world.judge_down = "connection refused"
    await world.sim.until(world.serves(one), timedelta(minutes=5))
    assert shares(world, stable)[-1] == 0 and world.status["rejected"]["reason"] == "GateNotPassed"
    world.registry.down = None
    await world.sim.pass_time(timedelta(minutes=10))
    assert world.serves(one)() and rejected(world), "it is not tried again when the registry is back"
    assert owned(registry_tags.TAG_REJECTED) in world.registry.tags(REGISTERED, 2)


async def test_a_promotion_restarts_no_pod() -> None:
    world = world_of()
    await serving_one(world)
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(world.at("Stepping", 0), HOURS)
    candidate = world.status["candidate"]["revision"]
    uid, template = world.fleets()[candidate]["metadata"]["uid"], templates(world)[candidate]
    assert "candidate" not in template and "stable" not in template, "no role in a pod template"
    await world.sim.until(world.serves(two), HOURS)
    assert world.fleets()[candidate]["metadata"]["uid"] == uid
    assert templates(world)[candidate] == template


async def test_without_traffic_it_holds_and_goes_on_when_traffic_is_back() -> None:
    world = world_of(requests_per_second=0.0)
    await serving_one(world, steps=[STEPS[1]])
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(lambda: reason(world) == "NoTraffic", HOURS)
    world.requests_per_second = 50.0
    await world.sim.until(world.serves(two), HOURS)


@pytest.mark.parametrize(("field", "told"), [("onNoData", "NoTraffic"), ("onError", "UndecidedAtMaxDuration")])
async def test_who_wants_no_waiting_gets_an_abort(field: str, told: str) -> None:
    """A gate that cannot be read and one without samples are two things, each with its own setting."""
    world = world_of(judge_down="connection refused" if field == "onError" else None)
    if field == "onNoData":
        world.group_seconds = 10_000
    one = await serving_one(world, **{field: "Abort"})
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.until(lambda: rejected(world) and world.serves(one)(), HOURS)
    assert world.status["rejected"]["reason"] == told


async def test_a_soak_whose_gate_cannot_be_read_does_not_promote() -> None:
    world = world_of()
    one = await serving_one(world, onError="Abort", soak={"duration": "1m", "gates": ["errors"]})
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.until(world.at("Soaking"), HOURS)
    world.router_down = "the API server does not list pods"
    await world.sim.until(world.at("Aborting"), timedelta(minutes=5))
    world.router_down = None
    await world.sim.until(world.serves(one), HOURS)
    assert world.registry.aliases[REGISTERED, "champion"] == one


async def test_a_candidate_that_crashes_in_a_step_is_condemned() -> None:
    world = world_of()
    one = await serving_one(world)
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.until(world.at("Stepping", 1), HOURS)
    revision = world.status["candidate"]["revision"]
    world.unready.add(revision)
    world._crashed_pod(world.fleets()[revision], Failure(reason="OutOfMemory", message="killed"))
    await world.sim.until(world.serves(one), timedelta(minutes=5))
    assert world.status["rejected"]["message"] == "OutOfMemory: killed"


async def test_a_stable_version_in_trouble_holds_the_rollout_and_keeps_what_it_answers() -> None:
    world = world_of()
    one = await serving_one(world)
    stable = world.status["stable"]["revision"]
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.until(lambda: shares(world, stable)[-1] == 50, HOURS)
    world.ready_pods[stable] = 1
    await world.sim.pass_time(timedelta(minutes=20))
    assert world.at("Stepping", 1)() and shares(world, stable)[-1] == 50
    assert world.status["stable"]["model"]["version"] == one


async def test_more_replicas_in_the_middle_of_a_rollout_are_ready_before_the_weight_rises() -> None:
    world = world_of()
    await serving_one(world)
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(world.at("Stepping", 0), HOURS)
    world.edit_spec(lambda spec: spec["serving"].update(replicas=3))
    await world.sim.until(world.serves(two), HOURS)
    assert [line["outcome"] for line in world.status["history"]] == ["Promoted", "Promoted"], "and nothing starts again"
    assert world.status["stable"]["readyReplicas"] == 3


async def test_a_damaged_router_config_is_written_again_and_the_candidate_waits_outside() -> None:
    world = world_of()
    await serving_one(world)
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(world.at("Stepping", 1), HOURS)

    def damage(obj: JsonObject) -> None:
        obj["data"]["bucle.json"] = "{"

    world.sim.edit(CONFIG_MAP, names.router_name(NAME), damage)
    await world.sim.until(world.serves(two), HOURS)


async def test_one_story_after_the_other_leaves_nothing_behind() -> None:
    """Refused, replaced, cancelled and promoted in a row: each rollout starts at weight 0 with its own evidence."""
    world = world_of()
    one = await serving_one(world, supersede="Replace")
    stable = world.status["stable"]["revision"]
    world.point("challenger", world.register(Model(loss=-0.07, errors=0.3)))
    await world.sim.until(lambda: rejected(world) and world.serves(one)(), HOURS)
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.until(world.at("Stepping", 1), HOURS)
    four = world.register(Model(loss=-0.14))
    world.point("challenger", four)
    await world.sim.until(world.at("Loading"), HOURS)
    assert shares(world, stable)[-1] == 0 and not world.status.get("gates")
    await world.sim.until(world.serves(four), HOURS)
    assert [line["outcome"] for line in world.status["history"]] == ["Promoted", "Superseded", "Aborted", "Promoted"]


async def test_a_long_shadow_of_days_keeps_its_evidence_and_its_clock() -> None:
    """Labels come in days: a step of 720 h is no different from one of minutes."""
    world = RolloutWorld(group_seconds=3600)
    until = {"samples": 1000, "groups": 25, "minDuration": "1h", "maxDuration": "720h"}
    await serving_one(world, steps=[{"shadow": {"percent": 100, "until": until, "gates": ["quality"]}}])
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(lambda: "stepStartedAt" in (world.status.get("rollout") or {}), HOURS)
    began = world.status["rollout"]["stepStartedAt"]
    world.clock.advance(12.5 * 3600)
    await world.sim.pass_time(timedelta(seconds=10))
    assert world.at("Stepping", 0)() and world.status["gates"][0]["groups"] == 12
    assert world.status["rollout"]["stepStartedAt"] == began
    world.clock.advance(13 * 3600)
    await world.sim.until(world.serves(two), timedelta(minutes=10))


@pytest.mark.parametrize("seed", range(4))
async def test_a_status_lost_at_half_and_half_never_promotes_what_has_not_passed(seed: int) -> None:
    world = world_of()
    for _ in range(seed):
        world.register()  # other digests, other revisions: neither name is always the greater one
    one = await serving_one(world)
    stable = world.status["stable"]["revision"]
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(lambda: shares(world, stable)[-1] == 50, HOURS)
    world.lose_status()
    await world.sim.settle()
    assert world.status["stable"]["model"]["version"] == one
    assert world.registry.aliases[REGISTERED, "champion"] == one
    await world.sim.until(world.serves(two), HOURS)


@pytest.mark.parametrize("why", first_fast(["StoreUnavailable", "SecretMissing", "ImagePullFailed"]))
async def test_what_is_mended_after_the_load_timeout_condemns_nobody(why: str) -> None:
    """Also between two starts: a pod that is running again has no trouble to show, and is not ready yet."""
    world = world_of()
    one = await serving_one(world)
    two = world.register(Model(failure=Failure(reason=why, message="not the model's fault")))
    world.point("challenger", two)
    await world.sim.until(lambda: bool(world.sim.kube.all(POD)), HOURS)
    await world.sim.pass_time(timedelta(minutes=7))
    assert world.at("Loading")() and not rejected(world)
    world.models[world.status["candidate"]["model"]["digest"]] = Model(loss=-0.07, load_seconds=9 * 60)
    for pod in world.sim.kube.all(POD):
        world.sim.kube.remove(POD, NAMESPACE, pod["metadata"]["name"])
    await world.sim.pass_time(timedelta(seconds=30))
    assert world.at("Loading")() and not rejected(world)
    await world.sim.until(world.serves(two), HOURS)
    assert world.status["history"][-1]["model"]["version"] == one


async def test_a_version_that_is_slow_after_what_was_mended_has_its_load_timeout_and_no_more() -> None:
    world = world_of()
    one = await serving_one(world)
    world.point("challenger", world.register(Model(failure=Failure(reason="StoreUnavailable", message="down"))))
    await world.sim.until(lambda: bool(world.sim.kube.all(POD)), HOURS)
    await world.sim.pass_time(timedelta(minutes=7))
    world.models[world.status["candidate"]["model"]["digest"]] = Model(load_seconds=99_999)
    for pod in world.sim.kube.all(POD):
        world.sim.kube.remove(POD, NAMESPACE, pod["metadata"]["name"])
    await world.sim.until(lambda: rejected(world) and world.serves(one)(), timedelta(minutes=6))
    assert "loadTimeout 5m" in world.status["rejected"]["message"]


async def test_a_champion_that_cannot_be_loaded_any_more_is_tried_once() -> None:
    """A rebuilt cluster whose champion is gone from the store: what is followed serves, nothing is loaded in a circle."""
    world = world_of()
    gone = Failure(reason="ModelMissing", message="no artifact")
    one, two = world.register(Model(failure=gone)), world.register()
    world.point("champion", one)
    world.point("challenger", two)
    world.sim.create(world.manifest(steps=STEPS, soak=SOAK))
    await world.sim.until(world.serves(two), HOURS)
    assert [line["outcome"] for line in world.status["history"]] == ["Promoted", "Aborted"]


async def test_a_rebuilt_cluster_does_not_promote_its_champion_a_second_time() -> None:
    world = world_of()
    then = "2025-01-01T00:00:00Z"
    one = world.register(tags={owned(registry_tags.TAG_PROMOTED_AT): then})
    world.point("champion", one)
    world.point("challenger", one)
    world.sim.create(world.manifest(steps=STEPS, soak=SOAK))
    await world.sim.until(world.serves(one), HOURS)
    assert world.status["stable"]["since"] == then
    assert world.registry.tags(REGISTERED, one)[owned(registry_tags.TAG_PROMOTED_AT)] == then


async def test_an_alias_that_was_there_before_does_not_hide_a_promotion_that_was_not_told() -> None:
    world = world_of()
    one = await serving_one(world)
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(world.at("Soaking"), HOURS)
    world.point("champion", two)
    world.registry.fails_next = 2
    await world.sim.until(world.serves(two), HOURS)
    assert owned(registry_tags.TAG_PROMOTED_AT) in world.registry.tags(REGISTERED, two)
    assert world.status["history"][1]["model"]["version"] == one
