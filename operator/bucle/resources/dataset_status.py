"""Dataset: what the operator reports about versions, builds and refusals."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bucle.resources.base import DecimalString, ListType, Model, Short, Status, Text, Timestamp, Uri


class SplitStatus(Model):
    """One split of a version."""

    rows: int | None = Field(default=None, description="Its rows.")
    digest: Short | None = Field(default=None, description="Digest of its content.")


class SplitsStatus(Model):
    """The splits of a version."""

    train: SplitStatus | None = Field(default=None, description="Rows for fitting.")
    validation: SplitStatus | None = Field(default=None, description="Rows for choosing parameters.")
    test: SplitStatus | None = Field(default=None, description="Rows for the one final score.")


class Quality(Model):
    """Rows that pass all rules of the dimension, divided by all rows; left out when no rule is of that dimension."""

    accuracy: DecimalString | None = Field(default=None, description="Share of rows with right values.")
    completeness: DecimalString | None = Field(default=None, description="Share of rows with no missing values.")
    consistency: DecimalString | None = Field(default=None, description="Share of rows without contradictions.")
    timeliness: DecimalString | None = Field(default=None, description="Share of rows recent enough.")


class SetAside(Model):
    """Rows or files that were read and left out for one reason; counts only, never values."""

    reason: Short | None = Field(default=None, description="The column and what is wrong with its values.")
    count: int | None = Field(default=None, description="How many.")


class DatasetVersion(Model):
    """One version: immutable content in the store."""

    digest: Short | None = Field(default=None, description="sha256 of the canonical content; names the version.")
    version: Short | None = Field(default=None, description="First digits of the digest, for people.")
    spec_hash: Short | None = Field(default=None, description="Hash of the spec it was built or checked with.")
    written_hash: Short | None = Field(
        default=None, description="Hash of that spec alone, without what its ModelDeployments say."
    )
    rows: int | None = Field(default=None, description="Rows in all splits.")
    bytes: int | None = Field(default=None, description="Size of its files.")
    location: Uri | None = Field(default=None, description="Its folder in the store.")
    splits: SplitsStatus | None = Field(default=None, description="Its splits.")
    quality: Quality | None = Field(default=None, description="Share of good rows by dimension.")
    set_aside: Annotated[tuple[SetAside, ...], ListType(), Field(max_length=16)] = Field(
        default=(), description="What was read and left out, by reason, the most frequent first."
    )
    source_revision: Short | None = Field(default=None, description="What the sources were when it was read.")
    created_at: Timestamp | None = Field(default=None, description="When it was built.")


class FailedExpectation(Model):
    """One expectation that did not hold; counts only, never values."""

    name: Short | None = Field(default=None, description="Its name in the spec.")
    dimension: Short | None = Field(default=None, description="Its dimension.")
    severity: Short | None = Field(default=None, description="Its severity.")
    observed: Short | None = Field(default=None, description="What was seen.")
    limit: Short | None = Field(default=None, description="What was allowed.")
    rows: int | None = Field(default=None, description="Rows that broke it.")


class RejectedVersion(Model):
    """The last candidate that was refused; the current version stayed."""

    digest: Short | None = Field(default=None, description="Its digest.")
    spec_hash: Short | None = Field(default=None, description="Hash of the spec that refused it.")
    at: Timestamp | None = Field(default=None, description="When it was first refused.")
    looked_at: Timestamp | None = Field(default=None, description="When its sources were last read.")
    failed: Annotated[tuple[FailedExpectation, ...], ListType(), Field(max_length=200)] = Field(
        default=(), description="The expectations that did not hold."
    )
    set_aside: Annotated[tuple[SetAside, ...], ListType(), Field(max_length=16)] = Field(
        default=(), description="What was read and left out of it, by reason, the most frequent first."
    )


class Build(Model):
    """The running Job, written before it is created."""

    spec_hash: Short | None = Field(default=None, description="Hash of the spec being built.")
    pod_hash: Short | None = Field(default=None, description="Hash of the pod settings it was begun with.")
    job: Short | None = Field(default=None, description="Name of the Job.")
    attempt: int | None = Field(default=None, description="Which attempt, from 0.")
    failures: int | None = Field(default=None, description="Attempts that failed by their own fault.")
    started_at: Timestamp | None = Field(default=None, description="When it was decided.")
    not_before: Timestamp | None = Field(default=None, description="The attempt waits until then.")
    image: Uri | None = Field(default=None, description="Image of the Job, pinned.")
    state: Short | None = Field(default=None, description="What is known of it.")
    reason: Short | None = Field(default=None, description="Why it failed or waits, in one word.")
    message: Text | None = Field(default=None, description="What was tried, on what, and what to do next.")
    received_before: Timestamp | None = Field(default=None, description="Bound fixed for feedback sources.")
    labels_received_before: Timestamp | None = Field(default=None, description="Bound fixed for labels.")


class DatasetStatus(Status):
    """What the operator made of it."""

    current: DatasetVersion | None = Field(default=None, description="The last good version.")
    rejected: RejectedVersion | None = Field(default=None, description="The last refused candidate.")
    build: Build | None = Field(default=None, description="The running build.")
    history: Annotated[tuple[DatasetVersion, ...], ListType(), Field(max_length=20)] = Field(
        default=(), description="Earlier versions, newest first."
    )
