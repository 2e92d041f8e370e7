"""One window against its reference, and many windows against the rule, as tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.kinds.driftpolicy.drift_statistics import Measured, Rule, drifting, judge

REFERENCE = Measured(0.517, 0.016, 59)
LOSS = Rule("log_loss", 0.03, 0.95)


@pytest.mark.parametrize(
    ("window", "rule", "verdict"),
    [
        (Measured(0.52, 0.02, 7), LOSS, "Healthy"),
        (Measured(0.70, 0.03, 7), LOSS, "Breached"),
        (Measured(0.58, 0.03, 7), LOSS, "Healthy"),  # above the limit, but not shown to be
        (Measured(0.90, 0.03, 4), LOSS, "Inconclusive"),
        (Measured(0.90, None, 7), LOSS, "Inconclusive"),
        (Measured(0.30, 0.01, 7), Rule("accuracy", 0.03, 0.95), "Breached"),  # less is worse
        (Measured(0.90, 0.01, 7), Rule("accuracy", 0.03, 0.95), "Healthy"),
    ],
)
def test_a_window_is_breached_only_when_shown_to_be_beyond_the_limit(
    window: Measured, rule: Rule, verdict: str
) -> None:
    assert judge(window, REFERENCE, rule).verdict == verdict


@pytest.mark.parametrize(("groups", "cure"), [(0, "is the column of `groupBy` sent"), (3, "use larger windows")])
def test_too_few_groups_say_what_to_do(groups: int, cure: str) -> None:
    assert cure in judge(Measured(0.9, None, groups), REFERENCE, LOSS).message


def test_an_uncertain_reference_makes_a_breach_harder_to_show() -> None:
    window = Measured(0.60, 0.01, 7)
    assert judge(window, Measured(0.517, 0.001, 59), LOSS).verdict == "Breached"
    assert judge(window, Measured(0.517, 0.05, 59), LOSS).verdict == "Healthy"


def test_a_reference_of_few_groups_makes_a_breach_harder_to_show() -> None:
    window = Measured(0.60, 0.01, 40)
    assert judge(window, Measured(0.517, 0.028, 40), LOSS).verdict == "Breached"
    # t(0.95, 4) = 2.1318 of the five groups that the reference has, not t(0.95, 39) = 1.6849
    few = judge(window, Measured(0.517, 0.028, 5), LOSS)
    assert few.verdict == "Healthy"
    assert few.lower == pytest.approx(0.60 - 2.1318 * (0.01**2 + 0.028**2) ** 0.5, abs=1e-4)


def test_the_bounds_are_those_of_students_t() -> None:
    # t(0.95, 6) = 1.9432; sqrt(0.03² + 0.04²) = 0.05
    judged = judge(Measured(0.6, 0.03, 7), Measured(0.5, 0.04, 30), LOSS)
    assert judged.lower == pytest.approx(0.6 - 1.9432 * 0.05, abs=1e-4)
    assert judged.limit == pytest.approx(0.53)


H, B, U = "Healthy", "Breached", "Inconclusive"


@pytest.mark.parametrize(
    ("verdicts", "states"),
    [
        ([], []),
        ([B], [False]),
        ([B, B], [False, True]),
        ([B, H, B], [False, False, True]),
        ([B, H, H, B], [False] * 4),
        ([B, U, U, B], [False, False, False, True]),
        ([B, B, H, H], [False, True, True, True]),
        ([B, B, H, H, H], [False, True, True, True, False]),
        ([B, B, H, U, H, H], [False, True, True, True, True, False]),
        ([U, U, U], [False] * 3),
    ],
)
def test_drift_is_k_of_n_and_ends_after_healthy_windows_in_a_row(verdicts: list[str], states: list[bool]) -> None:
    assert drifting(verdicts, breaches=2, of=3, clear_after=3) == states


@given(st.lists(st.sampled_from([H, U])), st.integers(1, 5), st.integers(1, 5))
def test_without_a_breach_there_is_no_drift(verdicts: list[str], breaches: int, clear: int) -> None:
    assert not any(drifting(verdicts, breaches, max(breaches, 3), clear))
