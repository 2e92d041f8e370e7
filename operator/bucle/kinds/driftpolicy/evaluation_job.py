"""Looking for full windows: when a Job is due, what became of it, when the next one follows. Pure.

Which attempt follows which failure is the attempt machine's; this file adds what an evaluation fixes beside it: up to
when it reads, and how many labels there were.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from bucle.contracts.capture import SETTLED
from bucle.engine.reads import Known
from bucle.kinds.driftpolicy import signals, window_verdicts
from bucle.kinds.driftpolicy.children import evaluate_job, evaluation_name
from bucle.kinds.driftpolicy.state import Cursor, Evaluation, EvaluationState, Mark, Rows, State
from bucle.kinds.driftpolicy.window_clock import is_due
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
    due = _due(world, served, state, now)
    if not due:
        return state
    return replace(state, evaluation=_planned(world, served, state, due, Attempt(0), now))


def made_at(evaluation: Evaluation) -> datetime:
    """When its Job is made: everything that it reads is in the store, and the pause of a failed attempt is over."""
    stored = evaluation.until + SETTLED
    waits = evaluation.attempt.not_before
    return max(stored, waits) if waits is not None else stored


def _planned(
    world: World, served: Served, state: State, due: Collection[Rows], attempt: Attempt, now: datetime
) -> Evaluation:
    cursor = state.cursor or Cursor(served.revision, served.since, "")
    windows = {Rows.LABELLED: cursor.labelled.window, Rows.SERVED: cursor.served.window}
    first = [windows[of] for of in Rows if of in due]
    # The count was read before `until`, so it never counts a label that the Job leaves for the next look.
    until = now.replace(microsecond=0) + timedelta(seconds=1)
    if attempt.not_before is not None:
        until = max(until, attempt.not_before.replace(microsecond=0))
    rule = signals.look_rule(world)
    marks = {of: Mark(windows[of], _counted(world, of)) for of in due}
    return Evaluation(
        job=evaluation_name(world.policy, served, rule, first, until, attempt.number),
        image=world.platform.image_worker,
        state=EvaluationState.PLANNED,
        attempt=attempt,
        revision=served.revision,
        rule=rule,
        until=until,
        labelled=marks.get(Rows.LABELLED),
        started_at=now.replace(microsecond=0),
        served=marks.get(Rows.SERVED),
    )


def _due(world: World, served: Served, state: State, now: datetime) -> tuple[Rows, ...]:
    """Of which rows a window may be full. Earliest after `every`."""
    evaluation, cursor, policy = state.evaluation, state.cursor, world.policy
    if evaluation is not None and now - evaluation.started_at < parse_duration(policy.spec.schedule.every):
        return ()
    marks = {Rows.LABELLED: cursor.labelled, Rows.SERVED: cursor.served} if cursor is not None else {}
    return tuple(
        of
        for of in Rows
        if signals.can_look(policy, served, of)
        and is_due(policy.spec.windows, served.since, marks.get(of, Mark()), _counted(world, of), now)
    )


def _counted(world: World, of: Rows) -> int | None:
    """Such rows that the servers stored; None while they are silent."""
    if not isinstance(world.watermark, Known):
        return None
    mark = world.watermark.value
    return mark.feedback_rows if of is Rows.LABELLED else mark.captured_rows


def _looked_for(evaluation: Evaluation) -> tuple[Rows, ...]:
    marks = {Rows.LABELLED: evaluation.labelled, Rows.SERVED: evaluation.served}
    return tuple(of for of in Rows if marks[of] is not None)


def _harvested(world: World, served: Served, state: State, evaluation: Evaluation, now: datetime) -> State:
    found = attempts.harvest(world.live, evaluation.job, now)
    if found is None and evaluation.state is EvaluationState.PLANNED:
        return state
    if isinstance(found, Running) and found.trouble is not None and _placed_otherwise(world, served, evaluation):
        return replace(
            state,
            evaluation=_planned(
                world, served, state, _looked_for(evaluation), Attempt(evaluation.attempt.number + 1), now
            ),
        )
    if isinstance(found, Running):
        attempt = attempts.watched(evaluation.attempt, found)
        return replace(state, evaluation=replace(evaluation, state=EvaluationState.RUNNING, attempt=attempt))
    if isinstance(found, Finished) and found.result.evaluate is not None:
        attempt = replace(evaluation.attempt, reason=None, message="", not_before=None)
        done = replace(evaluation, state=EvaluationState.SUCCEEDED, attempt=attempt, finished_at=_moment(now))
        looked = found.result.evaluate
        return window_verdicts.with_windows(world, served, replace(state, evaluation=done), looked, now)
    ended = found if isinstance(found, Failed | Lost) else Lost(f"Job {evaluation.job} left no windows")
    attempt = attempts.after(evaluation.attempt, ended, now)
    if not attempt.given_up:
        return replace(state, evaluation=_planned(world, served, state, _looked_for(evaluation), attempt, now))
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
