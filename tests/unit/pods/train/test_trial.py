"""A trial: every fitting metric of the validation split, or the right exit code for what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.builders.train_pods import dataset, rows, trial_task

from bucle.contracts.metrics import METRICS
from bucle.podkit.program import ProgramError
from bucle.pods.train.trial import run_trial


@pytest.mark.parametrize("task", ["Binary", "MultiClass", "Regression"])
def test_every_metric_of_the_task_and_better_than_nothing(tmp_path: Path, task: str) -> None:
    data = dataset(tmp_path, rows(task), task)
    result = run_trial(trial_task(data, task))
    assert set(result.metrics) == {metric.name for metric in METRICS.values() if task in metric.tasks}
    assert result.rows == data.splits["validation"].rows
    if task == "Binary":
        assert float(result.metrics["roc_auc"]) > 0.8


def test_the_same_task_gives_the_same_numbers_and_another_seed_may_not(tmp_path: Path) -> None:
    data = dataset(tmp_path, rows("MultiClass"), "MultiClass")
    first, again = (run_trial(trial_task(data, "MultiClass")) for _ in range(2))
    assert first.metrics == again.metrics
    assert run_trial(trial_task(data, "MultiClass", seed=6)).metrics != first.metrics


def test_a_trial_never_reads_the_test_split(tmp_path: Path) -> None:
    data = dataset(tmp_path, rows())
    for path in (tmp_path / "datasets").rglob("test/*.parquet"):
        path.unlink()
    assert run_trial(trial_task(data)).metrics


@pytest.mark.parametrize(
    ("changes", "exit_code", "reason"),
    [
        ({"params": {"estimator__max_iter": -1}}, 3, "BadParameters"),
        ({"params": {"estimator__learning_rate": "fast"}}, 3, "BadParameters"),
        ({"params": {"estimator__depth": 1}}, 78, "UnknownParameter"),
        ({"metric": "mse"}, 78, "UnknownMetric"),
        ({"metric": "f1"}, 78, "UnknownMetric"),
        ({"trainer": {"estimator": {"class": "os.system"}}}, 78, "EstimatorNotAllowed"),
    ],
)
def test_what_is_wrong_has_its_exit_code(tmp_path: Path, changes: dict[str, Any], exit_code: int, reason: str) -> None:
    with pytest.raises(ProgramError) as caught:
        run_trial(trial_task(dataset(tmp_path, rows(days=8)), **changes))
    assert (caught.value.exit_code, caught.value.reason) == (exit_code, reason)


def test_another_version_in_that_place_is_not_used(tmp_path: Path) -> None:
    data = dataset(tmp_path, rows(days=8))
    with pytest.raises(ProgramError) as caught:
        run_trial(trial_task(data.model_copy(update={"digest": "sha256:" + "0" * 64})))
    assert caught.value.reason == "DigestMismatch"


def test_one_class_alone_teaches_nothing(tmp_path: Path) -> None:
    table = rows(days=8)
    same = table.set_column(table.column_names.index("y"), "y", [["yes"] * table.num_rows])
    with pytest.raises(ProgramError, match="have the same y, so nothing can be learned"):
        run_trial(trial_task(dataset(tmp_path, same)))
