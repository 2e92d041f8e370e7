"""Clearing away of Jobs: those that nobody waits for any more, and how long what is over is kept. Pure.

Knows Jobs and what became of them (`attempt`); knows no kind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta

from bucle.contracts.limits import FAILED_TTL
from bucle.engine.objects import JOB, JsonObject, uid_of
from bucle.engine.plan import Child, Deletion
from bucle.workloads.attempt import Live, retried_for_nothing
from bucle.workloads.jobs import Failed, Finished, Outcome

FINISHED_TTL = timedelta(minutes=10)
"""Its result is in status: the Job is kept for no more than a look at it."""


def ended(job: JsonObject) -> bool:
    """Whether the Job will start no more pods."""
    conditions = job.get("status", {}).get("conditions") or ()
    return any(c.get("type") in ("Complete", "Failed") and c.get("status") == "True" for c in conditions)


def superseded(
    live: Live, namespace: str, active: Collection[str], spared: Callable[[str], bool] = lambda _: False
) -> tuple[Deletion, ...]:
    """Jobs that still work although nobody waits for them: of an edited spec, an earlier attempt, a search that ended.

    A program that has ended is left to its Job: deleting it in the second before the Job notices would take its log.
    """
    return tuple(
        Deletion(JOB, namespace, name, uid_of(job))
        for name, job in sorted(live.jobs.items())
        if name not in active and not ended(job) and live.works(name) and not spared(name)
    )


def expired(live: Live, namespace: str, active: Collection[str]) -> tuple[tuple[Child, ...], tuple[Deletion, ...]]:
    """What remains of attempts that are over: each gets a time to live, by its outcome.

    Of those that failed for something external only the newest is kept: a broken store over a weekend must not leave
    thousands of Jobs that every look has to list.
    """
    over = {name: job for name, job in sorted(live.jobs.items()) if name not in active and ended(job)}
    external = [name for name in over if _external(live.outcome(name))]
    newest = max(external, key=lambda name: (_made_at(over[name]), name), default=None)
    dropped = [name for name in external if name != newest]
    kept = (_with_ttl(job, _ttl(live.outcome(name))) for name, job in over.items() if name not in dropped)
    return (
        tuple(child for child in kept if child is not None),
        tuple(Deletion(JOB, namespace, name, uid_of(over[name])) for name in dropped),
    )


def _external(found: Outcome) -> bool:
    return isinstance(found, Failed) and retried_for_nothing(found)


def _made_at(job: JsonObject) -> str:
    return str(job["metadata"].get("creationTimestamp") or "")


def _ttl(found: Outcome) -> timedelta:
    return FINISHED_TTL if isinstance(found, Finished) else FAILED_TTL


def _with_ttl(job: JsonObject, ttl: timedelta) -> Child | None:
    """The Job with a time to live; None when it has one.

    Built from the live object: what it ran is history, and re-rendering it from an edited spec would not be true.
    """
    if job["spec"].get("ttlSecondsAfterFinished") is not None:
        return None
    metadata = job["metadata"]
    carried = ("name", "namespace", "labels", "ownerReferences")
    manifest: JsonObject = {
        "apiVersion": JOB.api_version,
        "kind": JOB.kind,
        "metadata": {key: metadata[key] for key in carried if key in metadata},
        "spec": {key: value for key, value in job["spec"].items() if key != "selector"},
    }
    return Child(JOB, manifest, {"spec": {"ttlSecondsAfterFinished": int(ttl.total_seconds())}})
