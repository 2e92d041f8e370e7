"""Expectations compiled to pandera, and what they found as counts: never values, which can be personal data.

What the schema itself says of a column (`nullable: Never`, `minimum`, `maximum`) is checked in the same way, under
the names `<column>.nullable` and `<column>.range`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from bucle.contracts.base import decimal_text
from bucle.contracts.expectations import Allowed, Expectation, Nulls, Range, Unique
from bucle.contracts.result import FailedExpectation
from bucle.contracts.row_rules import category_text
from bucle.contracts.table import TableSchema
from bucle.podkit.frames import exact_frame
from bucle.podkit.program import bad_configuration

# A rule gives one truth value per row: does the row keep it?
Rule = Callable[[pd.DataFrame], pd.Series]


@dataclass(frozen=True, slots=True)
class Checked:
    """`quality`: per dimension the share of rows that keep all its rules, as decimal text."""

    failed: tuple[FailedExpectation, ...]
    quality: dict[str, str]

    @property
    def accepted(self) -> bool:
        return not any(failure.severity == "Error" for failure in self.failed)


def implied(schema: TableSchema) -> tuple[Expectation, ...]:
    """What the schema says of its columns, as expectations of severity Error."""
    rules: list[Expectation] = []
    for column in schema.columns:
        if column.nullable == "Never":
            rules.append(
                Expectation(
                    name=f"{column.name}.nullable",
                    dimension="Completeness",
                    nulls=Nulls(column=column.name, max_percent=0),
                )
            )
        if column.minimum is not None or column.maximum is not None:
            bounds = Range(column=column.name, minimum=column.minimum, maximum=column.maximum)
            rules.append(Expectation(name=f"{column.name}.range", dimension="Accuracy", range=bounds))
    return tuple(rules)


def check(table: pa.Table, expectations: Sequence[Expectation], target: str = "", without_target: int = 0) -> Checked:
    """Validates all rules at once (pandera, lazy). Raises UnknownColumn (78) for a rule on a column not in the schema.

    `without_target` rows were left out because their target is unknown: of `table` no rule on the target's nulls
    could fail.
    """
    _require_columns(table, expectations)
    broken = _broken_rows(exact_frame(table), expectations)
    failed: list[FailedExpectation] = []
    whole: dict[str, NDArray[np.bool_]] = {}
    told_of_target: set[str] = set()
    for expectation in expectations:
        dimension = expectation.dimension.lower()
        kept = whole.setdefault(dimension, np.ones(table.num_rows, dtype=bool))
        rows, wrong, total = broken.get(expectation.name), 0, table.num_rows
        if rows is not None:
            kept &= ~rows
            wrong = int(rows.sum())
        if expectation.nulls is not None and expectation.nulls.column == target:
            told_of_target.add(dimension)
            wrong, total = wrong + without_target, total + without_target
        failure = _failure(expectation, wrong, total) if wrong else None
        failed.extend([failure] if failure is not None else [])
    quality = {
        name: decimal_text(float(kept.sum()) / (len(kept) + (without_target if name in told_of_target else 0)), 6)
        for name, kept in sorted(whole.items())
    }
    return Checked(tuple(failed), quality)


def _broken_rows(frame: pd.DataFrame, expectations: Sequence[Expectation]) -> dict[str, NDArray[np.bool_]]:
    """Per rule that some row breaks, which rows do.

    pandera is told yes or no for the whole table: what it would collect of failing rows is 16 times the table, and
    only their number may leave the pod.
    """
    # pandera asks for no network and no configuration file, but prints an advertisement unless told not to.
    os.environ.setdefault("DISABLE_PANDERA_IMPORT_WARNING", "True")
    import pandera.pandas as pa_checks
    from pandera.errors import SchemaErrors

    broken: dict[str, NDArray[np.bool_]] = {}

    def judged(expectation: Expectation) -> Callable[[pd.DataFrame], bool]:
        rule = _rule(expectation)

        def whole_table(rows: pd.DataFrame) -> bool:
            kept = rule(rows).to_numpy(dtype=bool)
            if kept.all():
                return True
            broken[expectation.name] = ~kept
            return False

        return whole_table

    checks = [pa_checks.Check(judged(e), name=e.name, error=e.name, ignore_na=False) for e in expectations]
    try:
        pa_checks.DataFrameSchema(checks=checks).validate(frame, lazy=True, inplace=True)
    except SchemaErrors as errors:
        names = {error.check.name for error in errors.schema_errors if error.check is not None}
        if names != set(broken):
            raise
    return broken


def _rule(expectation: Expectation) -> Rule:
    if expectation.range is not None:
        return _in_range(expectation.range)
    if expectation.nulls is not None:
        column = expectation.nulls.column
        return lambda frame: frame[column].notna()
    if expectation.unique is not None:
        columns = list(expectation.unique.columns)
        # As `deduplicate` has it: a row without its whole key repeats nothing.
        return lambda frame: ~frame.duplicated(columns, keep="first") | frame[columns].isna().any(axis="columns")
    if expectation.allowed is not None:
        return _allowed(expectation.allowed)
    raise bad_configuration("SpecInvalid", f"expectation {expectation.name} has no rule")


def _in_range(bounds: Range) -> Rule:
    """A null is neither too small nor too great; completeness is another rule's matter."""
    low = float(bounds.minimum) if bounds.minimum is not None else -np.inf
    high = float(bounds.maximum) if bounds.maximum is not None else np.inf
    return lambda frame: frame[bounds.column].isna() | frame[bounds.column].between(low, high)


def _allowed(allowed: Allowed) -> Rule:
    known = {category_text(value) for value in allowed.values}

    def rule(frame: pd.DataFrame) -> pd.Series:
        values = frame[allowed.column]
        good = [value for value in values.dropna().unique() if category_text(value) in known]
        return values.isna() | values.isin(good)

    return rule


def _failure(expectation: Expectation, rows: int, total: int) -> FailedExpectation | None:
    observed, limit = str(rows), "0"
    if expectation.nulls is not None:
        percent = 100.0 * rows / total
        if percent <= expectation.nulls.max_percent:
            return None
        observed, limit = f"{percent:.4g}%", f"{expectation.nulls.max_percent}%"
    return FailedExpectation(
        name=expectation.name,
        dimension=expectation.dimension,
        severity=expectation.severity,
        observed=observed,
        limit=limit,
        rows=rows,
    )


def _columns(expectation: Expectation) -> tuple[str, ...]:
    rule = expectation.range or expectation.nulls or expectation.allowed
    if isinstance(rule, (Range, Nulls, Allowed)):
        return (rule.column,)
    return expectation.unique.columns if isinstance(expectation.unique, Unique) else ()


def _require_columns(table: pa.Table, expectations: Sequence[Expectation]) -> None:
    # Looked up once: a table makes its list of names anew for each question, which 2,000 columns times rules feel.
    types = dict(zip(table.column_names, table.schema.types, strict=True))
    for expectation in expectations:
        for column in _columns(expectation):
            if column not in types:
                raise bad_configuration(
                    "UnknownColumn",
                    f"expectation {expectation.name} names the column {column}, which the schema does not have",
                )
            numeric = pa.types.is_integer(types[column]) or pa.types.is_floating(types[column])
            if expectation.range is not None and not numeric:
                raise bad_configuration(
                    "WrongType", f"expectation {expectation.name} is a range, but {column} is no number"
                )
