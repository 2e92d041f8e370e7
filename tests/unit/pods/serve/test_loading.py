"""Before a server is ready its model has answered what its schema allows, and told what it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from tests.support.fakes.small_model import FOREST, LOGISTIC, ONE_HOT, StoredModel, reference, stored_model

from bucle.contracts.reference import Reference
from bucle.contracts.task import Capture, Model, ServeTask, Successor
from bucle.podkit.model import LoadedModel, Prediction, load_model
from bucle.podkit.program import ProgramError
from bucle.pods.serve.loading import allowed_gaps, loaded, misfit, sample_rows


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredModel:
    return stored_model(tmp_path_factory.mktemp("store"), iterations=5)


@pytest.fixture(scope="module")
def model(stored: StoredModel) -> LoadedModel:
    return load_model(stored.uri, stored.digest)


def test_warm_up_rows_fit_the_schema(model: LoadedModel) -> None:
    rows = sample_rows(model.reference)
    assert model.door.admitted(rows.columns).features.rows == rows.rows
    assert [(column.name, gap) for column, gap in allowed_gaps(model.features)] == [
        ("distance", "null"),
        ("carrier", "unknown"),
    ]


def test_values_of_a_dropped_column_are_not_written_down_in_the_reference(stored: StoredModel, tmp_path: Path) -> None:
    model = Model(uri=stored.uri, digest=stored.digest)
    capture = Capture(drop=("carrier", "distance"))
    location = f"file://{tmp_path}/d"
    assert loaded(ServeTask(name="flights", revision="r1", model=model, location=location, capture=capture)).categories
    written = Reference.from_json((tmp_path / "d/references/r1.json").read_text())
    assert ([profile.name for profile in written.features], written.categories) == (["hour"], {})
    assert written.table == reference().table


def test_a_candidate_that_needs_a_column_more_than_what_serves_is_not_ready(
    stored: StoredModel, tmp_path: Path
) -> None:
    serving = reference()
    fewer = tuple(column for column in serving.table.columns if column.name != "distance")
    serving = serving.model_copy(update={"table": serving.table.model_copy(update={"columns": fewer})})
    (tmp_path / "d/references").mkdir(parents=True)
    (tmp_path / "d/references/r1.json").write_text(serving.canonical())
    model = Model(uri=stored.uri, digest=stored.digest)

    def succeeds(of: str, inputs: Literal["Refuse", "Try"]) -> LoadedModel:
        terms = Successor(of=of, inputs=inputs)
        return loaded(
            ServeTask(name="flights", revision="r2", model=model, location=f"file://{tmp_path}/d", successor=terms)
        )

    with pytest.raises(ProgramError, match=r"revision r1: it refuses .* needs the column distance") as refused:
        succeeds("r1", "Refuse")
    assert (refused.value.reason, refused.value.exit_code) == ("OtherInputs", 78)
    assert not (tmp_path / "d/references/r2.json").exists()
    assert succeeds("r1", "Try") and succeeds("an older release's", "Refuse")


@pytest.mark.parametrize("scores", [[[0.5, 0.5, 0.0]], [[0.9, 0.9]], [[1.5, -0.5]], [[float("nan"), 1.0]]])
def test_scores_that_are_no_probabilities_of_the_classes_are_a_misfit(scores: list[list[float]]) -> None:
    prediction = Prediction(labels=np.array(["1"], dtype=object), scores=np.array(scores))
    assert misfit(prediction, reference(), 1) is not None


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (
            {"estimator": LOGISTIC, "preprocessing": (ONE_HOT,)},
            "a null in the column distance, which `nullable: Allowed`",
        ),
        (
            {"estimator": FOREST, "preprocessing": (ONE_HOT,)},
            "never seen in the column carrier, which `unknown: AsNull`",
        ),
    ],
)
def test_a_model_that_fails_on_what_its_schema_allows_says_so_before_it_is_ready(
    tmp_path: Path, model: dict[str, Any], says: str
) -> None:
    stored = stored_model(tmp_path, **model)
    task = ServeTask(
        name="flights",
        revision="r1",
        model=Model(uri=stored.uri, digest=stored.digest),
        location=f"file://{tmp_path}/d",
    )
    with pytest.raises(ProgramError, match=says) as refused:
        loaded(task)
    assert refused.value.reason == "SignatureMismatch"
