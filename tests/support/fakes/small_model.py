"""A small real model in a file store, made by the training code, and requests that fit it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bucle.contracts.profile import FeatureProfile
from bucle.contracts.reference import MODEL_REFERENCE_PATH, Reference
from bucle.contracts.result import Estimate
from bucle.contracts.table import Column, TableSchema, Target
from bucle.contracts.task import DatasetVersion, Preprocessing, SklearnTrainer, Step
from bucle.podkit.model import MODEL_FILE, environment
from bucle.pods.train.artifact import dumped, trusted_types, upload
from bucle.pods.train.estimators import build_pipeline

CARRIERS = ("AA", "UA", "WN")

TABLE = TableSchema(
    target=Target(name="late", task="Binary", positive="1"),
    columns=(
        Column(name="carrier", type="Category"),
        Column(name="hour", type="Integer", minimum="0", maximum="23"),
        Column(name="distance", type="Number", nullable="Allowed"),
        Column(name="flight_id", type="Text", role="Id"),
        Column(name="time_hour", type="Timestamp", role="Time"),
    ),
)


def reference(trusted: tuple[str, ...] = ()) -> Reference:
    return Reference(
        table=TABLE,
        classes=("0", "1"),
        prior={"0": 0.75, "1": 0.25},
        threshold=0.5,
        estimate=Estimate(metric="log_loss", value="0.5", standard_error="0.01", groups=10, rows=1000),
        dataset=DatasetVersion(name="base", digest="sha256:0", location="file:///nowhere"),
        features=(
            FeatureProfile(name="carrier", rows=3, nulls=0, counts=dict.fromkeys(CARRIERS, 1)),
            FeatureProfile(name="hour", rows=3, nulls=0, quantiles=(0.0, 12.0, 23.0)),
            FeatureProfile(name="distance", rows=3, nulls=0, quantiles=(100.0, 800.0, 2500.0)),
        ),
        categories={"carrier": CARRIERS},
        trusted_types=trusted,
        environment=environment(),
    )


@dataclass(frozen=True)
class StoredModel:
    uri: str
    digest: str


BOOSTED = {
    "class": "sklearn.ensemble.HistGradientBoostingClassifier",
    "params": {"max_iter": 30, "early_stopping": False},
}
FOREST = {"class": "sklearn.ensemble.RandomForestClassifier", "params": {"n_estimators": 5, "max_depth": 4}}
"""Computes in 32 bits: a number above 3.4e38, which the schema allows, is more than it can hold."""
LOGISTIC = {"class": "sklearn.linear_model.LogisticRegression", "params": {"max_iter": 1000}}
ONE_HOT = {
    "types": ["Category"],
    "steps": [{"class": "sklearn.preprocessing.OneHotEncoder", "params": {"handle_unknown": "error"}}],
}
"""A category never seen is an error to it."""


def stored_model(
    folder: Path,
    *,
    iterations: int = 30,
    seed: int = 0,
    estimator: dict[str, Any] = BOOSTED,
    preprocessing: tuple[dict[str, Any], ...] = (),
) -> StoredModel:
    """Fits a pipeline (of gradient-boosted trees) on made-up flights and stores what a server reads of it."""
    random = np.random.default_rng(seed)
    rows = 2000
    hour = random.integers(0, 24, rows)
    frame = pd.DataFrame(
        {
            "carrier": random.choice(np.array(CARRIERS, dtype=object), rows).astype(object),
            "hour": hour.astype(float),
            "distance": random.uniform(100, 2500, rows),
        }
    )
    late = (random.uniform(size=rows) < 0.1 + hour / 40).astype(int)
    step = Step.model_validate(estimator)
    if estimator is BOOSTED:
        step = step.model_copy(update={"params": step.params | {"max_iter": iterations}})
    steps = tuple(Preprocessing.model_validate(entry) for entry in preprocessing)
    trainer = SklearnTrainer(estimator=step, preprocessing=steps)
    pipeline = build_pipeline(trainer, TABLE, seed).fit(frame, late)
    archive = dumped(pipeline)
    made = reference(trusted_types(archive))
    files = {MODEL_FILE: archive, MODEL_REFERENCE_PATH: made.canonical().encode("ascii")}
    uri, digest = upload(files, f"file://{folder}/models")
    return StoredModel(uri, digest)


def flights(first: int, count: int) -> dict[str, list[Any]]:
    """`count` request rows by column; their ids count up from `first`."""
    numbers = range(first, first + count)
    return {
        "carrier": [CARRIERS[n % 3] for n in numbers],
        "hour": [n % 24 for n in numbers],
        "distance": [100.0 + n % 2000 for n in numbers],
        "flight_id": [f"f{n}" for n in numbers],
        "time_hour": [f"2013-01-{1 + n // 24 % 28:02d}T{n % 24:02d}:00:00Z" for n in numbers],
    }


DATATYPES = {"carrier": "BYTES", "hour": "INT64", "distance": "FP64", "flight_id": "BYTES", "time_hour": "BYTES"}


def v2_body(columns: dict[str, list[Any]], **more: Any) -> dict[str, Any]:
    inputs = [
        {"name": name, "datatype": DATATYPES.get(name, "BYTES"), "shape": [len(values)], "data": values}
        for name, values in columns.items()
    ]
    return {"inputs": inputs} | more
