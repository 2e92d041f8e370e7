"""What a gate still lacks in a step: samples and groups, and whether they can arrive before `maxDuration`. Pure."""

from __future__ import annotations

from dataclasses import replace

from bucle.kinds.modeldeployment.gates.inputs import GateInputs
from bucle.kinds.modeldeployment.gates.table import GateKind
from bucle.kinds.modeldeployment.gates.verdict import Finding, Verdict
from bucle.resources.base import parse_duration
from bucle.resources.modeldeployment import Until
from bucle.resources.modeldeployment_status import Needs


def with_floor(finding: Finding, until: Until, samples: int, kind: GateKind) -> Finding:
    """A pass needs its evidence: with fewer samples or groups than the step wants, no word of passing."""
    few = until.samples is not None and samples < until.samples
    sparse = kind.counts_groups and until.groups is not None and (finding.groups or 0) < until.groups
    if not few and not sparse:
        return finding
    in_all = finding.samples - samples + (until.samples or 0)
    wanted = [f"{samples} of {until.samples} samples"] if few else []
    wanted += [f"{finding.groups} of {until.groups} groups"] if sparse else []
    return replace(
        finding,
        verdict=Verdict.NO_DATA,
        message=f"{' and '.join(wanted)} of this step; so far: {finding.message}",
        needs_samples=max(in_all, finding.needs_samples or 0) if few else finding.needs_samples,
        needs_groups=until.groups if sparse else finding.needs_groups,
    )


def needs(finding: Finding, in_step: int, inputs: GateInputs, until: Until | None) -> Needs | None:
    """What is missing, and whether it can arrive in time; no word on that in the first tenth of `maxDuration`.

    What earlier steps brought stays, but says nothing about this step's rate: a canary of 10 % sees less than a shadow.
    """
    if not finding.needs_samples and not finding.needs_groups:
        return None
    missing = Needs(samples=finding.needs_samples, groups=finding.needs_groups)
    longest = parse_duration(until.max_duration) if until is not None else None
    if longest is None or inputs.elapsed < longest / 10:
        return missing
    share, groups = inputs.elapsed / longest, finding.groups or 0
    for need, have, by_then, unit in (
        (finding.needs_groups, groups, groups / share, "groups"),
        (finding.needs_samples, finding.samples, finding.samples - in_step + in_step / share, "samples"),
    ):
        if need and by_then < need:
            told = f"{have} {unit} so far, {need} needed, about {int(by_then)} expected before maxDuration"
            return Needs(samples=missing.samples, groups=missing.groups, reachable=False, message=told)
    return missing
