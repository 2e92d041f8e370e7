"""Profiles of training's columns: cells with their rows, and how much the level of a stretch of rows moves.

May know numpy, pandas and the contract of profiles. What a window is compared with: `bucle.statistics.columns`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bucle.contracts.profile import Blocks, FeatureProfile
from bucle.contracts.table import Column
from bucle.podkit.cells import number_cells
from bucle.podkit.frames import is_text
from bucle.statistics.columns import ranks_of

Floats = NDArray[np.float64]
QUANTILES = 33
CATEGORIES = 50
CATEGORY_BYTES = 1_200
"""Of the texts of one column; long ones leave fewer cells, so that a profile stays small whatever people write."""
SHORTEST_BLOCK = 32
FEWEST_BLOCKS = 5
HOUR, DAY = 3_600, 86_400
SECONDS = (HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY)
LEVEL_DIGITS = 3
MICROSECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Stretches:
    """Rows in the order of time: `order` are their places in the table, `times` the microseconds of those. None of
    them where rows have no time."""

    order: NDArray[np.int64]
    times: NDArray[np.int64]
    blocks: Blocks

    @classmethod
    def of(cls, times: NDArray[np.int64] | None, known: NDArray[np.bool_] | None = None) -> Stretches:
        """`known`: which rows have a time; all of them by default."""
        if times is None:
            return cls(np.empty(0, np.int64), np.empty(0, np.int64), Blocks())
        places = np.arange(len(times)) if known is None else np.flatnonzero(known)
        order = places[np.argsort(times[places], kind="stable")]
        ordered = times[order]
        span = (ordered[-1] - ordered[0]) / MICROSECOND if len(ordered) else 0
        rows = [SHORTEST_BLOCK << at for at in range(40) if (SHORTEST_BLOCK << at) * FEWEST_BLOCKS <= len(order)]
        seconds = [length for length in SECONDS if length * FEWEST_BLOCKS <= span]
        return cls(order, ordered, Blocks(rows=tuple(rows), seconds=tuple(seconds)))

    def levels(self, values: Floats, there: NDArray[np.bool_]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """By rows and by seconds, of the values of the rows that have one."""
        kept = there[self.order]
        ordered = values[self.order][kept]
        variance = float(ordered.var()) if len(ordered) else 0.0
        if not variance:
            return (), ()
        centred = (ordered - ordered.mean()) / np.sqrt(variance)
        by_rows = _as_far_as_known(lambda length: row_level(centred, length), self.blocks.rows)
        times = self.times[kept]
        by_time = _as_far_as_known(lambda seconds: time_level(centred, times, seconds), self.blocks.seconds)
        return by_rows, by_time


def feature_profiles(
    frame: pd.DataFrame, columns: Sequence[Column], stretches: Stretches | None = None
) -> tuple[FeatureProfile, ...]:
    """One profile a column of the model's frame, in their order."""
    stretches = stretches or Stretches.of(None)
    return tuple(_profile(column, frame[column.name], stretches) for column in columns)


def number_profile(name: str, values: Floats, stretches: Stretches) -> FeatureProfile:
    """NaN is a null; infinities are in no cell."""
    there = np.isfinite(values)
    found = quantiles(values)
    profile = FeatureProfile(name=name, rows=len(values), nulls=int(np.isnan(values).sum()), quantiles=found)
    edges = np.array(profile.edges)
    codes = number_cells(values[there], edges)
    cells = np.bincount(codes, minlength=2 * len(edges) + 1) if found else np.empty(0, np.int64)
    profile = profile.model_copy(update={"cells": tuple(cells.tolist())})
    return _with_levels(profile, codes, there, np.isnan(values), stretches)


def category_profile(name: str, values: NDArray[np.object_] | pd.Series, stretches: Stretches) -> FeatureProfile:
    codes, texts = pd.factorize(np.asarray(values, dtype=object))
    often = np.bincount(codes[codes >= 0], minlength=len(texts))
    ranked = sorted(range(len(texts)), key=lambda at: (-often[at], texts[at]))
    kept = _within_bytes([str(texts[at]) for at in ranked[:CATEGORIES]])
    counts = {str(texts[at]): int(often[at]) for at in ranked[:kept]}
    there = codes >= 0
    profile = FeatureProfile(
        name=name,
        rows=len(codes),
        nulls=int((~there).sum()),
        counts=counts,
        other=int(there.sum()) - sum(counts.values()),
        singletons=int((often == 1).sum()),
    )
    own = len(profile.known)
    cell = np.full(len(texts), own, dtype=np.int64)
    cell[ranked[:own]] = np.arange(own)
    return _with_levels(profile, cell[codes[there]], there, ~there, stretches)


def quantiles(values: Floats) -> tuple[float, ...]:
    """Values that occur, at 0, 1/32 … 1 of the finite ones; empty for no values."""
    values = values[np.isfinite(values)]
    if not len(values):
        return ()
    found = np.quantile(values, np.linspace(0.0, 1.0, QUANTILES), method="inverted_cdf")
    return tuple((found + 0.0).tolist())


def row_level(centred: Floats, length: int) -> float | None:
    """How much the mean of so many rows in a row varies beyond chance. Stretches overlap by half: more of them, and
    the estimate is as right."""
    if len(centred) < FEWEST_BLOCKS * length:
        return None
    sums = np.concatenate(([0.0], np.cumsum(centred)))
    starts = np.arange(0, len(centred) - length + 1, max(1, length // 2))
    means = (sums[starts + length] - sums[starts]) / length
    return max(0.0, float(means.var(ddof=1)) - 1 / length)


def time_level(centred: Floats, times: NDArray[np.int64], seconds: int) -> float | None:
    """The same of stretches of time; those with few rows, as the first and the last often are, are left out."""
    _, block, rows = np.unique(times // (seconds * MICROSECOND), return_inverse=True, return_counts=True)
    means = np.bincount(block, weights=centred, minlength=len(rows)) / rows
    whole = 2 * rows >= np.median(rows)
    if whole.sum() < FEWEST_BLOCKS:
        return None
    return max(0.0, float(means[whole].var(ddof=1) - np.mean(1 / rows[whole])))


def _profile(column: Column, values: pd.Series, stretches: Stretches) -> FeatureProfile:
    if not is_text(column):
        return number_profile(column.name, values.to_numpy(dtype=np.float64), stretches)
    if column.type == "Category":
        return category_profile(column.name, values, stretches)
    # Free text may be personal data: only how much of it there is.
    nulls = int(values.isna().sum())
    return FeatureProfile(name=column.name, rows=len(values), nulls=nulls, other=len(values) - nulls)


def _with_levels(
    profile: FeatureProfile,
    codes: NDArray[np.int64],
    there: NDArray[np.bool_],
    nulls: NDArray[np.bool_],
    stretches: Stretches,
) -> FeatureProfile:
    if not len(stretches.order) or not len(codes):
        return profile
    ranks = np.zeros(len(there))
    ranks[there] = np.array(ranks_of(profile), dtype=np.float64)[codes]
    levels, time_levels = stretches.levels(ranks, there)
    null_levels, null_time_levels = stretches.levels(nulls.astype(np.float64), np.ones(len(there), dtype=np.bool_))
    return profile.model_copy(
        update={
            "levels": levels,
            "time_levels": time_levels,
            "null_levels": null_levels,
            "null_time_levels": null_time_levels,
        }
    )


def _as_far_as_known(level: Callable[[int], float | None], lengths: Sequence[int]) -> tuple[float, ...]:
    found: list[float] = []
    for length in lengths:
        value = level(length)
        if value is None:
            break
        found.append(float(f"{value:.{LEVEL_DIGITS}g}"))
    return tuple(found)


def _within_bytes(texts: Sequence[str]) -> int:
    """How many of them fit; one always does, so that there is something to compare with."""
    total = 0
    for at, text in enumerate(texts):
        total += len(json.dumps(text))
        if at and total > CATEGORY_BYTES:
            return at
    return len(texts)
