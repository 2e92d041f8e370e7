"""Shares of rows without a value or with a new one, in three windows after training: what the operator says of each.

Knows the pods' profiles and bucle.statistics' plain functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from hack.judgement.cells_columns import WINDOWS
from hack.judgement.many_columns import BREACHES, OF
from hack.judgement.runs import Result
from hack.judgement.worlds import SEED
from numpy.random import Generator
from numpy.typing import NDArray

from bucle.contracts.findings import Question
from bucle.contracts.profile import Blocks, FeatureProfile
from bucle.contracts.sketch import ColumnSketch
from bucle.podkit.profiles import Stretches, category_profile, number_profile
from bucle.statistics import columns

COLUMNS, TRAINING, TRAININGS = 20, 10_000, 50
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class ShareCell:
    """Of one column of 20. `before` and `after`: the share that the question is about, in training and in the windows. Nulls
    come in bursts of `burst` rows on average; new values beside `values` ones of training, alike or by Zipf's `slope`."""

    question: Question
    before: float
    after: float
    rows: int
    burst: float = 1.0
    values: int = 0
    slope: float = 1.0
    triples: int = 2_000
    most: float | None = None

    @property
    def name(self) -> str:
        if self.values:
            sort = "alike" if not self.slope else "Zipf"
            return f"{self.values:,} values, {sort}, {self.after:.0%} of rows new, {self.rows} rows"
        bursts = f" in bursts of {self.burst:g}" if self.burst > 1 else ""
        return f"nulls {self.before:.0%} → {self.after:.0%}{bursts}, {self.rows} rows"


def cells() -> tuple[ShareCell, ...]:
    sizes = (100, 200, 500)
    stays = [ShareCell("Nulls", p, p, n, most=0.1) for p in (0.01, 0.05, 0.3) for n in sizes]
    bursts = [ShareCell("Nulls", 0.05, 0.05, n, burst=20.0, triples=2_000, most=0.5) for n in sizes]
    moves = [
        ShareCell("Nulls", p, q, n, triples=1_000) for p, q in ((0.0, 0.1), (0.05, 0.15), (0.05, 0.95)) for n in sizes
    ]
    kinds = ((10, 1.0), (1_000, 1.0), (5_000, 1.0), (5_000, 0.0))
    known = [
        ShareCell("Unknown", 0, after, n, values=size, slope=slope, triples=1_000, most=None if after else 0.5)
        for after in (0.0, 0.1)
        for size, slope in kinds
        for n in (100, 200)
    ]
    return (*stays, *bursts, *moves, *known)


def measured(cell: ShareCell, triples: int | None = None) -> Result:
    """`same`: three windows in which the question is answered with yes in two."""
    rng = np.random.default_rng([SEED, crc32(f"shares/{cell.name}".encode())])
    rule = columns.Rule(columns.alpha_of_one(columns.ALPHA, COLUMNS, BREACHES, OF))
    total, same = triples or cell.triples, 0
    each = max(1, total // TRAININGS)
    for _ in range(total // each):
        profile, blocks, draw = (_values if cell.values else _nulls)(cell, rng)
        for _ in range(each):
            found = [_breached(draw(rng), profile, blocks, cell, rule) for _ in range(WINDOWS)]
            same += sum(found) >= BREACHES
    return {"triples": total // each * each, "same": same, "changed": int(cell.after > cell.before), "most": cell.most}


def _breached(
    sketch: ColumnSketch, profile: FeatureProfile, blocks: Blocks, cell: ShareCell, rule: columns.Rule
) -> bool:
    return columns.compare_column(sketch, profile, cell.rows, blocks, rule).breached(cell.question)


Draw = Callable[[Generator], ColumnSketch]


def _nulls(cell: ShareCell, rng: Generator) -> tuple[FeatureProfile, Blocks, Draw]:
    stretches = Stretches.of(np.arange(TRAINING, dtype=np.int64))
    values = np.where(_bursts(rng, TRAINING, cell.before, cell.burst), np.nan, rng.standard_normal(TRAINING))
    profile = number_profile("x", values, stretches)

    def drawn(rng: Generator) -> ColumnSketch:
        nulls = int(_bursts(rng, cell.rows, cell.after, cell.burst).sum())
        return ColumnSketch(name="x", cells=(cell.rows - nulls, *(0,) * (len(profile.cells) - 1)), nulls=nulls)

    return profile, stretches.blocks, drawn


def _bursts(rng: Generator, rows: int, share: float, burst: float) -> NDArray[np.bool_]:
    if burst <= 1:
        return rng.random(rows) < share
    ends, begins = 1 / burst, share / (1 - share) / burst
    found, inside = np.empty(rows, dtype=np.bool_), bool(rng.random() < share)
    for at, chance in enumerate(rng.random(rows)):
        inside = bool(chance >= ends) if inside else bool(chance < begins)
        found[at] = inside
    return found


def _values(cell: ShareCell, rng: Generator) -> tuple[FeatureProfile, Blocks, Draw]:
    shares = 1 / np.arange(1, cell.values + 1) ** cell.slope
    upto = np.cumsum(shares / shares.sum())[:-1]
    trained = np.searchsorted(upto, rng.random(TRAINING))
    profile = category_profile("x", np.array([f"{code}" for code in trained], dtype=object), Stretches.of(None))
    place = {int(value): at for at, value in enumerate(profile.known)}
    known = len(place)
    cell_of = np.full(cell.values, known + 1, dtype=np.int64)
    cell_of[np.unique(trained)] = known
    for code, at in place.items():
        cell_of[code] = at

    def drawn(rng: Generator) -> ColumnSketch:
        codes: Codes = cell_of[np.searchsorted(upto, rng.random(cell.rows))]
        codes[rng.random(cell.rows) < cell.after] = known + 1
        return ColumnSketch(name="x", cells=tuple(np.bincount(codes, minlength=known + 2).tolist()))

    return profile, Blocks(), drawn
