"""Whether a judge is needed, and what it is asked. Pure.

The judge pairs labelled answers of both versions while a shadow step runs. Its pod is in `children.judge_pod`.
"""

from __future__ import annotations

from bucle.contracts.evidence import Query
from bucle.engine.status import timestamp
from bucle.externals.judge.values import EvidenceRead
from bucle.kinds.modeldeployment.gates.table import kind_of
from bucle.kinds.modeldeployment.state import Loading, Rollout, State, Stepping
from bucle.kinds.modeldeployment.steps.table import step_at
from bucle.resources.gates import QualityGate
from bucle.resources.modeldeployment import ModelDeployment, ModelDeploymentSpec


def query_of(rollout: Rollout | None, spec: ModelDeploymentSpec) -> Query | None:
    """What the judge is asked while a shadow step is in force; the same query again is the same question."""
    if not isinstance(rollout, Stepping) or rollout.in_force_since is None:
        return None
    step, run = step_at(spec, rollout.step), rollout.run
    if not step.paired:
        return None
    return Query(
        rollout=run.id,
        step=rollout.step,
        started_at=timestamp(rollout.in_force_since),
        stable=run.stable or "",
        candidate=run.candidate.id,
        percent=step.mirror,
        sample_percent=spec.capture.sample_percent,
    )


def evidence_read(deployment: ModelDeployment, state: State) -> EvidenceRead | None:
    """The judge is asked only while a step is in force that pairs rows, and a gate looks at pairs."""
    query = query_of(state.rollout, deployment.spec)
    if query is None or not any(kind_of(gate)[0].needs_judge for gate in deployment.spec.gates):
        return None
    return EvidenceRead(deployment.metadata.namespace, deployment.metadata.uid, query)


def judged_gate(spec: ModelDeploymentSpec, state: State) -> QualityGate | None:
    """The gate for which a judge must run: one of the present or a coming step, so that it is warm before it is needed."""
    rollout = state.rollout
    if state.stable is None or not isinstance(rollout, Loading | Stepping):
        return None
    first = rollout.step if isinstance(rollout, Stepping) else 0
    coming = [step_at(spec, index) for index in range(first, len(spec.rollout.steps))]
    asked = {name for step in coming if step.paired for name in step.gates}
    return next((gate.quality for gate in spec.gates if gate.name in asked and gate.quality is not None), None)
