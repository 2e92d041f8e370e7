"""Stories of what an Experiment is run with: more trials, another run, its parameters, its names, its size."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from tests.support.worlds.experiment import MODEL, job_names, open_names, played, rows, said, started
from tests.support.worlds.simulation import Simulation
from tests.support.worlds.training import (
    LATE,
    OTHER_DIGEST,
    changed,
    failure,
    final_result,
    finish_open_jobs,
    operator,
    task_of,
    trial_result,
    with_version,
)

from bucle.contracts import registry_tags
from bucle.contracts.result import Result
from bucle.engine.objects import JsonObject
from bucle.resources.addresses import DATASET, EXPERIMENT


async def test_raised_max_trials_continue_as_if_they_had_been_asked_for_at_once() -> None:
    whole, _ = await started(changed(LATE, lambda obj: obj["spec"]["limits"].update(maxTrials=6)))
    await played(whole)
    sim, _ = await started(changed(LATE, lambda obj: obj["spec"]["limits"].update(maxTrials=3)))
    finish_open_jobs(sim)
    await sim.pass_time(timedelta(seconds=10))
    sim.edit(EXPERIMENT, "late", lambda obj: obj["spec"]["limits"].update(maxTrials=6))
    await played(sim)
    assert [row["params"] for row in rows(sim)] == [row["params"] for row in rows(whole)]


async def test_a_raised_run_starts_afresh_on_the_newest_version_and_registers_once_more() -> None:
    sim, registry = await started()
    await played(sim)
    first = set(job_names(sim))
    sim.edit(DATASET, "flights", lambda obj: obj["status"]["current"].update(digest=OTHER_DIGEST))
    sim.edit(EXPERIMENT, "late", lambda obj: obj["spec"].update(run=1))
    await sim.pass_time(timedelta(seconds=5))
    assert sim.status(EXPERIMENT, "late")["inputs"]["datasetDigest"] == OTHER_DIGEST
    await played(sim)
    assert len(set(job_names(sim)) - first) == 5
    assert len(registry.versions) == 2
    assert registry.aliases[MODEL, "challenger"] == 2


async def test_a_run_raised_during_the_search_stops_the_old_jobs() -> None:
    sim, _ = await started()
    old = set(job_names(sim))
    sim.edit(EXPERIMENT, "late", lambda obj: obj["spec"].update(run=1))
    await sim.pass_time(timedelta(seconds=5))
    assert not old & set(job_names(sim))
    assert len(sim.jobs(open_only=True)) == 2


async def test_without_parameters_there_is_one_trial() -> None:
    sim, _ = await started(changed(LATE, lambda obj: obj["spec"].pop("parameters")))
    (job,) = sim.jobs(open_only=True)
    assert task_of(job)["params"] == {}


async def test_without_register_it_ends_well_and_tells_the_registry_nothing_to_serve() -> None:
    def bare(obj: JsonObject) -> None:
        del obj["spec"]["register"], obj["spec"]["champion"]

    sim, registry = await started(changed(LATE, bare))
    await played(sim)
    assert (said(sim)["Ready"], said(sim)["Registered"]) == ("True/NotRegistered", "False/NotRegistered")
    assert registry.versions == {}


@pytest.mark.parametrize("mode", ["Batch", "Async"])
async def test_async_and_batch_plan_every_trial_once(mode: str) -> None:
    sim, _ = await started(changed(LATE, lambda obj: obj["spec"]["search"].update(mode=mode)))
    await played(sim)
    assert [row["index"] for row in rows(sim)] == [0, 1, 2, 3]
    assert said(sim)["Ready"] == "True/Registered"


async def test_a_wide_batch_is_planned_whole() -> None:
    wide = changed(LATE, lambda obj: obj["spec"]["limits"].update(maxTrials=10, parallelTrials=10))
    sim, _ = await started(wide)
    assert len(sim.jobs(open_only=True)) == 10


async def test_a_search_too_large_for_its_object_is_told_before_any_job() -> None:
    def large(obj: JsonObject) -> None:
        span = {"float": {"min": "0", "max": "1"}}
        obj["spec"]["parameters"] = [{"name": f"estimator__parameter_{index:02}", **span} for index in range(64)]
        obj["spec"]["limits"].update(maxTrials=500)

    sim, _ = await started(changed(LATE, large))
    assert said(sim)["Stalled"] == "True/SearchTooLarge"
    assert sim.jobs() == []
    sim.edit(EXPERIMENT, "late", lambda obj: obj["spec"]["limits"].update(maxTrials=50))
    await sim.pass_time(timedelta(seconds=10))
    assert said(sim)["Reconciling"] == "True/SearchRunning"


async def test_a_run_named_after_a_date_has_jobs_with_names_that_fit_and_can_be_taken_back() -> None:
    name = "l" * 38
    sim, _ = operator()
    with_version(sim)
    dated = changed(LATE, lambda obj: obj["spec"].update(run=20261127))
    dated["metadata"]["name"] = name
    sim.create(dated)
    await sim.pass_time(timedelta(seconds=5))
    made = job_names(sim)
    assert len(made) == 2
    assert max(map(len, made)) <= 63 - len("0000")
    sim.edit(EXPERIMENT, name, lambda obj: obj["spec"].update(run=2))
    await sim.pass_time(timedelta(seconds=10))
    assert len(sim.jobs(open_only=True)) == 2
    assert not set(made) & set(job_names(sim))


async def test_the_reference_of_a_model_stands_under_the_name_of_the_metric_that_was_measured() -> None:
    def ranked(obj: JsonObject) -> None:
        obj["spec"]["objective"]["metric"] = "roc_auc"
        del obj["spec"]["champion"]

    sim, registry = await started(changed(LATE, ranked))
    for _ in range(8):
        for job in sim.jobs(open_only=True):
            task = task_of(job)
            result = trial_result(task["params"]) if task["phase"] == "trial" else final_result()
            if result.trial is not None:
                result = result.model_copy(
                    update={"trial": result.trial.model_copy(update={"metrics": {"roc_auc": "0.7"}})}
                )
            sim.finish_job(job["metadata"]["name"], result)
        await sim.pass_time(timedelta(seconds=15))
    await sim.pass_time(timedelta(minutes=1))
    reference = json.loads(registry.tags(MODEL, 1)[registry_tags.TAG_REFERENCE])
    assert (reference["metric"], reference["value"]) == ("log_loss", "0.61")


async def test_results_that_are_lost_end_a_trial_instead_of_repeating_it_for_ever() -> None:
    sim, _ = await started(changed(LATE, lambda obj: obj["spec"]["limits"].update(maxFailedTrials=4)))
    for _ in range(3):
        await sim.until(lambda: any("t0a" in name for name in open_names(sim)))
        (mine,) = [name for name in open_names(sim) if "t0a" in name]
        sim.finish_job(mine, "written by another release")
        await sim.pass_time(timedelta(seconds=2))
    assert (rows(sim)[0]["state"], rows(sim)[0]["reason"]) == ("Failed", "ResultLost")


@pytest.mark.parametrize("text", ["[" * 1024, "[" * 33 + "]" * 33, '{"a":' * 40 + "1" + "}" * 40])
async def test_an_argument_that_nests_too_deep_is_refused_in_words_and_left_by_an_edit(text: str) -> None:
    def deep(obj: JsonObject) -> None:
        obj["spec"]["trainer"]["sklearn"]["estimator"]["params"].update(loss=text)

    sim, _ = await started(changed(LATE, deep))
    assert said(sim)["Stalled"] == "True/SpecInvalid" and sim.jobs() == []
    assert "estimator.params.loss: Value error, a JSON literal must not nest deeper than 32" in ready_message(sim)
    shallow = {"loss": '{"tuple": [1, [2, [3]]]}'}
    sim.edit(EXPERIMENT, "late", lambda obj: obj["spec"]["trainer"]["sklearn"]["estimator"]["params"].update(shallow))
    await sim.pass_time(timedelta(seconds=10))
    assert said(sim)["Reconciling"] == "True/SearchRunning"


# --- `limits.maxTrials` while it searches, and when the search is over ----------------------------------------


def raise_trials(obj: JsonObject, wanted: int = 8) -> None:
    obj["spec"]["limits"].update(maxTrials=wanted)


def ready_message(sim: Simulation) -> str:
    return str(next(c["message"] for c in sim.status(EXPERIMENT, "late")["conditions"] if c["type"] == "Ready"))


async def test_trials_raised_during_the_final_fit_wait_for_run_and_nothing_is_lost() -> None:
    sim, registry = await started()
    for _ in range(2):
        finish_open_jobs(sim)
        await sim.pass_time(timedelta(seconds=10))
    (fit,) = open_names(sim)
    sim.edit(EXPERIMENT, "late", raise_trials)
    await sim.pass_time(timedelta(seconds=30))
    assert open_names(sim) == [fit]
    assert "`limits.maxTrials` is 8 now and this search ended with 4: raise `run`" in ready_message(sim)
    await played(sim)
    assert said(sim)["Ready"] == "True/Registered" and len(rows(sim)) == 4
    assert "raise `run` to search again" in ready_message(sim)
    sim.edit(EXPERIMENT, "late", lambda obj: obj["spec"].update(run=1))
    await played(sim)
    assert (said(sim)["Ready"], len(rows(sim)), len(registry.versions)) == ("True/Registered", 8, 2)
    assert "raise `run`" not in ready_message(sim)


@pytest.mark.parametrize("final", [final_result(), final_result(test="0.9")])
async def test_trials_raised_after_the_end_change_nothing_and_are_told(final: Result) -> None:
    sim, _ = await started()
    await played(sim, final)
    before, jobs = {**sim.status(EXPERIMENT, "late"), "conditions": None}, job_names(sim)
    decided = said(sim)
    sim.edit(EXPERIMENT, "late", raise_trials)
    await sim.pass_time(timedelta(hours=1))
    assert (said(sim), job_names(sim)) == (decided, jobs)
    after = {**sim.status(EXPERIMENT, "late"), "conditions": None, "observedGeneration": before["observedGeneration"]}
    assert after == before
    assert "raise `run` to search again" in ready_message(sim)
    sim.edit(EXPERIMENT, "late", lambda obj: raise_trials(obj, 4))
    await sim.pass_time(timedelta(minutes=1))
    assert "raise `run`" not in ready_message(sim)


async def test_trials_raised_after_a_search_that_was_stopped_are_told_as_well() -> None:
    sim, _ = await started(changed(LATE, lambda obj: obj["spec"]["limits"].update(maxFailedTrials=0)))
    sim.fail_job(open_names(sim)[0], 1, failure("train", "ProgramFailed", "no space left"))
    await sim.pass_time(timedelta(minutes=1))
    sim.edit(EXPERIMENT, "late", raise_trials)
    await sim.pass_time(timedelta(minutes=1))
    assert said(sim)["Stalled"] == "True/TooManyFailedTrials"
    assert "raise `run` to search again" in ready_message(sim)


async def test_trials_raised_too_far_during_the_search_hold_it_until_they_are_lowered_again() -> None:
    def wide(obj: JsonObject) -> None:
        span = {"float": {"min": "0", "max": "1"}}
        more = [{"name": f"estimator__parameter_{index:02}", **span} for index in range(62)]
        obj["spec"]["parameters"] = [*obj["spec"]["parameters"], *more]

    sim, _ = await started(changed(LATE, wide))
    running = open_names(sim)
    sim.edit(EXPERIMENT, "late", lambda obj: raise_trials(obj, 500))
    await sim.pass_time(timedelta(seconds=10))
    assert said(sim)["Stalled"] == "True/SearchTooLarge"
    assert "to 2 at the least" in ready_message(sim)
    assert open_names(sim) == running, "what runs goes on"
    finish_open_jobs(sim)
    await sim.pass_time(timedelta(minutes=5))
    assert [row["state"] for row in rows(sim)] == ["Succeeded", "Succeeded"], "and is not lost"
    assert sim.jobs(open_only=True) == []
    sim.edit(EXPERIMENT, "late", lambda obj: raise_trials(obj, 6))
    await played(sim)
    assert said(sim)["Ready"] == "True/Registered" and len(rows(sim)) == 6


async def test_trials_lowered_to_those_that_have_begun_end_the_search() -> None:
    sim, _ = await started()
    sim.edit(EXPERIMENT, "late", lambda obj: raise_trials(obj, 2))
    await played(sim)
    assert said(sim)["Ready"] == "True/Registered" and len(rows(sim)) == 2


async def test_a_state_of_a_newer_release_is_held_and_left_by_a_raised_run() -> None:
    sim, _ = await started()
    running = open_names(sim)
    sim.edit(EXPERIMENT, "late", lambda obj: obj["status"]["trials"][1].update(state="Paused"))
    await sim.pass_time(timedelta(hours=1))
    assert said(sim)["Stalled"] == "True/StatusUnknown"
    assert "status.trials[].state is 'Paused'" in ready_message(sim)
    assert (open_names(sim), rows(sim)[1]["state"]) == (running, "Paused")
    sim.edit(EXPERIMENT, "late", lambda obj: obj["spec"].update(run=1))
    await played(sim)
    assert said(sim)["Ready"] == "True/Registered"
