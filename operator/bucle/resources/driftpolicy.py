"""DriftPolicy: when is the model no longer the model that was tested? What a person writes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bucle.resources.base import (
    Duration,
    ListType,
    Model,
    ObjectName,
    Percent,
    Positive,
    Resource,
    Rule,
    TimeLimit,
    exactly_one,
    named_rule,
)
from bucle.resources.columns import AGE_COLUMN, READY_COLUMN, REASON_COLUMN, Column
from bucle.resources.driftpolicy_signals import SignalName, Signals
from bucle.resources.driftpolicy_status import DriftPolicyStatus
from bucle.resources.pod import PodSettings


class DriftTarget(Model):
    """What is watched: always its stable version."""

    model_deployment: ObjectName = Field(description="A ModelDeployment of this namespace.")


class Windows(Model):
    """Disjoint windows, of so many rows or of so much time: of labelled rows for `performance`, of served ones else."""

    rules: ClassVar = (
        exactly_one("rows", "duration"),
        Rule("!has(self.align) || has(self.duration)", "`align` must only be set with `duration`"),
        Rule("!has(self.duration) || duration(self.duration) >= duration('1m')", "`duration` must be at least 1m"),
        Rule(
            "!has(self.align) || !has(self.duration) || duration(self.duration).getSeconds()"
            " % (self.align == 'Week' ? 604800 : 86400) == 0",
            "`duration` must be whole days (24h) to be aligned to days, and whole weeks (168h) to weeks",
        ),
    )

    rows: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(
        default=None, description="A window closes when so many new rows have come."
    )
    duration: TimeLimit | None = Field(default=None, description="A window closes when so much time has passed.")
    align: Literal["Day", "Week"] | None = Field(
        default=None,
        description="The first window begins at the next midnight, or Monday, UTC; left out: at the promotion.",
    )


class Schedule(Model):
    """How often windows are looked for."""

    every: TimeLimit = Field(default="1h", description="Earliest time after the last look.")


class Action(Model):
    """What follows from drift."""

    when: Annotated[tuple[SignalName, ...], ListType("set"), Field(min_length=1, max_length=16)] = Field(
        description="Names of signals."
    )
    match: Literal["Any", "All"] = Field(
        default="Any", description="Whether drift of any of them starts it, or of all at the same time."
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
    approval: Literal["Auto", "Required"] = Field(
        default="Auto",
        description="Required: a retrain that drift asks for waits until a person approves it by the annotation `bucle.dev/action`.",
    )


class RetrainLimits(Model):
    """How often a new model may be made."""

    cooldown: Duration = Field(default="6h", description="Shortest time between two retrains.")
    max_retrains: Annotated[int, Field(ge=0, le=1000)] = Field(default=3, description="So many ...")
    per: TimeLimit = Field(default="168h", description="... within so long.")
    stop_after_failed: Positive = Field(
        default=2, description="So many failed or refused retrains in a row stop it until a person acts."
    )


_KNOWN = "a.when.all(name, self.signals.exists(s, s.name == name))"
_LABELLED = "a.when.filter(name, self.signals.exists(s, s.name == name && has(s.performance)))"
_PROVES = f"{_LABELLED}.size() == a.when.size() || (has(a.match) && a.match == 'All' && {_LABELLED}.size() > 0)"
_RETRAINS = "has(self.actions) && self.actions.exists(a, a.do == 'Retrain')"


class DriftPolicySpec(Model):
    """What is watched, how it is judged, and what is done."""

    rules: ClassVar = (
        Rule(f"!({_RETRAINS}) || has(self.retrain)", "`retrain` must be set when an action does Retrain"),
        Rule(
            f"!has(self.actions) || self.actions.all(a, {_KNOWN})",
            "every name in `when` of an action must be the name of one of the `signals`",
        ),
        Rule(
            f"!has(self.actions) || self.actions.all(a, a.do != 'Retrain' || {_PROVES})",
            "only labels prove that a model is worse: an action that does Retrain must name `performance` signals alone,"
            " or with `match: All` at least one beside others",
        ),
    )

    target: DriftTarget = Field(description="What is watched.")
    windows: Windows = Field(description="The windows.")
    schedule: Schedule = Field(default=Schedule(), description="How often is looked.")
    signals: Signals = Field(description="What is measured on each window.")
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
