"""The one pod template: restricted, read-only, without an API token. Pure builder.

What runs in it is `container`, how its task reaches it `document`, where it runs `settings`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bucle.contracts.task import Task
from bucle.engine.objects import JsonObject
from bucle.workloads.container import CONTAINER_SECURITY, program_container
from bucle.workloads.document import TaskTooLarge, is_long, mounted
from bucle.workloads.owner import Owner
from bucle.workloads.platform import Platform
from bucle.workloads.pod_settings import PodSettings

__all__ = ["CONTAINER_SECURITY", "POD_SECURITY", "Owner", "PodSettings", "TaskTooLarge", "pod_template", "task_pod"]

NON_ROOT_UID = 65532
POD_SECURITY: JsonObject = {
    "runAsNonRoot": True,
    "runAsUser": NON_ROOT_UID,
    "runAsGroup": NON_ROOT_UID,
    "fsGroup": NON_ROOT_UID,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod_template(
    platform: Platform,
    labels: Mapping[str, str],
    containers: Sequence[JsonObject],
    volumes: Sequence[JsonObject],
    settings: PodSettings,
    annotations: Mapping[str, str] | None = None,
) -> JsonObject:
    """A pod template; what every pod of ours has: no token, no root, the installation's pull secrets, its placement."""
    spec: JsonObject = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        "containers": list(containers),
        "volumes": [*volumes, {"name": "tmp", "emptyDir": {}}],
        **settings.placement(),
    }
    if platform.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in platform.image_pull_secrets]
    metadata: JsonObject = {"labels": dict(labels)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"metadata": metadata, "spec": spec}


def followed(template: JsonObject, *fields: str) -> JsonObject:
    """What of a live template follows the spec and the chart: the image, the amounts, where it runs, its pull secrets, and
    these further fields of its container. Pods that cannot start under the old ones are made anew."""
    spec, container = template["spec"], template["spec"]["containers"][0]
    kept = {key: container[key] for key in ("name", "image", "resources", *fields) if key in container}
    return {"spec": {**{key: spec[key] for key in _PLACED if key in spec}, "containers": [kept]}}


def kept_of(template: JsonObject) -> JsonObject:
    """What of a live template is as we write it, whoever edits it: what runs, on what, with which rights, and where.

    None for what must not be there: arguments that a person added, a place that the spec names no more.
    """
    spec, container = template["spec"], template["spec"]["containers"][0]
    kept = {"args": None, **{key: container[key] for key in _KEPT_OF_CONTAINER if key in container}}
    kept_spec = {**dict.fromkeys(_PLACED), **{key: spec[key] for key in (*_PLACED, "securityContext") if key in spec}}
    if "serviceAccountName" not in spec:
        kept_spec["serviceAccount"] = None  # its older name, from which the server would fill it again
    annotations = template["metadata"].get("annotations")
    metadata = {"metadata": {"annotations": annotations}} if annotations else {}
    return {**metadata, "spec": {**kept_spec, "containers": [kept]}}


_PLACED = ("imagePullSecrets", "nodeSelector", "tolerations", "serviceAccountName")
_KEPT_OF_CONTAINER = ("name", "image", "command", "env", "envFrom", "resources", "securityContext")


def task_pod(
    platform: Platform,
    owner: Owner,
    task: Task,
    image: str,
    settings: PodSettings,
    labels: Mapping[str, str],
    *,
    with_document: bool = False,
) -> JsonObject:
    """A pod template for one of our programs. The caller adds ports, probes and a restart policy.

    `with_document`: the caller makes the `document` of a long task beside it; else TaskTooLarge is raised for one.
    """
    if is_long(task) and not with_document:
        raise TaskTooLarge(
            f"the {task.program} task of {task.name} does not fit a pod annotation: "
            "name fewer or shorter columns in `capture.drop`"
        )
    annotations, volume = mounted(owner, task)
    container = program_container(platform, task, image, settings)
    return pod_template(platform, labels, [container], [volume], settings, annotations)
