"""Worlds of the gate at a declared mix of days: how hard a day is (the covariate z) says most of what it does to the difference.

Knows series and worlds. z is counted in spreads of the declared days, whose mean is 0; the truth at that mix is the limit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import sqrt

import numpy as np
from hack.judgement import series
from hack.judgement.cells_paired import ROWS, sizes
from hack.judgement.series import Array, Series
from hack.judgement.worlds import Cell, Draw, Groups
from numpy.random import Generator

Shift = Callable[[int], Array]
"""By how many spreads the rollout's days lie off the declared ones, group by group."""
JUMP_AFTER, SLOPE_BREAKS_AFTER = 20, 40
BENT = 0.36
"""Share of a curved relation's variance that is not a line."""


def still(groups: int) -> Array:
    return np.zeros(groups)


def trend(reach: float) -> Shift:
    return lambda groups: np.linspace(0, reach, groups)


def jump(reach: float) -> Shift:
    return lambda groups: np.where(np.arange(groups) < JUMP_AFTER, 0.0, reach)


def off(reach: float) -> Shift:
    return lambda groups: np.full(groups, reach)


def line(z: Array) -> Array:
    return z


def curve(z: Array) -> Array:
    return sqrt(1 - BENT) * z + sqrt(BENT) * (z**2 - 1) / sqrt(2)


def kink(z: Array) -> Array:
    """Nothing on calm days, a line on hard ones; centred and scaled over normal days."""
    return (np.maximum(z, 0) - 0.39894228) / 0.58381937


def kink_of_skewed(z: Array) -> Array:
    """The same, centred and scaled over days that are log-normal 0.5."""
    return (np.maximum(z, 0) - 0.37042166) / 0.74570430


def binary(share: float) -> Series:
    noise = series.disaster(share)
    mean, spread = series.disaster_limit(share)
    return lambda rng, rollouts, groups: (noise(rng, rollouts, groups) - mean) / spread


def scaled(noise: Series, spread: float) -> Series:
    return lambda rng, rollouts, groups: noise(rng, rollouts, groups) / spread


def slope(kind: str, rng: Generator, rollouts: int, groups: int) -> Array:
    """What multiplies the relation, group by group."""
    late = np.arange(groups) >= SLOPE_BREAKS_AFTER
    match kind:
        case "ends":
            return np.broadcast_to(np.where(late, 0.0, 1.0), (rollouts, groups))
        case "doubles":
            return np.broadcast_to(np.where(late, 2.0, 1.0), (rollouts, groups))
        case "turns":
            return np.broadcast_to(np.where(late, -1.0, 1.0), (rollouts, groups))
        case "walks":
            return 1 + np.cumsum(rng.standard_normal((rollouts, groups)), axis=1) / sqrt(groups)
        case "differs by day":
            return 1 + 0.5 * rng.standard_normal((rollouts, groups))
        case _:
            return np.ones((rollouts, groups))


def spread(kind: str, z: Array) -> Array | float:
    match kind:
        case "z":
            return np.exp(0.5 * z - 0.25)
        case "z²":
            return np.sqrt((1 + z**2) / 2)
        case _:
            return 1.0


def rows(kind: str, rng: Generator, z: Array) -> Array:
    match kind:
        case "10 times":
            return sizes(rng, *z.shape)
        case "log-normal":
            return ROWS * np.exp(0.8 * rng.standard_normal(z.shape))
        case "hard days large":
            return ROWS * np.exp(0.5 * np.clip(z, -4, 4))
        case _:
            return np.full(z.shape, ROWS)


def days(
    z: Series = series.normal,
    shift: Shift = still,
    *,
    explained: float = 0.75,
    noise: Series = series.normal,
    relation: Callable[[Array], Array] = line,
    slopes: str = "",
    spreads: str = "",
    size: str = "",
    by_rows: bool = False,
    reliability: float = 1.0,
    mix: float = 0.0,
) -> Draw:
    """`explained`: the share of a raw group's variance that z explains on the declared days."""

    def drawn(rng: Generator, rollouts: int, groups: int) -> Groups:
        hard = z(rng, rollouts, groups) + shift(groups)
        n = rows(size, rng, hard)
        left = noise(rng, rollouts, groups) * spread(spreads, hard)
        left = left * np.sqrt(ROWS / n) if by_rows else left
        known = slope(slopes, rng, rollouts, groups) * relation(hard)
        seen = hard + sqrt(1 / reliability - 1) * rng.standard_normal(hard.shape) if reliability < 1 else hard
        return Groups(n * (sqrt(explained) * known + sqrt(1 - explained) * left), n, w=n * seen, mix=mix)

    return drawn


Named = tuple[str, Draw]
AR4, AR7 = series.following(0.4), series.following(0.7)
YEAR = scaled(series.season(365, 1.0), sqrt(1.5))
WEEK, WEEKEND = scaled(series.season(7, 1.0), sqrt(1.5)), scaled(series.weekend, sqrt(1 + 10 / 49))


def of_the_covariate() -> tuple[Named, ...]:
    half = partial(days, explained=0.5)
    return (
        *((f"z log-normal 0.5, {word}", half(series.lognormal(0.5, sign))) for word, sign in (("+", 1), ("-", -1))),
        ("z binary, half", half(binary(0.5))),
        ("z binary, 10 %", half(binary(0.1))),
        ("z t, 4 degrees", half(series.t4)),
        ("z with one day of 8 sd", half(series.storm(None))),
        ("z weekly sine", half(WEEK)),
        ("z weekend", half(WEEKEND)),
        ("z AR(1) 0.4", half(AR4)),
        ("z AR(1) 0.7", half(AR7)),
        ("z AR(1) 0.7, explained 0.75", days(AR7)),
        ("z season of a year", days(YEAR)),
        *((f"z drifts {reach} sd away", days(shift=trend(reach))) for reach in (1, 2)),
        *((f"z jumps {reach} sd after {JUMP_AFTER}", days(shift=jump(reach))) for reach in (1, 2)),
        *((f"z {reach} sd off from the start", days(shift=off(reach))) for reach in (0.5, 1)),
    )


def of_what_is_left() -> tuple[Named, ...]:
    half = partial(days, explained=0.5)
    struck = scaled(lambda rng, r, g: series.disaster(0.1)(rng, r, g) - 0.1, 0.3)
    both = partial(days, AR7, noise=AR4, explained=0.5)
    skewed = series.following(0.4, series.exponential(1))
    return (
        ("left t, 4 degrees", half(noise=series.t4)),
        *((f"left exponential, {word}", half(noise=series.exponential(s))) for word, s in (("+", 1), ("-", -1))),
        *((f"left log-normal 0.5, {word}", half(noise=series.lognormal(0.5, s))) for word, s in (("+", 1), ("-", -1))),
        ("left weekly sine", half(noise=scaled(series.season(7, 1.0), sqrt(1.5)))),
        ("left with one day of 8 sd", half(noise=series.storm(None))),
        ("left disaster in 10 %", half(noise=struck)),
        *((f"left AR(1) {phi}", half(noise=series.following(phi))) for phi in (0.2, 0.4, 0.7)),
        ("both AR(1)", both()),
        ("both AR(1), z jumps 1 sd", both(shift=jump(1))),
        ("both AR(1), z 0.5 sd off", both(shift=off(0.5))),
        ("both AR(1), z drifts 1 sd", both(shift=trend(1))),
        ("left AR(1) 0.4, z season of a year", days(YEAR, noise=AR4, explained=0.5)),
        ("left AR(1) 0.4 exponential", half(noise=skewed)),
        ("spread grows with z", days(spreads="z")),
        ("spread grows with z²", days(spreads="z²")),
        ("spread grows with z, z jumps 1 sd", days(shift=jump(1), spreads="z")),
    )


def of_the_slope_and_sizes() -> tuple[Named, ...]:
    moves = (("", still), (", z jumps 1 sd", jump(1)))
    kinds = ("ends", "doubles", "turns", "walks", "differs by day")
    return (
        *((f"slope {kind}{word}", days(shift=shift, slopes=kind)) for kind in kinds for word, shift in moves),
        *((f"slope {kind}, z 0.5 sd off", days(shift=off(0.5), slopes=kind)) for kind in kinds),
        *((f"sizes 10 times{word}", days(shift=shift, size="10 times")) for word, shift in moves),
        *((f"sizes 10 times, rows move{w}", days(shift=s, size="10 times", by_rows=True)) for w, s in moves),
        *((f"sizes log-normal 0.8{word}", days(shift=shift, size="log-normal")) for word, shift in moves),
        *((f"hard days are large{word}", days(shift=shift, size="hard days large")) for word, shift in moves),
        *((f"z seen with reliability {r}", days(reliability=r)) for r in (0.95, 0.9, 0.8)),
        *((f"z seen with reliability {r}, jumps 1 sd", days(shift=jump(1), reliability=r)) for r in (0.95, 0.9, 0.8)),
    )


def of_the_shape() -> tuple[Named, ...]:
    moves = (("", still), (", z jumps 1 sd", jump(1)), (", z 0.5 sd off", off(0.5)))
    shapes = (("curved", curve), ("kinked", kink))
    return (
        *((f"{name}{word}", days(shift=shift, relation=shape)) for name, shape in shapes for word, shift in moves),
        ("kinked, z AR(1) 0.4", days(AR4, relation=kink)),
    )


def beyond() -> tuple[Named, ...]:
    shapes = (("curved", curve), ("kinked", kink))
    return (
        ("curved, z AR(1) 0.4", days(AR4, relation=curve)),
        *((f"{name}, z AR(1) 0.7", days(AR7, relation=shape)) for name, shape in shapes),
        *((f"{name}, z season of a year", days(YEAR, relation=shape)) for name, shape in shapes),
        ("kinked, z log-normal 0.5", days(series.lognormal(0.5, 1), relation=kink_of_skewed)),
        *(
            (f"left log-normal 1, {w}", days(noise=series.lognormal(1.0, s), explained=0.5))
            for w, s in (("+", 1), ("-", -1))
        ),
        *(
            (f"left half AR(1) {p}, half white", days(noise=series.slow_and_white(p), explained=0.5))
            for p in (0.5, 0.7, 0.9)
        ),
        *((f"declared mix wrong by {off_} sd", days(mix=off_)) for off_ in (0.05, 0.1, 0.25)),
    )


def cells() -> tuple[Cell, ...]:
    priced = (
        ("z says nothing", days(explained=0.0)),
        *((f"z explains {round(100 * share)} %", days(explained=share)) for share in (0.25, 0.5, 0.75, 0.9)),
        ("z explains 50 %, left AR(1) 0.4", days(explained=0.5, noise=AR4)),
    )
    plain = (*of_the_covariate(), *of_what_is_left(), *of_the_slope_and_sizes(), *of_the_shape())
    return (
        *(Cell(name, draw, priced=True) for name, draw in priced),
        *(Cell(name, draw) for name, draw in plain),
        *(Cell(name, draw, held=False) for name, draw in beyond()),
    )
