"""What must hold of a Dataset's rows, as a pod is told it. Mirrors the Dataset's spec field by field."""

from __future__ import annotations

from typing import Literal

from bucle.contracts.base import DecimalText, Document

Dimension = Literal["Accuracy", "Completeness", "Consistency", "Timeliness"]
Severity = Literal["Error", "Warning"]


class Range(Document):
    column: str
    minimum: DecimalText | None = None
    maximum: DecimalText | None = None


class Nulls(Document):
    column: str
    max_percent: int


class Unique(Document):
    columns: tuple[str, ...]


class Allowed(Document):
    column: str
    values: tuple[str, ...]


class Expectation(Document):
    """Exactly one of range, nulls, unique, allowed."""

    name: str
    dimension: Dimension
    severity: Severity = "Error"
    range: Range | None = None
    nulls: Nulls | None = None
    unique: Unique | None = None
    allowed: Allowed | None = None
