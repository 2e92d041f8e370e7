"""What a ModelDeployment must know to decide, gathered into one frozen value. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bucle.contracts import names, registry_tags
from bucle.contracts.evidence import Evidence
from bucle.contracts.reasons import is_external
from bucle.contracts.result import Failure
from bucle.engine.objects import DEPLOYMENT, POD, POD_DISRUPTION_BUDGET, SERVICE, Ref
from bucle.engine.reads import Known, ListObjects, Observation, Observations, Read, Reads, Unavailable
from bucle.engine.room import Unreadable, unreadable
from bucle.externals.registry.values import (
    REGISTRY_SCOPE,
    ModelVersion,
    VersionByAlias,
    VersionByNumber,
    VersionsByTag,
)
from bucle.kinds.modeldeployment import fleets
from bucle.kinds.modeldeployment.evidence.judge_query import evidence_read
from bucle.kinds.modeldeployment.fleets import JUDGE, Fleet
from bucle.kinds.modeldeployment.identity import ModelFacts, is_digest, plan_hash, registry_name
from bucle.kinds.modeldeployment.state import EMPTY, Aborting, Loading, Soaking, State, Stepping, Telling
from bucle.kinds.modeldeployment.status_codec import Held, decode
from bucle.kinds.modeldeployment.steps.table import step_at
from bucle.kinds.modeldeployment.traffic.choice import router_for
from bucle.kinds.modeldeployment.traffic.router import RouterWorld
from bucle.kinds.modeldeployment.traffic.routing import DesiredRoutes, Routes, RoutingLimits, routes_for, takes_over
from bucle.resources.modeldeployment import ModelDeployment, ModelDeploymentSpec
from bucle.workloads.platform import Platform

URI_LIMIT = 1024
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
NEEDED = ("services", "budgets")
"""Besides what the router needs."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A version of the registry: its facts (no digest: it cannot be served) and its tags."""

    model: ModelFacts
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    deployment: ModelDeployment
    platform: Platform
    stored: State | Held
    wanted: Observation[Followed]
    promoted: Observation[Followed] | None
    ours: Observation[tuple[Followed, ...]] | None
    """The registry's versions with the digest of the model promoted last; None when it was not asked."""
    fleets: Mapping[str, Fleet]
    services: Mapping[str, str]
    budgets: Mapping[str, str]
    router: RouterWorld
    judge: Fleet | None
    evidence: Observation[Evidence] | None

    @property
    def spec(self) -> ModelDeploymentSpec:
        return self.deployment.spec

    @property
    def plan_hash(self) -> str:
        return plan_hash(self.deployment.spec)

    def ready(self, revision: str | None) -> int:
        fleet = self.fleets.get(revision or "")
        return fleet.ready if fleet else 0

    def wanted_pods(self, revision: str) -> int:
        """Pods that revision should have: what the spec says, or whoever scales its Deployment."""
        fleet = self.fleets.get(revision)
        return fleet.scaled_to if fleet and fleet.scaled_to is not None else self.spec.serving.replicas

    def broken(self, revision: str) -> Failure | None:
        """Why no pod of a loaded revision runs any more, when that is the model's own fault."""
        fleet = self.fleets.get(revision)
        trouble = fleet.trouble if fleet and fleet.ready == 0 else None
        return trouble if trouble is not None and not is_external(trouble.reason) else None

    def unserved(self, state: State) -> bool:
        """Nothing of the stable version can answer."""
        return state.stable is not None and self.ready(state.stable.revision.id) == 0

    def limits(self) -> RoutingLimits:
        live, view = self.router.live, self.router.view
        return RoutingLimits(
            ready={revision: fleet.ready for revision, fleet in self.fleets.items()},
            needed=min(self.wanted_pods(revision) for revision in ("", *self.fleets)),
            live=live.weights if live else {},
            router=view.value if isinstance(view, Known) else None,
            live_version=live.version if live else None,
            live_revisions=frozenset(live.facts) if live else frozenset(),
            live_mirror=live.mirror if live else 0,
        )

    def stands_in(self, state: State) -> bool:
        """The candidate (in a soak: the previous version) answers everything, because nothing else can."""
        return takes_over(desired_routes(state, self.spec), self.limits())

    def in_force(self, state: State) -> bool:
        """The live routes are the desired ones, in full, and every living router pod follows them."""
        desired = desired_routes(state, self.spec)
        routes = routes_for(desired, self.limits())
        if self.router.live is None or not isinstance(self.router.view, Known):
            return False
        if (routes.other_weight, routes.mirror) != (desired.weight, desired.mirror):
            return False
        version = router_for(self.deployment).version(self.deployment, routes)
        return self.router.live.version == version and self.router.view.value.follows(version, routes.targets())

    def router_silent(self) -> bool:
        """The router, or one of its pods, cannot be asked."""
        view = self.router.view
        return not isinstance(view, Known) or any(pod.version is None for pod in view.value.pods)

    def shown(self, routes: Routes | None = None) -> bool:
        """Every router pod shows the live routes (and these are the given ones)."""
        live, view = self.router.live, self.router.view
        if live is None or not isinstance(view, Known) or not view.value.shows(live.version):
            return False
        return routes is None or live.version == router_for(self.deployment).version(self.deployment, routes)


def desired_routes(state: State, spec: ModelDeploymentSpec) -> DesiredRoutes:
    """What the stored state wants of the router."""
    main, rollout = state.stable.revision.id if state.stable else None, state.rollout
    match rollout:
        case Soaking(previous=previous):
            return DesiredRoutes(main, previous.revision.id, may_take_over=True)
        case Loading(run=run):
            return DesiredRoutes(main, run.candidate.id, may_take_over=True)
        case Stepping(run=run, step=step, weight=weight):
            return DesiredRoutes(main, run.candidate.id, weight, step_at(spec, step).mirror, may_take_over=True)
        case Aborting(run=run):
            return DesiredRoutes(main, run.candidate.id)
        case _:
            return DesiredRoutes(main)


def refs(deployment: ModelDeployment) -> frozenset[Ref]:
    """The registered model; a moved alias wakes the deployments that follow it."""
    name = registry_name(deployment)
    return frozenset({Ref(REGISTRY_SCOPE, name)} if name else ())


def reads(deployment: ModelDeployment) -> Reads:
    """Kubernetes always; the registry while a registered model is wanted; router and judge when they can matter."""
    meta = deployment.metadata
    labels = ((names.LABEL_UID, meta.uid),)
    asked: dict[str, Read] = {
        **router_for(deployment).reads(deployment),
        "deployments": ListObjects(DEPLOYMENT, meta.namespace, labels, meta.uid),
        "pods": ListObjects(POD, meta.namespace, labels),
        "services": ListObjects(SERVICE, meta.namespace, labels, meta.uid),
        "budgets": ListObjects(POD_DISRUPTION_BUDGET, meta.namespace, labels, meta.uid),
    }
    state = decode(deployment.status)
    source, model = deployment.spec.model.registered, registry_name(deployment)
    if source is not None and model is not None:
        if source.alias is not None:
            asked["wanted"] = VersionByAlias(model, source.alias)
        elif source.version is not None:
            asked["wanted"] = VersionByNumber(model, source.version)
        if deployment.spec.promote is not None:
            asked["promoted"] = VersionByAlias(model, deployment.spec.promote.alias)
    if isinstance(state, State):
        promotion = state.promotion
        if promotion is not None and promotion.model.name is not None and promotion.telling is not Telling.DONE:
            asked["ours"] = VersionsByTag(promotion.model.name, registry_tags.TAG_MODEL_DIGEST, promotion.model.digest)
        question = evidence_read(deployment, state)
        if question is not None:
            asked["evidence"] = question
    return asked


def tells(obj: Mapping[str, Any]) -> Any:
    """What serves, what is tried, what was refused, and how rollouts ended: none of the numbers of a look."""
    status = obj.get("status") or {}
    roles = [(status.get(role) or {}).get("revision") for role in ("stable", "previous", "candidate", "rejected")]
    return [roles, "rollout" in status, (status.get("history") or [None])[0]]


def steps(obj: Mapping[str, Any]) -> Any:
    """Where the rollout stands: none of the numbers of a look."""
    rollout = (obj.get("status") or {}).get("rollout") or {}
    return [tells(obj), *(rollout.get(key) for key in ("state", "step", "outcome", "reason", "weight"))]


def world(deployment: ModelDeployment, seen: Observations, platform: Platform) -> World | Unreadable:
    """Nothing is decided on a half-seen cluster; registry, router and judge may be silent, each with its own meaning."""
    router = router_for(deployment)
    if (unseen := unreadable(seen, (*router.needed, *NEEDED))) is not None:
        return unseen
    state = decode(deployment.status)
    return World(
        deployment=deployment,
        platform=platform,
        stored=state,
        wanted=_wanted(deployment, state if isinstance(state, State) else EMPTY, seen),
        promoted=_registered(seen["promoted"]) if "promoted" in seen else None,
        ours=_all_registered(seen["ours"]) if "ours" in seen else None,
        fleets=fleets.by_revision(seen),
        services=fleets.uids(seen["services"]),
        budgets=fleets.uids(seen["budgets"]),
        router=router.world(deployment, seen),
        judge=fleets.found(seen, JUDGE),
        evidence=seen.get("evidence"),
    )


def followed(version: ModelVersion) -> Followed:
    """Facts and tags of a registered version. Whatever a person wrote into its tags by hand, it is only read here."""
    tags = dict(version.tags)
    digest = tags.get(registry_tags.TAG_MODEL_DIGEST, "")
    usable = is_digest(digest) and len(version.source) <= URI_LIMIT
    return Followed(ModelFacts(version.source, digest if usable else "", version.model, version.version), tags)


def _registered(seen: Observation[Any]) -> Observation[Followed]:
    return Known(followed(seen.value), seen.at) if isinstance(seen, Known) else seen


def _all_registered(seen: Observation[Any]) -> Observation[tuple[Followed, ...]]:
    return Known(tuple(map(followed, seen.value)), seen.at) if isinstance(seen, Known) else seen


def _wanted(deployment: ModelDeployment, state: State, seen: Observations) -> Observation[Followed]:
    """What the spec asks for. A pinned version that was served or tried here needs no registry to be known."""
    artifact, registered = deployment.spec.model.artifact, deployment.spec.model.registered
    if artifact is not None:
        return Known(Followed(ModelFacts(artifact.uri, artifact.digest)), _ALWAYS)
    answer = _registered(seen.get("wanted", Unavailable("the registry was not asked")))
    name = registry_name(deployment)
    if isinstance(answer, Unavailable) and registered is not None and registered.version is not None and name:
        known = state.remembered(name, registered.version)
        if known is not None:
            return Known(Followed(known), _ALWAYS)
    return answer
