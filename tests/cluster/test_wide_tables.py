"""Tables with hundreds of columns on the real cluster: 400 to a served regression, 2,000 to a version.

Their tasks do not fit a pod's annotation, so every pod of theirs reads its task from a ConfigMap.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hack.demo.install import Installation
from tests.cluster import scene as scenes
from tests.cluster.scene import JsonObject, Scene, ready

pytestmark = pytest.mark.cluster

ROWS = 600
WIDE, WIDEST = 400, 1999
"""With the column of ids a schema has 2,000, and no more are allowed."""
NEVER_MEASURED = "c007"
"""A column that the schema names and that has a value in no row."""
NAME = "wide"


def table(columns: int) -> pd.DataFrame:
    """Noise in all columns but the first, which the target follows; every eleventh column has holes."""
    random = np.random.default_rng(columns)
    values = random.normal(size=(ROWS, columns)).round(3)
    frame = pd.DataFrame(values, columns=[f"c{at:03}" for at in range(columns)])
    frame.loc[::5, frame.columns[5::11]] = np.nan
    frame["y"] = 3.0 * frame["c000"] + random.normal(scale=0.1, size=ROWS)
    frame[NEVER_MEASURED] = np.nan
    frame["id"] = [f"row-{at}" for at in range(ROWS)]
    return frame


def dataset(name: str, frame: pd.DataFrame) -> JsonObject:
    features = [c for c in frame.columns if c not in ("id", "y")]
    return {
        "apiVersion": "bucle.dev/v1alpha1",
        "kind": "Dataset",
        "metadata": {"name": name},
        "spec": {
            "sources": [{"uri": {"location": location(name), "parquet": {}}}],
            "schema": {
                "target": {"name": "y", "task": "Regression"},
                "columns": [
                    {"name": "id", "type": "Text", "role": "Id"},
                    *({"name": feature, "type": "Number", "nullable": "Allowed"} for feature in features),
                ],
            },
            "splits": {"hash": {"key": "id"}},
        },
    }


def location(name: str) -> str:
    return f"s3://bucle/raw/wide/{name}.parquet"


def experiment() -> JsonObject:
    imputer = {"class": "sklearn.impute.SimpleImputer"}
    return {
        "apiVersion": "bucle.dev/v1alpha1",
        "kind": "Experiment",
        "metadata": {"name": NAME},
        "spec": {
            "dataset": {"name": NAME},
            "objective": {"metric": "mse"},
            "trainer": {
                "sklearn": {
                    "estimator": {"class": "sklearn.linear_model.Lasso", "params": {"alpha": "0.1"}},
                    "preprocessing": [{"types": ["Number"], "steps": [imputer]}],
                }
            },
            "limits": {"maxTrials": 1, "trialTimeout": "5m"},
            "gates": [{"metric": "mse", "maximum": "1.0"}],
            "register": {"model": NAME},
        },
    }


def served() -> JsonObject:
    small = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}
    return {
        "apiVersion": "bucle.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": NAME},
        "spec": {
            "model": {"registered": {"name": NAME, "alias": "challenger"}},
            "serving": {"builtin": {}, "replicas": 1, "resources": small},
            "traffic": {"router": {"replicas": 1, "resources": small}},
        },
    }


@pytest.fixture(scope="module")
def stage(installation: Installation) -> Iterator[Scene]:
    store = installation.object_store()
    with scenes.scene(installation, "wide", scenes.storage_secret(installation), unique=True) as made:
        for name, columns in ((NAME, WIDE), ("widest", WIDEST)):
            frame = table(columns)
            with store.open_output_stream(location(name).removeprefix("s3://")) as sink:
                frame.to_parquet(sink, index=False)
            made.apply(dataset(name, frame))
        made.apply(experiment(), served())
        yield made


def infer(address: str, rows: pd.DataFrame) -> list[float]:
    inputs = [
        {"name": name, "datatype": "FP64", "shape": [len(rows)], "data": [none_for_nan(v) for v in rows[name]]}
        for name in rows.columns
    ]
    body = json.dumps({"inputs": inputs}).encode()
    request = urllib.request.Request(f"{address}/v2/models/{NAME}/infer", data=body)
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: list[float] = json.load(answer)["outputs"][0]["data"]
    return found


def none_for_nan(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def test_2000_columns_become_a_version(stage: Scene) -> None:
    seen = stage.until("datasets", "widest", ready("VersionReady"), within=240)
    assert seen["status"]["current"]["rows"] == ROWS


def test_a_regression_on_400_columns_is_trained_served_and_answers(stage: Scene) -> None:
    """The column that never had a value may be sent empty as well."""
    stage.until("experiments", NAME, ready("Registered"), within=300)
    stage.until("modeldeployments", NAME, ready("Serving"), within=240)
    rows = table(WIDE).drop(columns=["y", "id"]).head(20)
    address = f"http://{stage.installation.service_ip(f'{NAME}.{stage.namespace}')}"
    answers = infer(address, rows)
    assert answers == pytest.approx(3.0 * rows["c000"], abs=1.0)


def test_long_tasks_are_handed_over_in_documents_that_go_with_their_jobs(stage: Scene) -> None:
    seen = stage.until("datasets", "widest", ready("VersionReady"), within=240)
    documents = stage.items("configmaps", f"bucle.dev/uid={seen['metadata']['uid']},bucle.dev/component=task")
    assert all(document["immutable"] for document in documents)
