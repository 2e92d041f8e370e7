"""Folds of whole groups, for answers of models that have not seen a row's group. How many there are is the task's to say."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bucle.podkit.metrics import Answers
from bucle.pods.train.fit import Recipe
from bucle.pods.train.rows import Groups, Rows


def fold_codes(groups: Groups, folds: int, seed: int) -> NDArray[np.int64]:
    """Fold 0 … folds−1 of each row, −1 without a group: whole groups, dealt out in the order of a seeded hash."""
    order = sorted(range(len(groups.names)), key=lambda i: (_hashed(seed, groups.names[i]), i))
    of_group = np.empty(len(order) + 1, dtype=np.int64)
    of_group[order] = np.arange(len(order)) % min(folds, max(1, len(order)))
    of_group[-1] = -1
    return of_group[groups.codes]


def out_of_fold(recipe: Recipe, rows: Rows, folds: NDArray[np.int64]) -> Answers:
    """Answers to each row of a model that has not seen the row's fold; rows of fold −1 are learnt from, not asked."""
    parts: list[Answers] = []
    asked: list[NDArray[np.int64]] = []
    for fold in range(int(folds.max()) + 1):
        inside = np.flatnonzero(folds == fold)
        learnt = rows.take(np.flatnonzero(folds != fold))
        # All of one class may lie in one fold; of the others only that class can be learnt.
        one = bool(rows.classes) and len(np.unique(learnt.truth)) < 2
        fitted = recipe.constant(learnt) if one else recipe.fit(learnt)
        parts.append(fitted.answers(rows.frame.iloc[inside]))
        asked.append(inside)
    places = np.concatenate(asked)
    back = np.argsort(places, kind="stable")
    return Answers(
        scores=_joined([p.scores for p in parts], back),
        labels=_joined([p.labels for p in parts], back),
        numbers=_joined([p.numbers for p in parts], back),
    )


def _hashed(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()


def _joined(parts: list[Any], order: NDArray[np.int64]) -> Any:
    return None if parts[0] is None else np.concatenate(parts)[order]
