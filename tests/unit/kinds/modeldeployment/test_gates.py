"""What the gates say: tables of verdicts, and how often they are wrong when the truth lies exactly on the limit."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.contracts.evidence import GroupSums
from bucle.externals.answers import AnswerCounts
from bucle.kinds.modeldeployment.gates import error_rate, quality


def groups(differences: list[float], rows: int = 100, against_prior: float = -0.1) -> list[GroupSums]:
    return [
        GroupSums(group=str(i), n=rows, x=d * rows, p=against_prior * rows, c=0.5 * rows, s=(0.5 - d) * rows)
        for i, d in enumerate(differences)
    ]


def noisy(mean: float, spread: float, count: int, seed: int = 1) -> list[float]:
    source = random.Random(seed)
    return [source.gauss(mean, spread) for _ in range(count)]


@pytest.mark.parametrize(
    ("differences", "margin", "verdict"),
    [
        ([], 0.005, "NoData"),
        (noisy(-1, 0.01, 11), 0.005, "NoData"),
        (noisy(-0.07, 0.03, 12), 0.005, "Pass"),
        (noisy(0.0, 0.001, 17), 0.005, "Pass"),
        (noisy(0.06, 0.03, 13), 0.005, "Fail"),
        (noisy(0.0, 0.03, 12), 0.005, "Inconclusive"),
        ([0.0] * 12, 0.005, "Pass"),
        ([0.0] * 12, 0.0, "Inconclusive"),
    ],
)
def test_quality_decides_by_closed_groups(differences: list[float], margin: float, verdict: str) -> None:
    assert quality.paired(groups(differences), margin, beats_prior=False).verdict == verdict


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


def test_a_candidate_as_good_as_a_useless_stable_version_must_still_beat_the_constant_predictor() -> None:
    useless = groups([0.0] * 20, against_prior=0.02)
    assert quality.paired(useless, 0.005, beats_prior=False).verdict == "Pass"
    assert quality.paired(useless, 0.005, beats_prior=True).verdict == "Fail"


def test_an_open_verdict_says_how_many_groups_it_takes() -> None:
    look = quality.paired(groups([0.01, -0.01] * 6), 0.005, beats_prior=True)
    assert look.verdict == "Inconclusive"
    assert look.needs_groups is not None and look.needs_groups > 12
    worse = quality.paired(groups(noisy(0.02, 0.03, 12)), 0.005, beats_prior=False)
    assert worse.needs_groups is None, "more of the same would not make it pass"


def test_few_groups_are_no_data_and_say_so() -> None:
    look = quality.paired(groups([0.0] * 5), 0.005, beats_prior=False)
    assert (look.groups, look.samples, look.needs_groups) == (5, 500, 12)


def test_the_half_width_is_the_published_formula() -> None:
    # worked by hand for t = 20, s = 1, α = 0.05: ρ² = 0.3968, tρ²+1 = 8.936, sqrt(0.1126 · 3.4305)
    assert quality.half_width(1.0, 20) == pytest.approx(0.6215, abs=1e-3)


def test_the_realised_metric_of_a_promotion_has_its_grouped_error() -> None:
    sums = [GroupSums(group=str(i), n=10, x=0, p=0, c=c, s=0) for i, c in enumerate((4.0, 6.0))]
    value, error, count, rows = quality.mean_loss(sums, sign=1)
    assert (value, count, rows) == (0.5, 2, 20)
    assert error == pytest.approx(0.1)
    assert quality.mean_loss(sums, sign=-1)[0] == -0.5


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


@given(st.lists(st.tuples(st.floats(-10, 10), st.integers(0, 50)), max_size=11))
def test_no_quality_gate_passes_before_twelve_groups(sums: list[tuple[float, int]]) -> None:
    given_groups = [GroupSums(group=str(i), n=n, x=x, p=x, c=0, s=0) for i, (x, n) in enumerate(sums)]
    assert quality.paired(given_groups, 1.0, beats_prior=False).verdict == "NoData"


def test_looking_after_every_group_condemns_a_model_at_the_margin_in_few_runs() -> None:
    """300 runs, looks after each of 12..40 groups, true difference exactly at the margin: at most α, plus noise."""
    wrong = {"Pass": 0, "Fail": 0}
    source = random.Random(20_260)
    runs = 300
    for _ in range(runs):
        sums = groups([source.gauss(0.005, 0.05) for _ in range(40)])
        for seen in range(12, 41):
            verdict = quality.paired(sums[:seen], 0.005, beats_prior=False).verdict
            if verdict in wrong:
                wrong[verdict] += 1
                break
    assert wrong["Pass"] / runs < 0.06 and wrong["Fail"] / runs < 0.06


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
