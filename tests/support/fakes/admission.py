"""What the API server makes of an object before it stores it: defaults and pruning, then the reasons to refuse it. Pure.

Our kinds are judged by their CRDs, the core kinds by Kubernetes' own schemas and by the few of its further rules that a
manifest of ours could break.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import yaml
from tests.support.fakes import core_schemas
from tests.support.fakes.quantities import with_stored_quantities
from tests.support.fakes.schema import Schema, Verdict, judge

from bucle.engine.objects import CONFIG_MAP, DEPLOYMENT, JOB, SERVICE, JsonObject, annotations_of
from bucle.resources.addresses import GROUP, Resource

CRDS = Path(__file__).resolve().parents[3] / "manifests/crds.yaml"
LARGEST_REQUEST = 3 * 1024 * 1024
LARGEST_CONFIG_MAP = 1024 * 1024
LARGEST_ANNOTATIONS = 256 * 1024

LABEL_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?\Z")
OBJECT_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
LABEL_VALUE = re.compile(r"(?=.{0,63}\Z)(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?\Z")
QUALIFIED = re.compile(
    r"([a-z0-9][-a-z0-9.]{0,251}[a-z0-9]/)?(?=[^/]{1,63}\Z)([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\Z"
)
FILE_NAME = re.compile(r"[-._a-zA-Z0-9]{1,253}\Z")


def admitted(resource: Resource, obj: JsonObject) -> Verdict:
    """The object as it would be stored, why it is refused, and which fields no schema knows."""
    schema, definitions = _schema_of(resource)
    if schema is None:
        return Verdict(obj)
    judged = judge(schema, obj, "", definitions)
    if definitions:
        judged.value = with_stored_quantities(judged.value)
        # Controllers of Kubernetes write these, and nobody minds what they leave out.
        judged.problems = [p for p in judged.problems if not (p.startswith("status") and p.endswith("Required value"))]
    judged.problems += _further(resource, judged.value) if not judged.problems else []
    return judged


def status_admitted(resource: Resource, status: JsonObject) -> Verdict:
    """The status alone, as a PUT of `/status` judges it: a spec that stopped being valid does not keep it from being told."""
    schema, definitions = _schema_of(resource)
    if schema is None or definitions:
        return Verdict(status)
    return judge(schema["properties"]["status"], status, "status")


def immutable(resource: Resource, before: JsonObject, after: JsonObject) -> list[str]:
    """Fields that nobody may change once the object is there."""
    fields = {
        JOB: ("selector", "template", "completions", "completionMode", "podFailurePolicy"),
        DEPLOYMENT: ("selector",),
        SERVICE: ("clusterIP",),
    }.get(resource, ())
    old, new = before.get("spec") or {}, after.get("spec") or {}
    found = [f"spec.{name}: Invalid value: field is immutable" for name in fields if old.get(name) != new.get(name)]
    if resource == CONFIG_MAP and before.get("immutable") and before.get("data") != after.get("data"):
        found.append("data: Forbidden: field is immutable when `immutable` is set")
    return found


def intent_changed(resource: Resource, before: JsonObject, after: JsonObject) -> bool:
    """A Deployment counts its annotations as part of what is wanted; other kinds only their spec."""
    annotated = resource == DEPLOYMENT and annotations_of(before) != annotations_of(after)
    return annotated or before.get("spec") != after.get("spec")


@cache
def _schema_of(resource: Resource) -> tuple[Schema | None, Mapping[str, Schema] | None]:
    if resource.group == GROUP:
        return _own_schemas().get(resource.kind), None
    definitions = core_schemas.definitions()
    name = core_schemas.ROOTS.get((resource.group, resource.kind))
    return (definitions[name], definitions) if name else (None, None)


@cache
def _own_schemas() -> Mapping[str, Schema]:
    """As they are installed; metadata is judged like everybody's."""
    documents = [thing for thing in yaml.load_all(CRDS.read_text(), Loader=yaml.CSafeLoader) if thing]
    found = {}
    for crd in documents:
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        metadata = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        found[crd["spec"]["names"]["kind"]] = {**schema, "properties": {**schema["properties"], "metadata": metadata}}
    return found


def _further(resource: Resource, obj: JsonObject) -> list[str]:
    """Rules of Kubernetes that no schema tells."""
    found = [*_metadata_problems(resource, obj["metadata"])]
    if resource == CONFIG_MAP:
        found += _config_map_problems(obj)
    if resource == JOB:
        found += _job_problems(obj["spec"])
    if resource == DEPLOYMENT:
        found += _deployment_problems(obj["spec"])
    if resource == SERVICE:
        found += _service_problems(obj["spec"])
    return found


def _metadata_problems(resource: Resource, metadata: JsonObject) -> Iterator[str]:
    pattern = SERVICE_NAME if resource == SERVICE else OBJECT_NAME
    if not pattern.match(metadata["name"]):
        yield f'metadata.name: Invalid value: "{metadata["name"]}": a lowercase RFC 1123 subdomain must consist of …'
    yield from _label_problems(metadata.get("labels") or {}, "metadata.labels")
    annotations = metadata.get("annotations") or {}
    yield from (f'metadata.annotations: Invalid value: "{key}"' for key in annotations if not QUALIFIED.match(key))
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > LARGEST_ANNOTATIONS:
        yield f"metadata.annotations: Too long: may not be more than {LARGEST_ANNOTATIONS} bytes"
    for owner in metadata.get("ownerReferences") or []:
        if not (owner.get("uid") and owner.get("name")):
            yield "metadata.ownerReferences: Invalid value: name and uid must not be empty"


def _label_problems(labels: Mapping[str, str], path: str) -> Iterator[str]:
    for key, value in labels.items():
        if not QUALIFIED.match(key):
            yield f'{path}: Invalid value: "{key}": name part must consist of alphanumeric characters'
        if not LABEL_VALUE.match(value):
            yield f'{path}: Invalid value: "{value}": must be no more than 63 characters, a valid label must be …'


def _config_map_problems(obj: JsonObject) -> Iterator[str]:
    data = obj.get("data") or {}
    yield from (
        f"data[{key}]: Invalid value: a valid config key must consist of …" for key in data if not FILE_NAME.match(key)
    )
    if sum(len(value.encode()) for value in data.values()) > LARGEST_CONFIG_MAP:
        yield f"[]: Too long: may not be more than {LARGEST_CONFIG_MAP} bytes"


def _job_problems(spec: JsonObject) -> Iterator[str]:
    if spec["template"].get("spec", {}).get("restartPolicy") not in ("Never", "OnFailure"):
        yield 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'
    for name in ("backoffLimit", "ttlSecondsAfterFinished", "activeDeadlineSeconds", "parallelism"):
        if spec.get(name, 0) < 0:
            yield f"spec.{name}: Invalid value: {spec[name]}: must be greater than or equal to 0"
    yield from _template_problems(spec["template"])


def _deployment_problems(spec: JsonObject) -> Iterator[str]:
    selector, labels = (
        spec["selector"].get("matchLabels") or {},
        spec["template"].get("metadata", {}).get("labels") or {},
    )
    if not selector or any(labels.get(key) != value for key, value in selector.items()):
        yield "spec.template.metadata.labels: Invalid value: `selector` does not match template `labels`"
    if spec.get("replicas", 0) < 0:
        yield f"spec.replicas: Invalid value: {spec['replicas']}: must be greater than or equal to 0"
    yield from _template_problems(spec["template"])


def _service_problems(spec: JsonObject) -> Iterator[str]:
    ports = spec.get("ports") or []
    if len(ports) > 1 and any(not port.get("name") for port in ports):
        yield "spec.ports[0].name: Required value"
    yield from (f"spec.ports[0].port: Invalid value: {p['port']}" for p in ports if not 0 < p["port"] < 65536)
    yield from _label_problems(spec.get("selector") or {}, "spec.selector")


def _template_problems(template: JsonObject) -> Iterator[str]:
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    yield from _label_problems(metadata.get("labels") or {}, "spec.template.labels")
    containers = [*(spec.get("initContainers") or []), *spec["containers"]]
    if not spec["containers"]:
        yield "spec.template.spec.containers: Required value"
    names = [container["name"] for container in containers]
    if len(set(names)) < len(names):
        yield "spec.template.spec.containers[1].name: Duplicate value"
    volumes = {volume["name"] for volume in spec.get("volumes") or []}
    for container in containers:
        yield from _container_problems(container, volumes)


def _container_problems(container: JsonObject, volumes: set[str]) -> Iterator[str]:
    path = f"spec.template.spec.containers[{container['name']}]"
    if not LABEL_NAME.match(container["name"]):
        yield f'{path}.name: Invalid value: "{container["name"]}": a lowercase RFC 1123 label must consist of …'
    if not container.get("image"):
        yield f"{path}.image: Required value"
    mounts = container.get("volumeMounts") or []
    yield from (f'{path}.volumeMounts: Not found: "{m["name"]}"' for m in mounts if m["name"] not in volumes)
    if len({mount["mountPath"] for mount in mounts}) < len(mounts):
        yield f"{path}.volumeMounts: Invalid value: must be unique"
    ports = [port["containerPort"] for port in container.get("ports") or []]
    yield from (
        f"{path}.ports: Invalid value: {port}: must be between 1 and 65535" for port in ports if not 0 < port < 65536
    )
    for name in ("limits", "requests"):
        wanted = (container.get("resources") or {}).get(name) or {}
        yield from (
            f"{path}.resources.{name}: Invalid value: {json.dumps(v)}"
            for v in wanted.values()
            if str(v).startswith("-")
        )
