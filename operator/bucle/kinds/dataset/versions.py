"""What a finished build makes of the versions: accepted, refused, or the same as before. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bucle.contracts.result import DataResult
from bucle.kinds.dataset.state import Rejected, State, Version
from bucle.resources.dataset_status import DatasetVersion, FailedExpectation, SetAside

HISTORY_LIMIT = 20
SHORT_VERSION = 12
"""Digits of a digest that a person can compare at a glance."""


def harvested(state: State, result: DataResult, spec_hash: str, written_hash: str, now: datetime) -> State:
    """The state with the build's result in it; the build itself is done."""
    if not result.accepted:
        return replace(state, rejected=_rejected(state.rejected, result, spec_hash, now), build=None)
    current = state.current
    same = current is not None and current.digest == result.digest
    created = current.created_at if current is not None and same else now
    history = state.history if same or current is None else (current.record, *state.history)[:HISTORY_LIMIT]
    made = _version(result, spec_hash, written_hash, created)
    return State(current=made, rejected=None, build=None, history=history)


def forget_old_refusal(state: State, spec_hash: str) -> State:
    """A refusal speaks of one spec. Back on the spec that made the current version, it says nothing any more."""
    made_by = state.current.spec_hash if state.current else None
    if state.rejected is not None and state.rejected.spec_hash != spec_hash and made_by == spec_hash:
        return replace(state, rejected=None)
    return state


def _version(result: DataResult, spec_hash: str, written_hash: str, created_at: datetime) -> Version:
    record = DatasetVersion.model_validate(
        {
            "digest": result.digest,
            "version": result.digest.removeprefix("sha256:")[:SHORT_VERSION],
            "spec_hash": spec_hash,
            "written_hash": written_hash,
            "rows": result.rows,
            "bytes": result.bytes,
            "location": result.location,
            "splits": {name: split.as_json() for name, split in result.splits.items()},
            "quality": {name.lower(): value for name, value in result.quality.items()},
            "set_aside": _set_aside(result),
            "source_revision": result.source_revision,
            "created_at": created_at,
        }
    )
    return Version(result.digest, spec_hash, result.rows, created_at, record)


def _set_aside(result: DataResult) -> list[dict[str, str | int]]:
    """A message of a pod has them by name; here the most frequent stand first."""
    ordered = sorted(result.set_aside.items(), key=lambda item: (-item[1], item[0]))
    return [{"reason": reason, "count": count} for reason, count in ordered]


def _rejected(before: Rejected | None, result: DataResult, spec_hash: str, now: datetime) -> Rejected:
    """Refused again, the sources have been refused since the first time: they are looked at ever more seldom."""
    again = before is not None and (before.digest, before.spec_hash) == (result.digest, spec_hash)
    return Rejected(
        digest=result.digest,
        spec_hash=spec_hash,
        at=before.at if before is not None and again else now,
        looked_at=now,
        failed=tuple(FailedExpectation.model_validate(failed.as_json()) for failed in result.failed),
        set_aside=tuple(SetAside.model_validate(left_out) for left_out in _set_aside(result)),
    )
