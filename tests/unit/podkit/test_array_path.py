"""Asked with arrays a model says exactly what it says of data frames, or it is asked with data frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from bucle.contracts.table import Column
from bucle.podkit.array_path import array_pipeline, arrays_of_frame, nameless

NUMBERS = tuple(Column(name=name, type="Number") for name in "abc")
MIXED = (*NUMBERS, Column(name="colour", type="Category"))


def rows(count: int, seed: int, *, nulls: bool = False) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({name: random.normal(size=count) for name in "abc"})
    frame["colour"] = random.choice(np.array(["red", "blue", "green"], dtype=object), count).astype(object)
    if nulls:
        frame.loc[::5, ["b", "colour"]] = np.nan
    return frame


def fitted(pipeline: Pipeline, columns: tuple[Column, ...], *, nulls: bool = False) -> Pipeline:
    frame = rows(200, 0, nulls=nulls)
    codes = (frame["a"] + frame["b"].fillna(0) > 0).astype(int)
    return pipeline.fit(frame[[column.name for column in columns]], codes)


def bare(estimator: Any) -> Pipeline:
    return Pipeline([("estimator", estimator)])


def by_column(estimator: Any, *, sparse: bool = False) -> Pipeline:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    colours = OneHotEncoder(handle_unknown="ignore", sparse_output=True) if sparse else encoder
    steps = ColumnTransformer(
        [
            ("0", Pipeline([("0", SimpleImputer()), ("1", StandardScaler())]), ["c", "b"]),
            ("1", Pipeline([("0", colours)]), ["colour"]),
        ],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    return Pipeline([("preprocessing", steps), ("estimator", estimator)])


TREE = DecisionTreeClassifier(max_depth=3, random_state=0)


@pytest.mark.parametrize(
    ("pipeline", "columns"),
    [
        (bare(LogisticRegression()), NUMBERS),
        (bare(LinearRegression()), NUMBERS),
        (bare(RandomForestClassifier(7, random_state=0)), NUMBERS),
        (bare(RandomForestRegressor(7, random_state=0)), NUMBERS),
        (bare(ExtraTreesClassifier(7, random_state=0)), NUMBERS),
        (bare(GradientBoostingClassifier(n_estimators=3)), NUMBERS),
        (bare(HistGradientBoostingClassifier(max_iter=3)), NUMBERS),
        (bare(KNeighborsClassifier()), NUMBERS),
        (bare(BaggingClassifier(TREE, 3, random_state=0)), NUMBERS),
        (bare(StackingClassifier([("tree", TREE), ("line", LogisticRegression())], cv=2)), NUMBERS),
        (by_column(LogisticRegression()), MIXED),
        (by_column(LogisticRegression(), sparse=True), MIXED),
        (by_column(RandomForestClassifier(7, random_state=0)), MIXED),
        (by_column(HistGradientBoostingClassifier(max_iter=3)), MIXED),
    ],
    ids=lambda value: type(value.steps[-1][1]).__name__ if isinstance(value, Pipeline) else "",
)
def test_a_model_says_the_same_of_arrays_and_of_frames(pipeline: Pipeline, columns: tuple[Column, ...]) -> None:
    names = [column.name for column in columns]
    model = fitted(pipeline, columns)
    quick = array_pipeline(model, columns, rows(64, 1)[names])
    assert quick is not None
    ask = "predict_proba" if hasattr(model, "classes_") else "predict"
    asked = rows(300, 2)[names]
    for span in (asked, *(asked.iloc[[at]] for at in range(10))):
        assert np.array_equal(getattr(quick, ask)(arrays_of_frame(span, columns)), getattr(model, ask)(span))


def test_nulls_and_what_is_too_large_are_left_to_scikit_learn() -> None:
    model = fitted(bare(RandomForestClassifier(7, random_state=0)), NUMBERS, nulls=True)
    asked = rows(50, 3, nulls=True)[list("abc")]
    quick = array_pipeline(model, NUMBERS, asked)
    assert quick is not None
    assert np.array_equal(quick.predict_proba(arrays_of_frame(asked, NUMBERS)), model.predict_proba(asked))
    large = asked.fillna(0).assign(a=1e39)
    with pytest.raises(Exception, match=r"float32|overflow"):
        quick.predict_proba(arrays_of_frame(large, NUMBERS))


class Liar(LogisticRegression):
    """Says other things of arrays than of frames."""

    def predict_proba(self, X: Any) -> Any:  # noqa: N803 scikit-learn's name
        found = super().predict_proba(X)
        return found if isinstance(X, pd.DataFrame) else found[:, ::-1]


@pytest.mark.parametrize(
    ("pipeline", "columns"),
    [
        (bare(Liar()), NUMBERS),
        (bare(CalibratedClassifierCV(TREE, cv=2)), NUMBERS),
        (by_column(LogisticRegression()), (*MIXED[:3], Column(name="colour", type="Text"))),
    ],
)
def test_what_is_not_proven_is_asked_with_frames(pipeline: Pipeline, columns: tuple[Column, ...]) -> None:
    model = fitted(pipeline, columns)
    assert array_pipeline(model, columns, rows(64, 1)[[column.name for column in columns]]) is None


def test_the_model_itself_keeps_the_names_of_its_columns() -> None:
    model = fitted(by_column(StackingClassifier([("tree", TREE)], cv=2)), MIXED)
    nameless(model)
    assert list(model.named_steps["preprocessing"].feature_names_in_) == ["a", "b", "c", "colour"]
    assert list(model.named_steps["preprocessing"].transformers_[0][1].steps[0][1].feature_names_in_) == ["c", "b"]
