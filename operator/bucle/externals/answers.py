"""What any router counts of a target: the answers it passed on. A pure value, the same for every router."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AnswerCounts:
    """Predictions that got a final answer since this router pod started, those whose answer was 5xx or none, and those that
    were refused with 4xx.

    Only ever grows while one router pod lives, and only ever added up and taken from one another: a gate that looks at
    another property of answers (how long they took) adds a field here, and nothing between the router and the gate changes.
    Its zeros are kept over restarts in status: `Counter` of the status, written and read by the status codec.
    """

    requests: int = 0
    errors: int = 0
    refused: int = 0

    def __add__(self, other: AnswerCounts) -> AnswerCounts:
        return AnswerCounts(self.requests + other.requests, self.errors + other.errors, self.refused + other.refused)

    def since(self, base: AnswerCounts) -> AnswerCounts:
        """What came after `base`; never negative."""
        return AnswerCounts(
            max(0, self.requests - base.requests),
            max(0, self.errors - base.errors),
            max(0, self.refused - base.refused),
        )
