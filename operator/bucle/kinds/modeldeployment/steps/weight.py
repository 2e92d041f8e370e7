"""A weight step: the candidate answers a share of requests. Pure."""

from __future__ import annotations

from bucle.kinds.modeldeployment.steps.running import RunningStep
from bucle.resources.modeldeployment import WeightStep


def running(step: WeightStep) -> RunningStep:
    return RunningStep(
        reason="ShiftingTraffic", weight=step.percent, mirror=0, paired=False, until=step.until, gates=step.gates
    )
