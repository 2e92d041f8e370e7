"""The final fit: one model, the same bytes each time, held to what it says of rows it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
from tests.support.builders.train_pods import BY_DAY, FEATURES, TARGETS, dataset, final_task, rows

from bucle.contracts.result import DataResult, FinalResult
from bucle.podkit.model import load_model
from bucle.podkit.program import ProgramError
from bucle.podkit.versions import read_manifest
from bucle.pods.train.artifact import dumped, model_files, upload
from bucle.pods.train.final import run_final
from bucle.pods.train.folds import fold_codes
from bucle.pods.train.rows import Groups


def champion(model: FinalResult, data: DataResult, **changes: Any) -> dict[str, Any]:
    found = {"version": "1", "uri": model.uri, "digest": model.digest, "datasetLocation": data.location}
    return {**found, "metric": "log_loss", "on": "Newest", **changes}


@pytest.mark.parametrize("task", ["Binary", "MultiClass", "Regression"])
def test_a_model_of_each_task_loads_and_answers(tmp_path: Path, task: str) -> None:
    data = dataset(tmp_path, rows(task), task)
    result = run_final(final_task(tmp_path, data, task))
    model = load_model(result.uri, result.digest)
    said = model.predict(model.frame({"colour": ["red", None], "size": [3.0, -3.0], "count": [1, 2]}))
    if task == "Regression":
        assert said.numbers is not None and said.numbers[0] > said.numbers[1] + 2
        assert set(model.reference.prior) == {"mean"}
        return
    assert said.labels is not None and said.scores is not None
    assert said.labels.tolist() == (["yes", "no"] if task == "Binary" else ["high", "low"])
    assert np.allclose(said.scores.sum(axis=1), 1) and said.scores.shape == (2, len(model.reference.classes))
    assert sum(model.reference.prior.values()) == pytest.approx(1)


def test_the_same_task_twice_is_the_same_model_to_the_byte(tmp_path: Path) -> None:
    data = dataset(tmp_path, rows())
    first = run_final(final_task(tmp_path, data))
    assert run_final(final_task(tmp_path, data)) == first
    assert run_final(final_task(tmp_path, data, params={"estimator__max_iter": 21})).digest != first.digest


def test_the_estimate_is_out_of_fold_over_all_days_with_a_grouped_error(tmp_path: Path) -> None:
    data = dataset(tmp_path, rows())
    overfit = {"estimator": {"class": "sklearn.ensemble.RandomForestClassifier", "params": {"n_estimators": 20}}}
    result = run_final(final_task(tmp_path, data, trainer=overfit, metric="accuracy"))
    estimate = result.out_of_fold
    assert (estimate.metric, estimate.groups, estimate.rows) == ("accuracy", 30, 600)
    # A forest remembers its own rows almost without error; out of fold it cannot.
    assert 0.7 < float(estimate.value) < 0.93 and 0.005 < float(estimate.standard_error) < 0.05


def test_an_objective_that_is_no_mean_over_rows_is_not_the_reference(tmp_path: Path) -> None:
    result = run_final(final_task(tmp_path, dataset(tmp_path, rows()), metric="roc_auc"))
    assert result.out_of_fold.metric == "log_loss" and "roc_auc" in result.metrics


def test_without_groups_every_row_counts_for_itself(tmp_path: Path) -> None:
    splits = {"hash": {"key": "id"}, "train": 60, "validation": 20, "test": 20, "seed": 1}
    result = run_final(final_task(tmp_path, dataset(tmp_path, rows(days=10), splits=splits), groupBy=None))
    assert result.out_of_fold.groups == result.out_of_fold.rows == 200


def test_the_reference_holds_what_the_model_is_measured_against(tmp_path: Path) -> None:
    data = dataset(tmp_path, rows())
    result = run_final(final_task(tmp_path, data))
    reference = load_model(result.uri, result.digest).reference
    profiles = {profile.name: profile for profile in reference.features}
    learnt = data.rows - data.splits["test"].rows
    assert set(profiles) == {"colour", "size", "count"} and profiles["size"].rows == learnt
    assert len(profiles["size"].quantiles) == 33 and all(profile.comparable for profile in reference.features)
    assert [profile.name for profile in reference.predictions] == ["prediction", "score"]
    assert {profile.rows for profile in reference.predictions} == {data.rows}
    assert reference.blocks.rows[0] == 32 and len(profiles["size"].levels) == len(reference.blocks.rows)
    assert sum(profiles["colour"].counts.values()) + profiles["colour"].nulls == learnt
    assert reference.categories == {"colour": ("blue", "green", "red")}
    assert reference.classes == ("no", "yes") and reference.estimate == result.out_of_fold
    assert reference.dataset.digest == data.digest


def grown(tmp_path: Path) -> tuple[FinalResult, DataResult, DataResult]:
    """A champion of 20 days, and a dataset of those and 10 more."""
    old = dataset(tmp_path, rows(days=20))
    return run_final(final_task(tmp_path, old)), old, dataset(tmp_path, rows(days=30))


def test_the_champion_is_compared_on_the_days_it_has_never_seen(tmp_path: Path) -> None:
    model, old, new = grown(tmp_path)
    found = run_final(final_task(tmp_path, new, champion=champion(model, old))).champion
    assert found is not None and (found.state, found.on, found.groups, found.rows) == ("Compared", "Newest", 10, 200)
    # Both learnt the same world, so neither is far ahead; the sign convention is proven by the next test.
    assert abs(float(found.difference or "9")) < 0.2 and float(found.standard_error or "0") > 0


@pytest.mark.parametrize(("metric", "margin"), [("log_loss", -0.1), ("accuracy", -0.1)])
def test_a_better_challenger_has_a_negative_difference_whatever_the_metric(
    tmp_path: Path, metric: str, margin: float
) -> None:
    old = dataset(tmp_path, rows(days=20))
    dull = {"estimator": {"class": "sklearn.dummy.DummyClassifier"}}
    model = run_final(final_task(tmp_path, old, trainer=dull))
    new = dataset(tmp_path, rows(days=30))
    found = run_final(final_task(tmp_path, new, champion=champion(model, old, metric=metric))).champion
    assert found is not None and float(found.difference or "9") < margin


def test_without_new_days_the_test_split_decides(tmp_path: Path) -> None:
    model, old, _ = grown(tmp_path)
    found = run_final(final_task(tmp_path, old, champion=champion(model, old))).champion
    assert found is not None and found.on == "Test"


def test_too_few_days_decide_nothing(tmp_path: Path) -> None:
    old = dataset(tmp_path, rows(days=20))
    model = run_final(final_task(tmp_path, old))
    new = dataset(tmp_path, rows(days=24))
    found = run_final(final_task(tmp_path, new, champion=champion(model, old))).champion
    assert found is not None and found.state == "Undecided" and "only 4 groups on Newest" in found.message


def test_a_champion_that_cannot_be_asked_is_incompatible_and_fails_nothing(tmp_path: Path) -> None:
    model, old, new = grown(tmp_path)
    gone = champion(model, old, uri=f"file://{tmp_path}/nowhere")
    found = run_final(final_task(tmp_path, new, champion=gone)).champion
    assert found is not None and found.state == "Incompatible" and "ModelMissing" in found.message
    fewer = [{**column, "name": "amount"} if column["name"] == "count" else column for column in FEATURES]
    target = {"name": "y", "task": "Binary", "positive": "yes"}
    table = rows().rename_columns(["colour", "size", "amount", "id", "time", "y"])
    renamed = dataset(tmp_path, table, table={"target": target, "columns": fewer})
    found = run_final(final_task(tmp_path, renamed, champion=champion(model, old))).champion
    assert found is not None and found.state == "Incompatible" and "feature count of type Integer" in found.message


def test_a_champion_whose_dataset_is_gone_is_incompatible_and_fails_nothing(tmp_path: Path) -> None:
    model, old, new = grown(tmp_path)
    gone = champion(model, old, datasetLocation=f"file://{tmp_path}/nowhere")
    found = run_final(final_task(tmp_path, new, champion=gone)).champion
    assert found is not None and found.state == "Incompatible"
    assert "SourceMissing" in found.message and "manifest.json" in found.message


def test_a_champion_that_fails_on_new_rows_is_incompatible_and_fails_nothing(tmp_path: Path) -> None:
    given = rows(days=20)
    given = given.set_column(1, "size", pc.fill_null(given.column("size"), 0.0))
    given = given.set_column(0, "colour", pc.fill_null(given.column("colour"), "red"))
    never = {"target": TARGETS["Binary"], "columns": [{**column, "nullable": "Never"} for column in FEATURES]}
    needs_all = {"estimator": {"class": "sklearn.linear_model.LogisticRegression", "params": {"max_iter": 500}}}
    old = dataset(tmp_path, given, table=never)
    model = run_final(final_task(tmp_path, old, trainer=needs_all))
    new = dataset(tmp_path, rows(days=30))
    found = run_final(final_task(tmp_path, new, champion=champion(model, old))).champion
    assert found is not None and found.state == "Incompatible"
    assert "cannot answer these rows: ValueError" in found.message and "size" in found.message


def test_a_champion_metric_that_cannot_be_paired_is_refused(tmp_path: Path) -> None:
    model, old, new = grown(tmp_path)
    with pytest.raises(ProgramError) as caught:
        run_final(final_task(tmp_path, new, champion=champion(model, old, metric="roc_auc")))
    assert (caught.value.exit_code, caught.value.reason) == (78, "UnknownMetric")


def test_folds_keep_groups_whole_and_share_them_evenly() -> None:
    codes = np.repeat(np.arange(23), 4)
    groups = Groups(np.append(codes, -1), tuple(f"d{i}" for i in range(23)))
    folds = fold_codes(groups, 5, seed=1)
    assert folds[-1] == -1
    assert all(len(set(folds[:-1][codes == code])) == 1 for code in range(23))
    assert sorted(np.bincount(folds[:-1]) // 4) == [4, 4, 5, 5, 5]
    assert fold_codes(groups, 5, seed=2).tolist() != folds.tolist()


def test_a_champion_with_its_classes_in_another_order_is_compared_by_what_it_says(tmp_path: Path) -> None:
    given = rows("MultiClass", days=20)
    old = dataset(tmp_path, given, "MultiClass")
    model = run_final(final_task(tmp_path, old, "MultiClass"))
    target = {"name": "y", "task": "MultiClass", "classes": ["high", "low", "mid"]}
    same = dataset(tmp_path, given, "MultiClass", table={"target": target, "columns": FEATURES})
    asked = champion(model, old, metric="log_loss", on="Test")
    first = run_final(final_task(tmp_path, old, "MultiClass", champion=asked))
    again = run_final(final_task(tmp_path, same, "MultiClass", champion=asked))
    assert first.champion == again.champion and first.champion is not None and first.champion.state == "Compared"
    told = [load_model(found.uri, found.digest).reference for found in (model, again)]
    assert told[0].classes == told[1].classes == ("high", "low", "mid"), "callers see no change"
    assert first.question == again.question == told[0].question().words()


def test_a_champion_whose_classes_stand_in_the_order_of_its_schema_is_compared_by_their_names(tmp_path: Path) -> None:
    """Models were made so before scores had one order: read by place, a champion looks far better or worse than it is."""
    data = dataset(tmp_path, rows("MultiClass", days=20), "MultiClass")
    model = run_final(final_task(tmp_path, data, "MultiClass"))
    asked = champion(model, data, metric="log_loss", on="Test")
    first = run_final(final_task(tmp_path, data, "MultiClass", champion=asked)).champion
    older = load_model(model.uri, model.digest)
    assert older.reference.classes == ("high", "low", "mid")
    older.pipeline.named_steps["estimator"].classes_ = np.array([2, 0, 1])
    reference = older.reference.model_copy(update={"classes": ("low", "mid", "high")})
    uri, digest = upload(model_files(older.pipeline, dumped(older.pipeline), reference), f"file://{tmp_path}/models")
    again = run_final(final_task(tmp_path, data, "MultiClass", champion={**asked, "uri": uri, "digest": digest}))
    assert digest != model.digest and again.champion == first is not None and first.state == "Compared"


def splits(seed: int, **changes: Any) -> dict[str, Any]:
    return {"hash": {"key": "id", **changes}, "train": 60, "validation": 20, "test": 20, "seed": seed}


def test_after_the_seed_was_edited_the_champion_is_asked_for_no_row_it_has_learnt(tmp_path: Path) -> None:
    """A forest knows its own rows by heart: on those it would look almost perfect."""
    forest = {"estimator": {"class": "sklearn.ensemble.RandomForestClassifier", "params": {"n_estimators": 20}}}
    old = dataset(tmp_path, rows(days=60))
    model = run_final(final_task(tmp_path, old, trainer=forest))
    manifests = [read_manifest(old.location)]
    new = dataset(tmp_path, rows(days=60), splits=splits(2, group=BY_DAY))
    manifests.append(read_manifest(new.location))
    both = [day for day, split in manifests[0].groups.items() if split == 2 == manifests[1].groups[day]]
    found = run_final(final_task(tmp_path, new, trainer=forest, champion=champion(model, old, on="Test"))).champion
    assert found is not None
    if len(both) < 5:
        assert found.state == "Undecided" and f"only {len(both)} groups on Test" in found.message
    else:
        assert (found.state, found.groups) == ("Compared", len(both))


@pytest.mark.parametrize("ids", [True, False], ids=["by Id", "by all that a row says"])
def test_without_groups_the_rows_that_the_champion_learnt_are_known(tmp_path: Path, ids: bool) -> None:
    columns = [column for column in FEATURES if ids or column["name"] != "id"]
    table = {"target": TARGETS["Binary"], "columns": columns}
    key = {"key": "id" if ids else "time"}
    old = dataset(tmp_path, rows(days=20), splits=splits(1, **key), table=table)
    model = run_final(final_task(tmp_path, old, groupBy=None))
    new = dataset(tmp_path, rows(days=20), splits=splits(2, **key), table=table)
    task = final_task(tmp_path, new, groupBy=None, champion=champion(model, old, on="Test"))
    found = run_final(task).champion
    assert found is not None and found.state == "Compared" and found.rows is not None
    # A fifth of a fifth: the rows that lay in the test split of both.
    assert 5 <= found.rows <= 30 < new.splits["test"].rows


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"name": "y", "task": "MultiClass", "classes": ["low", "mid", "high", "top"]}, "it lacks top"),
        ({"name": "y", "task": "Binary", "positive": "high"}, "it predicts MultiClass y, not Binary y"),
    ],
)
def test_a_champion_of_another_question_is_incompatible(tmp_path: Path, target: dict[str, Any], words: str) -> None:
    given = rows("MultiClass", days=12)
    old = dataset(tmp_path, given, "MultiClass")
    model = run_final(final_task(tmp_path, old, "MultiClass"))
    two = given.set_column(given.column_names.index("y"), "y", pc.replace_substring(given.column("y"), "mid", "low"))
    other = given if target["task"] == "MultiClass" else two
    new = dataset(tmp_path, other, table={"target": target, "columns": FEATURES})
    found = run_final(final_task(tmp_path, new, "MultiClass", champion=champion(model, old))).champion
    assert found is not None and found.state == "Incompatible" and words in found.message
