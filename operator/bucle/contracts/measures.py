"""What a kind tells of one object in numbers: values that stand as long as its status says them, and things that happened once. Pure.

Each names a row of the table in `contracts.telemetry`, so no kind can make up a series.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from bucle.contracts.telemetry_types import Metric


@dataclass(frozen=True, slots=True)
class Measure:
    """A value of now. `labels`: those of the metric beside the object's own, in the table's order."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that a status records once, known by `id` among its like: counted when it is seen for the first time.

    `message`: what people are told of it then, if they are; `at`: when it happened.
    """

    metric: Metric
    id: str
    labels: tuple[str, ...] = ()
    message: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Measures:
    """All that one object tells. What is not told again is gone; `counted` are metrics whose counts begin at zero."""

    shown: tuple[Measure, ...] = ()
    happened: frozenset[Happening] = field(default_factory=frozenset)
    counted: tuple[Metric, ...] = ()


NOTHING = Measures()


def given(metric: Metric, value: float | int | str | datetime | None, *labels: str) -> tuple[Measure, ...]:
    """The value if there is one: times in seconds since 1970, decimals as they are written."""
    if value is None:
        return ()
    number = value.timestamp() if isinstance(value, datetime) else float(value)
    return (Measure(metric, number, labels),)


def one_of(metric: Metric, current: str | None, *labels: str) -> tuple[Measure, ...]:
    """A series for each value of the metric's last label, 1 for the current one: an alert needs no series that is absent."""
    return tuple(
        Measure(metric, float(value == current), (*labels, value)) for value in metric.labels[-1].values if current
    )


def together(*parts: Iterable[Measure]) -> tuple[Measure, ...]:
    return tuple(measure for part in parts for measure in part)
