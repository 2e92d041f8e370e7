"""Builders for tests of training: a small dataset version in a folder, and tasks on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bucle.contracts.reasons import REASONS
from bucle.contracts.reasons_types import Fault
from bucle.contracts.result import DataResult
from bucle.contracts.task import DataTask, FinalTask, TrialTask
from bucle.podkit.program import ProgramError, failure_of
from bucle.pods.data.build import build

START = datetime(2026, 1, 1, tzinfo=UTC)
BY_DAY = {"column": "time", "unit": "Day", "timeZone": "Etc/UTC"}
FEATURES = [
    {"name": "colour", "type": "Category", "nullable": "Allowed"},
    {"name": "size", "type": "Number", "nullable": "Allowed"},
    {"name": "count", "type": "Integer"},
    {"name": "id", "type": "Text", "role": "Id"},
    {"name": "time", "type": "Timestamp", "role": "Time"},
]
TARGETS = {
    "Binary": {"name": "y", "task": "Binary", "positive": "yes"},
    "MultiClass": {"name": "y", "task": "MultiClass", "classes": ["low", "mid", "high"]},
    "Regression": {"name": "y", "task": "Regression"},
}
TREES = {"class": "sklearn.ensemble.HistGradientBoostingClassifier", "params": {"max_iter": 20}}
ESTIMATORS = {
    "Binary": TREES,
    "MultiClass": {"class": "sklearn.ensemble.RandomForestClassifier", "params": {"n_estimators": 10, "max_depth": 4}},
    "Regression": {"class": "sklearn.ensemble.HistGradientBoostingRegressor", "params": {"max_iter": 20}},
}
METRIC = {"Binary": "log_loss", "MultiClass": "log_loss", "Regression": "mse"}


NUMBERS = {"types": ["Number", "Integer"]}


def step(class_: str, **params: Any) -> dict[str, Any]:
    return {"class": f"sklearn.{class_}", "params": params}


def trainer(estimator: dict[str, Any], *more: dict[str, Any]) -> dict[str, Any]:
    """The estimator behind an imputer and more steps for numbers."""
    numbers = {**NUMBERS, "steps": [step("impute.SimpleImputer"), *more]}
    return {"estimator": estimator, "preprocessing": [numbers]}


def rows(task: str = "Binary", days: int = 30, seed: int = 1, first_day: int = 0) -> pa.Table:
    """20 rows a day; red things and large things are more often `yes` (high, large)."""
    rng = np.random.default_rng(seed)
    n = 20 * days
    colour = rng.choice(["red", "green", "blue"], n)
    size = rng.normal(size=n)
    signal = 1.5 * (colour == "red") + size + rng.normal(scale=0.7, size=n)
    target: Any = signal
    if task == "Binary":
        target = np.where(signal > 0.5, "yes", "no")
    if task == "MultiClass":
        target = np.select([signal < 0, signal < 1], ["low", "mid"], "high")
    return pa.table(
        {
            "colour": [None if i % 17 == 0 else str(c) for i, c in enumerate(colour)],
            "size": [None if i % 23 == 0 else float(s) for i, s in enumerate(size)],
            "count": rng.integers(0, 9, n),
            "id": [f"r{first_day * 20 + i}" for i in range(n)],
            "time": [START + timedelta(days=first_day + i // 20, minutes=i % 20) for i in range(n)],
            "y": target,
        }
    )


def dataset(tmp_path: Path, given: pa.Table, task: str = "Binary", **changes: Any) -> DataResult:
    raw = tmp_path / "raw"
    raw.mkdir(exist_ok=True)
    pq.write_table(given, raw / "all.parquet")
    document = {
        "name": "things",
        "location": f"file://{tmp_path}/datasets",
        "table": {"target": TARGETS[task], "columns": FEATURES},
        "sources": [{"uri": {"location": f"file://{raw}/*.parquet", "parquet": {}}}],
        "splits": {"hash": {"key": "id", "group": BY_DAY}, "train": 60, "validation": 20, "test": 20, "seed": 1},
        **changes,
    }
    return build(DataTask.from_json(json.dumps(document)))


def trial_task(data: DataResult, task: str = "Binary", **changes: Any) -> TrialTask:
    document = {**_common(data, task), "index": 0, **changes}
    return TrialTask.from_json(json.dumps(document))


def final_task(tmp_path: Path, data: DataResult, task: str = "Binary", **changes: Any) -> FinalTask:
    document = {
        **_common(data, task),
        "phase": "final",
        "groupBy": BY_DAY,
        "modelLocation": f"file://{tmp_path}/models",
        **changes,
    }
    return FinalTask.from_json(json.dumps(document))


def said(run: Callable[[], object]) -> ProgramError | None:
    """The refusal, if any; anything else that is raised fails the test as it would the person."""
    try:
        run()
    except ProgramError as error:
        return error
    return None


def in_words(error: ProgramError) -> str:
    """What the person reads, who can mend it."""
    _, failure = failure_of(error)
    assert REASONS[failure.reason].fault in (Fault.USER, Fault.MODEL), failure
    assert "Traceback" not in failure.message and failure.reason != "ProgramFailed"
    return failure.message


def _common(data: DataResult, task: str) -> dict[str, Any]:
    return {
        "name": "things",
        "dataset": {"name": "things", "digest": data.digest, "location": data.location},
        "trainer": {"estimator": ESTIMATORS[task]},
        "params": {},
        "seed": 5,
        "metric": METRIC[task],
    }
