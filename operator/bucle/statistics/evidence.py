"""How sure may one be that a mean lies below a limit, or above it, from few groups that are skewed or follow each other?

May be asked after every group: what is found holds at all looks together, and nothing is remembered between them.

A `Standing` is what groups say of a mean; how it is made of sums is the matter of `paired`, `declared_mix` and `moments`.
Unit of `mean`, `spread` and every limit: the difference of losses per row, below zero where the candidate is better.

The rule, with t groups of spread s, autocorrelation φ, skewness γ and Kish number K, for the side σ (+1 below, −1 above):
    V = (1+φ)/(1−φ)      variance of the mean against independent groups;   τ = t/V of them would weigh the same
    ν = max(K/V − lost, 0.5)      degrees of freedom
    u = σ(limit − mean)/s,   g = max(0, 0.7·σγ + 0.5·sqrt(6/t)),   y = (1 − (1 − g·u/3)³)/g − g/(6t)
    T² = τy²,   w = c/(τ + c),   log e = log 2 + ½log w + (ν+1)/2·[log(1 + T²/ν) − log(1 + wT²/ν)]
The side is shown when log e ≥ log(1/α), and never before 12 groups.

Sources: the scale-invariant mixture is Lai's (1976) e-value as Wang & Ramdas (2023) state it; the skewness correction is Hall's
monotone cubic (1992); K is Kish's (1965). 0.7, 0.5 and c = 20 were found by search, then measured on fresh rollouts: with the
truth at the limit and looks at up to 120 groups a wrong verdict of either side came in at most 1 % of rollouts of the cells of
docs/judging.md, which also names the cells where it does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from math import cbrt, exp, inf, log, log1p, sqrt

from bucle.statistics.refusals import FEWEST_GROUPS, NoSpread, Refusal, TooFewGroups, TooFewIndependent

ALPHA = 0.015
"""Nominal, of each side. Over more than 120 groups use 0.01: the corrections are approximate and the looks have no end."""

TUNED_FOR = 20.0
"""c: the evidence is sharpest around so many independent groups."""

SKEW_SHARE, SKEW_DOUBT = 0.7, 0.5
"""How much of the measured skewness is believed, and how many of its standard errors sqrt(6/t) are added to it."""

MOST_CORRELATED = 0.95
FEWEST_DEGREES = 0.5
FARTHEST = 1e9
"""In spreads. What lies further is no surer: beyond it only rounding speaks."""


class Side(IntEnum):
    """Where the mean was shown to lie."""

    BELOW = 1
    ABOVE = -1


@dataclass(frozen=True, slots=True)
class Standing:
    """What t groups say of a mean. `spread`, `skew` and `lag` are those of one group's part in it.

    `lag`: autocorrelation of neighbours, freed of its bias; `kish`: groups of equal size that would weigh the same;
    `lost`: parameters estimated, the mean among them.
    """

    groups: int
    mean: float
    spread: float
    skew: float
    lag: float
    kish: float
    lost: int = 1

    @property
    def inflation(self) -> float:
        """V: how many times the mean varies more than that of independent groups; at least 1."""
        phi = min(max(self.lag, 0.0), MOST_CORRELATED)
        return (1 + phi) / (1 - phi)

    @property
    def independent_groups(self) -> float:
        """τ: independent groups that would say as much."""
        return self.groups / self.inflation

    @property
    def degrees(self) -> float:
        return max(self.kish / self.inflation - self.lost, FEWEST_DEGREES)

    def declared_independent(self) -> Standing:
        """The same, if somebody vouches that no group follows its neighbour: V is 1, whatever the groups look like."""
        return replace(self, lag=0.0)


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the mean lies, at each end with the confidence of one side; an end may be infinite."""

    lower: float
    upper: float


NOWHERE = Interval(-inf, inf)


@dataclass(frozen=True, slots=True)
class Judgement:
    """`side` is None while neither was shown; `refusal` says why nothing could be, whatever the mean."""

    side: Side | None
    interval: Interval
    refusal: Refusal | None = None


def judge(standing: Standing, limit: float, alpha: float = ALPHA) -> Judgement:
    """On which side of the limit does the mean lie?"""
    if standing.groups < FEWEST_GROUPS:
        return Judgement(None, NOWHERE, TooFewGroups(standing.groups))
    if standing.spread <= 0.0:
        return Judgement(None, NOWHERE, NoSpread(standing.groups))
    found = interval(standing, alpha)
    if found == NOWHERE:
        return Judgement(None, NOWHERE, TooFewIndependent(standing.groups, standing.independent_groups))
    shown = (side for side in Side if log_evidence(standing, limit, side) >= log(1 / alpha))
    return Judgement(next(shown, None), found)


def log_evidence(standing: Standing, limit: float, side: Side) -> float:
    """log e of the claim that the mean lies on that side of the limit; −∞ where nothing speaks for it."""
    if standing.spread <= 0.0:
        return -inf
    distance = min(side * (limit - standing.mean) / standing.spread, FARTHEST)
    found = corrected(distance, adverse_skew(standing, side), standing.groups) if distance > 0 else 0.0
    if found <= 0.0:
        return -inf
    tau, nu = standing.independent_groups, standing.degrees
    squared, weight = tau * found * found / nu, TUNED_FOR / (tau + TUNED_FOR)
    return log(2) + log(weight) / 2 + (nu + 1) / 2 * (log1p(squared) - log1p(weight * squared))


def interval(standing: Standing, alpha: float = ALPHA) -> Interval:
    """The limits at which the evidence just decides; without a spread, or with too few groups, there are none."""
    if standing.spread <= 0.0:
        return NOWHERE
    below, above = (reach(standing, side, alpha) for side in (Side.BELOW, Side.ABOVE))
    return Interval(standing.mean - above * standing.spread, standing.mean + below * standing.spread)


def reach(standing: Standing, side: Side, alpha: float = ALPHA) -> float:
    """How many spreads from the mean a limit must lie for that side to be shown. The evidence solved for the distance:
    it is monotone in T², and Hall's cubic is a cube. Infinite where even the farthest limit would not do."""
    tau, nu = standing.independent_groups, standing.degrees
    weight = TUNED_FOR / (tau + TUNED_FOR)
    factor = exp(min(2 * (log(1 / alpha) - log(2) - log(weight) / 2) / (nu + 1), 700.0))
    if factor * weight >= 1:
        return inf
    return away(standing, side, sqrt((factor - 1) / (1 - factor * weight) * nu / tau))


def away(standing: Standing, side: Side, wanted: float) -> float:
    """How many spreads from the mean a limit must lie for its distance to be `wanted` once skewness is corrected."""
    skew = adverse_skew(standing, side)
    return uncorrected(wanted + skew / (6 * standing.groups), skew)


def adverse_skew(standing: Standing, side: Side) -> float:
    return max(0.0, SKEW_SHARE * side * standing.skew + SKEW_DOUBT * sqrt(6 / standing.groups))


def corrected(distance: float, skew: float, groups: int) -> float:
    u, g = distance, skew
    return u - g * u * u / 3 + g * g * u * u * u / 27 - g / (6 * groups)


_HARDLY_SKEWED = 1e-6


def uncorrected(corrected: float, skew: float) -> float:
    """The u whose cubic is `corrected`; for hardly any skew by its first terms, where the cube root would lose digits."""
    if skew < _HARDLY_SKEWED:
        return corrected * (1 + skew * corrected / 3)
    return 3 * (1 - cbrt(1 - skew * corrected)) / skew
