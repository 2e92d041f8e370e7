"""`bucle/reference.json` inside a model artifact: what this model is measured against for the rest of its life."""

from __future__ import annotations

from bucle.contracts.base import Document
from bucle.contracts.canonical import digest
from bucle.contracts.profile import Blocks, FeatureProfile
from bucle.contracts.result import Estimate
from bucle.contracts.table import TableSchema, Target, Task
from bucle.contracts.task import DatasetVersion

WORDS, SHOWN = 180, 100
"""A longer question is told by its beginning and its digest: it must fit into a termination message and a tag."""


class Question(Document):
    """What a model answers. Where two models' questions differ, their answers cannot be compared, and one cannot take
    the other's place without its callers seeing a change. The order of classes is no part of it."""

    target: str
    task: Task
    positive: str | None = None
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, target: Target, classes: tuple[str, ...]) -> Question:
        """`classes`: those the model has scores for, in any order."""
        positive = target.positive if target.task == "Binary" else None
        return cls(target=target.name, task=target.task, positive=positive, classes=tuple(sorted(classes)))

    def unlike(self, other: Question) -> str:
        """How this question differs from the other one, or an empty text."""
        if (self.target, self.task) != (other.target, other.task):
            return f"it predicts {self.task} {self.target}, not {other.task} {other.target}"
        if self.positive != other.positive:
            return f"its positive value of {self.target} is {self.positive}, not {other.positive}"
        if self.classes == other.classes:
            return ""
        more, fewer = set(self.classes) - set(other.classes), set(other.classes) - set(self.classes)
        parts = [f"{verb} {_some(names)}" for verb, names in (("has", more), ("lacks", fewer)) if names]
        return f"its classes of {self.target} are others: it {' and '.join(parts)}"

    def words(self) -> str:
        """One line, equal for two models that answer the same question and for no others."""
        positive = f" = {self.positive}" if self.positive is not None else ""
        classes = f" of {', '.join(self.classes)}" if self.classes else ""
        told = f"{self.task} {self.target}{positive}{classes}"
        return told if len(told) <= WORDS else f"{told[:SHOWN]}… {digest(self.as_json())}"


class Reference(Document):
    """`prior`: class → share in training (or {"mean": value}): the constant predictor a model must beat.

    `classes`: order of the scores, sorted; for Binary the positive class is the last. `categories`: all values that
    training saw, per Category column. `scores`: what older releases knew of out-of-fold answers.
    `predictions`: the out-of-fold answers as columns. `blocks`: the stretches of rows whose levels all profiles tell.
    """

    version: str = "v1"
    table: TableSchema
    classes: tuple[str, ...] = ()
    prior: dict[str, float]
    threshold: float | None = None
    estimate: Estimate
    dataset: DatasetVersion
    features: tuple[FeatureProfile, ...] = ()
    categories: dict[str, tuple[str, ...]] = {}
    scores: tuple[float, ...] = ()
    predictions: tuple[FeatureProfile, ...] = ()
    blocks: Blocks = Blocks()
    trusted_types: tuple[str, ...] = ()
    environment: dict[str, str] = {}

    def question(self) -> Question:
        return Question.of(self.table.target, self.classes)


def _some(names: set[str]) -> str:
    shown = ", ".join(sorted(names)[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


MODEL_REFERENCE_PATH = "bucle/reference.json"
