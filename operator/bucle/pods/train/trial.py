"""One trial: fit on train, score on validation, answer by message alone."""

from __future__ import annotations

import time

from bucle.contracts import exits
from bucle.contracts.base import decimal_text
from bucle.contracts.result import TrialResult
from bucle.contracts.task import TrialTask
from bucle.podkit.metrics import summary
from bucle.podkit.program import ProgramError, bad_configuration
from bucle.pods.train.fit import Recipe
from bucle.pods.train.rows import load, require_metric


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
    recipe = Recipe(task.trainer, task.params, table, task.seed, exits.BAD_PARAMETERS)
    values = summary(table.target.task, validation.truth, recipe.fit(train).answers(validation.frame))
    return TrialResult(
        metrics=finite(values, metric.name, exits.BAD_PARAMETERS),
        rows=len(validation),
        seconds=decimal_text(time.perf_counter() - started, 4),
    )


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
