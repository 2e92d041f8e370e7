"""Rows and labels that came and count for nothing, by reason, and what a person can do about each. Pure.

Waiting for what can never come must not look like waiting: gates and drift policies say the same of the same counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bucle.contracts.base import Document

REASONS = ("ungrouped", "misdated", "unjoined", "unreadable", "flooded", "uniform", "antedated", "corrected")
BATCHES_TOLD = 3


class Suspicion(StrEnum):
    """Why a batch of labels is set aside (`contracts.table.Quarantine`)."""

    FLOODED = "flooded"
    UNIFORM = "uniform"


class SetAsideBatch(Document):
    """All labels of one source in one hour (its start), set aside until a person allows them."""

    source: str
    hour: str
    labels: int
    reason: Suspicion


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
    @property
    def flooded(self) -> int: ...
    @property
    def uniform(self) -> int: ...
    @property
    def antedated(self) -> int: ...
    @property
    def batches(self) -> tuple[SetAsideBatch, ...]: ...


@dataclass(frozen=True, slots=True)
class Uncounted:
    """`misdated`: dated long after their receipt. `unjoined`: labels that belong to no answer. `unreadable`: labels of
    no class, or answers that do not fit their model. `flooded`, `uniform`: labels of batches that are set aside, of
    which `batches` are the newest. `antedated`: labels that say they were known before their answer was given.
    `corrected`: rows of judged windows that have another label by now."""

    ungrouped: int = 0
    misdated: int = 0
    unjoined: int = 0
    unreadable: int = 0
    flooded: int = 0
    uniform: int = 0
    antedated: int = 0
    corrected: int = 0
    batches: tuple[SetAsideBatch, ...] = ()

    @classmethod
    def of(cls, told: Told) -> Uncounted:
        """Of a rollout nothing is judged before it ends: its evidence has no corrected rows."""
        return cls(**{reason: getattr(told, reason, 0) for reason in REASONS}, batches=told.batches)

    def by_reason(self) -> dict[str, int]:
        """The reasons that there are."""
        counts = {reason: int(getattr(self, reason)) for reason in REASONS}
        return {reason: count for reason, count in counts.items() if count}

    def words(self, column: str | None) -> tuple[str, ...]:
        """One sentence for each reason, with what to do. `column`: by which rows are grouped; None is their receipt."""
        said = {
            "ungrouped": f"labelled rows have no group: requests do not send column {column}, or `capture.drop` names it",
            "misdated": f"labelled rows are dated more than a year after they were received: correct column {column}",
            "unjoined": "labels belong to no answer of this version within `feedback.horizon`: unless they are late ones of "
            "an earlier version, send the Id column with requests, take it out of `capture.drop`, or raise the horizon",
            "unreadable": "labels or answers cannot be read: labels must be the model's classes, or finite numbers",
            "flooded": "labels are set aside: more came from one source in one UTC hour than `feedback.quarantine.labelsPerHour`"
            + self._named(Suspicion.FLOODED),
            "uniform": "labels are set aside: all that one source sent in one UTC hour say the same"
            + self._named(Suspicion.UNIFORM),
            "corrected": "rows of windows that are judged have another label by now: the verdicts stand, later versions learn "
            "from the new labels; if they are many, look at who sends corrections",
            "antedated": "labels say that they were known before their answer was given, by more than "
            "`feedback.quarantine.datedBefore`: correct `label_time`, or the Id that they name",
        }
        return tuple(f"{count} {said[reason]}" for reason, count in self.by_reason().items())

    def _named(self, reason: Suspicion) -> str:
        mine = [f"{b.hour} of {b.source or 'callers without a name'}" for b in self.batches if b.reason is reason]
        if not mine:
            return ""
        return f" ({', '.join(mine)}): ask who sent them, and list what is right under `feedback.quarantine.allow`"


def newest(batches: Iterable[SetAsideBatch]) -> tuple[SetAsideBatch, ...]:
    """Of batches, each once, those that are told."""
    ordered = sorted({(b.hour, b.source): b for b in batches}.items(), reverse=True)
    return tuple(batch for _, batch in ordered[:BATCHES_TOLD])
