"""The judge's pod: the task it is given and its Deployment. It keeps nothing that is not in the store. Pure builders."""

from __future__ import annotations

from bucle.contracts import names
from bucle.contracts.task import JudgeTask
from bucle.engine.objects import DEPLOYMENT
from bucle.engine.plan import Child
from bucle.kinds.modeldeployment.children import manifests
from bucle.kinds.modeldeployment.fleets import JUDGE
from bucle.kinds.modeldeployment.gates.mix import asked_mix
from bucle.resources.gates import QualityGate
from bucle.resources.modeldeployment import ModelDeployment, ModelDeploymentSpec
from bucle.workloads.measured_rows import group_by_of, labels_of
from bucle.workloads.platform import Platform
from bucle.workloads.pods import PodSettings, kept_of, task_pod


def judge_child(deployment: ModelDeployment, platform: Platform, gate: QualityGate) -> Child:
    """It follows an edited gate and a new release at once: an older one would answer another question than is asked."""
    owner, feedback, group = manifests.owner_of(deployment), deployment.spec.feedback, gate.group_by
    labels = owner.labels(JUDGE)
    task = JudgeTask(
        name=owner.name,
        location=names.deployment_location(platform.store_uri, owner.namespace, owner.name),
        metric=gate.metric,
        group_by=group_by_of(group),
        labels=labels_of(feedback),
        mix=asked_mix(gate.mix),
    )
    template = task_pod(platform, owner, task, platform.image_worker, _settings(deployment.spec), labels)
    container = template["spec"]["containers"][0]
    container["ports"] = [{"name": "http", "containerPort": names.PORT_JUDGE, "protocol": "TCP"}]
    container["readinessProbe"] = manifests.probe("/ready", periodSeconds=2, timeoutSeconds=2, failureThreshold=3)
    workload = manifests.deployment(owner, names.judge_name(owner.name), labels, template, 1)
    workload["spec"]["strategy"] = {"type": "Recreate"}
    return Child(DEPLOYMENT, workload, adjust={"spec": {"template": kept_of(template)}}, guarded=True, exact=True)


def _settings(spec: ModelDeploymentSpec) -> PodSettings:
    """What `judge` says; where it says nothing about places and identity, as the model servers."""
    return manifests.settings_of(spec.judge).placed_as(manifests.settings_of(spec.serving))
