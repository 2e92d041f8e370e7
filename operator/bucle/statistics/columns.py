"""Whether a window's rows look like those of training, column by column, without labels.

Distance of two distributions: D = the greatest difference of their cumulative shares over the cells of the profile
(0 to 1; one absurd value is one row). Breached when D reaches the least effect that matters and exceeds
√(ln(2/α)/2 · (V/n + V/n_reference)) (Dvoretzky, Kiefer & Wolfowitz 1956; Massart 1990), V rows of the window
saying as much as one independent row: from same-length stretches of training rows and from the window's own ranks, in
the order in which its rows came: (1 + φ)/(1 − φ) with φ + (1 + 3φ)/n for the short series' bias (Kendall 1954).
Shares of rows (nulls and the like): normal quantile over a pooled share, the same V, corrected for the skewness that the
share of few independent rows has (Cornish & Fisher 1938).

Many columns are allowed for by asking that the same column is breached in k of m windows: α of one question is
(alpha/(columns · C(m, k)))^(1/k). What it gives: docs/judging.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import comb, log, sqrt
from statistics import NormalDist

from bucle.contracts.findings import ColumnFindings, Finding, Question, WindowFindings
from bucle.contracts.profile import Blocks, FeatureProfile
from bucle.contracts.sketch import RANKS, ColumnSketch, WindowSketch

MIN_EFFECT = 0.1
ALPHA = 0.01
FEWEST_ROWS = 30
"""Fewer rows of a column are not compared."""
SHARE_EFFECT, SMALL_SHARE_EFFECT, SMALL_ROWS = 0.05, 0.075, 200
"""By how much a share of rows must have grown; windows of few rows by more."""
VARIED = 0.5
"""A window of one value is a failure of the data where less than this share of training had it."""
COLLAPSED = 0.1
"""Ranks that vary by less than this share of training's say nothing of how rows follow each other."""
FULLY_DEPENDENT = 0.999


@dataclass(frozen=True, slots=True)
class Rule:
    """`alpha`: of one question of one column and window, see `alpha_of_one`. `seconds`: how long the window is, where
    it is a stretch of time."""

    alpha: float
    min_effect: float = MIN_EFFECT
    seconds: int | None = None


def alpha_of_one(alpha: float, columns: int, breaches: int, of: int) -> float:
    """What one column in one window may err by, so that some column is breached by chance in `breaches` of `of`
    windows with a probability of `alpha` at most, where windows are independent."""
    return float((alpha / (max(1, columns) * comb(of, breaches))) ** (1 / breaches))


def persisting(windows: Sequence[Collection[str]], breaches: int, of: int) -> frozenset[str]:
    """The columns that are in `breaches` of the last `of` windows; `windows` holds the breached ones, the newest last."""
    often = Counter(name for window in windows[-of:] for name in set(window))
    return frozenset(name for name, count in often.items() if count >= breaches)


def compare(window: WindowSketch, profiles: Sequence[FeatureProfile], blocks: Blocks, rule: Rule) -> WindowFindings:
    """All questions of all columns that both have; a column that cannot be compared keeps no other from it."""
    known = {profile.name: profile for profile in profiles}
    found = [
        compare_column(column, known[column.name], window.rows, blocks, rule)
        for column in window.columns
        if column.name in known
    ]
    return WindowFindings(rows=window.rows, alpha=rule.alpha, columns=tuple(found))


def compare_column(
    column: ColumnSketch, profile: FeatureProfile, rows: int, blocks: Blocks, rule: Rule
) -> ColumnFindings:
    shares = tuple(_shares(column, profile, rows, blocks, rule))
    n = column.compared
    if not profile.comparable:
        return ColumnFindings(column=column.name, standing="NoProfile", findings=shares)
    if n < FEWEST_ROWS:
        standing = "TooFewRows" if n else "Empty"
        return ColumnFindings(column=column.name, standing=standing, findings=shares)
    inflation = _inflation(column, profile, blocks, rule.seconds)
    constant = _constant(column, profile, blocks, rule)
    judged = (constant,) if constant.breached else (constant, _drift(column, profile, inflation, rule))
    return ColumnFindings(
        column=column.name, standing="Compared", inflation=round(inflation, 3), findings=(*judged, *shares)
    )


def expected_cells(profile: FeatureProfile, most_new: float = 1.0) -> tuple[float, ...]:
    """Rows per cell as `ColumnSketch.cells` has them; of categories a part is expected to be new ones (Good 1953), but
    `most_new` of them at most: new ones that do not come are no change."""
    if profile.numeric:
        return profile.cells
    known = [profile.counts[value] for value in profile.known]
    other = sum(profile.counts.values()) + profile.other - sum(known)
    new = min(float(other), profile.singletons or 0, most_new * (sum(known) + other))
    return (*known, other - new, new)


def distance(mine: Sequence[float], other: Sequence[float]) -> float:
    """The greatest difference of cumulative shares."""
    left, right = sum(mine), sum(other)
    return max(abs(a / left - b / right) for a, b in zip(accumulate(mine), accumulate(other), strict=True))


def ranks_of(profile: FeatureProfile) -> tuple[int, ...]:
    """The middle rank of each cell's rows among those of training, from −RANKS/2 to RANKS/2."""
    cells = expected_cells(profile)
    total, upto = sum(cells), tuple(accumulate(cells, initial=0.0))
    return tuple(round(RANKS * ((low + high) / 2 / total - 0.5)) for low, high in pairwise(upto)) if total else ()


def _drift(column: ColumnSketch, profile: FeatureProfile, inflation: float, rule: Rule) -> Finding:
    expected = expected_cells(profile, column.cells[-1] / column.compared)
    value = distance(column.cells, expected)
    threshold = sqrt(log(2 / rule.alpha) / 2 * _noise(inflation, column.compared, sum(expected)))
    breached = value >= rule.min_effect and value > threshold
    return Finding(
        question="Drift", breached=breached, value=_told(value), limit=_told(max(rule.min_effect, threshold))
    )


def _constant(column: ColumnSketch, profile: FeatureProfile, blocks: Blocks, rule: Rule) -> Finding:
    """Judged before drift: what no longer changes is broken, not drifted."""
    n, fullest = column.compared, max(column.cells)
    expected = expected_cells(profile)
    share = expected[column.cells.index(fullest)] / max(1.0, sum(expected))
    same = column.least == column.greatest if profile.numeric else fullest in column.cells[:-2]
    independent = n / inflation_of_blocks(profile.levels, profile.time_levels, blocks, n, rule.seconds)
    breached = fullest == n and same and share < VARIED and _power(share, independent) <= rule.alpha
    return Finding(question="Constant", breached=breached, value=_told(fullest / n), expected=_told(share), limit=1.0)


def _shares(column: ColumnSketch, profile: FeatureProfile, rows: int, blocks: Blocks, rule: Rule) -> Iterable[Finding]:
    """Nulls, misfits, and values that training did not have. Rows without the column are rows without a value."""
    if not rows:
        return
    reference = max(1, profile.rows)
    nulls = profile.nulls / reference
    levels = inflation_of_blocks(profile.null_levels, profile.null_time_levels, blocks, rows, rule.seconds)
    yield _share("Nulls", column.nulls + column.missing, rows, nulls, reference, levels, rule)
    yield _share("Invalid", column.invalid, rows, 0.0, reference, 1.0, rule)
    gone = column.missing == rows and profile.nulls < profile.rows
    yield Finding(question="Missing", breached=gone, value=_told(column.missing / rows), limit=1.0)
    n, present = column.compared, profile.rows - profile.nulls
    if not n or not profile.comparable:
        return
    inflation = _inflation(column, profile, blocks, rule.seconds)
    if profile.numeric:
        # The least and the greatest of n + 1 rows are any two of them.
        beyond = min(1.0, 2 / (present + 1))
        yield _share("OutOfRange", column.outside, n, beyond, present, inflation, rule)
    else:
        unseen = min(1.0, (profile.singletons or 0) / max(1, present))
        yield _share("Unknown", column.cells[-1], n, unseen, present, inflation, rule)


def _share(
    question: Question, count: int, n: int, expected: float, reference: int, inflation: float, rule: Rule
) -> Finding:
    value = count / n
    pooled = (count + expected * reference + 1) / (n + reference + 2)
    variance = pooled * (1 - pooled)
    skew = max(0.0, (1 - 2 * pooled) / sqrt(variance * n / inflation))
    q = NormalDist().inv_cdf(1 - rule.alpha)
    reach = (q + skew * (q * q - 1) / 6) * sqrt(variance * _noise(inflation, n, reference))
    limit = expected + max(SHARE_EFFECT if n >= SMALL_ROWS else SMALL_SHARE_EFFECT, reach)
    return Finding(
        question=question, breached=value > limit, value=_told(value), expected=_told(expected), limit=_told(limit)
    )


def _noise(inflation: float, n: int, reference: float) -> float:
    """The variance of a difference of means, in variances of one row. Training is no less certain of its own level than
    a window as long as it."""
    return inflation / n + max(1.0, inflation * min(1.0, reference / n)) / reference


def _inflation(column: ColumnSketch, profile: FeatureProfile, blocks: Blocks, seconds: int | None) -> float:
    n, ranks = column.compared, ranks_of(profile)
    of_training = inflation_of_blocks(profile.levels, profile.time_levels, blocks, n, seconds)
    squares = _squares(column.cells, ranks)
    if squares / n <= COLLAPSED * _squares(expected := expected_cells(profile), ranks) / sum(expected):
        return of_training
    mean = sum(count * rank for count, rank in zip(column.cells, ranks, strict=True)) / n
    ends = (column.first or 0) + (column.last or 0)
    lag = (column.neighbours - mean * (2 * n * mean - ends) + (n - 1) * mean * mean) / squares
    following = min(max(lag + (1 + 3 * lag) / n, 0.0), FULLY_DEPENDENT)
    return max(of_training, (1 + following) / (1 - following))


def _squares(cells: Sequence[float], ranks: Sequence[int]) -> float:
    """Σ(rank − mean)²."""
    n = sum(cells)
    mean = sum(count * rank for count, rank in zip(cells, ranks, strict=True)) / n
    return sum(count * (rank - mean) ** 2 for count, rank in zip(cells, ranks, strict=True))


def inflation_of_blocks(
    levels: Sequence[float], time_levels: Sequence[float], blocks: Blocks, n: int, seconds: int | None
) -> float:
    """V of a window of n rows, from stretches of training rows that are as long: the greater of the two lengths around it."""
    if seconds is not None and time_levels:
        return 1 + n * max(_around(blocks.seconds, time_levels, seconds))
    if not levels:
        return 1.0
    longest = blocks.rows[len(levels) - 1]
    if n > longest:
        return 1 + n * levels[-1]
    lengths = [length * level for length, level in zip(blocks.rows, levels, strict=False)]
    return 1 + max(_around(blocks.rows, lengths, n))


def _around(lengths: Sequence[int], values: Sequence[float], wanted: int) -> list[float]:
    """The value of that length, or those of the next shorter and the next longer one."""
    at = [value for length, value in zip(lengths, values, strict=False) if length == wanted]
    if at:
        return at
    shorter = [value for length, value in zip(lengths, values, strict=False) if length < wanted][-1:]
    longer = [value for length, value in zip(lengths, values, strict=False) if length > wanted][:1]
    return [*shorter, *longer]


def _power(share: float, exponent: float) -> float:
    return 0.0 if share <= 0 else share**exponent


def _told(value: float) -> float:
    return round(value, 6)
