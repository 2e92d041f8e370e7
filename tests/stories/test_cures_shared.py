"""Every cure of what any kind can say: its spec, its children, the API server and systems outside of the cluster."""

from __future__ import annotations

from datetime import timedelta

from tests.support.builders.objects import a_service
from tests.support.worlds.cures import cures, is_ready, person, shown
from tests.support.worlds.dataset import only_job
from tests.support.worlds.drift import NAME as POLICY
from tests.support.worlds.drift import DriftWorld
from tests.support.worlds.experiment import played, started
from tests.support.worlds.rollout import NAME, RolloutWorld
from tests.support.worlds.serving import HOURS, serving_one
from tests.support.worlds.simulation import Simulation
from tests.support.worlds.training import FLIGHTS, LATE, data_result, finish_open_jobs, operator, with_version

from bucle.contracts import names
from bucle.engine.kube import Forbidden, Unavailable
from bucle.engine.objects import DEPLOYMENT, JOB, SERVICE, JsonObject
from bucle.engine.status import condition
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, MODEL_DEPLOYMENT, Resource

MINUTES = timedelta(minutes=5)


async def applied(manifest: JsonObject = FLIGHTS) -> Simulation:
    sim, _ = operator(datasets=True)
    sim.create(manifest)
    await sim.settle()
    return sim


async def builds(sim: Simulation) -> None:
    await sim.until(lambda: bool(sim.jobs(open_only=True)), MINUTES)
    sim.finish_job(only_job(sim), data_result())
    await sim.settle()
    assert is_ready(sim, DATASET, "flights")()


def one_served() -> tuple[RolloutWorld, int]:
    """A ModelDeployment whose model waits in the registry; not applied yet."""
    world = RolloutWorld()
    version = world.register()
    world.point("challenger", version)
    return world, version


# --- the object itself -----------------------------------------------------------------------------------------


@cures("SpecInvalid")
async def test_a_spec_of_an_older_schema_is_read_once_the_named_field_is_corrected(reason: str) -> None:
    sim = await applied()
    sim.kube.edit_under_an_older_schema(
        DATASET, sim.namespace, "flights", lambda obj: obj["spec"]["splits"].update(train="most")
    )
    await sim.settle()
    assert "splits.train" in shown(sim, DATASET, "flights", reason)
    person(sim, DATASET, "flights", reason, lambda spec: spec["splits"].update(train=70))
    await builds(sim)


@cures("TaskTooLarge")
async def test_a_task_that_is_too_long_fits_with_fewer_expectations(reason: str) -> None:
    def at_length(spec: JsonObject) -> None:
        values = [f"{number:0240}" for number in range(256)]
        allowed = {"dimension": "Accuracy", "severity": "Error", "allowed": {"column": "flight_id", "values": values}}
        spec["expectations"] = [{"name": f"known-{number}", **allowed} for number in range(20)]

    sim = await applied()
    person(sim, DATASET, "flights", reason, at_length)
    await sim.settle()
    assert "describe fewer or shorter" in shown(sim, DATASET, "flights", reason)
    person(sim, DATASET, "flights", reason, lambda spec: spec.update(expectations=spec["expectations"][:2]))
    await builds(sim)


@cures("TaskTooLarge")
async def test_a_server_whose_task_is_too_long_is_made_with_fewer_columns(reason: str) -> None:
    world, version = one_served()
    manifest = world.manifest()
    manifest["spec"]["capture"] = {"drop": [f"column-{number:0110}" for number in range(256)]}
    world.sim.create(manifest)
    await world.sim.pass_time(timedelta(seconds=10))
    assert "capture.drop" in shown(world.sim, MODEL_DEPLOYMENT, NAME, reason)
    person(world.sim, MODEL_DEPLOYMENT, NAME, reason, lambda spec: spec["capture"].update(drop=["column-1"]))
    await world.sim.until(world.serves(version), HOURS)
    assert is_ready(world.sim, MODEL_DEPLOYMENT, NAME)()


@cures("StatusUnknown")
async def test_a_build_of_another_release_goes_on_once_the_named_field_is_removed(reason: str) -> None:
    sim = await applied()
    sim.edit(DATASET, "flights", lambda obj: obj["status"]["build"].update(state="Compacting"))
    await sim.settle()
    assert "remove status.build" in shown(sim, DATASET, "flights", reason)
    sim.edit(DATASET, "flights", lambda obj: obj["status"].pop("build"))
    await builds(sim)


@cures("StatusUnknown")
async def test_a_policy_of_another_release_goes_on_once_the_named_field_is_removed(reason: str) -> None:
    world = DriftWorld()
    await world.window("0.50")
    world.sim.edit(DRIFT_POLICY, POLICY, lambda obj: obj["status"]["evaluation"].update(state="Compacting"))
    await world.sim.settle()
    told = shown(world.sim, DRIFT_POLICY, POLICY, reason)
    field = told.rpartition("remove status.")[2]
    world.sim.edit(DRIFT_POLICY, POLICY, lambda obj: obj["status"].pop(field))
    await world.sim.pass_time(MINUTES)
    assert is_ready(world.sim, DRIFT_POLICY, POLICY)()


# --- its children ----------------------------------------------------------------------------------------------


@cures("ChildRefused")
async def test_what_the_server_refused_is_made_once_it_refuses_no_longer(reason: str) -> None:
    sim, _ = operator(datasets=True)
    sim.kube.fail("create", Forbidden("exceeded quota: jobs"), resource=JOB, times=1000)
    sim.create(FLIGHTS)
    await sim.pass_time(MINUTES)
    assert "exceeded quota: jobs" in shown(sim, DATASET, "flights", reason)
    sim.kube.mend()
    await builds(sim)


@cures("NameTaken")
async def test_a_name_that_somebody_else_had_is_used_once_they_have_deleted_their_object(reason: str) -> None:
    world, version = one_served()
    world.sim.kube.put(SERVICE, a_service(NAME, "ml", {"app": "theirs"}))
    world.sim.create(world.manifest())
    await world.sim.pass_time(MINUTES)
    assert f"Service {NAME} exists" in shown(world.sim, MODEL_DEPLOYMENT, NAME, reason)
    world.sim.delete(SERVICE, NAME)
    await world.sim.until(world.serves(version), MINUTES)
    await world.sim.pass_time(timedelta(minutes=1))
    assert is_ready(world.sim, MODEL_DEPLOYMENT, NAME)()


@cures("AwaitingDeletion")
async def test_what_an_earlier_object_left_behind_is_waited_for(reason: str) -> None:
    world, version = one_served()
    leftover = a_service(NAME, "ml", {"app": "earlier"})
    reference = {
        "apiVersion": "bucle.dev/v1alpha1",
        "kind": "ModelDeployment",
        "name": NAME,
        "uid": "of-an-earlier-one",
    }
    leftover["metadata"]["ownerReferences"] = [{**reference, "controller": True}]
    world.sim.kube.put(SERVICE, leftover)
    world.sim.create(world.manifest())
    await world.sim.pass_time(timedelta(seconds=2))
    shown(world.sim, MODEL_DEPLOYMENT, NAME, reason)
    if world.sim.kube.peek(SERVICE, "ml", NAME) is not None:
        world.sim.delete(SERVICE, NAME)
    await world.sim.until(world.serves(version), MINUTES)
    await world.sim.pass_time(timedelta(minutes=1))
    assert is_ready(world.sim, MODEL_DEPLOYMENT, NAME)()


@cures("FieldContested")
async def test_a_field_is_its_deployments_again_once_nobody_else_sets_it(reason: str) -> None:
    world = RolloutWorld()
    await serving_one(world)
    sim = world.sim
    on_change = sim.kube.on_change

    def webhook(resource: Resource, obj: JsonObject, event: str) -> None:
        revision = obj["metadata"].get("labels", {}).get(names.LABEL_REVISION)
        if resource == DEPLOYMENT and event != "DELETED" and revision and obj["spec"]["replicas"] != 5:
            sim.edit(DEPLOYMENT, obj["metadata"]["name"], lambda live: live["spec"].update(replicas=5))

    on_change.append(webhook)
    (fleet,) = world.fleets().values()
    sim.edit(DEPLOYMENT, fleet["metadata"]["name"], lambda live: live["spec"].update(replicas=5))
    await sim.until(lambda: sim.reason(MODEL_DEPLOYMENT, NAME, "Contested") == reason, MINUTES)
    assert "spec.replicas" in shown(sim, MODEL_DEPLOYMENT, NAME, reason, "Contested")
    assert is_ready(sim, MODEL_DEPLOYMENT, NAME)()
    on_change.remove(webhook)
    await sim.until(lambda: condition(world.status, "Contested") is None, timedelta(hours=2))
    (fleet,) = world.fleets().values()
    assert fleet["spec"]["replicas"] == 2
    assert is_ready(sim, MODEL_DEPLOYMENT, NAME)()


@cures("FieldSetBack")
async def test_a_port_that_somebody_changed_is_the_deployments_again_and_what_is_asked_for_here_is_done(
    reason: str,
) -> None:
    world = RolloutWorld()
    await serving_one(world)
    sim = world.sim
    sim.edit(SERVICE, NAME, lambda live: live["spec"]["ports"][0].update(port=81))
    await sim.until(lambda: condition(world.status, "Contested") is not None, MINUTES)
    assert "spec.ports" in shown(sim, MODEL_DEPLOYMENT, NAME, reason, "Contested")
    assert [port["port"] for port in sim.get(SERVICE, NAME)["spec"]["ports"]] == [80]
    await sim.until(lambda: condition(world.status, "Contested") is None, timedelta(minutes=20))
    assert is_ready(sim, MODEL_DEPLOYMENT, NAME)()


# --- who is asked ----------------------------------------------------------------------------------------------


@cures("ApiUnavailable")
async def test_an_api_server_that_answers_again_is_believed_within_a_minute(reason: str) -> None:
    sim = await applied()
    sim.kube.fail("list", Unavailable("GET /jobs: forbidden"), resource=JOB, times=100_000)
    await sim.until(lambda: sim.reason(DATASET, "flights") == reason, MINUTES)
    assert "GET /jobs: forbidden" in shown(sim, DATASET, "flights", reason)
    sim.kube.mend()
    await sim.until(lambda: sim.reason(DATASET, "flights") == "Building", timedelta(minutes=1))
    await builds(sim)


@cures("EffectFailed")
async def test_a_registry_that_refuses_writes_is_told_again_until_it_takes_them(reason: str) -> None:
    sim, registry = await started()
    registry.fails_next = 1000
    finish_open_jobs(sim)
    await sim.pass_time(timedelta(minutes=1))
    assert "500 internal error" in shown(sim, EXPERIMENT, "late", reason, "Reconciling")
    registry.fails_next = 0
    await played(sim)
    await sim.until(is_ready(sim, EXPERIMENT, "late"), timedelta(minutes=10))
    shown(sim, EXPERIMENT, "late", "Registered")


@cures("EffectRefused")
async def test_an_alias_that_the_registry_never_takes_is_left_by_naming_another_and_raising_run(reason: str) -> None:
    sim, registry = await started()
    registry.reserved.add("challenger")
    await played(sim)
    assert "'challenger' alias name is reserved" in shown(sim, EXPERIMENT, "late", reason)

    def another(spec: JsonObject) -> None:
        spec["register"]["alias"] = "newest"
        spec["run"] = 1

    person(sim, EXPERIMENT, "late", reason, another)
    await played(sim)
    await sim.until(is_ready(sim, EXPERIMENT, "late"), timedelta(minutes=10))


@cures("RegistryUnavailable")
async def test_an_experiment_goes_on_when_the_registry_is_back(reason: str) -> None:
    sim, registry = operator()
    registry.down = "GET http://mlflow: connection refused"
    with_version(sim)
    sim.create(LATE)
    await sim.pass_time(timedelta(seconds=30))
    assert "connection refused" in shown(sim, EXPERIMENT, "late", reason)
    registry.down = None
    await played(sim)
    assert is_ready(sim, EXPERIMENT, "late")()


@cures("RegistryUnavailable")
async def test_a_deployment_without_a_version_goes_on_when_the_registry_is_back(reason: str) -> None:
    world, version = one_served()
    world.registry.down = "connection refused"
    world.sim.create(world.manifest())
    await world.sim.pass_time(timedelta(minutes=1))
    assert "connection refused" in shown(world.sim, MODEL_DEPLOYMENT, NAME, reason)
    world.registry.down = None
    await world.sim.until(world.serves(version), HOURS)
    await world.sim.until(is_ready(world.sim, MODEL_DEPLOYMENT, NAME), HOURS)


@cures("RegistryUnavailable")
async def test_a_policy_goes_on_when_the_registry_is_back(reason: str) -> None:
    world = DriftWorld()
    world.registry.down = "connection refused"
    await world.sim.pass_time(timedelta(minutes=1))
    assert "connection refused" in shown(world.sim, DRIFT_POLICY, POLICY, reason)
    world.registry.down = None
    await world.sim.until(is_ready(world.sim, DRIFT_POLICY, POLICY), timedelta(minutes=2))
