"""A ModelDeployment's numbers in every phase of a rollout, and none of a rollout that is over."""

from __future__ import annotations

import pytest
from tests.support.builders import rollout_states as states
from tests.support.series import told

from bucle.contracts import telemetry
from bucle.contracts.measures import Measures
from bucle.kinds.modeldeployment.measures import measures
from bucle.kinds.modeldeployment.state import Outcome, Rollout, State, finished
from bucle.kinds.modeldeployment.status_codec import Numbers, encode
from bucle.resources.documents import to_dict
from bucle.resources.modeldeployment_status import GateStatus
from bucle.resources.uncounted_status import UncountedStatus

TWO_STEPS = {
    "rollout": {
        "steps": [{"weight": {"percent": 50, "minDuration": "1h"}}, {"weight": {"percent": 80, "minDuration": "1h"}}]
    }
}
GATES = (
    GateStatus(name="errors", step=0, verdict="Pass"),
    GateStatus(
        name="quality",
        step=1,
        verdict="Inconclusive",
        estimate="-0.02",
        limit="0.01",
        samples=300,
        groups=12,
        independent_groups=9,
        uncounted=UncountedStatus(flooded=40),
    ),
)
OF_ROLLOUTS = ("bucle_rollout_", "bucle_gate_", "bucle_uncounted_")


def of(state: State) -> Measures:
    return measures({**to_dict(states.deployment(**TWO_STEPS)), "status": to_dict(encode(state, Numbers({}, {}, 0)))})


@pytest.mark.parametrize(
    ("phase", "wanted"),
    [
        ("loading", {"bucle_rollout_phase Loading": 1}),
        (
            "stepping",
            {
                "bucle_rollout_phase Stepping": 1,
                "bucle_rollout_step": 1,
                "bucle_rollout_weight_ratio desired": 0.5,
                "bucle_rollout_weight_ratio programmed": 0.5,
                "bucle_gate_verdict quality Inconclusive": 1,
                "bucle_gate_estimate quality": -0.02,
                "bucle_gate_limit quality": 0.01,
                "bucle_gate_samples quality": 300,
                "bucle_gate_groups quality": 12,
                "bucle_gate_independent_groups quality": 9,
                "bucle_uncounted_rows flooded": 40,
            },
        ),
        (
            "stepping, over its time",
            {"bucle_rollout_phase Stepping": 1, "bucle_rollout_step_overdue": 1, "bucle_gate_verdict errors Pass": 1},
        ),
        ("aborting", {"bucle_rollout_phase Aborting": 1, "bucle_rollout_weight_ratio programmed": 0.5}),
    ],
)
def test_a_running_rollout_tells_where_it_is(phase: str, wanted: dict[str, float]) -> None:
    found = told(of(states.state(states.PHASES[phase], gates=GATES)))
    times = {"bucle_rollout_started_timestamp_seconds", "bucle_rollout_step_timestamp_seconds", "bucle_rollout_steps"}
    rollout = {name: value for name, value in found.items() if name.startswith(OF_ROLLOUTS) and name not in times}
    assert rollout == wanted
    assert found["bucle_rollout_steps"] == 2
    assert found["bucle_model_version stable"] == 1 and found["bucle_model_version candidate"] == 2


@pytest.mark.parametrize("rollout", states.PHASES.values(), ids=states.PHASES)
def test_a_rollout_that_is_over_leaves_a_count_and_no_series(rollout: Rollout) -> None:
    running = states.state(rollout, gates=GATES)
    over = finished(running, Outcome.ABORTED, "GateNotPassed", states.NOW)
    before, after = of(running), of(over)
    assert not [name for name in told(after, zeros=True) if name.startswith(OF_ROLLOUTS)]
    assert [(h.metric, h.labels) for h in after.happened - before.happened] == [(telemetry.ROLLOUTS, ("Aborted",))]
    assert telemetry.ROLLOUTS in before.counted
