"""What is simulated: a cell is a named world; a world gives groups as the gates get them, with what is true in it.

Knows the series. A cell draws in blocks, each from a seed of its own name and number: the first block alone can be drawn again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np
from hack.judgement.series import Array
from numpy.random import Generator

SEED = 20130101
ROLLOUTS, LOOKS, BLOCK = 10_000, 120, 500


@dataclass(frozen=True)
class Groups:
    """Sums of groups (rollouts × groups), in order. `limit` is where the truth is, `unit` the spread of a raw group.

    `w`: sum of the covariate, with its declared mean `mix`. `classes`: (sums, rows) by true class (rollouts × groups × classes).
    """

    x: Array
    n: Array
    limit: float = 0.0
    unit: float = 1.0
    w: Array | None = None
    mix: float = 0.0
    classes: tuple[Array, Array] | None = None
    class_mix: tuple[float, ...] = ()


Draw = Callable[[Generator, int, int], Groups]
"""(rng, rollouts, groups) to a world."""


@dataclass(frozen=True)
class Cell:
    """`held` is whether the rule promises its rates here; where not, the page says so."""

    name: str
    draw: Draw = field(repr=False)
    held: bool = True
    priced: bool = False

    def block(self, number: int, rollouts: int = BLOCK, groups: int = LOOKS) -> Groups:
        return self.draw(self.rng(number), rollouts, groups)

    def rng(self, number: int) -> Generator:
        return np.random.default_rng([SEED, crc32(self.name.encode()), number])
