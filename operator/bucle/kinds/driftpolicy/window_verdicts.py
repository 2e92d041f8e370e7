"""What full windows say: each judged by every signal, counted, remembered. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from bucle.contracts import registry_tags
from bucle.contracts.base import decimal_text
from bucle.contracts.canonical import short_hash
from bucle.contracts.result import EvaluateResult, LabelledResult, ServedResult, SignalResult, WindowResult
from bucle.contracts.uncounted import Uncounted
from bucle.engine.reads import Unavailable
from bucle.kinds.driftpolicy import signals
from bucle.kinds.driftpolicy.drift_statistics import Measured, drifting
from bucle.kinds.driftpolicy.persistence import drifting_columns
from bucle.kinds.driftpolicy.signal_verdicts import measured_before, said_by_name, verdict_of, worst
from bucle.kinds.driftpolicy.state import (
    KEPT,
    Cursor,
    Judged,
    Mark,
    PastWindow,
    Rows,
    SignalState,
    State,
    Verdict,
    WindowVerdict,
)
from bucle.kinds.driftpolicy.world import Served, World, reference_of
from bucle.resources import driftpolicy_status as wire
from bucle.resources.driftpolicy import DriftPolicy
from bucle.resources.driftpolicy_signals import Signal
from bucle.resources.group_shape import GroupShape


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


def with_windows(world: World, served: Served, state: State, result: EvaluateResult, now: datetime) -> State:
    """Judges every new window in the order of their ends, by every signal that is taken of such rows.

    While the registry is silent about a reference nothing is judged: the same rows are looked at again.
    """
    policy, cursor, evaluation = world.policy, state.cursor, state.evaluation
    unknown = isinstance(world.version, Unavailable) and signals.without_standard(policy, served)
    if cursor is None or evaluation is None or unknown:
        return state
    state = replace(state, last=_unless_failed(state.last))
    found = {Rows.LABELLED: result.labelled, Rows.SERVED: result.served}
    marks = {Rows.LABELLED: (cursor.labelled, evaluation.labelled), Rows.SERVED: (cursor.served, evaluation.served)}
    new = [
        (of, window)
        for of, told in found.items()
        if told is not None
        for window in told.windows
        if window.index >= marks[of][0].window
    ]
    for of, window in sorted(new, key=lambda item: datetime.fromisoformat(item[1].last)):
        state = _with_window(policy, served, state, of, window, result.uri, now)
    moved = {
        of: _moved(policy, *marks[of], told, [w.index for o, w in new if o is of])
        for of, told in found.items()
        if told is not None
    }
    state = replace(
        state,
        cursor=replace(
            cursor,
            labelled=moved.get(Rows.LABELLED, cursor.labelled),
            served=moved.get(Rows.SERVED, cursor.served),
        ),
    )
    looked = result.labelled
    return state if looked is None else replace(state, uncounted=Uncounted.of(looked), coverage=looked.coverage)


def _moved(
    policy: DriftPolicy, mark: Mark, begun: Mark | None, told: LabelledResult | ServedResult, judged: list[int]
) -> Mark:
    """Rows left over count towards the next window."""
    rows, counted = policy.spec.windows.rows, begun.rows if begun is not None else None
    unknown = told.more or counted is None or rows is None
    waiting = told.waiting if isinstance(told, LabelledResult) else 0
    seen = None if unknown else max(0, (counted or 0) - told.rows % (rows or 1) - waiting)
    return Mark(judged[-1] + 1 if judged else mark.window, seen)


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
    cursor = state.cursor
    if cursor is not None:
        # The same rows are looked at again.
        cursor = replace(cursor, labelled=replace(cursor.labelled, rows=None), served=replace(cursor.served, rows=None))
    return replace(state, last=Judged(Verdict.ERROR, message, None, record), cursor=cursor)


# --- one window --------------------------------------------------------------------------------------------------


def _with_window(
    policy: DriftPolicy,
    served: Served,
    state: State,
    of: Rows,
    window: WindowResult,
    uri: str | None,
    now: datetime,
) -> State:
    told = {result.name: result for result in window.signals}
    verdicts = {
        signal.name: verdict_of(
            served, signal, told[signal.name], window.rows, measured_before(served, state, signal.name)
        )
        for signal in policy.spec.signals
        if signal.name in told
    }
    last = _judged(served, of, window, tuple(verdicts.values()), uri, now)
    known = tuple(
        replace(
            signal,
            verdicts=(*signal.verdicts, _window_verdict(window.index, verdict, told[signal.name]))[-KEPT:],
            record=verdict,
            window=last.record.window,
        )
        if (verdict := verdicts.get(signal.name)) is not None
        else signal
        for signal in state.signals
    )
    return replace(
        state, signals=known, last=last, history=_remembering(_past(served, of, last, window), state.history)
    )


def _remembering(past: PastWindow, history: tuple[PastWindow, ...]) -> tuple[PastWindow, ...]:
    """Newest first; as many of each sort of rows, for windows of one may come far more often."""
    same = [known for known in history if known.of is past.of]
    forgotten = same[KEPT - 1 :]
    return (past, *(known for known in history if not any(known is gone for gone in forgotten)))


def _window_verdict(index: int, verdict: wire.SignalVerdict, told: SignalResult) -> WindowVerdict:
    return WindowVerdict(index, Verdict(verdict.verdict or ""), told.breached or ())


def _judged(
    served: Served,
    of: Rows,
    window: WindowResult,
    verdicts: tuple[wire.SignalVerdict, ...],
    uri: str | None,
    now: datetime,
) -> Judged:
    verdict = worst(told.verdict for told in verdicts)
    message = said_by_name(verdicts)
    record = wire.Evaluation(
        id=short_hash([served.revision, of, window.index, window.last]),
        window=_bounds(of, window),
        rows=window.rows,
        labels=window.rows if of is Rows.LABELLED else None,
        verdict=verdict,
        message=message,
        signals=verdicts,
        result=uri,
        at=_moment(now),
    )
    return Judged(verdict, message, window.index, record)


def _bounds(of: Rows, window: WindowResult) -> wire.EvaluatedWindow:
    return wire.EvaluatedWindow(
        of=of, index=window.index, from_=datetime.fromisoformat(window.first), to=datetime.fromisoformat(window.last)
    )


def _past(served: Served, of: Rows, judged: Judged, window: WindowResult) -> PastWindow:
    record = wire.PastEvaluation(
        id=judged.record.id,
        version=served.revision,
        window=judged.record.window,
        verdict=judged.verdict,
        rows=window.rows,
        signals=tuple(verdict.model_copy(update={"message": None, "columns": ()}) for verdict in judged.record.signals),
        at=judged.record.at,
    )
    verdicts = {verdict.name: Verdict(verdict.verdict or "") for verdict in judged.record.signals}
    return PastWindow(served.revision, window.index, datetime.fromisoformat(window.last), verdicts, record, of)


def _moment(now: datetime) -> datetime:
    return now.replace(microsecond=0)


# --- many windows ------------------------------------------------------------------------------------------------


def is_drifting(signal: Signal, state: SignalState) -> list[bool]:
    """Whether that signal counts as drift after each remembered window, oldest first."""
    decision = signal.decision
    if signals.is_of_columns(signal):
        windows = [(item.verdict, item.columns) for item in state.verdicts]
        return drifting_columns(windows, decision.breaches, decision.of, decision.clear_after)
    verdicts = [item.verdict for item in state.verdicts]
    if signals.rows_of(signal) is Rows.LABELLED:
        return drifting(verdicts, decision.clear_after)
    windows = [(verdict, ("",) if verdict is Verdict.BREACHED else ()) for verdict in verdicts]
    return drifting_columns(windows, decision.breaches, decision.of, decision.clear_after)


def with_drift(policy: DriftPolicy, served: Served, state: State) -> State:
    """Each signal with whether it drifts by its decision as it is written now, and since when."""
    decisions = {signal.name: signal for signal in policy.spec.signals}
    told = []
    for signal in state.signals:
        drifts = is_drifting(decisions[signal.name], signal) if signal.name in decisions else []
        stands = bool(drifts) and drifts[-1]
        of = signals.rows_of(decisions[signal.name]) if stands else Rows.LABELLED
        began = _first_of_drift(state, served, of, signal, drifts) if stands else None
        since = (began.to if began is not None else signal.since) if stands else None
        told.append(replace(signal, drifting=stands, since=since))
    return replace(state, signals=tuple(told))


def drifting_signals(state: State) -> tuple[str, ...]:
    return tuple(signal.name for signal in state.signals if signal.drifting)


def began_drift(policy: DriftPolicy, state: State, served: Served, names: Collection[str]) -> PastWindow | None:
    """The window that began the drift of these signals, of several the first: the same one after a lost status, so the
    same name for what it starts."""
    found = (
        _first_of_drift(state, served, signals.rows_of(asked), signal, is_drifting(asked, signal))
        for asked in policy.spec.signals
        for signal in state.signals
        if signal.name == asked.name and signal.name in names and signal.drifting
    )
    return min((window for window in found if window is not None), key=lambda window: window.to, default=None)


def _first_of_drift(
    state: State, served: Served, of: Rows, signal: SignalState, drifts: list[bool]
) -> PastWindow | None:
    first = len(drifts) - 1
    while first > 0 and drifts[first - 1]:
        first -= 1
    return _remembered(state, served, {(of, signal.verdicts[first].window)})


def newest_breach(policy: DriftPolicy, state: State, served: Served, names: Collection[str]) -> PastWindow | None:
    """What a further retrain of the same version is for: the newest window that one of these signals found breached."""
    of = {signal.name: signals.rows_of(signal) for signal in policy.spec.signals}
    breached = {
        (of[signal.name], item.window)
        for signal in state.signals
        if signal.name in names and signal.name in of
        for item in signal.verdicts
        if item.verdict is Verdict.BREACHED
    }
    return _remembered(state, served, breached)


def _remembered(state: State, served: Served, windows: Collection[tuple[Rows, int]]) -> PastWindow | None:
    return next((w for w in state.history if w.revision == served.revision and (w.of, w.window) in windows), None)
