"""Every cure of the table of reasons, done on an Experiment: told, then done in edits that its rules allow, then Ready."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.support.fakes.registry import FakeRegistry
from tests.support.worlds.cures import cures, is_ready, person, shown, together
from tests.support.worlds.experiment import MODEL, champion, played, said
from tests.support.worlds.simulation import Simulation
from tests.support.worlds.training import (
    DIGEST,
    FLIGHTS,
    LATE,
    OTHER_DIGEST,
    changed,
    data_result,
    failure,
    final_result,
    finish_open_jobs,
    operator,
    task_of,
    versus,
    with_version,
)

from bucle.contracts.result import ChampionResult
from bucle.engine.objects import JsonObject
from bucle.resources.addresses import DATASET, EXPERIMENT

BAD_PARAMETERS, BAD_CONFIGURATION = 3, 78
SOON = timedelta(seconds=10)
Edit = Callable[[JsonObject], object]


def two_trials(manifest: JsonObject) -> None:
    manifest["spec"]["limits"] = {"maxTrials": 2, "parallelTrials": 2, "maxFailedTrials": 1, "maxDuration": "2h"}
    manifest["spec"]["search"] = {"random": {}, "seed": 42}


SHORT = changed(LATE, two_trials)


async def begun(manifest: JsonObject = SHORT) -> tuple[Simulation, FakeRegistry]:
    sim, registry = operator()
    with_version(sim)
    sim.create(manifest)
    await sim.pass_time(SOON)
    return sim, registry


def tells(sim: Simulation, reason: str, type_: str = "Ready") -> str:
    return shown(sim, EXPERIMENT, "late", reason, type_)


def edit(sim: Simulation, reason: str, change: Edit) -> None:
    person(sim, EXPERIMENT, "late", reason, change)


async def registers(sim: Simulation) -> None:
    await played(sim, rounds=4)
    assert is_ready(sim, EXPERIMENT, "late")()
    assert said(sim)["Registered"] == "True/Registered"


def again(change: Edit) -> Edit:
    """That change, and `run` raised in the same edit."""

    def both(spec: JsonObject) -> None:
        change(spec)
        spec["run"] = spec.get("run", 0) + 1

    return both


# --- before it starts ------------------------------------------------------------------------------------------


@cures("WaitingForDataset")
@pytest.mark.parametrize("missing", ["the Dataset", "its version"])
async def test_it_begins_when_its_dataset_is_applied_and_has_a_version(reason: str, missing: str) -> None:
    sim, _ = operator(datasets=True)
    if missing == "its version":
        sim.create(FLIGHTS)
    sim.create(SHORT)
    await sim.settle()
    assert ("apply it" if missing == "the Dataset" else "see its conditions") in tells(sim, reason)
    if missing == "the Dataset":
        sim.create(FLIGHTS)
    await sim.settle()
    (job,) = sim.jobs(open_only=True)
    sim.finish_job(job["metadata"]["name"], data_result())
    await registers(sim)


@cures("SearchTooLarge")
async def test_a_search_whose_record_is_too_long_begins_with_fewer_parameters(reason: str) -> None:
    def long(manifest: JsonObject) -> None:
        two_trials(manifest)
        manifest["spec"]["limits"]["maxTrials"] = 500
        manifest["spec"]["parameters"] += [
            {"name": f"estimator__{number:0100}", "float": {"min": "0", "max": "1"}} for number in range(60)
        ]

    sim, _ = await begun(changed(LATE, long))
    assert "search fewer parameters" in tells(sim, reason)
    edit(sim, reason, lambda spec: spec.update(parameters=spec["parameters"][:2], limits=SHORT["spec"]["limits"]))
    await registers(sim)


@cures("SearchTooLarge")
async def test_a_search_that_a_raise_made_too_large_is_lowered_with_run(reason: str) -> None:
    def long(manifest: JsonObject) -> None:
        two_trials(manifest)
        manifest["spec"]["parameters"] += [
            {"name": f"estimator__{number:0100}", "float": {"min": "0", "max": "1"}} for number in range(60)
        ]

    sim, _ = await begun(changed(LATE, long))
    edit(sim, reason, lambda spec: spec["limits"].update(maxTrials=500))
    await sim.settle()
    tells(sim, reason)
    edit(sim, reason, again(lambda spec: spec["limits"].update(maxTrials=2)))
    await registers(sim)


@cures("UnknownMetric")
@pytest.mark.parametrize("where", ["objective", "champion", "gates"])
async def test_a_metric_of_another_target_is_told_before_anything_is_trained(reason: str, where: str) -> None:
    def wrong(manifest: JsonObject) -> None:
        spec = manifest["spec"]
        (spec["gates"][0] if where == "gates" else spec[where])["metric"] = "mean_absolute_error"

    def right(spec: JsonObject) -> None:
        (spec["gates"][0] if where == "gates" else spec[where])["metric"] = "log_loss"

    sim, _ = await begun(changed(SHORT, wrong))
    assert "use one of" in tells(sim, reason)
    edit(sim, reason, right)
    await registers(sim)


# --- the search ------------------------------------------------------------------------------------------------


def estimator(spec: JsonObject) -> None:
    spec["trainer"]["sklearn"]["estimator"] = {"class": "sklearn.linear_model.LogisticRegression"}


def parameters(spec: JsonObject) -> None:
    leaves = {"name": "estimator__max_leaf_nodes", "int": {"min": 2, "max": 64}}
    spec["parameters"] = [*spec["parameters"][:1], leaves]


def metric(spec: JsonObject) -> None:
    spec["objective"]["metric"] = "log_loss"


def nothing(spec: JsonObject) -> None:
    """Another thing than this spec was mended: the Dataset, its data, an image."""


CORRECTED: dict[str, Edit] = {
    "BadParameters": parameters,
    "EstimatorNotAllowed": estimator,
    "UnknownParameter": parameters,
    "UnknownMetric": metric,
    "SpecInvalid": parameters,
    "UntrustedType": estimator,
    "SignatureMismatch": estimator,
}


@cures(
    "BadParameters",
    "EstimatorNotAllowed",
    "UnknownParameter",
    "UnknownMetric",
    "SpecInvalid",
    "UntrustedType",
    "SignatureMismatch",
    "SourceEmpty",
    "UnknownColumn",
    "WrongType",
    "DigestMismatch",
)
@pytest.mark.parametrize("phase", ["trial", "final"])
async def test_what_no_attempt_can_help_is_corrected_in_an_edit_that_raises_run(reason: str, phase: str) -> None:
    sim, _ = await begun()
    if phase == "final":
        finish_open_jobs(sim)
        await sim.pass_time(SOON)
    for job in sim.jobs(open_only=True):
        assert task_of(job)["phase"] == phase
        sim.fail_job(job["metadata"]["name"], BAD_CONFIGURATION, failure("train", reason, "what the pod says"))
    await sim.pass_time(timedelta(minutes=5))
    assert "what the pod says" in tells(sim, reason)
    assert said(sim)["Succeeded"] == f"False/{reason}"
    edit(sim, reason, again(CORRECTED.get(reason, nothing)))
    await registers(sim)


async def all_fail(sim: Simulation) -> None:
    for _ in range(2):
        for job in sim.jobs(open_only=True):
            told = failure("train", "BadParameters", "max_leaf_nodes must be > 1")
            sim.fail_job(job["metadata"]["name"], BAD_PARAMETERS, told)
        await sim.pass_time(SOON)


@cures("TooManyFailedTrials")
async def test_too_many_failed_trials_are_tried_anew_after_a_correction(reason: str) -> None:
    sim, _ = await begun()
    await all_fail(sim)
    assert "max_leaf_nodes must be > 1" in tells(sim, reason)
    edit(sim, reason, again(parameters))
    await registers(sim)


@cures("NoTrialSucceeded")
@pytest.mark.parametrize("how", ["more trials", "a correction"])
async def test_a_search_in_which_no_trial_succeeded_goes_on_with_more_or_starts_anew(reason: str, how: str) -> None:
    sim, _ = await begun(changed(SHORT, lambda made: made["spec"]["limits"].update(maxFailedTrials=10)))
    await all_fail(sim)
    tells(sim, reason)
    edit(sim, reason, again(parameters) if how == "a correction" else lambda spec: spec["limits"].update(maxTrials=4))
    await registers(sim)


@cures("MaxDurationExceeded")
@pytest.mark.parametrize("limit", [{"maxDuration": "4h"}, {"maxTrials": 1, "parallelTrials": 1}])
async def test_a_search_that_was_out_of_time_gets_more_of_it_or_less_to_do(reason: str, limit: JsonObject) -> None:
    sim, _ = await begun(changed(SHORT, lambda made: made["spec"]["limits"].update(maxDuration="1m")))
    await sim.pass_time(timedelta(minutes=2))
    assert "1m" in tells(sim, reason)
    edit(sim, reason, again(lambda spec: spec["limits"].update(limit)))
    await registers(sim)


# --- the verdict -----------------------------------------------------------------------------------------------


async def judged(manifest: JsonObject, found: ChampionResult | None = None, test: str = "0.6") -> Simulation:
    sim, registry = await begun(manifest)
    champion(registry)
    await played(sim, final_result(test=test, champion=found), rounds=4)
    return sim


@cures("GateFailed")
@pytest.mark.parametrize("change", [nothing, lambda spec: spec["gates"][0].update(maximum="0.9")])
async def test_a_model_that_failed_its_gate_is_followed_by_a_better_one(reason: str, change: Edit) -> None:
    sim = await judged(SHORT, versus("-0.1"), test="0.8")
    assert "log_loss on Test = 0.8, maximum 0.65" in tells(sim, reason)
    assert said(sim)["GatesPassed"] == f"False/{reason}"
    edit(sim, reason, again(change))
    await played(sim, final_result(test="0.6", champion=versus("-0.1")), rounds=4)
    assert said(sim)["Registered"] == "True/Registered"


@cures("NotBetter")
async def test_a_model_that_is_not_better_leaves_the_champion_and_is_done(reason: str) -> None:
    sim = await judged(SHORT, versus("0.1"))
    tells(sim, reason)
    assert is_ready(sim, EXPERIMENT, "late")()
    assert (said(sim)["Succeeded"], said(sim)["Registered"]) == ("True/Succeeded", f"False/{reason}")


@cures("ChampionIncompatible", "ChampionUndecided")
async def test_a_champion_that_cannot_be_compared_with_is_passed_by_the_rule_that_names_it(reason: str) -> None:
    state = reason.removeprefix("Champion")
    found = ChampionResult(version="1", state=state, message="it answers another question")
    sim = await judged(SHORT, found)
    assert "it answers another question" in tells(sim, reason)
    assert is_ready(sim, EXPERIMENT, "late")(), "it ran and decided"
    edit(sim, reason, again(lambda spec: spec["champion"].update({f"on{state}": "Pass"})))
    await played(sim, final_result(champion=found), rounds=4)
    assert said(sim)["Registered"] == "True/Registered"


@cures("ChampionUndecided")
async def test_more_labelled_rows_and_a_raised_run_decide(reason: str) -> None:
    sim = await judged(SHORT, versus("-0.1", groups=3))
    assert "3 groups are too few" in tells(sim, reason)
    sim.edit(DATASET, "flights", lambda obj: obj["status"]["current"].update(digest=OTHER_DIGEST))
    edit(sim, reason, again(nothing))
    await played(sim, final_result(champion=versus("-0.1", groups=30)), rounds=4)
    assert said(sim)["Registered"] == "True/Registered"


@together("SearchRunning", "FinalFit", "Registering", "Registered", "GatesPassed", "Succeeded")
async def test_from_the_first_trial_to_the_registry_waiting_is_enough(reasons: tuple[str, ...]) -> None:
    sim, registry = await begun()
    seen: set[str] = set()
    sim.kube.on_change.append(
        lambda *_: seen.update(str(c["reason"]) for c in sim.status(EXPERIMENT, "late").get("conditions") or ())
    )
    await registers(sim)
    assert seen >= set(reasons)
    assert registry.aliases[MODEL, "challenger"] == 1


@cures("NotRegistered")
async def test_a_model_that_nobody_wants_registered_is_made_and_done(reason: str) -> None:
    def unwanted(manifest: JsonObject) -> None:
        del manifest["spec"]["register"], manifest["spec"]["champion"]

    sim, registry = await begun(changed(SHORT, unwanted))
    await played(sim, rounds=4)
    tells(sim, reason)
    assert is_ready(sim, EXPERIMENT, "late")()
    assert registry.versions == {}
    assert DIGEST in str(sim.status(EXPERIMENT, "late")["inputs"])
