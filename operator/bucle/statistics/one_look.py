"""Rule A without looks: a mean that is judged once, by Student's t over groups that are skewed or follow each other.

The correction for skewness and the count of independent groups are those of `evidence`; a limit is shown to lie on a side of the
mean when sqrt(τ)·y > t(confidence) with max(K/V − 1, 1) degrees of freedom. Measured on tables of 5 to 60 groups in
docs/judging.md: five groups are too few for any word.
"""

from __future__ import annotations

from math import sqrt

from bucle.statistics.evidence import Interval, Side, Standing, away
from bucle.statistics.student import quantile

FEWEST_GROUPS = 5
"""Fewer carry no standard error; what is judged again and again needs more, see `refusals`."""


def interval(standing: Standing, confidence: float) -> Interval:
    """One-sided bounds of the mean, each at that confidence. Where no group differs the mean is all that is known."""
    if standing.spread <= 0.0:
        return Interval(standing.mean, standing.mean)
    degrees = max(standing.kish / standing.inflation - standing.lost, 1.0)
    wanted = quantile(confidence, int(degrees)) / sqrt(standing.independent_groups)
    below, above = (away(standing, side, wanted) * standing.spread for side in (Side.BELOW, Side.ABOVE))
    return Interval(standing.mean - above, standing.mean + below)
