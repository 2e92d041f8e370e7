"""What a ModelDeployment tells in numbers: what it serves, how far the running rollout is, what its gates found. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bucle.contracts import telemetry
from bucle.contracts.measures import Happening, Measure, Measures, given, one_of, together
from bucle.kinds.modeldeployment.state import Outcome, Phase
from bucle.resources.base import ModelReference
from bucle.resources.documents import parse
from bucle.resources.modeldeployment import ModelDeployment
from bucle.resources.modeldeployment_status import GateStatus, ModelDeploymentStatus, PastRollout, RolloutStatus
from bucle.resources.uncounted_status import uncounted_of

PERCENT = 100.0


def measures(raw: Mapping[str, Any]) -> Measures:
    deployment = parse(ModelDeployment, raw)
    status = deployment.status
    serving = {"stable": status.stable, "candidate": status.candidate, "previous": status.previous}
    shown = together(
        *(given(telemetry.SERVED_VERSION, _version(part.model), role) for role, part in serving.items() if part),
        _rollout(status.rollout, len(deployment.spec.rollout.steps)) if status.rollout else (),
        *(_gate(gate) for gate in _gates_of_step(status)),
    )
    ended = frozenset(_ended(past) for past in status.history if past.outcome)
    return Measures(shown, ended, counted=(telemetry.ROLLOUTS,))


def _version(model: ModelReference | None) -> int | None:
    return model.version if model else None


def _ended(past: PastRollout) -> Happening:
    """A promotion is told to people, for no condition says it; every other end is a refusal or an edit of theirs."""
    told = ""
    if past.outcome == Outcome.PROMOTED:
        version = _version(past.model)
        told = f"version {version} was promoted" if version is not None else f"revision {past.revision} was promoted"
    identity = f"{past.revision} {past.started_at} {past.finished_at}"
    return Happening(telemetry.ROLLOUTS, identity, (past.outcome or "",), told, past.finished_at)


def _rollout(rollout: RolloutStatus, steps: int) -> tuple[Measure, ...]:
    weight = rollout.weight
    desired, programmed = (weight.desired, weight.programmed) if weight else (None, None)
    return together(
        one_of(telemetry.ROLLOUT_PHASE, rollout.state),
        given(telemetry.ROLLOUT_STARTED, rollout.started_at),
        given(telemetry.ROLLOUT_STEP, rollout.step),
        given(telemetry.ROLLOUT_STEPS, steps),
        given(telemetry.STEP_ENTERED, rollout.step_entered_at),
        given(telemetry.STEP_OVERDUE, float(rollout.reason is not None) if rollout.state == Phase.STEPPING else None),
        given(telemetry.ROLLOUT_WEIGHT, desired / PERCENT if desired is not None else None, "desired"),
        given(telemetry.ROLLOUT_WEIGHT, programmed / PERCENT if programmed is not None else None, "programmed"),
    )


def _gates_of_step(status: ModelDeploymentStatus) -> tuple[GateStatus, ...]:
    """Gates of the running step: what earlier steps and an ended rollout leave in status is a record, not a state."""
    if status.rollout is None or status.rollout.step is None:
        return ()
    return tuple(gate for gate in status.gates if gate.step == status.rollout.step and gate.name)


def _gate(gate: GateStatus) -> tuple[Measure, ...]:
    name, interval = gate.name or "", gate.interval
    return together(
        one_of(telemetry.GATE_VERDICT, gate.verdict, name),
        given(telemetry.GATE_ESTIMATE, gate.estimate, name),
        given(telemetry.GATE_LIMIT, gate.limit, name),
        given(telemetry.GATE_INTERVAL, interval.lower if interval else None, name, "lower"),
        given(telemetry.GATE_INTERVAL, interval.upper if interval else None, name, "upper"),
        given(telemetry.GATE_SAMPLES, gate.samples, name),
        given(telemetry.GATE_GROUPS, gate.groups, name),
        given(telemetry.GATE_INDEPENDENT, gate.independent_groups, name),
        # At most one gate of a deployment is judged by labels.
        *(given(telemetry.UNCOUNTED, count, why) for why, count in uncounted_of(gate.uncounted).by_reason().items()),
    )
