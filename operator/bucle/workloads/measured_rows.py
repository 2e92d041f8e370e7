"""Which rows a pod measures and what it takes together, from what a person wrote to the task's document. Pure.

The same for a rollout's judge and for a policy's windows: both see the labels of one deployment alike.
"""

from __future__ import annotations

from bucle.contracts.table import Batch, GroupBy, Labels, Quarantine
from bucle.resources.base import GroupBy as WrittenGroupBy
from bucle.resources.base import parse_duration
from bucle.resources.feedback import Feedback
from bucle.resources.feedback import Quarantine as WrittenQuarantine


def labels_of(feedback: Feedback) -> Labels:
    return Labels(
        key=feedback.key,
        maturity_seconds=int(parse_duration(feedback.maturity).total_seconds()),
        duplicates=feedback.duplicates,
        horizon_seconds=int(parse_duration(feedback.horizon).total_seconds()),
        quarantine=quarantine_of(feedback.quarantine),
    )


def quarantine_of(written: WrittenQuarantine | None) -> Quarantine | None:
    if written is None:
        return None
    before = written.dated_before
    return Quarantine(
        labels_per_hour=written.labels_per_hour,
        same_labels=written.same_labels,
        dated_before_seconds=int(parse_duration(before).total_seconds()) if before is not None else None,
        allow=tuple(Batch(source=batch.source, hour=batch.hour) for batch in written.allow),
    )


def group_by_of(group: WrittenGroupBy | None) -> GroupBy | None:
    return GroupBy(column=group.column, unit=group.unit, time_zone=group.time_zone) if group else None
