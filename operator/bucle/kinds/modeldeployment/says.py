"""What a ModelDeployment says of itself: conditions from the next status and the World. Pure."""

from __future__ import annotations

from bucle.contracts.result import Failure
from bucle.engine.reads import Unavailable
from bucle.engine.status import ConditionUpdate, ready, reconciling, stalled
from bucle.kinds.modeldeployment.identity import is_pinned
from bucle.kinds.modeldeployment.looks import UNREACHABLE
from bucle.kinds.modeldeployment.promotion import refused_before
from bucle.kinds.modeldeployment.roles import Waiting, target
from bucle.kinds.modeldeployment.world import Followed, World
from bucle.resources.modeldeployment_status import ModelDeploymentStatus, Refused

Status = ModelDeploymentStatus


def conditions(world: World, status: Status) -> tuple[ConditionUpdate, ...]:
    """Ready, Reconciling, Stalled, Available, CandidateRejected and GatesReachable."""
    refused = refused_before(world, status)
    available = _available(world, status)
    return (
        *_main(world, status, available, refused),
        available,
        _rejected(refused),
        _reachable(status),
    )


def _available(world: World, status: Status) -> ConditionUpdate:
    """Something answers at the stable address: ready pods that get requests, behind ready routers.

    The stable revision need not be among them: a candidate with all of the weight answers before the roles flip.
    """
    main = (status.stable.revision if status.stable else None) or ""
    routed = {r: weight for r, weight in (world.routes.weights if world.routes else {}).items() if weight > 0}
    answering = [revision for revision in routed or {main: 0} if world.ready(revision)]
    if not answering:
        return ConditionUpdate("Available", "False", "NothingServes", "no version is ready behind the stable address")
    if world.routers_ready == 0:
        trouble = world.router_trouble
        return ConditionUpdate(
            "Available", "False", "RouterNotReady", trouble.message if trouble else "no router pod is ready"
        )
    if not routed:
        return ConditionUpdate(
            "Available", "False", "RouteNotProgrammed", "the routes to the version are not written yet"
        )
    told = main if main in answering else max(answering, key=lambda revision: routed.get(revision, 0))
    return ConditionUpdate("Available", "True", "Serving", f"revision {told} has {world.ready(told)} ready pods")


def _main(
    world: World, status: Status, available: ConditionUpdate, refused: Refused | None
) -> tuple[ConditionUpdate, ...]:
    answers = available.status == "True"
    if status.rollout is not None and status.rollout.state != "Promoting":
        reason, message = _progress(world, status)
        return reconciling(reason, message, still_ready=answers)
    wanted = target(world, status)
    if status.stable is None:
        return _before_the_first(wanted, refused)
    if not answers:
        trouble = _trouble(world, status)
        return reconciling(*((trouble.reason, trouble.message) if trouble else (available.reason, available.message)))
    if refused is not None and not isinstance(wanted, Waiting):
        told = f"version {refused.version} was refused: {refused.reason}: {refused.message}"
        if is_pinned(world.deployment.spec):
            return stalled("RolledBack", f"{told}. Version {_version(status)} serves")
        return ready("CandidateRejected", f"{told}. Version {_version(status)} serves")
    if status.rollout is not None:
        if isinstance(world.promoted, Unavailable):
            return ready("Serving", f"version {_version(status)} serves; its alias moves when the registry answers")
        return ready("Serving", f"version {_version(status)} serves; its alias is being moved")
    if isinstance(wanted, Waiting):
        return ready("Serving", f"version {_version(status)} serves; {wanted.message}")
    if world.deployment.spec.rollout.paused:
        return ready("Paused", f"version {_version(status)} serves; rollout.paused holds back all others")
    return ready("Serving", f"version {_version(status)} serves")


def _before_the_first(wanted: Followed | Waiting, refused: Refused | None) -> tuple[ConditionUpdate, ...]:
    if isinstance(wanted, Waiting):
        return reconciling(wanted.reason, wanted.message)
    if refused is not None:
        return stalled(refused.reason or "LoadFailed", refused.message or "the first version was refused")
    return reconciling("Loading", "the first version is about to be loaded")


def _version(status: Status) -> str:
    model = status.stable.model if status.stable else None
    return str(model.version if model and model.version is not None else "of the artifact")


def _trouble(world: World, status: Status) -> Failure | None:
    fleet = world.fleets.get(status.stable.revision or "") if status.stable else None
    return fleet.trouble if fleet and fleet.trouble else world.router_trouble


def _progress(world: World, status: Status) -> tuple[str, str]:
    """Reason and message of a running rollout."""
    rollout = status.rollout
    if rollout is None:
        return "Serving", ""
    waiting = f"waits for {rollout.waiting_for}" if rollout.waiting_for else ""
    if world.deployment.spec.rollout.paused and rollout.state != "Aborting":
        return "Paused", waiting
    if rollout.state == "Loading":
        fleet = world.fleets.get(rollout.candidate_revision or "")
        if fleet is not None and fleet.trouble is not None:
            return fleet.trouble.reason, fleet.trouble.message
        if status.stable is None and world.routers_ready == 0 and world.router_trouble is not None:
            return world.router_trouble.reason, world.router_trouble.message
        return "Loading", waiting
    if rollout.state == "Aborting":
        return rollout.reason or "GateNotPassed", f"{rollout.message}; {waiting}"
    if rollout.state == "Soaking":
        return "Soaking", waiting
    if rollout.waiting_for == "the routes to be programmed":
        return ("RouterNotReady" if world.routers_ready == 0 else "RouteNotProgrammed"), waiting
    if rollout.reason:
        return rollout.reason, rollout.message or waiting
    shadow = status.candidate is not None and bool(status.candidate.shadow)
    return ("Shadowing" if shadow else "ShiftingTraffic"), f"step {rollout.step}: {waiting}"


def _rejected(refused: Refused | None) -> ConditionUpdate:
    if refused is None:
        return ConditionUpdate("CandidateRejected", "False", "NoCandidate", "the wanted version was not refused")
    reason = refused.reason or "GateNotPassed"
    return ConditionUpdate("CandidateRejected", "True", reason, f"version {refused.version}: {refused.message}")


def _reachable(status: Status) -> ConditionUpdate:
    """Whether every gate of the running step can still pass in time at the observed rate."""
    step = status.rollout.step if status.rollout else None
    for gate in status.gates:
        words = gate.needs.message if gate.needs else None
        if status.rollout is not None and gate.step == step and words and words.startswith(UNREACHABLE):
            return ConditionUpdate("GatesReachable", "False", "UnreachableGate", f"gate {gate.name} {words}")
    return ConditionUpdate("GatesReachable", "True", "NoCandidate" if status.rollout is None else "Serving", "")
