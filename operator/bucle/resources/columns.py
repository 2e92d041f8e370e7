"""What `kubectl get` prints of an object. Data for the CRD generator (`crd`); knows nothing else of this project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Column:
    """One printer column of `kubectl get`; `wide` ones show only with `-o wide`."""

    name: str
    path: str
    type: Literal["string", "integer", "date"] = "string"
    wide: bool = False
    description: str = ""


READY_COLUMN = Column("Ready", '.status.conditions[?(@.type=="Ready")].status', description="Does what the spec says.")
REASON_COLUMN = Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', description="Why, in one word.")
AGE_COLUMN = Column("Age", ".metadata.creationTimestamp", "date", description="Time since creation.")
