"""What a person writes as a trainer becomes a scikit-learn pipeline, or is refused before anything is fitted."""

from __future__ import annotations

from typing import Any

import pytest

from bucle.contracts.table import Column, TableSchema, Target
from bucle.contracts.task import SklearnTrainer
from bucle.podkit.program import ProgramError
from bucle.pods.train.__main__ import cpus, thread_environment
from bucle.pods.train.estimators import build_pipeline, resolve, with_params

TABLE = TableSchema(
    target=Target(name="y", task="Binary", positive="1"),
    columns=(Column(name="c", type="Category"), Column(name="n", type="Number"), Column(name="k", type="Integer")),
)
LOGISTIC = "sklearn.linear_model.LogisticRegression"


def trainer(estimator: str = LOGISTIC, params: dict[str, Any] | None = None, *steps: dict[str, Any]) -> SklearnTrainer:
    document = {"estimator": {"class": estimator, "params": params or {}}, "preprocessing": list(steps)}
    return SklearnTrainer.model_validate(document)


SCALE = {"types": ["Number", "Integer"], "steps": [{"class": "sklearn.preprocessing.StandardScaler"}]}


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "subprocess.Popen",
        "sklearn.preprocessing.FunctionTransformer",
        "sklearn.datasets.load_iris",
        "sklearn.linear_model.Nothing",
        "sklearn.nothing.At",
        "sklearn.base.ClassifierMixin",
        "sklearnevil.Model",
        "sklearn",
    ],
)
def test_only_estimator_classes_of_scikit_learn(path: str) -> None:
    with pytest.raises(ProgramError) as caught:
        resolve(path)
    assert (caught.value.exit_code, caught.value.reason) == (78, "EstimatorNotAllowed")
    assert path in caught.value.message


@pytest.mark.parametrize(
    ("written", "reason", "words"),
    [
        (trainer(params={"depth": 3}), "UnknownParameter", f"depth is no argument of {LOGISTIC}"),
        (
            trainer("sklearn.pipeline.Pipeline", {"memory": "/x"}),
            "EstimatorNotAllowed",
            "may not be given the argument memory",
        ),
        (trainer("sklearn.svm.LinearSVC"), "EstimatorNotAllowed", "has no predict_proba"),
        (trainer("sklearn.multiclass.OneVsRestClassifier"), "EstimatorNotAllowed", "is made of other estimators"),
        (
            trainer(LOGISTIC, {}, {"columns": ["z"], "steps": [{"class": "sklearn.preprocessing.StandardScaler"}]}),
            "UnknownColumn",
            "names z, which is no feature",
        ),
    ],
)
def test_a_trainer_that_cannot_work_is_refused_before_any_fit(written: SklearnTrainer, reason: str, words: str) -> None:
    with pytest.raises(ProgramError) as caught:
        build_pipeline(written, TABLE, 1)
    assert (caught.value.exit_code, caught.value.reason) == (78, reason) and words in caught.value.message


def test_text_features_need_preprocessing() -> None:
    table = TABLE.model_copy(update={"columns": (*TABLE.columns, Column(name="t", type="Text"))})
    with pytest.raises(ProgramError, match="Text features t need `preprocessing`"):
        build_pipeline(trainer(), table, 1)


def test_parameters_reach_the_step_they_name() -> None:
    filled = with_params(
        trainer(LOGISTIC, {"C": 1}, SCALE), {"estimator__C": 0.5, "preprocessing__0__0__with_mean": False}
    )
    assert filled.estimator.params == {"C": 0.5}
    assert filled.preprocessing[0].steps[0].params == {"with_mean": False}
    pipeline = build_pipeline(filled, TABLE, 1)
    assert pipeline.named_steps["estimator"].C == 0.5


@pytest.mark.parametrize(
    "name", ["C", "model__C", "estimator", "preprocessing__9__0__x", "preprocessing__a__0__x", "preprocessing__0"]
)
def test_a_parameter_that_names_nothing_is_refused(name: str) -> None:
    with pytest.raises(ProgramError) as caught:
        with_params(trainer(LOGISTIC, {}, SCALE), {name: 1})
    assert (caught.value.exit_code, caught.value.reason) == (78, "UnknownParameter")


def test_categories_nobody_named_become_codes_and_the_rest_passes_through() -> None:
    columns = build_pipeline(trainer(LOGISTIC, {}, SCALE), TABLE, 1).named_steps["preprocessing"]
    assert [(name, chosen) for name, _, chosen in columns.transformers] == [("0", ["n", "k"]), ("categories", ["c"])]
    assert columns.remainder == "passthrough"


def test_the_seed_goes_everywhere() -> None:
    steps = {"types": ["Number"], "steps": [{"class": "sklearn.preprocessing.QuantileTransformer"}]}
    forest = trainer("sklearn.ensemble.RandomForestClassifier", {"random_state": 3}, steps)
    pipeline = build_pipeline(forest, TABLE, 77)
    found = [value for name, value in pipeline.get_params().items() if name.endswith("random_state")]
    assert len(found) == 2 and set(found) == {77}


@pytest.mark.parametrize(
    ("text", "available", "wanted"),
    [("max 100000", 8, 8), ("150000 100000", 8, 2), ("10000 100000", 8, 1), ("1600000 100000", 8, 8), ("max", 2, 2)],
)
def test_threads_follow_the_containers_cpu_limit(text: str, available: int, wanted: int) -> None:
    assert cpus(text, available) == wanted


def test_threads_that_wait_leave_the_cpu_to_others() -> None:
    found = thread_environment(2)
    assert found["OMP_WAIT_POLICY"] == "PASSIVE" and found["OMP_NUM_THREADS"] == "2"
