"""Folds what a plan says about an object into its list of conditions. Pure.

Source of the contract: Kubernetes API conventions, "Typical status properties"; kstatus reads Ready,
Reconciling and Stalled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from bucle.engine.objects import JsonObject

Truth = Literal["True", "False", "Unknown"]
MESSAGE_LIMIT = 2048


@dataclass(frozen=True, slots=True)
class Says:
    """One condition as a plan states it; times and generation are folded in afterwards."""

    type: str
    status: Truth
    reason: str
    message: str = ""


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with seconds, as the API server writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ready(reason: str, message: str = "") -> tuple[Says, ...]:
    """The object does what its spec says."""
    return (
        Says("Ready", "True", reason, message),
        Says("Reconciling", "False", reason),
        Says("Stalled", "False", reason),
    )


def reconciling(reason: str, message: str = "", *, still_ready: bool = False) -> tuple[Says, ...]:
    """The object is on its way; `still_ready` when what it already serves goes on working."""
    return (
        Says("Ready", "True" if still_ready else "False", reason, message),
        Says("Reconciling", "True", reason, message),
        Says("Stalled", "False", reason),
    )


def stalled(reason: str, message: str = "") -> tuple[Says, ...]:
    """The object will not get there without a person."""
    return (
        Says("Ready", "False", reason, message),
        Says("Reconciling", "False", reason),
        Says("Stalled", "True", reason, message),
    )


def fold(
    previous: Sequence[Mapping[str, Any]],
    said: Iterable[Says],
    generation: int,
    now: datetime,
) -> list[JsonObject]:
    """The new list of conditions, sorted by type; a condition not said again is kept as it was."""
    by_type = {str(c["type"]): dict(c) for c in previous}
    for says in said:
        old = by_type.get(says.type)
        # The schema does not demand a time: a condition may have been written by hand without one.
        since = old.get("lastTransitionTime") if old and old.get("status") == says.status else None
        by_type[says.type] = {
            "type": says.type,
            "status": says.status,
            "reason": says.reason,
            "message": says.message[:MESSAGE_LIMIT],
            "observedGeneration": generation,
            "lastTransitionTime": since or timestamp(now),
        }
    return [by_type[name] for name in sorted(by_type)]


def condition(status: Mapping[str, Any] | None, type_: str) -> Mapping[str, Any] | None:
    """The condition of that type in a status, if it was ever said."""
    for item in (status or {}).get("conditions") or ():
        if item.get("type") == type_:
            return item  # type: ignore[no-any-return]
    return None


def is_true(status: Mapping[str, Any] | None, type_: str) -> bool:
    found = condition(status, type_)
    return found is not None and found.get("status") == "True"
