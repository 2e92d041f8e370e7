"""A model's reference: what it was measured by, and what its training rows and out-of-fold answers looked like, small enough
to travel inside the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bucle.contracts.profile import PREDICTED_CLASS, PREDICTED_NUMBER, PREDICTED_SCORE, FeatureProfile
from bucle.contracts.reference import Reference
from bucle.contracts.result import Estimate
from bucle.contracts.table import TableSchema
from bucle.contracts.task import FinalTask
from bucle.podkit.metrics import Answers
from bucle.podkit.model import environment, feature_columns
from bucle.podkit.profiles import Stretches, category_profile, feature_profiles, number_profile
from bucle.podkit.sketches import leading_score
from bucle.pods.train.fit import Fitted, threshold
from bucle.pods.train.rows import Rows

DIGITS = 9


@dataclass(frozen=True, slots=True)
class Made:
    """A fitted model with what it learnt from and what it was measured by. `answered`: the times of the rows that the
    out-of-fold answers are to."""

    fitted: Fitted
    learnt: Rows
    out_of_fold: Answers
    answered: pa.ChunkedArray | None
    estimate: Estimate


def reference_of(task: FinalTask, table: TableSchema, made: Made, trusted: tuple[str, ...]) -> Reference:
    stretches, answered = stretches_of(times_of(made.learnt.table, table)), stretches_of(made.answered)
    return Reference(
        table=table,
        classes=made.fitted.classes,
        prior=prior(made.learnt),
        threshold=threshold(made.fitted.classes),
        estimate=made.estimate,
        dataset=task.dataset,
        features=feature_profiles(made.learnt.frame, feature_columns(table), stretches),
        categories=made.fitted.categories,
        predictions=prediction_profiles(made.out_of_fold, made.fitted.classes, answered),
        blocks=stretches.blocks.or_longer(answered.blocks),
        trusted_types=trusted,
        environment=environment(),
    )


def prediction_profiles(answers: Answers, classes: tuple[str, ...], stretches: Stretches) -> tuple[FeatureProfile, ...]:
    """What a server's answers are compared with, in the same columns."""
    if answers.scores is None or answers.labels is None:
        return (number_profile(PREDICTED_NUMBER, np.asarray(answers.numbers, dtype=np.float64), stretches),)
    names = np.asarray(classes, dtype=object)[answers.labels]
    return (
        category_profile(PREDICTED_CLASS, names, stretches),
        number_profile(PREDICTED_SCORE, leading_score(answers.scores), stretches),
    )


def times_of(table: pa.Table, schema: TableSchema) -> pa.ChunkedArray | None:
    """The time of each row, where the schema names one."""
    columns = [column.name for column in schema.with_role("Time") if column.type == "Timestamp"]
    return table.column(columns[0]) if columns else None


def stretches_of(times: pa.ChunkedArray | None) -> Stretches:
    if times is None:
        return Stretches.of(None)
    known = np.asarray(pc.is_valid(times), dtype=np.bool_)
    return Stretches.of(pc.fill_null(times.cast(pa.int64()), 0).to_numpy(), known)


def prior(rows: Rows) -> dict[str, float]:
    """The constant predictor: share of each class, or the mean."""
    if not rows.classes:
        return {"mean": _rounded(float(np.mean(rows.truth)))}
    shares = np.bincount(rows.truth.astype(np.int64), minlength=len(rows.classes)) / len(rows)
    return {name: _rounded(float(share)) for name, share in zip(rows.classes, shares, strict=True)}


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
