"""The soak: the new version answers everything, the previous one is kept warm, and the way back is automatic. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bucle.kinds.modeldeployment.aborting import DRAIN, condemn
from bucle.kinds.modeldeployment.gates.evaluation import evaluate_gates, first_failed, gate_inputs, remembered
from bucle.kinds.modeldeployment.gates.inputs import GateInputs
from bucle.kinds.modeldeployment.gates.verdict import Verdict
from bucle.kinds.modeldeployment.registry import with_promotion
from bucle.kinds.modeldeployment.state import Outcome, Promoting, Soaking, State, Wait, WaitFor, finished
from bucle.kinds.modeldeployment.world import World
from bucle.resources.base import parse_duration


def soak(world: World, state: State, rollout: Soaking, now: datetime) -> State:
    policy, inputs = world.spec.rollout, gate_inputs(world, rollout, now)
    broken = world.broken(rollout.run.candidate.id)
    if broken is not None:
        return condemn(world, state, broken.reason, broken.message, now)
    evaluated = evaluate_gates(policy.soak.gates, world.spec.gates, None, inputs)
    state = replace(state, gates=remembered(state.gates, evaluated))
    failed = first_failed(evaluated)
    if failed is not None:
        return condemn(world, state, "GateNotPassed", f"gate {failed.name} in the soak: {failed.message}", now)
    unread = next((gate for gate in evaluated if gate.verdict == Verdict.ERROR), None)
    over = inputs.elapsed >= parse_duration(policy.soak.duration)
    if unread is not None and over and policy.on_error == "Abort":
        told = f"gate {unread.name} at the end of the soak: {unread.message}"
        return condemn(world, state, "UndecidedAtMaxDuration", told, now)
    wait = _waits(world, state, inputs, unread=unread is not None)
    if wait is not None:
        return replace(state, rollout=replace(rollout, wait=wait))
    if rollout.run.took_over_at is not None:
        return finished(state, Outcome.TOOK_OVER, "TookOver", now)
    return with_promotion(world, replace(state, rollout=Promoting(rollout.run, now, Wait(WaitFor.REGISTRY))))


def _waits(world: World, state: State, inputs: GateInputs, *, unread: bool) -> Wait | None:
    policy = world.spec.rollout
    if inputs.elapsed < max(parse_duration(policy.soak.duration), DRAIN):
        return Wait(WaitFor.SOAK, policy.soak.duration)
    if policy.paused:
        return Wait(WaitFor.PAUSED)
    if unread:
        return Wait(WaitFor.GATES)
    return None if world.in_force(state) else Wait(WaitFor.ROUTES)
