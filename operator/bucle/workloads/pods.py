"""The one pod template: restricted, read-only, without an API token, with its task mounted. Pure builder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bucle.contracts import names
from bucle.contracts.task import Task
from bucle.engine.objects import JsonObject, owner_reference
from bucle.engine.room import SpecInvalid
from bucle.resources.addresses import Resource
from bucle.resources.base import ObjectMeta
from bucle.workloads.platform import Platform

NON_ROOT_UID = 65532


class TaskTooLarge(SpecInvalid):
    """The task document does not fit the pod annotation; the object's spec must be made smaller."""

    reason = "TaskTooLarge"


@dataclass(frozen=True, slots=True)
class Owner:
    """The object a child belongs to, as far as builders need it."""

    resource: Resource
    name: str
    namespace: str
    uid: str

    @classmethod
    def of(cls, resource: Resource, metadata: ObjectMeta) -> Owner:
        return cls(resource, metadata.name, metadata.namespace, metadata.uid)

    def reference(self) -> JsonObject:
        return owner_reference(self.resource, {"metadata": {"name": self.name, "uid": self.uid}})

    def labels(self, component: str, **more: str) -> dict[str, str]:
        """Labels of a child and of its pods; never copied from the owner, which may carry tracking labels."""
        return {
            names.LABEL_MANAGED_BY: names.MANAGED_BY,
            names.LABEL_KIND: self.resource.kind,
            names.LABEL_NAME: self.name,
            names.LABEL_UID: self.uid,
            names.LABEL_COMPONENT: component,
            **more,
        }

    def selector(self, component: str | None = None) -> tuple[tuple[str, str], ...]:
        """The label selector that lists this owner's children and nobody else's."""
        chosen = [(names.LABEL_UID, self.uid)]
        if component is not None:
            chosen.append((names.LABEL_COMPONENT, component))
        return tuple(chosen)

    def metadata(self, name: str, labels: Mapping[str, str]) -> JsonObject:
        return {
            "name": name,
            "namespace": self.namespace,
            "labels": dict(labels),
            "ownerReferences": [self.reference()],
        }


@dataclass(frozen=True, slots=True)
class PodSettings:
    """The small subset of a PodSpec that a person may set, as raw values of the spec."""

    resources: JsonObject = field(default_factory=dict)
    node_selector: JsonObject = field(default_factory=dict)
    tolerations: tuple[JsonObject, ...] = ()
    service_account: str | None = None

    @classmethod
    def of(cls, spec: Mapping[str, object] | None) -> PodSettings:
        given: Mapping[str, object] = spec or {}
        return cls(
            resources=_without_empty(given.get("resources")),
            node_selector=dict(given.get("nodeSelector") or {}),  # type: ignore[call-overload]
            tolerations=tuple(given.get("tolerations") or ()),  # type: ignore[arg-type]
            service_account=given.get("serviceAccountName"),  # type: ignore[arg-type]
        )


def _without_empty(resources: object) -> JsonObject:
    """A typed spec writes `requests: {}` for what a person left out; that must not count as a choice."""
    given: JsonObject = dict(resources or {})  # type: ignore[call-overload]
    return {name: amounts for name, amounts in given.items() if amounts}


CONTAINER_SECURITY: JsonObject = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
POD_SECURITY: JsonObject = {
    "runAsNonRoot": True,
    "runAsUser": NON_ROOT_UID,
    "runAsGroup": NON_ROOT_UID,
    "fsGroup": NON_ROOT_UID,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def task_pod(
    platform: Platform, task: Task, image: str, settings: PodSettings, labels: Mapping[str, str]
) -> JsonObject:
    """A pod template for one of our programs. The caller adds ports, probes and a restart policy.

    Raises TaskTooLarge when the task exceeds the 16 KiB the contract allows.
    """
    document = task.canonical()
    if len(document) > names.TASK_LIMIT_BYTES:
        raise TaskTooLarge(
            f"the {task.program} task of {task.name} has {len(document)} bytes, at most {names.TASK_LIMIT_BYTES} fit: "
            "describe fewer or shorter columns and expectations"
        )
    container: JsonObject = {
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
        "resources": settings.resources or {"requests": {"cpu": "100m", "memory": "256Mi"}},
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": "task", "mountPath": "/bucle", "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
        "terminationMessagePolicy": "File",
    }
    spec: JsonObject = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        "containers": [container],
        "volumes": [
            {
                "name": "task",
                "downwardAPI": {
                    "items": [
                        {
                            "path": "task.json",
                            "fieldRef": {"fieldPath": f"metadata.annotations['{names.ANNOTATION_TASK}']"},
                        }
                    ]
                },
            },
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    if settings.node_selector:
        spec["nodeSelector"] = settings.node_selector
    if settings.tolerations:
        spec["tolerations"] = list(settings.tolerations)
    if settings.service_account:
        spec["serviceAccountName"] = settings.service_account
    return {
        "metadata": {"labels": dict(labels), "annotations": {names.ANNOTATION_TASK: document}},
        "spec": spec,
    }
