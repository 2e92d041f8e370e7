"""How a rollout ends before its time: condemned or superseded, and its way back to weight 0. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bucle.contracts.result import Failure
from bucle.kinds.modeldeployment.state import (
    Aborting,
    Outcome,
    Refusal,
    Rollout,
    Soaking,
    State,
    Stepping,
    Wait,
    WaitFor,
    finished,
)
from bucle.kinds.modeldeployment.traffic.routing import FULL
from bucle.kinds.modeldeployment.world import World

DRAIN = timedelta(seconds=10)


def condemn(world: World, state: State, reason: str, message: str, now: datetime) -> State:
    """Refuses the candidate and takes its requests away. Needs nothing but Kubernetes."""
    if state.rollout is None:
        return state
    candidate = state.rollout.run.candidate
    refusal = Refusal(
        version=candidate.model.version,
        digest=candidate.model.digest,
        revision=candidate.id,
        plan_hash=world.plan_hash,
        attempt=world.spec.rollout.attempt,
        reason=reason,
        message=message,
        at=now,
    )
    return take_away(replace(state, rejected=refusal), Outcome.ABORTED, reason, message)


def take_away(state: State, outcome: Outcome, reason: str, message: str) -> State:
    """Weight 0 for the candidate, for whatever reason the rollout ends early; in a soak the roles flip back first."""
    rollout = state.rollout
    if rollout is None:
        return state
    stable = rollout.previous if isinstance(rollout, Soaking) else state.stable
    aborting = Aborting(
        run=rollout.run,
        outcome=outcome,
        why=Failure(reason=reason, message=message),
        programmed=_programmed(rollout),
        drained_since=None,
        wait=Wait(WaitFor.WEIGHT_ZERO),
    )
    return replace(state, stable=stable, rollout=aborting)


def _programmed(rollout: Rollout) -> int:
    match rollout:
        case Stepping(programmed=programmed) | Aborting(programmed=programmed):
            return programmed
        case Soaking():
            return FULL
        case _:
            return 0


def abort(world: World, state: State, rollout: Aborting, now: datetime) -> State:
    """Weight 0 → programmed → drained → over."""
    if state.stable is None:
        return finished(state, rollout.outcome, rollout.why.reason, now)
    if world.unserved(state):
        if world.ready(rollout.run.candidate.id) == 0:
            return finished(state, rollout.outcome, rollout.why.reason, now)
        return replace(state, rollout=replace(rollout, wait=Wait(WaitFor.STABLE_BACK)))
    if rollout.drained_since is None:
        if not world.in_force(state):
            return replace(state, rollout=replace(rollout, wait=Wait(WaitFor.WEIGHT_ZERO)))
        drained = replace(rollout, drained_since=now, programmed=0, wait=Wait(WaitFor.OPEN_REQUESTS))
        return replace(state, rollout=drained)
    if now - rollout.drained_since < DRAIN:
        return replace(state, rollout=replace(rollout, wait=Wait(WaitFor.OPEN_REQUESTS)))
    return finished(state, rollout.outcome, rollout.why.reason, now)
