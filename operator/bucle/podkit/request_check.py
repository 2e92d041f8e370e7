"""Requests at the door: JSON values of many columns judged by the contract of rows, and what the model is given of them.

May know the table contract, numpy and pandas. Whatever passes can be computed with, captured and trained on later.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from bucle.contracts.row_rules import (
    DATED_AHEAD,
    INTEGER_HIGHEST,
    INTEGER_LOWEST,
    Cell,
    Fault,
    Refused,
    cell_of,
    required,
)
from bucle.contracts.table import Column
from bucle.podkit.array_path import Arrays
from bucle.podkit.frames import is_text

FEW = 8
"""Up to so many values one by one are judged as fast as all at once."""


class InvalidRequest(ValueError):
    """A request's column that may not enter. Raised for callers, so `problem` may be shown to them."""

    def __init__(self, column: str, problem: str, fault: Fault) -> None:
        super().__init__(f"{column}: {problem}")
        self.column = column
        self.problem = problem
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Features:
    """What the model is given of n rows: by column n numbers or texts, NaN for null."""

    columns: Mapping[str, Sequence[float | str]]
    rows: int


@dataclass(frozen=True, slots=True)
class Admitted:
    """`cells`: the given columns of the schema, typed. `incomplete`: rows that lack what a row to train on must have."""

    features: Features
    cells: Mapping[str, Sequence[Cell | None]]
    incomplete: Counter[tuple[str, Fault]]

    @property
    def rows(self) -> int:
        return self.features.rows


class Door:
    """One model's schema. `categories`: per Category column with `unknown: Error` what training saw."""

    def __init__(self, columns: Sequence[Column], categories: Mapping[str, frozenset[str]]) -> None:
        self._columns = tuple(columns)
        self._names = {c.name: unicodedata.normalize("NFC", c.name) for c in columns}
        self._closed = {c.name: categories[c.name] for c in columns if c.unknown == "Error" and c.name in categories}

    def admitted(self, given: Mapping[str, Sequence[Any]], now: datetime | None = None) -> Admitted:
        """The typed request; other columns are ignored. Raises InvalidRequest naming the column, the rule and the row.

        A row dated long after `now` is answered and counted as incomplete: its date must move nobody's clock later.
        """
        rows = max((len(values) for values in given.values()), default=0)
        if not all(map(str.isascii, given)):
            # The same letters can be written in one character or two.
            given = {unicodedata.normalize("NFC", name): values for name, values in given.items()}
        cells: dict[str, Sequence[Cell | None]] = {}
        features: dict[str, Sequence[float | str]] = {}
        incomplete: Counter[tuple[str, Fault]] = Counter()
        for column in self._columns:
            values = given.get(self._names[column.name])
            feature = column.role == "Feature"
            if values is None:
                if feature:
                    raise InvalidRequest(column.name, "is missing", Fault.MISSING)
                if required(column):
                    incomplete[column.name, Fault.MISSING] += rows
                continue
            if len(values) != rows:
                problem = f"has {len(values)} values where other columns have {rows}"
                raise InvalidRequest(column.name, problem, Fault.MISSING)
            judged = cells_of(column, values)
            cells[column.name] = judged
            nulls = sum(1 for cell in judged if cell is None)
            if feature:
                self._require_known(column, judged)
                features[column.name] = [_NAN if cell is None else cell for cell in judged] if nulls else judged  # type: ignore[misc, assignment]
            elif nulls and required(column):
                incomplete[column.name, Fault.NULL] += nulls
            if now is not None and column.type == "Timestamp":
                ahead = sum(1 for cell in judged if isinstance(cell, datetime) and cell > now + DATED_AHEAD)
                if ahead:
                    incomplete[column.name, Fault.IN_FUTURE] += ahead
        return Admitted(Features(features, rows), cells, incomplete)

    def _require_known(self, column: Column, cells: Sequence[Cell | None]) -> None:
        known = self._closed.get(column.name)
        if known is None:
            return
        for row, cell in enumerate(cells):
            if cell is not None and cell not in known:
                problem = f"has a value that training never saw (row {row})"
                raise InvalidRequest(column.name, problem, Fault.UNKNOWN_CATEGORY)


def arrays_of(parts: Sequence[Features], columns: Sequence[Column]) -> Arrays:
    """The rows of all parts as the model is given them: dtypes follow from the schema alone, as in `model_frame`."""
    data: dict[str, Any] = {}
    for column in columns:
        values = list(chain.from_iterable(part.columns[column.name] for part in parts))
        data[column.name] = np.array(values, dtype=object if is_text(column) else np.float64)
    return Arrays(data, sum(part.rows for part in parts))


def frame_of(parts: Sequence[Features], columns: Sequence[Column]) -> pd.DataFrame:
    """`arrays_of` as a data frame."""
    return pd.DataFrame(dict(arrays_of(parts, columns).columns), copy=False)


def cells_of(column: Column, values: Sequence[Any]) -> Sequence[Cell | None]:
    """Each value as `cell_of` gives it; raises InvalidRequest with the first row that is wrong."""
    if len(values) > FEW and _plain(column, values):
        return values
    cells: list[Cell | None] = []
    for row, value in enumerate(values):
        try:
            cells.append(cell_of(column, value))
        except Refused as refused:
            raise InvalidRequest(column.name, f"{refused.problem} (row {row})", refused.fault) from refused
    return cells


_NAN = math.nan
_BOOLEAN_TEXTS = frozenset({"True", "False"})


def _plain(column: Column, values: Sequence[Any]) -> bool:
    """Whether every value is already what `cell_of` would make of it: seen at once, without a call for each."""
    kinds = set(map(type, values))
    match column.type:
        case "Integer":
            return kinds == {int} and _within(column, min(values), max(values), INTEGER_LOWEST, INTEGER_HIGHEST)
        case "Number":
            # A sum is finite only if all are; one that overflows is left to the slower way.
            return kinds == {float} and math.isfinite(sum(values)) and _within(column, min(values), max(values))
        case "Boolean":
            return kinds == {bool}
        case "Text":
            return kinds == {str} and column.role != "Id"
        case "Category":
            # Texts of other beginnings may be numbers or other letters for the same: `category_text` looks at each.
            return (
                kinds == {str}
                and column.role != "Id"
                and all(v[:1].isalpha() and v.isascii() for v in values)
                and (not _BOOLEAN_TEXTS.intersection(values))
            )
        case _:
            return False


def _within(column: Column, low: float, high: float, lowest: float = -math.inf, highest: float = math.inf) -> bool:
    if column.minimum is not None:
        lowest = max(lowest, float(column.minimum))
    if column.maximum is not None:
        highest = min(highest, float(column.maximum))
    if column.role == "Weight":
        lowest = max(lowest, 0)
    return lowest <= low and high <= highest
