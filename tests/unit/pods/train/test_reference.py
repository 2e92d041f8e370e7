"""What a model's reference says of its rows: finite numbers alone, whatever finite numbers the rows hold."""

from __future__ import annotations

import math
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.contracts.canonical import canonical_json
from bucle.contracts.table import Column
from bucle.podkit.metrics import Answers, Floats
from bucle.pods.train.reference import QUANTILES, feature_profiles, quantiles, score_quantiles

GREATEST = sys.float_info.max


@pytest.mark.parametrize(
    ("values", "lowest", "middle", "greatest"),
    [
        ([1e308, -1e308], -1e308, 0.0, 1e308),
        ([GREATEST, -GREATEST], -1.79769313e308, 0.0, 1.79769313e308),
        ([GREATEST] * 3, 1.79769313e308, 1.79769313e308, 1.79769313e308),
        ([0.5, 1.5, math.inf, -math.inf, math.nan], 0.5, 1.0, 1.5),
    ],
)
def test_quantiles_of_huge_numbers_are_finite(
    values: list[float], lowest: float, middle: float, greatest: float
) -> None:
    found = quantiles(np.array(values))
    assert (found[0], found[QUANTILES // 2], found[-1]) == (lowest, middle, greatest)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=40))
def test_a_profile_of_any_numbers_can_be_written_and_is_in_order(values: list[float]) -> None:
    (profile,) = feature_profiles(
        pd.DataFrame({"size": values}, dtype="float64"), (Column(name="size", type="Number"),)
    )
    assert canonical_json(profile.as_json())
    assert list(profile.quantiles) == sorted(profile.quantiles) and len(profile.quantiles) in (0, QUANTILES)


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40))
def test_quantiles_are_those_of_numpy_where_it_has_any(values: list[float]) -> None:
    known: Floats = np.quantile(np.array(values), np.linspace(0.0, 1.0, QUANTILES))
    assert quantiles(np.array(values)) == pytest.approx([float(f"{q:.9g}") for q in known], rel=1e-8, abs=1e-320)


def test_answers_that_are_no_numbers_are_no_scores() -> None:
    assert score_quantiles(Answers(numbers=np.array([math.nan, math.inf]))) == ()
    assert score_quantiles(Answers(numbers=np.array([math.nan, 2.0]))) == (2.0,) * QUANTILES
