"""When a judge is needed and what it is asked, as tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import rollout_states as states
from tests.support.builders.rollout_states import AGO, NOW, PHASES

from bucle.kinds.modeldeployment.evidence.judge_query import evidence_read, judged_gate, query_of
from bucle.kinds.modeldeployment.state import Rollout, Soaking, Stepping, Wait, WaitFor
from bucle.kinds.modeldeployment.traffic.choice import router_for
from bucle.kinds.modeldeployment.traffic.envoy import EnvoyRouter

UNTIL = {"samples": 100, "maxDuration": "1h"}
GATES = [
    {"name": "errors", "errorRate": {"maxIncrease": "0.01"}},
    {"name": "quality", "quality": {"metric": "log_loss", "margin": "0.02"}},
]
SPEC: dict[str, Any] = {
    "gates": GATES,
    "rollout": {
        "steps": [
            {"shadow": {"percent": 20, "until": UNTIL, "gates": ["errors", "quality"]}},
            {"weight": {"percent": 10, "until": UNTIL, "gates": ["errors"]}},
        ]
    },
}
WITHOUT_QUALITY: dict[str, Any] = {
    "gates": GATES[:1],
    "rollout": {"steps": [{"shadow": {"percent": 20, "until": UNTIL, "gates": ["errors"]}}]},
}


def at(step: int, *, in_force: bool = True) -> Stepping:
    return Stepping(states.run(), step, AGO, NOW if in_force else None, 0, 0, None, Wait(WaitFor.GATES))


SOAKING = Soaking(states.run(), states.serving(1), NOW, Wait(WaitFor.SOAK))


@pytest.mark.parametrize(
    ("spec", "rollout", "asked", "runs"),
    [
        (SPEC, at(0), True, True),
        (SPEC, at(0, in_force=False), False, True),
        (SPEC, PHASES["loading"], False, True),
        (SPEC, at(1), False, False),
        (SPEC, at(2), False, False),
        (SPEC, SOAKING, False, False),
        (SPEC, None, False, False),
        (WITHOUT_QUALITY, at(0), False, False),
    ],
)
def test_when_a_judge_is_asked_and_when_it_runs(
    spec: dict[str, Any], rollout: Rollout | None, asked: bool, runs: bool
) -> None:
    deployment, state = states.deployment(**spec), states.state(rollout)
    assert (evidence_read(deployment, state) is not None) == asked
    assert (judged_gate(deployment.spec, state) is not None) == runs


def test_the_first_version_has_nothing_to_be_paired_with() -> None:
    state = states.state(PHASES["loading"], stable=None)
    assert judged_gate(states.deployment(**SPEC).spec, state) is None


def test_the_same_step_is_the_same_question_and_another_beginning_is_another_one() -> None:
    spec = states.deployment(**SPEC).spec
    first = query_of(at(0), spec)
    assert first is not None and (first.step, first.percent) == (0, 20)
    assert query_of(replace(at(0), wait=Wait(WaitFor.SAMPLES)), spec) == first
    assert query_of(replace(at(0), in_force_since=AGO), spec) != first


def test_every_deployment_has_the_operators_own_router() -> None:
    assert isinstance(router_for(states.deployment()), EnvoyRouter)
