"""Of which answers the truth becomes known, and when it is said that it does not."""

from __future__ import annotations

import pytest

from bucle.contracts.coverage import ANSWERS_TOLD, AnswerCoverage, Coverage, coverage

SINCE = "2026-01-01T12:00:00Z"


@pytest.mark.parametrize(
    ("by_answer", "told"),
    [
        ([], 0),
        ([("", 500, 0)], 0),
        ([("0", 500, 400), ("1", 100, 80)], 0),
        ([("0", 500, 400), ("1", 100, 1)], 0),
        ([("0", 500, 400), ("1", 100, 0)], 1),
        ([("0", 500, 400), ("1", 4, 0)], 0),
        ([("0", 500, 50), ("1", 60, 0)], 0),
        ([("0", 500, 50), ("1", 70, 0)], 1),
        ([("0", 500, 500), ("1", 1, 0)], 1),
        ([("0", 500, 0), ("1", 100, 0)], 0),
        ([("0", 500, 400), ("1", 100, 0), ("2", 100, 0)], 2),
    ],
)
def test_an_answer_of_which_nothing_becomes_known_is_told_when_it_is_no_accident(
    by_answer: list[tuple[str, int, int]], told: int
) -> None:
    counts = tuple(AnswerCoverage(answer=a, answers=n, labelled=k) for a, n, k in by_answer)
    assert len(Coverage(since=SINCE, by_answer=counts).words()) == told


def test_of_many_answers_the_most_frequent_are_told() -> None:
    found = coverage(SINCE, [(str(n), n) for n in range(20)], {"19": 3})
    assert [one.answers for one in found.by_answer] == list(range(19, 19 - ANSWERS_TOLD, -1))
    assert found.by_answer[0].labelled == 3
