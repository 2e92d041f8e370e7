"""Charts of one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.cli.charts import ASCII, Scale, interval, row, scale_of, short, span
from bucle.cli.documents import Measured

SCALE = Scale(0.0, 10.0)


@pytest.mark.parametrize(
    ("measured", "drawn"),
    [
        (Measured(), ""),
        (Measured(value="5"), "     o"),
        (Measured(value="5", limit="8"), "     o  |"),
        (Measured(value="5", limit="5"), "     X"),
        (Measured(value="5", lower="3", upper="7", limit="9"), "   [-o-] |"),
        (Measured(value="5", lower="3", limit="4"), "   [|o---->"),
        (Measured(value="5", upper="7"), "<----o-]"),
        (Measured(value="50", lower="-50"), "[---------o"),
        (Measured(value="NaN", limit="much"), ""),
    ],
)
def test_an_interval_is_drawn_with_its_value_and_its_limit(measured: Measured, drawn: str) -> None:
    assert interval(measured, SCALE, 11, ASCII) == drawn


@given(*[st.none() | st.floats(allow_nan=True, allow_infinity=True)] * 4)
def test_whatever_the_numbers_are_a_chart_is_no_wider_than_it_may_be(
    value: float | None, lower: float | None, upper: float | None, limit: float | None
) -> None:
    told = [None if number is None else repr(number) for number in (value, lower, upper, limit)]
    measured = Measured(value=told[0], lower=told[1], upper=told[2], limit=told[3])
    scale = scale_of([measured])
    if scale is not None:
        assert len(interval(measured, scale, 20)) <= 20


@pytest.mark.parametrize(
    ("values", "drawn"),
    [([], ""), ([None], ""), ([1.0], "▁"), ([1.0, 1.0], "▁▁"), ([0.0, 3.5, 7.0], "▁▅█"), ([0.0, None, 7.0], "▁ █")],
)
def test_a_row_of_values_has_a_bar_for_each(values: list[float | None], drawn: str) -> None:
    assert row(values) == drawn


@pytest.mark.parametrize(
    ("text", "told"), [(None, ""), ("0.123456", "0.1235"), ("1e-7", "1e-07"), ("12000", "1.2e+04"), ("odd", "odd")]
)
def test_a_number_is_told_with_four_digits(text: str | None, told: str) -> None:
    assert short(text) == told


@pytest.mark.parametrize(
    ("lower", "upper", "told"), [("1", "2", "1 to 2"), ("1", None, "from 1"), (None, "2", "to 2"), (None, None, "")]
)
def test_an_interval_may_be_open(lower: str | None, upper: str | None, told: str) -> None:
    assert span(lower, upper) == told
