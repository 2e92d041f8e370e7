"""Stories of one Experiment: searched, judged, registered, refused, stopped, run again."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from tests.support.fakes.drivers import end_pod
from tests.support.worlds.experiment import CHAMPION_DIGEST, MODEL, champion, job_names, played, rows, said, started
from tests.support.worlds.training import (
    DIGEST,
    LATE,
    MODEL_DIGEST,
    OTHER_DIGEST,
    changed,
    failure,
    final_result,
    finish_open_jobs,
    operator,
    task_of,
    trial_result,
    versus,
    with_version,
)

from bucle.contracts import registry_tags
from bucle.contracts.result import ChampionResult, Result, TrialResult
from bucle.engine.objects import JsonObject
from bucle.resources.addresses import DATASET, EXPERIMENT


async def test_it_waits_for_its_dataset() -> None:
    sim, _ = operator()
    sim.create(LATE)
    await sim.settle()
    assert sim.reason(EXPERIMENT, "late") == "WaitingForDataset"
    with_version(sim)
    await sim.pass_time(timedelta(seconds=5))
    assert sim.reason(EXPERIMENT, "late") == "SearchRunning"
    inputs = sim.status(EXPERIMENT, "late")["inputs"]
    assert (inputs["datasetDigest"], inputs["image"]) == (DIGEST, "bucle-worker:test")


async def test_the_whole_story_ends_with_a_registered_challenger() -> None:
    sim, registry = await started()
    assert [row["state"] for row in rows(sim)] == ["Running", "Running"]
    await played(sim)
    assert said(sim) == {
        "GatesPassed": "True/GatesPassed",
        "Ready": "True/Registered",
        "Reconciling": "False/Registered",
        "Registered": "True/Registered",
        "Stalled": "False/Registered",
        "Succeeded": "True/Succeeded",
    }
    status = sim.status(EXPERIMENT, "late")
    assert status["counts"] == {"planned": 0, "running": 0, "succeeded": 4, "failed": 0}
    best = min(rows(sim), key=lambda row: float(row["value"]))
    assert (status["best"]["index"], status["final"]["params"]) == (best["index"], best["params"])
    assert status["final"]["model"] == {
        "name": MODEL,
        "version": 1,
        "uri": f"s3://bucle/mlflow/ml/late/{MODEL_DIGEST[7:]}",
        "digest": MODEL_DIGEST,
    }
    assert registry.aliases[MODEL, "challenger"] == 1
    tags = registry.tags(MODEL, 1)
    assert tags[registry_tags.TAG_DATASET_DIGEST] == DIGEST
    assert tags[registry_tags.TAG_MODEL_DIGEST] == MODEL_DIGEST
    assert '"groups":40' in tags[registry_tags.TAG_REFERENCE]


async def test_the_reference_of_a_model_has_the_name_of_what_was_measured() -> None:
    """An objective that is no mean over rows has no reference of its own: its log loss is no ROC AUC."""

    def by_rank(manifest: JsonObject) -> None:
        manifest["spec"]["objective"] = {"metric": "roc_auc"}

    sim, registry = await started(changed(LATE, by_rank))
    for _ in range(12):
        await sim.pass_time(timedelta(seconds=10))
        for job in sim.jobs(open_only=True):
            task = task_of(job)
            told = final_result() if task["phase"] == "final" else ranked_trial()
            sim.finish_job(job["metadata"]["name"], told)
    await sim.pass_time(timedelta(minutes=2))
    final = sim.status(EXPERIMENT, "late")["final"]
    assert (final["outOfFoldMetric"], final["outOfFold"]) == ("log_loss", "0.61")
    assert json.loads(registry.tags(MODEL, 1)[registry_tags.TAG_REFERENCE])["metric"] == "log_loss"
    assert registry.tags(MODEL, 1)[registry_tags.TAG_QUESTION] == "sha256:" + "9" * 64


def ranked_trial() -> Result:
    trial = TrialResult(metrics={"roc_auc": "0.7", "log_loss": "0.6"}, rows=15, seconds="1")
    return Result(program="train", task_sha256="0" * 64, trial=trial)


async def test_every_trial_and_the_final_fit_have_a_closed_run() -> None:
    sim, registry = await started()
    await played(sim)
    runs = registry.runs["ml/late"]
    assert sorted((run.name, run.status) for run in runs) == [
        ("final", "FINISHED"),
        *((f"t{index}", "FINISHED") for index in range(4)),
    ]
    final = next(run for run in runs if run.name == "final")
    assert final.tag(registry_tags.TAG_OUTCOME) == "Registered"
    assert sim.status(EXPERIMENT, "late")["final"]["runId"] == final.run_id
    assert all(row["runId"] for row in rows(sim))


async def test_once_decided_nothing_is_asked_or_written_any_more() -> None:
    sim, registry = await started()
    await played(sim)
    before = sim.get(EXPERIMENT, "late")["metadata"]["resourceVersion"]
    told = len(registry.effects)
    registry.down = "gone"
    sim.restart()
    await sim.pass_time(timedelta(hours=5))
    assert sim.get(EXPERIMENT, "late")["metadata"]["resourceVersion"] == before
    assert len(registry.effects) == told


async def test_two_operators_search_the_same_points() -> None:
    first, _ = await started()
    await played(first)
    second, _ = await started()
    for _ in range(3):  # one Job of a batch ends long before the other
        (job, *_rest) = second.jobs(open_only=True)
        second.finish_job(job["metadata"]["name"], trial_result(task_of(job)["params"]))
        await second.pass_time(timedelta(seconds=30))
        second.restart()
    await played(second)
    assert [row["params"] for row in rows(first)] == [row["params"] for row in rows(second)]


async def test_never_more_jobs_at_a_time_than_allowed() -> None:
    sim, _ = await started()
    for _ in range(8):
        assert len(sim.jobs(open_only=True)) <= 2
        job = next(iter(sim.jobs(open_only=True)), None)
        if job is None:
            break
        task = task_of(job)
        result = trial_result(task["params"]) if task["phase"] == "trial" else final_result()
        sim.finish_job(job["metadata"]["name"], result)
        await sim.pass_time(timedelta(seconds=10))


@pytest.mark.parametrize(
    ("compared", "reason"),
    [
        (versus("-0.02"), "Registered"),
        (versus("0.01"), "NotBetter"),
        (versus("0.0"), "NotBetter"),
        (versus("-0.002", error="0.01"), "NotBetter"),
        (versus("-0.02", groups=4), "ChampionUndecided"),
        (ChampionResult(version="1", state="Incompatible"), "ChampionIncompatible"),
        (ChampionResult(version="1", state="Undecided"), "ChampionUndecided"),
    ],
)
async def test_the_champion_is_only_replaced_by_a_better_one(compared: ChampionResult, reason: str) -> None:
    sim, registry = operator()
    champion(registry)
    with_version(sim)
    sim.create(LATE)
    await played(sim, final_result(champion=compared))
    assert said(sim)["Ready"] == f"True/{reason}"
    assert said(sim)["Succeeded"] == "True/Succeeded"
    assert said(sim)["Registered"] == ("True/Registered" if reason == "Registered" else f"False/{reason}")
    assert len(registry.versions) == (2 if reason == "Registered" else 1)
    final = next(run for run in registry.runs["ml/late"] if run.name == "final")
    assert final.tag(registry_tags.TAG_OUTCOME) == reason


async def test_the_final_fit_is_told_what_the_champion_is_and_learned_from() -> None:
    sim, registry = operator()
    champion(registry)
    with_version(sim)
    sim.create(LATE)
    await sim.pass_time(timedelta(seconds=5))
    for _ in range(2):
        finish_open_jobs(sim)
        await sim.pass_time(timedelta(seconds=10))
    (job,) = sim.jobs(open_only=True)
    assert task_of(job)["champion"] == {
        "version": "1",
        "uri": "s3://bucle/mlflow/champion",
        "digest": CHAMPION_DIGEST,
        "datasetLocation": f"s3://bucle/ml/datasets/old/{OTHER_DIGEST[7:]}",
        "metric": "log_loss",
        "on": "Newest",
    }


async def test_a_dataset_edited_during_the_search_does_not_change_what_the_final_fit_does() -> None:
    sim, _ = await started()
    finish_open_jobs(sim)
    await sim.pass_time(timedelta(seconds=10))
    sim.edit(DATASET, "flights", lambda obj: obj["spec"]["splits"]["hash"].update(group={"column": "added_since"}))
    finish_open_jobs(sim)
    await sim.pass_time(timedelta(seconds=10))
    (job,) = sim.jobs(open_only=True)
    assert (task_of(job)["phase"], task_of(job).get("groupBy")) == ("final", None)


async def test_a_failed_gate_stalls() -> None:
    sim, registry = await started()
    await played(sim, final_result(test="0.7"))
    assert (said(sim)["Stalled"], said(sim)["GatesPassed"]) == ("True/GateFailed", "False/GateFailed")
    assert said(sim)["Succeeded"] == "True/Succeeded"
    assert registry.versions == {}


async def test_bad_parameters_count_as_a_failed_trial_and_the_search_goes_on() -> None:
    sim, _ = await started()
    job = sim.jobs(open_only=True)[0]
    sim.fail_job(job["metadata"]["name"], 3, failure("train", "BadParameters"))
    await played(sim)
    assert [row["state"] for row in rows(sim)] == ["Failed", "Succeeded", "Succeeded", "Succeeded"]
    assert rows(sim)[0]["reason"] == "BadParameters"
    assert said(sim)["Ready"] == "True/Registered"


async def test_a_job_whose_pod_has_ended_keeps_its_log_though_the_job_does_not_know_yet() -> None:
    sim, _ = await started(changed(LATE, lambda obj: obj["spec"]["limits"].update(maxFailedTrials=4)))
    name = sim.jobs(open_only=True)[0]["metadata"]["name"]
    end_pod(sim.kube, sim.namespace, name, 3, failure("train", "BadParameters"))
    await sim.pass_time(timedelta(seconds=5))
    assert rows(sim)[0]["reason"] == "BadParameters"
    assert name in job_names(sim)


async def test_too_many_failed_trials_stop_the_search_and_its_jobs() -> None:
    sim, registry = await started(changed(LATE, lambda obj: obj["spec"]["limits"].update(maxFailedTrials=0)))
    sim.fail_job(sim.jobs(open_only=True)[0]["metadata"]["name"], 1, failure("train", "ProgramFailed", "no space left"))
    await sim.pass_time(timedelta(minutes=1))
    assert said(sim)["Stalled"] == "True/TooManyFailedTrials"
    told = next(c["message"] for c in sim.status(EXPERIMENT, "late")["conditions"] if c["type"] == "Stalled")
    assert told.startswith("failed trials: 1, allowed: 0; trial 0: ProgramFailed: no space left.")
    assert sim.jobs(open_only=True) == []
    assert {run.status for run in registry.runs["ml/late"]} == {"FAILED"}


async def test_a_wrong_configuration_stops_at_once() -> None:
    sim, _ = await started()
    sim.fail_job(sim.jobs(open_only=True)[0]["metadata"]["name"], 78, failure("train", "EstimatorNotAllowed"))
    await sim.pass_time(timedelta(minutes=1))
    assert said(sim)["Stalled"] == "True/EstimatorNotAllowed"
    assert sim.jobs(open_only=True) == []


async def test_a_trial_tried_again_keeps_its_parameters_and_counts_once() -> None:
    sim, _ = await started()
    job = sim.jobs(open_only=True)[0]
    before = task_of(job)
    sim.fail_job(job["metadata"]["name"], 75, failure("train", "StoreUnavailable"))
    await sim.settle()
    assert len(sim.jobs(open_only=True)) == 1
    await sim.pass_time(timedelta(seconds=6))
    again = next(j for j in sim.jobs(open_only=True) if j["metadata"]["name"].endswith("t0a1"))
    assert task_of(again) == before
    await played(sim)
    assert sim.status(EXPERIMENT, "late")["counts"]["succeeded"] == 4


async def test_a_search_that_takes_too_long_goes_on_with_what_it_has() -> None:
    sim, _ = await started()
    job = sim.jobs(open_only=True)[0]
    sim.finish_job(job["metadata"]["name"], trial_result(task_of(job)["params"]))
    await sim.pass_time(timedelta(hours=2, minutes=1))
    assert [row["state"] for row in rows(sim)] == ["Succeeded", "Failed"]
    assert rows(sim)[1]["reason"] == "MaxDurationExceeded"
    (final,) = sim.jobs(open_only=True)
    assert task_of(final)["phase"] == "final"


async def test_a_final_fit_that_crashes_three_times_stalls() -> None:
    sim, _ = await started()
    for _ in range(2):
        finish_open_jobs(sim)
        await sim.pass_time(timedelta(seconds=10))
    for _ in range(3):
        await sim.until(lambda: bool(sim.jobs(open_only=True)))
        sim.fail_job(sim.jobs(open_only=True)[0]["metadata"]["name"], 1)
    await sim.pass_time(timedelta(minutes=5))
    assert said(sim)["Stalled"] == "True/ProgramFailed"
    assert sim.jobs(open_only=True) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"objective": {"metric": "mae"}}, "mae does not fit a Binary target: use one of accuracy, brier"),
        (
            {"champion": {"metric": "roc_auc"}},
            "roc_auc does not fit a Binary target: use one of accuracy, brier, log_loss",
        ),
        ({"gates": [{"metric": "mse", "maximum": "1"}]}, "log_loss, roc_auc for `gates on Test`"),
        (
            {"gates": [{"metric": "brier", "data": "OutOfFold", "maximum": "1"}]},
            "use one of log_loss for `gates on OutOfFold`",
        ),
    ],
    ids=["objective", "champion", "gate", "gate out of fold"],
)
async def test_a_metric_that_does_not_fit_the_target_is_told_before_any_job(change: JsonObject, words: str) -> None:
    sim, _ = await started(changed(LATE, lambda obj: obj["spec"].update(change)))
    assert said(sim)["Stalled"] == "True/UnknownMetric"
    assert words in next(c["message"] for c in sim.status(EXPERIMENT, "late")["conditions"] if c["type"] == "Stalled")
    assert sim.jobs() == []
