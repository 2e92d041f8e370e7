"""Why no verdict can be trusted, as data with its words. Whoever cannot be sure says which of these it is, never a verdict."""

from __future__ import annotations

from dataclasses import dataclass

FEWEST_GROUPS = 12
FEWEST_ROWS = 5
"""Of every class with a share in a declared mix."""

FARTHEST = 0.5
"""How far the mean covariate of the groups may lie from a declared one, in spreads of a group."""


@dataclass(frozen=True, slots=True)
class TooFewGroups:
    groups: int

    @property
    def words(self) -> str:
        return f"{self.groups} of at least {FEWEST_GROUPS} closed groups"


@dataclass(frozen=True, slots=True)
class TooFewIndependent:
    """Groups that follow each other, or of which few hold most rows, count as fewer; then no mean would be enough."""

    groups: int
    independent: float

    @property
    def words(self) -> str:
        about = f"about {self.independent:.0f} independent groups"
        return f"{self.groups} groups that follow each other or differ in size say as much as {about}: too few for any verdict"


@dataclass(frozen=True, slots=True)
class NoSpread:
    """Groups that never differ do not tell what a bad one would be like: a rare disaster looks the same until it comes."""

    groups: int

    @property
    def words(self) -> str:
        return f"all {self.groups} groups differ by the same, so nothing is known of what another group can do"


@dataclass(frozen=True, slots=True)
class CovariateDidNotMove:
    groups: int

    @property
    def words(self) -> str:
        return f"all {self.groups} groups are equally hard, so they tell nothing of another mix: the covariate did not move"


@dataclass(frozen=True, slots=True)
class TooFarFromMix:
    """`distance` in spreads of a group; `here` and `declared`: the covariate's mean."""

    distance: float
    here: float
    declared: float

    def told(self, here: str, declared: str) -> str:
        """The same with both covariates in words that people know them by."""
        return (
            f"the rollout's groups ({here}) lie {self.distance:.2f} spreads from the declared mix ({declared}), "
            f"at most {FARTHEST:g}"
        )

    @property
    def words(self) -> str:
        return self.told(f"{self.here:.4g}", f"{self.declared:.4g}")


@dataclass(frozen=True, slots=True)
class TooFewOfClass:
    groups: int
    label: str
    rows: float

    @property
    def words(self) -> str:
        return f"class {self.label} has fewer than {FEWEST_ROWS} rows: {self.rows:.0f}"


Refusal = TooFewGroups | TooFewIndependent | NoSpread | CovariateDidNotMove | TooFarFromMix | TooFewOfClass
