"""Student's t distribution for whole degrees of freedom. Standard library only.

Source: Abramowitz & Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4 (the finite series for the
probability, exact for whole degrees of freedom) and 26.7.5 (expansion around the normal for many).
"""

from __future__ import annotations

from math import atan, cos, pi, sin, sqrt
from statistics import NormalDist

SERIES_UP_TO = 400
"""Above this the expansion is accurate to more than 9 digits and needs no loop."""

BISECTIONS = 200


def two_sided_probability(t: float, degrees: int) -> float:
    """P(|T| ≤ t) for t ≥ 0 (A&S 26.7.3 for odd, 26.7.4 for even degrees of freedom)."""
    theta = atan(t / sqrt(degrees))
    odd = degrees % 2 == 1
    if degrees == 1:
        return 2 * theta / pi
    square = cos(theta) ** 2
    term = cos(theta) if odd else 1.0
    total = term
    for k in range(3 if odd else 2, degrees - 1, 2):
        term *= square * (k - 1) / k
        total += term
    inner = sin(theta) * total
    return 2 / pi * (theta + inner) if odd else inner


def quantile(probability: float, degrees: int) -> float:
    """The t below which the share `probability` lies. Raises ValueError outside 0 < probability < 1, degrees ≥ 1."""
    if not 0 < probability < 1:
        raise ValueError(f"a probability must lie between 0 and 1, got {probability}")
    if degrees < 1:
        raise ValueError(f"degrees of freedom must be at least 1, got {degrees}")
    if probability < 0.5:
        return -quantile(1 - probability, degrees)
    if degrees > SERIES_UP_TO:
        return _expansion(NormalDist().inv_cdf(probability), degrees)
    return _inverted_series(2 * probability - 1, degrees)


def _inverted_series(wanted: float, degrees: int) -> float:
    low, high = 0.0, 1.0
    while two_sided_probability(high, degrees) < wanted and high < 1e300:
        high *= 2
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if two_sided_probability(middle, degrees) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _expansion(x: float, degrees: int) -> float:
    """A&S 26.7.5, first three corrections."""
    g1 = (x**3 + x) / 4
    g2 = (5 * x**5 + 16 * x**3 + 3 * x) / 96
    g3 = (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384
    return x + g1 / degrees + g2 / degrees**2 + g3 / degrees**3
