"""`bucle/reference.json` inside a model artifact: what this model is measured against for the rest of its life."""

from __future__ import annotations

from bucle.contracts.base import Document
from bucle.contracts.result import Estimate
from bucle.contracts.table import TableSchema
from bucle.contracts.task import DatasetVersion


class FeatureProfile(Document):
    """Numeric columns: quantiles at 0, 1/32 … 1; categorical columns: the most frequent values with their counts."""

    name: str
    rows: int
    nulls: int
    quantiles: tuple[float, ...] = ()
    counts: dict[str, int] = {}
    other: int = 0


class Reference(Document):
    """`prior`: class → share in training (or {"mean": value}): the constant predictor a model must beat.

    `classes`: order of the scores; for Binary the positive class is the last. `categories`: all values that
    training saw, per Category column. `scores`: quantiles of out-of-fold scores (Binary) or numbers (Regression).
    """

    version: str = "v1"
    table: TableSchema
    classes: tuple[str, ...] = ()
    prior: dict[str, float]
    threshold: float | None = None
    estimate: Estimate
    dataset: DatasetVersion
    features: tuple[FeatureProfile, ...] = ()
    categories: dict[str, tuple[str, ...]] = {}
    scores: tuple[float, ...] = ()
    trusted_types: tuple[str, ...] = ()
    environment: dict[str, str] = {}


MODEL_REFERENCE_PATH = "bucle/reference.json"
