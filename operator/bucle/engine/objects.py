"""Raw Kubernetes objects: their addresses, what points to them, and the few fields everyone reads. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from bucle.contracts.names import LABEL_KIND, LABEL_NAME
from bucle.resources.addresses import Resource

JsonObject: TypeAlias = dict[str, Any]

JOB = Resource("batch", "v1", "Job", "jobs")
DEPLOYMENT = Resource("apps", "v1", "Deployment", "deployments")
POD = Resource("", "v1", "Pod", "pods")
SERVICE = Resource("", "v1", "Service", "services")
CONFIG_MAP = Resource("", "v1", "ConfigMap", "configmaps")
EVENT = Resource("", "v1", "Event", "events")
POD_DISRUPTION_BUDGET = Resource("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
LEASE = Resource("coordination.k8s.io", "v1", "Lease", "leases")
CUSTOM_RESOURCE_DEFINITION = Resource(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions"
)


class ObjectKey(NamedTuple):
    """The address of one object: what a watch event carries and what the queue holds."""

    resource: Resource
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.resource.kind} {self.namespace}/{self.name}"


class Version(NamedTuple):
    """One state of one object."""

    key: ObjectKey
    version: str


class Ref(NamedTuple):
    """Something an object points to; when that changes, the pointing object is woken.

    For Kubernetes objects `scope` is `<plural>/<namespace>`; for a registered model it is `registry`.
    """

    scope: str
    name: str


def object_ref(resource: Resource, namespace: str, name: str) -> Ref:
    return Ref(f"{resource.plural}/{namespace}", name)


def key_of(resource: Resource, obj: Mapping[str, Any]) -> ObjectKey:
    metadata = obj["metadata"]
    return ObjectKey(resource, metadata.get("namespace", ""), metadata["name"])


def version_of(resource: Resource, obj: Mapping[str, Any]) -> Version:
    return Version(key_of(resource, obj), str(obj["metadata"].get("resourceVersion", "")))


def uid_of(obj: Mapping[str, Any]) -> str:
    return str(obj.get("metadata", {}).get("uid", ""))


def labels_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    return obj.get("metadata", {}).get("labels") or {}


def annotations_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    return obj.get("metadata", {}).get("annotations") or {}


def controller_of(obj: Mapping[str, Any]) -> JsonObject | None:
    """The reference to the object's controlling owner, if it has one."""
    for owner in obj.get("metadata", {}).get("ownerReferences") or []:
        if owner.get("controller"):
            return dict(owner)
    return None


def controller_uid(obj: Mapping[str, Any]) -> str | None:
    owner = controller_of(obj)
    return str(owner["uid"]) if owner else None


def owner_reference(resource: Resource, owner: Mapping[str, Any]) -> JsonObject:
    """The controlling owner reference that puts a child in the garbage collector's care."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }


class OwnerName(NamedTuple):
    kind: str
    namespace: str
    name: str


def owners_of(obj: Mapping[str, Any]) -> frozenset[OwnerName]:
    """The controlling owner, and the object that the labels name: a pod's controller is a Job or ReplicaSet, not ours."""
    metadata = obj.get("metadata", {})
    namespace = metadata.get("namespace", "")
    found = {
        OwnerName(owner["kind"], namespace, owner["name"])
        for owner in metadata.get("ownerReferences") or []
        if owner.get("controller")
    }
    labels = labels_of(obj)
    if LABEL_KIND in labels and LABEL_NAME in labels:
        found.add(OwnerName(labels[LABEL_KIND], namespace, labels[LABEL_NAME]))
    return frozenset(found)
