"""Of which answers the truth becomes known: labels that come for some answers only measure nothing of the others. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bucle.contracts.base import Document

ANSWERS_TOLD = 5
ANSWER_CHARACTERS = 60
NO_ACCIDENT = 0.001
"""An answer without any label is told when labels that came alike for all answers would leave it so with less chance."""


class AnswerCoverage(Document):
    """One answer of the model (its class; empty for numbers): how often it was given, and how many of these have a label."""

    answer: str = ""
    answers: int
    labelled: int


class Coverage(Document):
    """Of the mature answers given from `since` on; the most frequent answers first, at most five."""

    since: str
    by_answer: tuple[AnswerCoverage, ...] = ()

    def words(self) -> tuple[str, ...]:
        """One sentence for each answer of which nothing becomes known."""
        told = []
        for one in self.by_answer:
            answers = sum(other.answers for other in self.by_answer if other is not one)
            labelled = sum(other.labelled for other in self.by_answer if other is not one)
            if one.labelled or not answers or (1 - labelled / answers) ** one.answers >= NO_ACCIDENT:
                continue
            told.append(
                f"none of {one.answers} answers {one.answer} has a label, of the other answers {labelled} of {answers} "
                "have: nothing is measured where the model says so; if somebody acts on it so that the truth never comes, "
                "let a random share through, and send its labels"
            )
        return tuple(told)


def coverage(since: str, answers: Iterable[tuple[str, int]], labelled: dict[str, int]) -> Coverage:
    """`answers`: how often each was given; `labelled`: how many of these have a label."""
    ordered = sorted(answers, key=lambda each: (-each[1], each[0]))[:ANSWERS_TOLD]
    found = (
        AnswerCoverage(answer=answer[:ANSWER_CHARACTERS], answers=count, labelled=labelled.get(answer, 0))
        for answer, count in ordered
    )
    return Coverage(since=since, by_answer=tuple(found))
