"""What full windows say: each judged by every signal, counted, remembered. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from bucle.contracts import registry_tags
from bucle.contracts.base import decimal_text
from bucle.contracts.canonical import short_hash
from bucle.contracts.result import LabelledResult, SignalResult, WindowResult
from bucle.contracts.uncounted import Uncounted
from bucle.engine.reads import Unavailable
from bucle.kinds.driftpolicy import signals
from bucle.kinds.driftpolicy.drift_statistics import Measured, Rule, drifting, judge
from bucle.kinds.driftpolicy.state import (
    KEPT,
    Cursor,
    Judged,
    Mark,
    PastWindow,
    SignalState,
    State,
    Verdict,
    WindowVerdict,
)
from bucle.kinds.driftpolicy.world import Served, World, reference_of
from bucle.resources import driftpolicy_status as wire
from bucle.resources.base import Interval
from bucle.resources.driftpolicy import DriftPolicy
from bucle.resources.driftpolicy_signals import PerformanceSignal, Signal
from bucle.resources.group_shape import GroupShape

WORST_FIRST = (Verdict.BREACHED, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.NO_DATA, Verdict.HEALTHY)


def restarted(world: World, served: Served, state: State) -> State:
    """Windows belong to one version and one rule: a promotion begins them anew, as do an edit of what fills them and a
    lost status. A signal belongs to what it measures: an edit of one begins that one anew, and no other."""
    state = replace(state, reference=_reference(world, served))
    rule, cursor = signals.window_rule(world), state.cursor
    if cursor is None or (cursor.revision, cursor.since, cursor.rule) != (served.revision, served.since, rule):
        fresh = Cursor(served.revision, served.since, rule)
        state = replace(
            state, cursor=fresh, signals=(), evaluation=None, last=None, uncounted=Uncounted(), coverage=None
        )
    known = {(signal.name, signal.rule): signal for signal in state.signals}
    asked = [(signal.name, signals.signal_rule(signal)) for signal in world.policy.spec.signals]
    state = replace(state, signals=tuple(known.get(key, SignalState(*key)) for key in asked))
    if state.evaluation is not None and state.evaluation.rule != signals.look_rule(world):
        state = replace(state, evaluation=None, last=_unless_failed(state.last))
    return state


def _reference(world: World, served: Served) -> wire.DriftReference:
    """Of the metrics that are compared with a reference, the first that the version has one of."""
    metrics = [s.performance.metric for s in world.policy.spec.signals if s.performance is not None]
    found = ((metric, told) for metric in metrics if (told := reference_of(served, metric)) is not None)
    metric, told = next(found, (None, None))
    return wire.DriftReference(
        model=wire.ReferenceModel(name=served.model.name, version=served.model.version),
        digest=served.model.digest,
        dataset=served.tags.get(registry_tags.TAG_DATASET_NAME),
        metric=metric,
        value=decimal_text(told.value) if told else None,
        standard_error=decimal_text(told.standard_error) if told and told.standard_error is not None else None,
        groups=told.groups if told else None,
        shape=_shape(told) if told and told.lag is not None else None,
        at=served.since,
    )


def _shape(told: Measured) -> GroupShape:
    lag, skew, kish = (decimal_text(value or 0.0) for value in (told.lag, told.skew, told.kish))
    return GroupShape(lag=lag, skew=skew, kish=kish)


def with_windows(world: World, served: Served, state: State, result: LabelledResult, now: datetime) -> State:
    """Judges every new window in order, by every signal. Rows left over count towards the next window.

    While the registry is silent about a reference nothing is judged: the same rows are looked at again.
    """
    policy, cursor, evaluation = world.policy, state.cursor, state.evaluation
    unknown = isinstance(world.version, Unavailable) and signals.without_standard(policy, served)
    if cursor is None or evaluation is None or unknown:
        return state
    state = replace(state, last=_unless_failed(state.last))
    expected = cursor.labelled.window
    for window in (w for w in result.windows if w.index >= expected):
        state = _with_window(policy, served, state, window, now)
        expected = window.index + 1
    rows, counted = policy.spec.windows.rows, evaluation.labelled.rows
    seen = None if result.more or counted is None else max(0, counted - result.rows % rows - result.waiting)
    moved = replace(cursor, labelled=Mark(expected, seen))
    return replace(state, cursor=moved, uncounted=Uncounted.of(result), coverage=result.coverage)


def _unless_failed(last: Judged | None) -> Judged | None:
    """An earlier look that failed is forgotten by one that did not."""
    return last if last is not None and not last.failed else None


def failed(state: State, job: str, reason: str, message: str, now: datetime) -> State:
    """The look ended without windows: what is said of drift until the next one."""
    record = wire.Evaluation(
        id=job,
        verdict=Verdict.ERROR,
        reason=reason,
        message=message,
        signals=tuple(wire.SignalVerdict(name=signal.name, verdict=Verdict.ERROR) for signal in state.signals),
        at=_moment(now),
    )
    cursor = replace(state.cursor, labelled=replace(state.cursor.labelled, rows=None)) if state.cursor else None
    return replace(state, last=Judged(Verdict.ERROR, message, None, record), cursor=cursor)


# --- one window --------------------------------------------------------------------------------------------------


def _with_window(policy: DriftPolicy, served: Served, state: State, window: WindowResult, now: datetime) -> State:
    told = {result.name: result for result in window.signals}
    verdicts = {
        signal.name: verdict_of(served, signal, told[signal.name], window.rows, _before(served, state, signal.name))
        for signal in policy.spec.signals
        if signal.name in told
    }
    bounds = _bounds(window)
    last = _judged(served, window, tuple(verdicts.values()), now)
    known = tuple(
        replace(
            signal,
            verdicts=(*signal.verdicts, WindowVerdict(window.index, Verdict(verdict.verdict or "")))[-KEPT:],
            record=verdict,
            window=bounds,
        )
        if (verdict := verdicts.get(signal.name)) is not None
        else signal
        for signal in state.signals
    )
    return replace(state, signals=known, last=last, history=(_past(served, last, window), *state.history)[:KEPT])


def _before(served: Served, state: State, name: str) -> list[Measured]:
    """What that signal measured on earlier windows of the same version, oldest first: of none before its rule was edited."""
    known = next((signal for signal in state.signals if signal.name == name), None)
    mine = {item.window for item in known.verdicts} if known is not None else set()
    past = [past for past in reversed(state.history) if past.revision == served.revision and past.window in mine]
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


def verdict_of(
    served: Served, signal: Signal, told: SignalResult, rows: int = 0, before: Sequence[Measured] = ()
) -> wire.SignalVerdict:
    """One signal on one window of so many rows, with what it measured `before`."""
    if told.failure is not None:
        failure = told.failure
        return wire.SignalVerdict(
            name=signal.name, verdict=Verdict.ERROR, reason=failure.reason, message=failure.message
        )
    if signal.performance is None or told.value is None:
        return wire.SignalVerdict(name=signal.name, verdict=Verdict.NO_DATA, message="nothing was measured")
    error = float(told.standard_error) if told.standard_error is not None else None
    kish = float(told.kish) if told.kish is not None else None
    measured = Measured(float(told.value), error, told.groups, rows, kish)
    return _performance(served, signal, signal.performance, told, (*before, measured))


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


def in_words(verdicts: Iterable[wire.SignalVerdict]) -> str:
    """What the signals say, by name."""
    return "; ".join(f"{verdict.name}: {verdict.message}" for verdict in verdicts if verdict.message)


def _judged(served: Served, window: WindowResult, verdicts: tuple[wire.SignalVerdict, ...], now: datetime) -> Judged:
    verdict = worst(told.verdict for told in verdicts)
    message = in_words(verdicts)
    record = wire.Evaluation(
        id=short_hash([served.revision, window.index, window.last]),
        window=_bounds(window),
        rows=window.rows,
        labels=window.rows,
        verdict=verdict,
        message=message,
        signals=verdicts,
        at=_moment(now),
    )
    return Judged(verdict, message, window.index, record)


def _bounds(window: WindowResult) -> wire.EvaluatedWindow:
    return wire.EvaluatedWindow(
        index=window.index, from_=datetime.fromisoformat(window.first), to=datetime.fromisoformat(window.last)
    )


def _past(served: Served, judged: Judged, window: WindowResult) -> PastWindow:
    record = wire.PastEvaluation(
        id=judged.record.id,
        version=served.revision,
        window=judged.record.window,
        verdict=judged.verdict,
        rows=window.rows,
        signals=tuple(verdict.model_copy(update={"message": None}) for verdict in judged.record.signals),
        at=judged.record.at,
    )
    verdicts = {verdict.name: Verdict(verdict.verdict or "") for verdict in judged.record.signals}
    return PastWindow(served.revision, window.index, datetime.fromisoformat(window.last), verdicts, record)


def _moment(now: datetime) -> datetime:
    return now.replace(microsecond=0)


# --- many windows ------------------------------------------------------------------------------------------------


def is_drifting(signal: Signal, state: SignalState) -> list[bool]:
    """Whether that signal counts as drift after each remembered window, oldest first."""
    decision = signal.decision
    verdicts = [item.verdict for item in state.verdicts]
    return drifting(verdicts, decision.clear_after)


def with_drift(policy: DriftPolicy, served: Served, state: State) -> State:
    """Each signal with whether it drifts by its decision as it is written now, and since when."""
    decisions = {signal.name: signal for signal in policy.spec.signals}
    told = []
    for signal in state.signals:
        drifts = is_drifting(decisions[signal.name], signal) if signal.name in decisions else []
        stands = bool(drifts) and drifts[-1]
        began = _first_of_drift(state, served, signal, drifts) if stands else None
        since = (began.to if began is not None else signal.since) if stands else None
        told.append(replace(signal, drifting=stands, since=since))
    return replace(state, signals=tuple(told))


def drifting_signals(state: State) -> tuple[str, ...]:
    return tuple(signal.name for signal in state.signals if signal.drifting)


def began_drift(policy: DriftPolicy, state: State, served: Served, names: Collection[str]) -> PastWindow | None:
    """The window that began the drift of these signals, of several the first: the same one after a lost status, so the
    same name for what it starts."""
    found = (
        _first_of_drift(state, served, signal, is_drifting(asked, signal))
        for asked in policy.spec.signals
        for signal in state.signals
        if signal.name == asked.name and signal.name in names and signal.drifting
    )
    return min((window for window in found if window is not None), key=lambda window: window.to, default=None)


def _first_of_drift(state: State, served: Served, signal: SignalState, drifts: list[bool]) -> PastWindow | None:
    first = len(drifts) - 1
    while first > 0 and drifts[first - 1]:
        first -= 1
    return _remembered(state, served, {signal.verdicts[first].window})


def newest_breach(state: State, served: Served, names: Collection[str]) -> PastWindow | None:
    """What a further retrain of the same version is for: the newest window that one of these signals found breached."""
    breached = {
        item.window
        for signal in state.signals
        if signal.name in names
        for item in signal.verdicts
        if item.verdict is Verdict.BREACHED
    }
    return _remembered(state, served, breached)


def _remembered(state: State, served: Served, windows: Collection[int]) -> PastWindow | None:
    return next((w for w in state.history if w.revision == served.revision and w.window in windows), None)
