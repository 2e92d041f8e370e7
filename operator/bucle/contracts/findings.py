"""What a window's columns are found to be, beside those of training: one entry per column and question."""

from __future__ import annotations

from typing import Literal

from bucle.contracts.base import Document

Question = Literal["Drift", "Constant", "Nulls", "Unknown", "OutOfRange", "Invalid", "Missing"]
"""Drift: the distribution. Constant: all rows are alike, which training's were not. Unknown: categories that training
never saw. Missing: the column is in none or not all of the files."""

Standing = Literal["Compared", "NoProfile", "TooFewRows", "Empty"]
"""NoProfile: the model's reference says too little of the column: it was made by an older release, the column is a free
text, or it had no value in training. Empty: the window has no usable value of it."""


class Finding(Document):
    """`value`: the distance of the distributions (0 to 1), or a share of rows; `expected`: that share without a change;
    `limit`: what the value had to exceed."""

    question: Question
    breached: bool
    value: float
    expected: float = 0.0
    limit: float


class ColumnFindings(Document):
    """`standing`: whether the distribution could be compared. `inflation`: how many rows of the window say as much as
    one independent row would."""

    column: str
    standing: Standing
    inflation: float = 1.0
    findings: tuple[Finding, ...] = ()

    def of(self, question: Question) -> Finding | None:
        return next((finding for finding in self.findings if finding.question == question), None)

    def breached(self, *questions: Question) -> bool:
        return any(finding.breached and finding.question in questions for finding in self.findings)


class WindowFindings(Document):
    """Of all columns, in the order of the profile. `alpha`: the chance of one question of one column and window."""

    rows: int
    alpha: float
    columns: tuple[ColumnFindings, ...]

    def names(self, *questions: Question) -> tuple[str, ...]:
        """The columns in which one of these questions is breached."""
        return tuple(found.column for found in self.columns if found.breached(*questions))
