"""What the registry is told, what it says happened, and what it remembers when status was lost. Pure.

Exactly once: a version is looked for by its key before one is made; of two, the lower counts. The outcome stands on
the final run only after everything else is done, so an outcome found there may be believed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice

from bucle.contracts import names
from bucle.contracts.canonical import canonical_json
from bucle.contracts.reasons import ends_unregistered
from bucle.contracts.result import Estimate
from bucle.engine.plan import Effect
from bucle.engine.reads import Absent, Known
from bucle.externals.registry.values import (
    CloseRun,
    EnsureRun,
    ModelVersion,
    RegisterVersion,
    Run,
    SetAlias,
    pairs,
)
from bucle.kinds.experiment import records
from bucle.kinds.experiment.identity import final_key, model_name, tracking_name, trial_key
from bucle.kinds.experiment.world import World
from bucle.resources.base import ModelReference
from bucle.resources.experiment_status import ExperimentStatus, Final, Inputs, Trial

EFFECTS_PER_RUN = 20
"""An effect may take 10 s and the lease must not end meanwhile; the rest follows in the next run."""


def remembered(world: World, inputs: Inputs) -> tuple[Final, Inputs] | None:
    """The outcome of this very run as the registry tells it, when status knows nothing of it (any more), and what it
    was learned from: the Dataset may hold other data by now."""
    versions, runs = world.registry.versions, world.registry.runs
    if isinstance(versions, Known) and versions.value:
        return _of_version(versions.value[0]), _learned_from(world, inputs, versions.value[0])
    if not isinstance(runs, Known):
        return None
    for run in runs.value:
        outcome = run.tag(names.TAG_OUTCOME)
        if outcome is not None and ends_unregistered(outcome):
            state = records.KEPT if outcome == "NotRegistered" else records.REFUSED
            told = f"recorded on MLflow run {run.run_id}"
            return Final(state=state, reason=outcome, message=told, run_id=run.run_id), _learned_from(
                world, inputs, run
            )
    return None


def left_open(world: World) -> tuple[Effect, ...]:
    """Runs of an earlier `run` that its status still names: nobody else will ever end them."""
    runs = world.registry.runs
    if not isinstance(runs, Known):
        return ()
    return tuple(CloseRun(run.run_id, "KILLED") for run in runs.value if run.open)[:EFFECTS_PER_RUN]


def _learned_from(world: World, inputs: Inputs, recorded: ModelVersion | Run) -> Inputs:
    name, digest = recorded.tag(names.TAG_DATASET_NAME), recorded.tag(names.TAG_DATASET_DIGEST)
    if not name or not digest or digest == inputs.dataset_digest:
        return inputs
    location = names.dataset_location(world.platform.store_uri, world.owner.namespace, name, digest)
    return inputs.model_copy(
        update={"dataset": name, "dataset_digest": digest, "dataset_location": location, "split_digests": None}
    )


def _of_version(version: ModelVersion) -> Final:
    estimate = json.loads(version.tag(names.TAG_REFERENCE) or "{}")
    return Final(
        state=records.PASSED,
        reason="GatesPassed",
        message="recorded on the registered version",
        out_of_fold_metric=estimate.get("metric"),
        out_of_fold=estimate.get("value"),
        out_of_fold_error=estimate.get("standardError"),
        out_of_fold_groups=estimate.get("groups"),
        out_of_fold_rows=estimate.get("rows"),
        model=_reference(version),
    )


def seen(world: World, status: ExperimentStatus, inputs: Inputs) -> ExperimentStatus:
    """The status with what the registry shows: run ids, the version, and that all is told."""
    runs = world.registry.runs
    if not isinstance(runs, Known):
        return status
    by_key = {run.tag(names.TAG_KEY): run for run in reversed(runs.value)}
    rows = tuple(_with_run(row, by_key.get(trial_key(inputs, row.index or 0))) for row in status.trials)
    final = status.final
    if final is not None and final.state == records.PASSED:
        final = _registered(world, final)
    if final is not None and final.state in records.DECIDED:
        run = by_key.get(final_key(inputs))
        every = [by_key.get(trial_key(inputs, row.index or 0)) for row in rows]
        if run is not None and _told(run) and all(found is not None and not found.open for found in every):
            final = final.model_copy(update={"run_id": run.run_id})
    return status.model_copy(update={"trials": rows, "final": final})


def effects(world: World, status: ExperimentStatus, inputs: Inputs) -> tuple[Effect, ...]:
    """What the registry must be told now, a bounded part at a time; nothing while it cannot be asked."""
    runs = world.registry.runs
    if not isinstance(runs, Known):
        return ()
    by_key = {run.tag(names.TAG_KEY): run for run in reversed(runs.value)}
    return tuple(islice(_effects(world, status, inputs, by_key), EFFECTS_PER_RUN))


def _effects(world: World, status: ExperimentStatus, inputs: Inputs, by_key: dict[str | None, Run]) -> Iterator[Effect]:
    metric = world.experiment.spec.objective.metric
    for row in status.trials:
        run = by_key.get(trial_key(inputs, row.index or 0))
        if run is None:
            yield _run(world, inputs, trial_key(inputs, row.index or 0), f"t{row.index}")
        elif run.open and not records.is_open(row):
            yield _closed_trial(run, row, metric)
    final = status.final
    if final is None or (final.job is None and final.state not in records.DECIDED):
        if final is not None and final.state == records.PASSED:
            yield from _registering(world, final, inputs, None)
        return
    run = by_key.get(final_key(inputs))
    if run is None:
        yield _run(world, inputs, final_key(inputs), "final")
        return
    if final.state == records.PASSED:
        yield from _registering(world, final, inputs, run)
    elif final.state in records.DECIDED and not _told(run):
        yield _closed_final(run, final)
    elif final.state == records.STOPPED and run.open:
        yield CloseRun(run.run_id, "FAILED")


def _told(run: Run) -> bool:
    return not run.open and run.tag(names.TAG_OUTCOME) is not None


def _with_run(row: Trial, run: Run | None) -> Trial:
    return row.model_copy(update={"run_id": run.run_id}) if run is not None and row.run_id is None else row


def _reference(version: ModelVersion) -> ModelReference:
    digest = version.tag(names.TAG_MODEL_DIGEST)
    return ModelReference(name=version.model, version=version.version, uri=version.source, digest=digest)


def _registered(world: World, final: Final) -> Final:
    versions, alias = world.registry.versions, world.registry.alias
    if not isinstance(versions, Known) or not versions.value:
        return final
    version = versions.value[0]
    known = final.model_copy(update={"model": _reference(version)})
    if isinstance(alias, Known) and alias.value.version >= version.version:
        return known.model_copy(
            update={"state": records.REGISTERED, "reason": "Registered", "message": _named(version)}
        )
    return known


def _named(version: ModelVersion) -> str:
    return f"{version.model} version {version.version}"


def _registering(world: World, final: Final, inputs: Inputs, run: Run | None) -> Iterator[Effect]:
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
            source=final.model.uri or "",
            key=inputs.registration_key or "",
            run_id=run.run_id,
            tags=pairs(_version_tags(world, final, inputs)),
        )


def _version_tags(world: World, final: Final, inputs: Inputs) -> dict[str, str]:
    estimate = Estimate(
        metric=final.out_of_fold_metric or world.experiment.spec.objective.metric,
        value=final.out_of_fold or "0",
        standard_error=final.out_of_fold_error or "0",
        groups=final.out_of_fold_groups or 0,
        rows=final.out_of_fold_rows or 0,
    )
    return {
        names.TAG_OWNER: f"{world.owner.namespace}/{world.owner.name}",
        names.TAG_MODEL_DIGEST: (final.model.digest if final.model else None) or "",
        names.TAG_DATASET_NAME: inputs.dataset or "",
        names.TAG_DATASET_DIGEST: inputs.dataset_digest or "",
        names.TAG_SPEC_HASH: inputs.spec_hash or "",
        names.TAG_REFERENCE: canonical_json(estimate.as_json()),
        **({names.TAG_QUESTION: final.question} if final.question else {}),
    }


def _run(world: World, inputs: Inputs, key: str, name: str) -> EnsureRun:
    tags = {
        names.TAG_OWNER: inputs.registration_key or "",
        names.TAG_DATASET_NAME: inputs.dataset or "",
        names.TAG_DATASET_DIGEST: inputs.dataset_digest or "",
        names.TAG_SPEC_HASH: inputs.spec_hash or "",
    }
    return EnsureRun(tracking_name(world.experiment), key=key, name=name, tags=pairs(tags))


def _closed_trial(run: Run, row: Trial, metric: str) -> CloseRun:
    good = row.state == records.SUCCEEDED and row.value is not None
    return CloseRun(
        run.run_id,
        "FINISHED" if good else "FAILED",
        params=pairs(dict(row.params)),
        metrics=((metric, row.value),) if good and row.value is not None else (),
        tags=((names.TAG_TRIAL, str(row.index)), (names.TAG_REASON, row.reason or "Succeeded")),
    )


def _closed_final(run: Run, final: Final) -> CloseRun:
    outcome = final.reason or "Failed"
    digest = final.model.digest if final.model else None
    tags = {names.TAG_OUTCOME: outcome, names.TAG_MODEL_DIGEST: digest or ""}
    metrics = dict(final.metrics)
    if final.out_of_fold is not None:
        metrics["out_of_fold"] = final.out_of_fold
    return CloseRun(run.run_id, "FINISHED", params=pairs(dict(final.params)), metrics=pairs(metrics), tags=pairs(tags))
