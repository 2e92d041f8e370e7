"""The operator's rules over many rollouts and all looks at once. A test holds them equal, verdict and look, to bucle.statistics.

Knows numpy and the constants of the rules. Arrays are rollouts × looks; the look at column t − 1 has seen t groups.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log

import numpy as np
from hack.judgement.series import Array
from hack.judgement.worlds import Groups
from numpy.typing import NDArray

from bucle.statistics import declared_mix, evidence, refusals
from bucle.statistics.series import ROUNDING

Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Standings:
    """As `bucle.statistics.evidence.Standing`, of every rollout at every look; `usable` where a verdict is not refused."""

    groups: Array
    mean: Array
    spread: Array
    skew: Array
    lag: Array
    kish: Array
    lost: int
    usable: Flags


@dataclass(frozen=True)
class Outcomes:
    """The first verdict of every rollout: 1 pass, −1 fail, 0 none; and the groups it came after (0: none)."""

    verdict: Counts
    look: Counts

    def share(self, verdict: int) -> float:
        return float(np.mean(self.verdict == verdict))


def first(passes: Flags, fails: Flags, looks: Counts) -> Outcomes:
    """`looks`: what each column has seen."""
    either = passes | fails
    at = np.argmax(either, axis=1)
    rows = np.arange(len(either))
    there = either[rows, at]
    verdict = np.where(there, np.where(passes[rows, at], 1, -1), 0)
    return Outcomes(verdict, np.where(there, looks[at], 0))


def outcomes(standings: Standings, limit: float, alpha: float = evidence.ALPHA) -> Outcomes:
    threshold = log(1 / alpha)
    shown = [
        standings.usable & (log_evidence(standings, limit, side) >= threshold)
        for side in (evidence.Side.BELOW, evidence.Side.ABOVE)
    ]
    return first(shown[0], shown[1], np.arange(1, standings.mean.shape[1] + 1))


def log_evidence(s: Standings, limit: float, side: evidence.Side) -> Array:
    t = s.groups
    with np.errstate(all="ignore"):
        u = np.minimum(side * (limit - s.mean) / s.spread, evidence.FARTHEST)
        g = np.maximum(0.0, evidence.SKEW_SHARE * side * s.skew + evidence.SKEW_DOUBT * np.sqrt(6 / t))
        y = u - g * u * u / 3 + g * g * u**3 / 27 - g / (6 * t)
        phi = np.clip(s.lag, 0.0, evidence.MOST_CORRELATED)
        inflation = (1 + phi) / (1 - phi)
        tau, nu = t / inflation, np.maximum(s.kish / inflation - s.lost, evidence.FEWEST_DEGREES)
        w, squared = evidence.TUNED_FOR / (tau + evidence.TUNED_FOR), tau * y * y / nu
        found = log(2) + np.log(w) / 2 + (nu + 1) / 2 * (np.log1p(squared) - np.log1p(w * squared))
    return np.where((s.spread > 0) & (u > 0) & (y > 0), found, -np.inf)


# --- rule A: everything follows from cumulative sums ------------------------------------------------------------


def paired(world: Groups) -> Standings:
    """Sums of powers tell Σr², Σr³ and Σ r_g r_{g−1} at any mean, so a look costs the same however many groups it has."""
    x, n = world.x, world.n
    t = np.arange(1, x.shape[1] + 1, dtype=float)
    rows, squares = np.cumsum(n, axis=1), np.cumsum(n * n, axis=1)
    mean, typical = np.cumsum(x, axis=1) / rows, rows / t
    size = np.cumsum(x * x, axis=1)
    q2 = size - 2 * mean * np.cumsum(x * n, axis=1) + mean**2 * squares
    q3 = (
        np.cumsum(x**3, axis=1)
        - 3 * mean * np.cumsum(x * x * n, axis=1)
        + 3 * mean**2 * np.cumsum(x * n * n, axis=1)
        - mean**3 * np.cumsum(n**3, axis=1)
    )
    across = _neighbours(x, n) + _neighbours(n, x)
    q11 = _neighbours(x, x) - mean * across + mean**2 * _neighbours(n, n)
    spread, skew, lag = _shape(t, q2 / typical**2, q3 / typical**3, q11 / typical**2, size / typical**2)
    return Standings(t, mean, spread, skew, lag, rows**2 / squares, 1, _enough(t, mean))


def independent(world: Groups) -> Standings:
    """Rule A if somebody vouches that no group follows its neighbour."""
    found = paired(world)
    return replace(found, lag=np.zeros_like(found.lag))


def _neighbours(a: Array, b: Array) -> Array:
    products = np.zeros_like(a)
    products[:, 1:] = a[:, 1:] * b[:, :-1]
    return np.asarray(np.cumsum(products, axis=1))


def _shape(t: Array | int, q2: Array, q3: Array, q11: Array, size: Array) -> tuple[Array, Array, Array]:
    """Spread of a part, its skewness and the first autocorrelation; zeros where only rounding is left."""
    with np.errstate(all="ignore"):
        skew = q3 / t / (q2 / t) ** 1.5 * np.sqrt(t * (t - 1.0)) / (t - 2.0)
        rho = q11 / q2
        spread = np.sqrt(q2 / (t - 1.0))
    there = (q2 > ROUNDING * size) & (np.asarray(t) >= 3)
    return np.where(there, spread, 0.0), np.where(there, skew, 0.0), np.where(there, rho + (1 + 3 * rho) / t, 0.0)


def _enough(t: Array, like: Array) -> Flags:
    return np.broadcast_to(t >= refusals.FEWEST_GROUPS, like.shape)


# --- a declared mix: every look draws its line anew ---------------------------------------------------------------


def by_days(world: Groups) -> Standings:
    """Residuals without their own group have no cumulative form: a look costs what it has seen."""
    assert world.w is not None
    x, n, w = (np.ascontiguousarray(a.T) for a in (world.x, world.n, world.w))
    plain = _common(x, n, w)
    looks = [_line(x[:t], n[:t], w[:t], world.mix, plain[t - 1]) for t in _looks(world)]
    return _stacked(world, looks, 2)


def by_classes(world: Groups) -> Standings:
    assert world.classes is not None
    x, n = (np.ascontiguousarray(np.moveaxis(a, 0, 2)) for a in world.classes)
    mix = np.asarray(world.class_mix)
    return _stacked(world, [_stratified(x[:t], n[:t], mix) for t in _looks(world)], 1)


Look = tuple[Array, Array, Array, Array, Array, Flags]
"""Of all rollouts at one look, as in `Standings`. Below, arrays are groups × rollouts: sums over groups are then fast."""


def _looks(world: Groups) -> range:
    return range(refusals.FEWEST_GROUPS, world.x.shape[1] + 1)


def _stacked(world: Groups, looks: list[Look], lost: int) -> Standings:
    columns = np.zeros((5, *world.x.shape))
    usable = np.zeros(world.x.shape, dtype=bool)
    for t, (*numbers, allowed) in zip(_looks(world), looks, strict=True):
        usable[:, t - 1] = allowed
        columns[:, :, t - 1] = numbers
    mean, spread, skew, lag, kish = columns
    seen = np.arange(1, world.x.shape[1] + 1, dtype=float)
    return Standings(seen, mean, spread, skew, lag, kish, lost, usable)


def _common(x: Array, n: Array, w: Array) -> list[tuple[Array, ...]]:
    """Per look the cumulative sums that a line, and its residuals if all groups had one spread, are made of."""
    z = w / n
    sums = [n, x, w, w * z, n * n, x * x, w * w, x * n, x * w, n * w]
    pairs = ((x, x), (n, n), (w, w), (x, n), (x, w), (n, w))
    sums += [_before(a, b) + (_before(b, a) if a is not b else 0.0) for a, b in pairs]
    return list(zip(*(np.cumsum(column, axis=0) for column in sums), strict=True))


def _before(a: Array, b: Array) -> Array:
    products = np.zeros_like(a)
    products[1:] = a[1:] * b[:-1]
    return products


def _line(x: Array, n: Array, w: Array, declared: float, sums: tuple[Array, ...]) -> Look:
    t = len(x)
    rows, total, covered, wz, nn, xx, ww, xn, xw, nw, *across = sums
    mean, here = total / rows, covered / rows
    with np.errstate(all="ignore"):
        off = w / n
        off -= here
        squared = n * off
        moved = np.einsum("gr,gr->r", squared, off)
        slope = (np.einsum("gr,gr->r", off, x) - mean * np.einsum("gr,gr->r", off, n)) / moved
        way = here - declared
        squared *= off
        kish = 1 / (nn / rows**2 + _weights(n, off, squared, way, rows, moved))
        parts = x / n
        parts -= mean
        parts -= slope * off
        # The residual's sum of squares and neighbours from sums alone: n e = x − a n − b w.
        a = mean - slope * here
        q2 = xx + a**2 * nn + slope**2 * ww - 2 * a * xn - 2 * slope * xw + 2 * a * slope * nw
        q11 = (
            across[0]
            + a**2 * across[1]
            + slope**2 * across[2]
            - a * across[3]
            - slope * across[4]
            + a * slope * across[5]
        )
        parts *= n
        off *= -way / moved
        off += 1 / rows
        parts *= off
        squared *= -1 / moved
        squared -= n / rows
        squared += 1
        np.maximum(squared, declared_mix._LEAST_LEFT, out=squared)
        parts /= squared
        parts *= t
        parts -= parts.mean(axis=0)
        size = xx * (t / rows) ** 2
        spread, skew, lag = _of_parts(parts, size)
        common, _, common_lag = _shape(t, q2 * (t / rows) ** 2, q2, q11 * (t / rows) ** 2, size)
        alike = common**2 * (t - 1) / (t - 2) * rows**2 / nn / kish
        usable = (moved > ROUNDING * wz) & (abs(way) / np.sqrt(moved / rows) <= refusals.FARTHEST)
    return mean - slope * way, np.sqrt(np.maximum(spread**2, alike)), skew, np.maximum(lag, common_lag), kish, usable


def _weights(n: Array, off: Array, squared: Array, way: Array, rows: Array, moved: Array) -> Array:
    """Σh² without its first term (Σn²)/N²."""
    across = np.einsum("gr,gr,gr->r", n, n, off)
    return np.asarray((way / moved) ** 2 * np.einsum("gr,gr->r", n, squared) - 2 * way / (moved * rows) * across)


def _stratified(x: Array, n: Array, mix: Array) -> Look:
    t, seen = len(x), n.sum(axis=0)
    with np.errstate(all="ignore"):
        means, scale = x.sum(axis=0) / seen, mix[:, None] / seen
        raw, weights = np.zeros(x[:, 0].shape), np.zeros(x[:, 0].shape)
        for c in range(len(mix)):
            raw += scale[c] * x[:, c]
            weights += scale[c] * n[:, c]
        parts = raw.copy()
        for c in range(len(mix)):
            parts -= scale[c] * means[c] * n[:, c]
        size = t * t * np.einsum("gr,gr->r", raw, raw)
        parts *= t
        spread, skew, lag = _of_parts(parts, size)
        kish = 1 / np.einsum("gr,gr->r", weights, weights)
    usable = (seen >= refusals.FEWEST_ROWS).all(axis=0)
    return mix @ means, spread, skew, lag, kish, usable


def _of_parts(parts: Array, size: Array) -> tuple[Array, Array, Array]:
    squared = parts * parts
    cubes = np.einsum("gr,gr->r", squared, parts)
    neighbours = np.einsum("gr,gr->r", parts[1:], parts[:-1])
    return _shape(len(parts), squared.sum(axis=0), cubes, neighbours, size)
