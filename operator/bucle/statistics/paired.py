"""Rule A: what paired groups say of the mean difference per row, over the groups that came.

A group: (x, n) = the sum of its rows' differences and their number, n > 0. Groups stand in their order in time, which is what
tells whether neighbours are alike. The rule itself is in `evidence`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from bucle.statistics.evidence import Standing
from bucle.statistics.series import shape

Sums = tuple[float, float]


def standing(groups: Sequence[Sums]) -> Standing:
    """m = Σx/Σn; the part of a group is its residual (x − m·n)/(Σn/t); s² = Σr²/(t−1); K = (Σn)²/Σn². At least one group."""
    t, rows = len(groups), sum(n for _, n in groups)
    mean, typical = sum(x for x, _ in groups) / rows, rows / t
    found = shape([(x - mean * n) / typical for x, n in groups], sum((x / typical) ** 2 for x, _ in groups))
    spread = sqrt(found.squares / (t - 1)) if found.squares else 0.0
    return Standing(t, mean, spread, found.skew, found.lag, rows * rows / sum(n * n for _, n in groups))
