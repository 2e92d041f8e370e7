"""Whether a judge is needed, what it is asked, and the pod that answers. Pure.

The judge pairs labelled answers of both versions while a shadow step runs. It keeps nothing that is not in the store.
"""

from __future__ import annotations

from bucle.contracts import names
from bucle.contracts.evidence import Query
from bucle.contracts.table import GroupBy, Labels
from bucle.contracts.task import JudgeTask
from bucle.engine.objects import DEPLOYMENT
from bucle.engine.plan import Child
from bucle.engine.status import timestamp
from bucle.externals.judge.values import EvidenceRead
from bucle.kinds.modeldeployment import manifests
from bucle.kinds.modeldeployment.fleets import JUDGE
from bucle.kinds.modeldeployment.gates.table import kind_of
from bucle.kinds.modeldeployment.state import Loading, Rollout, State, Stepping
from bucle.kinds.modeldeployment.steps import step_at
from bucle.resources.base import parse_duration
from bucle.resources.modeldeployment import ModelDeployment, ModelDeploymentSpec, QualityGate
from bucle.workloads.platform import Platform
from bucle.workloads.pods import PodSettings, task_pod


def query_of(rollout: Rollout | None, spec: ModelDeploymentSpec) -> Query | None:
    """What the judge is asked while a shadow step is in force; the same query again is the same question."""
    if not isinstance(rollout, Stepping) or rollout.in_force_since is None:
        return None
    step, run = step_at(spec, rollout.step), rollout.run
    if not step.paired:
        return None
    return Query(
        rollout=run.id,
        step=rollout.step,
        started_at=timestamp(rollout.in_force_since),
        stable=run.stable or "",
        candidate=run.candidate.id,
        percent=step.mirror,
        sample_percent=spec.capture.sample_percent,
    )


def evidence_read(deployment: ModelDeployment, state: State) -> EvidenceRead | None:
    """The judge is asked only while a step is in force that pairs rows, and a gate looks at pairs."""
    query = query_of(state.rollout, deployment.spec)
    if query is None or not any(kind_of(gate)[0].needs_judge for gate in deployment.spec.gates):
        return None
    return EvidenceRead(deployment.metadata.namespace, deployment.metadata.uid, query)


def judged_gate(spec: ModelDeploymentSpec, state: State) -> QualityGate | None:
    """The gate for which a judge must run: one of the present or a coming step, so that it is warm before it is needed."""
    rollout = state.rollout
    if state.stable is None or not isinstance(rollout, Loading | Stepping):
        return None
    first = rollout.step if isinstance(rollout, Stepping) else 0
    coming = [step_at(spec, index) for index in range(first, len(spec.rollout.steps))]
    asked = {name for step in coming if step.paired for name in step.gates}
    return next((gate.quality for gate in spec.gates if gate.name in asked and gate.quality is not None), None)


def judge_child(deployment: ModelDeployment, platform: Platform, gate: QualityGate) -> Child:
    """It follows an edited gate and a new release at once: an older one would answer another question than is asked."""
    owner, feedback, group = manifests.owner_of(deployment), deployment.spec.feedback, gate.group_by
    labels = owner.labels(JUDGE)
    task = JudgeTask(
        name=owner.name,
        location=names.deployment_location(platform.store_uri, owner.namespace, owner.name),
        metric=gate.metric,
        group_by=GroupBy(column=group.column, unit=group.unit, time_zone=group.time_zone) if group else None,
        labels=Labels(
            key=feedback.key,
            maturity_seconds=int(parse_duration(feedback.maturity).total_seconds()),
            duplicates=feedback.duplicates,
        ),
    )
    template = task_pod(platform, owner, task, platform.image_worker, _settings(deployment.spec), labels)
    container = template["spec"]["containers"][0]
    container["ports"] = [{"name": "http", "containerPort": names.PORT_JUDGE, "protocol": "TCP"}]
    container["readinessProbe"] = manifests.probe("/ready", periodSeconds=2, timeoutSeconds=2, failureThreshold=3)
    workload = manifests.deployment(owner, names.judge_name(owner.name), labels, template, 1)
    workload["spec"]["strategy"] = {"type": "Recreate"}
    followed = {
        "metadata": {"annotations": template["metadata"]["annotations"]},
        "spec": {"containers": [{key: container[key] for key in ("name", "image", "env", "resources")}]},
    }
    return Child(DEPLOYMENT, workload, adjust={"spec": {"template": followed}})


def _settings(spec: ModelDeploymentSpec) -> PodSettings:
    """What `judge` says; where it says nothing about places and identity, as the model servers."""
    return manifests.settings_of(spec.judge).placed_as(manifests.settings_of(spec.serving))
