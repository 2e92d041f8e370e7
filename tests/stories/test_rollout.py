"""Whole stories of one ModelDeployment, from the first version to the next, with everything that can go wrong."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from tests.support.tiers import first_fast
from tests.support.worlds.rollout import NAME, REGISTERED, Model, RolloutWorld, owned

from bucle.contracts import registry_tags
from bucle.contracts.result import Failure
from bucle.engine.objects import DEPLOYMENT, JsonObject
from bucle.resources.addresses import MODEL_DEPLOYMENT, Resource

HOURS = timedelta(hours=6)


async def serving_one(world: RolloutWorld, **rollout: object) -> int:
    """A deployment whose first version serves and is champion."""
    one = world.register()
    world.point("challenger", one)
    world.sim.create(world.manifest(**rollout))
    await world.sim.until(world.serves(one), HOURS)
    return one


def reason(world: RolloutWorld, type_: str = "Ready") -> str | None:
    return world.sim.reason(MODEL_DEPLOYMENT, NAME, type_)


def truth(world: RolloutWorld, type_: str) -> str | None:
    return world.sim.condition(MODEL_DEPLOYMENT, NAME, type_)


async def test_the_first_version_gets_everything_at_once_and_becomes_champion() -> None:
    world = RolloutWorld()
    one = await serving_one(world)
    assert world.registry.aliases[REGISTERED, "champion"] == one
    assert owned(registry_tags.TAG_PROMOTED_AT) in world.registry.tags(REGISTERED, one)
    assert (truth(world, "Ready"), reason(world)) == ("True", "Serving")
    assert truth(world, "Available") == "True"
    assert world.status["history"][0]["outcome"] == "Promoted"
    assert not any("judge" in d["metadata"]["name"] for d in world.sim.kube.all(DEPLOYMENT))


async def test_a_good_version_goes_through_shadow_weights_and_soak_and_becomes_champion() -> None:
    world = RolloutWorld()
    one = await serving_one(world)
    first = world.status["stable"]["revision"]
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(world.at("Stepping", 0), HOURS)
    await world.sim.until(world.at("Soaking"), HOURS)
    assert world.status["stable"]["model"]["version"] == two, "roles flip before the soak"
    assert world.status["previous"]["model"]["version"] == one, "and the former revision is kept warm"
    assert world.registry.aliases[REGISTERED, "champion"] == one, "the alias waits for the soak"
    await world.sim.until(world.serves(two), HOURS)
    assert world.registry.aliases[REGISTERED, "champion"] == two
    reference = json.loads(world.registry.tags(REGISTERED, two)[owned(registry_tags.TAG_PROMOTION_REFERENCE)])
    assert reference["metric"] == "log_loss" and float(reference["value"]) == pytest.approx(0.43, abs=0.02)
    shares = [weights.get(first) for weights in world.history if first in weights]
    assert [s for i, s in enumerate(shares) if i == 0 or s != shares[i - 1]] == [100, 90, 50]
    assert first not in world.fleets()


async def test_ready_stays_true_throughout_a_rollout() -> None:
    world = RolloutWorld()
    await serving_one(world)
    told: set[tuple[str, str]] = set()

    def look(resource: Resource, obj: JsonObject, event: str) -> None:
        if resource == MODEL_DEPLOYMENT:
            found = {c["type"]: c["status"] for c in obj["status"]["conditions"]}
            told.add((found["Available"], found["Ready"]))

    world.sim.kube.on_change.append(look)
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(world.serves(two), HOURS)
    assert told == {("True", "True")}


async def test_a_bad_version_is_condemned_in_the_shadow_and_no_caller_ever_meets_it() -> None:
    world = RolloutWorld()
    one = await serving_one(world)
    two = world.register(Model(loss=0.1))
    world.point("challenger", two)
    await world.sim.until(lambda: truth(world, "CandidateRejected") == "True" and world.serves(one)(), HOURS)
    assert (truth(world, "Ready"), reason(world)) == ("True", "CandidateRejected")
    assert all(len(weights) <= 1 for weights in world.history)
    refused = json.loads(world.registry.tags(REGISTERED, two)[owned(registry_tags.TAG_REJECTED)])
    assert refused["reason"] == "GateNotPassed"
    await world.sim.pass_time(timedelta(hours=2))
    assert len(world.status["history"]) == 2, "it is not tried again"


async def test_a_refused_version_is_tried_again_when_attempt_is_raised() -> None:
    world = RolloutWorld()
    one = await serving_one(world)
    world.point("challenger", world.register(Model(loss=0.1)))
    await world.sim.until(lambda: truth(world, "CandidateRejected") == "True" and world.serves(one)(), HOURS)
    world.edit_spec(lambda spec: spec["rollout"].update(attempt=1))
    await world.sim.until(world.at("Stepping", 0), HOURS)
    await world.sim.until(lambda: len(world.status["history"]) == 3, HOURS)


async def test_a_version_that_fails_in_the_canary_loses_its_weight_first() -> None:
    world = RolloutWorld()
    one = await serving_one(world)
    two = world.register(Model(loss=-0.07, errors=0.2))
    world.point("challenger", two)
    world.edit_spec(lambda spec: spec["rollout"]["steps"][0]["shadow"].update(gates=["quality"]))
    await world.sim.until(world.at("Stepping", 1), HOURS)
    await world.sim.until(world.at("Aborting"), HOURS)
    assert len(world.fleets()) == 2, "its pods stay until no router pod knows it"
    await world.sim.until(world.serves(one), HOURS)
    weights = [w.get(next(iter(set(w) - {world.status["stable"]["revision"]}), ""), 0) for w in world.history]
    assert max(weights) == 10 and weights[-1] == 0


async def test_a_version_that_cannot_be_loaded_is_refused_and_never_gets_a_request() -> None:
    world = RolloutWorld()
    one = await serving_one(world)
    broken = Failure(reason="DigestMismatch", message="the artifact is not the one that was registered")
    world.point("challenger", world.register(Model(failure=broken)))
    await world.sim.until(lambda: truth(world, "CandidateRejected") == "True" and world.serves(one)(), HOURS)
    assert reason(world, "CandidateRejected") == "LoadFailed"
    assert "not the one that was registered" in world.status["rejected"]["message"]
    assert all(len(weights) <= 1 for weights in world.history)


async def test_a_first_version_that_cannot_be_loaded_stalls_until_a_person_acts() -> None:
    world = RolloutWorld()
    broken = Failure(reason="ModelMissing", message="no artifact at s3://bucle/mlflow/m1")
    world.point("challenger", world.register(Model(failure=broken)))
    world.sim.create(world.manifest())
    await world.sim.until(lambda: truth(world, "Stalled") == "True", HOURS)
    assert reason(world) == "LoadFailed" and truth(world, "Available") == "False"
    good = world.register()
    world.point("challenger", good)
    await world.sim.until(world.serves(good), HOURS)


async def test_a_slow_version_is_given_up_after_the_load_timeout() -> None:
    world = RolloutWorld()
    one = await serving_one(world)
    world.point("challenger", world.register(Model(load_seconds=9999)))
    await world.sim.until(lambda: truth(world, "CandidateRejected") == "True" and world.serves(one)(), HOURS)
    assert "loadTimeout 5m" in world.status["rejected"]["message"]


async def test_edited_steps_start_the_rollout_again_from_weight_zero_without_a_second_load() -> None:
    world = RolloutWorld()
    await serving_one(world)
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(world.at("Stepping", 1), HOURS)
    uid = {r: d["metadata"]["uid"] for r, d in world.fleets().items()}
    world.edit_spec(lambda spec: spec["rollout"]["steps"][1]["weight"].update(percent=20))
    await world.sim.until(world.at("Stepping", 0), HOURS)
    assert {r: d["metadata"]["uid"] for r, d in world.fleets().items()} == uid, "no pod was loaded twice"
    await world.sim.until(world.serves(two), HOURS)
    assert [line["outcome"] for line in world.status["history"]] == ["Promoted", "Superseded", "Promoted"]


async def test_going_back_to_the_stable_version_cancels_the_rollout() -> None:
    world = RolloutWorld()
    one = await serving_one(world)
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.until(world.at("Stepping", 2), HOURS)
    world.point("challenger", one)
    await world.sim.until(world.serves(one), HOURS)
    assert world.status["history"][0]["reason"] == "Cancelled"
    assert "rejected" not in world.status


@pytest.mark.parametrize(
    ("supersede", "outcomes"),
    first_fast([("Queue", ["Promoted"] * 3), ("Replace", ["Promoted", "Superseded", "Promoted"])]),
)
async def test_a_newer_version_waits_or_replaces(supersede: str, outcomes: list[str]) -> None:
    world = RolloutWorld()
    await serving_one(world, supersede=supersede)
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.until(world.at("Stepping", 1), HOURS)
    three = world.register(Model(loss=-0.14))
    world.point("challenger", three)
    await world.sim.until(world.serves(three), HOURS)
    assert [line["outcome"] for line in world.status["history"]] == outcomes


@pytest.mark.thorough
async def test_a_registry_that_is_down_delays_the_alias_and_nothing_else() -> None:
    world = RolloutWorld()
    await serving_one(world)
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(world.at("Soaking"), HOURS)
    world.registry.down = "connection refused"
    await world.sim.until(world.at("Promoting"), HOURS)
    await world.sim.pass_time(timedelta(minutes=30))
    assert world.history[-1] == {world.status["stable"]["revision"]: 100}
    assert truth(world, "Ready") == "True" and len(world.fleets()) == 1
    world.registry.down = None
    await world.sim.until(world.serves(two), HOURS)
    assert world.registry.aliases[REGISTERED, "champion"] == two


@pytest.mark.parametrize(
    ("state", "step"), first_fast([("Loading", None), ("Stepping", 0), ("Stepping", 1), ("Soaking", None)])
)
async def test_a_lost_status_is_rebuilt_from_what_lives(state: str, step: int | None) -> None:
    world = RolloutWorld()
    await serving_one(world)
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(world.at(state, step), HOURS)
    uids = {d["metadata"]["uid"] for d in world.fleets().values()}
    world.lose_status()
    await world.sim.settle()
    assert truth(world, "Available") == "True"
    await world.sim.until(world.serves(two), HOURS)
    assert {d["metadata"]["uid"] for d in world.fleets().values()} <= uids, "nothing was loaded a second time"
    assert world.registry.aliases[REGISTERED, "champion"] == two


async def test_a_lost_status_does_not_deploy_again_what_was_refused() -> None:
    world = RolloutWorld()
    one = await serving_one(world)
    world.point("challenger", world.register(Model(loss=0.1)))
    await world.sim.until(lambda: truth(world, "CandidateRejected") == "True" and world.serves(one)(), HOURS)
    world.lose_status()
    await world.sim.pass_time(timedelta(hours=1))
    assert world.serves(one)() and truth(world, "CandidateRejected") == "True"
    assert "history" not in world.status or len(world.status["history"]) <= 1


async def test_no_traffic_holds_and_says_so() -> None:
    world = RolloutWorld(requests_per_second=0.0)
    await serving_one(world)
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.until(lambda: reason(world) == "NoTraffic", HOURS)
    assert truth(world, "Ready") == "True"
    await world.sim.pass_time(timedelta(minutes=20))
    assert world.at("Stepping", 0)() and truth(world, "CandidateRejected") == "False"


async def test_too_little_traffic_is_called_unreachable_long_before_the_end() -> None:
    world = RolloutWorld(requests_per_second=0.1)
    await serving_one(world)
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.until(lambda: reason(world, "GatesReachable") == "UnreachableGate", timedelta(minutes=20))


async def test_a_judge_that_cannot_be_read_holds() -> None:
    world = RolloutWorld(judge_down="connection refused")
    await serving_one(world)
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(world.at("Stepping", 0), HOURS)
    await world.sim.pass_time(timedelta(minutes=20))
    assert world.at("Stepping", 0)()
    assert {g["verdict"] for g in world.status["gates"] if g["name"] == "quality"} == {"Error"}
    world.judge_down = None
    await world.sim.until(world.serves(two), HOURS)


async def test_equal_evidence_at_the_end_of_the_time_aborts_as_undecided() -> None:
    world = RolloutWorld(noise=0.3)
    one = await serving_one(world)
    world.point("challenger", world.register(Model(loss=0.02)))
    await world.sim.until(lambda: truth(world, "CandidateRejected") == "True" and world.serves(one)(), HOURS)
    assert world.status["rejected"]["reason"] == "UndecidedAtMaxDuration"


@pytest.mark.thorough
async def test_a_paused_rollout_holds_its_step_and_goes_on_later() -> None:
    world = RolloutWorld()
    await serving_one(world)
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(world.at("Stepping", 1), HOURS)
    world.edit_spec(lambda spec: spec["rollout"].update(paused=True))
    await world.sim.pass_time(timedelta(hours=1))
    assert world.at("Stepping", 1)() and reason(world) == "Paused"
    world.edit_spec(lambda spec: spec["rollout"].update(paused=False))
    await world.sim.until(world.serves(two), HOURS)


async def test_a_new_version_that_dies_in_the_soak_gives_everything_back() -> None:
    world = RolloutWorld()
    one = await serving_one(world)
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.until(world.at("Soaking"), HOURS)
    revision = world.status["stable"]["revision"]
    fleet = world.fleets()[revision]
    world.unready.add(revision)
    world._crashed_pod(fleet, Failure(reason="OutOfMemory", message="killed"))
    await world.sim.until(world.serves(one), HOURS)
    assert world.status["rejected"]["reason"] == "OutOfMemory"
    assert world.registry.aliases[REGISTERED, "champion"] == one


async def test_a_pinned_version_that_fails_stalls_as_rolled_back() -> None:
    world = RolloutWorld()
    one = await serving_one(world)
    two = world.register(Model(loss=0.1))

    def pin(spec: JsonObject) -> None:
        spec["model"] = {"registered": {"name": "flights", "version": two}}

    world.edit_spec(pin)
    await world.sim.until(lambda: reason(world) == "RolledBack" and world.serves(one)(), HOURS)
    assert truth(world, "Stalled") == "True" and truth(world, "Available") == "True"


async def test_a_quiet_deployment_writes_nothing() -> None:
    world = RolloutWorld()
    await serving_one(world)
    await world.sim.pass_time(timedelta(minutes=1))
    before = len(world.sim.kube.writes)
    await world.sim.pass_time(timedelta(hours=1))
    assert len(world.sim.kube.writes) == before
