"""From a task to a model that is proven to answer: verified, loaded, asked for rows like those it was trained on."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from bucle.contracts import capture
from bucle.contracts.profile import FeatureProfile
from bucle.contracts.reference import Reference
from bucle.contracts.row_rules import NUMBER_LABEL_LIMIT
from bucle.contracts.succession import unfit
from bucle.contracts.table import Column
from bucle.contracts.task import ServeTask
from bucle.podkit import store
from bucle.podkit.model import LoadedModel, Prediction, feature_columns, load_model
from bucle.podkit.program import ProgramError, bad_configuration
from bucle.podkit.request_check import Features, arrays_of, frame_of
from bucle.pods.serve.batching import Predict

log = logging.getLogger("bucle.serve")

WARM_ROWS = 8
WARM_ROUNDS = 3
PROOF_ROWS = 64
SUM_TOLERANCE = 1e-5
NEVER_SEEN = "\u2014never seen\u2014"


def loaded(task: ServeTask) -> LoadedModel:
    """The verified, warm model; its reference is put beside what it will answer. Raises ProgramError."""
    model = load_model(task.model.uri, task.model.digest)
    require_successor(task, model.reference)
    warm(model, task.model.uri)
    told = without_dropped(model.reference, task.capture.drop)
    store.write_bytes(capture.reference_path(task.location, task.revision), told.canonical().encode("ascii"))
    return model


def require_successor(task: ServeTask, reference: Reference) -> None:
    """Raises OtherQuestion or OtherInputs (78) when callers of the revision that served would see another model."""
    terms = task.successor
    if terms is None:
        return
    try:
        serving = Reference.from_json(store.read_bytes(capture.reference_path(task.location, terms.of)))
    except ProgramError as error:
        if error.reason != "SourceMissing":
            raise
        log.info("revision %s left no reference to compare with", terms.of)
        return
    if (found := unfit(reference, serving, terms)) is not None:
        reason, problem = found
        raise bad_configuration(reason, f"the model at {task.model.uri} cannot succeed revision {terms.of}: {problem}")


def without_dropped(reference: Reference, drop: Sequence[str]) -> Reference:
    """The reference without values of columns that are never to be written down where answers are kept."""
    return reference.model_copy(
        update={
            "features": tuple(profile for profile in reference.features if profile.name not in drop),
            "categories": {name: values for name, values in reference.categories.items() if name not in drop},
        }
    )


def warm(model: LoadedModel, uri: str) -> None:
    """Asks for rows of the reference profile, then for what the schema allows beside. Raises SignatureMismatch (78)."""
    ask = predictor(model)
    rows = sample_rows(model.reference)
    try:
        for _ in range(WARM_ROUNDS):
            ask([rows])
    except Exception as error:
        raise _mismatch(uri, "does not take rows of its own schema", error) from error
    probes = allowed_gaps(model.features)
    try:
        ask([rows, *(with_gap(rows, column.name, gap) for column, gap in probes)])
    except Exception as together:
        for column, gap in probes:
            try:
                ask([with_gap(rows, column.name, gap)])
            except Exception as error:
                raise _mismatch(uri, f"does not take {gap.words(column.name)}", error) from error
        raise _mismatch(uri, "does not take nulls and unknown categories together", together) from together


def _mismatch(uri: str, what: str, error: Exception) -> ProgramError:
    problem = str(error) if isinstance(error, Misfit) else type(error).__name__
    return bad_configuration("SignatureMismatch", f"the model at {uri} {what} ({problem}): retrain it")


class Misfit(ValueError):
    """A prediction that is none: of another shape, or with values that are neither probabilities nor numbers."""


def predictor(model: LoadedModel) -> Predict:
    """What the batcher asks, by the quick way where that is proven; raises Misfit, or what the model raises."""
    quick = model.quick(frame_of(proof_rows(model), model.features))
    log.info("the model is asked with %s", "data frames" if quick is None else "arrays")

    def ask(parts: Sequence[Features]) -> Prediction:
        if quick is None:
            answers = model.answers(frame_of(parts, model.features))
        else:
            answers = model.quick_answers(quick, arrays_of(parts, model.features))
        prediction = model.told(answers)
        problem = misfit(prediction, model.reference, sum(part.rows for part in parts))
        if problem:
            raise Misfit(problem)
        return prediction

    return ask


class Gap(StrEnum):
    """What a row may have in place of a value."""

    NULL = "null"
    UNKNOWN = "unknown"

    def words(self, column: str) -> str:
        if self is Gap.NULL:
            return f"a null in the column {column}, which `nullable: Allowed` permits"
        return f"a category never seen in the column {column}, which `unknown: AsNull` permits: handle unknown ones"


def allowed_gaps(columns: Sequence[Column]) -> list[tuple[Column, Gap]]:
    nulls = [(column, Gap.NULL) for column in columns if column.nullable == "Allowed"]
    closed = [column for column in columns if column.type == "Category" and column.unknown == "AsNull"]
    return nulls + [(column, Gap.UNKNOWN) for column in closed]


def with_gap(rows: Features, column: str, gap: Gap) -> Features:
    """The first row, with that gap in its column."""
    values: dict[str, Sequence[float | str]] = {name: given[:1] for name, given in rows.columns.items()}
    values[column] = [math.nan if gap is Gap.NULL else NEVER_SEEN]
    return Features(values, 1)


def misfit(prediction: Prediction, reference: Reference, rows: int) -> str | None:
    """What is wrong with the shape or the values of a prediction, if anything."""
    if not reference.classes:
        numbers = prediction.numbers
        good = numbers is not None and numbers.shape == (rows,) and bool((np.abs(numbers) < NUMBER_LABEL_LIMIT).all())
        return None if good else f"must answer {rows} finite numbers below {NUMBER_LABEL_LIMIT:g}"
    scores, labels = prediction.scores, prediction.labels
    if scores is None or labels is None or scores.shape != (rows, len(reference.classes)) or len(labels) != rows:
        return f"must answer scores of shape [{rows}, {len(reference.classes)}]"
    # NaN fails every comparison.
    if not ((scores >= 0).all() and (np.abs(scores.sum(axis=1) - 1.0) <= SUM_TOLERANCE).all()):
        return "must answer scores that are probabilities"
    return None


def proof_rows(model: LoadedModel) -> list[Features]:
    """Rows of the profile in many combinations, with nulls where the schema lets callers send what becomes one."""
    profiles = {profile.name: profile for profile in model.reference.features}
    columns: dict[str, Sequence[float | str]] = {}
    for place, column in enumerate(model.features):
        values = _values(column, profiles.get(column.name))
        columns[column.name] = [values[at * (2 * place + 1) % len(values)] for at in range(PROOF_ROWS)]
    rows = Features(columns, PROOF_ROWS)
    return [rows, *(with_gap(rows, column.name, Gap.NULL) for column, _ in allowed_gaps(model.features))]


def known_row(reference: Reference) -> Features:
    """One row that the warm model did answer."""
    rows = sample_rows(reference)
    return Features({name: values[:1] for name, values in rows.columns.items()}, 1)


def sample_rows(reference: Reference) -> Features:
    """Rows within what training saw."""
    profiles = {profile.name: profile for profile in reference.features}
    columns = {c.name: _sample(c, profiles.get(c.name)) for c in feature_columns(reference.table)}
    return Features(columns, WARM_ROWS)


def _sample(column: Column, profile: FeatureProfile | None) -> list[float | str]:
    values = _values(column, profile)
    return [values[at % len(values)] for at in range(WARM_ROWS)]


def _values(column: Column, profile: FeatureProfile | None) -> list[float | str]:
    values: list[float | str]
    if column.type in ("Category", "Text"):
        values = list(profile.counts) if profile and profile.counts else ["a"]
    elif column.type == "Boolean":
        values = [0.0, 1.0]
    else:
        quantiles = profile.quantiles if profile and profile.quantiles else (float(column.minimum or 0),)
        values = [float(round(q)) if column.type == "Integer" else q for q in quantiles]
    return values
