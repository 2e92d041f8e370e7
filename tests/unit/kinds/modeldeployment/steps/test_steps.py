"""What each kind of step asks of the router, and when a soak ends, as tables."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import rollout_states as states
from tests.support.builders.rollout_states import NOW, fleet

from bucle.contracts.result import Failure
from bucle.kinds.modeldeployment.gates.table import KINDS as GATES
from bucle.kinds.modeldeployment.gates.table import kind_of
from bucle.kinds.modeldeployment.state import Aborting, Soaking, Wait, WaitFor
from bucle.kinds.modeldeployment.steps import shadow, weight
from bucle.kinds.modeldeployment.steps.soak import soak
from bucle.kinds.modeldeployment.steps.table import KINDS, step_at
from bucle.resources.gates import Gate
from bucle.resources.modeldeployment import ShadowStep, Step, WeightStep

UNTIL = {"samples": 100, "maxDuration": "1h"}
ROLLOUT: dict[str, Any] = {
    "steps": [{"shadow": {"percent": 20, "until": UNTIL}}, {"weight": {"percent": 10, "until": UNTIL}}],
    "soak": {"duration": "10m"},
}


@pytest.mark.parametrize(
    ("index", "reason", "share", "mirror", "paired", "ends_by_itself"),
    [
        (0, "Shadowing", 0, 20, True, False),
        (1, "ShiftingTraffic", 10, 0, False, False),
        (2, "ShiftingTraffic", 100, 0, False, True),
    ],
)
def test_what_a_step_asks_of_the_router(
    index: int, reason: str, share: int, mirror: int, paired: bool, ends_by_itself: bool
) -> None:
    found = step_at(states.deployment(rollout=ROLLOUT).spec, index)
    assert (found.reason, found.weight, found.mirror, found.paired) == (reason, share, mirror, paired)
    assert (found.until is None) == ends_by_itself


def test_every_kind_of_step_and_of_gate_is_a_field_of_its_type() -> None:
    assert set(KINDS) == set(Step.model_fields)
    assert set(GATES) == set(Gate.model_fields) - {"name"}


def test_both_kinds_say_until_when() -> None:
    shadowing = ShadowStep.model_validate({"percent": 5, "until": UNTIL, "gates": ["errors"]})
    weighing = WeightStep.model_validate({"percent": 5, "until": UNTIL, "gates": ["errors"]})
    assert shadow.running(shadowing).until == shadowing.until
    assert weight.running(weighing).gates == ("errors",)


def test_a_gate_of_no_kind_is_named() -> None:
    with pytest.raises(ValueError, match="gate nothing must have one of"):
        kind_of(Gate(name="nothing"))


CRASHED = Failure(reason="CrashLooping", message="exit 1")


@pytest.mark.parametrize(
    ("since", "pods", "spec", "expected"),
    [
        (timedelta(minutes=1), fleet(2), {}, WaitFor.SOAK),
        (timedelta(minutes=20), fleet(2), {}, WaitFor.ROUTES),
        (timedelta(minutes=20), fleet(2), {"paused": True}, WaitFor.PAUSED),
        (timedelta(minutes=1), fleet(0, CRASHED), {}, "CrashLooping"),
        (timedelta(minutes=1), fleet(0, Failure(reason="PodsRefused", message="quota")), {}, WaitFor.SOAK),
    ],
)
def test_when_a_soak_ends(since: timedelta, pods: Any, spec: dict[str, Any], expected: WaitFor | str) -> None:
    rollout = Soaking(states.run(), states.serving(1), NOW - since, Wait(WaitFor.SOAK))
    world = states.world(fleets={states.revision(2).id: pods}, spec={"rollout": {**ROLLOUT, **spec}})
    found = soak(world, states.flipped(rollout), rollout, NOW).rollout
    if isinstance(expected, WaitFor):
        assert isinstance(found, Soaking) and found.wait.what is expected
    else:
        assert isinstance(found, Aborting) and found.why.reason == expected
