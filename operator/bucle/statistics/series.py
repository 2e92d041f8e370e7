"""What a series of groups looks like: how far its parts scatter, to which side, and how much neighbours are alike. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf, sqrt

ROUNDING = 1e-12
"""Squares smaller than this share of what they were computed from are rounding, and count as none."""

FEWEST = 3
"""Fewer parts have no skewness that could be told."""


@dataclass(frozen=True, slots=True)
class Shape:
    """`squares`: Σr² of the parts; `skew`: Fisher and Pearson's, freed of bias; `lag`: the first autocorrelation ρ plus
    (1 + 3ρ)/t, by which short series understate it (Kendall 1954; Marriott & Pope 1954). All zero where only rounding
    is left."""

    squares: float
    skew: float
    lag: float


FLAT = Shape(0.0, 0.0, 0.0)


def shape(parts: Sequence[float], size: float) -> Shape:
    """Of parts r whose sum is zero, in their order; `size`: Σ of the squares that they are differences of.

    Counted in units of the largest: a squared error may be 1e120, and its cube is no number any more.
    """
    unit = max((abs(r) for r in parts), default=0.0)
    if not 0.0 < unit < inf:
        return FLAT
    scaled = [r / unit for r in parts]
    squares, cubes = sum(r * r for r in scaled), sum(r * r * r for r in scaled)
    neighbours = sum(before * after for before, after in pairwise(scaled))
    found = of_sums(len(scaled), squares, cubes, neighbours, size / unit / unit)
    return replace(found, squares=found.squares * unit * unit)


def of_sums(t: int, squares: float, cubes: float, neighbours: float, size: float) -> Shape:
    """The same from Σr², Σr³ and Σ r_g r_{g−1} of t parts."""
    if squares <= ROUNDING * size:
        return FLAT
    skew = cubes / t / (squares / t) ** 1.5 * sqrt(t * (t - 1)) / (t - 2) if t >= FEWEST else 0.0
    lag = neighbours / squares
    return Shape(squares, skew, lag + (1 + 3 * lag) / t)
