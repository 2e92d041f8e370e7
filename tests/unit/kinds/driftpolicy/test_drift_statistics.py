"""One window against its reference, and many windows against the rule, as tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.kinds.driftpolicy.drift_statistics import Judged, Measured, Rule, drifting, judge

REFERENCE = Measured(0.517, 0.016, 59, kish=57.9, lag=0.05, skew=1.3)
LOSS = Rule("log_loss", 0.03, 0.99)
RIGHT = Rule("accuracy", 0.03, 0.99)


def window(value: float, *, error: float | None = 0.03, groups: int = 7) -> Measured:
    return Measured(value, error, groups, 5000, kish=groups)


def judged(values: list[float], rule: Rule = LOSS, reference: Measured = REFERENCE) -> Judged:
    *before, last = [window(value) for value in values]
    return judge(last, before, reference, rule)


@pytest.mark.parametrize(
    ("values", "rule", "verdict"),
    [
        ([0.52], LOSS, "Healthy"),
        ([0.52, 0.52, 0.52], LOSS, "Healthy"),
        ([0.90], LOSS, "Healthy"),  # one window alone is never drift
        ([0.52, 0.90], LOSS, "Healthy"),
        ([0.90, 0.90], LOSS, "Breached"),
        ([0.75, 0.75, 0.75], LOSS, "Breached"),
        ([0.60, 0.60, 0.60], LOSS, "Healthy"),  # above the limit, but not shown to be
        ([0.90, 0.52, 0.90], LOSS, "Breached"),
        ([1.90, 0.52, 0.52], LOSS, "Healthy"),  # as one they are beyond the limit, but it was one storm
        ([0.90, 0.90, 0.52, 0.52], LOSS, "Healthy"),  # older windows are forgotten
        ([0.90], Rule("log_loss", 0.03, 0.99, breaches=1, of=1), "Breached"),
        ([0.30, 0.30], RIGHT, "Breached"),  # less is worse
        ([0.90, 0.90], RIGHT, "Healthy"),
    ],
)
def test_drift_is_shown_by_the_last_windows_as_one_and_by_enough_of_them(
    values: list[float], rule: Rule, verdict: str
) -> None:
    assert judged(values, rule).verdict == verdict


@pytest.mark.parametrize(("groups", "cure"), [(0, "is the column of `groupBy` sent"), (3, "use larger windows")])
def test_too_few_groups_say_what_to_do_and_count_for_nothing_later(groups: int, cure: str) -> None:
    few = window(0.9, error=None if groups == 0 else 0.03, groups=groups)
    found = judge(few, [window(0.9)], REFERENCE, LOSS)
    assert found.verdict == "Inconclusive" and cure in found.message
    assert judge(window(0.9), [few, few], REFERENCE, LOSS).verdict == "Healthy"
    assert judge(window(0.9), [window(0.9), few, few], REFERENCE, LOSS).verdict == "Breached"


@pytest.mark.parametrize(
    "harder",
    [
        Measured(0.517, 0.05, 59, kish=57.9, lag=0.05, skew=1.3),
        Measured(0.517, 0.016, 59, kish=57.9, lag=0.6, skew=1.3),
        Measured(0.517, 0.016, 59, kish=57.9, lag=0.05, skew=40.0),
        Measured(0.517, 0.016, 59, kish=1.5, lag=0.05, skew=1.3),
        Measured(0.517, 0.055, 5, kish=5.0),
    ],
    ids=["uncertain", "its groups follow each other", "skewed", "one huge group", "few groups"],
)
def test_what_makes_a_reference_worth_less_makes_drift_harder_to_show(harder: Measured) -> None:
    values = [0.72, 0.72, 0.72]
    assert judged(values).verdict == "Breached"
    assert judged(values, reference=harder).verdict == "Healthy"


def test_an_older_model_that_does_not_tell_what_its_groups_look_like_is_read_as_one_of_plain_groups() -> None:
    old, plain = Measured(0.517, 0.016, 59), Measured(0.517, 0.016, 59, kish=59, lag=1 / 59, skew=0.0)
    assert judged([0.7, 0.7, 0.7], reference=old) == judged([0.7, 0.7, 0.7], reference=plain)
    assert judged([0.9, 0.9, 0.9], reference=old).verdict == "Breached"


def test_a_bound_that_a_person_wrote_is_exact() -> None:
    bound = Measured(0.6, None, 0)
    found = judged([0.7, 0.7, 0.7], Rule("log_loss", 0.0, 0.99), bound)
    assert (found.verdict, found.limit) == ("Breached", 0.6)
    assert judged([0.6, 0.6, 0.6], Rule("log_loss", 0.0, 0.99), bound).verdict == "Healthy"


def test_the_bounds_are_of_the_windows_as_one_on_the_metrics_own_scale() -> None:
    found = judged([0.80, 0.82, 0.84], RIGHT, Measured(0.9, 0.01, 30))
    assert found.lower is not None and found.upper is not None
    assert found.lower + found.upper == pytest.approx(2 * 0.82)
    assert found.limit == pytest.approx(0.87)
    assert "accuracy 0.82 over the last 3 windows is" in found.message


def test_one_storm_is_told_as_what_it_is() -> None:
    found = judged([1.90, 0.52, 0.52])
    assert found.message.endswith("is beyond 0.547; 1 of at least 2 windows are beyond it")


H, B, U = "Healthy", "Breached", "Inconclusive"


@pytest.mark.parametrize(
    ("verdicts", "states"),
    [
        ([], []),
        ([B], [True]),
        ([H, B, H], [False, True, True]),
        ([B, H, H, B], [True] * 4),
        ([B, U, U, U], [True] * 4),
        ([B, H, H, H], [True, True, True, False]),
        ([B, H, U, H, H], [True, True, True, True, False]),
        ([B, H, H, H, B], [True, True, True, False, True]),
        ([U, U, U], [False] * 3),
    ],
)
def test_drift_begins_with_a_breach_and_ends_after_healthy_windows_in_a_row(
    verdicts: list[str], states: list[bool]
) -> None:
    assert drifting(verdicts, clear_after=3) == states


@given(st.lists(st.sampled_from([H, U])), st.integers(1, 5))
def test_without_a_breach_there_is_no_drift(verdicts: list[str], clear: int) -> None:
    assert not any(drifting(verdicts, clear))
