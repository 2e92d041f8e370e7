"""The operator's own router: Envoy pods that read their routes from a ConfigMap. The only module that knows either. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from bucle.contracts import names
from bucle.contracts.canonical import canonical_json
from bucle.engine.objects import CONFIG_MAP, DEPLOYMENT, POD, JsonObject, labels_of
from bucle.engine.plan import Child, Effect
from bucle.engine.reads import GetObject, Known, ListObjects, Observation, Observations, Reads
from bucle.externals.envoy import documents
from bucle.externals.envoy.values import Backend, Mirror, RouterRead, RouterStatus, TouchRouters
from bucle.externals.envoy.values import Routes as RouterRoutes
from bucle.kinds.modeldeployment import fleets
from bucle.kinds.modeldeployment.children import manifests
from bucle.kinds.modeldeployment.identity import Revision, facts_of
from bucle.kinds.modeldeployment.state import Target
from bucle.kinds.modeldeployment.traffic.router import LiveRoutes, RouterWorld
from bucle.kinds.modeldeployment.traffic.routing import RouterPod, RouterView, Routes
from bucle.resources.base import ModelReference
from bucle.resources.modeldeployment import ModelDeployment
from bucle.workloads.platform import Platform
from bucle.workloads.pods import CONTAINER_SECURITY, kept_of, pod_template

STATE_KEY = "bucle.json"
"""Key in the ConfigMap from which a lost status is rebuilt; Envoy does not read it."""
COMPONENT = "router"
GRACE_SECONDS = 30


class EnvoyRouter:
    """Implements `traffic.router.Router`."""

    needed: tuple[str, ...] = ("routes", "deployments", "pods")

    def reads(self, deployment: ModelDeployment) -> Reads:
        meta = deployment.metadata
        labels = ((names.LABEL_UID, meta.uid),)
        return {
            "routes": GetObject(CONFIG_MAP, meta.namespace, names.router_name(meta.name)),
            "router": RouterRead(meta.namespace, meta.uid),
            "deployments": ListObjects(DEPLOYMENT, meta.namespace, labels, meta.uid),
            "pods": ListObjects(POD, meta.namespace, labels),
        }

    def world(self, deployment: ModelDeployment, seen: Observations) -> RouterWorld:
        stored = seen["routes"]
        ours = isinstance(stored, Known) and labels_of(stored.value).get(names.LABEL_UID) == deployment.metadata.uid
        running = fleets.found(seen, COMPONENT)
        return RouterWorld(
            live=live_routes(stored.value) if ours and isinstance(stored, Known) else None,
            view=router_view(seen["router"]),
            ready=running.ready if running else 0,
            wanted=deployment.spec.traffic.router.replicas,
            trouble=running.trouble if running else None,
        )

    def version(self, deployment: ModelDeployment, routes: Routes) -> str:
        return _rendered(deployment.metadata.name, deployment.metadata.namespace, routes).version

    def children(
        self,
        deployment: ModelDeployment,
        platform: Platform,
        routes: Routes,
        revisions: Mapping[str, Revision],
        judged: frozenset[str],
    ) -> tuple[Child, ...]:
        return (
            _config(deployment, routes, revisions, judged, self.version(deployment, routes)),
            _pods(deployment, platform),
            _stable_service(deployment),
            _budget(deployment),
        )

    def nudge(self, deployment: ModelDeployment, version: str, now: datetime) -> tuple[Effect, ...]:
        """The kubelets of the router pods look at the ConfigMap at once; ever less often while that does not help."""
        meta = deployment.metadata
        return (TouchRouters(meta.namespace, meta.uid, version, str(int(now.timestamp()))),)


def router_view(seen: Observation[RouterStatus]) -> Observation[RouterView]:
    """The router pods with one version each: a pod that is silent or shows half of the documents shows none."""
    if not isinstance(seen, Known):
        return seen
    pods = tuple(
        RouterPod(
            uid=pod.uid,
            version=_joined(pod.cds_version, pod.rds_version),
            healthy=frozenset(map(_target, pod.healthy)),
            answered={_target(cluster): answered for cluster, answered in pod.counts.items()},
        )
        for pod in seen.value.pods
    )
    return Known(RouterView(pods), seen.at)


def _target(cluster: str) -> Target:
    return Target(cluster.removesuffix(names.SHADOW_SUFFIX), shadow=cluster.endswith(names.SHADOW_SUFFIX))


def _joined(cds: str | None, rds: str | None) -> str | None:
    return f"{cds}/{rds}" if cds and rds else None


@dataclass(frozen=True, slots=True)
class _Rendered:
    version: str
    files: Mapping[str, str]


@lru_cache(maxsize=1024)
def _rendered(name: str, namespace: str, routes: Routes) -> _Rendered:
    """The documents of these routes. Each look asks for them several times, and they change at a handful of looks in an hour."""
    told = _router_routes(name, namespace, routes)
    versions = documents.route_versions(told)
    return _Rendered(_joined(versions.cds, versions.rds) or "", documents.router_documents(told))


def _router_routes(name: str, namespace: str, routes: Routes) -> RouterRoutes:
    """Our routes as the builder of Envoy's documents takes them."""
    backends = tuple(
        Backend(revision, f"{names.revision_name(name, revision)}.{namespace}.svc", names.PORT_HTTP)
        for revision in sorted(routes.revisions())
    )
    mirror = Mirror(routes.other, routes.mirror) if routes.other and routes.mirror else None
    return RouterRoutes(name, backends, routes.main, routes.weights(), mirror)


def live_routes(config_map: JsonObject) -> LiveRoutes | None:
    """What our own key in the ConfigMap says; None when it is missing or was damaged by hand."""
    try:
        state = json.loads((config_map.get("data") or {})[STATE_KEY])
        revisions: dict[str, Any] = state["revisions"]
        facts = {r: facts_of(ModelReference.model_validate(item["model"])) for r, item in revisions.items()}
        main = state.get("main")
        return LiveRoutes(
            version=str(state["version"]),
            weights={r: int(item["weight"]) for r, item in revisions.items()},
            facts={r: fact for r, fact in facts.items() if fact is not None},
            images={r: str(item["image"]) for r, item in revisions.items()},
            mirror=int(state.get("mirror", 0)),
            main=main,
            # An earlier release wrote no `judged`: its main version is taken for promoted, as nearly every one is.
            judged=frozenset(r for r, item in revisions.items() if item.get("judged", r == main) is True),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _config(
    deployment: ModelDeployment,
    routes: Routes,
    revisions: Mapping[str, Revision],
    judged: frozenset[str],
    version: str,
) -> Child:
    """The router's ConfigMap: Envoy's files, and beside them the facts from which a lost status is rebuilt."""
    owner = manifests.owner_of(deployment)
    weights = routes.weights()
    state = {
        "version": version,
        "mirror": routes.mirror,
        "main": routes.main,
        "revisions": {
            revision: {
                "weight": weights.get(revision, 0),
                "judged": revision in judged,
                "image": revisions[revision].image,
                "model": revisions[revision]
                .model.reference()
                .model_dump(mode="json", by_alias=True, exclude_none=True),
            }
            for revision in sorted(routes.revisions())
        },
    }
    files = _rendered(owner.name, deployment.metadata.namespace, routes).files
    manifest = {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": CONFIG_MAP.kind,
        "metadata": owner.metadata(names.router_name(owner.name), owner.labels(COMPONENT)),
    }
    return Child(CONFIG_MAP, manifest, adjust={"data": {**files, STATE_KEY: canonical_json(state)}}, guarded=True)


def _pods(deployment: ModelDeployment, platform: Platform) -> Child:
    """Envoy pods. A changed image or setting rolls them one by one: requests in flight end before a pod does."""
    owner, settings = manifests.owner_of(deployment), manifests.settings_of(deployment.spec.traffic.router)
    labels = owner.labels(COMPONENT)
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
    mounted: JsonObject = {"name": "routes", "configMap": {"name": names.router_name(owner.name)}}
    template = pod_template(platform, labels, [container], [mounted], settings)
    template["spec"]["terminationGracePeriodSeconds"] = GRACE_SECONDS
    manifest = manifests.deployment(owner, names.router_name(owner.name), labels, template, replicas)
    wanted: JsonObject = {"spec": {"replicas": replicas, "template": kept_of(template)}}
    return Child(DEPLOYMENT, manifest, adjust=wanted, guarded=True, exact=True)


def _stable_service(deployment: ModelDeployment) -> Child:
    """The address callers use for good: port 80 in front of the router pods."""
    owner = manifests.owner_of(deployment)
    return manifests.service(owner, owner.name, owner.labels(COMPONENT), 80, headless=False)


def _budget(deployment: ModelDeployment) -> Child:
    owner = manifests.owner_of(deployment)
    return manifests.budget(owner, names.router_name(owner.name), owner.labels(COMPONENT))
