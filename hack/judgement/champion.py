"""The comparison with the champion, which is looked at once: how often a challenger at the limit is called better, and how often one
that is better by half a spread of a group.

Knows worlds and rules. What was replaced is the t interval over groups taken for independent ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from hack.judgement import cells_paired, many
from hack.judgement.many import Flags
from hack.judgement.runs import Result
from hack.judgement.series import Array
from hack.judgement.worlds import BLOCK, ROLLOUTS, Cell, Groups

from bucle.statistics import evidence
from bucle.statistics.student import quantile

CONFIDENCE = 0.95
SIZES = (5, 15, 28, 60)
NAMES = (
    "normal",
    "exponential, bad groups rare",
    "AR(1) 0.4",
    "AR(1) 0.7",
    "10 % of groups 10 times as large, whole days move",
)
BETTER = 0.5
"""In spreads of a group."""


@dataclass(frozen=True)
class Table:
    """So many groups of a paired cell, compared once."""

    cell: Cell
    groups: int
    held: bool = False

    @property
    def name(self) -> str:
        return f"{self.cell.name}, {self.groups} groups"


def cells() -> tuple[Table, ...]:
    """None of these is held to one per cent: the confidence is a person's."""
    by_name = {cell.name: cell for cell in cells_paired.cells()}
    return tuple(Table(by_name[name], groups) for name in NAMES for groups in SIZES)


def measured(table: Table, blocks: int = ROLLOUTS // BLOCK, rollouts: int = BLOCK) -> Result:
    rules: dict[str, Callable[[Groups, float], Flags]] = {"before": before, "oneLook": one_look}
    found: dict[str, Result] = {name: {"better": [], "power": []} for name in rules}
    for number in range(blocks):
        world = table.cell.block(number, rollouts, table.groups)
        for name, rule in rules.items():
            found[name]["better"].append(int(rule(world, world.limit).sum()))
            found[name]["power"].append(int(rule(world, world.limit + BETTER * world.unit).sum()))
    return {"rules": found}


def one_look(world: Groups, limit: float) -> Flags:
    """Whether the upper bound of `bucle.statistics.one_look` lies below the limit."""
    s = many.paired(world)
    groups, mean, spread, lag, kish, skew = (
        column[..., -1] for column in (s.groups, s.mean, s.spread, s.lag, s.kish, s.skew)
    )
    phi = np.clip(lag, 0.0, evidence.MOST_CORRELATED)
    inflation = (1 + phi) / (1 - phi)
    degrees = np.maximum(kish / inflation - s.lost, 1.0).astype(int)
    u = (limit - mean) / spread
    g = np.maximum(0.0, evidence.SKEW_SHARE * skew + evidence.SKEW_DOUBT * np.sqrt(6 / groups))
    y = u - g * u * u / 3 + g * g * u**3 / 27 - g / (6 * groups)
    return np.asarray((u > 0) & (np.sqrt(groups / inflation) * y > quantiles(int(groups))[degrees]))


def before(world: Groups, limit: float) -> Flags:
    s, groups = many.paired(world), world.x.shape[1]
    reach = quantiles(groups)[groups - 1] * s.spread[:, -1] / np.sqrt(groups)
    return np.asarray(s.mean[:, -1] + reach < limit)


def quantiles(most: int) -> Array:
    return np.array([np.inf, *(quantile(CONFIDENCE, degrees) for degrees in range(1, most + 1))])
