"""What a person's parameters make a library raise is told in words: a reason, and what it is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.builders.train_pods import dataset, final_task, in_words, rows, said, step, trainer, trial_task

from bucle.contracts.result import DataResult
from bucle.pods.train.final import run_final
from bucle.pods.train.trial import run_trial

LOGISTIC = step("linear_model.LogisticRegression", max_iter=50)

PARAMETERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "more neighbours than rows": (
        "Binary",
        trainer(step("neighbors.KNeighborsClassifier", n_neighbors=100_000)),
        "n_neighbors",
    ),
    "more components than columns": (
        "Binary",
        trainer(LOGISTIC, step("decomposition.PCA", n_components=50)),
        "n_components",
    ),
    "a text for a number": ("Binary", trainer(step("linear_model.LogisticRegression", C="strong")), "'C'"),
    "a number for a text": ("Binary", trainer(step("linear_model.LogisticRegression", solver=3)), "'solver'"),
    "a value that is none of those": (
        "Binary",
        trainer(step("ensemble.RandomForestClassifier", criterion="best")),
        "'criterion'",
    ),
    "a negative alpha": ("Regression", trainer(step("linear_model.Ridge", alpha=-1.0)), "'alpha'"),
    "a solver that has no such penalty": (
        "Binary",
        trainer(step("linear_model.LogisticRegression", solver="lbfgs", penalty="l1")),
        "l1",
    ),
    "a list for a number": ("Binary", trainer(step("linear_model.LogisticRegression", C=[1, 2])), "'C'"),
    "a truth value for a number": ("Regression", trainer(step("linear_model.Ridge", alpha="true")), "'alpha'"),
    "more folds than rows of a class": (
        "Binary",
        trainer(step("linear_model.LogisticRegressionCV", cv=5_000)),
        "n_splits",
    ),
    "more best features than there are": (
        "Binary",
        trainer(LOGISTIC, step("feature_selection.SelectKBest", k=-3)),
        "'k'",
    ),
    "a quantile range the wrong way round": (
        "Binary",
        trainer(LOGISTIC, step("preprocessing.RobustScaler", quantile_range=[90, 10])),
        "quantile",
    ),
    "a range the wrong way round": (
        "Binary",
        trainer(LOGISTIC, step("preprocessing.MinMaxScaler", feature_range=[1, 0])),
        "range",
    ),
    "a list of another length": ("Binary", trainer(step("naive_bayes.GaussianNB", priors=[0.2, 0.2, 0.6])), "priors"),
    "hidden layers of no size": (
        "Binary",
        trainer(step("neural_network.MLPClassifier", hidden_layer_sizes=[-5])),
        "hidden_layer_sizes",
    ),
    "negative values for counts": ("Binary", trainer(step("naive_bayes.MultinomialNB")), "MultinomialNB"),
    "a metric of no distance": ("Binary", trainer(step("neighbors.KNeighborsClassifier", metric="far")), "'metric'"),
    "a monotone rule of a wrong length": (
        "Binary",
        trainer(step("ensemble.HistGradientBoostingClassifier", monotonic_cst=[1, 0, 0, 0, 0, 0, 1])),
        "monotonic_cst",
    ),
    "an object for a number": ("Binary", trainer(step("linear_model.LogisticRegression", C={"number": "NaN"})), "C"),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DataResult]:
    return {task: dataset(tmp_path_factory.mktemp(task), rows(task, days=8), task) for task in ("Binary", "Regression")}


@pytest.mark.filterwarnings("ignore")  # as in a pod: warnings about old arguments fail nothing
@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_that_cannot_be_is_named_with_its_rule(
    tmp_path: Path, built: dict[str, DataResult], name: str
) -> None:
    """By the first trial, and by a final fit alike."""
    task, chosen, word = PARAMETERS[name]
    for run in (
        lambda: run_trial(trial_task(built[task], task, trainer=chosen)),
        lambda: run_final(final_task(tmp_path, built[task], task, trainer=chosen)),
    ):
        error = said(run)
        assert error is not None and error.exit_code == 78
        assert word in in_words(error)
        assert error.reason in ("BadParameters", "UnknownParameter", "SignatureMismatch")
