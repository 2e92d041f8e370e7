"""What a sampler is asked and what it answers. Pure values.

A suggestion is a function of the request alone: space, algorithm, seed, index and what was known. Asking twice,
in another process or after a restart, gives the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from bucle.externals.sampler.algorithms import Algorithm

Pairs: TypeAlias = tuple[tuple[str, str], ...]
"""Parameter values as text, in the order of the space."""


@dataclass(frozen=True, slots=True)
class FloatDimension:
    name: str
    low: float
    high: float
    log: bool = False


@dataclass(frozen=True, slots=True)
class IntDimension:
    name: str
    low: int
    high: int
    log: bool = False


Dimension: TypeAlias = FloatDimension | IntDimension


@dataclass(frozen=True, slots=True, order=True)
class Past:
    """One earlier trial. `value` is None when it failed; `open` while its outcome is not known."""

    index: int
    params: Pairs
    value: float | None = None
    open: bool = False


@dataclass(frozen=True, slots=True)
class Suggest:
    """Parameters for trials `indices`, in that order: each knows `history` and the ones before it as open.

    Answers a tuple of Suggestion. `history` may come in any order.
    """

    space: tuple[Dimension, ...]
    algorithm: Algorithm
    direction: Literal["Minimize", "Maximize"]
    indices: tuple[int, ...]
    history: tuple[Past, ...] = ()

    def __str__(self) -> str:
        return f"asking for the parameters of {len(self.indices)} trials"


@dataclass(frozen=True, slots=True)
class Suggestion:
    index: int
    params: Pairs
