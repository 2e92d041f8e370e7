"""When a candidate becomes stable because nothing of the stable version answers, and what it does not become by that."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from tests.support.builders import rollout_states as states
from tests.support.builders.rollout_states import NOW

from bucle.kinds.modeldeployment.state import Outcome, Soaking
from bucle.kinds.modeldeployment.takeover import TAKE_OVER_AFTER, dead_for_good, put_in_place, take_over

LONG_AGO, LATELY = NOW - TAKE_OVER_AFTER, NOW - TAKE_OVER_AFTER + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("unready_since", "paused", "dead"),
    [
        (LONG_AGO, False, True),
        (LATELY, False, False),
        (None, False, False),
        (LONG_AGO, True, False),
    ],
    ids=["for two minutes", "a pod may restart in that time", "it is ready", "a person holds the rollout"],
)
def test_a_stable_version_is_dead_for_good(unready_since: datetime | None, paused: bool, dead: bool) -> None:
    world = states.world(spec={"rollout": {"paused": paused}})
    state = states.state(states.PHASES["stepping"], stable=states.serving(1, unready_since))
    assert dead_for_good(world, state, NOW) is dead


def test_without_a_stable_version_there_is_none_to_take_over_from() -> None:
    state = states.state(states.PHASES["loading"], stable=None)
    assert not dead_for_good(states.world(), state, NOW)
    assert take_over(state, states.run(), NOW) == state


def test_who_takes_over_soaks_with_the_way_back_and_is_marked_as_unjudged() -> None:
    before = states.state(states.PHASES["stepping"], stable=states.serving(1, LONG_AGO))
    found = take_over(before, states.run(), NOW)
    assert found.stable is not None and found.stable.revision == states.revision(2)
    assert isinstance(found.rollout, Soaking) and found.rollout.previous == before.stable
    assert found.rollout.run.took_over_at == NOW and found.promotion is None


def test_who_is_put_in_place_ends_the_rollout_without_a_promotion() -> None:
    found = put_in_place(states.state(states.PHASES["stepping"]), NOW)
    assert found.rollout is None and found.promotion is None
    assert found.stable is not None and found.stable.revision == states.revision(2)
    assert [(line.outcome, line.reason) for line in found.history[:1]] == [(Outcome.TOOK_OVER, "TookOver")]
