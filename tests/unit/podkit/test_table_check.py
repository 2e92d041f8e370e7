"""Tables keep what is usable: each fault costs its own row and is counted under its column and reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.contracts import capture
from bucle.contracts.row_rules import Fault, LabelContract, Refused, cell_of, required
from bucle.contracts.table import Column
from bucle.podkit.frames import ARROW
from bucle.podkit.table_check import usable_labels, usable_rows

HOUR = Column(name="hour", type="Integer", minimum="0", maximum="23")
AT = Column(name="at", type="Timestamp", role="Time")
FLIGHT = Column(name="flight", type="Text", role="Id")
WIND = Column(name="wind", type="Number", nullable="Allowed")
WEIGHT = Column(name="weight", type="Number", role="Weight", nullable="Allowed")
COLUMNS = (HOUR, AT, FLIGHT, WIND, WEIGHT)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GOOD = {"hour": 7, "at": NOON, "flight": "f", "wind": None, "weight": None}


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.table({c.name: pa.array([row[c.name] for row in rows], ARROW[c.type]) for c in COLUMNS})


@pytest.mark.parametrize(
    ("wrong", "column", "fault"),
    [
        ({"hour": 99}, "hour", Fault.OUT_OF_RANGE),
        ({"hour": None}, "hour", Fault.NULL),
        ({"at": None}, "at", Fault.NULL),
        ({"at": datetime(9999, 12, 31, tzinfo=UTC)}, "at", Fault.OUT_OF_RANGE),
        ({"flight": ""}, "flight", Fault.TOO_LONG),
        ({"wind": float("inf")}, "wind", Fault.OUT_OF_RANGE),
        ({"weight": -1.0}, "weight", Fault.OUT_OF_RANGE),
        ({"hour": 99, "at": None}, "hour", Fault.OUT_OF_RANGE),
    ],
)
def test_one_wrong_row_is_set_aside_alone(wrong: dict[str, Any], column: str, fault: Fault) -> None:
    usable, aside = usable_rows(table(GOOD, GOOD | wrong, GOOD), COLUMNS)
    assert usable.num_rows == 2
    assert (aside.counts, aside.rows, aside.words()) == ({(column, fault): 1}, 1, f"1 rows ({column} {fault})")


def test_a_column_that_nobody_sent_is_missing_in_every_row() -> None:
    usable, aside = usable_rows(table(GOOD, GOOD).drop_columns(["at", "wind"]), COLUMNS)
    assert (usable.num_rows, aside.counts) == (0, {("at", Fault.MISSING): 2})


def test_labels_in_another_spelling_count_and_others_are_counted() -> None:
    labels, aside = usable_labels(pa.array(["1.0", "true", "yes", None, "yes"]), LabelContract("Binary", ("0", "1")))
    assert labels.to_pylist() == ["1", "1", None, None, None]
    assert aside.words() == "2 rows (label not_a_class)"


NUMBERS = st.floats(allow_nan=False) | st.integers(-100, 100).map(float)


@given(
    hour=st.none() | st.integers(-5, 30),
    wind=st.none() | NUMBERS,
    weight=st.none() | NUMBERS,
    at=st.none() | st.datetimes(),
)
def test_a_row_is_usable_in_a_table_when_its_values_are_at_the_door(
    hour: Any, wind: Any, weight: Any, at: datetime | None
) -> None:
    row = GOOD | {"hour": hour, "wind": wind, "weight": weight, "at": at and at.replace(tzinfo=UTC)}
    usable, _ = usable_rows(table(row), COLUMNS)
    assert (usable.num_rows == 1) == all(_passes(column, row[column.name]) for column in COLUMNS)


def _passes(column: Column, value: Any) -> bool:
    try:
        return cell_of(column, value) is not None or not required(column)
    except Refused:
        return False


def test_a_row_dated_long_after_its_receipt_is_set_aside_and_one_of_next_month_is_not() -> None:
    received = pa.array([NOON] * 3, ARROW["Timestamp"])
    rows = [GOOD | {"at": NOON + timedelta(days=days)} for days in (0, 30, 400)]
    usable, aside = usable_rows(table(*rows).append_column(capture.RECEIVED, received), COLUMNS)
    assert (usable.num_rows, aside.words()) == (2, "1 rows (at in_future)")
