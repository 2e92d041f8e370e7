"""What a ModelDeployment must know to decide, gathered into one frozen value. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bucle.contracts import names
from bucle.contracts.evidence import Evidence
from bucle.contracts.result import Failure
from bucle.engine.objects import CONFIG_MAP, DEPLOYMENT, POD, SERVICE, JsonObject, Ref, labels_of, uid_of
from bucle.engine.reads import (
    Absent,
    GetObject,
    Known,
    ListObjects,
    Observation,
    Observations,
    Read,
    Reads,
    Unavailable,
    known_or,
)
from bucle.engine.room import Unreadable, unreadable
from bucle.externals.registry.values import REGISTRY_SCOPE, ModelVersion, VersionByAlias, VersionByNumber
from bucle.kinds.modeldeployment.external import evidence_read, router_read, router_view
from bucle.kinds.modeldeployment.identity import ModelFacts, facts_of, plan_hash, registry_name
from bucle.kinds.modeldeployment.routing import Footing, RouterView
from bucle.resources.base import ModelReference
from bucle.resources.modeldeployment import ModelDeployment
from bucle.workloads.platform import Platform
from bucle.workloads.trouble import deployment_trouble, pod_trouble

STATE_KEY = "bucle.json"
"""Key in the router's ConfigMap from which a lost status is rebuilt; Envoy does not read it."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The live Deployment of one revision, and why its pods do not run, if they do not."""

    revision: str
    name: str
    uid: str
    ready: int
    trouble: Failure | None = None


@dataclass(frozen=True, slots=True)
class LiveRoutes:
    """The router's ConfigMap as it stands: version of the routes, weights, and the facts of each revision in it."""

    uid: str
    version: str
    weights: Mapping[str, int]
    facts: Mapping[str, ModelFacts]
    images: Mapping[str, str]
    mirror: int = 0
    main: str | None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """The model the spec asks for, and its tags in the registry."""

    model: ModelFacts
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    deployment: ModelDeployment
    platform: Platform
    wanted: Observation[Followed]
    promoted: Observation[Followed] | None
    fleets: Mapping[str, Fleet]
    services: Mapping[str, str]
    routes: LiveRoutes | None
    router: Observation[RouterView]
    routers_ready: int
    router_trouble: Failure | None
    judge: tuple[str, str] | None
    evidence: Observation[Evidence] | None

    @property
    def plan_hash(self) -> str:
        return plan_hash(self.deployment.spec)

    def ready(self, revision: str | None) -> int:
        fleet = self.fleets.get(revision or "")
        return fleet.ready if fleet else 0

    def footing(self) -> Footing:
        live = self.routes
        return Footing(
            ready={revision: fleet.ready for revision, fleet in self.fleets.items()},
            needed=self.deployment.spec.serving.replicas,
            live=live.weights if live else {},
            router=self.router.value if isinstance(self.router, Known) else None,
            live_version=live.version if live else None,
            live_revisions=frozenset(live.facts) if live else frozenset(),
            live_mirror=live.mirror if live else 0,
        )


def refs(deployment: ModelDeployment) -> frozenset[Ref]:
    """The registered model; a moved alias wakes the deployments that follow it."""
    name = registry_name(deployment)
    return frozenset({Ref(REGISTRY_SCOPE, name)} if name else ())


def reads(deployment: ModelDeployment) -> Reads:
    """Kubernetes always; the registry while a registered model is wanted; router and judge when they can matter."""
    namespace, uid = deployment.metadata.namespace, deployment.metadata.uid
    labels = ((names.LABEL_UID, uid),)
    asked: dict[str, Read] = {
        "deployments": ListObjects(DEPLOYMENT, namespace, labels, uid),
        "services": ListObjects(SERVICE, namespace, labels, uid),
        "pods": ListObjects(POD, namespace, labels),
        "routes": GetObject(CONFIG_MAP, namespace, names.router_name(deployment.metadata.name)),
        "router": router_read(namespace, uid),
    }
    source = deployment.spec.model.registered
    model = registry_name(deployment)
    if source is not None and model is not None:
        if source.alias is not None:
            asked["wanted"] = VersionByAlias(model, source.alias)
        elif source.version is not None:
            asked["wanted"] = VersionByNumber(model, source.version)
        if deployment.spec.promote is not None:
            asked["promoted"] = VersionByAlias(model, deployment.spec.promote.alias)
    question = evidence_read(deployment)
    if question is not None:
        asked["evidence"] = question
    return asked


def followed(version: ModelVersion) -> Followed:
    """Facts and tags of a registered version; a version registered by hand has no digest and cannot be pinned."""
    tags = dict(version.tags)
    return Followed(
        ModelFacts(version.source, tags.get(names.TAG_MODEL_DIGEST, ""), version.model, version.version), tags
    )


def _registered(seen: Observation[Any]) -> Observation[Followed]:
    return Known(followed(seen.value), seen.at) if isinstance(seen, Known) else seen


def _wanted(deployment: ModelDeployment, observations: Observations, at: datetime) -> Observation[Followed]:
    artifact = deployment.spec.model.artifact
    if artifact is not None:
        return Known(Followed(ModelFacts(artifact.uri, artifact.digest)), at)
    return _registered(observations.get("wanted", Unavailable("the registry was not asked")))


def world(deployment: ModelDeployment, observations: Observations, platform: Platform) -> World | Unreadable:
    """Nothing is decided on a half-seen cluster; registry, router and judge may be silent, each with its own meaning."""
    if (unseen := unreadable(observations, ("deployments", "services", "pods", "routes"))) is not None:
        return unseen
    deployments, pods = known_or(observations["deployments"], ()), known_or(observations["pods"], ())
    routes, uid = observations["routes"], deployment.metadata.uid
    assert not isinstance(routes, Unavailable), "it was needed"
    owned_routes = isinstance(routes, Known) and labels_of(routes.value).get(names.LABEL_UID) == uid
    router_pods = _component(pods, "router")
    judge = next((d for d in _component(deployments, "judge")), None)
    return World(
        deployment=deployment,
        platform=platform,
        wanted=_wanted(deployment, observations, routes.at),
        promoted=_registered(observations["promoted"]) if "promoted" in observations else None,
        fleets=_fleets(deployments, pods),
        services={s["metadata"]["name"]: uid_of(s) for s in known_or(observations["services"], ())},
        routes=live_routes(routes.value) if owned_routes and isinstance(routes, Known) else None,
        router=router_view(observations["router"]),
        routers_ready=sum(_ready_replicas(d) for d in _component(deployments, "router")),
        router_trouble=_trouble(router_pods, _component(deployments, "router")),
        judge=(judge["metadata"]["name"], uid_of(judge)) if judge else None,
        evidence=observations.get("evidence"),
    )


def _component(objects: tuple[JsonObject, ...], component: str) -> list[JsonObject]:
    return [o for o in objects if labels_of(o).get(names.LABEL_COMPONENT) == component]


def _ready_replicas(deployment: JsonObject) -> int:
    return int((deployment.get("status") or {}).get("readyReplicas") or 0)


def _fleets(deployments: tuple[JsonObject, ...], pods: tuple[JsonObject, ...]) -> dict[str, Fleet]:
    fleets = {}
    for item in _component(deployments, "serve"):
        revision = labels_of(item).get(names.LABEL_REVISION)
        if revision is None or item["metadata"].get("deletionTimestamp"):
            continue
        mine = [pod for pod in _component(pods, "serve") if labels_of(pod).get(names.LABEL_REVISION) == revision]
        trouble = _trouble(mine, [item])
        fleets[revision] = Fleet(revision, item["metadata"]["name"], uid_of(item), _ready_replicas(item), trouble)
    return fleets


def _trouble(pods: list[JsonObject], deployments: list[JsonObject]) -> Failure | None:
    """The first reason that a pod has, or the one for which there is none."""
    told = (*map(pod_trouble, pods), *map(deployment_trouble, deployments))
    return next((found for found in told if found is not None), None)


def live_routes(config_map: JsonObject) -> LiveRoutes | None:
    """What our own key in the ConfigMap says; None when it is missing or was damaged by hand."""
    try:
        state = json.loads((config_map.get("data") or {})[STATE_KEY])
        revisions: dict[str, Any] = state["revisions"]
        facts = {r: facts_of(ModelReference.model_validate(item["model"])) for r, item in revisions.items()}
        return LiveRoutes(
            uid=uid_of(config_map),
            version=str(state["version"]),
            weights={r: int(item["weight"]) for r, item in revisions.items()},
            facts={r: fact for r, fact in facts.items() if fact is not None},
            images={r: str(item["image"]) for r, item in revisions.items()},
            mirror=int(state.get("mirror", 0)),
            main=state.get("main"),
        )
    except (KeyError, TypeError, ValueError):
        return None


def missing(seen: Observation[Any]) -> bool:
    return isinstance(seen, Absent)
