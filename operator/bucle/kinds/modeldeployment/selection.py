"""What should be served, and what that means for a rollout that runs: adopt, choose, start, interrupt or leave alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from bucle.contracts import names, registry_tags
from bucle.contracts.canonical import short_hash
from bucle.engine.reads import Absent, Known, Unavailable
from bucle.engine.status import timestamp
from bucle.kinds.modeldeployment.aborting import take_away
from bucle.kinds.modeldeployment.identity import ModelFacts, Revision, is_pinned, is_revision_of, revision_id
from bucle.kinds.modeldeployment.registry import other_question, promoted_at, refusal_of, refused_before, with_promotion
from bucle.kinds.modeldeployment.state import (
    Aborting,
    Loading,
    Outcome,
    Promoting,
    Rollout,
    Run,
    Serving,
    Soaking,
    State,
    Wait,
    WaitFor,
    finished,
    with_line,
)
from bucle.kinds.modeldeployment.takeover import put_in_place
from bucle.kinds.modeldeployment.world import Followed, World
from bucle.resources.base import parse_duration

EDITED = "steps, gates or serving were edited: it starts again"
RAISED = "rollout.attempt was raised: it starts again"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why nothing new is being loaded; a reason from the closed list."""

    reason: str
    message: str


def adopted(world: World, state: State, now: datetime) -> State:
    """A lost status is rebuilt from the live routes: stable is their main version, or who answers everything in its place.

    Whatever was on trial starts again at weight 0. The alias is moved on if the adopted version is newer and the routes say
    that it was judged. Pods are not asked: who answers for a dead champion is as unjudged when the champion is back.
    """
    live = world.router.live
    if state.stable is not None or state.rollout is not None or live is None:
        return state
    owned = [r for r in live.weights if r in world.fleets and r in live.facts and live.weights[r] > 0]
    if not owned:
        return state
    chosen = max(owned, key=lambda r: (r == live.main, live.weights[r], r))
    revision = Revision(chosen, live.facts[chosen], live.images[chosen])
    state = replace(state, stable=Serving(revision, promoted_at(world, revision.model) or now, None))
    champion = world.promoted.value.model if isinstance(world.promoted, Known) else None
    if chosen not in live.judged or (champion is not None and (champion.version or 0) > (revision.model.version or 0)):
        return state
    run = _run(world, state, revision, now, f"adopted-{revision.id}")
    return with_promotion(world, replace(state, rollout=Promoting(run, now, Wait(WaitFor.REGISTRY))))


def target(world: World, state: State) -> Followed | Waiting:
    """The model that should be served now. Without a stable revision the promoted one comes first, unless it was refused."""
    spec = world.spec
    if state.stable is None and state.rollout is None and not is_pinned(spec) and spec.promote is not None:
        match world.promoted:
            case Known(value=champion) if champion.model.digest and refusal_of(world, state, champion) is None:
                return champion
            case Unavailable(why=why):
                return Waiting("RegistryUnavailable", f"the alias {spec.promote.alias} cannot be read: {why}")
            case _:
                pass
    match world.wanted:
        case Known(value=wanted) if wanted.model.digest:
            return wanted
        case Known(value=wanted):
            return Waiting(
                "WaitingForModel",
                f"{wanted.model} has no tag {registry_tags.TAG_MODEL_DIGEST} with a sha256 digest: register it by an Experiment, "
                "or set the tag",
            )
        case Absent():
            return Waiting("WaitingForModel", f"{_asked_for(world)} does not exist in the registry yet")
        case Unavailable(why=why):
            return Waiting("RegistryUnavailable", f"{_asked_for(world)} cannot be read: {why}")


def _asked_for(world: World) -> str:
    source = world.spec.model.registered
    if source is None:
        return "the model"
    name = names.registered_model(world.deployment.metadata.namespace, source.name)
    return f"model {name} alias {source.alias}" if source.alias else f"model {name} version {source.version}"


def start_wanted_rollout(world: World, state: State, now: datetime) -> State:
    """No rollout runs: start one if something else is wanted, allowed and not refused."""
    wanted, stable = target(world, state), state.stable
    if isinstance(wanted, Waiting) or state.rollout is not None:
        return state
    if stable is not None and is_revision_of(stable.revision, wanted.model, world.spec):
        return state
    if stable is not None and world.spec.rollout.paused:
        return state
    first_choice = not isinstance(world.wanted, Known) or wanted != world.wanted.value
    refused = None if first_choice else refused_before(world, state)
    refused = refused or other_question(world, stable, wanted, now)
    if refused is not None:
        return replace(state, rejected=refused)
    image = _image_of(world, wanted.model)
    revision = Revision(revision_id(wanted.model.digest, world.spec, image), wanted.model, image)
    return _started(world, state, revision, now)


def _image_of(world: World, wanted: ModelFacts) -> str:
    """A revision that is still routed or loaded keeps its image: a lost status must not load it a second time."""
    live = world.router.live
    for revision, facts in (live.facts if live else {}).items():
        image = live.images[revision] if live else ""
        if facts.digest == wanted.digest and is_revision_of(Revision(revision, facts, image), wanted, world.spec):
            return image
    return world.platform.image_serve


def _started(world: World, state: State, revision: Revision, now: datetime) -> State:
    """A new rollout of that revision, at weight 0, with evidence of its own."""
    identity = short_hash([world.deployment.metadata.uid, revision.id, world.plan_hash, timestamp(now)])
    run = _run(world, state, revision, now, identity)
    return replace(state, rollout=Loading(run, None, None, Wait(WaitFor.LOAD)), gates=())


def _run(world: World, state: State, revision: Revision, now: datetime, identity: str) -> Run:
    return Run(
        id=identity,
        plan_hash=world.plan_hash,
        attempt=world.spec.rollout.attempt,
        started_at=now,
        stable=state.stable.revision.id if state.stable else None,
        candidate=revision,
        bases=(),
        reference=None,
        took_over_at=None,
    )


# --- a rollout that runs, against what is wanted now -----------------------------------------------------------


class _Then(Enum):
    RESTART = "the same candidate, from weight 0"
    LEAVE = "the candidate goes"


@dataclass(frozen=True, slots=True)
class _Interruption:
    then: _Then
    reason: str
    message: str


def interrupt_if_superseded(world: World, state: State, now: datetime) -> State:
    """A running rollout against what is wanted now: restarted, replaced, cancelled, or left to finish."""
    rollout, wanted = state.rollout, _wanted_model(world)
    match rollout:
        case None:
            return state
        case Promoting():
            # The registry is told in the background: whatever is wanted next need not wait for it.
            stable = state.stable
            other = (
                wanted is not None and stable is not None and not is_revision_of(stable.revision, wanted, world.spec)
            )
            return finished(state, Outcome.PROMOTED, "Promoted", now) if other else state
        case Aborting():
            return _leave_abort(world, state, rollout, wanted, now)
        case Loading() if _has_another_image(world, rollout):
            candidate, image = rollout.run.candidate, world.platform.image_serve
            revision = Revision(revision_id(candidate.model.digest, world.spec, image), candidate.model, image)
            history = with_line(state, Outcome.SUPERSEDED, "PlanChanged", now)
            return replace(_started(world, state, revision, now), history=history)
        case _:
            found = _reason_to_interrupt(world, state, rollout, wanted, now)
            return _interrupted(world, state, rollout, found, now) if found is not None else state


def _has_another_image(world: World, rollout: Loading) -> bool:
    """Its image cannot be had, and the chart names another one by now: nothing of it has run."""
    candidate = rollout.run.candidate
    fleet = world.fleets.get(candidate.id)
    return fleet is not None and fleet.without_image and candidate.image != world.platform.image_serve


def _wanted_model(world: World) -> ModelFacts | None:
    return world.wanted.value.model if isinstance(world.wanted, Known) and world.wanted.value.model.digest else None


def _interrupted(world: World, state: State, rollout: Rollout, found: _Interruption, now: datetime) -> State:
    candidate = rollout.run.candidate
    if found.then is _Then.RESTART:
        history = with_line(state, Outcome.SUPERSEDED, found.reason, now)
        return replace(_started(world, state, candidate, now), history=history)
    alone = world.unserved(state) and world.ready(candidate.id) > 0
    if alone and found.reason != "Cancelled" and not isinstance(rollout, Soaking):
        return put_in_place(state, now)
    return take_away(state, Outcome.SUPERSEDED, found.reason, found.message)


def _reason_to_interrupt(
    world: World, state: State, rollout: Rollout, wanted: ModelFacts | None, now: datetime
) -> _Interruption | None:
    run, spec = rollout.run, world.spec
    edited = not isinstance(rollout, Soaking) and run.plan_hash != world.plan_hash
    raised = not isinstance(rollout, Soaking) and spec.rollout.attempt > run.attempt
    fits = is_revision_of(run.candidate, run.candidate.model, spec)
    again = _Interruption(_Then.RESTART if fits else _Then.LEAVE, "PlanChanged", RAISED if raised else EDITED)
    if wanted is None or is_revision_of(run.candidate, wanted, spec):
        # Edited steps are not gone on with at the old index, whoever cannot be asked at the moment.
        unknown = wanted is None and not world.unserved(state)
        return (replace(again, then=_Then.LEAVE) if unknown else again) if edited or raised else None
    return _against_another(world, state, rollout, wanted, now) or (
        replace(again, then=_Then.LEAVE) if edited or raised else None
    )


def _against_another(
    world: World, state: State, rollout: Rollout, wanted: ModelFacts, now: datetime
) -> _Interruption | None:
    """The rollout against another model, or the same one served in another way."""
    run, spec = rollout.run, world.spec
    before = rollout.previous if isinstance(rollout, Soaking) else state.stable
    if before is not None and is_revision_of(before.revision, wanted, spec):
        return _Interruption(_Then.LEAVE, "Cancelled", f"{wanted} is wanted again, which is the stable version")
    if run.candidate.model.digest == wanted.digest:
        return _Interruption(_Then.LEAVE, "PlanChanged", "serving or capture was edited: it starts again")
    if not (is_pinned(spec) or spec.rollout.supersede == "Replace" or _blocks_others(world, state, rollout, now)):
        return None
    if state.stable is None and isinstance(rollout, Loading) and _is_champion(world, run.candidate.model):
        return None
    return _Interruption(_Then.LEAVE, "Replaced", f"{wanted} is wanted now")


def _is_champion(world: World, model: ModelFacts) -> bool:
    """Loaded first on purpose: what is followed goes through the steps after it."""
    return isinstance(world.promoted, Known) and world.promoted.value.model.digest == model.digest


def _blocks_others(world: World, state: State, rollout: Rollout, now: datetime) -> bool:
    """A version that did not load in time, or that cannot help while nothing answers, keeps nobody waiting."""
    if world.unserved(state) and world.ready(rollout.run.candidate.id) == 0:
        return True
    timeout = parse_duration(world.spec.serving.load_timeout)
    return isinstance(rollout, Loading) and now - rollout.run.started_at >= timeout


def _leave_abort(world: World, state: State, rollout: Aborting, wanted: ModelFacts | None, now: datetime) -> State:
    """An abort that cannot come to its end (all callers hang on the candidate, a router is silent) yields to a person."""
    candidate, stable = rollout.run.candidate, state.stable
    if wanted is None or stable is None or is_revision_of(stable.revision, wanted, world.spec):
        return state
    alone = world.unserved(state) and world.ready(candidate.id) > 0
    if is_revision_of(candidate, wanted, world.spec):
        if not alone or refusal_of(world, state, Followed(wanted)) is not None:
            return state
        over = finished(state, rollout.outcome, rollout.why.reason, now)
        return _started(world, over, candidate, now)
    if alone:
        return put_in_place(state, now)
    if world.router_silent():
        return finished(state, rollout.outcome, rollout.why.reason, now)
    return state
