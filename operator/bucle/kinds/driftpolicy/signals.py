"""The signals of a policy as a look sees them: which can be taken, by which rule, and against what. Pure."""

from __future__ import annotations

from bucle.contracts.canonical import short_hash
from bucle.contracts.metrics import METRICS, watchable
from bucle.contracts.task import ColumnDrift, DataQuality, MeasuredColumns, MeasuredMetric
from bucle.kinds.driftpolicy.drift_statistics import Measured
from bucle.kinds.driftpolicy.state import Rows
from bucle.kinds.driftpolicy.world import Served, World, reference_of
from bucle.resources.documents import written
from bucle.resources.driftpolicy import DriftPolicy
from bucle.resources.driftpolicy_signals import PerformanceSignal, Signal
from bucle.resources.modeldeployment import ModelDeployment
from bucle.workloads.measured_rows import group_by_of


def window_rule(world: World) -> str:
    """Hash of all that decides which rows fill a window: when it changes, all windows begin anew."""
    spec, deployment = world.policy.spec, world.deployment
    # What is set aside takes labels out of the order of windows and moves none in it: no window begins anew.
    labels = written(deployment.spec.feedback, exclude={"quarantine"}) if deployment else None
    return short_hash([written(spec.windows), labels])


def signal_rule(signal: Signal) -> str:
    """Hash of what is said of a window by that signal: when it changes, that signal begins anew. How windows make drift
    is counted from the verdicts at every look, so an edit of `decision` forgets none; but what columns may err by in one
    window follows from how many windows make drift."""
    measured = written(signal, exclude={"name", "decision"})
    decision = signal.decision
    return short_hash([measured, decision.breaches, decision.of] if is_of_columns(signal) else measured)


def look_rule(world: World) -> str:
    """Hash of all that a look measures: when it changes, the one under way answers a question that nobody asks now."""
    asked = (*measured_metrics(world.policy), *measured_columns(world.policy))
    dropped = never_captured(world.deployment) if measured_columns(world.policy) else ()
    return short_hash([window_rule(world), [signal.as_json() for signal in asked], list(dropped)])


def never_captured(deployment: ModelDeployment | None) -> tuple[str, ...]:
    """Columns that no captured row has, by the deployment's word."""
    return tuple(deployment.spec.capture.drop) if deployment is not None else ()


def rows_of(signal: Signal) -> Rows:
    """Whose windows it is taken of."""
    return Rows.LABELLED if signal.performance is not None else Rows.SERVED


def is_of_columns(signal: Signal) -> bool:
    """Whether its drift is the same column again, and not any column each time."""
    return signal.prediction_drift is not None or (signal.data_drift is not None and signal.data_drift.share is None)


def cannot_be_watched(signal: Signal) -> str | None:
    """Why no model could be watched by that signal; None when one can."""
    if signal.performance is None:
        return None
    metric = signal.performance.metric
    known = METRICS.get(metric)
    if known is not None and known.per_row:
        return None
    return f"signal {signal.name}: {metric} is no mean over rows and cannot be watched: watch {', '.join(watchable())}"


def measured_metrics(policy: DriftPolicy) -> tuple[MeasuredMetric, ...]:
    """What a pod is asked for."""
    return tuple(
        MeasuredMetric(
            name=signal.name, metric=signal.performance.metric, group_by=group_by_of(signal.performance.group_by)
        )
        for signal in policy.spec.signals
        if signal.performance is not None and cannot_be_watched(signal) is None
    )


def measured_columns(policy: DriftPolicy) -> tuple[MeasuredColumns, ...]:
    return tuple(_of_columns(signal) for signal in policy.spec.signals if rows_of(signal) is Rows.SERVED)


def _of_columns(signal: Signal) -> MeasuredColumns:
    data, answers, quality = signal.data_drift, signal.prediction_drift, signal.data_quality
    decided = {"breaches": signal.decision.breaches, "of": signal.decision.of}
    if data is not None:
        drift = ColumnDrift(
            columns=data.columns, min_effect=data.min_effect, alpha=data.alpha, share=data.share, **decided
        )
        return MeasuredColumns(name=signal.name, data_drift=drift)
    if answers is not None:
        drift = ColumnDrift(min_effect=answers.min_effect, alpha=answers.alpha, **decided)
        return MeasuredColumns(name=signal.name, prediction_drift=drift)
    told = quality.model_dump() if quality is not None else {}
    return MeasuredColumns(name=signal.name, data_quality=DataQuality(**told))


def standard_of(served: Served, signal: PerformanceSignal) -> Measured | None:
    """What windows are compared with: the version's reference, or the bound that a person wrote, which is exact. None:
    the version has no reference of that metric."""
    bound = signal.minimum if signal.minimum is not None else signal.maximum
    if bound is not None:
        return Measured(float(bound), None, 0)
    return reference_of(served, signal.metric)


def without_standard(policy: DriftPolicy, served: Served) -> tuple[Signal, ...]:
    """Signals that the served version has no reference for."""
    return tuple(
        signal
        for signal in policy.spec.signals
        if signal.performance is not None
        and cannot_be_watched(signal) is None
        and standard_of(served, signal.performance) is None
    )


def can_look(policy: DriftPolicy, served: Served, of: Rows) -> bool:
    """Whether any signal of such rows can be judged."""
    if of is Rows.SERVED:
        return bool(measured_columns(policy))
    return len(measured_metrics(policy)) > len(without_standard(policy, served))
