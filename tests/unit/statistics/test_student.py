"""Student's t without scipy gives what scipy gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.statistics import student

scipy_t = pytest.importorskip("scipy.stats").t

PROBABILITIES = (0.5, 0.6, 0.8, 0.9, 0.95, 0.975, 0.99, 0.999)
DEGREES = (1, 2, 3, 4, 5, 6, 9, 10, 29, 30, 99, 100, 399, 400, 401, 1000, 10_000)


@pytest.mark.parametrize("degrees", DEGREES)
@pytest.mark.parametrize("probability", PROBABILITIES)
def test_quantile_agrees_with_scipy(probability: float, degrees: int) -> None:
    assert student.quantile(probability, degrees) == pytest.approx(
        scipy_t.ppf(probability, degrees), rel=1e-7, abs=1e-9
    )


@given(st.floats(0.01, 0.99), st.integers(1, 600))
def test_quantile_is_symmetric(probability: float, degrees: int) -> None:
    assert student.quantile(probability, degrees) == pytest.approx(
        -student.quantile(1 - probability, degrees), abs=1e-9
    )


@pytest.mark.parametrize(("probability", "degrees"), [(0.0, 5), (1.0, 5), (0.9, 0)])
def test_nonsense_is_refused(probability: float, degrees: int) -> None:
    with pytest.raises(ValueError, match="must"):
        student.quantile(probability, degrees)
