"""One trial: fit on train, prove that it can be stored, loaded and asked, score on validation, answer by message alone."""

from __future__ import annotations

import time

import numpy as np

from bucle.contracts import exits
from bucle.contracts.base import decimal_text
from bucle.contracts.result import TrialResult
from bucle.contracts.task import TrialTask
from bucle.podkit.metrics import summary
from bucle.podkit.program import ProgramError, bad_configuration
from bucle.pods.train.fit import Fitted, Recipe
from bucle.pods.train.preflight import SAMPLE_ROWS, blamed, require_foldable, require_servable, sample
from bucle.pods.train.rows import Loaded, Rows, load, require_metric, together


def run_trial(task: TrialTask) -> TrialResult:
    """Every metric that fits the target; raises ProgramError."""
    started = time.perf_counter()
    loaded = load(task.dataset, ("train", "validation"))
    table = loaded.manifest.table
    metric = require_metric(task.metric, table.target.task)
    train, validation = loaded.of("train"), loaded.of("validation")
    if not len(train) or not len(validation):
        raise bad_configuration(
            "SourceEmpty",
            f"{task.dataset.name} has {len(train)} rows to fit and {len(validation)} to score: give it more rows or splits",
        )
    if train.classes and len(np.unique(train.truth)) < 2:
        raise bad_configuration(
            "WrongType",
            f"the train split of {task.dataset.name} has rows of one class only: give it more groups or rows",
        )
    recipe = Recipe(task.trainer, task.params, table, task.seed, exits.BAD_PARAMETERS)
    fitted = _checked(task, recipe, loaded)
    values = summary(table.target.task, validation.truth, fitted.answers(validation.frame))
    return TrialResult(
        metrics=finite(values, metric.name, exits.BAD_PARAMETERS),
        rows=len(validation),
        seconds=decimal_text(time.perf_counter() - started, 4),
    )


def _checked(task: TrialTask, recipe: Recipe, loaded: Loaded) -> Fitted:
    """The model of the train split, after all that has to work later has worked: the first trial says for all what is
    wrong with the trainer, every trial what is wrong with its parameters."""
    train = loaded.of("train")

    def check(asked: Recipe) -> Fitted:
        if len(train) > 2 * SAMPLE_ROWS:
            small = _fitted_or_none(asked, train.take(sample(train)))
            if small is not None:
                require_servable(small, train)
        fitted = asked.fit(train)
        require_servable(fitted, train)
        if task.index == 0:
            groups, _ = together(loaded, None)
            require_foldable(asked, loaded.rows, groups)
        return fitted

    try:
        return check(recipe)
    except ProgramError as error:
        raise blamed(recipe, error, check) from error


def _fitted_or_none(recipe: Recipe, rows: Rows) -> Fitted | None:
    """A sample may be too small for what the whole split is enough for, such as very many neighbours."""
    try:
        return recipe.fit(rows)
    except ProgramError:
        return None


def finite(values: dict[str, float], wanted: str, exit_code: int) -> dict[str, str]:
    """The metrics as decimal texts; raises BadParameters when the one that is wanted is missing or not finite."""
    texts: dict[str, str] = {}
    for name, value in values.items():
        try:
            texts[name] = decimal_text(value)
        except ValueError:
            continue
    if wanted not in texts:
        raise ProgramError(exit_code, "BadParameters", f"the metric {wanted} has no finite value on these rows")
    return texts
