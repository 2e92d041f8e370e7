"""Told in the first minute: what the final fit, the load or a request would fail of fails the first trial, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.support.builders.train_pods import FEATURES, TARGETS, dataset, final_task, rows, trial_task

from bucle.podkit.model import load_model
from bucle.podkit.program import ProgramError
from bucle.pods.train.final import run_final
from bucle.pods.train.fit import Recipe
from bucle.pods.train.folds import out_of_fold
from bucle.pods.train.rows import load
from bucle.pods.train.trial import run_trial

LOGISTIC = {"class": "sklearn.linear_model.LogisticRegression", "params": {"max_iter": 500}}
IMPUTE = {"class": "sklearn.impute.SimpleImputer"}
NUMBERS = ["Number", "Integer"]


def trainer(*entries: dict[str, Any], estimator: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"trainer": {"estimator": estimator or LOGISTIC, "preprocessing": list(entries)}}


def steps(chosen: dict[str, Any], *classes: str | dict[str, Any]) -> dict[str, Any]:
    return {**chosen, "steps": [{"class": c} if isinstance(c, str) else c for c in classes]}


def with_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def whole(days: int = 12) -> pa.Table:
    """Rows in which nothing is null."""
    given = rows(days=days)
    return with_column(
        with_column(given, "size", pc.fill_null(given.column("size"), 0.0)),
        "colour",
        pc.fill_null(given.column("colour"), "red"),
    )


def refused(tmp_path: Path, given: pa.Table, changes: dict[str, Any], **build: Any) -> ProgramError:
    """What the first trial says; the final fit must not be the first to find out, but does not store it either."""
    data = dataset(tmp_path, given, **build)
    with pytest.raises(ProgramError) as caught:
        run_trial(trial_task(data, **changes))
    assert caught.value.exit_code == 78
    return caught.value


def both(tmp_path: Path, given: pa.Table, changes: dict[str, Any], task: str = "Binary", **build: Any) -> Any:
    """A first trial and a final fit that work, and the model as a server loads it."""
    data = dataset(tmp_path, given, task, **build)
    run_trial(trial_task(data, task, **changes))
    result = run_final(final_task(tmp_path, data, task, **changes))
    return load_model(result.uri, result.digest)


def test_a_nullable_column_without_nulls_in_training_is_tried_with_one(tmp_path: Path) -> None:
    error = refused(tmp_path, whole(), trainer())
    assert "LogisticRegression cannot answer a row whose size is null (`nullable: Allowed`)" in error.message
    assert "imputer" in error.message


def test_a_model_that_cannot_be_loaded_is_not_stored_by_the_final_fit_either(tmp_path: Path) -> None:
    data = dataset(tmp_path, whole())
    with pytest.raises(ProgramError) as caught:
        run_final(final_task(tmp_path, data, **trainer()))
    assert caught.value.exit_code == 78 and not (tmp_path / "models").exists()


def test_an_encoder_told_to_refuse_unknown_categories_contradicts_the_schema(tmp_path: Path) -> None:
    strict = {"class": "sklearn.preprocessing.OneHotEncoder", "params": {"handle_unknown": "error"}}
    never = [{**column, "nullable": "Never"} for column in FEATURES]
    table = {"target": TARGETS["Binary"], "columns": never}
    error = refused(tmp_path, whole(), trainer(steps({"types": ["Category"]}, strict)), table=table)
    assert "colour is a category that training never saw" in error.message


@pytest.mark.parametrize("encoder", ["OneHotEncoder", "OrdinalEncoder"])
def test_an_encoder_as_it_comes_answers_unknown_categories_and_nulls(tmp_path: Path, encoder: str) -> None:
    made = both(
        tmp_path,
        rows(days=12),
        trainer(
            steps({"types": ["Category"]}, f"sklearn.preprocessing.{encoder}"),
            steps({"types": NUMBERS}, IMPUTE),
        ),
    )
    frame = made.frame({"colour": ["violet", None, "red"], "size": [1.0, None, 2.0], "count": [1, 2, 3]})
    assert made.predict(frame).scores.shape == (3, 2)


def test_a_category_that_lives_in_one_fold_fails_neither_trial_nor_final_fit(tmp_path: Path) -> None:
    given = rows(days=12)
    days = pc.day(given.column("time"))
    given = with_column(given, "colour", pc.if_else(pc.equal(days, 3), "violet", given.column("colour")))
    onehot = steps({"types": ["Category"]}, "sklearn.preprocessing.OneHotEncoder")
    assert both(tmp_path, given, trainer(onehot, steps({"types": NUMBERS}, IMPUTE)))


def test_a_value_seen_only_in_validation_that_the_schema_refuses_is_charged_and_fails_nothing(tmp_path: Path) -> None:
    columns = [{**c, "unknown": "Error"} if c["name"] == "colour" else c for c in FEATURES]
    given = rows(days=12)
    days = pc.day(given.column("time"))
    given = with_column(given, "colour", pc.if_else(pc.equal(days, 3), "violet", given.column("colour")))
    table = {"target": TARGETS["Binary"], "columns": columns}
    assert both(tmp_path, given, trainer(steps({"types": NUMBERS}, IMPUTE)), table=table)


def test_a_fold_of_one_class_fails_nothing(tmp_path: Path) -> None:
    """All `yes` lie in one fold: without it only `no` is left to learn from."""
    task = trial_task(dataset(tmp_path, whole(days=8)), **trainer())
    loaded = load(task.dataset, ("train", "validation"))
    recipe = Recipe(task.trainer, {}, loaded.manifest.table, 1, 78)
    answers = out_of_fold(recipe, loaded.rows, loaded.rows.truth.astype("int64"))
    assert answers.scores is not None and len(answers.scores) == len(loaded.rows)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (steps({"types": ["Number"]}, IMPUTE, "sklearn.cluster.Birch"), "sklearn.cluster.Birch cannot be stored"),
    ],
)
def test_a_class_that_no_server_loads_is_refused_in_the_first_trial(
    tmp_path: Path, entry: dict[str, Any], words: str
) -> None:
    assert words in refused(tmp_path, rows(days=12), trainer(entry)).message


@pytest.mark.parametrize(
    "changes",
    [
        {
            "trainer": {
                "estimator": {
                    "class": "sklearn.ensemble.HistGradientBoostingClassifier",
                    "params": {"max_iter": 5, "categorical_features": [0]},
                }
            }
        },
        trainer(steps({"types": NUMBERS}, IMPUTE, "sklearn.preprocessing.SplineTransformer")),
    ],
    ids=["categorical_features", "SplineTransformer"],
)
def test_what_failed_only_in_the_final_fit_works(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert both(tmp_path, rows(days=12), changes)


def test_a_row_without_a_weight_counts_as_one(tmp_path: Path) -> None:
    given = rows(days=12)
    weights = [None if n % 5 == 0 else 2.0 for n in range(given.num_rows)]
    columns = [*FEATURES, {"name": "w", "type": "Number", "role": "Weight", "nullable": "Allowed"}]
    table = {"target": TARGETS["Binary"], "columns": columns}
    changes = trainer(steps({"types": NUMBERS}, IMPUTE))
    assert both(tmp_path, given.append_column("w", pa.array(weights)), changes, table=table)


@pytest.mark.parametrize(
    "vectorizer",
    [
        "sklearn.feature_extraction.text.TfidfVectorizer",
        "sklearn.feature_extraction.text.CountVectorizer",
        # A million columns, as it makes by itself: a minute of a core.
        pytest.param("sklearn.feature_extraction.text.HashingVectorizer", marks=pytest.mark.thorough),
        {
            "class": "sklearn.feature_extraction.text.TfidfVectorizer",
            "params": {"ngram_range": [1, 2], "min_df": 2, "stop_words": "english"},
        },
    ],
    ids=lambda v: v.rpartition(".")[2] if isinstance(v, str) else "with params",
)
def test_a_text_vectorizer_reads_text_features_one_by_one(tmp_path: Path, vectorizer: Any) -> None:
    given = whole()
    words = [("good bright thing" if y == "yes" else "bad dull thing") for y in given.column("y").to_pylist()]
    title = [None if n % 7 == 0 else text for n, text in enumerate(words)]
    given = given.append_column("title", pa.array(title)).append_column("body", pa.array(words))
    columns = [
        *({**column, "nullable": "Never"} for column in FEATURES),
        {"name": "title", "type": "Text", "nullable": "Allowed"},
        {"name": "body", "type": "Text"},
    ]
    table = {"target": TARGETS["Binary"], "columns": columns}
    made = both(tmp_path, given, trainer(steps({"types": ["Text"]}, vectorizer)), table=table)
    asked = {"colour": ["red"] * 2, "size": [0.0] * 2, "count": [1] * 2, "title": [None, "dull"]}
    said = made.predict(made.frame({**asked, "body": ["good bright thing", "bad dull thing"]}))
    assert said.labels.tolist() == ["yes", "no"]


def test_a_training_value_leaves_the_pod_in_no_message(tmp_path: Path) -> None:
    """scikit-learn quotes what it cannot convert."""
    given = whole()
    mail = [f"person{n % 40}@example.org" for n in range(given.num_rows)]
    given = given.append_column("mail", pa.array(mail))
    table = {"target": TARGETS["Binary"], "columns": [*FEATURES, {"name": "mail", "type": "Category"}]}
    entry = steps({"columns": ["mail"]}, "sklearn.preprocessing.StandardScaler")
    error = refused(tmp_path, given, trainer(entry), table=table)
    assert "@" not in error.message and "person" not in error.message
    assert "LogisticRegression cannot be fitted" in error.message


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        ({"class": LOGISTIC["class"], "params": {"solver": "lbfgs", "l1_ratio": 1.0}}, "lbfgs"),
        ({"class": LOGISTIC["class"], "params": {"max_iter": -4}}, "max_iter"),
    ],
)
def test_what_is_wrong_with_the_parameters_is_told_in_the_librarys_words(
    tmp_path: Path, estimator: dict[str, Any], words: str
) -> None:
    error = refused(tmp_path, whole(), trainer(steps({"types": NUMBERS}, IMPUTE), estimator=estimator))
    assert words in error.message


def test_only_the_trials_own_parameters_are_told_to_the_search(tmp_path: Path) -> None:
    data = dataset(tmp_path, rows(days=12))
    changes = trainer(steps({"types": NUMBERS}, IMPUTE))
    with pytest.raises(ProgramError) as caught:
        run_trial(trial_task(data, **changes, params={"preprocessing__0__0__strategy": "guess"}))
    assert caught.value.exit_code == 3
    with pytest.raises(ProgramError) as caught:
        run_trial(trial_task(data, **trainer(), params={"estimator__C": 0.5}))
    assert caught.value.exit_code == 78, "no C gives LogisticRegression a way with nulls"


def test_a_rare_class_that_folds_cannot_share_is_refused_in_words(tmp_path: Path) -> None:
    given = whole()
    target = ["yes" if n % 20 == 3 else "no" for n in range(given.num_rows)]
    calibrated = {"class": "sklearn.calibration.CalibratedClassifierCV", "params": {"cv": 9}}
    entry = steps({"types": NUMBERS}, IMPUTE)
    data = dataset(tmp_path, with_column(given, "y", pa.array(target)))
    with pytest.raises(ProgramError) as caught:
        run_trial(trial_task(data, **trainer(entry, estimator=calibrated)))
    assert caught.value.exit_code == 78 and caught.value.reason in ("BadParameters", "WrongType")


def test_a_feature_that_is_always_null_fails_nothing(tmp_path: Path) -> None:
    given = rows(days=12)
    given = with_column(given, "size", pa.nulls(given.num_rows, pa.float64()))
    model = both(tmp_path, given, trainer(steps({"types": NUMBERS}, IMPUTE, "sklearn.preprocessing.StandardScaler")))
    trees = both(tmp_path, given, {})
    for made in (model, trees):
        frame = made.frame({"colour": ["red", None], "size": [None, 2.0], "count": [1, 2]})
        assert made.predict(frame).scores.shape == (2, 2)


@pytest.mark.parametrize("weights", [{"yes": 3}, {"yes": 3, "no": 1}, "balanced"])
def test_class_weights_are_written_by_label(tmp_path: Path, weights: Any) -> None:
    params = {"max_iter": 5, "class_weight": weights}
    estimator = {"class": "sklearn.ensemble.HistGradientBoostingClassifier", "params": params}
    data = dataset(tmp_path, rows(days=12))
    plain = run_trial(trial_task(data, trainer={"estimator": {**estimator, "params": {"max_iter": 5}}}))
    assert run_trial(trial_task(data, trainer={"estimator": estimator})).metrics != plain.metrics


def test_a_weight_for_a_class_that_is_none_is_refused(tmp_path: Path) -> None:
    estimator = {**LOGISTIC, "params": {"class_weight": {"late": 3}}}
    error = refused(tmp_path, rows(days=12), trainer(steps({"types": NUMBERS}, IMPUTE), estimator=estimator))
    assert error.reason == "UnknownParameter" and "class_weight names late, which is no class of y" in error.message


def test_tuples_and_nan_can_be_written(tmp_path: Path) -> None:
    impute = {"class": "sklearn.impute.SimpleImputer", "params": {"missing_values": {"number": "NaN"}}}
    scale = {"class": "sklearn.preprocessing.MinMaxScaler", "params": {"feature_range": {"tuple": [-1, 1]}}}
    scale_by_list = {"class": "sklearn.preprocessing.QuantileTransformer", "params": {"n_quantiles": 10}}
    net = {"class": "sklearn.neural_network.MLPClassifier", "params": {"hidden_layer_sizes": [4], "max_iter": 2000}}
    robust = {"class": "sklearn.preprocessing.RobustScaler", "params": {"quantile_range": [10, 90]}}
    entry = steps({"types": NUMBERS}, impute, scale, scale_by_list, robust)
    assert run_trial(trial_task(dataset(tmp_path, rows(days=12)), **trainer(entry, estimator=net))).metrics
