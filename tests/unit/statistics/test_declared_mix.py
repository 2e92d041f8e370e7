"""What groups say at a mix that somebody declared, and when they cannot say it."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.statistics import paired
from bucle.statistics.declared_mix import ByDays, by_classes, by_days, judge_by_classes, judge_by_days
from bucle.statistics.evidence import Side, Standing, judge
from bucle.statistics.refusals import CovariateDidNotMove, TooFarFromMix, TooFewGroups, TooFewIndependent, TooFewOfClass

Covered = list[tuple[float, float, float]]


def hard_days(
    count: int, *, at_mix: float = -0.05, hardness: float = 0.3, seed: int = 1, rows: float = 300.0
) -> Covered:
    """Days with a share of late flights around `hardness`; each late share more makes the candidate better by 0.4. The
    advantage is `at_mix` where the share is 0.3."""
    random, found = Random(seed), []
    for _ in range(count):
        share = min(max(random.gauss(hardness, 0.12), 0.02), 0.98)
        difference = at_mix - 0.4 * (share - 0.3) + random.gauss(0.0, 0.03)
        found.append((difference * rows, rows, share * rows))
    return found


worlds = st.builds(hard_days, st.integers(12, 80), at_mix=st.floats(-0.2, 0.2), seed=st.integers(0, 10_000))


@pytest.mark.parametrize(
    ("days", "side"),
    [(hard_days(30), Side.BELOW), (hard_days(30, at_mix=0.06), Side.ABOVE), (hard_days(60, at_mix=0.005), None)],
    ids=["better at the mix", "worse at the mix", "at the margin"],
)
def test_a_line_through_the_days_gives_the_verdict_at_the_declared_share(days: Covered, side: Side | None) -> None:
    assert judge_by_days(by_days(days, 0.3), 0.005).side is side


def test_at_the_mix_it_is_decided_where_the_days_as_they_came_decide_nothing() -> None:
    days = hard_days(30, at_mix=-0.025)
    assert judge(paired.standing([(x, n) for x, n, _ in days]), 0.005).side is None
    assert judge_by_days(by_days(days, 0.3), 0.005).side is Side.BELOW


def test_the_share_at_which_the_advantage_turns_is_told() -> None:
    found = by_days(hard_days(60), 0.3)
    assert isinstance(found, ByDays)
    assert found.turns_at(0.0) == pytest.approx(0.3 - 0.05 / 0.4, abs=0.02)


@pytest.mark.parametrize("slope", [0.0, 5e-324, -1e-320])
def test_a_line_that_is_as_good_as_level_turns_nowhere(slope: float) -> None:
    standing = Standing(groups=20, mean=-1.0, spread=1.0, skew=0.0, lag=0.0, kish=20.0, lost=2)
    assert ByDays(standing, slope, here=0.3, declared=0.3, distance=0.0).turns_at(0.0) is None


@pytest.mark.parametrize(
    ("days", "declared", "refusal", "words"),
    [
        (hard_days(11), 0.3, TooFewGroups, "11 of at least 12 closed groups"),
        ([(0.0, 10.0, 3.0)] * 8, 0.3, TooFewGroups, "8 of at least 12 closed groups"),
        ([(0.1 * g, 10.0, 3.0) for g in range(20)], 0.3, CovariateDidNotMove, "the covariate did not move"),
        (hard_days(40), 0.6, TooFarFromMix, "spreads from the declared mix (0.6), at most 0.5"),
        (
            [(0.4 * n * (g % 5) / 9, n, n * (g % 5) / 9) for g, n in enumerate(range(100, 140))],
            0.2,
            object,
            "differ by the same",
        ),
    ],
    ids=["few", "few and alike", "equally hard", "far away", "all on one line"],
)
def test_why_nothing_is_said_at_a_mix(days: Covered, declared: float, refusal: type[object], words: str) -> None:
    judged = judge_by_days(by_days(days, declared), 0.005)
    assert judged.side is None
    assert judged.refusal is not None
    assert isinstance(judged.refusal, refusal)
    assert words in judged.refusal.words


def test_far_from_the_mix_is_said_in_the_words_of_whoever_asks() -> None:
    far = TooFarFromMix(0.85, 0.132, 0.229)
    assert far.told("13.2 % late", "22.9 % late") == (
        "the rollout's groups (13.2 % late) lie 0.85 spreads from the declared mix (22.9 % late), at most 0.5"
    )


@given(worlds, st.floats(0.01, 100), st.floats(-3, 3))
def test_any_straight_scale_of_hardness_gives_the_same(days: Covered, scale: float, by: float) -> None:
    """The share of late flights and the loss of the constant predictor are such a pair."""
    found, other = by_days(days, 0.31), by_days([(x, n, scale * w + by * n) for x, n, w in days], scale * 0.31 + by)
    assert isinstance(found, ByDays)
    assert isinstance(other, ByDays)
    assert numbers(other.standing) == pytest.approx(numbers(found.standing), rel=1e-4, abs=1e-6)
    assert other.distance == pytest.approx(found.distance, rel=1e-4)


@given(worlds, st.floats(0.001, 1000))
def test_the_unit_of_the_metric_does_not_matter(days: Covered, scale: float) -> None:
    found = judge_by_days(by_days(days, 0.3), 0.01)
    scaled = judge_by_days(by_days([(x * scale, n, w) for x, n, w in days], 0.3), 0.01 * scale)
    assert scaled.side == found.side


def numbers(standing: Standing) -> tuple[float, ...]:
    return (standing.mean, standing.spread, standing.skew, standing.lag, standing.kish)


# --- by classes ------------------------------------------------------------------------------------------------


def class_days(
    count: int, *, late: float, on_time: float, share: float = 0.2, seed: int = 1
) -> list[dict[str, tuple[float, float]]]:
    """Differences of the two classes around `late` and `on_time`; the days themselves have another share of late ones."""
    random, found = Random(seed), []
    for _ in range(count):
        rows = round(300 * min(max(random.gauss(share, 0.08), 0.03), 0.97))
        found.append(
            {
                "late": (rows * (late + random.gauss(0.0, 0.05)), float(rows)),
                "on time": ((300 - rows) * (on_time + random.gauss(0.0, 0.02)), float(300 - rows)),
            }
        )
    return found


@pytest.mark.parametrize(
    ("mix", "side"),
    [({"late": 0.5, "on time": 0.5}, Side.BELOW), ({"late": 0.05, "on time": 0.95}, Side.ABOVE)],
    ids=["half of them late", "hardly any late"],
)
def test_the_same_days_are_judged_at_the_declared_shares(mix: dict[str, float], side: Side) -> None:
    days = class_days(40, late=-0.2, on_time=0.05)
    assert judge_by_classes(by_classes(days, mix), 0.0).side is side


def test_a_class_that_is_hardly_seen_is_named() -> None:
    days = [{**day, "cancelled": (0.125, 0.125)} for day in class_days(24, late=0.0, on_time=0.0)]
    judged = judge_by_classes(by_classes(days, {"late": 0.3, "on time": 0.6, "cancelled": 0.1}), 0.0)
    assert judged.refusal == TooFewOfClass(24, "cancelled", 3.0)
    assert judged.refusal.words == "class cancelled has fewer than 5 rows: 3"


@pytest.mark.parametrize("days", [0, 5, 11])
def test_few_groups_are_told_before_a_rare_class(days: int) -> None:
    found = by_classes(class_days(days, late=0.0, on_time=0.0), {"late": 0.5, "never": 0.5})
    assert judge_by_classes(found, 0.0).refusal == TooFewGroups(days)


def test_a_class_outside_of_the_mix_says_nothing() -> None:
    days = class_days(40, late=-0.2, on_time=0.05)
    noisy = [{**day, "cancelled": (99.0, 1.0)} for day in days]
    assert by_classes(noisy, {"late": 1.0, "on time": 0.0}) == by_classes(days, {"late": 1.0})


@given(st.integers(12, 60), st.integers(0, 1000), st.floats(0.05, 0.95))
def test_one_class_alone_is_the_plain_rule(count: int, seed: int, share: float) -> None:
    days = class_days(count, late=-0.1, on_time=0.1, share=share, seed=seed)
    found = by_classes(days, {"late": 1.0})
    assert isinstance(found, Standing)
    assert numbers(found) == pytest.approx(numbers(paired.standing([day["late"] for day in days])), rel=1e-6, abs=1e-9)


def test_a_wave_over_the_days_counts_as_few_independent_ones() -> None:
    days = [{"a": ((g % 30 < 15) - 0.5 - 9.0, 100.0)} for g in range(40)]
    assert isinstance(judge_by_classes(by_classes(days, {"a": 1.0}), 0.0).refusal, TooFewIndependent)
