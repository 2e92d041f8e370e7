"""What no release before knew: each kind holds a status that it does not understand, says so, and is let go by one edit.

The fields are found in the types of the statuses, so that a new one is tried as soon as it is declared.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel
from tests.support.builders import drift_states, experiment_states, rollout_states
from tests.support.fakes.clock import FakeClock
from tests.support.fakes.registry import FakeRegistry
from tests.support.worlds import drift
from tests.support.worlds.simulation import PLATFORM, Simulation
from tests.support.worlds.training import FLIGHTS, LATE

from bucle.engine.objects import EVENT, JsonObject
from bucle.engine.reads import Observation, Unavailable
from bucle.externals.envoy.values import RouterRead
from bucle.externals.judge.values import EvidenceRead
from bucle.externals.sampler.optuna_sampler import sources as sampler_sources
from bucle.externals.servers.values import WatermarkRead
from bucle.kinds import dataset, driftpolicy, experiment, modeldeployment
from bucle.kinds.dataset.state import Build, BuildState
from bucle.kinds.dataset.state import State as DatasetState
from bucle.kinds.dataset.state import encoded as dataset_status
from bucle.kinds.driftpolicy.state import Action, ActionOutcome, Verdict, Wanted
from bucle.kinds.driftpolicy.state import State as PolicyState
from bucle.kinds.driftpolicy.status_codec import encoded as policy_status
from bucle.kinds.experiment.state import State as ExperimentState
from bucle.kinds.experiment.status_codec import encoded as experiment_status
from bucle.kinds.modeldeployment.state import Telling
from bucle.kinds.modeldeployment.status_codec import Numbers
from bucle.kinds.modeldeployment.status_codec import encode as deployment_status
from bucle.resources import KINDS
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, MODEL_DEPLOYMENT, Resource
from bucle.resources.documents import to_dict
from bucle.resources.person_status import PersonAction
from bucle.workloads.attempt import Attempt

NEW = "FromTomorrow"
ENUM_NAMES = ("state", "outcome", "verdict", "wanted")
LISTS_VALUES = re.compile(r"\b[A-Z]\w+ or [A-Z]\w+")
RESOURCES = {r.kind: r for r in (DATASET, EXPERIMENT, MODEL_DEPLOYMENT, DRIFT_POLICY)}


# --- a status of each kind with every field of a closed list in it ---------------------------------------------


def _of_a_dataset() -> JsonObject:
    build = Build("hash", "flights-data-0", "worker:1", BuildState.WAITING, Attempt(1), drift_states.THEN, None, "p")
    return to_dict(dataset_status(DatasetState(build=build)))


def _of_an_experiment() -> JsonObject:
    rows = experiment_states.trials("sr")
    state = ExperimentState(experiment_states.INPUTS, rows, None, experiment_states.JUDGED, 2)
    return to_dict(experiment_status(state, None))


def _of_a_deployment() -> JsonObject:
    state = rollout_states.state(rollout_states.PHASES["aborting"], promotion=rollout_states.promotion(Telling.WANTED))
    status = to_dict(deployment_status(state, Numbers({}, {}, 0)))
    status["gates"] = [{"name": "errors", "verdict": "Pass"}]
    status["history"] = [{"revision": "r", "outcome": "Promoted"}]
    return status


def _of_a_policy() -> JsonObject:
    state = PolicyState(
        signals=(drift_states.signal_state("performance", Verdict.HEALTHY),),
        evaluation=replace(drift_states.EVALUATION, attempt=Attempt(0)),
        action=Action(Wanted.NONE, ActionOutcome.DONE, "Healthy", "", drift_states.THEN),
        person_actions=(PersonAction(verb="mute", subject="performance", nonce="1", outcome="Done"),),
        retrain=drift_states.OPEN,
        past_retrains=(drift_states.PAST,),
    )
    status = to_dict(policy_status(state))
    window = {"of": "Labelled", "index": 0, "from": "2026-03-01T11:00:00Z", "to": "2026-03-01T12:00:00Z"}
    signals = [{"name": "performance", "verdict": "Healthy"}]
    status["history"] = [{"version": "rev1", "window": window, "verdict": "Healthy", "signals": [{**signals[0]}]}]
    status["signals"][0]["window"] = dict(window)
    status["lastEvaluation"] = {"verdict": "Healthy", "window": dict(window), "signals": signals}
    return status


STATUSES = {
    "Dataset": _of_a_dataset(),
    "Experiment": _of_an_experiment(),
    "ModelDeployment": _of_a_deployment(),
    "DriftPolicy": _of_a_policy(),
}
SPECS = {
    "Dataset": FLIGHTS["spec"],
    "Experiment": LATE["spec"],
    "ModelDeployment": drift.deployment_spec(),
    "DriftPolicy": drift.policy_spec(),
}


# --- the fields, as the types tell them ------------------------------------------------------------------------


def _models_in(annotation: Any) -> Iterator[tuple[type[BaseModel], str]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, ""
    for part in get_args(annotation):
        for model, suffix in _models_in(part):
            yield model, ("[]" if get_origin(annotation) is tuple else "") + suffix


def _closed_lists(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Paths of fields that hold one word of a closed list."""
    for name, field in model.model_fields.items():
        if name == "conditions":
            continue  # the engine's, which writes them anew
        path, parts = f"{before}{field.alias}", list(_models_in(field.annotation))
        if not parts and (name in ENUM_NAMES or LISTS_VALUES.search(field.description or "")):
            yield path
        for part, suffix in parts:
            yield from _closed_lists(part, f"{path}{suffix}.")


CASES = [
    (kind, path)
    for kind in STATUSES
    for path in _closed_lists(KINDS[kind].model_fields["status"].annotation)  # type: ignore[arg-type]
]


def _replaced(status: JsonObject, path: str) -> JsonObject:
    changed: JsonObject = {**copy.deepcopy(status), "observedGeneration": 1}
    changed.pop("conditions", None)
    holder: Any = changed
    *parents, last = path.split(".")
    for key in parents:
        holder = holder[key.removesuffix("[]")]
        holder = holder[0] if key.endswith("[]") else holder
    assert holder[last], f"the status above has no {path}"
    holder[last] = NEW
    return changed


def _removed(status: JsonObject, path: str) -> None:
    *parents, last = path.split(".")
    for key in parents:
        status = status[key]
    del status[last]


# --- the law ---------------------------------------------------------------------------------------------------


class _Silent:
    place = "nobody"

    async def read(self, read: object) -> Observation[Any]:
        return Unavailable("nobody answers here")


def operator_of_all() -> Simulation:
    registry, silent = FakeRegistry(FakeClock()), _Silent()
    silences = dict.fromkeys((RouterRead, EvidenceRead, WatermarkRead), silent)
    rooms = tuple(kind.room(PLATFORM) for kind in (dataset, experiment, modeldeployment, driftpolicy))
    sim = Simulation(rooms, {**registry.sources(), **sampler_sources(), **silences}, registry.executors())
    registry.clock = sim.clock
    return sim


def stored(kind: str, status: JsonObject) -> Simulation:
    """An operator that finds an object of that kind with that status."""
    sim = operator_of_all()
    sim.create({"kind": kind, "metadata": {"name": "late"}, "spec": SPECS[kind]})
    sim.edit(RESOURCES[kind], "late", lambda obj: obj.update(status=status))
    return sim


def held(sim: Simulation, resource: Resource) -> str | None:
    return sim.reason(resource, "late", "Stalled") if sim.condition(resource, "late", "Stalled") == "True" else None


def kept(sim: Simulation, resource: Resource) -> JsonObject:
    return {key: value for key, value in sim.status(resource, "late").items() if key != "conditions"}


@pytest.mark.parametrize(("kind", "path"), CASES, ids=[f"{kind}.{path}" for kind, path in CASES])
async def test_a_word_of_another_release_holds_the_object_and_removing_it_lets_it_go(kind: str, path: str) -> None:
    status = _replaced(STATUSES[kind], path)
    resource, sim = RESOURCES[kind], stored(kind, status)
    await sim.pass_time(timedelta(minutes=30))
    assert held(sim, resource) == "StatusUnknown"
    assert kept(sim, resource) == status
    written = {request.resource for request in sim.kube.writes} - {resource, EVENT}
    assert written == set(), "nothing is made of a status that nobody understands"
    message = next(c["message"] for c in sim.status(resource, "late")["conditions"] if c["type"] == "Stalled")
    assert f"status.{path} is '{NEW}'" in message
    field = message.rpartition("remove status.")[2].split(",")[0]
    sim.edit(resource, "late", lambda obj: _removed(obj["status"], field))
    await sim.pass_time(timedelta(minutes=30))
    assert held(sim, resource) != "StatusUnknown"


async def test_an_edit_of_the_spec_meanwhile_is_not_called_done() -> None:
    sim = stored("Dataset", _replaced(STATUSES["Dataset"], "build.state"))
    await sim.pass_time(timedelta(minutes=1))
    sim.edit(DATASET, "late", lambda obj: obj["spec"].update(run=5))
    await sim.pass_time(timedelta(minutes=30))
    assert held(sim, DATASET) == "StatusUnknown"
    assert sim.status(DATASET, "late")["observedGeneration"] < sim.get(DATASET, "late")["metadata"]["generation"]


async def test_what_is_held_costs_one_write() -> None:
    sim = stored("ModelDeployment", _replaced(STATUSES["ModelDeployment"], "rollout.state"))
    await sim.pass_time(timedelta(minutes=1))
    pace = await sim.pace(timedelta(hours=1))
    assert pace.writes == 0
