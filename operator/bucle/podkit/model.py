"""A model in the store: verified before it is loaded, and asked the same way in training, serving and comparison.

May know skops, pandas and the reference contract. Imports scikit-learn only through what the model itself holds.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from bucle.contracts.canonical import digest as digest_of
from bucle.contracts.reference import MODEL_REFERENCE_PATH, Reference
from bucle.contracts.table import Column, TableSchema
from bucle.podkit import store
from bucle.podkit.array_path import ArrayPipeline, Arrays, array_pipeline
from bucle.podkit.frames import known_only, without_unknown
from bucle.podkit.metrics import Answers
from bucle.podkit.program import ProgramError, bad_configuration
from bucle.podkit.request_check import Door, frame_of
from bucle.podkit.trusted_types import untrusted

MODEL_FILE = "model.skops"
DEFAULT_THRESHOLD = 0.5
LOCKED = ("scikit-learn", "numpy")
"""Libraries whose version decides what a stored model does; a change of the patch number does not."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """`labels` n texts and `scores` n × k in the order of `reference.classes`, or `numbers` n."""

    labels: NDArray[np.object_] | None = None
    scores: NDArray[np.float64] | None = None
    numbers: NDArray[np.float64] | None = None


def feature_columns(table: TableSchema) -> tuple[Column, ...]:
    return table.with_role("Feature")


def without_null_texts(frame: pd.DataFrame, table: TableSchema) -> pd.DataFrame:
    """The frame with a null Text as the empty text: what reads texts, in scikit-learn, takes no nulls."""
    texts = [column.name for column in feature_columns(table) if column.type == "Text"]
    holed = {name: frame[name].fillna("") for name in texts if frame[name].isna().any()}
    return frame.assign(**holed) if holed else frame


def decide(scores: NDArray[np.float64], threshold: float | None) -> NDArray[np.int64]:
    """Class codes n from scores n × k: of two classes the last when its score reaches the threshold, else the greatest."""
    if threshold is not None and scores.shape[1] == 2:
        return np.asarray(scores[:, 1] >= threshold).astype(np.int64)
    return np.asarray(scores.argmax(axis=1), dtype=np.int64)


def answers_of(pipeline: Any, frame: pd.DataFrame | Arrays, classes: Sequence[str], threshold: float | None) -> Answers:
    """What a fitted pipeline says. It was fitted on class codes; a class that its rows lacked has score 0."""
    if not classes:
        return Answers(numbers=np.asarray(pipeline.predict(frame), dtype=np.float64).ravel())
    known = np.asarray(pipeline.classes_, dtype=np.int64)
    scores = np.zeros((len(frame), len(classes)))
    scores[:, known] = pipeline.predict_proba(frame)
    return Answers(scores=scores, labels=decide(scores, threshold))


@dataclass(frozen=True)
class LoadedModel:
    """A verified model with its reference."""

    reference: Reference
    pipeline: Any

    @cached_property
    def categories(self) -> dict[str, frozenset[str]]:
        return {name: frozenset(values) for name, values in self.reference.categories.items()}

    @cached_property
    def features(self) -> tuple[Column, ...]:
        return feature_columns(self.reference.table)

    @cached_property
    def door(self) -> Door:
        return Door(self.reference.table.columns, self.categories)

    def frame(self, columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
        """The features of a request, typed; raises InvalidRequest for a column that may not enter."""
        return frame_of([self.door.admitted(columns).features], self.features)

    def answers(self, frame: pd.DataFrame) -> Answers:
        """Class codes and scores, or numbers, for a frame of features."""
        known = without_null_texts(without_unknown(frame, self.categories), self.reference.table)
        return answers_of(self.pipeline, known, self.reference.classes, self.reference.threshold)

    def predict(self, frame: pd.DataFrame) -> Prediction:
        """What callers are told about each row of a frame of features."""
        return self.told(self.answers(frame))

    def quick(self, proof: pd.DataFrame) -> ArrayPipeline | None:
        """The model for arrays, if it says exactly the same of the rows of `proof`."""
        return array_pipeline(self.pipeline, self.features, proof)

    def quick_answers(self, quick: ArrayPipeline, rows: Arrays) -> Answers:
        """`answers`, for arrays."""
        known = {name: known_only(rows.columns[name], seen) for name, seen in self.categories.items()}
        rows = Arrays({**rows.columns, **known}, rows.rows)
        return answers_of(quick, rows, self.reference.classes, self.reference.threshold)

    def told(self, answers: Answers) -> Prediction:
        """The answers with the names of the classes."""
        if answers.labels is None:
            return Prediction(numbers=answers.numbers)
        names = np.asarray(self.reference.classes, dtype=object)
        return Prediction(labels=names[answers.labels], scores=answers.scores)


def files_digest(files: Mapping[str, bytes]) -> str:
    """`sha256:<hex>` over the sorted pairs of path and sha256 of a model's files."""
    return digest_of([[path, store.sha256(files[path])] for path in sorted(files)])


def environment() -> dict[str, str]:
    """Versions of the libraries that a model depends on, as installed here."""
    found: dict[str, str] = {}
    for name in ("scikit-learn", "numpy", "scipy", "pandas", "skops"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def load_model(uri: str, digest: str) -> LoadedModel:
    """Downloads, verifies and loads one model.

    Raises ProgramError (78) ModelMissing, DigestMismatch, EnvironmentMismatch, UntrustedType or LoadFailed, and what
    the store raises.
    """
    files = {file.uri[len(uri.rstrip("/")) + 1 :]: store.read_bytes(file.uri) for file in store.list_files(uri)}
    if not files:
        raise bad_configuration("ModelMissing", f"there is no model at {uri}: restore it or register another version")
    found = files_digest(files)
    if found != digest:
        raise bad_configuration(
            "DigestMismatch", f"the files at {uri} hash to {found}, not to {digest}: register the model anew"
        )
    try:
        reference = Reference.from_json(files[MODEL_REFERENCE_PATH])
        archive = files[MODEL_FILE]
    except (KeyError, ValidationError) as error:
        raise bad_configuration(
            "LoadFailed", f"the model at {uri} was not made by this release ({type(error).__name__}): retrain it"
        ) from error
    _require_environment(uri, reference)
    try:
        return LoadedModel(reference, _loaded(uri, archive, reference))
    except ProgramError:
        raise
    except Exception as error:
        raise bad_configuration(
            "LoadFailed", f"the model at {uri} cannot be read ({type(error).__name__}): register it anew"
        ) from error


def _require_environment(uri: str, reference: Reference) -> None:
    here = environment()
    for name in LOCKED:
        made, have = reference.environment.get(name), here.get(name)
        if made is None or have is None or made.split(".")[:2] != have.split(".")[:2]:
            raise bad_configuration(
                "EnvironmentMismatch",
                f"the model at {uri} was made with {name} {made}, here is {have}: retrain it with the current images",
            )


def _loaded(uri: str, archive: bytes, reference: Reference) -> Any:
    import skops.io

    if protocol_of(archive) != protocol_of(skops.io.dumps(None)):
        # Older formats are read by older code, which looked less closely at what it was given.
        raise bad_configuration(
            "LoadFailed", f"the model at {uri} is in a format of another release of skops: retrain it"
        )
    needed = skops.io.get_untrusted_types(data=archive)
    # The model's own list cannot make a type trusted: both must agree, ours name by name.
    wrong = untrusted(needed) + sorted(set(needed) - set(reference.trusted_types))
    if wrong:
        raise bad_configuration(
            "UntrustedType",
            f"the model at {uri} holds {', '.join(wrong[:3])}, which is not trusted: use scikit-learn's",
        )
    return skops.io.loads(archive, trusted=list(needed))


def protocol_of(archive: bytes) -> int:
    """The version of skops' format that an archive says it has, −1 when it says none."""
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        found = json.loads(files.read("schema.json")).get("protocol")
    return found if isinstance(found, int) else -1
