"""What plays the tables on data drift is the operator's own arithmetic, and what those tables promise holds."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hack.judgement import many_shares
from hack.judgement.cells_columns import WINDOWS, ColumnsCell, cells
from hack.judgement.many_columns import drifted, measured, trained, windows_of

from bucle.podkit.sketches import Sketcher
from bucle.statistics.columns import Rule, alpha_of_one, compare

CELLS = {cell.name: cell for cell in cells()}
SHARES = {cell.name: cell for cell in many_shares.cells()}
AS_THE_OPERATOR = (
    "20 mixed, 100 rows",
    "AR(1) 0.9, 500 rows",
    "daily cycle of 1 sd, 6 hours",
    "spread doubled, 200 rows",
)


def assert_equal(cell: ColumnsCell, triples: int) -> None:
    rng = cell.rng(0)
    known, stretches = trained(cell, rng)
    times = cell.window_times(rng, triples)
    alpha = alpha_of_one(0.01, len(known), 2, 3)
    for number, column in enumerate(known):
        rows = windows_of(cell, number, column.kind, times, rng)
        together = drifted(cell, column, stretches, rows, alpha)
        seen = {column.profile.name: [f"{code:g}" for code in column.known]}
        sketcher = Sketcher([column.profile], {}, seen)
        for at in range(triples * WINDOWS):
            window = rows.reshape(-1, cell.rows)[at]
            values = pa.array([f"{v:g}" for v in window] if column.kind.category else window)
            sketch = sketcher.sketch(pa.table({column.profile.name: values}))
            found = compare(sketch, [column.profile], stretches.blocks, Rule(alpha, seconds=cell.seconds))
            broken = found.columns[0].breached("Constant")
            assert broken or found.columns[0].breached("Drift") == together.ravel()[at], (number, at)


@pytest.mark.parametrize("name", AS_THE_OPERATOR)
def test_columns_are_judged_as_the_operator_judges_them(name: str) -> None:
    assert_equal(CELLS[name], 1)


@pytest.mark.thorough
@pytest.mark.parametrize("name", CELLS)
def test_columns_of_every_cell_are_judged_as_the_operator_judges_them(name: str) -> None:
    assert_equal(CELLS[name], 2)


def test_cells_have_names_of_their_own() -> None:
    assert len(CELLS) == len(cells()) and len(SHARES) == len(many_shares.cells())


@pytest.mark.thorough
@pytest.mark.parametrize("name", [cell.name for cell in cells() if cell.most is not None or cell.least is not None])
def test_what_the_page_promises_of_columns_holds(name: str) -> None:
    """Few runs: what is promised, and three standard errors of that many runs beside it."""
    cell, runs = CELLS[name], min(200, CELLS[name].triples)
    found = measured(cell, runs)
    share = 100 * found["same"] / found["triples"]
    if cell.most is not None:
        assert share <= cell.most + 3 * 100 * np.sqrt(cell.most / 100 / runs)
    if cell.least is not None:
        assert share >= cell.least - 3 * 100 * np.sqrt((1 - cell.least / 100) / runs)


@pytest.mark.thorough
@pytest.mark.parametrize("name", [cell.name for cell in many_shares.cells() if cell.most is not None])
def test_what_the_page_promises_of_shares_holds(name: str) -> None:
    cell, runs = SHARES[name], 200
    found = many_shares.measured(cell, runs)
    assert cell.most is not None
    assert 100 * found["same"] / found["triples"] <= cell.most + 3 * 100 * np.sqrt(cell.most / 100 / runs)
