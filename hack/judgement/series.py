"""How groups may differ by chance: series of residuals, one row a rollout, centred and of spread 1 unless it says so.

Knows numpy. Every generator takes (rng, rollouts, groups) and draws from the rng alone, so a seed gives the same world.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log, pi, sqrt

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Array = NDArray[np.float64]
Series = Callable[[Generator, int, int], Array]

BEFORE_THE_FIRST = 200
"""Groups that are drawn and forgotten where a series has to reach its own level first."""


def normal(rng: Generator, rollouts: int, groups: int) -> Array:
    return rng.standard_normal((rollouts, groups))


def t4(rng: Generator, rollouts: int, groups: int) -> Array:
    return rng.standard_t(4, (rollouts, groups)) / sqrt(2)


def exponential(sign: int) -> Series:
    """Skew 2: with +1 bad groups are rare and far out, with −1 good ones."""
    return lambda rng, rollouts, groups: sign * (rng.standard_exponential((rollouts, groups)) - 1)


def lognormal(sigma: float, sign: int) -> Series:
    """Skew 1.75 with sigma 0.5, 6.2 with 1."""
    centre, spread = exp(sigma**2 / 2), sqrt((exp(sigma**2) - 1) * exp(sigma**2))

    def drawn(rng: Generator, rollouts: int, groups: int) -> Array:
        return sign * (np.exp(sigma * rng.standard_normal((rollouts, groups))) - centre) / spread

    return drawn


def following(phi: float, innovations: Series = normal) -> Series:
    """Every group follows the one before: AR(1), begun at its own level."""

    def drawn(rng: Generator, rollouts: int, groups: int) -> Array:
        shocks = innovations(rng, rollouts, groups + BEFORE_THE_FIRST) * sqrt(1 - phi**2)
        level = np.zeros(rollouts)
        found = np.empty((rollouts, groups))
        for g in range(groups + BEFORE_THE_FIRST):
            level = phi * level + shocks[:, g]
            if g >= BEFORE_THE_FIRST:
                found[:, g - BEFORE_THE_FIRST] = level
        return found

    return drawn


def slow_and_white(phi: float) -> Series:
    """Half of the variance follows the group before, half does not: the first autocorrelation tells too little."""
    slow = following(phi)
    return lambda rng, rollouts, groups: (slow(rng, rollouts, groups) + normal(rng, rollouts, groups)) / sqrt(2)


def season(period: float, amplitude: float, noise: float = 1.0) -> Series:
    """A sine that begins anywhere, over white noise; its spread is beside the noise's."""

    def drawn(rng: Generator, rollouts: int, groups: int) -> Array:
        turn = (np.arange(groups)[None, :] / period + rng.random((rollouts, 1))) * 2 * pi
        return noise * rng.standard_normal((rollouts, groups)) + amplitude * np.sin(turn)

    return drawn


def weekend(rng: Generator, rollouts: int, groups: int) -> Array:
    """Two days of seven lie 1 sd of the others apart; centred over the week."""
    day = (np.arange(groups)[None, :] + rng.integers(0, 7, (rollouts, 1))) % 7
    return rng.standard_normal((rollouts, groups)) + np.where(day < 2, 1.0, 0.0) - 2 / 7


def storm(within: int | None) -> Series:
    """One group of 8 sd to either side, anywhere or among the first so many."""

    def drawn(rng: Generator, rollouts: int, groups: int) -> Array:
        found = rng.standard_normal((rollouts, groups))
        found[np.arange(rollouts), rng.integers(0, within or groups, rollouts)] = rng.choice([-8.0, 8.0], rollouts)
        return found

    return drawn


def ties(share: float) -> Series:
    """That share of groups does not differ at all."""

    def drawn(rng: Generator, rollouts: int, groups: int) -> Array:
        moved = rng.random((rollouts, groups)) >= share
        return np.where(moved, rng.standard_normal((rollouts, groups)), 0.0) / sqrt(1 - share)

    return drawn


def clustering(rng: Generator, rollouts: int, groups: int) -> Array:
    """Calm and wild weeks: GARCH(1,1) with 0.1 of the last square and 0.8 of the last variance."""
    found = np.empty((rollouts, groups))
    variance = np.ones(rollouts)
    for g in range(-BEFORE_THE_FIRST, groups):
        drawn = np.sqrt(variance) * rng.standard_normal(rollouts)
        variance = 0.1 + 0.1 * drawn**2 + 0.8 * variance
        if g >= 0:
            found[:, g] = drawn
    return found


def disaster(chance: float) -> Series:
    """0 everywhere but where a disaster strikes; neither centred nor scaled, so that equal groups are exactly equal."""
    return lambda rng, rollouts, groups: (rng.random((rollouts, groups)) < chance).astype(np.float64)


def disaster_limit(chance: float) -> tuple[float, float]:
    """(mean, spread) of `disaster`."""
    return chance, sqrt(chance * (1 - chance))


def logit(share: float) -> float:
    return log(share / (1 - share))
