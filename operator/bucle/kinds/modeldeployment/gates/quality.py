"""The gate `quality`: is the candidate's metric, paired row by row on labelled requests, not worse than allowed? Pure.

The test is anytime-valid: every evaluation may decide, none has to be remembered, and evaluating more often does not
raise the share of wrong verdicts. What it cannot do (strong skew, groups that follow each other's lead) is in
the page docs/judging.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log, log1p, sqrt

from bucle.contracts.base import decimal_text
from bucle.contracts.evidence import Evidence, GroupSums
from bucle.contracts.metrics import METRICS
from bucle.contracts.uncounted import Uncounted
from bucle.engine.reads import Absent, Known, Unavailable
from bucle.kinds.modeldeployment.gates.inputs import GateInputs
from bucle.kinds.modeldeployment.gates.verdict import ALPHA, Bounds, Finding, Verdict
from bucle.resources.modeldeployment import QualityGate
from bucle.resources.modeldeployment_status import RealisedMetric

FEWEST_GROUPS = 12
TUNED_FOR_GROUPS = 20
_SEARCH_LIMIT = 4096


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
            case Known(value=evidence) if evidence.query == inputs.query and evidence.metric == gate.metric:
                if evidence.incompatible:
                    told = f"the candidate cannot be compared with the stable version: {evidence.incompatible}"
                    return Finding(Verdict.ERROR, told, limit=margin)
                found = paired(evidence.groups, margin, beats_prior=gate.beats == "Prior")
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
        at=inputs.now,
    )


# --- paired sums per group -----------------------------------------------------------------------------------


def half_width(spread: float, groups: float, alpha: float = ALPHA) -> float:
    """The one-sided half width h of the asymptotic confidence sequence after so many groups.

    h = s·sqrt(2(tρ²+1)/(t²ρ²)·log(1 + sqrt(tρ²+1)/(2α))), ρ² = (−2 log α + log(−2 log α + 1))/t*.
    Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic
    confidence sequences" (2021/2024), one-sided form, tightest around t* = 20 groups.
    """
    tuning = -2 * log(alpha)
    rho2 = (tuning + log(tuning + 1)) / TUNED_FOR_GROUPS
    inflated = groups * rho2 + 1
    return spread * sqrt(2 * inflated / (groups * groups * rho2) * log1p(sqrt(inflated) / (2 * alpha)))


def group_spread(sums: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """(mean per row, standard deviation of a group's residual) from (sum, rows) per group; at least two groups.

    m = Σx/Σn, r_g = (x_g − m·n_g)/mean(n), s = sd(r) with one degree of freedom taken off: rows of one group hang
    together, so groups are what is counted, weighted by their rows.
    """
    rows = sum(n for _, n in sums)
    mean = sum(x for x, _ in sums) / rows
    typical = rows / len(sums)
    squares = sum(((x - mean * n) / typical) ** 2 for x, n in sums)
    return mean, sqrt(squares / (len(sums) - 1))


@dataclass(frozen=True, slots=True)
class _Sided:
    verdict: Verdict
    bounds: Bounds
    spread: float


def _against(sums: Sequence[tuple[float, int]], limit: float) -> _Sided:
    mean, spread = group_spread(sums)
    half = half_width(spread, len(sums))
    verdict: Verdict = Verdict.INCONCLUSIVE
    if mean + half < limit:
        verdict = Verdict.PASS
    elif mean - half > limit:
        verdict = Verdict.FAIL
    return _Sided(verdict, Bounds(mean, mean - half, mean + half), spread)


def paired(groups: Sequence[GroupSums], margin: float, *, beats_prior: bool) -> Finding:
    """Is the candidate's loss less than `margin` above the stable one's on the same labelled rows?

    Pass when m + h < margin, and with `beats_prior` also when its loss against the constant predictor is below zero
    by the same test; Fail when either test says the opposite; never before 12 closed groups.
    """
    used = [group for group in groups if group.n > 0]
    pairs = sum(group.n for group in used)
    if len(used) < FEWEST_GROUPS:
        return Finding(
            Verdict.NO_DATA,
            f"{len(used)} of at least {FEWEST_GROUPS} closed groups, {pairs} labelled pairs",
            samples=pairs,
            groups=len(used),
            limit=margin,
            needs_groups=FEWEST_GROUPS,
        )
    against_stable = _against([(group.x, group.n) for group in used], margin)
    tests = [(against_stable, margin, "the stable version")]
    if beats_prior:
        tests.append((_against([(group.p, group.n) for group in used], 0.0), 0.0, "the constant predictor"))
    verdict, message = _together(tests, margin)
    needs = None
    if verdict == Verdict.INCONCLUSIVE:
        needs = max((_groups_to_pass(test, limit) or 0) for test, limit, _ in tests) or None
    return Finding(verdict, message, pairs, len(used), against_stable.bounds, margin, needs_groups=needs)


def _together(tests: Sequence[tuple[_Sided, float, str]], margin: float) -> tuple[Verdict, str]:
    for test, _, against in tests:
        if test.verdict == Verdict.FAIL:
            return Verdict.FAIL, f"the candidate is worse than {against} allows: {test.bounds.estimate:+.4g} per row"
    if all(test.verdict == Verdict.PASS for test, _, _ in tests):
        return Verdict.PASS, f"the candidate's loss is less than {margin:.4g} above the stable one's"
    open_ones = [against for test, _, against in tests if test.verdict == Verdict.INCONCLUSIVE]
    return Verdict.INCONCLUSIVE, f"not decided yet against {' and '.join(open_ones)}"


def _groups_to_pass(test: _Sided, limit: float) -> int | None:
    """Groups at which it would pass if mean and spread stayed as they are; None when they never would."""
    if test.verdict == Verdict.PASS or test.bounds.estimate >= limit:
        return None
    return next(
        (t for t in range(FEWEST_GROUPS, _SEARCH_LIMIT) if test.bounds.estimate + half_width(test.spread, t) < limit),
        None,
    )


def mean_loss(groups: Sequence[GroupSums], sign: int) -> tuple[float, float, int, int]:
    """The candidate's realised metric: (value, standard error over groups, groups, rows); at least two groups.

    `sign` turns a loss back into the metric (−1 where larger is better). Standard error = s/√t of the group residuals.
    """
    used = [(group.c, group.n) for group in groups if group.n > 0]
    mean, spread = group_spread(used)
    return sign * mean, spread / sqrt(len(used)), len(used), sum(n for _, n in used)
