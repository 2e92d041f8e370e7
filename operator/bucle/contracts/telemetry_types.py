"""What is known of a metric besides its value: name, type, labels with their bounds, unit, meaning. Pure.

Names follow Prometheus' conventions: base units, `_total` for what only grows, `_info` for what is always 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Label:
    """`values`: all that it can be. Without them `bound` says in words what keeps their number small."""

    name: str
    values: tuple[str, ...] = ()
    bound: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table. `of_objects`: its series carry the namespace and the name of one object, and go with it."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[Label, ...] = ()
    unit: str = ""
    of_objects: bool = False

    @property
    def all_labels(self) -> tuple[str, ...]:
        """As they stand in a series, in order."""
        return (*(("namespace", "name") if self.of_objects else ()), *(label.name for label in self.labels))

    @property
    def exposed(self) -> tuple[str, ...]:
        """The names of its series."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.name,)
