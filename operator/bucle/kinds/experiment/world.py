"""What an Experiment must know to decide, and how that is asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bucle.contracts.registry_tags import TAG_KEY, TAG_OWNER
from bucle.engine.objects import CONFIG_MAP, JOB, POD, JsonObject, Ref, object_ref
from bucle.engine.reads import GetObject, ListObjects, Observation, Observations, Read, Reads, Unavailable, known_or
from bucle.engine.room import Unreadable, unreadable
from bucle.externals.registry.values import ModelVersion, Run, RunsByTag, VersionByAlias, VersionsByTag
from bucle.externals.sampler.values import Suggestion
from bucle.kinds.experiment.identity import model_name, tracking_name
from bucle.kinds.experiment.search import request
from bucle.kinds.experiment.state import FinalState, Fitting, Inputs, Judged, State
from bucle.kinds.experiment.status_codec import decoded, run_of
from bucle.resources.addresses import DATASET, EXPERIMENT
from bucle.resources.documents import written
from bucle.resources.experiment import Experiment
from bucle.workloads import document, refusals
from bucle.workloads.attempt import Live, by_name
from bucle.workloads.platform import Platform
from bucle.workloads.pods import Owner


@dataclass(frozen=True)
class Registry:
    """What the registry says; None where it was not asked because nothing hangs on it at this point."""

    runs: Observation[tuple[Run, ...]] | None
    versions: Observation[tuple[ModelVersion, ...]] | None
    alias: Observation[ModelVersion] | None
    champion: Observation[ModelVersion] | None

    def outage(self) -> str | None:
        """Why the registry cannot be asked, if it cannot."""
        asked = (self.runs, self.versions, self.alias, self.champion)
        return next((answer.why for answer in asked if isinstance(answer, Unavailable)), None)


@dataclass(frozen=True)
class World:
    """`state` is what is known of this `run`: that of an earlier one is already set aside. `earlier`: there is one."""

    platform: Platform
    experiment: Experiment
    state: State
    earlier: bool
    owner: Owner
    dataset: Observation[JsonObject]
    live: Live
    documents: Mapping[str, JsonObject]
    registry: Registry
    suggestions: Observation[tuple[Suggestion, ...]] | None


def state_of_this_run(experiment: Experiment) -> State:
    """What is stored, or nothing when `run` was raised since: that is how a status that nobody understands is left too.
    Raises UnknownState."""
    inputs = experiment.status.inputs
    if inputs is None or run_of(inputs) == experiment.spec.run:
        return decoded(experiment.status)
    return State()


def refs(experiment: Experiment) -> frozenset[Ref]:
    return frozenset({object_ref(DATASET, experiment.metadata.namespace, experiment.spec.dataset.name)})


def reads(experiment: Experiment) -> Reads:
    owner = Owner.of(EXPERIMENT, experiment.metadata)
    state = state_of_this_run(experiment)
    asked: dict[str, Read] = {"dataset": GetObject(DATASET, owner.namespace, experiment.spec.dataset.name)}
    if experiment.status.inputs is not None:
        # What waits to begin has no Jobs, and many may wait for long; after a lost status nothing is decided on them.
        asked["jobs"] = ListObjects(JOB, owner.namespace, owner.selector(), owner.uid)
        asked["pods"] = ListObjects(POD, owner.namespace, owner.selector())
        asked |= refusals.reads(owner.namespace, _refused(state), "PodsRefused")
    if document.is_wide(written(experiment.spec)):
        asked["documents"] = ListObjects(CONFIG_MAP, owner.namespace, owner.selector(document.COMPONENT), owner.uid)
    earlier = experiment.status.inputs
    if state.inputs is None and earlier is not None and earlier.registration_key is not None:
        asked["runs"] = RunsByTag(tracking_name(experiment), TAG_OWNER, earlier.registration_key)
    if state.inputs is not None:
        asked |= _registry_reads(experiment, state, state.inputs)
        suggest = request(experiment, state)
        if suggest is not None:
            asked["suggestions"] = suggest
    return asked


def _refused(state: State) -> str | None:
    """The first Job that the last look said was refused its pods: the one whose words are told."""
    if isinstance(state.final, Fitting):
        return state.final.fit.job if state.final.fit.attempt.reason == "PodsRefused" else None
    return next((row.job for row in state.trials if row.open and row.reason == "PodsRefused"), None)


def _registry_reads(experiment: Experiment, state: State, inputs: Inputs) -> dict[str, Read]:
    final, model, champion = state.final, model_name(experiment), experiment.spec.champion
    if isinstance(final, Judged) and final.run_id is not None:
        return {}  # decided, and seen in the registry as decided: nothing there can change it any more
    key, passed = inputs.registration_key, isinstance(final, Judged) and final.state is FinalState.PASSED
    asked: dict[str, Read] = {"runs": RunsByTag(tracking_name(experiment), TAG_OWNER, key)}
    if model is not None and (final is None or passed):
        asked["versions"] = VersionsByTag(model, TAG_KEY, key)
    if model is not None and experiment.spec.register_ and passed:
        asked["alias"] = VersionByAlias(model, experiment.spec.register_.alias)
    if model is not None and champion is not None and final is None:
        asked["champion"] = VersionByAlias(model, champion.alias)
    return asked


def tells(obj: Mapping[str, Any]) -> Any:
    """What became of it: a policy that asked for it waits for the version."""
    final = (obj.get("status") or {}).get("final") or {}
    return [final.get("state"), final.get("model")]


def world(experiment: Experiment, observations: Observations, platform: Platform) -> World | Unreadable:
    """Nothing is decided on a half-seen cluster; what the registry and the sampler did not answer is part of the world."""
    needed = (name for name in ("dataset", "jobs", "pods") if name in observations)
    if (unseen := unreadable(observations, needed)) is not None:
        return unseen
    state = state_of_this_run(experiment)
    refused = refusals.told(_refused(state), observations)
    return World(
        platform=platform,
        experiment=experiment,
        state=state,
        earlier=state.inputs is None and experiment.status.inputs is not None,
        owner=Owner.of(EXPERIMENT, experiment.metadata),
        dataset=observations["dataset"],
        live=Live(
            by_name(known_or(observations.get("jobs"), ())), tuple(known_or(observations.get("pods"), ())), refused
        ),
        documents=by_name(known_or(observations.get("documents"), ())),
        registry=Registry(*(observations.get(name) for name in ("runs", "versions", "alias", "champion"))),
        suggestions=observations.get("suggestions"),
    )
