"""From evidence and router counters to the verdict of each gate, and which of them is worth a record. Pure.

What a step makes of the verdicts is `steps.decision`; how many samples are missing is `gates.samples_needed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import isfinite

from bucle.contracts.base import decimal_text
from bucle.contracts.uncounted import REASONS
from bucle.engine.reads import Known
from bucle.kinds.modeldeployment.evidence.judge_query import query_of
from bucle.kinds.modeldeployment.gates.inputs import GateInputs
from bucle.kinds.modeldeployment.gates.samples_needed import needs, with_floor
from bucle.kinds.modeldeployment.gates.table import GateKind, kind_of
from bucle.kinds.modeldeployment.gates.verdict import Finding, Verdict
from bucle.kinds.modeldeployment.state import Soaking, Stepping
from bucle.kinds.modeldeployment.traffic.counters import counted
from bucle.kinds.modeldeployment.world import World
from bucle.resources.base import Interval
from bucle.resources.gates import Gate
from bucle.resources.modeldeployment import Until
from bucle.resources.modeldeployment_status import GateStatus, Needs
from bucle.resources.uncounted_status import uncounted_of, uncounted_status

RECORDS = 64
GROWN = 1.5
"""A record of a gate is written anew when what it counts has grown by half: its verdict at once, its numbers now and then."""


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
        finding = with_floor(finding, until, in_step, kind)
    return _record(gate, kind, finding, needs(finding, in_step, inputs, until), inputs)


def _record(gate: Gate, kind: GateKind, finding: Finding, missing: Needs | None, inputs: GateInputs) -> GateStatus:
    bounds, limit = finding.bounds, finding.limit
    return GateStatus(
        name=gate.name,
        step=inputs.step,
        verdict=finding.verdict.value,
        message=finding.message,
        unit=kind.unit,
        samples=finding.samples,
        groups=finding.groups,
        independent_groups=finding.independent_groups,
        needs=missing,
        estimate=decimal_text(bounds.estimate, 6) if bounds else None,
        interval=Interval(lower=_end(bounds.lower), upper=_end(bounds.upper)) if bounds else None,
        limit=decimal_text(limit, 6) if limit is not None else None,
        mix=finding.mix,
        uncounted=uncounted_status(finding.uncounted),
        at=inputs.now,
    )


def _end(value: float) -> str | None:
    """No number where the interval has no end."""
    return decimal_text(value, 6) if isfinite(value) else None


def first_failed(evaluated: Sequence[GateStatus]) -> GateStatus | None:
    return next((gate for gate in evaluated if gate.verdict == Verdict.FAIL), None)


def open_gates(evaluated: Sequence[GateStatus]) -> str:
    """What the gates say that do not pass."""
    return "; ".join(f"gate {gate.name}: {gate.message}" for gate in evaluated if gate.verdict != Verdict.PASS)


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
    told = uncounted_of(gate.uncounted).by_reason()
    return tuple(told.get(reason) for reason in REASONS)


def _reachable(gate: GateStatus) -> bool:
    return gate.needs is None or gate.needs.reachable is not False


def _grown(old: int | None, new: int | None) -> bool:
    before, now = old or 0, new or 0
    return now > before * GROWN or now < before
