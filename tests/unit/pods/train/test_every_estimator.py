"""Every estimator of scikit-learn that the schema admits, for every task: fitted, stored, loaded by exact types, served.

What cannot work is refused in words, and stands in a table here: a release of scikit-learn that changes it is seen. A fit
costs a second or more, so most of the table is thorough; the fast ones are one of each way to be fitted or refused.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.utils import all_estimators
from tests.support.builders.train_pods import dataset, rows, trial_task

from bucle.contracts import exits
from bucle.contracts.manifest import SPLITS
from bucle.contracts.reference import MODEL_REFERENCE_PATH, Reference
from bucle.contracts.result import Estimate
from bucle.contracts.task import DatasetVersion, SklearnTrainer
from bucle.podkit.model import MODEL_FILE, environment, feature_columns, load_model
from bucle.podkit.profiles import feature_profiles
from bucle.podkit.program import ProgramError
from bucle.pods.serve.loading import misfit, predictor, sample_rows, warm
from bucle.pods.train.artifact import dumped, trusted_types, upload
from bucle.pods.train.estimators import resolve
from bucle.pods.train.fit import Fitted, Recipe, threshold
from bucle.pods.train.preflight import require_servable
from bucle.pods.train.reference import prior
from bucle.pods.train.rows import Loaded, load

NUMBERS = [{"class": "sklearn.impute.SimpleImputer"}, {"class": "sklearn.preprocessing.MinMaxScaler"}]
DENSE = {"class": "sklearn.preprocessing.OneHotEncoder", "params": {"sparse_output": False}}
PREPROCESSING = [{"types": ["Category"], "steps": [DENSE]}, {"types": ["Number", "Integer"], "steps": NUMBERS}]
"""Numbers from 0 on: the counts that naive Bayes wants, and small enough for every solver."""
SMALL = {"n_estimators": 5, "n_components": 1, "reg_param": 0.1}
"""Where a class has such a parameter: what suits five columns of 160 rows."""
TASKS = {"Binary": "classifier", "MultiClass": "classifier", "Regression": "regressor"}
NO_PROBABILITIES, MADE_OF_OTHERS, SEVERAL_TARGETS = (
    "has no predict_proba",
    "is made of other estimators",
    "For mono-task",
)
REFUSED = {
    **dict.fromkeys(
        ("LinearSVC", "NuSVC", "PassiveAggressiveClassifier", "Perceptron", "RidgeClassifier"), NO_PROBABILITIES
    ),
    **dict.fromkeys(("RidgeClassifierCV", "SGDClassifier", "SVC", "SelfTrainingClassifier"), NO_PROBABILITIES),
    **dict.fromkeys(("ClassifierChain", "FixedThresholdClassifier", "MultiOutputClassifier"), MADE_OF_OTHERS),
    **dict.fromkeys(("OneVsOneClassifier", "OneVsRestClassifier", "OutputCodeClassifier"), MADE_OF_OTHERS),
    **dict.fromkeys(("StackingClassifier", "TunedThresholdClassifierCV", "VotingClassifier"), MADE_OF_OTHERS),
    **dict.fromkeys(("MultiOutputRegressor", "RegressorChain", "StackingRegressor", "VotingRegressor"), MADE_OF_OTHERS),
    **dict.fromkeys(
        ("MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV"), SEVERAL_TARGETS
    ),
    "IsotonicRegression": "2d array with 1 feature",
}
FAST = {
    ("Binary", "sklearn.linear_model.LogisticRegression"),
    ("MultiClass", "sklearn.naive_bayes.GaussianNB"),
    ("MultiClass", "sklearn.tree.DecisionTreeClassifier"),
    ("Regression", "sklearn.linear_model.Ridge"),
    ("Regression", "sklearn.ensemble.HistGradientBoostingRegressor"),
    ("Binary", "sklearn.linear_model.RidgeClassifier"),
    ("Regression", "sklearn.linear_model.MultiTaskLasso"),
}


def cases() -> Iterator[tuple[str, str]]:
    for task, kind in TASKS.items():
        for name, class_ in all_estimators(type_filter=kind):
            yield task, f"{class_.__module__.partition('._')[0]}.{name}"


def tiered() -> Iterator[object]:
    """Every case; what is not among the fast ones is thorough."""
    for case in cases():
        yield pytest.param(*case, marks=() if case in FAST else pytest.mark.thorough)


def test_the_fast_ones_are_of_the_table() -> None:
    assert set(cases()) >= FAST


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Loaded]:
    """A small dataset version for each task; a Regression has a positive target, as counts and costs have."""
    kept: dict[str, Loaded] = {}

    def of(task: str) -> Loaded:
        if task not in kept:
            given = rows(task, days=8)
            if task == "Regression":
                at = given.column_names.index("y")
                given = given.set_column(at, "y", pa.array(np.exp(given.column("y").to_numpy())))
            made = dataset(tmp_path_factory.mktemp(task), given, task)
            kept[task] = load(trial_task(made, task).dataset, SPLITS)
        return kept[task]

    return of


def fitted(path: str, loaded: Loaded) -> Fitted:
    known = inspect.signature(resolve(path)).parameters
    step = {"class": path, "params": {name: value for name, value in SMALL.items() if name in known}}
    trainer = SklearnTrainer.model_validate({"estimator": step, "preprocessing": PREPROCESSING})
    made = Recipe(trainer, {}, loaded.manifest.table, 7, exits.BAD_PARAMETERS).fit(loaded.rows)
    require_servable(made, loaded.rows)
    return made


def stored(made: Fitted, loaded: Loaded, folder: Path) -> tuple[str, str]:
    archive, table = dumped(made.pipeline), loaded.manifest.table
    reference = Reference(
        table=table,
        classes=made.classes,
        prior=prior(loaded.rows),
        threshold=threshold(made.classes),
        estimate=Estimate(metric="log_loss", value="0.5", standard_error="0.01", groups=8, rows=160),
        dataset=DatasetVersion(name="things", digest="sha256:0", location="file:///nowhere"),
        features=feature_profiles(loaded.rows.frame, feature_columns(table)),
        categories=made.categories,
        trusted_types=trusted_types(archive),
        environment=environment(),
    )
    files = {MODEL_FILE: archive, MODEL_REFERENCE_PATH: reference.canonical().encode("ascii")}
    return upload(files, f"file://{folder}/models")


@pytest.mark.parametrize(("task", "path"), list(tiered()))
def test_an_admitted_estimator_is_fitted_stored_and_served_or_refused_in_words(
    task: str, path: str, version: Callable[[str], Loaded], tmp_path: Path
) -> None:
    loaded, expected = version(task), REFUSED.get(path.rpartition(".")[2])
    with warnings.catch_warnings(action="ignore"):  # of convergence, on 160 rows
        try:
            first, second = fitted(path, loaded), fitted(path, loaded)
        except ProgramError as refused:
            assert expected is not None and expected in refused.message, refused.message
            assert refused.exit_code in (exits.BAD_PARAMETERS, exits.BAD_CONFIGURATION)
            return
        assert expected is None, "it works now: take it off the table"
        uri, digest = stored(first, loaded, tmp_path)
        assert stored(second, loaded, tmp_path)[1] == digest, "the same task gives the same files"
        model = load_model(uri, digest)
        warm(model, uri)
        asked = sample_rows(model.reference)
        answer = predictor(model)([asked])
        assert misfit(answer, model.reference, asked.rows) is None
        frame = loaded.rows.frame.iloc[:20]
        ours, theirs = model.predict(frame), first.answers(frame)
        if ours.scores is not None and theirs.scores is not None:
            assert np.allclose(ours.scores, theirs.scores, atol=1e-9)
        else:
            assert np.allclose(np.asarray(ours.numbers), np.asarray(theirs.numbers))
