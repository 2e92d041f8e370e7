"""How a gate is evaluated in a step: what is missing, whether it can arrive in time, and when its record is worth a write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bucle.externals.answers import AnswerCounts
from bucle.kinds.modeldeployment.gates.evaluation import Decision, evaluate_gate, judge, remembered
from bucle.kinds.modeldeployment.gates.inputs import GateInputs
from bucle.kinds.modeldeployment.steps.running import RunningStep
from bucle.kinds.modeldeployment.traffic.counters import Counts
from bucle.resources.modeldeployment import Gate, Rollout, Until
from bucle.resources.modeldeployment_status import GateStatus

START = datetime(2026, 1, 1, tzinfo=UTC)
GATE = Gate.model_validate({"name": "errors", "errorRate": {"maxIncrease": "0.005"}})
UNTIL = Until.model_validate({"samples": 2000, "maxDuration": "1h"})


def inputs(counts: Counts | None, after: timedelta) -> GateInputs:
    return GateInputs(counts, None, None, None, 0, START, START + after)


def look(in_step: int, earlier: int, after: timedelta) -> GateStatus:
    counts = Counts(AnswerCounts(50_000, 0), AnswerCounts(earlier + in_step, 0), AnswerCounts(in_step, 0))
    return evaluate_gate(GATE, UNTIL, inputs(counts, after))


@pytest.mark.parametrize(
    ("in_step", "minutes", "unreachable"), [(100, 5, False), (100, 20, True), (1000, 20, False), (0, 10, True)]
)
def test_what_earlier_steps_brought_says_nothing_about_this_steps_rate(
    in_step: int, minutes: int, unreachable: bool
) -> None:
    found = look(in_step, earlier=20_000, after=timedelta(minutes=minutes))
    assert found.verdict == "NoData" and found.needs is not None
    assert found.needs.samples == 22_000, "needs are totals, as samples are"
    assert (found.needs.reachable is False) is unreachable


def record(verdict: str, samples: int, message: str = "") -> GateStatus:
    return GateStatus(name="errors", step=0, verdict=verdict, samples=samples, message=message)


@pytest.mark.parametrize(
    ("old", "new", "written"),
    [
        (record("NoData", 1000), record("NoData", 1100, "other words"), False),
        (record("NoData", 1000), record("NoData", 1501), True),
        (record("NoData", 1000), record("Pass", 1001), True),
        (record("NoData", 1000), record("NoData", 10), True),
        (record("Error", 0, "refused"), record("Error", 0, "timed out"), True),
    ],
)
def test_a_record_is_written_when_it_says_something_new(old: GateStatus, new: GateStatus, written: bool) -> None:
    assert remembered([old], [new]) == ((new,) if written else (old,))


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
    found = judge(STEP, [record(verdict, 1)], Rollout.model_validate(policy), inputs(None, timedelta(minutes=minutes)))
    assert (found.decision, found.reason) == (decision, reason)
