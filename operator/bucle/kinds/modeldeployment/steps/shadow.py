"""A shadow step: the candidate gets copies of requests, and nobody sees its answers. Pure."""

from __future__ import annotations

from bucle.kinds.modeldeployment.steps.running import RunningStep
from bucle.resources.modeldeployment import ShadowStep


def running(step: ShadowStep) -> RunningStep:
    return RunningStep(
        reason="Shadowing", weight=0, mirror=step.percent, paired=True, until=step.until, gates=step.gates
    )
