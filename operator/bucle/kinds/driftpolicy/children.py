"""The objects a DriftPolicy owns: evaluate Jobs, and the Dataset and Experiment of one retrain. Pure builders."""

from __future__ import annotations

from datetime import datetime, timedelta

from bucle.contracts import names, registry_tags
from bucle.contracts.canonical import short_hash
from bucle.contracts.table import Labels
from bucle.contracts.task import EvaluateTask, LabelledWindows, ServedWindows
from bucle.engine.objects import JsonObject
from bucle.engine.plan import Child
from bucle.engine.status import timestamp
from bucle.kinds.driftpolicy import window_clock
from bucle.kinds.driftpolicy.signals import measured_columns, measured_metrics, never_captured
from bucle.kinds.driftpolicy.state import Evaluation, OpenRetrain
from bucle.kinds.driftpolicy.world import Served, World
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, Resource
from bucle.resources.base import NAME_LIMIT
from bucle.resources.documents import to_dict
from bucle.resources.driftpolicy import DriftPolicy
from bucle.workloads.jobs import JobSpec, task_job
from bucle.workloads.measured_rows import labels_of
from bucle.workloads.pods import Owner, PodSettings

COMPONENT = "evaluate"
EVALUATE_DEADLINE = timedelta(minutes=30)
HASH_LENGTH = 8


def owner_of(policy: DriftPolicy) -> Owner:
    meta = policy.metadata
    return Owner(DRIFT_POLICY, meta.name, meta.namespace, meta.uid)


def retrain_name(policy: DriftPolicy, served_digest: str, window_end: str) -> str:
    """Deterministic, so that a retrain decided twice (lost status, killed operator) is one retrain; ≤ 38 characters."""
    meta = policy.metadata
    mark = short_hash([meta.namespace, meta.name, served_digest, window_end], HASH_LENGTH)
    return f"{meta.name[: NAME_LIMIT - HASH_LENGTH - 1].rstrip('-')}-{mark}"


def asked_name(policy: DriftPolicy, request: str) -> str:
    """Of a retrain that a person asked for: made of the request alone, so that it is one retrain whatever is served when a
    lost status has it read again."""
    meta = policy.metadata
    mark = short_hash([meta.namespace, meta.name, "asked", request], HASH_LENGTH)
    return f"{meta.name[: NAME_LIMIT - HASH_LENGTH - 1].rstrip('-')}-{mark}"


def evaluate_job(world: World, served: Served, evaluation: Evaluation) -> tuple[Child, ...]:
    """The Job of one look: closes all full windows since the promotion, skipping those already judged."""
    policy, meta = world.policy, world.policy.metadata
    feedback = world.deployment.spec.feedback if world.deployment else None
    store, labelled, looked = world.platform.store_uri, evaluation.labelled, evaluation.served
    task = EvaluateTask(
        name=meta.name,
        location=names.deployment_location(store, meta.namespace, policy.spec.target.model_deployment),
        version=served.revision,
        since=timestamp(served.since),
        until=timestamp(evaluation.until),
        windows=window_clock.told(policy.spec.windows, served.since),
        labels=labels_of(feedback) if feedback else Labels(),
        labelled=LabelledWindows(first=labelled.window, signals=measured_metrics(policy)) if labelled else None,
        served=ServedWindows(
            first=looked.window, signals=measured_columns(policy), dropped=never_captured(world.deployment)
        )
        if looked
        else None,
        result_location=names.policy_location(store, meta.namespace, meta.name),
    )
    spec = JobSpec(
        name=evaluation.job,
        component=COMPONENT,
        image=evaluation.image,
        task=task,
        deadline=EVALUATE_DEADLINE,
        settings=PodSettings.of(_pod(policy)),
    )
    return task_job(world.platform, owner_of(policy), spec)


def _pod(policy: DriftPolicy) -> JsonObject:
    written = to_dict(policy.spec.pod)
    written["resources"] = {key: value for key, value in (written.get("resources") or {}).items() if value}
    return written


def retrain_children(world: World, served: Served, retrain: OpenRetrain) -> tuple[Child, ...]:
    """Child Dataset (what the served version learnt from + served rows) and child Experiment (the template on it).

    Nothing is made while the served version's data is not known: a retrain on half of it would look like a worse model.
    """
    template, base, bounds = world.template, world.base, retrain.feedback_bounds
    data, digest = served.tags.get(registry_tags.TAG_DATASET_NAME), served.tags.get(registry_tags.TAG_DATASET_DIGEST)
    policy = world.policy
    if template is None or base is None or bounds is None or data is None or digest is None:
        return ()
    if policy.spec.retrain is None:
        return ()
    name = retrain.name
    window = {
        "rows": policy.spec.retrain.training.feedback.rows,
        "receivedBefore": timestamp(bounds.received_before),
        "labelsReceivedBefore": timestamp(bounds.labels_received_before),
    }
    feedback: JsonObject = {"modelDeployment": policy.spec.target.model_deployment, "window": window}
    limit = policy.spec.retrain.training.feedback.max_set_aside_percent
    if limit is not None:
        feedback["maxSetAsidePercent"] = limit
    inherited = to_dict(base.spec)
    dataset_spec = {
        **inherited,
        "sources": [{"dataset": {"name": data, "digest": digest}}, {"feedback": feedback}],
    }
    experiment_spec = {**to_dict(template.spec), "dataset": {"name": name}, "run": 0}
    owner = owner_of(policy)
    return (
        Child(DATASET, _manifest(DATASET, owner, retrain, dataset_spec)),
        Child(EXPERIMENT, _manifest(EXPERIMENT, owner, retrain, experiment_spec)),
    )


def _manifest(resource: Resource, owner: Owner, retrain: OpenRetrain, spec: JsonObject) -> JsonObject:
    """The label is what its policy finds it by among all that others have made."""
    metadata: JsonObject = {
        "name": retrain.name,
        "namespace": owner.namespace,
        "labels": {names.LABEL_UID: owner.uid},
        "ownerReferences": [owner.reference()],
    }
    if retrain.asked is not None:
        metadata["annotations"] = {names.ANNOTATION_ASKED: retrain.asked}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": spec}


def evaluation_name(
    policy: DriftPolicy, served: Served, rule: str, windows: list[int], until: datetime, attempt: int
) -> str:
    """The Job's name, from what it looks at."""
    meta = policy.metadata
    look = short_hash([meta.uid, served.revision, rule, windows, timestamp(until)], HASH_LENGTH)
    return names.evaluate_job(meta.name, meta.uid, look, attempt)
