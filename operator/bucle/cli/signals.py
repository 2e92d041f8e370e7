"""The signals of a DriftPolicy: what was found on its windows, and what was done about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from bucle.cli.documents import Cause, Finding, ObjectName, Retrain, Signal, Signals, Window
from bucle.cli.explanation import cause_of
from bucle.cli.objects import Seen, at, lenient
from bucle.resources.base import Interval, Model
from bucle.resources.documents import to_dict
from bucle.resources.driftpolicy_signals import Decision
from bucle.resources.driftpolicy_status import (
    ActionStatus,
    DriftReference,
    OpenRetrain,
    PastEvaluation,
    PastRetrain,
    SignalStatus,
    SignalVerdict,
)

Json = Mapping[str, Any]
M = TypeVar("M", bound=Model)


def signals_of(seen: Seen) -> Signals:
    """Windows newest first, retrains too."""
    notes: list[str] = []
    drift = seen.condition("DriftDetected")
    target = seen.text("spec", "target", "modelDeployment")
    reference = _read(DriftReference, seen.at("status", "reference"), "status.reference", notes)
    begun = seen.at("status", "retrains", "total")
    return Signals(
        object=ObjectName(kind=seen.kind, name=seen.name, namespace=seen.namespace),
        target=f"ModelDeployment/{target}" if target else None,
        drift=drift.status if drift else None,
        drift_message=drift.message if drift else None,
        metric=reference.metric,
        reference=reference.value,
        reference_version=reference.model.version if reference.model else None,
        action=_action(seen, notes),
        retrains_begun=begun if isinstance(begun, int) else None,
        retrains=tuple(_retrains(seen, notes)),
        signals=_signals(seen, notes),
        windows=tuple(_windows(seen, notes)),
        notes=tuple(notes),
    )


def _read(model: type[M], raw: Any, place: str, notes: list[str]) -> M:
    found, left_out = lenient(model, raw)
    notes += [f"{place}.{path} cannot be read by this release" for path in left_out]
    return found


def _action(seen: Seen, notes: list[str]) -> Cause | None:
    """What is wanted because of drift, and what became of it."""
    action = _read(ActionStatus, seen.at("status", "action"), "status.action", notes)
    if not action.wanted or action.wanted == "None":
        return None
    asked = f" for {', '.join(action.signals)}" if action.signals else ""
    told = f"{action.wanted}{asked}: {action.outcome}" if action.outcome else f"{action.wanted}{asked}"
    messages = (action.message,) if action.message else ()
    return cause_of(action.reason or action.wanted, (told,), messages, to_dict(action).get("at", ""))


def _signals(seen: Seen, notes: list[str]) -> tuple[Signal, ...]:
    """In the order of the spec; one that was not judged yet has no verdict, one that is no longer declared comes last."""
    declared = {str(item.get("name")): item for item in seen.items("spec", "signals")}
    told: dict[str, SignalStatus] = {}
    for index, item in enumerate(seen.items("status", "signals")):
        status = _read(SignalStatus, item, f"status.signals[{index}]", notes)
        told[status.name or f"#{index}"] = status
    names = (*declared, *(name for name in told if name not in declared))
    return tuple(_signal(name, declared.get(name), told.get(name)) for name in names)


def _signal(name: str, spec: Json | None, status: SignalStatus | None) -> Signal:
    measures = "no longer declared" if spec is None else _measures(spec)
    rule = None if spec is None else _rule(spec)
    if status is None:
        return Signal(name=name, measures=measures, rule=rule)
    return Signal(
        **dict(_finding(name, status)),
        measures=measures,
        rule=rule,
        reason=status.reason,
        message=status.message,
        window=status.window.index if status.window else None,
        drifting=status.drifting,
        since=to_dict(status).get("since"),
        verdicts=tuple(one.verdict or "?" for one in status.streak),
    )


def _finding(name: str, verdict: SignalVerdict) -> Finding:
    interval = verdict.interval or Interval()
    return Finding(
        name=name,
        verdict=verdict.verdict,
        value=verdict.value,
        lower=interval.lower,
        upper=interval.upper,
        limit=verdict.limit,
        groups=verdict.groups,
    )


def _measures(spec: Json) -> str | None:
    """The kind of signal as the spec calls it, and the metric if it has one."""
    kinds = [key for key in spec if key not in ("name", "decision")]
    metrics = [at(spec, kind, "metric") for kind in kinds]
    told = (
        f"{kind}: {metric}" if isinstance(metric, str) else kind for kind, metric in zip(kinds, metrics, strict=True)
    )
    return ", ".join(told) or None


def _rule(spec: Json) -> str:
    """When its windows are drift; what is left out is as the types say."""
    decision, _ = lenient(Decision, spec.get("decision"))
    return f"drift after {decision.breaches} breached windows of {decision.of}, over after {decision.clear_after} healthy ones"


def _windows(seen: Seen, notes: list[str]) -> Iterable[Window]:
    for index, item in enumerate(seen.items("status", "history")):
        past = _read(PastEvaluation, item, f"status.history[{index}]", notes)
        window = to_dict(past).get("window", {})
        yield Window(
            index=window.get("index"),
            verdict=past.verdict,
            rows=past.rows,
            first=window.get("from"),
            last=window.get("to"),
            signals=tuple(_finding(one.name, one) for one in past.signals),
        )


def _retrains(seen: Seen, notes: list[str]) -> Iterable[Retrain]:
    """The one under way comes first."""
    current = seen.at("status", "retrains", "inFlight")
    if isinstance(current, Mapping):
        one = _read(OpenRetrain, current, "status.retrains.inFlight", notes)
        yield Retrain(name=one.name, state=one.state, model_version=one.model_version, started_at=_started(one))
    for index, item in enumerate(seen.items("status", "retrains", "recent")):
        past = _read(PastRetrain, item, f"status.retrains.recent[{index}]", notes)
        yield Retrain(
            name=past.name,
            outcome=past.outcome,
            reason=past.reason,
            model_version=past.model_version,
            started_at=_started(past),
        )


def _started(retrain: OpenRetrain | PastRetrain) -> str | None:
    found = to_dict(retrain).get("startedAt")
    return found if isinstance(found, str) else None
