"""The status as it is stored: what a plan said, plus what only the engine knows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bucle.engine.conditions import Says, condition, fold, stalled
from bucle.engine.objects import JsonObject
from bucle.engine.refusals import Refusal, overlay


def planned_status(obj: JsonObject, planned: JsonObject, refusals: Sequence[Refusal], now: datetime) -> JsonObject:
    """The plan's status with its generation, without nulls (the server drops them, so they would always differ).

    A plan that could not see enough to judge gives the stored status back: then a new generation is not called
    observed, or who waits for it (kstatus, Helm, `kubectl wait`) would take the old verdict for the new one.
    """
    generation, stored = generation_of(obj), dict(obj.get("status") or {})
    said = _without_nulls(planned)
    if not refusals and _spoken(said) == _spoken(stored):
        return stored
    conditions = overlay(said.get("conditions") or [], stored.get("conditions") or [], refusals, generation, now)
    return {**said, "observedGeneration": generation, "conditions": conditions}


def _spoken(status: JsonObject) -> JsonObject:
    """What a status says: every condition that was judged anew carries its generation itself."""
    return {key: value for key, value in status.items() if key != "observedGeneration" and value not in ([], {})}


def invalid_status(obj: JsonObject, reason: str, message: str, now: datetime) -> JsonObject:
    """All that was known before, and that the spec cannot be acted on as written."""
    return _with(obj, stalled(reason, message), now)


def broken_status(obj: JsonObject, message: str, now: datetime) -> JsonObject:
    """All that was known before, and that the operator made a mistake; what already serves is not called unready."""
    said = [Says("Reconciling", "True", "InternalError", message)]
    if condition(obj.get("status"), "Ready") is None:
        said.append(Says("Ready", "False", "InternalError", message))
    return _with(obj, said, now)


def generation_of(obj: JsonObject) -> int:
    return int(obj["metadata"].get("generation", 1))


def _with(obj: JsonObject, said: Sequence[Says], now: datetime) -> JsonObject:
    stored: JsonObject = dict(obj.get("status") or {})
    conditions = fold(stored.get("conditions") or [], said, generation_of(obj), now)
    return {**stored, "observedGeneration": generation_of(obj), "conditions": conditions}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(item) for item in value]
    return value
