"""What a Dataset remembers between two looks, typed: versions, the refused candidate, the running build. Pure.

`decoded` and `encoded` are the only places that know how it stands in status. A state that this release does not
know (a newer release, an edit by hand) is `UnknownState`: a hold, never a transition.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bucle.engine.room import known_state
from bucle.resources import dataset_status as wire
from bucle.workloads import attempt_status
from bucle.workloads.attempt import Attempt


class BuildState(StrEnum):
    RUNNING = "Running"
    WAITING = "Waiting"
    """For its next attempt."""
    STOPPED = "Stopped"
    """Given up: only an edit begins another one."""


@dataclass(frozen=True, slots=True)
class FeedbackBounds:
    """What feedback sources without bounds of their own are bounded by."""

    received_before: datetime
    labels_received_before: datetime


@dataclass(frozen=True, slots=True)
class Build:
    """One build of one spec, through all of its attempts."""

    spec_hash: str
    job: str
    image: str
    state: BuildState
    attempt: Attempt
    started_at: datetime
    bounds: FeedbackBounds | None
    pod_hash: str | None
    """Where and with how much its pod was to run; None when an older release did not write it down."""


@dataclass(frozen=True, slots=True)
class Version:
    """An accepted version. `record` is how status tells it, whole."""

    digest: str
    spec_hash: str
    rows: int
    created_at: datetime
    record: wire.DatasetVersion

    @property
    def written_hash(self) -> str | None:
        return self.record.written_hash


@dataclass(frozen=True, slots=True)
class Rejected:
    """The last candidate that was refused, and for which spec. `looked_at`: when the sources were read last."""

    digest: str
    spec_hash: str
    at: datetime
    looked_at: datetime
    failed: tuple[wire.FailedExpectation, ...]
    set_aside: tuple[wire.SetAside, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    current: Version | None = None
    rejected: Rejected | None = None
    build: Build | None = None
    history: tuple[wire.DatasetVersion, ...] = ()


def decoded(status: wire.DatasetStatus) -> State:
    """Raises UnknownState. What an older release wrote without a field counts as not written: it is made anew."""
    return State(
        current=_version(status.current),
        rejected=_rejected(status.rejected),
        build=_build(status.build),
        history=status.history,
    )


def encoded(state: State) -> wire.DatasetStatus:
    """The status but for what the engine keeps in it: conditions and the generation."""
    current, rejected, build = state.current, state.rejected, state.build
    return wire.DatasetStatus(
        current=current.record if current else None,
        rejected=_rejected_record(rejected) if rejected else None,
        build=_build_record(build) if build else None,
        history=state.history,
    )


def _version(record: wire.DatasetVersion | None) -> Version | None:
    if record is None or record.digest is None or record.rows is None or record.created_at is None:
        return None
    return Version(record.digest, record.spec_hash or "", record.rows, record.created_at, record)


def _rejected(record: wire.RejectedVersion | None) -> Rejected | None:
    if record is None or record.digest is None or record.spec_hash is None or record.at is None:
        return None
    looked_at = record.looked_at or record.at
    return Rejected(record.digest, record.spec_hash, record.at, looked_at, record.failed, record.set_aside)


def _rejected_record(rejected: Rejected) -> wire.RejectedVersion:
    return wire.RejectedVersion(
        digest=rejected.digest,
        spec_hash=rejected.spec_hash,
        at=rejected.at,
        looked_at=rejected.looked_at,
        failed=rejected.failed,
        set_aside=rejected.set_aside,
    )


def _build(record: wire.Build | None) -> Build | None:
    if record is None or record.spec_hash is None or record.job is None or record.image is None:
        return None
    state = known_state(BuildState, record.state, "build.state")
    bounds = None
    if record.received_before is not None and record.labels_received_before is not None:
        bounds = FeedbackBounds(record.received_before, record.labels_received_before)
    attempt = attempt_status.decoded(record, message=record.message, given_up=state is BuildState.STOPPED)
    began = record.started_at or datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return Build(record.spec_hash, record.job, record.image, state, attempt, began, bounds, record.pod_hash)


def _build_record(build: Build) -> wire.Build:
    bounds = build.bounds
    return wire.Build(
        spec_hash=build.spec_hash,
        pod_hash=build.pod_hash,
        job=build.job,
        image=build.image,
        state=build.state,
        **attempt_status.told(build.attempt),
        started_at=build.started_at,
        received_before=bounds.received_before if bounds else None,
        labels_received_before=bounds.labels_received_before if bounds else None,
    )
