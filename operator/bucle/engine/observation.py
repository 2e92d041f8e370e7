"""What an external read can answer. Pure values: an error is never an absence.

A plan may act on `Absent` (create what is missing) but must never act on `Unavailable` as if
it were `Absent`: a registry that is down has not lost its models.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeAlias, TypeVar

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known(Generic[T_co]):
    """The source answered with a value at that instant (UTC)."""

    value: T_co
    at: datetime


@dataclass(frozen=True, slots=True)
class Absent:
    """The source answered, and says that the thing does not exist."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The source did not answer in time or answered with an error; `why` is for people."""

    why: str


Observation: TypeAlias = Known[T_co] | Absent | Unavailable


def known_or(observation: Observation[T] | None, default: T) -> T:
    """The value if known, else `default`. Only for facts that are optional to the decision."""
    return observation.value if isinstance(observation, Known) else default
