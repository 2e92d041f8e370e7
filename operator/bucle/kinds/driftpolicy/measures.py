"""What a DriftPolicy tells in numbers: the last verdict of each signal, and its retrains. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bucle.contracts import telemetry
from bucle.contracts.measures import Happening, Measure, Measures, given, one_of, together
from bucle.kinds.driftpolicy.status_codec import decoded
from bucle.resources import driftpolicy_status as wire
from bucle.resources.documents import parse
from bucle.resources.driftpolicy import DriftPolicy
from bucle.workloads import person


def measures(raw: Mapping[str, Any]) -> Measures:
    policy = parse(DriftPolicy, raw)
    state = decoded(policy.status)
    asked = {signal.name for signal in policy.spec.signals}
    shown = together(
        # One that left the spec is a record until the next look: it must not be alerted on meanwhile.
        *(_signal(signal) for signal in policy.status.signals if signal.name in asked),
        *(given(telemetry.UNCOUNTED, count, reason) for reason, count in state.uncounted.by_reason().items()),
        given(telemetry.RETRAINS_BEGUN, state.retrains_begun),
        one_of(telemetry.RETRAIN_OPEN, state.retrain.state if state.retrain else None),
    )
    ended = frozenset(Happening(telemetry.RETRAINS, past.name, (past.outcome,)) for past in state.past_retrains)
    requests = person.happenings(state.person_actions)
    return Measures(shown, ended | requests, counted=(telemetry.RETRAINS, telemetry.PERSON_ACTIONS))


def _signal(signal: wire.SignalStatus) -> tuple[Measure, ...]:
    name, interval, window = signal.name, signal.interval, signal.window
    return together(
        one_of(telemetry.SIGNAL_VERDICT, signal.verdict, name),
        given(telemetry.SIGNAL_DRIFTING, signal.drifting, name),
        given(telemetry.SIGNAL_VALUE, signal.value, name),
        given(telemetry.SIGNAL_LIMIT, signal.limit, name),
        given(telemetry.SIGNAL_INTERVAL, interval.lower if interval else None, name, "lower"),
        given(telemetry.SIGNAL_INTERVAL, interval.upper if interval else None, name, "upper"),
        given(telemetry.SIGNAL_WINDOW, window.to if window else None, name),
    )
