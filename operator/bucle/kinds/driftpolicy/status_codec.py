"""How a DriftPolicy's state stands in its status: `decoded` and `encoded` are the only places that know it. Pure.

A state that this release does not know (a newer release, an edit by hand) is `UnknownState`: a hold, never a transition.
"""

from __future__ import annotations

from datetime import datetime

from bucle.contracts.coverage import AnswerCoverage, Coverage
from bucle.contracts.person import Outcome
from bucle.engine.room import known_state
from bucle.engine.status import timestamp
from bucle.kinds.driftpolicy.state import (
    BEGINNING,
    KEPT,
    Action,
    ActionOutcome,
    Cursor,
    Evaluation,
    EvaluationState,
    FeedbackBounds,
    Judged,
    Mark,
    OpenRetrain,
    PastRetrain,
    PastWindow,
    RetrainOutcome,
    RetrainState,
    Rows,
    SignalState,
    State,
    Verdict,
    Wanted,
    WantedRetrain,
    WindowVerdict,
)
from bucle.resources import driftpolicy_status as wire
from bucle.resources.person_status import PersonAction
from bucle.resources.uncounted_status import uncounted_of, uncounted_status
from bucle.workloads import attempt_status


def decoded(status: wire.DriftPolicyStatus) -> State:
    """Raises UnknownState. What stands there without a field that is always written counts as not written."""
    retrains = status.retrains or wire.Retrains()
    return State(
        reference=status.reference,
        cursor=_cursor(status.cursor),
        signals=tuple(_signal(record) for record in status.signals),
        evaluation=_evaluation(status.evaluation),
        last=_judged(status.last_evaluation),
        uncounted=uncounted_of(status.uncounted),
        coverage=_coverage(status.coverage),
        action=_action(status.action),
        approval=_approval(status.approval),
        muted=status.muted,
        person_actions=tuple(_answered(line) for line in status.person_actions),
        retrain=_open(retrains.in_flight),
        retrains_begun=retrains.total or 0,
        past_retrains=tuple(found for line in retrains.recent if (found := _past(line)) is not None),
        history=tuple(past for record in status.history if (past := _past_window(record)) is not None),
    )


def encoded(state: State) -> wire.DriftPolicyStatus:
    """The status but for what the engine keeps in it: conditions and the generation."""
    retrains = wire.Retrains(
        total=state.retrains_begun,
        in_flight=_open_record(state.retrain) if state.retrain else None,
        recent=tuple(_past_record(line) for line in state.past_retrains[:KEPT]),
    )
    return wire.DriftPolicyStatus(
        reference=state.reference,
        cursor=_cursor_record(state.cursor) if state.cursor else None,
        signals=tuple(_signal_record(signal) for signal in state.signals),
        evaluation=_evaluation_record(state.evaluation) if state.evaluation else None,
        uncounted=uncounted_status(state.uncounted),
        coverage=_coverage_record(state.coverage) if state.coverage else None,
        last_evaluation=state.last.record if state.last else None,
        action=_action_record(state.action) if state.action else None,
        approval=_approval_record(state.approval) if state.approval else None,
        muted=state.muted,
        person_actions=state.person_actions,
        retrains=retrains if state.cursor is not None or retrains != wire.Retrains(total=0) else None,
        history=tuple(past.record for past in state.history[: 2 * KEPT]),
    )


def _coverage(record: wire.CoverageStatus | None) -> Coverage | None:
    if record is None or record.since is None:
        return None
    told = (
        AnswerCoverage(answer=one.answer or "", answers=one.answers or 0, labelled=one.labelled or 0)
        for one in record.by_answer
    )
    return Coverage(since=timestamp(record.since), by_answer=tuple(told))


def _coverage_record(told: Coverage) -> wire.CoverageStatus:
    return wire.CoverageStatus(
        since=datetime.fromisoformat(told.since),
        by_answer=tuple(wire.AnswerCoverageStatus(**one.model_dump()) for one in told.by_answer),
    )


def _cursor(record: wire.Cursor | None) -> Cursor | None:
    if record is None or record.version is None or record.since is None or record.rule is None:
        return None
    return Cursor(
        record.version, record.since, record.rule, _mark(record.labelled) or Mark(), _mark(record.served) or Mark()
    )


def _cursor_record(cursor: Cursor) -> wire.Cursor:
    return wire.Cursor(
        version=cursor.revision,
        since=cursor.since,
        rule=cursor.rule,
        labelled=_mark_record(cursor.labelled),
        served=_mark_record(cursor.served),
    )


def _mark(record: wire.Mark | None) -> Mark | None:
    return Mark(record.window or 0, record.rows) if record is not None else None


def _mark_record(mark: Mark | None) -> wire.Mark | None:
    return wire.Mark(window=mark.window, rows=mark.rows) if mark is not None else None


VERDICT = (
    "name",
    "verdict",
    "reason",
    "message",
    "value",
    "limit",
    "interval",
    "groups",
    "standard_error",
    "kish",
    "columns",
)
"""Fields of one signal on one window, which stand in several places of the status."""


def _signal(record: wire.SignalStatus) -> SignalState:
    if record.verdict is not None:
        known_state(Verdict, record.verdict, "signals[].verdict")
    _rows_of(record.window, "signals[].window.of")
    told = {name: getattr(record, name) for name in VERDICT}
    return SignalState(
        name=record.name,
        rule=record.rule or "",
        verdicts=tuple(
            WindowVerdict(item.window, known_state(Verdict, item.verdict, "signals[].streak[].verdict"), item.columns)
            for item in record.streak
            if item.window is not None
        ),
        drifting=record.drifting or False,
        since=record.since,
        record=wire.SignalVerdict(**told) if record.verdict is not None else None,
        window=record.window,
    )


def _signal_record(signal: SignalState) -> wire.SignalStatus:
    told = {name: getattr(signal.record, name) for name in VERDICT} if signal.record is not None else {}
    return wire.SignalStatus(
        **{
            **told,
            "name": signal.name,
            "rule": signal.rule,
            "window": signal.window,
            "drifting": signal.drifting,
            "since": signal.since,
            "streak": tuple(
                wire.Streak(window=v.window, verdict=v.verdict, columns=v.columns) for v in signal.verdicts[-KEPT:]
            ),
        }
    )


def _evaluation(record: wire.EvaluationJob | None) -> Evaluation | None:
    if record is None or record.job is None or record.image is None or record.until is None:
        return None
    state = known_state(EvaluationState, record.state, "evaluation.state")
    attempt = attempt_status.decoded(record, message=record.message, given_up=state is EvaluationState.FAILED)
    return Evaluation(
        job=record.job,
        image=record.image,
        state=state,
        attempt=attempt,
        revision=record.version or "",
        rule=record.rule or "",
        until=record.until,
        labelled=_mark(record.labelled),
        served=_mark(record.served),
        started_at=record.started_at or record.until,
        finished_at=record.finished_at,
    )


def _evaluation_record(evaluation: Evaluation) -> wire.EvaluationJob:
    return wire.EvaluationJob(
        job=evaluation.job,
        image=evaluation.image,
        state=evaluation.state,
        **attempt_status.told(evaluation.attempt),
        version=evaluation.revision,
        rule=evaluation.rule,
        until=evaluation.until,
        labelled=_mark_record(evaluation.labelled),
        served=_mark_record(evaluation.served),
        started_at=evaluation.started_at,
        finished_at=evaluation.finished_at,
    )


def _judged(record: wire.Evaluation | None) -> Judged | None:
    if record is None:
        return None
    verdict = known_state(Verdict, record.verdict, "lastEvaluation.verdict")
    for signal in record.signals:
        known_state(Verdict, signal.verdict, "lastEvaluation.signals[].verdict")
    _rows_of(record.window, "lastEvaluation.window.of")
    return Judged(verdict, record.message or "", record.window.index if record.window else None, record)


def _past_window(record: wire.PastEvaluation) -> PastWindow | None:
    window = record.window
    if record.version is None or window is None or window.index is None or window.to is None:
        return None
    known_state(Verdict, record.verdict, "history[].verdict")
    verdicts = {s.name: known_state(Verdict, s.verdict, "history[].signals[].verdict") for s in record.signals}
    of = _rows_of(window, "history[].window.of")
    return PastWindow(record.version, window.index, window.to, verdicts, record, of)


def _rows_of(window: wire.EvaluatedWindow | None, field: str) -> Rows:
    """Where nothing stands, as an older release left it, of labelled rows."""
    return known_state(Rows, window.of, field) if window is not None and window.of is not None else Rows.LABELLED


def _action(record: wire.ActionStatus | None) -> Action | None:
    if record is None or record.reason is None or record.at is None:
        return None
    wanted = known_state(Wanted, record.wanted, "action.wanted")
    outcome = known_state(ActionOutcome, record.outcome, "action.outcome")
    return Action(wanted, outcome, record.reason, record.message or "", record.at, record.signals)


def _action_record(action: Action) -> wire.ActionStatus:
    return wire.ActionStatus(
        wanted=action.wanted,
        outcome=action.outcome,
        reason=action.reason,
        message=action.message or None,
        at=action.at,
        signals=action.signals,
    )


def _answered(line: PersonAction) -> PersonAction:
    known_state(Outcome, line.outcome, "personActions[].outcome")
    return line


def _approval(record: wire.WantedRetrain | None) -> WantedRetrain | None:
    if record is None or record.retrain is None or record.window is None:
        return None
    return WantedRetrain(record.retrain, record.window, record.since or BEGINNING, record.approved or False)


def _approval_record(wanted: WantedRetrain) -> wire.WantedRetrain:
    return wire.WantedRetrain(
        retrain=wanted.name, window=wanted.window, since=wanted.since, approved=wanted.approved or None
    )


def _open(record: wire.OpenRetrain | None) -> OpenRetrain | None:
    if record is None or record.name is None:
        return None
    bounds = record.feedback_bounds
    known = None
    if bounds is not None and bounds.received_before is not None and bounds.labels_received_before is not None:
        known = FeedbackBounds(bounds.received_before, bounds.labels_received_before)
    return OpenRetrain(
        name=record.name,
        state=known_state(RetrainState, record.state, "retrains.inFlight.state"),
        started_at=record.started_at or BEGINNING,
        window=record.window,
        feedback_bounds=known,
        digest=record.digest,
        model_version=record.model_version,
        asked=record.asked,
    )


def _open_record(retrain: OpenRetrain) -> wire.OpenRetrain:
    bounds = retrain.feedback_bounds
    return wire.OpenRetrain(
        name=retrain.name,
        dataset=retrain.name,
        experiment=retrain.name,
        state=retrain.state,
        started_at=retrain.started_at,
        window=retrain.window,
        feedback_bounds=wire.FeedbackBounds(
            received_before=bounds.received_before, labels_received_before=bounds.labels_received_before
        )
        if bounds
        else None,
        digest=retrain.digest,
        model_version=retrain.model_version,
        asked=retrain.asked,
    )


def _past(record: wire.PastRetrain) -> PastRetrain | None:
    if record.name is None:
        return None
    return PastRetrain(
        name=record.name,
        outcome=known_state(RetrainOutcome, record.outcome, "retrains.recent[].outcome"),
        reason=record.reason or "",
        started_at=record.started_at or BEGINNING,
        finished_at=record.finished_at,
        window=record.window,
        model_version=record.model_version,
    )


def _past_record(line: PastRetrain) -> wire.PastRetrain:
    return wire.PastRetrain(
        name=line.name,
        dataset=line.name,
        experiment=line.name,
        outcome=line.outcome,
        reason=line.reason,
        started_at=line.started_at,
        finished_at=line.finished_at,
        window=line.window,
        model_version=line.model_version,
    )
