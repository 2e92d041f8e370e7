"""What an Experiment remembers between two looks, typed: its inputs, its trials, the final fit and what became of it. Pure.

Knows nothing of Kubernetes or of the wire but the records that only people read; `status_codec` turns a status into a
State and back. The final fit is one of three: it runs, no attempt can help it, or a model came of it and was judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from bucle.contracts.result import Estimate
from bucle.resources.experiment_status import SplitDigests
from bucle.workloads.attempt import Attempt


class TrialState(StrEnum):
    PLANNED = "Planned"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class FinalState(StrEnum):
    FITTING = "Fitting"
    WAITING = "Waiting"
    """For its next attempt."""
    PASSED = "Passed"
    """Scored and judged good, not yet seen in the registry."""
    REGISTERED = "Registered"
    KEPT = "NotRegistered"
    """Judged good; the spec registers nothing."""
    REFUSED = "Refused"
    STOPPED = "Stopped"
    """No attempt can help."""


DECIDED = frozenset({FinalState.REGISTERED, FinalState.KEPT, FinalState.REFUSED})


class ComparisonState(StrEnum):
    MISSING = "Missing"
    """The alias names no version."""
    INCOMPATIBLE = "Incompatible"
    UNDECIDED = "Undecided"
    COMPARED = "Compared"


class ComparedOn(StrEnum):
    NEWEST = "Newest"
    TEST = "Test"


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that the outcome of one run depends on, pinned when it starts."""

    dataset: str
    dataset_digest: str
    dataset_location: str
    image: str
    spec_hash: str
    engine: str
    registration_key: str
    run: int
    seed: int
    started_at: datetime
    split_digests: SplitDigests | None


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial through all of its attempts. `job`: of the attempt that was begun last; None while the next one waits.
    `basis`: how many finished trials the suggestion knew."""

    index: int
    state: TrialState
    params: Mapping[str, str]
    seed: int
    image: str
    job: str | None
    attempt: Attempt
    basis: int
    started_at: datetime
    value: str | None = None
    run_id: str | None = None
    finished_at: datetime | None = None

    @property
    def open(self) -> bool:
        return self.state in (TrialState.PLANNED, TrialState.RUNNING)

    @property
    def reason(self) -> str | None:
        return self.attempt.reason


@dataclass(frozen=True, slots=True)
class Held:
    """Time in which no trial could run for something external; `since` is None while something does."""

    since: datetime | None
    seconds: int


@dataclass(frozen=True, slots=True)
class Champion:
    """The artifact to compare with, fixed when the final fit began. `dataset`: folder of what it learned from."""

    version: int
    uri: str
    digest: str
    dataset: str | None


@dataclass(frozen=True, slots=True)
class ConfidenceInterval:
    """Where a difference lies, as decimal text."""

    lower: str
    upper: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is known of challenger against champion; only one that was Compared has an interval."""

    state: ComparisonState
    version: int | None = None
    data: ComparedOn | None = None
    difference: str | None = None
    interval: ConfidenceInterval | None = None
    groups: int | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """The final fit through all of its attempts."""

    job: str
    image: str
    params: Mapping[str, str]
    seed: int
    attempt: Attempt
    started_at: datetime
    champion: Champion | None
    comparison: Comparison | None


@dataclass(frozen=True, slots=True)
class Model:
    """The model that was made; a version once the registry has one."""

    name: str | None
    version: int | None
    uri: str
    digest: str | None


@dataclass(frozen=True, slots=True)
class Fitting:
    """It runs, or waits for its next attempt."""

    fit: Fit
    waits: bool


@dataclass(frozen=True, slots=True)
class Stopped:
    """No attempt can help. Without a fit: the search ended before there was one."""

    fit: Fit | None
    reason: str
    message: str
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class Judged:
    """A model was made and judged. Without a fit: the registry remembers it, status did not. `run_id`: of the MLflow run
    that tells all of it."""

    state: FinalState
    fit: Fit | None
    reason: str
    message: str
    metrics: Mapping[str, str]
    question: str | None
    estimate: Estimate | None
    model: Model | None
    run_id: str | None
    finished_at: datetime | None

    @property
    def decided(self) -> bool:
        return self.state in DECIDED


Final: TypeAlias = Fitting | Stopped | Judged


@dataclass(frozen=True, slots=True)
class State:
    """One run. `max_trials`: what `limits.maxTrials` was when the search ended."""

    inputs: Inputs | None = None
    trials: tuple[Trial, ...] = ()
    held: Held | None = None
    final: Final | None = None
    max_trials: int | None = None
