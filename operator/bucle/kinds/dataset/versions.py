"""What a finished build makes of the versions: accepted, refused, or the same as before. Pure."""

from __future__ import annotations

from datetime import datetime

from bucle.contracts.result import DataResult
from bucle.resources.dataset_status import DatasetStatus, DatasetVersion, RejectedVersion

HISTORY_LIMIT = 20
SHORT_VERSION = 12
"""Digits of a digest that a person can compare at a glance."""


def harvested(status: DatasetStatus, result: DataResult, spec_hash: str, now: datetime) -> DatasetStatus:
    """The status with the build's result in it; the build itself is done."""
    if not result.accepted:
        return status.model_copy(update={"rejected": _rejected(result, spec_hash, now), "build": None})
    current = status.current
    same = current is not None and current.digest == result.digest
    created = current.created_at if current is not None and same else now
    history = status.history if same or current is None else (current, *status.history)[:HISTORY_LIMIT]
    return status.model_copy(
        update={
            "current": _version(result, spec_hash, created or now),
            "history": history,
            "rejected": None,
            "build": None,
        }
    )


def forget_old_refusal(status: DatasetStatus, spec_hash: str) -> DatasetStatus:
    """A refusal speaks of one spec. Back on the spec that made the current version, it says nothing any more."""
    made_by = status.current.spec_hash if status.current else None
    if status.rejected is not None and status.rejected.spec_hash != spec_hash and made_by == spec_hash:
        return status.model_copy(update={"rejected": None})
    return status


def _version(result: DataResult, spec_hash: str, created_at: datetime) -> DatasetVersion:
    return DatasetVersion.model_validate(
        {
            "digest": result.digest,
            "version": result.digest.removeprefix("sha256:")[:SHORT_VERSION],
            "spec_hash": spec_hash,
            "rows": result.rows,
            "bytes": result.bytes,
            "location": result.location,
            "splits": {name: split.as_json() for name, split in result.splits.items()},
            "quality": {name.lower(): value for name, value in result.quality.items()},
            "source_revision": result.source_revision,
            "created_at": created_at,
        }
    )


def _rejected(result: DataResult, spec_hash: str, now: datetime) -> RejectedVersion:
    return RejectedVersion.model_validate(
        {
            "digest": result.digest,
            "spec_hash": spec_hash,
            "at": now,
            "failed": [failed.as_json() for failed in result.failed],
        }
    )
