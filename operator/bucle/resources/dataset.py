"""Dataset: a versioned, checked, split table. What a person writes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bucle.contracts.task import MAX_SET_ASIDE_PERCENT
from bucle.resources.base import (
    ColumnName,
    Count,
    Digest,
    GroupBy,
    ListType,
    Model,
    ObjectName,
    OwnColumnName,
    Percent,
    Resource,
    Rule,
    Setting,
    StoreUri,
    Timestamp,
    exactly_one,
    named_rule,
    or_default,
)
from bucle.resources.columns import AGE_COLUMN, READY_COLUMN, REASON_COLUMN, Column
from bucle.resources.dataset_status import DatasetStatus
from bucle.resources.pod import PodSettings

Dimension = Literal["Accuracy", "Completeness", "Consistency", "Timeliness"]
ExpectationName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
Cell = Annotated[str, Field(max_length=256, description="A cell's value as text.")]
KeyColumn = Annotated[ColumnName, Field(description="A column's name.")]


class Parquet(Model):
    """Parquet files; types come from the files and must fit the schema."""


class Csv(Model):
    """Delimited text files."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = Field(default=",", description="One character.")
    header: Literal["Present", "Absent"] = Field(
        default="Present", description="Absent: columns are those of the schema, the target last."
    )
    nulls: Annotated[tuple[Cell, ...], ListType("set"), Field(max_length=32)] = Field(
        default=("",), description="Cell texts that mean null."
    )


class UriSource(Model):
    """Files in an object store."""

    rules: ClassVar = (exactly_one("parquet", "csv"),)

    location: StoreUri = Field(description="s3://bucket/key; the last path element may be a glob.")
    parquet: Parquet | None = Field(default=None, description="The files are Parquet.")
    csv: Csv | None = Field(default=None, description="The files are delimited text.")


class FeedbackWindow(Model):
    """Which served rows: the newest `rows` with a label, within both bounds."""

    rows: Annotated[int, Field(ge=1, le=100_000_000)] = Field(description="How many labelled rows at most.")
    received_before: Timestamp | None = Field(
        default=None, description="Only requests received before; left out: fixed when the build starts."
    )
    labels_received_before: Timestamp | None = Field(
        default=None, description="Only labels received before; left out: fixed when the build starts."
    )


class FeedbackSource(Model):
    """Rows that a ModelDeployment served, joined with the labels sent back for them."""

    model_deployment: ObjectName = Field(description="A ModelDeployment of this namespace.")
    window: FeedbackWindow = Field(description="Which of its rows.")
    max_set_aside_percent: Percent = Field(
        default=MAX_SET_ASIDE_PERCENT,
        description="So many percent of the rows and labels read may be unusable and are left out; with more, the version is refused.",
    )


class DatasetSource(Model):
    """All rows of one version of another Dataset."""

    name: ObjectName = Field(description="A Dataset of this namespace.")
    digest: Digest = Field(description="The version.")


class Source(Model):
    """One source; exactly one of its members is set."""

    rules: ClassVar = (exactly_one("uri", "feedback", "dataset"),)

    uri: UriSource | None = Field(default=None, description="Files in an object store.")
    feedback: FeedbackSource | None = Field(default=None, description="Served rows with their labels.")
    dataset: DatasetSource | None = Field(default=None, description="A version of another Dataset.")


class Target(Model):
    """The column to predict."""

    rules: ClassVar = (
        Rule(
            "has(self.positive) == (self.task == 'Binary')", "`positive` must be set for Binary and for no other task"
        ),
        Rule(
            "self.task == 'MultiClass' ? has(self.classes) && size(self.classes) >= 2"
            " : !has(self.classes) || size(self.classes) == 0",
            "`classes` must list at least two for MultiClass and none for another task",
        ),
    )

    name: OwnColumnName = Field(description="The target column; it is not repeated among `columns`.")
    task: Literal["Binary", "MultiClass", "Regression"] = Field(description="What is predicted.")
    positive: Cell | None = Field(default=None, description="Binary: the value that counts as positive.")
    classes: Annotated[tuple[Cell, ...], ListType("set"), Field(max_length=1000)] = Field(
        default=(), description="MultiClass: all classes."
    )


_ROLE = or_default("self.role", "Feature")
_ROLE_OF_C = or_default("c.role", "Feature")


class TableColumn(Model):
    """One column of the table, in the order of the model's signature."""

    rules: ClassVar = (
        Rule(
            "!(has(self.minimum) || has(self.maximum)) || self.type in ['Integer', 'Number']",
            "`minimum` and `maximum` must only be set on columns of type Integer or Number",
        ),
        Rule(
            "!has(self.minimum) || !has(self.maximum) || double(self.minimum) <= double(self.maximum)",
            "`minimum` must not be greater than `maximum`",
        ),
        Rule(
            f"{or_default('self.unknown', 'AsNull')} == 'AsNull' || self.type == 'Category'",
            "`unknown: Error` must only be set on columns of type Category",
        ),
        Rule(f"{_ROLE} != 'Time' || self.type == 'Timestamp'", "a column of role Time must be of type Timestamp"),
        Rule(
            f"{_ROLE} != 'Feature' || self.type != 'Timestamp'",
            "a column of type Timestamp must have a role other than Feature",
        ),
        Rule(
            f"{_ROLE} != 'Weight' || self.type in ['Integer', 'Number']",
            "a column of role Weight must be of type Integer or Number",
        ),
        Rule(
            f"{_ROLE} != 'Id' || self.type in ['Integer', 'Text', 'Category']",
            "a column of role Id must be of type Integer, Text or Category",
        ),
    )

    name: OwnColumnName = Field(description="Unique name.")
    type: Literal["Integer", "Number", "Boolean", "Category", "Text", "Timestamp"] = Field(
        description="What the cells hold."
    )
    role: Literal["Feature", "Id", "Time", "Group", "Weight"] = Field(
        default="Feature", description="Only a Feature is given to the model; other roles are captured when sent."
    )
    nullable: Literal["Never", "Allowed"] = Field(default="Never", description="Whether a cell may be empty.")
    minimum: Setting | None = Field(default=None, description="Smallest allowed value.")
    maximum: Setting | None = Field(default=None, description="Greatest allowed value.")
    unknown: Literal["Error", "AsNull"] = Field(
        default="AsNull", description="Category: what a value never seen in training becomes when served."
    )


class TableSchema(Model):
    """The target and the columns."""

    rules: ClassVar = (
        Rule(
            "!self.columns.exists(c, c.name == self.target.name)",
            "the column named by `target` must not be listed among `columns` as well",
        ),
        Rule(f"self.columns.exists(c, {_ROLE_OF_C} == 'Feature')", "`columns` must have at least one of role Feature"),
        Rule(
            " && ".join(
                f"self.columns.filter(c, {_ROLE_OF_C} == '{role}').size() <= 1" for role in ("Id", "Time", "Weight")
            ),
            "the roles Id, Time and Weight must each be given to one column at most",
        ),
    )

    target: Target = Field(description="The column to predict.")
    columns: Annotated[tuple[TableColumn, ...], ListType("map", ("name",)), Field(min_length=1, max_length=2000)] = (
        Field(description="All other columns, in the order of the signature.")
    )


class Range(Model):
    """Values lie between two bounds, both included."""

    rules: ClassVar = (
        Rule("has(self.minimum) || has(self.maximum)", "at least one of `minimum` and `maximum` must be set"),
        Rule(
            "!has(self.minimum) || !has(self.maximum) || double(self.minimum) <= double(self.maximum)",
            "`minimum` must not be greater than `maximum`",
        ),
    )

    column: ColumnName = Field(description="The column to check.")
    minimum: Setting | None = Field(default=None, description="Smallest allowed value.")
    maximum: Setting | None = Field(default=None, description="Greatest allowed value.")


class Nulls(Model):
    """Not more than so many cells are empty."""

    column: ColumnName = Field(description="The column to check.")
    max_percent: Percent = Field(description="Share of empty cells allowed, in percent.")


class Unique(Model):
    """No two rows agree in all of these columns."""

    columns: Annotated[tuple[KeyColumn, ...], ListType("set"), Field(min_length=1, max_length=16)] = Field(
        description="The columns that together are unique."
    )


class Allowed(Model):
    """Values come from a list."""

    column: ColumnName = Field(description="The column to check.")
    values: Annotated[tuple[Cell, ...], ListType("set"), Field(min_length=1, max_length=256)] = Field(
        description="The allowed values."
    )


class Expectation(Model):
    """One rule the data must meet; exactly one of range, nulls, unique, allowed is set."""

    rules: ClassVar = (exactly_one("range", "nulls", "unique", "allowed"),)

    name: ExpectationName = Field(description="Unique name; it is what status reports.")
    dimension: Dimension = Field(description="The dimension of data quality it counts towards.")
    severity: Literal["Error", "Warning"] = Field(
        default="Error", description="A version that fails an Error never becomes current."
    )
    range: Range | None = Field(default=None, description="Values lie between bounds.")
    nulls: Nulls | None = Field(default=None, description="Few cells are empty.")
    unique: Unique | None = Field(default=None, description="Rows are unique.")
    allowed: Allowed | None = Field(default=None, description="Values come from a list.")


class Deduplicate(Model):
    """Keeps one row of those that agree in the key."""

    keys: Annotated[tuple[KeyColumn, ...], ListType("set"), Field(min_length=1, max_length=16)] = Field(
        description="The columns that together are the key."
    )
    keep: Literal["First", "Last"] = Field(default="Last", description="Which row stays, in the order of the sources.")


class HashSplit(Model):
    """A row's split depends on a hash alone, so adding data moves no row."""

    key: ColumnName = Field(description="Hashed when there is no group.")
    group: GroupBy | None = Field(default=None, description="Keeps rows of one group in one split.")


class Splits(Model):
    """How rows are divided, in percent."""

    rules: ClassVar = (
        Rule("self.train + self.validation + self.test == 100", "`train`, `validation` and `test` must add up to 100"),
    )

    hash: HashSplit = Field(description="By a hash of a key or group.")
    train: Annotated[int, Field(ge=1, le=98)] = Field(default=70, description="Percent for fitting.")
    validation: Annotated[int, Field(ge=1, le=98)] = Field(default=15, description="Percent for choosing parameters.")
    test: Annotated[int, Field(ge=1, le=98)] = Field(default=15, description="Percent for the one final score.")
    seed: Count = Field(default=0, description="Changes who falls where.")


_KNOWN = "(self.schema.target.name == {0} || self.schema.columns.exists(c, c.name == {0}))"


class DatasetSpec(Model):
    """What the table is made of and what it must satisfy."""

    rules: ClassVar = (
        Rule(
            "!has(self.splits.hash.group) || self.schema.columns.exists(c, c.name == self.splits.hash.group.column"
            " && (!has(self.splits.hash.group.unit) || c.type == 'Timestamp'))",
            "`splits.hash.group.column` must be one of `schema.columns`, of type Timestamp when `unit` is set",
        ),
        Rule(
            "self.schema.columns.exists(c, c.name == self.splits.hash.key)",
            "`splits.hash.key` must be one of `schema.columns`",
        ),
        Rule(
            f"!has(self.deduplicate) || self.deduplicate.keys.all(k, {_KNOWN.format('k')})",
            "`deduplicate.keys` must be columns of the schema",
        ),
    )

    sources: Annotated[tuple[Source, ...], ListType(), Field(min_length=1, max_length=32)] = Field(
        description="Where the rows come from; concatenated in order."
    )
    schema_: TableSchema = Field(description="Columns and target.")
    expectations: Annotated[tuple[Expectation, ...], ListType("map", ("name",)), Field(max_length=200)] = Field(
        default=(), description="Rules the data must meet."
    )
    deduplicate: Deduplicate | None = Field(default=None, description="Drops repeated rows before splitting.")
    splits: Splits = Field(description="How rows are divided.")
    run: Count = Field(default=0, description="Raise it to read the sources again.")
    pod: PodSettings = Field(default=PodSettings(), description="Settings of the pods that build versions.")


class Dataset(Resource):
    """A versioned, checked and split table. Same content, same version; a bad version never becomes current."""

    kind_name: ClassVar = "Dataset"
    plural: ClassVar = "datasets"
    short_name: ClassVar = "mlds"
    rules: ClassVar = (named_rule(),)
    columns: ClassVar = (
        READY_COLUMN,
        Column("Version", ".status.current.version", description="Current version, in short."),
        Column("Rows", ".status.current.rows", "integer", description="Rows of the current version."),
        REASON_COLUMN,
        AGE_COLUMN,
    )

    kind: str = "Dataset"
    spec: DatasetSpec = Field(description="What the table is made of and what it must satisfy.")
    status: DatasetStatus = Field(default=DatasetStatus(), description="Written by the operator.")
