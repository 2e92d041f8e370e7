"""The gates on errors over many rollouts at once: the rule over intervals, and the one that counts requests, which it replaces.

Knows the cells of errors and the rules. What was replaced is kept here as it stood in the operator; tests hold both equal.
"""

from __future__ import annotations

from collections.abc import Callable
from math import lgamma, log, log1p

import numpy as np
from hack.judgement import many
from hack.judgement.cells_errors import LOOKS, REQUESTS, Counts, ErrorCell, Truth
from hack.judgement.many import Flags, Outcomes
from hack.judgement.runs import Result, price
from hack.judgement.series import Array
from hack.judgement.worlds import BLOCK, ROLLOUTS, Groups

BEFORE_ALPHA = 0.05
PRIOR_ERRORS, PRIOR_SUCCESSES = 0.5, 49.5
BISECTIONS = 60

TRUTHS: tuple[Truth, ...] = ("limit", "equal", "worse")
Verdicts = Callable[[Counts, Counts, ErrorCell], Outcomes]


def measured(cell: ErrorCell, blocks: int = ROLLOUTS // BLOCK, rollouts: int = BLOCK) -> Result:
    """Looks of outcomes are requests of the candidate here."""
    rules: dict[str, Verdicts] = {"before": Counting().outcomes, "intervals": intervals}
    told: dict[str, Result] = {name: {} for name in rules}
    for truth in TRUTHS:
        found: dict[str, list[Outcomes]] = {name: [] for name in rules}
        for number in range(blocks):
            stable, candidate = cell.block(number, truth, rollouts)
            for name, rule in rules.items():
                found[name].append(rule(stable, candidate, cell))
        for name, outcomes in found.items():
            told[name][truth] = {
                "passes": [int((o.verdict == 1).sum()) for o in outcomes],
                "fails": [int((o.verdict == -1).sum()) for o in outcomes],
                **price(np.concatenate([o.look for o in outcomes])),
            }
    return {"rules": told}


def intervals(stable: Counts, candidate: Counts, cell: ErrorCell) -> Outcomes:
    world = differences(stable, candidate, cell)
    found = many.outcomes(many.paired(world), 0.0)
    return Outcomes(found.verdict, found.look * cell.looks_of_an_interval * REQUESTS)


def differences(stable: Counts, candidate: Counts, cell: ErrorCell) -> Groups:
    """Per interval the share of failures more than the limit allows; intervals weigh the same."""
    looks = cell.looks_of_an_interval

    def shares(failures: Counts, requests: int) -> Array:
        together = failures[:, : LOOKS // looks * looks].reshape(len(failures), -1, looks).sum(axis=2)
        return np.asarray(together / (looks * requests), dtype=float)

    more = shares(candidate, REQUESTS) - shares(stable, cell.stable_requests) - cell.limit
    return Groups(more, np.ones_like(more))


# --- before ------------------------------------------------------------------------------------------------------


class Counting:
    """Both rates in a beta-binomial confidence sequence of half the error each, after every look; bounds are kept by counts."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Array, Array]] = {}

    def outcomes(self, stable: Counts, candidate: Counts, cell: ErrorCell) -> Outcomes:
        passes, fails = np.zeros(stable.shape, dtype=bool), np.zeros(stable.shape, dtype=bool)
        theirs, ours = np.cumsum(stable, axis=1), np.cumsum(candidate, axis=1)
        open_ = np.arange(len(stable))
        for look in range(stable.shape[1]):
            requests = (look + 1) * REQUESTS
            lower0, upper0 = self._bounds((look + 1) * cell.stable_requests, theirs[open_, look])
            lower1, upper1 = self._bounds(requests, ours[open_, look])
            passed, failed = upper1 - lower0 < cell.limit, lower1 - upper0 > cell.limit
            passes[open_, look], fails[open_, look] = passed, failed
            open_ = open_[~(passed | failed)]
            if not len(open_):
                break
        return many.first(passes, fails, np.arange(1, stable.shape[1] + 1) * REQUESTS)

    def _bounds(self, n: int, k: Counts) -> tuple[Array, Array]:
        known = self._kept.get(n)
        most = int(k.max())
        if known is None or len(known[0]) <= most:
            known = self._kept[n] = edges(n, np.arange(int(most * 1.2) + 20, dtype=float))
        return known[0][k], known[1][k]


def edges(n: int, k: Array) -> tuple[Array, Array]:
    """Both ends of the confidence sequence of a rate, for many counts of failures among n requests."""
    k = np.minimum(k, n)
    a, b = PRIOR_ERRORS, PRIOR_SUCCESSES
    evidence = np.array([_log_beta(a + v, b + n - v) for v in k]) - _log_beta(a, b)
    threshold, estimate = log(2 / BEFORE_ALPHA), k / n

    def excluded(p: Array) -> Flags:
        with np.errstate(all="ignore"):
            likelihood = np.where(k > 0, k * np.log(p), 0.0) + np.where(n > k, (n - k) * np.log1p(-p), 0.0)
        return np.asarray(evidence - likelihood >= threshold)

    def edge(outer: Array) -> Array:
        inner, hit = estimate.copy(), excluded(outer)
        for _ in range(BISECTIONS):
            middle = (outer + inner) / 2
            out = excluded(middle)
            outer, inner = np.where(hit & out, middle, outer), np.where(hit & ~out, middle, inner)
        return outer

    return edge(np.zeros_like(k)), edge(np.ones_like(k))


def rate_bounds(n: int, k: int) -> tuple[float, float]:
    """The same for one count, as it stood in the operator."""
    evidence = _log_beta(PRIOR_ERRORS + k, PRIOR_SUCCESSES + n - k) - _log_beta(PRIOR_ERRORS, PRIOR_SUCCESSES)

    def excluded(p: float) -> bool:
        if (p <= 0.0 and k > 0) or (p >= 1.0 and k < n):
            return True
        likelihood = (k * log(p) if k else 0.0) + ((n - k) * log1p(-p) if n > k else 0.0)
        return evidence - likelihood >= log(2 / BEFORE_ALPHA)

    def edge(outer: float, inner: float) -> float:
        if not excluded(outer):
            return outer
        for _ in range(BISECTIONS):
            middle = (outer + inner) / 2
            outer, inner = (middle, inner) if excluded(middle) else (outer, middle)
        return outer

    return edge(0.0, k / n), edge(1.0, k / n)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
