"""Whose time runs while pods load: the model's, and only while nothing else keeps them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from tests.support.builders import rollout_states as states
from tests.support.builders.rollout_states import NOW, fleet

from bucle.contracts.result import Failure
from bucle.kinds.modeldeployment.fleets import Fleet
from bucle.kinds.modeldeployment.loading import load
from bucle.kinds.modeldeployment.state import Aborting, Loading, Wait, WaitFor

LATE, EARLY = NOW - timedelta(minutes=6), NOW - timedelta(minutes=1)
QUOTA, DIGEST = Failure(reason="PodsRefused", message="quota"), Failure(reason="DigestMismatch", message="other bytes")
CRASH = Failure(reason="CrashLooping", message="exit 1")


@pytest.mark.parametrize(
    ("pods", "clock", "expected"),
    [
        (None, LATE, None),
        (fleet(0, QUOTA), LATE, None),
        (fleet(0, begun=False), LATE, None),
        (fleet(0), None, NOW),
        (fleet(0), EARLY, EARLY),
        (fleet(1, CRASH), EARLY, EARLY),
        (fleet(0), LATE, "condemned"),
        (fleet(0, CRASH), LATE, "condemned"),
        (fleet(0, DIGEST), EARLY, "condemned"),
    ],
)
def test_the_clock_of_the_model(pods: Fleet | None, clock: datetime | None, expected: datetime | str | None) -> None:
    rollout = Loading(states.run(), clock, None, Wait(WaitFor.LOAD))
    fleets = {rollout.run.candidate.id: pods} if pods else {}
    found = load(states.world(fleets=fleets), states.state(rollout), rollout, NOW)
    if expected == "condemned":
        assert isinstance(found.rollout, Aborting) and found.rejected is not None
        assert found.rejected.reason == "LoadFailed"
    else:
        assert isinstance(found.rollout, Loading) and found.rollout.clock == expected


def test_one_trouble_in_other_words_is_told_in_the_first_ones() -> None:
    rollout = Loading(states.run(), None, QUOTA, Wait(WaitFor.LOAD))
    again = Failure(reason="PodsRefused", message="quota, with a new number")
    world = states.world(fleets={rollout.run.candidate.id: fleet(0, again)})
    found = load(world, states.state(rollout), rollout, NOW).rollout
    assert isinstance(found, Loading) and found.trouble == QUOTA
