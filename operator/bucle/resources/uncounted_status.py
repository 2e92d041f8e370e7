"""What came and counts for nothing, as ModelDeployment and DriftPolicy report it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bucle.contracts.uncounted import SetAsideBatch, Suspicion, Uncounted
from bucle.resources.base import ListType, Model, Short


class BatchStatus(Model):
    """All labels of one source in one UTC hour."""

    source: Short | None = Field(default=None, description="What the caller calls itself; empty without a name.")
    hour: Short | None = Field(default=None, description="Start of the UTC hour in which they were received.")
    labels: int | None = Field(default=None, description="How many.")
    reason: Short | None = Field(default=None, description="`flooded` or `uniform`.")


class UncountedStatus(Model):
    """Rows and labels that came and count for nothing, by reason; a reason without any is left out."""

    ungrouped: int | None = Field(default=None, description="Labelled rows without a group.")
    misdated: int | None = Field(default=None, description="Labelled rows dated long after they were received.")
    unjoined: int | None = Field(default=None, description="Labels that belong to no answer.")
    unreadable: int | None = Field(default=None, description="Labels of no class, or answers that cannot be read.")
    flooded: int | None = Field(default=None, description="Labels set aside: too many of one source in one UTC hour.")
    uniform: int | None = Field(
        default=None, description="Labels set aside: all of one source in one UTC hour say the same."
    )
    antedated: int | None = Field(default=None, description="Labels that say they were known before their answer.")
    corrected: int | None = Field(default=None, description="Rows of judged windows with another label by now.")
    batches: Annotated[tuple[BatchStatus, ...], ListType(), Field(max_length=3)] = Field(
        default=(), description="The newest batches that are set aside, to be named under `feedback.quarantine.allow`."
    )


def uncounted_status(told: Uncounted) -> UncountedStatus | None:
    """None when everything counts."""
    lost = told.by_reason()
    batches = tuple(
        BatchStatus(source=b.source, hour=b.hour, labels=b.labels, reason=b.reason.value) for b in told.batches
    )
    return UncountedStatus(**lost, batches=batches) if lost else None


def uncounted_of(record: UncountedStatus | None) -> Uncounted:
    told = record or UncountedStatus()
    return Uncounted(
        told.ungrouped or 0,
        told.misdated or 0,
        told.unjoined or 0,
        told.unreadable or 0,
        told.flooded or 0,
        told.uniform or 0,
        told.antedated or 0,
        told.corrected or 0,
        tuple(
            SetAsideBatch(source=b.source or "", hour=b.hour or "", labels=b.labels or 0, reason=Suspicion(b.reason))
            for b in told.batches
            if b.reason in set(Suspicion)
        ),
    )
