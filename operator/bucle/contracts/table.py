"""How a table is described to a pod: columns, target, splits, labels. Mirrors the spec field by field."""

from __future__ import annotations

from typing import Literal

from bucle.contracts.base import DecimalText, Document

ColumnType = Literal["Integer", "Number", "Boolean", "Category", "Text", "Timestamp"]
Role = Literal["Feature", "Id", "Time", "Group", "Weight"]
Nullable = Literal["Never", "Allowed"]
Unknown = Literal["Error", "AsNull"]
Unit = Literal["Hour", "Day", "Week"]
HORIZON_SECONDS = 7 * 24 * 3600
Task = Literal["Binary", "MultiClass", "Regression"]


class Column(Document):
    """One column. `unknown` says what a category that training never saw becomes at prediction time."""

    name: str
    type: ColumnType
    role: Role = "Feature"
    nullable: Nullable = "Never"
    unknown: Unknown = "AsNull"
    minimum: DecimalText | None = None
    maximum: DecimalText | None = None


class Target(Document):
    name: str
    task: Task
    positive: str | None = None
    classes: tuple[str, ...] = ()


class TableSchema(Document):
    """Order of `columns` is the order of the signature; the target is not among them."""

    target: Target
    columns: tuple[Column, ...]

    def with_role(self, role: Role) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.role == role)


class GroupBy(Document):
    """Rows that hang together. Without `unit` the column's value itself is the group."""

    column: str
    unit: Unit | None = None
    time_zone: str = "Etc/UTC"


class HashSplit(Document):
    key: str
    group: GroupBy | None = None


class Splits(Document):
    """Percentages add up to 100; a row's split depends on the seed and its group (or key) alone."""

    hash: HashSplit
    train: int
    validation: int
    test: int
    seed: int = 0


class Deduplicate(Document):
    keys: tuple[str, ...]
    keep: Literal["First", "Last"] = "Last"


class Batch(Document):
    """All labels that one source sent in one hour: `hour` is its start in UTC, `source` what a caller calls itself."""

    source: str = ""
    hour: str


class Quarantine(Document):
    """Which labels are set aside for what came with them. A batch of more than `labels_per_hour` is a flood; one of at
    least `same_labels` that all say the same is uniform; those of `allow` a person has looked at. A label that says it
    was known more than `dated_before_seconds` before its answer was given is of something else."""

    labels_per_hour: int | None = None
    same_labels: int | None = None
    dated_before_seconds: int | None = None
    allow: tuple[Batch, ...] = ()

    @property
    def judges_batches(self) -> bool:
        return self.labels_per_hour is not None or self.same_labels is not None


class Labels(Document):
    """How feedback rows become labels; one home for it is the ModelDeployment's `feedback` block.

    `horizon_seconds`: gates and drift windows look for the row of a label so long before its maturity and no longer,
    so that one which belongs to nothing does not make them read a deployment's whole history.
    """

    key: Literal["Id", "RequestId"] = "Id"
    maturity_seconds: int = 0
    duplicates: Literal["First", "Last"] = "Last"
    horizon_seconds: int = HORIZON_SECONDS
    quarantine: Quarantine | None = None

    def without_quarantine(self) -> Labels:
        return self.model_copy(update={"quarantine": None})
