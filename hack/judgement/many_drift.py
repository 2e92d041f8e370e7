"""The drift decision over many sequences of windows at once: the last three windows as one, and the rule it replaces.

Knows the cells of drift and bucle.statistics, whose plain functions a test holds equal to this. What was replaced is kept here:
two of three windows beyond the limit by a one-sided t bound each.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from hack.judgement.cells_drift import REFERENCE, WINDOWS, DriftCell, Sequences
from hack.judgement.many import Flags
from hack.judgement.runs import Result
from hack.judgement.series import Array
from hack.judgement.worlds import BLOCK, ROLLOUTS
from numpy.typing import NDArray

from bucle.statistics import drift
from bucle.statistics.student import quantile

BREACHES, OF = 2, 3
BEFORE_CONFIDENCE = 0.95
LIMITS = (0.25, 0.5, 1.0, 2.0)
"""In spreads of a group."""


@dataclass(frozen=True)
class Told:
    """What is told of groups, as (…) arrays: loss per row, spread of a group, groups, rows and Kish's number."""

    loss: Array
    spread: Array
    groups: Array
    rows: Array
    kish: Array


@dataclass(frozen=True)
class Known:
    """The reference: what is told of it, its correlation and skewness."""

    told: Told
    rho: Array
    skew: Array


def told(sums: tuple[Array, Array]) -> tuple[Told, Array]:
    """Of the last axis; and the residuals."""
    x, n = sums
    there = n > 0
    groups, rows = there.sum(axis=-1).astype(float), n.sum(axis=-1)
    loss = x.sum(axis=-1) / rows
    residual = (x - loss[..., None] * n) * (groups / rows)[..., None]
    spread = np.sqrt((residual**2).sum(axis=-1) / (groups - 1))
    return Told(loss, spread, groups, rows, rows**2 / (n**2).sum(axis=-1)), residual


def known(reference: tuple[Array, Array]) -> Known:
    found, r = told(reference)
    t, q2 = REFERENCE, (r**2).sum(axis=1)
    skew = (r**3).sum(axis=1) / t / (q2 / t) ** 1.5 * sqrt(t * (t - 1)) / (t - 2)
    return Known(found, (r[:, 1:] * r[:, :-1]).sum(axis=1) / q2, skew)


def before(world: Sequences, limit: float, worse: float) -> Flags:
    """Whether it counts as breached at every window from the third on, if all windows are worse by so much."""
    windows, reference = told(world.windows)[0], known(world.reference).told
    error = np.sqrt(windows.spread**2 / windows.groups + (reference.spread**2 / reference.groups)[:, None])
    degrees = np.minimum(windows.groups, reference.groups[:, None]) - 1
    reach = _table(quantiles(BEFORE_CONFIDENCE, 200), degrees) * error
    return _of_three(windows.loss + worse - reference.loss[:, None] - reach > limit, needs_last=True)


def last_three(world: Sequences, limit: float, worse: float) -> Flags:
    windows, reference = told(world.windows)[0], known(world.reference)
    beyond = windows.loss + worse - reference.told.loss[:, None] > limit
    shown = pooled(windows, reference, worse, limit)
    return _of_three(beyond, needs_last=False) & shown


def pooled(windows: Told, reference: Known, worse: float, limit: float) -> Flags:
    """`drift.pooled(…).beyond(limit)` at every window from the third on."""
    rows, groups = _three(windows.rows), _three(windows.groups)
    loss = _three((windows.loss + worse) * windows.rows) / rows
    kish = rows**2 / _three(windows.rows**2 / windows.kish)
    phi = likeness(reference)[:, None]
    g = float(REFERENCE)
    inflation = variance_of_mean(phi, g)
    degrees = g - 1 + _three(windows.groups - 1)
    seen = _three((windows.groups - 1) * windows.spread**2 / freedom(phi, windows.groups))
    alone = (reference.told.spread**2)[:, None] / freedom(phi, np.full((1, 1), g))
    variance = np.maximum(alone, (seen + (g - 1) * alone) / degrees)
    error = np.sqrt(
        variance * (variance_of_mean(phi, groups) / np.minimum(groups, kish) + inflation / reference.told.kish[:, None])
    )
    nu = np.maximum((degrees / inflation).astype(int), 1)
    q = _table(quantiles(drift.CONFIDENCE, 200), nu)
    q = q + np.maximum(0.0, reference.skew)[:, None] / np.sqrt(groups) * (q * q - 1) / 6
    return np.asarray(loss - reference.told.loss[:, None] - limit > q * error)


def likeness(reference: Known) -> Array:
    rho, g = reference.rho, REFERENCE
    doubt = drift.CORRELATION_DOUBT * np.sqrt(np.maximum(1 - rho * rho, 0.0) / g)
    return np.asarray(np.clip(rho + (1 + 3 * rho) / g + doubt, 0.0, drift.MOST_CORRELATED))


def variance_of_mean(phi: Array, groups: Array | float) -> Array:
    found = (1 + phi) / (1 - phi) - 2 * phi * (1 - phi**groups) / (groups * (1 - phi) ** 2)
    return np.where(phi <= 0.0, 1.0, found)


def freedom(phi: Array, groups: Array) -> Array:
    left = (1 - variance_of_mean(phi, groups) / groups) / (1 - 1 / groups)
    return np.maximum(drift.LEAST_FREEDOM, left)


def _three(values: Array) -> Array:
    return np.asarray(values[:, 2:] + values[:, 1:-1] + values[:, :-2])


def _of_three(flags: Flags, *, needs_last: bool) -> Flags:
    enough = _three(flags.astype(float)) >= BREACHES
    return enough & flags[:, 2:] if needs_last else enough


def quantiles(confidence: float, degrees: int) -> Array:
    return np.array([0.0, *(quantile(confidence, nu) for nu in range(1, degrees + 1))])


def _table(values: Array, at: Array | NDArray[np.int64]) -> Array:
    return np.asarray(values[np.asarray(at).astype(int)])


# --- measuring ---------------------------------------------------------------------------------------------------


def measured(cell: DriftCell, blocks: int = ROLLOUTS // BLOCK, sequences: int = BLOCK) -> Result:
    """`alarms`: evaluations that alarm with the truth at the limit; `any`: sequences with one; `unchanged`: evaluations without any
    change and a limit of 0.25 sd; `power`: by limit, evaluations when it is exceeded twice."""
    result: dict[str, Result] = {}
    worlds = [cell.block(number, sequences) for number in range(blocks)]
    for name, rule in {"before": before, "lastThree": last_three}.items():
        at_limit = [rule(world, 0.0, 0.0) for world in worlds]
        found: Result = {
            "alarms": [int(flags.sum()) for flags in at_limit],
            "any": [int(flags.any(axis=1).sum()) for flags in at_limit],
            "unchanged": [int(rule(world, 0.25, 0.0).sum()) for world in worlds],
        }
        if cell.priced:
            found["power"] = {
                f"{limit:g}": round(float(np.mean([rule(w, limit, 2 * limit).mean() for w in worlds])), 4)
                for limit in LIMITS
            }
        result[name] = found
    return {"evaluations": (WINDOWS - OF + 1) * sequences, "sequences": sequences, "rules": result}
