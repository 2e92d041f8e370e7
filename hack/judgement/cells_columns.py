"""Worlds of data drift: columns of rows, some of training and three windows after it, with and without a change.

Knows series' seeds and numpy. Every draw is (rng, times) to rows: `times` in hours, one series a line, and so are the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi, sqrt
from zlib import crc32

import numpy as np
from hack.judgement.series import Array
from hack.judgement.worlds import SEED
from numpy.random import Generator

Draw = Callable[[Generator, Array], Array]
Change = Callable[[Array, Generator], Array]
WINDOWS = 3
DAY, WEEK = 24.0, 168.0


@dataclass(frozen=True)
class Kind:
    """One column. `category`: its values are codes of categories."""

    draw: Draw
    category: bool = False


@dataclass(frozen=True)
class ColumnsCell:
    """`rows` of a window and `training` rows, `per_hour` of them; windows begin at a multiple of `aligned` hours.
    `changed`: the first columns and what happens to them in the windows. `by_time`: the windows are stretches of time."""

    name: str
    columns: tuple[Kind, ...]
    rows: int
    triples: int
    training: int = 10_000
    per_hour: float = 25.0
    aligned: float = 1.0
    changed: int = 0
    change: Change | None = None
    by_time: bool = False
    most: float | None = None
    least: float | None = None

    def rng(self, number: int) -> Generator:
        return np.random.default_rng([SEED, crc32(f"columns/{self.name}".encode()), number])

    def training_times(self) -> Array:
        return np.arange(self.training)[None, :] / self.per_hour

    def window_times(self, rng: Generator, triples: int) -> Array:
        starts = np.floor(rng.uniform(0, 52 * WEEK, (triples, 1)) / self.aligned) * self.aligned
        return starts + np.arange(WINDOWS * self.rows)[None, :] / self.per_hour

    @property
    def seconds(self) -> int | None:
        return round(3600 * self.rows / self.per_hour) if self.by_time else None


def normal(rng: Generator, times: Array) -> Array:
    return rng.standard_normal(times.shape)


def lognormal(rng: Generator, times: Array) -> Array:
    return np.exp(1.5 * rng.standard_normal(times.shape))


def rare_counts(rng: Generator, times: Array) -> Array:
    return rng.poisson(0.3, times.shape).astype(float)


def absurd(rng: Generator, times: Array) -> Array:
    """One of two hundred is 1e9."""
    return np.where(rng.random(times.shape) < 0.005, 1e9, rng.standard_normal(times.shape))


def constant(rng: Generator, times: Array) -> Array:
    return np.full(times.shape, 7.0)


def categories(size: int, slope: float = 1.0) -> Kind:
    shares = 1 / np.arange(1, size + 1) ** slope
    upto = np.cumsum(shares / shares.sum())
    return Kind(lambda rng, times: np.searchsorted(upto[:-1], rng.random(times.shape)).astype(float), category=True)


def following(phi: float) -> Kind:
    """Every row follows the one before: AR(1), begun at its own level."""

    def drawn(rng: Generator, times: Array) -> Array:
        found = rng.standard_normal(times.shape)
        for at in range(1, times.shape[1]):
            found[:, at] = phi * found[:, at - 1] + sqrt(1 - phi**2) * found[:, at]
        return found

    return Kind(drawn)


def daily(rng: Generator, times: Array) -> Array:
    return np.sin(2 * pi * times / DAY) + rng.standard_normal(times.shape)


def weekend(rng: Generator, times: Array) -> Array:
    """Two days of seven lie 1 sd of the others apart."""
    return np.where(times % WEEK < 2 * DAY, 1.0, 0.0) + rng.standard_normal(times.shape)


def shifted(by: float) -> Change:
    return lambda rows, rng: rows + by


def times(factor: float) -> Change:
    return lambda rows, rng: rows * factor


def wider(factor: float) -> Change:
    return lambda rows, rng: rows * factor


def default_value(share: float) -> Change:
    return lambda rows, rng: np.where(rng.random(rows.shape) < share, 0.0, rows)


def shifted_and_absurd(rows: Array, rng: Generator) -> Array:
    return np.where(rng.random(rows.shape) < 0.01, 1e9, rows + 2)


NORMAL = (Kind(normal),) * 20
MIXED = (
    *(Kind(normal),) * 4,
    *(Kind(lognormal),) * 3,
    *(Kind(rare_counts),) * 2,
    Kind(absurd),
    *(Kind(constant),) * 2,
    *(categories(size) for size in (2, 3, 10, 10, 100, 1_000, 5_000)),
    categories(5_000, 0.0),
)
MANY, SOME = 10_000, 2_000
FALSE, SEASON = 1.0, 2.0
"""Per cent of three windows in which some column may be breached in two without any change."""


def cells() -> tuple[ColumnsCell, ...]:
    return (*_unchanged(), *_changed())


def _unchanged() -> tuple[ColumnsCell, ...]:
    ar5, ar9 = (following(0.5),) * 20, (following(0.9),) * 20
    hours6, day, week = 150, 600, 700
    return (
        *(
            ColumnsCell(f"20 normal, {n} rows", NORMAL, n, MANY if n == 100 else SOME, most=FALSE)
            for n in (50, 100, 200, 500)
        ),
        *(ColumnsCell(f"20 mixed, {n} rows", MIXED, n, MANY if n == 100 else SOME, most=FALSE) for n in (100, 200)),
        ColumnsCell("200 mixed, 100 rows", MIXED * 10, 100, 500, most=FALSE),
        ColumnsCell("20 mixed, 200 rows, training of 1,000", MIXED, 200, SOME, training=1_000, most=FALSE),
        ColumnsCell("AR(1) 0.5, 500 rows", ar5, 500, 1_000, most=SEASON),
        ColumnsCell("AR(1) 0.9, 500 rows", ar9, 500, 1_000, most=SEASON),
        ColumnsCell("AR(1) 0.9, 2,000 rows", ar9, 2_000, 100, most=SEASON),
        ColumnsCell(
            "daily cycle of 1 sd, 6 hours",
            (Kind(daily),) * 20,
            hours6,
            2_000,
            18_000,
            aligned=6.0,
            by_time=True,
            most=SEASON,
        ),
        ColumnsCell(
            "daily cycle of 1 sd, a day",
            (Kind(daily),) * 20,
            day,
            1_000,
            18_000,
            aligned=DAY,
            by_time=True,
            most=SEASON,
        ),
        ColumnsCell("daily cycle of 1 sd, 250 rows", (Kind(daily),) * 20, 250, 300, 18_000, most=SEASON),
        ColumnsCell(
            "weekend of 1 sd, a day", (Kind(weekend),) * 20, 100, 500, 5_600, 100 / 24, DAY, by_time=True, most=SEASON
        ),
        ColumnsCell(
            "weekend of 1 sd, a week",
            (Kind(weekend),) * 20,
            week,
            1_000,
            5_600,
            100 / 24,
            WEEK,
            by_time=True,
            most=SEASON,
        ),
    )


def _changed() -> tuple[ColumnsCell, ...]:
    lognormals = (Kind(lognormal), *NORMAL[1:])
    half, full = shifted(0.5), shifted(1.0)
    ar5, ar9 = (following(0.5),) * 20, (following(0.9),) * 20
    return (
        ColumnsCell("0.3 sd on 2 of 20, 100 rows", NORMAL, 100, 1_000, changed=2, change=shifted(0.3)),
        ColumnsCell("0.3 sd on 2 of 20, 200 rows", NORMAL, 200, 1_000, changed=2, change=shifted(0.3), least=90.0),
        ColumnsCell("0.3 sd on 2 of 20 mixed, 200 rows", MIXED, 200, 1_000, changed=2, change=shifted(0.3), least=90.0),
        ColumnsCell("0.3 sd on 2 of 20, 500 rows", NORMAL, 500, 300, changed=2, change=shifted(0.3), least=90.0),
        ColumnsCell("0.3 sd on 2 of 200, 200 rows", NORMAL * 10, 200, 100, changed=2, change=shifted(0.3)),
        ColumnsCell("0.02 sd on 20 of 20, 5,000 rows", NORMAL, 5_000, 20, changed=20, change=shifted(0.02)),
        ColumnsCell("AR(1) 0.5, 0.5 sd on 2, 500 rows", ar5, 500, 200, changed=2, change=half),
        ColumnsCell("AR(1) 0.9, 0.5 sd on 2, 500 rows", ar9, 500, 200, changed=2, change=half),
        ColumnsCell("AR(1) 0.9, 1 sd on 2, 500 rows", ar9, 500, 200, changed=2, change=full),
        *(
            ColumnsCell(
                f"2 sd, and 1 % of 1e9, on 1 of 20, {n} rows", NORMAL, n, 300, changed=1, change=shifted_and_absurd
            )
            for n in (100, 200)
        ),
        *(
            ColumnsCell(f"unit times 1,000 of a log-normal, {n} rows", lognormals, n, 300, changed=1, change=times(1e3))
            for n in (100, 200)
        ),
        *(ColumnsCell(f"spread doubled, {n} rows", NORMAL, n, 300, changed=1, change=wider(2)) for n in (100, 200)),
        *(
            ColumnsCell(
                f"a default value in 20 % of rows, {n} rows", NORMAL, n, 300, changed=1, change=default_value(0.2)
            )
            for n in (100, 200)
        ),
    )
