"""The status as it is stored: conditions folded, refused children laid over them, nulls left out. Pure.

Source of the contract: Kubernetes API conventions, "Typical status properties"; kstatus reads Ready, Reconciling and
Stalled. A plan is made before its children are sent, so it cannot know the server's words when one is refused: the
engine remembers them and states them in the next run's status until the child goes through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from bucle.contracts.canonical import short_hash
from bucle.engine.objects import JsonObject
from bucle.resources.base import Status
from bucle.resources.bounds import within_bounds

Truth = Literal["True", "False", "Unknown"]
MESSAGE_LIMIT = 2048
REASON_LIMIT = 256


@dataclass(frozen=True, slots=True)
class ConditionUpdate:
    """One condition as a plan states it; times and generation are folded in afterwards."""

    type: str
    status: Truth
    reason: str
    message: str = ""


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with seconds, as the API server writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ready(reason: str, message: str = "") -> tuple[ConditionUpdate, ...]:
    """The object does what its spec says."""
    return (
        ConditionUpdate("Ready", "True", reason, message),
        ConditionUpdate("Reconciling", "False", reason),
        ConditionUpdate("Stalled", "False", reason),
    )


def reconciling(reason: str, message: str = "", *, still_ready: bool = False) -> tuple[ConditionUpdate, ...]:
    """The object is on its way; `still_ready` when what it already serves goes on working."""
    return (
        ConditionUpdate("Ready", "True" if still_ready else "False", reason, message),
        ConditionUpdate("Reconciling", "True", reason, message),
        ConditionUpdate("Stalled", "False", reason),
    )


def stalled(reason: str, message: str = "") -> tuple[ConditionUpdate, ...]:
    """The object will not get there without a person."""
    return (
        ConditionUpdate("Ready", "False", reason, message),
        ConditionUpdate("Reconciling", "False", reason),
        ConditionUpdate("Stalled", "True", reason, message),
    )


def fold(
    previous: Sequence[Mapping[str, Any]],
    said: Iterable[ConditionUpdate],
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
            "reason": says.reason[:REASON_LIMIT],
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


UNKNOWN = "StatusUnknown"
"""The reason of a hold: the stored status is of a release that this one does not understand, or was edited by hand."""
EFFECT = "Effect"
"""The kind of a refusal that speaks of no object."""
CONTESTED = "Contested"
"""True while somebody else sets a field of a child again and again, and for a while after it was done once; not there
otherwise."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that is not as wanted, and why. NameTaken and EffectRefused need a person; the others may pass (a quota that
    is raised)."""

    kind: str
    name: str
    reason: Literal[
        "ChildRefused",
        "NameTaken",
        "AwaitingDeletion",
        "EffectFailed",
        "EffectRefused",
        "FieldContested",
        "FieldSetBack",
    ]
    message: str

    @property
    def speaks_of_a_field(self) -> bool:
        """Somebody else has set a field of a child: nothing is refused."""
        return self.reason == "FieldContested" or self.reason == "FieldSetBack"


def overlay(
    planned: Sequence[Mapping[str, Any]],
    stored: Sequence[Mapping[str, Any]],
    refusals: Sequence[Refusal],
    generation: int,
    now: datetime,
) -> list[JsonObject]:
    """The planned conditions, with Ready, Reconciling and Stalled speaking of the refusals if there are any, and Contested
    of fields that somebody else sets.

    Times are folded against the *stored* conditions: against the planned ones they would move at every run, and
    every run would then write and wake itself.
    """
    said = _of_refusals([r for r in refusals if not r.speaks_of_a_field], planned)
    said += _of_contests([r for r in refusals if r.speaks_of_a_field])
    types = {update.type for update in said}
    before = [condition for condition in stored if condition.get("type") in types]
    over = fold(before, said, generation, now)
    others = [dict(c) for c in planned if c.get("type") not in types and c.get("type") != CONTESTED]
    return sorted([*others, *over], key=lambda condition: str(condition["type"]))


def _of_refusals(refusals: Sequence[Refusal], planned: Sequence[Mapping[str, Any]]) -> tuple[ConditionUpdate, ...]:
    taken = [refusal for refusal in refusals if refusal.reason == "NameTaken"]
    vain = [refusal for refusal in refusals if refusal.reason == "EffectRefused"]
    children = [refusal for refusal in refusals if refusal.kind != EFFECT]
    spoken = taken or children or vain or refusals
    if not spoken:
        return ()
    reason, message = spoken[0].reason, "; ".join(refusal.message for refusal in spoken)
    if taken:
        return stalled(reason, message)
    serves = is_true({"conditions": planned}, "Ready")
    if spoken is vain:
        # Nor does what only an edit can mend, but nobody waits for it to pass.
        return tuple(update for update in stalled(reason, message) if update.type != "Ready" or not serves)
    if not children and serves:
        # What is refused outside of the cluster takes nothing from what serves.
        return (ConditionUpdate("Reconciling", "True", reason, message), ConditionUpdate("Stalled", "False", reason))
    # What serves while more is on its way (`still_ready`) is not called unready because that more was refused.
    return reconciling(reason, message, still_ready=serves and is_true({"conditions": planned}, "Reconciling"))


def _of_contests(contests: Sequence[Refusal]) -> tuple[ConditionUpdate, ...]:
    if not contests:
        return ()
    reason = min(contest.reason for contest in contests)  # who comes back again and again is said before who came once
    return (ConditionUpdate(CONTESTED, "True", reason, "; ".join(contest.message for contest in contests)),)


def planned_status(
    obj: JsonObject,
    state: Status,
    conditions: Sequence[ConditionUpdate],
    refusals: Sequence[Refusal],
    now: datetime,
) -> JsonObject:
    """The plan's state with its generation and conditions, without nulls (the server drops them: they would always differ)."""
    generation, stored = generation_of(obj), conditions_of(obj)
    folded = overlay(fold(stored, conditions, generation, now), stored, refusals, generation, now)
    return {**_without_nulls(within_bounds(state)), "observedGeneration": generation, "conditions": folded}


def invalid_status(obj: JsonObject, reason: str, message: str, now: datetime) -> JsonObject:
    """All that was known before, and that the spec cannot be acted on as written."""
    return _with(obj, stalled(reason, message), now)


def broken_status(obj: JsonObject, message: str, now: datetime) -> JsonObject:
    """All that was known before, and that the operator made a mistake; what already serves is not called unready."""
    said = [ConditionUpdate("Reconciling", "True", "InternalError", message)]
    if condition(obj.get("status"), "Ready") is None:
        said.append(ConditionUpdate("Ready", "False", "InternalError", message))
    return _with(obj, said, now)


def held_status(obj: JsonObject, why: str, serves: bool, own: Sequence[ConditionUpdate], now: datetime) -> JsonObject:
    """All that is stored, and that this release cannot act on it. No generation is observed by that: what a person asks
    for meanwhile is not done."""
    said = [*stalled(UNKNOWN, why)[1:], ConditionUpdate("Ready", "True" if serves else "False", UNKNOWN, why), *own]
    return {**(obj.get("status") or {}), "conditions": fold(conditions_of(obj), said, generation_of(obj), now)}


def told_to_others(obj: Mapping[str, Any], more: Any) -> str:
    """A hash of what whoever points to the object may act on: its spec, its end, its conditions without their messages, and
    what its room names besides. Counters, times and messages are nobody's signal."""
    metadata, status = obj["metadata"], obj.get("status") or {}
    conditions = [[c.get("type"), c.get("status"), c.get("reason")] for c in status.get("conditions") or ()]
    ended = bool(metadata.get("deletionTimestamp"))
    return short_hash(
        [metadata.get("uid"), metadata.get("generation"), ended, status.get("observedGeneration"), conditions, more], 16
    )


def conditions_of(obj: JsonObject) -> list[JsonObject]:
    """The conditions that are stored."""
    return (obj.get("status") or {}).get("conditions") or []


def blind_status(obj: JsonObject, why: str, doubtful: Sequence[str], now: datetime) -> JsonObject:
    """All that was known before, and that nobody can say whether it still holds. No generation is observed by that."""
    said = [
        ConditionUpdate("Ready", "Unknown", "ApiUnavailable", why),
        ConditionUpdate("Reconciling", "True", "ApiUnavailable", why),
        *(ConditionUpdate(type_, "Unknown", "ApiUnavailable", why) for type_ in doubtful),
    ]
    return {**(obj.get("status") or {}), "conditions": fold(conditions_of(obj), said, generation_of(obj), now)}


def generation_of(obj: JsonObject) -> int:
    return int(obj["metadata"].get("generation", 1))


def _with(obj: JsonObject, said: Sequence[ConditionUpdate], now: datetime) -> JsonObject:
    stored: JsonObject = dict(obj.get("status") or {})
    conditions = fold(conditions_of(obj), said, generation_of(obj), now)
    return {**stored, "observedGeneration": generation_of(obj), "conditions": conditions}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(item) for item in value]
    return value
