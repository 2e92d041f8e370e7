"""Rule Q: are the last windows worse than the reference by more than allowed?

Each window is looked at once, so no evidence over looks is needed; what has to be paid for is that neighbouring groups are alike and
that losses are skewed. Losses, smaller is better; all spreads are of one group of usual size.

With m3 the mean of the last windows by rows, k3 their groups, G the reference's, and φ = clip(ρ + (1+3ρ)/G + ½sqrt((1−ρ²)/G), 0, 0.9):
    VIF(φ, k) = (1+φ)/(1−φ) − 2φ(1−φᵏ)/(k(1−φ)²)      variance of a mean of k such neighbours against independent ones
    a variance s² over k groups is divided by max(0.2, (1 − VIF/k)/(1 − 1/k)): neighbours are alike, so it is too small
    s² = the larger of the reference's and that of reference and windows together (by their degrees),   K3 = (Σn)²/Σ(n²/K)
    err = s·sqrt(VIF(φ, k3)/min(k3, K3) + VIF(φ, G)/K_ref)
    q = t_ν(confidence),   ν = (G − 1 + Σ(k − 1))/VIF(φ, G),   q += g(q² − 1)/6 with g = max(0, γ)/sqrt(k3)
Shown when m3 − m_ref − limit > q·err.

Sources: the mean of an AR(1) series is textbook; t is Student's (1908), the last step Cornish & Fisher's (1938). 0.2, 0.9, the half
standard error of ρ and 0.99 were measured on sequences of 30 windows of 5 to 8 groups against 59: docs/judging.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from bucle.statistics.student import quantile

MOST_CORRELATED = 0.9
LEAST_FREEDOM = 0.2
CORRELATION_DOUBT = 0.5
CONFIDENCE = 0.99


@dataclass(frozen=True, slots=True)
class Window:
    """`loss` per row over `rows` rows in `groups` groups (at least two), `kish` as in `evidence`; `spread`: s."""

    loss: float
    rows: float
    groups: int
    spread: float
    kish: float


@dataclass(frozen=True, slots=True)
class Reference:
    """What the model achieved when it was made. `correlation` and `skew`: ρ and γ of its groups' losses; zero where an
    older model does not know them, as `kish` is its number of groups then."""

    loss: float
    groups: int
    spread: float
    kish: float
    correlation: float = 0.0
    skew: float = 0.0

    @property
    def likeness(self) -> float:
        """φ, with what a series of so few groups understates and half a standard error."""
        rho, g = self.correlation, self.groups
        if g < 2:
            return 0.0
        doubt = CORRELATION_DOUBT * sqrt(max(1 - rho * rho, 0.0) / g)
        return min(max(rho + (1 + 3 * rho) / g + doubt, 0.0), MOST_CORRELATED)


@dataclass(frozen=True, slots=True)
class Pooled:
    """The last windows as one: their loss, how much worse than the reference, and how far that can be chance."""

    loss: float
    worse: float
    reach: float

    def beyond(self, limit: float) -> bool:
        return self.worse - limit > self.reach


def pooled(windows: Sequence[Window], reference: Reference, confidence: float = CONFIDENCE) -> Pooled:
    """Of at least one window."""
    rows, groups = sum(w.rows for w in windows), sum(w.groups for w in windows)
    loss = sum(w.loss * w.rows for w in windows) / rows
    kish = rows * rows / sum(w.rows * w.rows / w.kish for w in windows)
    phi = reference.likeness
    here = variance_of_mean(phi, groups) / min(groups, kish)
    there = variance_of_mean(phi, reference.groups) / reference.kish
    error = sqrt(_variance(windows, reference) * (here + there))
    degrees = (reference.groups - 1 + sum(w.groups - 1 for w in windows)) / variance_of_mean(phi, reference.groups)
    q = quantile(confidence, max(int(degrees), 1))
    q += max(0.0, reference.skew) / sqrt(groups) * (q * q - 1) / 6
    return Pooled(loss, loss - reference.loss, q * error)


def variance_of_mean(phi: float, groups: int) -> float:
    """VIF: of the mean of so many neighbours with autocorrelation φ, against that of independent groups."""
    if phi <= 0.0:
        return 1.0
    return (1 + phi) / (1 - phi) - 2 * phi * (1 - phi**groups) / (groups * (1 - phi) ** 2)


def _variance(windows: Sequence[Window], reference: Reference) -> float:
    """Few groups of skewed losses scatter most where they lie high: taken alone, they would hide what they show."""
    phi = reference.likeness
    known = reference.spread * reference.spread / _freedom(phi, reference.groups)
    degrees = reference.groups - 1 + sum(w.groups - 1 for w in windows)
    seen = sum((w.groups - 1) * w.spread * w.spread / _freedom(phi, w.groups) for w in windows)
    return max(known, (seen + (reference.groups - 1) * known) / degrees if degrees else 0.0)


def _freedom(phi: float, groups: int) -> float:
    """How much of a group's variance so many neighbours show among themselves."""
    if groups < 2:
        return 1.0
    return max(LEAST_FREEDOM, (1 - variance_of_mean(phi, groups) / groups) / (1 - 1 / groups))
