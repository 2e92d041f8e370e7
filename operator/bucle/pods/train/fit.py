"""Fitting a pipeline to rows and asking it about others. Knows estimators and rows; no store, no task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import has_fit_parameter

from bucle.contracts.table import TableSchema
from bucle.contracts.task import ParameterValue, SklearnTrainer
from bucle.podkit.frames import without_unknown
from bucle.podkit.metrics import Answers
from bucle.podkit.model import DEFAULT_THRESHOLD, answers_of
from bucle.podkit.program import ProgramError
from bucle.pods.train.estimators import build_pipeline, with_params
from bucle.pods.train.rows import Rows


@dataclass(frozen=True, slots=True)
class Recipe:
    """What makes a model from rows. `refusal`: the exit code when scikit-learn refuses the parameters."""

    trainer: SklearnTrainer
    params: dict[str, ParameterValue]
    table: TableSchema
    seed: int
    refusal: int

    def fit(self, rows: Rows) -> Fitted:
        """Raises ProgramError BadParameters with the code of `refusal` for what scikit-learn calls a wrong value."""
        pipeline = build_pipeline(with_params(self.trainer, self.params), self.table, self.seed)
        weights: dict[str, Any] = {}
        if rows.weights is not None and has_fit_parameter(pipeline.named_steps["estimator"], "sample_weight"):
            weights = {"estimator__sample_weight": rows.weights}
        known = categories(rows.frame, self.table)
        try:
            pipeline.fit(rows.frame, rows.truth, **weights)
        except (ValueError, TypeError) as error:
            # InvalidParameterError is both; solvers refuse combinations of valid values as plain ValueError.
            text = " ".join(str(error).split())
            raise ProgramError(
                self.refusal, "BadParameters", f"{self.trainer.estimator.class_} cannot be fitted: {text}"
            ) from error
        return Fitted(pipeline, rows.classes, known)


@dataclass(frozen=True, slots=True)
class Fitted:
    pipeline: Any
    classes: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]

    def answers(self, frame: pd.DataFrame) -> Answers:
        return answers_of(self.pipeline, without_unknown(frame, self.categories), self.classes, threshold(self.classes))


def threshold(classes: tuple[str, ...]) -> float | None:
    return DEFAULT_THRESHOLD if len(classes) == 2 else None


def categories(frame: pd.DataFrame, table: TableSchema) -> dict[str, tuple[str, ...]]:
    """All values of each Category feature, sorted."""
    return {
        column.name: tuple(sorted(frame[column.name].dropna().unique()))
        for column in table.with_role("Feature")
        if column.type == "Category"
    }


def out_of_fold(recipe: Recipe, rows: Rows, folds: NDArray[np.int64]) -> Answers:
    """Answers to each row of a model that has not seen the row's fold; rows of fold −1 are learnt from, not asked."""
    parts: list[Answers] = []
    asked: list[NDArray[np.int64]] = []
    for fold in range(int(folds.max()) + 1):
        inside = np.flatnonzero(folds == fold)
        fitted = recipe.fit(rows.take(np.flatnonzero(folds != fold)))
        parts.append(fitted.answers(rows.frame.iloc[inside]))
        asked.append(inside)
    places = np.concatenate(asked)
    back = np.argsort(places, kind="stable")
    return Answers(
        scores=_joined([p.scores for p in parts], back),
        labels=_joined([p.labels for p in parts], back),
        numbers=_joined([p.numbers for p in parts], back),
    )


def _joined(parts: list[Any], order: NDArray[np.int64]) -> Any:
    return None if parts[0] is None else np.concatenate(parts)[order]
