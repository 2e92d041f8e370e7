"""The one place that turns the status of an Experiment into a State and a State into a status. Pure.

A status may have been written by another release or by hand: what cannot be understood is `UnknownState`, a hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TypedDict

from bucle.contracts.result import Estimate, GroupShape
from bucle.engine.room import UnknownState, known_state, required, way_out
from bucle.kinds.experiment.state import (
    Champion,
    ComparedOn,
    Comparison,
    ComparisonState,
    ConfidenceInterval,
    Final,
    FinalState,
    Fit,
    Fitting,
    Held,
    Inputs,
    Judged,
    Model,
    State,
    Stopped,
    Trial,
    TrialState,
)
from bucle.resources import experiment_status as wire
from bucle.resources.base import Interval, ModelReference
from bucle.resources.group_shape import GroupShape as GroupShapeStatus
from bucle.workloads import attempt_status


def decoded(status: wire.ExperimentStatus) -> State:
    """Raises UnknownState."""
    final = status.final
    return State(
        inputs=_inputs(status.inputs) if status.inputs is not None else None,
        trials=tuple(_trial(index, row) for index, row in enumerate(status.trials)),
        held=Held(status.held.since, status.held.seconds or 0) if status.held is not None else None,
        final=_final(final) if final is not None else None,
        max_trials=final.max_trials if final is not None else None,
    )


def run_of(inputs: wire.Inputs) -> int:
    """Which `run` of the spec a stored status is of. Raises UnknownState."""
    return required(inputs.run, "inputs.run")


def _inputs(record: wire.Inputs) -> Inputs:
    return Inputs(
        dataset=required(record.dataset, "inputs.dataset"),
        dataset_digest=required(record.dataset_digest, "inputs.datasetDigest"),
        dataset_location=required(record.dataset_location, "inputs.datasetLocation"),
        image=required(record.image, "inputs.image"),
        spec_hash=required(record.spec_hash, "inputs.specHash"),
        engine=required(record.engine, "inputs.engine"),
        registration_key=required(record.registration_key, "inputs.registrationKey"),
        run=run_of(record),
        seed=required(record.seed, "inputs.seed"),
        started_at=required(record.started_at, "inputs.startedAt"),
        split_digests=record.split_digests,
    )


def _trial(index: int, row: wire.Trial) -> Trial:
    """The place in the list is the index: a list with a gap is not one that was written here."""
    if row.index != index:
        raise UnknownState(f"status.trials[].index is {row.index} in place {index}: {way_out('trials[].index')}")
    return Trial(
        index=index,
        state=known_state(TrialState, row.state, "trials[].state"),
        params=row.params,
        seed=required(row.seed, "trials[].seed"),
        image=required(row.image, "trials[].image"),
        job=row.job,
        attempt=attempt_status.decoded(row),
        basis=required(row.basis, "trials[].basis"),
        started_at=required(row.started_at, "trials[].startedAt"),
        value=row.value,
        run_id=row.run_id,
        finished_at=row.finished_at,
    )


def _final(record: wire.Final) -> Final:
    state = known_state(FinalState, record.state, "final.state")
    if state in (FinalState.FITTING, FinalState.WAITING):
        return Fitting(_fit(record), waits=state is FinalState.WAITING)
    fit = _fit(record) if record.job is not None else None
    reason, message = required(record.reason, "final.reason"), record.message or ""
    if state is FinalState.STOPPED:
        return Stopped(fit, reason, message, required(record.finished_at, "final.finishedAt"))
    return Judged(
        state=state,
        fit=replace(fit, attempt=replace(fit.attempt, reason=None, message="")) if fit is not None else None,
        reason=reason,
        message=message,
        metrics=record.metrics,
        question=record.question,
        estimate=_estimate(record) if record.out_of_fold is not None else None,
        model=_model(record.model) if record.model is not None else None,
        run_id=record.run_id,
        finished_at=record.finished_at,
    )


def _fit(record: wire.Final) -> Fit:
    return Fit(
        job=required(record.job, "final.job"),
        image=required(record.image, "final.image"),
        params=record.params,
        seed=required(record.seed, "final.seed"),
        attempt=attempt_status.decoded(record, message=record.message, given_up=record.state == FinalState.STOPPED),
        started_at=required(record.started_at, "final.startedAt"),
        champion=_champion(record) if record.champion_uri is not None else None,
        comparison=_comparison(record.champion) if record.champion is not None else None,
    )


def _champion(record: wire.Final) -> Champion:
    return Champion(
        version=required(record.champion_version, "final.championVersion"),
        uri=required(record.champion_uri, "final.championUri"),
        digest=required(record.champion_digest, "final.championDigest"),
        dataset=record.champion_dataset,
    )


def _comparison(record: wire.ChampionComparison) -> Comparison:
    interval = record.interval
    return Comparison(
        state=known_state(ComparisonState, record.state, "final.champion.state"),
        version=record.version,
        data=known_state(ComparedOn, record.data, "final.champion.data") if record.data is not None else None,
        difference=record.difference,
        interval=ConfidenceInterval(
            required(interval.lower, "final.champion.interval.lower"),
            required(interval.upper, "final.champion.interval.upper"),
        )
        if interval is not None
        else None,
        groups=record.groups,
        rows=record.rows,
    )


def _estimate(record: wire.Final) -> Estimate:
    return Estimate(
        metric=required(record.out_of_fold_metric, "final.outOfFoldMetric"),
        value=required(record.out_of_fold, "final.outOfFold"),
        standard_error=required(record.out_of_fold_error, "final.outOfFoldError"),
        groups=required(record.out_of_fold_groups, "final.outOfFoldGroups"),
        rows=required(record.out_of_fold_rows, "final.outOfFoldRows"),
        shape=_shape(record.out_of_fold_shape),
    )


def _shape(record: GroupShapeStatus | None) -> GroupShape | None:
    """Nothing of a release that did not know it."""
    if record is None or record.lag is None or record.skew is None or record.kish is None:
        return None
    return GroupShape(lag=record.lag, skew=record.skew, kish=record.kish)


def _model(record: ModelReference) -> Model:
    return Model(record.name, record.version, required(record.uri, "final.model.uri"), record.digest)


# --- and back ------------------------------------------------------------------------------------------------


def encoded(state: State, best: Trial | None) -> wire.ExperimentStatus:
    """The status but for what the engine keeps in it. `best`: of the trials, by the objective."""
    held, final = state.held, state.final
    return wire.ExperimentStatus(
        inputs=_inputs_record(state.inputs) if state.inputs is not None else None,
        counts=_counts(state.trials) if state.inputs is not None else None,
        best=_best(best) if best is not None else None,
        trials=tuple(_row(row) for row in state.trials),
        held=wire.Held(since=held.since, seconds=held.seconds) if held is not None else None,
        final=_final_record(final, state.max_trials) if final is not None else None,
    )


def _inputs_record(inputs: Inputs) -> wire.Inputs:
    return wire.Inputs(
        dataset=inputs.dataset,
        dataset_digest=inputs.dataset_digest,
        dataset_location=inputs.dataset_location,
        split_digests=inputs.split_digests,
        image=inputs.image,
        spec_hash=inputs.spec_hash,
        engine=inputs.engine,
        registration_key=inputs.registration_key,
        run=inputs.run,
        seed=inputs.seed,
        started_at=inputs.started_at,
    )


def _counts(rows: Iterable[Trial]) -> wire.Counts:
    states = [row.state for row in rows]
    return wire.Counts(
        planned=states.count(TrialState.PLANNED),
        running=states.count(TrialState.RUNNING),
        succeeded=states.count(TrialState.SUCCEEDED),
        failed=states.count(TrialState.FAILED),
    )


def _best(row: Trial) -> wire.Best:
    return wire.Best(index=row.index, value=row.value, params=dict(row.params), run_id=row.run_id)


def _row(row: Trial) -> wire.Trial:
    return wire.Trial(
        index=row.index,
        state=row.state,
        params=dict(row.params),
        seed=row.seed,
        image=row.image,
        job=row.job,
        **attempt_status.counted(row.attempt),
        run_id=row.run_id,
        value=row.value,
        basis=row.basis,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


class _FitFields(TypedDict, total=False):
    """Of `status.final`: what is told of the fit. Nothing but the last two without one."""

    job: str
    image: str
    params: dict[str, str]
    seed: int
    attempt: int
    failures: int
    not_before: datetime | None
    started_at: datetime
    champion_version: int | None
    champion_uri: str | None
    champion_digest: str | None
    champion_dataset: str | None
    champion: wire.ChampionComparison | None
    reason: str | None
    message: str | None


def _final_record(final: Final, max_trials: int | None) -> wire.Final:
    match final:
        case Fitting(fit=fit, waits=waits):
            state = FinalState.WAITING if waits else FinalState.FITTING
            return wire.Final(state=state, max_trials=max_trials, **_fit_fields(fit))
        case Stopped():
            return wire.Final(
                state=FinalState.STOPPED, max_trials=max_trials, finished_at=final.finished_at, **_ended_fields(final)
            )
        case Judged(estimate=estimate):
            return wire.Final(
                state=final.state,
                max_trials=max_trials,
                metrics=dict(final.metrics),
                out_of_fold_metric=estimate.metric if estimate else None,
                out_of_fold=estimate.value if estimate else None,
                out_of_fold_error=estimate.standard_error if estimate else None,
                out_of_fold_groups=estimate.groups if estimate else None,
                out_of_fold_rows=estimate.rows if estimate else None,
                out_of_fold_shape=_told_shape(estimate.shape if estimate else None),
                question=final.question,
                model=_model_record(final.model) if final.model is not None else None,
                run_id=final.run_id,
                finished_at=final.finished_at,
                **_ended_fields(final),
            )


def _ended_fields(final: Stopped | Judged) -> _FitFields:
    """The end has the word where the last look at the attempt stood."""
    reason, message = final.reason, final.message
    if final.fit is None:
        return {"reason": reason, "message": message or None}
    return _fit_fields(replace(final.fit, attempt=replace(final.fit.attempt, reason=reason, message=message)))


def _fit_fields(fit: Fit) -> _FitFields:
    champion, comparison = fit.champion, fit.comparison
    named = champion or comparison
    return {
        "job": fit.job,
        "image": fit.image,
        "params": dict(fit.params),
        "seed": fit.seed,
        **attempt_status.told(fit.attempt),
        "started_at": fit.started_at,
        "champion_version": named.version if named else None,
        "champion_uri": champion.uri if champion else None,
        "champion_digest": champion.digest if champion else None,
        "champion_dataset": champion.dataset if champion else None,
        "champion": _comparison_record(comparison) if comparison else None,
    }


def _comparison_record(comparison: Comparison) -> wire.ChampionComparison:
    interval = comparison.interval
    return wire.ChampionComparison(
        version=comparison.version,
        state=comparison.state,
        data=comparison.data,
        difference=comparison.difference,
        interval=Interval(lower=interval.lower, upper=interval.upper) if interval else None,
        groups=comparison.groups,
        rows=comparison.rows,
    )


def _model_record(model: Model) -> ModelReference:
    return ModelReference(name=model.name, version=model.version, uri=model.uri, digest=model.digest)


def _told_shape(shape: GroupShape | None) -> GroupShapeStatus | None:
    return GroupShapeStatus(lag=shape.lag, skew=shape.skew, kish=shape.kish) if shape is not None else None
