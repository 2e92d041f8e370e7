"""Fitting a pipeline to rows and asking it about others. Knows estimators and rows; no store, no task."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from bucle.contracts.table import TableSchema
from bucle.contracts.task import ParameterValue, SklearnTrainer
from bucle.podkit.frames import is_text, without_unknown
from bucle.podkit.metrics import Answers, Floats
from bucle.podkit.model import DEFAULT_THRESHOLD, answers_of, decide, without_null_texts
from bucle.podkit.program import ProgramError, bad_configuration
from bucle.pods.train.estimators import build_pipeline, with_class_codes, with_params
from bucle.pods.train.rows import Rows
from bucle.pods.train.wording import about_rows, made_up


@dataclass(frozen=True, slots=True)
class Recipe:
    """What makes a model from rows. `refusal`: the exit code when scikit-learn refuses the parameters."""

    trainer: SklearnTrainer
    params: dict[str, ParameterValue]
    table: TableSchema
    seed: int
    refusal: int

    def fit(self, rows: Rows) -> Fitted:
        """Raises ProgramError BadParameters with the code of `refusal` for whatever scikit-learn cannot fit."""
        if len(empty_features(rows.frame, self.table)) == len(self.table.with_role("Feature")):
            raise bad_configuration("SourceEmpty", "no feature has a value in any row: there is nothing to learn from")
        pipeline = self._pipeline(rows)
        weights: dict[str, Any] = {}
        if rows.weights is not None and has_fit_parameter(pipeline.named_steps["estimator"], "sample_weight"):
            weights = {"estimator__sample_weight": rows.weights}
        try:
            pipeline.fit(without_null_texts(rows.frame, self.table), rows.truth, **weights)
        except MemoryError:
            raise
        except Exception as error:
            # Solvers refuse combinations of valid values as plain ValueError, and rows they cannot use as anything.
            raise self.refused("cannot be fitted", error, rows.frame, rows.classes) from error
        return Fitted(self, pipeline, rows.classes, categories(rows.frame, self.table), _constant(rows))

    def constant(self, rows: Rows) -> Fitted:
        """What can be learnt from rows of one class alone: that class."""
        return Fitted(self, None, rows.classes, categories(rows.frame, self.table), _constant(rows))

    def _pipeline(self, rows: Rows) -> Pipeline:
        there = set(np.unique(rows.truth).tolist()) if rows.classes else set()
        trainer = with_params(self.trainer, self.params)
        trainer = with_class_codes(trainer, self.table.target, rows.classes, there)
        return build_pipeline(trainer, self.table, self.seed, empty_features(rows.frame, self.table))

    def refused(self, what: str, error: Exception, frame: pd.DataFrame, classes: tuple[str, ...]) -> ProgramError:
        """In words that hold no value of the rows."""
        text = self._same_on_made_up_rows(error, classes) or about_rows(error, frame, self.table)
        return ProgramError(self.refusal, "BadParameters", f"{self.trainer.estimator.class_} {what}: {text}")

    def _same_on_made_up_rows(self, error: Exception, classes: tuple[str, ...]) -> str:
        frame, truth = made_up(self.table, classes)
        try:
            with warnings.catch_warnings(action="ignore"):
                pipeline = build_pipeline(with_params(self.trainer, self.params), self.table, self.seed)
                pipeline.fit(frame, truth).predict(frame)
        except Exception as same:  # noqa: BLE001 only whether it is the same one matters
            return " ".join(str(same).split())[:600] if type(same) is type(error) else ""
        return ""


@dataclass(frozen=True, slots=True)
class Fitted:
    """`pipeline` None: a constant, the answer of `fallback` to every row."""

    recipe: Recipe
    pipeline: Any
    classes: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]
    fallback: Floats

    def answers(self, frame: pd.DataFrame) -> Answers:
        """A row with a category that the schema refuses (`unknown: Error`) is answered by the constant predictor, so
        that rows a server would refuse never make a model look better. Raises ProgramError BadParameters."""
        constant = self._constant(len(frame))
        if self.pipeline is None:
            return constant
        known = without_null_texts(without_unknown(frame, self.categories), self.recipe.table)
        try:
            found = answers_of(self.pipeline, known, self.classes, threshold(self.classes))
        except MemoryError:
            raise
        except Exception as error:
            what = "cannot answer rows it was not fitted on"
            raise self.recipe.refused(what, error, known, self.classes) from error
        refused = self._refused(frame)
        if not refused.any():
            return found
        return Answers(
            scores=_replaced(found.scores, constant.scores, refused),
            labels=_replaced(found.labels, constant.labels, refused),
            numbers=_replaced(found.numbers, constant.numbers, refused),
        )

    def _constant(self, rows: int) -> Answers:
        if not self.classes:
            return Answers(numbers=np.full(rows, self.fallback[0]))
        scores = np.tile(self.fallback, (rows, 1))
        return Answers(scores=scores, labels=decide(scores, threshold(self.classes)))

    def _refused(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        refused = np.zeros(len(frame), dtype=np.bool_)
        for column in self.recipe.table.with_role("Feature"):
            if column.unknown == "Error" and column.name in self.categories:
                values = frame[column.name]
                refused |= np.asarray(~values.isin(self.categories[column.name]) & values.notna(), dtype=np.bool_)
        return refused


def _constant(rows: Rows) -> Floats:
    """The shares of the classes, or the mean."""
    if not rows.classes:
        return np.array([float(np.mean(rows.truth))])
    counts = np.bincount(rows.truth.astype(np.int64), minlength=len(rows.classes))
    return np.asarray(counts / max(1, len(rows)), dtype=np.float64)


def _replaced(found: Any, constant: Any, where: NDArray[np.bool_]) -> Any:
    if found is None:
        return None
    changed = found.copy()
    changed[where] = constant[where]
    return changed


def empty_features(frame: pd.DataFrame, table: TableSchema) -> list[str]:
    """Features of numbers in which no row has a value."""
    numbers = [column.name for column in table.with_role("Feature") if not is_text(column)]
    return [name for name in numbers if frame[name].isna().all()]


def threshold(classes: tuple[str, ...]) -> float | None:
    return DEFAULT_THRESHOLD if len(classes) == 2 else None


def categories(frame: pd.DataFrame, table: TableSchema) -> dict[str, tuple[str, ...]]:
    """All values of each Category feature, sorted."""
    return {
        column.name: tuple(sorted(frame[column.name].dropna().unique()))
        for column in table.with_role("Feature")
        if column.type == "Category"
    }
