"""From what is known to what is done: the next status, the evaluate Job, the children of a retrain. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from bucle.engine.plan import Child, Deletion, Plan
from bucle.kinds.driftpolicy import conditions, requests, retrain_ledger
from bucle.kinds.driftpolicy.children import evaluate_job, retrain_children
from bucle.kinds.driftpolicy.evaluation_job import evaluated, made_at
from bucle.kinds.driftpolicy.retrain_checks import acted
from bucle.kinds.driftpolicy.state import (
    EvaluationState,
    OpenRetrain,
    RetrainState,
    State,
)
from bucle.kinds.driftpolicy.status_codec import decoded, encoded
from bucle.kinds.driftpolicy.window_verdicts import restarted, with_drift
from bucle.kinds.driftpolicy.world import Served, World
from bucle.resources.addresses import DATASET, EXPERIMENT
from bucle.workloads import job_cleanup

SOON, CALM = timedelta(seconds=2), timedelta(seconds=30)


def plan(world: World, now: datetime) -> Plan:
    """One decision."""
    before = decoded(world.policy.status)
    served = world.served
    if served is None:
        state, _ = requests.heard(world, None, before, now)
        return Plan(encoded(state), conditions.not_served(world, state), wake=CALM)
    state = evaluated(world, served, restarted(world, served, before), now)
    state = with_drift(world.policy, served, state)
    state, waits = requests.heard(world, served, retrain_ledger.tracked(world, state, now), now)
    state = acted(world, served, state, now)
    expiring, unwanted = _cleared(world, state)
    return Plan(
        state=encoded(state),
        conditions=conditions.said(world, state, waits),
        children=(*expiring, *_evaluate(world, served, state, now), *_retrain(world, served, before, state)),
        deletions=(*unwanted, *_given_up(world, state)),
        wake=_wake(before, state, now),
    )


def _wake(before: State, state: State, now: datetime) -> timedelta:
    """Once its Job was seen, the watches of Jobs and pods tell of every further change; a closer look costs requests only."""
    evaluation = state.evaluation
    if state.reference != before.reference or _claim(state) is not None:
        return SOON
    if evaluation is not None and evaluation.state is EvaluationState.PLANNED:
        return min(max(made_at(evaluation) - now, SOON), CALM)
    return CALM


def _evaluate(world: World, served: Served, state: State, now: datetime) -> tuple[Child, ...]:
    evaluation = state.evaluation
    if evaluation is None or not evaluation.open or made_at(evaluation) > now:
        return ()
    return evaluate_job(world, served, evaluation)


def _retrain(world: World, served: Served, before: State, state: State) -> tuple[Child, ...]:
    """Children of a claim that the others could see: it stood in status when they were read."""
    claim = _claim(state)
    stood = before.retrain is not None and claim is not None and before.retrain.name == claim.name
    listed = {children.name for children in world.retrains}
    if claim is None or not (stood or claim.name in listed):
        return ()
    return retrain_children(world, served, claim)


def _claim(state: State) -> OpenRetrain | None:
    return state.retrain if state.retrain is not None and state.retrain.state is RetrainState.CLAIMED else None


def _cleared(world: World, state: State) -> tuple[tuple[Child, ...], tuple[Deletion, ...]]:
    """What is left of attempts that are over; those that were replaced, and those of an earlier version or rule, too."""
    evaluation, namespace = state.evaluation, world.policy.metadata.namespace
    active = {evaluation.job} if evaluation is not None and evaluation.open else set()
    kept, dropped = job_cleanup.expired(world.live, namespace, active)
    return kept, (*dropped, *job_cleanup.superseded(world.live, namespace, active))


def _given_up(world: World, state: State) -> tuple[Deletion, ...]:
    """Children of a retrain that was cancelled; what they wrote to the store stays."""
    namespace = world.policy.metadata.namespace
    found = []
    for children in retrain_ledger.undecided(world, state):
        for resource, child in ((EXPERIMENT, children.experiment), (DATASET, children.dataset)):
            if child is not None:
                found.append(Deletion(resource, namespace, child.metadata.name, child.metadata.uid))
    return tuple(found)
