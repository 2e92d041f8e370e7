"""From whatever types a source has to the types the schema says, and from those to what a model is given.

May know pyarrow, pandas and the table contract. Messages name columns and counts, never values: values can be
personal data.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bucle.contracts.row_rules import category_text
from bucle.contracts.table import Column, ColumnType, TableSchema, Target
from bucle.podkit.column_values import ARROW, WrongValues, require_label_numbers, typed
from bucle.podkit.program import bad_configuration

__all__ = [
    "ARROW",
    "WrongValues",
    "columns_by_name",
    "exact_frame",
    "is_text",
    "known_only",
    "label_text",
    "model_frame",
    "target_type",
    "typed",
    "typed_table",
    "wanted_columns",
    "without_unknown",
]


def label_text(value: Any) -> str:
    """The one text form of a label or category: 1, 1.0 and "1.0" are "1", True is "true"."""
    return category_text(value)


def typed_table(table: pa.Table, schema: TableSchema, where: str = "the data") -> pa.Table:
    """The schema's columns in its order, then the target; other columns are left out.

    `where` names the file or the source in refusals. Raises ProgramError UnknownColumn or WrongType (78).
    """
    wanted = wanted_columns(schema)
    found = columns_by_name(table.column_names)
    missing = [name for name in wanted if _one_form(name) not in found]
    if missing:
        raise bad_configuration(
            "UnknownColumn",
            f"{where} has no column {_some(missing, 5)}; it has {_some(sorted(table.column_names), 40)}: "
            "correct the schema or the data",
        )
    twice = [name for name in wanted if len(found[_one_form(name)]) > 1]
    if twice:
        raise bad_configuration(
            "WrongType", f"{where} has several columns called {_some(twice, 5)}: leave one of each in the data"
        )
    arrays = []
    for name, type_ in wanted.items():
        try:
            arrays.append(typed(table.column(found[_one_form(name)][0]), type_))
            if name == schema.target.name and schema.target.task == "Regression":
                require_label_numbers(arrays[-1])
        except WrongValues as error:
            raise bad_configuration(
                "WrongType",
                f"column {name} must be {type_}, but {error.count} of {table.num_rows} values {error.problem}, the first "
                f"in row {error.first} of {where}: correct the schema or the data",
            ) from error
    arrays[-1] = _spelt(arrays[-1], schema.target)
    return pa.table(arrays, names=list(wanted))


def _spelt(values: pa.Array, target: Target) -> pa.Array:
    """The classes as the schema spells them: true of a Parquet file is the class True of a schema that says so."""
    spelt = {category_text(name): name for name in (*target.classes, target.positive) if name is not None}
    if target.task == "Regression" or all(text == name for text, name in spelt.items()):
        return values
    encoded = values.dictionary_encode()
    return pc.take(
        pa.array([spelt.get(text, text) for text in encoded.dictionary.to_pylist()], pa.string()), encoded.indices
    )


def wanted_columns(schema: TableSchema) -> dict[str, ColumnType]:
    """Names and types of what a table of that schema holds: its columns, then its target."""
    types = {column.name: column.type for column in schema.columns}
    return types | {schema.target.name: target_type(schema.target)}


def columns_by_name(names: Sequence[str]) -> dict[str, list[int]]:
    """Where each name stands, under the one form of its letters: `é` is one character to some programs and two to
    others, and looks the same."""
    found: dict[str, list[int]] = {}
    for at, name in enumerate(names):
        found.setdefault(_one_form(name), []).append(at)
    return found


def _one_form(name: str) -> str:
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _some(names: Sequence[str], limit: int) -> str:
    """The first names, those with spaces around them in quotes: else nobody sees why they are others."""
    shown = ", ".join(name if name == name.strip() and name.isprintable() else repr(name) for name in names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


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


def without_unknown(frame: pd.DataFrame, categories: Mapping[str, Collection[str]]) -> pd.DataFrame:
    """The frame with every category that training never saw made null: looked up by hash, never read through."""
    changed: dict[str, Any] = {}
    for name, seen in categories.items():
        values = frame[name].to_numpy(dtype=object)
        kept = known_only(values, seen if isinstance(seen, frozenset) else frozenset(seen))
        if kept is not values:
            changed[name] = kept
    return frame.assign(**changed) if changed else frame


def known_only(values: NDArray[Any], seen: frozenset[str]) -> NDArray[Any]:
    """The values, null in place of those never seen; themselves when there is none."""
    # A null is unlike itself.
    kept = [value in seen or value != value for value in values]
    return values if all(kept) else np.where(kept, values, np.nan)


def is_text(column: Column) -> bool:
    return column.type in ("Category", "Text")
