"""Looking for full windows: when a Job is due, what became of it, and what its windows say. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from bucle.contracts.base import decimal_text
from bucle.contracts.canonical import short_hash
from bucle.contracts.reasons import REASONS
from bucle.contracts.result import EvaluateResult, WindowResult
from bucle.engine.reads import Known
from bucle.kinds.driftpolicy.children import look_name
from bucle.kinds.driftpolicy.decide import Measured, Rule, judge
from bucle.kinds.driftpolicy.world import Served, World, reference_of
from bucle.resources.base import Interval, parse_duration
from bucle.resources.documents import written
from bucle.resources.driftpolicy import PerformanceSignal
from bucle.resources.driftpolicy_status import (
    Cursor,
    DriftPolicyStatus,
    DriftReference,
    EvaluatedWindow,
    Evaluation,
    EvaluationJob,
    PastEvaluation,
    ReferenceModel,
    SignalStatus,
    Streak,
)
from bucle.workloads.jobs import Failed, Finished, Running, outcome

Status = DriftPolicyStatus

SETTLED = timedelta(seconds=10)
"""Two roll intervals of the servers: what was received before that long ago is in the store. A Job is made so long
after the end of what it reads."""
ATTEMPTS = 3
KEPT = 20


def restarted(world: World, served: Served, status: Status) -> Status:
    """Windows belong to one version and one rule: a promotion begins them anew, as do an edit and a lost status."""
    cursor = status.cursor
    model = ReferenceModel(name=served.model.name, version=served.model.version)
    signal = world.policy.spec.signals.performance
    told = reference_of(served, signal.metric) if signal else None
    reference = DriftReference(
        model=model,
        digest=served.model.digest,
        metric=signal.metric if signal and told else None,
        value=decimal_text(told.value) if told else None,
        standard_error=decimal_text(told.standard_error) if told and told.standard_error is not None else None,
        groups=told.groups if told else None,
        at=served.since,
    )
    status = status.model_copy(update={"reference": reference})
    rule = rule_of(world)
    same = cursor is not None and (cursor.version, cursor.since) == (served.revision, served.since)
    if cursor is not None and same and cursor.rule in (None, rule):  # an earlier release wrote none
        return status.model_copy(update={"cursor": cursor.model_copy(update={"rule": rule})})
    fresh = Cursor(version=served.revision, since=served.since, window=0, feedback_rows=None, rule=rule)
    return status.model_copy(update={"cursor": fresh, "streak": (), "evaluation": None, "last_evaluation": None})


def rule_of(world: World) -> str:
    """Hash of all that decides which rows fill a window and what is said of it."""
    spec, deployment = world.policy.spec, world.deployment
    labels = written(deployment.spec.feedback) if deployment else None
    return short_hash([written(spec.windows), written(spec.signals), labels])


def looked(world: World, served: Served, status: Status, now: datetime) -> Status:
    """One move: harvest the running Job, or decide on the next one. The Job is written down before it is created."""
    signal = world.policy.spec.signals.performance
    if signal is None or reference_of(served, signal.metric) is None:
        return status
    look = status.evaluation
    if look is not None and look.finished_at is None:
        return _harvested(world, served, signal, status, now)
    if not _due(world, status, now):
        return status
    return status.model_copy(update={"evaluation": _next_look(world, served, status, 0, now)})


def _next_look(world: World, served: Served, status: Status, attempt: int, now: datetime) -> EvaluationJob:
    window = status.cursor.window if status.cursor and status.cursor.window else 0
    # The count was read before `until`, so it never counts a label that the Job leaves for the next look.
    until = now.replace(microsecond=0) + timedelta(seconds=1)
    mark = world.watermark
    return EvaluationJob(
        job=look_name(world.policy, served, window, until, attempt),
        attempt=attempt,
        state="Running",
        image=world.platform.image_worker,
        version=served.revision,
        window=window,
        until=until,
        feedback_rows=mark.value.feedback_rows if isinstance(mark, Known) else None,
        started_at=now.replace(microsecond=0),
    )


def _due(world: World, status: Status, now: datetime) -> bool:
    """Earliest after `every`, and only if enough new labels may have come since; a count that fell means new servers."""
    if not isinstance(world.watermark, Known):
        return False
    look, cursor = status.evaluation, status.cursor
    every = parse_duration(world.policy.spec.schedule.every)
    if look is not None and look.started_at is not None and now - look.started_at < every:
        return False
    rows = world.watermark.value.feedback_rows
    if cursor is None or cursor.feedback_rows is None:
        return rows > 0
    return rows < cursor.feedback_rows or rows - cursor.feedback_rows >= world.policy.spec.windows.rows


def _harvested(world: World, served: Served, signal: PerformanceSignal, status: Status, now: datetime) -> Status:
    look = status.evaluation
    if look is None or look.job is None:
        return status
    found = outcome(look.job, world.jobs.get(look.job), world.pods, now)
    if look.state == "Running" and look.job not in world.jobs and not isinstance(found, Finished | Failed):
        return status
    end = now.replace(microsecond=0)
    match found:
        case Running(trouble=trouble):
            # What an earlier attempt failed of stands until this one has ended, unless it has a trouble of its own.
            reason = f"{trouble.reason}: {trouble.message}" if trouble else look.reason if look.attempt else None
            told = look.model_copy(update={"state": "Created", "reason": reason})
            return status.model_copy(update={"evaluation": told})
        case Finished(result=result) if result.evaluate is not None:
            done = look.model_copy(update={"state": "Succeeded", "finished_at": end, "reason": None})
            status = status.model_copy(update={"evaluation": done})
            return _with_windows(world, served, signal, status, result.evaluate, now)
        case Failed(kind="Fatal" | "User" | "Parameters", reason=reason, message=message):
            return _given_up(status, look, f"{reason}: {message}", end)
        case ended:
            reason = ended.reason if isinstance(ended, Failed) else "ResultLost"
            message = f"{reason}: {'the Job left no windows' if isinstance(ended, Finished) else ended.message}"
            attempt = (look.attempt or 0) + 1
            if attempt >= ATTEMPTS:
                return _given_up(status, look, message, end)
            again = _next_look(world, served, status, attempt, now)
            return status.model_copy(update={"evaluation": again.model_copy(update={"reason": message})})


def reason_of(text: str) -> tuple[str, str]:
    """Reason and message, which status keeps in one text."""
    reason, colon, message = text.partition(": ")
    return (reason, message) if colon and reason in REASONS else ("ProgramFailed", text)


def due_at(look: EvaluationJob) -> datetime | None:
    """When everything that the Job reads is in the store."""
    return look.until + SETTLED if look.until else None


def _given_up(status: Status, look: EvaluationJob, message: str, end: datetime) -> Status:
    """This look failed; the next one comes after `every`, over the same rows."""
    told = look.model_copy(update={"state": "Failed", "reason": message, "finished_at": end})
    signal = SignalStatus(name="performance", verdict="Error")
    failed = Evaluation(id=look.job, verdict="Error", message=message, signals=(signal,), at=end)
    cursor = status.cursor.model_copy(update={"feedback_rows": None}) if status.cursor else None
    return status.model_copy(update={"evaluation": told, "last_evaluation": failed, "cursor": cursor})


def _with_windows(
    world: World, served: Served, signal: PerformanceSignal, status: Status, result: EvaluateResult, now: datetime
) -> Status:
    """Judges every new window in order. Rows left over count towards the next window."""
    reference = reference_of(served, signal.metric)
    cursor = status.cursor
    if reference is None or cursor is None:
        return status
    rule = Rule(signal.metric, float(signal.max_degradation), float(signal.confidence))
    evaluation, history, streak = status.last_evaluation, status.history, status.streak
    if evaluation is not None and evaluation.verdict == "Error":
        evaluation = None  # an earlier look failed, and this one did not
    expected = cursor.window or 0
    for window in (w for w in result.windows if w.index >= expected):
        evaluation = _judged(served, window, reference, rule, now)
        streak = (*streak, Streak(window=window.index, verdict=evaluation.verdict))[-KEPT:]
        history = (_past(served, evaluation, window), *history)[:KEPT]
        expected = window.index + 1
    stored = status.evaluation.feedback_rows if status.evaluation else None
    rows = world.policy.spec.windows.rows
    seen = None if result.more or stored is None else max(0, stored - result.labelled % rows)
    moved = cursor.model_copy(update={"window": expected, "feedback_rows": seen})
    return status.model_copy(
        update={"cursor": moved, "last_evaluation": evaluation, "history": history, "streak": streak}
    )


def _judged(served: Served, window: WindowResult, reference: Measured, rule: Rule, now: datetime) -> Evaluation:
    error = float(window.standard_error) if window.standard_error is not None else None
    judged = judge(Measured(float(window.value), error, window.groups), reference, rule)
    interval = None
    if judged.lower is not None and judged.upper is not None:
        interval = Interval(lower=decimal_text(judged.lower, 6), upper=decimal_text(judged.upper, 6))
    signal = SignalStatus(
        name="performance",
        verdict=judged.verdict,
        value=window.value,
        limit=decimal_text(judged.limit, 6),
        interval=interval,
    )
    return Evaluation(
        id=short_hash([served.revision, window.index, window.last]),
        window=_bounds(window),
        rows=window.rows,
        labels=window.rows,
        groups=window.groups,
        verdict=judged.verdict,
        message=judged.message,
        signals=(signal,),
        at=now.replace(microsecond=0),
    )


def _bounds(window: WindowResult) -> EvaluatedWindow:
    return EvaluatedWindow(
        index=window.index, from_=datetime.fromisoformat(window.first), to=datetime.fromisoformat(window.last)
    )


def _past(served: Served, evaluation: Evaluation, window: WindowResult) -> PastEvaluation:
    return PastEvaluation(
        id=evaluation.id,
        version=served.revision,
        window=evaluation.window,
        verdict=evaluation.verdict,
        value=window.value,
        limit=evaluation.signals[0].limit,
        interval=evaluation.signals[0].interval,
        rows=window.rows,
        groups=window.groups,
        at=evaluation.at,
    )
