"""The gate `quality`: is the candidate's metric, paired row by row on labelled requests, not worse than allowed? Pure.

What is made of the judge's answers, and in which words; the test itself is in `paired`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt

from bucle.contracts.base import decimal_text
from bucle.contracts.evidence import Evidence, GroupSums
from bucle.contracts.metrics import METRICS
from bucle.contracts.uncounted import Uncounted
from bucle.engine.reads import Absent, Known, Unavailable
from bucle.kinds.modeldeployment.gates.inputs import GateInputs
from bucle.kinds.modeldeployment.gates.mix import asked_mix
from bucle.kinds.modeldeployment.gates.paired import paired
from bucle.kinds.modeldeployment.gates.verdict import Finding, Verdict
from bucle.resources.gates import QualityGate
from bucle.resources.group_shape import GroupShape
from bucle.resources.modeldeployment_status import RealisedMetric
from bucle.statistics.paired import standing


class Quality:
    """Needs the judge, which pairs the answers of both versions with labels while a shadow step runs."""

    unit = "labelled pairs"
    needs_judge = True
    counts_groups = True

    def evaluate(self, gate: QualityGate, inputs: GateInputs) -> Finding:
        margin = float(gate.margin)
        if inputs.judge_trouble is not None and not isinstance(inputs.evidence, Known):
            told = f"the judge does not run: {inputs.judge_trouble.reason}: {inputs.judge_trouble.message}"
            return Finding(Verdict.ERROR, told, limit=margin)
        match inputs.evidence:
            case Known(value=evidence) if self._answers(evidence, gate, inputs):
                if evidence.incompatible:
                    told = f"the candidate cannot be compared with the stable version: {evidence.incompatible}"
                    return Finding(Verdict.ERROR, told, limit=margin)
                found = paired(evidence, gate)
                waits = found.verdict in (Verdict.NO_DATA, Verdict.INCONCLUSIVE)
                return _with_losses(found, evidence, gate) if waits else found
            case Known():
                return Finding(Verdict.NO_DATA, "the judge has not answered for this step yet", limit=margin)
            case Unavailable(why=why):
                return Finding(Verdict.ERROR, f"the judge cannot be read: {why}", limit=margin)
            case Absent():
                return Finding(Verdict.NO_DATA, "the judge has no evidence yet", limit=margin)
            case _:
                return Finding(Verdict.NO_DATA, "the judge is not running yet", limit=margin)

    @staticmethod
    def _answers(evidence: Evidence, gate: QualityGate, inputs: GateInputs) -> bool:
        """Whether this is what is asked now: a judge of before an edit answers for a moment still."""
        asked = (inputs.query, gate.metric, asked_mix(gate.mix))
        return (evidence.query, evidence.metric, evidence.mix) == asked

    def in_step(self, finding: Finding, inputs: GateInputs) -> int:
        return finding.samples


def _with_losses(found: Finding, evidence: Evidence, gate: QualityGate) -> Finding:
    """Says what the rows that do not count lack: waiting for what can never come is told as such."""
    uncounted = Uncounted.of(evidence)
    told = [found.message, *uncounted.words(gate.group_by.column if gate.group_by is not None else None)]
    if evidence.requests and not evidence.labelled:
        told.append(
            f"none of {evidence.requests} captured rows has a label yet: send feedback, and the Id column with requests "
            "(or set `feedback.key: RequestId`)"
        )
    return replace(found, message="; ".join(told), uncounted=uncounted)


def realised(gate: QualityGate, inputs: GateInputs) -> RealisedMetric | None:
    """The candidate's metric on the rows it is about to be promoted on; None with too few groups for an error."""
    if not isinstance(inputs.evidence, Known) or inputs.evidence.value.query != inputs.query:
        return None
    groups = [group for group in inputs.evidence.value.groups if group.n > 0]
    if len(groups) < 2 or gate.metric not in METRICS:
        return None
    value, error, count, rows = mean_loss(groups, METRICS[gate.metric].loss_sign())
    return RealisedMetric(
        metric=gate.metric,
        value=decimal_text(value),
        standard_error=decimal_text(error),
        groups=count,
        rows=rows,
        shape=_shape(groups, METRICS[gate.metric].loss_sign()),
        at=inputs.now,
    )


def _shape(groups: Sequence[GroupSums], sign: int) -> GroupShape:
    found = standing([(group.c, group.n) for group in groups])
    told = (found.lag, sign * found.skew, found.kish)
    lag, skew, kish = (decimal_text(value, 6) for value in told)
    return GroupShape(lag=lag, skew=skew, kish=kish)


def mean_loss(groups: Sequence[GroupSums], sign: int) -> tuple[float, float, int, int]:
    """The candidate's realised metric: (value, standard error over groups, groups, rows); at least two groups.

    `sign` turns a loss back into the metric (−1 where larger is better). Standard error = s/√t of the group residuals.
    """
    used = [(group.c, group.n) for group in groups if group.n > 0]
    found = standing(used)
    return sign * found.mean, found.spread / sqrt(len(used)), len(used), sum(n for _, n in used)
