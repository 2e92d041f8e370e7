"""The router and the judge in this kind's words: what is asked of them, and what their answers mean. Pure."""

from __future__ import annotations

from bucle.contracts import names
from bucle.engine.reads import Known, Observation
from bucle.externals.judge.values import EvidenceRead
from bucle.externals.router import documents
from bucle.externals.router.values import Backend, Mirror, RouterRead, RouterStatus
from bucle.externals.router.values import Routes as RouterRoutes
from bucle.kinds.modeldeployment.gates import Count
from bucle.kinds.modeldeployment.looks import query_of
from bucle.kinds.modeldeployment.routing import RouterPod, RouterView, Routes
from bucle.resources.modeldeployment import ModelDeployment


def router_read(namespace: str, uid: str) -> RouterRead:
    return RouterRead(namespace, uid)


def router_view(seen: Observation[RouterStatus]) -> Observation[RouterView]:
    """The router pods with one version each: a pod that is silent or shows half of the documents shows none."""
    if not isinstance(seen, Known):
        return seen
    pods = tuple(
        RouterPod(
            uid=pod.uid,
            version=joined(pod.cds_version, pod.rds_version),
            healthy=pod.healthy,
            counts={cluster: Count(c.requests, c.errors) for cluster, c in pod.counts.items()},
        )
        for pod in seen.value.pods
    )
    return Known(RouterView(pods), seen.at)


def joined(cds: str | None, rds: str | None) -> str | None:
    return f"{cds}/{rds}" if cds and rds else None


def evidence_read(deployment: ModelDeployment) -> EvidenceRead | None:
    """The judge is asked only while a shadow step with a quality gate is in force."""
    rollout, spec = deployment.status.rollout, deployment.spec
    if rollout is None or rollout.state != "Stepping":
        return None
    query = query_of(rollout, spec)
    if query is None or not any(gate.quality for gate in spec.gates):
        return None
    return EvidenceRead(deployment.metadata.namespace, deployment.metadata.uid, query)


def router_routes(deployment: ModelDeployment, routes: Routes) -> RouterRoutes:
    """Our routes as the router's document builder takes them."""
    name, namespace = deployment.metadata.name, deployment.metadata.namespace
    backends = tuple(
        Backend(revision, f"{names.revision_name(name, revision)}.{namespace}.svc", names.PORT_HTTP)
        for revision in sorted(routes.revisions())
    )
    mirror = Mirror(routes.other, routes.mirror) if routes.other and routes.mirror else None
    return RouterRoutes(name, backends, routes.main, routes.weights(), mirror)


def config_version(deployment: ModelDeployment, routes: Routes) -> str:
    """The version every router pod shows once it follows these routes."""
    versions = documents.route_versions(router_routes(deployment, routes))
    return f"{versions.cds}/{versions.rds}"


def config_files(deployment: ModelDeployment, routes: Routes) -> dict[str, str]:
    """The files of the router's ConfigMap."""
    return documents.router_documents(router_routes(deployment, routes))
