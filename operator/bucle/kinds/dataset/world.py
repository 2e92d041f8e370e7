"""What a Dataset must know to decide, and how that is asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bucle.contracts.table import Labels
from bucle.engine.objects import JOB, POD, JsonObject, Ref, object_ref
from bucle.engine.reads import Absent, GetObject, Known, ListObjects, Observations, Read, Reads, Unavailable
from bucle.engine.room import SpecInvalid
from bucle.resources.addresses import DATASET, MODEL_DEPLOYMENT
from bucle.resources.base import parse_duration
from bucle.resources.dataset import Dataset
from bucle.resources.documents import InvalidResource, parse
from bucle.resources.modeldeployment import ModelDeployment
from bucle.workloads.attempts import by_name
from bucle.workloads.pods import Owner

COMPONENT = "data"
_DEPLOYMENT = "modeldeployment/"


class Unanswered(Exception):
    """A read without which nothing can be decided was not answered; the message says which and why."""


class DeploymentMissing(Exception):
    """A feedback source names a ModelDeployment that does not exist."""


@dataclass(frozen=True)
class World:
    """`labels`: how feedback of each named ModelDeployment is joined. `jobs`: live Jobs by name."""

    dataset: Dataset
    owner: Owner
    labels: Mapping[str, Labels]
    jobs: Mapping[str, JsonObject]
    pods: tuple[JsonObject, ...]


def typed(obj: JsonObject) -> Dataset:
    """Raises SpecInvalid with the path of each wrong field."""
    try:
        return parse(Dataset, obj)
    except InvalidResource as error:
        raise SpecInvalid(str(error)) from error


def deployments_of(dataset: Dataset) -> tuple[str, ...]:
    return tuple(sorted({s.feedback.model_deployment for s in dataset.spec.sources if s.feedback is not None}))


def refs(obj: JsonObject) -> frozenset[Ref]:
    namespace = obj["metadata"]["namespace"]
    return frozenset(object_ref(MODEL_DEPLOYMENT, namespace, name) for name in deployments_of(typed(obj)))


def reads(obj: JsonObject) -> Reads:
    owner = Owner.of(DATASET, obj)
    asked: dict[str, Read] = {
        "jobs": ListObjects(JOB, owner.namespace, owner.selector(), owner.uid),
        "pods": ListObjects(POD, owner.namespace, owner.selector()),
    }
    for name in deployments_of(typed(obj)):
        asked[_DEPLOYMENT + name] = GetObject(MODEL_DEPLOYMENT, owner.namespace, name)
    return asked


def world(obj: JsonObject, observations: Observations) -> World:
    """Raises Unanswered or DeploymentMissing, each with a message for the condition."""
    dataset = typed(obj)
    return World(
        dataset=dataset,
        owner=Owner.of(DATASET, obj),
        labels={name: _labels(name, observations) for name in deployments_of(dataset)},
        jobs=by_name(_known(observations, "jobs")),  # type: ignore[arg-type]
        pods=_known(observations, "pods"),
    )


def _known(observations: Observations, name: str) -> tuple[Any, ...]:
    answer = observations[name]
    if isinstance(answer, Known):
        return tuple(answer.value)
    raise Unanswered(answer.why if isinstance(answer, Unavailable) else f"{name} cannot be listed")


def _labels(name: str, observations: Observations) -> Labels:
    answer = observations[_DEPLOYMENT + name]
    if isinstance(answer, Absent):
        raise DeploymentMissing(
            f"a source takes its rows from ModelDeployment {name}, which does not exist in this namespace: apply it"
        )
    if isinstance(answer, Unavailable):
        raise Unanswered(f"ModelDeployment {name} cannot be read: {answer.why}")
    try:
        feedback = parse(ModelDeployment, answer.value).spec.feedback
    except InvalidResource as error:
        raise DeploymentMissing(f"ModelDeployment {name} cannot be read: {error}") from error
    return Labels(
        key=feedback.key,
        maturity_seconds=int(parse_duration(feedback.maturity).total_seconds()),
        duplicates=feedback.duplicates,
    )
