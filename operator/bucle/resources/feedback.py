"""How labels come back to a ModelDeployment, and which of them are believed. What a person writes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bucle.contracts.names import SOURCE_LIMIT, SOURCE_PATTERN
from bucle.resources.base import Duration, ListType, Model, Positive, Rule, TimeLimit

Hour = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:00:00Z$", max_length=20)]
SourceName = Annotated[str, Field(pattern=SOURCE_PATTERN, max_length=SOURCE_LIMIT)]


class AllowedBatch(Model):
    """Labels that a person has looked at: all of one source in one hour."""

    source: SourceName = Field(default="", description="As the status names it; empty for callers without a name.")
    hour: Hour = Field(description="Start of the UTC hour in which they were received, such as 2026-01-31T09:00:00Z.")


class Quarantine(Model):
    """Which labels are set aside: never judged by and never trained on, until a person allows them. While a limit on
    batches is set, the labels of an hour count when the hour is over. See docs/feedback.md."""

    rules: ClassVar = (
        Rule(
            "has(self.labelsPerHour) || has(self.sameLabels) || has(self.datedBefore)",
            "`quarantine` must have at least one of `labelsPerHour`, `sameLabels` and `datedBefore`",
        ),
    )

    labels_per_hour: Positive | None = Field(
        default=None, description="A UTC hour in which one source sent more labels is set aside as a flood."
    )
    same_labels: Annotated[int, Field(ge=2, le=1_000_000_000)] | None = Field(
        default=None,
        description="A UTC hour in which one source sent at least so many labels and all say the same is set aside.",
    )
    dated_before: Duration | None = Field(
        default=None, description="A label is set aside whose `label_time` lies more than so long before its answer."
    )
    allow: Annotated[tuple[AllowedBatch, ...], ListType(), Field(max_length=64)] = Field(
        default=(), description="Batches that are right all the same."
    )


class Feedback(Model):
    """How labels that come back are joined with what was served; gates, policies and feedback sources inherit it."""

    key: Literal["Id", "RequestId"] = Field(
        default="Id",
        description="Id: the value of the Id column, or the id in the answer; RequestId: that alone. Servers know it: a change is a rollout.",
    )
    maturity: Duration = Field(default="0s", description="A row counts as labelled only so long after it was served.")
    duplicates: Literal["First", "Last"] = Field(default="Last", description="Which label wins when several come.")
    horizon: TimeLimit = Field(
        default="168h",
        description="So long after a row's maturity its label still counts for gates and drift; a later one belongs to no answer.",
    )
    quarantine: Quarantine | None = Field(
        default=None, description="Which labels are set aside until a person allows them; without it none is."
    )
