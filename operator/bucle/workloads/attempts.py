"""When to try again, what may heal by itself, and what remains of a Job whose result was read. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bucle.contracts.names import ANNOTATION_TASK
from bucle.contracts.reasons import heals
from bucle.engine.objects import JOB, JsonObject
from bucle.engine.plan import Child
from bucle.workloads import jobs

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(seconds=60)
USER_ATTEMPTS = 3


def pause(attempt: int) -> timedelta:
    """How long to wait after attempt `attempt` (from 0): 5 s, doubled each time, at most 60 s."""
    doubled: int = 1 << min(attempt, 8)
    return min(FIRST_PAUSE * doubled, LONGEST_PAUSE)


def waited_for(seen: str | None, words: str, failed: jobs.Failed) -> jobs.Failed:
    """The true failure. The Job takes a pod that never began away at its deadline, and with it what the pod was waiting
    for; the reason that was seen last, in its words, is then the one to tell."""
    if failed.reason == "DeadlineExceeded" and seen is not None and heals(seen):
        return jobs.Failed("Retry", seen, words)
    return failed


def by_name(objects: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {str(item["metadata"]["name"]): item for item in objects}


def task_text(job: Mapping[str, Any]) -> str | None:
    """The task document of a live Job, as its pods read it."""
    annotations = job.get("spec", {}).get("template", {}).get("metadata", {}).get("annotations") or {}
    return annotations.get(ANNOTATION_TASK)


def ended(job: Mapping[str, Any]) -> bool:
    """Whether the Job will start no more pods."""
    conditions = job.get("status", {}).get("conditions") or ()
    return any(c.get("type") in ("Complete", "Failed") and c.get("status") == "True" for c in conditions)


def outcome_of(
    name: str,
    listed: Mapping[str, Mapping[str, Any]],
    pods: Sequence[Mapping[str, Any]],
    now: datetime | None = None,
) -> jobs.Outcome:
    """What became of the attempt with that Job name. An attempt whose Job and pods are both unseen is Lost."""
    mine = [pod for pod in pods if (pod["metadata"].get("labels") or {}).get("job-name") == name]
    return jobs.outcome(listed.get(name), mine, now=now)


def keep_for_a_day(job: Mapping[str, Any]) -> Child | None:
    """The finished Job of a harvested attempt, with a TTL; None when it has one already or still runs.

    Built from the live object: what it ran is history, and re-rendering it from an edited spec would not be true.
    """
    if job["spec"].get("ttlSecondsAfterFinished") is not None or not ended(job):
        return None
    metadata = job["metadata"]
    kept = ("name", "namespace", "labels", "ownerReferences")
    manifest: JsonObject = {
        "apiVersion": JOB.api_version,
        "kind": JOB.kind,
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {key: value for key, value in job["spec"].items() if key != "selector"},
    }
    seconds = int(jobs.HARVESTED_TTL.total_seconds())
    return Child(JOB, manifest, {"spec": {"ttlSecondsAfterFinished": seconds}})
