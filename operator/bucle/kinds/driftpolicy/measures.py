"""What a DriftPolicy tells in numbers: the last verdict of each signal, and its retrains. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bucle.contracts import telemetry
from bucle.contracts.measures import Happening, Measure, Measures, given, one_of, together
from bucle.kinds.driftpolicy.state import decoded
from bucle.resources import driftpolicy_status as wire
from bucle.resources.documents import parse
from bucle.resources.driftpolicy import DriftPolicy


def measures(raw: Mapping[str, Any]) -> Measures:
    policy = parse(DriftPolicy, raw)
    state = decoded(policy.status)
    shown = together(
        *(_signal(name, signal, end) for name, signal, end in _signals(policy.status)),
        given(telemetry.RETRAINS_BEGUN, state.retrains_begun),
        one_of(telemetry.RETRAIN_OPEN, state.retrain.state if state.retrain else None),
    )
    ended = frozenset(Happening(telemetry.RETRAINS, past.name, (past.outcome,)) for past in state.past_retrains)
    return Measures(shown, ended, counted=(telemetry.RETRAINS,))


def _signals(status: wire.DriftPolicyStatus) -> list[tuple[str, wire.SignalStatus, wire.EvaluatedWindow | None]]:
    """Each signal with the window that it was judged on last."""
    last = status.last_evaluation
    return [(signal.name, signal, last.window) for signal in last.signals if signal.name] if last else []


def _signal(name: str, signal: wire.SignalStatus, window: wire.EvaluatedWindow | None) -> tuple[Measure, ...]:
    interval = signal.interval
    return together(
        one_of(telemetry.SIGNAL_VERDICT, signal.verdict, name),
        given(telemetry.SIGNAL_VALUE, signal.value, name),
        given(telemetry.SIGNAL_LIMIT, signal.limit, name),
        given(telemetry.SIGNAL_INTERVAL, interval.lower if interval else None, name, "lower"),
        given(telemetry.SIGNAL_INTERVAL, interval.upper if interval else None, name, "upper"),
        given(telemetry.SIGNAL_WINDOW, window.to if window else None, name),
    )
