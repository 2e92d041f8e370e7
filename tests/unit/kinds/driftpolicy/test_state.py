"""The codec of a DriftPolicy's state: what is written is read back, and what nobody knows is not guessed at."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bucle.engine.room import UnknownState
from bucle.kinds.driftpolicy.state import (
    Action,
    ActionOutcome,
    Bounds,
    Cursor,
    Evaluation,
    EvaluationState,
    OpenRetrain,
    PastRetrain,
    RetrainOutcome,
    RetrainState,
    State,
    Verdict,
    WindowVerdict,
    decoded,
    encoded,
)
from bucle.resources.documents import to_dict
from bucle.resources.driftpolicy_status import DriftPolicyStatus
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


@pytest.mark.parametrize(
    "state",
    [
        State(),
        State(cursor=Cursor("rev1", THEN, 0, None, "rule")),
        State(
            cursor=Cursor("rev1", THEN, 4, 5000, "rule"),
            verdicts=(WindowVerdict(2, Verdict.HEALTHY), WindowVerdict(3, Verdict.BREACHED)),
            evaluation=EVALUATION,
            action=Action("Retrain", ActionOutcome.WAITING, "Cooldown", "the last retrain began lately", THEN),
            retrain=OPEN,
            retrains_begun=2,
            past_retrains=(PAST,),
        ),
        State(retrain=OPEN, retrains_begun=1),
    ],
)
def test_what_is_written_is_read_back(state: State) -> None:
    stored = DriftPolicyStatus.model_validate(to_dict(encoded(state)))
    assert decoded(stored) == state


@pytest.mark.parametrize(
    ("status", "field"),
    [
        (
            {"evaluation": {"job": "j", "image": "i", "until": "2026-03-01T12:00:00Z", "state": "Created"}},
            "evaluation.state",
        ),
        ({"retrains": {"inFlight": {"name": "n", "state": "Started"}}}, "retrains.inFlight.state"),
        ({"retrains": {"recent": [{"name": "n", "outcome": "Lost"}]}}, "retrains.recent[].outcome"),
        ({"streak": [{"window": 1, "verdict": "Odd"}]}, "streak[].verdict"),
        ({"lastEvaluation": {"verdict": "Odd"}}, "lastEvaluation.verdict"),
        (
            {"action": {"wanted": "Alert", "reason": "Breached", "outcome": "?", "at": "2026-03-01T12:00:00Z"}},
            "action.outcome",
        ),
    ],
)
def test_a_state_of_another_release_is_named_and_never_guessed_at(status: dict[str, object], field: str) -> None:
    with pytest.raises(UnknownState, match=field.replace("[]", r"\[\]").replace(".", r"\.")):
        decoded(DriftPolicyStatus.model_validate(status))
