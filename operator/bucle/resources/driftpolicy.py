"""DriftPolicy: when is the model no longer the model that was tested? What a person writes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bucle.resources.base import (
    Duration,
    GroupBy,
    ListType,
    MetricName,
    Model,
    ObjectName,
    Percent,
    Positive,
    Resource,
    Rule,
    Setting,
    TimeLimit,
    named_rule,
)
from bucle.resources.columns import AGE_COLUMN, READY_COLUMN, REASON_COLUMN, Column
from bucle.resources.driftpolicy_status import DriftPolicyStatus
from bucle.resources.pod import PodSettings

SignalName = Annotated[Literal["performance"], Field(description="Name of a signal.")]
OneTo20 = Annotated[int, Field(ge=1, le=20)]


class DriftTarget(Model):
    """What is watched: always its stable version."""

    model_deployment: ObjectName = Field(description="A ModelDeployment of this namespace.")


class Windows(Model):
    """Disjoint windows: one closes when it is full."""

    rows: Annotated[int, Field(ge=1, le=10_000_000)] = Field(description="New labelled rows in a window.")


class Schedule(Model):
    """How often windows are looked for."""

    every: TimeLimit = Field(default="1h", description="Earliest time after the last look.")


class PerformanceSignal(Model):
    """A realised metric against its reference."""

    rules: ClassVar = (
        Rule("double(self.maxDegradation) >= 0.0", "`maxDegradation` must not be negative"),
        Rule(
            "double(self.confidence) > 0.5 && double(self.confidence) < 1.0",
            "`confidence` must lie between 0.5 and 1",
        ),
    )

    metric: MetricName = Field(description="Name of a metric.")
    reference: Literal["Promotion"] = Field(
        default="Promotion", description="What it is compared with: the metric the version was promoted on."
    )
    max_degradation: Setting = Field(description="By how much it may be worse.")
    confidence: Setting = Field(default="0.95", description="Confidence of the one-sided test.")
    group_by: GroupBy | None = Field(
        default=None, description="Which rows hang together; left out: those received in the same hour."
    )


class Signals(Model):
    """What is measured on each window."""

    rules: ClassVar = (Rule("has(self.performance)", "at least one signal must be set: `performance`"),)

    performance: PerformanceSignal | None = Field(default=None, description="The realised metric.")


class Decision(Model):
    """How windows make a verdict."""

    rules: ClassVar = (Rule("self.breaches <= self.of", "`breaches` must not be greater than `of`"),)

    breaches: OneTo20 = Field(default=2, description="So many breached windows ...")
    of: OneTo20 = Field(default=3, description="... among so many of the last ones are drift.")
    clear_after: OneTo20 = Field(default=3, description="Healthy windows in a row that end it.")


class Action(Model):
    """What follows from drift."""

    when: Annotated[tuple[SignalName, ...], ListType("set"), Field(min_length=1, max_length=8)] = Field(
        description="Signals, any of which starts it."
    )
    do: Literal["Alert", "Retrain"] = Field(description="Alert: condition, event, gauge. Retrain: a new model as well.")


class TrainingFeedback(Model):
    """The served rows added to the data."""

    rows: Annotated[int, Field(ge=1, le=100_000_000)] = Field(description="The newest labelled rows, so many.")
    max_set_aside_percent: Percent | None = Field(
        default=None, description="What the new Dataset's feedback source may leave out; see Dataset."
    )


class Training(Model):
    """What the new model learns from."""

    base: Literal["Served"] = Field(default="Served", description="The data version the served model learnt from.")
    feedback: TrainingFeedback = Field(description="Served rows added to it.")


class Retrain(Model):
    """How a new model is made."""

    experiment: ObjectName = Field(description="An Experiment of this namespace that is the template.")
    training: Training = Field(description="What the new model learns from.")


class RetrainLimits(Model):
    """How often a new model may be made."""

    cooldown: Duration = Field(default="6h", description="Shortest time between two retrains.")
    max_retrains: Annotated[int, Field(ge=0, le=1000)] = Field(default=3, description="So many ...")
    per: TimeLimit = Field(default="168h", description="... within so long.")
    stop_after_failed: Positive = Field(
        default=2, description="So many failed or refused retrains in a row stop it until a person acts."
    )


_RETRAINS = "has(self.actions) && self.actions.exists(a, a.do == 'Retrain')"


class DriftPolicySpec(Model):
    """What is watched, how it is judged, and what is done."""

    rules: ClassVar = (
        Rule(f"!({_RETRAINS}) || has(self.retrain)", "`retrain` must be set when an action does Retrain"),
    )

    target: DriftTarget = Field(description="What is watched.")
    windows: Windows = Field(description="The windows.")
    schedule: Schedule = Field(default=Schedule(), description="How often is looked.")
    signals: Signals = Field(description="What is measured.")
    decision: Decision = Field(default=Decision(), description="How windows make a verdict.")
    actions: Annotated[tuple[Action, ...], ListType(), Field(max_length=8)] = Field(
        default=(), description="What follows from drift; none: it is only reported."
    )
    retrain: Retrain | None = Field(default=None, description="How a new model is made.")
    limits: RetrainLimits = Field(default=RetrainLimits(), description="How often a new model may be made.")
    pod: PodSettings = Field(default=PodSettings(), description="Settings of the pods that evaluate windows.")


class DriftPolicy(Resource):
    """Watches a served model on labelled traffic, and retrains it when it is no longer what was tested."""

    kind_name: ClassVar = "DriftPolicy"
    plural: ClassVar = "driftpolicies"
    short_name: ClassVar = "mldrift"
    rules: ClassVar = (named_rule(),)
    columns: ClassVar = (
        READY_COLUMN,
        Column("Verdict", ".status.lastEvaluation.verdict", description="Verdict on the last window."),
        Column("Last window", ".status.lastEvaluation.window.to", "date", description="End of the last window."),
        Column("Retrains", ".status.retrains.total", "integer", description="Retrains begun so far."),
        REASON_COLUMN,
        AGE_COLUMN,
    )

    kind: str = "DriftPolicy"
    spec: DriftPolicySpec = Field(description="What is watched, how it is judged, and what is done.")
    status: DriftPolicyStatus = Field(default=DriftPolicyStatus(), description="Written by the operator.")
