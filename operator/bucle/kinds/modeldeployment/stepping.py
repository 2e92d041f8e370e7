"""A rollout's steps: each asks the router for a weight or copies, and its gates decide what follows. Pure.

What keeps a step from advancing (routes that are not in force, a stable version that is not whole, `paused`) never keeps
its gates from condemning, nor stops its clock: what the router counted is known all the time.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bucle.contracts.result import Failure
from bucle.engine.reads import Known
from bucle.kinds.modeldeployment.aborting import condemn
from bucle.kinds.modeldeployment.gates.evaluation import evaluate_gates, first_failed, gate_inputs, remembered
from bucle.kinds.modeldeployment.gates.inputs import GateInputs
from bucle.kinds.modeldeployment.gates.quality import realised
from bucle.kinds.modeldeployment.registry import champion_since, with_promotion
from bucle.kinds.modeldeployment.state import (
    Promoting,
    Run,
    Serving,
    Soaking,
    State,
    Stepping,
    Wait,
    WaitFor,
)
from bucle.kinds.modeldeployment.steps.decision import Decision, StepVerdict, judge
from bucle.kinds.modeldeployment.steps.table import step_at
from bucle.kinds.modeldeployment.takeover import dead_for_good, take_over
from bucle.kinds.modeldeployment.traffic.counters import with_step_base
from bucle.kinds.modeldeployment.world import World

ROUTES_TAKE = timedelta(seconds=10)


def enter(world: World, state: State, run: Run, index: int, programmed: int, now: datetime) -> State:
    """Step `index`, or full weight behind the last one. It starts to count once the routes are in force."""
    stepping = Stepping(
        run=run,
        step=index,
        entered_at=now,
        in_force_since=None,
        weight=step_at(world.spec, index).weight,
        programmed=programmed,
        overdue=None,
        wait=Wait(WaitFor.ROUTES),
    )
    return replace(state, rollout=stepping)


def step(world: World, state: State, rollout: Stepping, now: datetime) -> State:
    """One look at the running step: condemn first, then stand in, then count, then advance."""
    broken = world.broken(rollout.run.candidate.id)
    if broken is not None:
        return condemn(world, state, "LoadFailed", f"{broken.reason}: {broken.message}", now)
    running, inputs = step_at(world.spec, rollout.step), gate_inputs(world, rollout, now)
    evaluated = evaluate_gates(running.gates, world.spec.gates, running.until, inputs)
    failed = first_failed(evaluated) if _counts(world, rollout, now) else None
    if rollout.in_force_since is not None or failed is not None:
        state = replace(state, gates=remembered(state.gates, evaluated))
    if failed is not None:
        return condemn(world, state, "GateNotPassed", f"gate {failed.name}: {failed.message}", now)
    if world.stands_in(state) and dead_for_good(world, state, now):
        return take_over(state, rollout.run, now)
    in_force = world.in_force(state)
    if in_force:
        rollout = replace(rollout, programmed=rollout.weight)
        if running.until is None:
            return promote(world, state, rollout.run, now)
        if rollout.in_force_since is None:
            return replace(state, rollout=_begun(world, rollout, now))
    if rollout.in_force_since is None and not _counts(world, rollout, now):
        return replace(state, rollout=replace(rollout, wait=_obstacle(world, state, in_force=in_force) or rollout.wait))
    verdict = judge(running, evaluated, world.spec.rollout, inputs)
    return _follow(world, state, rollout, verdict, _obstacle(world, state, in_force=in_force), inputs)


def _counts(world: World, rollout: Stepping, now: datetime) -> bool:
    """A step's own routes have a moment to come into force; when they do not, the gates condemn all the same."""
    return rollout.in_force_since is not None or world.router_silent() or now - rollout.entered_at >= ROUTES_TAKE


def _begun(world: World, rollout: Stepping, now: datetime) -> Stepping:
    view = world.router.view
    run = with_step_base(rollout.run, view.value) if isinstance(view, Known) else rollout.run
    return replace(rollout, run=run, in_force_since=now, wait=Wait(WaitFor.GATES))


def _obstacle(world: World, state: State, *, in_force: bool) -> Wait | None:
    """What keeps the step from advancing, whatever its gates say."""
    if world.stands_in(state):
        return Wait(WaitFor.STABLE_BACK)
    if not in_force:
        return Wait(WaitFor.ROUTES)
    if state.stable is not None and not world.limits().whole(state.stable.revision.id):
        return Wait(WaitFor.STABLE_WHOLE)
    return None


def _follow(
    world: World, state: State, rollout: Stepping, verdict: StepVerdict, obstacle: Wait | None, inputs: GateInputs
) -> State:
    if verdict.decision is Decision.ABORT:
        return condemn(world, state, verdict.reason, verdict.message, inputs.now)
    overdue = _same_reason(rollout.overdue, verdict)
    if verdict.decision is Decision.HOLD or obstacle is not None:
        return replace(state, rollout=replace(rollout, overdue=overdue, wait=obstacle or verdict.wait))
    if world.spec.rollout.paused:
        return replace(state, rollout=replace(rollout, overdue=None, wait=Wait(WaitFor.PAUSED)))
    run = _with_reference(world, rollout.run, inputs)
    return enter(world, state, run, rollout.step + 1, rollout.programmed, inputs.now)


def _same_reason(old: Failure | None, verdict: StepVerdict) -> Failure | None:
    """Told once: its numbers grow on, and the gates' own records hold them."""
    if not verdict.reason:
        return None
    if old is not None and old.reason == verdict.reason:
        return old
    return Failure(reason=verdict.reason, message=verdict.message)


def _with_reference(world: World, run: Run, inputs: GateInputs) -> Run:
    """The evidence's own metric of the candidate is kept when its step is passed: the judge is gone afterwards."""
    gate = next((gate.quality for gate in world.spec.gates if gate.quality is not None), None)
    metric = realised(gate, inputs) if gate is not None else None
    return replace(run, reference=metric) if metric is not None else run


def promote(world: World, state: State, run: Run, now: datetime) -> State:
    """Roles flip, no pod restarts; what answered before is kept warm for the soak."""
    if state.stable is not None:
        soaking = Soaking(run, state.stable, now, Wait(WaitFor.SOAK, world.spec.rollout.soak.duration))
        return replace(state, stable=Serving(run.candidate, now, None), rollout=soaking)
    since = champion_since(world, run.candidate.model) or now
    state = replace(state, stable=Serving(run.candidate, since, None))
    return with_promotion(world, replace(state, rollout=Promoting(run, now, Wait(WaitFor.REGISTRY))))
