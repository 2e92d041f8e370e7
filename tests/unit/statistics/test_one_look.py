"""Means that are judged once: bounds that widen with all that makes groups worth less."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.statistics.evidence import Standing
from bucle.statistics.one_look import interval

PLAIN = Standing(groups=28, mean=0.0, spread=1.0, skew=0.0, lag=0.0, kish=28.0)
standings = st.builds(
    Standing,
    groups=st.integers(2, 400),
    mean=st.floats(-10, 10),
    spread=st.floats(0, 10),
    skew=st.floats(-10, 10),
    lag=st.floats(-1, 1.5),
    kish=st.floats(1, 400),
)


@pytest.mark.parametrize(
    ("change", "lower", "upper"),
    [
        ({"lag": 0.4}, True, True),
        ({"kish": 4.0}, True, True),
        ({"spread": 2.0}, True, True),
        ({"skew": 2.0}, False, True),
        ({"skew": -2.0}, True, False),
    ],
    ids=["days follow each other", "few large groups", "more noise", "bad days rare", "good days rare"],
)
def test_what_makes_groups_worth_less_moves_the_bound_it_concerns(
    change: dict[str, Any], lower: bool, upper: bool
) -> None:
    plain, found = interval(PLAIN, 0.95), interval(replace(PLAIN, **change), 0.95)
    assert (found.lower < plain.lower) is lower
    assert (found.upper > plain.upper) is upper


def test_of_plain_groups_it_is_nearly_students_interval() -> None:
    assert interval(PLAIN, 0.95).upper == pytest.approx(1.703 / 28**0.5, rel=0.06)


def test_where_no_group_differs_the_mean_is_all_that_is_known() -> None:
    found = interval(replace(PLAIN, spread=0.0, mean=0.25), 0.95)
    assert (found.lower, found.upper) == (0.25, 0.25)


@given(standings, st.floats(0.5001, 0.999))
def test_a_mean_lies_in_its_interval_and_more_confidence_is_no_narrower(standing: Standing, confidence: float) -> None:
    found, surer = interval(standing, confidence), interval(standing, (1 + confidence) / 2)
    assert found.lower <= standing.mean <= found.upper
    assert surer.lower <= found.lower and found.upper <= surer.upper
