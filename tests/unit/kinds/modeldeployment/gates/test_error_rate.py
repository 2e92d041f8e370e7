"""What the error gate says: tables of verdicts, and how often they are wrong when the truth lies exactly on the limit."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.externals.answers import AnswerCounts
from bucle.kinds.modeldeployment.gates import error_rate


@pytest.mark.parametrize(
    ("stable", "candidate", "verdict"),
    [
        # What both refuse: nobody is charged, nobody waits.
        (AnswerCounts(5000, 0, 1500), AnswerCounts(5000, 0, 1500), "Pass"),
        (AnswerCounts(5000, 0, 1500), AnswerCounts(5000, 0, 1530), "Pass"),
        (AnswerCounts(5000, 0, 1500), AnswerCounts(500, 0, 160), "Inconclusive"),
        (AnswerCounts(5000, 0, 5000), AnswerCounts(5000, 0, 5000), "Pass"),
        # What the candidate alone refuses.
        (AnswerCounts(5000, 0, 0), AnswerCounts(5000, 0, 500), "Fail"),
        (AnswerCounts(5000, 0, 500), AnswerCounts(5000, 0, 1500), "Fail"),
        (AnswerCounts(200, 0, 0), AnswerCounts(200, 0, 200), "Fail"),
        (AnswerCounts(5000, 0, 10), AnswerCounts(5000, 0, 80), "Inconclusive"),
        # What it alone answers.
        (AnswerCounts(5000, 0, 500), AnswerCounts(5000, 0, 0), "Pass"),
        # Failures are judged as they were.
        (AnswerCounts(5000, 0, 0), AnswerCounts(5000, 500, 0), "Fail"),
        (AnswerCounts(5000, 0, 0), AnswerCounts(0, 0, 0), "NoData"),
    ],
)
def test_what_the_candidate_alone_refuses_is_charged_and_what_both_refuse_is_not(
    stable: AnswerCounts, candidate: AnswerCounts, verdict: str
) -> None:
    assert error_rate.judged(stable, candidate, 0.005).verdict == verdict


def test_a_candidate_that_asks_more_of_callers_is_condemned_in_words() -> None:
    found = error_rate.judged(AnswerCounts(5000, 2, 10), AnswerCounts(5000, 2, 900), 0.005)
    assert found.message == (
        "the candidate refused 900 of 5000 requests (4xx), the stable version 10 of 5000: it asks more of callers than what "
        "serves"
    )


def test_bad_requests_that_reach_both_versions_by_lot_condemn_hardly_anybody() -> None:
    condemned = 0
    for seed in range(200):
        source = random.Random(seed)
        stable = candidate = AnswerCounts()
        for _ in range(20):
            stable += AnswerCounts(200, 0, sum(source.random() < 0.2 for _ in range(200)))
            candidate += AnswerCounts(200, 0, sum(source.random() < 0.2 for _ in range(200)))
            condemned += error_rate.judged(stable, candidate, 0.005).verdict == "Fail"
    assert condemned <= 5


@pytest.mark.parametrize(
    ("stable", "candidate", "verdict"),
    [
        ((5000, 0), (0, 0), "NoData"),
        ((0, 0), (5000, 0), "NoData"),
        ((5000, 0), (2000, 0), "Pass"),
        ((5000, 0), (200, 0), "Inconclusive"),
        ((5000, 5), (5000, 500), "Fail"),
        ((5000, 500), (5000, 500), "Inconclusive"),
        ((1000, 0), (10, 10), "Fail"),
    ],
)
def test_errors_are_counted_against_stable(stable: tuple[int, int], candidate: tuple[int, int], verdict: str) -> None:
    assert error_rate.compared(AnswerCounts(*stable), AnswerCounts(*candidate), 0.005).verdict == verdict


def test_an_open_error_gate_says_how_many_requests_it_takes() -> None:
    look = error_rate.compared(AnswerCounts(9000, 9), AnswerCounts(1000, 1), 0.005)
    assert look.needs_samples is not None
    factor = look.needs_samples / 1000
    later = error_rate.compared(
        AnswerCounts(round(9000 * factor), round(9 * factor)), AnswerCounts(look.needs_samples, round(factor)), 0.005
    )
    assert later.verdict == "Pass"


@given(n=st.integers(1, 5000), data=st.data())
def test_a_rate_lies_within_its_own_bounds(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    bounds = error_rate.rate_bounds(AnswerCounts(n, k), 0.025)
    assert 0.0 <= bounds.lower <= bounds.estimate <= bounds.upper <= 1.0


@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 50), st.integers(0, 50))
def test_no_error_gate_passes_without_samples(stable: int, candidate: int, failed: int, worse: int) -> None:
    look = error_rate.compared(
        AnswerCounts(stable, min(failed, stable)), AnswerCounts(candidate, min(worse, candidate)), max_increase=0.005
    )
    if look.verdict == "Pass":
        assert candidate > 0 and stable > 0


def test_looking_at_every_two_hundred_requests_condemns_an_equal_candidate_in_few_runs() -> None:
    """100 runs at the limit itself (stable 1 %, candidate 1.5 %), 25 looks each of 200."""
    source, wrong, runs = random.Random(7), 0, 100
    for _ in range(runs):
        stable = candidate = AnswerCounts(0, 0)
        for _ in range(25):
            stable = AnswerCounts(
                stable.requests + 200, stable.errors + sum(source.random() < 0.01 for _ in range(200))
            )
            candidate = AnswerCounts(
                candidate.requests + 200, candidate.errors + sum(source.random() < 0.015 for _ in range(200))
            )
            if error_rate.compared(stable, candidate, 0.005).verdict in ("Pass", "Fail"):
                wrong += 1
                break
    assert wrong / runs <= 0.05
