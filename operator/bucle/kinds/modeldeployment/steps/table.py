"""The table of kinds of step: a new kind touches its own file and this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bucle.kinds.modeldeployment.steps import shadow, weight
from bucle.kinds.modeldeployment.steps.running import RunningStep
from bucle.kinds.modeldeployment.traffic.routing import FULL
from bucle.resources.modeldeployment import ModelDeploymentSpec, Step

KINDS: Mapping[str, Callable[[Any], RunningStep]] = {"shadow": shadow.running, "weight": weight.running}
"""By the field of `resources.modeldeployment.Step` that holds the settings."""


def step_at(spec: ModelDeploymentSpec, index: int) -> RunningStep:
    """Step `index`; behind the last one the candidate gets everything, and the gates of the soak can condemn it already."""
    if index < len(spec.rollout.steps):
        return _running(spec.rollout.steps[index])
    return RunningStep(
        reason="ShiftingTraffic", weight=FULL, mirror=0, paired=False, until=None, gates=spec.rollout.soak.gates
    )


def _running(step: Step) -> RunningStep:
    for field, running in KINDS.items():
        settings = getattr(step, field)
        if settings is not None:
            return running(settings)
    raise ValueError(f"a rollout step must have one of {', '.join(KINDS)}")
