"""What may be said of a library's exception: never its own text about a person's rows, which quotes their values.

An exception that made-up rows raise as well is about the parameters, and its text about made-up rows may be told. Any
other is told by its type and by the columns that it is about. Knows frames; knows no pipeline.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bucle.contracts.table import Column, TableSchema
from bucle.podkit.frames import is_text
from bucle.podkit.model import feature_columns

MADE_UP_ROWS = 60
NAMED = 5
SHORTEST_QUOTE = 3
"""A shorter value is found in almost any text."""
_WORDS = np.array(["alpha beta", "beta gamma", "gamma delta alpha"], dtype=object)


def made_up(table: TableSchema, classes: tuple[str, ...]) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of no one: features and targets of the table's types, without nulls."""
    random = np.random.default_rng(0)
    data = {column.name: _made_up_values(column, random) for column in feature_columns(table)}
    truth = np.arange(MADE_UP_ROWS) % len(classes) if classes else random.normal(size=MADE_UP_ROWS)
    return pd.DataFrame(data), truth


def about_rows(error: Exception, frame: pd.DataFrame, table: TableSchema) -> str:
    """The type of the exception and the columns that it is about, as far as they can be told."""
    named = _columns_of(str(error), frame, table)
    shown = ", ".join(named[:NAMED]) + (f" and {len(named) - NAMED} more" if len(named) > NAMED else "")
    where = f" in {'column' if len(named) == 1 else 'columns'} {shown}" if named else ""
    return f"{type(error).__name__}{where}"


def _made_up_values(column: Column, random: np.random.Generator) -> np.ndarray:
    if is_text(column):
        return np.asarray(_WORDS[np.arange(MADE_UP_ROWS) % len(_WORDS)])
    if column.type == "Boolean":
        return np.asarray(random.integers(0, 2, MADE_UP_ROWS), dtype=np.float64)
    values = random.uniform(0.0, 1.0, MADE_UP_ROWS)
    return np.asarray(np.round(values * 9) if column.type == "Integer" else values, dtype=np.float64)


def _columns_of(text: str, frame: pd.DataFrame, table: TableSchema) -> list[str]:
    """Columns with nulls where it speaks of NaN, and columns of text one of whose values it quotes."""
    if "NaN" in text:
        holed = [f"{name} ({count} nulls)" for name, count in frame.isna().sum().items() if count]
        if holed:
            return holed
    quoted: list[str] = []
    texts = [column.name for column in feature_columns(table) if is_text(column)]
    for name in texts:
        values = frame[name].dropna().unique()
        if any(len(value) >= SHORTEST_QUOTE and value in text for value in values):
            quoted.append(name)
    if not quoted and "convert string" in text:
        return texts
    return quoted
