"""Short ways to write down the objects that tests speak of."""

from __future__ import annotations

from typing import Any

from bucle.engine.objects import CONFIG_MAP, DATASET, JOB, JsonObject, Resource, owner_reference


def an_object(resource: Resource, name: str, namespace: str = "ml", **fields: Any) -> JsonObject:
    """An object of that kind; further top-level fields by keyword."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **fields}


def a_dataset(name: str = "flights", **spec: Any) -> JsonObject:
    """A Dataset whose spec is whatever the test says: the engine does not read it."""
    return an_object(DATASET, name, spec=spec)


def a_config_map(name: str, data: dict[str, str] | None = None, owner: JsonObject | None = None) -> JsonObject:
    manifest = an_object(CONFIG_MAP, name, data=data or {})
    if owner is not None:
        manifest["metadata"]["ownerReferences"] = [owner_reference(DATASET, owner)]
    return manifest


def a_job(name: str, namespace: str = "ml", image: str = "worker:1") -> JsonObject:
    """A Job that any API server accepts; it is suspended, so it never makes a pod."""
    container = {"name": "main", "image": image, "command": ["true"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return an_object(JOB, name, namespace, spec={"suspend": True, "backoffLimit": 0, "template": template})
