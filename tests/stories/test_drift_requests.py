"""A person in between: what they ask by the annotation is done once, whatever happens to the operator and the status."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.support.fakes.kube import Crashed
from tests.support.tiers import first_fast
from tests.support.worlds.drift import (
    NAME,
    DriftWorld,
    action,
    answers,
    ask,
    asking_first,
    cleared,
    drifted,
    reason,
)

from bucle.contracts.names import ANNOTATION_ACTION
from bucle.engine.objects import JsonObject
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT

MINUTE = timedelta(minutes=1)


def held(world: DriftWorld) -> str:
    return str(world.status["approval"]["retrain"])


def told(world: DriftWorld) -> list[str]:
    return [reason for _, reason, _ in world.sim.events() if reason in ("ActionDone", "ActionRefused")]


async def asks(world: DriftWorld, request: str) -> None:
    ask(world, request)
    await world.sim.pass_time(MINUTE)


async def test_drift_waits_for_a_person_and_goes_on_with_their_word() -> None:
    world = DriftWorld(policy=asking_first())
    await drifted(world)
    assert action(world) == ("Waiting", "ApprovalWanted") and world.children() == []
    name = held(world)
    message = next(c for c in world.status["conditions"] if c["type"] == "ApprovalWanted")["message"]
    assert f"{ANNOTATION_ACTION}=approve/{name}/" in message
    await asks(world, f"approve/{name}/monday")
    assert [child["metadata"]["name"] for child in world.children()] == [name]
    assert action(world) == ("Done", "Retraining")
    assert world.sim.condition(DRIFT_POLICY, NAME, "ApprovalWanted") == "False"
    assert answers(world) == [(f"approve/{name}/monday", "Done")] and told(world) == ["ActionDone"]


async def test_what_nobody_approved_is_over_with_the_drift() -> None:
    world = DriftWorld(policy=asking_first())
    await drifted(world)
    name = held(world)
    await cleared(world)
    assert "approval" not in world.status
    await asks(world, f"approve/{name}/late")
    assert answers(world) == [(f"approve/{name}/late", "Refused")] and world.children() == []


async def test_a_rejected_retrain_is_asked_for_again_by_a_later_window_after_the_cooldown() -> None:
    world = DriftWorld(policy=asking_first(cooldown="3h"))
    await drifted(world)
    first = held(world)
    await asks(world, f"reject/{first}/no")
    assert action(world) == ("Done", "Breached") and "approval" not in world.status
    (line,) = world.status["retrains"]["recent"]
    assert (line["outcome"], line["reason"]) == ("Rejected", "RetrainRejected")
    assert world.status["retrains"]["total"] == 0
    await world.window("0.62")
    assert action(world) == ("Waiting", "Cooldown")
    await world.sim.pass_time(timedelta(hours=3))
    assert action(world) == ("Waiting", "ApprovalWanted") and held(world) != first
    assert world.children() == []


async def test_a_mistake_blocks_nothing_and_stands_in_a_condition_until_it_is_taken_away() -> None:
    world = DriftWorld()
    await asks(world, "please retrain")
    assert reason(world, "ActionRefused") == "ActionRefused" and told(world) == ["ActionRefused"]
    await drifted(world)
    assert len(world.children()) == 1, "it retrains all the same"
    ask(world, None)
    await world.sim.pass_time(MINUTE)
    assert world.sim.condition(DRIFT_POLICY, NAME, "ActionRefused") == "False"
    assert told(world) == ["ActionRefused"]


async def test_each_refusal_is_an_event_although_the_condition_stays() -> None:
    world = DriftWorld()
    await drifted(world)
    for number in range(3):
        await asks(world, f"approve/nothing/{number}")
    assert told(world) == ["ActionRefused"] * 3
    assert [outcome for _, outcome in answers(world)] == ["Refused"] * 3


async def test_a_muted_signal_is_told_and_starts_nothing_until_it_clears() -> None:
    world = DriftWorld(policy=asking_first())
    await drifted(world)
    await asks(world, "mute/performance/1")
    assert action(world) == ("Suppressed", "Muted") and world.status["muted"] == ["performance"]
    assert world.sim.condition(DRIFT_POLICY, NAME, "DriftDetected") == "True"
    assert "approval" not in world.status
    await cleared(world)
    assert not world.status.get("muted")
    await drifted(world)
    assert action(world) == ("Waiting", "ApprovalWanted")


# --- by hand ---------------------------------------------------------------------------------------------------------


async def test_a_person_starts_a_retrain_and_it_goes_its_way() -> None:
    world = DriftWorld(policy={"actions": [{"when": ["performance"], "do": "Alert"}]})
    await world.sim.settle()
    await asks(world, f"retrain/{NAME}/1")
    (child,) = world.children()
    assert "a person asked" in str(next(c for c in world.status["conditions"] if c["type"] == "Ready"))
    world.brings_nothing(child)
    await world.sim.pass_time(MINUTE)
    (line,) = world.status["retrains"]["recent"]
    assert (line["outcome"], line["reason"]) == ("Refused", "NotBetter")
    await asks(world, f"retrain/{NAME}/2")
    assert len(world.children()) == 2, "a person need not wait for the cooldown"


async def test_a_retrain_by_hand_is_stopped_by_taking_the_template_out_of_the_policy() -> None:
    world = DriftWorld(policy={"actions": []})
    await world.sim.settle()
    await asks(world, f"retrain/{NAME}/1")
    assert len(world.children()) == 1
    world.sim.edit(DRIFT_POLICY, NAME, lambda obj: obj["spec"].pop("retrain"))
    await world.sim.pass_time(MINUTE)
    assert world.children() == []
    assert world.status["retrains"]["recent"][0]["outcome"] == "Cancelled"


async def test_a_request_waits_for_a_registry_that_is_down_and_says_so() -> None:
    world = DriftWorld()
    await world.sim.settle()
    world.registry.down = "connection refused"
    await asks(world, f"retrain/{NAME}/1")
    assert answers(world) == [] and reason(world, "ActionRefused") == "RegistryUnavailable"
    world.registry.down = None
    await world.sim.pass_time(MINUTE)
    assert len(world.children()) == 1 and answers(world) == [(f"retrain/{NAME}/1", "Done")]
    assert world.sim.condition(DRIFT_POLICY, NAME, "ActionRefused") == "False"


# --- once ------------------------------------------------------------------------------------------------------------


def _lost(world: DriftWorld) -> None:
    world.sim.edit(DRIFT_POLICY, NAME, lambda obj: obj.update(status={}))


def _restarted(world: DriftWorld) -> None:
    world.sim.restart()


@pytest.mark.parametrize("happens", [_restarted, _lost], ids=["a restart", "a lost status"])
@pytest.mark.parametrize("ended", [False, True], ids=["under way", "ended"])
async def test_what_was_asked_once_is_done_once(happens: Callable[[DriftWorld], None], ended: bool) -> None:
    world = DriftWorld()
    await world.sim.settle()
    await asks(world, f"retrain/{NAME}/1")
    (child,) = world.children()
    if ended:
        world.brings_nothing(child)
        await world.sim.pass_time(MINUTE)
    for _ in range(2):
        happens(world)
        await world.sim.pass_time(timedelta(hours=1))
        assert [made["metadata"]["name"] for made in world.children()] == [child["metadata"]["name"]]
        assert [outcome for _, outcome in answers(world)] == ["Done"]
    assert world.status["retrains"]["total"] == 1
    assert world.sim.get(DRIFT_POLICY, NAME)["metadata"]["annotations"] == {ANNOTATION_ACTION: f"retrain/{NAME}/1"}


async def test_an_approval_is_for_one_retrain_also_after_a_lost_status() -> None:
    world = DriftWorld(policy=asking_first(cooldown="1s", maxRetrains=9))
    await drifted(world)
    name = held(world)
    await asks(world, f"approve/{name}/1")
    (child,) = world.children()
    world.brings_nothing(child)
    await world.sim.pass_time(MINUTE)
    _lost(world)
    await world.sim.pass_time(timedelta(hours=2))
    await world.looked(*world.sim.jobs(open_only=True))
    await world.window("0.62")
    assert action(world) == ("Waiting", "ApprovalWanted") and held(world) != name
    assert [made["metadata"]["name"] for made in world.children()] == [name]


Played = Callable[[DriftWorld], Awaitable[None]]


async def _approved(world: DriftWorld) -> None:
    await drifted(world)
    ask(world, f"approve/{held(world)}/1")


async def _rejected(world: DriftWorld) -> None:
    await drifted(world)
    ask(world, f"reject/{held(world)}/1")


async def _muted(world: DriftWorld) -> None:
    await drifted(world)
    ask(world, "mute/performance/1")


async def _by_hand(world: DriftWorld) -> None:
    await world.sim.settle()
    ask(world, f"retrain/{NAME}/1")


async def _nonsense(world: DriftWorld) -> None:
    await world.sim.settle()
    ask(world, "dance")


def _end(world: DriftWorld) -> JsonObject:
    status = world.status
    return {
        "children": [child["metadata"]["name"] for child in world.children()],
        "data": sorted(d["metadata"]["name"] for d in world.sim.kube.all(DATASET)),
        "answers": answers(world),
        "action": (status["action"]["outcome"], status["action"]["reason"]),
        "total": status["retrains"]["total"],
        "muted": status.get("muted"),
        "held": status.get("approval"),
    }


@pytest.mark.parametrize("played", first_fast([_by_hand, _approved, _rejected, _muted, _nonsense]))
async def test_a_kill_after_any_write_of_an_answer_leads_to_the_same_end(played: Played) -> None:
    async def play(writes: int | None) -> tuple[JsonObject, bool]:
        world, died = DriftWorld(policy=asking_first()), False
        await played(world)
        world.sim.kube.crash_after(writes)
        try:
            await world.sim.pass_time(MINUTE)
        except Crashed:
            died = True
            world.sim.kube.crash_after(None)
            world.sim.restart()
            await world.sim.pass_time(MINUTE)
        world.sim.kube.crash_after(None)
        return _end(world), died

    expected, _ = await play(None)
    for writes in range(1, 20):
        end, died = await play(writes)
        assert end == expected, f"killed after write {writes}"
        if not died:
            return
    pytest.fail("the story has no end")


def by_another_program(world: DriftWorld) -> None:
    """The server's books name who set the annotation."""
    fields: dict[str, Any] = {"f:metadata": {"f:annotations": {f"f:{ANNOTATION_ACTION}": {}}}}
    entry = {"manager": "kubectl-annotate", "operation": "Update", "fieldsV1": fields, "time": "2026-01-01T00:00:00Z"}
    world.sim.edit(DRIFT_POLICY, NAME, lambda obj: obj["metadata"].update(managedFields=[entry]))


async def test_who_asked_is_noted_as_the_server_has_it() -> None:
    world = DriftWorld()
    await world.sim.settle()
    by_another_program(world)
    await asks(world, f"retrain/{NAME}/1")
    (line,) = world.status["personActions"]
    assert (line["by"], line["askedAt"]) == ("kubectl-annotate", "2026-01-01T00:00:00Z")


async def test_a_retrain_by_hand_ends_before_its_claim_could_be_seen_when_the_template_goes() -> None:
    world = DriftWorld()
    await world.sim.settle()
    ask(world, f"retrain/{NAME}/1")
    world.sim.delete(EXPERIMENT, "flights")
    await world.sim.pass_time(MINUTE)
    assert world.children() == [] and answers(world) == [(f"retrain/{NAME}/1", "Refused")]
