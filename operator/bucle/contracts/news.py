"""The closed list of what people are told without being asked: which change of which condition is news, and what it is called.

A change of a condition, or something that a status records once (a promotion), becomes a Kubernetes Event; one of this list carries its
word as a label of that Event, from which a notification is made. docs/notifications.md has the same words; a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class News:
    """`kind` None: of every kind. `before`: only when the condition said that until now; None: whatever it said."""

    word: str
    kind: str | None
    condition: str
    status: str
    meaning: str
    before: str | None = None

    def is_of(self, kind: str, said: Mapping[str, Any]) -> bool:
        """Whether it speaks of what that condition says now."""
        return self.kind in (None, kind) and (self.condition, self.status) == (said.get("type"), said.get("status"))


PREFIX = "dev.bucle."
"""Of the type of a CloudEvent."""
NEWS: tuple[News, ...] = (
    News("drift.detected", "DriftPolicy", "DriftDetected", "True", "A policy decides for drift."),
    News("drift.cleared", "DriftPolicy", "DriftDetected", "False", "Its windows are healthy again.", before="True"),
    News("approval.wanted", "DriftPolicy", "ApprovalWanted", "True", "A retrain waits until a person approves it."),
    News("model.promoted", "ModelDeployment", "Promoted", "True", "A version passed its gates and serves."),
    News("model.refused", "ModelDeployment", "CandidateRejected", "True", "A wanted version was tried and refused."),
    News("object.stalled", None, "Stalled", "True", "An object will not get on without a person."),
)
WORDS = tuple(news.word for news in NEWS)


def news_of(kind: str, said: Mapping[str, Any], then: Mapping[str, Any] | None) -> News | None:
    """What is news about a condition that said `then` before: a new status, or another reason for the same one."""
    if then is not None and (then.get("status"), then.get("reason")) == (said.get("status"), said.get("reason")):
        return None
    for news in NEWS:
        if news.is_of(kind, said):
            return news if news.before in (None, (then or {}).get("status")) else None
    return None
