"""What the registry is told, what it says happened, and what it remembers when status was lost. Pure.

Exactly once: a version is looked for by its key before one is made; of two, the lower counts. The outcome stands on
the final run only after everything else is done, so an outcome found there may be believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from bucle.contracts import names, registry_tags
from bucle.contracts.canonical import canonical_json
from bucle.contracts.reasons import ends_unregistered
from bucle.contracts.result import Estimate
from bucle.engine.plan import Effect
from bucle.engine.reads import Absent, Known
from bucle.externals.registry.values import (
    CloseOpenRuns,
    CloseRun,
    EnsureRun,
    ModelVersion,
    RegisterVersion,
    Run,
    SetAlias,
    pairs,
)
from bucle.kinds.experiment.identity import final_key, model_name, tracking_name, trial_key
from bucle.kinds.experiment.state import Final, FinalState, Inputs, Judged, Model, State, Stopped, Trial, TrialState
from bucle.kinds.experiment.world import World

EFFECTS_PER_RUN = 20
"""An effect may take 10 s and the lease must not end meanwhile; the rest follows in the next run."""


def remembered(world: World, inputs: Inputs) -> tuple[Judged, Inputs] | None:
    """The outcome of this very run as the registry tells it, when status knows nothing of it (any more), and what it
    was learned from: the Dataset may hold other data by now."""
    versions, runs = world.registry.versions, world.registry.runs
    if isinstance(versions, Known) and versions.value:
        return _of_version(versions.value[0]), _learned_from(world, inputs, versions.value[0])
    if not isinstance(runs, Known):
        return None
    for run in runs.value:
        outcome = run.tag(registry_tags.TAG_OUTCOME)
        if outcome is not None and ends_unregistered(outcome):
            state = FinalState.KEPT if outcome == "NotRegistered" else FinalState.REFUSED
            told = f"recorded on MLflow run {run.run_id}"
            return _recorded(state, outcome, told, run_id=run.run_id), _learned_from(world, inputs, run)
    return None


def owed(obj: Mapping[str, Any]) -> tuple[Effect, ...]:
    """What an Experiment that is deleted in the middle leaves: its open runs. One that told all of it leaves nothing."""
    status, metadata = obj.get("status") or {}, obj["metadata"]
    key = (status.get("inputs") or {}).get("registrationKey")
    if key is None or (status.get("final") or {}).get("runId") is not None:
        return ()
    return (CloseOpenRuns(f"{metadata['namespace']}/{metadata['name']}", key),)


def left_open(world: World) -> tuple[Effect, ...]:
    """Runs of an earlier `run` that its status still names: nobody else will ever end them."""
    runs = world.registry.runs
    if not isinstance(runs, Known):
        return ()
    return tuple(CloseRun(run.run_id, "KILLED") for run in runs.value if run.open)[:EFFECTS_PER_RUN]


def _learned_from(world: World, inputs: Inputs, recorded: ModelVersion | Run) -> Inputs:
    name, digest = recorded.tag(registry_tags.TAG_DATASET_NAME), recorded.tag(registry_tags.TAG_DATASET_DIGEST)
    if not name or not digest or digest == inputs.dataset_digest:
        return inputs
    location = names.dataset_location(world.platform.store_uri, world.owner.namespace, name, digest)
    return replace(inputs, dataset=name, dataset_digest=digest, dataset_location=location, split_digests=None)


def _of_version(version: ModelVersion) -> Judged:
    told = "recorded on the registered version"
    return replace(
        _recorded(FinalState.PASSED, "GatesPassed", told), estimate=_estimate_of(version), model=_model(version)
    )


def _estimate_of(version: ModelVersion) -> Estimate | None:
    """The reference that was written when the version was made; none where a hand has changed the tag since."""
    try:
        return Estimate.model_validate_json(version.tag(registry_tags.TAG_REFERENCE) or "{}")
    except ValueError:
        return None


def _recorded(state: FinalState, reason: str, message: str, run_id: str | None = None) -> Judged:
    return Judged(
        state=state,
        fit=None,
        reason=reason,
        message=message,
        metrics={},
        question=None,
        estimate=None,
        model=None,
        run_id=run_id,
        finished_at=None,
    )


def seen(world: World, state: State, inputs: Inputs) -> State:
    """The state with what the registry shows: run ids, the version, and that all is told."""
    runs = world.registry.runs
    if not isinstance(runs, Known):
        return state
    by_key = {run.tag(registry_tags.TAG_KEY): run for run in reversed(runs.value)}
    rows = tuple(_with_run(row, by_key.get(trial_key(inputs, row.index))) for row in state.trials)
    final = state.final
    if isinstance(final, Judged):
        final = _registered(world, final) if final.state is FinalState.PASSED else final
        run = by_key.get(final_key(inputs))
        every = [by_key.get(trial_key(inputs, row.index)) for row in rows]
        closed = all(found is not None and not found.open for found in every)
        if final.decided and closed and run is not None and _told(run):
            final = replace(final, run_id=run.run_id)
    return replace(state, trials=rows, final=final)


def effects(world: World, state: State, inputs: Inputs) -> tuple[Effect, ...]:
    """What the registry must be told now, a bounded part at a time; nothing while it cannot be asked."""
    runs = world.registry.runs
    if not isinstance(runs, Known):
        return ()
    by_key = {run.tag(registry_tags.TAG_KEY): run for run in reversed(runs.value)}
    return tuple(islice(_effects(world, state, inputs, by_key), EFFECTS_PER_RUN))


def _effects(world: World, state: State, inputs: Inputs, by_key: dict[str | None, Run]) -> Iterator[Effect]:
    metric = world.experiment.spec.objective.metric
    for row in state.trials:
        run = by_key.get(trial_key(inputs, row.index))
        if run is None:
            yield _run(world, inputs, trial_key(inputs, row.index), f"t{row.index}")
        elif not row.open and (run.open or run.status == "KILLED"):
            # Killed: a namesake of this very run was deleted and left it, and this one has its outcome after all.
            yield _closed_trial(run, row, metric)
    final = state.final
    if final is None:
        return
    run = by_key.get(final_key(inputs))
    if isinstance(final, Judged) and final.fit is None and not final.decided:
        yield from _registering(world, final, inputs, None)
    elif isinstance(final, Stopped) and final.fit is None:
        return
    elif run is None:
        yield _run(world, inputs, final_key(inputs), "final")
    else:
        yield from _of_final(world, final, inputs, run)


def _of_final(world: World, final: Final, inputs: Inputs, run: Run) -> Iterator[Effect]:
    match final:
        case Judged() if not final.decided:
            yield from _registering(world, final, inputs, run)
        case Judged() if not _told(run):
            yield _closed_final(run, final)
        case Stopped() if run.open:
            yield CloseRun(run.run_id, "FAILED")


def _told(run: Run) -> bool:
    return not run.open and run.tag(registry_tags.TAG_OUTCOME) is not None


def _with_run(row: Trial, run: Run | None) -> Trial:
    return replace(row, run_id=run.run_id) if run is not None and row.run_id is None else row


def _model(version: ModelVersion) -> Model:
    return Model(version.model, version.version, version.source, version.tag(registry_tags.TAG_MODEL_DIGEST))


def _registered(world: World, final: Judged) -> Judged:
    versions, alias = world.registry.versions, world.registry.alias
    if not isinstance(versions, Known) or not versions.value:
        return final
    version = versions.value[0]
    known = replace(final, model=_model(version))
    if isinstance(alias, Known) and alias.value.version >= version.version:
        return replace(known, state=FinalState.REGISTERED, reason="Registered", message=_named(version))
    return known


def _named(version: ModelVersion) -> str:
    return f"{version.model} version {version.version}"


def _registering(world: World, final: Judged, inputs: Inputs, run: Run | None) -> Iterator[Effect]:
    versions, register, model = world.registry.versions, world.experiment.spec.register_, model_name(world.experiment)
    if not isinstance(versions, Known) or register is None or model is None or final.model is None:
        return
    if versions.value:
        version, alias = versions.value[0], world.registry.alias
        if isinstance(alias, Known | Absent):
            there = alias.value.version if isinstance(alias, Known) else None
            yield SetAlias(model, register.alias, version.version, version.digest, instead_of=there)
    elif run is not None:
        yield RegisterVersion(
            model=model,
            source=final.model.uri,
            key=inputs.registration_key,
            run_id=run.run_id,
            tags=pairs(_version_tags(world, final, final.model, inputs)),
        )


def _version_tags(world: World, final: Judged, model: Model, inputs: Inputs) -> dict[str, str]:
    """What is not known has no tag: a reader takes an empty one for a fact."""
    return {
        registry_tags.TAG_OWNER: f"{world.owner.namespace}/{world.owner.name}",
        registry_tags.TAG_DATASET_NAME: inputs.dataset,
        registry_tags.TAG_DATASET_DIGEST: inputs.dataset_digest,
        registry_tags.TAG_SPEC_HASH: inputs.spec_hash,
        **({registry_tags.TAG_MODEL_DIGEST: model.digest} if model.digest is not None else {}),
        **(
            {registry_tags.TAG_REFERENCE: canonical_json(final.estimate.as_json())}
            if final.estimate is not None
            else {}
        ),
        **({registry_tags.TAG_QUESTION: final.question} if final.question else {}),
    }


def _run(world: World, inputs: Inputs, key: str, name: str) -> EnsureRun:
    tags = {
        registry_tags.TAG_OWNER: inputs.registration_key,
        registry_tags.TAG_DATASET_NAME: inputs.dataset,
        registry_tags.TAG_DATASET_DIGEST: inputs.dataset_digest,
        registry_tags.TAG_SPEC_HASH: inputs.spec_hash,
    }
    return EnsureRun(tracking_name(world.experiment), key=key, name=name, tags=pairs(tags))


def _closed_trial(run: Run, row: Trial, metric: str) -> CloseRun:
    good = row.state is TrialState.SUCCEEDED and row.value is not None
    return CloseRun(
        run.run_id,
        "FINISHED" if good else "FAILED",
        params=pairs(dict(row.params)),
        metrics=((metric, row.value),) if good and row.value is not None else (),
        tags=((registry_tags.TAG_TRIAL, str(row.index)), (registry_tags.TAG_REASON, row.reason or row.state)),
    )


def _closed_final(run: Run, final: Judged) -> CloseRun:
    tags = {registry_tags.TAG_OUTCOME: final.reason}
    if final.model is not None and final.model.digest is not None:
        tags[registry_tags.TAG_MODEL_DIGEST] = final.model.digest
    metrics = dict(final.metrics)
    if final.estimate is not None:
        metrics["out_of_fold"] = final.estimate.value
    params = dict(final.fit.params) if final.fit is not None else {}
    return CloseRun(run.run_id, "FINISHED", params=pairs(params), metrics=pairs(metrics), tags=pairs(tags))
