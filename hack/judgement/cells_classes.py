"""Worlds of the gate at a declared mix of classes: two classes as of the flights, where only the share of late ones makes a day hard.

Knows series and worlds. Differences are losses per row; the candidate is better on the positive class and worse on the other.
"""

from __future__ import annotations

from functools import partial
from math import sqrt

import numpy as np
from hack.judgement import series
from hack.judgement.cells_days import AR4, AR7, WEEK, YEAR, Shift, jump, off, still, trend
from hack.judgement.series import Array, Series
from hack.judgement.worlds import SEED, Cell, Draw, Groups
from numpy.random import Generator

SHARE, SHARE_MOVES = 0.27, 0.8
"""Positive share of a usual day, and by how much its logit moves with a spread of z."""

BETWEEN = -0.4
"""By how much the difference is lower for the positive class."""

OF_A_DAY, OF_A_ROW = 0.03, 0.3
"""Spreads of a class's mean from day to day, and of a row's difference."""

ROWS = 300
RAW = 0.0654
"""Spread of a group's raw mean in the world where z is independent: the unit of effects."""

ALIKE = 0.3
"""Share of a class's day to day variance that is z, where bad days differ inside a class."""


def share_of(z: Array, share: float) -> Array:
    return np.asarray(1 / (1 + np.exp(-(series.logit(share) + SHARE_MOVES * z))))


def classes(
    z: Series = series.normal,
    shift: Shift = still,
    *,
    noise: Series = series.normal,
    share: float = SHARE,
    mix: float | None = None,
    size: int = ROWS,
    uneven: bool = False,
    inside: float = 0.0,
) -> Draw:
    """`mix`: the declared share of positives; the days' own unless it is said. `inside`: part of a class's variance that z is."""
    declared = share if mix is None else mix
    middle = _z_of_rows(z, share) if inside else np.zeros(2)

    def drawn(rng: Generator, rollouts: int, groups: int) -> Groups:
        hard = z(rng, rollouts, groups) + shift(groups)
        rows = np.full(hard.shape, size, dtype=np.int64)
        if uneven:
            rows[rng.random(hard.shape) < 0.1] *= 10
        positives = rng.binomial(rows, share_of(hard, share))
        n = np.stack([rows - positives, positives], axis=2).astype(float)
        means = np.array([-declared * BETWEEN, (1 - declared) * BETWEEN])
        days = np.stack([noise(rng, rollouts, groups) for _ in range(2)], axis=2)
        days = sqrt(1 - inside) * days + sqrt(inside) * (hard[:, :, None] - middle)
        per_class = n * (means + OF_A_DAY * days) + OF_A_ROW * np.sqrt(n) * rng.standard_normal(n.shape)
        return Groups(
            per_class.sum(axis=2),
            n.sum(axis=2),
            unit=RAW,
            w=n[:, :, 1],
            mix=declared,
            classes=(per_class, n),
            class_mix=(1 - declared, declared),
        )

    return drawn


def _z_of_rows(z: Series, share: float) -> Array:
    """Mean z over the rows of each class on the declared days: what "bad days differ" is centred on."""
    pool = z(np.random.default_rng(SEED), 2_000, 200)
    positive = share_of(pool, share)
    return np.array([(pool * (1 - positive)).sum() / (1 - positive).sum(), (pool * positive).sum() / positive.sum()])


Named = tuple[str, Draw]


def of_the_share() -> tuple[Named, ...]:
    return (
        ("share AR(1) 0.4", classes(AR4)),
        ("share weekly sine", classes(WEEK)),
        ("share drifts 1 sd", classes(shift=trend(1))),
        *((f"share jumps {reach} sd after 20", classes(shift=jump(reach))) for reach in (1, 2)),
        *((f"share {reach:+} sd off from the start", classes(shift=off(reach))) for reach in (-2, -1, 1, 2)),
        ("share season of a year", classes(YEAR)),
        ("share log-normal 0.5", classes(series.lognormal(0.5, 1))),
        *((f"declared mix {mix}, days at {SHARE}", classes(mix=mix)) for mix in (0.5, 0.1)),
        *((f"{round(100 * share)} % positives", classes(share=share)) for share in (0.05, 0.02, 0.01)),
        ("30 rows a group", classes(size=30)),
        ("10 % of groups 10 times as large", classes(uneven=True)),
    )


def of_the_classes() -> tuple[Named, ...]:
    noises = (
        ("t, 4 degrees", series.t4),
        ("exponential, +", series.exponential(1)),
        ("exponential, -", series.exponential(-1)),
        ("log-normal 0.5, +", series.lognormal(0.5, 1)),
        ("log-normal 0.5, -", series.lognormal(0.5, -1)),
        ("AR(1) 0.2", series.following(0.2)),
        ("AR(1) 0.4", AR4),
    )
    apart = partial(classes, inside=ALIKE)
    return (
        *((f"class means {name}", classes(noise=noise)) for name, noise in noises),
        *((f"class means {name}, share jumps 1 sd", classes(shift=jump(1), noise=noise)) for name, noise in noises[:2]),
        ("bad days differ inside a class", apart()),
        ("bad days differ inside a class, share AR(1) 0.4", apart(AR4)),
        ("bad days differ inside a class, share weekly", apart(WEEK)),
    )


def beyond() -> tuple[Named, ...]:
    apart = partial(classes, inside=ALIKE)
    return (
        ("bad days differ inside a class, share AR(1) 0.7", apart(AR7)),
        ("bad days differ inside a class, share season of a year", apart(YEAR)),
        ("class means AR(1) 0.7", classes(noise=AR7)),
        ("share and class means AR(1) 0.7", classes(AR7, noise=AR7)),
        *(
            (f"class means half AR(1) {phi}, half white", classes(noise=series.slow_and_white(phi)))
            for phi in (0.5, 0.7)
        ),
    )


def cells() -> tuple[Cell, ...]:
    return (
        Cell("two classes, share independent", classes(), priced=True),
        Cell("share AR(1) 0.7", classes(AR7), priced=True),
        *(Cell(name, draw) for name, draw in (*of_the_share(), *of_the_classes())),
        *(Cell(name, draw, held=False) for name, draw in beyond()),
    )
