"""The Jobs of an Experiment: rows as task documents. Pure."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import NoReturn

from bucle.contracts import names
from bucle.contracts.task import (
    ChampionModel,
    DatasetVersion,
    FinalTask,
    ParameterValue,
    Preprocessing,
    SklearnTrainer,
    Step,
    TrialTask,
)
from bucle.engine.objects import JsonObject
from bucle.engine.plan import Child
from bucle.kinds.experiment.state import Champion, Fit, Inputs, Trial
from bucle.kinds.experiment.world import World
from bucle.resources.base import parse_duration
from bucle.resources.documents import to_dict
from bucle.resources.experiment import SklearnClass
from bucle.workloads import attempt as attempts
from bucle.workloads.jobs import JobSpec, task_job
from bucle.workloads.platform import Platform
from bucle.workloads.pods import PodSettings

TRIAL, FINAL = "trial", "final"
_REST = re.compile(r"(?:t(?P<index>[0-9]+)|f)a(?P<attempt>[0-9]+)")


def literal(text: str) -> ParameterValue:
    """The text as a JSON literal, else as the string it is. NaN and Infinity are no JSON and stay strings, and so does
    a number like 1e999, of which Python would make one of them."""

    def refuse(word: str) -> NoReturn:
        raise ValueError(word)

    def finite(word: str) -> float:
        value = float(word)
        if not math.isfinite(value):
            refuse(word)
        return value

    try:
        return json.loads(text, parse_constant=refuse, parse_float=finite)  # type: ignore[no-any-return]
    except ValueError:
        return text


def trial_task(world: World, inputs: Inputs, row: Trial) -> TrialTask:
    spec = world.experiment.spec
    return TrialTask(
        name=world.owner.name,
        index=row.index,
        dataset=_version(inputs),
        trainer=_trainer(world),
        params={name: literal(value) for name, value in row.params.items()},
        seed=row.seed,
        metric=spec.objective.metric,
    )


def final_task(platform: Platform, world: World, inputs: Inputs, fit: Fit) -> FinalTask:
    """Rows are grouped as the pinned version's manifest says: the Dataset may have been edited since."""
    owner, spec = world.owner, world.experiment.spec
    return FinalTask(
        name=owner.name,
        dataset=_version(inputs),
        trainer=_trainer(world),
        params={name: literal(value) for name, value in fit.params.items()},
        seed=fit.seed,
        metric=spec.objective.metric,
        champion=_champion(world, fit.champion),
        model_location=names.model_location(platform.store_uri, owner.namespace, owner.name, owner.uid),
    )


def trial_job(platform: Platform, world: World, inputs: Inputs, row: Trial, name: str) -> tuple[Child, ...]:
    job = _job(world, name, TRIAL, row.image, trial_task(world, inputs, row), fits=1)
    return task_job(platform, world.owner, job)


def final_job(platform: Platform, world: World, inputs: Inputs, fit: Fit) -> tuple[Child, ...]:
    task = final_task(platform, world, inputs, fit)
    # Once on train and validation, and once for each fold that is predicted.
    job = _job(world, fit.job, FINAL, fit.image, task, fits=1 + task.folds)
    return task_job(platform, world.owner, job)


def placed_trial(world: World, inputs: Inputs, row: Trial) -> Trial:
    """The row with its Job's name: a live Job that runs exactly this task (lost status), else a name never used."""
    number = _free_or_same(world, inputs, row.index, row.attempt.number, trial_task(world, inputs, row))
    job = names.trial_job(world.owner.name, world.owner.uid, row.index, number, inputs.run)
    return replace(row, attempt=replace(row.attempt, number=number), job=job)


def placed_fit(platform: Platform, world: World, inputs: Inputs, fit: Fit) -> Fit:
    """The same for the final fit."""
    number = _free_or_same(world, inputs, None, fit.attempt.number, final_task(platform, world, inputs, fit))
    return replace(fit, attempt=replace(fit.attempt, number=number), job=final_name(world, inputs, number))


def final_name(world: World, inputs: Inputs, number: int) -> str:
    return names.final_job(world.owner.name, world.owner.uid, number, inputs.run)


def index_and_attempt(world: World, inputs: Inputs, job: str) -> tuple[int | None, int] | None:
    """Which trial (None: the final fit) and attempt of this run the Job's name stands for; None for other runs."""
    prefix = names.experiment_jobs(world.owner.name, world.owner.uid, inputs.run)
    found = _REST.fullmatch(job.removeprefix(prefix)) if job.startswith(prefix) else None
    if found is None:
        return None
    index = found.group("index")
    return (int(index) if index is not None else None), int(found.group("attempt"))


def _free_or_same(world: World, inputs: Inputs, index: int | None, attempt: int, task: TrialTask | FinalTask) -> int:
    numbered: dict[int, JsonObject] = {}
    for name, job in world.live.jobs.items():
        found = index_and_attempt(world, inputs, name)
        if found is not None and found[0] == index:
            numbered[found[1]] = job
    number, _ = attempts.adopt(numbered, attempt, lambda job: attempts.runs(job, task))
    return number


def _job(world: World, name: str, component: str, image: str, task: TrialTask | FinalTask, *, fits: int) -> JobSpec:
    spec = world.experiment.spec
    return JobSpec(
        name=name,
        component=component,
        image=image,
        task=task,
        deadline=fits * parse_duration(spec.limits.trial_timeout),
        settings=PodSettings.of(to_dict(spec.pod)),
    )


def _version(inputs: Inputs) -> DatasetVersion:
    return DatasetVersion(name=inputs.dataset, digest=inputs.dataset_digest, location=inputs.dataset_location)


def _trainer(world: World) -> SklearnTrainer:
    given = world.experiment.spec.trainer.sklearn
    return SklearnTrainer(
        estimator=_step(given.estimator),
        preprocessing=tuple(
            Preprocessing(types=p.types, columns=p.columns, steps=tuple(_step(step) for step in p.steps))
            for p in given.preprocessing
        ),
    )


def _step(given: SklearnClass) -> Step:
    return Step.model_validate(
        {"class": given.class_, "params": {name: literal(value) for name, value in given.params.items()}}
    )


def _champion(world: World, fixed: Champion | None) -> ChampionModel | None:
    spec = world.experiment.spec.champion
    if spec is None or fixed is None:
        return None
    return ChampionModel(
        version=str(fixed.version),
        uri=fixed.uri,
        digest=fixed.digest,
        dataset_location=fixed.dataset,
        metric=spec.metric,
        on=spec.data,
    )
