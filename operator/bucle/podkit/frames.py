"""From whatever types a source has to the types the schema says, and from those to what a model is given.

May know pyarrow, pandas and the table contract. Messages name columns and counts, never values: values can be
personal data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bucle.contracts.table import Column, ColumnType, TableSchema, Target
from bucle.podkit.program import bad_configuration

ARROW: dict[ColumnType, pa.DataType] = {
    "Integer": pa.int64(),
    "Number": pa.float64(),
    "Boolean": pa.bool_(),
    "Category": pa.string(),
    "Text": pa.string(),
    "Timestamp": pa.timestamp("us", tz="UTC"),
}
_TRUE, _FALSE = ("true", "1"), ("false", "0")
_INT64_END, _EXACT_FLOATS_END = 2.0**63, 2.0**53


class WrongValues(ValueError):
    """So many values of one column do not have the wanted type."""

    def __init__(self, count: int, problem: str) -> None:
        super().__init__(problem)
        self.count = count
        self.problem = problem


class InvalidRequest(ValueError):
    """A request's column cannot be given to the model. Raised for callers, so `problem` may be shown to them."""

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(f"{column}: {problem}")
        self.column = column
        self.problem = problem


def label_text(value: Any) -> str:
    """The one text form of a label or category: 1, 1.0 and "1" are "1", True is "true"."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def typed(values: pa.Array | pa.ChunkedArray, type_: ColumnType) -> pa.Array:
    """The column with the Arrow type of `type_`, NaN as null; raises WrongValues with the number of misfits."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), ARROW[type_])
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_nan(array.cast(pa.float64())), None, array.cast(pa.float64()))
    if type_ in ("Category", "Text"):
        return _texts(array)
    if type_ == "Timestamp":
        return _timestamps(array)
    if _is_text(array.type):
        return _parsed(array, type_)
    return _numbers(array, type_)


def typed_table(table: pa.Table, schema: TableSchema) -> pa.Table:
    """The schema's columns in its order, then the target; other columns are left out.

    Raises ProgramError UnknownColumn or WrongType (78).
    """
    wanted: list[tuple[str, ColumnType]] = [(column.name, column.type) for column in schema.columns]
    wanted.append((schema.target.name, target_type(schema.target)))
    missing = [name for name, _ in wanted if name not in table.column_names]
    if missing:
        raise bad_configuration(
            "UnknownColumn",
            f"the data has no column {', '.join(missing[:5])}; it has {', '.join(sorted(table.column_names)[:40])}: "
            "correct the schema or the data",
        )
    twice = [name for name, _ in wanted if table.column_names.count(name) > 1]
    if twice:
        raise bad_configuration(
            "WrongType", f"the data has several columns called {', '.join(twice[:5])}: leave one of each in the data"
        )
    arrays = []
    for name, type_ in wanted:
        try:
            arrays.append(typed(table.column(name), type_))
        except WrongValues as error:
            raise bad_configuration(
                "WrongType",
                f"column {name} must be {type_}, but {error.count} of {table.num_rows} values {error.problem}: "
                "correct the schema or the data",
            ) from error
    return pa.table(arrays, names=[name for name, _ in wanted])


def target_type(target: Target) -> ColumnType:
    """Classes are compared as texts, so that 1, "1" and true from different sources have one meaning each."""
    return "Number" if target.task == "Regression" else "Category"


def exact_frame(table: pa.Table) -> pd.DataFrame:
    """The table for pandas with integers kept: by itself pandas makes a column with one null float64, in which ids
    above 2⁵³ become equal."""
    return table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)


def model_frame(table: pa.Table, columns: Sequence[Column]) -> pd.DataFrame:
    """What a model is given, rows × columns: float64 for numbers and booleans, object for texts, NaN for null.

    The dtype follows from the schema alone, never from the values, so one row and a million are alike.
    """
    data: dict[str, Any] = {}
    for column in columns:
        array = table.column(column.name).combine_chunks()
        if is_text(column):
            values = np.asarray(array.to_pandas(types_mapper=None), dtype=object)
            values[np.asarray(array.is_null())] = np.nan
            data[column.name] = values
        else:
            data[column.name] = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return pd.DataFrame(data, columns=[column.name for column in columns])


def request_frame(values: Mapping[str, Sequence[Any]], columns: Sequence[Column]) -> pd.DataFrame:
    """`model_frame` of JSON values; raises InvalidRequest for a missing column, a null or a value of another type."""
    data: dict[str, Any] = {}
    rows = {len(given) for given in values.values()}
    for column in columns:
        given = values.get(column.name)
        if given is None:
            raise InvalidRequest(column.name, "is missing")
        if len(rows) > 1 and len(given) != max(rows):
            raise InvalidRequest(column.name, f"has {len(given)} values where other columns have {max(rows)}")
        data[column.name] = _request_values(column, given)
    return pd.DataFrame(data, columns=[column.name for column in columns])


def without_unknown(frame: pd.DataFrame, categories: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The frame with every category that training never saw made null."""
    changed: dict[str, Any] = {}
    for name, known in categories.items():
        values = frame[name]
        unknown = ~values.isin(known) & values.notna()
        if unknown.any():
            changed[name] = values.mask(unknown, np.nan)
    return frame.assign(**changed) if changed else frame


def is_text(column: Column) -> bool:
    return column.type in ("Category", "Text")


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def _texts(array: pa.Array) -> pa.Array:
    if pa.types.is_floating(array.type):
        # pandas turns a column of integers with one null into floats: 1.0 means the category "1".
        whole = pc.all(pc.and_(pc.equal(pc.floor(array), array), pc.less(pc.abs(array), _INT64_END))).as_py()
        array = array.cast(pa.int64(), safe=False) if whole is not False else array
    if not (_is_text(array.type) or pa.types.is_boolean(array.type) or _is_number(array.type)):
        raise WrongValues(len(array) - array.null_count, "are neither text nor numbers")
    return array.cast(pa.string())


def _timestamps(array: pa.Array) -> pa.Array:
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("us"))
    if pa.types.is_timestamp(array.type):
        return array.cast(ARROW["Timestamp"], safe=False)
    if not _is_text(array.type):
        raise WrongValues(len(array) - array.null_count, "are not times")
    parsed = pd.to_datetime(pd.Series(array.to_pylist(), dtype=object), utc=True, errors="coerce", format="ISO8601")
    wrong = int(parsed.isna().sum()) - array.null_count
    if wrong:
        raise WrongValues(wrong, "are not ISO 8601 times")
    return pa.Array.from_pandas(parsed).cast(ARROW["Timestamp"], safe=False)


def _parsed(array: pa.Array, type_: ColumnType) -> pa.Array:
    texts = pc.utf8_trim_whitespace(array.cast(pa.string()))
    if type_ == "Boolean":
        lower = pc.utf8_lower(texts)
        true = pc.is_in(lower, pa.array(_TRUE))
        known = pc.or_(true, pc.is_in(lower, pa.array(_FALSE)))
        wrong = len(array) - array.null_count - (pc.sum(known).as_py() or 0)
        if wrong:
            raise WrongValues(wrong, "are neither true nor false")
        return pc.if_else(pc.is_null(texts), pa.scalar(None, pa.bool_()), true)
    try:
        return _numbers(texts.cast(ARROW[type_]), type_)
    except pa.ArrowInvalid as error:
        numbers = pd.to_numeric(pd.Series(texts.to_pylist(), dtype=object), errors="coerce").to_numpy(dtype=float)
        exact = (np.floor(numbers) == numbers) & (np.abs(numbers) < _EXACT_FLOATS_END)
        good = np.isfinite(numbers) & (exact | (type_ == "Number"))
        wrong = len(array) - array.null_count - int(good.sum())
        if wrong == 0:
            # pandas writes a column of integers with one empty cell as 1.0, 2.0, …
            return _numbers(pa.array(numbers, from_pandas=True), type_)
        raise WrongValues(wrong, f"are not of type {type_}") from error


def _numbers(array: pa.Array, type_: ColumnType) -> pa.Array:
    if not (_is_number(array.type) or pa.types.is_boolean(array.type)):
        raise WrongValues(len(array) - array.null_count, "are not numbers")
    floats = array.cast(pa.float64(), safe=False)
    finite = pc.is_finite(floats)
    if type_ == "Number":
        _refuse(finite, "are not finite")
        return floats
    if type_ == "Boolean":
        _refuse(pc.is_in(floats, pa.array([0.0, 1.0, None])), "are neither 0 nor 1")
        return array.cast(pa.bool_())
    if not pa.types.is_signed_integer(array.type):
        _refuse(pc.and_(finite, pc.equal(pc.floor(floats), floats)), "are not whole numbers")
        _refuse(pc.less(pc.abs(floats), _INT64_END), "do not fit into 64 bits")
    return array.cast(pa.int64())


def _refuse(good: pa.Array, problem: str) -> None:
    wrong = len(good) - good.null_count - (pc.sum(good).as_py() or 0)
    if wrong:
        raise WrongValues(wrong, problem)


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def _request_values(column: Column, given: Sequence[Any]) -> Any:
    text = is_text(column)
    values = np.empty(len(given), dtype=object if text else np.float64)
    for row, value in enumerate(given):
        if value is None or value != value:
            if column.nullable == "Never":
                raise InvalidRequest(column.name, f"must not be null (row {row})")
            values[row] = np.nan
        elif text:
            values[row] = _request_text(column, value, row)
        else:
            values[row] = _request_number(column, value, row)
    return values


def _request_text(column: Column, value: Any, row: int) -> str:
    if isinstance(value, (str, bool, int, float)):
        return label_text(value)
    raise InvalidRequest(column.name, f"must be a text (row {row})")


def _request_number(column: Column, value: Any, row: int) -> float:
    fits = isinstance(value, (bool, int, float)) and (
        value in (0, 1)
        if column.type == "Boolean"
        else not isinstance(value, bool)
        and math.isfinite(value)
        and (column.type == "Number" or float(value).is_integer())
    )
    if not fits:
        raise InvalidRequest(column.name, f"must be of type {column.type} (row {row})")
    return float(value)
