"""One build: begun (or adopted after a lost status), harvested, tried again, given up, looked at again. Pure.

Which attempt follows which failure is the attempt machine's; this file adds what a build fixes beside it: the image,
and the bounds of feedback windows.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from bucle.contracts import names
from bucle.contracts.limits import READ_AGAIN_LAST
from bucle.engine.objects import JsonObject
from bucle.kinds.dataset.children import bounds_at, pod_hash
from bucle.kinds.dataset.state import Build, BuildState, FeedbackBounds, Rejected
from bucle.kinds.dataset.world import World
from bucle.workloads import attempt as attempts
from bucle.workloads.attempt import Attempt
from bucle.workloads.jobs import Failed, Lost, Running

NEVER = datetime(1970, 1, 1, 1, tzinfo=UTC)


def begun(world: World, spec_hash: str, now: datetime, *, fresh: bool = False) -> Build:
    """The first attempt for this spec: a Job that already exists for it (lost status), else a new one.

    `fresh`: the sources are to be read again, so that no earlier Job of this spec will do.
    """
    live = _jobs_for(world, spec_hash)
    number, adopted = attempts.adopt(live, 0, lambda job: not fresh and _usable(world, job))
    job = live[number] if adopted else None
    return Build(
        spec_hash=spec_hash,
        job=_job_name(world, spec_hash, number),
        image=_image_of(job) if job else world.platform.image_worker,
        state=BuildState.RUNNING,
        attempt=Attempt(number),
        started_at=now,
        bounds=_bounds_of(world, job) if job else bounds_at(world, now),
        pod_hash=pod_hash(world),
    )


def watched(build: Build, running: Running) -> Build:
    return replace(build, attempt=attempts.watched(build.attempt, running))


def after(build: Build, ended: Failed | Lost, now: datetime) -> Build:
    """The build once this attempt brought no result: the next attempt with its pause, or stopped."""
    attempt = attempts.after(build.attempt, ended, now, data_changes=True)
    return replace(build, attempt=attempt, state=BuildState.STOPPED if attempt.given_up else BuildState.WAITING)


def due(build: Build, now: datetime) -> bool:
    return build.state is BuildState.WAITING and build.attempt.due(now)


def tried_again(build: Build, world: World, now: datetime) -> Build:
    """The next attempt, in the image of this release: the last one may have failed for an old one's sake. What that one
    failed of stays told."""
    number, _ = attempts.adopt(_jobs_for(world, build.spec_hash), build.attempt.number, lambda _: False)
    return replace(
        build,
        attempt=replace(build.attempt, number=number, not_before=None),
        job=_job_name(world, build.spec_hash, number),
        image=world.platform.image_worker,
        state=BuildState.RUNNING,
        started_at=now,
        pod_hash=pod_hash(world),
    )


def placed_otherwise(build: Build, world: World) -> bool:
    """Whether the pod settings, the image or its pull secrets were changed since this attempt was begun."""
    return build.pod_hash is not None and build.pod_hash != pod_hash(world)


def reads_again_at(rejected: Rejected) -> datetime:
    """When refused sources are looked at again: after as long as they have been refused, within bounds."""
    refused_for = rejected.looked_at - rejected.at
    return rejected.looked_at + min(max(refused_for, attempts.READ_AGAIN_FIRST), READ_AGAIN_LAST)


def _job_name(world: World, spec_hash: str, number: int) -> str:
    return names.data_job(world.owner.name, world.owner.uid, spec_hash, number)


def _jobs_for(world: World, spec_hash: str) -> dict[int, JsonObject]:
    """Live Jobs of this spec by attempt."""
    prefix = _job_name(world, spec_hash, 0)[:-1]
    found = {name.removeprefix(prefix): job for name, job in world.live.jobs.items() if name.startswith(prefix)}
    return {int(rest): job for rest, job in found.items() if rest.isdigit()}


def _usable(world: World, job: JsonObject) -> bool:
    if bounds_at(world, NEVER) is not None and attempts.task_text(job) is None:
        return False  # the bounds it was made with stand in a document that nobody reads
    return not isinstance(world.live.outcome(job["metadata"]["name"]), Failed | Lost)


def _bounds_of(world: World, job: JsonObject) -> FeedbackBounds | None:
    """The bounds that this Job was made with, read off sources that have none of their own."""
    told = json.loads(attempts.task_text(job) or "{}").get("sources") or ()
    received, labelled = None, None
    for source, made in zip(world.dataset.spec.sources, told, strict=False):
        if source.feedback is not None and source.feedback.window.received_before is None:
            received = datetime.fromisoformat(made["feedback"]["receivedBefore"])
        if source.feedback is not None and source.feedback.window.labels_received_before is None:
            labelled = datetime.fromisoformat(made["feedback"]["labelsReceivedBefore"])
    known = received or labelled
    return FeedbackBounds(received or known, labelled or known) if known else None


def _image_of(job: JsonObject) -> str:
    return str(job["spec"]["template"]["spec"]["containers"][0]["image"])
