"""Rule A for intervals that weigh the same, from seven numbers: the intervals themselves need not be kept.

Unit: whatever one difference d is in; for the gate on errors a difference of shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from bucle.statistics.evidence import Standing
from bucle.statistics.series import of_sums


@dataclass(frozen=True, slots=True)
class Moments:
    """Of `count` differences d in their order: Σd, Σd², Σd³, Σ d_g·d_{g−1}, the first and the last."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    cubes: float = 0.0
    neighbours: float = 0.0
    first: float = 0.0
    last: float = 0.0

    def and_then(self, difference: float) -> Moments:
        return Moments(
            self.count + 1,
            self.total + difference,
            self.squares + difference**2,
            self.cubes + difference**3,
            self.neighbours + (self.last * difference if self.count else 0.0),
            self.first if self.count else difference,
            difference,
        )

    def standing(self) -> Standing:
        """Of at least one difference; the sums of residuals r = d − m follow from those of d."""
        t, mean = self.count, self.total / self.count
        squares = self.squares - t * mean * mean
        cubes = self.cubes - 3 * mean * self.squares + 2 * t * mean * mean * mean
        ends = 2 * self.total - self.first - self.last
        neighbours = self.neighbours - mean * ends + (t - 1) * mean * mean
        found = of_sums(t, squares, cubes, neighbours, self.squares)
        spread = sqrt(found.squares / (t - 1)) if found.squares else 0.0
        return Standing(t, mean, spread, found.skew, found.lag, float(t))
