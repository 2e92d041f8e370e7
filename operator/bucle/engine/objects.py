"""Raw Kubernetes objects: their types, coordinates and the few fields everyone reads. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

JsonObject: TypeAlias = dict[str, Any]

GROUP = "bucle.dev"
VERSION = "v1alpha1"


@dataclass(frozen=True, slots=True, order=True)
class Resource:
    """A kind as the API server addresses it. `group` is empty for the core group."""

    group: str
    version: str
    kind: str
    plural: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


DATASET = Resource(GROUP, VERSION, "Dataset", "datasets")
EXPERIMENT = Resource(GROUP, VERSION, "Experiment", "experiments")
MODEL_DEPLOYMENT = Resource(GROUP, VERSION, "ModelDeployment", "modeldeployments")
DRIFT_POLICY = Resource(GROUP, VERSION, "DriftPolicy", "driftpolicies")
JOB = Resource("batch", "v1", "Job", "jobs")
DEPLOYMENT = Resource("apps", "v1", "Deployment", "deployments")
POD = Resource("", "v1", "Pod", "pods")
SERVICE = Resource("", "v1", "Service", "services")
CONFIG_MAP = Resource("", "v1", "ConfigMap", "configmaps")
EVENT = Resource("", "v1", "Event", "events")
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


def key_of(resource: Resource, obj: Mapping[str, Any]) -> ObjectKey:
    metadata = obj["metadata"]
    return ObjectKey(resource, metadata.get("namespace", ""), metadata["name"])


def uid_of(obj: Mapping[str, Any]) -> str:
    return str(obj.get("metadata", {}).get("uid", ""))


def labels_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    return obj.get("metadata", {}).get("labels") or {}


def annotations_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    return obj.get("metadata", {}).get("annotations") or {}


def controller_uid(obj: Mapping[str, Any]) -> str | None:
    """The uid of the object's controlling owner, if it has one."""
    for owner in obj.get("metadata", {}).get("ownerReferences") or []:
        if owner.get("controller"):
            return str(owner["uid"])
    return None


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
