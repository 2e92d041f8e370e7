"""What one signal says of one window, and what several say together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bucle.contracts.base import decimal_text
from bucle.contracts.result import SignalResult
from bucle.kinds.driftpolicy import signals
from bucle.kinds.driftpolicy.drift_statistics import Measured, Rule, judge
from bucle.kinds.driftpolicy.state import PastWindow, Rows, State, Verdict
from bucle.kinds.driftpolicy.world import Served
from bucle.resources import driftpolicy_status as wire
from bucle.resources.base import Interval
from bucle.resources.driftpolicy_signals import PerformanceSignal, Signal

WORST_FIRST = (Verdict.BREACHED, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.NO_DATA, Verdict.HEALTHY)


def measured_before(served: Served, state: State, name: str) -> list[Measured]:
    """What that signal measured on earlier windows of the same version, oldest first: of none before its rule was edited."""
    known = next((signal for signal in state.signals if signal.name == name), None)
    mine = {item.window for item in known.verdicts} if known is not None else set()
    past = [past for past in reversed(state.history) if _is_of(past, served) and past.window in mine]
    return [
        Measured(
            float(said.value),
            float(said.standard_error),
            said.groups or 0,
            line.record.rows or 0,
            float(said.kish) if said.kish is not None else None,
        )
        for line in past
        for said in line.record.signals
        if said.name == name and said.value is not None and said.standard_error is not None
    ]


def _is_of(past: PastWindow, served: Served) -> bool:
    return past.revision == served.revision and past.of is Rows.LABELLED


def verdict_of(
    served: Served, signal: Signal, told: SignalResult, rows: int = 0, before: Sequence[Measured] = ()
) -> wire.SignalVerdict:
    """One signal on one window of so many rows, with what it measured `before`."""
    if told.failure is not None:
        failure = told.failure
        return wire.SignalVerdict(
            name=signal.name, verdict=Verdict.ERROR, reason=failure.reason, message=failure.message
        )
    if signal.performance is None and told.verdict is not None:
        return _columns(signal.name, told)
    if signal.performance is None or told.value is None:
        return wire.SignalVerdict(name=signal.name, verdict=Verdict.NO_DATA, message="nothing was measured")
    error = float(told.standard_error) if told.standard_error is not None else None
    kish = float(told.kish) if told.kish is not None else None
    measured = Measured(float(told.value), error, told.groups or 0, rows, kish)
    return _performance(served, signal, signal.performance, told, (*before, measured))


def _columns(name: str, told: SignalResult) -> wire.SignalVerdict:
    """What a pod says of columns."""
    return wire.SignalVerdict(
        name=name,
        verdict=told.verdict,
        message=told.message,
        value=told.value,
        limit=told.limit,
        columns=tuple(wire.ColumnStatus(**column.model_dump()) for column in told.columns or ()),
    )


def _performance(
    served: Served, asked: Signal, signal: PerformanceSignal, told: SignalResult, windows: Sequence[Measured]
) -> wire.SignalVerdict:
    standard, name = signals.standard_of(served, signal), asked.name
    if standard is None:
        return wire.SignalVerdict(
            name=name,
            verdict=Verdict.INCONCLUSIVE,
            reason="WaitingForReference",
            message=f"version {served.model.version} has no reference for {signal.metric}",
            value=told.value,
            groups=told.groups,
        )
    decision = asked.decision
    worse, confidence = float(signal.max_degradation or 0), float(signal.confidence)
    rule = Rule(signal.metric, worse, confidence, decision.breaches, decision.of)
    found = judge(windows[-1], windows[:-1], standard, rule)
    interval = None
    if found.lower is not None and found.upper is not None:
        interval = Interval(lower=decimal_text(found.lower, 6), upper=decimal_text(found.upper, 6))
    return wire.SignalVerdict(
        name=name,
        verdict=found.verdict,
        message=found.message,
        value=told.value,
        limit=decimal_text(found.limit, 6),
        interval=interval,
        groups=told.groups,
        standard_error=told.standard_error,
        kish=told.kish,
    )


def worst(verdicts: Iterable[str | None]) -> Verdict:
    """What is told of a window as a whole."""
    said = set(verdicts)
    return next((verdict for verdict in WORST_FIRST if verdict in said), Verdict.NO_DATA)


def said_by_name(verdicts: Iterable[wire.SignalVerdict]) -> str:
    """What the signals say, by name."""
    return "; ".join(f"{verdict.name}: {verdict.message}" for verdict in verdicts if verdict.message)
