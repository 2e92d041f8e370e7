"""Limits that somebody keeps and that people are told: reasons and messages say them from here, never by hand. Pure."""

from __future__ import annotations

from datetime import timedelta

BODY_LIMIT_BYTES = 8 * 1024 * 1024
"""Of the body of a request as a model server reads it; what has more is answered 413 (docs/limits.md says so)."""

ROUTER_BODY_LIMIT_BYTES = BODY_LIMIT_BYTES + 1024 * 1024
"""A little above the server's own limit, so that the server and not the router says 413 and why."""

FAILED_TTL = timedelta(hours=24)
"""How long the Job of a failed attempt is kept: its log is what a person needs."""

READ_AGAIN_LAST = timedelta(hours=1)
"""Sources that were refused are read again by themselves at least so often."""

LONGEST_BLIND_PAUSE = timedelta(minutes=1)
"""An API server that does not answer is asked again at least so often."""

ATTEMPTS = 3
"""Of work that fails by its own fault."""

TASK_DOCUMENT_BYTES = 1_000_000
"""Of a task that a ConfigMap carries: it holds one MiB, names and labels included."""

_UNITS = (("day", "a"), ("hour", "an"), ("minute", "a"), ("second", "a"))


def in_words(length: timedelta) -> str:
    """As people say it: `a day`, `an hour`, `90 minutes`. Whole seconds only; more would be no round number."""
    for (unit, one), seconds in zip(_UNITS, (86_400, 3_600, 60, 1), strict=True):
        count, rest = divmod(length, timedelta(seconds=seconds))
        if count and not rest:
            return f"{one} {unit}" if count == 1 else f"{count} {unit}s"
    raise ValueError(f"{length} is no whole number of seconds")
