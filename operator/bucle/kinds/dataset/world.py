"""What a Dataset must know to decide, and how that is asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bucle.contracts.table import Labels
from bucle.engine.objects import CONFIG_MAP, JOB, POD, JsonObject, Ref, object_ref
from bucle.engine.reads import GetObject, Known, ListObjects, Observations, Read, Reads, known_or
from bucle.engine.room import Unreadable, unreadable
from bucle.resources.addresses import DATASET, MODEL_DEPLOYMENT
from bucle.resources.base import parse_duration
from bucle.resources.dataset import Dataset
from bucle.resources.documents import InvalidResource, parse, written
from bucle.resources.modeldeployment import ModelDeployment
from bucle.workloads import document, refusals
from bucle.workloads.attempt import Live, by_name
from bucle.workloads.measured_rows import quarantine_of
from bucle.workloads.platform import Platform
from bucle.workloads.pods import Owner

COMPONENT = "data"
_DEPLOYMENT = "modeldeployment/"


@dataclass(frozen=True)
class World:
    """`labels`: how feedback of each named ModelDeployment is joined; `not_joined`: why that cannot be said of one."""

    platform: Platform
    dataset: Dataset
    owner: Owner
    labels: Mapping[str, Labels]
    not_joined: str | None
    live: Live
    documents: Mapping[str, JsonObject]


def deployments_of(dataset: Dataset) -> tuple[str, ...]:
    return tuple(sorted({s.feedback.model_deployment for s in dataset.spec.sources if s.feedback is not None}))


def refs(dataset: Dataset) -> frozenset[Ref]:
    namespace = dataset.metadata.namespace
    return frozenset(object_ref(MODEL_DEPLOYMENT, namespace, name) for name in deployments_of(dataset))


def reads(dataset: Dataset) -> Reads:
    owner = Owner.of(DATASET, dataset.metadata)
    asked: dict[str, Read] = {
        "jobs": ListObjects(JOB, owner.namespace, owner.selector(), owner.uid),
        "pods": ListObjects(POD, owner.namespace, owner.selector()),
    }
    if document.is_wide(written(dataset.spec)):
        asked["documents"] = ListObjects(CONFIG_MAP, owner.namespace, owner.selector(document.COMPONENT), owner.uid)
    build = dataset.status.build
    if build is not None:
        asked |= refusals.reads(owner.namespace, build.job, build.reason)
    for name in deployments_of(dataset):
        asked[_DEPLOYMENT + name] = GetObject(MODEL_DEPLOYMENT, owner.namespace, name)
    return asked


def tells(obj: Mapping[str, Any]) -> Any:
    """The version that others build on."""
    return ((obj.get("status") or {}).get("current") or {}).get("digest")


def world(dataset: Dataset, observations: Observations, platform: Platform) -> World | Unreadable:
    """Nothing is decided on a half-seen cluster."""
    if (unseen := unreadable(observations, [name for name in observations if name != refusals.READ])) is not None:
        return unseen
    build = dataset.status.build
    refused = refusals.told(build.job if build is not None else None, observations)
    joined = {name: _labels(name, observations) for name in deployments_of(dataset)}
    return World(
        platform=platform,
        dataset=dataset,
        owner=Owner.of(DATASET, dataset.metadata),
        labels={name: labels for name, labels in joined.items() if isinstance(labels, Labels)},
        not_joined=next((why for why in joined.values() if isinstance(why, str)), None),
        live=Live(by_name(known_or(observations["jobs"], ())), tuple(known_or(observations["pods"], ())), refused),
        documents=by_name(known_or(observations.get("documents"), ())),
    )


def _labels(name: str, observations: Observations) -> Labels | str:
    """How its feedback is joined, or why nobody can say: it is missing, or not as a ModelDeployment must be."""
    answer = observations[_DEPLOYMENT + name]
    if not isinstance(answer, Known):
        return f"a source takes its rows from ModelDeployment {name}, which does not exist in this namespace: apply it"
    try:
        feedback = parse(ModelDeployment, answer.value).spec.feedback
    except InvalidResource as error:
        return str(error)
    return Labels(
        key=feedback.key,
        maturity_seconds=int(parse_duration(feedback.maturity).total_seconds()),
        duplicates=feedback.duplicates,
        quarantine=quarantine_of(feedback.quarantine),
    )
