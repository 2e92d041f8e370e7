"""From a task to a model that is proven to answer: verified, loaded, asked for rows like those it was trained on."""

from __future__ import annotations

from typing import Any

import numpy as np

from bucle.contracts import capture
from bucle.contracts.reference import FeatureProfile, Reference
from bucle.contracts.table import Column
from bucle.contracts.task import ServeTask
from bucle.podkit import store
from bucle.podkit.model import LoadedModel, Prediction, feature_columns, load_model
from bucle.podkit.program import ProgramError, bad_configuration

WARM_ROWS = 8
WARM_ROUNDS = 3


def loaded(task: ServeTask) -> LoadedModel:
    """The verified, warm model; its reference is put beside what it will answer. Raises ProgramError."""
    model = load_model(task.model.uri, task.model.digest)
    warm(model, task.model.uri)
    store.write_bytes(capture.reference_path(task.location, task.revision), model.reference.canonical().encode("ascii"))
    return model


def warm(model: LoadedModel, uri: str) -> None:
    """Predicts rows made of the reference profile. Raises ProgramError SignatureMismatch (78)."""
    columns = sample_columns(model.reference)
    try:
        frame = model.frame(columns)
        for _ in range(WARM_ROUNDS):
            prediction = model.predict(frame)
    except ProgramError:
        raise
    except Exception as error:
        raise bad_configuration(
            "SignatureMismatch",
            f"the model at {uri} does not take rows of its own schema ({type(error).__name__}: {error}): retrain it",
        ) from error
    problem = misfit(prediction, model.reference, len(frame))
    if problem:
        raise bad_configuration("SignatureMismatch", f"the model at {uri} {problem}: retrain it")


def misfit(prediction: Prediction, reference: Reference, rows: int) -> str | None:
    """What is wrong with the shape or the values of a prediction, if anything."""
    if not reference.classes:
        numbers = prediction.numbers
        good = numbers is not None and numbers.shape == (rows,) and bool(np.isfinite(numbers).all())
        return None if good else f"must answer {rows} finite numbers"
    scores, labels = prediction.scores, prediction.labels
    if scores is None or labels is None or scores.shape != (rows, len(reference.classes)) or len(labels) != rows:
        return f"must answer scores of shape [{rows}, {len(reference.classes)}]"
    if not np.isfinite(scores).all() or not np.allclose(scores.sum(axis=1), 1.0, atol=1e-6):
        return "must answer scores that are probabilities"
    return None


def sample_columns(reference: Reference) -> dict[str, list[Any]]:
    """Rows within what training saw, and one of nulls and unknown categories where the schema allows them."""
    profiles = {profile.name: profile for profile in reference.features}
    return {column.name: _sample(column, profiles.get(column.name)) for column in feature_columns(reference.table)}


def _sample(column: Column, profile: FeatureProfile | None) -> list[Any]:
    values: list[Any]
    if column.type in ("Category", "Text"):
        values = list(profile.counts) if profile and profile.counts else ["a"]
    elif column.type == "Boolean":
        values = [False, True]
    else:
        values = list(profile.quantiles) if profile and profile.quantiles else [float(column.minimum or 0)]
        values = [float(round(value)) for value in values] if column.type == "Integer" else values
    rows = [values[at % len(values)] for at in range(WARM_ROWS)]
    if column.nullable == "Allowed":
        rows[-1] = None
    return rows
