"""A quality gate at a declared mix: by the days that somebody names, or by shares of true classes. Pure.

The numbers come from `bucle.statistics.declared_mix`; here they get the names that people know them by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bucle.contracts.base import decimal_text
from bucle.contracts.evidence import Evidence, GroupSums, ReferenceDays
from bucle.contracts.task import Mix as AskedMix
from bucle.kinds.modeldeployment.gates.question import Answer, Question, as_declared, refused
from bucle.resources.gates import Mix, QualityGate
from bucle.resources.modeldeployment_status import MixStatus
from bucle.statistics.declared_mix import ByDays, by_classes, by_days, judge_by_classes, judge_by_days
from bucle.statistics.evidence import Standing
from bucle.statistics.refusals import CovariateDidNotMove, TooFarFromMix

PRIORS_LOSS = "loss of the constant predictor"


def asked_mix(mix: Mix | None) -> AskedMix | None:
    """What the judge is told of it; shares are no matter of the judge's."""
    if mix is None:
        return None
    if mix.days is not None:
        return AskedMix(first=mix.days.from_, last=mix.days.to)
    return AskedMix(reference_days=mix.reference_days or 0, classes=tuple(sorted(mix.classes or ())))


def at_mix(question: Question, groups: Sequence[GroupSums], gate: QualityGate, evidence: Evidence) -> Answer:
    """The gate has a mix, and the evidence was asked for it."""
    shares = gate.mix.classes if gate.mix is not None else None
    if shares is not None:
        return _by_classes(question, groups, gate, {label: float(share) for label, share in shares.items()}, evidence)
    return _by_days(question, groups, gate, evidence.reference or ReferenceDays())


# --- classes -------------------------------------------------------------------------------------------------


def _by_classes(
    question: Question, groups: Sequence[GroupSums], gate: QualityGate, shares: dict[str, float], evidence: Evidence
) -> Answer:
    unknown = sorted(set(shares) - set(evidence.classes))
    if unknown:
        known = ", ".join(evidence.classes[:10]) or "none: it predicts numbers"
        return refused(question, f"`mix` names class {unknown[0]}, which the model has not; its classes: {known}")
    total = sum(shares.values())
    if total <= 0:
        return refused(question, "`mix.classes` gives no class a share")
    sums = [{label: question.of_class(group, label) for label in shares} for group in groups]
    found = by_classes(sums, {label: share / total for label, share in shares.items()})
    if isinstance(found, Standing):
        found = as_declared(found, gate)
    judged = judge_by_classes(found, question.limit)
    told = ", ".join(f"{_percent(share)} {label}" for label, share in sorted(shares.items())[:5])
    return Answer(
        question,
        found if isinstance(found, Standing) else None,
        judged,
        judged.refusal.words if judged.refusal else "",
        f"at the declared mix ({told})",
        MixStatus(of="true classes"),
    )


# --- days ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hardness:
    """What tells how hard a day is: the share of the positive class, else the constant predictor's loss per row (for two
    classes one is a line in the other)."""

    share_of: str
    declared: float

    @classmethod
    def of(cls, reference: ReferenceDays) -> Hardness:
        total = reference.positives if reference.share_of else reference.hardness
        return cls(reference.share_of, total / reference.rows)

    def sum_in(self, group: GroupSums) -> float:
        if not self.share_of:
            return group.c - group.p
        return float(sum(found.n for found in group.classes.values()))

    def words(self, value: float) -> str:
        return f"{_percent(value)} {self.share_of}" if self.share_of else f"{PRIORS_LOSS} {value:.4g}"


def _by_days(question: Question, groups: Sequence[GroupSums], gate: QualityGate, days: ReferenceDays) -> Answer:
    wanted = (gate.mix.reference_days if gate.mix is not None else None) or 1
    if days.rows == 0 or days.days < wanted:
        served = f"labelled rows of {days.days} days were found among those served before this step"
        return refused(question, f"`mix` names {_named(gate)}: {served}")
    hardness = Hardness.of(days)
    found = by_days([(question.sum_of(group), group.n, hardness.sum_in(group)) for group in groups], hardness.declared)
    if isinstance(found, ByDays):
        found = replace(found, standing=as_declared(found.standing, gate))
    judged = judge_by_days(found, question.limit)
    if isinstance(found, CovariateDidNotMove):
        why = judged.refusal.words if judged.refusal else ""
        return refused(question, why, MixStatus(of=_of(hardness), declared=decimal_text(hardness.declared, 6)))
    why = judged.refusal.words if judged.refusal else ""
    if isinstance(judged.refusal, TooFarFromMix):
        why = judged.refusal.told(hardness.words(found.here), hardness.words(found.declared))
    return Answer(
        question, found.standing, judged, why, _told(found, question, hardness), _status(found, question, hardness)
    )


def _named(gate: QualityGate) -> str:
    mix = gate.mix
    if mix is not None and mix.days is not None:
        return f"days from {mix.days.from_} to {mix.days.to}"
    return f"the {mix.reference_days if mix is not None else 0} days before"


def _told(found: ByDays, question: Question, hardness: Hardness) -> str:
    told = f"at the declared mix ({hardness.words(found.declared)})"
    turns = found.turns_at(question.limit)
    if turns is None or (hardness.share_of and not 0 <= turns <= 1):
        return told
    side = "above" if found.slope < 0 else "below"
    return f"{told}; better than the limit on days {side} {hardness.words(turns)}"


def _status(found: ByDays, question: Question, hardness: Hardness) -> MixStatus:
    turns = found.turns_at(question.limit)
    return MixStatus(
        of=_of(hardness),
        declared=decimal_text(found.declared, 6),
        here=decimal_text(found.here, 6),
        turns_at=decimal_text(turns, 6) if turns is not None else None,
        distance=decimal_text(found.distance, 3),
    )


def _of(hardness: Hardness) -> str:
    return f"share of {hardness.share_of}" if hardness.share_of else PRIORS_LOSS


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
