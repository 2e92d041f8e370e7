"""The champion against the challenger, on rows that neither has learnt from, paired row by row.

The challenger answers out of fold; the champion answers the groups that its own dataset did not have (`Newest`), or
those rows of the test split that it has not learnt from (`Test`): the splits may have been edited since.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bucle.contracts import exits
from bucle.contracts.base import decimal_text
from bucle.contracts.reference import Question
from bucle.contracts.result import ChampionResult
from bucle.contracts.table import GroupBy, TableSchema
from bucle.contracts.task import ChampionModel
from bucle.podkit.frames import model_frame
from bucle.podkit.metrics import Answers, grouped_mean, per_row
from bucle.podkit.model import LoadedModel, feature_columns, load_model
from bucle.podkit.program import ProgramError
from bucle.pods.train.membership import membership
from bucle.pods.train.rows import Groups, Loaded, require_metric
from bucle.pods.train.wording import about_rows
from bucle.statistics.one_look import FEWEST_GROUPS

log = logging.getLogger("bucle.train")


@dataclass(frozen=True, slots=True)
class Challenger:
    """`asked`: the rows (of `loaded.rows`) that `answers` are about, in their order."""

    loaded: Loaded
    groups: Groups
    group_by: GroupBy | None
    asked: NDArray[np.int64]
    answers: Answers


def compare(task: ChampionModel, challenger: Challenger) -> ChampionResult:
    """Never fails because of the champion: one that cannot be asked, or whose data cannot be told from new data, is
    Incompatible. Raises StoreUnavailable (75)."""
    rows = challenger.loaded.rows
    try:
        champion = load_model(task.uri, task.digest)
        problem = incompatible(champion, challenger.loaded.manifest.table, rows.classes)
        if problem:
            return _result(task, "Incompatible", problem)
        on, chosen = _chosen(task, champion, challenger)
    except ProgramError as error:
        if error.exit_code == exits.TRY_AGAIN:
            raise
        return _result(task, "Incompatible", f"{error.reason}: {error.message}")
    groups = challenger.groups.codes[challenger.asked][chosen]
    count = len(np.unique(groups))
    if count < FEWEST_GROUPS:
        message = f"only {count} groups on {on}, at least {FEWEST_GROUPS} are needed: give more labelled rows"
        return _result(task, "Undecided", message, on)
    metric = require_metric(task.metric, challenger.loaded.manifest.table.target.task, per_row=True)
    asked = challenger.asked[chosen]
    frame = model_frame(rows.table.take(asked), feature_columns(champion.reference.table))
    try:
        answers = champion.answers(frame)
    except MemoryError:
        raise
    except Exception as error:
        # What it learnt from had no such value, for instance no null in this column.
        log.exception("the champion cannot answer")
        said = about_rows(error, frame, champion.reference.table)
        return _result(task, "Incompatible", f"the champion cannot answer these rows: {said}", on)
    answers = answers.by_classes(champion.reference.classes, rows.classes)
    theirs = per_row(metric.name, rows.truth[asked], answers)
    ours = per_row(metric.name, rows.truth[asked], challenger.answers.take(chosen))
    mean = grouped_mean(metric.loss_sign() * (ours - theirs), groups)
    if not math.isfinite(mean.value):
        return _result(task, "Undecided", "the difference has no finite value", on)
    return ChampionResult(
        version=task.version,
        state="Compared",
        on=on,
        difference=decimal_text(mean.value),
        standard_error=decimal_text(mean.standard_error),
        groups=mean.groups,
        rows=mean.rows,
        shape=mean.shape,
    )


def incompatible(champion: LoadedModel, table: TableSchema, classes: tuple[str, ...]) -> str:
    """Why the champion cannot answer these rows, or an empty text."""
    theirs = champion.reference.table
    differs = champion.reference.question().unlike(Question.of(table.target, classes))
    if differs:
        return f"the champion answers another question: {differs}"
    types = {column.name: column.type for column in table.columns}
    for column in feature_columns(theirs):
        if types.get(column.name) != column.type:
            found = types.get(column.name, "missing")
            return f"the champion needs the feature {column.name} of type {column.type}; here it is {found}"
    return ""


def _chosen(
    task: ChampionModel, champion: LoadedModel, challenger: Challenger
) -> tuple[Literal["Newest", "Test"], NDArray[np.int64]]:
    """Positions within `asked` of rows that the champion has not learnt from, by its own version's record."""
    asked = challenger.asked
    rows = challenger.loaded.rows.table.take(pa.array(asked))
    seen = membership(rows, task.dataset_location or champion.reference.dataset.location)
    if task.on == "Newest" and seen.grouped and challenger.group_by is not None and not seen.known.all():
        return "Newest", np.flatnonzero(~seen.known)
    return "Test", np.flatnonzero((challenger.loaded.splits[asked] == "test") & ~seen.learnt)


def _result(
    task: ChampionModel,
    state: Literal["Incompatible", "Undecided"],
    message: str,
    on: Literal["Newest", "Test"] | None = None,
) -> ChampionResult:
    return ChampionResult(version=task.version, state=state, message=message[:600], on=on)
