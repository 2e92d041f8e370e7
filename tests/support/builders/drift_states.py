"""States of one DriftPolicy as its operator would have written them, for tables of decisions."""

from __future__ import annotations

from datetime import UTC, datetime

from bucle.kinds.driftpolicy.state import (
    Bounds,
    Evaluation,
    EvaluationState,
    OpenRetrain,
    PastRetrain,
    RetrainOutcome,
    RetrainState,
)
from bucle.workloads.attempt import Attempt

THEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 1, 13, tzinfo=UTC)

EVALUATION = Evaluation(
    job="drift-abc-e1a0",
    image="worker:1",
    state=EvaluationState.PLANNED,
    attempt=Attempt(2, failures=1, reason="StoreUnavailable", message="the store does not answer", not_before=LATER),
    revision="rev1",
    window=3,
    until=THEN,
    feedback_rows=5000,
    started_at=THEN,
)
OPEN = OpenRetrain("drift-1", RetrainState.ROLLING_OUT, THEN, 3, Bounds(THEN, THEN), "sha256:m2", 2)
PAST = PastRetrain("drift-0", RetrainOutcome.REFUSED, "NotBetter", THEN, LATER, 1, 1)
