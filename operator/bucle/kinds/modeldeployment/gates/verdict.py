"""What a gate says: a verdict with the numbers behind it. Pure values; knows no object or clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bucle.contracts.uncounted import Uncounted
from bucle.resources.modeldeployment_status import MixStatus

ALPHA = 0.05


class Verdict(StrEnum):
    PASS = "Pass"
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"
    NO_DATA = "NoData"
    ERROR = "Error"


@dataclass(frozen=True, slots=True)
class Bounds:
    """An estimate and where the truth lies, both ends included; the unit is the caller's. An end may be infinite."""

    estimate: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One evaluation of one gate. `samples` are the candidate's; `needs_*` are totals that would let it pass as things
    stand."""

    verdict: Verdict
    message: str
    samples: int = 0
    groups: int | None = None
    bounds: Bounds | None = None
    limit: float | None = None
    needs_samples: int | None = None
    needs_groups: int | None = None
    uncounted: Uncounted = Uncounted()
    independent_groups: int | None = None
    mix: MixStatus | None = None
