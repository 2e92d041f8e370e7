"""From what is known to what is done: the next status, the children it needs, what may go, what the registry is told. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from bucle.contracts import names
from bucle.engine.objects import DEPLOYMENT, SERVICE
from bucle.engine.plan import Child, Deletion, Effect, Plan
from bucle.engine.reads import Known
from bucle.externals.router.values import TouchRouters
from bucle.kinds.modeldeployment import children, promotion
from bucle.kinds.modeldeployment.children import Revision
from bucle.kinds.modeldeployment.endings import change
from bucle.kinds.modeldeployment.external import config_version
from bucle.kinds.modeldeployment.identity import facts_of
from bucle.kinds.modeldeployment.roles import adopted, between, overruled
from bucle.kinds.modeldeployment.rollout import in_force, step_machine, wish
from bucle.kinds.modeldeployment.routing import Routes, routes_for
from bucle.kinds.modeldeployment.says import conditions
from bucle.kinds.modeldeployment.world import World
from bucle.resources.modeldeployment import QualityGate
from bucle.resources.modeldeployment_status import (
    CandidateRevision,
    ModelDeploymentStatus,
    StableRevision,
)

BUSY, CALM = timedelta(seconds=2), timedelta(seconds=15)
LOOKS_PER_AGE = 50
"""A step is looked at again after a fiftieth of its age."""
TOUCH_EVERY_SECONDS = 2

Status = ModelDeploymentStatus


def plan(world: World, now: datetime) -> Plan:
    """One decision."""
    status = decide(world, world.deployment.status, now)
    routes = routes_for(wish(status, world.deployment.spec), world.footing())
    status = _with_numbers(world, status, routes)
    return Plan(
        state=status,
        conditions=conditions(world, status),
        children=_children(world, status, routes),
        deletions=_deletions(world, status, routes),
        effects=(*_touch(world, routes, now), *promotion.effects(world, status)),
        wake=_next_look(world, status, now),
    )


def decide(world: World, status: Status, now: datetime) -> Status:
    """Adopt, overrule, move one step, and start what is wanted when nothing runs."""
    status = adopted(world, status, now)
    status = overruled(world, status, now)
    status = step_machine(world, status, now)
    return between(world, status, now)


def _with_numbers(world: World, status: Status, routes: Routes) -> Status:
    """Ready pods and the weights that are written to the router now."""
    weights = routes.weights()

    def counted(part: StableRevision | None) -> StableRevision | None:
        if part is None:
            return None
        return change(part, ready_replicas=world.ready(part.revision), weight=weights.get(part.revision or "", 0))

    trial: CandidateRevision | None = status.candidate
    if trial is not None:
        weight = weights.get(trial.revision or "", 0)
        trial = change(trial, ready_replicas=world.ready(trial.revision), weight=weight, shadow=routes.mirror)
    return change(status, stable=counted(status.stable), previous=counted(status.previous), candidate=trial)


def _kept(status: Status) -> dict[str, Revision]:
    """Every revision whose pods must live: stable, candidate, and the previous one in a soak."""
    kept = {}
    for part in (status.stable, status.candidate, status.previous):
        facts = facts_of(part.model) if part else None
        if part is not None and facts is not None and part.revision and part.image:
            kept[part.revision] = Revision(part.revision, facts, part.image)
    return kept


def _children(world: World, status: Status, routes: Routes) -> tuple[Child, ...]:
    deployment, platform, kept = world.deployment, world.platform, _kept(status)
    made: list[Child] = [
        children.stable_service(deployment),
        children.routes_child(deployment, routes, kept),
        children.router_children(deployment, platform),
    ]
    for revision in kept.values():
        made += children.revision_children(deployment, platform, revision)
    gate = _judged_gate(world, status)
    if gate is not None:
        made.append(children.judge_child(deployment, platform, gate))
    return tuple(made)


def _judged_gate(world: World, status: Status) -> QualityGate | None:
    """The quality gate that a present or coming shadow step asks for; the judge is warm before it is needed."""
    rollout, spec = status.rollout, world.deployment.spec
    if rollout is None or status.stable is None or rollout.state not in ("Loading", "Stepping"):
        return None
    asked = {
        name
        for step in spec.rollout.steps[rollout.step or 0 :]
        if step.shadow is not None
        for name in step.shadow.gates
    }
    return next((gate.quality for gate in spec.gates if gate.name in asked and gate.quality is not None), None)


def _deletions(world: World, status: Status, routes: Routes) -> tuple[Deletion, ...]:
    """Pods of a revision go only when no router pod can know it any more: routes without it live and are shown."""
    meta = world.deployment.metadata
    gone: list[Deletion] = []
    if world.judge is not None and _judged_gate(world, status) is None:
        gone.append(Deletion(DEPLOYMENT, meta.namespace, *world.judge))
    live, kept = world.routes, _kept(status)
    if live is None or not isinstance(world.router, Known) or not world.router.value.shows(live.version):
        return tuple(gone)
    for revision, fleet in world.fleets.items():
        if revision in kept or revision in routes.revisions() or revision in live.weights:
            continue
        gone.append(Deletion(DEPLOYMENT, meta.namespace, fleet.name, fleet.uid))
        service = world.services.get(names.revision_name(meta.name, revision))
        if service is not None:
            gone.append(Deletion(SERVICE, meta.namespace, names.revision_name(meta.name, revision), service))
    return tuple(gone)


def _touch(world: World, routes: Routes, now: datetime) -> tuple[Effect, ...]:
    """Written but not shown by every router pod: their kubelets are told to look. One stamp per version and 2 s."""
    live, meta = world.routes, world.deployment.metadata
    if live is None or not isinstance(world.router, Known) or not world.router.value.pods:
        return ()
    version = config_version(world.deployment, routes)
    if live.version != version or world.router.value.shows(version):
        return ()
    bucket = int(now.timestamp()) // TOUCH_EVERY_SECONDS
    return (TouchRouters(meta.namespace, meta.uid, f"{version}-{bucket}"),)


def _next_look(world: World, status: Status, now: datetime) -> timedelta:
    """Soon while something moves. A step that has run for long is looked at less often: evidence of hours does not change
    within seconds, and each look is a request to every router pod, to the judge, and a write."""
    if not _busy(world, status):
        return CALM
    rollout = status.rollout
    steady = rollout is not None and rollout.state == "Stepping" and in_force(world, status)
    if rollout is None or not steady or rollout.step_started_at is None:
        return BUSY
    age = (now - rollout.step_started_at) // LOOKS_PER_AGE
    return min(CALM, max(BUSY, timedelta(seconds=int(age.total_seconds()))))


def _busy(world: World, status: Status) -> bool:
    """A rollout runs, or the router does not follow yet, or something is not ready."""
    if status.rollout is not None or status.stable is None:
        return not (status.stable is None and status.rollout is None)
    if world.ready(status.stable.revision) < world.deployment.spec.serving.replicas or world.routers_ready == 0:
        return True
    leftovers = set(world.fleets) - set(_kept(status))
    return bool(leftovers) or not in_force(world, status)
