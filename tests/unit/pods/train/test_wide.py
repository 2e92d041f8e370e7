"""A regression on 400 columns, one of them always null and one always the same: built, searched, fitted, served, judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.support.builders.judge_pods import Traffic, evaluation, loss_of
from tests.support.builders.train_pods import FEATURES, TARGETS, dataset, final_task, rows, trial_task

from bucle.podkit.model import load_model
from bucle.pods.train.final import run_final
from bucle.pods.train.trial import run_trial

NAMES = [f"wide_{at:03}" for at in range(397)]
NULL, CONSTANT = NAMES[0], NAMES[1]
ALLOWED: dict[str, Any] = {"type": "Number", "nullable": "Allowed"}
TABLE: dict[str, Any] = {
    "target": TARGETS["Regression"],
    "columns": [*FEATURES, *({"name": name, **ALLOWED} for name in NAMES)],
}
ENCODED = {
    "types": ["Category"],
    "steps": [
        {
            "class": "sklearn.preprocessing.OrdinalEncoder",
            "params": {"handle_unknown": "use_encoded_value", "unknown_value": -1, "encoded_missing_value": -1},
        }
    ],
}
IMPUTED = {"types": ["Number", "Integer"], "steps": [{"class": "sklearn.impute.SimpleImputer", "params": {}}]}
TRAINERS = {
    "trees": {"estimator": {"class": "sklearn.ensemble.HistGradientBoostingRegressor", "params": {"max_iter": 2}}},
    "linear": {"estimator": {"class": "sklearn.linear_model.Ridge", "params": {}}, "preprocessing": [ENCODED, IMPUTED]},
}


def wide_rows() -> pa.Table:
    table = rows("Regression", days=15)
    given = np.random.default_rng(3).normal(size=(len(NAMES), table.num_rows))
    for at, name in enumerate(NAMES):
        values = pa.nulls(table.num_rows, pa.float64()) if name == NULL else pa.array(given[at])
        table = table.append_column(name, pa.array([1.0] * table.num_rows) if name == CONSTANT else values)
    return table


@pytest.mark.parametrize("trainer", TRAINERS)
def test_four_hundred_columns_go_all_the_way(tmp_path: Path, trainer: str) -> None:
    data = dataset(tmp_path, wide_rows(), "Regression", table=TABLE)
    assert data.accepted and [failed.name for failed in data.failed] == [f"{NULL}.empty"], "a warning, and no more"
    chosen = {"trainer": TRAINERS[trainer]}
    assert run_trial(trial_task(data, "Regression", **chosen)).rows == data.splits["validation"].rows
    result = run_final(final_task(tmp_path, data, "Regression", **chosen))
    model = load_model(result.uri, result.digest)
    asked: dict[str, list[Any]] = {"colour": ["red", None], "size": [1.0, None], "count": [1, 2]}
    said = model.predict(model.frame(asked | {name: [None, 0.5] for name in NAMES}))
    assert said.numbers is not None and np.isfinite(said.numbers).all()
    reference = model.reference
    assert len(reference.table.columns) == len(TABLE["columns"])
    # The columns that the traffic names are not this table's: what is judged by is the receipt, as without a group.
    traffic = Traffic(f"file://{tmp_path}/served", models={"old": reference, "new": reference})
    for day in range(1, 5):
        traffic.row(day, 1.0, None, None)
        traffic.labels.append(
            {
                "id": None,
                "request_id": traffic.captured[-1].id,
                "row": 0,
                "label": "3",
                "label_time": None,
                "bucle_received": traffic.captured[-1].received,
            }
        )
    (window,) = evaluation(traffic.written(), 4, metric="mse", group_by=None).windows
    assert loss_of(window) == pytest.approx(4.0)
