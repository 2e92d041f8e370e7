"""Decides about one Dataset: wait, build, accept, refuse, look again. Pure; reads top to bottom."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bucle.contracts.names import LABEL_COMPONENT
from bucle.engine.objects import labels_of
from bucle.engine.plan import Child, Deletion, Plan
from bucle.engine.status import stalled
from bucle.kinds.dataset import build as builds
from bucle.kinds.dataset import conditions, versions
from bucle.kinds.dataset.children import build_job, spec_hash, written_hash
from bucle.kinds.dataset.state import Build, BuildState, State, decoded, encoded
from bucle.kinds.dataset.world import COMPONENT, World
from bucle.workloads import attempt as attempts
from bucle.workloads import document, job_cleanup, refusals
from bucle.workloads.attempt import Live
from bucle.workloads.jobs import Finished, Lost, Running
from bucle.workloads.pods import TaskTooLarge

AT_ONCE = timedelta(seconds=1)
WHILE_BUILDING = timedelta(seconds=30)
"""Pods are watched by label, but a lost watch event must not cost more than this."""


def plan(world: World, now: datetime) -> Plan:
    state = decoded(world.dataset.status)
    if world.not_joined is not None:
        kept = replace(state, build=None)
        return Plan(encoded(kept), conditions.without_deployment(world, kept), *_cleared(world, kept))
    wanted = spec_hash(world)
    before = state.build.attempt if state.build is not None else None
    state = _advanced(world, versions.forget_old_refusal(state, wanted), wanted, now)
    try:
        made = _made(world, state.build)
    except TaskTooLarge as problem:
        return Plan(encoded(replace(state, build=None)), stalled("TaskTooLarge", str(problem)))
    expiring, unwanted = _cleared(world, state)
    said = conditions.building(state, state.build) if state.build is not None else conditions.settled(state, wanted)
    unused = document.unused(world.owner.namespace, world.documents, made)
    unexplained = state.build is not None and refusals.new(before, state.build.attempt)
    again = refusals.ASK_SOON if unexplained else _again(state, wanted, now)
    return Plan(encoded(state), said, (*made, *expiring), (*unwanted, *unused), wake=again)


def _advanced(world: World, state: State, wanted: str, now: datetime) -> State:
    """The state after what is known of the build: harvested, tried again, begun, or nothing to do."""
    build = state.build if state.build is not None and state.build.spec_hash == wanted else None
    if build is None:
        if not _settled(state, wanted):
            return replace(state, build=builds.begun(world, wanted, now))
        if _reads_again(state, wanted, now):
            return replace(state, build=builds.begun(world, wanted, now, fresh=True))
        return replace(state, build=None)
    if build.state is BuildState.RUNNING:
        return _harvested(world, state, build, now)
    if builds.placed_otherwise(build, world):
        return replace(state, build=builds.begun(world, wanted, now, fresh=True))
    if builds.due(build, now):
        return replace(state, build=builds.tried_again(build, world, now))
    return state


def _harvested(world: World, state: State, build: Build, now: datetime) -> State:
    found = attempts.harvest(world.live, build.job, now)
    if found is None:
        return state  # written down, not yet created (or deleted by hand): the child is made now
    if isinstance(found, Running) and found.trouble is not None and builds.placed_otherwise(build, world):
        # A Job keeps the template it was made with: requests that were lowered since would reach no pod before its deadline.
        return replace(state, build=builds.begun(world, build.spec_hash, now, fresh=True))
    if isinstance(found, Running):
        return replace(state, build=builds.watched(build, found))
    if isinstance(found, Finished) and found.result.data is not None:
        return versions.harvested(state, found.result.data, build.spec_hash, written_hash(world.dataset), now)
    if isinstance(found, Finished):
        found = Lost(f"Job {build.job} left a result of another program")
    return replace(state, build=builds.after(build, found, now))


def _settled(state: State, wanted: str) -> bool:
    """Whether this very spec was built: accepted or refused."""
    current, rejected = state.current, state.rejected
    return bool((current and current.spec_hash == wanted) or (rejected and rejected.spec_hash == wanted))


def _reads_again(state: State, wanted: str, now: datetime) -> bool:
    """A refused candidate may have been corrected where it lies, and no watch tells of that."""
    rejected = state.rejected
    return rejected is not None and rejected.spec_hash == wanted and builds.reads_again_at(rejected) <= now


def _again(state: State, wanted: str, now: datetime) -> timedelta | None:
    """When time alone changes the answer."""
    build, rejected = state.build, state.rejected
    if build is not None:
        if build.state is BuildState.STOPPED:
            return None
        waits = build.attempt.not_before - now if build.attempt.not_before is not None else WHILE_BUILDING
        return max(waits, AT_ONCE)
    if rejected is not None and rejected.spec_hash == wanted:
        return max(builds.reads_again_at(rejected) - now, AT_ONCE)
    return None


# --- children ------------------------------------------------------------------------------------------------


def _made(world: World, build: Build | None) -> tuple[Child, ...]:
    return build_job(world, build) if build is not None and build.state is BuildState.RUNNING else ()


def _cleared(world: World, state: State) -> tuple[tuple[Child, ...], tuple[Deletion, ...]]:
    """What is left of attempts that are over, and Jobs that nothing waits for since the spec was edited."""
    build = state.build
    active = {build.job} if build is not None and build.state is BuildState.RUNNING else set()
    mine = {name: job for name, job in world.live.jobs.items() if labels_of(job).get(LABEL_COMPONENT) == COMPONENT}
    live = Live(mine, world.live.pods)
    children, dropped = job_cleanup.expired(live, world.owner.namespace, active)
    return children, (*dropped, *job_cleanup.superseded(live, world.owner.namespace, active))
