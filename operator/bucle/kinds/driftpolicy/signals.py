"""The signals of a policy as a look sees them: which can be taken, by which rule, and against what. Pure."""

from __future__ import annotations

from bucle.contracts.canonical import short_hash
from bucle.contracts.metrics import METRICS, watchable
from bucle.contracts.task import MeasuredMetric
from bucle.kinds.driftpolicy.drift_statistics import Measured
from bucle.kinds.driftpolicy.world import Served, World, reference_of
from bucle.resources.documents import written
from bucle.resources.driftpolicy import DriftPolicy
from bucle.resources.driftpolicy_signals import PerformanceSignal, Signal
from bucle.workloads.measured_rows import group_by_of


def window_rule(world: World) -> str:
    """Hash of all that decides which rows fill a window: when it changes, all windows begin anew."""
    spec, deployment = world.policy.spec, world.deployment
    # What is set aside takes labels out of the order of windows and moves none in it: no window begins anew.
    labels = written(deployment.spec.feedback, exclude={"quarantine"}) if deployment else None
    return short_hash([written(spec.windows), labels])


def signal_rule(signal: Signal) -> str:
    """Hash of what is said of a window by that signal: when it changes, that signal begins anew. How windows make drift
    is counted from the verdicts at every look, so an edit of `decision` forgets none."""
    return short_hash(written(signal, exclude={"name", "decision"}))


def look_rule(world: World) -> str:
    """Hash of all that a look measures: when it changes, the one under way answers a question that nobody asks now."""
    return short_hash([window_rule(world), [signal.as_json() for signal in measured_metrics(world.policy)]])


def cannot_be_watched(signal: Signal) -> str | None:
    """Why no model could be watched by that signal; None when one can."""
    metric = signal.performance.metric if signal.performance is not None else ""
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


def can_look(policy: DriftPolicy, served: Served) -> bool:
    """Whether any signal can be judged."""
    return len(measured_metrics(policy)) > len(without_standard(policy, served))
