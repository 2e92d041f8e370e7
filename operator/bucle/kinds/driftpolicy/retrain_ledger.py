"""The ledger of retrains: what became of each one that was begun, read from its children and from the deployment. Pure.

Everything that keeps a retrain from happening twice is read from the children themselves, so a lost status forgets
nothing that matters. A model is its digest here too: a version's number means nothing once a registry was restored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from bucle.contracts.reasons import ends_unregistered
from bucle.kinds.driftpolicy.loop_closed import loop_open
from bucle.kinds.driftpolicy.state import (
    BEGINNING,
    KEPT,
    FeedbackBounds,
    OpenRetrain,
    PastRetrain,
    RetrainOutcome,
    RetrainState,
    State,
)
from bucle.kinds.driftpolicy.world import Retrained, World
from bucle.resources.base import Condition, ModelReference
from bucle.resources.dataset import Dataset
from bucle.resources.driftpolicy import DriftPolicy
from bucle.resources.experiment import Experiment


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one retrain is; an outcome once it is over."""

    outcome: RetrainOutcome | None = None
    reason: str = "Retraining"
    model: ModelReference | None = None

    @property
    def version(self) -> int | None:
        return self.model.version if self.model else None


def wants_retrains(policy: DriftPolicy) -> bool:
    return policy.spec.retrain is not None and any(action.do == "Retrain" for action in policy.spec.actions)


def goes_on(policy: DriftPolicy, asked: str | None) -> bool:
    """Whether a retrain under way is still wanted. What a person asked for needs no action that does Retrain."""
    return policy.spec.retrain is not None and (asked is not None or wants_retrains(policy))


def tracked(world: World, state: State, now: datetime) -> State:
    """The ledger as the children tell it. A lost status is filled again from them.

    A version that was promoted or refused stays so: what the deployment tells of it is forgotten after a while.
    """
    known = {line.name: line for line in state.past_retrains}
    stored, open_one, over = state.retrain, None, []
    for children in world.retrains:
        line = known.get(children.name)
        if line is not None:
            over.append(line)
            continue
        progress = progress_of(world, children, stored)
        if progress.outcome is None:
            open_one = _as_open(children, progress, stored)
        else:
            over.append(_as_past(children, progress, stored, now))
    listed = {children.name for children in world.retrains}
    if open_one is None and stored is not None and stored.name not in listed:
        open_one, ended = _without_children(world, stored, now)
        over += [ended] if ended is not None else []
    gone = [line for name, line in known.items() if name not in listed]
    newest_first = sorted((*over, *gone), key=lambda line: line.started_at, reverse=True)
    begun = max(state.retrains_begun, len(world.retrains))
    return replace(state, retrain=open_one, retrains_begun=begun, past_retrains=tuple(newest_first[:KEPT]))


def undecided(world: World, state: State) -> tuple[Retrained, ...]:
    """Children of retrains that were cancelled or given up while they still work: nobody waits for them."""
    ended = {
        line.name
        for line in state.past_retrains
        if line.outcome in (RetrainOutcome.CANCELLED, RetrainOutcome.FAILED) and line.reason in _NOBODY_WAITS
    }
    return tuple(children for children in world.retrains if children.name in ended)


CANCELLED, LOOP_OPEN = "RetrainCancelled", "LoopOpen"
_NOBODY_WAITS = frozenset({CANCELLED, LOOP_OPEN})


def progress_of(world: World, children: Retrained, stored: OpenRetrain | None) -> Progress:
    """Open until the ModelDeployment reports the model promoted or refused, or one of the children gave up."""
    dataset, experiment = children.dataset, children.experiment
    if dataset is not None and _says(dataset, "Stalled"):
        return Progress(RetrainOutcome.FAILED, "DatasetStalled")
    final = experiment.status.final if experiment is not None else None
    model = final.model if final is not None else None
    if experiment is not None:
        ended = _experiment_ended(experiment)
        if ended is not None:
            return ended
    if experiment is not None and _says(experiment, "Registered") and model is not None:
        return _arrival(world, experiment, model)
    if not goes_on(world.policy, children.asked):
        return Progress(RetrainOutcome.CANCELLED, CANCELLED)
    if dataset is not None and experiment is not None:
        return Progress()
    if stored is not None and stored.name == children.name and stored.state is not RetrainState.CLAIMED:
        # Both children were there: a person has deleted one of them, which is how a retrain is stopped by hand.
        return Progress(RetrainOutcome.CANCELLED, CANCELLED)
    if loop_open(world) is not None:
        return Progress(RetrainOutcome.FAILED, LOOP_OPEN)
    return Progress()


def _without_children(
    world: World, stored: OpenRetrain, now: datetime
) -> tuple[OpenRetrain | None, PastRetrain | None]:
    """A claim whose children are still to be made goes on; otherwise it ended without leaving anything."""
    waits = stored.state is RetrainState.CLAIMED and goes_on(world.policy, stored.asked)
    if waits and loop_open(world) is None:
        return stored, None
    told = (RetrainOutcome.CANCELLED, CANCELLED)
    if waits:
        told = (RetrainOutcome.FAILED, LOOP_OPEN)
    ended = PastRetrain(stored.name, *told, stored.started_at, _moment(now), stored.window, stored.model_version)
    return None, ended


def _experiment_ended(experiment: Experiment) -> Progress | None:
    registered = _condition(experiment, "Registered")
    if registered is not None and registered.status == "False" and ends_unregistered(registered.reason):
        return Progress(RetrainOutcome.REFUSED, registered.reason)
    stalled, succeeded = _condition(experiment, "Stalled"), _condition(experiment, "Succeeded")
    if stalled is not None and stalled.status == "True":
        return Progress(RetrainOutcome.FAILED, stalled.reason)
    reconciling = _condition(experiment, "Reconciling")
    over = reconciling is not None and reconciling.status == "False"
    if succeeded is not None and succeeded.status == "False" and over:
        return Progress(RetrainOutcome.FAILED, succeeded.reason)
    return None


def _arrival(world: World, experiment: Experiment, model: ModelReference) -> Progress:
    """What became of the model at the deployment: it serves, is on trial, was refused, or was passed over."""
    if world.deployment is None or model.digest is None:
        return Progress(model=model)
    status = world.deployment.status
    stable, trial = status.stable, status.rollout.candidate_revision if status.rollout else None
    if stable is not None and stable.model is not None and stable.model.digest == model.digest:
        # Until the soak is over; a later rollout of another version changes nothing any more.
        done = RetrainOutcome.PROMOTED if trial != stable.revision else None
        return Progress(done, "Promoted", model)
    candidate, rejected = status.candidate, status.rejected
    if candidate is not None and candidate.model is not None and candidate.model.digest == model.digest:
        return Progress(model=model)
    if rejected is not None and rejected.digest == model.digest:
        return Progress(RetrainOutcome.REFUSED, rejected.reason or "GateNotPassed", model)
    line = next((line for line in status.history if line.model and line.model.digest == model.digest), None)
    if line is not None and line.reason != "PlanChanged":  # after an edit the same version starts again
        outcome = RetrainOutcome.PROMOTED if line.outcome == "Promoted" else RetrainOutcome.REFUSED
        return Progress(outcome, line.reason or line.outcome or "Replaced", model)
    return (
        Progress(RetrainOutcome.REFUSED, "Replaced", model)
        if _passed_over(world, experiment)
        else Progress(model=model)
    )


def _passed_over(world: World, experiment: Experiment) -> bool:
    """Whether the deployment took up another version after this one was there to be taken."""
    since = _condition(experiment, "Registered")
    if world.deployment is None or since is None or since.last_transition_time is None:
        return False
    status, there = world.deployment.status, since.last_transition_time
    tried = [status.stable.since if status.stable else None, status.rejected.at if status.rejected else None]
    return any(at is not None and at > there for at in tried)


def _as_open(children: Retrained, progress: Progress, stored: OpenRetrain | None) -> OpenRetrain:
    if stored is None or stored.name != children.name:
        stored = OpenRetrain(
            name=children.name,
            state=RetrainState.CLAIMED,
            started_at=children.created_at or BEGINNING,
            feedback_bounds=_bounds_of(children.dataset),
            asked=children.asked,
        )
    both = children.dataset is not None and children.experiment is not None
    state = RetrainState.RETRAINING if both else stored.state
    if progress.model is not None:
        state = RetrainState.ROLLING_OUT
    digest = progress.model.digest if progress.model else None
    return replace(stored, state=state, digest=digest, model_version=progress.version)


def _bounds_of(dataset: Dataset | None) -> FeedbackBounds | None:
    window = next((s.feedback.window for s in dataset.spec.sources if s.feedback), None) if dataset else None
    if window is None or window.received_before is None or window.labels_received_before is None:
        return None
    return FeedbackBounds(window.received_before, window.labels_received_before)


def _as_past(children: Retrained, progress: Progress, stored: OpenRetrain | None, now: datetime) -> PastRetrain:
    mine = stored if stored is not None and stored.name == children.name else None
    return PastRetrain(
        name=children.name,
        outcome=progress.outcome or RetrainOutcome.FAILED,
        reason=progress.reason,
        started_at=mine.started_at if mine else children.created_at or BEGINNING,
        finished_at=_moment(now) if mine else None,
        window=mine.window if mine else None,
        model_version=progress.version,
    )


def _condition(child: Dataset | Experiment, type_: str) -> Condition | None:
    return next((said for said in child.status.conditions if said.type == type_), None)


def _says(child: Dataset | Experiment, type_: str) -> bool:
    found = _condition(child, type_)
    return found is not None and found.status == "True"


def _moment(now: datetime) -> datetime:
    return now.replace(microsecond=0)
