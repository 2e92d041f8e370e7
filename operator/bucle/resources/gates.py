"""Named tests of a candidate. What a person writes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bucle.resources.base import GroupBy, MetricName, Model, Rule, Setting, exactly_one, or_default

GateName = Annotated[
    str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63, description="Name of a gate.")
]
Day = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", max_length=10)]
ClassName = Annotated[str, Field(max_length=256)]
ClassShare = Annotated[Setting, Field(description="Its share, such as 0.25.")]


class ErrorRateGate(Model):
    """Failed and refused predictions counted at the router, candidate against stable."""

    rules: ClassVar = (
        Rule(
            "double(self.maxIncrease) >= 0.0 && double(self.maxIncrease) < 1.0",
            "`maxIncrease` must be at least 0 and less than 1",
        ),
    )

    max_increase: Setting = Field(
        description="Greatest allowed rise of the share of failed (5xx), or of refused (4xx), requests, such as 0.005."
    )


class Days(Model):
    """Days by the gate's `groupBy`."""

    rules: ClassVar = (Rule("self.from <= self.to", "`from` must not be later than `to`"),)

    from_: Day = Field(description="First day, such as 2013-06-01.")
    to: Day = Field(description="Last day, itself included.")


class Mix(Model):
    """On which days, or with which classes, the candidate must be better: noise between easy and hard days is held fixed."""

    rules: ClassVar = (
        exactly_one("days", "referenceDays", "classes"),
        Rule(
            "!has(self.classes) || (self.classes.all(c, double(self.classes[c]) >= 0.0)"
            " && self.classes.map(c, double(self.classes[c])).sum() > 0.999999"
            " && self.classes.map(c, double(self.classes[c])).sum() < 1.000001)",
            "`classes` must be shares that add up to 1",
        ),
    )

    days: Days | None = Field(default=None, description="Days that were served before the rollout.")
    reference_days: Annotated[int, Field(ge=2, le=366)] | None = Field(
        default=None, description="So many days served before the rollout."
    )
    classes: Annotated[dict[ClassName, ClassShare], Field(max_length=32)] | None = Field(
        default=None, description="The share of each true class; one that is left out does not count."
    )


class QualityGate(Model):
    """A metric on labelled requests, candidate and stable paired row by row."""

    rules: ClassVar = (
        Rule(f"double({or_default('self.margin', '0')}) >= 0.0", "`margin` must not be negative"),
        Rule(
            "!has(self.mix) || has(self.mix.classes)"
            " || (has(self.groupBy) && has(self.groupBy.unit) && self.groupBy.unit == 'Day')",
            "`mix.days` and `mix.referenceDays` must only be set with `groupBy.unit: Day`",
        ),
    )

    metric: MetricName = Field(description="Name of a metric.")
    margin: Setting = Field(default="0", description="The candidate may be worse by less than this.")
    group_by: GroupBy | None = Field(default=None, description="Which rows hang together; left out: none do.")
    beats: Literal["Prior"] | None = Field(default=None, description="Prior: it must also beat the constant predictor.")
    dependence: Literal["Measured", "Independent"] = Field(
        default="Measured",
        description="Independent: you vouch that no group follows its neighbour; where one does, verdicts are wrong more often.",
    )
    mix: Mix | None = Field(
        default=None, description="Which days or classes the question is about; left out: those that come."
    )


class Gate(Model):
    """One named test of a candidate; exactly one of errorRate and quality is set."""

    rules: ClassVar = (exactly_one("errorRate", "quality"),)

    name: GateName = Field(description="Unique name; steps refer to it.")
    error_rate: ErrorRateGate | None = Field(default=None, description="Failed requests.")
    quality: QualityGate | None = Field(
        default=None, description="A metric on labelled requests; in shadow steps only."
    )
