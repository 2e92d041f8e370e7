"""A policy of several signals: each has its own streak and decision, one look takes all of them, one retrain answers all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.support.worlds.drift import NAME, ROWS, DriftWorld, action, drifted, look, reason, signal
from tests.support.worlds.training import task_of

from bucle.contracts.result import Failure
from bucle.engine.objects import JsonObject
from bucle.resources.addresses import DATASET, DRIFT_POLICY

ACCURACY = signal("accuracy", metric="accuracy", maxDegradation=None, minimum="0.8")
BRIER = signal("brier", {"breaches": 1, "of": 1}, metric="brier", maxDegradation=None, maximum="0.3")
RETRAIN: JsonObject = {"when": ["performance"], "do": "Retrain"}


def policy(*signals: JsonObject, actions: list[JsonObject] | None = None) -> dict[str, Any]:
    return {"signals": list(signals), "actions": [RETRAIN] if actions is None else actions}


def told(world: DriftWorld, name: str) -> JsonObject:
    found: JsonObject = next(item for item in world.status["signals"] if item["name"] == name)
    return found


def streak(world: DriftWorld, name: str) -> list[str]:
    return [item["verdict"] for item in told(world, name)["streak"]]


def message(world: DriftWorld, type_: str = "DriftDetected") -> str:
    said: str = next(c["message"] for c in world.status["conditions"] if c["type"] == type_)
    return said


def edit(world: DriftWorld, **changes: Any) -> None:
    world.sim.edit(DRIFT_POLICY, NAME, lambda obj: obj["spec"].update(changes))


async def test_one_job_takes_every_signal_of_a_window_and_each_has_its_own_verdict() -> None:
    world = DriftWorld(policy=policy(signal(), ACCURACY))
    for looks in (1, 2):
        await world.window("0.51", accuracy="0.7")
        assert len(world.sim.jobs()) == looks
    for job in world.sim.jobs():
        assert [item["name"] for item in task_of(job)["labelled"]["signals"]] == ["performance", "accuracy"]
    assert (streak(world, "performance"), streak(world, "accuracy")) == (["Healthy"] * 2, ["Healthy", "Breached"])
    assert world.status["lastEvaluation"]["verdict"] == "Breached", "the worst of its signals"
    assert [s["verdict"] for s in world.status["lastEvaluation"]["signals"]] == ["Healthy", "Breached"]
    assert told(world, "accuracy")["limit"] == "0.8" and told(world, "accuracy")["window"]["index"] == 1
    assert reason(world, "DriftDetected") == "Breached"
    past = world.status["history"][0]["signals"]
    assert [(s["name"], s["value"]) for s in past] == [("performance", "0.51"), ("accuracy", "0.7")]


async def test_drift_names_the_signal_and_when_it_began() -> None:
    world = DriftWorld(policy=policy(signal(), ACCURACY))
    for _ in range(2):
        await world.window("0.51", accuracy="0.7")
    assert message(world).startswith("accuracy: accuracy 0.7 over the last 2 windows is beyond 0.8")
    assert "performance" not in message(world)
    assert told(world, "accuracy")["drifting"] and not told(world, "performance")["drifting"]
    assert told(world, "accuracy")["since"] == "2026-01-01T01:59:00Z"
    assert world.children() == [] and action(world) == ("Done", "Breached"), "no action names that signal"


async def test_each_signal_is_decided_by_its_own_decision() -> None:
    world = DriftWorld(policy=policy(signal(), BRIER))
    await world.window("0.60", brier="0.4")
    assert told(world, "brier")["drifting"] and not told(world, "performance")["drifting"]
    edit(world, signals=[signal(decision={"breaches": 1, "of": 1}), BRIER])
    await world.sim.settle()
    assert streak(world, "performance") == ["Healthy"], "an edit of `decision` forgets no window"
    await world.window("0.60", brier="0.4")
    assert told(world, "performance")["drifting"], "and speaks from the next one on"
    assert len(world.children()) == 1


@pytest.mark.parametrize(("match", "retrains"), [("Any", 1), ("All", 0)])
async def test_an_action_waits_for_any_of_its_signals_or_for_all_of_them(match: str, retrains: int) -> None:
    both: JsonObject = {"when": ["performance", "accuracy"], "match": match, "do": "Retrain"}
    world = DriftWorld(policy=policy(signal(), ACCURACY, actions=[both]))
    for _ in range(2):
        await world.window("0.60", accuracy="0.9")
    assert len(world.children()) == retrains
    for _ in range(2):
        await world.window("0.60", accuracy="0.7")
    assert len(world.children()) == 1 and world.status["retrains"]["total"] == 1
    assert world.status["action"]["signals"] == ["performance", "accuracy"]


async def test_signals_that_ask_at_the_same_time_make_one_retrain() -> None:
    actions: list[JsonObject] = [
        RETRAIN,
        {"when": ["accuracy"], "do": "Retrain"},
        {"when": ["accuracy"], "do": "Alert"},
    ]
    world = DriftWorld(policy=policy(signal(), ACCURACY, actions=actions))
    for _ in range(2):
        await world.window("0.60", accuracy="0.7")
    await world.sim.pass_time(timedelta(minutes=10))
    assert len(world.children()) == 1 and len(world.sim.kube.all(DATASET)) == 2
    assert world.status["retrains"]["total"] == 1 and world.status["action"]["wanted"] == "Retrain"


async def test_an_edit_of_one_signal_begins_that_one_anew_and_no_other() -> None:
    world = DriftWorld(policy=policy(signal(), ACCURACY))
    await world.window("0.60", accuracy="0.7")
    edit(world, signals=[signal(), signal("accuracy", metric="accuracy", maxDegradation=None, minimum="0.75")])
    await world.sim.settle()
    assert (streak(world, "performance"), streak(world, "accuracy")) == (["Healthy"], [])
    assert world.status["cursor"]["labelled"]["window"] == 1
    await world.window("0.60", accuracy="0.9")
    assert streak(world, "accuracy") == ["Healthy"] and streak(world, "performance") == ["Healthy", "Breached"]


@pytest.mark.parametrize("others", [[], [signal("exact", metric="accuracy", maxDegradation=None, minimum="0.8")]])
async def test_a_signal_that_is_removed_or_renamed_is_forgotten(others: list[JsonObject]) -> None:
    world = DriftWorld(policy=policy(signal(), ACCURACY))
    for _ in range(2):
        await world.window("0.51", accuracy="0.7")
    assert told(world, "accuracy")["drifting"]
    edit(world, signals=[signal(), *others])
    await world.sim.settle()
    assert [item["name"] for item in world.status["signals"]] == ["performance", *(s["name"] for s in others)]
    assert not any(item["drifting"] for item in world.status["signals"])
    assert reason(world, "DriftDetected") == "Healthy"
    edit(world, signals=[signal(), ACCURACY])
    await world.sim.settle()
    assert not told(world, "accuracy")["streak"], "what is asked anew is seen anew"


async def test_a_look_for_signals_that_were_edited_meanwhile_answers_nothing() -> None:
    world = DriftWorld(policy=policy(signal(), ACCURACY))
    world.windows.append(("0.51", 7))
    job = await look(world)
    edit(world, signals=[signal(), signal("accuracy", metric="brier", maxDegradation=None, maximum="0.3")])
    await world.sim.until(lambda: world.status["evaluation"]["job"] != job["metadata"]["name"])
    await world.sim.until(lambda: bool(world.sim.jobs(open_only=True)))
    (again,) = world.sim.jobs(open_only=True)
    assert again["metadata"]["name"] != job["metadata"]["name"]
    assert [s["metric"] for s in task_of(again)["labelled"]["signals"]] == ["log_loss", "brier"]


async def test_an_edit_of_a_limit_while_a_look_runs_keeps_the_look() -> None:
    world = DriftWorld(policy=policy(signal(), ACCURACY))
    world.windows.append(("0.51", 7))
    job = await look(world)
    edit(world, signals=[signal(maxDegradation="0.005"), ACCURACY])
    await world.sim.settle()
    world.sim.finish_job(job["metadata"]["name"], world.result(job))
    await world.sim.settle()
    assert len(world.sim.jobs()) == 1 and told(world, "performance")["limit"] == "0.505"


async def test_a_signal_that_cannot_be_taken_says_so_and_keeps_no_other_from_its_verdict() -> None:
    world = DriftWorld(policy=policy(signal(), ACCURACY))
    world.failing["accuracy"] = Failure(reason="UnknownColumn", message="groupBy names the column gate")
    await drifted(world)
    assert (streak(world, "performance"), streak(world, "accuracy")) == (["Healthy", "Breached"], ["Error"] * 2)
    assert reason(world) == "UnknownColumn" and message(world, "Ready").startswith("signal accuracy: groupBy names")
    assert reason(world, "DriftDetected") == "Breached" and len(world.children()) == 1
    world.failing.clear()
    await world.window("0.60", accuracy="0.9")
    assert reason(world) == "Retraining" and streak(world, "accuracy")[-1] == "Healthy"


async def test_a_signal_without_a_reference_waits_and_the_others_are_judged() -> None:
    world = DriftWorld(policy=policy(signal(), signal("brier", metric="brier")))
    await drifted(world)
    assert reason(world) == "WaitingForReference" and "signal brier: version 1 has no reference" in message(
        world, "Ready"
    )
    assert (streak(world, "performance"), streak(world, "brier")) == (["Healthy", "Breached"], ["Inconclusive"] * 2)
    assert len(world.children()) == 1


async def test_a_bound_needs_no_reference() -> None:
    world = DriftWorld(policy=policy(BRIER, actions=[]))
    world.registry.versions.clear()
    world.rows = ROWS
    world.windows.append(("0.4", 7))
    await world.sim.until(lambda: bool(world.sim.jobs(open_only=True)), timedelta(minutes=5))
    (job,) = world.sim.jobs(open_only=True)
    world.sim.finish_job(job["metadata"]["name"], world.result(job))
    await world.sim.settle()
    assert told(world, "brier")["drifting"] and told(world, "brier")["limit"] == "0.3"


async def test_a_registry_that_is_down_while_a_look_runs_leaves_the_rows_for_the_next_look() -> None:
    """One signal has its reference in status, the other's can only be read from the registry."""
    world = DriftWorld(
        policy=policy(
            signal(), signal("brier", metric="brier"), signal("low", metric="brier", maximum="1", maxDegradation=None)
        )
    )
    world.windows.append(("0.51", 7))
    job = await look(world)
    world.registry.down = "connection refused"
    await world.sim.pass_time(timedelta(minutes=1))
    world.sim.finish_job(job["metadata"]["name"], world.result(job))
    await world.sim.settle()
    assert world.status["cursor"]["labelled"]["window"] == 0 and not told(world, "low")["streak"]
    world.registry.down = None
    await world.sim.until(lambda: bool(world.sim.jobs(open_only=True)), timedelta(minutes=90))
    (again,) = world.sim.jobs(open_only=True)
    world.sim.finish_job(again["metadata"]["name"], world.result(again))
    await world.sim.settle()
    assert world.status["cursor"]["labelled"]["window"] == 1 and streak(world, "low") == ["Healthy"]
