"""A state goes into a status and comes back the same; a status that this release does not know is held, not guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.support.builders import rollout_states as states

from bucle.kinds.modeldeployment.state import Promoting, Rollout, Soaking, State, Telling, Wait, WaitFor
from bucle.kinds.modeldeployment.status_codec import Held, Numbers, decode, encode
from bucle.resources.modeldeployment_status import ModelDeploymentStatus

NUMBERS = Numbers({}, {}, 0)
SOAKING = Soaking(states.run(), states.serving(1), states.NOW, Wait(WaitFor.SOAK))
PROMOTING = Promoting(states.run(), states.NOW, Wait(WaitFor.REGISTRY))


def without_waits(state: State | Held) -> State | Held:
    """What is waited for is found anew at every look."""
    if isinstance(state, Held) or state.rollout is None:
        return state
    return replace(state, rollout=replace(state.rollout, wait=Wait(WaitFor.GATES)))


@pytest.mark.parametrize("rollout", states.PHASES.values(), ids=states.PHASES)
def test_a_phase_survives_its_status(rollout: Rollout) -> None:
    state = states.state(rollout, rejected=states.REFUSED, promotion=states.promotion(Telling.LOST))
    stored = ModelDeploymentStatus.model_validate_json(encode(state, NUMBERS).model_dump_json(by_alias=True))
    assert without_waits(decode(stored)) == without_waits(state)


@pytest.mark.parametrize("rollout", [SOAKING, PROMOTING])
def test_a_phase_with_flipped_roles_survives_its_status(rollout: Soaking | Promoting) -> None:
    state = states.flipped(rollout)
    assert without_waits(decode(encode(state, NUMBERS))) == without_waits(state)


def _other_state(status: ModelDeploymentStatus) -> ModelDeploymentStatus:
    assert status.rollout is not None
    return status.model_copy(update={"rollout": status.rollout.model_copy(update={"state": "Analysing"})})


def _no_candidate(status: ModelDeploymentStatus) -> ModelDeploymentStatus:
    return status.model_copy(update={"candidate": None})


def _no_image(status: ModelDeploymentStatus) -> ModelDeploymentStatus:
    assert status.candidate is not None
    return status.model_copy(update={"candidate": status.candidate.model_copy(update={"image": None})})


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (_other_state, "status.rollout.state is 'Analysing'"),
        (_no_candidate, "status.candidate is missing"),
        (_no_image, "status.candidate.image is missing"),
    ],
)
def test_a_status_of_another_release_or_hand_is_held(
    edit: Callable[[ModelDeploymentStatus], ModelDeploymentStatus], told: str
) -> None:
    held = decode(edit(encode(states.state(states.PHASES["stepping"]), NUMBERS)))
    assert isinstance(held, Held) and told in held.why
