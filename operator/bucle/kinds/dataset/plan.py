"""Decides about one Dataset: wait, build, accept, refuse. Pure; reads top to bottom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bucle.contracts.names import LABEL_COMPONENT
from bucle.engine.objects import JOB, JsonObject, labels_of, uid_of
from bucle.engine.plan import Child, Deletion, Plan
from bucle.engine.status import ConditionUpdate, ready, reconciling, stalled
from bucle.kinds.dataset import build as builds
from bucle.kinds.dataset import versions
from bucle.kinds.dataset.children import build_job, spec_hash
from bucle.kinds.dataset.world import COMPONENT, World
from bucle.resources.dataset_status import Build, DatasetStatus
from bucle.workloads.attempts import ended, keep_for_a_day, outcome_of
from bucle.workloads.jobs import Finished, Lost, Running
from bucle.workloads.platform import Platform
from bucle.workloads.pods import TaskTooLarge

LOOK_AGAIN = timedelta(seconds=5)
WHILE_BUILDING = timedelta(seconds=30)
"""Pods are watched by label, but a lost watch event must not cost more than this."""


@dataclass(frozen=True)
class Decision:
    """The status without its conditions, what the conditions say, and when time alone would change the answer."""

    status: DatasetStatus
    said: tuple[ConditionUpdate, ...]
    again: timedelta | None = None


def plan(world: World, now: datetime) -> Plan:
    platform, status = world.platform, world.dataset.status
    if world.not_joined is not None:
        waits = reconciling("WaitingForModelDeployment", world.not_joined, still_ready=status.current is not None)
        return Plan(status, waits)
    wanted = spec_hash(world)
    status = _advanced(platform, world, versions.forget_old_refusal(status, wanted), wanted, now)
    try:
        children = _children(platform, world, status)
    except TaskTooLarge as problem:
        return Plan(status.model_copy(update={"build": None}), stalled("TaskTooLarge", str(problem)))
    decision = _judged(status, wanted, now)
    return Plan(decision.status, decision.said, children, _superseded(world, status), wake=decision.again)


def _advanced(platform: Platform, world: World, status: DatasetStatus, wanted: str, now: datetime) -> DatasetStatus:
    """The status after what is known of the build: harvested, tried again, begun, or nothing to do."""
    if _settled(status, wanted):
        return status.model_copy(update={"build": None})
    build = status.build
    if build is None or build.spec_hash != wanted:
        build = builds.begun(platform, world, wanted, now)
    elif build.state == builds.RUNNING:
        return _harvested(world, status, build, now)
    elif builds.due(build, now):
        build = builds.tried_again(build, platform, world, now)
    return status.model_copy(update={"build": build})


def _harvested(world: World, status: DatasetStatus, build: Build, now: datetime) -> DatasetStatus:
    job = build.job or ""
    if job not in world.jobs and not _has_pod(world, job):
        return status  # written down, not yet created (or deleted by hand): the child is made now
    found = outcome_of(job, world.jobs, world.pods, now)
    if isinstance(found, Running):
        trouble = f"{found.trouble.reason}: {found.trouble.message}" if found.trouble else None
        return status.model_copy(update={"build": build.model_copy(update={"reason": trouble})})
    if isinstance(found, Finished) and found.result.data is not None:
        return versions.harvested(status, found.result.data, build.spec_hash or "", now)
    if isinstance(found, Finished):
        found = Lost(f"Job {job} left a result of another program")
    return status.model_copy(update={"build": builds.after(build, found, now)})


def _settled(status: DatasetStatus, wanted: str) -> bool:
    """Whether this very spec was built: accepted or refused."""
    current, rejected = status.current, status.rejected
    return bool((current and current.spec_hash == wanted) or (rejected and rejected.spec_hash == wanted))


def _judged(status: DatasetStatus, wanted: str, now: datetime) -> Decision:
    current, rejected, build = status.current, status.rejected, status.build
    if build is not None:
        return _building(status, build, now)
    if rejected is not None and rejected.spec_hash == wanted:
        return Decision(status, _refused(status))
    assert current is not None, "a settled Dataset was either accepted or refused"
    return Decision(status, ready("VersionReady", f"version {current.digest} has {current.rows} rows"))


def _building(status: DatasetStatus, build: Build, now: datetime) -> Decision:
    reason, message = builds.reason_of(build)
    if build.state == builds.STOPPED:
        again = max(build.not_before - now, timedelta(seconds=1)) if build.not_before else None
        return Decision(status, stalled(reason, message), again)
    said = reconciling(reason, message or f"Job {build.job} builds a version (attempt {build.attempt})")
    wait = build.not_before - now if build.not_before and build.state == builds.WAITING else WHILE_BUILDING
    return Decision(status, said, max(wait, timedelta(seconds=1)))


def _refused(status: DatasetStatus) -> tuple[ConditionUpdate, ...]:
    current, rejected = status.current, status.rejected
    assert rejected is not None
    errors = [item for item in rejected.failed if item.severity == "Error"]
    told = "; ".join(f"{e.name}: {e.observed}, limit {e.limit}, {e.rows} rows" for e in errors[:5])
    if current is not None and current.digest == rejected.digest:
        return stalled(
            "CurrentViolates",
            f"the current version fails expectations that were edited since: {told}. It stays until a better one "
            "exists: correct the data or the expectation",
        )
    stays = f"version {current.digest} stays current" if current else "there is no earlier version"
    message = f"candidate {rejected.digest} fails {told}; {stays}. Correct the data or the expectation"
    if current is not None and current.spec_hash == rejected.spec_hash:
        return ready("ExpectationFailed", message)
    return stalled("ExpectationFailed", message)


def _children(platform: Platform, world: World, status: DatasetStatus) -> tuple[Child, ...]:
    active = status.build.job if status.build and status.build.state == builds.RUNNING else None
    children = [build_job(platform, world, status.build)] if active and status.build else []
    for name, job in sorted(world.jobs.items()):
        kept = keep_for_a_day(job) if name != active and _is_build(job) else None
        if kept is not None:
            children.append(kept)
    return tuple(children)


def _superseded(world: World, status: DatasetStatus) -> tuple[Deletion, ...]:
    """Running Jobs that nothing waits for any more: the spec was edited meanwhile."""
    active = status.build.job if status.build else None
    return tuple(
        Deletion(JOB, world.owner.namespace, name, uid_of(job))
        for name, job in sorted(world.jobs.items())
        # A program that has ended is left to its Job: deleting it in the second before the Job notices would take its log.
        if name != active and _is_build(job) and not ended(job) and _works(world, name)
    )


def _works(world: World, job: str) -> bool:
    return isinstance(outcome_of(job, world.jobs, world.pods), Running)


def _is_build(job: JsonObject) -> bool:
    return labels_of(job).get(LABEL_COMPONENT) == COMPONENT


def _has_pod(world: World, job: str) -> bool:
    return any(labels_of(pod).get("job-name") == job for pod in world.pods)
