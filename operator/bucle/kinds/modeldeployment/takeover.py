"""A candidate in the place of a dead stable version: when it becomes the stable one, although it was not judged to the end. Pure.

That it answers callers until then is a matter of routes: `traffic.routing.takes_over`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bucle.kinds.modeldeployment.identity import Revision
from bucle.kinds.modeldeployment.state import (
    Outcome,
    Promoting,
    Run,
    Serving,
    Soaking,
    State,
    Stepping,
    Wait,
    WaitFor,
    finished,
)
from bucle.kinds.modeldeployment.world import World
from bucle.resources.modeldeployment import ModelDeploymentSpec

TAKE_OVER_AFTER = timedelta(minutes=2)
"""A candidate answers for a dead stable version at once, and becomes the stable one after that long: a restarted pod needs
less."""


def dead_for_good(world: World, state: State, now: datetime) -> bool:
    since = state.stable.unready_since if state.stable else None
    return since is not None and now - since >= TAKE_OVER_AFTER and not world.spec.rollout.paused


def take_over(state: State, run: Run, now: datetime) -> State:
    """The candidate becomes stable unjudged, because nothing else answers. It is never promoted for that."""
    if state.stable is None:
        return state
    soaking = Soaking(replace(run, took_over_at=now), state.stable, now, Wait(WaitFor.SOAK))
    return replace(state, stable=Serving(run.candidate, now, None), rollout=soaking)


def put_in_place(state: State, now: datetime) -> State:
    """The candidate becomes stable as it is, because it is all that answers; the rollout is over."""
    if state.rollout is None:
        return state
    stable = Serving(state.rollout.run.candidate, now, None)
    return replace(finished(state, Outcome.TOOK_OVER, "TookOver", now), stable=stable)


def judged(state: State, spec: ModelDeploymentSpec) -> frozenset[str]:
    """Revisions that were promoted, or have all their steps behind them: what the routes say of them for a lost status.

    Not who took over, for as long as it serves; nor who is on trial, however many callers it has.
    """
    stable = state.stable.revision if state.stable else None
    match state.rollout:
        case Soaking(run=run, previous=previous):
            found = {
                run.candidate.id: run.took_over_at is None,
                previous.revision.id: _promoted(state, previous.revision),
            }
        case Promoting(run=run):
            found = {run.candidate.id: True}
        case rollout:
            found = {stable.id: _promoted(state, stable)} if stable else {}
            if isinstance(rollout, Stepping):
                found[rollout.run.candidate.id] = rollout.step >= len(spec.rollout.steps)
    return frozenset(revision for revision, passed in found.items() if passed)


def _promoted(state: State, revision: Revision) -> bool:
    """A model of no registry has nowhere to be promoted to."""
    return revision.model.name is None or (
        state.promotion is not None and state.promotion.model.digest == revision.model.digest
    )
