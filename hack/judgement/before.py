"""What was replaced, kept to be measured beside what replaced it: the gates' tests and the drift decision up to this release.

Knows numpy. The plain functions are as they stood in the operator; the others do the same over many rollouts, and a test
holds them equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, log1p, sqrt

import numpy as np
from hack.judgement.many import Outcomes, first
from hack.judgement.worlds import Groups

ALPHA = 0.05
FEWEST_GROUPS, TUNED_FOR_GROUPS = 12, 20


def verdict(sums: Sequence[tuple[float, float]], limit: float) -> int:
    """1 pass, −1 fail, 0 neither: an asymptotic confidence sequence around the mean of independent, normal groups."""
    t = len(sums)
    if t < FEWEST_GROUPS:
        return 0
    rows = sum(n for _, n in sums)
    mean = sum(x for x, _ in sums) / rows
    spread = sqrt(sum(((x - mean * n) * t / rows) ** 2 for x, n in sums) / (t - 1))
    half = spread * width(t)
    return 1 if mean + half < limit else -1 if mean - half > limit else 0


def width(t: int) -> float:
    """In spreads of a group."""
    tuning = -2 * log(ALPHA)
    rho2 = (tuning + log(tuning + 1)) / TUNED_FOR_GROUPS
    inflated = t * rho2 + 1
    return sqrt(2 * inflated / (t * t * rho2) * log1p(sqrt(inflated) / (2 * ALPHA)))


def outcomes(world: Groups, limit: float) -> Outcomes:
    x, n = world.x, world.n
    t = np.arange(1, x.shape[1] + 1)
    rows = np.cumsum(n, axis=1)
    mean = np.cumsum(x, axis=1) / rows
    squares = np.cumsum(x * x, axis=1) - 2 * mean * np.cumsum(x * n, axis=1) + mean**2 * np.cumsum(n * n, axis=1)
    squares = np.where(squares > 1e-12 * np.cumsum(x * x, axis=1), squares, 0.0)
    half = np.sqrt(squares / np.maximum(t - 1, 1)) * t / rows * np.array([width(int(g)) for g in t])
    enough = t >= FEWEST_GROUPS
    return first(enough & (mean + half < limit), enough & (mean - half > limit), t)
