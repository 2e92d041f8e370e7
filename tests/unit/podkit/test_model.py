"""A model is loaded only when it is the one that was registered, of this environment, and of types we trust."""

from __future__ import annotations

import importlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, StackingClassifier
from sklearn.feature_selection import SelectKBest, chi2, mutual_info_classif
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import TweedieRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, SplineTransformer
from sklearn.tree import DecisionTreeClassifier
from tests.support.builders.train_pods import FEATURES, TARGETS, dataset, final_task, rows

from bucle.contracts.reference import MODEL_REFERENCE_PATH
from bucle.podkit.model import MODEL_FILE, LoadedModel, decide, files_digest, load_model
from bucle.podkit.program import ProgramError
from bucle.podkit.request_check import InvalidRequest
from bucle.podkit.trusted_types import TRUSTED_TYPES, untrusted
from bucle.pods.train.artifact import dumped
from bucle.pods.train.final import run_final


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder and digest of a small model; tests copy before they change it."""
    folder = tmp_path_factory.mktemp("model")
    strict = [{**c, "unknown": "Error"} if c["name"] == "colour" else c for c in FEATURES]
    data = dataset(folder, rows(days=10), table={"target": TARGETS["Binary"], "columns": strict})
    result = run_final(final_task(folder, data))
    return Path(result.uri.removeprefix("file://")), result.digest


def copied(artifact: tuple[Path, str], to: Path, change: Callable[[dict[str, bytes]], Any]) -> str:
    """The changed copy, honestly digested: only what was changed is wrong with it."""
    source = artifact[0]
    files = {str(path.relative_to(source)): path.read_bytes() for path in source.rglob("*") if path.is_file()}
    change(files)
    for name, content in files.items():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        (to / name).write_bytes(content)
    return files_digest(files)


def refused(uri: Path, digest: str) -> ProgramError:
    with pytest.raises(ProgramError) as caught:
        load_model(f"file://{uri}", digest)
    assert caught.value.exit_code == 78
    return caught.value


def edited(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        reference = json.loads(files[MODEL_REFERENCE_PATH])
        files[MODEL_REFERENCE_PATH] = json.dumps({**reference, **changes}).encode()

    return change


def with_foreign_type(files: dict[str, bytes]) -> None:
    # argparse.Namespace stands for any class outside scikit-learn and numpy that an archive may ask for.
    import argparse

    files[MODEL_FILE] = dumped([argparse.Namespace(a=1)])


def test_the_registered_model_loads(artifact: tuple[Path, str]) -> None:
    model = load_model(f"file://{artifact[0]}/", artifact[1])
    assert isinstance(model, LoadedModel) and model.reference.classes == ("no", "yes")


@pytest.mark.parametrize("name", [MODEL_FILE, "MLmodel", MODEL_REFERENCE_PATH])
def test_one_changed_byte_in_any_file_is_another_model(artifact: tuple[Path, str], tmp_path: Path, name: str) -> None:
    copied(artifact, tmp_path, lambda files: files.update({name: files[name] + b" "}))
    assert refused(tmp_path, artifact[1]).reason == "DigestMismatch"


def test_nothing_there_is_missing(tmp_path: Path) -> None:
    assert refused(tmp_path / "none", "sha256:x").reason == "ModelMissing"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (edited(environment={"scikit-learn": "0.1.0", "numpy": np.__version__}), "EnvironmentMismatch"),
        (edited(environment={}), "EnvironmentMismatch"),
        (edited(trustedTypes=[]), "UntrustedType"),
        (with_foreign_type, "UntrustedType"),
        (edited(version=7), "LoadFailed"),
        (lambda files: files.pop(MODEL_REFERENCE_PATH), "LoadFailed"),
    ],
)
def test_a_model_that_must_not_be_loaded_is_not(
    artifact: tuple[Path, str], tmp_path: Path, change: Callable[[dict[str, bytes]], Any], reason: str
) -> None:
    digest = copied(artifact, tmp_path, change)
    assert refused(tmp_path, digest).reason == reason


def test_a_foreign_type_is_refused_even_when_the_model_says_it_is_trusted(
    artifact: tuple[Path, str], tmp_path: Path
) -> None:
    def change(files: dict[str, bytes]) -> None:
        with_foreign_type(files)
        edited(trustedTypes=["argparse.Namespace"])(files)

    assert refused(tmp_path, copied(artifact, tmp_path, change)).reason == "UntrustedType"


def test_a_value_never_seen_is_told_or_made_null_as_the_schema_says(artifact: tuple[Path, str]) -> None:
    model = load_model(f"file://{artifact[0]}", artifact[1])
    request: dict[str, list[Any]] = {"colour": ["pink"], "size": [0.0], "count": [1], "extra": ["x"]}
    with pytest.raises(InvalidRequest, match="colour: has a value that training never saw"):
        model.frame(request)
    nothing = model.frame({**request, "colour": [None]})
    pink = nothing.assign(colour=np.array(["pink"], dtype=object))
    assert np.array_equal(model.answers(pink).scores, model.answers(nothing).scores)  # type: ignore[arg-type]


def test_the_threshold_decides_between_two_classes_and_the_greatest_among_more() -> None:
    two = np.array([[0.7, 0.3], [0.4, 0.6]])
    assert decide(two, 0.3).tolist() == [1, 1] and decide(two, 0.5).tolist() == [0, 1]
    assert decide(np.array([[0.2, 0.5, 0.3]]), None).tolist() == [1]


def with_code(files: dict[str, bytes]) -> None:
    """A function of NumPy that executes a text: below a trusted prefix, and no type a model needs."""
    archive = dumped(FunctionTransformer(np.testing.runstring, kw_args={"dict": {}}))
    files[MODEL_FILE] = archive
    edited(trustedTypes=skops.io.get_untrusted_types(data=archive))(files)


def of_an_older_format(files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(files[MODEL_FILE])) as source:
        members = {name: source.read(name) for name in source.namelist()}
    members["schema.json"] = json.dumps({**json.loads(members["schema.json"]), "protocol": 0}).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name, content in members.items():
            target.writestr(name, content)
    files[MODEL_FILE] = out.getvalue()


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        (with_code, "UntrustedType", "numpy.testing._private.utils.runstring"),
        (of_an_older_format, "LoadFailed", "another release of skops"),
        (lambda files: files.update({MODEL_FILE: b"no archive"}), "LoadFailed", "BadZipFile"),
    ],
)
def test_a_model_runs_no_code_of_its_author(
    artifact: tuple[Path, str], tmp_path: Path, change: Callable[[dict[str, bytes]], Any], reason: str, says: str
) -> None:
    found = refused(tmp_path, copied(artifact, tmp_path, change))
    assert found.reason == reason and says in found.message


@pytest.mark.parametrize(
    "name",
    [
        "sklearn.anything.Else",
        "sklearn.utils._testing.check_skip_network",
        "numpy.f2py.diagnose.run",
        "numpy.testing._private.utils.runstring",
        "scipy._lib.anything",
        "builtins.eval",
        "operator.methodcaller",
    ],
)
def test_trust_is_a_list_of_exact_names(name: str) -> None:
    assert untrusted([name, "sklearn.tree._tree.Tree"]) == [name]


@pytest.mark.parametrize("name", sorted(TRUSTED_TYPES))
def test_every_trusted_name_exists(name: str) -> None:
    import sklearn.experimental.enable_halving_search_cv
    import sklearn.experimental.enable_iterative_imputer  # noqa: F401

    module, _, attribute = name.rpartition(".")
    assert callable(getattr(importlib.import_module(module), attribute))


X = np.random.default_rng(0).uniform(0.1, 1.0, (40, 3))
Y = (X[:, 0] > 0.5).astype(int)


@pytest.mark.parametrize(
    "estimator",
    [
        HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]),
        CalibratedClassifierCV(DecisionTreeClassifier(max_depth=2), cv=2),
        KNeighborsClassifier(algorithm="ball_tree", metric="manhattan"),
        GaussianProcessClassifier(),
        StackingClassifier([("tree", DecisionTreeClassifier(max_depth=2))], cv=2),
        TweedieRegressor(power=1.5),
        SplineTransformer(),
        SelectKBest(mutual_info_classif, k=1),
        SelectKBest(chi2, k=1),
        KBinsDiscretizer(quantile_method="averaged_inverted_cdf"),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_what_scikit_learn_fits_is_trusted(estimator: Any) -> None:
    archive = dumped(estimator.fit(X, Y))
    needed = skops.io.get_untrusted_types(data=archive)
    assert untrusted(needed) == []
    assert type(skops.io.loads(archive, trusted=needed)) is type(estimator)
