"""Values per row of the metrics in `contracts.metrics`, from what a model answered and what came true. Pure numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bucle.contracts.base import decimal_text
from bucle.contracts.metrics import METRICS, PROBABILITY_FLOOR, TaskName
from bucle.contracts.result import GroupShape
from bucle.contracts.row_rules import NUMBER_LABEL_LIMIT
from bucle.statistics.paired import standing

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model said about n rows: `scores` n × k probabilities with `labels` n class codes, or `numbers` n."""

    scores: Floats | None = None
    labels: NDArray[np.int64] | None = None
    numbers: Floats | None = None

    def take(self, rows: NDArray[np.int64]) -> Answers:
        return Answers(
            scores=None if self.scores is None else self.scores[rows],
            labels=None if self.labels is None else self.labels[rows],
            numbers=None if self.numbers is None else self.numbers[rows],
        )

    def by_classes(self, mine: tuple[str, ...], wanted: tuple[str, ...]) -> Answers:
        """Scores and codes of a model that orders its classes as `mine`, in the order of `wanted`, the same classes."""
        if mine == wanted or self.scores is None or self.labels is None:
            return self
        place = {name: code for code, name in enumerate(wanted)}
        codes = np.array([place[name] for name in mine], dtype=np.int64)
        scores = np.empty_like(self.scores)
        scores[:, codes] = self.scores
        labels = np.where(self.labels >= 0, codes[self.labels], self.labels)
        return Answers(scores=scores, labels=labels)


def codes_of(labels: NDArray[np.object_], classes: tuple[str, ...]) -> NDArray[np.int64]:
    """Index of each label text in `classes`, −1 for others."""
    index = {name: code for code, name in enumerate(classes)}
    return np.fromiter((index.get(label, -1) for label in labels), dtype=np.int64, count=len(labels))


def per_row(metric: str, truth: NDArray[np.float64] | NDArray[np.int64], answers: Answers) -> Floats:
    """The metric's value of each row: `truth` holds class codes, or numbers for Regression.

    Raises ValueError for a metric that is not a mean over rows or does not fit the answers.
    """
    if answers.numbers is not None and metric in ("mae", "mse"):
        # No answer is further away than the contract's limit: one absurd number makes a mean bad, never unspeakable.
        with np.errstate(over="ignore", invalid="ignore"):
            error = np.abs(answers.numbers - truth)
        error = np.minimum(np.nan_to_num(error, nan=NUMBER_LABEL_LIMIT), NUMBER_LABEL_LIMIT)
        return np.asarray(error if metric == "mae" else error**2)
    if answers.scores is not None and metric in ("log_loss", "brier"):
        # As for numbers: a row that overflowed within the model is answered as badly as can be.
        of_truth = np.nan_to_num(answers.scores[np.arange(len(truth)), truth.astype(np.int64)], nan=0.0)
        if metric == "brier":
            return np.asarray((1.0 - of_truth) ** 2)
        return np.asarray(-np.log(np.clip(of_truth, PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR)))
    if answers.labels is not None and metric == "accuracy":
        right = answers.labels == truth
        if answers.scores is not None:
            right &= ~np.isnan(answers.scores).any(axis=1)
        return np.asarray(right, dtype=np.float64)
    raise ValueError(f"metric {metric} has no value per row for these answers")


def summary(task: TaskName, truth: NDArray[np.float64] | NDArray[np.int64], answers: Answers) -> dict[str, float]:
    """Every metric that applies to the task and is defined on these rows."""
    values: dict[str, float] = {}
    for metric in METRICS.values():
        if task not in metric.tasks:
            continue
        if metric.per_row:
            values[metric.name] = float(np.mean(per_row(metric.name, truth, answers)))
        elif answers.scores is not None and 0 < truth.sum() < len(truth):
            values[metric.name] = roc_auc(truth.astype(np.int64), answers.scores[:, -1])
    return values


def roc_auc(truth: NDArray[np.int64], scores: Floats) -> float:
    """Probability that a positive row scores above a negative one, ties counting half (Mann–Whitney U). A row without a
    score has the worst one."""
    scores = np.where(np.isnan(scores), 1.0 - truth, scores)
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    _, first, inverse, counts = np.unique(ordered, return_index=True, return_inverse=True, return_counts=True)
    ranks = np.empty(len(scores))
    ranks[order] = (first + (counts + 1) / 2.0)[inverse]
    positives = int(truth.sum())
    negatives = len(truth) - positives
    return float((ranks[truth == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


@dataclass(frozen=True, slots=True)
class GroupedMean:
    """Mean over rows with the standard error that the groups allow; NaN with fewer than two groups.

    `lag`, `skew`, `kish`: how much neighbours are alike, to which side groups scatter, and how many of equal size would
    weigh the same (see `bucle.statistics.evidence.Standing`).
    """

    value: float
    standard_error: float
    groups: int
    rows: int
    lag: float = 0.0
    skew: float = 0.0
    kish: float = 0.0

    @property
    def shape(self) -> GroupShape:
        return GroupShape(lag=decimal_text(self.lag), skew=decimal_text(self.skew), kish=decimal_text(self.kish))


def grouped_mean(values: Floats, groups: NDArray[np.int64]) -> GroupedMean:
    """Ratio of sums, linearised over groups: m = Σx/Σn, r_g = (x_g − m·n_g)/mean(n), se = sd(r, ddof 1)/√t.

    Rows of one group hang together, so the groups are what is counted. `groups` holds one code ≥ 0 per row, in the order
    of the groups' time where they have one.
    Source: Cochran, Sampling Techniques (3rd ed.), ch. 6, ratio estimators.
    """
    _, codes = np.unique(groups, return_inverse=True)
    n = np.bincount(codes).astype(np.float64)
    x = np.bincount(codes, weights=values)
    mean = float(x.sum() / n.sum())
    if len(n) < 2:
        return GroupedMean(mean, float("nan"), len(n), len(values), kish=float(len(n)))
    residuals = (x - mean * n) / n.mean()
    error = float(residuals.std(ddof=1) / np.sqrt(len(n)))
    shape = standing(list(zip(x.tolist(), n.tolist(), strict=True)))
    return GroupedMean(mean, error, len(n), len(values), shape.lag, shape.skew, shape.kish)
