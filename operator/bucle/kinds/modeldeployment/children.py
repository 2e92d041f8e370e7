"""The objects a ModelDeployment owns, as manifests. Pure builders; no decision is taken here."""

from __future__ import annotations

from dataclasses import dataclass

from bucle.contracts import names
from bucle.contracts.canonical import canonical_json
from bucle.contracts.table import GroupBy, Labels
from bucle.contracts.task import Capture, JudgeTask, Model, ServeTask
from bucle.engine.objects import CONFIG_MAP, DEPLOYMENT, SERVICE, JsonObject
from bucle.engine.plan import Child
from bucle.externals.router import documents
from bucle.kinds.modeldeployment.external import config_files, config_version
from bucle.kinds.modeldeployment.identity import ModelFacts
from bucle.kinds.modeldeployment.routing import Routes
from bucle.kinds.modeldeployment.world import STATE_KEY
from bucle.resources.addresses import MODEL_DEPLOYMENT
from bucle.resources.base import parse_duration
from bucle.resources.modeldeployment import ModelDeployment, QualityGate
from bucle.workloads.platform import Platform
from bucle.workloads.pods import CONTAINER_SECURITY, Owner, PodSettings, pod_template, task_pod

SERVE_GRACE_SECONDS = 30
ROUTER_GRACE_SECONDS = 30
ROUTER_COMPONENT, SERVE_COMPONENT, JUDGE_COMPONENT = "router", "serve", "judge"


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision to keep running: its id, its model and its pinned image."""

    id: str
    model: ModelFacts
    image: str


def owner_of(deployment: ModelDeployment) -> Owner:
    meta = deployment.metadata
    return Owner(MODEL_DEPLOYMENT, meta.name, meta.namespace, meta.uid)


def _settings(part: object) -> PodSettings:
    written = part.model_dump(mode="json", by_alias=True, exclude_none=True)  # type: ignore[attr-defined]
    resources = {key: value for key, value in (written.get("resources") or {}).items() if value}
    return PodSettings.of({**written, "resources": resources})


def _location(deployment: ModelDeployment, platform: Platform) -> str:
    meta = deployment.metadata
    return names.deployment_location(platform.store_uri, meta.namespace, meta.name)


def _workload(owner: Owner, name: str, labels: dict[str, str], template: JsonObject, replicas: int) -> JsonObject:
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


def selector(labels: dict[str, str]) -> dict[str, str]:
    """The labels that tell this workload's pods from all others."""
    chosen = (names.LABEL_UID, names.LABEL_COMPONENT, names.LABEL_REVISION)
    return {key: labels[key] for key in chosen if key in labels}


def _service(owner: Owner, name: str, labels: dict[str, str], port: int, *, headless: bool) -> Child:
    """A selector that somebody changed would take the address from all callers: it is set back."""
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
    return Child(SERVICE, manifest, adjust={"spec": {"selector": spec["selector"]}})


def _probe(path: str, **more: int) -> JsonObject:
    return {"httpGet": {"path": path, "port": "http"}, **more}


def revision_children(deployment: ModelDeployment, platform: Platform, revision: Revision) -> tuple[Child, Child]:
    """Deployment and headless Service of one revision. The pod template is create-only: no role, no later release in it."""
    owner, spec = owner_of(deployment), deployment.spec
    name = names.revision_name(owner.name, revision.id)
    labels = owner.labels(SERVE_COMPONENT, **{names.LABEL_REVISION: revision.id})
    task = ServeTask(
        name=owner.name,
        revision=revision.id,
        model=Model(uri=revision.model.uri, digest=revision.model.digest),
        location=_location(deployment, platform),
        max_batch=spec.serving.builtin.batching.max_size,
        capture=Capture(sample_percent=spec.capture.sample_percent, drop=spec.capture.drop),
    )
    template = task_pod(platform, owner, task, revision.image, _settings(spec.serving), labels)
    template["spec"]["terminationGracePeriodSeconds"] = SERVE_GRACE_SECONDS
    container = template["spec"]["containers"][0]
    container["ports"] = [{"name": "http", "containerPort": names.PORT_HTTP, "protocol": "TCP"}]
    container["readinessProbe"] = _probe("/v2/health/ready", periodSeconds=2, timeoutSeconds=2, failureThreshold=2)
    container["startupProbe"] = _probe(
        "/v2/health/live",
        periodSeconds=2,
        timeoutSeconds=2,
        failureThreshold=max(30, int(parse_duration(spec.serving.load_timeout).total_seconds()) // 2),
    )
    container["livenessProbe"] = _probe("/v2/health/live", periodSeconds=10, timeoutSeconds=5, failureThreshold=3)
    workload = _workload(owner, name, labels, template, spec.serving.replicas)
    return (
        Child(DEPLOYMENT, workload, adjust={"spec": {"replicas": spec.serving.replicas}}),
        _service(owner, name, labels, names.PORT_HTTP, headless=True),
    )


def stable_service(deployment: ModelDeployment) -> Child:
    """The address callers use for good: port 80 in front of the router pods."""
    owner = owner_of(deployment)
    labels = owner.labels(ROUTER_COMPONENT)
    return _service(owner, owner.name, labels, 80, headless=False)


def router_children(deployment: ModelDeployment, platform: Platform) -> Child:
    """Envoy pods. A changed image rolls them one by one: requests in flight end before a pod does."""
    owner, settings = owner_of(deployment), _settings(deployment.spec.traffic.router)
    labels = owner.labels(ROUTER_COMPONENT)
    replicas = deployment.spec.traffic.router.replicas
    container: JsonObject = {
        "name": "router",
        "image": platform.image_router,
        "imagePullPolicy": platform.image_pull_policy,
        "command": list(documents.ROUTER_COMMAND),
        "env": [{"name": "BUCLE_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "ports": [
            {"name": "http", "containerPort": names.PORT_HTTP, "protocol": "TCP"},
            {"name": "status", "containerPort": names.PORT_ROUTER_STATUS, "protocol": "TCP"},
        ],
        "readinessProbe": {
            "httpGet": {"path": "/ready", "port": "status"},
            "periodSeconds": 2,
            "timeoutSeconds": 2,
            "failureThreshold": 2,
        },
        "lifecycle": {"preStop": {"exec": {"command": list(documents.DRAIN_COMMAND)}}},
        "resources": settings.resources or {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": "routes", "mountPath": documents.DIRECTORY, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }
    routes: JsonObject = {"name": "routes", "configMap": {"name": names.router_name(owner.name)}}
    template = pod_template(platform, labels, [container], [routes], settings)
    template["spec"]["terminationGracePeriodSeconds"] = ROUTER_GRACE_SECONDS
    workload = _workload(owner, names.router_name(owner.name), labels, template, replicas)
    image = {"containers": [{"name": "router", "image": platform.image_router}]}
    return Child(DEPLOYMENT, workload, adjust={"spec": {"replicas": replicas, "template": {"spec": image}}})


def routes_child(deployment: ModelDeployment, routes: Routes, facts: dict[str, Revision]) -> Child:
    """The router's ConfigMap: Envoy's files, and beside them the facts from which a lost status is rebuilt."""
    owner = owner_of(deployment)
    labels = owner.labels(ROUTER_COMPONENT)
    weights = routes.weights()
    state = {
        "version": config_version(deployment, routes),
        "mirror": routes.mirror,
        "main": routes.main,
        "revisions": {
            revision: {
                "weight": weights.get(revision, 0),
                "image": facts[revision].image,
                "model": facts[revision].model.reference().model_dump(mode="json", by_alias=True, exclude_none=True),
            }
            for revision in sorted(routes.revisions())
        },
    }
    data = {**config_files(deployment, routes), STATE_KEY: canonical_json(state)}
    manifest = {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": CONFIG_MAP.kind,
        "metadata": owner.metadata(names.router_name(owner.name), labels),
    }
    return Child(CONFIG_MAP, manifest, adjust={"data": data}, guarded=True)


def judge_child(deployment: ModelDeployment, platform: Platform, gate: QualityGate) -> Child:
    """The one small pod that pairs labelled answers while a shadow step runs.

    It keeps nothing that is not in the store, so it follows an edited gate and a new release at once: an older one
    would answer another question than the one that is asked.
    """
    owner, feedback = owner_of(deployment), deployment.spec.feedback
    labels = owner.labels(JUDGE_COMPONENT)
    group = gate.group_by
    task = JudgeTask(
        name=owner.name,
        location=_location(deployment, platform),
        metric=gate.metric,
        group_by=GroupBy(column=group.column, unit=group.unit, time_zone=group.time_zone) if group else None,
        labels=Labels(
            key=feedback.key,
            maturity_seconds=int(parse_duration(feedback.maturity).total_seconds()),
            duplicates=feedback.duplicates,
        ),
    )
    serving = _settings(deployment.spec.serving)
    settings = PodSettings({}, serving.node_selector, serving.tolerations, serving.service_account)
    template = task_pod(platform, owner, task, platform.image_worker, settings, labels)
    container = template["spec"]["containers"][0]
    container["ports"] = [{"name": "http", "containerPort": names.PORT_JUDGE, "protocol": "TCP"}]
    container["readinessProbe"] = _probe("/ready", periodSeconds=2, timeoutSeconds=2, failureThreshold=3)
    workload = _workload(owner, names.judge_name(owner.name), labels, template, 1)
    workload["spec"]["strategy"] = {"type": "Recreate"}
    followed = {
        "metadata": {"annotations": template["metadata"]["annotations"]},
        "spec": {"containers": [{key: container[key] for key in ("name", "image", "env")}]},
    }
    return Child(DEPLOYMENT, workload, adjust={"spec": {"template": followed}})
