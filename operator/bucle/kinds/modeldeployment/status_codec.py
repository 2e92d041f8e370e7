"""The one place that turns a status into a State and a State into a status. Pure.

A status may have been written by a newer release or by hand: what cannot be understood is held as it is and told, never
taken for something it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bucle.contracts.names import SHADOW_SUFFIX, shadow_of
from bucle.contracts.result import Failure
from bucle.engine.room import UnknownState, known_state, required
from bucle.externals.answers import AnswerCounts
from bucle.kinds.modeldeployment.gates.verdict import Verdict
from bucle.kinds.modeldeployment.identity import Revision, facts_of
from bucle.kinds.modeldeployment.state import (
    Aborting,
    CounterBase,
    Loading,
    LoadState,
    Outcome,
    Phase,
    Promoting,
    Promotion,
    Refusal,
    Rollout,
    Run,
    Serving,
    Soaking,
    State,
    Stepping,
    Target,
    Telling,
    Wait,
    WaitFor,
)
from bucle.kinds.modeldeployment.waiting import waiting_text
from bucle.resources.modeldeployment_status import (
    CandidateRevision,
    Counter,
    Load,
    ModelDeploymentStatus,
    PromotionStatus,
    Refused,
    RolloutStatus,
    StableRevision,
    Weight,
)

STEP_BASE = "step"
"""In place of a router pod's uid: the candidate's total when the running step came into force."""


@dataclass(frozen=True, slots=True)
class Held:
    """A status that this release cannot act on: why, and the run it is about, if that much can be read."""

    why: str
    rest: State | None = None
    run: Run | None = None


def decode(status: ModelDeploymentStatus) -> State | Held:
    """The State that was written, or why nothing may be decided on it."""
    rest: State | None = None
    run: Run | None = None
    try:
        _records(status)
        stable = _serving(status.stable, "stable")
        rest = State(
            stable=stable,
            rollout=None,
            promotion=_promotion(status.promotion),
            rejected=_refusal(status.rejected),
            gates=status.gates,
            history=status.history,
        )
        if status.rollout is None:
            return rest
        run = _run(status, status.rollout, stable)
        return replace(rest, rollout=_phase(status, status.rollout, run))
    except UnknownState as error:
        return Held(str(error), rest, run)


def _records(status: ModelDeploymentStatus) -> None:
    """What people and a DriftPolicy read: kept as it is, and so it must be understood."""
    load = status.candidate.load if status.candidate else None
    if load is not None:
        known_state(LoadState, load.state, "candidate.load.state")
    if status.rollout is not None and status.rollout.outcome is not None:
        known_state(Outcome, status.rollout.outcome, "rollout.outcome")
    for gate in status.gates:
        known_state(Verdict, gate.verdict, "gates[].verdict")
    for line in status.history:
        known_state(Outcome, line.outcome, "history[].outcome")


def _revision(part: StableRevision | CandidateRevision, field: str) -> Revision:
    return Revision(
        required(part.revision, f"{field}.revision"),
        required(facts_of(part.model), f"{field}.model"),
        required(part.image, f"{field}.image"),
    )


def _serving(part: StableRevision | None, field: str) -> Serving | None:
    if part is None:
        return None
    return Serving(_revision(part, field), required(part.since, f"{field}.since"), part.unready_since)


def _promotion(told: PromotionStatus | None) -> Promotion | None:
    if told is None:
        return None
    return Promotion(
        model=required(facts_of(told.model), "promotion.model"),
        at=required(told.at, "promotion.at"),
        reference=told.reference,
        alias=told.alias,
        before=told.before,
        telling=known_state(Telling, told.state, "promotion.state"),
    )


def _refusal(told: Refused | None) -> Refusal | None:
    if told is None:
        return None
    return Refusal(
        version=told.version,
        digest=required(told.digest, "rejected.digest"),
        revision=told.revision,
        plan_hash=told.plan_hash or "",
        attempt=told.attempt or 0,
        reason=told.reason or "GateNotPassed",
        message=told.message or "",
        at=told.at,
    )


def _run(status: ModelDeploymentStatus, told: RolloutStatus, stable: Serving | None) -> Run:
    if status.candidate is not None:
        candidate = _revision(status.candidate, "candidate")
    else:
        candidate = required(stable, "candidate").revision
    return Run(
        id=required(told.id, "rollout.id"),
        plan_hash=told.plan_hash or "",
        attempt=told.attempt or 0,
        started_at=required(told.started_at, "rollout.startedAt"),
        stable=told.stable_revision,
        candidate=candidate,
        bases=tuple(_base(counter) for counter in told.counters),
        reference=told.reference,
        took_over_at=told.took_over_at,
    )


def _base(counter: Counter) -> CounterBase:
    cluster = counter.revision or ""
    target = Target(cluster.removesuffix(SHADOW_SUFFIX), shadow=cluster.endswith(SHADOW_SUFFIX))
    router = None if counter.router == STEP_BASE else counter.router
    return CounterBase(router, target, AnswerCounts(counter.requests or 0, counter.errors or 0, counter.refused or 0))


def _phase(status: ModelDeploymentStatus, told: RolloutStatus, run: Run) -> Rollout:
    phase = known_state(Phase, told.state, "rollout.state")
    if phase in (Phase.LOADING, Phase.STEPPING, Phase.ABORTING):
        required(status.candidate, "candidate")
    return _DECODERS[phase](status, told, run)


def _loading(status: ModelDeploymentStatus, told: RolloutStatus, run: Run) -> Loading:
    load = status.candidate.load if status.candidate else None
    trouble = Failure(reason=load.reason, message=load.message or "") if load and load.reason else None
    return Loading(run, load.since if load else run.started_at, trouble, Wait(WaitFor.LOAD))


def _stepping(status: ModelDeploymentStatus, told: RolloutStatus, run: Run) -> Stepping:
    weight = told.weight or Weight()
    return Stepping(
        run=run,
        step=required(told.step, "rollout.step"),
        entered_at=told.step_entered_at or told.step_started_at or run.started_at,
        in_force_since=told.step_started_at,
        weight=weight.desired or 0,
        programmed=weight.programmed or 0,
        overdue=_failure(told),
        wait=Wait(WaitFor.GATES),
    )


def _soaking(status: ModelDeploymentStatus, told: RolloutStatus, run: Run) -> Soaking:
    previous = required(_serving(status.previous, "previous"), "previous")
    return Soaking(run, previous, required(told.step_started_at, "rollout.stepStartedAt"), Wait(WaitFor.SOAK))


def _promoting(status: ModelDeploymentStatus, told: RolloutStatus, run: Run) -> Promoting:
    required(status.stable, "stable")
    return Promoting(run, told.step_started_at or run.started_at, Wait(WaitFor.REGISTRY))


def _aborting(status: ModelDeploymentStatus, told: RolloutStatus, run: Run) -> Aborting:
    return Aborting(
        run=run,
        outcome=known_state(Outcome, told.outcome, "rollout.outcome"),
        why=_failure(told) or Failure(reason="GateNotPassed", message=""),
        programmed=(told.weight.programmed if told.weight else None) or 0,
        drained_since=told.step_started_at,
        wait=Wait(WaitFor.WEIGHT_ZERO),
    )


def _failure(told: RolloutStatus) -> Failure | None:
    return Failure(reason=told.reason, message=told.message or "") if told.reason else None


_DECODERS: Mapping[Phase, Callable[[ModelDeploymentStatus, RolloutStatus, Run], Rollout]] = {
    Phase.LOADING: _loading,
    Phase.STEPPING: _stepping,
    Phase.SOAKING: _soaking,
    Phase.PROMOTING: _promoting,
    Phase.ABORTING: _aborting,
}


# --- and back ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Numbers:
    """What is counted now, by revision: ready pods and the weights that the router is told, and the share copied."""

    ready: Mapping[str, int]
    weights: Mapping[str, int]
    shadow: int


def encode(state: State, numbers: Numbers) -> ModelDeploymentStatus:
    """The status of that State, without conditions and generation."""
    rollout = state.rollout
    return ModelDeploymentStatus(
        stable=_told_serving(state.stable, numbers),
        candidate=_told_candidate(rollout, state.candidate, numbers),
        previous=_told_serving(state.previous, numbers),
        rollout=_told_rollout(rollout) if rollout is not None else None,
        promotion=_told_promotion(state.promotion),
        rejected=_told_refusal(state.rejected),
        gates=state.gates,
        history=state.history,
    )


def _told_serving(part: Serving | None, numbers: Numbers) -> StableRevision | None:
    if part is None:
        return None
    return StableRevision(
        revision=part.revision.id,
        model=part.revision.model.reference(),
        image=part.revision.image,
        ready_replicas=numbers.ready.get(part.revision.id, 0),
        weight=numbers.weights.get(part.revision.id, 0),
        since=part.since,
        unready_since=part.unready_since,
    )


def _told_candidate(rollout: Rollout | None, revision: Revision | None, numbers: Numbers) -> CandidateRevision | None:
    if revision is None:
        return None
    load = Load(state=LoadState.LOADED)
    if isinstance(rollout, Loading):
        told = rollout.trouble
        load = Load(
            state=LoadState.LOADING if rollout.clock else LoadState.WAITING,
            since=rollout.clock,
            reason=told.reason if told else None,
            message=told.message if told else None,
        )
    return CandidateRevision(
        revision=revision.id,
        model=revision.model.reference(),
        image=revision.image,
        load=load,
        ready_replicas=numbers.ready.get(revision.id, 0),
        weight=numbers.weights.get(revision.id, 0),
        shadow=numbers.shadow,
    )


def _told_rollout(rollout: Rollout) -> RolloutStatus:
    run = rollout.run
    return RolloutStatus(
        id=run.id,
        plan_hash=run.plan_hash,
        attempt=run.attempt,
        started_at=run.started_at,
        stable_revision=run.stable,
        candidate_revision=run.candidate.id,
        waiting_for=waiting_text(rollout.wait),
        reference=run.reference,
        took_over_at=run.took_over_at,
        counters=tuple(_told_base(base) for base in run.bases),
        **_of_phase(rollout),
    )


def _of_phase(rollout: Rollout) -> dict[str, Any]:
    match rollout:
        case Loading():
            return {"state": Phase.LOADING, "weight": Weight(desired=0, programmed=0)}
        case Stepping():
            return {
                "state": Phase.STEPPING,
                "step": rollout.step,
                "step_entered_at": rollout.entered_at,
                "step_started_at": rollout.in_force_since,
                "weight": Weight(desired=rollout.weight, programmed=rollout.programmed),
                **_told_failure(rollout.overdue),
            }
        case Soaking():
            weight = Weight(desired=100, programmed=100)
            return {"state": Phase.SOAKING, "step_started_at": rollout.since, "weight": weight}
        case Promoting():
            weight = Weight(desired=100, programmed=100)
            return {"state": Phase.PROMOTING, "step_started_at": rollout.since, "weight": weight}
        case Aborting():
            return {
                "state": Phase.ABORTING,
                "outcome": rollout.outcome,
                "step_started_at": rollout.drained_since,
                "weight": Weight(desired=0, programmed=rollout.programmed),
                **_told_failure(rollout.why),
            }


def _told_failure(failure: Failure | None) -> dict[str, Any]:
    return {"reason": failure.reason, "message": failure.message} if failure else {}


def _told_base(base: CounterBase) -> Counter:
    target = base.target
    return Counter(
        router=base.router or STEP_BASE,
        revision=shadow_of(target.revision) if target.shadow else target.revision,
        requests=base.answered.requests,
        errors=base.answered.errors,
        refused=base.answered.refused,
    )


def _told_promotion(promotion: Promotion | None) -> PromotionStatus | None:
    if promotion is None:
        return None
    return PromotionStatus(
        model=promotion.model.reference(),
        at=promotion.at,
        alias=promotion.alias,
        before=promotion.before,
        reference=promotion.reference,
        state=promotion.telling,
    )


def _told_refusal(refused: Refusal | None) -> Refused | None:
    if refused is None:
        return None
    return Refused(
        version=refused.version,
        digest=refused.digest,
        revision=refused.revision,
        plan_hash=refused.plan_hash,
        attempt=refused.attempt,
        reason=refused.reason,
        message=refused.message,
        at=refused.at,
    )
