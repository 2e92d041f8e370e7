"""Typing: what each source type becomes, what is refused with a count and without a value, and what a model is given."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bucle.contracts.table import Column, ColumnType, TableSchema, Target
from bucle.podkit.frames import (
    WrongValues,
    label_text,
    typed,
    typed_table,
    without_unknown,
)
from bucle.podkit.program import ProgramError
from bucle.podkit.request_check import Door

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "type_", "wanted"),
    [
        (pa.array([1, None], pa.int8()), "Integer", [1, None]),
        (pa.array([1.0, float("nan")]), "Integer", [1, None]),
        (pa.array([" 7", None]), "Integer", [7, None]),
        (pa.array([1, 2]), "Number", [1.0, 2.0]),
        (pa.array(["1.5", "1e3"]), "Number", [1.5, 1000.0]),
        (pa.array(["TRUE", "0", None]), "Boolean", [True, False, None]),
        (pa.array([1, 0, None]), "Boolean", [True, False, None]),
        (pa.array([1.0, None]), "Category", ["1", None]),
        (pa.array([1.5]), "Category", ["1.5"]),
        (pa.array([True]), "Category", ["true"]),
        (pa.array(["a", "b"]).dictionary_encode(), "Category", ["a", "b"]),
        (pa.array(["2026-01-01T13:00:00+01:00", None]), "Timestamp", [NOON, None]),
        (pa.array([datetime(2026, 1, 1, 12)]), "Timestamp", [NOON]),  # noqa: DTZ001 a source without zones means UTC
        (pa.array([date(2026, 1, 1)]), "Timestamp", [NOON.replace(hour=0)]),
        (pa.nulls(2), "Text", [None, None]),
        (pa.array([], pa.string()), "Boolean", []),
        (pa.array(["1.0", None, "2"]), "Integer", [1, None, 2]),
        (pa.array(["9007199254740993"]), "Integer", [9007199254740993]),
        (pa.array([1e20, 2.0]), "Category", ["100000000000000000000", "2"]),
    ],
)
def test_what_becomes_of_a_column(values: pa.Array, type_: ColumnType, wanted: list[Any]) -> None:
    assert typed(values, type_).to_pylist() == wanted


@pytest.mark.parametrize(
    ("values", "type_", "count"),
    [
        (pa.array([1.5, 2.0, None]), "Integer", 1),
        (pa.array(["1", "secret", "1.5"]), "Integer", 2),
        (pa.array([float("inf"), 1.0]), "Number", 1),
        (pa.array(["x", "y", None, "1"]), "Number", 2),
        (pa.array([2, 1, 0]), "Boolean", 1),
        (pa.array(["maybe", "true"]), "Boolean", 1),
        (pa.array(["2026-13-01", "2026-01-01", None]), "Timestamp", 1),
        (pa.array([1, 2]), "Timestamp", 2),
        (pa.array([[1]]), "Text", 1),
        (pa.array([1e300, 1.0]), "Integer", 1),
        (pa.array([2**63 + 1, 1], pa.uint64()), "Integer", 1),
        (pa.array([Decimal("1.50"), Decimal("2.00")]), "Integer", 1),
    ],
)
def test_misfits_are_counted(values: pa.Array, type_: ColumnType, count: int) -> None:
    with pytest.raises(WrongValues) as caught:
        typed(values, type_)
    assert caught.value.count == count


SCHEMA = TableSchema(
    target=Target(name="y", task="Binary", positive="1"),
    columns=(
        Column(name="n", type="Number", nullable="Allowed"),
        Column(name="c", type="Category", nullable="Allowed"),
        Column(name="k", type="Integer"),
        Column(name="b", type="Boolean"),
    ),
)


def test_a_wrong_type_names_column_and_count_but_no_value() -> None:
    table = pa.table({"n": ["secret", "1"], "c": ["a", "b"], "k": [1, 2], "b": [True, True], "y": [0, 1]})
    with pytest.raises(ProgramError) as caught:
        typed_table(table, SCHEMA)
    assert (caught.value.exit_code, caught.value.reason) == (78, "WrongType")
    assert "column n must be Number, but 1 of 2 values" in caught.value.message and "secret" not in caught.value.message


def test_an_unknown_column_names_those_that_exist() -> None:
    with pytest.raises(ProgramError) as caught:
        typed_table(pa.table({"m": [1], "c": ["a"], "k": [1], "b": [True], "y": [0]}), SCHEMA)
    assert caught.value.reason == "UnknownColumn" and "no column n; it has b, c, k, m, y" in caught.value.message


def test_a_column_that_comes_twice_is_refused_by_name() -> None:
    names = ["n", "n", "c", "k", "b", "y"]
    with pytest.raises(ProgramError) as caught:
        typed_table(pa.Table.from_arrays([pa.array([1])] * 6, names=names), SCHEMA)
    assert caught.value.reason == "WrongType" and "several columns called n" in caught.value.message


def test_columns_come_in_the_order_of_the_schema_and_the_target_as_text() -> None:
    table = typed_table(
        pa.table({"y": [0, 1], "b": [1, 0], "k": [1, 2], "c": [1, 2], "n": [1, 2], "extra": [0, 0]}), SCHEMA
    )
    assert table.column_names == ["n", "c", "k", "b", "y"]
    assert table.column("y").to_pylist() == ["0", "1"]


class NeverReadThrough(frozenset[str]):
    """Of a set only look-ups are cheap: reading 100,000 values through for each batch cost a second."""

    def __iter__(self) -> Any:
        raise AssertionError("read through")


def test_known_categories_are_looked_up_and_never_read_through() -> None:
    seen = NeverReadThrough({"a"})
    frame = pd.DataFrame({"c": np.array(["a", "z"], dtype=object)})
    assert without_unknown(frame, {"c": seen})["c"].isna().tolist() == [False, True]
    door = Door((Column(name="c", type="Category", unknown="Error"),), {"c": seen})
    assert door.admitted({"c": ["a"] * 20}).rows == 20


def test_a_category_never_seen_becomes_null() -> None:
    frame = pd.DataFrame({"c": np.array(["a", "z", np.nan], dtype=object)})
    changed = without_unknown(frame, {"c": frozenset({"a"})})
    assert changed["c"].tolist()[0] == "a" and changed["c"].isna().tolist() == [False, True, True]
    assert frame["c"].tolist()[:2] == ["a", "z"], "the caller's frame is left alone"


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (1.0, "1"), ("1", "1"), (True, "true"), (np.float64(2), "2"), (1.5, "1.5")]
)
def test_one_meaning_has_one_text(value: Any, text: str) -> None:
    assert label_text(value) == text
