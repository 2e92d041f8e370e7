"""Worlds of the drift decision: the loss of a served model, group by group, a reference of 59 groups and windows of 5 to 8 after it.

Knows series and worlds' seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from hack.judgement import series
from hack.judgement.cells_paired import ROWS, sizes
from hack.judgement.series import Array, Series
from hack.judgement.worlds import SEED
from numpy.typing import NDArray

REFERENCE, WINDOWS, FEWEST, MOST = 59, 30, 5, 8


@dataclass(frozen=True)
class Sequences:
    """Sums and rows of the reference (sequences × groups) and of windows (sequences × windows × groups; rows 0 where a window
    has fewer). Losses are centred: without drift both have mean 0."""

    reference: tuple[Array, Array]
    windows: tuple[Array, Array]


@dataclass(frozen=True)
class DriftCell:
    name: str
    noise: Series
    uneven: bool = False
    held: bool = True
    priced: bool = False

    def block(self, number: int, sequences: int) -> Sequences:
        rng = np.random.default_rng([SEED, crc32(f"drift/{self.name}".encode()), number])
        groups = REFERENCE + WINDOWS * MOST
        loss = self.noise(rng, sequences, groups)
        n = sizes(rng, sequences, groups) if self.uneven else np.full(loss.shape, ROWS)
        many = rng.integers(FEWEST, MOST + 1, (sequences, WINDOWS))
        at, there = _places(many)
        rows = np.where(there, np.take_along_axis(n, at, axis=1).reshape(there.shape[0], -1), 0.0)
        sums = np.take_along_axis(loss, at, axis=1).reshape(rows.shape) * rows
        shape = (sequences, WINDOWS, MOST)
        reference = (loss[:, :REFERENCE] * n[:, :REFERENCE], n[:, :REFERENCE])
        return Sequences(reference, (sums.reshape(shape), rows.reshape(shape)))


def _places(many: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where the groups of each window stand in the series, one window after the other, and whether there are so many."""
    begins = REFERENCE + np.cumsum(many, axis=1) - many
    places = begins[:, :, None] + np.arange(MOST)
    there = np.arange(MOST) < many[:, :, None]
    last = REFERENCE + WINDOWS * MOST - 1
    flat = (len(many), -1)
    return np.minimum(places, last).reshape(flat), there.reshape(flat)


def cells() -> tuple[DriftCell, ...]:
    exponential, following = series.exponential, series.following
    return (
        DriftCell("normal", series.normal, priced=True),
        DriftCell("t, 4 degrees", series.t4),
        DriftCell("exponential, bad groups rare", exponential(1), priced=True),
        DriftCell("exponential, good groups rare", exponential(-1)),
        DriftCell("log-normal 0.5, bad groups rare", series.lognormal(0.5, 1)),
        DriftCell("AR(1) 0.2", following(0.2)),
        DriftCell("AR(1) 0.4", following(0.4), priced=True),
        DriftCell("AR(1) 0.7", following(0.7), held=False, priced=True),
        DriftCell("weekly sine, amplitude 1 sd", series.season(7, 1.0)),
        DriftCell("weekend step of 1 sd", series.weekend),
        DriftCell("10 % of groups 10 times as large", series.normal, uneven=True),
        DriftCell("one storm day of 8 sd", series.storm(None)),
        DriftCell("ties: 50 % of groups", series.ties(0.5)),
        DriftCell("log-normal 1, bad groups rare", series.lognormal(1.0, 1), held=False),
        DriftCell("AR(1) 0.85", following(0.85), held=False),
        DriftCell("AR(1) 0.4, exponential, bad groups rare", following(0.4, exponential(1)), held=False),
        DriftCell("AR(1) 0.7, exponential, bad groups rare", following(0.7, exponential(1)), held=False),
        DriftCell("half AR(1) 0.7, half white", series.slow_and_white(0.7), held=False),
    )
