"""What a value may be, said once: each line is a value that somebody sent, and what it is or why it is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from bucle.contracts.row_rules import Fault, LabelContract, Refused, category_text, cell_of, text_of
from bucle.contracts.table import Column

HOUR = Column(name="hour", type="Integer", minimum="0", maximum="23")
DISTANCE = Column(name="distance", type="Number")
NIGHT = Column(name="night", type="Boolean")
CARRIER = Column(name="carrier", type="Category")
REMARK = Column(name="remark", type="Text")
FLIGHT = Column(name="flight", type="Text", role="Id")
NUMBERED = Column(name="number", type="Integer", role="Id")
AT = Column(name="at", type="Timestamp", role="Time")
WEIGHT = Column(name="weight", type="Number", role="Weight")
OPTIONAL = Column(name="wind", type="Number", nullable="Allowed")
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("column", "value", "cell"),
    [
        (HOUR, 7, 7),
        (HOUR, 7.0, 7),
        (DISTANCE, 3, 3.0),
        (DISTANCE, 2**64 - 1, float(2**64 - 1)),
        (NIGHT, True, True),
        (NIGHT, 0, False),
        (CARRIER, "UA", "UA"),
        (CARRIER, 1, "1"),
        (CARRIER, 1.0, "1"),
        (CARRIER, "1.0", "1"),
        (REMARK, "1.0", "1.0"),
        (FLIGHT, 2**63, str(2**63)),
        (AT, "2026-01-01T00:00:00Z", NEW_YEAR),
        (AT, "2026-01-01 01:00:00+01:00", NEW_YEAR),
        (AT, "2026-01-01", NEW_YEAR),
        (OPTIONAL, None, None),
        (OPTIONAL, float("nan"), None),
        (FLIGHT, None, None),
        (AT, None, None),
    ],
)
def test_a_value_of_the_columns_type_is_taken(column: Column, value: Any, cell: Any) -> None:
    assert (cell_of(column, value), type(cell_of(column, value))) == (cell, type(cell))


@pytest.mark.parametrize(
    ("column", "value", "fault", "says"),
    [
        (HOUR, 99, Fault.OUT_OF_RANGE, "at most 23"),
        (HOUR, -1, Fault.OUT_OF_RANGE, "at least 0"),
        (HOUR, 1.5, Fault.WRONG_TYPE, "whole number"),
        (HOUR, True, Fault.WRONG_TYPE, "whole number"),
        (HOUR, "7", Fault.WRONG_TYPE, "whole number"),
        (HOUR, None, Fault.NULL, "not be null"),
        (NUMBERED, 2**63, Fault.OUT_OF_RANGE, "64 bits"),
        (NUMBERED, 1e18, Fault.OUT_OF_RANGE, "64 bits"),
        (DISTANCE, float("inf"), Fault.OUT_OF_RANGE, "finite"),
        (DISTANCE, 10**400, Fault.OUT_OF_RANGE, "finite"),
        (DISTANCE, "far", Fault.WRONG_TYPE, "number"),
        (NIGHT, "yes", Fault.WRONG_TYPE, "true or false"),
        (NIGHT, 2, Fault.WRONG_TYPE, "true or false"),
        (CARRIER, ["UA"], Fault.WRONG_TYPE, "text"),
        (FLIGHT, 1e20, Fault.OUT_OF_RANGE, "sent as a text"),
        (FLIGHT, "", Fault.TOO_LONG, "characters"),
        (FLIGHT, "x" * 513, Fault.TOO_LONG, "512 characters"),
        (AT, 1767225600, Fault.NOT_A_TIME, "ISO 8601"),
        (AT, "noon", Fault.NOT_A_TIME, "ISO 8601"),
        (AT, "9999-12-31T23:00:00-05:00", Fault.OUT_OF_RANGE, "1678 to 2261"),
        (AT, "0001-01-01T00:00:00+12:00", Fault.OUT_OF_RANGE, "1678 to 2261"),
        (WEIGHT, -1.0, Fault.OUT_OF_RANGE, "negative"),
    ],
)
def test_a_value_that_could_break_something_later_is_refused_with_its_rule(
    column: Column, value: Any, fault: Fault, says: str
) -> None:
    with pytest.raises(Refused, match=says) as refused:
        cell_of(column, value)
    assert refused.value.fault is fault


@pytest.mark.parametrize(
    ("classes", "values", "label"),
    [
        (("0", "1"), [1, 1.0, "1", "1.0", " 1 ", "01", True, "true", "True"], "1"),
        (("0", "1"), [0, "0", -0.0, False, "FALSE"], "0"),
        (("false", "true"), [True, "true", "True", 1, "1"], "true"),
        (("False", "True"), [True, "true", 1.0], "True"),
        (("1.0", "2.0"), [1, "1", "1.0"], "1.0"),
        (("late", "on time"), ["late"], "late"),
        (("1", "1.0"), ["1.0"], "1.0"),
        ((), [1.0, "1.0", 1], "1"),
    ],
)
def test_spellings_of_one_class_are_one_label(classes: tuple[str, ...], values: list[Any], label: str) -> None:
    contract = LabelContract("Binary", classes)
    assert [contract.text(value) for value in values] == [label] * len(values)


@pytest.mark.parametrize(
    ("classes", "value"),
    [
        (("0", "1"), "yes"),
        (("0", "1"), 2),
        (("0", "1"), 0.5),
        (("0", "1"), 2**64),
        (("0", "1", "2"), True),
        (("no", "yes"), True),
        (("late", "on time"), "Late"),
        (("0", "1"), 1e300),
    ],
)
def test_what_is_no_class_is_refused_with_the_classes(classes: tuple[str, ...], value: Any) -> None:
    with pytest.raises(Refused, match=f"one of the classes {', '.join(classes)}") as refused:
        LabelContract("MultiClass", classes).text(value)
    assert refused.value.fault is Fault.NOT_A_CLASS


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (1e200, Fault.OUT_OF_RANGE),
        (10**400, Fault.OUT_OF_RANGE),
        (float("inf"), Fault.OUT_OF_RANGE),
        (float("nan"), Fault.OUT_OF_RANGE),
        (Decimal("NaN"), Fault.OUT_OF_RANGE),
        (True, Fault.WRONG_TYPE),
        ("", Fault.WRONG_TYPE),
        ("nan", Fault.WRONG_TYPE),
        (None, Fault.WRONG_TYPE),
    ],
)
def test_a_number_that_no_sum_survives_is_no_label(value: Any, fault: Fault) -> None:
    with pytest.raises(Refused) as refused:
        LabelContract("Regression").text(value)
    assert refused.value.fault is fault


@pytest.mark.parametrize("value", [0, -1.5, "2.5", "1e3", 1e59, Decimal("0.1")])
def test_a_bounded_number_is_a_label_and_reads_back(value: Any) -> None:
    assert float(LabelContract("Regression").text(value)) == float(value)


def test_many_classes_are_not_all_named() -> None:
    with pytest.raises(Refused, match=r"and 980 more$"):
        LabelContract("MultiClass", tuple(f"c{n}" for n in range(1000))).text("d")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (1.0, "1"),
        (True, "true"),
        (np.bool_(False), "false"),
        (np.float64(2.0), "2"),
        (np.int64(3), "3"),
        (0.5, "0.5"),
        (Decimal("1.00"), "1"),
        (Decimal("0.50"), "0.5"),
        (Decimal("0.0000001"), "1e-07"),
        (Decimal("0.12345678901234567890123"), "0.12345678901234567890123"),
        ("1.0", "1.0"),
    ],
)
def test_a_scalar_has_one_text(value: Any, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("1.0", "1"), ("-0.0", "0"), ("10.00", "10"), ("01.0", "01.0"), ("1.5", "1.5"), ("v1.0", "v1.0"), (2.0, "2")],
)
def test_whole_numbers_written_as_floats_are_one_category(value: Any, text: str) -> None:
    assert category_text(value) == text
