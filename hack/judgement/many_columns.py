"""Data drift over many windows at once: the operator's arithmetic on arrays, held equal to its plain functions by a test.

Knows the cells, profiles of the pods and bucle.statistics. Profiles are the pods' own: a new training for every block of windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
from hack.judgement.cells_columns import WINDOWS, ColumnsCell, Kind
from hack.judgement.runs import Result
from hack.judgement.series import Array
from numpy.random import Generator
from numpy.typing import NDArray

from bucle.contracts.profile import FeatureProfile
from bucle.podkit.cells import number_cells
from bucle.podkit.profiles import Stretches, category_profile, number_profile
from bucle.statistics import columns

BLOCK = 100
ALPHA, BREACHES, OF = columns.ALPHA, 2, 3
HOUR = 3_600_000_000
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Trained:
    """One column of training: its profile, and the cell of each code where values are categories."""

    profile: FeatureProfile
    kind: Kind
    known: dict[float, int]

    def cells(self, rows: Array) -> NDArray[np.int64]:
        if not self.kind.category:
            return number_cells(rows.ravel(), np.array(self.profile.edges)).reshape(rows.shape)
        new = len(self.profile.known) + 1
        table = np.full(int(rows.max()) + 1, new)
        for code, cell in self.known.items():
            if code < len(table):
                table[int(code)] = cell
        return np.asarray(table[rows.astype(np.int64)])


def trained(cell: ColumnsCell, rng: Generator) -> tuple[list[Trained], Stretches]:
    times = cell.training_times()
    stretches = Stretches.of((times[0] * HOUR).astype(np.int64))
    found = []
    for number, kind in enumerate(cell.columns):
        rows = kind.draw(rng, times)[0]
        if not kind.category:
            found.append(Trained(number_profile(f"c{number}", rows, stretches), kind, {}))
            continue
        profile = category_profile(f"c{number}", np.array([str(int(v)) for v in rows], dtype=object), stretches)
        place = {value: at for at, value in enumerate(profile.known)}
        other = len(profile.known)
        found.append(Trained(profile, kind, {code: place.get(str(int(code)), other) for code in np.unique(rows)}))
    return found, stretches


def windows_of(cell: ColumnsCell, number: int, kind: Kind, times: Array, rng: Generator) -> Array:
    """(triples, 3 · rows) of one column."""
    rows = kind.draw(rng, times)
    return cell.change(rows, rng) if cell.change is not None and number < cell.changed else rows


def drifted(cell: ColumnsCell, column: Trained, stretches: Stretches, rows: Array, alpha: float) -> Flags:
    """(triples, 3): whether the window's column is breached, as `columns.compare_column` says."""
    profile, n = column.profile, cell.rows
    codes = column.cells(rows).reshape(-1, n)
    size = len(columns.expected_cells(profile))
    counts = _counts(codes, size)
    expected = _expected(profile, counts, n)
    value = np.abs(
        np.cumsum(counts, axis=1) / n - np.cumsum(expected, axis=1) / expected.sum(axis=1, keepdims=True)
    ).max(axis=1)
    inflation = _inflation(cell, profile, stretches, codes, counts)
    reference = expected.sum(axis=1)
    noise = inflation / n + np.maximum(1.0, inflation * np.minimum(1.0, reference / n)) / reference
    breached = (value >= columns.MIN_EFFECT) & (value > np.sqrt(log(2 / alpha) / 2 * noise))
    return np.asarray(breached.reshape(-1, WINDOWS))


def _counts(codes: NDArray[np.int64], size: int) -> Array:
    flat = codes + size * np.arange(len(codes))[:, None]
    return np.bincount(flat.ravel(), minlength=size * len(codes)).reshape(len(codes), size).astype(float)


def _expected(profile: FeatureProfile, counts: Array, n: int) -> Array:
    if profile.numeric:
        return np.broadcast_to(np.array(profile.cells, dtype=float), counts.shape)
    return np.array([columns.expected_cells(profile, new / n) for new in counts[:, -1]])


def _inflation(
    cell: ColumnsCell, profile: FeatureProfile, stretches: Stretches, codes: NDArray[np.int64], counts: Array
) -> Array:
    n, ranks = cell.rows, np.array(columns.ranks_of(profile), dtype=float)
    known = columns.inflation_of_blocks(profile.levels, profile.time_levels, stretches.blocks, n, cell.seconds)
    mean = counts @ ranks / n
    squares = counts @ ranks**2 - n * mean**2
    expected = np.array(columns.expected_cells(profile))
    share = expected / expected.sum()
    variance = share @ ranks**2 - (share @ ranks) ** 2
    row = ranks[codes]
    neighbours = (row[:, 1:] * row[:, :-1]).sum(axis=1)
    collapsed = squares / n <= columns.COLLAPSED * variance
    lag = (neighbours - mean * (2 * n * mean - row[:, 0] - row[:, -1]) + (n - 1) * mean**2) / np.where(
        collapsed, 1.0, squares
    )
    phi = np.clip(lag + (1 + 3 * lag) / n, 0.0, columns.FULLY_DEPENDENT)
    return np.where(collapsed, known, np.maximum(known, (1 + phi) / (1 - phi)))


# --- measuring ---------------------------------------------------------------------------------------------------


def measured(cell: ColumnsCell, triples: int | None = None) -> Result:
    """`some`: windows in which some column is breached; `same`: three windows in which the same one is in two; where
    columns changed, one of those."""
    alpha = columns.alpha_of_one(ALPHA, len(cell.columns), BREACHES, OF)
    some = same = 0
    total = triples or cell.triples
    for number, first in enumerate(range(0, total, BLOCK)):
        count, rng = min(BLOCK, total - first), cell.rng(number)
        known, stretches = trained(cell, rng)
        times = cell.window_times(rng, count)
        asked = range(cell.changed or len(known))
        flags = np.array(
            [
                drifted(cell, known[at], stretches, windows_of(cell, at, known[at].kind, times, rng), alpha)
                for at in asked
            ]
        )
        some += int(flags.any(axis=0).sum())
        same += int((flags.sum(axis=2) >= BREACHES).any(axis=0).sum())
    return {
        "triples": total,
        "some": some,
        "same": same,
        "changed": cell.changed,
        "most": cell.most,
        "least": cell.least,
    }
