"""From paired sums per group to what a quality gate says: the rules of `bucle.statistics`, asked once or twice. Pure.

Every evaluation may decide and none is remembered. Where no verdict can be trusted it says `Inconclusive` and why; what the
rules cannot do is in the page docs/judging.md. How groups are asked at a declared mix is in `mix`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bucle.contracts.evidence import Evidence
from bucle.kinds.modeldeployment.gates.mix import at_mix
from bucle.kinds.modeldeployment.gates.question import Answer, on_the_days_that_came, questions
from bucle.kinds.modeldeployment.gates.verdict import Bounds, Finding, Verdict
from bucle.resources.gates import QualityGate
from bucle.statistics import evidence as rule
from bucle.statistics.evidence import Side
from bucle.statistics.refusals import FEWEST_GROUPS, TooFewGroups

_SEARCH_LIMIT = 4096


def paired(evidence: Evidence, gate: QualityGate) -> Finding:
    """Is the candidate's loss less than the margin above the stable one's on the same labelled rows, and with `beats:
    Prior` also less than the constant predictor's? Either shown to be false fails."""
    used = [group for group in evidence.groups if group.n > 0]
    pairs, margin = sum(group.n for group in used), float(gate.margin)
    if len(used) < FEWEST_GROUPS:
        told = f"{TooFewGroups(len(used)).words}, {pairs} labelled pairs"
        return Finding(Verdict.NO_DATA, told, pairs, len(used), limit=margin, needs_groups=FEWEST_GROUPS)
    answers = [
        on_the_days_that_came(question, used, gate) if gate.mix is None else at_mix(question, used, gate, evidence)
        for question in questions(gate)
    ]
    verdict, message = _together(answers, margin)
    needs = (
        max((_groups_to_pass(answer) or 0) for answer in answers) or None if verdict == Verdict.INCONCLUSIVE else None
    )
    first = answers[0]
    standing, interval = first.standing, first.judged.interval
    return Finding(
        verdict,
        message,
        pairs,
        len(used),
        Bounds(standing.mean, interval.lower, interval.upper) if standing else None,
        margin,
        needs_groups=needs,
        independent_groups=round(standing.independent_groups) if standing else None,
        mix=first.mix,
    )


def _together(answers: Sequence[Answer], margin: float) -> tuple[Verdict, str]:
    for answer in answers:
        if answer.judged.side is Side.ABOVE:
            told = f"the candidate is worse than {answer.question.against} allows: {_mean(answer)}"
            return Verdict.FAIL, told
    if all(answer.judged.side is Side.BELOW for answer in answers):
        told = f"the candidate's loss is less than {margin:.4g} above the stable one's: {_mean(answers[0])}"
        return Verdict.PASS, told
    open_ones = [answer for answer in answers if answer.judged.side is None]
    told = f"not decided yet against {' and '.join(answer.question.against for answer in open_ones)}"
    why = dict.fromkeys(answer.refusal for answer in open_ones if answer.refusal)
    return Verdict.INCONCLUSIVE, "; ".join([told, *why])


def _mean(answer: Answer) -> str:
    mean = answer.standing.mean if answer.standing else 0.0
    return f"{mean:+.4g} per row{f' {answer.told}' if answer.told else ''}"


def _groups_to_pass(answer: Answer) -> int | None:
    """Groups at which it would pass if they went on as they are: doubled until they do, then narrowed. None when they
    never would."""
    now, limit = answer.standing, answer.question.limit
    if now is None or answer.judged.side is Side.BELOW or now.spread <= 0.0 or now.mean >= limit:
        return None

    def passes(groups: int) -> bool:
        then = replace(now, groups=groups, kish=now.kish * groups / now.groups)
        return rule.judge(then, limit).side is Side.BELOW

    low = high = now.groups
    while not passes(high):
        low, high = high, 2 * high
        if low > _SEARCH_LIMIT:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high
