"""A fitted pipeline asked with plain arrays: the same answers, without the data frames that cost more than most models.

Only where it is proven: every shortcut here is compared, number by number, with what scikit-learn says of the same
rows, and left alone when anything differs. May know scikit-learn's pipelines, column transformers and forests.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bucle.contracts.table import Column
from bucle.podkit.frames import is_text

Matrix = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Arrays:
    """n rows by column: float64 for numbers and booleans, object for categories, NaN for null."""

    columns: Mapping[str, Matrix]
    rows: int

    def __len__(self) -> int:
        return self.rows

    def matrix(self, names: Sequence[str]) -> Matrix:
        # Columns lie one after the other, as in a data frame: products of matrices are summed in the same order.
        return np.array([self.columns[name] for name in names]).T


@dataclass(frozen=True, slots=True)
class _Part:
    """One transformer of the columns; None passes them through."""

    transformer: Any
    names: tuple[str, ...]


class ArrayPipeline:
    """What `answers_of` asks of a pipeline, for Arrays."""

    def __init__(self, parts: Sequence[_Part], estimator: Any) -> None:
        self._parts = tuple(parts)
        self._estimator = estimator
        self._trees = _forest(estimator)
        self.classes_ = getattr(estimator, "classes_", None)

    def predict(self, rows: Arrays) -> Matrix:
        x = self._features(rows)
        found = None if self._trees is None else self._trees(x)
        return np.asarray(self._estimator.predict(x) if found is None else found[:, 0])

    def predict_proba(self, rows: Arrays) -> Matrix:
        x = self._features(rows)
        found = None if self._trees is None else self._trees(x)
        return np.asarray(self._estimator.predict_proba(x) if found is None else found)

    def _features(self, rows: Arrays) -> Matrix:
        made = []
        for part in self._parts:
            x = rows.matrix(part.names)
            y = x if part.transformer is None else part.transformer.transform(x)
            made.append(y.toarray() if hasattr(y, "toarray") else y)
        return made[0] if len(made) == 1 else np.hstack(made)


def array_pipeline(pipeline: Any, columns: Sequence[Column], proof: pd.DataFrame) -> ArrayPipeline | None:
    """The pipeline for arrays if it says exactly the same of the rows of `proof`; None when it cannot be told so."""
    try:
        with warnings.catch_warnings(action="error"):
            found = _rebuilt(pipeline, columns)
            if found is not None and _same(pipeline, found, proof, columns):
                return found
    except Exception:  # noqa: BLE001 a shortcut that fails in whatever way is none
        return None
    return None


def arrays_of_frame(frame: pd.DataFrame, columns: Sequence[Column]) -> Arrays:
    return Arrays(
        {c.name: frame[c.name].to_numpy(dtype=object if is_text(c) else np.float64) for c in columns}, len(frame)
    )


def _same(pipeline: Any, found: ArrayPipeline, proof: pd.DataFrame, columns: Sequence[Column]) -> bool:
    """Of all rows together, and of single ones: sums may be ordered differently for one row."""
    ask = "predict_proba" if hasattr(pipeline, "classes_") else "predict"
    spans = [slice(0, len(proof)), *(slice(at, at + 1) for at in range(0, len(proof), max(1, len(proof) // 8)))]
    return all(
        np.array_equal(
            getattr(pipeline, ask)(proof.iloc[span]), getattr(found, ask)(arrays_of_frame(proof.iloc[span], columns))
        )
        for span in spans
    )


def _rebuilt(pipeline: Any, columns: Sequence[Column]) -> ArrayPipeline | None:
    """Without preprocessing, or with one column transformer whose parts take numbers or categories, not both."""
    steps = dict(pipeline.steps)
    texts = {column.name: is_text(column) for column in columns}
    if any(column.type == "Text" for column in columns):
        return None
    estimator = nameless(steps.pop("estimator"))
    if not steps:
        return None if any(texts.values()) else ArrayPipeline([_Part(None, tuple(texts))], estimator)
    by_column = steps.pop("preprocessing", None)
    if steps or by_column is None or by_column.sparse_output_:
        return None
    parts = []
    for _, transformer, chosen in by_column.transformers_:
        if isinstance(transformer, str) or len({texts[name] for name in chosen}) > 1:
            return None
        identity = type(transformer).__name__ == "FunctionTransformer" and transformer.func is None
        if chosen:
            parts.append(_Part(None if identity else nameless(transformer), tuple(chosen)))
    return ArrayPipeline(parts, estimator)


def nameless(fitted: Any) -> Any:
    """A shallow copy that has forgotten the names of its columns, as have those within it: asked with arrays, each of
    them would warn at every request. What they learnt is shared."""
    if isinstance(fitted, list | tuple):
        parts = [nameless(part) for part in fitted]
        return parts if isinstance(fitted, list) else tuple(parts)
    if not hasattr(fitted, "get_params"):
        return fitted
    made = copy.copy(fitted)
    made.__dict__.pop("feature_names_in_", None)
    for name, value in list(made.__dict__.items()):
        if hasattr(value, "get_params") or (isinstance(value, list | tuple) and value):
            made.__dict__[name] = nameless(value)
    return made


def _forest(estimator: Any) -> Callable[[Matrix], Matrix | None] | None:
    """The mean over the trees of a forest, each asked directly: checking rows anew for each costs twenty times that."""
    name = type(estimator).__name__
    if name not in ("RandomForestClassifier", "ExtraTreesClassifier", "RandomForestRegressor", "ExtraTreesRegressor"):
        return None
    if estimator.n_outputs_ != 1:
        return None
    trees = [tree.tree_ for tree in estimator.estimators_]

    def mean(x: Matrix) -> Matrix | None:
        narrow = np.ascontiguousarray(x, dtype=np.float32)
        if not np.isfinite(narrow).all():
            return None  # scikit-learn says what is wrong with it, or that it takes nulls
        total = trees[0].predict(narrow)
        for tree in trees[1:]:
            total += tree.predict(narrow)
        total /= len(trees)
        return np.asarray(total)

    return mean
