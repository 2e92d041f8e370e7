"""What an evaluation of gates is based on. A new kind of evidence is one more field here. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bucle.contracts.evidence import Evidence, Query
from bucle.contracts.result import Failure
from bucle.engine.reads import Observation
from bucle.kinds.modeldeployment.traffic.counters import Counts


@dataclass(frozen=True, slots=True)
class GateInputs:
    """`counts` is None while the router cannot be asked, `evidence` while the judge is not asked. `began`: since when the
    step has run; `step`: its index, None in a soak."""

    counts: Counts | None
    query: Query | None
    evidence: Observation[Evidence] | None
    judge_trouble: Failure | None
    step: int | None
    began: datetime
    now: datetime

    @property
    def elapsed(self) -> timedelta:
        return self.now - self.began
