"""From what is known to what is done: the next status, the children it needs, what may go, what the registry is told. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bucle.contracts import names
from bucle.engine.objects import DEPLOYMENT, POD_DISRUPTION_BUDGET, SERVICE
from bucle.engine.plan import Child, Deletion, Effect, Plan
from bucle.engine.reads import Unavailable
from bucle.kinds.modeldeployment import registry
from bucle.kinds.modeldeployment.children.judge_pod import judge_child
from bucle.kinds.modeldeployment.children.model_servers import revision_children, successor_of
from bucle.kinds.modeldeployment.conditions import cannot_be_made, conditions, held
from bucle.kinds.modeldeployment.evidence.judge_query import judged_gate
from bucle.kinds.modeldeployment.rollout import move
from bucle.kinds.modeldeployment.selection import adopted, interrupt_if_superseded, start_wanted_rollout
from bucle.kinds.modeldeployment.state import Loading, Promoting, State, Stepping, Wait, WaitFor
from bucle.kinds.modeldeployment.status_codec import Held, Numbers, encode
from bucle.kinds.modeldeployment.takeover import judged
from bucle.kinds.modeldeployment.traffic.choice import router_for
from bucle.kinds.modeldeployment.traffic.routing import Routes, routes_for
from bucle.kinds.modeldeployment.world import World, desired_routes
from bucle.workloads.pods import TaskTooLarge

BUSY, CALM = timedelta(seconds=2), timedelta(seconds=15)
LOOKS_PER_AGE = 50
"""A step is looked at again after a fiftieth of its age."""


def plan(world: World, now: datetime) -> Plan:
    """One decision. Whole seconds: that is what a status can hold."""
    now = now.replace(microsecond=0)
    before = stored_state(world)
    if isinstance(before, Held):
        raise held(world, before)
    state = decide(world, before, now)
    routes = routes_for(desired_routes(state, world.spec), world.limits())
    numbers = Numbers({r: world.ready(r) for r in state.kept}, routes.weights(), routes.mirror)
    children, unmade = _children(world, state, routes)
    said = conditions(world, state)
    return Plan(
        state=encode(state, numbers),
        conditions=cannot_be_made(said, unmade) if unmade is not None else said,
        children=children,
        deletions=_deletions(world, state, routes),
        effects=(*_nudge(world, routes, now), *registry.effects(world, state)),
        wake=_next_look(world, state, now),
    )


def stored_state(world: World) -> State | Held:
    """The stored state. One that cannot be understood yields to a person who raises `attempt`: the rollout starts again."""
    stored, attempt = world.stored, world.spec.rollout.attempt
    if isinstance(stored, State):
        return stored
    if stored.rest is None or stored.run is None or attempt <= stored.run.attempt:
        return stored
    return replace(stored.rest, rollout=Loading(stored.run, None, None, Wait(WaitFor.LOAD)))


def decide(world: World, state: State, now: datetime) -> State:
    """Adopt, interrupt, move one phase on, and start what is wanted when nothing runs."""
    state = adopted(world, state, now)
    state = _with_readiness(world, state, now)
    state = registry.follow_promotion(world, state)
    state = interrupt_if_superseded(world, state, now)
    state = move(world, state, now)
    return start_wanted_rollout(world, state, now)


def _with_readiness(world: World, state: State, now: datetime) -> State:
    """Since when nothing of the stable version is ready: what a loaded candidate takes over on."""
    if state.stable is None:
        return state
    since = state.stable.unready_since or now if world.unserved(state) else None
    return replace(state, stable=replace(state.stable, unready_since=since))


def _children(world: World, state: State, routes: Routes) -> tuple[tuple[Child, ...], TaskTooLarge | None]:
    """The routes come first: a candidate loses its weight whatever may be wrong with what is rendered after them. What is
    asked for and cannot be made takes nothing from the rest."""
    deployment, platform, kept = world.deployment, world.platform, state.kept
    told = judged(state, world.spec)
    made, unmade = list(router_for(deployment).children(deployment, platform, routes, kept, told)), None
    for revision in kept.values():
        serving = state.stable.revision if state.stable and revision == state.candidate else None
        successor = successor_of(serving, world.spec) if serving else None
        try:
            made += revision_children(deployment, platform, revision, world.fleets.get(revision.id), successor)
        except TaskTooLarge as problem:
            unmade = problem
    gate = judged_gate(world.spec, state)
    if gate is not None:
        made.append(judge_child(deployment, platform, gate))
    return tuple(made), unmade


def _deletions(world: World, state: State, routes: Routes) -> tuple[Deletion, ...]:
    """Pods of a revision go only when no router pod can know it any more: routes without it live and are shown."""
    meta, live = world.deployment.metadata, world.router.live
    gone: list[Deletion] = []
    if world.judge is not None and judged_gate(world.spec, state) is None:
        gone.append(Deletion(DEPLOYMENT, meta.namespace, world.judge.name, world.judge.uid))
    # Made anew at the next look, with the pull secrets that the chart names by now.
    gone += [
        Deletion(DEPLOYMENT, meta.namespace, fleet.name, fleet.uid)
        for fleet in world.fleets.values()
        if fleet.without_image and fleet.pull_secrets != world.platform.image_pull_secrets
    ]
    if live is None or not world.shown():
        return tuple(gone)
    for revision, fleet in world.fleets.items():
        if revision in state.kept or revision in routes.revisions() or revision in live.weights:
            continue
        name = names.revision_name(meta.name, revision)
        gone.append(Deletion(DEPLOYMENT, meta.namespace, fleet.name, fleet.uid))
        if name in world.services:
            gone.append(Deletion(SERVICE, meta.namespace, name, world.services[name]))
        if name in world.budgets:
            gone.append(Deletion(POD_DISRUPTION_BUDGET, meta.namespace, name, world.budgets[name]))
    return tuple(gone)


def _nudge(world: World, routes: Routes, now: datetime) -> tuple[Effect, ...]:
    """Written but not shown by every router pod: they are told to look."""
    live, view = world.router.live, world.router.view
    router = router_for(world.deployment)
    version = router.version(world.deployment, routes)
    if live is None or isinstance(view, Unavailable) or live.version != version or world.shown():
        return ()
    return router.nudge(world.deployment, version, now)


def _next_look(world: World, state: State, now: datetime) -> timedelta:
    """Soon while something moves. What has run for long is looked at less often: evidence of hours does not change within
    seconds, and each look is a request to every router pod and to the judge."""
    rollout = state.rollout
    match rollout:
        case Stepping():
            return _by_age(now - (rollout.in_force_since or rollout.entered_at))
        case Promoting(since=since):
            return _by_age(now - since)
        case Loading(clock=None):
            return _by_age(now - rollout.run.started_at)
        case None:
            return BUSY if state.stable is not None and _unsettled(world, state) else CALM
        case _:
            return BUSY


def _by_age(age: timedelta) -> timedelta:
    return min(CALM, max(BUSY, timedelta(seconds=int((age // LOOKS_PER_AGE).total_seconds()))))


def _unsettled(world: World, state: State) -> bool:
    """Leftovers go as soon as the routers show routes without them; pods that come or go wake us by themselves."""
    if world.unserved(state):
        return False
    return bool(set(world.fleets) - set(state.kept)) or not world.in_force(state)
