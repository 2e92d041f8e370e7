"""The final fit: refit, score once, predict out of fold, compare with the champion, store the model.

Safe to run twice: the same task gives the same files, so the same digest and the same keys.
"""

from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bucle.contracts import exits
from bucle.contracts.base import decimal_text
from bucle.contracts.canonical import digest as digest_of
from bucle.contracts.manifest import SPLITS
from bucle.contracts.metrics import estimated_metric
from bucle.contracts.result import ChampionResult, Estimate, FinalResult
from bucle.contracts.task import FinalTask
from bucle.podkit.metrics import grouped_mean, per_row, summary
from bucle.podkit.program import bad_configuration
from bucle.pods.train.artifact import dumped, model_files, trusted_types, upload
from bucle.pods.train.compare import Challenger, compare
from bucle.pods.train.fit import Recipe
from bucle.pods.train.folds import fold_codes, out_of_fold
from bucle.pods.train.preflight import require_servable
from bucle.pods.train.reference import Made, reference_of, times_of
from bucle.pods.train.rows import Loaded, load, require_metric, together
from bucle.pods.train.trial import finite

log = logging.getLogger("bucle.train")


def run_final(task: FinalTask) -> FinalResult:
    """Raises ProgramError; after it returned the model is in the store."""
    loaded = load(task.dataset, SPLITS)
    table = loaded.manifest.table
    objective = require_metric(task.metric, table.target.task)
    if task.champion is not None:
        require_metric(task.champion.metric, table.target.task, per_row=True)
    recipe = Recipe(task.trainer, task.params, table, task.seed, exits.BAD_CONFIGURATION)
    learnt = loaded.of("train", "validation")
    fitted = recipe.fit(learnt)
    require_servable(fitted, learnt)
    log.info("fitted on %d rows", len(learnt))
    test = loaded.of("test")
    metrics = summary(table.target.task, test.truth, fitted.answers(test.frame)) if len(test) else {}
    challenger = _challenger(task, recipe, loaded)
    metric = estimated_metric(objective.name, table.target.task)
    estimate = _estimate(metric, challenger)
    log.info("out of fold %s %s ± %s", metric, estimate.value, estimate.standard_error)
    champion: ChampionResult | None = compare(task.champion, challenger) if task.champion is not None else None
    archive = dumped(fitted.pipeline)
    answered = times_of(loaded.rows.table, table)
    asked = None if answered is None else answered.take(pa.array(challenger.asked))
    made = Made(fitted, learnt, challenger.answers, asked, estimate)
    reference = reference_of(task, table, made, trusted_types(archive))
    uri, digest = upload(model_files(fitted.pipeline, archive, reference), task.model_location)
    return FinalResult(
        metrics=finite(metrics, objective.name, exits.BAD_CONFIGURATION) if metrics else {},
        out_of_fold=estimate,
        uri=uri,
        digest=digest,
        schema_digest=digest_of(table.as_json()),
        question=reference.question().words(),
        champion=champion,
    )


def _challenger(task: FinalTask, recipe: Recipe, loaded: Loaded) -> Challenger:
    """Out-of-fold answers to all rows that have a group, folds of whole groups."""
    groups, group_by = together(loaded, task.group_by)
    folds = fold_codes(groups, task.folds, task.seed)
    asked: NDArray[np.int64] = np.flatnonzero(folds >= 0)
    if len(np.unique(folds[asked])) < 2:
        raise bad_configuration("SourceEmpty", f"{task.dataset.name} has too few rows to be predicted out of fold")
    log.info("%d rows in %d groups, %d without a group", len(asked), len(groups.names), len(folds) - len(asked))
    return Challenger(loaded, groups, group_by, asked, out_of_fold(recipe, loaded.rows, folds))


def _estimate(metric: str, challenger: Challenger) -> Estimate:
    values = per_row(metric, challenger.loaded.rows.truth[challenger.asked], challenger.answers)
    mean = grouped_mean(values, challenger.groups.codes[challenger.asked])
    return Estimate(
        metric=metric,
        value=decimal_text(mean.value),
        standard_error=decimal_text(mean.standard_error),
        groups=mean.groups,
        rows=mean.rows,
        shape=mean.shape if mean.groups > 1 else None,
    )
