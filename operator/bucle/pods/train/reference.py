"""A model's reference: what it was measured by, and what its training rows and out-of-fold answers looked like, small enough
to travel inside the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bucle.contracts.profile import FeatureProfile
from bucle.contracts.reference import Reference
from bucle.contracts.result import Estimate
from bucle.contracts.table import Column, TableSchema
from bucle.contracts.task import FinalTask
from bucle.podkit.frames import is_text
from bucle.podkit.metrics import Answers, Floats
from bucle.podkit.model import environment, feature_columns
from bucle.pods.train.fit import Fitted, threshold
from bucle.pods.train.rows import Rows

QUANTILES = 33
CATEGORIES = 50
DIGITS = 9


@dataclass(frozen=True, slots=True)
class Made:
    """A fitted model with what it learnt from and what it was measured by."""

    fitted: Fitted
    learnt: Rows
    out_of_fold: Answers
    estimate: Estimate


def reference_of(task: FinalTask, table: TableSchema, made: Made, trusted: tuple[str, ...]) -> Reference:
    return Reference(
        table=table,
        classes=made.fitted.classes,
        prior=prior(made.learnt),
        threshold=threshold(made.fitted.classes),
        estimate=made.estimate,
        dataset=task.dataset,
        features=feature_profiles(made.learnt.frame, feature_columns(table)),
        categories=made.fitted.categories,
        scores=score_quantiles(made.out_of_fold),
        trusted_types=trusted,
        environment=environment(),
    )


def feature_profiles(frame: pd.DataFrame, columns: tuple[Column, ...]) -> tuple[FeatureProfile, ...]:
    return tuple(_profile(column, frame[column.name]) for column in columns)


def score_quantiles(answers: Answers) -> tuple[float, ...]:
    """Of the positive class for two classes, of the greatest score for more, of the numbers for Regression."""
    if answers.scores is None:
        return quantiles(np.asarray(answers.numbers))
    return quantiles(answers.scores[:, 1] if answers.scores.shape[1] == 2 else answers.scores.max(axis=1))


def prior(rows: Rows) -> dict[str, float]:
    """The constant predictor: share of each class, or the mean."""
    if not rows.classes:
        return {"mean": _rounded(float(np.mean(rows.truth)))}
    shares = np.bincount(rows.truth.astype(np.int64), minlength=len(rows.classes)) / len(rows)
    return {name: _rounded(float(share)) for name, share in zip(rows.classes, shares, strict=True)}


def quantiles(values: Floats) -> tuple[float, ...]:
    """At 0, 1/32 … 1 of the finite ones, all finite; empty for no values."""
    values = values[np.isfinite(values)]
    if not len(values):
        return ()
    # Of halves: between -1e308 and 1e308 lies more than a float can hold.
    found = np.quantile(values / 2, np.linspace(0.0, 1.0, QUANTILES)) * 2
    return tuple(_rounded(float(q)) for q in found)


def _profile(column: Column, values: pd.Series) -> FeatureProfile:
    present = values.dropna()
    rows, nulls = len(values), len(values) - len(present)
    if not is_text(column):
        return FeatureProfile(
            name=column.name, rows=rows, nulls=nulls, quantiles=quantiles(present.to_numpy(dtype=np.float64))
        )
    if column.type == "Text":
        # Free text may be personal data: only how much of it there is.
        return FeatureProfile(name=column.name, rows=rows, nulls=nulls, other=len(present))
    counted = sorted(present.value_counts().items(), key=lambda item: (-item[1], item[0]))[:CATEGORIES]
    counts = {str(name): int(count) for name, count in counted}
    return FeatureProfile(
        name=column.name, rows=rows, nulls=nulls, counts=counts, other=len(present) - sum(counts.values())
    )


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
