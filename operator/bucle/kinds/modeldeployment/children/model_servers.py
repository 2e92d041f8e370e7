"""The pods that serve one revision of a ModelDeployment: Deployment, headless Service, budget. Pure builders."""

from __future__ import annotations

import json

from bucle.contracts import names
from bucle.contracts.canonical import canonical_json
from bucle.contracts.task import Capture, Model, ServeTask, Successor
from bucle.engine.children import applied_hash
from bucle.engine.objects import DEPLOYMENT, JsonObject
from bucle.engine.plan import Child
from bucle.kinds.modeldeployment.children import manifests
from bucle.kinds.modeldeployment.fleets import SERVE, Fleet
from bucle.kinds.modeldeployment.identity import Revision
from bucle.resources.base import parse_duration
from bucle.resources.modeldeployment import ModelDeployment, ModelDeploymentSpec
from bucle.workloads.platform import Platform
from bucle.workloads.pods import kept_of, task_pod

SERVE_GRACE_SECONDS = 30


def successor_of(serving: Revision, spec: ModelDeploymentSpec) -> Successor:
    """What a candidate must fit so that callers, labels and gates of what serves lose nothing."""
    grouped = next((gate.quality.group_by for gate in spec.gates if gate.quality and gate.quality.group_by), None)
    return Successor(
        of=serving.id,
        inputs=spec.rollout.on_other_inputs,
        labels=spec.feedback.key,
        group=grouped.column if grouped else None,
    )


def revision_children(
    deployment: ModelDeployment,
    platform: Platform,
    revision: Revision,
    live: Fleet | None,
    successor: Successor | None = None,
) -> tuple[Child, ...]:
    """Deployment, headless Service and budget of one revision.

    The pod template is create-only: no role, no later release in it. What exists is not rendered again: its pods do not
    depend on what the spec says now, and neither does the weight that they get. It carries what it was made with, so that
    what somebody edits in it is set back to that.
    """
    owner = manifests.owner_of(deployment)
    name = names.revision_name(owner.name, revision.id)
    labels = owner.labels(SERVE, **{names.LABEL_REVISION: revision.id})
    replicas = deployment.spec.serving.replicas
    template = {} if live else _template(deployment, platform, revision, labels, successor)
    wanted: JsonObject = {"spec": {"replicas": replicas}}
    # Whoever scales it goes on where we left off; a number that a person writes here since is an order all the same.
    scaled = live is not None and live.scaled_to is not None and live.applied == applied_hash(wanted)
    workload = manifests.deployment(owner, name, labels, template, replicas)
    if template:
        workload["metadata"]["annotations"] = {names.ANNOTATION_WRITTEN: canonical_json(kept_of(template))}
    return (
        Child(DEPLOYMENT, workload, None if scaled else wanted, guarded=True, exact=True, kept=_kept(live)),
        manifests.service(owner, name, labels, names.PORT_HTTP, headless=True),
        manifests.budget(owner, name, labels),
    )


def _kept(live: Fleet | None) -> JsonObject | None:
    """What its template was made with; None before it is made, or when a person damaged the note of it."""
    try:
        template = json.loads(live.written) if live is not None and live.written else None
    except ValueError:
        return None
    return {"spec": {"template": template}} if isinstance(template, dict) else None


def _template(
    deployment: ModelDeployment,
    platform: Platform,
    revision: Revision,
    labels: dict[str, str],
    successor: Successor | None,
) -> JsonObject:
    spec, meta, owner = deployment.spec, deployment.metadata, manifests.owner_of(deployment)
    task = ServeTask(
        name=meta.name,
        revision=revision.id,
        model=Model(uri=revision.model.uri, digest=revision.model.digest),
        location=names.deployment_location(platform.store_uri, meta.namespace, meta.name),
        max_batch=spec.serving.builtin.batching.max_size,
        capture=Capture(sample_percent=spec.capture.sample_percent, drop=spec.capture.drop),
        labels=spec.feedback.key,
        successor=successor,
    )
    template = task_pod(platform, owner, task, revision.image, manifests.settings_of(spec.serving), labels)
    template["spec"]["terminationGracePeriodSeconds"] = SERVE_GRACE_SECONDS
    container = template["spec"]["containers"][0]
    container["ports"] = [{"name": "http", "containerPort": names.PORT_HTTP, "protocol": "TCP"}]
    container["readinessProbe"] = manifests.probe(
        "/v2/health/ready", periodSeconds=2, timeoutSeconds=2, failureThreshold=2
    )
    container["startupProbe"] = manifests.probe(
        "/v2/health/live",
        periodSeconds=2,
        timeoutSeconds=2,
        failureThreshold=max(30, int(parse_duration(spec.serving.load_timeout).total_seconds()) // 2),
    )
    container["livenessProbe"] = manifests.probe(
        "/v2/health/live", periodSeconds=10, timeoutSeconds=5, failureThreshold=3
    )
    return template
