"""Quantities as the API server understands them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bucle.resources.quantity import amount, same_amounts


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", "1"),
        (2, "2"),
        ("0.5", "0.5"),
        ("500m", "0.5"),
        ("1e3", "1000"),
        ("2E", "2e18"),
        ("1k", "1000"),
        ("1Ki", "1024"),
        ("0.5Gi", "536870912"),
        ("100n", "1e-7"),
    ],
)
def test_the_value_of_a_quantity(text: object, value: str) -> None:
    assert amount(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "much", "1Kim", "Gi"])
def test_what_is_no_quantity_has_no_value(text: str) -> None:
    assert amount(text) is None


@pytest.mark.parametrize(
    ("live", "wanted", "same"),
    [("1", "1000m", True), ("2Gi", "2048Mi", True), ("500m", "0.5", True), ("1G", "1Gi", False), ("x", "x", True)],
)
def test_one_amount_in_two_forms(live: str, wanted: str, same: bool) -> None:
    assert same_amounts(live, wanted) is same
