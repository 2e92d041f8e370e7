"""The signals of a DriftPolicy: what was found on its windows, and what was done about it. Pure.

Everything that knows where the status keeps what a signal found or its declaration is in `_listed`, `_declared` and `_findings`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bucle.cli.documents import Finding, ObjectName, Retrain, Signal, Signals, Window
from bucle.cli.explanation import cause_of
from bucle.cli.objects import Seen, at

Json = Mapping[str, Any]


def signals_of(seen: Seen) -> Signals:
    """Windows newest first, retrains too."""
    drift = seen.condition("DriftDetected")
    target = seen.text("spec", "target", "modelDeployment")
    return Signals(
        object=ObjectName(kind=seen.kind, name=seen.name, namespace=seen.namespace),
        target=f"ModelDeployment/{target}" if target else None,
        drift=drift.status if drift else None,
        drift_message=drift.message if drift else None,
        metric=_text(seen.at("status", "reference", "metric")),
        reference=_text(seen.at("status", "reference", "value")),
        reference_version=_whole(seen.at("status", "reference", "model", "version")),
        action=_action(seen),
        retrains_begun=_whole(seen.at("status", "retrains", "total")),
        retrains=tuple(_retrains(seen)),
        signals=_signals(seen),
        windows=tuple(_window(item) for item in seen.items("status", "history")),
    )


def _action(seen: Seen) -> Any:
    """What is wanted because of drift, and what became of it."""
    found = seen.at("status", "action")
    wanted, outcome = _text(at(found, "wanted")), _text(at(found, "outcome"))
    if not wanted or wanted == "None":
        return None
    told = (f"{wanted}: {outcome}" if outcome else wanted,)
    message, since = _text(at(found, "message")), _text(at(found, "at"))
    return cause_of(_text(at(found, "reason")) or wanted, told, (message,) if message else (), since or "")


def _signals(seen: Seen) -> tuple[Signal, ...]:
    """In the order of the spec; one that was not judged yet has no verdict, one that is no longer declared comes last."""
    declared = _declared(seen)
    told = {_text(item.get("name")) or "?": item for item in _listed(seen)}
    names = (*declared, *(name for name in told if name not in declared))
    return tuple(_signal(name, declared.get(name, {}), told.get(name)) for name in names)


def _signal(name: str, spec: Json, item: Json | None) -> Signal:
    measures = _measures(spec) or ("no longer declared" if not spec else None)
    if item is None:
        return Signal(name=name, measures=measures, rule=_rule(spec))
    streak = item.get("streak")
    drifting = item.get("drifting")
    return Signal(
        **dict(_finding(item)),
        measures=measures,
        rule=_rule(spec),
        reason=_text(item.get("reason")),
        message=_text(item.get("message")),
        window=_whole(at(item, "window", "index")),
        drifting=drifting if isinstance(drifting, bool) else None,
        since=_text(item.get("since")),
        verdicts=tuple(_text(at(one, "verdict")) or "?" for one in streak) if isinstance(streak, list) else (),
    )


def _listed(seen: Seen) -> tuple[Json, ...]:
    """What is known of each signal now."""
    if isinstance(seen.at("status", "signals"), list):
        return seen.items("status", "signals")
    last, drift = seen.at("status", "lastEvaluation"), seen.condition("DriftDetected")
    of_all = {
        "groups": at(last, "groups"),
        "message": at(last, "message"),
        "window": at(last, "window"),
        "streak": seen.at("status", "streak"),
        "drifting": drift is not None and drift.status == "True",
    }
    return tuple({**of_all, **item} for item in seen.items("status", "lastEvaluation", "signals"))


def _declared(seen: Seen) -> dict[str, Json]:
    """The settings of each signal by its name."""
    found = seen.at("spec", "signals")
    if isinstance(found, Mapping):
        return {
            str(name): {str(name): settings, "decision": seen.at("spec", "decision")}
            for name, settings in found.items()
        }
    return {str(item.get("name")): item for item in seen.items("spec", "signals")}


def _rule(spec: Json) -> str | None:
    """When its windows are drift; what is left out is as the types say."""
    decision = spec.get("decision") or {}
    if not spec or not isinstance(decision, Mapping):
        return None
    breaches, of, clear = (_whole(decision.get(key)) or usual for key, usual in _USUAL)
    return f"drift after {breaches} breached windows of {of}, over after {clear} healthy ones"


_USUAL = (("breaches", 2), ("of", 3), ("clearAfter", 3))


def _measures(spec: Json) -> str | None:
    """The kind of signal as the spec calls it, and the metric if it has one."""
    kinds = [key for key in spec if key not in ("name", "decision")]
    metrics = [at(spec, kind, "metric") for kind in kinds]
    return (
        ", ".join(
            f"{kind}: {metric}" if isinstance(metric, str) else kind
            for kind, metric in zip(kinds, metrics, strict=True)
        )
        or None
    )


def _findings(holder: Json) -> Iterable[Finding]:
    """What each signal said of one earlier window."""
    if isinstance(holder.get("signals"), list):
        yield from (_finding(item) for item in holder["signals"] if isinstance(item, Mapping))
    elif holder.get("value") is not None:
        yield _finding({**holder, "name": "performance"})


def _finding(item: Json) -> Finding:
    return Finding(
        name=_text(item.get("name")) or "?",
        verdict=_text(item.get("verdict")),
        value=_text(item.get("value")),
        lower=_text(at(item, "interval", "lower")),
        upper=_text(at(item, "interval", "upper")),
        limit=_text(item.get("limit")),
        groups=_whole(item.get("groups")),
    )


def _window(item: Json) -> Window:
    return Window(
        index=_whole(at(item, "window", "index")),
        verdict=_text(item.get("verdict")),
        rows=_whole(item.get("rows")),
        first=_text(at(item, "window", "from")),
        last=_text(at(item, "window", "to")),
        signals=tuple(_findings(item)),
    )


def _retrains(seen: Seen) -> Iterable[Retrain]:
    current = seen.at("status", "retrains", "inFlight")
    for item in (*((current,) if isinstance(current, Mapping) else ()), *seen.items("status", "retrains", "recent")):
        yield Retrain(
            name=_text(item.get("name")),
            state=_text(item.get("state")),
            outcome=_text(item.get("outcome")),
            reason=_text(item.get("reason")),
            model_version=_whole(item.get("modelVersion")),
            started_at=_text(item.get("startedAt")),
        )


def _text(value: Any) -> str | None:
    """Numbers are text in a status; a release that writes them as numbers is understood as well."""
    if isinstance(value, bool) or value is None or isinstance(value, list | Mapping):
        return None
    return str(value)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
