"""What the operator tells a pod to do: one JSON document, mounted at /bucle/task.json.

Up to 16 KiB it stands in the pod's own annotation, beyond that in an immutable ConfigMap; the pod sees no difference.

The pod checks the document's sha256 against BUCLE_TASK_SHA256 before it believes it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from bucle.contracts.base import DecimalText, Document
from bucle.contracts.expectations import Expectation
from bucle.contracts.table import (
    Deduplicate,
    GroupBy,
    Labels,
    Splits,
    TableSchema,
)

MAX_SET_ASIDE_PERCENT = 20
"""What a feedback source may leave out when nothing else is said."""

ParameterValue: TypeAlias = str | int | float | bool | list[Any] | dict[str, Any] | None


class Csv(Document):
    delimiter: str = ","
    header: Literal["Present", "Absent"] = "Present"
    nulls: tuple[str, ...] = ("",)


class UriSource(Document):
    """`location` may hold a glob in its last path element. Exactly one of parquet and csv."""

    location: str
    parquet: dict[str, Any] | None = None
    csv: Csv | None = None


class FeedbackSource(Document):
    """Served rows joined with their labels: the newest usable `rows` of them within both bounds (RFC 3339).

    Rows and labels that break the contract of rows are left out and counted; the build fails only when they are more
    than `max_set_aside_percent` of what was read.
    """

    location: str
    rows: int
    received_before: str
    labels_received_before: str
    labels: Labels = Labels()
    max_set_aside_percent: int = MAX_SET_ASIDE_PERCENT


class DatasetSource(Document):
    """All splits of another version, in the order train, validation, test."""

    location: str
    digest: str


class SourceItem(Document):
    """Exactly one of the three."""

    uri: UriSource | None = None
    feedback: FeedbackSource | None = None
    dataset: DatasetSource | None = None


class DataTask(Document):
    """Build one version of a Dataset under `location`/<digest>/."""

    program: Literal["data"] = "data"
    name: str
    location: str
    table: TableSchema
    sources: tuple[SourceItem, ...]
    expectations: tuple[Expectation, ...] = ()
    deduplicate: Deduplicate | None = None
    splits: Splits


class DatasetVersion(Document):
    """One version in the store. `location` ends with the digest."""

    name: str
    digest: str
    location: str


class Step(Document):
    """One scikit-learn class by its import path, and its constructor's arguments as JSON values."""

    class_: str = Field(alias="class")
    params: dict[str, ParameterValue] = {}


class Preprocessing(Document):
    """Steps for the feature columns of these types (or these names)."""

    types: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    steps: tuple[Step, ...]


class SklearnTrainer(Document):
    estimator: Step
    preprocessing: tuple[Preprocessing, ...] = ()


class TrialTask(Document):
    """Fit on train, score on validation. Parameters are named `estimator__x` or `preprocessing__<i>__<step>__x`."""

    program: Literal["train"] = "train"
    phase: Literal["trial"] = "trial"
    name: str
    index: int
    dataset: DatasetVersion
    trainer: SklearnTrainer
    params: dict[str, ParameterValue]
    seed: int
    metric: str


class ChampionModel(Document):
    """The model to beat: its version in the registry, its artifact, and what it was trained on."""

    version: str
    uri: str
    digest: str
    dataset_location: str | None = None
    metric: str
    on: Literal["Newest", "Test"] = "Newest"


FOLDS = 5
"""Of whole groups, to predict every row by a model that has not seen it."""


class FinalTask(Document):
    """Refit on train + validation, score once on test, predict out of fold over all groups, compare, store the model.

    `model_location` is a prefix; the model lands at `<model_location>/<digest>`.
    """

    program: Literal["train"] = "train"
    phase: Literal["final"] = "final"
    name: str
    dataset: DatasetVersion
    trainer: SklearnTrainer
    params: dict[str, ParameterValue]
    seed: int
    metric: str
    folds: int = FOLDS
    group_by: GroupBy | None = None
    champion: ChampionModel | None = None
    model_location: str


class Windows(Document):
    """Exactly one of `rows` and `seconds`; `begin`: when the first window of time begins."""

    rows: int | None = None
    seconds: int | None = None
    begin: str | None = None


class MeasuredMetric(Document):
    """One signal: a metric of the labelled rows of a window, with its standard error over groups."""

    name: str
    metric: str
    group_by: GroupBy | None = None


class LabelledWindows(Document):
    """Windows of labelled rows, from the one with index `first` on.

    A window is the next `windows.rows` rows in the order in which they got a mature label (then received time,
    x-bucle-id, row): a label that comes late belongs to a later window and moves no row of one that was judged. The
    key of each window's last row is kept beside the results; the next window begins after it, whatever became of rows
    before. A window of time holds the rows that got their mature label in it.
    """

    first: int
    signals: tuple[MeasuredMetric, ...]


class ColumnDrift(Document):
    """Columns against their profiles (none: all of them). `alpha` is what windows may err by that are drift when the
    same column is breached in `breaches` of `of`. `share`: in percent of the columns; without it any of them counts."""

    columns: tuple[str, ...] = ()
    min_effect: DecimalText
    alpha: DecimalText
    share: int | None = None
    breaches: int
    of: int


class DataQuality(Document):
    columns: tuple[str, ...] = ()
    max_null_percent: int | None = None
    max_unknown_percent: int | None = None
    max_out_of_range_percent: int | None = None
    max_invalid_percent: int | None = None


class MeasuredColumns(Document):
    """One signal that needs no labels; exactly one kind is set."""

    name: str
    data_drift: ColumnDrift | None = None
    prediction_drift: ColumnDrift | None = None
    data_quality: DataQuality | None = None


class ServedWindows(Document):
    """Windows of the rows that answered callers, in the order of receipt, from the one with index `first` on.
    `dropped`: columns that are never captured, so that nobody misses them."""

    first: int
    signals: tuple[MeasuredColumns, ...]
    dropped: tuple[str, ...] = ()


class EvaluateTask(Document):
    """Close all full windows of one served version since `since`, oldest first, and take every signal of each.
    Windows of labelled and of served rows are others; what is not due is left out."""

    program: Literal["evaluate"] = "evaluate"
    name: str
    location: str
    version: str
    since: str
    until: str
    windows: Windows
    labels: Labels = Labels()
    labelled: LabelledWindows | None = None
    served: ServedWindows | None = None
    result_location: str


class Model(Document):
    """A model artifact in the store and what its content must hash to."""

    uri: str
    digest: str


class Capture(Document):
    sample_percent: int = 100
    drop: tuple[str, ...] = ()


class Successor(Document):
    """Before whose callers a candidate comes: `of` is the revision that serves them. `inputs`: whether it may need columns
    that they need not send. `labels`: how labels come; `group`: the column by which a gate groups rows."""

    of: str
    inputs: Literal["Refuse", "Try"] = "Refuse"
    labels: Literal["Id", "RequestId"] = "Id"
    group: str | None = None


class ServeTask(Document):
    """Load, verify, warm and serve one revision; capture what it answers. Holds no role: the router says it per request.

    `successor`: what the model must fit before it is ready, if another one served when it was first tried. `labels`: how
    labels come, so that one which could never be joined is refused.
    """

    program: Literal["serve"] = "serve"
    name: str
    revision: str
    model: Model
    location: str
    max_batch: int = 64
    capture: Capture = Capture()
    labels: Literal["Id", "RequestId"] = "Id"
    successor: Successor | None = None


class Mix(Document):
    """What a judge must know of a declared mix: the days from `first` to `last`, or so many days before the step
    (`reference_days`), or the true classes whose sums are kept apart."""

    first: str = ""
    last: str = ""
    reference_days: int = 0
    classes: tuple[str, ...] = ()

    @property
    def names_days(self) -> bool:
        return bool(self.first or self.reference_days)


class JudgeTask(Document):
    """Offer cumulative paired evidence of one ModelDeployment; which rollout is asked for stands in the query."""

    program: Literal["judge"] = "judge"
    name: str
    location: str
    metric: str
    group_by: GroupBy | None = None
    labels: Labels = Labels()
    mix: Mix | None = None


TrainTask = Annotated[TrialTask | FinalTask, Field(discriminator="phase")]
Task: TypeAlias = DataTask | TrialTask | FinalTask | EvaluateTask | ServeTask | JudgeTask

_BY_PROGRAM: dict[str, TypeAdapter[Any]] = {
    "data": TypeAdapter(DataTask),
    "train": TypeAdapter(TrainTask),
    "evaluate": TypeAdapter(EvaluateTask),
    "serve": TypeAdapter(ServeTask),
    "judge": TypeAdapter(JudgeTask),
}


def parse_task(program: str, text: str | bytes) -> Any:
    """The task document for that program; raises pydantic.ValidationError naming the wrong field."""
    return _BY_PROGRAM[program].validate_json(text)
