"""What plays the tables of docs/judging.md is the operator's own rule, and the rates that it promises hold."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from hack.judgement import (
    cells_classes,
    cells_days,
    cells_drift,
    cells_errors,
    cells_paired,
    champion,
    many,
    many_drift,
    many_errors,
    runs,
)
from hack.judgement.worlds import Cell
from tests.support.judgement import first_verdict, rules_of

from bucle.kinds.driftpolicy import drift_statistics
from bucle.statistics import drift, evidence, one_look, paired
from bucle.statistics.moments import Moments

CELLS = (*cells_paired.cells(), *cells_days.cells(), *cells_classes.cells())
PER_SIDE = 0.01
"""What docs/judging.md promises of every cell that is held."""


def assert_equal(cell: Cell, rollouts: int, groups: int) -> None:
    """Verdict and look, with the truth at the limit and seven tenths of a spread from it."""
    world = cell.block(0, rollouts, groups)
    for name, (plain, together) in rules_of(world).items():
        for limit in (world.limit, world.limit + 0.7 * world.unit):
            found = together(world, limit)
            for r in range(rollouts):
                wanted = first_verdict(plain, world, r, limit)
                assert (found.verdict[r], found.look[r]) == wanted, f"{name} at {limit}, rollout {r}"


@pytest.mark.parametrize("cell", CELLS[::3], ids=lambda cell: cell.name)
def test_one_rollout_is_judged_as_the_operator_judges_it(cell: Cell) -> None:
    assert_equal(cell, 1, 40)


@pytest.mark.thorough
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_rollouts_of_every_cell_are_judged_as_the_operator_judges_them(cell: Cell) -> None:
    assert_equal(cell, 2, 120)


def test_cells_have_names_of_their_own() -> None:
    for family in runs.families():
        names = [cell.name for cell in family.cells]
        assert len(set(names)) == len(names), family.name


# --- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", cells_errors.cells(), ids=lambda cell: cell.name)
def test_intervals_of_errors_are_judged_as_by_their_moments(cell: cells_errors.ErrorCell) -> None:
    stable, candidate = cell.block(0, "equal", 3)
    found = many_errors.intervals(stable, candidate, cell)
    for r, differences in enumerate(many_errors.differences(stable, candidate, cell).x):
        moments, wanted = Moments(), (0, 0)
        for count, difference in enumerate(differences, 1):
            moments = moments.and_then(float(difference))
            if side := evidence.judge(moments.standing(), 0.0).side:
                wanted = (int(side), count * cell.looks_of_an_interval * cells_errors.REQUESTS)
                break
        assert (found.verdict[r], found.look[r]) == wanted


def test_the_counts_of_before_have_the_bounds_that_they_had() -> None:
    for n, counts in ((100, (0, 1, 7, 100)), (5_000, (0, 40, 250))):
        lower, upper = many_errors.edges(n, np.array(counts, dtype=float))
        assert list(zip(lower, upper, strict=True)) == [
            pytest.approx(many_errors.rate_bounds(n, k), abs=1e-12) for k in counts
        ]


# --- the champion ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", champion.cells()[::3], ids=lambda table: table.name)
def test_a_comparison_with_the_champion_is_judged_as_the_operator_judges_it(table: champion.Table) -> None:
    world = table.cell.block(0, 60, table.groups)
    for limit in (0.0, champion.BETTER):
        found = champion.one_look(world, limit)
        for r in range(len(found)):
            bounds = one_look.interval(
                paired.standing(list(zip(world.x[r], world.n[r], strict=True))), champion.CONFIDENCE
            )
            assert found[r] == (bounds.upper < limit)


# --- drift -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", cells_drift.cells()[::4], ids=lambda cell: cell.name)
def test_windows_are_judged_as_the_operator_judges_them(cell: cells_drift.DriftCell) -> None:
    worse, limit, sequences = 1.0, 0.5, 3
    world = cell.block(0, sequences)
    windows, known = many_drift.told(world.windows)[0], many_drift.known(world.reference)
    found = many_drift.last_three(world, limit, worse)
    rule = drift_statistics.Rule("log_loss", limit, drift.CONFIDENCE, many_drift.BREACHES, many_drift.OF)
    for r in range(sequences):
        t, rho = cells_drift.REFERENCE, known.rho[r]
        reference = replace(measured(known.told, (r,)), lag=rho + (1 + 3 * rho) / t, skew=known.skew[r])
        for w in range(found.shape[1]):
            first, second, last = (
                replace(one, value=one.value + worse) for one in (measured(windows, (r, v)) for v in range(w, w + 3))
            )
            verdict = drift_statistics.judge(last, [first, second], reference, rule).verdict
            assert found[r, w] == (verdict == "Breached")


def measured(told: many_drift.Told, at: tuple[int, ...]) -> drift_statistics.Measured:
    """As the operator gets it from a pod."""
    groups = int(told.groups[at])
    return drift_statistics.Measured(
        float(told.loss[at]),
        float(told.spread[at]) / sqrt(groups),
        groups,
        rows=int(told.rows[at]),
        kish=float(told.kish[at]),
    )


# --- the rates ---------------------------------------------------------------------------------------------------

QUICK = {
    "normal": many.paired,
    "exponential, bad groups rare": many.paired,
    "AR(1) 0.4": many.paired,
    "z explains 50 %": many.by_days,
    "left log-normal 0.5, +": many.by_days,
    "class means AR(1) 0.4": many.by_classes,
}
ROLLOUTS = {many.paired: 1_000, many.by_days: 500, many.by_classes: 500}
LOOSER = 10 * evidence.ALPHA


def wrong(name: str, alpha: float) -> float:
    """The larger of the shares of rollouts that pass, and that fail, with the truth at the limit; the seed is the cell's own."""
    cell = next(cell for cell in CELLS if cell.name == name)
    look = QUICK[name]
    world = cell.block(0, ROLLOUTS[look])
    found = many.outcomes(look(world), world.limit, alpha)
    return max(found.share(1), found.share(-1))


@pytest.mark.parametrize("name", QUICK)
def test_a_candidate_at_the_limit_is_wrongly_judged_in_at_most_one_rollout_of_a_hundred(name: str) -> None:
    assert wrong(name, evidence.ALPHA) <= PER_SIDE


@pytest.mark.parametrize("name", QUICK)
def test_a_looser_rule_would_be_seen(name: str) -> None:
    assert wrong(name, LOOSER) > PER_SIDE


def test_errors_at_the_limit_are_wrongly_judged_in_at_most_one_rollout_of_a_hundred() -> None:
    cell = cells_errors.cells()[0]
    found = many_errors.intervals(*cell.block(0, "limit", 2_000), cell)
    assert max(found.share(1), found.share(-1)) <= PER_SIDE


def test_a_metric_at_the_limit_alarms_in_at_most_one_evaluation_of_a_hundred() -> None:
    for cell in cells_drift.cells()[:3]:
        assert many_drift.last_three(cell.block(0, 500), 0.0, 0.0).mean() <= PER_SIDE
