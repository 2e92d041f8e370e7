"""The step machine of a rollout: from the stored status and the World to the next status. Pure; the only writer of roles.

Loading → Stepping (one step after the other, then full weight) → Soaking → Promoting → done;
from anywhere → Aborting (weight 0 → programmed → drained) → done. A first version goes from Loading to Promoting.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bucle.contracts.canonical import short_hash
from bucle.contracts.reasons import condemns, is_external
from bucle.contracts.result import Failure
from bucle.engine.reads import Known
from bucle.engine.status import timestamp
from bucle.kinds.modeldeployment import looks
from bucle.kinds.modeldeployment.endings import abort, change, finish, need
from bucle.kinds.modeldeployment.external import config_version
from bucle.kinds.modeldeployment.identity import ModelFacts
from bucle.kinds.modeldeployment.promotion import champion_since, promoting, with_alias_move
from bucle.kinds.modeldeployment.routing import FULL, Wish, routes_for
from bucle.kinds.modeldeployment.world import Fleet, World
from bucle.resources.base import parse_duration
from bucle.resources.modeldeployment import ModelDeploymentSpec
from bucle.resources.modeldeployment_status import (
    CandidateRevision,
    Load,
    ModelDeploymentStatus,
    RolloutStatus,
    StableRevision,
    Weight,
)

Status = ModelDeploymentStatus
DRAIN = timedelta(seconds=10)


def wish(status: Status, spec: ModelDeploymentSpec) -> Wish:
    """What the stored status wants of the router."""
    rollout, stable = status.rollout, status.stable
    main = stable.revision if stable else None
    if rollout is not None and rollout.state == "Soaking" and status.previous is not None:
        return Wish(main, status.previous.revision, 0, 0, may_take_over=True)
    if status.candidate is None or rollout is None:
        return Wish(main)
    weight = rollout.weight.desired if rollout.weight and rollout.weight.desired else 0
    mirror = 0
    if rollout.state == "Stepping" and rollout.step is not None and rollout.step < len(spec.rollout.steps):
        shadow = spec.rollout.steps[rollout.step].shadow
        mirror = shadow.percent if shadow else 0
    return Wish(main, status.candidate.revision, weight, mirror)


def in_force(world: World, status: Status) -> bool:
    """The live routes are the wished ones, in full, and every living router pod follows them."""
    wished = wish(status, world.deployment.spec)
    routes = routes_for(wished, world.footing())
    if world.routes is None or not isinstance(world.router, Known):
        return False
    if (routes.other_weight, routes.mirror) != (wished.weight, wished.mirror):
        return False
    version = config_version(world.deployment, routes)
    return world.routes.version == version and world.router.value.follows(version, routes.used_clusters())


def step_machine(world: World, status: Status, now: datetime) -> Status:
    """One move of the running rollout."""
    rollout = status.rollout
    if rollout is None:
        return status
    if isinstance(world.router, Known) and status.candidate is not None:
        status = change(status, rollout=change(rollout, counters=looks.with_bases(rollout, world.router.value)))
    match rollout.state:
        case "Loading":
            return _loading(world, status, now)
        case "Stepping":
            return _stepping(world, status, now)
        case "Soaking":
            return _soaking(world, status, now)
        case "Promoting":
            return promoting(world, status, now)
        case _:
            return _aborting(world, status, now)


def start(world: World, status: Status, model: ModelFacts, revision: str, image: str, now: datetime) -> Status:
    """A new rollout of that revision, at weight 0."""
    stable = status.stable.revision if status.stable else None
    identity = short_hash([world.deployment.metadata.uid, revision, world.plan_hash, timestamp(now)])
    rollout = RolloutStatus(
        id=identity,
        plan_hash=world.plan_hash,
        state="Loading",
        started_at=now.replace(microsecond=0),
        stable_revision=stable,
        candidate_revision=revision,
        waiting_for="the version to load",
        weight=Weight(desired=0, programmed=0),
    )
    candidate = CandidateRevision(
        revision=revision, model=model.reference(), image=image, load=Load(state="Pending"), weight=0, shadow=0
    )
    return change(status, rollout=rollout, candidate=candidate, gates=())


def _broken(fleet: Fleet) -> Failure | None:
    """Why no pod of a loaded revision runs any more, when that is the model's own fault."""
    trouble = fleet.trouble
    return trouble if fleet.ready == 0 and trouble is not None and not is_external(trouble.reason) else None


def _loading(world: World, status: Status, now: datetime) -> Status:
    rollout, candidate = need(status)
    spec = world.deployment.spec
    fleet = world.fleets.get(candidate.revision or "")
    seconds = int((now - (rollout.started_at or now)).total_seconds())
    trouble = fleet.trouble if fleet else None
    ready = fleet.ready if fleet else 0
    if ready >= spec.serving.replicas:
        loaded = change(candidate, load=Load(state="Loaded", seconds=seconds))
        return _loaded(world, change(status, candidate=loaded), now)
    if trouble is not None and condemns(trouble.reason):
        return abort(world, status, "LoadFailed", f"{trouble.reason}: {trouble.message}", now)
    since = candidate.load.since if candidate.load else None
    if trouble is not None and is_external(trouble.reason):
        # Once that is mended, and between two starts of a pod, the model has all of its time again.
        since = now.replace(microsecond=0)
    if now - (since or rollout.started_at or now) >= parse_duration(spec.serving.load_timeout):
        why = trouble.message if trouble else f"{ready} of {spec.serving.replicas} pods are ready"
        return abort(
            world, status, "LoadFailed", f"not ready within loadTimeout {spec.serving.load_timeout}: {why}", now
        )
    load = Load(
        state="Loading" if fleet else "Pending",
        seconds=seconds,
        since=since,
        message=trouble.message if trouble else None,
    )
    waiting = trouble.message if trouble else f"{ready} of {spec.serving.replicas} pods to be ready"
    return change(status, candidate=change(candidate, load=load), rollout=change(rollout, waiting_for=waiting))


def _loaded(world: World, status: Status, now: datetime) -> Status:
    rollout, candidate = need(status)
    revision = candidate.revision or ""
    if not world.footing().landed(revision, revision):
        return change(status, rollout=change(rollout, waiting_for="every router pod to see the new version's pods"))
    if status.stable is None:
        return _promote(world, status, now)
    if world.deployment.spec.rollout.paused:
        return change(status, rollout=change(rollout, waiting_for="rollout.paused"))
    return _enter(world, change(status, rollout=change(rollout, state="Stepping")), 0)


def _enter(world: World, status: Status, index: int) -> Status:
    """Step `index`, or full weight behind the last one. It starts to count once the routes are in force."""
    rollout, candidate = need(status)
    steps = world.deployment.spec.rollout.steps
    weight, shadow = FULL, 0
    if index < len(steps):
        step = steps[index]
        weight = step.weight.percent if step.weight else 0
        shadow = step.shadow.percent if step.shadow else 0
    programmed = rollout.weight.programmed if rollout.weight else 0
    return change(
        status,
        candidate=change(candidate, weight=weight, shadow=shadow),
        rollout=change(
            rollout,
            step=index,
            step_started_at=None,
            waiting_for="the routes to be programmed",
            weight=Weight(desired=weight, programmed=programmed),
            reason=None,
            message=None,
        ),
    )


def _stepping(world: World, status: Status, now: datetime) -> Status:
    rollout, candidate = need(status)
    spec, index = world.deployment.spec, rollout.step or 0
    fleet = world.fleets.get(candidate.revision or "")
    if fleet is not None and (broken := _broken(fleet)) is not None:
        return abort(world, status, "LoadFailed", f"{broken.reason}: {broken.message}", now)
    if not in_force(world, status):
        held = change(status, rollout=change(rollout, waiting_for="the routes to be programmed"))
        return _condemned(world, held, now)
    if rollout.weight is not None:
        rollout = change(rollout, weight=change(rollout.weight, programmed=rollout.weight.desired))
        status = change(status, rollout=rollout)
    if index >= len(spec.rollout.steps):
        return _promote(world, status, now)
    if rollout.step_started_at is None:
        rollout = change(rollout, step_started_at=now.replace(microsecond=0), waiting_for="the step's gates")
        if isinstance(world.router, Known):
            rollout = change(rollout, counters=looks.step_base(rollout, world.router.value))
        return change(status, rollout=rollout)
    if world.ready(status.stable.revision if status.stable else None) < spec.serving.replicas:
        return change(status, rollout=change(rollout, waiting_for="the stable version to be whole; nothing is judged"))
    return _judged(world, status, now)


def _bench(world: World, rollout: RolloutStatus, now: datetime) -> looks.Bench:
    counts = looks.counted(rollout, world.router.value) if isinstance(world.router, Known) else None
    return looks.Bench(rollout, looks.query_of(rollout, world.deployment.spec), counts, world.evidence, now)


def _condemned(world: World, status: Status, now: datetime) -> Status:
    """While a router pod cannot be asked or stopped following, nothing advances; what is counted can still end it."""
    rollout, _ = need(status)
    silent = isinstance(world.router, Known) and any(pod.version is None for pod in world.router.value.pods)
    if rollout.step_started_at is None and not silent:
        return status
    spec, index = world.deployment.spec, rollout.step or 0
    steps = spec.rollout.steps
    names = looks.part(steps[index]).gates if index < len(steps) else spec.rollout.soak.gates
    bench = _bench(world, rollout, now)
    seen = (looks.look_at(gate, None, bench) for gate in looks.gates_of(names, spec.gates))
    failed = next((look for look in seen if look.verdict == "Fail"), None)
    if failed is None:
        return status
    status = change(status, gates=looks.replaced(status.gates, (failed,)))
    return abort(world, status, "GateNotPassed", f"gate {failed.name}: {failed.message}", now)


def _judged(world: World, status: Status, now: datetime) -> Status:
    rollout, _ = need(status)
    spec, index = world.deployment.spec, rollout.step or 0
    step = looks.part(spec.rollout.steps[index])
    bench = _bench(world, rollout, now)
    named = looks.gates_of(step.gates, spec.gates)
    seen = tuple(looks.look_at(gate, step.until, bench) for gate in named)
    status = change(status, gates=looks.replaced(status.gates, seen))
    status = _with_reference(world, status, now)
    verdict = looks.judge(step, seen, spec.rollout, bench)
    if verdict.decision == "Abort":
        return abort(world, status, verdict.reason, verdict.message, now)
    rollout, _ = need(status)
    if verdict.decision == "Advance":
        if spec.rollout.paused:
            return change(status, rollout=change(rollout, waiting_for="rollout.paused"))
        return _enter(world, status, index + 1)
    held = change(rollout, waiting_for=verdict.message, reason=verdict.reason or None, message=verdict.message)
    return change(status, rollout=held)


def _with_reference(world: World, status: Status, now: datetime) -> Status:
    """The evidence's own metric of the candidate is kept while the judge runs: it is gone after the shadow step."""
    rollout, _ = need(status)
    asked = looks.query_of(rollout, world.deployment.spec)
    if not isinstance(world.evidence, Known) or world.evidence.value.query != asked:
        return status
    gate = next((g.quality for g in world.deployment.spec.gates if g.quality is not None), None)
    metric = looks.realised(gate, world.evidence.value, now) if gate else None
    if metric is None or (rollout.reference is not None and rollout.reference.rows == metric.rows):
        return status
    return change(status, rollout=change(rollout, reference=metric))


def _promote(world: World, status: Status, now: datetime) -> Status:
    """Roles flip, no pod restarts; what answered before is kept warm for the soak."""
    rollout, candidate = need(status)
    moment, first = now.replace(microsecond=0), status.stable is None
    since = (champion_since(world, candidate.model) if first else None) or moment
    stable = StableRevision(
        revision=candidate.revision, model=candidate.model, image=candidate.image, weight=FULL, since=since
    )
    flipped = change(
        rollout,
        state="Promoting" if first else "Soaking",
        step_started_at=moment,
        weight=Weight(desired=FULL, programmed=0 if first else FULL),
        waiting_for="the soak",
    )
    status = change(status, stable=stable, candidate=None, previous=status.stable, rollout=flipped)
    return with_alias_move(world, status) if first else status


def _soaking(world: World, status: Status, now: datetime) -> Status:
    rollout, stable, spec = status.rollout, status.stable, world.deployment.spec
    if rollout is None or stable is None:
        return status
    if status.previous is None:
        return with_alias_move(world, change(status, rollout=change(rollout, state="Promoting")))
    if isinstance(world.router, Known):
        rollout = change(rollout, counters=looks.with_bases(rollout, world.router.value))
        status = change(status, rollout=rollout)
    fleet = world.fleets.get(stable.revision or "")
    if fleet is not None and (broken := _broken(fleet)) is not None:
        return abort(world, status, broken.reason, broken.message, now)
    bench = _bench(world, rollout, now)
    seen = tuple(looks.look_at(gate, None, bench) for gate in looks.gates_of(spec.rollout.soak.gates, spec.gates))
    status = change(status, gates=looks.replaced(status.gates, seen))
    failed = next((look for look in seen if look.verdict == "Fail"), None)
    if failed is not None:
        return abort(world, status, "GateNotPassed", f"gate {failed.name} in the soak: {failed.message}", now)
    unread = next((look for look in seen if look.verdict == "Error"), None)
    over = bench.elapsed >= parse_duration(spec.rollout.soak.duration)
    if unread is not None and over and spec.rollout.on_error == "Abort":
        told = f"gate {unread.name} at the end of the soak: {unread.message}"
        return abort(world, status, "UndecidedAtMaxDuration", told, now)
    waiting = _soak_waits(world, status, bench, unread is not None)
    if waiting:
        return change(status, rollout=change(rollout, waiting_for=waiting))
    return with_alias_move(world, change(status, previous=None, rollout=change(rollout, state="Promoting")))


def _soak_waits(world: World, status: Status, bench: looks.Bench, unread: bool) -> str:
    spec = world.deployment.spec
    if bench.elapsed < max(parse_duration(spec.rollout.soak.duration), DRAIN):
        return f"the soak of {spec.rollout.soak.duration}"
    if spec.rollout.paused:
        return "rollout.paused"
    if unread:
        return "a gate that cannot be read"
    return "" if in_force(world, status) else "the routes to be programmed"


def _aborting(world: World, status: Status, now: datetime) -> Status:
    rollout, _ = need(status)
    if status.stable is None:
        return finish(status, now)
    if rollout.step_started_at is None:
        if not in_force(world, status):
            return status
        weight = Weight(desired=0, programmed=0)
        marked = change(rollout, step_started_at=now.replace(microsecond=0), weight=weight, waiting_for="open requests")
        return change(status, rollout=marked)
    if now - rollout.step_started_at < DRAIN:
        return status
    return finish(status, now)
