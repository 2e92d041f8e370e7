"""What a registry does to a rollout: restored, forgetful, edited by hand, shared by two deployments."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.support.tiers import first_fast
from tests.support.worlds.rollout import REGISTERED, Model, RolloutWorld, owned
from tests.support.worlds.serving import (
    HOURS,
    MINUTES,
    SOAK,
    STEPS,
    message,
    reason,
    serving_one,
    truth,
    world_of,
)

from bucle.contracts import registry_tags
from bucle.contracts.canonical import digest as digest_of


def restore_backup(world: RolloutWorld, versions: int) -> None:
    """MLflow as it was when it had so many versions."""
    kept = {key: value for key, value in world.registry.versions.items() if key[1] <= versions}
    world.registry.versions = kept
    world.registry.aliases = {key: v for key, v in world.registry.aliases.items() if v <= versions}


def foreign(world: RolloutWorld) -> int:
    """A model that nobody loaded, registered under the number that ours had."""
    digest = digest_of("another model")
    world.models[digest] = Model()
    return world.registry.add(REGISTERED, "s3://bucle/mlflow/other", {registry_tags.TAG_MODEL_DIGEST: digest})


async def test_a_restored_registry_gives_our_number_to_another_model_which_never_becomes_champion() -> None:
    world = world_of()
    one = await serving_one(world, steps=[])
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(world.at("Soaking"), HOURS)
    restore_backup(world, one)
    assert foreign(world) == two
    await world.sim.until(lambda: "rollout" not in world.status, timedelta(minutes=10))
    await world.sim.pass_time(timedelta(minutes=5))
    assert world.registry.aliases[REGISTERED, "champion"] == one
    assert not any(key.startswith(registry_tags.TAG_PROMOTED_AT) for key in world.registry.tags(REGISTERED, two))
    assert reason(world, "AliasInPlace") == "ModelNotRegistered" and "no version with that digest" in message(
        world, "AliasInPlace"
    )


async def test_a_lost_version_that_is_registered_again_gets_its_alias_under_its_new_number() -> None:
    world = world_of()
    one = await serving_one(world, steps=[])
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(world.at("Soaking"), HOURS)
    ours = world.registry.versions[REGISTERED, two]
    restore_backup(world, one)
    foreign(world)
    await world.sim.until(lambda: reason(world, "AliasInPlace") == "ModelNotRegistered", timedelta(minutes=10))
    three = world.registry.add(REGISTERED, ours.source, dict(ours.tags))
    await world.sim.until(lambda: world.registry.aliases[REGISTERED, "champion"] == three, MINUTES)
    assert owned(registry_tags.TAG_PROMOTED_AT) in world.registry.tags(REGISTERED, three)


async def test_a_promotion_that_the_registry_cannot_be_told_keeps_nobody_from_pinning_the_former_version() -> None:
    world = world_of()
    one = await serving_one(world, steps=[])
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.until(world.at("Soaking"), HOURS)
    world.registry.down = "connection refused"
    await world.sim.until(world.at("Promoting"), HOURS)
    world.edit_spec(lambda spec: spec.update(model={"registered": {"name": "flights", "version": one}}))
    await world.sim.until(lambda: world.status["stable"]["model"]["version"] == one, timedelta(minutes=10))


async def test_a_promotion_is_over_when_promote_is_removed() -> None:
    world = world_of()
    await serving_one(world, steps=[])
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    await world.sim.until(world.at("Soaking"), HOURS)
    world.registry.fails_next = 10_000
    await world.sim.until(world.at("Promoting"), HOURS)
    world.edit_spec(lambda spec: spec.pop("promote"))
    world.registry.fails_next = 0
    await world.sim.until(world.serves(two), timedelta(minutes=10))
    assert world.registry.aliases[REGISTERED, "champion"] != two


async def test_a_champion_alias_deleted_by_hand_is_told_and_set_again() -> None:
    world = world_of()
    one = await serving_one(world)
    del world.registry.aliases[REGISTERED, "champion"]
    await world.sim.until(lambda: world.registry.aliases.get((REGISTERED, "champion")) == one, MINUTES)
    assert any(why == "AliasMissing" for _, why, _ in world.sim.events()) or truth(world, "AliasInPlace") == "True"


async def test_an_alias_that_somebody_else_moves_is_told_and_not_fought_over() -> None:
    world = world_of()
    await serving_one(world)
    other = world.register()
    world.point("champion", other)
    await world.sim.until(lambda: reason(world, "AliasInPlace") == "AliasMovedByOther", MINUTES)
    before = len(world.registry.effects)
    await world.sim.pass_time(timedelta(minutes=30))
    assert world.registry.aliases[REGISTERED, "champion"] == other and len(world.registry.effects) == before


@pytest.mark.thorough
async def test_two_deployments_keep_their_facts_about_one_version_side_by_side() -> None:
    world = world_of()
    one = await serving_one(world)
    staging = world.manifest(steps=STEPS, soak=SOAK)
    staging["metadata"] = {"name": "staging"}
    world.sim.create(staging)
    await world.sim.pass_time(timedelta(minutes=5))
    before = len(world.registry.effects)
    await world.sim.pass_time(timedelta(minutes=10))
    assert len(world.registry.effects) == before, "nobody overwrites the other"
    assert owned(registry_tags.TAG_PROMOTED_AT) in world.registry.tags(REGISTERED, one)


@pytest.mark.parametrize(
    ("key", "value"),
    first_fast(
        [
            (registry_tags.TAG_MODEL_DIGEST, "latest"),
            (registry_tags.TAG_MODEL_DIGEST, "sha256:" + "x" * 64),
            (owned(registry_tags.TAG_REJECTED), "[" * 2000),
            (owned(registry_tags.TAG_REJECTED), '{"planHash": 1, "attempt": true}'),
            (owned(registry_tags.TAG_PROMOTED_AT), "yesterday"),
            (owned(registry_tags.TAG_PROMOTED_AT), "2025-01-01T00:00:00"),
        ]
    ),
)
async def test_a_tag_written_by_hand_makes_no_object_invalid(key: str, value: str) -> None:
    world = world_of()
    one = await serving_one(world)
    two = world.register(Model(loss=-0.07), {key: value})
    world.point("challenger", two)
    world.point("champion", two)
    await world.sim.pass_time(timedelta(minutes=3))
    assert not {c["reason"] for c in world.status["conditions"]} & {"SpecInvalid", "InternalError"}
    assert world.status["stable"]["model"]["version"] in (one, two)
    if key == registry_tags.TAG_MODEL_DIGEST:
        assert "with a sha256 digest" in message(world) and not {"candidate", "rejected"} & world.status.keys()
