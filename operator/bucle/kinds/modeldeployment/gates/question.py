"""One question asked of paired groups: on which side of a limit does a mean lie, and in which words is that told? Pure values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bucle.contracts.evidence import GroupSums
from bucle.resources.gates import QualityGate
from bucle.resources.modeldeployment_status import MixStatus
from bucle.statistics import evidence, paired
from bucle.statistics.evidence import NOWHERE, Judgement, Standing

STABLE, PRIOR = "the stable version", "the constant predictor"


@dataclass(frozen=True, slots=True)
class Question:
    """Is the candidate's loss against that side below the limit? `sums`: the letter of the group's sum (see `GroupSums`)."""

    against: str
    limit: float

    def sum_of(self, group: GroupSums) -> float:
        return group.x if self.against == STABLE else group.p

    def of_class(self, group: GroupSums, label: str) -> tuple[float, float]:
        found = group.classes.get(label)
        if found is None:
            return 0.0, 0.0
        return (found.x if self.against == STABLE else found.p), found.n


def questions(gate: QualityGate) -> tuple[Question, ...]:
    first = Question(STABLE, float(gate.margin))
    return (first, Question(PRIOR, 0.0)) if gate.beats == "Prior" else (first,)


@dataclass(frozen=True, slots=True)
class Answer:
    """`standing` is None where nothing could be computed; `refusal` says why nothing can be said, in words. `told`: what
    the mean is about, and where it turns; `mix`: the same in numbers."""

    question: Question
    standing: Standing | None
    judged: Judgement
    refusal: str = ""
    told: str = ""
    mix: MixStatus | None = None


def refused(question: Question, why: str, mix: MixStatus | None = None) -> Answer:
    return Answer(question, None, Judgement(None, NOWHERE), why, mix=mix)


def as_declared(standing: Standing, gate: QualityGate) -> Standing:
    return standing.declared_independent() if gate.dependence == "Independent" else standing


def on_the_days_that_came(question: Question, groups: Sequence[GroupSums], gate: QualityGate) -> Answer:
    found = as_declared(paired.standing([(question.sum_of(group), group.n) for group in groups]), gate)
    judged = evidence.judge(found, question.limit)
    return Answer(question, found, judged, judged.refusal.words if judged.refusal else "")
