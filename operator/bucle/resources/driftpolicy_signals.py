"""The signals of a DriftPolicy: what is measured on each window, and how windows make drift. What a person writes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bucle.contracts.metrics import METRICS
from bucle.resources.base import GroupBy, ListType, MetricName, Model, Rule, Setting, exactly_one, or_default

SignalName = Annotated[
    str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63, description="Name of a signal.")
]
OneTo20 = Annotated[int, Field(ge=1, le=20)]


def _without(bound: str, direction: str) -> Rule:
    """A bound on the side where a metric is good would breach when the model is."""
    refused = sorted(metric.name for metric in METRICS.values() if metric.direction == direction)
    return Rule(
        f"!has(self.{bound}) || !(self.metric in {refused})",
        f"`{bound}` must not be set for a metric that is good beyond it: {', '.join(refused)}",
    )


class PerformanceSignal(Model):
    """A realised metric against its reference, or against a bound of its own."""

    rules: ClassVar = (
        exactly_one("maxDegradation", "minimum", "maximum"),
        Rule(
            "!has(self.maxDegradation) || double(self.maxDegradation) >= 0.0", "`maxDegradation` must not be negative"
        ),
        Rule(
            f"double({or_default('self.confidence', '0.99')}) > 0.5"
            f" && double({or_default('self.confidence', '0.99')}) < 1.0",
            "`confidence` must lie between 0.5 and 1",
        ),
        _without("minimum", "Minimize"),
        _without("maximum", "Maximize"),
    )

    metric: MetricName = Field(description="Name of a metric.")
    reference: Literal["Promotion"] = Field(
        default="Promotion",
        description="What `maxDegradation` is compared with: the metric the version was promoted on.",
    )
    max_degradation: Setting | None = Field(default=None, description="By how much it may be worse.")
    minimum: Setting | None = Field(default=None, description="It must not be shown to be below.")
    maximum: Setting | None = Field(default=None, description="It must not be shown to be above.")
    confidence: Setting = Field(
        default="0.99", description="Confidence of the one-sided test on the last windows as one."
    )
    group_by: GroupBy | None = Field(
        default=None, description="Which rows hang together; left out: those received in the same hour."
    )


class Decision(Model):
    """How windows make a verdict."""

    rules: ClassVar = (
        Rule(
            "(has(self.breaches) ? self.breaches : 2) <= (has(self.of) ? self.of : 3)",
            "`breaches` must not be greater than `of`",
        ),
    )

    breaches: OneTo20 = Field(default=2, description="So many windows beyond the limit by their own value ...")
    of: OneTo20 = Field(
        default=3,
        description="... among so many of the last ones, which must be shown to be beyond it as one, are drift.",
    )
    clear_after: OneTo20 = Field(default=3, description="Healthy windows in a row that end it.")


class Signal(Model):
    """One named measure of each window; exactly one kind is set."""

    rules: ClassVar = (exactly_one("performance"),)

    name: SignalName = Field(description="Unique name; actions refer to it.")
    performance: PerformanceSignal | None = Field(default=None, description="A realised metric, on labelled rows.")
    decision: Decision = Field(default=Decision(), description="How its windows make drift.")


Signals = Annotated[tuple[Signal, ...], ListType("map", ("name",)), Field(min_length=1, max_length=16)]
