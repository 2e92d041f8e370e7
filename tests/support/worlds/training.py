"""Builders for stories about Datasets and Experiments: manifests a person would write, results a pod would leave."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.fakes.clock import FakeClock
from tests.support.fakes.registry import FakeRegistry
from tests.support.worlds.simulation import PLATFORM, Simulation

from bucle.contracts.names import ANNOTATION_TASK
from bucle.contracts.result import (
    ChampionResult,
    DataResult,
    Estimate,
    FailedExpectation,
    Failure,
    FinalResult,
    Result,
    SplitResult,
    TrialResult,
)
from bucle.engine.objects import JsonObject
from bucle.engine.reads import Source
from bucle.externals.sampler.optuna_sampler import sources as sampler_sources
from bucle.kinds import dataset, experiment
from bucle.resources.addresses import DATASET, EXPERIMENT

DIGEST = "sha256:" + "a" * 64
OTHER_DIGEST = "sha256:" + "b" * 64
MODEL_DIGEST = "sha256:" + "c" * 64

FLIGHTS: JsonObject = {
    "apiVersion": "bucle.dev/v1alpha1",
    "kind": "Dataset",
    "metadata": {"name": "flights"},
    "spec": {
        "sources": [{"uri": {"location": "s3://bucle/raw/flights/*.parquet", "parquet": {}}}],
        "schema": {
            "target": {"name": "late", "task": "Binary", "positive": "1"},
            "columns": [
                {"name": "hour", "type": "Integer", "role": "Feature", "minimum": "0", "maximum": "23"},
                {"name": "flight_id", "type": "Text", "role": "Id"},
            ],
        },
        "expectations": [
            {
                "name": "hours",
                "dimension": "Accuracy",
                "severity": "Error",
                "range": {"column": "hour", "minimum": "0", "maximum": "23"},
            }
        ],
        "splits": {"hash": {"key": "flight_id"}, "train": 70, "validation": 15, "test": 15},
    },
}

LATE: JsonObject = {
    "apiVersion": "bucle.dev/v1alpha1",
    "kind": "Experiment",
    "metadata": {"name": "late"},
    "spec": {
        "dataset": {"name": "flights"},
        "objective": {"metric": "log_loss"},
        "trainer": {
            "sklearn": {
                "estimator": {
                    "class": "sklearn.ensemble.HistGradientBoostingClassifier",
                    "params": {"max_iter": "50", "loss": "log_loss"},
                }
            }
        },
        "parameters": [
            {"name": "estimator__learning_rate", "float": {"min": "0.02", "max": "0.3", "scale": "Log"}},
            {"name": "estimator__max_leaf_nodes", "int": {"min": 15, "max": 127}},
        ],
        "search": {"tpe": {"startupTrials": 2}, "seed": 42, "mode": "Batch"},
        "limits": {
            "maxTrials": 4,
            "parallelTrials": 2,
            "maxFailedTrials": 1,
            "trialTimeout": "10m",
            "maxDuration": "2h",
        },
        "gates": [{"metric": "log_loss", "data": "Test", "maximum": "0.65"}],
        "champion": {"alias": "champion", "metric": "log_loss", "margin": "0.002"},
        "register": {"model": "flights", "alias": "challenger"},
    },
}


def changed(manifest: JsonObject, change: Callable[[JsonObject], None]) -> JsonObject:
    made = copy.deepcopy(manifest)
    change(made)
    return made


def operator(
    *, datasets: bool = False, sampler: Mapping[type, Source] | None = None
) -> tuple[Simulation, FakeRegistry]:
    """An operator of Experiments (and of Datasets, if asked), with a fake registry and, unless said otherwise, the
    real sampler."""
    registry = FakeRegistry(FakeClock())
    sources: dict[type, Any] = {**registry.sources(), **(sampler or sampler_sources())}
    rooms = (experiment.room(PLATFORM), *((dataset.room(PLATFORM),) if datasets else ()))
    executors = registry.executors()
    sim = Simulation(rooms, sources, executors)
    registry.clock = sim.clock
    registry.count_write = sim.kube.count_write
    return sim, registry


def data_result(
    digest: str = DIGEST,
    *,
    failed: tuple[FailedExpectation, ...] = (),
    rows: int = 100,
    set_aside: Mapping[str, int] | None = None,
) -> Result:
    return Result(
        program="data",
        task_sha256="0" * 64,
        data=DataResult(
            digest=digest,
            accepted=not failed,
            rows=rows,
            bytes=1000,
            location=f"s3://bucle/ml/datasets/flights/{digest.removeprefix('sha256:')}",
            splits={"train": SplitResult(rows=70, digest=digest), "test": SplitResult(rows=15, digest=digest)},
            quality={"accuracy": "1"},
            source_revision="etag-1",
            failed=failed,
            set_aside=dict(set_aside or {}),
        ),
    )


HOURS_FAILED = FailedExpectation(
    name="hours", dimension="Accuracy", severity="Error", observed="24", limit="0..23", rows=3
)


def failure(program: str, reason: str, message: str = "told by a test") -> Result:
    return Result(program=program, task_sha256="0" * 64, failure=Failure(reason=reason, message=message))


def task_of(job: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(job["spec"]["template"]["metadata"]["annotations"][ANNOTATION_TASK])  # type: ignore[no-any-return]


def trial_result(params: Mapping[str, Any]) -> Result:
    """A value that follows from the parameters alone, as training with a fixed seed does."""
    loss = 0.5 + abs(float(params["estimator__learning_rate"]) - 0.1) + float(params["estimator__max_leaf_nodes"]) / 1e4
    metrics = {"log_loss": f"{loss:.6f}"}
    return Result(program="train", task_sha256="0" * 64, trial=TrialResult(metrics=metrics, rows=15, seconds="1.5"))


def final_result(*, test: str = "0.6", champion: ChampionResult | None = None) -> Result:
    return Result(
        program="train",
        task_sha256="0" * 64,
        final=FinalResult(
            metrics={"log_loss": test, "brier": "0.2"},
            out_of_fold=Estimate(metric="log_loss", value="0.61", standard_error="0.01", groups=40, rows=100),
            uri=f"s3://bucle/mlflow/ml/late/{MODEL_DIGEST[7:]}",
            digest=MODEL_DIGEST,
            schema_digest="sha256:" + "d" * 64,
            question="sha256:" + "9" * 64,
            champion=champion,
        ),
    )


def versus(difference: str, error: str = "0.001", groups: int = 20) -> ChampionResult:
    return ChampionResult(
        version="1",
        state="Compared",
        on="Newest",
        difference=difference,
        standard_error=error,
        groups=groups,
        rows=1000,
    )


def with_version(sim: Simulation, digest: str = DIGEST) -> None:
    """A Dataset whose version is ready; nobody builds it, so that a story about an Experiment stays one."""
    metadata = {"name": "flights", "namespace": sim.namespace}
    current = {"digest": digest, "location": f"s3://bucle/ml/datasets/flights/{digest[7:]}", "rows": 100}
    status = {"observedGeneration": 1, "current": current, "conditions": []}
    sim.kube.put(DATASET, {**FLIGHTS, "metadata": metadata})
    sim.edit(DATASET, "flights", lambda obj: obj.update(status=status))


def finish_open_jobs(sim: Simulation, final: Result | None = None) -> int:
    """Every open Job of the Experiment ends as a deterministic trainer would end it; returns how many there were."""
    jobs = sim.jobs(open_only=True)
    for job in jobs:
        task = task_of(job)
        if task["program"] == "data":
            sim.finish_job(job["metadata"]["name"], data_result())
        elif task["phase"] == "trial":
            sim.finish_job(job["metadata"]["name"], trial_result(task["params"]))
        else:
            sim.finish_job(job["metadata"]["name"], final or final_result())
    return len(jobs)


def wipe_status(sim: Simulation, name: str = "late") -> None:
    sim.edit(EXPERIMENT, name, lambda obj: obj.pop("status", None))
