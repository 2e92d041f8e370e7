"""Children that the server refused, laid over the conditions a plan stated. Pure.

A plan is made before its children are sent, so it cannot know the server's words. The engine remembers them and
states them in the next run's status until the child goes through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from bucle.engine.conditions import Says, fold
from bucle.engine.objects import JsonObject

_FOLDED = ("Ready", "Reconciling", "Stalled")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One child that is not as wanted. NameTaken needs a person; ChildRefused may pass (a quota that is raised)."""

    kind: str
    name: str
    reason: Literal["ChildRefused", "NameTaken"]
    message: str


def overlay(
    planned: Sequence[Mapping[str, Any]],
    stored: Sequence[Mapping[str, Any]],
    refusals: Sequence[Refusal],
    generation: int,
    now: datetime,
) -> list[JsonObject]:
    """The planned conditions, with Ready, Reconciling and Stalled speaking of the refusals if there are any.

    Times are folded against the *stored* conditions: against the planned ones they would move at every run, and
    every run would then write and wake itself.
    """
    if not refusals:
        return [dict(condition) for condition in planned]
    before = [condition for condition in stored if condition.get("type") in _FOLDED]
    said = {c["type"]: c for c in fold(before, _says(refusals), generation, now)}
    others = [dict(condition) for condition in planned if condition.get("type") not in said]
    return sorted([*others, *said.values()], key=lambda condition: str(condition["type"]))


def _says(refusals: Sequence[Refusal]) -> tuple[Says, ...]:
    taken = [refusal for refusal in refusals if refusal.reason == "NameTaken"]
    spoken = taken or list(refusals)
    reason, message = spoken[0].reason, "; ".join(refusal.message for refusal in spoken)
    return (
        Says("Ready", "False", reason, message),
        Says("Reconciling", "False" if taken else "True", reason, "" if taken else message),
        Says("Stalled", "True" if taken else "False", reason, message if taken else ""),
    )
