"""The live Deployments of this kind, by component: how many pods are ready, and why the others are not. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bucle.contracts import names
from bucle.contracts.result import Failure
from bucle.engine.objects import JsonObject, annotations_of, labels_of, uid_of
from bucle.engine.reads import Known, Observation, Observations
from bucle.workloads.trouble import deployment_trouble, pod_trouble

SERVE, JUDGE = "serve", "judge"


@dataclass(frozen=True, slots=True)
class Fleet:
    """A live Deployment. `begun`: no pod is known, or one of them has started its container, so its program had a chance.

    `scaled_to`: so many pods are wanted by somebody who scales it through the scale subresource (an autoscaler, KEDA, a
    person); its replicas are left alone then, until ours are edited. `applied`: the mark of what was last asked of it.
    `written`: what of its pod template is kept as it was made.
    """

    name: str
    uid: str
    ready: int
    begun: bool
    trouble: Failure | None
    scaled_to: int | None = None
    applied: str | None = None
    written: str | None = None
    pull_secrets: tuple[str, ...] = ()

    @property
    def without_image(self) -> bool:
        """No pod of it has ever run, because its image cannot be had."""
        kept = self.trouble is not None and self.trouble.reason == "ImagePullFailed"
        return kept and not self.begun and not self.ready


def found(seen: Observations, component: str) -> Fleet | None:
    """The one Deployment of that component."""
    mine = [item for item in _listed(seen["deployments"]) if _has(item, component)]
    if not mine:
        return None
    return _fleet(mine[0], [pod for pod in _listed(seen["pods"]) if _has(pod, component)])


def by_revision(seen: Observations) -> dict[str, Fleet]:
    """The Deployments of model servers that are not being deleted."""
    fleets = {}
    for item in _listed(seen["deployments"]):
        revision = labels_of(item).get(names.LABEL_REVISION)
        if not _has(item, SERVE) or revision is None or item["metadata"].get("deletionTimestamp"):
            continue
        pods = [
            pod
            for pod in _listed(seen["pods"])
            if _has(pod, SERVE) and labels_of(pod).get(names.LABEL_REVISION) == revision
        ]
        fleets[revision] = _fleet(item, pods)
    return fleets


def uids(seen: Observation[Any]) -> dict[str, str]:
    """Uid by name, of the objects a list has shown."""
    return {item["metadata"]["name"]: uid_of(item) for item in _listed(seen)}


def _fleet(deployment: JsonObject, pods: list[JsonObject]) -> Fleet:
    # A stable order: pods that fail for two reasons in turn would otherwise be told anew at every look.
    # What has ended lingers for a while, and says nothing once another pod has taken its place.
    living = [pod for pod in pods if (pod.get("status") or {}).get("phase") not in ("Failed", "Succeeded")]
    ordered = sorted(living or pods, key=lambda pod: str(pod["metadata"]["name"]))
    troubles = (*map(pod_trouble, ordered), deployment_trouble(deployment))
    return Fleet(
        name=deployment["metadata"]["name"],
        uid=uid_of(deployment),
        ready=int((deployment.get("status") or {}).get("readyReplicas") or 0),
        begun=not pods or any(map(_has_begun, living)),
        trouble=next((trouble for trouble in troubles if trouble is not None), None),
        scaled_to=_scaled_to(deployment),
        applied=annotations_of(deployment).get(names.ANNOTATION_APPLIED),
        written=annotations_of(deployment).get(names.ANNOTATION_WRITTEN),
        pull_secrets=tuple(
            item["name"] for item in deployment["spec"]["template"]["spec"].get("imagePullSecrets") or ()
        ),
    )


def _scaled_to(deployment: JsonObject) -> int | None:
    """The API server notes who wrote a field last, and through which subresource."""
    for entry in deployment["metadata"].get("managedFields") or ():
        fields = (entry.get("fieldsV1") or {}).get("f:spec") or {}
        if entry.get("subresource") == "scale" and "f:replicas" in fields:
            return int(deployment["spec"].get("replicas") or 0)
    return None


def _has_begun(pod: JsonObject) -> bool:
    """Before that the node, the image and the volumes are at work, and nothing of the model."""
    states = (pod.get("status") or {}).get("containerStatuses") or ()
    return any(
        {"running", "terminated"} & set(state.get("state") or {}) or (state.get("lastState") or {}).get("terminated")
        for state in states
    )


def _listed(seen: Observation[Any]) -> tuple[JsonObject, ...]:
    return tuple(seen.value) if isinstance(seen, Known) else ()


def _has(item: JsonObject, component: str) -> bool:
    return labels_of(item).get(names.LABEL_COMPONENT) == component
