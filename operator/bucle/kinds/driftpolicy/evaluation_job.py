"""Looking for full windows: when a Job is due, what became of it, when the next one follows. Pure.

Which attempt follows which failure is the attempt machine's; this file adds what an evaluation fixes beside it: up to
when it reads, and how many labels there were.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bucle.contracts.capture import SETTLED
from bucle.engine.reads import Known
from bucle.kinds.driftpolicy import signals, window_verdicts
from bucle.kinds.driftpolicy.children import evaluate_job, evaluation_name
from bucle.kinds.driftpolicy.state import Evaluation, EvaluationState, Mark, State
from bucle.kinds.driftpolicy.world import Served, World
from bucle.resources.base import parse_duration
from bucle.workloads import attempt as attempts
from bucle.workloads.attempt import Attempt
from bucle.workloads.jobs import Failed, Finished, Lost, Running, placed_otherwise


def evaluated(world: World, served: Served, state: State, now: datetime) -> State:
    """One move: harvest the running Job, try it again, or decide on the next one, which is written before it is made."""
    evaluation = state.evaluation
    if evaluation is not None and evaluation.open:
        return _harvested(world, served, state, evaluation, now)
    if not signals.can_look(world.policy, served):
        return state
    if not _due(world, state, now):
        return state
    return replace(state, evaluation=_planned(world, served, state, Attempt(0), now))


def made_at(evaluation: Evaluation) -> datetime:
    """When its Job is made: everything that it reads is in the store, and the pause of a failed attempt is over."""
    stored = evaluation.until + SETTLED
    waits = evaluation.attempt.not_before
    return max(stored, waits) if waits is not None else stored


def _planned(world: World, served: Served, state: State, attempt: Attempt, now: datetime) -> Evaluation:
    window = state.cursor.labelled.window if state.cursor else 0
    # The count was read before `until`, so it never counts a label that the Job leaves for the next look.
    until = now.replace(microsecond=0) + timedelta(seconds=1)
    if attempt.not_before is not None:
        until = max(until, attempt.not_before.replace(microsecond=0))
    mark, rule = world.watermark, signals.look_rule(world)
    return Evaluation(
        job=evaluation_name(world.policy, served, rule, window, until, attempt.number),
        image=world.platform.image_worker,
        state=EvaluationState.PLANNED,
        attempt=attempt,
        revision=served.revision,
        rule=rule,
        until=until,
        labelled=Mark(window, mark.value.feedback_rows if isinstance(mark, Known) else None),
        started_at=now.replace(microsecond=0),
    )


def _due(world: World, state: State, now: datetime) -> bool:
    """Earliest after `every`, and only if enough new labels may have come since; a count that fell means new servers."""
    if not isinstance(world.watermark, Known):
        return False
    evaluation, cursor = state.evaluation, state.cursor
    if evaluation is not None and now - evaluation.started_at < parse_duration(world.policy.spec.schedule.every):
        return False
    rows = world.watermark.value.feedback_rows
    seen = cursor.labelled.rows if cursor is not None else None
    if seen is None:
        return rows > 0
    return rows < seen or rows - seen >= world.policy.spec.windows.rows


def _harvested(world: World, served: Served, state: State, evaluation: Evaluation, now: datetime) -> State:
    found = attempts.harvest(world.live, evaluation.job, now)
    if found is None and evaluation.state is EvaluationState.PLANNED:
        return state
    if isinstance(found, Running) and found.trouble is not None and _placed_otherwise(world, served, evaluation):
        return replace(state, evaluation=_planned(world, served, state, Attempt(evaluation.attempt.number + 1), now))
    if isinstance(found, Running):
        attempt = attempts.watched(evaluation.attempt, found)
        return replace(state, evaluation=replace(evaluation, state=EvaluationState.RUNNING, attempt=attempt))
    if isinstance(found, Finished) and found.result.evaluate is not None:
        attempt = replace(evaluation.attempt, reason=None, message="", not_before=None)
        done = replace(evaluation, state=EvaluationState.SUCCEEDED, attempt=attempt, finished_at=_moment(now))
        looked = found.result.evaluate.labelled
        return window_verdicts.with_windows(world, served, replace(state, evaluation=done), looked, now)
    ended = found if isinstance(found, Failed | Lost) else Lost(f"Job {evaluation.job} left no windows")
    attempt = attempts.after(evaluation.attempt, ended, now)
    if not attempt.given_up:
        return replace(state, evaluation=_planned(world, served, state, attempt, now))
    # The next look comes after `every`, over the same rows.
    over = replace(evaluation, state=EvaluationState.FAILED, attempt=attempt, finished_at=_moment(now))
    told = window_verdicts.failed(state, evaluation.job, attempt.reason or "ResultLost", attempt.message, now)
    return replace(told, evaluation=over)


def _placed_otherwise(world: World, served: Served, evaluation: Evaluation) -> bool:
    """Whether its pod would be another one by now, because the policy or the chart was edited."""
    live = world.live.jobs.get(evaluation.job)
    image = evaluation.image != world.platform.image_worker
    return live is not None and (image or placed_otherwise(live, evaluate_job(world, served, evaluation)[-1]))


def _moment(now: datetime) -> datetime:
    return now.replace(microsecond=0)
