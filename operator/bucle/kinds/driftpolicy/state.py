"""What a DriftPolicy remembers between two looks, typed: where windows stand, the evaluation, the retrains. Pure.

`decoded` and `encoded` are the only places that know how it stands in status. A state that this release does not know
(a newer release, an edit by hand) is `UnknownState`: a hold, never a transition.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from bucle.contracts.uncounted import Uncounted
from bucle.engine.room import known_state
from bucle.resources import driftpolicy_status as wire
from bucle.resources.uncounted_status import UncountedStatus
from bucle.workloads import attempt_status
from bucle.workloads.attempt import Attempt

KEPT = 20
"""So many windows and retrains are remembered: the maximum of the lists in status."""
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Verdict(StrEnum):
    HEALTHY = "Healthy"
    BREACHED = "Breached"
    INCONCLUSIVE = "Inconclusive"
    NO_DATA = "NoData"
    ERROR = "Error"


class EvaluationState(StrEnum):
    PLANNED = "Planned"
    """Written down; its Job is made once all that it reads is stored, or after the pause of a failed attempt."""
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class RetrainState(StrEnum):
    CLAIMED = "Claimed"
    """Written down, nothing made yet: another policy that claims the same model at the same moment must be able to see it."""
    RETRAINING = "Retraining"
    ROLLING_OUT = "RollingOut"


class RetrainOutcome(StrEnum):
    PROMOTED = "Promoted"
    REFUSED = "Refused"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


class Wanted(StrEnum):
    """What the windows ask for."""

    NONE = "None"
    ALERT = "Alert"
    RETRAIN = "Retrain"


class ActionOutcome(StrEnum):
    DONE = "Done"
    SUPPRESSED = "Suppressed"
    WAITING = "Waiting"


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next window begins. `feedback_rows`: the servers' label count up to which nothing new can be full."""

    revision: str
    since: datetime
    window: int
    feedback_rows: int | None
    rule: str


@dataclass(frozen=True, slots=True)
class WindowVerdict:
    window: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One Job that looks for full windows, through all of its attempts. `until`: what was received before is read."""

    job: str
    image: str
    state: EvaluationState
    attempt: Attempt
    revision: str
    window: int
    until: datetime
    feedback_rows: int | None
    started_at: datetime
    finished_at: datetime | None = None

    @property
    def open(self) -> bool:
        return self.state in (EvaluationState.PLANNED, EvaluationState.RUNNING)


@dataclass(frozen=True, slots=True)
class Judged:
    """The last thing that was said of windows. `record` is how status tells it, whole."""

    verdict: Verdict
    message: str
    window: int | None
    record: wire.Evaluation


@dataclass(frozen=True, slots=True)
class PastWindow:
    revision: str
    window: int
    to: datetime
    verdict: Verdict
    record: wire.PastEvaluation


@dataclass(frozen=True, slots=True)
class Action:
    wanted: Wanted
    outcome: ActionOutcome
    reason: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FeedbackBounds:
    """The served rows of a retrain, fixed before its Dataset is made."""

    received_before: datetime
    labels_received_before: datetime


@dataclass(frozen=True, slots=True)
class OpenRetrain:
    """The retrain under way; its children carry its name. `digest`: of the model it made."""

    name: str
    state: RetrainState
    started_at: datetime
    window: int | None = None
    feedback_bounds: FeedbackBounds | None = None
    digest: str | None = None
    model_version: int | None = None


@dataclass(frozen=True, slots=True)
class PastRetrain:
    name: str
    outcome: RetrainOutcome
    reason: str
    started_at: datetime
    finished_at: datetime | None = None
    window: int | None = None
    model_version: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    reference: wire.DriftReference | None = None
    cursor: Cursor | None = None
    verdicts: tuple[WindowVerdict, ...] = ()
    evaluation: Evaluation | None = None
    last: Judged | None = None
    uncounted: Uncounted = Uncounted()
    action: Action | None = None
    retrain: OpenRetrain | None = None
    retrains_begun: int = 0
    past_retrains: tuple[PastRetrain, ...] = ()
    history: tuple[PastWindow, ...] = ()


def decoded(status: wire.DriftPolicyStatus) -> State:
    """Raises UnknownState. What stands there without a field that is always written counts as not written."""
    retrains = status.retrains or wire.Retrains()
    return State(
        reference=status.reference,
        cursor=_cursor(status.cursor),
        verdicts=tuple(
            WindowVerdict(item.window, known_state(Verdict, item.verdict, "streak[].verdict"))
            for item in status.streak
            if item.window is not None
        ),
        evaluation=_evaluation(status.evaluation),
        last=_judged(status.last_evaluation),
        uncounted=_uncounted(status.uncounted),
        action=_action(status.action),
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
        streak=tuple(wire.Streak(window=item.window, verdict=item.verdict) for item in state.verdicts[-KEPT:]),
        evaluation=_evaluation_record(state.evaluation) if state.evaluation else None,
        uncounted=UncountedStatus(**lost) if (lost := state.uncounted.by_reason()) else None,
        last_evaluation=state.last.record if state.last else None,
        action=_action_record(state.action) if state.action else None,
        retrains=retrains if state.cursor is not None or retrains != wire.Retrains(total=0) else None,
        history=tuple(past.record for past in state.history[:KEPT]),
    )


def _cursor(record: wire.Cursor | None) -> Cursor | None:
    if record is None or record.version is None or record.since is None or record.rule is None:
        return None
    return Cursor(record.version, record.since, record.window or 0, record.feedback_rows, record.rule)


def _cursor_record(cursor: Cursor) -> wire.Cursor:
    return wire.Cursor(
        version=cursor.revision,
        since=cursor.since,
        window=cursor.window,
        feedback_rows=cursor.feedback_rows,
        rule=cursor.rule,
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
        window=record.window or 0,
        until=record.until,
        feedback_rows=record.feedback_rows,
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
        window=evaluation.window,
        until=evaluation.until,
        feedback_rows=evaluation.feedback_rows,
        started_at=evaluation.started_at,
        finished_at=evaluation.finished_at,
    )


def _judged(record: wire.Evaluation | None) -> Judged | None:
    if record is None:
        return None
    verdict = known_state(Verdict, record.verdict, "lastEvaluation.verdict")
    for signal in record.signals:
        known_state(Verdict, signal.verdict, "lastEvaluation.signals[].verdict")
    return Judged(verdict, record.message or "", record.window.index if record.window else None, record)


def _uncounted(record: UncountedStatus | None) -> Uncounted:
    told = record or UncountedStatus()
    return Uncounted(told.ungrouped or 0, told.misdated or 0, told.unjoined or 0, told.unreadable or 0)


def _past_window(record: wire.PastEvaluation) -> PastWindow | None:
    window = record.window
    if record.version is None or window is None or window.index is None or window.to is None:
        return None
    verdict = known_state(Verdict, record.verdict, "history[].verdict")
    return PastWindow(record.version, window.index, window.to, verdict, record)


def _action(record: wire.ActionStatus | None) -> Action | None:
    if record is None or record.reason is None or record.at is None:
        return None
    wanted = known_state(Wanted, record.wanted, "action.wanted")
    outcome = known_state(ActionOutcome, record.outcome, "action.outcome")
    return Action(wanted, outcome, record.reason, record.message or "", record.at)


def _action_record(action: Action) -> wire.ActionStatus:
    return wire.ActionStatus(
        wanted=action.wanted,
        outcome=action.outcome,
        reason=action.reason,
        message=action.message or None,
        at=action.at,
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
