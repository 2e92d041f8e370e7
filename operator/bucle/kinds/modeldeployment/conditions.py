"""What a ModelDeployment says of itself: conditions from the next state and the World. Pure.

Each condition's sentence is made here. What it quotes stands where it was found: a wait in `waiting`, a gate's finding in
`gates`, why no version is wanted in `selection`, what keeps a pod in `workloads.trouble`.

Available and Ready speak of what callers at the stable address reach.
"""

from __future__ import annotations

from bucle.contracts.result import Failure
from bucle.engine.reads import Unavailable
from bucle.engine.room import SpecInvalid, UnknownState
from bucle.engine.status import ConditionUpdate, ready, reconciling, stalled
from bucle.kinds.modeldeployment.gates.evaluation import open_gates
from bucle.kinds.modeldeployment.identity import is_pinned
from bucle.kinds.modeldeployment.registry import refused_before
from bucle.kinds.modeldeployment.selection import Waiting, target
from bucle.kinds.modeldeployment.state import (
    Aborting,
    Loading,
    Promoting,
    Refusal,
    Soaking,
    State,
    Stepping,
    Telling,
    WaitFor,
)
from bucle.kinds.modeldeployment.status_codec import Held
from bucle.kinds.modeldeployment.steps.table import step_at
from bucle.kinds.modeldeployment.waiting import waiting_text
from bucle.kinds.modeldeployment.world import Followed, World
from bucle.resources.modeldeployment_status import GateStatus


def conditions(world: World, state: State) -> tuple[ConditionUpdate, ...]:
    """Ready, Reconciling, Stalled, Available, StableAnswers, CandidateRejected, GatesReachable and AliasInPlace."""
    refused = refused_before(world, state)
    available = _available(world, state)
    return (
        *_main(world, state, available, refused),
        available,
        _stable_answers(world, state),
        _rejected(refused),
        _reachable(state),
        _alias_in_place(world, state),
    )


def held(world: World, status: Held) -> UnknownState:
    """A status of another release or hand: nothing is done until it can be understood, and what serves goes on."""
    restart = ", or raise spec.rollout.attempt to start the rollout again" if status.run is not None else ""
    answers = _live_available(world)
    return UnknownState(status.why + restart, serves=answers.status == "True", conditions=(answers,))


def cannot_be_made(said: tuple[ConditionUpdate, ...], problem: SpecInvalid) -> tuple[ConditionUpdate, ...]:
    """The spec asks for pods that cannot be made. What serves goes on, and nobody waits for it to pass."""
    serves = any(update.type == "Available" and update.status == "True" for update in said)
    over = {u.type: u for u in stalled(problem.reason, str(problem)) if u.type != "Ready" or not serves}
    return tuple(over.get(update.type, update) for update in said)


# --- Available -----------------------------------------------------------------------------------------------


def _available(world: World, state: State) -> ConditionUpdate:
    if state.stable is None and state.rollout is None:
        return ConditionUpdate("Available", "False", "NothingServes", "no version is ready behind the stable address")
    return _live_available(world)


def _live_available(world: World) -> ConditionUpdate:
    """Every version that gets requests has ready pods, and so have the routers.

    The stable version need not be among them: a candidate with all of the weight answers before the roles flip. A ready
    candidate without weight helps no caller.
    """
    live = world.router.live
    routed = {r: weight for r, weight in (live.weights if live else {}).items() if weight > 0}
    answering = {r: weight for r, weight in routed.items() if world.ready(r)}
    if not answering:
        none = not routed and any(fleet.ready for fleet in world.fleets.values())
        reason = "RouteNotProgrammed" if none else "NothingServes"
        told = (
            "the routes to the version are not written yet" if none else "no version is ready behind the stable address"
        )
        return ConditionUpdate("Available", "False", reason, told)
    if world.deployment.metadata.name not in world.services:
        return ConditionUpdate(
            "Available", "False", "RouteNotProgrammed", "the Service of the address does not exist yet"
        )
    if world.router.ready == 0:
        trouble = world.router.trouble
        told = trouble.message if trouble else "no router pod is ready"
        return ConditionUpdate("Available", "False", "RouterNotReady", told)
    lost = sum(routed.values()) - sum(answering.values())
    if lost:
        dead = ", ".join(sorted(set(routed) - set(answering)))
        return ConditionUpdate(
            "Available",
            "False",
            "PartlyServing",
            f"revision {dead} has no ready pod and {lost} percent of the requests",
        )
    told = max(answering, key=lambda revision: answering[revision])
    return ConditionUpdate("Available", "True", "Serving", f"revision {told} has {world.ready(told)} ready pods")


# --- Ready, Reconciling, Stalled -----------------------------------------------------------------------------


def _main(
    world: World, state: State, available: ConditionUpdate, refused: Refusal | None
) -> tuple[ConditionUpdate, ...]:
    answers = available.status == "True"
    if state.rollout is not None and not isinstance(state.rollout, Promoting):
        reason, message = _progress(world, state)
        return reconciling(reason, message, still_ready=answers)
    wanted = target(world, state)
    if state.stable is None:
        return _before_the_first(wanted, refused)
    short = _short_of_pods(world, state)
    if not answers:
        return reconciling(*((short.reason, short.message) if short else (available.reason, available.message)))
    if refused is not None and not isinstance(wanted, Waiting) and is_pinned(world.spec):
        return stalled("RolledBack", f"{_refused(refused)}. Version {_version(state)} serves")
    if short is not None:
        return reconciling(short.reason, short.message, still_ready=True)
    return ready(*_serving(world, state, wanted, refused))


def _serving(world: World, state: State, wanted: Followed | Waiting, refused: Refusal | None) -> tuple[str, str]:
    serves = f"version {_version(state)} serves{_scaled(world, state)}"
    if refused is not None and not isinstance(wanted, Waiting):
        return "CandidateRejected", f"{_refused(refused)}. Version {_version(state)} serves"
    if state.rollout is not None:
        later = "moves when the registry answers" if isinstance(world.ours, Unavailable) else "is being moved"
        return "Serving", f"{serves}; its alias {later}"
    if isinstance(wanted, Waiting):
        return "Serving", f"{serves}; {wanted.message}"
    if world.spec.rollout.paused:
        return "Paused", f"{serves}; spec.rollout.paused is true and holds back all others: set it to false to continue"
    return "Serving", serves


def _scaled(world: World, state: State) -> str:
    fleet = world.fleets.get(state.stable.revision.id) if state.stable else None
    if fleet is None or fleet.scaled_to is None:
        return ""
    return f" with {fleet.scaled_to} pods, as its Deployment is scaled by somebody else: spec.serving.replicas is left aside until it is edited"


def _refused(refused: Refusal) -> str:
    return f"version {refused.version} was refused: {refused.reason}: {refused.message}"


def _before_the_first(wanted: Followed | Waiting, refused: Refusal | None) -> tuple[ConditionUpdate, ...]:
    if isinstance(wanted, Waiting):
        return reconciling(wanted.reason, wanted.message)
    if refused is not None:
        return stalled(refused.reason, refused.message)
    return reconciling("Loading", "the first version is about to be loaded")


def _version(state: State) -> str:
    version = state.stable.revision.model.version if state.stable else None
    return str(version) if version is not None else "of the artifact"


def _short_of_pods(world: World, state: State) -> Failure | None:
    """Fewer ready pods than the spec asks for, with the words of whoever keeps them."""
    revision = state.stable.revision.id if state.stable else ""
    fleet, wanted = world.fleets.get(revision), world.wanted_pods(revision)
    if fleet is not None and fleet.ready < wanted and fleet.trouble is not None:
        told = f"version {_version(state)} has {fleet.ready} of {wanted} pods: {fleet.trouble.message}"
        return Failure(reason=fleet.trouble.reason, message=told)
    router = world.router
    if router.ready < router.wanted and router.trouble is not None:
        told = f"the router has {router.ready} of {router.wanted} pods: {router.trouble.message}"
        return Failure(reason=router.trouble.reason, message=told)
    return None


def _progress(world: World, state: State) -> tuple[str, str]:
    """Reason and message of a running rollout."""
    rollout = state.rollout
    if rollout is None:
        return "Serving", ""
    waiting = f"waits for {waiting_text(rollout.wait)}"
    if _has_taken_over(world, state):
        return "TookOver", _took_over(world, state)
    if isinstance(rollout, Aborting):
        return rollout.why.reason, f"{rollout.why.message}; {waiting}"
    if world.spec.rollout.paused:
        return "Paused", waiting
    match rollout:
        case Loading():
            return _loading(world, state, rollout, waiting)
        case Soaking():
            return "Soaking", waiting
        case Stepping() if rollout.wait.what is WaitFor.ROUTES:
            return ("RouterNotReady" if world.router.ready == 0 else "RouteNotProgrammed"), waiting
        case Stepping() if rollout.overdue is not None:
            return rollout.overdue.reason, rollout.overdue.message
        case Stepping():
            gates = open_gates(_of_step(state, rollout)) if rollout.wait.what is WaitFor.GATES else ""
            told = f"waits for {gates}" if gates else waiting
            return step_at(world.spec, rollout.step).reason, f"step {rollout.step}: {told}"
        case _:
            return "Serving", waiting


def _has_taken_over(world: World, state: State) -> bool:
    soaking = isinstance(state.rollout, Soaking) and state.rollout.run.took_over_at is not None
    return soaking or world.stands_in(state)


def _stable_answers(world: World, state: State) -> ConditionUpdate:
    """Whether callers are answered by the version that was chosen for them; alerts are set on this one."""
    if _has_taken_over(world, state):
        return ConditionUpdate("StableAnswers", "False", "TookOver", _took_over(world, state))
    if state.stable is None or world.unserved(state):
        return ConditionUpdate("StableAnswers", "False", "NothingServes", "no pod of a stable version is ready")
    return ConditionUpdate("StableAnswers", "True", "Serving")


def _took_over(world: World, state: State) -> str:
    """Who answers instead of whom, and what keeps the pods of the one that should."""
    rollout = state.rollout
    dead = state.previous if rollout is not None and rollout.run.took_over_at else state.stable
    if dead is None or rollout is None:
        return ""
    fleet = world.fleets.get(dead.revision.id)
    why = f": {fleet.trouble.message}" if fleet is not None and fleet.trouble is not None else ""
    number = rollout.run.candidate.model.version
    return (
        f"no pod of version {dead.revision.model.version} is ready{why}. Version {number} answers everything, unjudged; "
        "the alias stays where it is"
    )


def _loading(world: World, state: State, rollout: Loading, waiting: str) -> tuple[str, str]:
    if rollout.trouble is not None:
        return rollout.trouble.reason, rollout.trouble.message
    if state.stable is None and world.router.ready == 0 and world.router.trouble is not None:
        return world.router.trouble.reason, world.router.trouble.message
    return "Loading", waiting


def _of_step(state: State, rollout: Stepping) -> tuple[GateStatus, ...]:
    return tuple(gate for gate in state.gates if gate.step == rollout.step)


# --- the others ----------------------------------------------------------------------------------------------


def _rejected(refused: Refusal | None) -> ConditionUpdate:
    if refused is None:
        return ConditionUpdate("CandidateRejected", "False", "NoCandidate", "the wanted version was not refused")
    return ConditionUpdate("CandidateRejected", "True", refused.reason, f"version {refused.version}: {refused.message}")


def _reachable(state: State) -> ConditionUpdate:
    """Whether every gate of the running step can still pass in time at the observed rate."""
    if not isinstance(state.rollout, Stepping):
        return ConditionUpdate("GatesReachable", "True", "NoCandidate" if state.rollout is None else "Serving")
    for gate in _of_step(state, state.rollout):
        if gate.needs is not None and gate.needs.reachable is False:
            told = f"gate {gate.name} cannot pass before maxDuration at the observed rate: {gate.needs.message}"
            return ConditionUpdate("GatesReachable", "False", "UnreachableGate", told)
    return ConditionUpdate("GatesReachable", "True", "Serving")


def _alias_in_place(world: World, state: State) -> ConditionUpdate:
    """Whether the registry shows the last promotion, and if not, who differs and what to do."""
    promotion = state.promotion
    if promotion is None:
        return ConditionUpdate("AliasInPlace", "True", "NoPromotion")
    model, alias = promotion.model, promotion.alias
    match promotion.telling:
        case Telling.DONE:
            return ConditionUpdate("AliasInPlace", "True", "AliasMoved" if alias else "NoPromotion")
        case Telling.LOST:
            told = (
                f"{model} ({model.digest}) serves, but the registry has no version with that digest any more: register "
                f"{model.uri} again with tag bucle.dev/model-digest, or promote another version"
            )
            return ConditionUpdate("AliasInPlace", "False", "ModelNotRegistered", told)
        case Telling.OVERTAKEN:
            told = f"alias {alias} was moved away from {model} by somebody else, and is left there"
            return ConditionUpdate("AliasInPlace", "False", "AliasMovedByOther", told)
        case Telling.WANTED:
            if isinstance(world.promoted, Unavailable) or isinstance(world.ours, Unavailable):
                told = f"{model} was promoted; the registry cannot be told: {_why_unavailable(world)}"
                return ConditionUpdate("AliasInPlace", "False", "RegistryUnavailable", told)
            if alias is None:
                # The registry is still told what the version was promoted on; no alias is missing meanwhile.
                return ConditionUpdate("AliasInPlace", "True", "NoPromotion")
            return ConditionUpdate("AliasInPlace", "False", "AliasMissing", f"alias {alias} is being set to {model}")


def _why_unavailable(world: World) -> str:
    return next((seen.why for seen in (world.promoted, world.ours) if isinstance(seen, Unavailable)), "")
