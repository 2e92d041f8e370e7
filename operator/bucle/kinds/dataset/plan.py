"""Decides about one Dataset: wait, build, accept, refuse. Pure; reads top to bottom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bucle.contracts.names import LABEL_COMPONENT
from bucle.engine.objects import JOB, JsonObject, labels_of, uid_of
from bucle.engine.plan import Child, Deletion, Plan
from bucle.engine.reads import Observations
from bucle.engine.status import ConditionUpdate, fold, ready, reconciling, stalled
from bucle.kinds.dataset import build as builds
from bucle.kinds.dataset import versions
from bucle.kinds.dataset.children import build_job, spec_hash
from bucle.kinds.dataset.world import COMPONENT, DeploymentMissing, Unanswered, World, typed, world
from bucle.resources.dataset_status import Build, DatasetStatus
from bucle.resources.documents import to_dict
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


def plan(platform: Platform, obj: JsonObject, observations: Observations, now: datetime) -> Plan:
    status = typed(obj).status
    try:
        seen = world(obj, observations)
    except Unanswered:
        return Plan(obj.get("status") or {}, requeue_after=LOOK_AGAIN)
    except DeploymentMissing as problem:
        good = status.current is not None
        waits = Decision(status, reconciling("WaitingForModelDeployment", str(problem), still_ready=good))
        return Plan(_written(obj, waits, now))
    wanted = spec_hash(seen)
    status = _advanced(platform, seen, versions.forget_old_refusal(status, wanted), wanted, now)
    try:
        children = _children(platform, seen, status)
    except TaskTooLarge as problem:
        large = Decision(status.model_copy(update={"build": None}), stalled("TaskTooLarge", str(problem)))
        return Plan(_written(obj, large, now))
    decision = _judged(status, wanted, now)
    return Plan(_written(obj, decision, now), children, _superseded(seen, status), requeue_after=decision.again)


def _advanced(platform: Platform, seen: World, status: DatasetStatus, wanted: str, now: datetime) -> DatasetStatus:
    """The status after what is known of the build: harvested, tried again, begun, or nothing to do."""
    if _settled(status, wanted):
        return status.model_copy(update={"build": None})
    build = status.build
    if build is None or build.spec_hash != wanted:
        build = builds.begun(platform, seen, wanted, now)
    elif build.state == builds.RUNNING:
        return _harvested(seen, status, build, now)
    elif builds.due(build, now):
        build = builds.tried_again(build, platform, seen, now)
    return status.model_copy(update={"build": build})


def _harvested(seen: World, status: DatasetStatus, build: Build, now: datetime) -> DatasetStatus:
    job = build.job or ""
    if job not in seen.jobs and not _has_pod(seen, job):
        return status  # written down, not yet created (or deleted by hand): the child is made now
    found = outcome_of(job, seen.jobs, seen.pods, now)
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


def _children(platform: Platform, seen: World, status: DatasetStatus) -> tuple[Child, ...]:
    active = status.build.job if status.build and status.build.state == builds.RUNNING else None
    children = [build_job(platform, seen, status.build)] if active and status.build else []
    for name, job in sorted(seen.jobs.items()):
        kept = keep_for_a_day(job) if name != active and _is_build(job) else None
        if kept is not None:
            children.append(kept)
    return tuple(children)


def _superseded(seen: World, status: DatasetStatus) -> tuple[Deletion, ...]:
    """Running Jobs that nothing waits for any more: the spec was edited meanwhile."""
    active = status.build.job if status.build else None
    return tuple(
        Deletion(JOB, seen.owner.namespace, name, uid_of(job))
        for name, job in sorted(seen.jobs.items())
        # A program that has ended is left to its Job: deleting it in the second before the Job notices would take its log.
        if name != active and _is_build(job) and not ended(job) and _works(seen, name)
    )


def _works(seen: World, job: str) -> bool:
    return isinstance(outcome_of(job, seen.jobs, seen.pods), Running)


def _is_build(job: JsonObject) -> bool:
    return labels_of(job).get(LABEL_COMPONENT) == COMPONENT


def _has_pod(seen: World, job: str) -> bool:
    return any(labels_of(pod).get("job-name") == job for pod in seen.pods)


def _written(obj: JsonObject, decision: Decision, now: datetime) -> JsonObject:
    generation = int(obj["metadata"].get("generation", 0))
    before = (obj.get("status") or {}).get("conditions") or ()
    status = to_dict(decision.status.model_copy(update={"observed_generation": generation}))
    return {**status, "conditions": fold(before, decision.said, generation, now)}
