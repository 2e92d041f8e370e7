"""Signals without labels: windows of served rows beside those of labelled ones, what they start, and what they never start."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.support.fakes.kube import Crashed
from tests.support.tiers import first_fast
from tests.support.worlds.drift import NAME, ROWS, DriftWorld, action, drifted, reason, signal
from tests.support.worlds.training import failure, task_of

from bucle.contracts.result import ColumnResult, SignalResult
from bucle.engine.objects import JsonObject
from bucle.resources.addresses import DRIFT_POLICY

DATA: JsonObject = {"name": "columns", "dataDrift": {}}
QUALITY: JsonObject = {"name": "quality", "dataQuality": {"maxNullPercent": 5}, "decision": {"breaches": 1, "of": 1}}
ALERT: JsonObject = {"when": ["columns", "quality"], "do": "Alert"}
RETRAIN: JsonObject = {"when": ["performance"], "do": "Retrain"}


def watching(*signals: JsonObject, **more: Any) -> DriftWorld:
    told = [item["name"] for item in signals]
    actions = [{**RETRAIN, "when": ["performance"]}] if "performance" in told else []
    alert = [{"when": [name for name in told if name != "performance"], "do": "Alert"}]
    retrains = {} if actions else {"retrain": None}
    return DriftWorld(policy={"signals": list(signals), "actions": actions + alert, **retrains, **more})


def beyond(*codes: str, column: str = "distance") -> SignalResult:
    found = ColumnResult(column=column, question="Drift", value="0.4", limit="0.1")
    return SignalResult(
        name="",
        verdict="Breached",
        value="0.4",
        limit="0.1",
        message=f"{column} moved",
        columns=(found,),
        breached=codes,
    )


def told(world: DriftWorld, name: str) -> JsonObject:
    found: JsonObject = next(item for item in world.status["signals"] if item["name"] == name)
    return found


async def test_each_sort_of_rows_has_its_own_windows_and_a_look_takes_what_is_due() -> None:
    world = watching(signal(), DATA)
    await world.serve_window()
    (job,) = world.sim.jobs()
    assert "labelled" not in task_of(job) and task_of(job)["served"]["first"] == 0
    assert world.status["cursor"] == {
        **world.status["cursor"],
        "labelled": {"window": 0},
        "served": {"window": 1, "rows": ROWS},
    }
    await world.serve_window()
    world.windows += [("0.51", 7)] * 2
    world.served.append({})
    world.rows, world.captured = 2 * ROWS, 3 * ROWS
    await world.sim.pass_time(timedelta(minutes=61))
    (job,) = world.sim.jobs(open_only=True)
    assert (task_of(job)["labelled"]["first"], task_of(job)["served"]["first"]) == (0, 2), "one pod for both"
    world.sim.finish_job(job["metadata"]["name"], world.result(job))
    await world.sim.settle()
    assert world.status["cursor"]["labelled"]["window"] == 2 and world.status["cursor"]["served"]["window"] == 3
    ends = [(w["window"]["of"], w["window"]["index"]) for w in world.status["history"]]
    assert sorted(ends) == [("Labelled", 0), ("Labelled", 1), ("Served", 0), ("Served", 1), ("Served", 2)]
    await world.sim.pass_time(timedelta(hours=5))
    assert len(world.sim.jobs(open_only=True)) == 0, "nothing is due"


async def test_rows_without_labels_are_no_reason_to_look_for_a_policy_that_needs_labels() -> None:
    world = DriftWorld(captured=10 * ROWS)
    await world.sim.pass_time(timedelta(hours=3))
    assert world.sim.jobs() == [] and reason(world) == "NotEnoughLabels"


async def test_a_policy_without_labelled_signals_needs_no_label_and_no_reference() -> None:
    world = watching(DATA, QUALITY)
    await world.sim.settle()
    assert (reason(world), reason(world, "DriftDetected")) == ("NotEnoughRows", "NotEnoughRows")
    world.registry.versions.clear()
    await world.serve_window()
    assert (reason(world), reason(world, "DriftDetected")) == ("Watching", "Healthy")
    assert world.status["lastEvaluation"]["result"].endswith("windows-0.json")


async def test_the_same_column_twice_is_drift_which_alerts_and_retrains_nothing() -> None:
    world = watching(signal(), DATA)
    await world.serve_window(columns=beyond("aaa"))
    assert reason(world, "DriftDetected") == "Watching"
    await world.serve_window(columns=beyond("aaa", "bbb"))
    assert reason(world, "DriftDetected") == "Breached" and action(world) == ("Done", "Breached")
    assert world.status["action"]["wanted"] == "Alert" and world.status["action"]["signals"] == ["columns"]
    assert told(world, "columns")["columns"] == [
        {"column": "distance", "question": "Drift", "value": "0.4", "limit": "0.1"}
    ]
    assert told(world, "columns")["since"] == "2026-01-01T01:59:30Z"
    assert world.children() == []


async def test_another_column_each_time_is_chance() -> None:
    world = watching(signal(), DATA)
    for code in ("aaa", "bbb", "ccc", "ddd"):
        await world.serve_window(columns=beyond(code))
    assert not told(world, "columns")["drifting"] and reason(world, "DriftDetected") == "Watching"


async def test_a_broken_pipeline_alerts_within_one_window_and_the_drift_that_labels_prove_retrains_beside_it() -> None:
    world = watching(signal(), DATA, QUALITY)
    await world.serve_window(
        quality=SignalResult(name="", verdict="Breached", value="0.9", limit="0.05", message="distance")
    )
    assert world.status["action"]["wanted"] == "Alert" and world.children() == []
    await drifted(world)
    assert len(world.children()) == 1 and world.status["action"]["signals"] == ["performance"]


async def test_an_edit_of_how_windows_of_columns_are_decided_begins_that_signal_anew() -> None:
    """What a column may err by in one window follows from how many windows make drift."""
    world = watching(signal(), DATA)
    await world.serve_window(columns=beyond("aaa"))
    edited = {**DATA, "decision": {"breaches": 1, "of": 1}}
    world.sim.edit(DRIFT_POLICY, NAME, lambda obj: obj["spec"].update(signals=[signal(), edited]))
    await world.sim.settle()
    assert not told(world, "columns")["streak"] and not told(world, "columns")["drifting"]
    await world.serve_window(columns=beyond("aaa"))
    assert told(world, "columns")["drifting"]


async def test_a_look_that_fails_is_tried_again_for_the_same_rows() -> None:
    world = watching(DATA)
    world.served, world.captured = [{}], ROWS
    await world.sim.pass_time(timedelta(minutes=1))
    (job,) = world.sim.jobs(open_only=True)
    world.sim.fail_job(job["metadata"]["name"], 75, failure("evaluate", "StoreUnavailable", "the store is away"))
    await world.sim.until(lambda: bool(world.sim.jobs(open_only=True)), timedelta(minutes=30))
    (again,) = world.sim.jobs(open_only=True)
    assert task_of(again)["served"] == task_of(job)["served"]
    world.sim.finish_job(again["metadata"]["name"], world.result(again))
    await world.sim.settle()
    assert told(world, "columns")["verdict"] == "Healthy"


async def test_windows_of_time_are_looked_at_when_they_are_over_and_not_before() -> None:
    world = watching(signal(), DATA, windows={"duration": "3h"})
    await world.sim.pass_time(timedelta(hours=2, minutes=50))
    assert world.sim.jobs() == [] and reason(world) == "NotEnoughLabels"
    await world.sim.pass_time(timedelta(minutes=15))
    (job,) = world.sim.jobs(open_only=True)
    task = task_of(job)
    assert task["windows"]["seconds"] == 3 * 3600 and "rows" not in task["windows"]
    assert (task["labelled"]["first"], task["served"]["first"]) == (0, 0)
    world.windows, world.served = [("0.51", 7)], [{}]
    world.sim.finish_job(job["metadata"]["name"], world.result(job))
    await world.sim.pass_time(timedelta(hours=2))
    assert len(world.sim.jobs()) == 1
    await world.sim.pass_time(timedelta(hours=1, minutes=10))
    (later,) = world.sim.jobs(open_only=True)
    assert (task_of(later)["labelled"]["first"], task_of(later)["served"]["first"]) == (1, 1)


async def played(world: DriftWorld) -> None:
    """Half an hour at a time, in which every Job that was made ends."""
    for _ in range(3):
        await world.sim.pass_time(timedelta(minutes=31))
        for job in world.sim.jobs(open_only=True):
            world.sim.finish_job(job["metadata"]["name"], world.result(job))
    await world.sim.pass_time(timedelta(minutes=5))


@pytest.mark.parametrize("writes", first_fast(range(1, 9)))
async def test_an_operator_that_dies_after_any_write_judges_each_window_once(writes: int) -> None:
    world = watching(signal(), DATA)
    world.windows, world.served = [("0.60", 7), ("0.60", 7)], [{"columns": beyond("aaa")}, {"columns": beyond("aaa")}]
    world.rows = world.captured = 2 * ROWS
    world.sim.kube.crash_after(writes)
    try:
        await played(world)
    except Crashed:
        world.sim.kube.crash_after(None)
        world.sim.restart()
    world.sim.kube.crash_after(None)
    await played(world)
    assert [v["window"] for v in told(world, "columns")["streak"]] == [0, 1]
    assert [v["window"] for v in told(world, "performance")["streak"]] == [0, 1]
    assert len(world.status["history"]) == 4 and len(world.children()) == 1
