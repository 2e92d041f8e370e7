"""The life of one build: begun, adopted, tried again, given up. Pure; every decision is a row in `status.build`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from bucle.contracts import names
from bucle.contracts.reasons import needs_someone
from bucle.engine.objects import JsonObject
from bucle.kinds.dataset.children import bounds
from bucle.kinds.dataset.world import World
from bucle.resources.dataset_status import Build
from bucle.workloads.attempts import (
    LONGEST_PAUSE,
    USER_ATTEMPTS,
    outcome_of,
    pause,
    task_text,
    waited_for,
)
from bucle.workloads.jobs import Failed, Finished, Lost, Running
from bucle.workloads.platform import Platform

RUNNING, WAITING, STOPPED = "Running", "Waiting", "Stopped"


def begun(platform: Platform, world: World, spec_hash: str, now: datetime) -> Build:
    """The first attempt for this spec: a Job that already exists for it (lost status), else a new one.

    A new attempt is numbered above every Job that is still there, so a harvested one is never met again.
    """
    live = _jobs_for(world, spec_hash)
    for attempt in sorted(live, reverse=True):
        job = live[attempt]
        if isinstance(outcome_of(job["metadata"]["name"], world.jobs, world.pods), Running | Finished):
            return _build(platform, world, spec_hash, attempt, now, job)
    return _build(platform, world, spec_hash, max(live, default=-1) + 1, now, None)


def after(build: Build, failed: Failed | Lost, now: datetime) -> Build:
    """The build once this attempt brought no result: the next attempt with its pause, or stopped."""
    if isinstance(failed, Lost):
        failed = Failed("Retry", "ResultLost", failed.message)
    failed = waited_for(*reason_of(build), failed)
    failures = (build.failures or 0) + (1 if failed.kind in ("User", "Parameters") else 0)
    reason = f"{failed.reason}: {failed.message}"
    if needs_someone(failed.reason):
        return build.model_copy(update={"state": STOPPED, "reason": reason, "not_before": now + LONGEST_PAUSE})
    if failed.kind == "Fatal" or failures >= USER_ATTEMPTS:
        return build.model_copy(update={"state": STOPPED, "reason": reason, "failures": failures, "not_before": None})
    return build.model_copy(
        update={
            "state": WAITING,
            "reason": reason,
            "failures": failures,
            "not_before": now + pause(build.attempt or 0),
        }
    )


def due(build: Build, now: datetime) -> bool:
    """Whether a waiting (or stopped, but healing) build is to be tried again now."""
    return build.state in (WAITING, STOPPED) and build.not_before is not None and build.not_before <= now


def tried_again(build: Build, platform: Platform, world: World, now: datetime) -> Build:
    live = _jobs_for(world, build.spec_hash or "")
    attempt = max([build.attempt or 0, *live]) + 1
    return build.model_copy(
        update={
            "attempt": attempt,
            "job": _job_name(world, build.spec_hash or "", attempt),
            "image": platform.image_worker,
            "state": RUNNING,
            "reason": None,
            "not_before": None,
            "started_at": now,
        }
    )


def reason_of(build: Build) -> tuple[str, str]:
    """Reason and message as recorded; both are kept in one text, which is what a person reads in status."""
    reason, _, message = (build.reason or "Building").partition(": ")
    return reason, message


def _job_name(world: World, spec_hash: str, attempt: int) -> str:
    return names.data_job(world.owner.name, world.owner.uid, spec_hash, attempt)


def _jobs_for(world: World, spec_hash: str) -> dict[int, JsonObject]:
    """Live Jobs of this spec by attempt."""
    prefix = _job_name(world, spec_hash, 0)[:-1]
    found = {name.removeprefix(prefix): job for name, job in world.jobs.items() if name.startswith(prefix)}
    return {int(rest): job for rest, job in found.items() if rest.isdigit()}


def _build(
    platform: Platform, world: World, spec_hash: str, attempt: int, now: datetime, job: JsonObject | None
) -> Build:
    fixed: tuple[Any, Any] | None = _bounds_of(world, job) if job is not None else bounds(world, now)
    return Build.model_validate(
        {
            "spec_hash": spec_hash,
            "job": _job_name(world, spec_hash, attempt),
            "attempt": attempt,
            "failures": 0,
            "started_at": now,
            "image": platform.image_worker if job is None else _image_of(job),
            "state": RUNNING,
            "received_before": fixed[0] if fixed else None,
            "labels_received_before": fixed[1] if fixed else None,
        }
    )


def _bounds_of(world: World, job: JsonObject) -> tuple[str | None, str | None]:
    """The bounds that this Job was made with, read off sources that have none of their own."""
    told = json.loads(task_text(job) or "{}").get("sources") or ()
    received, labelled = None, None
    for source, made in zip(world.dataset.spec.sources, told, strict=False):
        if source.feedback is not None and source.feedback.window.received_before is None:
            received = made["feedback"]["receivedBefore"]
        if source.feedback is not None and source.feedback.window.labels_received_before is None:
            labelled = made["feedback"]["labelsReceivedBefore"]
    return received, labelled


def _image_of(job: JsonObject) -> str:
    return str(job["spec"]["template"]["spec"]["containers"][0]["image"])
