"""What kubelet and controllers do to Jobs, Pods and Deployments, told by a test instead of by time."""

from __future__ import annotations

from typing import Any

from tests.support.fakes.kube import FakeKube

from bucle.contracts.names import ENV_TASK_SHA256
from bucle.contracts.result import Result
from bucle.engine.objects import DEPLOYMENT, JOB, POD, JsonObject, owner_reference
from bucle.engine.status import timestamp


def is_finished(job: JsonObject) -> bool:
    conditions = job.get("status", {}).get("conditions") or []
    return any(c["type"] in {"Complete", "Failed"} and c["status"] == "True" for c in conditions)


def finish_job(kube: FakeKube, namespace: str, name: str, result: Result | str) -> None:
    """The pod exits 0 with that message; the Job is Complete."""
    _end(kube, namespace, name, 0, result)


def fail_job(kube: FakeKube, namespace: str, name: str, exit_code: int, result: Result | str = "") -> None:
    """The pod exits with that code; the Job is Failed as with backoffLimit 0."""
    _end(kube, namespace, name, exit_code, result)


def end_pod(kube: FakeKube, namespace: str, name: str, exit_code: int, result: Result | str = "") -> None:
    """The Job's pod ends; the Job controller has not noticed yet."""
    pod = start_pod(kube, namespace, name)
    message = told_of(pod, result).message() if isinstance(result, Result) else result
    ended: dict[str, Any] = {"exitCode": exit_code, "finishedAt": timestamp(kube.clock.now()), "message": message}
    ended["reason"] = "Completed" if exit_code == 0 else "Error"
    container = pod["spec"]["containers"][0]["name"]
    phase = "Succeeded" if exit_code == 0 else "Failed"
    set_pod_status(
        kube, pod, {"phase": phase, "containerStatuses": [{"name": container, "state": {"terminated": ended}}]}
    )


def told_of(pod: JsonObject, result: Result) -> Result:
    """A program says in its result of which task it is: of the one its pod was given."""
    env = {variable["name"]: variable.get("value") for variable in pod["spec"]["containers"][0].get("env") or ()}
    return result.model_copy(update={"task_sha256": env.get(ENV_TASK_SHA256, result.task_sha256)})


def start_pod(kube: FakeKube, namespace: str, job_name: str) -> JsonObject:
    """The Job controller makes the Job's pod, with the labels that it adds."""
    job = kube.peek(JOB, namespace, job_name)
    assert job is not None, f"there is no Job {job_name}; there are {[j['metadata']['name'] for j in kube.all(JOB)]}"
    template = job["spec"]["template"]
    uid = job["metadata"]["uid"]
    labels = {
        **template["metadata"].get("labels", {}),
        "job-name": job_name,
        "batch.kubernetes.io/job-name": job_name,
        "batch.kubernetes.io/controller-uid": uid,
    }
    metadata = {
        "name": f"{job_name}-{uid[:5]}",
        "namespace": namespace,
        "labels": labels,
        "annotations": template["metadata"].get("annotations", {}),
        "ownerReferences": [owner_reference(JOB, job)],
    }
    pod = kube.peek(POD, namespace, metadata["name"])
    return pod or kube.put(POD, {"metadata": metadata, "spec": template["spec"]})


def set_pod_status(kube: FakeKube, pod: JsonObject, status: JsonObject) -> None:
    def change(obj: JsonObject) -> None:
        obj["status"] = status

    kube.edit(POD, pod["metadata"]["namespace"], pod["metadata"]["name"], change)


def ready_deployment(kube: FakeKube, deployment: JsonObject) -> None:
    """The Deployment, given as it is now, reports all wanted pods ready at its newest generation."""
    metadata, wanted = deployment["metadata"], deployment["spec"].get("replicas", 1)
    status = {
        "observedGeneration": metadata["generation"],
        "replicas": wanted,
        "updatedReplicas": wanted,
        "readyReplicas": wanted,
        "availableReplicas": wanted,
        "conditions": [{"type": "Available", "status": "True"}],
    }
    if deployment.get("status") != status:
        kube.edit(DEPLOYMENT, metadata["namespace"], metadata["name"], lambda obj: obj.update(status=status))


def _end(kube: FakeKube, namespace: str, name: str, exit_code: int, result: Result | str) -> None:
    end_pod(kube, namespace, name, exit_code, result)
    now = timestamp(kube.clock.now())

    def change(job: JsonObject) -> None:
        type_ = "Complete" if exit_code == 0 else "Failed"
        said = {"type": type_, "status": "True", "lastTransitionTime": now}
        if exit_code != 0:
            said["reason"] = "BackoffLimitExceeded"
        job["status"] = {"conditions": [said], "completionTime": now}

    kube.edit(JOB, namespace, name, change)
