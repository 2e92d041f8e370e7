"""Manifests that all parts of a ModelDeployment are made of: Deployments, Services, budgets, probes. Pure builders."""

from __future__ import annotations

from bucle.contracts import names
from bucle.engine.objects import DEPLOYMENT, POD_DISRUPTION_BUDGET, SERVICE, JsonObject
from bucle.engine.plan import Child
from bucle.resources.addresses import MODEL_DEPLOYMENT
from bucle.resources.modeldeployment import ModelDeployment
from bucle.resources.pod import PodSettings as WrittenSettings
from bucle.workloads.pods import Owner, PodSettings


def owner_of(deployment: ModelDeployment) -> Owner:
    meta = deployment.metadata
    return Owner(MODEL_DEPLOYMENT, meta.name, meta.namespace, meta.uid)


def settings_of(part: WrittenSettings) -> PodSettings:
    written = part.model_dump(mode="json", by_alias=True, exclude_none=True)
    resources = {key: value for key, value in (written.get("resources") or {}).items() if value}
    return PodSettings.of({**written, "resources": resources})


_AS_WE_ASK: JsonObject = {
    "type": "ClusterIP",
    "sessionAffinity": "None",
    "internalTrafficPolicy": "Cluster",
    "externalName": None,
    "externalIPs": None,
    "publishNotReadyAddresses": None,
}
"""Whatever else of a Service decides who is reached by it, and how."""


def selector(labels: dict[str, str]) -> dict[str, str]:
    """The labels that tell this workload's pods from all others."""
    chosen = (names.LABEL_UID, names.LABEL_COMPONENT, names.LABEL_REVISION)
    return {key: labels[key] for key in chosen if key in labels}


def deployment(owner: Owner, name: str, labels: dict[str, str], template: JsonObject, replicas: int) -> JsonObject:
    return {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.kind,
        "metadata": owner.metadata(name, labels),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 1,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": selector(labels)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": template,
        },
    }


def service(owner: Owner, name: str, labels: dict[str, str], port: int, *, headless: bool) -> Child:
    """A selector, a port or a type that somebody changed would take the address from all callers: each is set back."""
    spec: JsonObject = {
        "selector": selector(labels),
        "ports": [{"name": "http", "port": port, "targetPort": "http", "protocol": "TCP"}],
    }
    if headless:
        spec["clusterIP"] = "None"
    manifest = {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.kind,
        "metadata": owner.metadata(name, labels),
        "spec": spec,
    }
    return Child(SERVICE, manifest, adjust={"spec": {**spec, **_AS_WE_ASK}}, exact=True)


def budget(owner: Owner, name: str, labels: dict[str, str]) -> Child:
    """At most one pod may be evicted at a time: draining a node waits until another one is ready."""
    spec: JsonObject = {"maxUnavailable": 1, "selector": {"matchLabels": selector(labels)}}
    manifest = {
        "apiVersion": POD_DISRUPTION_BUDGET.api_version,
        "kind": POD_DISRUPTION_BUDGET.kind,
        "metadata": owner.metadata(name, labels),
        "spec": spec,
    }
    return Child(POD_DISRUPTION_BUDGET, manifest, adjust={"spec": {**spec, "minAvailable": None}}, exact=True)


def probe(path: str, **more: int) -> JsonObject:
    return {"httpGet": {"path": path, "port": "http"}, **more}
