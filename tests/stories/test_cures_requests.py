"""Every cure of what a person says to a DriftPolicy: approved, rejected, muted, asked by mistake."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.support.worlds.cures import cures, is_ready, person, shown, together
from tests.support.worlds.drift import NAME, DriftWorld, action, ask, asking_first, cleared, drifted

from bucle.resources.addresses import DRIFT_POLICY

MINUTES = timedelta(minutes=2)


def tells(world: DriftWorld, reason: str, type_: str = "Ready") -> str:
    return shown(world.sim, DRIFT_POLICY, NAME, reason, type_)


def needs_no_approval(world: DriftWorld, reason: str) -> None:
    person(world.sim, DRIFT_POLICY, NAME, reason, lambda spec: spec["retrain"].update(approval="Auto"))


async def begins(world: DriftWorld) -> None:
    """A retrain begins, and nothing holds it back."""
    await world.sim.pass_time(MINUTES)
    assert action(world) == ("Done", "Retraining")
    assert len(world.children()) == 1
    tells(world, "Retraining")
    assert is_ready(world.sim, DRIFT_POLICY, NAME)()


@cures("ApprovalWanted")
@pytest.mark.parametrize("how", ["approve", "set to Auto"])
async def test_a_retrain_begins_when_a_person_says_yes_or_need_not_be_asked(reason: str, how: str) -> None:
    world = DriftWorld(policy=asking_first())
    await drifted(world)
    assert action(world) == ("Waiting", reason)
    name = world.status["approval"]["retrain"]
    assert f"approve/{name}/" in tells(world, reason, "ApprovalWanted")
    if how == "approve":
        ask(world, f"approve/{name}/1")
    else:
        needs_no_approval(world, reason)
    await begins(world)


@cures("RetrainRejected")
async def test_a_rejected_retrain_is_followed_by_one_that_is_approved(reason: str) -> None:
    world = DriftWorld(policy=asking_first(cooldown="1h"))
    await drifted(world)
    ask(world, f"reject/{world.status['approval']['retrain']}/1")
    await world.sim.pass_time(MINUTES)
    assert world.status["retrains"]["recent"][0]["reason"] == reason
    await world.window("0.61")
    ask(world, f"approve/{world.status['approval']['retrain']}/2")
    await begins(world)


@cures("Muted")
async def test_the_next_drift_of_a_muted_signal_is_acted_on(reason: str) -> None:
    world = DriftWorld(policy=asking_first())
    await drifted(world)
    ask(world, "mute/performance/1")
    await world.sim.pass_time(MINUTES)
    assert action(world) == ("Suppressed", reason)
    needs_no_approval(world, reason)
    await cleared(world)
    await drifted(world)
    await begins(world)


@together("ActionRefused", "ActionDone")
async def test_what_a_person_asked_by_mistake_is_asked_again(reasons: tuple[str, ...]) -> None:
    world = DriftWorld()
    await world.sim.pass_time(MINUTES)
    ask(world, "retrain/1")
    await world.sim.pass_time(MINUTES)
    assert f"retrain/{NAME}" in tells(world, reasons[0], "ActionRefused")
    ask(world, f"retrain/{NAME}/1")
    await world.sim.pass_time(MINUTES)
    tells(world, reasons[1], "ActionRefused")
    assert len(world.children()) == 1 and is_ready(world.sim, DRIFT_POLICY, NAME)()
    tells(world, "Retraining")
