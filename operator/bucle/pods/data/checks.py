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
from bucle.contracts.result import FailedExpectation
from bucle.contracts.table import Allowed, Expectation, Nulls, Range, TableSchema, Unique
from bucle.podkit.frames import exact_frame, label_text
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


def check(table: pa.Table, expectations: Sequence[Expectation]) -> Checked:
    """Validates all rules at once (pandera, lazy). Raises UnknownColumn (78) for a rule on a column not in the schema."""
    _require_columns(table, expectations)
    frame = exact_frame(table)
    broken = _broken_rows(frame, expectations)
    failed: list[FailedExpectation] = []
    whole: dict[str, NDArray[np.bool_]] = {}
    for expectation in expectations:
        rows = broken.get(expectation.name)
        kept = whole.setdefault(expectation.dimension.lower(), np.ones(len(frame), dtype=bool))
        if rows is not None:
            kept &= ~rows
            failure = _failure(expectation, int(rows.sum()), len(frame))
            failed.extend([failure] if failure is not None else [])
    quality = {name: decimal_text(float(kept.mean()), 6) for name, kept in sorted(whole.items())}
    return Checked(tuple(failed), quality)


def _broken_rows(frame: pd.DataFrame, expectations: Sequence[Expectation]) -> dict[str, NDArray[np.bool_]]:
    # pandera asks for no network and no configuration file, but prints an advertisement unless told not to.
    os.environ.setdefault("DISABLE_PANDERA_IMPORT_WARNING", "True")
    import pandera.pandas as pa_checks
    from pandera.errors import SchemaErrors

    checks = [
        pa_checks.Check(_rule(expectation), name=expectation.name, error=expectation.name, ignore_na=False)
        for expectation in expectations
    ]
    try:
        pa_checks.DataFrameSchema(checks=checks).validate(frame, lazy=True)
    except SchemaErrors as error:
        names = {failure.check.name for failure in error.schema_errors if failure.check is not None}
        return {e.name: ~_rule(e)(frame).to_numpy(dtype=bool) for e in expectations if e.name in names}
    return {}


def _rule(expectation: Expectation) -> Rule:
    if expectation.range is not None:
        return _in_range(expectation.range)
    if expectation.nulls is not None:
        column = expectation.nulls.column
        return lambda frame: frame[column].notna()
    if expectation.unique is not None:
        columns = list(expectation.unique.columns)
        return lambda frame: ~frame.duplicated(columns, keep="first")
    if expectation.allowed is not None:
        return _allowed(expectation.allowed)
    raise bad_configuration("SpecInvalid", f"expectation {expectation.name} has no rule")


def _in_range(bounds: Range) -> Rule:
    """A null is neither too small nor too great; completeness is another rule's matter."""
    low = float(bounds.minimum) if bounds.minimum is not None else -np.inf
    high = float(bounds.maximum) if bounds.maximum is not None else np.inf
    return lambda frame: frame[bounds.column].isna() | frame[bounds.column].between(low, high)


def _allowed(allowed: Allowed) -> Rule:
    known = set(allowed.values)
    return lambda frame: (
        frame[allowed.column].isna()
        | frame[allowed.column].map(lambda value: label_text(value) in known, na_action="ignore").eq(True)
    )


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
    for expectation in expectations:
        for column in _columns(expectation):
            if column not in table.column_names:
                raise bad_configuration(
                    "UnknownColumn",
                    f"expectation {expectation.name} names the column {column}, which the schema does not have",
                )
            numeric = pa.types.is_integer(table.schema.field(column).type) or pa.types.is_floating(
                table.schema.field(column).type
            )
            if expectation.range is not None and not numeric:
                raise bad_configuration(
                    "WrongType", f"expectation {expectation.name} is a range, but {column} is no number"
                )
