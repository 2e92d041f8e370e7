"""Rule A at a mix that somebody declared: is it better on days, or with classes, such as those?

Most of what makes groups differ is how hard each of them is. Held fixed at a declared mix, that noise is gone, and the question
stays the same while the days change. It is another question than `paired`'s, so it is never asked unless somebody declares it.

By days: groups (x, n, w), w = Σ of a covariate z over the rows that tells how hard the group is (the share of the positive class,
or the constant predictor's loss: one is a line in the other). A line d = m + b(z − z̄) is put through the groups and read at z0.
By classes: for each group and true class (x, n); the mean of each class is weighted by the declared shares (the post-stratified
mean). Nothing is fitted, so nothing is refused because the days moved away.

Sources: the regression estimate at a known mean of a covariate (Lin 2013) is the control variate of Deng and others (2013);
residuals without their own group: the jackknife, HC3 (MacKinnon & White 1985). Measured, and not held, in docs/judging.md:
a bent relation while z has a season or follows itself (1.1 to 3.6 %), skewness above 2, slow and white noise together, and a z0
that is itself an estimate of something else: z0 is the question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, sqrt

from bucle.statistics import evidence
from bucle.statistics.evidence import ALPHA, NOWHERE, Judgement, Standing
from bucle.statistics.refusals import (
    FARTHEST,
    FEWEST_GROUPS,
    FEWEST_ROWS,
    CovariateDidNotMove,
    TooFarFromMix,
    TooFewGroups,
    TooFewOfClass,
)
from bucle.statistics.series import FEWEST, ROUNDING, shape

_LEAST_LEFT = 0.05
"""Of a group that the line goes through almost by itself, so much is taken as its freedom to differ."""

Covered = tuple[float, float, float]
ClassSums = Mapping[str, tuple[float, float]]


# --- by days ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ByDays:
    """`standing.mean` is the line at the declared covariate. `here`: the groups' own mean of it; `slope`: per unit of it;
    `distance`: from here to the declared one, in spreads of a group."""

    standing: Standing
    slope: float
    here: float
    declared: float
    distance: float

    def turns_at(self, limit: float) -> float | None:
        """The covariate at which the line meets the limit; None for a level line, or one that is as good as level."""
        turns = self.declared + (limit - self.standing.mean) / self.slope if self.slope else inf
        return turns if isfinite(turns) else None


def by_days(groups: Sequence[Covered], declared: float) -> ByDays | CovariateDidNotMove:
    """m(z0) = Σ h_g·x_g/n_g with h_g = n_g(1/N − (z̄ − z0)c_g/S), c_g = z_g − z̄, S = Σ n c²; K = 1/Σh² holds the price of the way
    from z̄ to z0. The spread is the larger of the jackknife's and of that of groups with one common spread, and so is the lag:
    either alone was wrong where the relation bends, or where groups follow each other far from the mix.
    """
    t, rows = len(groups), sum(n for _, n, _ in groups)
    mean, here = sum(x for x, _, _ in groups) / rows, sum(w for _, _, w in groups) / rows
    off = [w / n - here for _, n, w in groups]
    moved = sum(n * c * c for (_, n, _), c in zip(groups, off, strict=True))
    if t < FEWEST or moved <= ROUNDING * sum(w * w / n for _, n, w in groups):
        return CovariateDidNotMove(t)
    slope = sum(c * (x - mean * n) for (x, n, _), c in zip(groups, off, strict=True)) / moved
    line = _Line([n for _, n, _ in groups], off, moved, here - declared)
    errors = [x / n - mean - slope * c for (x, n, _), c in zip(groups, off, strict=True)]
    standing = line.standing(mean - slope * (here - declared), errors, sum((x * t / rows) ** 2 for x, _, _ in groups))
    return ByDays(standing, slope, here, declared, abs(here - declared) / sqrt(moved / rows))


@dataclass(frozen=True, slots=True)
class _Line:
    """The rows and centred covariates of the groups, S, and how far from z̄ the line is read."""

    rows: Sequence[float]
    off: Sequence[float]
    moved: float
    way: float

    def standing(self, mean: float, errors: Sequence[float], size: float) -> Standing:
        t, rows = len(self.rows), sum(self.rows)
        groups = list(zip(self.rows, self.off, errors, strict=True))
        weights = [n * (1 / rows - self.way * c / self.moved) for n, c, _ in groups]
        kish = 1 / sum(h * h for h in weights)
        free = [max(1 - n * (1 / rows + c * c / self.moved), _LEAST_LEFT) for n, c, _ in groups]
        parts = [t * h * e / left for h, e, left in zip(weights, errors, free, strict=True)]
        middle = sum(parts) / t
        without = shape([part - middle for part in parts], size)
        common = shape([n * t / rows * e for n, _, e in groups], size)
        common_variance = common.squares / (t - 2) * rows * rows / sum(n * n for n in self.rows) / kish
        spread = sqrt(max(without.squares / (t - 1), common_variance))
        return Standing(t, mean, spread, without.skew, max(without.lag, common.lag), kish, lost=2)


def judge_by_days(found: ByDays | CovariateDidNotMove, limit: float, alpha: float = ALPHA) -> Judgement:
    """As `evidence.judge`, and never far from the declared mix: there a line is an extrapolation."""
    if isinstance(found, CovariateDidNotMove):
        few = found.groups < FEWEST_GROUPS
        return Judgement(None, NOWHERE, TooFewGroups(found.groups) if few else found)
    judged = evidence.judge(found.standing, limit, alpha)
    if found.distance <= FARTHEST or isinstance(judged.refusal, TooFewGroups):
        return judged
    return Judgement(None, NOWHERE, TooFarFromMix(found.distance, found.here, found.declared))


# --- by classes ------------------------------------------------------------------------------------------------


def by_classes(groups: Sequence[ClassSums], mix: Mapping[str, float]) -> Standing | TooFewOfClass:
    """m = Σ π_c·X_c/N_c; a group's part: t·Σ π_c(x_gc − m_c·n_gc)/N_c; K = 1/Σ_g(Σ π_c·n_gc/N_c)². `mix`: the share of every class
    that counts, together 1; what a group says of other classes is left out."""
    t, wanted = len(groups), {label: share for label, share in mix.items() if share > 0}
    nothing = (0.0, 0.0)
    seen = {label: sum(group.get(label, nothing)[1] for group in groups) for label in wanted}
    rare = min(wanted, key=lambda label: seen[label])
    if seen[rare] < FEWEST_ROWS:
        return TooFewOfClass(t, rare, seen[rare])
    means = {label: sum(group.get(label, nothing)[0] for group in groups) / seen[label] for label in wanted}
    scale = {label: share / seen[label] for label, share in wanted.items()}

    def over(group: ClassSums, *, centred: bool) -> float:
        sums = {label: group.get(label, nothing) for label in wanted}
        return sum(scale[label] * (x - (means[label] * n if centred else 0.0)) for label, (x, n) in sums.items())

    size = sum((t * over(group, centred=False)) ** 2 for group in groups)
    found = shape([t * over(group, centred=True) for group in groups], size)
    weights = [sum(scale[label] * group.get(label, nothing)[1] for label in wanted) for group in groups]
    spread = sqrt(found.squares / (t - 1)) if found.squares else 0.0
    mean = sum(share * means[label] for label, share in wanted.items())
    return Standing(t, mean, spread, found.skew, found.lag, 1 / sum(weight * weight for weight in weights))


def judge_by_classes(found: Standing | TooFewOfClass, limit: float, alpha: float = ALPHA) -> Judgement:
    if isinstance(found, TooFewOfClass):
        few = found.groups < FEWEST_GROUPS
        return Judgement(None, NOWHERE, TooFewGroups(found.groups) if few else found)
    return evidence.judge(found, limit, alpha)
