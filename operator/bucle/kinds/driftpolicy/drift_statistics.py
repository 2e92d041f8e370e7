"""The statistics of drift: one window against the reference, and many windows against the rule. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from bucle.contracts.metrics import METRICS
from bucle.statistics.student import quantile

Verdict = Literal["Healthy", "Breached", "Inconclusive"]

FEWEST_GROUPS = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric with its standard error over groups; the error is None when there were too few groups for one."""

    value: float
    standard_error: float | None
    groups: int


@dataclass(frozen=True, slots=True)
class Rule:
    """How much worse the metric may be than the reference, and with what one-sided confidence it must be shown."""

    metric: str
    max_degradation: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Judged:
    """`limit`, `lower` and `upper` are on the metric's own scale; `lower` and `upper` are None without a verdict."""

    verdict: Verdict
    limit: float
    lower: float | None = None
    upper: float | None = None
    message: str = ""


def judge(window: Measured, reference: Measured, rule: Rule) -> Judged:
    """Is this window worse than the reference by more than allowed?

    One look per window, so a one-sided t bound over the window's closed groups is enough: Breached when
    d − t(confidence, degrees)·sqrt(se_window² + se_reference²) > maxDegradation, with d the loss of the window minus
    that of the reference (Student 1908; the reference's error adds in quadrature, and the smaller of the two numbers
    of groups gives the degrees of freedom). Fewer than 5 groups neither breach nor clear.
    """
    sign = METRICS[rule.metric].loss_sign()
    limit = reference.value + sign * rule.max_degradation
    if window.groups < FEWEST_GROUPS or window.standard_error is None:
        cure = "use larger windows" if window.groups else "is the column of `groupBy` sent with requests and captured?"
        few = f"{window.groups} of at least {FEWEST_GROUPS} closed groups: {cure}"
        return Judged("Inconclusive", limit, message=few)
    error = sqrt(window.standard_error**2 + (reference.standard_error or 0.0) ** 2)
    told = reference.standard_error is not None and reference.groups > 1
    groups = min(window.groups, reference.groups) if told else window.groups
    reach = quantile(rule.confidence, groups - 1) * error
    worse = sign * (window.value - reference.value)
    lower, upper = window.value - reach, window.value + reach
    if worse - reach > rule.max_degradation:
        return Judged("Breached", limit, lower, upper, f"{rule.metric} {window.value:.4g} is beyond {limit:.4g}")
    return Judged(
        "Healthy", limit, lower, upper, f"{rule.metric} {window.value:.4g} is not shown to be beyond {limit:.4g}"
    )


def drifting(verdicts: Sequence[str], breaches: int, of: int, clear_after: int) -> list[bool]:
    """Whether it counts as drift after each of these windows, oldest first.

    It begins with `breaches` breached windows among the last `of`, and ends only after `clear_after` healthy ones in a
    row; inconclusive windows are passed over, they say neither.
    """
    state, told, states = False, [], []
    for verdict in verdicts:
        if verdict in ("Healthy", "Breached"):
            told.append(verdict)
            if told[-of:].count("Breached") >= breaches and verdict == "Breached":
                state = True
            elif state and len(told) >= clear_after and set(told[-clear_after:]) == {"Healthy"}:
                state = False
        states.append(state)
    return states
