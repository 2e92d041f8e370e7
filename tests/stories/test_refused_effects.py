"""What another system does not take is told in its words, whatever it was told, and every such condition can be left."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.support.worlds.experiment import MODEL, played, started
from tests.support.worlds.rollout import REGISTERED, Model
from tests.support.worlds.serving import HOURS, MINUTES, message, reason, serving_one, truth, world_of
from tests.support.worlds.training import LATE, changed

from bucle.contracts import registry_tags
from bucle.contracts.canonical import digest as digest_of
from bucle.externals.registry.values import CloseRun, EnsureRun, RegisterVersion, SetAlias, TagVersion
from bucle.resources.addresses import EXPERIMENT

FORBIDDEN = "403 PERMISSION_DENIED: this user may only read"


# --- what is refused for good is told, whichever effect it is ----------------------------------------------------


async def test_touches_of_the_router_pods_that_are_forbidden_are_told_while_the_routes_wait() -> None:
    world = world_of()
    await serving_one(world)
    world.programs_after, world.touch_refused = 80, 'pods "router-0" is forbidden: cannot patch resource "pods"'
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.until(lambda: reason(world, "Reconciling") == "EffectFailed", timedelta(minutes=3))
    assert "cannot patch" in message(world, "Reconciling") and truth(world, "Ready") == "True"
    world.touch_refused = None
    await world.sim.until(lambda: reason(world, "Reconciling") != "EffectFailed", MINUTES)
    await world.sim.until(world.serves(2), HOURS)


@pytest.mark.parametrize("effect", [SetAlias, TagVersion])
async def test_a_promotion_that_the_registry_forbids_to_write_down_is_told_and_done_when_it_may(effect: type) -> None:
    world = world_of()
    await serving_one(world, steps=[])
    two = world.register(Model(loss=-0.07))
    world.registry.fails[effect] = FORBIDDEN
    world.point("challenger", two)
    await world.sim.until(lambda: reason(world, "Reconciling") == "EffectFailed", HOURS)
    assert FORBIDDEN in message(world, "Reconciling") and truth(world, "Ready") == "True"
    world.registry.fails.clear()
    await world.sim.until(lambda: world.registry.aliases[REGISTERED, "champion"] == two, timedelta(minutes=10))
    await world.sim.until(lambda: reason(world) == "Serving", MINUTES)


@pytest.mark.parametrize("effect", [EnsureRun, CloseRun, RegisterVersion, SetAlias])
async def test_an_experiment_that_the_registry_forbids_to_write_down_says_so_and_ends_when_it_may(effect: type) -> None:
    sim, registry = await started()
    registry.fails[effect] = FORBIDDEN
    await played(sim)
    assert sim.reason(EXPERIMENT, "late", "Reconciling") == "EffectFailed"
    assert FORBIDDEN in str(sim.status(EXPERIMENT, "late")["conditions"])
    registry.fails.clear()
    await sim.pass_time(timedelta(minutes=6))
    await played(sim)
    assert sim.reason(EXPERIMENT, "late") == "Registered" and registry.aliases[MODEL, "challenger"] == 1


# --- an alias that MLflow does not take --------------------------------------------------------------------------


async def test_an_alias_that_mlflow_keeps_for_itself_stalls_with_its_words_until_the_spec_names_another() -> None:
    world = world_of()
    world.registry.reserved.add("prod")
    one = world.register()
    world.point("challenger", one)
    manifest = world.manifest(steps=[])
    manifest["spec"]["promote"] = {"alias": "prod"}
    world.sim.create(manifest)
    await world.sim.until(lambda: reason(world, "Stalled") == "EffectRefused", MINUTES)
    assert (truth(world, "Stalled"), truth(world, "Ready"), truth(world, "Available")) == ("True", "True", "True")
    assert message(world, "Stalled") == "SetAlias: 'prod' alias name is reserved."
    await world.sim.pass_time(HOURS)
    assert reason(world, "Stalled") == "EffectRefused", "and it stays told"
    world.edit_spec(lambda spec: spec.update(promote={"alias": "production"}))
    await world.sim.until(lambda: truth(world, "Stalled") == "False", timedelta(minutes=1))
    assert world.registry.aliases[REGISTERED, "production"] == one
    await world.sim.until(lambda: reason(world) == "Serving", timedelta(minutes=1))


async def test_an_experiment_whose_alias_mlflow_does_not_take_stalls_until_its_next_run_names_another() -> None:
    sim, registry = await started(changed(LATE, lambda m: m["spec"]["register"].update(alias="next")))
    registry.reserved.add("next")
    await played(sim)
    assert (sim.condition(EXPERIMENT, "late", "Stalled"), sim.reason(EXPERIMENT, "late")) == ("True", "EffectRefused")
    sim.edit(
        EXPERIMENT, "late", lambda obj: obj["spec"].update(run=1, register={"model": "flights", "alias": "newest"})
    )
    await played(sim)
    assert (sim.condition(EXPERIMENT, "late", "Stalled"), sim.reason(EXPERIMENT, "late")) == ("False", "Registered")
    assert (MODEL, "newest") in registry.aliases


# --- a version number is no model --------------------------------------------------------------------------------


async def test_a_model_that_gets_our_number_between_look_and_write_is_never_called_champion() -> None:
    world = world_of()
    one = await serving_one(world, steps=[])
    two = world.register(Model(loss=-0.07))
    ours = world.registry.versions[REGISTERED, two]
    world.point("challenger", two)
    await world.sim.until(world.at("Soaking"), HOURS)

    def made_again() -> None:
        del world.registry.versions[REGISTERED, two]
        stranger = {registry_tags.TAG_MODEL_DIGEST: digest_of("a stranger")}
        assert world.registry.add(REGISTERED, "s3://elsewhere", stranger) == two

    world.registry.meanwhile.append(made_again)
    await world.sim.until(lambda: reason(world, "AliasInPlace") == "ModelNotRegistered", MINUTES)
    assert world.registry.aliases[REGISTERED, "champion"] == one
    assert not any(key.startswith(registry_tags.TAG_PROMOTED_AT) for key in world.registry.tags(REGISTERED, two))
    three = world.registry.add(REGISTERED, ours.source, dict(ours.tags))
    await world.sim.until(lambda: world.registry.aliases[REGISTERED, "champion"] == three, MINUTES)


async def test_an_alias_that_a_person_moves_between_look_and_write_stays_where_the_person_put_it() -> None:
    world = world_of()
    await serving_one(world, steps=[])
    two, three = world.register(Model(loss=-0.07)), world.register(Model())
    world.point("challenger", two)
    await world.sim.until(world.at("Soaking"), HOURS)
    world.registry.fails[TagVersion] = "not yet"
    await world.sim.until(world.at("Promoting"), HOURS)
    world.registry.fails.clear()
    world.registry.meanwhile.append(lambda: world.point("champion", three))
    await world.sim.pass_time(timedelta(minutes=10))
    assert world.registry.aliases[REGISTERED, "champion"] == three
    assert reason(world, "AliasInPlace") == "AliasMovedByOther"
