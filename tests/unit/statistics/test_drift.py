"""Windows against a reference: what is shown, what likeness and skewness cost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.statistics.drift import Reference, Window, pooled, variance_of_mean

KNOWN = Reference(loss=0.5, groups=59, spread=0.1, kish=59.0)


def window(worse: float, *, groups: int = 7, spread: float = 0.1, rows: float = 5000.0) -> Window:
    return Window(loss=0.5 + worse, rows=rows, groups=groups, spread=spread, kish=float(groups))


@pytest.mark.parametrize(
    ("windows", "limit", "beyond"),
    [
        ([window(0.2)] * 3, 0.03, True),
        ([window(0.03)] * 3, 0.03, False),
        ([window(-0.5)] * 3, 0.03, False),
        ([window(0.1)] * 3, 0.03, True),
        ([window(0.1)], 0.03, False),
        ([window(0.1, spread=0.4)] * 3, 0.03, False),
    ],
    ids=["far beyond", "at the limit", "better", "one spread", "one window is too few for it", "wild windows"],
)
def test_what_windows_show(windows: list[Window], limit: float, beyond: bool) -> None:
    assert pooled(windows, KNOWN).beyond(limit) is beyond


def test_three_bad_windows_that_scatter_twice_as_much_are_still_shown() -> None:
    """Skewed losses do that whenever they are bad; the reference's many groups say what is usual."""
    assert pooled([window(0.15, spread=0.2)] * 3, KNOWN).beyond(0.03)


worlds = st.lists(
    st.builds(
        window, st.floats(-0.3, 0.3), groups=st.integers(5, 30), spread=st.floats(0.01, 0.5), rows=st.floats(10, 1e6)
    ),
    min_size=1,
    max_size=5,
)
references = st.builds(
    Reference,
    loss=st.just(0.5),
    groups=st.integers(5, 400),
    spread=st.floats(0.01, 0.5),
    kish=st.floats(2, 400),
    correlation=st.floats(-0.99, 0.99),
    skew=st.floats(-5, 5),
)


@given(worlds, references)
def test_a_reach_is_a_distance_and_more_skewness_makes_it_no_shorter(windows: list[Window], known: Reference) -> None:
    found = pooled(windows, known)
    assert found.reach > 0
    assert pooled(windows, replace(known, skew=known.skew + 1)).reach >= found.reach


@given(worlds, references, st.floats(0.01, 100))
def test_the_unit_of_the_metric_does_not_matter(windows: list[Window], known: Reference, scale: float) -> None:
    bigger = [replace(w, loss=w.loss * scale, spread=w.spread * scale) for w in windows]
    found = pooled(bigger, replace(known, loss=known.loss * scale, spread=known.spread * scale))
    assert found.reach == pytest.approx(pooled(windows, known).reach * scale)


@pytest.mark.parametrize("correlation", [0.0, 0.2, 0.4, 0.7])
def test_groups_that_follow_each_other_need_more(correlation: float) -> None:
    """Of 59 groups, for a candidate's week of three windows."""
    reach = pooled([window(0.1)] * 3, replace(KNOWN, correlation=correlation)).reach
    assert pooled([window(0.1)] * 3, replace(KNOWN, correlation=correlation + 0.2)).reach > reach


def test_an_older_model_without_the_new_numbers_is_taken_for_one_of_independent_groups_with_some_doubt() -> None:
    assert 0.05 < KNOWN.likeness < 0.1


@given(st.floats(0.01, 0.9), st.integers(1, 400))
def test_a_mean_of_neighbours_varies_between_once_and_k_times_as_much(phi: float, groups: int) -> None:
    assert 1 - 1e-9 <= variance_of_mean(phi, groups) <= groups + 1e-9


@pytest.mark.parametrize(("phi", "groups"), [(0.5, 2), (0.7, 3), (0.9, 4), (0.3, 10)])
def test_it_is_the_variance_of_the_mean_of_an_ar_1_series(phi: float, groups: int) -> None:
    covariances = sum(phi ** abs(a - b) for a in range(groups) for b in range(groups))
    assert variance_of_mean(phi, groups) == pytest.approx(covariances / groups)
