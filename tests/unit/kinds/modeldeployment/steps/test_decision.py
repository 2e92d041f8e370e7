"""What follows from the verdicts of a step's gates, as a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bucle.kinds.modeldeployment.gates.inputs import GateInputs
from bucle.kinds.modeldeployment.steps.decision import Decision, judge
from bucle.kinds.modeldeployment.steps.running import RunningStep
from bucle.resources.modeldeployment import Rollout, Until
from bucle.resources.modeldeployment_status import GateStatus

START = datetime(2026, 1, 1, tzinfo=UTC)
UNTIL = Until.model_validate({"samples": 2000, "maxDuration": "1h"})
STEP = RunningStep("ShiftingTraffic", 10, 0, paired=False, until=UNTIL, gates=("errors",))


@pytest.mark.parametrize(
    ("verdict", "minutes", "policy", "decision", "reason"),
    [
        ("Pass", 5, {}, Decision.ADVANCE, ""),
        ("Fail", 0, {}, Decision.ABORT, "GateNotPassed"),
        ("NoData", 30, {}, Decision.HOLD, ""),
        ("NoData", 60, {}, Decision.HOLD, "NoTraffic"),
        ("NoData", 60, {"onNoData": "Abort"}, Decision.ABORT, "NoTraffic"),
        ("Inconclusive", 60, {}, Decision.ABORT, "UndecidedAtMaxDuration"),
        ("Inconclusive", 60, {"onUndecided": "Hold"}, Decision.HOLD, "UndecidedAtMaxDuration"),
        ("Error", 60, {}, Decision.HOLD, "UndecidedAtMaxDuration"),
        ("Error", 60, {"onError": "Abort"}, Decision.ABORT, "UndecidedAtMaxDuration"),
    ],
)
def test_what_follows_from_a_verdict(
    verdict: str, minutes: int, policy: dict[str, str], decision: Decision, reason: str
) -> None:
    gate = GateStatus(name="errors", step=0, verdict=verdict, samples=1, message="")
    inputs = GateInputs(None, None, None, None, 0, START, START + timedelta(minutes=minutes))
    found = judge(STEP, [gate], Rollout.model_validate(policy), inputs)
    assert (found.decision, found.reason) == (decision, reason)
