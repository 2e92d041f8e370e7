"""The build Job of a Dataset: the spec as a task document, and the hash of what decides the content. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from bucle.contracts import names
from bucle.contracts.canonical import digest, short_hash
from bucle.contracts.capture import SETTLED
from bucle.contracts.expectations import Expectation
from bucle.contracts.table import Deduplicate, Splits, TableSchema
from bucle.contracts.task import DatasetSource, DataTask, FeedbackSource, SourceItem, UriSource
from bucle.engine.plan import Child
from bucle.engine.status import timestamp
from bucle.kinds.dataset.state import Build, FeedbackBounds
from bucle.kinds.dataset.world import COMPONENT, World
from bucle.resources.dataset import Dataset, Source
from bucle.resources.dataset import FeedbackSource as FeedbackSpec
from bucle.resources.documents import to_dict, written
from bucle.workloads.jobs import JobSpec, task_job
from bucle.workloads.pods import PodSettings

BUILD_DEADLINE = timedelta(hours=2)
SETTLED_AFTER = 6 * SETTLED
"""Bounds of a feedback window lie so far in the past: well beyond what the servers may still hold, so that a file that
arrives late cannot change the content."""


def spec_hash(world: World) -> str:
    """Hash of all that decides content and acceptance: what was written, and how labels are joined meanwhile."""
    labels = {name: labels.model_dump(mode="json", exclude_defaults=True) for name, labels in world.labels.items()}
    return digest([written_hash(world.dataset), labels]).removeprefix("sha256:")


def written_hash(dataset: Dataset) -> str:
    """Hash of what a person wrote and content depends on. Defaults are left out, so that a field that comes with a
    later release rebuilds nothing; so are pod settings and images."""
    return digest(written(dataset.spec, {"pod"})).removeprefix("sha256:")


def pod_hash(world: World) -> str:
    """Hash of what a pod gets beside its task, from the spec and from the chart: a pod that cannot start under these may
    start under others."""
    platform, settings = world.platform, to_dict(world.dataset.spec.pod)
    return short_hash([settings, platform.image_worker, list(platform.image_pull_secrets)], 16)


def bounds_at(world: World, now: datetime) -> FeedbackBounds | None:
    """What feedback windows without own bounds are bounded by; None without such a source."""
    windows = [s.feedback.window for s in world.dataset.spec.sources if s.feedback is not None]
    if all(w.received_before is not None and w.labels_received_before is not None for w in windows):
        return None
    moment = (now - SETTLED_AFTER).replace(microsecond=0)
    return FeedbackBounds(moment, moment)


def data_task(world: World, build: Build) -> DataTask:
    owner, spec = world.owner, world.dataset.spec
    location = f"{world.platform.store_uri}/{owner.namespace}/datasets/{owner.name}"
    return DataTask(
        name=owner.name,
        location=location,
        table=TableSchema.model_validate(to_dict(spec.schema_)),
        sources=tuple(_source(world, source, build) for source in spec.sources),
        expectations=tuple(Expectation.model_validate(to_dict(e)) for e in spec.expectations),
        deduplicate=Deduplicate.model_validate(to_dict(spec.deduplicate)) if spec.deduplicate else None,
        splits=Splits.model_validate(to_dict(spec.splits)),
    )


def build_job(world: World, build: Build) -> tuple[Child, ...]:
    """The Job of this attempt, and the document of its task when the table is a wide one."""
    job = JobSpec(
        name=build.job,
        component=COMPONENT,
        image=build.image,
        task=data_task(world, build),
        deadline=BUILD_DEADLINE,
        settings=PodSettings.of(to_dict(world.dataset.spec.pod)),
    )
    return task_job(world.platform, world.owner, job)


def _source(world: World, source: Source, build: Build) -> SourceItem:
    namespace = world.owner.namespace
    if source.uri is not None:
        return SourceItem(uri=UriSource.model_validate(to_dict(source.uri)))
    if source.dataset is not None:
        location = names.dataset_location(
            world.platform.store_uri, namespace, source.dataset.name, source.dataset.digest
        )
        return SourceItem(dataset=DatasetSource(location=location, digest=source.dataset.digest))
    assert source.feedback is not None, "a source has exactly one member"
    return SourceItem(feedback=_feedback(world, source.feedback, build))


def _feedback(world: World, spec: FeedbackSpec, build: Build) -> FeedbackSource:
    bounds, window = build.bounds, spec.window
    received = window.received_before or (bounds.received_before if bounds else None)
    labelled = window.labels_received_before or (bounds.labels_received_before if bounds else None)
    assert received is not None and labelled is not None, "bounds are fixed in status before a Job is made"
    return FeedbackSource(
        location=names.deployment_location(world.platform.store_uri, world.owner.namespace, spec.model_deployment),
        rows=spec.window.rows,
        received_before=timestamp(received),
        labels_received_before=timestamp(labelled),
        labels=world.labels[spec.model_deployment],
        max_set_aside_percent=spec.max_set_aside_percent,
    )
