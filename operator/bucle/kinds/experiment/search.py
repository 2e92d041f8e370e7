"""The search as rows: what to ask the sampler, what a Job's end makes of a row, which rows come next. Pure.

Batch mode: trial i belongs to batch i // parallelTrials and knows the outcomes of earlier batches only, so the whole
search repeats exactly, whatever finished first, and a raised `maxTrials` continues as if it had been raised before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from bucle.contracts.canonical import short_hash
from bucle.contracts.metrics import METRICS
from bucle.contracts.reasons import Retry, is_external
from bucle.externals.sampler.values import Past, Suggest, Suggestion
from bucle.kinds.experiment.search_algorithm import search_algorithm
from bucle.kinds.experiment.search_space import space
from bucle.kinds.experiment.state import Held, Inputs, State, Trial, TrialState
from bucle.resources.base import parse_duration
from bucle.resources.experiment import Experiment
from bucle.workloads import attempt as attempts
from bucle.workloads.attempt import Attempt
from bucle.workloads.jobs import Failed, Finished, Outcome, Running
from bucle.workloads.platform import Platform

ASKED_AT_ONCE = 4
"""A read has two seconds, and one suggestion takes up to a tenth of one late in a long search. A batch asked for in
parts is the same batch, because its earlier members are told to the sampler as open either way."""

OUT_OF_TIME = "MaxDurationExceeded"
"""The reason of a trial that was stopped because the search took too long."""


LARGEST = 1_000_000
"""Bytes of status.trials: an object of more than 1.5 MB is refused by the API server's store, in the middle of a search."""
_ROW, _VALUE = 420, 32
"""What a row needs beside its image and parameters, and a parameter beside its name."""


def status_bytes(platform: Platform, experiment: Experiment) -> int:
    """How large the rows of the whole search will be, at most."""
    params = sum(len(parameter.name) + _VALUE for parameter in experiment.spec.parameters)
    return wanted_trials(experiment) * (_ROW + len(platform.image_worker) + params)


def too_large(found: int, begun: int) -> str:
    """In words, and what a person may do; `begun`: trials that are written down already."""
    told = f"the record of all trials would need {found} bytes, at most {LARGEST} fit into the object: "
    if not begun:
        return told + "lower `limits.maxTrials`, or search fewer parameters"
    return told + f"lower `limits.maxTrials` again, to {begun} at the least, or raise `run` and search fewer parameters"


def wanted_trials(experiment: Experiment) -> int:
    """Without parameters there is nothing to search: one trial with the trainer as written."""
    return experiment.spec.limits.max_trials if experiment.spec.parameters else 1


def next_indices(experiment: Experiment, rows: tuple[Trial, ...]) -> tuple[int, ...]:
    """The trials that may be planned now."""
    limits, known = experiment.spec.limits, len(rows)
    if experiment.spec.search.mode == "Async":
        free = limits.parallel_trials - sum(row.open for row in rows)
        return tuple(range(known, min(known + max(free, 0), wanted_trials(experiment))))
    begin = known - known % limits.parallel_trials
    if any(row.open for row in rows[:begin]):
        return ()
    return tuple(range(known, min(begin + limits.parallel_trials, wanted_trials(experiment))))


def request(experiment: Experiment, state: State) -> Suggest | None:
    """What to ask the sampler, from the stored rows alone; None when no trial may be planned or nothing is searched."""
    rows = state.trials
    indices = next_indices(experiment, rows) if state.final is None else ()
    if not indices or not experiment.spec.parameters:
        return None
    return Suggest(
        space=space(experiment),
        algorithm=search_algorithm(experiment.spec.search),
        direction=METRICS[experiment.spec.objective.metric].direction,
        indices=indices[:ASKED_AT_ONCE],
        history=tuple(_past(row, hidden=_hidden(experiment, row, rows)) for row in rows),
    )


def _hidden(experiment: Experiment, row: Trial, rows: tuple[Trial, ...]) -> bool:
    """In Batch mode a trial must not learn from its own batch, even when some of it has finished."""
    if experiment.spec.search.mode == "Async":
        return False
    return row.index >= len(rows) - len(rows) % experiment.spec.limits.parallel_trials


def _past(row: Trial, *, hidden: bool) -> Past:
    params = tuple(row.params.items())
    if hidden or row.open:
        return Past(row.index, params, open=True)
    return Past(row.index, params, float(row.value) if row.value is not None else None)


def planned(suggestion: Suggestion, inputs: Inputs, basis: int, now: datetime) -> Trial:
    """A new row, before its Job has a name. The seed of the fit follows from (seed, index)."""
    return Trial(
        index=suggestion.index,
        state=TrialState.PLANNED,
        params=dict(suggestion.params),
        seed=int(short_hash(["fit", inputs.seed, suggestion.index], 8), 16),
        image=inputs.image,
        job=None,
        attempt=Attempt(0),
        basis=basis,
        started_at=now,
    )


def after(row: Trial, found: Outcome, metric: str, now: datetime) -> Trial:
    """The row once its Job says something new. A row whose attempt is over and is tried again has no Job name yet."""
    if isinstance(found, Running):
        reason = found.trouble.reason if found.trouble else None
        return replace(row, state=TrialState.RUNNING, attempt=replace(row.attempt, reason=reason))
    if isinstance(found, Finished):
        value = found.result.trial.metrics.get(metric) if found.result.trial else None
        if value is not None:
            return _ended(row, TrialState.SUCCEEDED, now, value=value, reason=None)
        return _ended(row, TrialState.FAILED, now, reason="UnknownMetric")
    ended = attempts.unmask_deadline(row.reason, "", found)
    if isinstance(ended, Failed) and not attempts.retried_for_nothing(ended):
        # A program that fails by itself tells the search something: its parameters are not tried twice.
        return _ended(row, TrialState.FAILED, now, reason=ended.reason)
    told = attempts.after(row.attempt, ended, now)
    if told.given_up:
        return _ended(row, TrialState.FAILED, now, reason=told.reason)
    return _again(row, told)


def _again(row: Trial, told: Attempt) -> Trial:
    """The same parameters in a new attempt, not before the pause is over."""
    return replace(row, state=TrialState.PLANNED, attempt=replace(told, message=""), job=None)


def stopped(row: Trial, reason: str, now: datetime) -> Trial:
    """The row when the search ends without waiting for it."""
    return _ended(row, TrialState.FAILED, now, reason=reason) if row.open else row


def overdue(experiment: Experiment, rows: tuple[Trial, ...], held: Held | None, now: datetime) -> bool:
    """Counted from the first trial: waiting to begin, for a registry that is down, is not searching. Nor is the time in
    which a queue, a quota or a store let no trial run."""
    began = rows[0].started_at if rows else now
    return now - began - held_for(held, now) > parse_duration(experiment.spec.limits.max_duration)


def held_for(held: Held | None, now: datetime) -> timedelta:
    if held is None:
        return timedelta(0)
    return timedelta(seconds=held.seconds) + (now - held.since if held.since is not None else timedelta(0))


def watch_held(held: Held | None, rows: tuple[Trial, ...], now: datetime) -> Held | None:
    """The clock of `maxDuration` stands while every open trial waits for something external."""
    waiting = [row for row in rows if row.open]
    stands = bool(waiting) and all(row.reason is not None and is_external(row.reason) for row in waiting)
    if stands == (held is not None and held.since is not None):
        return held
    return Held(since=now if stands else None, seconds=int(held_for(held, now).total_seconds()))


def failures(rows: tuple[Trial, ...]) -> int:
    """Failed trials that speak against the search; one that time cut off says nothing."""
    return sum(row.state is TrialState.FAILED and row.reason != OUT_OF_TIME for row in rows)


def exhausted(experiment: Experiment, rows: tuple[Trial, ...]) -> bool:
    return len(rows) >= wanted_trials(experiment) and not any(row.open for row in rows)


def is_fatal(found: Outcome) -> bool:
    """No trial of this experiment can work until a person changes something."""
    return isinstance(found, Failed) and attempts.policy_of(found) in (Retry.NEVER, Retry.DATA)


def best(rows: Iterable[Trial], metric: str) -> Trial | None:
    """The successful trial with the best value; of equals the first. Without a value the metric may be one that is none."""
    valued = [
        (METRICS[metric].loss_sign() * float(row.value), row.index, row)
        for row in rows
        if row.state is TrialState.SUCCEEDED and row.value is not None
    ]
    return min(valued, key=lambda found: found[:2])[2] if valued else None


def _ended(row: Trial, state: TrialState, now: datetime, *, reason: str | None, value: str | None = None) -> Trial:
    attempt = replace(row.attempt, reason=reason, message="", not_before=None)
    return replace(row, state=state, value=value, attempt=attempt, finished_at=now)
