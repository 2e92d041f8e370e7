"""Rows and labels that came and count for nothing, by reason, and what a person can do about each. Pure.

Waiting for what can never come must not look like waiting: gates and drift policies say the same of the same counts.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol


class Told(Protocol):
    """What evidence and results of evaluations tell of it."""

    @property
    def ungrouped(self) -> int: ...
    @property
    def misdated(self) -> int: ...
    @property
    def unjoined(self) -> int: ...
    @property
    def unreadable(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Uncounted:
    """`misdated`: dated long after their receipt. `unjoined`: labels that belong to no answer. `unreadable`: labels of
    no class, or answers that do not fit their model."""

    ungrouped: int = 0
    misdated: int = 0
    unjoined: int = 0
    unreadable: int = 0

    @classmethod
    def of(cls, told: Told) -> Uncounted:
        return cls(told.ungrouped, told.misdated, told.unjoined, told.unreadable)

    def by_reason(self) -> dict[str, int]:
        """The reasons that there are."""
        counts = {field.name: int(getattr(self, field.name)) for field in fields(self)}
        return {reason: count for reason, count in counts.items() if count}

    def words(self, column: str | None) -> tuple[str, ...]:
        """One sentence for each reason, with what to do. `column`: by which rows are grouped; None is their receipt."""
        said = {
            "ungrouped": f"labelled rows have no group: requests do not send column {column}, or `capture.drop` names it",
            "misdated": f"labelled rows are dated more than a year after they were received: correct column {column}",
            "unjoined": "labels belong to no answer of this version within `feedback.horizon`: unless they are late ones of "
            "an earlier version, send the Id column with requests, take it out of `capture.drop`, or raise the horizon",
            "unreadable": "labels or answers cannot be read: labels must be the model's classes, or finite numbers",
        }
        return tuple(f"{count} {said[reason]}" for reason, count in self.by_reason().items())
