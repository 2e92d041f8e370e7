"""The rows of a dataset version as a model and a metric need them.

May know versions, frames and groups; knows no estimator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bucle.contracts.manifest import DatasetManifest, SplitName
from bucle.contracts.metrics import METRICS, Metric, TaskName
from bucle.contracts.table import GroupBy, TableSchema
from bucle.contracts.task import DatasetVersion
from bucle.podkit.frames import model_frame, typed_table
from bucle.podkit.metrics import codes_of
from bucle.podkit.model import feature_columns
from bucle.podkit.program import bad_configuration
from bucle.podkit.splits import groups_of
from bucle.podkit.versions import read_manifest, read_split


@dataclass(frozen=True, slots=True)
class Rows:
    """n rows: the typed `table`, features `frame` n × columns, `truth` n class codes or numbers, `weights` n or None."""

    table: pa.Table
    frame: pd.DataFrame
    truth: NDArray[np.float64] | NDArray[np.int64]
    classes: tuple[str, ...]
    weights: NDArray[np.float64] | None

    def take(self, rows: NDArray[np.int64]) -> Rows:
        weights = None if self.weights is None else self.weights[rows]
        frame = self.frame.iloc[rows].reset_index(drop=True)
        return Rows(self.table.take(pa.array(rows)), frame, self.truth[rows], self.classes, weights)

    def __len__(self) -> int:
        return len(self.truth)


@dataclass(frozen=True, slots=True)
class Loaded:
    """All rows asked for, in the order of the splits, with the split's name per row."""

    manifest: DatasetManifest
    rows: Rows
    splits: NDArray[np.object_]

    def of(self, *names: SplitName) -> Rows:
        return self.rows.take(np.flatnonzero(np.isin(self.splits, names)))


def load(version: DatasetVersion, names: Sequence[SplitName]) -> Loaded:
    """Those splits of a version; raises ProgramError of the store, DigestMismatch or WrongType (78)."""
    manifest = read_manifest(version.location, version.digest)
    tables = [read_split(version.location, manifest, name) for name in names]
    splits = np.repeat(np.asarray(names, dtype=object), [table.num_rows for table in tables])
    return Loaded(manifest, rows_of(typed_table(pa.concat_tables(tables), manifest.table), manifest.table), splits)


def rows_of(table: pa.Table, schema: TableSchema) -> Rows:
    """Rows of a typed table with the schema's columns and target."""
    target = table.column(schema.target.name)
    weight = schema.with_role("Weight")
    # A row that says no weight counts as one row.
    weights = pc.fill_null(table.column(weight[0].name).cast(pa.float64()), 1.0).to_numpy() if weight else None
    frame = model_frame(table, feature_columns(schema))
    if schema.target.task == "Regression":
        return Rows(table, frame, target.to_numpy(), (), weights)
    labels = np.asarray(target.to_pylist(), dtype=object)
    classes = classes_of(schema, labels)
    return Rows(table, frame, codes_of(labels, classes), classes, weights)


def classes_of(schema: TableSchema, labels: NDArray[np.object_]) -> tuple[str, ...]:
    """The order of scores: for Binary the other value, then the positive one; raises WrongType (78) when one is missing.

    Of more classes the sorted one: whoever reads scores by their place sees no change when a schema lists its classes
    in another order.
    """
    if schema.target.task == "MultiClass":
        return tuple(sorted(schema.target.classes))
    found, positive = set(labels), str(schema.target.positive)
    if len(found) != 2 or positive not in found:
        raise bad_configuration(
            "WrongType",
            f"the target {schema.target.name} has {len(found)} values, {'with' if positive in found else 'without'} the "
            "positive one; Binary needs the positive value and one other",
        )
    return (next(iter(found - {positive})), positive)


def require_metric(name: str, task: TaskName, *, per_row: bool = False) -> Metric:
    """Raises ProgramError UnknownMetric (78)."""
    metric = METRICS.get(name)
    if metric is None or task not in metric.tasks or (per_row and not metric.per_row):
        fitting = [m.name for m in METRICS.values() if task in m.tasks and (m.per_row or not per_row)]
        raise bad_configuration(
            "UnknownMetric", f"the metric {name} does not fit a {task} target here; use one of {', '.join(fitting)}"
        )
    return metric


@dataclass(frozen=True, slots=True)
class Groups:
    """`names[codes[i]]` is the group of row i; code −1 means that it has none."""

    codes: NDArray[np.int64]
    names: tuple[str, ...]


def grouped(table: pa.Table, group_by: GroupBy) -> Groups:
    if group_by.column not in table.column_names:
        raise bad_configuration("UnknownColumn", f"rows are grouped by {group_by.column}, which the data does not have")
    encoded = groups_of(table.column(group_by.column), group_by).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return Groups(codes, tuple(encoded.dictionary.to_pylist()))


def ungrouped(table: pa.Table, schema: TableSchema) -> Groups:
    """Every row a group of its own, named by the Id column if there is one."""
    ids = schema.with_role("Id")
    names = table.column(ids[0].name).cast(pa.string()).to_pylist() if ids else range(table.num_rows)
    return Groups(np.arange(table.num_rows, dtype=np.int64), tuple(f"{name}" for name in names))


def together(loaded: Loaded, group_by: GroupBy | None) -> tuple[Groups, GroupBy | None]:
    """The groups by which rows hang together: as asked, else as the version was split, else each row for itself."""
    group_by = group_by or loaded.manifest.group_by
    groups = grouped(loaded.rows.table, group_by) if group_by is not None else None
    if groups is None or len(groups.names) < 2:
        return ungrouped(loaded.rows.table, loaded.manifest.table), None
    return groups, group_by
