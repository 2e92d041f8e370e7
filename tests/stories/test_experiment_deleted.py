"""An Experiment deleted in the middle: the deletion never waits, and MLflow shows no run that runs for ever."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from tests.support.fakes.registry import FakeRegistry
from tests.support.worlds.experiment import played, rows, said, started
from tests.support.worlds.simulation import Simulation
from tests.support.worlds.training import LATE, changed, finish_open_jobs

from bucle.resources.addresses import EXPERIMENT


def ended(registry: FakeRegistry) -> list[str]:
    return sorted(run.status for run in registry.runs["ml/late"])


def gone(sim: Simulation) -> bool:
    return sim.kube.peek(EXPERIMENT, sim.namespace, "late") is None


@pytest.mark.parametrize("batches", [0, 1, 2], ids=["first batch", "second batch", "final fit"])
async def test_a_deleted_experiment_leaves_no_run_open_in_mlflow(batches: int) -> None:
    sim, registry = await started()
    for _ in range(batches):
        finish_open_jobs(sim)
        await sim.pass_time(timedelta(seconds=10))
    assert "RUNNING" in ended(registry)
    sim.delete(EXPERIMENT, "late")
    assert gone(sim), "nothing holds a deletion back"
    await sim.pass_time(timedelta(seconds=5))
    assert "RUNNING" not in ended(registry) and "KILLED" in ended(registry)
    assert ended(registry).count("FINISHED") == 2 * batches


async def test_a_deletion_waits_for_no_mlflow_and_the_runs_are_ended_when_it_is_back() -> None:
    sim, registry = await started()
    registry.down = "connection refused"
    sim.delete(EXPERIMENT, "late")
    assert gone(sim)
    await sim.pass_time(timedelta(minutes=20))
    assert ended(registry) == ["RUNNING", "RUNNING"]
    registry.down = None
    await sim.pass_time(timedelta(minutes=10))
    assert ended(registry) == ["KILLED", "KILLED"]


async def test_what_mlflow_does_not_take_for_an_hour_is_given_up_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    sim, registry = await started()
    registry.down = "connection refused"
    sim.delete(EXPERIMENT, "late")
    with caplog.at_level(logging.WARNING):
        await sim.pass_time(timedelta(hours=2))
    assert "left undone for an object that is gone" in caplog.text
    asked = sim.runs
    await sim.pass_time(timedelta(hours=5))
    assert sim.runs == asked


async def test_an_experiment_that_was_decided_owes_nothing() -> None:
    sim, registry = await started()
    await played(sim)
    told = len(registry.effects)
    sim.delete(EXPERIMENT, "late")
    await sim.pass_time(timedelta(minutes=5))
    assert len(registry.effects) == told


@pytest.mark.parametrize("seconds", [0, 5], ids=["at once", "later"])
async def test_one_made_anew_after_the_deletion_tells_all_of_its_own(seconds: int) -> None:
    sim, registry = await started()
    sim.delete(EXPERIMENT, "late")
    await sim.pass_time(timedelta(seconds=seconds))
    sim.create(LATE)
    await played(sim, rounds=16)
    assert said(sim)["Ready"] == "True/Registered"
    assert ended(registry) == ["FINISHED"] * 5
    assert all(row["runId"] for row in rows(sim))


async def test_another_one_under_the_same_name_does_not_keep_the_old_runs_open() -> None:
    sim, registry = await started()
    registry.down = "connection refused"
    sim.delete(EXPERIMENT, "late")
    sim.create(changed(LATE, lambda obj: obj["spec"]["search"].update(seed=43)))
    await sim.pass_time(timedelta(minutes=1))
    registry.down = None
    await played(sim, rounds=16)
    assert said(sim)["Ready"] == "True/Registered"
    assert ended(registry) == ["FINISHED"] * 5 + ["KILLED"] * 2
