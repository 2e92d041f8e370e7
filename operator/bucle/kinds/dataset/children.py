"""The build Job of a Dataset: the spec as a task document, and the hash of what decides the content. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from bucle.contracts import names
from bucle.contracts.canonical import digest
from bucle.contracts.table import Deduplicate, Expectation, Splits, TableSchema
from bucle.contracts.task import DatasetSource, DataTask, FeedbackSource, SourceItem, UriSource
from bucle.engine.plan import Child
from bucle.engine.status import timestamp
from bucle.kinds.dataset.world import COMPONENT, World
from bucle.resources.dataset import FeedbackSource as FeedbackSpec
from bucle.resources.dataset import Source
from bucle.resources.dataset_status import Build
from bucle.resources.documents import to_dict, written
from bucle.workloads.jobs import JobSpec, task_job
from bucle.workloads.platform import Platform
from bucle.workloads.pods import PodSettings

BUILD_DEADLINE = timedelta(hours=2)
SETTLED_AFTER = timedelta(seconds=60)
"""Bounds of a feedback window lie so far in the past: more than two roll intervals of the capture files, so that a
file that arrives late cannot change the content."""


def spec_hash(world: World) -> str:
    """Hash of all that decides content and acceptance; pod settings and images are not part of it."""
    spec = world.dataset.spec
    parts = written(spec, {"pod"})
    parts["labels"] = {name: labels.as_json() for name, labels in world.labels.items()}
    return digest(parts).removeprefix("sha256:")


def bounds(world: World, now: datetime) -> tuple[datetime, datetime] | None:
    """What feedback windows without own bounds are bounded by; None without such a source."""
    windows = [s.feedback.window for s in world.dataset.spec.sources if s.feedback is not None]
    if all(w.received_before is not None and w.labels_received_before is not None for w in windows):
        return None
    moment = (now - SETTLED_AFTER).replace(microsecond=0)
    return moment, moment


def data_task(platform: Platform, world: World, build: Build) -> DataTask:
    owner, spec = world.owner, world.dataset.spec
    location = f"{platform.store_uri}/{owner.namespace}/datasets/{owner.name}"
    return DataTask(
        name=owner.name,
        location=location,
        table=TableSchema.model_validate(to_dict(spec.schema_)),
        sources=tuple(_source(platform, world, source, build) for source in spec.sources),
        expectations=tuple(Expectation.model_validate(to_dict(e)) for e in spec.expectations),
        deduplicate=Deduplicate.model_validate(to_dict(spec.deduplicate)) if spec.deduplicate else None,
        splits=Splits.model_validate(to_dict(spec.splits)),
    )


def build_job(platform: Platform, world: World, build: Build) -> Child:
    """The Job of this attempt. Raises TaskTooLarge when the schema does not fit a pod annotation."""
    job = JobSpec(
        name=build.job or "",
        component=COMPONENT,
        image=build.image or platform.image_worker,
        task=data_task(platform, world, build),
        deadline=BUILD_DEADLINE,
        settings=PodSettings.of(to_dict(world.dataset.spec.pod)),
    )
    return task_job(platform, world.owner, job)


def _source(platform: Platform, world: World, source: Source, build: Build) -> SourceItem:
    namespace = world.owner.namespace
    if source.uri is not None:
        return SourceItem(uri=UriSource.model_validate(to_dict(source.uri)))
    if source.dataset is not None:
        location = names.dataset_location(platform.store_uri, namespace, source.dataset.name, source.dataset.digest)
        return SourceItem(dataset=DatasetSource(location=location, digest=source.dataset.digest))
    assert source.feedback is not None, "a source has exactly one member"
    return SourceItem(feedback=_feedback(platform, world, source.feedback, build))


def _feedback(platform: Platform, world: World, spec: FeedbackSpec, build: Build) -> FeedbackSource:
    received = spec.window.received_before or build.received_before
    labelled = spec.window.labels_received_before or build.labels_received_before
    assert received is not None and labelled is not None, "bounds are fixed in status before a Job is made"
    return FeedbackSource(
        location=names.deployment_location(platform.store_uri, world.owner.namespace, spec.model_deployment),
        rows=spec.window.rows,
        received_before=timestamp(received),
        labels_received_before=timestamp(labelled),
        labels=world.labels[spec.model_deployment],
    )
