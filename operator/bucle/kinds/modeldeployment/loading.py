"""A rollout's first phase: the candidate's pods load the model. Pure.

`loadTimeout` is the model's time. While something else keeps its pods (a quota, a webhook, the image, a Secret, a node,
the store), the clock stands still; once that is mended the model has all of its time again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bucle.contracts.reasons import condemns, is_external
from bucle.contracts.result import Failure
from bucle.contracts.succession import OTHER_INPUTS, OTHER_QUESTION
from bucle.kinds.modeldeployment.aborting import condemn
from bucle.kinds.modeldeployment.fleets import Fleet
from bucle.kinds.modeldeployment.state import Loading, State, Target, Wait, WaitFor
from bucle.kinds.modeldeployment.stepping import enter, promote
from bucle.kinds.modeldeployment.world import World
from bucle.resources.base import parse_duration


def load(world: World, state: State, rollout: Loading, now: datetime) -> State:
    serving = world.spec.serving
    fleet = world.fleets.get(rollout.run.candidate.id)
    ready, wanted = fleet.ready if fleet else 0, world.wanted_pods(rollout.run.candidate.id)
    if ready >= wanted:
        return _loaded(world, state, rollout, now)
    trouble = fleet.trouble if fleet else None
    if trouble is not None and condemns(trouble.reason):
        return condemn(world, state, *_told(trouble), now)
    clock = None if _kept_from_outside(fleet) else rollout.clock or now
    if clock is not None and now - clock >= parse_duration(serving.load_timeout):
        why = trouble.message if trouble else f"{ready} of {wanted} pods are ready"
        told = f"not ready within loadTimeout {serving.load_timeout}: {why}"
        return condemn(world, state, "LoadFailed", told, now)
    wait = Wait(WaitFor.PODS, f"{ready} of {wanted} pods")
    told_trouble = _same_words(rollout.trouble, trouble)
    return replace(state, rollout=replace(rollout, clock=clock, trouble=told_trouble, wait=wait))


def _told(trouble: Failure) -> tuple[str, str]:
    """A model that would do, only not here, did not fail to load."""
    if trouble.reason in (OTHER_QUESTION, OTHER_INPUTS):
        return trouble.reason, trouble.message
    return "LoadFailed", f"{trouble.reason}: {trouble.message}"


def _kept_from_outside(fleet: Fleet | None) -> bool:
    """Nothing of the model has had a chance to run: no Deployment, no started container, or a trouble that is not its own."""
    if fleet is None or not fleet.begun:
        return True
    return fleet.trouble is not None and is_external(fleet.trouble.reason)


def _same_words(old: Failure | None, new: Failure | None) -> Failure | None:
    """A kubelet tells one trouble in several wordings in turn; the first one stays while the reason does."""
    return old if old is not None and new is not None and old.reason == new.reason else new


def _loaded(world: World, state: State, rollout: Loading, now: datetime) -> State:
    rollout = replace(rollout, trouble=None, clock=rollout.clock or now)
    if world.limits().live.get(rollout.run.candidate.id, 0) and not world.unserved(state):
        # A rollout that starts again does so from weight 0, however little its first step asks for.
        return replace(state, rollout=replace(rollout, wait=Wait(WaitFor.WEIGHT_ZERO)))
    if not world.limits().ready_everywhere(Target(rollout.run.candidate.id)):
        return replace(state, rollout=replace(rollout, wait=Wait(WaitFor.ROUTERS_TO_SEE)))
    if state.stable is None:
        return promote(world, state, rollout.run, now)
    if world.spec.rollout.paused:
        return replace(state, rollout=replace(rollout, wait=Wait(WaitFor.PAUSED)))
    return enter(world, state, rollout.run, 0, 0, now)
