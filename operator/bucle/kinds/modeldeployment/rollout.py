"""The phases of a rollout: one table from each phase to the function that looks at it. Pure.

Loading → Stepping (one step after the other, then full weight) → Soaking → Promoting → done;
from anywhere → Aborting (weight 0 → programmed → drained) → done. A first version goes from Loading to Promoting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from bucle.engine.reads import Known
from bucle.kinds.modeldeployment.aborting import abort
from bucle.kinds.modeldeployment.loading import load
from bucle.kinds.modeldeployment.registry import promote_in_registry
from bucle.kinds.modeldeployment.state import Aborting, Loading, Promoting, Soaking, State, Stepping, with_run
from bucle.kinds.modeldeployment.stepping import step
from bucle.kinds.modeldeployment.steps.soak import soak
from bucle.kinds.modeldeployment.traffic.counters import with_bases
from bucle.kinds.modeldeployment.world import World

PHASES: Mapping[type, Callable[[World, State, Any, datetime], State]] = {
    Loading: load,
    Stepping: step,
    Soaking: soak,
    Promoting: promote_in_registry,
    Aborting: abort,
}


def move(world: World, state: State, now: datetime) -> State:
    """One move of the running rollout."""
    rollout = state.rollout
    if rollout is None:
        return state
    if isinstance(world.router.view, Known) and not isinstance(rollout, Promoting):
        rollout = with_run(rollout, with_bases(rollout.run, world.router.view.value))
        state = replace(state, rollout=rollout)
    return PHASES[type(rollout)](world, state, rollout, now)
