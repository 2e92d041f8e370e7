"""Why the API server takes no pod of a Job: its Events are asked for only of one that was seen without a pod. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from bucle.engine.objects import JOB
from bucle.engine.reads import EventsOf, Observations, Read, known_or
from bucle.workloads.attempt import Attempt
from bucle.workloads.trouble import FAILED_CREATE, refusal_words

ASK_SOON = timedelta(seconds=1)
READ = "refusal"


def reads(namespace: str, job: str | None, reason: str | None) -> dict[str, Read]:
    """Asks after the Job that the last look said it of."""
    if job is None or reason != "PodsRefused":
        return {}
    return {READ: EventsOf(JOB, namespace, job, FAILED_CREATE)}


def told(job: str | None, observations: Observations) -> Mapping[str, str]:
    """The words by Job; none where nobody may read Events: the refusal is told without them."""
    words = refusal_words(job or "", known_or(observations.get(READ), ()))
    return {job: words} if job and words else {}


def new(before: Attempt | None, now: Attempt) -> bool:
    """Whether this look is the first that says it: the next, with the words, comes soon."""
    return now.reason == "PodsRefused" and (before is None or before.reason != now.reason)
