"""The signals of a DriftPolicy: what is measured on each window, and how windows make drift. What a person writes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bucle.contracts.metrics import METRICS
from bucle.resources.base import (
    ColumnName,
    GroupBy,
    ListType,
    MetricName,
    Model,
    Percent,
    Rule,
    Setting,
    exactly_one,
    or_default,
)

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


_DriftColumns = Annotated[
    tuple[Annotated[ColumnName, Field(description="A column's name.")], ...], ListType("set"), Field(max_length=256)
]
_EFFECT = Rule(
    f"double({or_default('self.minEffect', '0.1')}) > 0.0 && double({or_default('self.minEffect', '0.1')}) < 1.0",
    "`minEffect` must lie between 0 and 1",
)
_ALPHA = Rule(
    f"double({or_default('self.alpha', '0.01')}) > 0.0 && double({or_default('self.alpha', '0.01')}) < 0.5",
    "`alpha` must lie between 0 and 0.5",
)


class DataDriftSignal(Model):
    """Whether served rows look like those of training, column by column; needs no labels and proves no lost quality."""

    rules: ClassVar = (_EFFECT, _ALPHA)

    columns: _DriftColumns = Field(default=(), description="Feature columns that count; left out: all of them.")
    min_effect: Setting = Field(
        default="0.1", description="Least distance of a column's distribution from training's that matters, 0 to 1."
    )
    alpha: Setting = Field(
        default="0.01", description="How often, without a change, windows may be drift by chance, over all columns."
    )
    share: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None,
        description="Share of the columns, in percent, that makes a breach; left out: any, and drift is the same one again.",
    )


class PredictionDriftSignal(Model):
    """Whether answers look like those that the model gave out of fold; needs no labels and proves no lost quality."""

    rules: ClassVar = (_EFFECT, _ALPHA)

    min_effect: Setting = Field(default="0.1", description="Least distance of the distributions that matters, 0 to 1.")
    alpha: Setting = Field(default="0.01", description="How often, without a change, windows may be drift by chance.")


class DataQualitySignal(Model):
    """Shares of served rows that tell of a broken pipeline; the worst column counts."""

    rules: ClassVar = (
        Rule(
            "has(self.maxNullPercent) || has(self.maxUnknownPercent) || has(self.maxOutOfRangePercent)"
            " || has(self.maxInvalidPercent)",
            "at least one of `maxNullPercent`, `maxUnknownPercent`, `maxOutOfRangePercent`, `maxInvalidPercent` must be set",
        ),
    )

    columns: _DriftColumns = Field(default=(), description="Feature columns that count; left out: all of them.")
    max_null_percent: Percent | None = Field(default=None, description="Rows without a value.")
    max_unknown_percent: Percent | None = Field(
        default=None, description="Values of a category that training never saw."
    )
    max_out_of_range_percent: Percent | None = Field(
        default=None, description="Numbers below the least or above the greatest of training."
    )
    max_invalid_percent: Percent | None = Field(default=None, description="Values that are none of the column's type.")


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

    rules: ClassVar = (exactly_one("performance", "dataDrift", "predictionDrift", "dataQuality"),)

    name: SignalName = Field(description="Unique name; actions refer to it.")
    performance: PerformanceSignal | None = Field(default=None, description="A realised metric, on labelled rows.")
    data_drift: DataDriftSignal | None = Field(default=None, description="Columns beside training's, on served rows.")
    prediction_drift: PredictionDriftSignal | None = Field(
        default=None, description="Answers beside those out of fold, on served rows."
    )
    data_quality: DataQualitySignal | None = Field(default=None, description="Broken values, on served rows.")
    decision: Decision = Field(default=Decision(), description="How its windows make drift.")


Signals = Annotated[tuple[Signal, ...], ListType("map", ("name",)), Field(min_length=1, max_length=16)]
