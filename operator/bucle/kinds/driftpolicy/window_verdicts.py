"""What full windows say: each judged against the reference, counted, remembered. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bucle.contracts import registry_tags
from bucle.contracts.base import decimal_text
from bucle.contracts.canonical import short_hash
from bucle.contracts.result import EvaluateResult, WindowResult
from bucle.contracts.uncounted import Uncounted
from bucle.kinds.driftpolicy.drift_statistics import Measured, Rule, drifting, judge
from bucle.kinds.driftpolicy.state import KEPT, Cursor, Judged, PastWindow, State, Verdict, WindowVerdict
from bucle.kinds.driftpolicy.world import Served, World, reference_of
from bucle.resources import driftpolicy_status as wire
from bucle.resources.base import Interval
from bucle.resources.documents import written
from bucle.resources.driftpolicy import DriftPolicy, PerformanceSignal


def restarted(world: World, served: Served, state: State) -> State:
    """Windows belong to one version and one rule: a promotion begins them anew, as do an edit and a lost status."""
    state = replace(state, reference=_reference(world, served))
    rule, cursor = rule_of(world), state.cursor
    if cursor is not None and (cursor.revision, cursor.since, cursor.rule) == (served.revision, served.since, rule):
        return state
    fresh = Cursor(served.revision, served.since, window=0, feedback_rows=None, rule=rule)
    return replace(state, cursor=fresh, verdicts=(), evaluation=None, last=None, uncounted=Uncounted())


def rule_of(world: World) -> str:
    """Hash of all that decides which rows fill a window and what is said of it."""
    spec, deployment = world.policy.spec, world.deployment
    labels = written(deployment.spec.feedback) if deployment else None
    return short_hash([written(spec.windows), written(spec.signals), labels])


def _reference(world: World, served: Served) -> wire.DriftReference:
    signal = world.policy.spec.signals.performance
    told = reference_of(served, signal.metric) if signal else None
    return wire.DriftReference(
        model=wire.ReferenceModel(name=served.model.name, version=served.model.version),
        digest=served.model.digest,
        dataset=served.tags.get(registry_tags.TAG_DATASET_NAME),
        metric=signal.metric if signal and told else None,
        value=decimal_text(told.value) if told else None,
        standard_error=decimal_text(told.standard_error) if told and told.standard_error is not None else None,
        groups=told.groups if told else None,
        at=served.since,
    )


def with_windows(
    world: World, served: Served, signal: PerformanceSignal, state: State, result: EvaluateResult, now: datetime
) -> State:
    """Judges every new window in order. Rows left over count towards the next window."""
    reference, cursor, evaluation = reference_of(served, signal.metric), state.cursor, state.evaluation
    if reference is None or cursor is None or evaluation is None:
        return state
    rule = Rule(signal.metric, float(signal.max_degradation), float(signal.confidence))
    # An earlier look that failed is forgotten: this one did not.
    last = state.last if state.last is not None and state.last.verdict is not Verdict.ERROR else None
    history, verdicts, expected = state.history, state.verdicts, cursor.window
    for window in (w for w in result.windows if w.index >= expected):
        last = _judged(served, window, reference, rule, now)
        verdicts = (*verdicts, WindowVerdict(window.index, last.verdict))[-KEPT:]
        history = (_past(served, last, window), *history)[:KEPT]
        expected = window.index + 1
    rows, counted = world.policy.spec.windows.rows, evaluation.feedback_rows
    seen = None if result.more or counted is None else max(0, counted - result.labelled % rows)
    moved = replace(cursor, window=expected, feedback_rows=seen)
    lost = Uncounted.of(result)
    return replace(state, cursor=moved, last=last, history=history, verdicts=verdicts, uncounted=lost)


def failed(state: State, job: str, reason: str, message: str, now: datetime) -> State:
    """The look ended without windows: what is said of drift until the next one."""
    moment = now.replace(microsecond=0)
    record = wire.Evaluation(
        id=job,
        verdict=Verdict.ERROR,
        reason=reason,
        message=message,
        signals=(wire.SignalStatus(name="performance", verdict=Verdict.ERROR),),
        at=moment,
    )
    cursor = replace(state.cursor, feedback_rows=None) if state.cursor else None
    return replace(state, last=Judged(Verdict.ERROR, message, None, record), cursor=cursor)


def is_drifting(policy: DriftPolicy, state: State) -> list[bool]:
    """Whether it counts as drift after each remembered window, oldest first."""
    decision = policy.spec.decision
    return drifting([item.verdict for item in state.verdicts], decision.breaches, decision.of, decision.clear_after)


def first_of_drift(state: State, served: Served, drifts: list[bool]) -> PastWindow | None:
    """The window that began the drift: the same one after a lost status, so the same name for what it starts."""
    first = len(drifts) - 1
    while first > 0 and drifts[first - 1]:
        first -= 1
    index = state.verdicts[first].window
    return next((past for past in state.history if (past.revision, past.window) == (served.revision, index)), None)


def newest_breach(state: State, served: Served) -> PastWindow | None:
    """What a further retrain of the same version is for."""
    breached = (past for past in state.history if past.verdict is Verdict.BREACHED)
    return next((past for past in breached if past.revision == served.revision), None)


def _judged(served: Served, window: WindowResult, reference: Measured, rule: Rule, now: datetime) -> Judged:
    error = float(window.standard_error) if window.standard_error is not None else None
    found = judge(Measured(float(window.value), error, window.groups), reference, rule)
    interval = None
    if found.lower is not None and found.upper is not None:
        interval = Interval(lower=decimal_text(found.lower, 6), upper=decimal_text(found.upper, 6))
    signal = wire.SignalStatus(
        name="performance",
        verdict=found.verdict,
        value=window.value,
        limit=decimal_text(found.limit, 6),
        interval=interval,
    )
    record = wire.Evaluation(
        id=short_hash([served.revision, window.index, window.last]),
        window=_bounds(window),
        rows=window.rows,
        labels=window.rows,
        groups=window.groups,
        verdict=found.verdict,
        message=found.message,
        signals=(signal,),
        at=now.replace(microsecond=0),
    )
    return Judged(Verdict(found.verdict), found.message, window.index, record)


def _bounds(window: WindowResult) -> wire.EvaluatedWindow:
    return wire.EvaluatedWindow(
        index=window.index, from_=datetime.fromisoformat(window.first), to=datetime.fromisoformat(window.last)
    )


def _past(served: Served, judged: Judged, window: WindowResult) -> PastWindow:
    signal = judged.record.signals[0]
    record = wire.PastEvaluation(
        id=judged.record.id,
        version=served.revision,
        window=judged.record.window,
        verdict=judged.verdict,
        value=window.value,
        limit=signal.limit,
        interval=signal.interval,
        rows=window.rows,
        groups=window.groups,
        at=judged.record.at,
    )
    return PastWindow(served.revision, window.index, datetime.fromisoformat(window.last), judged.verdict, record)
