"""The container that runs one of our programs on its task. A container of a person's own has its place beside it. Pure."""

from __future__ import annotations

from bucle.contracts import names
from bucle.contracts.task import Task
from bucle.engine.objects import JsonObject
from bucle.workloads.platform import Platform
from bucle.workloads.pod_settings import PodSettings

CONTAINER_SECURITY: JsonObject = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
LEAST: JsonObject = {"requests": {"cpu": "100m", "memory": "256Mi"}}


def program_container(platform: Platform, task: Task, image: str, settings: PodSettings) -> JsonObject:
    """Reads its task at /bucle/task.json, wherever the pod mounts it from, and believes it by its sha256."""
    return {
        "name": task.program,
        "image": image,
        "imagePullPolicy": platform.image_pull_policy,
        "command": ["python", "-m", f"bucle.pods.{task.program}"],
        "env": [
            {"name": names.ENV_TASK_SHA256, "value": task.content_hash()},
            {"name": "BUCLE_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "TMPDIR", "value": "/tmp"},
            {"name": "HOME", "value": "/tmp"},
        ],
        "envFrom": [{"secretRef": {"name": platform.storage_secret}}],
        "resources": settings.resources or LEAST,
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": "task", "mountPath": "/bucle", "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
        "terminationMessagePolicy": "File",
    }
