"""The statistics of drift: the last windows as one against the reference, and what many verdicts make. Pure arithmetic.

The rule is `bucle.statistics.drift`; here it speaks of a metric and of windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import Literal

from bucle.contracts.metrics import METRICS
from bucle.statistics import drift
from bucle.statistics.one_look import FEWEST_GROUPS

Verdict = Literal["Healthy", "Breached", "Inconclusive"]


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric with its standard error over groups; the error is None when there were too few groups for one.

    `rows`: of a window; `kish`, `lag`, `skew`: what its groups look like (`bucle.statistics.evidence.Standing`), None where
    whoever measured did not say: an older model, or an older pod.
    """

    value: float
    standard_error: float | None
    groups: int
    rows: int = 0
    kish: float | None = None
    lag: float | None = None
    skew: float | None = None

    @property
    def conclusive(self) -> bool:
        return self.groups >= FEWEST_GROUPS and self.standard_error is not None

    @property
    def spread(self) -> float:
        return (self.standard_error or 0.0) * sqrt(self.groups)


@dataclass(frozen=True, slots=True)
class Rule:
    """How much worse the metric may be than the reference, with what one-sided confidence that must be shown of the last
    `of` windows as one, and how many of them must lie beyond the limit by their own value."""

    metric: str
    max_degradation: float
    confidence: float
    breaches: int = 2
    of: int = 3


@dataclass(frozen=True, slots=True)
class Judged:
    """`limit`, `lower` and `upper` are on the metric's own scale; `lower` and `upper`, of the windows as one, are None
    without a verdict."""

    verdict: Verdict
    limit: float
    lower: float | None = None
    upper: float | None = None
    message: str = ""


def judge(window: Measured, before: Sequence[Measured], reference: Measured, rule: Rule) -> Judged:
    """Is the metric worse than the reference by more than allowed, as of this window? `before`: the windows before it.

    Breached when the last windows as one are shown to be beyond the limit, and enough of them lie beyond it themselves:
    one bad window is no drift. Fewer than 5 groups neither breach nor clear, and count for nothing later.
    """
    sign = METRICS[rule.metric].loss_sign()
    limit = reference.value + sign * rule.max_degradation
    if not window.conclusive:
        cure = "use larger windows" if window.groups else "is the column of `groupBy` sent with requests and captured?"
        few = f"{window.groups} of at least {FEWEST_GROUPS} closed groups: {cure}"
        return Judged("Inconclusive", limit, message=few)
    last = [*(past for past in before if past.conclusive), window][-rule.of :]
    found = drift.pooled([_window(one, sign) for one in last], _reference(reference, sign), rule.confidence)
    beyond = sum(sign * (one.value - limit) > 0 for one in last)
    value = sign * found.loss
    told = f"{rule.metric} {value:.4g}" + (f" over the last {len(last)} windows" if len(last) > 1 else "")
    shown = found.beyond(rule.max_degradation)
    if shown and beyond >= rule.breaches:
        said = f"{told} is beyond {limit:.4g}"
        return Judged("Breached", limit, value - found.reach, value + found.reach, said)
    only = f"; {beyond} of at least {rule.breaches} windows are beyond it" if shown else ""
    said = f"{told} is not shown to be beyond {limit:.4g}" if not shown else f"{told} is beyond {limit:.4g}{only}"
    return Judged("Healthy", limit, value - found.reach, value + found.reach, said)


def _window(one: Measured, sign: int) -> drift.Window:
    return drift.Window(sign * one.value, one.rows or one.groups, one.groups, one.spread, one.kish or one.groups)


def _reference(told: Measured, sign: int) -> drift.Reference:
    """A bound that a person wrote is exact, and knows nothing of how groups follow each other."""
    if told.standard_error is None:
        return drift.Reference(sign * told.value, groups=1, spread=0.0, kish=inf)
    rho = ((told.lag * told.groups) - 1) / (told.groups + 3) if told.lag is not None else 0.0
    kish, skew = told.kish or told.groups, sign * (told.skew or 0.0)
    return drift.Reference(sign * told.value, told.groups, told.spread, kish, min(max(rho, -1.0), 1.0), skew)


def drifting(verdicts: Sequence[str], clear_after: int) -> list[bool]:
    """Whether it counts as drift after each of these windows, oldest first.

    It begins with a breached verdict, which speaks of several windows, and ends only after `clear_after` healthy ones in a
    row; inconclusive windows are passed over, they say neither.
    """
    state, told, states = False, [], []
    for verdict in verdicts:
        if verdict in ("Healthy", "Breached"):
            told.append(verdict)
            if verdict == "Breached":
                state = True
            elif state and len(told) >= clear_after and set(told[-clear_after:]) == {"Healthy"}:
                state = False
        states.append(state)
    return states
