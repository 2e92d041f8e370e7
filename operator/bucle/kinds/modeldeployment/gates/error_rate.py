"""The gate `errorRate`: does the candidate fail, or refuse, more often than the stable version? Counted at the router. Pure.

The test is anytime-valid for requests that fail independently of each other: every evaluation may decide, none has to be
remembered, and evaluating more often does not raise the share of wrong verdicts. Failures in bursts are worth less than
they count here: docs/judging.md says how much that costs.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, lgamma, log, log1p

from bucle.externals.answers import AnswerCounts
from bucle.kinds.modeldeployment.gates.inputs import GateInputs
from bucle.kinds.modeldeployment.gates.verdict import ALPHA, Bounds, Finding, Verdict
from bucle.resources.gates import ErrorRateGate

PRIOR_ERRORS = 0.5
PRIOR_SUCCESSES = 49.5
"""Beta(0.5, 49.5): centred on an error rate of 1 %, where served models live. Any choice is valid, this one is sharp there."""

_BISECTIONS = 60


class ErrorRate:
    """Needs nothing but the router's counters, so a broken store cannot keep a bad candidate alive."""

    unit = "requests"
    needs_judge = False
    counts_groups = False

    def evaluate(self, gate: ErrorRateGate, inputs: GateInputs) -> Finding:
        limit = float(gate.max_increase)
        if inputs.counts is None:
            return Finding(Verdict.ERROR, "the router's counters cannot be read", limit=limit)
        return judged(inputs.counts.stable, inputs.counts.candidate, limit)

    def in_step(self, finding: Finding, inputs: GateInputs) -> int:
        return inputs.counts.in_step.requests if inputs.counts else 0


def judged(stable: AnswerCounts, candidate: AnswerCounts, max_increase: float) -> Finding:
    """Failures decide; refusals (4xx) can condemn, or keep from passing, and never help a candidate.

    Both versions get the same callers' bad requests (the shadow the very same, a canary a share drawn by lot), so what both
    refuse tells nothing and keeps nobody waiting. What the candidate alone refuses is charged like a failure.
    """
    failures = compared(stable, candidate, max_increase)
    if failures.verdict in (Verdict.FAIL, Verdict.NO_DATA):
        return failures
    theirs, ours = (rate_bounds(AnswerCounts(c.requests, c.refused), ALPHA / 4) for c in (stable, candidate))
    between = Bounds(ours.estimate - theirs.estimate, ours.lower - theirs.upper, ours.upper - theirs.lower)
    told = (
        f"the candidate refused {candidate.refused} of {candidate.requests} requests (4xx), the stable version "
        f"{stable.refused} of {stable.requests}"
    )
    if between.lower > max_increase:
        said = f"{told}: it asks more of callers than what serves"
        return Finding(Verdict.FAIL, said, candidate.requests, bounds=between, limit=max_increase)
    if between.estimate > max_increase and ours.lower > theirs.estimate:
        said = f"{failures.message}; {told}: not decided yet"
        return Finding(Verdict.INCONCLUSIVE, said, candidate.requests, bounds=between, limit=max_increase)
    return failures


# --- two counts ----------------------------------------------------------------------------------------------


def rate_bounds(count: AnswerCounts, alpha: float) -> Bounds:
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


def compared(stable: AnswerCounts, candidate: AnswerCounts, max_increase: float) -> Finding:
    """Does the candidate fail at most `max_increase` more often than the stable version?

    Both rates get a confidence sequence at α/2 (union bound), so both hold at every look with probability 1 − α.
    Pass when even the worst difference is below the limit, Fail when even the best one is above it.
    """
    if candidate.requests == 0:
        return Finding(Verdict.NO_DATA, "the candidate has answered no request yet", limit=max_increase)
    if stable.requests == 0:
        return Finding(
            Verdict.NO_DATA, "the stable version has answered no request", candidate.requests, limit=max_increase
        )
    theirs, ours = rate_bounds(stable, ALPHA / 2), rate_bounds(candidate, ALPHA / 2)
    between = Bounds(ours.estimate - theirs.estimate, ours.lower - theirs.upper, ours.upper - theirs.lower)
    told = (
        f"{candidate.errors} of {candidate.requests} requests failed at the candidate, "
        f"{stable.errors} of {stable.requests} at the stable version"
    )
    if between.upper < max_increase:
        return Finding(Verdict.PASS, told, candidate.requests, bounds=between, limit=max_increase)
    if between.lower > max_increase:
        return Finding(Verdict.FAIL, told, candidate.requests, bounds=between, limit=max_increase)
    needs = _requests_to_pass(stable, candidate, max_increase)
    return Finding(
        Verdict.INCONCLUSIVE, told, candidate.requests, bounds=between, limit=max_increase, needs_samples=needs
    )


def _requests_to_pass(stable: AnswerCounts, candidate: AnswerCounts, max_increase: float) -> int | None:
    """Candidate requests at which it would pass if both rates stayed: doubled until they do, then narrowed."""
    if candidate.errors / candidate.requests - stable.errors / stable.requests >= max_increase:
        return None

    def passes(factor: float) -> bool:
        theirs, ours = (
            rate_bounds(AnswerCounts(round(c.requests * factor), round(c.errors * factor)), ALPHA / 2)
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
