"""How a gate is evaluated in a step: what is missing, whether it can arrive in time, and when its record is worth a write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bucle.contracts.evidence import Evidence, GroupSums, Query
from bucle.engine.reads import Known
from bucle.externals.answers import AnswerCounts
from bucle.kinds.modeldeployment.gates.evaluation import Decision, evaluate_gate, judge, remembered
from bucle.kinds.modeldeployment.gates.inputs import GateInputs
from bucle.kinds.modeldeployment.steps.running import RunningStep
from bucle.kinds.modeldeployment.traffic.counters import Counts
from bucle.resources.modeldeployment import Gate, Rollout, Until
from bucle.resources.modeldeployment_status import GateStatus
from bucle.resources.uncounted_status import UncountedStatus

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


def uncounted(**counts: int) -> GateStatus:
    told = record("NoData", 0)
    return told.model_copy(update={"uncounted": UncountedStatus(**counts)} if counts else {})


@pytest.mark.parametrize(
    ("old", "new", "written"),
    [
        (uncounted(), uncounted(unjoined=1), True),
        (uncounted(unjoined=10), uncounted(unjoined=11), False),
        (uncounted(unjoined=10), uncounted(unjoined=16), True),
        (uncounted(unjoined=10), uncounted(unjoined=10, ungrouped=1), True),
        (uncounted(misdated=3), uncounted(), True),
    ],
)
def test_a_gate_that_only_ever_gets_rows_that_count_for_nothing_says_so(
    old: GateStatus, new: GateStatus, written: bool
) -> None:
    assert remembered([old], [new]) == ((new,) if written else (old,))


QUALITY = Gate.model_validate(
    {
        "name": "quality",
        "quality": {"metric": "log_loss", "margin": "0.005", "groupBy": {"column": "day", "unit": "Day"}},
    }
)
QUERY = Query(rollout="ro1", step=0, started_at=START.isoformat(), stable="old", candidate="new")


@pytest.mark.parametrize("groups", [0, 14], ids=["NoData", "Inconclusive"])
@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ({"ungrouped": 7}, "7 labelled rows have no group: requests do not send column day"),
        ({"misdated": 3}, "3 labelled rows are dated more than a year after they were received: correct column day"),
        ({"unjoined": 9}, "9 labels belong to no answer of this version within `feedback.horizon`"),
        ({"unreadable": 2}, "2 labels or answers cannot be read"),
    ],
)
def test_a_gate_that_waits_tells_what_does_not_count_and_what_to_do(
    lost: dict[str, int], told: str, groups: int
) -> None:
    sums = [GroupSums(group=f"{n}", n=10, x=0.1 * (-1) ** n, p=-1, c=5, s=5) for n in range(groups)]
    counts = {"requests": 50, "pairs": 50, "labelled": 50, "missing": 0, "dropped": 0, "open_rows": 0, "ungrouped": 0}
    evidence = Evidence(query=QUERY, metric="log_loss", watermark="", groups=tuple(sums), **(counts | lost))
    asked = GateInputs(None, QUERY, Known(evidence, START), None, 0, START, START)
    found = evaluate_gate(QUALITY, None, asked)
    assert found.verdict == ("Inconclusive" if groups else "NoData")
    assert told in (found.message or "") and found.uncounted == UncountedStatus(**lost)
