"""Told in the first minute: what the final fit, the load and the requests need, tried before a search goes on.

A fitted model is stored and read back as a server does it, and asked for rows with everything that the schema lets
callers send. The final fit's folds are rehearsed on a sample. Knows fitting and the artifact's form; stores nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bucle.contracts import exits
from bucle.contracts.reasons import differs_by_value
from bucle.contracts.table import Column
from bucle.contracts.task import FOLDS
from bucle.podkit.metrics import Answers
from bucle.podkit.model import feature_columns
from bucle.podkit.program import ProgramError, bad_configuration
from bucle.pods.train.artifact import dumped, read_back
from bucle.pods.train.fit import Fitted, Recipe
from bucle.pods.train.folds import fold_codes, out_of_fold
from bucle.pods.train.rows import Groups, Rows

SAMPLE_ROWS = 1000
RARE = 20
"""Classes with fewer rows are sampled whole."""
NULLS = 3
PROBABILITY_TOLERANCE = 1e-6


def require_servable(fitted: Fitted, rows: Rows) -> None:
    """Raises ProgramError (78) when no server could load the model, or it could not answer what its schema allows."""
    pipeline = read_back(dumped(fitted.pipeline))
    columns = feature_columns(fitted.recipe.table)
    holes = [column for column in columns if may_be_null(column)]
    first = rows.frame.iloc[[0]]
    whole = replace(fitted, pipeline=pipeline)
    if _answered(whole, _with_holes(first, holes)):
        return
    if not _answered(whole, first):
        # What the library says of a parameter, such as more neighbours than rows, tells more than that it failed.
        whole.answers(first)
        raise bad_configuration(
            "SignatureMismatch",
            f"{_name(fitted)} does not answer with finite numbers, or with probabilities, rows like those it was fitted "
            "on: use another estimator",
        )
    blamed = [column for column in holes if not _answered(whole, _with_holes(first, [column]))] or holes
    raise bad_configuration(
        "SignatureMismatch",
        f"{_name(fitted)} cannot answer a row {'; '.join(_hole(column) for column in blamed[:3])}: put an imputer or "
        "encoder for missing values into `preprocessing`, or refuse such rows by the schema",
    )


def require_foldable(recipe: Recipe, rows: Rows, groups: Groups) -> None:
    """Raises ProgramError when the final fit's folds of whole groups cannot be fitted; on a sample, and on all rows
    before that is believed: a sample may lack what the whole has."""
    folds = fold_codes(groups, FOLDS, recipe.seed)
    for chosen in (sample(rows), np.arange(len(rows))):
        if len(np.unique(folds[chosen][folds[chosen] >= 0])) < 2:
            continue
        try:
            out_of_fold(recipe, rows.take(chosen), folds[chosen])
            return
        except ProgramError as error:
            if len(chosen) == len(rows):
                raise ProgramError(
                    error.exit_code, error.reason, f"a fold of the final fit would fail: {error.message}"
                ) from error


def sample(rows: Rows) -> NDArray[np.int64]:
    """Positions of about 1,000 rows spread over all, of each class as many as of any, and some nulls where there are
    any: what is learnt from them takes what is learnt from all."""
    if rows.classes:
        share = max(RARE, SAMPLE_ROWS // len(rows.classes))
        parts = [_spread(np.flatnonzero(rows.truth == code), share) for code in np.unique(rows.truth)]
    else:
        parts = [_spread(np.arange(len(rows)), SAMPLE_ROWS)]
    holes = rows.frame.isna().to_numpy()
    parts += [np.flatnonzero(holes[:, at])[:NULLS] for at in np.flatnonzero(holes.any(axis=0))]
    return np.unique(np.concatenate(parts))


def blamed(recipe: Recipe, error: ProgramError, check: Callable[[Recipe], object]) -> ProgramError:
    """The failure of `check(recipe)` with its exit code. A trainer that fails alike without the trial's parameters fails
    in every trial (78); else the parameters are to blame, and the search is told (3)."""
    if not differs_by_value(error.reason):
        return error
    if recipe.params:
        try:
            check(replace(recipe, params={}))
        except ProgramError as alike:
            if alike.message != error.message:
                return ProgramError(error.exit_code, error.reason, error.message)
        else:
            return ProgramError(exits.BAD_PARAMETERS, "BadParameters", error.message)
    return bad_configuration(error.reason, error.message)


def may_be_null(column: Column) -> bool:
    """Whether a model is given a null of it: callers may send one, or an unknown category that becomes one."""
    return column.nullable == "Allowed" or (column.type == "Category" and column.unknown == "AsNull")


def _hole(column: Column) -> str:
    if column.nullable == "Allowed":
        return f"whose {column.name} is null (`nullable: Allowed`)"
    return f"whose {column.name} is a category that training never saw, which is a null to it (`unknown: AsNull`)"


def _with_holes(row: pd.DataFrame, columns: list[Column]) -> pd.DataFrame:
    return row.assign(
        **{column.name: pd.Series([np.nan], index=row.index, dtype=row[column.name].dtype) for column in columns}
    )


def _answered(fitted: Fitted, row: pd.DataFrame) -> bool:
    try:
        return _fits(fitted.answers(row))
    except ProgramError:
        return False


def _fits(answers: Answers) -> bool:
    if answers.scores is None:
        return bool(np.isfinite(np.asarray(answers.numbers)).all())
    whole = np.allclose(answers.scores.sum(axis=1), 1.0, atol=PROBABILITY_TOLERANCE)
    return bool(np.isfinite(answers.scores).all() and whole)


def _spread(positions: NDArray[Any], most: int) -> NDArray[np.int64]:
    if len(positions) <= most:
        return positions.astype(np.int64)
    return positions[np.linspace(0, len(positions) - 1, most).astype(np.int64)]


def _name(fitted: Fitted) -> str:
    return fitted.recipe.trainer.estimator.class_
