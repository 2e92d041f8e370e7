"""One attempt of one program as a Job, and what became of it. Pure builder and pure verdict.

The operator owns retries, so a Job has exactly one pod to lose (`backoffLimit: 0`, `restartPolicy: Never`) and
no TTL until its result has been read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import ValidationError

from bucle.contracts import exits, names
from bucle.contracts.canonical import short_hash
from bucle.contracts.result import Failure, Result
from bucle.contracts.task import Task
from bucle.engine.objects import JOB, JsonObject, annotations_of
from bucle.engine.plan import Child
from bucle.workloads.document import document
from bucle.workloads.platform import Platform
from bucle.workloads.pods import Owner, PodSettings, followed, task_pod
from bucle.workloads.trouble import job_trouble, pod_trouble


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One attempt: its name and image are in the owner's status before the Job exists."""

    name: str
    component: str
    image: str
    task: Task
    deadline: timedelta
    settings: PodSettings = PodSettings()


def task_job(platform: Platform, owner: Owner, job: JobSpec) -> tuple[Child, ...]:
    """The Job of this attempt, after the document of its task if that is a long one. Raises TaskTooLarge. A Job is never patched but for a time to live once it was harvested (`attempt`)."""
    labels = owner.labels(job.component)
    template = task_pod(platform, owner, job.task, job.image, job.settings, labels, with_document=True)
    template["spec"]["restartPolicy"] = "Never"
    template["spec"]["terminationGracePeriodSeconds"] = 10
    pod_hash = {names.ANNOTATION_POD: short_hash(followed(template), 16)}
    manifest: JsonObject = {
        "apiVersion": JOB.api_version,
        "kind": JOB.kind,
        "metadata": {**owner.metadata(job.name, labels), "annotations": pod_hash},
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "activeDeadlineSeconds": max(1, int(job.deadline.total_seconds())),
            "podReplacementPolicy": "Failed",
            "template": template,
        },
    }
    long = document(owner, job.task)
    made = Child(JOB, manifest)
    return (made,) if long is None else (long, made)


def placed_otherwise(live: Mapping[str, Any], wanted: Child) -> bool:
    """Whether the pod settings or the pull secrets were changed since that Job was made: it keeps the template it was made
    with, so a pod that cannot start would not start under the new ones before its deadline."""
    told = annotations_of(live).get(names.ANNOTATION_POD)
    return told is not None and told != annotations_of(wanted.manifest).get(names.ANNOTATION_POD)


@dataclass(frozen=True, slots=True)
class Running:
    """Not finished. `trouble` is the pod's real reason for waiting, lifted for the condition, if it has one."""

    trouble: Failure | None = None
    started: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """The pod reported a result without a failure."""

    result: Result


@dataclass(frozen=True, slots=True)
class Failed:
    """kind: Retry = try another attempt; Parameters = tell the sampler; Fatal = a person must act; User = counts as a failed attempt."""

    kind: Literal["Retry", "Parameters", "Fatal", "User"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The Job is complete (or gone) and nobody can say with what: run it again, every program is safe to run twice."""

    message: str


Outcome = Running | Finished | Failed | Lost


def outcome(
    name: str,
    job: Mapping[str, Any] | None,
    pods: Sequence[Mapping[str, Any]],
    now: datetime | None = None,
    refusal: str = "",
) -> Outcome:
    """What became of the attempt, from its Job (None: it no longer exists) and all pods of its owner.

    With `now` a Job that gets no pod is told from one that has just begun; `refusal`: the API server's words on it. Pods are matched by the Job's name, so one
    that outlives its Job still counts, and by nothing else: without a Job there is no pod that could be anybody's.
    """
    mine = [pod for pod in pods if (pod["metadata"].get("labels") or {}).get("job-name") == name]
    wanted = task_sha256(job["spec"]["template"]["spec"]) if job else None
    for pod in mine:
        ended = _terminated(pod)
        if ended is not None:
            told = _from_container(pod, ended, wanted or task_sha256(pod.get("spec") or {}))
            if told is not None:
                return told
    if job is None:
        return Lost("the Job no longer exists and left no result")
    conditions = {c["type"]: c for c in job.get("status", {}).get("conditions") or () if c.get("status") == "True"}
    failed = conditions.get("Failed") or conditions.get("FailureTarget")
    if failed is not None and failed.get("reason") == "DeadlineExceeded":
        return _from_deadline(mine)
    if failed is not None or "Complete" in conditions or "SuccessCriteriaMet" in conditions:
        if any(not _is_over(pod) for pod in mine):
            # Such a Job has seen its pod end: our list of pods is the older one, and the message is in the next.
            return Running(started=True)
        if failed is not None:
            return Lost(f"the Job failed ({failed.get('reason', 'no reason')}) and its pod is gone")
        return Lost("the Job completed but its pod and message are gone")
    trouble = next((found for pod in mine if (found := pod_trouble(pod)) is not None), None)
    if not mine and now is not None:
        trouble = job_trouble(job, now, refusal)
    return Running(trouble, started=any(pod.get("status", {}).get("phase") == "Running" for pod in mine))


def task_sha256(pod_spec: Mapping[str, Any]) -> str | None:
    """Which task the pods with that spec were told: a result of any other is not theirs."""
    for container in pod_spec.get("containers") or ():
        for variable in container.get("env") or ():
            if variable.get("name") == names.ENV_TASK_SHA256:
                return str(variable.get("value"))
    return None


def _terminated(pod: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for status in pod.get("status", {}).get("containerStatuses") or ():
        ended = status.get("state", {}).get("terminated")
        if ended:
            return ended  # type: ignore[no-any-return]
    return None


def _is_over(pod: Mapping[str, Any]) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed") or _terminated(pod) is not None


def _disrupted(pod: Mapping[str, Any]) -> bool:
    return any(
        c.get("type") == "DisruptionTarget" and c.get("status") == "True"
        for c in pod.get("status", {}).get("conditions") or ()
    )


def _from_container(pod: Mapping[str, Any], ended: Mapping[str, Any], task_sha256: str | None) -> Outcome | None:
    code = int(ended.get("exitCode", -1))
    # What ended well before the eviction came through is a result like any other; running it again would waste it.
    if code != exits.OK and _disrupted(pod):
        return Failed("Retry", "Disrupted", f"pod {pod['metadata']['name']} was evicted or its node went away")
    if ended.get("reason") == "OOMKilled":
        return Failed(
            "User",
            "OutOfMemory",
            "the container was killed for using more memory than its limit: raise `resources.limits.memory`",
        )
    result = _parse(ended.get("message") or "")
    if result is not None and task_sha256 is not None and result.task_sha256 != task_sha256:
        result = None
    if code == exits.OK:
        return Finished(result) if result is not None and result.failure is None else None
    failure = result.failure if result is not None else None
    reason = failure.reason if failure else "ProgramFailed"
    message = (
        failure.message
        if failure
        else f"the program ended with exit code {code} and left no message: see the pod's log"
    )
    kinds: dict[int, Literal["Retry", "Parameters", "Fatal"]] = {
        exits.BAD_PARAMETERS: "Parameters",
        exits.TRY_AGAIN: "Retry",
        exits.BAD_CONFIGURATION: "Fatal",
    }
    if code in (137, 143) and failure is None and pod.get("metadata", {}).get("deletionTimestamp"):
        return None
    return Failed(kinds.get(code, "User"), reason, message)


def _parse(message: str) -> Result | None:
    try:
        return Result.from_json(message)
    except ValidationError:
        return None


def _from_deadline(pods: Sequence[Mapping[str, Any]]) -> Outcome:
    trouble = next((found for pod in pods if (found := pod_trouble(pod)) is not None), None)
    if trouble is not None:
        return Failed("User", trouble.reason, trouble.message)
    return Failed("User", "DeadlineExceeded", "the pod was still running at its deadline and was stopped")
