"""How a rollout ends before its time, and the one line of history that stays. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from bucle.kinds.modeldeployment.world import World
from bucle.resources.base import Model
from bucle.resources.modeldeployment_status import (
    CandidateRevision,
    Load,
    ModelDeploymentStatus,
    PastRollout,
    Refused,
    RolloutStatus,
    Weight,
)

Status = ModelDeploymentStatus
HISTORY = 20

M = TypeVar("M", bound=Model)


def change(model: M, **fields: object) -> M:
    """A copy with these fields replaced."""
    return model.model_copy(update=fields)


def need(status: Status) -> tuple[RolloutStatus, CandidateRevision]:
    if status.rollout is None or status.candidate is None:
        raise ValueError("a running rollout must have a candidate in status")
    return status.rollout, status.candidate


def abort(world: World, status: Status, reason: str, message: str, now: datetime) -> Status:
    """Condemns the candidate and takes its requests away. Needs nothing but Kubernetes."""
    status = _roles_back(status)
    _, candidate = need(status)
    model = candidate.model
    refused = Refused(
        version=model.version if model else None,
        digest=model.digest if model else None,
        revision=candidate.revision,
        plan_hash=world.plan_hash,
        attempt=world.deployment.spec.rollout.attempt,
        reason=reason,
        message=message,
        at=now.replace(microsecond=0),
    )
    return ending(change(status, rejected=refused), "Aborted", reason, message)


def ending(status: Status, outcome: str, reason: str, message: str) -> Status:
    """Weight 0 for the candidate, for whatever reason the rollout ends early."""
    status = _roles_back(status)
    rollout, candidate = need(status)
    return change(
        status,
        candidate=change(candidate, weight=0, shadow=0),
        rollout=change(
            rollout,
            state="Aborting",
            outcome=outcome,
            reason=reason,
            message=message,
            step_started_at=None,
            weight=Weight(desired=0, programmed=rollout.weight.programmed if rollout.weight else 0),
            waiting_for="the candidate's weight to be 0 at every router pod",
        ),
    )


def _roles_back(status: Status) -> Status:
    """In a soak the previous revision becomes stable again and the new one a candidate."""
    stable, previous = status.stable, status.previous
    if status.candidate is not None or stable is None:
        return status
    candidate = CandidateRevision(
        revision=stable.revision,
        model=stable.model,
        image=stable.image,
        load=Load(state="Loaded"),
        ready_replicas=stable.ready_replicas,
        weight=stable.weight,
        shadow=0,
    )
    return change(status, stable=previous, previous=None, candidate=candidate)


def finish(status: Status, now: datetime) -> Status:
    """The rollout is over; one line of history stays."""
    rollout = status.rollout
    if rollout is None:
        return status
    model = status.candidate.model if status.candidate else status.stable.model if status.stable else None
    line = PastRollout(
        revision=rollout.candidate_revision,
        model=model,
        outcome=rollout.outcome or "Promoted",
        reason=rollout.reason or "Promoted",
        started_at=rollout.started_at,
        finished_at=now.replace(microsecond=0),
    )
    return change(status, rollout=None, candidate=None, previous=None, history=(line, *status.history)[:HISTORY])
