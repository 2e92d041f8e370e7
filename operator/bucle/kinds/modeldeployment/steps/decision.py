"""What a step does next: advance, hold or abort, by what its gates say, its durations and the spec's policy. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bucle.kinds.modeldeployment.gates.evaluation import first_failed, open_gates
from bucle.kinds.modeldeployment.gates.inputs import GateInputs
from bucle.kinds.modeldeployment.gates.verdict import Verdict
from bucle.kinds.modeldeployment.state import Wait, WaitFor
from bucle.kinds.modeldeployment.steps.running import RunningStep
from bucle.resources.base import parse_duration
from bucle.resources.modeldeployment import Rollout
from bucle.resources.modeldeployment_status import GateStatus


class Decision(StrEnum):
    ADVANCE = "Advance"
    HOLD = "Hold"
    ABORT = "Abort"


@dataclass(frozen=True, slots=True)
class StepVerdict:
    """What follows from the gates of a step. `reason` is from the closed list when its time is over or a gate failed."""

    decision: Decision
    wait: Wait = Wait(WaitFor.GATES)
    reason: str = ""
    message: str = ""


def judge(step: RunningStep, evaluated: Sequence[GateStatus], policy: Rollout, inputs: GateInputs) -> StepVerdict:
    """Only Pass advances and only Fail condemns; the rest holds until `maxDuration`, then as the spec says."""
    failed = first_failed(evaluated)
    if failed is not None:
        return StepVerdict(Decision.ABORT, reason="GateNotPassed", message=f"gate {failed.name}: {failed.message}")
    if step.until is None:
        return StepVerdict(Decision.ADVANCE)
    seen = inputs.counts.in_step.requests if inputs.counts else 0
    enough = bool(evaluated) or step.until.samples is None or seen >= step.until.samples
    if enough and all(gate.verdict == Verdict.PASS for gate in evaluated):
        if inputs.elapsed >= parse_duration(step.until.min_duration):
            return StepVerdict(Decision.ADVANCE)
        return StepVerdict(Decision.HOLD, Wait(WaitFor.MIN_DURATION, step.until.min_duration))
    wait = Wait(WaitFor.GATES if evaluated else WaitFor.SAMPLES)
    if inputs.elapsed < parse_duration(step.until.max_duration):
        return StepVerdict(Decision.HOLD, wait)
    reason, choice = _at_the_end({gate.verdict for gate in evaluated}, policy, enough=enough)
    message = f"nothing decided within maxDuration {step.until.max_duration}: {open_gates(evaluated) or 'no samples'}"
    return StepVerdict(Decision.ABORT if choice == "Abort" else Decision.HOLD, wait, reason, message)


def _at_the_end(verdicts: set[str | None], policy: Rollout, *, enough: bool) -> tuple[str, str]:
    if Verdict.ERROR in verdicts:
        return "UndecidedAtMaxDuration", policy.on_error
    if Verdict.NO_DATA in verdicts or not enough:
        return "NoTraffic", policy.on_no_data
    return "UndecidedAtMaxDuration", policy.on_undecided
