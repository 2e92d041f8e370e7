"""What is missing in a step, and whether it can arrive in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bucle.externals.answers import AnswerCounts
from bucle.kinds.modeldeployment.gates.evaluation import evaluate_gate
from bucle.kinds.modeldeployment.gates.inputs import GateInputs
from bucle.kinds.modeldeployment.gates.samples_needed import needs, with_floor
from bucle.kinds.modeldeployment.gates.table import kind_of
from bucle.kinds.modeldeployment.gates.verdict import Finding, Verdict
from bucle.kinds.modeldeployment.traffic.counters import Counts
from bucle.resources.gates import Gate
from bucle.resources.modeldeployment import Until
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


QUALITY = Gate.model_validate(
    {
        "name": "quality",
        "quality": {"metric": "log_loss", "margin": "0.005", "groupBy": {"column": "day", "unit": "Day"}},
    }
)


@pytest.mark.parametrize(
    ("gate", "until", "in_step", "groups", "told"),
    [
        (GATE, {"samples": 100}, 100, None, ""),
        (GATE, {"samples": 100}, 99, None, "99 of 100 samples"),
        (GATE, {"samples": 100, "groups": 14}, 100, None, ""),
        (QUALITY, {"samples": 100, "groups": 14}, 100, 13, "13 of 14 groups"),
        (QUALITY, {"samples": 100, "groups": 14}, 9, 13, "9 of 100 samples and 13 of 14 groups"),
    ],
)
def test_a_pass_needs_the_evidence_that_the_step_asks_for(
    gate: Gate, until: dict[str, int], in_step: int, groups: int | None, told: str
) -> None:
    kind, _ = kind_of(gate)
    passing = Finding(Verdict.PASS, "fine", samples=500, groups=groups)
    found = with_floor(passing, Until.model_validate({"maxDuration": "1h"} | until), in_step, kind)
    assert found.verdict == (Verdict.NO_DATA if told else Verdict.PASS)
    assert found.message == (f"{told} of this step; so far: fine" if told else "fine")


def test_who_lacks_nothing_needs_nothing() -> None:
    assert needs(Finding(Verdict.PASS, "fine", samples=500), 500, inputs(None, timedelta(0)), UNTIL) is None
