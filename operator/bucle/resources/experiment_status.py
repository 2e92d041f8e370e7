"""Experiment: the record of inputs, trials, the final fit and the registration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bucle.resources.base import (
    DecimalString,
    Interval,
    ListType,
    Metrics,
    Model,
    ModelReference,
    Params,
    Short,
    Status,
    Text,
    Timestamp,
    Uri,
)
from bucle.resources.group_shape import GroupShape


class SplitDigests(Model):
    """Digests of the splits that are read."""

    train: Short | None = Field(default=None, description="Rows for fitting.")
    validation: Short | None = Field(default=None, description="Rows for choosing parameters.")
    test: Short | None = Field(default=None, description="Rows for the one final score.")


class Inputs(Model):
    """All that the outcome depends on, pinned when the Experiment starts."""

    dataset: Short | None = Field(default=None, description="Name of the Dataset.")
    dataset_digest: Short | None = Field(default=None, description="Its version.")
    dataset_location: Uri | None = Field(default=None, description="Folder of that version in the store.")
    split_digests: SplitDigests | None = Field(default=None, description="Digests of its splits.")
    image: Uri | None = Field(default=None, description="Image of the pods, pinned.")
    spec_hash: Short | None = Field(default=None, description="Hash of what decides the outcome in the spec.")
    engine: Short | None = Field(default=None, description="Search engine and its version.")
    registration_key: Short | None = Field(default=None, description="Under which the model is registered once.")
    run: int | None = Field(default=None, description="The `run` these inputs belong to.")
    seed: int | None = Field(default=None, description="Seed of the search.")
    started_at: Timestamp | None = Field(default=None, description="When it started.")


class Counts(Model):
    """Trials by state."""

    planned: int | None = Field(default=None, description="Written down, not yet running.")
    running: int | None = Field(default=None, description="Running.")
    succeeded: int | None = Field(default=None, description="With a value.")
    failed: int | None = Field(default=None, description="Without a value, given up.")


class Best(Model):
    """The best trial so far."""

    index: int | None = Field(default=None, description="Index of the trial.")
    value: DecimalString | None = Field(default=None, description="Value of the objective.")
    params: Params = Field(default={}, description="Its parameters.")
    run_id: Short | None = Field(default=None, description="Its run in MLflow.")


class Trial(Model):
    """One trial; written before its Job is created, and true whatever the spec says later."""

    index: int | None = Field(default=None, description="Its place in the search, from 0.")
    state: Short | None = Field(default=None, description="Planned, Running, Succeeded or Failed.")
    params: Params = Field(default={}, description="Its parameters.")
    seed: int | None = Field(default=None, description="Seed of the fit.")
    image: Uri | None = Field(default=None, description="Image of the Job, pinned.")
    job: Short | None = Field(default=None, description="Name of the Job.")
    attempt: int | None = Field(default=None, description="Which attempt, from 0.")
    failures: int | None = Field(default=None, description="Attempts that counted against it.")
    run_id: Short | None = Field(default=None, description="Its run in MLflow.")
    value: DecimalString | None = Field(default=None, description="Value of the objective.")
    reason: Short | None = Field(default=None, description="Why it failed or waits.")
    basis: int | None = Field(default=None, description="How many finished trials the suggestion knew.")
    started_at: Timestamp | None = Field(default=None, description="When it was decided.")
    not_before: Timestamp | None = Field(default=None, description="The attempt waits until then.")
    finished_at: Timestamp | None = Field(default=None, description="When its outcome was seen.")


class ChampionComparison(Model):
    """The challenger against the champion."""

    version: int | None = Field(default=None, description="Version of the champion.")
    metrics: Metrics = Field(default={}, description="The champion's metrics on the same rows.")
    state: Short | None = Field(default=None, description="Compared, Missing, Incompatible or Undecided.")
    data: Short | None = Field(default=None, description="Rows that were compared: Newest or Test.")
    difference: DecimalString | None = Field(
        default=None, description="Challenger minus champion as a loss; negative: the challenger is better."
    )
    interval: Interval | None = Field(default=None, description="Where the difference lies.")
    groups: int | None = Field(default=None, description="Groups compared.")
    rows: int | None = Field(default=None, description="Rows compared.")


class Final(Model):
    """The final fit, its scores, and what became of the model."""

    job: Short | None = Field(default=None, description="Name of the Job.")
    attempt: int | None = Field(default=None, description="Which attempt, from 0.")
    state: Short | None = Field(
        default=None,
        description="Fitting, Waiting, Passed (not yet seen in the registry), Registered, NotRegistered, Refused or Stopped.",
    )
    reason: Short | None = Field(default=None, description="How it ended or why it waits, in one word.")
    message: Text | None = Field(default=None, description="What was tried, on what, and what to do next.")
    image: Uri | None = Field(default=None, description="Image of the Job, pinned.")
    failures: int | None = Field(default=None, description="Attempts that failed by their own fault.")
    params: Params = Field(default={}, description="Parameters of the final fit.")
    seed: int | None = Field(default=None, description="Seed of the final fit.")
    started_at: Timestamp | None = Field(default=None, description="When it was decided.")
    not_before: Timestamp | None = Field(default=None, description="The attempt waits until then.")
    finished_at: Timestamp | None = Field(default=None, description="When its outcome was seen.")
    champion_version: int | None = Field(default=None, description="Champion fixed for the comparison.")
    champion_uri: Uri | None = Field(default=None, description="Its artifact.")
    champion_digest: Short | None = Field(default=None, description="Digest of its artifact.")
    champion_dataset: Uri | None = Field(default=None, description="Folder of the version it was trained on.")
    metrics: Metrics = Field(default={}, description="Metrics on the test split.")
    out_of_fold_metric: Short | None = Field(
        default=None, description="Which metric it is: one that is a mean of rows."
    )
    out_of_fold: DecimalString | None = Field(default=None, description="Reference metric, out of fold.")
    out_of_fold_error: DecimalString | None = Field(default=None, description="Its standard error over groups.")
    out_of_fold_groups: int | None = Field(default=None, description="Groups it was measured on.")
    out_of_fold_rows: int | None = Field(default=None, description="Rows it was measured on.")
    out_of_fold_shape: GroupShape | None = Field(default=None, description="What these groups look like.")
    question: Short | None = Field(default=None, description="What the model answers: task, target and classes.")
    champion: ChampionComparison | None = Field(default=None, description="The comparison with the champion.")
    run_id: Short | None = Field(default=None, description="Its run in MLflow.")
    max_trials: int | None = Field(default=None, description="`limits.maxTrials` when the search ended.")
    model: ModelReference | None = Field(default=None, description="The model.")


class Held(Model):
    """Time in which no trial could run for something external; it is not counted against `limits.maxDuration`."""

    since: Timestamp | None = Field(
        default=None, description="Since when nothing can run; left out while something does."
    )
    seconds: int | None = Field(default=None, description="How long earlier such times were together.")


class ExperimentStatus(Status):
    """What the operator did so far."""

    inputs: Inputs | None = Field(default=None, description="What the outcome depends on.")
    counts: Counts | None = Field(default=None, description="Trials by state.")
    best: Best | None = Field(default=None, description="The best trial so far.")
    trials: Annotated[tuple[Trial, ...], ListType(), Field(max_length=500)] = Field(
        default=(), description="The record of truth, by index."
    )
    held: Held | None = Field(default=None, description="When nothing could run.")
    final: Final | None = Field(default=None, description="The final fit.")
