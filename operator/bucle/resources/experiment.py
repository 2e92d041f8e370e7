"""Experiment: a search that ends in a gated, compared, registered model. What a person writes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bucle.contracts.task import FOLDS
from bucle.resources.base import (
    AliasName,
    Arguments,
    ClassPath,
    ColumnName,
    ListType,
    MetricName,
    Model,
    ModelName,
    ObjectName,
    ParameterName,
    Resource,
    Rule,
    Setting,
    TimeLimit,
    Turn,
    Whole,
    exactly_one,
    named_rule,
    or_default,
)
from bucle.resources.columns import AGE_COLUMN, READY_COLUMN, REASON_COLUMN, Column
from bucle.resources.experiment_status import ExperimentStatus
from bucle.resources.pod import PodSettings

Seed = Annotated[int, Field(ge=0, le=4_294_967_295)]
ColumnType = Annotated[
    Literal["Integer", "Number", "Boolean", "Category", "Text"], Field(description="Type of feature columns.")
]


class DatasetReference(Model):
    """The Dataset to learn from; its version is pinned when the Experiment starts."""

    name: ObjectName = Field(description="A Dataset of this namespace.")


class Objective(Model):
    """What the search optimises, measured on the validation split."""

    metric: MetricName = Field(description="Name of a metric; it knows its direction.")


class SklearnClass(Model):
    """A scikit-learn class and its constructor's arguments."""

    class_: ClassPath = Field(description="Import path, such as sklearn.linear_model.LogisticRegression.")
    params: Arguments = Field(
        default={},
        description='Arguments: each a JSON literal, else a plain string. {"tuple": [1, 2]} is a tuple, {"number": "NaN"} '
        'is NaN; `class_weight` goes by label: {"late": 3}.',
    )


class Preprocessing(Model):
    """Steps for some of the feature columns, chosen by type or by name."""

    rules: ClassVar = (
        Rule(
            "(has(self.types) && size(self.types) > 0) != (has(self.columns) && size(self.columns) > 0)",
            "exactly one of `types` and `columns` must be listed",
        ),
    )

    types: Annotated[tuple[ColumnType, ...], ListType("set"), Field(max_length=5)] = Field(
        default=(), description="Feature columns of these types."
    )
    columns: Annotated[
        tuple[Annotated[ColumnName, Field(description="A column's name.")], ...],
        ListType("set"),
        Field(max_length=2000),
    ] = Field(default=(), description="Feature columns of these names.")
    steps: Annotated[tuple[SklearnClass, ...], ListType(), Field(min_length=1, max_length=8)] = Field(
        description="Transformers, applied in order."
    )


class SklearnTrainer(Model):
    """A scikit-learn pipeline: preprocessing by column, then an estimator."""

    estimator: SklearnClass = Field(description="The model.")
    preprocessing: Annotated[tuple[Preprocessing, ...], ListType(), Field(max_length=16)] = Field(
        default=(), description="What happens to columns first; columns not named pass through."
    )


class Trainer(Model):
    """What fits a model; exactly one member is set."""

    sklearn: SklearnTrainer = Field(description="A scikit-learn pipeline.")


_SCALE = or_default("self.scale", "Linear")


class FloatRange(Model):
    """A real number between two bounds."""

    rules: ClassVar = (
        Rule("double(self.min) < double(self.max)", "`min` must be less than `max`"),
        Rule(f"{_SCALE} != 'Log' || double(self.min) > 0.0", "`min` must be greater than 0 when `scale` is Log"),
    )

    min: Setting = Field(description="Smallest value.")
    max: Setting = Field(description="Greatest value.")
    scale: Literal["Linear", "Log"] = Field(default="Linear", description="How the range is searched.")


class IntRange(Model):
    """A whole number between two bounds."""

    rules: ClassVar = (
        Rule("self.min < self.max", "`min` must be less than `max`"),
        Rule(f"{_SCALE} != 'Log' || self.min > 0", "`min` must be greater than 0 when `scale` is Log"),
    )

    min: Whole = Field(description="Smallest value.")
    max: Whole = Field(description="Greatest value.")
    scale: Literal["Linear", "Log"] = Field(default="Linear", description="How the range is searched.")


class Parameter(Model):
    """One dimension of the search; exactly one of float and int is set."""

    rules: ClassVar = (exactly_one("float", "int"),)

    name: ParameterName = Field(
        description="Where it goes: estimator__<argument> or preprocessing__<i>__<step>__<argument>."
    )
    float_: FloatRange | None = Field(default=None, description="A real number.")
    int_: IntRange | None = Field(default=None, description="A whole number.")


class TpeSearch(Model):
    """Tree-structured Parzen estimator."""

    startup_trials: Annotated[int, Field(ge=1, le=500)] = Field(
        default=10, description="Trials drawn at random before it models anything."
    )


class RandomSearch(Model):
    """Every trial drawn at random."""


class Search(Model):
    """How parameters are suggested; exactly one of tpe and random is set."""

    rules: ClassVar = (exactly_one("tpe", "random"),)

    tpe: TpeSearch | None = Field(default=None, description="Learns from finished trials.")
    random: RandomSearch | None = Field(default=None, description="Does not learn.")
    seed: Seed = Field(default=0, description="Same seed, same data, same search.")
    mode: Literal["Batch", "Async"] = Field(
        default="Batch",
        description="Batch: a suggestion sees whole batches only and the search repeats exactly. "
        "Async: slots never wait, and it may not repeat.",
    )


class ExperimentLimits(Model):
    """What the search may use."""

    rules: ClassVar = (
        Rule("self.parallelTrials <= self.maxTrials", "`parallelTrials` must not be greater than `maxTrials`"),
    )

    max_trials: Annotated[int, Field(ge=1, le=500)] = Field(
        default=10, description="Trials in all; may be changed while it searches, to no fewer than have begun."
    )
    parallel_trials: Annotated[int, Field(ge=1, le=50)] = Field(default=1, description="Trials at a time.")
    max_failed_trials: Annotated[int, Field(ge=0, le=500)] = Field(
        default=3, description="With one more failed trial the search stops."
    )
    trial_timeout: TimeLimit = Field(
        default="1h",
        description=f"Longest time for one trial. The final fit fits {1 + FOLDS} times (once for the model, {FOLDS} times out of fold) "
        f"and has {1 + FOLDS} times as long.",
    )
    max_duration: TimeLimit = Field(default="24h", description="Longest time for the whole search.")


class AbsoluteGate(Model):
    """A bound the final model must keep, whatever the champion does."""

    rules: ClassVar = (exactly_one("minimum", "maximum"),)

    metric: MetricName = Field(description="Name of a metric.")
    data: Literal["Test", "OutOfFold"] = Field(default="Test", description="Where it is measured.")
    minimum: Setting | None = Field(default=None, description="It must not be less.")
    maximum: Setting | None = Field(default=None, description="It must not be greater.")


PassOrFail = Literal["Pass", "Fail"]


class Champion(Model):
    """The registered model to beat."""

    alias: AliasName = Field(default="champion", description="Alias that names the champion in the registry.")
    metric: MetricName = Field(description="Name of a metric, compared row by row.")
    data: Literal["Newest", "Test"] = Field(
        default="Newest",
        description="Newest: groups the champion has never seen, on which the challenger must be better; without any, the test split, on which it must not be worse. Test: the test split, on which it must be better.",
    )
    margin: Setting = Field(
        default="0",
        description="By how much the challenger must be better; on old rows (see data), how much worse it may be.",
    )
    confidence: Setting = Field(default="0.95", description="Confidence of the one-sided comparison.")
    on_missing: PassOrFail = Field(default="Pass", description="When there is no champion.")
    on_incompatible: PassOrFail = Field(default="Fail", description="When the champion cannot read the data.")
    on_undecided: PassOrFail = Field(default="Fail", description="When the evidence does not decide.")


class Register(Model):
    """Where the model goes when it passes."""

    model: ModelName = Field(description="Registered name; the namespace is put before it.")
    alias: AliasName = Field(default="challenger", description="Alias set on the new version.")


class ExperimentSpec(Model):
    """What is searched, judged and registered."""

    rules: ClassVar = (
        Rule("!has(self.champion) || has(self.register)", "`register` must be set when `champion` is set"),
        Rule(
            "!has(self.champion) || (double(self.champion.confidence) > 0.5 && double(self.champion.confidence) < 1.0)",
            "`champion.confidence` must lie between 0.5 and 1",
        ),
        Rule("!has(self.champion) || double(self.champion.margin) >= 0.0", "`champion.margin` must not be negative"),
    )

    dataset: DatasetReference = Field(description="The data.")
    objective: Objective = Field(description="What the search optimises.")
    trainer: Trainer = Field(description="What fits a model.")
    parameters: Annotated[tuple[Parameter, ...], ListType("map", ("name",)), Field(max_length=64)] = Field(
        default=(), description="What is searched; none: one trial with the trainer as written."
    )
    search: Search = Field(default=Search(tpe=TpeSearch()), description="How parameters are suggested.")
    limits: ExperimentLimits = Field(default=ExperimentLimits(), description="What the search may use.")
    gates: Annotated[tuple[AbsoluteGate, ...], ListType(), Field(max_length=16)] = Field(
        default=(), description="Bounds the final model must keep."
    )
    champion: Champion | None = Field(default=None, description="Compares with the registered champion.")
    register_: Register | None = Field(default=None, description="Registers the model when all gates pass.")
    run: Turn = Field(default=0, description="Raise it to run again.")
    pod: PodSettings = Field(default=PodSettings(), description="Settings of the trial and final pods.")


_MUTABLE = ("limits", "run")
_STARTED = "!has(oldSelf.status) || !has(oldSelf.status.inputs)"
_RAISED = "self.spec.run != oldSelf.spec.run"


def _unchanged(name: str, *, optional: bool) -> str:
    # Optional equality (`?name == ?name`) has no cost bound for the server's estimate, so absence is asked for.
    same = f"self.spec.{name} == oldSelf.spec.{name}"
    present, was_present = f"has(self.spec.{name})", f"has(oldSelf.spec.{name})"
    return f"{present} == {was_present} && (!{present} || {same})" if optional else same


_SAME = " && ".join(
    _unchanged(str(field.alias), optional=not field.is_required())
    for field in ExperimentSpec.model_fields.values()
    if field.alias not in _MUTABLE
)
_SAME_LIMITS = " && ".join(
    f"self.spec.limits.{name} == oldSelf.spec.limits.{name}"
    for name in (field.alias for field in ExperimentLimits.model_fields.values())
    if name != "maxTrials"
)


class Experiment(Resource):
    """A search for a good model. Runs to completion like a Job; training again is a new Experiment or a raised `run`."""

    kind_name: ClassVar = "Experiment"
    plural: ClassVar = "experiments"
    short_name: ClassVar = "mlexp"
    rules: ClassVar = (
        named_rule(),
        Rule(
            f"{_STARTED} || {_RAISED} || ({_SAME} && {_SAME_LIMITS})",
            "a started Experiment must not change unless `run` is changed in the same edit; "
            "`limits.maxTrials` alone may be changed",
            ".spec",
        ),
        Rule(
            f"{_STARTED} || {_RAISED} || self.spec.limits.maxTrials >= oldSelf.spec.limits.maxTrials"
            " || !has(oldSelf.status.trials) || self.spec.limits.maxTrials >= size(oldSelf.status.trials)",
            "`limits.maxTrials` must not be lower than the number of trials that have begun, unless `run` is changed",
            ".spec.limits.maxTrials",
        ),
    )
    columns: ClassVar = (
        READY_COLUMN,
        Column("Best", ".status.best.value", description="Best value of the objective so far."),
        Column("Done", ".status.counts.succeeded", "integer", description="Trials that succeeded."),
        Column("Of", ".spec.limits.maxTrials", "integer", description="Trials in all."),
        Column("Model", ".status.final.model.version", "integer", description="Registered version."),
        REASON_COLUMN,
        AGE_COLUMN,
    )

    kind: str = "Experiment"
    spec: ExperimentSpec = Field(description="What is searched, judged and registered.")
    status: ExperimentStatus = Field(default=ExperimentStatus(), description="Written by the operator.")
