"""The statistics of a rollout: verdicts from cumulative sums and counts. Pure arithmetic; knows no object, clock or status.

Both tests are anytime-valid: every look may decide, no look has to be remembered, and looking more often does not
raise the share of wrong verdicts. What they cannot do (strong skew, groups that follow each other's lead) is in the
page docs/judging.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, lgamma, log, log1p, sqrt
from typing import Literal

from bucle.contracts.evidence import GroupSums

Verdict = Literal["Pass", "Fail", "Inconclusive", "NoData", "Error"]

ALPHA = 0.05
FEWEST_GROUPS = 12
TUNED_FOR_GROUPS = 20
PRIOR_ERRORS = 0.5
PRIOR_SUCCESSES = 49.5
"""Beta(0.5, 49.5): centred on an error rate of 1 %, where served models live. Any choice is valid, this one is sharp there."""

_SEARCH_LIMIT = 4096
_BISECTIONS = 60


@dataclass(frozen=True, slots=True)
class Bounds:
    """An estimate and where the truth lies, both ends included; the unit is the caller's."""

    estimate: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Look:
    """One look at one gate. `samples` are the candidate's; `needs_*` are totals that would let it pass as things stand."""

    verdict: Verdict
    message: str
    samples: int = 0
    groups: int | None = None
    bounds: Bounds | None = None
    limit: float | None = None
    needs_samples: int | None = None
    needs_groups: int | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """Requests and how many of them failed."""

    requests: int
    errors: int


# --- quality: paired sums per group --------------------------------------------------------------------------


def half_width(spread: float, groups: float, alpha: float = ALPHA) -> float:
    """The one-sided half width h of the asymptotic confidence sequence after so many groups.

    h = s·sqrt(2(tρ²+1)/(t²ρ²)·log(1 + sqrt(tρ²+1)/(2α))), ρ² = (−2 log α + log(−2 log α + 1))/t*.
    Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic
    confidence sequences" (2021/2024), one-sided form, tightest around t* = 20 groups.
    """
    tuning = -2 * log(alpha)
    rho2 = (tuning + log(tuning + 1)) / TUNED_FOR_GROUPS
    inflated = groups * rho2 + 1
    return spread * sqrt(2 * inflated / (groups * groups * rho2) * log1p(sqrt(inflated) / (2 * alpha)))


def group_spread(sums: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """(mean per row, standard deviation of a group's residual) from (sum, rows) per group; at least two groups.

    m = Σx/Σn, r_g = (x_g − m·n_g)/mean(n), s = sd(r) with one degree of freedom taken off: rows of one group hang
    together, so groups are what is counted, weighted by their rows.
    """
    rows = sum(n for _, n in sums)
    mean = sum(x for x, _ in sums) / rows
    typical = rows / len(sums)
    squares = sum(((x - mean * n) / typical) ** 2 for x, n in sums)
    return mean, sqrt(squares / (len(sums) - 1))


@dataclass(frozen=True, slots=True)
class _Sided:
    verdict: Verdict
    bounds: Bounds
    spread: float


def _against(sums: Sequence[tuple[float, int]], limit: float) -> _Sided:
    mean, spread = group_spread(sums)
    half = half_width(spread, len(sums))
    verdict: Verdict = "Inconclusive"
    if mean + half < limit:
        verdict = "Pass"
    elif mean - half > limit:
        verdict = "Fail"
    return _Sided(verdict, Bounds(mean, mean - half, mean + half), spread)


def quality(groups: Sequence[GroupSums], margin: float, *, beats_prior: bool) -> Look:
    """Is the candidate's loss less than `margin` above the stable one's on the same labelled rows?

    Pass when m + h < margin, and with `beats_prior` also when its loss against the constant predictor is below zero
    by the same test; Fail when either test says the opposite; never before 12 closed groups.
    """
    used = [group for group in groups if group.n > 0]
    pairs = sum(group.n for group in used)
    if len(used) < FEWEST_GROUPS:
        return Look(
            "NoData",
            f"{len(used)} of at least {FEWEST_GROUPS} closed groups, {pairs} labelled pairs",
            samples=pairs,
            groups=len(used),
            limit=margin,
            needs_groups=FEWEST_GROUPS,
        )
    paired = _against([(group.x, group.n) for group in used], margin)
    tests = [(paired, margin, "the stable version")]
    if beats_prior:
        tests.append((_against([(group.p, group.n) for group in used], 0.0), 0.0, "the constant predictor"))
    verdict, message = _together(tests, margin)
    needs = None
    if verdict == "Inconclusive":
        needs = max((_groups_to_pass(test, limit) or 0) for test, limit, _ in tests) or None
    return Look(verdict, message, pairs, len(used), paired.bounds, margin, needs_groups=needs)


def _together(tests: Sequence[tuple[_Sided, float, str]], margin: float) -> tuple[Verdict, str]:
    for test, _, against in tests:
        if test.verdict == "Fail":
            return "Fail", f"the candidate is worse than {against} allows: {test.bounds.estimate:+.4g} per row"
    if all(test.verdict == "Pass" for test, _, _ in tests):
        return "Pass", f"the candidate's loss is less than {margin:.4g} above the stable one's"
    open_ones = [against for test, _, against in tests if test.verdict == "Inconclusive"]
    return "Inconclusive", f"not decided yet against {' and '.join(open_ones)}"


def _groups_to_pass(test: _Sided, limit: float) -> int | None:
    """Groups at which it would pass if mean and spread stayed as they are; None when they never would."""
    if test.verdict == "Pass" or test.bounds.estimate >= limit:
        return None
    return next(
        (t for t in range(FEWEST_GROUPS, _SEARCH_LIMIT) if test.bounds.estimate + half_width(test.spread, t) < limit),
        None,
    )


def mean_loss(groups: Sequence[GroupSums], sign: int) -> tuple[float, float, int, int]:
    """The candidate's realised metric: (value, standard error over groups, groups, rows); at least two groups.

    `sign` turns a loss back into the metric (−1 where larger is better). Standard error = s/√t of the group residuals.
    """
    used = [(group.c, group.n) for group in groups if group.n > 0]
    mean, spread = group_spread(used)
    return sign * mean, spread / sqrt(len(used)), len(used), sum(n for _, n in used)


# --- errors: two counts --------------------------------------------------------------------------------------


def rate_bounds(count: Count, alpha: float) -> Bounds:
    """A confidence sequence for a failure rate: all p with B(a+k, b+n−k)/(B(a, b)·p^k·(1−p)^(n−k)) < 1/α.

    Source: Robbins' beta-binomial mixture martingale with Ville's inequality (H. Robbins, "Statistical methods related
    to the law of the iterated logarithm", 1970; Howard, Ramdas, McAuliffe, Sekhon, "Time-uniform, nonparametric,
    nonasymptotic confidence sequences", 2021). Holds at all looks at once with probability at least 1 − α.
    """
    n, k = count.requests, count.errors
    if n == 0:
        return Bounds(0.0, 0.0, 1.0)
    a, b = PRIOR_ERRORS, PRIOR_SUCCESSES
    evidence = _log_beta(a + k, b + n - k) - _log_beta(a, b)
    threshold = log(1 / alpha)

    def excluded(p: float) -> bool:
        return evidence - _log_likelihood(p, n, k) >= threshold

    estimate = k / n
    return Bounds(estimate, _edge(excluded, 0.0, estimate), _edge(excluded, 1.0, estimate))


def errors(stable: Count, candidate: Count, max_increase: float) -> Look:
    """Does the candidate fail at most `max_increase` more often than the stable version?

    Both rates get a confidence sequence at α/2 (union bound), so both hold at every look with probability 1 − α.
    Pass when even the worst difference is below the limit, Fail when even the best one is above it.
    """
    if candidate.requests == 0:
        return Look("NoData", "the candidate has answered no request yet", limit=max_increase)
    if stable.requests == 0:
        return Look("NoData", "the stable version has answered no request", candidate.requests, limit=max_increase)
    theirs, ours = rate_bounds(stable, ALPHA / 2), rate_bounds(candidate, ALPHA / 2)
    between = Bounds(ours.estimate - theirs.estimate, ours.lower - theirs.upper, ours.upper - theirs.lower)
    told = (
        f"{candidate.errors} of {candidate.requests} requests failed at the candidate, "
        f"{stable.errors} of {stable.requests} at the stable version"
    )
    if between.upper < max_increase:
        return Look("Pass", told, candidate.requests, bounds=between, limit=max_increase)
    if between.lower > max_increase:
        return Look("Fail", told, candidate.requests, bounds=between, limit=max_increase)
    needs = _requests_to_pass(stable, candidate, max_increase)
    return Look("Inconclusive", told, candidate.requests, bounds=between, limit=max_increase, needs_samples=needs)


def _requests_to_pass(stable: Count, candidate: Count, max_increase: float) -> int | None:
    """Candidate requests at which it would pass if both rates stayed: doubled until they do, then narrowed."""
    if candidate.errors / candidate.requests - stable.errors / stable.requests >= max_increase:
        return None

    def passes(factor: float) -> bool:
        theirs, ours = (
            rate_bounds(Count(round(c.requests * factor), round(c.errors * factor)), ALPHA / 2)
            for c in (stable, candidate)
        )
        return ours.upper - theirs.lower < max_increase

    factor = next((2.0**power for power in range(1, 21) if passes(2.0**power)), None)
    if factor is None:
        return None
    low, high = factor / 2, factor
    for _ in range(8):
        middle = (low + high) / 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return round(candidate.requests * high)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _log_likelihood(p: float, n: int, k: int) -> float:
    if (p <= 0.0 and k > 0) or (p >= 1.0 and k < n):
        return -inf
    return (k * log(p) if k else 0.0) + ((n - k) * log1p(-p) if n > k else 0.0)


def _edge(excluded: Callable[[float], bool], outer: float, inner: float) -> float:
    """Where the set ends between `inner` (always in it) and `outer`; the likelihood is log-concave, so it is one interval."""
    if not excluded(outer):
        return outer
    for _ in range(_BISECTIONS):
        middle = (outer + inner) / 2
        outer, inner = (middle, inner) if excluded(middle) else (outer, middle)
    return outer
