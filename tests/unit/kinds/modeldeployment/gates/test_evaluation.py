"""How a gate is evaluated: what it tells of rows that do not count, and when its record is worth a write."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bucle.contracts.evidence import Evidence, GroupSums, Query
from bucle.engine.reads import Known
from bucle.kinds.modeldeployment.gates.evaluation import evaluate_gate, remembered
from bucle.kinds.modeldeployment.gates.inputs import GateInputs
from bucle.resources.gates import Gate
from bucle.resources.modeldeployment_status import GateStatus
from bucle.resources.uncounted_status import UncountedStatus

START = datetime(2026, 1, 1, tzinfo=UTC)


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
