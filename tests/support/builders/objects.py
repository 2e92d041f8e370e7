"""Short ways to write down the objects that tests speak of."""

from __future__ import annotations

from typing import Any

from bucle.engine.objects import CONFIG_MAP, DEPLOYMENT, JOB, SERVICE, JsonObject, owner_reference
from bucle.resources.addresses import DATASET, Resource


def an_object(resource: Resource, name: str, namespace: str = "ml", **fields: Any) -> JsonObject:
    """An object of that kind; further top-level fields by keyword."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **fields}


def a_dataset(name: str = "flights", **spec: Any) -> JsonObject:
    """A Dataset whose spec is whatever the test says: the engine does not read it."""
    return an_object(DATASET, name, spec=spec)


def a_config_map(
    name: str, data: dict[str, str] | None = None, owner: JsonObject | None = None, namespace: str = "ml"
) -> JsonObject:
    manifest = an_object(CONFIG_MAP, name, namespace, data=data or {})
    if owner is not None:
        manifest["metadata"]["ownerReferences"] = [owner_reference(DATASET, owner)]
    return manifest


def a_job(name: str, namespace: str = "ml", image: str = "worker:1") -> JsonObject:
    """A Job that any API server accepts; it is suspended, so it never makes a pod."""
    container = {"name": "main", "image": image, "command": ["true"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return an_object(JOB, name, namespace, spec={"suspend": True, "backoffLimit": 0, "template": template})


def a_deployment(name: str, namespace: str = "ml") -> JsonObject:
    """A Deployment that any API server accepts; it wants no pods."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "server:1"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return an_object(DEPLOYMENT, name, namespace, spec=spec)


def a_service(name: str, namespace: str, selector: dict[str, str]) -> JsonObject:
    return an_object(SERVICE, name, namespace, spec={"selector": selector, "ports": [{"name": "http", "port": 80}]})
