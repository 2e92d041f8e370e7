"""Whether a version can be learned from at all, said where it is made and not by a library in a trial an hour later.

May know tables and the task; reads nothing. Names columns, splits and classes of the schema, never values.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from bucle.contracts.manifest import SplitName
from bucle.contracts.result import FailedExpectation
from bucle.contracts.table import TableSchema
from bucle.contracts.task import DataTask
from bucle.podkit.program import bad_configuration

FEW_ROWS = 10
"""A class with fewer rows to train on is told: folds of five leave it one or none."""


def require_usable_splits(tables: Mapping[SplitName, pa.Table], task: DataTask, groups: int) -> None:
    """Raises SplitEmpty (78) for a split that should have rows and has none, or has rows of one class only."""
    shares = {"train": task.splits.train, "validation": task.splits.validation, "test": task.splits.test}
    target = task.table.target
    rows = sum(table.num_rows for table in tables.values())
    by = task.splits.hash.group.unit or "group" if task.splits.hash.group is not None else "row"
    for name, table in tables.items():
        if shares[name] and not table.num_rows:
            raise bad_configuration(
                "SplitEmpty",
                f"the split {name} should have {shares[name]} % of {rows} rows and has none, since whole {by}s are dealt out "
                f"and there are {groups}: give more of them, or change `splits`",
            )
        if target.task == "Regression" or not table.num_rows:
            continue
        classes = pc.unique(table.column(target.name)).to_pylist()
        if len(classes) < 2:
            raise bad_configuration(
                "SplitEmpty",
                f"all {table.num_rows} rows of the split {name} have the same {target.name}, so nothing can be learned or "
                "measured there: give rows of the other class, or change `splits`",
            )


def hard_to_learn(train: pa.Table, schema: TableSchema) -> tuple[FailedExpectation, ...]:
    """Warnings about what a model cannot use: a feature without any value, a class with hardly a row or none."""
    found = [
        _warning(f"{column.name}.empty", "100%", "99%", train.num_rows)
        for column in schema.with_role("Feature")
        if column.nullable == "Allowed" and train.num_rows and train.column(column.name).null_count == train.num_rows
    ]
    if schema.target.task != "Regression":
        counts = {e["values"]: int(e["counts"]) for e in pc.value_counts(train.column(schema.target.name)).to_pylist()}
        rarest = min((counts.get(name, 0) for name in {*counts, *schema.target.classes}), default=FEW_ROWS)
        if rarest < FEW_ROWS:
            found.append(_warning(f"{schema.target.name}.rare", str(rarest), str(FEW_ROWS), rarest))
    return tuple(found)


def _warning(name: str, observed: str, limit: str, rows: int) -> FailedExpectation:
    return FailedExpectation(
        name=name, dimension="Completeness", severity="Warning", observed=observed, limit=limit, rows=rows
    )
