"""Worlds of the plain paired gate: groups differ by chance only, and the true difference is what the rollout may allow.

Knows series and worlds.
"""

from __future__ import annotations

import numpy as np
from hack.judgement import series
from hack.judgement.series import Array, Series
from hack.judgement.worlds import Cell, Draw, Groups
from numpy.random import Generator

ROWS = 100.0


def equal_groups(noise: Series) -> Draw:
    def drawn(rng: Generator, rollouts: int, groups: int) -> Groups:
        return Groups(ROWS * noise(rng, rollouts, groups), np.full((rollouts, groups), ROWS))

    return drawn


def sizes(rng: Generator, rollouts: int, groups: int) -> Array:
    """One group of ten has ten times the rows."""
    return np.where(rng.random((rollouts, groups)) < 0.1, 10 * ROWS, ROWS)


def unequal(rng: Generator, rollouts: int, groups: int) -> Groups:
    """What moves a day moves all its rows, however many."""
    n = sizes(rng, rollouts, groups)
    return Groups(n * series.normal(rng, rollouts, groups), n)


def row_noise(rng: Generator, rollouts: int, groups: int) -> Groups:
    """Rows are independent: a large group is ten times as sure."""
    n = sizes(rng, rollouts, groups)
    return Groups(np.sqrt(n * ROWS) * series.normal(rng, rollouts, groups), n)


def struck(chance: float) -> Draw:
    limit, unit = series.disaster_limit(chance)
    noise = series.disaster(chance)

    def drawn(rng: Generator, rollouts: int, groups: int) -> Groups:
        n = np.full((rollouts, groups), ROWS)
        return Groups(ROWS * noise(rng, rollouts, groups), n, limit=limit, unit=unit)

    return drawn


def cells() -> tuple[Cell, ...]:
    exponential, lognormal, following = series.exponential, series.lognormal, series.following
    plain: tuple[tuple[str, Series], ...] = (
        ("normal", series.normal),
        ("t, 4 degrees", series.t4),
        ("exponential, bad groups rare", exponential(1)),
        ("exponential, good groups rare", exponential(-1)),
        ("log-normal 0.5, bad groups rare", lognormal(0.5, 1)),
        ("log-normal 0.5, good groups rare", lognormal(0.5, -1)),
        ("AR(1) 0.2", following(0.2)),
        ("AR(1) 0.4", following(0.4)),
        ("AR(1) 0.7", following(0.7)),
        ("AR(1) 0.85", following(0.85)),
        ("AR(1) 0.4, exponential, bad groups rare", following(0.4, exponential(1))),
        ("AR(1) 0.4, exponential, good groups rare", following(0.4, exponential(-1))),
        ("AR(1) 0.7, exponential, bad groups rare", following(0.7, exponential(1))),
        ("AR(1) 0.7, exponential, good groups rare", following(0.7, exponential(-1))),
        ("weekly sine, amplitude 1 sd", series.season(7, 1.0)),
        ("weekend step of 1 sd", series.weekend),
        ("one storm day of 8 sd", series.storm(None)),
        ("one storm day of 8 sd in the first 20", series.storm(20)),
        ("ties: 50 % of groups", series.ties(0.5)),
        ("ties: 90 % of groups", series.ties(0.9)),
        ("volatility in clusters (GARCH)", series.clustering),
    )
    beyond: tuple[tuple[str, Series], ...] = (
        ("log-normal 1, bad groups rare", lognormal(1.0, 1)),
        ("log-normal 1, good groups rare", lognormal(1.0, -1)),
        ("half AR(1) 0.5, half white", series.slow_and_white(0.5)),
        ("half AR(1) 0.7, half white", series.slow_and_white(0.7)),
        ("half AR(1) 0.9, half white", series.slow_and_white(0.9)),
    )
    return (
        *(Cell(name, equal_groups(noise), priced=True) for name, noise in plain),
        Cell("10 % of groups 10 times as large, whole days move", unequal, priced=True),
        Cell("10 % of groups 10 times as large, rows move", row_noise, priced=True),
        *(
            Cell(f"disaster in {round(100 * chance)} % of groups, else identical", struck(chance))
            for chance in (0.3, 0.2, 0.1, 0.05)
        ),
        *(Cell(name, equal_groups(noise), held=False) for name, noise in beyond),
    )
