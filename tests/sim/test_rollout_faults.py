"""Rollouts in trouble that is not the candidate's, or that nobody may hide: each story is named after what a user sees.

What keeps a step from advancing never keeps it from condemning; who is dead answers nobody; every edit has an effect.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.fakes import drivers
from tests.fakes.rollout_world import NAME, REGISTERED, Model, RolloutWorld, owned
from tests.fakes.simulation import NAMESPACE

from bucle.contracts import names
from bucle.contracts.canonical import digest as digest_of
from bucle.contracts.result import Failure
from bucle.engine.kube import Forbidden
from bucle.engine.objects import DEPLOYMENT, POD, POD_DISRUPTION_BUDGET, SERVICE, JsonObject
from bucle.resources.addresses import MODEL_DEPLOYMENT

HOURS = timedelta(hours=1)
MINUTES = timedelta(minutes=5)
SHORT = {"samples": 1000, "minDuration": "10s", "maxDuration": "10m"}
LONG = {"samples": 1_000_000, "minDuration": "10s", "maxDuration": "720h"}
STEPS = [
    {"shadow": {"percent": 100, "until": SHORT, "gates": ["quality"]}},
    {"weight": {"percent": 50, "until": SHORT, "gates": ["errors"]}},
]
SOAK = {"duration": "20s", "gates": ["errors"]}
HALF_FOR_LONG = [STEPS[0], {"weight": {"percent": 50, "until": LONG, "gates": ["errors"]}}]


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


def truth(world: RolloutWorld, type_: str) -> str | None:
    return world.sim.condition(MODEL_DEPLOYMENT, NAME, type_)


def message(world: RolloutWorld, type_: str = "Ready") -> str:
    return next(str(c["message"]) for c in world.status["conditions"] if c["type"] == type_)


def share_of(world: RolloutWorld, revision: str) -> int:
    return world.history[-1].get(revision, 0)


def stable(world: RolloutWorld) -> str:
    return str(world.status["stable"]["revision"])


def candidate(world: RolloutWorld) -> str:
    return str(world.status["candidate"]["revision"])


def misbehave(world: RolloutWorld, errors: float) -> None:
    world.models[world.status["candidate"]["model"]["digest"]] = Model(errors=errors)


async def at_half(world: RolloutWorld, steps: list[JsonObject] = HALF_FOR_LONG) -> tuple[int, str, str]:
    """Version 1 and a candidate answer half of the callers each, for as long as nobody decides."""
    one = await serving_one(world, steps=steps)
    first = stable(world)
    world.point("challenger", world.register(Model(loss=-0.07)))
    await world.sim.until(lambda: world.history[-1].get(first) == 50, HOURS)
    await world.sim.pass_time(timedelta(seconds=30))
    return one, first, candidate(world)


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


def stable_fleet(world: RolloutWorld, revision: str, ready: int) -> None:
    """So many pods of that revision are ready from now on."""
    world.ready_pods[revision] = ready


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


def restore_backup(world: RolloutWorld, versions: int) -> None:
    """MLflow as it was when it had so many versions."""
    kept = {key: value for key, value in world.registry.versions.items() if key[1] <= versions}
    world.registry.versions = kept
    world.registry.aliases = {key: v for key, v in world.registry.aliases.items() if v <= versions}


def foreign(world: RolloutWorld) -> int:
    """A model that nobody loaded, registered under the number that ours had."""
    digest = digest_of("another model")
    world.models[digest] = Model()
    return world.registry.add(REGISTERED, "s3://bucle/mlflow/other", {names.TAG_MODEL_DIGEST: digest})


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
    assert not any(key.startswith(names.TAG_PROMOTED_AT) for key in world.registry.tags(REGISTERED, two))
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
    assert owned(names.TAG_PROMOTED_AT) in world.registry.tags(REGISTERED, three)


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


async def test_two_deployments_keep_their_facts_about_one_version_side_by_side() -> None:
    world = world_of()
    one = await serving_one(world)
    staging = world.manifest(steps=STEPS, soak=SOAK)
    staging["metadata"] = {"name": "staging"}
    world.sim.create(staging)
    await world.sim.pass_time(timedelta(minutes=5))
    before = len(world.registry.effects)
    await world.sim.pass_time(timedelta(minutes=30))
    assert len(world.registry.effects) == before, "nobody overwrites the other"
    assert owned(names.TAG_PROMOTED_AT) in world.registry.tags(REGISTERED, one)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (names.TAG_MODEL_DIGEST, "latest"),
        (names.TAG_MODEL_DIGEST, "sha256:" + "x" * 64),
        (owned(names.TAG_REJECTED), "[" * 2000),
        (owned(names.TAG_REJECTED), '{"planHash": 1, "attempt": true}'),
        (owned(names.TAG_PROMOTED_AT), "yesterday"),
        (owned(names.TAG_PROMOTED_AT), "2025-01-01T00:00:00"),
    ],
)
async def test_a_tag_written_by_hand_makes_no_object_invalid(key: str, value: str) -> None:
    world = world_of()
    one = await serving_one(world)
    two = world.register(Model(loss=-0.07), {key: value})
    world.point("challenger", two)
    world.point("champion", two)
    await world.sim.pass_time(timedelta(minutes=3))
    assert reason(world) not in ("SpecInvalid", "InternalError")
    assert world.status["stable"]["model"]["version"] in (one, two)


# --- what is not the model's fault ---------------------------------------------------------------------------

WEBHOOK = 'admission webhook "policy.example.com" denied the request: no privileged namespaces'
QUOTA = 'pods "flights-r" is forbidden: exceeded quota: team, requested: cpu=1, used: cpu=4, limited: cpu=4'


@pytest.mark.parametrize("words", [WEBHOOK, QUOTA])
async def test_pods_that_are_refused_are_told_at_once_and_condemn_no_version(words: str) -> None:
    world = world_of()
    one = await serving_one(world)
    two = world.register(Model(loss=-0.07))
    world.point("challenger", two)
    world.refused_pods = words
    await world.sim.until(lambda: "candidate" in world.status, MINUTES)
    await world.sim.pass_time(timedelta(minutes=1))
    assert reason(world) == "PodsRefused" and words in message(world) and truth(world, "Ready") == "True"
    await world.sim.pass_time(timedelta(hours=2))
    assert "rejected" not in world.status and world.status["stable"]["model"]["version"] == one
    world.refused_pods = None
    await world.sim.until(world.serves(two), HOURS)


async def test_a_refused_deployment_stops_the_clock_of_the_model() -> None:
    world = world_of()
    one = await serving_one(world)
    second = world.register(Model(loss=-0.07))
    world.point("challenger", second)
    world.sim.kube.fail("create", Forbidden(WEBHOOK), resource=DEPLOYMENT, times=1_000_000)
    await world.sim.pass_time(timedelta(minutes=1))
    assert "policy.example.com" in message(world) and truth(world, "Ready") == "True"
    await world.sim.pass_time(timedelta(hours=1))
    assert "rejected" not in world.status and world.status["stable"]["model"]["version"] == one
    world.sim.kube.mend()
    await world.sim.until(world.serves(second), HOURS)


async def test_fewer_pods_than_wanted_are_told_in_the_api_servers_words_while_the_version_serves() -> None:
    world = world_of()
    await serving_one(world)
    limit = 'pods "flights-r1" is forbidden: maximum cpu usage per Container is 1, but limit is 2'
    stable_fleet(world, stable(world), ready=1)
    world.refused_pods = limit
    await world.sim.pass_time(timedelta(minutes=1))
    assert (truth(world, "Ready"), truth(world, "Reconciling")) == ("True", "True")
    assert limit in message(world) and "1 of 2 pods" in message(world)


async def test_an_image_that_cannot_be_pulled_writes_the_status_once() -> None:
    """A kubelet says ErrImagePull and ImagePullBackOff in turn, in other words each time."""
    world = world_of()
    await serving_one(world)
    world.point("challenger", world.register(Model(load_seconds=0, failure=Failure(reason="unused", message=""))))
    await world.sim.until(lambda: bool(world.sim.kube.all(POD)), HOURS)
    written = statuses(world)
    for turn in range(60):
        for pod in world.sim.kube.all(POD):
            waiting = {"reason": ("ErrImagePull", "ImagePullBackOff")[turn % 2], "message": f"words of turn {turn}"}
            state = {"phase": "Pending", "containerStatuses": [{"state": {"waiting": waiting}, "image": "x"}]}
            drivers.set_pod_status(world.sim.kube, pod, state)
        await world.sim.pass_time(timedelta(seconds=20))
    assert reason(world) == "ImagePullFailed" and len(written) <= 3


def statuses(world: RolloutWorld) -> list[JsonObject]:
    """Every status of the deployment that is written from now on."""
    found: list[JsonObject] = []
    last = [world.status]

    def look(resource: object, obj: JsonObject, event: str) -> None:
        if resource == MODEL_DEPLOYMENT and obj["status"] != last[0]:
            last[0] = obj["status"]
            found.append(obj["status"])

    world.sim.kube.on_change.append(look)
    return found


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
    assert (reason(world), truth(world, "Ready")) == ("StateUnknown", "True")
    assert "Analysing" in message(world) and share_of(world, first) == 50 and second in world.fleets()
    assert world.status["rollout"]["state"] == "Analysing" and world.registry.aliases[REGISTERED, "champion"] == one
    world.edit_spec(lambda spec: spec["rollout"].update(attempt=1, steps=[]))
    await world.sim.until(world.serves(2), HOURS)


def _add_key(live: JsonObject) -> None:
    live["spec"]["selector"]["team"] = "nobody"


def _change_port(live: JsonObject) -> None:
    live["spec"]["ports"][0]["targetPort"] = 9999


@pytest.mark.parametrize("change", [_add_key, _change_port])
async def test_a_key_added_to_a_selector_and_a_changed_port_are_set_back(change: Callable[[JsonObject], None]) -> None:
    world = world_of()
    await serving_one(world)
    before = {s["metadata"]["name"]: s["spec"] for s in world.sim.kube.all(SERVICE)}
    for name in before:
        world.sim.edit(SERVICE, name, change)
    await world.sim.pass_time(timedelta(minutes=1))
    assert {s["metadata"]["name"]: s["spec"] for s in world.sim.kube.all(SERVICE)} == before
    writes = len(world.sim.kube.writes)
    await world.sim.pass_time(timedelta(minutes=10))
    assert len(world.sim.kube.writes) == writes, "once"


async def test_a_node_that_refuses_a_pod_is_told_and_condemns_no_version() -> None:
    world = world_of()
    one = await serving_one(world)
    world.point("challenger", world.register(Model(load_seconds=0, failure=Failure(reason="unused", message=""))))
    await world.sim.until(lambda: bool(world.sim.kube.all(POD)), HOURS)
    for pod in world.sim.kube.all(POD):
        words = {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "no device plugin"}
        drivers.set_pod_status(world.sim.kube, pod, words)
    await world.sim.pass_time(timedelta(minutes=1))
    assert reason(world) == "Disrupted" and "UnexpectedAdmissionError" in message(world)
    await world.sim.pass_time(timedelta(hours=1))
    assert "rejected" not in world.status and world.status["stable"]["model"]["version"] == one


async def test_every_fleet_and_the_router_have_a_budget_that_goes_with_them() -> None:
    world = world_of()
    one, first, second = await at_half(world)
    names_of = {b["metadata"]["name"] for b in world.sim.kube.all(POD_DISRUPTION_BUDGET)}
    assert names_of == {names.router_name(NAME), names.revision_name(NAME, first), names.revision_name(NAME, second)}
    world.point("challenger", one)
    await world.sim.until(world.serves(one), HOURS)
    await world.sim.pass_time(timedelta(minutes=1))
    left = {b["metadata"]["name"] for b in world.sim.kube.all(POD_DISRUPTION_BUDGET)}
    assert left == {names.router_name(NAME), names.revision_name(NAME, first)}


async def test_a_failing_candidate_loses_its_callers_although_the_spec_can_no_longer_be_rendered() -> None:
    """Columns that fill the task's 16 KiB: what exists is not rendered again, so its weight does not hang on it."""
    world = world_of()
    _, first, _ = await at_half(world)
    many = [f"{index:03}{'c' * 120}" for index in range(250)]
    world.edit_spec(lambda spec: spec.update(capture={"drop": many}))
    misbehave(world, 0.3)
    await world.sim.until(lambda: share_of(world, first) == 100, MINUTES)
    assert world.sim.kube.peek(DEPLOYMENT, NAMESPACE, names.revision_name(NAME, first)) is not None


async def test_an_autoscaler_on_the_pods_of_a_version_is_left_alone_and_told() -> None:
    world = world_of()
    await serving_one(world)
    name = names.revision_name(NAME, stable(world))

    def scale(live: JsonObject) -> None:
        fields = {"f:spec": {"f:replicas": {}}}
        entry = {
            "manager": "kube-controller-manager",
            "operation": "Update",
            "subresource": "scale",
            "fieldsV1": fields,
        }
        live["metadata"]["managedFields"] = [*(live["metadata"].get("managedFields") or ()), entry]
        live["spec"]["replicas"] = 3

    world.sim.edit(DEPLOYMENT, name, scale)
    await world.sim.pass_time(timedelta(minutes=1))
    before = len([w for w in world.sim.kube.writes if w.verb == "apply"])
    await world.sim.pass_time(timedelta(minutes=10))
    assert world.sim.get(DEPLOYMENT, name)["spec"]["replicas"] == 3
    assert len([w for w in world.sim.kube.writes if w.verb == "apply"]) == before
    assert truth(world, "Ready") == "True" and "scaled by somebody else" in message(world)
