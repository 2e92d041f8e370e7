"""The real reason why a pod does not run, in our closed list of reasons. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from bucle.contracts.result import Failure, Result

PODLESS = timedelta(seconds=20)
"""Pods of a healthy Job exist within a second; a busy controller may take a few."""
FAILED_CREATE = "FailedCreate"
WORDS_LIMIT = 500
_CREDENTIALS = re.compile(r"://[^/@\s]+@")
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}


def pod_trouble(pod: Mapping[str, Any]) -> Failure | None:
    """Why this pod is not (or not yet) doing its work; None when nothing is wrong so far."""
    name = pod["metadata"]["name"]
    status = pod.get("status", {})
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return Failure(
                reason="Unschedulable",
                message=f"no node takes pod {name}: {condition.get('message', '')}. Lower its requests or add a node",
            )
    if status.get("reason") == "Evicted":
        return Failure(reason="Disrupted", message=f"pod {name} was evicted: {status.get('message', '')}")
    if status.get("phase") == "Failed" and not status.get("containerStatuses"):
        # Its node never started it: the kubelet's own admission, a node that shuts down or has no room after all.
        told = f"{status.get('reason') or 'no reason given'}: {status.get('message', '')}"
        return Failure(reason="Disrupted", message=f"the node refused pod {name}: {told}")
    for container in status.get("containerStatuses") or ():
        found = _container_trouble(name, container)
        if found is not None:
            return found
    return None


def deployment_trouble(deployment: Mapping[str, Any]) -> Failure | None:
    """Why a Deployment has fewer pods than it should, when the API server refuses them."""
    for condition in deployment.get("status", {}).get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return _refused(
                f"Deployment {deployment['metadata']['name']}", condition.get("message") or "no reason given"
            )
    return None


def job_trouble(job: Mapping[str, Any], now: datetime, words: str = "") -> Failure | None:
    """A Job that began some time ago and still has no pod: its controller tells the reason in an event only, `words`.

    Called for a Job of which no pod was seen.
    """
    if job.get("spec", {}).get("suspend"):
        return _queued(job)
    status = job.get("status", {})
    began = status.get("startTime")
    if began is None or status.get("active") or now - datetime.fromisoformat(began) < PODLESS:
        return None
    name = job["metadata"]["name"]
    return _refused(f"Job {name}", words or f"no pod exists since {began}; `kubectl describe job {name}` tells why")


def refusal_words(job: str, events: Iterable[Mapping[str, Any]]) -> str:
    """What the API server said last when it refused a pod of that Job; empty when nobody told. Each try has another pod's
    name, which would make the same refusal another message."""
    told = [event for event in events if event.get("reason") == FAILED_CREATE and event.get("message")]
    last = max(told, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""), default=None)
    if last is None:
        return ""
    words = " ".join(str(last["message"]).removeprefix("Error creating: ").split())
    words = re.sub(rf'pods? "{re.escape(job)}-[a-z0-9]+"', "its pod", words)
    return _CREDENTIALS.sub("://…@", words)[:WORDS_LIMIT].rstrip(".")


def _queued(job: Mapping[str, Any]) -> Failure:
    """A queue holds a Job back by suspending it; the Job then begins late, and its deadline counts from there."""
    name, namespace = job["metadata"]["name"], job["metadata"].get("namespace", "")
    queue = (job["metadata"].get("labels") or {}).get(QUEUE_LABEL)
    by = f"queue {queue}" if queue else job.get("spec", {}).get("managedBy") or "somebody, by `spec.suspend`"
    return Failure(
        reason="Queued",
        message=f"Job {name} is held back by {by} and runs once it is let go: "
        f"`kubectl get workloads,localqueues -n {namespace}` tells its place, "
        f"`kubectl describe job {name} -n {namespace}` who suspended it",
    )


def _refused(workload: str, why: str) -> Failure:
    return Failure(
        reason="PodsRefused",
        message=f"no pod is created for {workload}: {why}. Raise the quota or lower its requests",
    )


def _container_trouble(pod: str, container: Mapping[str, Any]) -> Failure | None:
    waiting = container.get("state", {}).get("waiting") or {}
    reason, text = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _IMAGE:
        image = container.get("image", "")
        return Failure(
            reason="ImagePullFailed",
            message=f"pod {pod} cannot get image {image}: {text or reason}. Correct the image or its pull secret",
        )
    if reason == "CreateContainerConfigError" and "secret" in text:
        return Failure(
            reason="SecretMissing",
            message=f"pod {pod} waits for a Secret: {text}. Create it: kubectl create secret generic bucle-storage "
            "--from-literal=AWS_ACCESS_KEY_ID=… --from-literal=AWS_SECRET_ACCESS_KEY=… "
            "--from-literal=AWS_ENDPOINT_URL_S3=… --from-literal=AWS_REGION=…",
        )
    if reason in {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}:
        return Failure(reason="ContainerRefused", message=f"pod {pod} cannot start its container: {text}")
    if reason == "CrashLoopBackOff":
        return _last_words(pod, container)
    return None


def _last_words(pod: str, container: Mapping[str, Any]) -> Failure:
    """A restarting program's own explanation, if its last run left one."""
    last = container.get("lastState", {}).get("terminated") or {}
    if last.get("reason") == "OOMKilled":
        return Failure(
            reason="OutOfMemory",
            message=f"pod {pod} was killed for using more memory than its limit: raise `resources.limits.memory`",
        )
    try:
        failure = Result.from_json(last.get("message") or "").failure
    except ValueError:
        failure = None
    if failure is not None:
        return failure
    return Failure(
        reason="CrashLooping",
        message=f"pod {pod} ends again and again with exit code {last.get('exitCode')}: see its log",
    )
