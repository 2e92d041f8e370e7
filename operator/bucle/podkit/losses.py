"""Losses per row from captured answers: the metric's value per row with the sign that makes smaller better. numpy only.

May know the captured columns and a model's reference; reads nothing.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bucle.contracts import capture
from bucle.contracts.metrics import METRICS
from bucle.contracts.reference import Reference
from bucle.podkit.metrics import Answers, Floats, codes_of, per_row

Truth = NDArray[np.float64] | NDArray[np.int64]


def truth_of(labels: pa.ChunkedArray | pa.Array, reference: Reference) -> tuple[Truth, NDArray[np.bool_]]:
    """(class codes or numbers, which rows have a usable label): a label that is no class of the model is not usable."""
    values = labels.to_pylist()
    if reference.classes:
        codes = codes_of(np.asarray(values, dtype=object), reference.classes)
        return codes, codes >= 0
    numbers = np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)
    return numbers, np.isfinite(numbers)


def answers_of(table: pa.Table, reference: Reference) -> Answers:
    """Captured answers of n rows; every row must have one of the reference's kind."""
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
