"""Losses per row from captured answers: the metric's value per row with the sign that makes smaller better. numpy only.

May know the captured columns and a model's reference; reads nothing.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bucle.contracts import capture
from bucle.contracts.metrics import METRICS
from bucle.contracts.reference import Reference
from bucle.contracts.row_rules import NUMBER_LABEL_LIMIT, LabelContract
from bucle.podkit.metrics import Answers, Floats, codes_of, per_row
from bucle.podkit.table_check import SetAside, usable_labels

Truth = NDArray[np.float64] | NDArray[np.int64]


def truth_of(labels: pa.ChunkedArray | pa.Array, reference: Reference) -> tuple[Truth, NDArray[np.bool_]]:
    """(class codes or numbers, which rows have a usable label): one that is no class of the model is not usable, nor is
    a number so large that nothing could be said of the rows beside it."""
    values = labels.to_pylist()
    if reference.classes:
        codes = codes_of(np.asarray(values, dtype=object), reference.classes)
        return codes, codes >= 0
    numbers = np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return numbers, np.abs(numbers) < NUMBER_LABEL_LIMIT


def usable_feedback(feedback: pa.Table, reference: Reference) -> tuple[pa.Table, SetAside]:
    """The feedback rows whose label is one of the model's in any spelling, spelt as the model does; the others counted.

    Before rows are joined, so that an unusable label neither overwrites a good one nor stands for the first.
    """
    contract = LabelContract(reference.table.target.task, reference.classes)
    labels, aside = usable_labels(feedback.column("label"), contract)
    at = feedback.column_names.index("label")
    return feedback.set_column(at, "label", labels).filter(pc.is_valid(labels)), aside


def readable(table: pa.Table, reference: Reference) -> NDArray[np.bool_]:
    """Which captured rows hold an answer of the reference's kind: a finite score for each class, or a finite number."""
    if not reference.classes:
        numbers = table.column(capture.NUMBER).to_numpy()
        return np.isfinite(np.asarray(numbers, dtype=np.float64))
    scores = table.column(capture.SCORES).combine_chunks()
    fits = np.array(pc.fill_null(pc.equal(pc.list_value_length(scores), len(reference.classes)), False))
    values = np.asarray(pc.list_flatten(scores), dtype=np.float64)
    parents = np.asarray(pc.list_parent_indices(scores), dtype=np.int64)
    fits[parents[~np.isfinite(values)]] = False
    known = pc.is_in(table.column(capture.LABEL), pa.array(reference.classes, pa.string()))
    return np.asarray(fits & np.asarray(known.combine_chunks()), dtype=np.bool_)


def answers_of(table: pa.Table, reference: Reference) -> Answers:
    """Captured answers of n rows in the order of the reference's classes; every row must be `readable`."""
    if not reference.classes:
        return Answers(numbers=np.asarray(table.column(capture.NUMBER).to_numpy(), dtype=np.float64))
    flat = table.column(capture.SCORES).combine_chunks().flatten().to_numpy(zero_copy_only=False)
    labels = np.asarray(table.column(capture.LABEL).to_pylist(), dtype=object)
    return Answers(
        scores=np.asarray(flat, dtype=np.float64).reshape(table.num_rows, len(reference.classes)),
        labels=codes_of(labels, reference.classes),
    )


def prior_answers(reference: Reference, rows: int) -> Answers:
    """What the constant predictor says: the class shares of training, or the mean."""
    if not reference.classes:
        return Answers(numbers=np.full(rows, reference.prior["mean"]))
    shares = np.array([reference.prior.get(name, 0.0) for name in reference.classes])
    return Answers(scores=np.tile(shares, (rows, 1)), labels=np.full(rows, int(shares.argmax()), dtype=np.int64))


def losses(metric: str, truth: Truth, answers: Answers) -> Floats:
    """Per-row losses (smaller is better). Raises ValueError for a metric that is not a mean over rows."""
    return METRICS[metric].loss_sign() * per_row(metric, truth, answers)
