"""From evidence and router counters to verdicts on a step: which gate says what, and what follows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bucle.contracts.base import decimal_text
from bucle.engine.reads import Known
from bucle.kinds.modeldeployment.evidence.judge_query import query_of
from bucle.kinds.modeldeployment.gates.inputs import GateInputs
from bucle.kinds.modeldeployment.gates.table import GateKind, kind_of
from bucle.kinds.modeldeployment.gates.verdict import Finding, Verdict
from bucle.kinds.modeldeployment.state import Soaking, Stepping, Wait, WaitFor
from bucle.kinds.modeldeployment.steps.running import RunningStep
from bucle.kinds.modeldeployment.traffic.counters import counted
from bucle.kinds.modeldeployment.world import World
from bucle.resources.base import Interval, parse_duration
from bucle.resources.modeldeployment import Gate, Rollout, Until
from bucle.resources.modeldeployment_status import GateStatus, Needs
from bucle.resources.uncounted_status import UncountedStatus

RECORDS = 64
GROWN = 1.5
"""A record of a gate is written anew when what it counts has grown by half: its verdict at once, its numbers now and then."""


class Decision(StrEnum):
    ADVANCE = "Advance"
    HOLD = "Hold"
    ABORT = "Abort"


@dataclass(frozen=True, slots=True)
class StepVerdict:
    """What follows from the gates of a step. `reason` is from the closed list when its time is over or a gate failed."""

    decision: Decision
    wait: Wait = Wait(WaitFor.GATES)
    reason: str = ""
    message: str = ""


def gate_inputs(world: World, rollout: Stepping | Soaking, now: datetime) -> GateInputs:
    view = world.router.view
    return GateInputs(
        counts=counted(rollout.run, view.value) if isinstance(view, Known) else None,
        query=query_of(rollout, world.spec),
        evidence=world.evidence,
        judge_trouble=world.judge.trouble if world.judge and not world.judge.ready else None,
        step=rollout.step if isinstance(rollout, Stepping) else None,
        began=rollout.since if isinstance(rollout, Soaking) else rollout.in_force_since or rollout.entered_at,
        now=now,
    )


def evaluate_gates(
    names: Sequence[str], known: Sequence[Gate], until: Until | None, inputs: GateInputs
) -> tuple[GateStatus, ...]:
    by_name = {gate.name: gate for gate in known}
    return tuple(evaluate_gate(by_name[name], until, inputs) for name in names if name in by_name)


def evaluate_gate(gate: Gate, until: Until | None, inputs: GateInputs) -> GateStatus:
    """One gate, now. Too few samples for the step turn a Pass into NoData: a pass needs its evidence."""
    kind, settings = kind_of(gate)
    finding = kind.evaluate(settings, inputs)
    in_step = kind.in_step(finding, inputs)
    if until is not None and finding.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE):
        finding = _with_floor(finding, until, in_step, kind)
    return _record(gate, kind, finding, _needs(finding, in_step, inputs, until), inputs)


def _with_floor(finding: Finding, until: Until, samples: int, kind: GateKind) -> Finding:
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


def _needs(finding: Finding, in_step: int, inputs: GateInputs, until: Until | None) -> Needs | None:
    """What is missing, and whether it can arrive in time; no word on that in the first tenth of `maxDuration`.

    What earlier steps brought stays, but says nothing about this step's rate: a canary of 10 % sees less than a shadow.
    """
    if not finding.needs_samples and not finding.needs_groups:
        return None
    needs = Needs(samples=finding.needs_samples, groups=finding.needs_groups)
    longest = parse_duration(until.max_duration) if until is not None else None
    if longest is None or inputs.elapsed < longest / 10:
        return needs
    share, groups = inputs.elapsed / longest, finding.groups or 0
    for need, have, by_then, unit in (
        (finding.needs_groups, groups, groups / share, "groups"),
        (finding.needs_samples, finding.samples, finding.samples - in_step + in_step / share, "samples"),
    ):
        if need and by_then < need:
            told = f"{have} {unit} so far, {need} needed, about {int(by_then)} expected before maxDuration"
            return Needs(samples=needs.samples, groups=needs.groups, reachable=False, message=told)
    return needs


def _record(gate: Gate, kind: GateKind, finding: Finding, needs: Needs | None, inputs: GateInputs) -> GateStatus:
    bounds, limit = finding.bounds, finding.limit
    return GateStatus(
        name=gate.name,
        step=inputs.step,
        verdict=finding.verdict.value,
        message=finding.message,
        unit=kind.unit,
        samples=finding.samples,
        groups=finding.groups,
        needs=needs,
        estimate=decimal_text(bounds.estimate, 6) if bounds else None,
        interval=Interval(lower=decimal_text(bounds.lower, 6), upper=decimal_text(bounds.upper, 6)) if bounds else None,
        limit=decimal_text(limit, 6) if limit is not None else None,
        uncounted=UncountedStatus(**lost) if (lost := finding.uncounted.by_reason()) else None,
        at=inputs.now,
    )


def first_failed(evaluated: Sequence[GateStatus]) -> GateStatus | None:
    return next((gate for gate in evaluated if gate.verdict == Verdict.FAIL), None)


def judge(step: RunningStep, evaluated: Sequence[GateStatus], policy: Rollout, inputs: GateInputs) -> StepVerdict:
    """Only Pass advances and only Fail condemns; the rest holds until `maxDuration`, then as the spec says."""
    failed = first_failed(evaluated)
    if failed is not None:
        return StepVerdict(Decision.ABORT, reason="GateNotPassed", message=f"gate {failed.name}: {failed.message}")
    if step.until is None:
        return StepVerdict(Decision.ADVANCE)
    seen = inputs.counts.in_step.requests if inputs.counts else 0
    enough = bool(evaluated) or step.until.samples is None or seen >= step.until.samples
    if enough and all(gate.verdict == Verdict.PASS for gate in evaluated):
        if inputs.elapsed >= parse_duration(step.until.min_duration):
            return StepVerdict(Decision.ADVANCE)
        return StepVerdict(Decision.HOLD, Wait(WaitFor.MIN_DURATION, step.until.min_duration))
    wait = Wait(WaitFor.GATES if evaluated else WaitFor.SAMPLES)
    if inputs.elapsed < parse_duration(step.until.max_duration):
        return StepVerdict(Decision.HOLD, wait)
    reason, choice = _at_the_end({gate.verdict for gate in evaluated}, policy, enough=enough)
    message = f"nothing decided within maxDuration {step.until.max_duration}: {open_gates(evaluated) or 'no samples'}"
    return StepVerdict(Decision.ABORT if choice == "Abort" else Decision.HOLD, wait, reason, message)


def open_gates(evaluated: Sequence[GateStatus]) -> str:
    """What the gates say that do not pass."""
    return "; ".join(f"gate {gate.name}: {gate.message}" for gate in evaluated if gate.verdict != Verdict.PASS)


def _at_the_end(verdicts: set[str | None], policy: Rollout, *, enough: bool) -> tuple[str, str]:
    if Verdict.ERROR in verdicts:
        return "UndecidedAtMaxDuration", policy.on_error
    if Verdict.NO_DATA in verdicts or not enough:
        return "NoTraffic", policy.on_no_data
    return "UndecidedAtMaxDuration", policy.on_undecided


def remembered(records: Sequence[GateStatus], evaluated: Sequence[GateStatus]) -> tuple[GateStatus, ...]:
    """The last record of each (gate, step). One that says the same as before stays as it stands until it has grown."""
    by_key = {(record.name, record.step): record for record in records}
    for gate in evaluated:
        key = (gate.name, gate.step)
        if key not in by_key or _worth_writing(by_key[key], gate):
            by_key[key] = gate
    return tuple(by_key.values())[-RECORDS:]


def _worth_writing(old: GateStatus, new: GateStatus) -> bool:
    if (old.verdict, old.limit, _reachable(old)) != (new.verdict, new.limit, _reachable(new)):
        return True
    if old.verdict == Verdict.ERROR:
        return old.message != new.message
    if any(_grown(before, now) for before, now in zip(_lost(old), _lost(new), strict=True)):
        return True
    return _grown(old.samples, new.samples) or _grown(old.groups, new.groups)


def _lost(gate: GateStatus) -> tuple[int | None, ...]:
    told = gate.uncounted or UncountedStatus()
    return told.ungrouped, told.misdated, told.unjoined, told.unreadable


def _reachable(gate: GateStatus) -> bool:
    return gate.needs is None or gate.needs.reachable is not False


def _grown(old: int | None, new: int | None) -> bool:
    before, now = old or 0, new or 0
    return now > before * GROWN or now < before
