"""How a rollout is left: condemned, taken away, drained, taken over; and the one look of each phase. Tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import rollout_states as states
from tests.support.builders.rollout_states import AGO, NOW, PHASES, fleet

from bucle.contracts.result import Failure
from bucle.kinds.modeldeployment.aborting import DRAIN, abort, condemn, take_away
from bucle.kinds.modeldeployment.rollout import PHASES as LOOKS
from bucle.kinds.modeldeployment.rollout import move
from bucle.kinds.modeldeployment.state import (
    Aborting,
    Loading,
    Outcome,
    Promoting,
    Rollout,
    Soaking,
    State,
    Stepping,
    Wait,
    WaitFor,
)
from bucle.kinds.modeldeployment.stepping import enter, promote, step
from bucle.kinds.modeldeployment.takeover import TAKE_OVER_AFTER, dead_for_good, put_in_place, take_over
from bucle.kinds.modeldeployment.waiting import waiting_text

STABLE, CANDIDATE = states.revision(1), states.revision(2)
SOAKING = Soaking(states.run(), states.serving(1), NOW, Wait(WaitFor.SOAK))
WHY = Failure(reason="GateNotPassed", message="worse")
CRASHED = Failure(reason="CrashLooping", message="exit 1")
STEPS = {"steps": [{"weight": {"percent": 10, "until": {"samples": 10, "maxDuration": "1h"}}}]}


@pytest.mark.parametrize("rollout", [*PHASES.values(), SOAKING], ids=[*PHASES, "soaking"])
def test_what_is_condemned_is_refused_and_loses_its_requests(rollout: Rollout) -> None:
    before = states.flipped(rollout) if isinstance(rollout, Soaking) else states.state(rollout)
    found = condemn(states.world(), before, "GateNotPassed", "worse", NOW)
    assert isinstance(found.rollout, Aborting) and found.rollout.outcome is Outcome.ABORTED
    assert found.rejected is not None and found.rejected.digest == CANDIDATE.model.digest
    assert found.stable is not None and found.stable.revision == STABLE, "in a soak the roles flip back"


@pytest.mark.parametrize(
    ("rollout", "programmed"),
    [(PHASES["stepping"], 50), (PHASES["aborting"], 50), (PHASES["loading"], 0), (SOAKING, 100)],
)
def test_what_callers_still_see_of_it_is_known(rollout: Rollout, programmed: int) -> None:
    found = take_away(states.state(rollout), Outcome.SUPERSEDED, "Replaced", "another").rollout
    assert isinstance(found, Aborting) and found.programmed == programmed


def aborting(drained: timedelta | None) -> Aborting:
    since = NOW - drained if drained is not None else None
    return Aborting(states.run(), Outcome.ABORTED, WHY, 10, since, Wait(WaitFor.WEIGHT_ZERO))


@pytest.mark.parametrize(
    ("drained", "ready", "expected"),
    [
        (None, {STABLE: 2, CANDIDATE: 2}, WaitFor.WEIGHT_ZERO),
        (DRAIN / 2, {STABLE: 2, CANDIDATE: 2}, WaitFor.OPEN_REQUESTS),
        (DRAIN, {STABLE: 2, CANDIDATE: 2}, "over"),
        (None, {STABLE: 0, CANDIDATE: 2}, WaitFor.STABLE_BACK),
        (None, {STABLE: 0, CANDIDATE: 0}, "over"),
    ],
)
def test_the_way_back_to_weight_zero(drained: timedelta | None, ready: dict[Any, int], expected: WaitFor | str) -> None:
    rollout = aborting(drained)
    world = states.world(fleets={revision.id: fleet(pods) for revision, pods in ready.items()})
    found = abort(world, states.state(rollout), rollout, NOW)
    if isinstance(expected, WaitFor):
        assert isinstance(found.rollout, Aborting) and found.rollout.wait.what is expected
    else:
        assert found.rollout is None and found.history[0].reason == "GateNotPassed"


def test_without_a_stable_version_there_is_nothing_to_go_back_to() -> None:
    rollout = aborting(None)
    assert abort(states.world(), states.state(rollout, stable=None), rollout, NOW).rollout is None


@pytest.mark.parametrize(
    ("unready", "paused", "dead"),
    [
        (None, False, False),
        (TAKE_OVER_AFTER / 2, False, False),
        (TAKE_OVER_AFTER, False, True),
        (TAKE_OVER_AFTER, True, False),
    ],
)
def test_when_a_stable_version_counts_as_dead(unready: timedelta | None, paused: bool, dead: bool) -> None:
    since = NOW - unready if unready is not None else None
    state = states.state(PHASES["stepping"], stable=states.serving(1, since))
    assert dead_for_good(states.world(spec={"rollout": {"paused": paused}}), state, NOW) == dead


def test_who_takes_over_is_stable_unjudged_and_the_one_before_is_kept() -> None:
    found = take_over(states.state(PHASES["stepping"]), states.run(), NOW)
    assert isinstance(found.rollout, Soaking) and found.rollout.run.took_over_at == NOW
    assert found.stable is not None and found.stable.revision == CANDIDATE
    assert found.rollout.previous.revision == STABLE
    put = put_in_place(states.state(PHASES["stepping"]), NOW)
    assert (put.rollout, put.history[0].outcome) == (None, Outcome.TOOK_OVER)
    assert put.stable is not None and put.stable.revision == CANDIDATE


# --- steps -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("index", "weight"), [(0, 10), (1, 100)])
def test_a_step_that_is_entered_waits_for_its_routes(index: int, weight: int) -> None:
    found = enter(states.world(spec={"rollout": STEPS}), states.state(), states.run(), index, 0, NOW).rollout
    assert isinstance(found, Stepping) and (found.weight, found.in_force_since) == (weight, None)
    assert found.wait.what is WaitFor.ROUTES


def stepping(**more: Any) -> Stepping:
    rollout = Stepping(states.run(), 0, AGO, None, 10, 0, None, Wait(WaitFor.GATES))
    return replace(rollout, **more)


@pytest.mark.parametrize(
    ("state", "pods", "expected"),
    [
        (states.state(stepping(entered_at=NOW)), {STABLE: fleet(2), CANDIDATE: fleet(2)}, WaitFor.ROUTES),
        (states.state(stepping()), {STABLE: fleet(2), CANDIDATE: fleet(0, CRASHED)}, "LoadFailed"),
    ],
)
def test_what_one_look_at_a_step_decides(state: State, pods: dict[Any, Any], expected: WaitFor | str) -> None:
    fleets = {revision.id: found for revision, found in pods.items()}
    world = states.world(fleets=fleets, spec={"rollout": STEPS})
    assert isinstance(state.rollout, Stepping)
    found = step(world, state, state.rollout, NOW).rollout
    if isinstance(expected, WaitFor):
        assert isinstance(found, Stepping) and found.wait.what is expected
    else:
        assert isinstance(found, Aborting) and found.why.reason == expected


@pytest.mark.parametrize(("first", "phase"), [(True, Promoting), (False, Soaking)])
def test_behind_the_last_step_the_roles_flip(first: bool, phase: type[Rollout]) -> None:
    state = states.state(stepping(), **({"stable": None} if first else {}))
    found = promote(states.world(), state, states.run(), NOW)
    assert isinstance(found.rollout, phase)
    assert found.stable is not None and found.stable.revision == CANDIDATE


def test_every_phase_has_its_look_and_no_rollout_has_none() -> None:
    assert set(LOOKS) == {Loading, Stepping, Soaking, Promoting, Aborting}
    assert move(states.world(), states.state(), NOW) == states.state()


@pytest.mark.parametrize("what", list(WaitFor))
def test_every_wait_has_words(what: WaitFor) -> None:
    told = waiting_text(Wait(what, "10m"))
    assert told and "{" not in told
