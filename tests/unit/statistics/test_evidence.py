"""What paired groups can show, and when nothing may be said; laws that hold for any groups."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite, log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.statistics import paired
from bucle.statistics.evidence import ALPHA, Side, Standing, interval, judge, log_evidence, reach
from bucle.statistics.moments import Moments
from bucle.statistics.refusals import NoSpread, TooFewGroups, TooFewIndependent

Groups = list[tuple[float, float]]


def days(count: int, *, mean: float = 0.0, seed: int = 1, rows: float = 100.0, alike: float = 0.0) -> Groups:
    """Groups whose differences have a spread of 1; `alike`: the share of a day's level that the next one keeps."""
    random, level, found = Random(seed), 0.0, []
    for _ in range(count):
        level = alike * level + (1 - alike**2) ** 0.5 * random.gauss(0.0, 1.0)
        found.append(((mean + level) * rows, rows))
    return found


many = st.builds(
    days,
    st.integers(12, 90),
    mean=st.floats(-2, 2),
    seed=st.integers(0, 10_000),
    alike=st.sampled_from((0.0, 0.4, 0.7)),
)
limits = st.floats(-3, 3)


@pytest.mark.parametrize(
    ("groups", "side"),
    [
        (days(45, mean=-1.0), Side.BELOW),
        (days(45, mean=1.0), Side.ABOVE),
        (days(60), None),
        (days(119, mean=-1.0, alike=0.3), Side.BELOW),
    ],
    ids=["one spread better", "one spread worse", "at the limit", "better, and days follow each other"],
)
def test_on_which_side_of_the_limit_a_mean_is_shown_to_lie(groups: Groups, side: Side | None) -> None:
    judged = judge(paired.standing(groups), 0.0)
    assert (judged.side, judged.refusal) == (side, None)


def test_nothing_is_said_before_twelve_groups() -> None:
    judged = judge(paired.standing(days(11, mean=-50.0)), 0.0)
    assert judged.refusal == TooFewGroups(11)
    assert judged.refusal.words == "11 of at least 12 closed groups"


def test_groups_that_never_differ_show_nothing_because_a_rare_disaster_has_not_come_yet() -> None:
    judged = judge(paired.standing([(0.1 * n, n) for n in range(100, 140)]), 1.0)
    assert (judged.side, judged.refusal) == (None, NoSpread(40))


def test_days_that_follow_each_other_are_told_as_the_few_independent_ones_they_are() -> None:
    wave: Groups = [((g % 30 < 15) - 0.5 - 9.0, 1.0) for g in range(40)]
    judged = judge(paired.standing(wave), 0.0)
    assert isinstance(judged.refusal, TooFewIndependent)
    assert "40 groups" in judged.refusal.words
    assert "about 1 independent groups" in judged.refusal.words


def test_who_vouches_that_days_are_independent_gets_a_verdict_from_them() -> None:
    standing = paired.standing(days(40, mean=-1.0, alike=0.7, seed=3))
    assert judge(standing, 0.0).side is None
    assert judge(standing.declared_independent(), 0.0).side is Side.BELOW


def test_one_huge_group_counts_as_one() -> None:
    alike = paired.standing(days(40))
    huge = paired.standing([*days(39), (10_000.0, 100_000.0)])
    assert alike.kish == pytest.approx(40)
    assert huge.kish < 2


@given(many, limits, st.floats(0.001, 1000))
def test_the_unit_of_the_metric_and_of_the_rows_does_not_matter(groups: Groups, limit: float, scale: float) -> None:
    scaled = judge(paired.standing([(x * scale, n) for x, n in groups]), limit * scale)
    more_rows = judge(paired.standing([(x * scale, n * scale) for x, n in groups]), limit)
    found = judge(paired.standing(groups), limit)
    assert scaled.side == found.side == more_rows.side
    assert scaled.interval.lower == pytest.approx(found.interval.lower * scale, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("unit", [1e-90, 1e60, 1e118])
def test_losses_as_large_or_small_as_a_squared_error_may_be_are_judged_like_others(unit: float) -> None:
    days_ = days(45, mean=-1.0)
    found, plain = paired.standing([(x * unit, n) for x, n in days_]), paired.standing(days_)
    assert (found.skew, found.lag) == pytest.approx((plain.skew, plain.lag))
    assert judge(found, 0.0).side is Side.BELOW
    assert judge(found, 0.0).interval.upper == pytest.approx(judge(plain, 0.0).interval.upper * unit)


@given(many, limits, st.floats(-5, 5))
def test_what_is_added_to_every_row_and_to_the_limit_does_not_matter(groups: Groups, limit: float, by: float) -> None:
    one, other = paired.standing(groups), paired.standing([(x + by * n, n) for x, n in groups])
    for side in Side:
        assert log_evidence(other, limit + by, side) == pytest.approx(
            log_evidence(one, limit, side), rel=1e-6, abs=1e-6
        )


@given(many, limits)
def test_the_two_sides_mirror_each_other(groups: Groups, limit: float) -> None:
    mirrored = paired.standing([(-x, n) for x, n in groups])
    for side in Side:
        evidence = log_evidence(paired.standing(groups), limit, side)
        assert log_evidence(mirrored, -limit, Side(-side)) == pytest.approx(evidence)


@given(many, limits, st.sampled_from((0.01, ALPHA, 0.05)))
def test_the_interval_says_what_the_verdict_says(groups: Groups, limit: float, alpha: float) -> None:
    standing = paired.standing(groups)
    found, judged = interval(standing, alpha), judge(standing, limit, alpha)
    assert found.lower <= standing.mean <= found.upper
    assert (judged.side is Side.BELOW) == (found.upper < limit)
    assert (judged.side is Side.ABOVE) == (found.lower > limit)


@given(many, st.sampled_from(list(Side)))
def test_evidence_at_the_end_of_the_interval_is_just_enough(groups: Groups, side: Side) -> None:
    standing = paired.standing(groups)
    far = reach(standing, side)
    if isfinite(far):
        end = standing.mean + side * far * standing.spread
        assert log_evidence(standing, end, side) == pytest.approx(log(1 / ALPHA), rel=1e-6)
    else:
        assert log_evidence(standing, standing.mean + side * 1e12, side) < log(1 / ALPHA)


@given(many)
def test_no_limit_is_shown_on_both_sides_and_a_farther_one_is_no_less_sure(groups: Groups) -> None:
    standing = paired.standing(groups)
    steps = [log_evidence(standing, standing.mean + away, Side.BELOW) for away in (0.0, 0.1, 0.5, 1.0, 4.0, 1e300)]
    assert steps == sorted(steps)
    assert log_evidence(standing, standing.mean, Side.ABOVE) == -inf


@given(st.lists(st.floats(-1, 1).map(lambda d: round(d, 6)), min_size=3, max_size=60))
def test_seven_numbers_stand_for_all_intervals(differences: list[float]) -> None:
    moments = Moments()
    for difference in differences:
        moments = moments.and_then(difference)
    told, found = moments.standing(), paired.standing([(difference, 1.0) for difference in differences])
    if found.spread > 1e-3:
        assert astuple(told) == pytest.approx(astuple(found), rel=1e-5, abs=1e-5)


def astuple(standing: Standing) -> tuple[float, ...]:
    return (standing.mean, standing.spread, standing.skew, standing.lag, standing.kish)


@pytest.mark.parametrize("skew", [-2.0, 0.0, 1e-9, 1e-5, 0.3, 2.0])
def test_more_skew_on_the_bad_side_asks_for_more(skew: float) -> None:
    standing = Standing(groups=50, mean=0.0, spread=1.0, skew=skew, lag=0.0, kish=50.0)
    more = replace(standing, skew=skew + 0.5)
    assert reach(more, Side.BELOW) >= reach(standing, Side.BELOW)
    assert reach(more, Side.ABOVE) <= reach(standing, Side.ABOVE)
