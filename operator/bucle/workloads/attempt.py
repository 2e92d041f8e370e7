"""The life of an attempt, the same for every Job: adopted, harvested, tried again, superseded, expired. Pure.

Knows Jobs, pods and the table of reasons; knows no kind. What a kind adds is which result it waits for.

The order of an attempt: a number and a Job's name are written into status (`adopt` after a lost status), the Job is
made, `harvest` reads what became of it, `after` says what comes next; `superseded` and `expired` clear away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bucle.contracts import reasons
from bucle.contracts.limits import ATTEMPTS, READ_AGAIN_LAST
from bucle.contracts.names import ANNOTATION_TASK
from bucle.contracts.reasons import Retry
from bucle.contracts.task import Task
from bucle.engine.objects import JsonObject, labels_of
from bucle.workloads.jobs import Failed, Lost, Outcome, Running, outcome, task_sha256

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=5)
"""A weekend of a broken store costs some hundred attempts, and a mended one is noticed within this time."""
READ_AGAIN_FIRST = timedelta(minutes=5)
"""Sources that were refused are read again by themselves: soon at first, after the longest pause in the end."""


@dataclass(frozen=True, slots=True)
class Live:
    """What exists of one owner in this run: its Jobs by name, and its pods. `refusals`: the API server's words on Jobs whose
    pods it does not take, by name, where they were asked for."""

    jobs: Mapping[str, JsonObject]
    pods: tuple[JsonObject, ...] = ()
    refusals: Mapping[str, str] = field(default_factory=dict)

    def outcome(self, job: str, now: datetime | None = None) -> Outcome:
        return outcome(job, self.jobs.get(job), self.pods, now, self.refusals.get(job, ""))

    def made(self, job: str) -> bool:
        """Whether the Job was made: it, or a pod that outlived it, is there."""
        return job in self.jobs or any(labels_of(pod).get("job-name") == job for pod in self.pods)

    def works(self, job: str) -> bool:
        return isinstance(self.outcome(job), Running)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Where the attempts of one piece of work stand. `failures`: how many counted against the budget.

    `reason` and `message`: what the last look saw; None while all is well. `not_before`: when the attempt of this
    number may begin; None once it did. `given_up`: no further attempt follows.
    """

    number: int
    failures: int = 0
    reason: str | None = None
    message: str = ""
    not_before: datetime | None = None
    given_up: bool = False

    def due(self, now: datetime) -> bool:
        return not self.given_up and (self.not_before is None or self.not_before <= now)


def pause(number: int, first: timedelta = FIRST_PAUSE, longest: timedelta = LONGEST_PAUSE) -> timedelta:
    """How long to wait after attempt `number` (from 0): doubled each time, up to the longest."""
    return min(first * (1 << min(number, 12)), longest)


def policy_of(failed: Failed | Lost) -> Retry:
    """What another attempt can do. A program that asks for one gets it; that nothing helps is believed unless what
    it names can be mended by others."""
    if isinstance(failed, Lost):
        return reasons.known("ResultLost").retry
    listed = reasons.known(failed.reason).retry
    if listed in (Retry.WAIT, Retry.MENDED):
        return listed
    if listed is Retry.DATA and failed.kind == "Fatal":
        return listed
    return {"Retry": Retry.WAIT, "Fatal": Retry.NEVER, "User": Retry.BUDGET, "Parameters": Retry.BUDGET}[failed.kind]


def retried_for_nothing(failed: Failed) -> bool:
    """Whether another attempt follows that is counted against nothing: what failed was not the program."""
    return policy_of(failed) in (Retry.WAIT, Retry.MENDED)


def unmask_deadline(reason: str | None, message: str, failed: Failed | Lost) -> Failed | Lost:
    """The true failure. The Job takes a pod that never began away at its deadline, and with it what the pod was
    waiting for; the reason that was seen last, in its words, is then the one to tell. What an earlier attempt failed of
    is none of it."""
    masked = isinstance(failed, Failed) and failed.reason == "DeadlineExceeded"
    if masked and reason is not None and reasons.keeps_pods_from_running(reason) and reasons.heals(reason):
        return Failed("Retry", reason, message)
    return failed


def harvest(live: Live, job: str, now: datetime) -> Outcome | None:
    """What became of the attempt with that Job name; None while it is written down but not made."""
    return live.outcome(job, now) if live.made(job) else None


def watched(attempt: Attempt, running: Running) -> Attempt:
    """The attempt while its Job works: with what keeps its pod, if something does. What the program of an earlier attempt
    failed of stands until this one ends: a retry that changes nothing is no news, and no `Stalled` goes to and fro."""
    trouble = running.trouble
    if trouble is not None:
        return replace(attempt, reason=trouble.reason, message=trouble.message, not_before=None)
    if looks_again(attempt):
        return replace(attempt, not_before=None)
    return replace(attempt, reason=None, message="", not_before=None)


def looks_again(attempt: Attempt) -> bool:
    """Whether what it says is of an earlier attempt of its number's line, whose program failed of it."""
    return attempt.number > 0 and attempt.reason is not None and not reasons.keeps_pods_from_running(attempt.reason)


def after(
    attempt: Attempt, ended: Failed | Lost, now: datetime, *, budget: int = ATTEMPTS, data_changes: bool = False
) -> Attempt:
    """The next attempt with its pause, or the end. An external fault costs nothing of the budget.

    `data_changes`: what is read may be another thing at the next attempt, so that a fault of the data is no end.
    """
    ended = unmask_deadline(attempt.reason, attempt.message, ended)
    told = replace(
        attempt,
        reason=ended.reason if isinstance(ended, Failed) else "ResultLost",
        message=ended.message,
        not_before=None,
    )
    policy = policy_of(ended)
    if policy is Retry.BUDGET:
        told = replace(told, failures=attempt.failures + 1)
    if policy is Retry.DATA and data_changes:
        wait = pause(attempt.number, READ_AGAIN_FIRST, READ_AGAIN_LAST)
        return replace(told, number=attempt.number + 1, not_before=now + wait)
    if policy in (Retry.NEVER, Retry.DATA) or told.failures >= budget:
        return replace(told, given_up=True)
    return replace(told, number=attempt.number + 1, not_before=now + pause(attempt.number))


def adopt(numbered: Mapping[int, JsonObject], least: int, same: Callable[[JsonObject], bool]) -> tuple[int, bool]:
    """The number to go on with, from `least`, and whether a Job of that number runs just this work (lost status).

    Otherwise a number that no Job that is still there ever had, so that a harvested one is never met again.
    """
    later = {number: job for number, job in numbered.items() if number >= least}
    mine = [number for number, job in later.items() if same(job)]
    return (min(mine), True) if mine else (max(later, default=least - 1) + 1, False)


def runs(job: JsonObject, task: Task) -> bool:
    """Whether that Job's pods were told exactly this task."""
    return task_sha256(job["spec"]["template"]["spec"]) == task.content_hash()


def task_text(job: Mapping[str, object]) -> str | None:
    """The task document of a live Job, where its pods carry it themselves."""
    spec: JsonObject = job.get("spec") or {}  # type: ignore[assignment]
    annotations = spec.get("template", {}).get("metadata", {}).get("annotations") or {}
    return annotations.get(ANNOTATION_TASK)


def by_name(objects: Sequence[JsonObject]) -> dict[str, JsonObject]:
    return {str(item["metadata"]["name"]): item for item in objects}
